"""The official wintun.dll, really loaded.

Where its driver cannot run, as under Wine, every call that needs it fails as documented.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import time
from pathlib import Path

import pytest

from .conftest import PACKAGE, Run


def on_wine() -> bool:
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


no_driver = pytest.mark.skipif(
    not on_wine(), reason="here the driver may run: this wants it absent"
)

FAILING = """
import wintun
try:
    {call}
except OSError as error:
    print(type(error).__name__, error.winerror, error.strerror)
else:
    print("it succeeded")
"""


def test_the_bundled_library_is_the_one_that_is_used(run: Run) -> None:
    code = "import wintun; from wintun import _library; _library.load_default()"
    done = run("-c", code + "; print(wintun.library_path())")
    assert done.stdout.strip() == str(PACKAGE / "wintun.dll"), done.stderr


@no_driver
def test_the_drivers_version_is_not_found_while_it_is_not_loaded(run: Run) -> None:
    done = run("-c", FAILING.format(call="wintun.get_driver_version()"))
    assert done.stdout.startswith("FileNotFoundError 2 WintunGetRunningDriverVersion: ")


@no_driver
@pytest.mark.parametrize(
    ("call", "function"),
    [
        ("wintun.Adapter.create('Test', 'Test')", "WintunCreateAdapter"),
        ("wintun.Adapter.open('Test')", "WintunOpenAdapter"),
        ("wintun.TunDevice('Test')", "WintunCreateAdapter"),
    ],
)
def test_an_adapter_that_cannot_be_had_is_an_error_that_names_the_call(
    run: Run, call: str, function: str
) -> None:
    # Which code it is, Wine leaves to chance: what it lacks sets none.
    done = run("-c", FAILING.format(call=call))
    assert re.match(rf"\w*Error \d+ {function}: \S", done.stdout), done.stdout + done.stderr


@no_driver
def test_deleting_the_driver_ends_cleanly(run: Run) -> None:
    done = run("-c", FAILING.format(call="wintun.delete_driver()"))
    assert done.returncode == 0, done.stderr
    assert "WintunDeleteDriver" in done.stdout or done.stdout == "it succeeded\n"


@no_driver
def test_log_lines_of_the_library_reach_a_callback(run: Run) -> None:
    code = """
import json, wintun
lines = []
wintun.set_logger(lambda *line: lines.append(line))
try:
    wintun.Adapter.create("Test", "Test")
except OSError:
    pass
print(json.dumps(lines))
"""
    done = run("-c", code)
    lines = json.loads(done.stdout)
    assert lines, done.stderr
    since_1601 = (time.time() + 11644473600) * 10_000_000
    for level, timestamp, message in lines:
        assert level in (0, 1, 2)
        assert abs(timestamp - since_1601) < 600 * 10_000_000
        assert message.strip()
    assert any(level == 2 and "Code 0x" in message for level, _, message in lines)


@no_driver
def test_log_lines_of_the_library_reach_logging(run: Run) -> None:
    code = """
import logging, sys, wintun
logging.basicConfig(stream=sys.stdout, format="%(name)s %(levelname)s %(asctime)s %(message)s")
try:
    wintun.Adapter.create("Test", "Test")
except OSError:
    pass
"""
    done = run("-c", code)
    year = time.strftime("%Y")
    assert any(line.startswith(f"wintun ERROR {year}-") for line in done.stdout.splitlines()), (
        done.stdout + done.stderr
    )


def test_info_says_that_the_library_is_the_official_one(run: Run) -> None:
    done = run("-m", "wintun", "info", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert Path(facts["library_path"]) == PACKAGE / "wintun.dll"
    assert facts["official"] is True
    assert facts["simulator"] is False
    assert facts["library_source"] == "package"
    assert facts["library_version"] == "0.14.1"
    digest = (PACKAGE / "wintun.dll.sha256").read_text().split()[0]
    assert facts["library_sha256"] == digest


@no_driver
def test_demo_without_a_driver_ends_with_one_clear_line(run: Run) -> None:
    done = run("-m", "wintun", "demo", "--count", "1")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if "WintunCreateAdapter" in line]
    assert len(errors) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == errors[0]
