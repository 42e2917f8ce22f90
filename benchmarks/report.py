"""What was measured as JSON, and compared with what was measured before.

A row of a part is an object: the fields that name it, and for each field that was measured a list
with the value of each start. Older files have the value itself instead, of their only start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .goals import Goal
from .rings import Result
from .starts import KINDS, Figures, Starts


class Report(NamedTuple):
    machine: dict[str, Any]
    figures: Figures


def store(target: Path, content: str) -> None:
    """Writes a text file that is the same on every system."""
    target.write_bytes(content.encode())


# --- As JSON -------------------------------------------------------------------------------------


def rounded(value: Any) -> Any:
    """Six digits, which is more than any clock can tell."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def packed(part: str, row: Starts[Any]) -> dict[str, Any]:
    keys = KINDS[part].keys
    return {
        field: getattr(row.key, field)
        if field in keys
        else [rounded(getattr(each, field)) for each in row.each]
        for field in row.key._fields
    }


def unpacked(part: str, row: dict[str, Any], several: bool) -> Starts[Any]:
    kind = KINDS[part]
    if not several:
        return Starts((kind.row(**row),))
    measured = {field: values for field, values in row.items() if field not in kind.keys}
    names = {field: row[field] for field in kind.keys}
    return Starts(
        tuple(kind.row(**names, **dict(zip(measured, each))) for each in zip(*measured.values()))
    )


def lines(rows: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]"


def write(target: Path, machine: dict[str, Any], figures: Figures, goals: Sequence[Goal]) -> None:
    """Writes a row of a part in a line."""
    counts = (len(row.each) for rows in figures.values() for row in rows)
    parts = {
        "machine": json.dumps(machine),
        "starts": json.dumps(max(counts, default=0)),
        **{name: lines(packed(name, row) for row in rows) for name, rows in figures.items()},
        "goals": lines(goal._asdict() for goal in goals),
    }
    body = ",\n".join(f" {json.dumps(name)}: {content}" for name, content in parts.items())
    store(target, f"{{\n{body}\n}}\n")


def read(source: Path) -> Report:
    """Reads a file that `write` made, or an older one of a single start."""
    stored: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    several = "starts" in stored
    figures: Figures = {}
    for part in KINDS:
        rows = stored.get(part, [])
        if isinstance(rows, dict):
            rows = [rows]  # `imports` of an older file
        if rows:
            figures[part] = [unpacked(part, row, several) for row in rows]
    return Report(stored["machine"], figures)


# --- Compared ------------------------------------------------------------------------------------


def regressions(
    old: Sequence[Starts[Result]], new: Sequence[Starts[Result]], tolerance: float
) -> list[str]:
    """What costs more than before, as lines of text.

    Compared are the medians of the ratios to the C loop's run beside it, which hardly depend on the
    machine.
    """
    before = {row.key[:4]: row.over(lambda r: r.ratio).median for row in old}
    found = []
    for row in new:
        earlier, now = before.get(row.key[:4]), row.over(lambda r: r.ratio).median
        if earlier is not None and now > earlier * (1 + tolerance):
            name = " ".join(map(str, row.key[:4]))
            found.append(f"{name}: {earlier:.2f} -> {now:.2f} times the C loop's time")
    return found
