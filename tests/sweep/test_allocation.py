# SPDX-License-Identifier: MIT
"""Every allocation of Python's is made to fail: it is told, and nothing is left or lost."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest

from helpers import scaled

from . import lives
from .interposer import Allocations, python_allocations

LIVES = [name for name in lives.LIVES if name not in ("wait_in_a_loop", "use_a_socket")]
"""Not those of asyncio and sockets: what they do without memory is no matter of ours."""


STANDARD_LIBRARY = os.path.dirname(os.__file__)
"""Where errors are Python's own: ipaddress gets "error return without exception set" (3.11)."""


def is_about_memory(error: BaseException) -> bool:
    if isinstance(error, ctypes.ArgumentError):  # of the calls that control the simulator
        return "MemoryError" in str(error)
    return isinstance(error, MemoryError)


@pytest.fixture
def allocations() -> Iterator[Allocations]:
    with python_allocations() as made:
        yield made


# Where Python itself has no memory to pass an object on, only the object is there to clean up.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_an_allocation_that_fails_is_told_and_leaves_nothing_behind(
    allocations: Allocations, life: str
) -> None:
    use = lives.LIVES[life]
    for _ in range(3):
        assert lives.live(use, allocations.fail(0, 0)) is None
    for after in lives.some_of(allocations.calls, scaled(16)):
        errors: list[Exception | None] = []

        def fail(after: int = after, errors: list[Exception | None] = errors) -> None:
            errors[:] = [lives.live(use, allocations.fail(after, 1))]

        with lives.nothing_left(f"allocation {after}"):
            kept_nothing = lives.leaves_no_blocks(fail)
        error = errors[0]
        if error is not None and lives.raised_in(error).startswith(STANDARD_LIBRARY):
            continue
        told = f"allocation {after}: {error!r}"
        assert error is None or is_about_memory(error), told
        assert kept_nothing, f"{told}: leaks memory"


@pytest.mark.parametrize("read_ahead", [False, True])
@pytest.mark.parametrize("read", lives.READS)
def test_a_packet_for_which_there_is_no_memory_is_counted(
    allocations: Allocations, read: str, read_ahead: bool
) -> None:
    lives.check_nothing_lost(read, allocations.fail(0, 0), read_ahead)
    for after in lives.some_of(allocations.calls):
        lives.check_nothing_lost(read, allocations.fail(after, 1), read_ahead)
