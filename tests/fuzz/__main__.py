# SPDX-License-Identifier: MIT
"""Fuzzes: `python -m fuzz --folder FOLDER [--seconds N] [--runs N] [TARGET ...]` in tests/.

Prints a line of figures for each target, out of libFuzzer's own. What a fuzzer finds is left in the
folder, and ends the run of that target: put it into corpus/TARGET.txt, and mend what is wrong.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from fuzz.harness import C_TARGETS, PYTHON_TARGETS, build_fuzzers, write_corpus

# Inputs are short: what these targets read has small headers, and short inputs are fast.
LONGEST_INPUT = 512


TARGETS = (*C_TARGETS, *PYTHON_TARGETS)


class Figures(NamedTuple):
    """What a run of one target came to."""

    target: str
    executions: int
    seconds: float
    coverage: int
    """Edges of the program that were reached."""
    found: int


def run(target: str, folder: Path, seconds: int, runs: int) -> Figures:
    """Fuzzes one target, from the inputs that are kept for it and in folder/corpus-TARGET."""
    inputs = folder / f"corpus-{target}"
    write_corpus(target, inputs)
    program = [str(folder / target)]
    if target in PYTHON_TARGETS:
        program = [sys.executable, "-m", "fuzz.with_atheris", target]
    command = [*program, f"-max_total_time={seconds}", f"-runs={runs or -1}"]
    command += [f"-max_len={LONGEST_INPUT}", "-print_final_stats=1"]
    command += [f"-artifact_prefix={folder}/{target}-", str(inputs)]
    began = time.monotonic()
    with open(folder / f"{target}.log", "w+", encoding="utf-8", errors="replace") as log:
        code = subprocess.run(command, stderr=log, stdout=log, check=False).returncode
        log.seek(0)
        text = log.read()
    executions = re.search(r"number_of_executed_units:\s*(\d+)", text)
    if executions is None or code != 0:
        print(text[-4000:], file=sys.stderr)
    coverage = re.findall(r"cov: (\d+)", text)
    return Figures(
        target,
        int(executions[1]) if executions else 0,
        time.monotonic() - began,
        int(coverage[-1]) if coverage else 0,
        0 if code == 0 else 1,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for programs and findings")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, default=0, help="executions of each target, at most")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    targets = arguments.targets or TARGETS
    build_fuzzers([target for target in targets if target in C_TARGETS], folder)
    total = found = 0
    for target in targets:
        figures = run(target, folder, arguments.seconds, arguments.runs)
        total += figures.executions
        found += figures.found
        print(
            f"{target:11} {figures.executions:>12,} executions in {figures.seconds:6.0f} s, "
            f"{figures.coverage} edges, {figures.found} findings",
            flush=True,
        )
    print(f"{'total':11} {total:>12,} executions, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
