# SPDX-License-Identifier: MIT
"""Batches: nothing is lost on an error in the middle, and a wrong item sends nothing."""

from __future__ import annotations

import array
import mmap
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, Worker, ipv4_packet, slot_size, usable
from wintun import simulator

TERMINATING, CORRUPT = 38, 13

# Sizes on both sides of what is copied out of the ring at once.
SIZES = [20, 64, 2047, 2048, 2049, 4000, 20, 60]


def collect_all(session: wintun.Session) -> list[bytes]:
    name = session.adapter.name
    return list(iter(lambda: simulator.collect(name), None))


def deliver(session: wintun.Session, packets: list[bytes]) -> None:
    for packet in packets:
        assert simulator.deliver(session.adapter.name, packet)


# --- write_many ------------------------------------------------------------------------------


def fails(session: wintun.Session) -> Iterator[bytes]:
    yield ipv4_packet(20)
    raise LookupError("the program's own")


WRONG_ITEMS: dict[str, tuple[Any, type[Exception]]] = {
    "none": (None, TypeError),
    "int": (20, TypeError),
    "text": ("E" * 20, TypeError),
    "list": ([0x45] * 20, TypeError),
    "too-large": (bytes(MAX_PACKET + 1), ValueError),
    "too-large-by-far": (bytearray(1 << 20), ValueError),
    "every-second-byte": (memoryview(ipv4_packet(40))[::2], BufferError),
    "backwards": (memoryview(ipv4_packet(40))[::-1], BufferError),
}


@pytest.mark.parametrize("wrong", WRONG_ITEMS)
@pytest.mark.parametrize("place", [0, 1, 99, 199])
def test_a_wrong_item_anywhere_in_a_batch_sends_nothing_of_it(
    session: wintun.Session, wrong: str, place: int
) -> None:
    item, error = WRONG_ITEMS[wrong]
    packets: list[Any] = [ipv4_packet(20)] * 200
    packets[place] = item
    with pytest.raises(error):
        session.write_many(packets)
    assert set(session.statistics) == {0}
    assert collect_all(session) == []


def test_an_iterable_that_raises_sends_nothing_and_its_error_comes_out(
    session: wintun.Session,
) -> None:
    with pytest.raises(LookupError, match="the program's own"):
        session.write_many(fails(session))
    assert collect_all(session) == []
    not_iterable: Any = 5
    with pytest.raises(TypeError):
        session.write_many(not_iterable)


def test_a_batch_takes_any_iterable_of_any_contiguous_buffers(session: wintun.Session) -> None:
    packet = ipv4_packet(40)
    mapped = mmap.mmap(-1, len(packet))
    mapped[:] = packet
    numbers = array.array("I", packet)
    buffers: list[Any] = [packet, bytearray(packet), memoryview(packet), mapped, numbers]
    buffers.append(memoryview(packet + packet)[40:])
    for iterable in (buffers, tuple(buffers), iter(buffers), dict.fromkeys(range(6), 0)):
        given = iterable if not isinstance(iterable, dict) else (buffers[i] for i in iterable)
        assert session.write_many(given) == 6
        assert collect_all(session) == [packet] * 6
    mapped.close()  # would be a BufferError while its buffer was kept
    assert session.write_many([]) == 0


def test_a_batch_keeps_no_reference_and_no_buffer_of_what_it_sent(session: wintun.Session) -> None:
    packet = bytearray(ipv4_packet(40))
    assert session.write_many([packet] * 300) == 300
    packet.append(0)  # would be a BufferError while it is exported
    with pytest.raises(TypeError):
        session.write_many([packet, None])  # type: ignore[list-item]
    packet.append(0)


@pytest.mark.parametrize("sent", [1, 63, 64, 65, 128, 129])
@pytest.mark.parametrize("code", [TERMINATING, CORRUPT])
def test_an_error_in_the_middle_of_writing_counts_what_went_out_and_comes_out_next(
    session: wintun.Session, sent: int, code: int
) -> None:
    packets = [ipv4_packet(40, seed) for seed in range(200)]
    simulator.set_fault("WintunAllocateSendPacket", code, skip=sent)
    assert session.write_many(packets) == sent
    with pytest.raises(OSError, match="WintunAllocateSendPacket") as raised:
        session.write_many(packets[sent:])
    assert raised.value.winerror == code  # type: ignore[attr-defined]
    simulator.set_fault("WintunAllocateSendPacket", 0)
    assert session.statistics[2:4] == (sent, 40 * sent)
    assert session.write_many(packets[sent:]) == 200 - sent
    assert collect_all(session) == packets


