"""Frozen programs: one made by PyInstaller as a folder, one as a single file."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Callable

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = """
import sys

import wintun

if len(sys.argv) > 1:
    from wintun.cli.main import main

    sys.exit(main())
wintun.simulator.use()
with wintun.TunDevice("frozen") as device:
    device.up()
    print(device.read(timeout=10) is not None, wintun.simulator.library_path(), sep="\\n")
"""

# A build takes half a minute of a processor, more under Wine.
LONGEST_BUILD_SECONDS = 800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.frozen)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(LONGEST_BUILD_SECONDS + 100))
            if find_spec("PyInstaller") is None:
                reason = "needs PyInstaller, which `nox -s frozen` installs"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", params=["onedir", "onefile"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, frozen, in a folder away from the package."""
    folder = tmp_path_factory.mktemp("frozen")
    source = folder / "program.py"
    source.write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", f"--{request.param}", "--noconfirm", "--clean"]
    command += ["--log-level", "WARN", "--distpath", str(folder / "dist")]
    command += ["--workpath", str(folder / "work"), "--specpath", str(folder), str(source)]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    name = "program.exe" if sys.platform == "win32" else "program"
    found = folder / "dist" / ("program" if request.param == "onedir" else "") / name
    assert found.is_file()
    return found


@pytest.fixture
def run(program: Path, tmp_path: Path) -> Run:
    """Runs the program with arguments, in an empty folder, without what a Python has."""
    python = ("PYTHON", "VIRTUAL_ENV", "WINTUN_DLL", "LD_LIBRARY_PATH")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(python)}
    if sys.platform != "win32":
        kept["PATH"] = os.defpath

    def run(*arguments: str, program: Path = program) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments],
            cwd=tmp_path,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
