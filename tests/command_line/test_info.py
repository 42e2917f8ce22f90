# SPDX-License-Identifier: MIT
"""`python -m wintun info`, and what the command line does with bad arguments."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wintun
from wintun import _library
from wintun.cli.numbers import number_of


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wintun", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def with_simulator(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, WINTUN_DLL=_library.simulator_path())


def test_info_tells_versions_the_library_its_hash_and_that_it_is_the_simulator() -> None:
    done = with_simulator("info", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    path = _library.simulator_path()
    assert json.loads(done.stdout) == {
        "package_version": wintun.__version__,
        "library_path": path,
        "library_source": "WINTUN_DLL",
        "library_version": wintun.__version__,
        "library_sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        "simulator": True,
        "official": False,
        "driver_version": None,
        "can_create_adapters": True,
        "error": None,
    }


def test_info_is_for_people_unless_json_is_asked_for() -> None:
    done = with_simulator("info")
    assert (done.returncode, done.stderr) == (0, "")
    for text in (wintun.__version__, _library.simulator_path(), "simulator", "WINTUN_DLL"):
        assert text in done.stdout


def test_info_without_a_usable_library_says_why_and_fails(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    done = run("info", "--json", WINTUN_DLL=missing)
    assert (done.returncode, done.stderr) == (1, "")
    facts = json.loads(done.stdout)
    assert facts["library_path"] is None
    assert facts["can_create_adapters"] is False
    assert "none" in facts["error"]
    assert "none" in run("info", WINTUN_DLL=missing).stdout


@pytest.mark.parametrize("command", [["info"], ["demo", "--count", "1"]])
def test_a_relative_path_in_the_environment_is_told_in_one_line(command: list[str]) -> None:
    if command[0] == "demo" and sys.platform != "win32":
        pytest.skip("elsewhere than on Windows the demo always uses the simulator")
    done = run(*command, WINTUN_DLL="wintun.dll")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "absolute" in done.stdout + done.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.strip() == f"wintun {wintun.__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["info", "extra"],
        ["demo", "--count", "-1"],
        ["demo", "--count", "1.5"],
        ["demo", "--count", "٣"],
        ["demo", "--count", "9" * 5000],
        ["demo", "--mtu", "67"],
        ["demo", "--mtu", "65536"],
        ["demo", "--mtu", "0" * 19 + "99999"],
        ["demo", "--mtu", "1279"],
        ["demo", "--mtu", "1279", "--address", "10.0.0.1/24", "--address", "fd00::1/64"],
        ["demo", "--address", "10.0.0.1"],
        ["demo", "--address", "10.0.0.1/32"],
        ["demo", "--address", "fd00::1/128"],
        ["demo", "--address", "10.0.0.1/33"],
        ["demo", "--address", "nonsense"],
        ["demo", "--address", ""],
        ["demo", "--wire", "nonsense"],
        ["demo", "--wire", "udp"],
        ["demo", "--wire", "udp:127.0.0.1"],
        ["demo", "--wire", "udp:127.0.0.1:0"],
        ["demo", "--wire", "udp:127.0.0.1:65536"],
        ["demo", "--wire", "udp:127.0.0.1:000099999"],
        ["demo", "--wire", "udp::4000"],
        ["demo", "--wire", "udp:@127.0.0.1:4000"],
        ["demo", "--wire", "udp:0@127.0.0.1:4000"],
        ["demo", "--wire", "udp:[:4000"],
        ["demo", "--wire", "udp:[]:4000"],
        ["demo", "--wire", "udp:[[::1]]:4000"],
    ],
)
def test_bad_arguments_end_with_code_2_and_a_word_on_the_usage(arguments: list[str]) -> None:
    done = with_simulator(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "usage:" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0000000000000000007", 7),
        ("99999999999999999999", 10**20 - 1),
        ("9" * 21, None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_0", None),
        ("\u0663", None),
        ("\u00b2", None),
    ],
)
def test_a_number_is_decimal_digits_and_not_too_many(text: str, number: int | None) -> None:
    assert number_of(text) == number
