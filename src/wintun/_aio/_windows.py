"""asyncio on Windows in loops that cannot wait for handles: the system's thread pool does."""

from __future__ import annotations

import atexit
import ctypes
import sys
from asyncio import AbstractEventLoop
from contextlib import suppress
from weakref import WeakSet

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


_is_finalizing = sys.is_finalizing
_keep = ctypes.pythonapi.Py_IncRef


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
        wait = ctypes.c_void_p()
        flags = _EXECUTE_IN_WAIT_THREAD | (_EXECUTE_ONLY_ONCE if once else 0)
        self._waits = [wait]  # one, or none when it was ended
        if not _register(ctypes.byref(wait), event, self._function, None, _INFINITE, flags):
            self._waits.clear()
            raise ctypes.WinError(ctypes.get_last_error())
        _open.add(self)

    def close(self) -> None:
        """Ends the wait; returns when no call back is under way. Any number of times."""
        try:
            wait = self._waits.pop()
        except IndexError:
            return
        if _is_finalizing():
            # A call back that is under way never comes to its end, and may still use the function.
            _keep(ctypes.py_object(self._function))
            _unregister(wait, None)
        else:
            _unregister(wait, _UNTIL_CALLBACKS_ARE_DONE)

    def __del__(self) -> None:
        self.close()


_open: WeakSet[RegisteredWait] = WeakSet()


# While call backs can still end: the interpreter's end would leave them where they are.
@atexit.register
def _close_all() -> None:
    for wait in list(_open):
        wait.close()


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
