# SPDX-License-Identifier: MIT
"""Closing while other threads wait, read, write or hold packets: all return, none crashes."""

from __future__ import annotations

import random
import threading
import time
from typing import Callable

import pytest

import wintun
from helpers import (
    MIN_CAPACITY,
    Worker,
    check_prompt,
    ipv4_packet,
    open_handles,
    scaled,
    sizes_that_fill,
)
from wintun import simulator

Endpoint = wintun.TunDevice

WAITERS = 8


def wait_for_event(device: Endpoint) -> str:
    try:
        while True:
            device.wait_read_event()
    except wintun.ClosedError:
        return "closed"


def read_loop(device: Endpoint) -> str:
    try:
        while True:
            if device.read() is None:
                device.wait_read_event()
    except wintun.ClosedError:
        return "closed"


def blocking_read(device: Endpoint) -> str:
    try:
        while True:
            device.read(timeout=None)
    except wintun.ClosedError:
        return "closed"


def blocking_read_with_timeout(device: Endpoint) -> str:
    try:
        while True:
            device.read(timeout=3600.0)
    except wintun.ClosedError:
        return "closed"


def blocking_read_many(device: Endpoint) -> str:
    try:
        while True:
            device.read_many(timeout=None)
    except wintun.ClosedError:
        return "closed"


def iterate(device: Endpoint) -> str:
    for _packet in device:
        pass
    return "closed"


READERS: dict[str, Callable[[Endpoint], str]] = {
    "wait_read_event": wait_for_event,
    "read loop": read_loop,
    "blocking read": blocking_read,
    "blocking read with timeout": blocking_read_with_timeout,
    "blocking read_many": blocking_read_many,
    "iteration": iterate,
}


def blocking_write(device: Endpoint) -> str:
    try:
        while True:
            device.write(ipv4_packet(60000), timeout=None)
    except wintun.ClosedError:
        return "closed"


def blocking_write_many(device: Endpoint) -> str:
    try:
        while True:
            device.write_many([ipv4_packet(60000)] * 10, timeout=None)
    except wintun.ClosedError:
        return "closed"


WRITERS: dict[str, Callable[[Endpoint], str]] = {
    "write": blocking_write,
    "write_many": blocking_write_many,
}


def start(function: Callable[[Endpoint], str], device: Endpoint) -> list[Worker[str]]:
    workers = [Worker(function, device) for _ in range(WAITERS)]
    for worker in workers:
        assert worker.started.wait()
    time.sleep(0.1)  # lets them get into their waits; right or wrong does not hang on it
    assert all(worker.alive for worker in workers)
    return workers


def seconds_to_return(workers: list[Worker[str]], close: Callable[[], None]) -> float:
    """Closes, and tells how long that and the last thread's return took."""
    closed_at = time.monotonic()
    close()
    took = time.monotonic() - closed_at
    assert [worker.result() for worker in workers] == ["closed"] * len(workers)
    ended = [worker.finished_at for worker in workers if worker.finished_at is not None]
    return max(took, max(ended) - closed_at)


@pytest.mark.driver
@pytest.mark.threads
@pytest.mark.parametrize("how", ["down", "close", "session", "adapter"])
@pytest.mark.parametrize("reader", READERS)
def test_eight_threads_that_wait_for_packets_return_within_a_second_of_the_close(
    make_device: Callable[..., wintun.TunDevice], reader: str, how: str
) -> None:
    def attempt() -> float:
        device = make_device()
        device.up()
        workers = start(READERS[reader], device)
        closers: dict[str, Callable[[], None]] = {
            "down": device.down,
            "close": device.close,
            "session": device.session.end,  # type: ignore[union-attr]
            "adapter": device.adapter.close,
        }
        return seconds_to_return(workers, closers[how])

    check_prompt(attempt)


@pytest.mark.threads
@pytest.mark.parametrize("how", ["down", "close"])
@pytest.mark.parametrize("writer", WRITERS)
def test_eight_threads_that_wait_for_room_return_within_a_second_of_the_close(
    make_device: Callable[..., wintun.TunDevice], writer: str, how: str
) -> None:
    def attempt() -> float:
        device = make_device("memory", capacity=MIN_CAPACITY)
        device.up()
        device.write_many([ipv4_packet(size) for size in sizes_that_fill(MIN_CAPACITY)])
        return seconds_to_return(start(WRITERS[writer], device), getattr(device, how))

    check_prompt(attempt)


