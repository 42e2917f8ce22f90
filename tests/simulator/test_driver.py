# SPDX-License-Identifier: MIT
"""How the driver treats packets in rare cases: what it keeps, loses, discards and overwrites."""

from __future__ import annotations

from typing import Callable

import pytest

import wintun
from helpers import (
    HANG_SECONDS,
    MAX_PACKET,
    Worker,
    ipv4_packet,
    ipv6_packet,
    sizes_that_fill,
    slot_size,
    usable,
    wait_until,
)
from wintun import simulator

MakeSession = Callable[..., wintun.Session]

NOT_IP = [b"", b"\x45" + bytes(18), b"\x60" + bytes(38), bytes(1400), b"\xff" * MAX_PACKET]


def taken(session: wintun.Session) -> int:
    """Packets that the driver has taken from the program."""
    counted = simulator.statistics(session.adapter.name)
    return counted.collected_packets + counted.discarded_not_ip + counted.discarded_paused


def read_for_ever(session: wintun.Session) -> None:
    while True:
        session.read()


def wait_until_taken(session: wintun.Session, count: int) -> None:
    wait_until(lambda: taken(session) == count, f"the driver takes {count} packets")


# --- What the system sends ----------------------------------------------------------------------


@pytest.mark.parametrize("packet", NOT_IP, ids=lambda packet: f"{len(packet)} bytes")
def test_the_driver_delivers_what_it_is_given(session: wintun.Session, packet: bytes) -> None:
    assert simulator.deliver(session.adapter.name, packet)
    assert simulator.deliver(session.adapter.name, ipv4_packet(40))
    assert session.read_many(3) == [packet, ipv4_packet(40)]
    assert simulator.statistics(session.adapter.name).delivered_bytes == len(packet) + 40


