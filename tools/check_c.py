"""Compiles every C file with every compiler at hand, warnings being errors.

    check_c.py [--windows-python FOLDER] [COMPILER ...]

Without a compiler: gcc, clang and, for what is Windows' own, mingw-w64. With --windows-python the
compilers given are for Windows and the extension is compiled against the headers in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import setup as build  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
MINGW = "x86_64-w64-mingw32-gcc"
# Some compilers come with a version of Windows of their own.
WINDOWS_MACROS = ["-U_WIN32_WINNT", "-D_WIN32_WINNT=0x0602"]
# The atomics that only MSVC takes by itself.
INTERLOCKED = "-DATOMICS_INTERLOCKED"


def compile_command(
    compiler: str, source: str, python_include: str, macros: list[str]
) -> list[str]:
    includes = [f"-I{folder}" for folder in build.INCLUDE_DIRS]
    # GCC finds some of what it warns about only when it optimizes; Clang never does.
    level = "-O2" if compiler.endswith("gcc") else "-O0"
    command = [*compiler.split(), "-std=c11", level, *WARNINGS, *includes, *macros]
    # Python's headers are not ours to warn about.
    command += ["-isystem", python_include] if python_include else []
    return [*command, "-c", source, "-o"]


def header_commands(compiler: str, macros: list[str]) -> list[list[str]]:
    """The API's header alone, as C and, by compilers that know it, as C++."""
    common = [*compiler.split(), *macros, *WARNINGS, "-Iinclude"]
    languages = [["-std=c11", "-x", "c"]]
    if compiler != MINGW:
        languages.append(["-std=c++17", "-x", "c++"])
    return [[*common, *language, "-c", "include/wintun.h", "-o"] for language in languages]


def commands(compiler: str, windows: bool, python_include: str) -> list[list[str]]:
    """Everything that one compiler has to take."""
    macros = WINDOWS_MACROS if windows else []
    found = header_commands(compiler, macros)
    for source in build.simulator_sources(windows):
        found.append(compile_command(compiler, source, "", macros))
        if windows:
            found.append(compile_command(compiler, source, "", [*macros, INTERLOCKED]))
    if python_include:
        stable = [*macros, "-DPy_LIMITED_API=0x030b0000"]
        for source in build.extension_sources(windows):
            found.append(compile_command(compiler, source, python_include, stable))
            if not windows:
                found.append(compile_command(compiler, source, python_include, macros))
    return found


def run(command: list[str], folder: str) -> bool:
    handle, name = tempfile.mkstemp(suffix=".o", dir=folder)
    os.close(handle)
    answer = subprocess.run([*command, name], cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode != 0 or answer.stderr:
        print(" ".join(command), answer.stderr, sep="\n", file=sys.stderr)
    return answer.returncode == 0 and not answer.stderr


def main() -> int:
    os.chdir(ROOT)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows-python", metavar="FOLDER")
    parser.add_argument("compilers", nargs="*")
    arguments = parser.parse_args()
    if arguments.windows_python:
        include = str(Path(arguments.windows_python, "include"))
        work = [c for name in arguments.compilers for c in commands(name, True, include)]
    else:
        include = sysconfig.get_path("include")
        work = [c for name in ("gcc", "clang") for c in commands(name, False, include)]
        work += commands(MINGW, True, "")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda command: run(command, folder), work))
    print(f"{results.count(True)} compiled without a warning, {results.count(False)} not")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
