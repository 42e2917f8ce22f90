"""What `import wintun` adds to the start of an interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple


class Import(NamedTuple):
    bare_ms: float  # median, an interpreter that does nothing
    import_ms: float  # median, one that imports wintun
    added_ms: float


def start(code: str) -> float:
    """Milliseconds that an interpreter takes to start, run some code, and end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1e3


def measure(repeats: int) -> list[Import]:
    """Medians in milliseconds of a bare interpreter and one with wintun, started in turn."""
    start("import wintun")  # compiles the bytecode
    pairs = [(start("pass"), start("import wintun")) for _ in range(repeats)]
    bare, imported = (statistics.median(column) for column in zip(*pairs))
    return [Import(bare, imported, imported - bare)]


def table(results: Sequence[Import]) -> str:
    return "\n".join(
        f"interpreter {r.bare_ms:.1f} ms, with import wintun {r.import_ms:.1f} ms: "
        f"{r.added_ms:.1f} ms more"
        for r in results
    )
