# SPDX-License-Identifier: MIT
"""Every allocation of Python's is made to fail: it is told, and nothing is left or lost."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from helpers import open_handles, scaled
from wintun import simulator

from . import lives
from .interposer import Allocations, python_allocations

OF_OTHERS = {"wait_in_a_loop", "use_a_socket", "use_a_descriptor"}
LIVES = [name for name in lives.LIVES if name not in OF_OTHERS]
"""Not those of asyncio and sockets: what they do without memory is no matter of ours."""

PYTHONS_OWN = "error return without exception set"
"""What Python 3.11 says where it cannot begin a function, whose arguments it then can leak, too."""


def is_about_memory(error: BaseException) -> bool:
    if isinstance(error, ctypes.ArgumentError):  # of the calls that control the simulator
        return "MemoryError" in str(error)
    if isinstance(error, SystemError):
        return str(error) == PYTHONS_OWN
    return isinstance(error, MemoryError)


@pytest.fixture
def allocations() -> Iterator[Allocations]:
    with python_allocations() as made:
        yield made


# Where Python itself has no memory to pass an object on, only the object is there to clean up.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
# So CPython 3.14 tells of its own want of memory, as it takes apart an object written in Python.
@pytest.mark.filterwarnings("ignore:Exception ignored while clearing an object managed dict")
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

        counts, handles = simulator.counts(), open_handles()
        kept_nothing = lives.leaves_no_blocks(fail) and open_handles() <= handles
        told = f"allocation {after}: {errors[0]!r}"
        if allocations.in_extension:
            assert kept_nothing, f"{told}: leaks memory or handles"
        assert errors[0] is None or is_about_memory(errors[0]), told
        assert simulator.counts() == counts, told


@pytest.mark.parametrize("read_ahead", [False, True])
@pytest.mark.parametrize("read", lives.READS)
def test_a_packet_for_which_there_is_no_memory_is_counted(
    allocations: Allocations, read: str, read_ahead: bool
) -> None:
    lives.check_nothing_lost(read, allocations.fail(0, 0), read_ahead)
    for after in lives.some_of(allocations.calls):
        lives.check_nothing_lost(read, allocations.fail(after, 1), read_ahead)
