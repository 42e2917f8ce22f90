# SPDX-License-Identifier: MIT
"""The kinds of event loops that the asynchronous tests run in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, Callable

import pytest

from helpers import HANG_SECONDS

anyio = pytest.importorskip("anyio", exc_type=ImportError)

Main = Callable[[], Awaitable[Any]]
Run = Callable[[Main], Any]


def run_asyncio(main: Main) -> Any:
    return anyio.run(main, backend="asyncio")


def run_selector(main: Main) -> Any:
    options = {"loop_factory": asyncio.SelectorEventLoop}
    return anyio.run(main, backend="asyncio", backend_options=options)


def run_uvloop(main: Main) -> Any:
    pytest.importorskip("uvloop", reason="uvloop is not installed (there is none for Windows)")
    return anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})


def run_trio(main: Main) -> Any:
    pytest.importorskip("trio", exc_type=ImportError)
    try:
        anyio.run(anyio.sleep, 0, backend="trio")
    except OSError as error:
        pytest.skip(
            f"trio itself cannot run here (under Wine it needs -p tests.trio_under_wine): {error}"
        )
    return anyio.run(main, backend="trio")


LOOPS: list[Run] = [run_asyncio, run_uvloop, run_trio]
if sys.platform == "win32":  # elsewhere it is asyncio's default
    LOOPS.append(run_selector)


def with_limit(runner: Run) -> Run:
    """Runs a coroutine function in a kind of loop, not longer than a hang takes."""

    def run(main: Main) -> Any:
        async def limited() -> Any:
            with anyio.fail_after(HANG_SECONDS):
                return await main()

        return runner(limited)

    return run
