# SPDX-License-Identifier: MIT
"""Waiting for events on Windows: the system's own thread pool does, for every kind of loop.

The thread that sees a signal wakes everybody at once, also where the loop that it waits for is
blocked by its program, or stands still between two runs.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import sys
from typing import NamedTuple
from weakref import WeakSet, ref

from ._watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ._watch import Events

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
_create_event = _kernel32.CreateEventW
_create_event.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_wchar_p]
_create_event.restype = ctypes.c_void_p
_wait_for = _kernel32.WaitForSingleObject
_wait_for.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
_wait_for.restype = ctypes.c_ulong
_close_handle = _kernel32.CloseHandle
_close_handle.argtypes = [ctypes.c_void_p]

# Bound here: a finalizer may run when the modules are empty already.
_is_finalizing = sys.is_finalizing
_keep = ctypes.pythonapi.Py_IncRef
_py_object = ctypes.py_object

# By the number that the system hands back with a signal: what is called. One function for all waits
# is what the system calls, so that none can be freed under a call.
_callbacks: dict[int, Callable[[], None]] = {}
_numbers = itertools.count(1)


def _call_back(number: int, _timed_out: int) -> None:
    callback = _callbacks.get(number)
    if callback is not None:
        callback()


_on_signal = _callback_type(_call_back)
_keep(_py_object(_on_signal))  # a call that is late may come when this module is gone


class RegisteredWait:
    """Calls back, in a thread of the system's, whenever an event is signaled.

    Args:
        events: Whom the event belongs to; kept as long as the wait.
        event: The handle.
        callback: What is called; must not block, and must not keep this wait.
        once: End with the first call: for an event that stays signaled.

    Raises:
        OSError: The system refused.
    """

    def __init__(
        self, events: Events, event: int, callback: Callable[[], None], *, once: bool = False
    ) -> None:
        _close_those_that_ended()
        self._events = events
        self._number = next(_numbers)
        _callbacks[self._number] = callback
        wait = ctypes.c_void_p()
        flags = _EXECUTE_IN_WAIT_THREAD | (_EXECUTE_ONLY_ONCE if once else 0)
        self._waits = [wait]  # one, or none when it was ended
        if not _register(ctypes.byref(wait), event, _on_signal, self._number, _INFINITE, flags):
            code = ctypes.get_last_error()
            self._waits.clear()
            del _callbacks[self._number]
            raise ctypes.WinError(code)
        _open.add(self)

    def close(self) -> None:
        """Ends the wait; returns when no call back is under way. Any number of times."""
        try:
            wait = self._waits.pop()
        except IndexError:
            return
        _unregister(wait, _UNTIL_CALLBACKS_ARE_DONE)
        _callbacks.pop(self._number, None)
        _close_those_that_ended()

    def __del__(self) -> None:
        # It may run anywhere, also in a call back or under a lock that one is waiting for: so it
        # does not wait for the end of the calls.
        waits = getattr(self, "_waits", None)
        if not waits:
            return
        wait = waits.pop()
        if _is_finalizing():
            _keep(_py_object(self._events))
            _unregister(wait, None)
            return
        done = _create_event(None, True, False, None)
        if _unregister(wait, done):
            _callbacks.pop(self._number, None)
            if done:
                _close_handle(done)
        else:
            _ending.append(_Ending(done, self._number, self._events))


class _Ending(NamedTuple):
    """A wait that a finalizer has ended while a call back was under way."""

    done: int | None
    """The event that the system sets when the wait is over; None if there was none to be had."""
    number: int
    events: Events


_open: WeakSet[RegisteredWait] = WeakSet()
_ending: list[_Ending] = []


def _close_those_that_ended() -> None:
    for ending in _ending.copy():
        if ending.done is None or _wait_for(ending.done, 0) != 0:
            continue
        try:
            _ending.remove(ending)
        except ValueError:  # another thread did
            continue
        _close_handle(ending.done)
        _callbacks.pop(ending.number, None)


# While call backs can still end: the interpreter's end would leave them where they are.
@atexit.register
def _close_all() -> None:
    for wait in list(_open):
        wait.close()


class CallbackWatch(Watch):
    """Has the system's thread pool call any kind of loop."""

    _waits: tuple[RegisteredWait, ...] = ()

    def _start_waits(self) -> None:
        # Those who call back do not keep the watch: it goes with its loop.
        reference = ref(self)

        def on_closed() -> None:
            watch = reference()
            if watch is not None:
                watch.close_from_elsewhere()

        events, wake = self._events, self._watches.wake
        for event in (events.packets, events.baton):
            self._waits += (RegisteredWait(events, event, wake),)
        self._waits += (RegisteredWait(events, events.closed, on_closed, once=True),)

    def _end_waits(self) -> None:
        for wait in self._waits:
            wait.close()
        self._over()
