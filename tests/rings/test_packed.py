# SPDX-License-Identifier: MIT
"""Many packets in one buffer: where they lie, what has no room, what is refused."""

from __future__ import annotations

import array
import ctypes
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, ipv4_packet, scaled, slot_size, usable
from wintun import simulator

FREE = 0xEE


def spans_for(count: int) -> array.array[int]:
    return array.array("I", bytes(4 * 2 * count))


def deliver(session: wintun.Session, packets: list[bytes]) -> None:
    for packet in packets:
        assert simulator.deliver(session.adapter.name, packet)


def collect_all(session: wintun.Session) -> list[bytes]:
    name = session.adapter.name
    return list(iter(lambda: simulator.collect(name), None))


def unpacked(buffer: bytearray, spans: array.array[int], count: int) -> list[bytes]:
    return [bytes(buffer[spans[2 * i] : spans[2 * i + 1]]) for i in range(count)]


# --- Reading ---------------------------------------------------------------------------------


@settings(
    max_examples=scaled(200, at_least=20),
)
@given(
    sizes=st.lists(st.one_of(st.integers(20, 100), st.integers(2040, 2060)), max_size=40),
    room=st.integers(0, 20_000),
    slots=st.integers(1, 30),
    headroom=st.one_of(st.integers(0, 40), st.just(MAX_PACKET)),
    tailroom=st.integers(0, 40),
)
def test_packets_lie_with_their_room_one_behind_the_other_and_nothing_else_is_touched(
    make_session: Callable[..., wintun.Session],
    sizes: list[int],
    room: int,
    slots: int,
    headroom: int,
    tailroom: int,
) -> None:
    with make_session() as session:
        packets = [ipv4_packet(size, number) for number, size in enumerate(sizes)]
        deliver(session, packets)
        expected, places, end = bytearray([FREE]) * room, array.array("I"), 0
        for packet in packets[:slots]:
            start = end + headroom
            end = start + len(packet) + tailroom
            if end > room:
                break
            expected[start : start + len(packet)] = packet
            places.extend((start, start + len(packet)))
        fit = len(places) // 2
        buffer = bytearray([FREE]) * room
        spans = array.array("I", [77]) * (2 * slots)
        if packets and fit == 0:
            with pytest.raises(ValueError, match=f"next packet has {sizes[0]} bytes"):
                session.read_packed(buffer, spans, headroom, tailroom)
        else:
            assert session.read_packed(buffer, spans, headroom, tailroom) == fit
        assert buffer == expected
        assert spans[: 2 * fit] == places
        assert set(spans[2 * fit :]) <= {77}
        assert session.read_many(100) == packets[fit:], "what had no room stays"


def test_without_packets_it_returns_0_at_once_or_when_the_time_is_over(
    session: wintun.Session,
) -> None:
    assert session.read_packed(bytearray(100), spans_for(1)) == 0
    assert session.read_packed(bytearray(100), spans_for(1), timeout=0.01) == 0
    assert session.read_packed(bytearray(), spans_for(1)) == 0


@pytest.mark.parametrize("size", [60, 2049])
def test_a_packet_with_its_headroom_and_tailroom_fits_to_the_last_byte(
    session: wintun.Session, size: int
) -> None:
    deliver(session, [ipv4_packet(size)])
    spans = spans_for(1)
    for less in (1, 2):
        with pytest.raises(ValueError, match="no room"):
            session.read_packed(bytearray(8 + size + 16 - less), spans, 8, 16)
    buffer = bytearray(8 + size + 16)
    assert session.read_packed(buffer, spans, headroom=8, tailroom=16) == 1
    assert list(spans) == [8, 8 + size]
    assert buffer == bytes(8) + ipv4_packet(size) + bytes(16)


def test_what_stopped_a_read_that_had_packets_comes_out_next(session: wintun.Session) -> None:
    packets = [ipv4_packet(40, seed) for seed in range(4)]
    deliver(session, packets)
    simulator.set_fault("WintunReceivePacket", 13, skip=3)
    buffer, spans = bytearray(1000), spans_for(10)
    assert session.read_packed(buffer, spans) == 3
    assert unpacked(buffer, spans, 3) == packets[:3]
    with pytest.raises(wintun.RingCorruptError):
        session.read_packed(buffer, spans)
    assert unpacked(buffer, spans, 3) == packets[:3]


