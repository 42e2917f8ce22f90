"""What the package costs, measured; see docs/benchmarks.md.

Alternating runs, medians, ratios. Times of a machine that does other work as well say little.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import (
    adapters,
    chart,
    goals,
    growth,
    imports,
    latency,
    markdown,
    offload,
    report,
    rings,
    threads,
)
from .machine import machine

PARTS = ("imports", "rings", "offload", "latency", "adapters", "threads", "growth")
THREAD_SIZES = (64, 1400)
DOCS = Path(__file__).resolve().parent.parent / "docs"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:-1])
    made.add_argument(
        "--all", dest="parts", action="store_const", const=PARTS, help="growth as well"
    )
    made.add_argument("--repeats", type=int, default=9, help="runs of each (default: 9)")
    made.add_argument("--sizes", type=int, nargs="+", default=[64, 576, 1400, 9000, 65535])
    made.add_argument("--packets", type=int, default=100_000_000, help="for growth")
    made.add_argument("--share", type=float, default=1.0, help="of the packets of latency, threads")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    made.add_argument(
        "--publish", metavar="NAME", help="also put figures and charts of that name into docs/"
    )
    made.add_argument(
        "--free-threaded", type=Path, metavar="FILE", help="a --json whose threads to add"
    )
    made.add_argument("--compare", type=Path, metavar="FILE", help="figures of an earlier --json")
    made.add_argument("--tolerance", type=float, default=0.25, help="for --compare (default: 0.25)")
    made.add_argument("--c-loop", type=Path, metavar="LIBRARY", help="c_loop.c, built already")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the parts, printing each as it is done."""
    steps: dict[str, tuple[Any, Any]] = {
        "imports": (imports, lambda: imports.measure(max(args.repeats, 15))),
        "rings": (rings, lambda: rings.measure(args.sizes, args.repeats, args.c_loop)),
        "offload": (offload, lambda: offload.measure(args.repeats, args.c_loop)),
        "latency": (latency, lambda: latency.measure(args.repeats, args.share, args.c_loop)),
        "adapters": (adapters, lambda: adapters.measure(max(0.2, args.share))),
        "threads": (threads, lambda: threads.measure(THREAD_SIZES, args.repeats, args.share)),
        "growth": (growth, lambda: growth.measure(args.packets)),
    }
    figures: dict[str, Any] = {"machine": machine()}
    for name in args.parts:
        module, step = steps[name]
        figures[name] = step()
        print(f"{module.table(figures[name])}\n", flush=True)
    return figures


def plain(value: Any) -> Any:
    """Named tuples as dictionaries, which keep the names in JSON."""
    if hasattr(value, "_asdict"):
        return value._asdict()
    return [plain(item) for item in value] if isinstance(value, list) else value


def publish(name: str, figures: dict[str, Any], repeats: int) -> None:
    """Leaves figures and charts beside the documents, and in those that have marks for them."""
    about = figures["machine"]
    folder = DOCS / "benchmarks"
    folder.mkdir(exist_ok=True)
    subtitle = (
        f"The simulator's driver fills and empties them meanwhile. CPython {about['python']}, "
        f"{about['system'].split('-with-')[0]}, {about['processor']}, {about['date']}."
    )
    for theme in chart.THEMES if "rings" in figures else ():
        drawing = chart.draw(figures["rings"], subtitle, theme)
        report.store(folder / f"{name}-{theme}.svg", drawing)
    document = markdown.document(name, figures, repeats)
    markdown.put(DOCS / "benchmarks.md", name, document)
    markdown.put(DOCS.parent / "README.md", name, markdown.summary(name, figures, repeats))


def compared(args: argparse.Namespace, figures: dict[str, Any]) -> int:
    worse = report.regressions(report.read(args.compare), figures["rings"], args.tolerance)
    print("\n".join(["Slower than before:", *worse]) if worse else "Nothing is slower than before.")
    return 1 if worse else 0


def main() -> int:
    args = parser().parse_args()
    figures = measure(args)
    figures["goals"] = goals.goals(figures)
    print(goals.table(figures["goals"]), flush=True)
    if args.free_threaded is not None:
        added = report.read(args.free_threaded)["threads"]
        figures["free_threaded"] = [threads.Threads(**row) for row in added]
    stored = {name: plain(value) for name, value in figures.items()}
    if args.json is not None:
        report.write(args.json, stored)
    if args.publish is not None:
        publish(args.publish, figures, args.repeats)
        report.write(DOCS / "benchmarks" / f"{args.publish}.json", stored)
    return 0 if args.compare is None or "rings" not in figures else compared(args, figures)


sys.exit(main())
