# SPDX-License-Identifier: MIT
"""The read-wait event in the program's hands: signaled no longer than packets are there."""

from __future__ import annotations

import array
import ctypes
import gc
import os
import selectors
import sys
import threading
from typing import Any, Callable

import pytest

import wintun
from helpers import Worker, ipv4_packet, scaled, wait_until
from wintun import simulator
from wintun._aio._watch import Events


def is_signaled(event: int) -> bool:
    """Whether a wait for the event would end at once; on Windows the look consumes the signal."""
    if sys.platform == "win32":
        wait: Any = ctypes.windll.kernel32.WaitForSingleObject
        return bool(wait(ctypes.c_void_p(event), 0) == 0)
    return is_readable(event, 0)


def is_readable(descriptor: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:  # select itself takes none above 1023
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def consume(event: int) -> None:
    """Takes the signal off the event, if there is one."""
    if is_signaled(event) and sys.platform != "win32":
        os.read(event, 4096)


def read_packed(session: wintun.Session) -> object:
    return session.read_packed(bytearray(20_000), array.array("I", [0] * 8))


def release(packet: Any) -> object:
    if packet is None or len(packet) == 0:
        return None
    packet.release()
    return packet


READS: dict[str, Callable[[wintun.Session], object]] = {
    "read": lambda session: session.read(),
    "read with timeout": lambda session: session.read(timeout=0.001),
    "read_many": lambda session: session.read_many(),
    "read_many of one": lambda session: session.read_many(1),
    "read_into": lambda session: session.read_into(bytearray(9000)),
    "read_packed": read_packed,
    "receive_packet": lambda session: release(session.receive_packet()),
    "receive_packets": lambda session: release(session.receive_packets()),
    "receive_packets of one": lambda session: release(session.receive_packets(1)),
}


@pytest.mark.parametrize("size", [100, 9000])
@pytest.mark.parametrize("read", READS)
def test_reading_until_there_is_none_takes_the_signal_too(
    session: wintun.Session, read: str, size: int
) -> None:
    event = session.read_wait_event
    for _ in range(3):
        for _ in range(3):
            assert simulator.deliver(session.adapter.name, ipv4_packet(size))
        while READS[read](session):
            pass
        assert not is_signaled(event)


@pytest.mark.parametrize("read", READS)
def test_a_packet_that_comes_later_sets_the_signal_again(
    session: wintun.Session, read: str
) -> None:
    event = session.read_wait_event
    for _ in range(3):
        while READS[read](session):
            pass
        assert not is_signaled(event)
        assert simulator.deliver(session.adapter.name, ipv4_packet(100))
        assert is_signaled(event)


def test_a_look_for_packets_takes_the_signal_only_when_there_are_none(
    session: wintun.Session,
) -> None:
    event = session.read_wait_event
    assert simulator.deliver(session.adapter.name, ipv4_packet(100))
    assert session.read() is not None
    assert not session.wait_read_event(0)
    assert not is_signaled(event)


@pytest.mark.skipif(sys.platform == "win32", reason="select takes no event of Windows")
def test_a_program_that_selects_gets_each_packet_and_does_not_spin(
    session: wintun.Session,
) -> None:
    event = session.read_wait_event
    count = scaled(1000, at_least=50)

    def select_and_read() -> int:
        got = wakes = 0
        while got < count:
            assert is_readable(event, 30), "a packet was there and no signal"
            wakes += 1
            while session.read() is not None:
                got += 1
        return wakes

    reader = Worker(select_and_read)
    for _ in range(count):
        while not simulator.deliver(session.adapter.name, ipv4_packet(100)):
            pass
    # A signal for each packet, and the one for a packet that was read before it was seen.
    assert reader.result() <= 2 * count


@pytest.mark.threads
def test_threads_that_wait_lose_no_packet_to_one_that_polls(session: wintun.Session) -> None:
    """The one that polls consumes signals that may be another's: it passes them on."""
    assert session.read_wait_event
    count = scaled(20_000, at_least=1000)
    got = [0] * 3
    stop = threading.Event()

    def wait(place: int) -> None:
        try:
            while session.read(timeout=None):
                got[place] += 1
        except wintun.ClosedError:
            pass

    def poll() -> None:
        while not stop.is_set():
            if session.read() is not None:
                got[2] += 1

    workers = [Worker(wait, 0), Worker(wait, 1), Worker(poll)]
    for _ in range(count):
        while not simulator.deliver(session.adapter.name, ipv4_packet(40)):
            pass
    stop.set()
    workers[2].result()
    wait_until(lambda: sum(got) == count, "a packet stayed behind")
    session.end()
    for worker in workers:
        worker.result()


# --- Watches of event loops ---------------------------------------------------------------------


def duplicate(event: int) -> int:
    """Another handle of an event, to be given to close_event()."""
    if sys.platform != "win32":
        return os.dup(event)
    kernel, made = ctypes.windll.kernel32, ctypes.c_void_p()
    process = ctypes.c_void_p(-1)
    same_access = 2
    assert kernel.DuplicateHandle(
        process, ctypes.c_void_p(event), process, ctypes.byref(made), 0, 0, same_access
    )
    assert made.value is not None
    return made.value


def loops_were_told(session: wintun.Session) -> bool:
    """Whether a thread that reads tells the event loops of packets."""
    events = Events(session)
    baton = duplicate(events.baton)
    events.close()  # it is only looked at, and is no watch
    try:
        consume(baton)
        name = session.adapter.name
        waits = session.statistics.waits
        reader = Worker(session.read, None)
        wait_until(lambda: session.statistics.waits > waits, "the reader does not wait")
        wait_until(lambda: simulator.deliver(name, ipv4_packet(100)), "the ring is full")
        assert reader.result() is not None
        return is_signaled(baton)
    finally:
        wintun._wintun.close_event(baton)


def test_threads_tell_loops_of_packets_as_long_as_one_watches(session: wintun.Session) -> None:
    assert not loops_were_told(session)
    first = Events(session)
    assert loops_were_told(session)
    second = Events(session)
    first.close()
    first.close()
    assert loops_were_told(session)
    second.close()
    assert not loops_were_told(session)
    dropped = Events(session)
    assert loops_were_told(session)
    del dropped
    gc.collect()
    assert not loops_were_told(session)