@pytest.mark.threads
def test_eight_threads_under_full_traffic_return_within_a_second_of_the_close(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    functions: list[Callable[[Endpoint], str]] = [
        read_loop,
        blocking_read_many,
        iterate,
        blocking_write_many,
    ]

    def attempt() -> float:
        device = make_device("flood", packet_size=100)
        device.up()
        workers = [Worker(function, device) for function in functions * 2]
        time.sleep(0.2)
        assert all(worker.alive for worker in workers)
        return seconds_to_return(workers, device.close)

    check_prompt(attempt)


@pytest.mark.threads
def test_packets_that_readers_hold_survive_the_close_until_each_lets_go(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device("memory")
    device.up()
    closed = threading.Event()

    def hold(number: int) -> bytes:
        simulator.deliver(device.name, ipv4_packet(100, number))
        packet = device.receive_packet()
        assert packet is not None
        with packet:
            before = bytes(packet)
            closed.wait()
            assert bytes(packet) == before
            return before

    holders = [Worker(hold, number) for number in range(WAITERS)]
    while simulator.counts().held_packets < WAITERS:
        time.sleep(0.001)
    device.close()
    assert simulator.counts().sessions == 1
    closed.set()
    contents = [holder.result() for holder in holders]
    assert sorted(contents) == sorted(ipv4_packet(100, number) for number in range(WAITERS))
    assert simulator.counts().sessions == 0


@pytest.mark.slow
@pytest.mark.threads
def test_a_close_at_any_moment_under_any_calls_ends_in_closed_errors_only(
    unique_name: Callable[[], str],
) -> None:
    chance = random.Random(1)

    def work(device: Endpoint, seed: int) -> tuple[int, bool]:
        mine = random.Random(seed)
        calls: list[Callable[[], object]] = [
            lambda: device.read(),
            lambda: device.read(timeout=0.001),
            lambda: device.read_many(8, timeout=0.001),
            lambda: device.wait_read_event(0.001),
            lambda: device.write(ipv4_packet(100)),
            lambda: device.write_many([ipv4_packet(100)] * 3),
            lambda: (device.receive_packet() or device.allocate_send_packet(20)).release(),
            lambda: device.allocate_send_packet(64).send(),
            lambda: (device.statistics, device.is_up, device.mtu, device.session),
        ]
        done = 0
        while True:
            try:
                mine.choice(calls)()
                done += 1
            except wintun.RingFullError:
                pass
            except wintun.ClosedError:
                if device.closed:
                    return done, True

    for round_number in range(scaled(60, at_least=10)):
        device = wintun.TunDevice(unique_name(), "Test", MIN_CAPACITY)
        simulator.set_wire(device.name, "loop")
        device.up()
        workers = [Worker(work, device, seed) for seed in range(4)]
        time.sleep(chance.random() * 0.01)
        if round_number % 2:
            device.down()
            device.up()
            time.sleep(chance.random() * 0.005)
        closers = [Worker(device.close) for _ in range(2)]
        for closer in closers:
            closer.result()
        assert all(worker.result()[1] for worker in workers)
        assert simulator.counts().sessions == 0


@pytest.mark.threads
def test_up_and_down_from_many_threads_at_once_leave_one_session_or_none(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device()

    def flip() -> None:
        for _ in range(scaled(50, at_least=10)):
            device.up()
            device.down()

    for worker in [Worker(flip) for _ in range(4)]:
        worker.result()
    assert not device.is_up
    assert simulator.counts().sessions == 0
    device.up()
    assert simulator.counts().sessions == 1


@pytest.mark.threads
def test_a_device_can_come_up_the_moment_it_is_down_however_many_were_inside(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device()
    for _ in range(scaled(200, at_least=20)):
        device.up()
        waiters = [Worker(blocking_read, device) for _ in range(4)]
        for waiter in waiters:
            assert waiter.started.wait()
        time.sleep(0.001)
        device.down()
        device.up()
        device.down()
        for waiter in waiters:
            assert waiter.result() == "closed"


@pytest.mark.threads
def test_a_name_is_free_the_moment_its_device_is_closed_however_many_were_inside(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    for _ in range(scaled(200, at_least=20)):
        device = wintun.TunDevice(name, "Test", MIN_CAPACITY)
        device.up()
        waiters = [Worker(blocking_read, device) for _ in range(4)]
        for waiter in waiters:
            assert waiter.started.wait()
        time.sleep(0.001)
        device.close()
        wintun.TunDevice(name, "Test", MIN_CAPACITY).close()
        for waiter in waiters:
            assert waiter.result() == "closed"


@pytest.mark.threads
def test_sessions_started_and_ended_by_many_threads_leave_no_handle_behind(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    adapter = make_adapter()
    adapter.start_session(MIN_CAPACITY).end()
    handles = open_handles()

    def start_and_end() -> int:
        started = 0
        for _ in range(scaled(300, at_least=30)):
            try:
                session = adapter.start_session(MIN_CAPACITY)
            except OSError as error:
                if error.winerror != 1247:  # type: ignore[attr-defined]
                    raise
                continue
            started += 1
            session.end()
        return started

    assert sum(worker.result() for worker in [Worker(start_and_end) for _ in range(4)]) > 0
    assert simulator.counts().sessions == 0
    assert open_handles() <= handles + 5


@pytest.mark.threads
def test_a_device_that_is_brought_up_again_serves_readers_again(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device("memory")
    for round_number in range(5):
        device.up()
        reader = Worker(lambda: device.read(timeout=None))
        simulator.deliver(device.name, ipv4_packet(50, round_number))
        assert reader.result() == ipv4_packet(50, round_number)
        device.down()
