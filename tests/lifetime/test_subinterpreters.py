# SPDX-License-Identifier: MIT
"""Subinterpreters: refused with an ImportError that says why; the main one goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from helpers import HANG_SECONDS, run_python

HEAD = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

IMPORT = '''
import sys
for name in ("wintun", "wintun._wintun", "wintun.simulator"):
    try:
        __import__(name)
    except ImportError as error:
        print(error, flush=True)
    else:
        print("imported", name, flush=True)
assert not [name for name in sys.modules if name.startswith("wintun")]
'''

def run_in(interpreter):
    failed = interpreters.run_string(interpreter, IMPORT)
    assert failed is None, failed
    interpreters.destroy(interpreter)
"""

KINDS = {
    "own GIL": (
        "interpreters.create('isolated') if sys.version_info >= (3, 13) else "
        "interpreters.create(isolated=True)"
    ),
    "shared GIL": (
        "interpreters.create('legacy') if sys.version_info >= (3, 13) else "
        "interpreters.create(isolated=False)"
    ),
}

# CPython refuses by itself what does not say that it can share a process without sharing the GIL.
REFUSALS = {
    "own GIL": "module wintun._wintun does not support loading in subinterpreters",
    "shared GIL": "wintun cannot be imported in a subinterpreter: Wintun's library and logger "
    "belong to the process",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_subinterpreter_gets_an_import_error_and_the_main_one_goes_on(kind: str) -> None:
    if kind == "own GIL" and sys.version_info < (3, 12):
        pytest.skip("subinterpreters have a GIL of their own since 3.12")
    done = run_python(
        HEAD
        + f"""
device = open_device("loop")
lines = []
wintun.set_logger(lambda *line: lines.append(line))
for _ in range(3):
    run_in({KINDS[kind]})
device.write(packet(100))
assert device.read(timeout=10) == packet(100)
device.close()
simulator.log(wintun.LOG_INFO, "line", count=5)
assert [message for _, _, message in lines].count("line") == 5
"""
    )
    assert done.stdout.splitlines() == [REFUSALS[kind]] * 9, done.stdout + done.stderr
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_first_import_may_be_tried_in_a_subinterpreter() -> None:
    program = f"""
import sys
{HEAD}
run_in({KINDS["shared GIL"]})
import wintun
wintun.simulator.use()
wintun.Adapter.create("after", "Test").close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_SECONDS,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [REFUSALS["shared GIL"]] * 3, done.stdout + done.stderr
    assert (done.stderr, done.returncode) == ("", 0)