def test_a_chain_is_delivered_whole_or_not_at_all(session: wintun.Session) -> None:
    name = session.adapter.name
    room = usable(0x20000)
    first = ipv4_packet(60000)
    assert simulator.deliver(name, first)
    room -= slot_size(60000)
    fragments = [ipv4_packet(room // 2 - 8, seed) for seed in range(2)]
    assert not simulator.deliver_chain(name, [*fragments, ipv4_packet(20)])
    assert simulator.statistics(name).dropped_full == 3, "each of them"
    assert simulator.deliver_chain(name, fragments)
    assert simulator.deliver_chain(name, [])
    assert session.read_many(9) == [first, *fragments]
    assert simulator.deliver_chain(name, [ipv6_packet(40)] * 100)
    assert len(session.read_many(200)) == 100


def test_a_chain_that_no_ring_could_take_is_dropped(session: wintun.Session) -> None:
    name = session.adapter.name
    assert not simulator.deliver_chain(name, [bytes(MAX_PACKET)] * 3)
    assert simulator.deliver_chain(name, [bytes(size) for size in sizes_that_fill(0x20000)])
    assert not simulator.deliver(name, b""), "full to the last byte"


# --- What the program sends ---------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["memory", "host", "loop", "flood"])
@pytest.mark.parametrize("packet", NOT_IP[:4])
def test_what_is_not_ip_never_fills_the_ring(
    make_session: MakeSession, wire: str, packet: bytes
) -> None:
    """Twice what the ring holds: with the driver, who writes zeros never meets a full ring."""
    session = make_session(wire=wire)
    count = 2 * usable(0x20000) // slot_size(len(packet))
    for _ in range(count):
        session.write(packet, timeout=HANG_SECONDS)
    name = session.adapter.name
    wait_until(lambda: simulator.statistics(name).discarded_not_ip == count, "they are discarded")


def test_what_is_not_ip_behind_a_packet_goes_with_it(session: wintun.Session) -> None:
    name = session.adapter.name
    session.write_many([ipv4_packet(20), bytes(60000), bytes(60000)])
    assert simulator.statistics(name).discarded_not_ip == 0, "they wait in their order"
    assert simulator.collect(name) == ipv4_packet(20)
    assert simulator.statistics(name).discarded_not_ip == 2
    session.write_many([ipv4_packet(60000), ipv4_packet(60000)])
    assert simulator.drain(name, 2) == 2


def test_what_is_not_ip_waits_for_the_packet_that_is_sent_before_it(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    first, second = session.allocate_send_packet(20), session.allocate_send_packet(20)
    second.send()
    assert simulator.statistics(name).discarded_not_ip == 0
    first.release()
    assert simulator.statistics(name).discarded_not_ip == 2


# --- The system's stack -------------------------------------------------------------------------


def test_one_packet_that_is_kept_keeps_the_room_of_all_behind_it(
    make_session: MakeSession,
) -> None:
    session = make_session(wire="flood", packet_size=20)
    name = session.adapter.name
    simulator.keep_packet(name)
    sent = 0
    while True:
        try:
            session.write(ipv4_packet(1400))
        except wintun.RingFullError:
            break
        sent += 1
        wait_until_taken(session, sent)
    assert sent == usable(0x20000) // slot_size(1400), "all were taken, and the ring is full"
    simulator.return_packet(name)
    session.write_many([ipv4_packet(1400)] * sent, timeout=HANG_SECONDS)
    wait_until_taken(session, 2 * sent)


def test_the_driver_waits_for_a_kept_packet_before_it_discards_one(
    make_session: MakeSession,
) -> None:
    session = make_session(wire="loop")
    name = session.adapter.name
    simulator.keep_packet(name)
    session.write(ipv4_packet(100))
    assert session.read(timeout=HANG_SECONDS) == ipv4_packet(100)
    session.write(ipv4_packet(101))
    assert session.read(timeout=HANG_SECONDS) == ipv4_packet(101)
    session.write_many([bytes(100), ipv4_packet(102)])
    assert session.read(timeout=0.2) is None
    simulator.return_packet(name)
    assert session.read(timeout=HANG_SECONDS) == ipv4_packet(102)


@pytest.mark.parametrize("wire", ["memory", "host", "loop", "flood"])
def test_a_paused_adapter_takes_and_drops(make_session: MakeSession, wire: str) -> None:
    session = make_session(wire=wire)
    name = session.adapter.name
    simulator.drop(name)
    count = 2 * usable(0x20000) // slot_size(1400)
    for _ in range(count):
        session.write(ipv4_packet(1400), timeout=HANG_SECONDS)
    wait_until(
        lambda: simulator.statistics(name).discarded_paused == count, "they are taken and dropped"
    )
    while session.read() is not None:
        pass  # what came before
    before = simulator.statistics(name)
    assert not simulator.deliver(name, ipv4_packet(60))
    assert simulator.fill(name, 60, 5) == 0
    assert session.read() is None
    after = simulator.statistics(name)
    assert after.dropped_paused > before.dropped_paused
    assert after.delivered_packets == before.delivered_packets
    simulator.resume(name)
    assert simulator.deliver(name, ipv4_packet(60)) or wire == "flood"
    assert session.read(timeout=HANG_SECONDS) is not None


def test_what_waits_when_an_adapter_is_paused_is_dropped(session: wintun.Session) -> None:
    name = session.adapter.name
    session.write_many([ipv4_packet(20)] * 3)
    simulator.drop(name)
    assert simulator.collect(name) is None
    assert simulator.statistics(name).discarded_paused == 3


# --- The faults of the official driver ------------------------------------------------------------


@pytest.mark.parametrize("wire", ["loop", "memory"])
def test_a_lost_wakeup_leaves_a_packet_until_the_next_one(
    make_session: MakeSession, wire: str
) -> None:
    session = make_session(wire=wire)
    name = session.adapter.name

    def arrived(timeout: float) -> bytes | None:
        return session.read(timeout) if wire == "loop" else simulator.collect(name, timeout)

    for round_ in range(3):
        session.write(ipv4_packet(100))
        assert arrived(HANG_SECONDS) == ipv4_packet(100)
        simulator.lose_wakeup(name)
        session.write(ipv4_packet(101 + round_))
        assert arrived(0.1) is None
        session.write(ipv4_packet(200))
        assert arrived(HANG_SECONDS) == ipv4_packet(101 + round_)
        assert arrived(HANG_SECONDS) == ipv4_packet(200)


def test_a_lost_wakeup_is_of_a_burst_and_ends_with_a_packet_of_no_bytes(
    make_session: MakeSession,
) -> None:
    session = make_session(wire="loop")
    simulator.lose_wakeup(session.adapter.name)
    packets = [session.allocate_send_packet(60) for _ in range(2)]
    for packet in reversed(packets):
        packet[:] = ipv4_packet(60)
        packet.send()
    assert session.read(timeout=0.1) is None
    session.write(b"")
    for _ in packets:
        assert session.read(timeout=HANG_SECONDS) == ipv4_packet(60)


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_an_overrun_ring_has_an_altered_packet_and_then_nonsense(
    make_session: MakeSession, waiting: int
) -> None:
    session = make_session()
    name = session.adapter.name
    packets = [ipv4_packet(3000, seed) for seed in range(waiting)]  # more than is read ahead
    simulator.deliver_chain(name, packets)
    simulator.overrun_ring(name)
    altered = session.read(timeout=HANG_SECONDS)
    assert altered is not None
    assert altered not in packets
    assert len(altered) == (3000 if waiting else 20)
    for _ in range(3):
        with pytest.raises(wintun.RingCorruptError):
            session.read()
    session.write(ipv4_packet(20))
    assert simulator.collect(name) == ipv4_packet(20), "sending goes on"


def test_an_overrun_ring_is_mended_by_another_session(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    adapter = make_adapter("memory")
    with adapter.start_session(0x20000) as session:
        simulator.fill(adapter.name, 100, 1000)
        simulator.overrun_ring(adapter.name)
        with pytest.raises(wintun.RingCorruptError):
            read_for_ever(session)
    with adapter.start_session(0x20000) as session:
        simulator.deliver(adapter.name, ipv4_packet(60))
        assert session.read() == ipv4_packet(60)


# --- What is counted and waited for --------------------------------------------------------------


def test_a_packet_for_somebody_else_is_counted(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device("host")
    device.addr = "10.6.7.1/24"
    device.up()
    for last in (1, 2, 9):
        head = bytearray(ipv4_packet(20))
        head[2:20] = bytes([0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 6, 7, 5, 10, 6, 7, last])
        total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, 20, 2))
        head[10:12] = (0xFFFF - (total % 0xFFFF)).to_bytes(2, "big")
        device.write(head)
    name = device.name
    wait_until(lambda: simulator.statistics(name).collected_packets == 3, "they are taken")
    assert simulator.statistics(name).not_for_host == 2


def test_collect_waits_for_a_packet(session: wintun.Session) -> None:
    name = session.adapter.name
    assert simulator.collect(name, timeout=0.01) is None
    waiter = Worker(simulator.collect, name, None)
    session.write(ipv4_packet(20))
    assert waiter.result() == ipv4_packet(20)


def test_a_session_that_ends_ends_the_wait_of_collect(session: wintun.Session) -> None:
    waiter = Worker(simulator.collect, session.adapter.name, HANG_SECONDS)
    waiter.started.wait()
    session.end()
    assert isinstance(waiter.error(), LookupError)
