"""The figures of several starts of the process, side by side.

Two processes differ more than two runs within one: the memory of each lies elsewhere, and its
threads may get other processors. So a figure is measured in several processes, each of them fresh,
and given as the median with the least and the most.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from . import adapters, growth, imports, latency, offload, rings, threads

# What is published needs as many starts at least: the median of fewer moves with each of them.
LEAST_PUBLISHED = 7

Row = TypeVar("Row", bound="tuple[Any, ...]")


class Kind(NamedTuple):
    """What the rows of a part are."""

    row: Callable[..., Any]
    keys: tuple[str, ...]  # the fields that name a row; the others were measured


KINDS: dict[str, Kind] = {
    "imports": Kind(imports.Import, ()),
    "rings": Kind(rings.Result, ("situation", "direction", "size", "call")),
    "offload": Kind(offload.Result, ("what",)),
    "latency": Kind(latency.Latency, ("traffic", "way")),
    "adapters": Kind(adapters.Cost, ("adapters",)),
    "threads": Kind(threads.Threads, ("direction", "size", "threads")),
    "growth": Kind(growth.Growth, ("call", "packets")),
    "free_threaded": Kind(threads.Threads, ("direction", "size", "threads")),
}


class Spread(NamedTuple):
    median: float
    least: float
    most: float

    def text(self, pattern: str) -> str:
        """Writes the median, and in brackets the least and the most where they differ from it."""
        median, least, most = (pattern.format(value) for value in self)
        return median if least == median == most else f"{median} ({least} to {most})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Starts(Generic[Row]):
    """One row as each start measured it."""

    each: tuple[Row, ...]

    @property
    def key(self) -> Row:
        """The row to read the names from, which are the same in all starts."""
        return self.each[0]

    def over(self, value: Callable[[Row], float]) -> Spread:
        return spread([value(row) for row in self.each])


Start = dict[str, list[Any]]
"""What one process measured: the rows of each part."""

Figures = dict[str, list[Starts[Any]]]
"""What all of them measured."""


def key_of(part: str, row: Any) -> tuple[object, ...]:
    return tuple(getattr(row, field) for field in KINDS[part].keys)


def merge(measured: Sequence[Start]) -> Figures:
    """Puts the rows of the same names together. Each start has to have the same rows.

    Raises ValueError if the starts measured different things.
    """
    figures: Figures = {}
    for part, rows in measured[0].items():
        names = [key_of(part, row) for row in rows]
        for start in measured[1:]:
            others = [key_of(part, row) for row in start.get(part, [])]
            if others != names:
                raise ValueError(f"starts measured different {part}: {names}, then {others}")
        figures[part] = [Starts(each) for each in zip(*(start[part] for start in measured))]
    return figures


def each_start(rows: Sequence[Starts[Any]]) -> Iterator[list[Any]]:
    """Gives the rows of one start after the other."""
    for place in range(len(rows[0].each) if rows else 0):
        yield [row.each[place] for row in rows]


def run(options: Sequence[str]) -> None:
    """Measures once, in a fresh process, and prints what that prints.

    Raises subprocess.CalledProcessError if the process fails.
    """
    # Handles that are pipes are passed on explicitly: Windows inherits those of a console alone.
    command = [sys.executable, "-m", "benchmarks", *options]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
