# SPDX-License-Identifier: MIT
"""C that tests bring along, built where there is a compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COMPILER = tuple(shlex.split(os.environ.get("CC", "cc")))

MISSING = ""
"""Why C cannot be built here; empty where it can."""

if sys.platform == "win32":
    MISSING = "what this test builds is C for POSIX"
elif shutil.which(COMPILER[0]) is None:
    MISSING = f"there is no C compiler {COMPILER[0]!r}"

_WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion")
_INCLUDES = tuple(f"-I{ROOT / folder}" for folder in ("src/simulator", "include", "src"))


def plain_environment() -> dict[str, str]:
    """Returns the environment for a program that brings its own sanitizer, or none.

    One that this Python was started with is not that program's business.
    """
    return {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}


def compile_c(arguments: Sequence[str | Path], folder: Path, compiler: Sequence[str] = ()) -> None:
    """Runs the compiler in a folder, where what it makes has its name by default."""
    command = [*(compiler or COMPILER), "-std=c11", *_WARNINGS, *_INCLUDES, *map(str, arguments)]
    command += [] if "-c" in arguments else ["-lpthread", "-ldl"]
    subprocess.run(command, check=True, cwd=folder, env=plain_environment())


def compiles(arguments: Sequence[str], folder: Path) -> bool:
    """Whether the compiler makes a program with these options."""
    (folder / "probe.c").write_text("int\nmain(void)\n{\n    return 0;\n}\n", encoding="ascii")
    command = [*COMPILER, *arguments, "probe.c", "-o", "probe"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, env=plain_environment()
    )
    return done.returncode == 0
