# SPDX-License-Identifier: MIT
"""What the driver discards for being no IP: it is counted, or refused where that is asked for."""

from __future__ import annotations

import array
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet, ipv6_packet
from wintun import simulator

IP = {
    "IPv4": ipv4_packet(20),
    "IPv6": ipv6_packet(40),
    "large": ipv4_packet(1400),
    "IPv4 with the high bits of anything": b"\x4f" + bytes(19),
}
NOT_IP = {
    "empty": b"",
    "text": b"Text, and long enough to be a packet of IPv6",
    "IPv4 of 19 bytes": b"\x45" + bytes(18),
    "IPv6 of 39 bytes": b"\x60" + bytes(38),
    "zeros": bytes(1400),
    "version 5": b"\x55" + bytes(99),
}


def send_in_place(session: wintun.Session, packet: bytes) -> None:
    allocated = session.allocate_send_packet(len(packet))
    allocated[:] = packet
    try:
        allocated.send()
    finally:
        allocated.release()


def send_batch(session: wintun.Session, packet: bytes) -> None:
    with session.allocate_send_packets([len(packet)]) as batch:
        batch[0] = packet
        batch.send()


WRITES: dict[str, Callable[[Any, bytes], object]] = {
    "write": lambda session, packet: session.write(packet),
    "write a bytearray": lambda session, packet: session.write(bytearray(packet)),
    "write with timeout": lambda session, packet: session.write(packet, timeout=None),
    "write_many": lambda session, packet: session.write_many([packet]),
    "write_packed": lambda session, packet: session.write_packed(
        packet, array.array("I", [0, len(packet)]), 1
    ),
    "send": send_in_place,
    "send a batch": send_batch,
}


def counted(session: wintun.Session) -> wintun.Statistics:
    return session.statistics


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("packet", [*IP, *NOT_IP])
def test_what_is_no_ip_is_counted_once(session: wintun.Session, write: str, packet: str) -> None:
    WRITES[write](session, {**IP, **NOT_IP}[packet])
    statistics = counted(session)
    assert (statistics.packets_sent, statistics.packets_not_ip) == (1, packet in NOT_IP)
    WRITES[write](session, IP["IPv4"])
    assert counted(session).packets_not_ip == (packet in NOT_IP)


def test_the_count_is_what_the_driver_discards(make_session: Callable[..., Any]) -> None:
    session = make_session(wire="host")
    for packet in [*IP.values(), *NOT_IP.values()]:
        session.write(packet)
    name = session.adapter.name
    while simulator.statistics(name).discarded_not_ip < len(NOT_IP):
        session.read(timeout=0.01)
    assert simulator.statistics(name).discarded_not_ip == counted(session).packets_not_ip


@pytest.mark.parametrize("count", [2, 63, 64, 65, 200])
def test_those_among_many_are_counted(session: wintun.Session, count: int) -> None:
    packets = [*IP.values(), *NOT_IP.values()] * count
    packets = packets[:count]
    wrong = sum(packet in NOT_IP.values() for packet in packets)
    assert session.write_many(packets) == count
    assert counted(session).packets_not_ip == wrong


def test_packets_that_are_given_back_unsent_are_not_counted(session: wintun.Session) -> None:
    session.allocate_send_packet(40).release()
    session.allocate_send_packets([20, 30]).release()
    statistics = counted(session)
    assert (statistics.packets_unsent, statistics.packets_not_ip) == (3, 0)


# --- Refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("packet", IP)
def test_ip_passes_where_ip_alone_is_taken(
    session: wintun.Session, write: str, packet: str
) -> None:
    session.ip_only = True
    WRITES[write](session, IP[packet])
    assert simulator.collect(session.adapter.name) == IP[packet]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("packet", NOT_IP)
def test_what_is_no_ip_is_refused_and_named_where_ip_alone_is_taken(
    session: wintun.Session, write: str, packet: str
) -> None:
    session.ip_only = True
    wrong = NOT_IP[packet]
    what = f"not {len(wrong)} bytes that begin with 0x{wrong[0]:02x}" if wrong else "not empty"
    with pytest.raises(ValueError, match=rf"packet 0 must be IPv4 .*ip_only.*, {what}$"):
        WRITES[write](session, wrong)
    statistics = counted(session)
    assert (statistics.packets_sent, statistics.packets_not_ip) == (0, 0)
    session.ip_only = False
    WRITES[write](session, wrong)
    assert counted(session).packets_not_ip == 1


@pytest.mark.parametrize("place", [0, 1, 199])
def test_one_that_is_no_ip_among_many_sends_none_of_them(
    session: wintun.Session, place: int
) -> None:
    session.ip_only = True
    packets = [ipv4_packet(20)] * 200
    packets[place] = bytes(20)
    with pytest.raises(ValueError, match=f"packet {place} must be IPv4"):
        session.write_many(packets)
    spans = array.array("I", [bound for i in range(200) for bound in (20 * i, 20 * i + 20)])
    with pytest.raises(ValueError, match=f"packet {place} must be IPv4"):
        session.write_packed(b"".join(packets), spans, 200)
    with session.allocate_send_packets([20] * 200) as batch:
        for i, packet in enumerate(packets):
            batch[i] = packet
        with pytest.raises(ValueError, match=f"packet {place} must be IPv4"):
            batch.send()
        assert not batch.released
        batch[place] = ipv4_packet(20)
        batch.send()
    assert counted(session).packets_sent == 200


def test_a_packet_that_was_sent_says_so_also_where_ip_alone_is_taken(
    session: wintun.Session,
) -> None:
    session.ip_only = True
    packet = session.allocate_send_packet(20)
    batch = session.allocate_send_packets([20])
    for allocated in (packet, batch):
        allocated.release()
        with pytest.raises(wintun.ClosedError):
            allocated.send()


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_ip_only_is_a_bool(session: wintun.Session, make_device: Any, wrong: Any) -> None:
    for owner in (session, make_device()):
        assert owner.ip_only is False
        with pytest.raises(TypeError, match=f"ip_only must be a bool, not {wrong!r}"):
            owner.ip_only = wrong
        assert owner.ip_only is False
    with pytest.raises(AttributeError, match="ip_only"):
        del session.ip_only


def test_a_device_keeps_ip_only_over_its_sessions(device: wintun.TunDevice) -> None:
    device.ip_only = True
    for _ in range(2):
        device.up()
        with pytest.raises(ValueError, match="ip_only"):
            device.write(bytes(20))
        device.down()
    device.up()
    device.ip_only = False
    device.write(bytes(20))
    assert device.statistics.packets_not_ip == 1
    device.down()
    device.up()
    device.write(bytes(20))
    assert device.statistics.packets_not_ip == 2