def test_a_batch_larger_than_the_ring_goes_through_it_while_the_other_side_takes_out(
    session: wintun.Session,
) -> None:
    packets = [ipv4_packet(1400, seed % 251) for seed in range(1000)]
    writer = Worker(lambda: session.write_many(packets, timeout=None))
    arrived: list[bytes] = []
    while len(arrived) < 1000:
        arrived += collect_all(session)
    assert writer.result() == 1000
    assert arrived == packets


def test_a_batch_that_ran_out_of_time_is_short_by_what_had_no_room(session: wintun.Session) -> None:
    packets = [ipv4_packet(1400, seed % 251) for seed in range(200)]
    fits = usable(MIN_CAPACITY) // slot_size(1400)
    assert session.write_many(packets, timeout=0.1) == fits
    assert collect_all(session) == packets[:fits]


def test_closing_during_a_batch_returns_how_many_went_out(session: wintun.Session) -> None:
    packets = [ipv4_packet(1400)] * 200
    writer = Worker(lambda: session.write_many(packets, timeout=None))
    while session.statistics.packets_sent < usable(MIN_CAPACITY) // slot_size(1400):
        assert writer.alive
    session.end()
    assert writer.result() == usable(MIN_CAPACITY) // slot_size(1400)
    with pytest.raises(wintun.ClosedError):
        session.write_many(packets)


# --- read_many -------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 7, 8, 9, 1000, 0x7FFFFFFF])
def test_read_many_gives_at_most_as_many_as_asked_and_all_that_are_there(
    session: wintun.Session, limit: int
) -> None:
    packets = [ipv4_packet(size, size % 251) for size in SIZES]
    deliver(session, packets)
    read: list[bytes] = []
    while batch := session.read_many(limit):
        assert len(batch) == min(limit, len(packets) - len(read))
        assert {type(packet) for packet in batch} == {bytes}
        read += batch
    assert read == packets


@pytest.mark.parametrize("there", [1, 15, 16, 17, 127, 128, 129, 200])
@pytest.mark.parametrize("code", [TERMINATING, CORRUPT])
def test_an_error_in_the_middle_of_reading_keeps_what_was_read_and_comes_out_next(
    session: wintun.Session, there: int, code: int
) -> None:
    packets = [ipv4_packet(40, seed) for seed in range(250)]
    deliver(session, packets)
    simulator.set_fault("WintunReceivePacket", code, skip=there)
    assert session.read_many(250) == packets[:there]
    with pytest.raises(OSError, match="WintunReceivePacket") as raised:
        session.read_many(250)
    assert raised.value.winerror == code  # type: ignore[attr-defined]
    simulator.set_fault("WintunReceivePacket", 0)
    assert session.read_many(250) == packets[there:]


@pytest.mark.parametrize("there", range(5))
def test_an_error_behind_packets_that_were_read_ahead_comes_after_them(
    session: wintun.Session, there: int
) -> None:
    packets = [ipv4_packet(40, seed) for seed in range(8)]
    deliver(session, packets)
    simulator.set_fault("WintunReceivePacket", TERMINATING, skip=4)
    singles = [session.read() for _ in range(there)]
    rest = [] if there == 4 else session.read_many(100)
    assert singles + rest == packets[:4]
    for _ in range(2):
        with pytest.raises(wintun.AdapterTerminatingError):
            session.read_many()
        with pytest.raises(wintun.AdapterTerminatingError):
            session.read()


@pytest.mark.parametrize("limit", [0, -1, 1 << 31, 1 << 64, -(1 << 64)])
def test_a_limit_out_of_range_is_a_value_error(session: wintun.Session, limit: int) -> None:
    for call in (session.read_many, session.receive_packets):
        with pytest.raises(ValueError, match="max_packets"):
            call(limit)


@pytest.mark.parametrize("limit", [None, 1.0, "1", True, b"1"], ids=repr)
def test_a_limit_that_is_no_int_is_a_type_error(session: wintun.Session, limit: Any) -> None:
    for call in (session.read_many, session.receive_packets):
        with pytest.raises(TypeError, match="max_packets"):
            call(limit)


# --- read_into -------------------------------------------------------------------------------


def test_read_into_fills_the_front_of_a_buffer_and_leaves_the_rest(session: wintun.Session) -> None:
    packets = [ipv4_packet(size, size % 251) for size in SIZES]
    deliver(session, packets)
    for packet in packets:
        buffer = bytearray(b"\xee" * 5000)
        assert session.read_into(buffer) == len(packet)
        assert buffer == packet + b"\xee" * (5000 - len(packet))
    assert session.read_into(buffer) is None
    assert session.read_into(buffer, timeout=0.01) is None


