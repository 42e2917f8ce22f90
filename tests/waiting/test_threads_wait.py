# SPDX-License-Identifier: MIT
"""Waiting readers: each packet wakes one, a burst wakes as many as it has packets."""

from __future__ import annotations

import functools
import signal
import sys
import threading
import time
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, scaled, wait_until
from wintun import simulator

READERS = 8


@pytest.mark.driver
def test_waiting_for_no_time_does_not_block_and_says_whether_the_event_was_set(
    make_session: Callable[..., wintun.Session], on_driver: bool
) -> None:
    if on_driver:
        pytest.skip("the system may speak at any time")
    session = make_session()
    assert session.wait_read_event(0) is False
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    assert session.wait_read_event(0) is True


def test_a_wait_ends_at_its_timeout_and_not_before(session: wintun.Session) -> None:
    begin = time.monotonic()
    assert session.wait_read_event(0.1) is False
    assert session.read(timeout=0.1) is None
    assert session.read_many(timeout=0.1) == []
    assert time.monotonic() - begin >= 0.25


def test_a_read_without_packets_returns_none_at_once(session: wintun.Session) -> None:
    assert session.read() is None
    assert session.read_many() == []
    assert session.receive_packet() is None


@pytest.mark.threads
def test_a_blocking_read_wakes_when_a_packet_comes(session: wintun.Session) -> None:
    for number in range(scaled(200, at_least=20)):
        reader = Worker(lambda: session.read(timeout=None))
        if number % 2:
            time.sleep(0.002)
        simulator.deliver(session.adapter.name, ipv4_packet(40, number))
        assert reader.result() == ipv4_packet(40, number % 251)


def one_read(session: wintun.Session) -> bytes | None:
    return session.read(timeout=None)


def one_read_many(session: wintun.Session) -> bytes | None:
    packets = session.read_many(1, timeout=None)
    assert len(packets) == 1
    return packets[0]


@pytest.mark.threads
@pytest.mark.parametrize("take_one", [one_read, one_read_many])
def test_a_burst_of_packets_wakes_as_many_readers_that_take_one_each_and_leave(
    session: wintun.Session, take_one: Callable[[wintun.Session], bytes | None]
) -> None:
    for _ in range(scaled(20, at_least=5)):
        readers = [Worker(take_one, session) for _ in range(READERS)]
        for reader in readers:
            assert reader.started.wait()
        time.sleep(0.02)
        assert simulator.fill(session.adapter.name, 40, READERS) == READERS
        numbers = []
        for reader in readers:
            packet = reader.result()
            assert packet is not None
            numbers.append(int.from_bytes(packet[12:16], "big"))
        assert sorted(numbers) == list(range(READERS))
        assert session.read() is None


@pytest.mark.threads
@pytest.mark.parametrize("take_one", [one_read, one_read_many])
def test_a_thread_that_polls_leaves_the_rest_of_a_burst_to_those_who_wait(
    session: wintun.Session, take_one: Callable[[wintun.Session], bytes | None]
) -> None:
    for _ in range(scaled(300, at_least=30)):
        waiting = [Worker(take_one, session) for _ in range(2)]
        simulator.fill(session.adapter.name, 40, 3)
        polled = session.read()
        simulator.fill(session.adapter.name, 40, 1)
        numbers = [worker.result() for worker in waiting] + [polled]
        assert sum(packet is not None for packet in numbers) + len(session.read_many()) == 4


@pytest.mark.threads
def test_waiters_that_drain_the_ring_after_each_wait_get_every_packet_of_many_bursts(
    session: wintun.Session,
) -> None:
    bursts = scaled(2000, at_least=100)

    seen: list[int] = []

    def drain() -> None:
        while True:
            try:
                while (packet := session.read()) is not None:
                    seen.append(len(packet))
                session.wait_read_event()
            except wintun.ClosedError:
                return

    readers = [Worker(drain) for _ in range(4)]
    delivered = 0
    for _ in range(bursts):
        delivered += simulator.fill(session.adapter.name, 40, 5)
    # Not by the statistics: they count what was read ahead, and that is lost at the end.
    wait_until(lambda: len(seen) >= delivered, "packets lie in the ring unread")
    session.end()
    for reader in readers:
        reader.result()
    assert seen == [40] * delivered


