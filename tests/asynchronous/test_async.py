# SPDX-License-Identifier: MIT
"""Reading and writing without threads, in every kind of loop: what `await` promises."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Awaitable
from typing import Any, Callable

import pytest

import wintun
from helpers import (
    MIN_CAPACITY,
    Worker,
    ipv4_packet,
    scaled,
    slot_size,
    usable,
)
from loops import LOOPS, Run, anyio, with_limit
from wintun import simulator

MakeDevice = Callable[..., wintun.TunDevice]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return with_limit(request.param)


@pytest.fixture
def tun(make_device: MakeDevice) -> wintun.TunDevice:
    """A device that is up, with the smallest rings, whose far side is the test."""
    device = make_device("memory", capacity=MIN_CAPACITY)
    device.up()
    return device


def number_of(packet: bytes) -> int:
    return int.from_bytes(packet[12:16], "big")


def thread_count() -> int:
    """Threads of the process, those of libraries included where the system tells."""
    tasks = "/proc/self/task"
    return len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()


async def settle() -> None:
    """Lets the tasks that were started get to where they wait."""
    for _ in range(5):
        await anyio.sleep(0)


# --- Reading ------------------------------------------------------------------------------------


def test_packets_that_are_there_are_read_in_their_order(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        simulator.fill(tun.name, 40, 200)
        numbers = [number_of(await tun.read_async()) for _ in range(100)]
        while len(numbers) < 200:
            packets = await tun.read_many_async(30)
            assert 1 <= len(packets) <= 30
            numbers += map(number_of, packets)
        assert numbers == list(range(200))

    run(main)


def test_a_read_waits_for_a_packet(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        for number in range(scaled(100, at_least=10)):
            async with anyio.create_task_group() as group:
                group.start_soon(deliver_later, number)
                if number % 2:
                    assert await tun.read_async() == ipv4_packet(40, number)
                else:
                    assert await tun.read_many_async() == [ipv4_packet(40, number)]

    async def deliver_later(number: int) -> None:
        await anyio.sleep(0.002 * (number % 3))
        simulator.deliver(tun.name, ipv4_packet(40, number))

    run(main)


def test_a_packet_from_another_thread_wakes_a_loop_that_does_nothing_else(
    run: Run, tun: wintun.TunDevice
) -> None:
    packets = scaled(300, at_least=30)

    def deliver() -> None:
        for number in range(packets):
            if number % 10 == 0:
                time.sleep(0.005)
            assert simulator.deliver(tun.name, ipv4_packet(40, number % 251))

    async def main() -> None:
        worker = Worker(deliver)
        for number in range(packets):
            assert await tun.read_async() == ipv4_packet(40, number % 251)
        worker.result()

    run(main)


def test_a_read_of_many_refuses_a_wrong_limit_at_once(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="max_packets"):
            await tun.read_many_async(0)
        with pytest.raises(TypeError):
            await tun.read_many_async("1")  # type: ignore[arg-type]

    run(main)


def test_a_device_that_is_down_is_closed_to_all_calls(run: Run, make_device: MakeDevice) -> None:
    device = make_device()

    async def main() -> None:
        for call in (
            device.read_async,
            device.read_many_async,
            lambda: device.write_async(ipv4_packet(20)),
            lambda: device.write_many_async([ipv4_packet(20)]),
        ):
            with pytest.raises(wintun.ClosedError):
                await call()

    run(main)


def test_tasks_that_read_one_device_get_each_packet_once(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        for _ in range(scaled(30, at_least=5)):
            numbers: list[int] = []

            async def read_one(numbers: list[int] = numbers) -> None:
                numbers.append(number_of(await tun.read_async()))

            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(read_one)
                await settle()
                simulator.fill(tun.name, 40, 8)
            assert sorted(numbers) == list(range(8))
        assert tun.read() is None

    run(main)


# --- Iteration ----------------------------------------------------------------------------------


def test_iteration_over_a_device_that_never_was_up_says_so(
    run: Run, make_device: MakeDevice
) -> None:
    device = make_device()

    async def iterate() -> list[bytes]:
        return [packet async for packet in device]

    async def main() -> None:
        with pytest.raises(wintun.ClosedError):
            await iterate()
        device.up()
        device.down()
        assert await iterate() == []
        device.close()
        assert await iterate() == []

    run(main)


@pytest.mark.parametrize("end", ["down", "close"])
def test_iteration_gives_packets_until_the_device_goes_down(
    run: Run, tun: wintun.TunDevice, end: str
) -> None:
    numbers: list[int] = []

    async def iterate() -> None:
        async for packet in tun:
            numbers.append(number_of(packet))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(iterate)
            for burst in range(1, 4):
                simulator.fill(tun.name, 40, 100)
                while len(numbers) < burst * 100:
                    await anyio.sleep(0.001)
            closer = Worker(getattr(tun, end))
        closer.result()

    run(main)
    assert numbers == list(range(100)) * 3


def test_a_break_out_of_an_iteration_leaves_the_rest_of_the_packets(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def main() -> None:
        simulator.fill(tun.name, 40, 10)
        async for packet in tun:
            if number_of(packet) == 4:
                break
        assert [number_of(packet) for packet in await tun.read_many_async()] == [5, 6, 7, 8, 9]

    run(main)


# --- Cancellation -------------------------------------------------------------------------------


def test_a_cancelled_read_takes_no_packet(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        with anyio.move_on_after(0.01):
            await tun.read_async()
        simulator.deliver(tun.name, ipv4_packet(40))
        assert await tun.read_async() == ipv4_packet(40)

    run(main)


def test_of_two_that_a_packet_wakes_the_one_that_is_not_cancelled_gets_it(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def main() -> None:
        for number in range(scaled(200, at_least=20)):
            got: list[bytes] = []

            async def read(scope: Any, got: list[bytes] = got) -> None:
                with scope:
                    got.append(await tun.read_async())

            scopes = [anyio.CancelScope(), anyio.CancelScope()]
            async with anyio.create_task_group() as group:
                for scope in scopes:
                    group.start_soon(read, scope)
                await settle()
                simulator.deliver(tun.name, ipv4_packet(40))
                for _ in range(number % 4):
                    await anyio.sleep(0)
                scopes[number // 4 % 2].cancel()
                while not got:
                    await anyio.sleep(0)
                group.cancel_scope.cancel()
            assert got == [ipv4_packet(40)]

    run(main)


def test_no_packet_is_lost_or_doubled_while_readers_are_cancelled_at_random(
    run: Run, tun: wintun.TunDevice
) -> None:
    bursts = scaled(1000, at_least=50)
    numbers: list[int] = []
    chance = random.Random(7)

    async def read() -> None:
        while len(numbers) < bursts * 5:
            with anyio.move_on_after(chance.random() * 0.002):
                if chance.random() < 0.5:
                    numbers.append(number_of(await tun.read_async()))
                else:
                    numbers.extend(map(number_of, await tun.read_many_async(3)))

    def deliver() -> None:
        for burst in range(bursts):
            for number in range(5):
                identity = (burst * 5 + number).to_bytes(4, "big")
                while not simulator.deliver(tun.name, b"\x45" + bytes(11) + identity + bytes(4)):
                    time.sleep(0.001)
            if burst % 8 == 0:
                time.sleep(0.001)

    async def main() -> None:
        worker = Worker(deliver)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(read)
        worker.result()

    run(main)
    assert sorted(numbers) == list(range(bursts * 5))


# --- Closing and removal ------------------------------------------------------------------------


def end_session(device: wintun.TunDevice) -> None:
    assert device.session is not None
    device.session.end()


ENDINGS: dict[str, Callable[[wintun.TunDevice], object]] = {
    "down": lambda device: device.down(),
    "close": lambda device: device.close(),
    "the session's end": end_session,
    "the adapter's close": lambda device: device.adapter.close(),
}


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("held", [False, True], ids=["", "with a packet held"])
def test_whoever_ends_the_session_wakes_all_tasks(
    run: Run, tun: wintun.TunDevice, end: str, held: bool
) -> None:
    errors: list[wintun.ClosedError] = []
    simulator.deliver(tun.name, ipv4_packet(20))
    packet = tun.receive_packet()
    assert packet is not None
    if not held:
        packet.release()

    async def read() -> None:
        with pytest.raises(wintun.ClosedError) as refused:
            await tun.read_async()
        errors.append(refused.value)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(read)
            await settle()
            closer = Worker(ENDINGS[end], tun)
        closer.result()

    run(main)
    assert [error.winerror for error in errors] == [6] * 4
    packet.release()


def test_a_device_that_is_up_again_does_not_feed_those_that_waited_before(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def read() -> None:
        with pytest.raises(wintun.ClosedError):
            await tun.read_async()

    async def main() -> None:
        for _ in range(scaled(20, at_least=5)):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await settle()
                tun.down()
                tun.up()
            simulator.deliver(tun.name, ipv4_packet(40))
            assert await tun.read_async() == ipv4_packet(40)

    run(main)


def test_removal_of_the_adapter_wakes_all_tasks_and_says_why(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def read() -> None:
        with pytest.raises(wintun.AdapterTerminatingError):
            await tun.read_async()

    async def iterate() -> None:
        with pytest.raises(wintun.AdapterTerminatingError):
            async for _ in tun:
                pass

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read)
            group.start_soon(iterate)
            await settle()
            simulator.remove_adapter(tun.name)

    run(main)


# --- Writing ------------------------------------------------------------------------------------


def fill_send_ring(device: wintun.TunDevice) -> int:
    """Writes packets of 1000 bytes until the ring is full; returns how many."""
    count = usable(MIN_CAPACITY) // slot_size(1000)
    assert device.write_many([ipv4_packet(1000)] * (count + 1)) == count
    return count


def test_packets_are_written_in_their_order(run: Run, tun: wintun.TunDevice) -> None:
    packets = [ipv4_packet(40, number) for number in range(200)]

    async def main() -> None:
        for packet in packets[:100]:
            await tun.write_async(packet)
        assert await tun.write_many_async(iter(packets[100:])) == 100
        assert await tun.write_many_async([]) == 0

    run(main)
    assert [simulator.collect(tun.name) for _ in range(201)] == [*packets, None]


def test_a_write_waits_while_the_ring_is_full(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        full = fill_send_ring(tun)
        async with anyio.create_task_group() as group:
            group.start_soon(tun.write_async, ipv4_packet(1000, 1))
            await anyio.sleep(0.1)
            assert simulator.drain(tun.name, 1) == 1
        assert simulator.drain(tun.name, full - 1) == full - 1
        assert simulator.collect(tun.name) == ipv4_packet(1000, 1)
        assert simulator.collect(tun.name) is None

    run(main)


def test_a_write_of_many_gets_all_of_more_than_the_ring_holds_through(
    run: Run, tun: wintun.TunDevice
) -> None:
    packets = [ipv4_packet(1000, number % 251) for number in range(3000)]
    collected: list[bytes] = []

    async def collect() -> None:
        while len(collected) < len(packets):
            packet = simulator.collect(tun.name)
            if packet is None:
                await anyio.sleep(0)
            else:
                collected.append(packet)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(collect)
            assert await tun.write_many_async(packets) == len(packets)

    run(main)
    assert collected == packets


def test_a_cancelled_write_has_written_nothing(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        full = fill_send_ring(tun)
        with anyio.move_on_after(0.05):
            await tun.write_async(ipv4_packet(1000))
        assert simulator.drain(tun.name, full + 1) == full

    run(main)


def test_a_session_that_ends_ends_the_writes_that_wait(run: Run, tun: wintun.TunDevice) -> None:
    async def write() -> None:
        with pytest.raises(wintun.ClosedError):
            await tun.write_async(ipv4_packet(1000))

    async def write_many() -> None:
        with pytest.raises(wintun.ClosedError):
            await tun.write_many_async([ipv4_packet(1000)] * 3)

    async def main() -> None:
        fill_send_ring(tun)
        async with anyio.create_task_group() as group:
            group.start_soon(write)
            group.start_soon(write_many)
            await anyio.sleep(0.05)
            closer = Worker(tun.down)
        closer.result()

    run(main)


def test_a_wrong_packet_among_many_sends_none(run: Run, tun: wintun.TunDevice) -> None:
    async def main() -> None:
        with pytest.raises(TypeError):
            await tun.write_async("text")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await tun.write_many_async([ipv4_packet(20), "text"])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="65535"):
            await tun.write_many_async([ipv4_packet(20), bytes(65536)])

    run(main)
    assert simulator.collect(tun.name) is None


# --- Sharing a loop -----------------------------------------------------------------------------

HUNGRY: dict[str, Callable[[wintun.TunDevice], Awaitable[object]]] = {
    "read": lambda device: device.read_async(),
    "read_many": lambda device: device.read_many_async(),
    "read_many of thousands": lambda device: device.read_many_async(5000),
    "iteration": lambda device: device.__anext__(),
    "write": lambda device: device.write_async(ipv4_packet(1000)),
    "write_many": lambda device: device.write_many_async([ipv4_packet(1000)] * 10),
}


@pytest.mark.parametrize("call", HUNGRY)
def test_a_task_that_never_has_to_wait_lets_the_others_run(
    run: Run, make_device: MakeDevice, call: str
) -> None:
    device = make_device("flood", packet_size=64)
    device.up()

    async def forever() -> None:
        while True:
            await HUNGRY[call](device)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            for _ in range(50):
                await anyio.sleep(0)
            group.cancel_scope.cancel()

    run(main)


def test_many_devices_share_a_loop_and_idle_ones_cost_nothing(
    run: Run, make_device: MakeDevice
) -> None:
    devices = [make_device("memory", capacity=MIN_CAPACITY) for _ in range(64)]
    got: list[tuple[int, bytes]] = []

    async def read(index: int) -> None:
        got.append((index, await devices[index].read_async()))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for index in range(64):
                group.start_soon(read, index)
            await settle()
            threads_used = thread_count() - threads
            before = time.process_time()
            await anyio.sleep(0.5)
            idle = time.process_time() - before
            for index, device in enumerate(devices):
                simulator.deliver(device.name, ipv4_packet(40, index))
        assert threads_used == 0
        assert idle < 0.25  # a loop that turns for nothing takes all of the half second

    for device in devices:
        device.up()
    threads = thread_count()
    run(main)
    assert sorted(got) == [(index, ipv4_packet(40, index)) for index in range(64)]
