"""Waking the tasks that wait for packets of a session.

Each loop that has such tasks watches the session's events with handles of its own, and only as long
as it has them. One signal may stand for many packets, and only one loop may see it: so it wakes all
tasks in all loops, and each looks into the ring for itself. No wake is lost then, whoever is
cancelled. It also wakes a thread that blocks in the session; and a thread that has taken a packet
wakes the loops, by an event of their own.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from wintun._locks import ForkSafeLock
from wintun._wintun import Session, close_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Events:
    """Handles of a session's events; they outlive the session.

    `packets` is the driver's; `baton` is set by threads that leave packets to the loops.
    """

    def __init__(self, session: Session) -> None:
        self.packets, self.baton, self.closed = session._duplicate_events()
        self._open = True

    def close(self) -> None:
        """Closes the handles; nobody may be waiting for them."""
        if self._open:
            self._open = False
            for event in (self.packets, self.baton, self.closed):
                close_event(event)

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()


class Watches:
    """The watches of one session, one a loop.

    References are weak: what waits for the events is held by the loop that it waits in, and goes
    with a loop that is closed while tasks wait.
    """

    def __init__(self) -> None:
        # Reentrant: a task that is collected inside leaves its watch.
        self._lock = ForkSafeLock()
        self._watches: WeakValueDictionary[int, Watch] = WeakValueDictionary()

    def get(self, loop: object, make: Callable[[], Watch]) -> Watch:
        # A watch holds its loop, so the id of a loop that has one is nobody else's.
        with self._lock:
            watch = self._watches.get(id(loop))
        if watch is None:
            watch = make()  # in the loop's own thread: nobody else makes this one
            with self._lock:
                self._watches[id(loop)] = watch
        return watch

    def remove(self, watch: Watch) -> None:
        with self._lock:
            if self._watches.get(id(watch.loop)) is watch:
                del self._watches[id(watch.loop)]

    def others(self, watch: Watch) -> list[Watch]:
        with self._lock:
            references = self._watches.valuerefs()
        alive = (reference() for reference in references)
        return [other for other in alive if other is not None and other is not watch]


class Watch(ABC):
    """Wakes the tasks of one loop when the events of one session are signaled.

    All methods but `wake_from_elsewhere` are for the loop's own thread. `enter`, then look into the
    ring, then `sleep`; `leave` in any case.
    """

    def __init__(self, loop: Any, session: Session, watches: Watches) -> None:
        self.loop = loop
        self._watches = watches
        self._sleepers: set[Any] = set()
        self._is_check_due = False
        self._is_closed = False
        self._events = Events(session)
        # Weak: a session that nobody else has is not kept by what waits for it.
        self._session = ref(session)

    # --- For tasks ---

    def enter(self) -> Any:
        """Returns what the calling task can sleep on: every signal from now on ends that sleep."""
        sleeper = self._new_sleeper()
        self._sleepers.add(sleeper)
        self._arm()
        return sleeper

    @abstractmethod
    async def sleep(self, sleeper: Any) -> None:
        """Waits for a signal since `enter`."""

    def leave(self, sleeper: Any) -> None:
        """Ends what `enter` began.

        The last to leave does not end the watch at once: most often it comes back at its next read.
        """
        self._sleepers.discard(sleeper)
        if self._sleepers or self._is_check_due or self._is_closed:
            return
        self._is_check_due = True
        try:
            self._call_soon(self._close_if_unused)
        except RuntimeError:  # the loop is over; the task is being destroyed
            self.close()

    def _close_if_unused(self) -> None:
        self._is_check_due = False
        if not self._sleepers:
            self.close()

    # --- For the events ---

    def wake(self) -> None:
        """Wakes all tasks of this loop."""
        # They stay listed until they leave, which keeps the watch from being closed under them.
        for sleeper in list(self._sleepers):
            self._rouse(sleeper)

    def wake_from_elsewhere(self) -> None:
        """Wakes all tasks of this loop; may be called from any thread."""
        with suppress(RuntimeError):  # the loop may be over
            self._call_soon_threadsafe(self.wake)

    def on_packets(self) -> None:
        """Wakes all tasks of all loops, and a thread that waits: it wakes the next one."""
        self.wake()
        self._wake_others()

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
        self._disarm()
        # A wait that is called off may have swallowed a signal.
        self._wake_others()

    def _wake_others(self) -> None:
        for other in self._watches.others(self):
            other.wake_from_elsewhere()
        session = self._session()
        if session is not None:
            session._wake_thread()

    # --- For each kind of loop ---

    @abstractmethod
    def _new_sleeper(self) -> Any: ...

    @abstractmethod
    def _rouse(self, sleeper: Any) -> None: ...

    @abstractmethod
    def _call_soon(self, callback: Callable[[], None]) -> None: ...

    @abstractmethod
    def _call_soon_threadsafe(self, callback: Callable[[], None]) -> None: ...

    def _arm(self) -> None:  # noqa: B027 (most need nothing)
        """Sees to it that signals are waited for, where one wait sees one signal."""

    @abstractmethod
    def _disarm(self) -> None:
        """Ends the waits, and closes the events as soon as nothing waits for them."""


_sessions: WeakKeyDictionary[Session, Watches] = WeakKeyDictionary()
_sessions_lock = ForkSafeLock()


def _watches_of(session: Session) -> Watches:
    with _sessions_lock:
        watches = _sessions.get(session)
        if watches is None:
            watches = _sessions[session] = Watches()
        return watches


def watch_of(session: Session) -> Watch:
    """Returns the watch of the running loop on a session.

    Raises:
        ClosedError: The session is closed.
    """
    watches = _watches_of(session)
    if "trio" in sys.modules:
        from . import _trio

        token = _trio.token()
        if token is not None:
            return watches.get(token, lambda: _trio.TrioWatch(token, session, watches))
    import asyncio

    from ._asyncio import watch_class

    loop = asyncio.get_running_loop()
    return watches.get(loop, lambda: watch_class(loop)(loop, session, watches))
