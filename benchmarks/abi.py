"""The stable ABI, which serves every later Python with one binary, against a build for this one.

    python -m benchmarks.abi EXTENSION

EXTENSION is a `_wintun` built with WINTUN_ABI3=0; the installed one is the other side. Both are
loaded into this process and run in turn on rings that are filled, or emptied, before the clock
starts, so that the calls alone are timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

from wintun import _wintun, simulator

from . import calls, rings

SIZES = (64, 1400)


def load(path: Path) -> Any:
    """Loads a second copy of the extension beside the installed one."""
    spec = importlib.util.spec_from_loader(
        "other._wintun", ExtensionFileLoader("other._wintun", os.fspath(path))
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def session(module: Any, name: str) -> Any:
    simulator.set_wire(name, "memory")
    return module.Adapter.create(name, "Benchmark", None).start_session(rings.CAPACITY)


def measure(other: Any, repeats: int) -> list[rings.Result]:
    """Runs each call of the version-specific build and of the installed one in turn."""
    simulator.use()
    other.load_library(os.fsencode(simulator.library_path()))
    sides = {
        "version-specific": ("Benchmark other", session(other, "Benchmark other")),
        "stable ABI": ("Benchmark own", session(_wintun, "Benchmark own")),
    }
    results: list[rings.Result] = []
    for size in SIZES:
        for direction, made in (("receive", calls.RECEIVE), ("send", calls.SEND)):
            for call, make in made.items():
                contenders = [
                    rings.Contender(f"{call}, {side}", name, make(of))
                    for side, (name, of) in sides.items()
                ]
                results += rings.compare("drain", direction, size, contenders, repeats)
    for _, of in sides.values():
        of.adapter.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extension", type=Path)
    parser.add_argument("--repeats", type=int, default=41, help="runs of each (default: 41)")
    args = parser.parse_args()
    results = measure(load(args.extension.resolve()), args.repeats)
    print(rings.table(results))
    ratios = [result.ratio for result in results[1::2]]
    print(f"stable ABI / version-specific, median of the calls: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
