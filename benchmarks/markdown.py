"""What was measured as a piece of a document, and where it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .goals import Goal
from .report import store
from .rings import SITUATIONS, Result

TITLES = {
    ("drain", "receive"): "Receiving, the ring filled before (drain)",
    ("drain", "send"): "Sending, into an empty ring (drain)",
    ("drain", "echo"): "Sending back what is in the ring (drain)",
    ("pipeline", "receive"): "Receiving, while packets are put in (pipeline)",
    ("pipeline", "send"): "Sending, while packets are taken out (pipeline)",
    ("pipeline", "echo"): "Sending back, with both (pipeline)",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Makes a table whose first column is text and whose others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def about(machine: dict[str, Any], repeats: int) -> str:
    python = machine["python"] + ("" if machine["gil"] else " without GIL")
    return (
        f"{machine['date']}, CPython {python}, {machine['system']}, {machine['processor']}, "
        f"{machine['processors']} processors, load {machine['load']} at the start; medians of "
        f"{repeats} alternating runs."
    )


def goals(found: Sequence[Goal]) -> str:
    rows = [[g.what, g.wanted, g.found, "met" if g.met else "**not met**"] for g in found]
    return table(["What", "Wanted", "Found", ""], rows)


def cell(row: Result | None) -> str:
    return "" if row is None else f"{1e3 / row.ns:.2f} ({1 / row.ratio:.2f})"


def rings(results: Sequence[Result]) -> str:
    """Makes a table for each situation and direction, with a column for each size."""
    by_place = {row[:4]: row for row in results}
    sizes = sorted({row.size for row in results})
    tables = []
    for situation in SITUATIONS:
        for direction in ("receive", "send", "echo"):
            group = [row for row in results if row[:2] == (situation, direction)]
            calls = list(dict.fromkeys(row.call for row in group))
            rows = [
                [
                    f"`{call}`",
                    *(cell(by_place.get((situation, direction, size, call))) for size in sizes),
                ]
                for call in calls
            ]
            title = TITLES[situation, direction]
            tables.append(f"**{title}**\n\n" + table(["bytes", *map(str, sizes)], rows))
    return "\n\n".join(tables)


def latency(results: Sequence[Any]) -> str:
    head = ["", "p50 µs", "p99 µs", "p99.9 µs"]
    rows = [
        [f"{r.traffic}, {r.way}", f"{r.p50_us:.1f}", f"{r.p99_us:.1f}", f"{r.p999_us:.1f}"]
        for r in results
    ]
    return table(head, rows)


def offload(results: Sequence[Any]) -> str:
    head = ["", "ns", "times memcpy", "times both", "with a plain pass"]
    rows = [
        [
            r.what,
            f"{r.ns:.0f}",
            *(f"{x:.2f}" for x in (r.copies, r.copies_and_sums, r.copies_and_plain_sums)),
        ]
        for r in results
    ]
    return table(head, rows)


def adapters(results: Sequence[Any]) -> str:
    head = ["adapters", *(str(r.adapters) for r in results)]
    return table(
        head,
        [
            ["threads of the process", *(str(r.threads) for r in results)],
            ["idle: processor time, %", *(f"{r.idle_percent:.2f}" for r in results)],
            ["at work: µs a packet", *(f"{r.us:.1f}" for r in results)],
        ],
    )


def threads(results: Sequence[Any], free_threaded: Sequence[Any]) -> str:
    kinds = [("with the GIL", results), ("free-threaded", free_threaded)]
    counts = sorted({r.threads for r in results})
    rows = [
        [
            f"{direction}, {size} bytes, {kind}",
            *(f"{r.rate / 1e6:.2f}" for r in rows if (r.direction, r.size) == (direction, size)),
        ]
        for direction in ("receive", "send")
        for size in sorted({r.size for r in results})
        for kind, rows in kinds
        if rows
    ]
    return table(["threads", *map(str, counts)], rows)


def growth(results: Sequence[Any]) -> str:
    rows = [[f"`{r.call}`", f"{r.packets:,}", *map(str, (r.kib[0], r.kib[-1]))] for r in results]
    return table(["", "packets", "KiB after a tenth", "KiB at the end"], rows)


def picture(name: str, folder: str) -> str:
    """Shows the drawing for the colours of whoever reads."""
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{folder}{name}-dark.svg">\n'
        f'  <img alt="Packets a second, by call" src="{folder}{name}-light.svg">\n'
        "</picture>"
    )


def document(name: str, figures: dict[str, Any], repeats: int) -> str:
    """Everything that was measured, as a section."""
    parts = [about(figures["machine"], repeats), goals(figures["goals"])]
    if "rings" in figures:
        parts.append(picture(name, "benchmarks/"))
        parts.append(
            "Millions of packets a second, in brackets the share of the C loop's rate, by size:"
        )
        parts.append(rings(figures["rings"]))
    if figures.get("offload"):
        parts += ["**Merging and splitting**, a segment of 1400 bytes; both: memcpy and checksum"]
        parts += [offload(figures["offload"])]
    if figures.get("latency"):
        parts += ["**From a packet's arrival to Python**", latency(figures["latency"])]
    if figures.get("adapters"):
        parts += ["**Adapters on one asyncio loop**", adapters(figures["adapters"])]
    if figures.get("threads"):
        free = figures.get("free_threaded", [])
        parts += ["**Threads on one device**, millions of packets a second together"]
        parts += [threads(figures["threads"], free)]
    if figures.get("growth"):
        parts += ["**Resident memory**", growth(figures["growth"])]
    return "\n\n".join(parts)


def summary(name: str, figures: dict[str, Any], repeats: int) -> str:
    """The drawing and how it was made, for the front page."""
    return picture(name, "docs/benchmarks/") + "\n\n" + about(figures["machine"], repeats)


def put(target: Path, name: str, content: str) -> bool:
    """Replaces what stands between the marks of a name; False if the document has none."""
    text = target.read_text(encoding="utf-8")
    first, last = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if first not in text or last not in text:
        return False
    before, rest = text.split(first, 1)
    after = rest.split(last, 1)[1]
    store(target, f"{before}{first}\n{content}\n{last}{after}")
    return True
