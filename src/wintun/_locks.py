"""Locks for what a forked child inherits."""

from __future__ import annotations

import os
from _thread import RLock


class ForkSafeLock:
    """A reentrant lock that a forked child finds free, whoever held it in the parent.

    Reentrant, for a signal handler or a destructor may run in the thread that holds it.
    """

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[int, RLock] = {os.getpid(): RLock()}

    def __enter__(self) -> None:
        process = os.getpid()
        lock = self._locks.get(process)
        if lock is None:
            lock = self._locks.setdefault(process, RLock())
        lock.acquire()

    def __exit__(self, *error: object) -> None:
        lock = self._locks.get(os.getpid())
        # Not of this process if the fork came inside the block, as by a log callback that forks.
        if lock is not None and lock._is_owned():  # type: ignore[attr-defined]
            lock.release()
