"""What the package holds itself to, and what a run came to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from . import offload
from .adapters import Cost
from .growth import Growth
from .rings import LIST_IN_C, Result

# Resident memory comes and goes in pages of allocators; what stays behind would grow on.
GROWTH_KIB = 256
IDLE_PERCENT = 1.0
ASYNC_TIMES = 200.0
DRAIN_LIST_TIMES = 1.4
PIPELINE_LIST_TIMES = 1.2


class Goal(NamedTuple):
    what: str
    wanted: str
    found: str
    met: bool


def row(rings: list[Result], situation: str, direction: str, size: int, call: str) -> Result | None:
    wanted = (situation, direction, size, call)
    found = (each for each in rings if each[:4] == wanted)
    return next(found, None)


def against_c(rings: list[Result]) -> Iterator[Goal]:
    """The rate in the pipeline, and the time a packet from a full ring or into an empty one."""
    for direction, call in (("receive", "read_many(64, None)"), ("send", "write_many")):
        for size in (64, 1400):
            ours = row(rings, "pipeline", direction, size, call)
            if ours is not None:
                share = 1 / ours.ratio
                what = f"pipeline, {size} bytes: `{call}` against the C loop"
                yield Goal(what, "at least 0.90 of its rate", f"{share:.2f}", share >= 0.9)
    for size, most in ((64, 2.5), (1400, 1.5)):
        ours = row(rings, "drain", "receive", size, "read_many")
        if ours is not None:
            what = f"drain, {size} bytes: `read_many` against the C loop"
            wanted = f"at most {most} times its time"
            yield Goal(what, wanted, f"{ours.ratio:.2f}", ours.ratio <= most)
    for size in sorted({each.size for each in rings if each.size >= 1400}):
        ours = row(rings, "drain", "receive", size, "receive_packets")
        if ours is not None:
            what = f"drain, {size} bytes: `receive_packets` (no copy) against the C loop"
            wanted = "at most 1.0 times its time"
            yield Goal(what, wanted, f"{ours.ratio:.2f}", ours.ratio <= 1)


def against_list(rings: list[Result]) -> Iterator[Goal]:
    """What the package adds to what CPython takes for a list of bytes."""
    for situation, call, most in (
        ("drain", "read_many", DRAIN_LIST_TIMES),
        ("pipeline", "read_many(64, None)", PIPELINE_LIST_TIMES),
    ):
        for size in (64, 1400):
            ours = row(rings, situation, "receive", size, call)
            least = row(rings, situation, "receive", size, LIST_IN_C)
            if ours is not None and least is not None:
                times = ours.ratio / least.ratio
                what = f"{situation}, {size} bytes: `{call}` against the C loop that makes the list"
                yield Goal(what, f"at most {most} times its time", f"{times:.2f}", times <= most)


def against_peer(rings: list[Result]) -> Iterator[Goal]:
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
            times = other.ns / ours.ns
            what = f"pipeline, {size} bytes: `{call}` against {peer}"
            yield Goal(what, f"at least {least:.0f} times its rate", f"{times:.1f}", times >= least)


def of_offload(results: list[offload.Result]) -> Iterator[Goal]:
    """What merging and splitting cost against copying and summing the same bytes."""
    by_what = {each.what: each for each in results}
    for what, most in ((offload.MERGE, 1.0), (offload.SPLIT, 1.3)):
        if what in by_what:
            times = by_what[what].copies_and_sums
            told = f"{what}, a segment of 1400 bytes: against memcpy and a checksum pass"
            yield Goal(told, f"at most {most} times its time", f"{times:.2f}", times <= most)
    if offload.MERGE_TRUSTED in by_what:
        times = by_what[offload.MERGE_TRUSTED].copies
        told = f"{offload.MERGE_TRUSTED}, a segment of 1400 bytes: against memcpy"
        yield Goal(told, "at most 1.3 times its time", f"{times:.2f}", times <= 1.3)


def memory(growth: list[Growth]) -> Iterator[Goal]:
    """What stays behind of many packets."""
    if growth:
        packets = sum(each.packets for each in growth) / 1e6
        kib = max(each.kib[-1] - each.kib[0] for each in growth)
        what = f"memory after {packets:.0f} million packets, against after a tenth of them"
        yield Goal(what, f"no more ({GROWTH_KIB} KiB)", f"{kib:+} KiB", kib <= GROWTH_KIB)


def idle(adapters: list[Cost]) -> Iterator[Goal]:
    """What adapters cost on which nothing arrives."""
    if adapters:
        first, last = adapters[0], adapters[-1]
        more = last.threads - first.threads
        what = f"{last.adapters} idle adapters on one loop: threads more than for one"
        yield Goal(what, "none", str(more), more <= 0)
        what = f"{last.adapters} idle adapters on one loop: processor time"
        percent = last.idle_percent
        yield Goal(what, f"under {IDLE_PERCENT:.0f} %", f"{percent:.2f} %", percent < IDLE_PERCENT)


def goals(figures: dict[str, Any]) -> list[Goal]:
    """All that the measured parts can tell."""
    rings = figures.get("rings", [])
    return [
        *against_c(rings),
        *against_list(rings),
        *against_peer(rings),
        *of_offload(figures.get("offload", [])),
        *memory(figures.get("growth", [])),
        *idle(figures.get("adapters", [])),
    ]


def table(found: list[Goal]) -> str:
    return "\n".join(
        f"{'met' if goal.met else 'NOT MET':8} {goal.what}: {goal.found} ({goal.wanted})"
        for goal in found
    )
