# SPDX-License-Identifier: MIT
"""A program that has several interpreters, one after the other, as those do that embed Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import wintun
from helpers import HANG_SECONDS

PROGRAM = r"""
#include <Python.h>

int
main(int count, char **arguments)
{
    (void)count;
    for (int i = 0; i < 3; i++) {
        Py_Initialize();
        if (PyRun_SimpleString(arguments[1]) != 0 || Py_FinalizeEx() != 0) {
            return 1;
        }
    }
    return 0;
}
"""

IN_EACH = """
import atexit, sys
sys.path[:0] = {path!r}
import wintun
from wintun import simulator

simulator.use()
lines = []
default = wintun.set_logger(lambda *line: lines.append(line))
assert default is wintun.log_to_logging, default
with wintun.TunDevice("embedded") as device:
    device.up()
    device.write(b"E" + bytes(30))
    simulator.log(wintun.LOG_INFO, "line", count=5)
assert [message for _, _, message in lines].count("line") == 5, lines
{at_the_end}
simulator.log(wintun.LOG_INFO, "late", count=100_000, wait=False)  # into the next one, too
print("used", flush=True)
"""

AT_THE_END = {
    "a logger is set": "",
    "a logger is set at exit": (
        # Functions run in the reverse order: this one after that of the package. It is not kept.
        "atexit.unregister(wintun._wintun._stop_logger)\n"
        "atexit.register(lambda: print(wintun.set_logger(print), wintun.set_logger(None)))\n"
        "atexit.register(wintun._wintun._stop_logger)"
    ),
    "a device is left open": "left = wintun.TunDevice('left'); left.up()",
}


def build(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform == "win32" or compiler is None:
        pytest.skip("needs a C compiler, which the machines with Windows here lack")
    libraries = sysconfig.get_config_var("LIBDIR")
    library = f"python{sysconfig.get_config_var('LDVERSION')}"
    if not Path(libraries, f"lib{library}.so").exists():
        pytest.skip(f"this Python has no lib{library}.so")
    source, program = folder / "embed.c", folder / "embed"
    source.write_text(PROGRAM)
    command = [compiler, str(source), "-o", str(program), f"-I{sysconfig.get_path('include')}"]
    command += [f"-L{libraries}", f"-Wl,-rpath,{libraries}", f"-l{library}"]
    subprocess.run(command, check=True, env={**os.environ, "LD_PRELOAD": ""})
    return program


def embed(program: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in three interpreters, one after the other."""
    return subprocess.run(
        [program, code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
        check=False,
    )


@pytest.mark.parametrize("at_the_end", AT_THE_END)
def test_each_of_several_interpreters_gets_its_log_lines(tmp_path: Path, at_the_end: str) -> None:
    path = [str(Path(wintun.__file__).parent.parent), *sys.path]
    program = IN_EACH.format(path=path, at_the_end=AT_THE_END[at_the_end])
    embedding = build(tmp_path)
    # By which the simulator is asked; CPython 3.12.1 for one ends in it, whatever else is there.
    if embed(embedding, "import ctypes").returncode != 0:
        pytest.skip("this Python's own ctypes does not survive a second interpreter")
    done = embed(embedding, program)
    expected = "used\nNone None\n" if "at exit" in at_the_end else "used\n"
    assert (done.stdout, done.stderr, done.returncode) == (expected * 3, "", 0)
