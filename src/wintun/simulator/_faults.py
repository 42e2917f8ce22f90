# SPDX-License-Identifier: MIT
"""Functions of the library that fail, take long, or are counted; lines of its log."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._calls import FOR_EVER, PROC_NOT_FOUND, call, check, integer, text_of, u32

if TYPE_CHECKING:
    from collections.abc import Iterator


def functions() -> tuple[str, ...]:
    """Returns the names that `set_fault`, `set_delay` and `calls` take."""
    names: list[str] = []
    while (name := call["FunctionName"](len(names))) is not None:
        names.append(name.decode())
    return tuple(names)


def set_fault(function: str, code: int | None, *, skip: int = 0, times: int | None = None) -> None:
    """Makes a function of the library fail without doing anything.

    Args:
        function: Its exported name, such as "WintunCreateAdapter" or "SetIpInterfaceEntry"; one of
            `functions()`.
        code: The Win32 error code that it gives; 0 takes the fault away; None: it gives none and
            leaves the last error 0, as the official library can. Only functions of Wintun can.
        skip: Calls that still succeed, first.
        times: Calls that fail, then; None for all.

    Raises:
        TypeError: An argument is of another type.
        ValueError: There is no such function, or a number is out of range.
    """
    name = text_of("function", function)
    if code is not None:
        code = integer("code", code, 0, FOR_EVER)
    elif not function.startswith("Wintun"):
        raise ValueError(f"{function} returns its code, so it cannot fail without one")
    skip = integer("skip", skip, 0, FOR_EVER)
    fail = FOR_EVER if times is None else integer("times", times, 0, FOR_EVER - 1)
    arguments = (code or 0, skip, fail if code != 0 else 0)
    _check(call["SetFault"](name, *arguments), function)


@contextmanager
def fault(
    function: str, code: int | None, *, skip: int = 0, times: int | None = None
) -> Iterator[None]:
    """Like `set_fault`, for the body of a `with` statement."""
    set_fault(function, code, skip=skip, times=times)
    try:
        yield
    finally:
        set_fault(function, 0)


def calls(function: str) -> int:
    """Returns how often a function of the library was called since its fault was set.

    Until the fault is over: more calls than it skips say that it was met. One that skips 2**32 - 1
    calls only counts them.

    Raises:
        ValueError: There is no such function.
    """
    counted = u32()
    _check(call["GetCalls"](text_of("function", function), ctypes.byref(counted)), function)
    return counted.value


def set_delay(function: str, milliseconds: int) -> None:
    """Makes every call of a function of the library take longer; 0 takes that away.

    What is quick here is not always so on Windows: creating an adapter waits up to 15 seconds for
    its network interface, as long as another process creates one, and at the first time after an
    update up to 75 seconds for an old driver to go; closing it waits for its removal.

    Args:
        function: Its exported name; one of `functions()`.
        milliseconds: How much longer, 0 to 4294967295.

    Raises:
        ValueError: There is no such function, or the delay is out of range.
    """
    name = text_of("function", function)
    milliseconds = integer("milliseconds", milliseconds, 0, FOR_EVER)
    _check(call["SetDelay"](name, milliseconds), function)


def log(
    level: int,
    message: str,
    *,
    timestamp: int | None = None,
    count: int = 1,
    wait: bool = True,
) -> None:
    """Has the library log a line from a thread that Python does not know.

    Wintun does so, too: its line "Removed orphaned adapter" comes from a thread of its own, after
    the call that began the removal, even while the process ends.

    Args:
        level: `wintun.LOG_INFO`, `LOG_WARN` or `LOG_ERR`; others test what a callback does.
        message: The line, up to some 1,000 bytes.
        timestamp: In units of 100 ns since 1601-01-01 UTC, not 0; None for the time of each line.
        count: How often.
        wait: Whether to return after the last line; else at once.
    """
    level = integer("level", level, 0, FOR_EVER)
    count = integer("count", count, 0, FOR_EVER)
    moment = 0 if timestamp is None else integer("timestamp", timestamp, 1, 2**64 - 1)
    line = text_of("message", message)
    check(call["Log"](level, moment, line, count, 1 if wait else 0), None)


def _check(code: int, function: str) -> None:
    if code == PROC_NOT_FOUND:
        from difflib import get_close_matches

        known = functions()
        like = get_close_matches(function, known, 1)
        hint = f" Did you mean {like[0]!r}?" if like else ""
        raise ValueError(
            f"the library has no function {function!r}.{hint} Its functions: {', '.join(known)}"
        )
    check(code, None)
