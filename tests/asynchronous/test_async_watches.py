# SPDX-License-Identifier: MIT
"""What a loop waits with: how long it stays, what ends it, and that it keeps no signal."""

from __future__ import annotations

import asyncio
import builtins
import gc
import importlib
import re
import sys
import threading
import weakref
from typing import Any, Callable

import pytest

import wintun
from helpers import (
    HANG_SECONDS,
    MIN_CAPACITY,
    Worker,
    ipv4_packet,
    open_handles,
    scaled,
    system_text,
    wait_until,
)
from loops import LOOPS, Run, anyio, run_asyncio, run_trio, with_limit
from wintun import simulator
from wintun._aio import _watch

MakeDevice = Callable[..., wintun.TunDevice]

Count = Callable[[], "tuple[int, int]"]


def of_windows() -> Any:
    """The module that there is on Windows alone."""
    return importlib.import_module("wintun._aio._windows")


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return with_limit(request.param)


@pytest.fixture
def tun(make_device: MakeDevice) -> wintun.TunDevice:
    device = make_device("memory", capacity=MIN_CAPACITY)
    device.up()
    return device


@pytest.fixture
def count_open(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Tells what is open: watched sessions, and handles where the system counts them."""
    made: list[weakref.ref[_watch.Events]] = []
    original = _watch.Events.__init__

    def note(events: _watch.Events, session: wintun.Session) -> None:
        original(events, session)
        made.append(weakref.ref(events))

    def count() -> tuple[int, int]:
        alive = [reference() for reference in made]
        return sum(each is not None and each._owner.is_open for each in alive), open_handles()

    monkeypatch.setattr(_watch.Events, "__init__", note)
    return count


async def deliver_soon(device: wintun.TunDevice, packets: int) -> None:
    await anyio.sleep(0.005)
    assert simulator.fill(device.name, 40, packets) == packets


async def read_after_waiting(device: wintun.TunDevice) -> bytes:
    async with anyio.create_task_group() as group:
        group.start_soon(deliver_soon, device, 1)
        packet: bytes = await device.read_async()
    return packet


# --- How long it stays --------------------------------------------------------------------------


def test_a_watch_stays_over_turns_of_the_loop_in_which_nobody_waits(
    run: Run, tun: wintun.TunDevice, monkeypatch: pytest.MonkeyPatch, count_open: Count
) -> None:
    async def main() -> None:
        await read_after_waiting(tun)
        for _ in range(10):
            await anyio.sleep(0)
        kept = count_open()
        assert kept[0] == 1
        await read_after_waiting(tun)
        assert count_open() == kept

    # However long the test takes.
    monkeypatch.setattr(_watch, "IDLE_SECONDS", 1e6, raising=False)
    run(main)


def test_a_watch_that_nobody_uses_any_more_is_closed(
    run: Run, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch, count_open: Count
) -> None:
    async def main() -> None:
        at_rest = count_open()
        for device in devices:
            with anyio.move_on_after(0.01):
                await device.read_async()
            while count_open() != at_rest:
                await anyio.sleep(0.01)
            await read_after_waiting(device)
            while count_open() != at_rest:
                await anyio.sleep(0.01)

    monkeypatch.setattr(_watch, "IDLE_SECONDS", 0.05, raising=False)
    devices = [make_device("memory", capacity=MIN_CAPACITY) for _ in range(3)]
    for device in devices:
        device.up()
    run(lambda: read_after_waiting(devices[0]))
    gc.collect()
    run(main)


def test_the_end_of_the_session_closes_a_watch_that_nobody_uses(
    run: Run, tun: wintun.TunDevice, monkeypatch: pytest.MonkeyPatch, count_open: Count
) -> None:
    async def main() -> None:
        await read_after_waiting(tun)
        assert count_open()[0] == 1
        tun.down()
        while count_open()[0] > 0:
            await anyio.sleep(0.01)

    monkeypatch.setattr(_watch, "IDLE_SECONDS", 1e6, raising=False)
    run(main)


def test_a_loop_that_ends_takes_its_watch_along_without_the_collector(
    run: Run, tun: wintun.TunDevice, monkeypatch: pytest.MonkeyPatch, count_open: Count
) -> None:
    monkeypatch.setattr(_watch, "IDLE_SECONDS", 1e6, raising=False)
    run(lambda: read_after_waiting(tun))
    gc.collect()
    gc.disable()
    try:
        before = count_open()
        assert before[0] == 0
        for _ in range(3):
            run(lambda: read_after_waiting(tun))
            assert count_open() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("runner", [loop for loop in LOOPS if loop is not run_trio])
def test_a_task_that_nobody_else_has_is_kept_while_it_waits(
    runner: Run, tun: wintun.TunDevice
) -> None:
    got: list[bytes] = []

    async def read() -> None:
        got.append(await tun.read_async())

    async def main() -> None:
        asyncio.ensure_future(read())  # noqa: RUF006 (that nobody keeps it is the matter)
        await asyncio.sleep(0.01)
        gc.collect()
        simulator.deliver(tun.name, ipv4_packet(40))
        while not got:
            await asyncio.sleep(0.001)
        assert got == [ipv4_packet(40)]

    with_limit(runner)(main)


# --- What fails is undone -----------------------------------------------------------------------


class RefusingLoop(asyncio.SelectorEventLoop):
    """A loop of which one call in a row fails, and which knows what it still watches."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: set[int] = set()
        self.accepts = 1000

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Any, *args: Any
    ) -> None:
        self.accepts -= 1
        if self.accepts < 0:
            raise OSError(12, "the test's refusal")
        super().add_reader(fd, callback, *args)
        self.watched.add(fd)

    def remove_reader(self, fd: Any) -> bool:
        self.watched.discard(fd)
        return super().remove_reader(fd)


