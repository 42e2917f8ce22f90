# SPDX-License-Identifier: MIT
"""A packet is memory of the ring: seen without a copy, given back once, never used afterwards."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Callable

import pytest

import wintun
from helpers import Worker, ipv4_packet
from wintun import simulator


def receive(session: wintun.Session, content: bytes) -> wintun.Packet:
    assert simulator.deliver(session.adapter.name, content)
    packet = session.receive_packet()
    assert packet is not None
    return packet


def test_a_received_packet_is_a_buffer_of_bytes(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(61))
    with memoryview(packet) as view:
        assert view.nbytes == len(packet) == 61
        assert view.format == "B"
        assert view.itemsize == 1
        assert view.ndim == 1
        assert view.c_contiguous
        assert view == ipv4_packet(61)


def test_two_views_of_a_packet_are_the_same_memory(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(61))
    with memoryview(packet) as one, memoryview(packet) as other:
        one[60] = 0xAB
        assert other[60] == 0xAB
    assert bytes(packet)[60] == 0xAB


def test_what_is_written_into_an_allocated_packet_is_what_goes_out(
    session: wintun.Session,
) -> None:
    packet = session.allocate_send_packet(100)
    with memoryview(packet) as view:
        view[:] = ipv4_packet(100)
        view[99] = 0xCD
    packet.send()
    assert simulator.collect(session.adapter.name) == ipv4_packet(100)[:99] + b"\xcd"


def test_no_view_of_a_packet_outlives_its_place_in_the_ring(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(40))
    view = memoryview(packet)
    with pytest.raises(BufferError):
        packet.release()
    assert not packet.released
    assert view == ipv4_packet(40)
    view.release()
    packet.release()
    assert packet.released


def test_a_packet_cannot_be_sent_while_somebody_may_still_write_to_it(
    session: wintun.Session,
) -> None:
    packet = session.allocate_send_packet(40)
    view = memoryview(packet)
    view[:] = ipv4_packet(40)
    with pytest.raises(BufferError):
        packet.send()
    assert simulator.collect(session.adapter.name) is None
    view.release()
    packet.send()
    assert simulator.collect(session.adapter.name) == ipv4_packet(40)


def test_a_view_keeps_a_dropped_packet_readable(session: wintun.Session) -> None:
    view = memoryview(receive(session, ipv4_packet(40)))
    gc.collect()
    simulator.fill(session.adapter.name, 64, 1_000_000)
    assert view == ipv4_packet(40)
    assert simulator.counts().held_packets == 1
    view.release()
    del view
    assert simulator.counts().held_packets == 0


def test_releasing_twice_is_fine_and_gives_back_once(session: wintun.Session) -> None:
    name = session.adapter.name
    first = receive(session, ipv4_packet(40))
    second = receive(session, ipv4_packet(44))
    first.release()
    first.release()
    assert first.released
    assert not second.released
    assert simulator.counts().held_packets == 1
    assert bytes(second) == ipv4_packet(44)
    second.release()
    assert simulator.deliver(name, ipv4_packet(40))
    assert session.read() == ipv4_packet(40)


def test_a_released_packet_has_nothing_left_to_see(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(40))
    packet.release()
    with pytest.raises((ValueError, BufferError, OSError)):
        memoryview(packet)
    with pytest.raises((ValueError, BufferError, OSError)):
        bytes(packet)


def test_a_packet_is_sent_once(session: wintun.Session) -> None:
    packet = session.allocate_send_packet(40)
    with memoryview(packet) as view:
        view[:] = ipv4_packet(40)
    packet.send()
    assert packet.released
    with pytest.raises((ValueError, OSError)):
        packet.send()
    packet.release()
    assert simulator.collect(session.adapter.name) == ipv4_packet(40)
    assert simulator.collect(session.adapter.name) is None


def test_a_received_packet_cannot_be_sent(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(40))
    with pytest.raises((ValueError, TypeError, OSError)):
        packet.send()
    assert bytes(packet) == ipv4_packet(40)
    assert simulator.collect(session.adapter.name) is None


def test_a_packet_leaves_its_with_block_released_whatever_happens_inside(
    session: wintun.Session,
) -> None:
    class ExpectedError(Exception):
        pass

    incoming = receive(session, ipv4_packet(40))
    with pytest.raises(ExpectedError), incoming:
        raise ExpectedError
    assert incoming.released
    outgoing = session.allocate_send_packet(40)
    with pytest.raises(ExpectedError), outgoing:
        raise ExpectedError
    assert outgoing.released
    assert simulator.collect(session.adapter.name) is None
    assert simulator.counts().held_packets == 0


def test_a_packet_keeps_its_session_alive_and_a_cycle_through_one_is_collected(
    session: wintun.Session,
) -> None:
    class Holder:
        pass

    holder = Holder()
    holder.me = holder  # type: ignore[attr-defined]
    holder.packet = receive(session, ipv4_packet(40))  # type: ignore[attr-defined]
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None
    assert simulator.counts().held_packets == 0


def test_packets_leak_no_memory_of_the_interpreter(session: wintun.Session) -> None:
    name = session.adapter.name

    def round_trip() -> None:
        receive(session, ipv4_packet(40)).release()
        session.allocate_send_packet(40).release()
        simulator.collect(name)
        with pytest.raises(ValueError, match="size must be"):
            session.allocate_send_packet(65536)

    for _ in range(100):
        round_trip()
    gc.collect()
    references = sys.getrefcount(session)
    for _ in range(100):
        round_trip()
    gc.collect()
    assert sys.getrefcount(session) == references


def test_packets_cannot_be_made_by_hand() -> None:
    for kind in (wintun.Packet, wintun.Session, wintun.Adapter):
        with pytest.raises(TypeError):
            kind()


@pytest.mark.threads
def test_one_packet_released_by_many_threads_at_once_is_given_back_once(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session()
    for _ in range(200):
        packet = receive(session, ipv4_packet(40))
        follower = receive(session, ipv4_packet(44))
        for worker in [Worker(packet.release) for _ in range(4)]:
            worker.result()
        assert simulator.counts().held_packets == 1
        assert bytes(follower) == ipv4_packet(44)
        follower.release()


@pytest.mark.threads
def test_one_packet_sent_by_many_threads_at_once_goes_out_once(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session()
    for _ in range(200):
        packet = session.allocate_send_packet(40)
        with memoryview(packet) as view:
            view[:] = ipv4_packet(40)
        errors = [worker.error() for worker in [Worker(packet.send) for _ in range(4)]]
        assert errors.count(None) == 1
        assert simulator.collect(session.adapter.name) == ipv4_packet(40)
        assert simulator.collect(session.adapter.name) is None


# --- Its bytes, without a view ----------------------------------------------------------------


def describe(value: object) -> str:
    """Names a test: without what differs from process to process, and not at length."""
    if isinstance(value, memoryview):
        return "strided"
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


SLICES = [
    slice(None),
    slice(1),
    slice(3, 40),
    slice(-5, None),
    slice(40, 3),
    slice(1000),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(50, 2, -7),
]


@pytest.mark.parametrize("key", [*SLICES, 0, 1, 60, -1, -61], ids=str)
def test_its_bytes_are_reached_as_those_of_a_bytearray(
    session: wintun.Session, key: int | slice
) -> None:
    packet = receive(session, ipv4_packet(61))
    model = bytearray(ipv4_packet(61))
    assert packet[key] == model[key]
    if isinstance(key, slice):
        data = bytes(range(100, 100 + len(model[key])))
        for kind in (bytes, bytearray, memoryview):
            packet[key] = kind(data)
        model[key] = data
        assert type(packet[key]) is bytes
    else:
        packet[key] = model[key] = 200
    assert bytes(packet) == model


def test_a_packet_filled_by_a_slice_is_what_goes_out(session: wintun.Session) -> None:
    with session.allocate_send_packet(100) as packet:
        packet[:] = ipv4_packet(100)
        packet[99] = 0xCD
        packet.send()
    assert simulator.collect(session.adapter.name) == ipv4_packet(100)[:99] + b"\xcd"


def test_a_slice_of_a_packet_may_be_another_part_of_the_same(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(61))
    model = bytearray(ipv4_packet(61))
    with memoryview(packet) as view:
        packet[10:50] = view[5:45]
        packet[0:40] = view[1:41]
    model[10:50] = model[5:45]
    model[0:40] = model[1:41]
    assert bytes(packet) == model


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (61, 1, IndexError),
        (-62, 1, IndexError),
        (1 << 70, 1, IndexError),
        (0, 256, ValueError),
        (0, -1, ValueError),
        (0, b"x", TypeError),
        (0, True, TypeError),
        ("0", 1, TypeError),
        (None, 1, TypeError),
        (slice(None), bytes(60), ValueError),
        (slice(None), bytes(62), ValueError),
        (slice(None), bytes(70000), ValueError),
        (slice(None, None, 2), bytes(30), ValueError),
        (slice(0, 4), 1, TypeError),
        (slice(0, 4), "text", TypeError),
        (slice(0, 4), memoryview(bytes(8))[::2], BufferError),
        (slice(0, 4, 0), bytes(4), ValueError),
    ],
    ids=describe,
)
def test_bytes_that_cannot_be_are_refused_and_change_nothing(
    session: wintun.Session, key: object, value: object, error: type[Exception]
) -> None:
    packet = receive(session, ipv4_packet(61))
    with pytest.raises(error):
        packet[key] = value  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        del packet[0:1]  # type: ignore[attr-defined]
    assert bytes(packet) == ipv4_packet(61)
    packet.release()  # nothing keeps it


def test_the_bytes_of_a_released_packet_are_a_closed_error(session: wintun.Session) -> None:
    packet = receive(session, ipv4_packet(61))
    packet.release()
    with pytest.raises(wintun.ClosedError):
        packet[0]
    with pytest.raises(wintun.ClosedError):
        packet[:] = bytes(61)


def test_a_packet_cannot_be_released_by_what_is_asked_for_its_index(
    session: wintun.Session,
) -> None:
    class Index:
        def __index__(self) -> int:
            with pytest.raises(BufferError):
                packet.release()
            return 3

    packet = receive(session, ipv4_packet(61))
    assert packet[Index()] == ipv4_packet(61)[3]
    packet[Index()] = Index()
    assert packet[3] == 3
    packet.release()  # the class is collected late where there is no GIL
