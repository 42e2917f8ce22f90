# SPDX-License-Identifier: MIT
"""asyncio, and loops that are like it.

On Windows the system's own thread pool waits for the events and calls the loop. On other systems
the events are file descriptors, as every loop can watch them.
"""

from __future__ import annotations

import asyncio
import sys
from weakref import ref

from ._watch import Watch, consume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle
    from typing import Callable

    from wintun._wintun import Session

    from ._watch import Watches

running = asyncio.get_running_loop
sleep = asyncio.sleep


class AsyncioWatch(Watch):
    """What is the same on every loop of asyncio's kind."""

    loop: AbstractEventLoop

    def new_sleeper(self) -> Future[None]:
        return self.loop.create_future()

    def sleep(self, sleeper: Future[None]) -> Future[None]:
        return sleeper

    def wake(self) -> None:
        for sleeper in tuple(self._sleepers):
            if not sleeper.done():
                sleeper.set_result(None)

    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(callback)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        # The handle is not kept: with the watch in it, it would be a circle that outlives the loop.
        self.loop.call_later(seconds, callback)


if sys.platform == "win32":
    from ._windows import CallbackWatch

    _FOREVER = 10 * 365 * 86400.0

    class AsyncioCallbackWatch(AsyncioWatch, CallbackWatch):
        """Has the system's thread pool call the loop."""

        # Weak, for the same reason.
        _anchor: ref[TimerHandle] | None = None

        def _start_waits(self) -> None:
            # Of a descriptor the loop would keep what watches it, and so the tasks that sleep. Here
            # a timer that is never due is what the loop keeps.
            self._anchor = ref(self.loop.call_later(_FOREVER, self.wake))
            super()._start_waits()

        def _end_waits(self) -> None:
            handle = None if self._anchor is None else self._anchor()
            if handle is not None:
                handle.cancel()
            super()._end_waits()


class DescriptorWatch(AsyncioWatch):
    """Watches the events as file descriptors."""

    def _start_waits(self) -> None:
        for event in (self._events.packets, self._events.baton):
            self.loop.add_reader(event, self._on_readable, event)
        self.loop.add_reader(self._events.closed, self.on_closed)

    def _on_readable(self, event: int) -> None:
        if consume(event):
            self.on_packets()
        else:
            self.on_closed()

    def _end_waits(self) -> None:
        if not self.loop.is_closed():
            for event in (self._events.packets, self._events.baton, self._events.closed):
                self.loop.remove_reader(event)  # False where there is none
        self._over()


def new_watch(loop: AbstractEventLoop, session: Session, watches: Watches) -> AsyncioWatch:
    """Returns what will watch a session's events in a loop."""
    if sys.platform == "win32":
        return AsyncioCallbackWatch(loop, session, watches)
    return DescriptorWatch(loop, session, watches)
