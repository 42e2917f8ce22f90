# SPDX-License-Identifier: MIT
"""Tasks that await packets of a device, and threads that block for packets of the same."""

from __future__ import annotations

import time
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, MIN_CAPACITY, Worker, ipv4_packet, scaled, wait_until
from loops import LOOPS, Run, anyio, with_limit
from wintun import simulator


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return with_limit(request.param)


@pytest.fixture
def tun(make_device: Callable[..., wintun.TunDevice]) -> wintun.TunDevice:
    device = make_device("memory", capacity=MIN_CAPACITY)
    device.up()
    return device


def number_of(packet: bytes) -> int:
    return int.from_bytes(packet[12:16], "big")


def one_read(device: wintun.TunDevice) -> int:
    packet = device.read(HANG_SECONDS)
    assert packet is not None, "a packet lies in the ring, and the thread sleeps"
    return number_of(packet)


def one_read_after_the_event(device: wintun.TunDevice) -> int:
    assert device.wait_read_event(HANG_SECONDS), "a packet lies in the ring, and the thread sleeps"
    return one_read(device)


@pytest.mark.threads
@pytest.mark.parametrize("take_one", [one_read, one_read_after_the_event])
def test_a_burst_reaches_a_task_and_a_thread_that_take_one_packet_each_and_leave(
    run: Run,
    tun: wintun.TunDevice,
    take_one: Callable[[wintun.TunDevice], int],
) -> None:
    def deliver() -> None:
        time.sleep(0.001)
        assert simulator.fill(tun.name, 40, 2) == 2

    def take_one_after(seconds: float) -> int:
        time.sleep(seconds)
        return take_one(tun)

    async def main() -> None:
        for number in range(scaled(200, at_least=20)):
            # Which of them sees the signal depends on who was the first to sleep.
            thread = Worker(take_one_after, 0.0005 * (number % 2))
            await anyio.sleep(0.0005 * (1 - number % 2))
            sender = Worker(deliver)
            mine = number_of(await tun.read_async())
            # Not by blocking the loop, which could not pass on a signal that it took meanwhile.
            while thread.alive:
                await anyio.sleep(0.001)
            assert {mine, thread.result()} == {0, 1}
            sender.result()

    run(main)


@pytest.mark.threads
def test_many_tasks_and_threads_that_come_and_go_get_all_of_many_bursts(
    run: Run, tun: wintun.TunDevice
) -> None:
    bursts = scaled(500, at_least=50)
    seen: list[int] = []

    def read_in_thread() -> None:
        while True:
            try:
                packet = tun.read(None)
            except wintun.ClosedError:
                return
            assert packet is not None
            seen.append(number_of(packet))

    def send() -> None:
        for burst in range(bursts):
            assert simulator.fill(tun.name, 40, 4) == 4
            wait_until(lambda: len(seen) == 4 * (burst + 1), "packets lie in the ring")  # noqa: B023
        tun.down()

    async def read_in_task() -> None:
        while True:
            try:
                packet = await tun.read_async()
            except wintun.ClosedError:
                return
            seen.append(number_of(packet))
            await anyio.sleep(0)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(read_in_task)

    threads = [Worker(read_in_thread) for _ in range(2)]
    sender = Worker(send)
    run(main)
    sender.result()
    for thread in threads:
        thread.result()
    assert sorted(seen) == sorted([*range(4)] * bursts)


@pytest.mark.threads
def test_a_task_that_is_cancelled_leaves_the_packet_to_a_thread(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def main() -> None:
        for number in range(scaled(100, at_least=20)):
            thread = Worker(tun.read, HANG_SECONDS)
            async with anyio.create_task_group() as group:
                group.start_soon(tun.read_async)
                await anyio.sleep(0.0005)
                simulator.deliver(tun.name, ipv4_packet(40, number))
                group.cancel_scope.cancel()
            # The task had it, or it is the thread's; the next one ends the thread in any case.
            simulator.deliver(tun.name, ipv4_packet(40, number))
            assert thread.result() == ipv4_packet(40, number)
            assert len(tun.read_many()) <= 1

    run(main)
