"""Locks that survive a fork and a signal handler that raises."""

from __future__ import annotations

import os
from _thread import RLock
from _weakref import ref

# All that are alive. Each reference takes itself out, in C; `weakref` costs time to import.
_locks: set[ref[RLock]] = set()


def ForkSafeLock() -> RLock:  # noqa: N802 (a lock's maker, named as those of `threading`)
    """Makes a reentrant lock that a forked child finds free, whoever held it in the parent.

    Reentrant, for a signal handler or a destructor may run in the thread that holds it. It is the
    interpreter's own lock, used with `with` directly: no line of Python runs between taking it and
    the block, nor between the block and giving it back, where a signal handler could raise. Hence
    no lock of this package is in a context manager written in Python.
    """
    lock = RLock()
    _locks.add(ref(lock, _locks.discard))
    return lock


def _free_in_child() -> None:
    # The thread that forked still holds what it held, as where a log callback forks, and gives it
    # back at the end of its block. The other threads that held a lock do not exist here.
    for reference in _locks.copy():
        lock = reference()
        if lock is not None and not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_free_in_child)