@pytest.mark.skipif(sys.platform == "win32", reason="loops watch no descriptors there")
@pytest.mark.parametrize("accepted", [0, 1, 2])
def test_a_loop_that_refuses_to_watch_is_left_as_it_was(
    tun: wintun.TunDevice, accepted: int, count_open: Count
) -> None:
    async def main() -> None:
        before, watched = count_open(), set(loop.watched)
        loop.accepts = accepted
        with pytest.raises(OSError, match="refusal"):
            await tun.read_async()
        loop.accepts = 1000
        assert loop.watched == watched
        assert count_open() == before
        simulator.deliver(tun.name, ipv4_packet(40))
        assert await tun.read_async() == ipv4_packet(40)
        await read_after_waiting(tun)

    loop = RefusingLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), HANG_SECONDS))
    finally:
        loop.close()


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere loops watch descriptors")
@pytest.mark.parametrize("accepted", [0, 1, 2])
def test_a_system_that_refuses_to_wait_leaves_nothing_behind(
    run: Run,
    tun: wintun.TunDevice,
    monkeypatch: pytest.MonkeyPatch,
    accepted: int,
    count_open: Count,
) -> None:
    windows = of_windows()
    register = windows._register
    left = accepted

    def refuse(*arguments: Any) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            windows.ctypes.set_last_error(8)
            return 0
        return int(register(*arguments))

    async def main() -> None:
        before = count_open()
        monkeypatch.setattr(windows, "_register", refuse)
        with pytest.raises(OSError, match=re.escape(system_text(8))):
            await tun.read_async()
        monkeypatch.setattr(windows, "_register", register)
        while count_open() != before:
            await anyio.sleep(0.01)
        await read_after_waiting(tun)

    run(lambda: read_after_waiting(tun))
    run(main)


# --- No signal is kept --------------------------------------------------------------------------


def sleeping_reader(device: wintun.TunDevice) -> Worker[bytes | None]:
    """A thread that sleeps in a read of one packet."""
    waits = device.statistics.waits
    thread = Worker(device.read, HANG_SECONDS / 2)
    wait_until(lambda: device.statistics.waits > waits, "the thread does not go to sleep")
    return thread


def check_threads_get_packets(device: wintun.TunDevice, rounds: int) -> None:
    for _ in range(rounds):
        thread = sleeping_reader(device)
        simulator.deliver(device.name, ipv4_packet(40))
        assert thread.result() is not None, "a packet lies in the ring, and the thread sleeps"


@pytest.mark.threads
@pytest.mark.parametrize("before", ["a read", "a read that was called off"])
def test_a_loop_that_is_blocked_keeps_no_signal_from_a_thread(
    run: Run, tun: wintun.TunDevice, before: str
) -> None:
    async def main() -> None:
        if before == "a read":
            await read_after_waiting(tun)
        else:
            with anyio.move_on_after(0.01):
                await tun.read_async()
        check_threads_get_packets(tun, 10)  # and no turn for the loop

    run(main)


