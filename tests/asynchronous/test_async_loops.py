# SPDX-License-Identifier: MIT
"""Loops that come and go: one after the other, side by side, closed while tasks wait."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable
from typing import Any, Callable

import pytest

import wintun
from helpers import (
    HANG_SECONDS,
    MIN_CAPACITY,
    PROGRAM_HEAD,
    Worker,
    ipv4_packet,
    open_handles,
    scaled,
    wait_until,
)
from wintun import simulator
from wintun._aio._watch import Events

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


def new_uvloop() -> asyncio.AbstractEventLoop:
    uvloop: Any = pytest.importorskip(
        "uvloop", reason="uvloop is not installed (there is none for Windows)"
    )
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


LOOPS: list[MakeLoop] = [asyncio.new_event_loop, new_uvloop]
if sys.platform == "win32":  # elsewhere it is the default
    LOOPS.append(asyncio.SelectorEventLoop)


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> MakeLoop:
    make: MakeLoop = request.param
    make().close()  # skips here, in the main thread
    return make


@pytest.fixture
def tun(make_device: Callable[..., wintun.TunDevice]) -> wintun.TunDevice:
    device = make_device("memory", capacity=MIN_CAPACITY)
    device.up()
    return device


def run(new_loop: MakeLoop, main: Awaitable[Any]) -> Any:
    loop = new_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, HANG_SECONDS))
    finally:
        loop.close()


async def read_after_waiting(device: wintun.TunDevice, seed: int) -> bytes:
    task = asyncio.ensure_future(device.read_async())
    await asyncio.sleep(0.001)
    simulator.deliver(device.name, ipv4_packet(40, seed))
    return await task


def test_a_device_serves_one_loop_after_the_other_and_nothing_stays_open(
    new_loop: MakeLoop, tun: wintun.TunDevice
) -> None:
    handles = []
    for number in range(6):
        packet = run(new_loop, read_after_waiting(tun, number))
        assert packet == ipv4_packet(40, number)
        del packet
        gc.collect()
        handles.append(open_handles())
    assert len(set(handles[2:])) == 1


def test_loops_in_two_threads_share_the_packets_of_a_device(
    new_loop: MakeLoop, tun: wintun.TunDevice
) -> None:
    bursts = scaled(300, at_least=30)
    lock = threading.Lock()
    numbers: list[int] = []

    async def read() -> None:
        while True:
            # One packet, then a turn: it is up to the other loop to take the rest of the burst.
            try:
                packet = await tun.read_async()
            except wintun.ClosedError:
                return
            with lock:
                numbers.append(int.from_bytes(packet[12:16], "big"))

    async def read_with_two_tasks() -> None:
        await asyncio.gather(read(), read())

    loops = [Worker(run, new_loop, read_with_two_tasks()) for _ in range(2)]
    for burst in range(1, bursts + 1):
        assert simulator.fill(tun.name, 40, 5) == 5
        if burst % 2:
            wait_until(lambda: len(numbers) == burst * 5, "packets lie in the ring")  # noqa: B023
    wait_until(lambda: len(numbers) == bursts * 5, "packets lie in the ring")
    tun.down()
    for loop in loops:
        loop.result()
    assert sorted(numbers) == sorted([*range(5)] * bursts)


def test_a_burst_reaches_tasks_in_two_loops_that_take_one_packet_each(
    new_loop: MakeLoop, tun: wintun.TunDevice
) -> None:
    for _ in range(scaled(100, at_least=10)):
        loops = [Worker(run, new_loop, tun.read_async()) for _ in range(2)]
        simulator.fill(tun.name, 40, 2)
        assert sorted(loop.result()[15] for loop in loops) == [0, 1]


def test_down_wakes_the_tasks_of_all_loops(new_loop: MakeLoop, tun: wintun.TunDevice) -> None:
    async def read() -> None:
        started.release()
        with pytest.raises(wintun.ClosedError):
            await tun.read_async()

    started = threading.Semaphore(0)
    loops = [Worker(run, new_loop, read()) for _ in range(2)]
    for _ in loops:
        started.acquire()
    tun.down()
    for loop in loops:
        loop.result()


@pytest.mark.parametrize("collected", ["while the device is up", "after the device is closed"])
def test_a_loop_that_is_closed_while_a_task_waits_leaves_nothing_open(
    new_loop: MakeLoop, tun: wintun.TunDevice, collected: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")  # it complains of the task that we leave
    handles = []
    for _ in range(6):
        loop = new_loop()
        task: Any = loop.create_task(tun.read_async())
        loop.run_until_complete(asyncio.sleep(0.01))
        assert not task.done()
        loop.close()
        if collected == "after the device is closed":
            tun.down()
            tun.up()
        del loop, task
        gc.collect()
        handles.append(open_handles())
    assert len(set(handles[2:])) == 1
    assert run(new_loop, read_after_waiting(tun, 3)) == ipv4_packet(40, 3)


def test_a_loop_that_stops_and_goes_on_wakes_the_task_that_waited(
    new_loop: MakeLoop, tun: wintun.TunDevice
) -> None:
    loop = new_loop()
    task = loop.create_task(tun.read_async())
    loop.run_until_complete(asyncio.sleep(0.01))
    simulator.deliver(tun.name, ipv4_packet(40))
    assert loop.run_until_complete(asyncio.wait_for(task, HANG_SECONDS)) == ipv4_packet(40)
    loop.close()


def test_asyncios_debug_mode_has_nothing_to_say() -> None:
    program = """
        import asyncio

        async def main(device):
            asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine says nothing
            got = []
            async def iterate():
                async for packet in device:
                    got.append(packet)
            tasks = [asyncio.ensure_future(iterate()) for _ in range(3)]
            cancelled = asyncio.ensure_future(device.read_async())
            await asyncio.sleep(0.01)
            simulator.fill("exit", 40, 10)
            cancelled.cancel()
            while len(got) < 10:
                await asyncio.sleep(0.001)
            device.down()
            await asyncio.gather(*tasks)

        device = open_device()
        for _ in range(3):
            device.up()
            asyncio.run(main(device))
        device.close()
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM_HEAD + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=HANG_SECONDS,
        text=True,
        check=False,
        env={**os.environ, "PYTHONASYNCIODEBUG": "1"},
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_program_may_end_while_a_loop_waits() -> None:
    program = """
        import asyncio

        device = open_device()
        loop = asyncio.new_event_loop()
        task = loop.create_task(device.read_async())
        loop.run_until_complete(asyncio.sleep(0.01))
        print("left")
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM_HEAD + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_SECONDS,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr


def test_the_events_for_a_loop_are_closed_with_their_last_owner(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device("memory")
    device.up()
    assert device.session is not None
    before = open_handles()
    events = Events(device.session)
    assert open_handles() > before or before == 0
    del events
    assert open_handles() == before
    closed = Events(device.session)
    closed.close()
    closed.close()
    del closed
    assert open_handles() == before
    device.down()
    session = device.adapter.start_session()
    session.end()
    with pytest.raises(wintun.ClosedError):
        Events(session)  # and its destructor finds nothing to close