@pytest.mark.threads
def test_a_reader_that_gives_up_does_not_take_the_wake_up_of_the_others_with_it(
    session: wintun.Session,
) -> None:
    for _ in range(scaled(30, at_least=5)):
        patient = [Worker(one_read, session) for _ in range(4)]
        hasty = [Worker(lambda: session.read(timeout=0.005)) for _ in range(4)]
        time.sleep(0.004)
        simulator.fill(session.adapter.name, 40, 8)
        got = [reader.result() is not None for reader in patient + hasty]
        assert got[:4] == [True] * 4
        assert got.count(True) + len(session.read_many()) == 8


@pytest.mark.parametrize("size", [20, 60000])
def test_waiting_takes_no_packet_and_ends_at_once_as_long_as_there_is_one(
    session: wintun.Session, size: int
) -> None:
    for seed in range(2):
        simulator.deliver(session.adapter.name, ipv4_packet(size, seed))
    for seed in range(2):
        for _ in range(3):
            assert session.wait_read_event(0) is True
            assert session.wait_read_event() is True
        assert session.read() == ipv4_packet(size, seed)
    assert session.wait_read_event(0) is False
    assert session.statistics.packets_received == 2


def test_a_signal_for_packets_that_were_read_meanwhile_ends_no_wait(
    session: wintun.Session,
) -> None:
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    assert session.read() == ipv4_packet(20)
    assert session.wait_read_event(0.05) is False


@pytest.mark.threads
def test_one_packet_ends_the_waits_of_all_who_wait_for_the_event(session: wintun.Session) -> None:
    for _ in range(scaled(100, at_least=10)):
        waiting = [Worker(session.wait_read_event) for _ in range(4)]
        simulator.deliver(session.adapter.name, ipv4_packet(20))
        assert all(waiter.result() for waiter in waiting)
        assert session.read() == ipv4_packet(20)


@pytest.mark.threads
@pytest.mark.parametrize("take_one", [one_read, one_read_many])
def test_who_waits_for_the_event_and_does_not_read_leaves_the_packet_to_those_who_read(
    session: wintun.Session, take_one: Callable[[wintun.Session], bytes | None]
) -> None:
    for number in range(scaled(300, at_least=30)):
        # Either may be the first to sleep, and so the one that the signal wakes.
        first, second = (session.wait_read_event, functools.partial(take_one, session))[
            :: 1 if number % 2 else -1
        ]
        workers: list[Worker[object]] = [Worker(first)]
        assert workers[0].started.wait()
        time.sleep(0.0005)
        workers.append(Worker(second))
        time.sleep(0.0005)
        simulator.fill(session.adapter.name, 40, 2)
        assert all(worker.result() for worker in workers)
        assert len(session.read_many()) == 1


def test_removal_of_the_adapter_wakes_a_waiter_and_the_next_read_says_why(
    session: wintun.Session,
) -> None:
    waiter = Worker(session.wait_read_event)
    time.sleep(0.05)
    simulator.remove_adapter(session.adapter.name)
    assert waiter.result() is True
    with pytest.raises(wintun.AdapterTerminatingError):
        session.read()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that interrupts a wait")
def test_a_signal_handler_runs_during_a_wait_and_its_exception_ends_it(
    session: wintun.Session,
) -> None:
    class InterruptedByTestError(Exception):
        pass

    seen: list[int] = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 2:
            raise InterruptedByTestError

    def has_seen(expected: int) -> bool:
        return len(seen) >= expected

    def interrupt(begun: threading.Event) -> None:
        assert begun.wait(HANG_SECONDS)
        for expected in (1, 2):
            time.sleep(0.05)
            signal.pthread_kill(main, signal.SIGUSR1)
            wait_until(functools.partial(has_seen, expected), "no handler ran")

    def tell_and_wait(begun: threading.Event, wait: Callable[[], object]) -> None:
        begun.set()
        wait()

    main = threading.get_ident()
    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        for wait in (
            lambda: session.wait_read_event(),
            lambda: session.read(timeout=None),
            lambda: session.read_many(timeout=None),
        ):
            seen.clear()
            begun = threading.Event()
            sender = Worker(interrupt, begun)
            with pytest.raises(InterruptedByTestError):
                tell_and_wait(begun, wait)
            sender.result()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    assert session.read() == ipv4_packet(20)