@pytest.mark.threads
def test_a_loop_that_is_blocked_while_a_task_waits_keeps_no_signal_from_a_thread(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(tun.read_async)
            await anyio.sleep(0.01)
            check_threads_get_packets(tun, 10)
            group.cancel_scope.cancel()

    run(main)


@pytest.mark.threads
@pytest.mark.parametrize("waits", [False, True], ids=["a watch", "a task that waits"])
def test_a_loop_that_stands_still_keeps_no_signal_from_a_thread(
    tun: wintun.TunDevice, waits: bool
) -> None:
    kinds = [asyncio.new_event_loop]
    if sys.platform == "win32":
        kinds.append(asyncio.SelectorEventLoop)
    for new_loop in kinds:
        loop = new_loop()
        simulator.deliver(tun.name, ipv4_packet(40))
        loop.run_until_complete(tun.read_async())
        with pytest.raises(asyncio.TimeoutError):
            loop.run_until_complete(asyncio.wait_for(tun.read_async(), 0.01))
        task = loop.create_task(tun.read_async())
        if waits:
            loop.run_until_complete(asyncio.sleep(0.01))
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                loop.run_until_complete(task)
        check_threads_get_packets(tun, 10)
        if waits:
            simulator.deliver(tun.name, ipv4_packet(40))
            assert loop.run_until_complete(asyncio.wait_for(task, HANG_SECONDS))
        loop.close()


@pytest.mark.threads
def test_a_task_that_is_called_off_as_the_packet_comes_leaves_it_to_a_thread(
    run: Run, tun: wintun.TunDevice
) -> None:
    async def main() -> None:
        for _ in range(scaled(200, at_least=40)):
            got: list[bytes] = []

            async def read(got: list[bytes] = got) -> None:
                got.append(await tun.read_async())

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.sleep(0)
                thread = sleeping_reader(tun)
                await anyio.sleep(0)
                simulator.deliver(tun.name, ipv4_packet(40))
                group.cancel_scope.cancel()
            if got:
                simulator.deliver(tun.name, ipv4_packet(40))
            while thread.alive:
                await anyio.sleep(0.001)
            assert thread.result() is not None, "a packet lies in the ring, and the thread sleeps"

    run(main)


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere nobody calls back")
def test_a_wait_may_be_collected_in_its_own_call_back(tun: wintun.TunDevice) -> None:
    windows = of_windows()
    make_wait = windows.RegisteredWait
    called = threading.Event()

    def call_back() -> None:
        waits.clear()  # its finalizer runs here, in the thread that it would wait for
        called.set()

    assert tun.session is not None
    for _ in range(5):
        called.clear()
        events = _watch.Events(tun.session)
        waits = [make_wait(events, events.packets, call_back)]
        simulator.deliver(tun.name, ipv4_packet(40))
        assert called.wait(HANG_SECONDS), "the finalizer waits for the call back that runs it"

    def have_ended() -> bool:
        """Those that a finalizer ended during a call back are closed with the next wait."""
        events = _watch.Events(tun.session)  # type: ignore[arg-type]
        make_wait(events, events.packets, called.set).close()
        return not windows._ending

    wait_until(have_ended, "a wait that was collected stays open")


# --- What a call costs --------------------------------------------------------------------------


@pytest.mark.parametrize("runner", [run_asyncio, run_trio])
def test_no_call_imports_anything_when_all_has_been_called_once(
    runner: Run, tun: wintun.TunDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    original = builtins.__import__

    def note(name: str, *arguments: Any, **keywords: Any) -> Any:
        frame = sys._getframe(1)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == "wintun":
            imported.append(f"{name!r} by {frame.f_code.co_name}")
        return original(name, *arguments, **keywords)

    async def call_all() -> None:
        assert tun.statistics
        for _ in range(70):  # more than pass in a turn
            simulator.deliver(tun.name, ipv4_packet(40))
            await tun.read_async()
        await read_after_waiting(tun)
        simulator.fill(tun.name, 40, 3)
        await tun.read_many_async(2)
        async for _packet in tun:
            break
        await tun.write_async(ipv4_packet(40))
        await tun.write_many_async([ipv4_packet(40)])
        with anyio.move_on_after(0.005):
            await tun.write_many_async([ipv4_packet(60000)] * 3)

    async def main() -> None:
        await call_all()
        simulator.drain(tun.name, 1000)
        monkeypatch.setattr(builtins, "__import__", note)
        await call_all()
        monkeypatch.undo()

    with_limit(runner)(main)
    assert imported == []