@pytest.mark.parametrize(
    "buffer",
    [bytes(1000), memoryview(bytes(1000)), memoryview(bytearray(2000))[::2], "x" * 1000, None],
    ids=lambda buffer: type(buffer).__name__,
)
def test_reading_refuses_a_buffer_that_is_not_writable_and_contiguous(
    session: wintun.Session, buffer: Any
) -> None:
    deliver(session, [ipv4_packet(20)])
    with pytest.raises((TypeError, BufferError)):
        session.read_packed(buffer, spans_for(4))
    assert session.read() == ipv4_packet(20)


BAD_SPANS: dict[str, tuple[Any, tuple[type[Exception], ...]]] = {
    "bytes": (bytes(64), (ValueError, BufferError)),
    "bytearray": (bytearray(64), (ValueError,)),
    "16-bit": (array.array("H", bytes(64)), (ValueError,)),
    "64-bit": (array.array("Q", bytes(64)), (ValueError,)),
    "double": (array.array("d", bytes(64)), (ValueError,)),
    "float": (array.array("f", bytes(64)), (ValueError,)),
    "unaligned": (memoryview(bytearray(65))[1:].cast("I"), (ValueError,)),
    "every-second": (memoryview(array.array("I", bytes(64)))[::2], (BufferError,)),
    "list": ([0] * 16, (TypeError,)),
    "none": (None, (TypeError,)),
}


@pytest.mark.parametrize("wrong", BAD_SPANS)
def test_spans_that_are_no_contiguous_array_of_32_bit_integers_are_refused(
    session: wintun.Session, wrong: str
) -> None:
    spans, errors = BAD_SPANS[wrong]
    deliver(session, [ipv4_packet(20)])
    buffer = bytearray(ipv4_packet(20))
    with pytest.raises(errors):
        session.read_packed(buffer, spans)
    with pytest.raises(errors):
        session.write_packed(buffer, spans, 1)
    assert collect_all(session) == []
    assert session.read() == ipv4_packet(20)
    buffer.append(0)  # would be a BufferError while it is exported


@pytest.mark.parametrize("integers", [0, 1])
def test_spans_without_room_for_one_packet_are_a_value_error(
    session: wintun.Session, integers: int
) -> None:
    deliver(session, [ipv4_packet(20)])
    with pytest.raises(ValueError, match="spans"):
        session.read_packed(bytearray(100), array.array("I", [0] * integers))
    assert session.read() == ipv4_packet(20)


def test_reading_refuses_spans_that_are_read_only_and_writing_takes_them(
    session: wintun.Session,
) -> None:
    spans = memoryview(array.array("I", [0, 20])).toreadonly()
    with pytest.raises((TypeError, BufferError)):
        session.read_packed(bytearray(100), spans)
    assert session.write_packed(memoryview(ipv4_packet(20)), spans, 1) == 1
    assert collect_all(session) == [ipv4_packet(20)]


def test_spans_may_be_any_array_of_32_bit_integers(session: wintun.Session) -> None:
    for make in (
        lambda: array.array("i", bytes(16)),
        lambda: (ctypes.c_uint32 * 4)(),
        lambda: memoryview(bytearray(16)).cast("I"),
    ):
        spans: Any = make()
        deliver(session, [ipv4_packet(20), ipv4_packet(30)])
        assert session.read_packed(bytearray(100), spans, 1, 2) == 2
        assert list(spans) == [1, 21, 24, 54]


