"""Builds the loops in C: `python -m benchmarks.build TARGET [--windows]`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(target: Path, windows: bool = False) -> None:
    """Makes a library of them, by the compiler that CC names, or the usual one for the system."""
    compiler = shlex.split(os.environ.get("CC", "x86_64-w64-mingw32-gcc" if windows else "cc"))
    system = "windows" if windows else "posix"
    options = ["-std=c11", "-O2", "-shared", f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}"]
    options += ["-D_WIN32_WINNT=0x0602"] if windows else ["-fPIC"]
    files = [ROOT / "benchmarks/c_loop.c", ROOT / f"src/platform/{system}.c"]
    files += [ROOT / "benchmarks/offload_loop.c", *sorted(ROOT.glob("src/offload/*.c"))]
    sources = [str(path) for path in files]
    libraries = [] if windows else ["-lpthread", "-ldl"]
    subprocess.run([*compiler, *options, *sources, "-o", str(target), *libraries], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--windows", action="store_true", help="for Windows, by MinGW")
    arguments = parser.parse_args()
    build(arguments.target, arguments.windows)
