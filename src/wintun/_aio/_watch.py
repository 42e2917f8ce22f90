# SPDX-License-Identifier: MIT
"""Waking the tasks that wait for packets of a session.

Each loop that has such tasks watches the session's events with handles of its own. One signal may
stand for many packets, and only one loop may see it: so it wakes all tasks in all loops, and each
looks into the ring for itself. No wake is lost then, whoever is cancelled. It also wakes a thread
that blocks in the session; and a thread that has taken a packet wakes the loops, by an event of
their own.

To begin and to end a watch takes some ten system calls, and most tasks that read once read again.
So a watch stays for a second or two after its last task has left.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from weakref import WeakKeyDictionary, ref

from wintun._locks import ForkSafeLock
from wintun._wintun import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, Callable

# A watch that nobody used for so long is closed; at the latest after twice this time.
IDLE_SECONDS = 1.0


class Events:
    """Handles of a session's events; they outlive the session, and are closed with this at last.

    `packets` is the driver's; `baton` is set by threads that leave packets to the loops.
    """

    def __init__(self, session: Session) -> None:
        self._owner = session._loop_events()
        self.packets = self._owner.packets
        self.baton = self._owner.baton
        self.closed = self._owner.closed

    def close(self) -> None:
        """Closes the handles; nobody may be waiting for them. Any number of times."""
        self._owner.close()


def consume(event: int) -> bool:
    """Takes the signal off an event that is a descriptor; False if there will be no more."""
    try:
        return os.read(event, 4096) != b""
    except BlockingIOError:  # somebody else took it
        return True


class Watches:
    """The watches of one session, one a loop. Any thread.

    References are weak: what waits for the events is held by the loop that it waits in, and goes
    with a loop that is closed while tasks wait. A session that nobody else has is not kept, either.
    """

    def __init__(self, session: Session) -> None:
        self._session = ref(session)
        self._lock = ForkSafeLock()
        # Replaced, never changed: so it is read without the lock.
        self._watches: tuple[ref[Watch], ...] = ()

    def of(self, loop: object) -> Watch | None:
        """Returns the watch of a loop, None if it has none."""
        for reference in self._watches:
            watch = reference()
            if watch is not None and watch.loop is loop:
                return watch
        return None

    def add(self, watch: Watch) -> None:
        """Lists a watch, to be woken with the others."""
        with self._lock:
            self._watches = (*self._others(watch), ref(watch))

    def remove(self, watch: Watch) -> None:
        """Takes a watch off the list. Any number of times."""
        with self._lock:
            self._watches = self._others(watch)

    def _others(self, watch: Watch) -> tuple[ref[Watch], ...]:
        return tuple(each for each in self._watches if each() not in (None, watch))

    def wake(self, but: Watch | None = None) -> None:
        """Wakes the tasks of all loops, and a thread that waits: it wakes the next one."""
        for reference in self._watches:
            watch = reference()
            if watch is not None and watch is not but:
                watch.wake_from_elsewhere()
        session = self._session()
        if session is not None:
            session._wake_thread()


class Watch(ABC):
    """Wakes the tasks of one loop when the events of one session are signaled.

    All methods are for the loop's own thread, except those that say otherwise. A task makes a
    sleeper, then `enter`, look into the ring, `sleep`; `leave` in any case.
    """

    def __init__(self, loop: Any, session: Session, watches: Watches) -> None:
        self.loop = loop
        self._watches = watches
        self._sleepers: set[Any] = set()
        self._is_closed = False
        self._is_ticking = False
        self._was_used = False
        self._events = Events(session)

    def open(self) -> None:
        """Begins to wait for the events; leaves nothing behind if it cannot."""
        try:
            self._watches.add(self)
            self._start_waits()
        except BaseException:
            self.close()
            raise

    # --- For tasks ---

    @abstractmethod
    def new_sleeper(self) -> Any:
        """Returns what a task can sleep on, once."""

    def enter(self, sleeper: Any) -> None:
        """Sees to it that every signal from now on ends the sleep."""
        self._sleepers.add(sleeper)

    @abstractmethod
    def sleep(self, sleeper: Any) -> Awaitable[Any]:
        """Waits for a signal since `enter`."""

    def leave(self, sleeper: Any) -> None:
        """Ends what `enter` began. Any thread: a task may be collected anywhere."""
        self._sleepers.discard(sleeper)
        self._was_used = True
        if not self._is_ticking and not self._sleepers and not self._is_closed:
            self._is_ticking = True
            # A loop that is over takes its watches with it.
            with suppress(RuntimeError):
                self._call_soon_threadsafe(self._tick_later)

    # --- The end of a watch that nobody uses ---

    def _tick_later(self) -> None:
        self._call_later(IDLE_SECONDS, self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        if self._is_closed or self._sleepers:
            return
        if self._was_used:
            self._was_used = False
            self._is_ticking = True
            self._tick_later()
        else:
            self.close()

    # --- For the events ---

    @abstractmethod
    def wake(self) -> None:
        """Wakes all tasks of this loop. They stay listed until they leave."""

    def wake_from_elsewhere(self) -> None:
        """Wakes all tasks of this loop. Any thread."""
        if self._sleepers:
            with suppress(RuntimeError):  # the loop may be over
                self._call_soon_threadsafe(self.wake)

    def close_from_elsewhere(self) -> None:
        """Has the loop call `on_closed`. Any thread."""
        with suppress(RuntimeError):
            self._call_soon_threadsafe(self.on_closed)

    def on_packets(self) -> None:
        """Wakes all tasks of all loops, and a thread that waits."""
        self.wake()
        self._watches.wake(but=self)

    def on_closed(self) -> None:
        """Ends the watch and lets the tasks find that the session is closed."""
        self.close()
        self.wake()

    def close(self) -> None:
        """Ends the watch. Any number of times."""
        if self._is_closed:
            return
        self._is_closed = True
        self._watches.remove(self)
        self._end_waits()

    def _over(self) -> None:
        """Comes after `_end_waits`, as soon as nothing can take a signal any more."""
        self._events.close()
        # A wait that was called off may have taken one.
        self._watches.wake()

    # --- For each kind of loop ---

    @abstractmethod
    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        """Has the loop call; RuntimeError if it is over. Any thread."""

    @abstractmethod
    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Has the loop call after that time, unless it is over by then."""

    @abstractmethod
    def _start_waits(self) -> None:
        """Begins to wait for the three events; what fails leaves the rest to `_end_waits`."""

    @abstractmethod
    def _end_waits(self) -> None:
        """Ends what `_start_waits` began, all or a part; calls `_over` when that is done."""


_sessions: WeakKeyDictionary[Session, Watches] = WeakKeyDictionary()
_sessions_lock = ForkSafeLock()


def watches_of(session: Session) -> Watches:
    """Returns the watches of a session. Any thread."""
    watches = _sessions.get(session)
    if watches is None:
        with _sessions_lock:
            watches = _sessions.get(session)
            if watches is None:
                watches = _sessions[session] = Watches(session)
    return watches
