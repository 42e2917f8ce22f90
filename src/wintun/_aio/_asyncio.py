"""asyncio, and loops that are like it: no thread of ours waits for the events.

On Windows a loop with an I/O completion port lets the system post the signal to that port. Other
loops there cannot wait for handles: a callback from the system's own thread pool calls them. On
other systems the events are file descriptors, as every loop can watch them.
"""

from __future__ import annotations

import os
import sys
from asyncio import AbstractEventLoop, Future
from functools import partial

from ._watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from wintun._wintun import Session

    from ._watch import Watches


class AsyncioWatch(Watch):
    """What is the same on every loop of asyncio's kind."""

    loop: AbstractEventLoop

    async def sleep(self, sleeper: Future[None]) -> None:
        await sleeper

    def _new_sleeper(self) -> Future[None]:
        return self.loop.create_future()

    def _rouse(self, sleeper: Future[None]) -> None:
        if not sleeper.done():
            sleeper.set_result(None)

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self.loop.call_soon(callback)

    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(callback)


class DescriptorWatch(AsyncioWatch):
    """Watches the events as file descriptors."""

    def __init__(self, loop: AbstractEventLoop, session: Session, watches: Watches) -> None:
        super().__init__(loop, session, watches)
        for event in (self._events.packets, self._events.baton):
            loop.add_reader(event, self._on_readable, event)
        loop.add_reader(self._events.closed, self.on_closed)

    def _on_readable(self, event: int) -> None:
        if consume(event):
            self.on_packets()
        else:
            self.on_closed()

    def _disarm(self) -> None:
        for event in (self._events.packets, self._events.baton, self._events.closed):
            self.loop.remove_reader(event)
        self._events.close()


def consume(event: int) -> bool:
    """Takes the signal off an event that is a descriptor; False if there will be no more."""
    try:
        return os.read(event, 4096) != b""
    except BlockingIOError:  # somebody else took it
        return True


class CompletionWatch(AsyncioWatch):
    """Has the system post the signals to the completion port of a loop on Windows."""

    def __init__(self, loop: AbstractEventLoop, session: Session, watches: Watches) -> None:
        super().__init__(loop, session, watches)
        self._signals: dict[int, Any] = {}  # by event, what waits for its next signal
        self._closed_wait = self._wait_for(self._events.closed, self._on_closed_wait)

    def _wait_for(self, event: int, callback: Callable[[Any], None]) -> Any:
        wait = self.loop._proactor.wait_for_handle(event, None)  # type: ignore[attr-defined]
        # The loop forgets a wait when the system does, also one that is cancelled: so long the
        # handles have to stay open.
        wait.wintun_events = self._events
        wait.add_done_callback(callback)
        return wait

    def _arm(self) -> None:
        if self._is_closed:
            return
        for event in (self._events.packets, self._events.baton):
            if event not in self._signals:
                self._signals[event] = self._wait_for(event, partial(self._on_signal, event))

    # The result says whether the event is signaled a second time: it means nothing here.

    def _on_signal(self, event: int, wait: Any) -> None:
        self._signals.pop(event, None)
        if not wait.cancelled():
            self.on_packets()
            # A sleeper may have entered after the signal, and before this call.
            if self._sleepers:
                self._arm()

    def _on_closed_wait(self, wait: Any) -> None:
        if not wait.cancelled():
            self.on_closed()

    def _disarm(self) -> None:
        waits = [*self._signals.values(), self._closed_wait]
        self._signals.clear()
        self._closed_wait = None
        for wait in waits:
            if wait is not None and not wait.done():
                wait.cancel()


def watch_class(loop: AbstractEventLoop) -> type[AsyncioWatch]:
    """Returns how a loop watches events."""
    if sys.platform == "win32":
        from ._windows import CallbackWatch

        return CompletionWatch if hasattr(loop, "_proactor") else CallbackWatch
    return DescriptorWatch
