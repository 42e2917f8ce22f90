# SPDX-License-Identifier: MIT
"""trio: a system task in each run has the watch, and ends it with the run.

On Windows the system's own thread pool waits for the events. trio's way to wait for a handle there
is a thread that it leaves alone when the task is cancelled: it may still take a signal, which is
lost then, and wait for a handle that is closed.
"""

from __future__ import annotations

import sys
from importlib import import_module

from ._watch import Watch, consume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, Callable

    from wintun._wintun import Session

    from ._watch import Watches

# Its types need a newer Python than this package.
trio: Any = import_module("trio")

sleep = trio.sleep


def running() -> Any:
    """Returns what stands for the run that the calling task is in; None outside of trio."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio.lowlevel.current_trio_token()


class TrioWatch(Watch):
    """What is the same on every system."""

    _scope: Any = None

    def new_sleeper(self) -> Any:
        return trio.Event()

    def sleep(self, sleeper: Any) -> Awaitable[None]:
        waiting: Awaitable[None] = sleeper.wait()
        return waiting

    def wake(self) -> None:
        for sleeper in tuple(self._sleepers):
            sleeper.set()

    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.loop.run_sync_soon(callback)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        trio.lowlevel.spawn_system_task(_sleep_and_call, seconds, callback, name="wintun")

    def _start_waits(self) -> None:
        self._scope = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._run, name="wintun")

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._wait()
        finally:
            self.close()
            self._over()

    async def _wait(self) -> None:
        await trio.sleep_forever()

    def _end_waits(self) -> None:
        if self._scope is not None:
            self._scope.cancel()


async def _sleep_and_call(seconds: float, callback: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    callback()


if sys.platform == "win32":
    from ._windows import CallbackWatch

    class TrioCallbackWatch(TrioWatch, CallbackWatch):
        """Has the system's thread pool call the run."""

        def _start_waits(self) -> None:
            TrioWatch._start_waits(self)
            CallbackWatch._start_waits(self)

        def _end_waits(self) -> None:
            TrioWatch._end_waits(self)
            CallbackWatch._end_waits(self)


class TrioDescriptorWatch(TrioWatch):
    """Watches the events as file descriptors."""

    async def _wait(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_for_close)
            nursery.start_soon(self._wait_for_packets, self._events.baton)
            await self._wait_for_packets(self._events.packets)

    async def _wait_for_packets(self, event: int) -> None:
        open_ = True
        while open_:
            await trio.lowlevel.wait_readable(event)
            open_ = consume(event)
            self.on_packets()
        self.on_closed()

    async def _wait_for_close(self) -> None:
        await trio.lowlevel.wait_readable(self._events.closed)
        self.on_closed()


def new_watch(loop: Any, session: Session, watches: Watches) -> TrioWatch:
    """Returns what will watch a session's events in a run."""
    if sys.platform == "win32":
        return TrioCallbackWatch(loop, session, watches)
    return TrioDescriptorWatch(loop, session, watches)
