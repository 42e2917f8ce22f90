"""What `import wintun` adds to the start of an interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def start(code: str) -> float:
    """Milliseconds that an interpreter takes to start, run some code, and end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1e3


def measure(repeats: int) -> dict[str, float]:
    """Medians in milliseconds of a bare interpreter and one with wintun, started in turn."""
    start("import wintun")  # compiles the bytecode
    pairs = [(start("pass"), start("import wintun")) for _ in range(repeats)]
    bare, imported = (statistics.median(column) for column in zip(*pairs))
    return {"bare_ms": bare, "import_ms": imported, "added_ms": imported - bare}


def table(cost: dict[str, float]) -> str:
    return (
        f"interpreter {cost['bare_ms']:.1f} ms, with import wintun {cost['import_ms']:.1f} ms: "
        f"{cost['added_ms']:.1f} ms more\n"
    )
