"""Programs of their own, because a process keeps the library that it has loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

import wintun

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PACKAGE = Path(wintun.__file__).parent
HANG_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "needs the official wintun.dll in the installed package (Windows wheels have it)"
    present = sys.platform == "win32" and (PACKAGE / "wintun.dll").exists()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.dll)
            if not present:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs Python with arguments, in an empty folder, and gives its output and exit code."""

    def run(
        *arguments: str, package: Path | None = None, cwd: Path = tmp_path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key != "WINTUN_DLL"}
        environment["PYTHONIOENCODING"] = "utf-8"
        if package is not None:
            environment["PYTHONPATH"] = str(package.parent)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=HANG_SECONDS,
            check=False,
        )

    return run


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the installed package, to be damaged."""
    copy = tmp_path / "site" / "wintun"
    ignore = shutil.ignore_patterns("__pycache__")
    # Not by copy2: from CPython 3.12 on that calls CopyFile2, which Wine 8 does not have.
    shutil.copytree(PACKAGE, copy, ignore=ignore, copy_function=shutil.copyfile)
    return copy
