"""What was measured as a piece of a document, and where it stands there."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .adapters import Cost
from .goals import Goal
from .growth import Growth
from .imports import Import
from .latency import Latency
from .offload import Result as Offload
from .report import store
from .rings import SITUATIONS, Result
from .starts import Figures, Starts
from .threads import Threads

# A line's end within a cell.
BREAK = "<br>"

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


def plain(text: str) -> str:
    """The same for a terminal, which may know few characters."""
    return text.replace(BREAK, "; ").replace("µ", "u")


def about(machine: dict[str, Any], how: str) -> str:
    python = machine["python"] + ("" if machine["gil"] else " without GIL")
    return (
        f"{machine['date']}, CPython {python}, {machine['system']}, {machine['processor']}, "
        f"{machine['processors']} processors, load {machine['load']} at the start; {how}"
    )


def method(starts: int, repeats: int) -> str:
    """Tells what the figures are of."""
    return (
        f"medians of {starts} starts of the process, each of {repeats} alternating runs, "
        "in brackets the least and the most."
    )


def goals(found: Sequence[Goal]) -> str:
    rows = [[g.what, g.wanted, g.found, "met" if g.met else "**not met**"] for g in found]
    return table(["What", "Wanted", "Found", ""], rows)


def cell(row: Starts[Result] | None) -> str:
    """The rate, and below it the share of the C loop's."""
    if row is None:
        return ""
    rate = row.over(lambda r: 1e3 / r.ns).text("{:.3g}")
    return f"{rate}{BREAK}{row.over(lambda r: 1 / r.ratio).text('{:.2f}')}"


def rings(results: Sequence[Starts[Result]]) -> str:
    """Makes a table for each situation and direction, with a column for each size."""
    by_place = {row.key[:4]: row for row in results}
    sizes = sorted({row.key.size for row in results})
    tables = []
    for situation in SITUATIONS:
        for direction in ("receive", "send", "echo"):
            group = [row.key for row in results if row.key[:2] == (situation, direction)]
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


def columns(row: Starts[Any], pattern: str, *fields: str) -> list[str]:
    """Writes some fields of a row."""
    return [row.over(operator.attrgetter(field)).text(pattern) for field in fields]


def imports(results: Sequence[Starts[Import]]) -> str:
    head = ["an interpreter's ms", "with `import wintun`", "more"]
    return table(head, [columns(r, "{:.1f}", "bare_ms", "import_ms", "added_ms") for r in results])


def latency(results: Sequence[Starts[Latency]]) -> str:
    head = ["", "p50 µs", "p99 µs", "p99.9 µs"]
    rows = [
        [f"{r.key.traffic}, {r.key.way}", *columns(r, "{:.1f}", "p50_us", "p99_us", "p999_us")]
        for r in results
    ]
    return table(head, rows)


def offload(results: Sequence[Starts[Offload]]) -> str:
    head = ["", "ns", "times memcpy", "times both", "with a plain pass"]
    ratios = ("copies", "copies_and_sums", "copies_and_plain_sums")
    rows = [
        [r.key.what, *columns(r, "{:.0f}", "ns"), *columns(r, "{:.2f}", *ratios)] for r in results
    ]
    return table(head, rows)


def adapters(results: Sequence[Starts[Cost]]) -> str:
    def line(name: str, pattern: str, field: str) -> list[str]:
        return [name, *(text for r in results for text in columns(r, pattern, field))]

    return table(
        ["adapters", *(str(r.key.adapters) for r in results)],
        [
            line("threads of the process", "{:.0f}", "threads"),
            line("idle: processor time, %", "{:.2f}", "idle_percent"),
            line("at work: µs a packet", "{:.1f}", "us"),
        ],
    )


def threads(results: Sequence[Starts[Threads]], free_threaded: Sequence[Starts[Threads]]) -> str:
    kinds = [("with the GIL", results), ("free-threaded", free_threaded)]
    counts = sorted({r.key.threads for r in results})
    rows = [
        [
            f"{direction}, {size} bytes, {kind}",
            *(
                r.over(lambda each: each.rate / 1e6).text("{:.3g}")
                for r in rows
                if (r.key.direction, r.key.size) == (direction, size)
            ),
        ]
        for direction in ("receive", "send")
        for size in sorted({r.key.size for r in results})
        for kind, rows in kinds
        if rows
    ]
    return table(["threads", *map(str, counts)], rows)


def growth(results: Sequence[Starts[Growth]]) -> str:
    rows = [
        [
            f"`{r.key.call}`",
            f"{r.key.packets:,}",
            r.over(lambda each: each.kib[0]).text("{:.0f}"),
            r.over(lambda each: each.kib[-1]).text("{:.0f}"),
        ]
        for r in results
    ]
    return table(["", "packets", "KiB after a tenth", "KiB at the end"], rows)


def picture(name: str, folder: str) -> str:
    """Shows the drawing for the colours of whoever reads."""
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{folder}{name}-dark.svg">\n'
        f'  <img alt="Packets a second, by call" src="{folder}{name}-light.svg">\n'
        "</picture>"
    )


def sections(figures: Figures) -> list[str]:
    """Makes paragraphs and tables of all that was measured, but for the drawing."""
    parts = []
    if figures.get("rings"):
        parts.append(
            "Millions of packets a second, and below them the share of the C loop's rate, by size:"
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
    if figures.get("imports"):
        parts += ["**The start of an interpreter**", imports(figures["imports"])]
    return parts


def document(name: str, about: str, figures: Figures, found: Sequence[Goal]) -> str:
    """Everything that was measured, as a section."""
    drawn = [picture(name, "benchmarks/")] if figures.get("rings") else []
    return "\n\n".join([about, goals(found), *drawn, *sections(figures)])


def summary(name: str, about: str) -> str:
    """The drawing and how it was made, for the front page."""
    return picture(name, "docs/benchmarks/") + "\n\n" + about


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
