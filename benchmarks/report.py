"""What was measured as JSON, and compared with what was measured before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .rings import Result

Key = tuple[str, str, int, str]


def key_of(row: Result) -> Key:
    return row.situation, row.direction, row.size, row.call


def store(target: Path, content: str) -> None:
    """Writes a text file that is the same on every system."""
    target.write_bytes(content.encode())


def write(target: Path, figures: dict[str, Any]) -> None:
    store(target, json.dumps(figures, indent=1, default=str) + "\n")


def read(source: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return figures


def regressions(old: dict[str, Any], new: Sequence[Result], tolerance: float) -> list[str]:
    """What costs more than before, as lines of text.

    Compared are the ratios to the C loop's run beside it, which hardly depend on the machine.
    """
    before = {key_of(row): row for row in (Result(**row) for row in old["rings"])}
    lines = []
    for row in new:
        earlier = before.get(key_of(row))
        if earlier is not None and row.ratio > earlier.ratio * (1 + tolerance):
            name = " ".join(map(str, key_of(row)))
            lines.append(f"{name}: {earlier.ratio:.2f} -> {row.ratio:.2f} times the C loop's time")
    return lines
