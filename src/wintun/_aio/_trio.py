"""trio: a system task in each run waits for a session's events."""

from __future__ import annotations

import sys
from importlib import import_module

from ._asyncio import consume
from ._watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from wintun._wintun import Session

    from ._watch import Watches

# Its types need a newer Python than this package.
trio: Any = import_module("trio")


def token() -> Any:
    """Returns what stands for the run that the calling task is in; None outside of trio."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio.lowlevel.current_trio_token()


async def sleep(seconds: float) -> None:
    """Lets other tasks run, at least so long."""
    await trio.sleep(seconds)


class TrioWatch(Watch):
    """Watches the events in a run of trio."""

    def __init__(self, loop: Any, session: Session, watches: Watches) -> None:
        super().__init__(loop, session, watches)
        self._scope = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._run, name="wintun")

    async def sleep(self, sleeper: Any) -> None:
        await sleeper.wait()

    def _new_sleeper(self) -> Any:
        return trio.Event()

    def _rouse(self, sleeper: Any) -> None:
        sleeper.set()

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self.loop.run_sync_soon(callback)

    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.loop.run_sync_soon(callback)

    def _disarm(self) -> None:
        self._scope.cancel()

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._wait_for_close)
                    nursery.start_soon(self._wait_for_packets, self._events.baton)
                    await self._wait_for_packets(self._events.packets)
        finally:
            self._events.close()

    async def _wait_for_packets(self, event: int) -> None:
        while await wait_and_consume(event):
            self.on_packets()
        self.on_closed()

    async def _wait_for_close(self) -> None:
        await wait(self._events.closed)
        self.on_closed()


if sys.platform == "win32":
    wait = trio.lowlevel.WaitForSingleObject

    async def wait_and_consume(event: int) -> bool:
        await wait(event)
        return True

else:
    wait = trio.lowlevel.wait_readable

    async def wait_and_consume(event: int) -> bool:
        await wait(event)
        return consume(event)
