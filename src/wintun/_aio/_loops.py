# SPDX-License-Identifier: MIT
"""The loop that is running: its kind, and its watch on a session.

A kind of loop is a module: `running()`, `sleep(seconds)`, `new_watch(loop, session, watches)`.
"""

from __future__ import annotations

import sys

from ._watch import watches_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from wintun._wintun import Session

    from ._watch import Watch

# The modules, each from its first use on: a program pays for the kind of loop that it has.
_asyncio: Any = None
_trio: Any = None


def _current() -> tuple[Any, Any]:
    """Returns the kind of the running loop and the loop."""
    global _asyncio, _trio
    # trio first: in its guest mode it runs inside a loop of asyncio's.
    if "trio" in sys.modules:
        if _trio is None:
            from . import _trio as trio_module

            _trio = trio_module
        run = _trio.running()
        if run is not None:
            return _trio, run
    if _asyncio is None:
        from . import _asyncio as asyncio_module

        _asyncio = asyncio_module
    return _asyncio, _asyncio.running()


def watch_of(session: Session) -> Watch:
    """Returns the watch of the running loop on a session.

    Raises:
        ClosedError: The session is closed.
        OSError: The system refused to wait for its events.
        RuntimeError: No loop is running.
    """
    kind, loop = _current()
    watches = watches_of(session)
    watch = watches.of(loop)
    if watch is None:
        watch = kind.new_watch(loop, session, watches)  # in the loop's thread: no other makes it
        watch.open()
    return watch


def sleep(seconds: float) -> Awaitable[None]:
    """Lets other tasks run, at least so long."""
    awaitable: Awaitable[None] = _current()[0].sleep(seconds)
    return awaitable
