"""What the package holds itself to, and what was found.

Each start of the process gives a value for each goal. The goal is met where their median meets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from . import offload, starts
from .adapters import Cost
from .growth import Growth
from .rings import LIST_IN_C, Result

# Resident memory comes and goes in pages of allocators; what stays behind would grow on.
GROWTH_KIB = 256
IDLE_PERCENT = 1.0
ASYNC_TIMES = 200.0
PIPELINE_SHARE = 0.9
# What the package may add to what CPython takes for the list, on the ring that is filled or not.
LIST_TIMES = 1.1


class Limit(NamedTuple):
    text: str
    pattern: str  # that a value is written with
    meets: Callable[[float], bool]


class Value(NamedTuple):
    """What one start came to."""

    what: str
    limit: Limit
    value: float


class Goal(NamedTuple):
    what: str
    wanted: str
    found: str  # the median, in brackets the least and the most
    met: bool


def at_least(share: float) -> Limit:
    return Limit(f"at least {share:.2f} of its rate", "{:.2f}", lambda value: value >= share)


def at_least_times(times: float) -> Limit:
    return Limit(f"at least {times:.0f} times its rate", "{:.1f}", lambda value: value >= times)


def at_most_times(times: float) -> Limit:
    return Limit(f"at most {times} times its time", "{:.2f}", lambda value: value <= times)


# --- The values of one start ---------------------------------------------------------------------


def row(rings: list[Result], situation: str, direction: str, size: int, call: str) -> Result | None:
    wanted = (situation, direction, size, call)
    found = (each for each in rings if each[:4] == wanted)
    return next(found, None)


def against_c(rings: list[Result]) -> Iterator[Value]:
    """The rate in the pipeline, and the time a packet from a full ring.

    No call that makes a list of bytes is among those of 1400 bytes: to make the list takes twice
    the loop's time by itself, in C as well.
    """
    for direction, call in (
        ("receive", "read_packed"),
        ("receive", "receive_packets"),
        ("send", "write_many"),
    ):
        for size in (64, 1400):
            ours = row(rings, "pipeline", direction, size, call)
            if ours is not None:
                what = f"pipeline, {size} bytes: `{call}` against the C loop"
                yield Value(what, at_least(PIPELINE_SHARE), 1 / ours.ratio)
    ours = row(rings, "drain", "receive", 64, "read_many")
    if ours is not None:
        yield Value(
            "drain, 64 bytes: `read_many` against the C loop", at_most_times(2.5), ours.ratio
        )
    for size in sorted({each.size for each in rings if each.size >= 1400}):
        ours = row(rings, "drain", "receive", size, "receive_packets")
        if ours is not None:
            what = f"drain, {size} bytes: `receive_packets` (no copy) against the C loop"
            yield Value(what, at_most_times(1.0), ours.ratio)


def against_list(rings: list[Result]) -> Iterator[Value]:
    """What the package adds to what CPython takes for a list of bytes."""
    for situation, call in (("drain", "read_many"), ("pipeline", "read_many(64, None)")):
        for size in (64, 1400):
            ours = row(rings, situation, "receive", size, call)
            least = row(rings, situation, "receive", size, LIST_IN_C)
            if ours is not None and least is not None:
                what = f"{situation}, {size} bytes: `{call}` against the C loop that makes the list"
                yield Value(what, at_most_times(LIST_TIMES), ours.ratio / least.ratio)


def against_peer(rings: list[Result]) -> Iterator[Value]:
    """Times the rate of pytun-pmd3's calls, where it takes part."""
    pairs = [
        ("receive", 64, "read(None)", "pytun-pmd3 read", 10.0),
        ("receive", 1400, "read(None)", "pytun-pmd3 read", 7.0),
        ("send", 64, "write", "pytun-pmd3 write", 4.0),
        ("send", 1400, "write", "pytun-pmd3 write", 4.0),
        ("receive", 64, "read_many_async", "pytun-pmd3 async_read", ASYNC_TIMES),
        ("receive", 1400, "read_many_async", "pytun-pmd3 async_read", ASYNC_TIMES),
    ]
    for direction, size, call, peer, least in pairs:
        ours = row(rings, "pipeline", direction, size, call)
        other = row(rings, "pipeline", direction, size, peer)
        if ours is not None and other is not None:
            what = f"pipeline, {size} bytes: `{call}` against {peer}"
            yield Value(what, at_least_times(least), other.ns / ours.ns)


def of_rings(rings: list[Result]) -> Iterator[Value]:
    yield from against_c(rings)
    yield from against_list(rings)
    yield from against_peer(rings)


def of_offload(results: list[offload.Result]) -> Iterator[Value]:
    """What merging and splitting cost against copying and summing the same bytes."""
    by_what = {each.what: each for each in results}
    for what, most in ((offload.MERGE, 1.0), (offload.SPLIT, 1.3)):
        if what in by_what:
            told = f"{what}, a segment of 1400 bytes: against memcpy and a checksum pass"
            yield Value(told, at_most_times(most), by_what[what].copies_and_sums)
    if offload.MERGE_TRUSTED in by_what:
        told = f"{offload.MERGE_TRUSTED}, a segment of 1400 bytes: against memcpy"
        yield Value(told, at_most_times(1.3), by_what[offload.MERGE_TRUSTED].copies)


def memory(growth: list[Growth]) -> Iterator[Value]:
    """What stays behind of many packets."""
    packets = sum(each.packets for each in growth) / 1e6
    kib = max(each.kib[-1] - each.kib[0] for each in growth)
    what = f"memory after {packets:.0f} million packets, against after a tenth of them"
    limit = Limit(f"no more ({GROWTH_KIB} KiB)", "{:+.0f} KiB", lambda value: value <= GROWTH_KIB)
    yield Value(what, limit, kib)


def idle(adapters: list[Cost]) -> Iterator[Value]:
    """What adapters cost on which nothing arrives."""
    first, last = adapters[0], adapters[-1]
    what = f"{last.adapters} idle adapters on one loop: threads more than for one"
    yield Value(
        what, Limit("none", "{:.0f}", lambda value: value <= 0), last.threads - first.threads
    )
    what = f"{last.adapters} idle adapters on one loop: processor time"
    limit = Limit(f"under {IDLE_PERCENT:.0f} %", "{:.2f} %", lambda value: value < IDLE_PERCENT)
    yield Value(what, limit, last.idle_percent)


# --- Over all starts -----------------------------------------------------------------------------

JUDGES: dict[str, Callable[[list[Any]], Iterator[Value]]] = {
    "rings": of_rings,
    "offload": of_offload,
    "growth": memory,
    "adapters": idle,
}


def judge(values: Sequence[Value]) -> Goal:
    """Judges the values that the starts came to for one goal."""
    what, limit, _ = values[0]
    found = starts.spread([each.value for each in values])
    return Goal(what, limit.text, found.text(limit.pattern), limit.meets(found.median))


def goals(figures: starts.Figures) -> list[Goal]:
    """All that the measured parts can tell."""
    return [
        judge(values)
        for part, judged in JUDGES.items()
        for values in zip(*(judged(rows) for rows in starts.each_start(figures.get(part, []))))
    ]


def table(found: list[Goal]) -> str:
    return "\n".join(
        f"{'met' if goal.met else 'NOT MET':8} {goal.what}: {goal.found}; wanted: {goal.wanted}"
        for goal in found
    )
