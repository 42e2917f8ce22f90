"""asyncio on Windows in loops that cannot wait for handles: the system's thread pool does."""

from __future__ import annotations

import ctypes
import sys
from asyncio import AbstractEventLoop
from contextlib import suppress

from ._asyncio import AsyncioWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from wintun._wintun import Session

    from ._watch import Events, Watches

assert sys.platform == "win32", "type checkers know the rest on Windows alone"  # noqa: S101

_INFINITE = 0xFFFFFFFF
_EXECUTE_IN_WAIT_THREAD = 0x4
_EXECUTE_ONLY_ONCE = 0x8
_UNTIL_CALLBACKS_ARE_DONE = ctypes.c_void_p(-1)

_callback_type = ctypes.WINFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ubyte)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_register = _kernel32.RegisterWaitForSingleObject
_register.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    _callback_type,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_ulong,
]
_register.restype = ctypes.c_int
_unregister = _kernel32.UnregisterWaitEx
_unregister.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_unregister.restype = ctypes.c_int


class RegisteredWait:
    """Calls back, in a thread of the system's, whenever an event is signaled.

    Args:
        events: Whom the event belongs to; kept as long as the wait.
        event: The handle.
        callback: What is called; must not block.
        once: End with the first call: for an event that stays signaled.
    """

    def __init__(
        self, events: Events, event: int, callback: Callable[[], None], *, once: bool = False
    ) -> None:
        self._events = events
        self._function = _callback_type(lambda _context, _timed_out: callback())
        self._wait = ctypes.c_void_p()
        flags = _EXECUTE_IN_WAIT_THREAD | (_EXECUTE_ONLY_ONCE if once else 0)
        wait = ctypes.byref(self._wait)
        if not _register(wait, event, self._function, None, _INFINITE, flags):
            raise ctypes.WinError(ctypes.get_last_error())

    def close(self) -> None:
        """Ends the wait; returns when no call back is under way. Any number of times."""
        wait, self._wait = self._wait, ctypes.c_void_p()
        if wait:
            _unregister(wait, _UNTIL_CALLBACKS_ARE_DONE)

    def __del__(self) -> None:
        self.close()


class CallbackWatch(AsyncioWatch):
    """Has the system's thread pool call a loop on Windows that cannot wait for handles."""

    def __init__(self, loop: AbstractEventLoop, session: Session, watches: Watches) -> None:
        super().__init__(loop, session, watches)
        self._waits = [
            RegisteredWait(self._events, self._events.packets, self._later(self.on_packets)),
            RegisteredWait(self._events, self._events.baton, self._later(self.on_packets)),
            RegisteredWait(
                self._events, self._events.closed, self._later(self.on_closed), once=True
            ),
        ]

    def _later(self, callback: Callable[[], None]) -> Callable[[], None]:
        call_soon_threadsafe = self.loop.call_soon_threadsafe

        def call() -> None:
            with suppress(RuntimeError):  # the loop may be over
                call_soon_threadsafe(callback)

        return call

    def _disarm(self) -> None:
        for wait in self._waits:
            wait.close()
        self._events.close()
