"""What the package costs: importing it, and a packet against the same loop in C.

Nothing is asserted. Alternating runs, medians; times of a machine that does other work as well
say little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import wintun

from . import imports, rings


def machine() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "wintun": wintun.__version__,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="runs of each (default: 15)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 576, 1400, 9000, 65535])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--c-loop", type=Path, metavar="LIBRARY", help="c_loop.c, built already")
    args = parser.parse_args()

    cost = imports.measure(max(args.repeats, 15))
    print(imports.table(cost))
    results = rings.measure(args.sizes, args.repeats, args.c_loop)
    print(rings.table(results))
    if args.json is not None:
        figures = {"machine": machine(), "import": cost, "rings": [r._asdict() for r in results]}
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


sys.exit(main())