@pytest.mark.parametrize("name", ["headroom", "tailroom"])
@pytest.mark.parametrize("value", [-1, MAX_PACKET + 1, 1 << 32, 1 << 64, -(1 << 64)])
def test_room_out_of_range_is_a_value_error(session: wintun.Session, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        session.read_packed(bytearray(100), spans_for(1), **{name: value})


@pytest.mark.parametrize("name", ["headroom", "tailroom"])
@pytest.mark.parametrize("value", [1.0, "1", None, True], ids=repr)
def test_room_that_is_no_int_is_a_type_error(
    session: wintun.Session, name: str, value: Any
) -> None:
    with pytest.raises(TypeError, match=name):
        session.read_packed(bytearray(100), spans_for(1), **{name: value})


# --- Writing ---------------------------------------------------------------------------------


def test_what_was_read_packed_is_written_packed_with_a_header_put_in_front(
    session: wintun.Session,
) -> None:
    packets = [ipv4_packet(size, size % 251) for size in (20, 33, 2047, 2049, 9000)]
    deliver(session, packets)
    buffer, spans = bytearray(20_000), spans_for(10)
    count = session.read_packed(buffer, spans, headroom=4)
    for i in range(count):
        spans[2 * i] -= 4
        buffer[spans[2 * i] : spans[2 * i] + 4] = b"E\0\0\0"
    assert session.write_packed(buffer, spans, count) == len(packets)
    assert collect_all(session) == [b"E\0\0\0" + packet for packet in packets]


def test_spans_may_overlap_be_in_any_order_and_name_a_packet_twice(
    session: wintun.Session,
) -> None:
    buffer = ipv4_packet(20, 1) + ipv4_packet(40, 2)
    spans = array.array("I", [20, 60, 0, 20, 0, 60, 20, 60])
    assert session.write_packed(buffer, spans, 4) == 4
    assert collect_all(session) == [buffer[20:], buffer[:20], buffer, buffer[20:]]


def test_only_count_packets_of_the_spans_are_looked_at(session: wintun.Session) -> None:
    packet = ipv4_packet(20)
    wrong_behind = array.array("I", [0, 20, 50, 10])
    assert session.write_packed(packet, wrong_behind, 1) == 1
    assert session.write_packed(packet, array.array("I", [0, 20, 5]), 1) == 1
    assert session.write_packed(packet, wrong_behind, 0) == 0
    assert session.write_packed(b"", array.array("I"), 0) == 0
    assert collect_all(session) == [packet] * 2


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 100_001),
        (100_000, 100_001),
        (100_001, 100_001),
        (21, 20),
        (0xFFFFFFFF, 0),
        (0, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x80000000, 0x80000014),
        (0, MAX_PACKET + 1),
        (1, MAX_PACKET + 2),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 199])
def test_a_span_outside_the_buffer_or_too_large_sends_nothing_of_the_batch(
    session: wintun.Session, place: int, start: int, end: int
) -> None:
    buffer = bytearray(ipv4_packet(100) * 1000)
    spans = array.array("I", [0, 20] * 200)
    spans[2 * place : 2 * place + 2] = array.array("I", [start, end])
    with pytest.raises(ValueError, match=f"packet {place} .* from {start} to {end}"):
        session.write_packed(buffer, spans, 200)
    assert set(session.statistics) == {0}
    assert collect_all(session) == []
    buffer.append(0)
    spans.append(0)


def test_the_largest_packet_goes_from_the_very_end_of_a_buffer(session: wintun.Session) -> None:
    packet = ipv4_packet(MAX_PACKET)
    spans = array.array("I", [5, 5 + MAX_PACKET])
    assert session.write_packed(b"front" + packet, spans, 1) == 1
    assert collect_all(session) == [packet]


@pytest.mark.parametrize("count", [2, 3, 0x7FFFFFFF, -1, 1 << 31, 1 << 32, 1 << 64, -(1 << 64)])
def test_a_count_of_more_than_the_spans_have_is_a_value_error(
    session: wintun.Session, count: int
) -> None:
    with pytest.raises(ValueError, match="count"):
        session.write_packed(ipv4_packet(20), array.array("I", [0, 20, 0]), count)
    assert collect_all(session) == []


@pytest.mark.parametrize("count", [1.0, "1", None, True], ids=repr)
def test_a_count_that_is_no_int_is_a_type_error(session: wintun.Session, count: Any) -> None:
    with pytest.raises(TypeError, match="count"):
        session.write_packed(ipv4_packet(20), array.array("I", [0, 20]), count)


def test_a_full_ring_makes_the_count_short_and_an_error_in_the_middle_comes_out_next(
    session: wintun.Session,
) -> None:
    buffer, spans = ipv4_packet(1400), array.array("I", [0, 1400] * 200)
    fits = usable(MIN_CAPACITY) // slot_size(1400)
    assert session.write_packed(buffer, spans, 200) == fits
    assert session.write_packed(buffer, spans, 200, timeout=0.01) == 0
    assert session.statistics[2:5] == (fits, fits * 1400, 2)
    assert len(collect_all(session)) == fits
    simulator.set_fault("WintunAllocateSendPacket", 38, skip=7)
    assert session.write_packed(buffer, spans, 10) == 7
    with pytest.raises(wintun.AdapterTerminatingError):
        session.write_packed(buffer, spans, 10)
    assert collect_all(session) == [buffer] * 7
