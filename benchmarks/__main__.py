"""What the package costs, measured; see docs/benchmarks.md.

Alternating runs, medians, ratios, of several fresh processes with --starts. Times of a machine that
does other work as well say little.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
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
    starts,
    threads,
)
from .machine import machine

PARTS = ("imports", "rings", "offload", "latency", "adapters", "threads", "growth")
THREAD_SIZES = (64, 1400)
DOCS = Path(__file__).resolve().parent.parent / "docs"


def count(text: str) -> int:
    """A number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {value}")
    return value


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:-1])
    made.add_argument(
        "--all", dest="parts", action="store_const", const=PARTS, help="growth as well"
    )
    made.add_argument("--starts", type=count, default=1, help="fresh processes (default: 1)")
    made.add_argument("--repeats", type=count, default=9, help="runs of each (default: 9)")
    made.add_argument("--sizes", type=int, nargs="+", default=[64, 576, 1400, 9000, 65535])
    made.add_argument("--packets", type=int, default=100_000_000, help="for growth")
    made.add_argument("--share", type=float, default=1.0, help="of the packets of latency, threads")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    made.add_argument(
        "--publish",
        metavar="NAME",
        help="also put figures and charts of that name into docs/; needs --starts "
        f"{starts.LEAST_PUBLISHED} or more",
    )
    made.add_argument(
        "--free-threaded", type=Path, metavar="FILE", help="a --json whose threads to add"
    )
    made.add_argument("--compare", type=Path, metavar="FILE", help="figures of an earlier --json")
    made.add_argument("--tolerance", type=float, default=0.25, help="for --compare (default: 0.25)")
    made.add_argument("--c-loop", type=Path, metavar="LIBRARY", help="c_loop.c, built already")
    return made


def measure(args: argparse.Namespace) -> starts.Start:
    """Measures the parts in this process, printing each as it is done."""
    steps: dict[str, tuple[Any, Any]] = {
        "imports": (imports, lambda: imports.measure(max(args.repeats, 15))),
        "rings": (rings, lambda: rings.measure(args.sizes, args.repeats, args.c_loop)),
        "offload": (offload, lambda: offload.measure(args.repeats, args.c_loop)),
        "latency": (latency, lambda: latency.measure(args.repeats, args.share, args.c_loop)),
        "adapters": (adapters, lambda: adapters.measure(max(0.2, args.share))),
        "threads": (threads, lambda: threads.measure(THREAD_SIZES, args.repeats, args.share)),
        "growth": (growth, lambda: growth.measure(args.packets)),
    }
    measured: starts.Start = {}
    for name in args.parts:
        module, step = steps[name]
        measured[name] = step()
        print(f"{module.table(measured[name])}\n", flush=True)
    return measured


def options_of_a_start(args: argparse.Namespace, target: Path) -> list[str]:
    """The options with which a process measures the same once, and leaves it in a file."""
    options = ["--json", str(target), "--parts", *args.parts]
    options += ["--sizes", *map(str, args.sizes), "--repeats", str(args.repeats)]
    options += ["--packets", str(args.packets), "--share", str(args.share)]
    return options if args.c_loop is None else [*options, "--c-loop", str(args.c_loop)]


def measure_in_starts(args: argparse.Namespace) -> starts.Figures:
    """Measures in one fresh process after the other."""
    measured: list[starts.Start] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.starts):
            print(f"Start {number + 1} of {args.starts}\n", flush=True)
            target = Path(folder) / f"{number}.json"
            starts.run(options_of_a_start(args, target))
            figures = report.read(target).figures
            measured.append({part: [row.key for row in rows] for part, rows in figures.items()})
    return starts.merge(measured)


def publish(
    name: str, machine: dict[str, Any], how: str, figures: starts.Figures, found: list[goals.Goal]
) -> None:
    """Leaves figures and charts beside the documents, and in those that have marks for them."""
    folder = DOCS / "benchmarks"
    folder.mkdir(exist_ok=True)
    subtitle = (
        f"The simulator's driver fills and empties them meanwhile. CPython {machine['python']}, "
        f"{machine['system'].split('-with-')[0]}, {machine['processor']}, {machine['date']}."
    )
    for theme in chart.THEMES if figures.get("rings") else ():
        drawing = chart.draw(figures["rings"], subtitle, theme)
        report.store(folder / f"{name}-{theme}.svg", drawing)
    about = markdown.about(machine, how)
    document = markdown.document(name, about, figures, found)
    markdown.put(DOCS / "benchmarks.md", name, document)
    markdown.put(DOCS.parent / "README.md", name, markdown.summary(name, about))
    report.write(folder / f"{name}.json", machine, figures, found)


def compared(args: argparse.Namespace, figures: starts.Figures) -> int:
    before = report.read(args.compare).figures
    worse = report.regressions(before.get("rings", []), figures["rings"], args.tolerance)
    print("\n".join(["Slower than before:", *worse]) if worse else "Nothing is slower than before.")
    return 1 if worse else 0


def main() -> int:
    made = parser()
    args = made.parse_args()
    if args.publish is not None and args.starts < starts.LEAST_PUBLISHED:
        made.error(
            f"--publish needs --starts {starts.LEAST_PUBLISHED} or more, not {args.starts}: "
            "the figures of a few processes do not repeat"
        )
    about = machine()
    figures = measure_in_starts(args) if args.starts > 1 else starts.merge([measure(args)])
    if args.free_threaded is not None:
        figures["free_threaded"] = report.read(args.free_threaded).figures["threads"]
    how = markdown.method(args.starts, args.repeats)
    if args.starts > 1:
        sections = markdown.plain("\n\n".join(markdown.sections(figures)))
        print(f"{markdown.about(about, how)}\n\n{sections}\n", flush=True)
    found = goals.goals(figures)
    print(goals.table(found), flush=True)
    if args.json is not None:
        report.write(args.json, about, figures, found)
    if args.publish is not None:
        publish(args.publish, about, how, figures, found)
    return 0 if args.compare is None or "rings" not in figures else compared(args, figures)


if __name__ == "__main__":
    sys.exit(main())
