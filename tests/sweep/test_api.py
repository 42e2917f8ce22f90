# SPDX-License-Identifier: MIT
"""Every call of the Wintun API and of IP Helper is made to fail, once and for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wintun import simulator

from . import lives

ROOT = Path(__file__).parents[2]
LISTED = re.compile(r"^ +X\(([^,(]+), (\w+),", re.MULTILINE)

WINTUN = LISTED.findall((ROOT / "include/wintun.h").read_text(encoding="utf-8"))
IP_HELPER = LISTED.findall((ROOT / "include/ip_helper.h").read_text(encoding="utf-8"))

RESULTS = {f"Wintun{name}": result for result, name in WINTUN} | {
    name: result for result, name in IP_HELPER
}
"""What each function returns."""

FUNCTIONS = [
    name for name, result in RESULTS.items() if result != "void" or name == "WintunGetAdapterLUID"
]
"""Those that can say that they failed; a LUID of 0 says so, too."""

WITH_ANOTHER_WAY = {
    "ConvertInterfaceLuidToAlias",
    "ConvertInterfaceAliasToLuid",
    "ConvertInterfaceLuidToIndex",
}
"""Where the program goes on all the same: with the name that the adapter was given, with the
driver's own look at whether a name is taken, and without knowing whether the adapter is gone."""

CODES = [5, 31]
COUNT_ONLY = 2**32 - 1


@contextmanager
def counting(counts: dict[str, int]) -> Iterator[None]:
    for name in FUNCTIONS:
        simulator.set_fault(name, 31, skip=COUNT_ONLY)
    yield
    for name in FUNCTIONS:
        counts[name] = simulator.calls(name)


class Failure:
    """Some calls of a function that fail, in the body of a `with` statement."""

    def __init__(self, function: str, code: int, skip: int, times: int | None) -> None:
        self.function, self.code = function, code
        self._skip, self._times = skip, times
        self.met = False

    def __enter__(self) -> None:
        simulator.set_fault(self.function, self.code, skip=self._skip, times=self._times)

    def __exit__(self, *unused: object) -> None:
        self.met = simulator.calls(self.function) > self._skip
        simulator.set_fault(self.function, 0)

    def __str__(self) -> str:
        calls = "the rest" if self._times is None else str(self._times)
        return f"{self.function} after {self._skip} calls, {calls} with {self.code}"

    def check(self, error: BaseException | None) -> None:
        if error is None:
            lasts = self._times is None and self.function not in WITH_ANOTHER_WAY
            assert not (self.met and lasts), f"{self}: not told"
            return
        told = f"{self}: {error!r}"
        assert isinstance(error, OSError), told
        assert lives.winerror(error) == self.code, told
        assert str(error.strerror).startswith(f"{self.function}: "), told


def failures(counts: dict[str, int]) -> Iterator[Failure]:
    for function, count in counts.items():
        for skip in lives.some_of(count):
            for code in CODES:
                for times in (1, None):
                    yield Failure(function, code, skip, times)


@pytest.mark.parametrize("life", lives.LIVES)
def test_a_call_that_fails_is_told_and_leaves_nothing_behind(life: str) -> None:
    use = lives.LIVES[life]
    counts: dict[str, int] = {}
    for _ in range(2):
        assert lives.live(use, counting(counts)) is None
    assert counts["WintunCreateAdapter"] > 0
    for failure in failures(counts):

        def fail(failure: Failure = failure) -> None:
            failure.check(lives.live(use, failure))

        with lives.nothing_left(str(failure)):
            assert lives.leaves_no_blocks(fail), f"{failure}: leaks memory"


def test_the_lives_call_every_function() -> None:
    called: set[str] = set()
    for use in lives.LIVES.values():
        counts: dict[str, int] = {}
        assert lives.live(use, counting(counts)) is None
        called |= {function for function, count in counts.items() if count > 0}
    assert called == set(FUNCTIONS)