@pytest.mark.parametrize("size", [20, 2048, 2049, MAX_PACKET])
def test_a_packet_too_large_for_the_buffer_is_an_error_and_stays_whatever_reads_next(
    session: wintun.Session, size: int
) -> None:
    packets = [ipv4_packet(size, seed) for seed in (1, 2)]
    exact, short = bytearray(size), bytearray(b"\xee" * (size - 1))
    ways: list[Callable[[], bytes | None]] = [
        session.read,
        lambda: session.read_many(1)[0],
        lambda: bytes(exact) if session.read_into(exact) else None,
        lambda: bytes(session.receive_packet() or b""),
        lambda: bytes(session.receive_packets(1)[0]),
    ]
    for read in ways:
        deliver(session, packets[:1])
        for _ in range(2):
            with pytest.raises(ValueError, match=f"next packet has {size} bytes"):
                session.read_into(short)
            with pytest.raises(ValueError, match=f"next packet has {size} bytes"):
                session.read_into(bytearray())
        assert short == b"\xee" * (size - 1)
        deliver(session, packets[1:] if size < MAX_PACKET else [])
        assert read() == packets[0]
        assert session.read() == (packets[1] if size < MAX_PACKET else None)


def test_a_packet_that_stayed_does_not_count_twice(session: wintun.Session) -> None:
    deliver(session, [ipv4_packet(100)])
    for _ in range(3):
        with pytest.raises(ValueError, match="no room"):
            session.read_into(bytearray(99))
    assert session.wait_read_event(0) is True, "somebody who waits must hear of it"
    assert session.read() == ipv4_packet(100)
    assert session.statistics[:2] == (1, 100)


@pytest.mark.parametrize(
    "buffer",
    [b"readonly" * 10, memoryview(bytes(100)), memoryview(bytearray(200))[::2], "text", 5, None],
    ids=lambda buffer: type(buffer).__name__,
)
def test_read_into_refuses_what_is_not_a_writable_contiguous_buffer(
    session: wintun.Session, buffer: Any
) -> None:
    deliver(session, [ipv4_packet(20)])
    with pytest.raises((TypeError, BufferError)):
        session.read_into(buffer)
    assert session.read() == ipv4_packet(20)


def test_the_buffer_is_free_again_when_read_into_returns(session: wintun.Session) -> None:
    buffer = bytearray(20)
    deliver(session, [ipv4_packet(20), ipv4_packet(40)])
    session.read_into(buffer)
    with pytest.raises(ValueError, match="no room"):
        session.read_into(buffer)
    buffer.extend(bytes(20))
    assert session.read_into(buffer) == 40
    assert session.read_into(buffer) is None
    buffer.clear()


# --- All of them -----------------------------------------------------------------------------

BLOCKING: dict[str, Callable[[wintun.Session, float], object]] = {
    "read": lambda session, timeout: session.read(timeout),
    "read_many": lambda session, timeout: session.read_many(timeout=timeout),
    "read_into": lambda session, timeout: session.read_into(bytearray(100), timeout),
    "read_packed": lambda session, timeout: session.read_packed(
        bytearray(100), array.array("I", [0, 0]), timeout=timeout
    ),
    "write": lambda session, timeout: session.write(ipv4_packet(20), timeout),
    "write_many": lambda session, timeout: session.write_many([ipv4_packet(20)], timeout),
    "write_packed": lambda session, timeout: session.write_packed(
        ipv4_packet(20), array.array("I", [0, 20]), 1, timeout
    ),
}


@pytest.mark.parametrize("call", BLOCKING)
@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf")])
def test_a_timeout_below_nothing_is_a_value_error(
    session: wintun.Session, call: str, timeout: float
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        BLOCKING[call](session, timeout)


@pytest.mark.parametrize("call", BLOCKING)
@pytest.mark.parametrize("timeout", ["1", b"1", [1], object()], ids=lambda one: type(one).__name__)
def test_a_timeout_that_is_no_number_is_a_type_error(
    session: wintun.Session, call: str, timeout: Any
) -> None:
    with pytest.raises(TypeError):
        BLOCKING[call](session, timeout)


@pytest.mark.parametrize("call", BLOCKING)
def test_who_blocks_in_a_call_is_woken_by_the_end_of_the_session(
    session: wintun.Session, call: str
) -> None:
    while session.write_many([ipv4_packet(20)] * 1000):
        pass
    worker = Worker(BLOCKING[call], session, 1e300)
    while session.statistics.waits == 0:
        assert worker.alive
    session.end()
    assert type(worker.error()) is wintun.ClosedError


@pytest.mark.parametrize("call", BLOCKING)
def test_calls_on_a_session_that_is_over_and_a_device_that_is_down_are_closed_errors(
    session: wintun.Session, device: wintun.TunDevice, call: str
) -> None:
    session.end()
    with pytest.raises(wintun.ClosedError):
        BLOCKING[call](session, 0)
    with pytest.raises(wintun.ClosedError):
        BLOCKING[call](device, 0)  # type: ignore[arg-type]
