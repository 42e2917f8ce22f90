"""Wheels for this system and for Windows, and the checks of what is in them."""

from __future__ import annotations

import os
from pathlib import Path

import nox

from tools.sessions.setting_up import ROOT, build, scratch
from tools.sessions.under_wine import MINGW, fetch

# One wheel for each of these; the last serves every later CPython, too.
VERSIONS = ["3.9", "3.10", "3.11"]
ZIG_TARGETS = ["aarch64-windows-gnu", "x86-windows-gnu"]


def build_all(session: nox.Session) -> list[Path]:
    """Builds every wheel; compiles what no wheel is built of with the compilers at hand."""
    work = scratch(session)
    pythons = {version: work / version for version in VERSIONS}
    fetch(session, "library", str(work / "library"))
    build(session, work / "dist")
    for version, folder in pythons.items():
        fetch(session, "python", version, str(folder))
        library = str(work / "library")
        build(session, work / "dist", WINTUN_CROSS_PYTHON=str(folder), WINTUN_BUNDLE=library)
    zig = [f"python -m ziglang cc -target {target}" for target in ZIG_TARGETS]
    headers = ["--windows-python", str(pythons["3.11"])]
    session.run("python", "tools/check_c.py", *headers, *MINGW, *zig)
    return sorted((work / "dist").glob("*.whl"))


def check_all(session: nox.Session, wheels: list[Path]) -> None:
    files = list(map(str, wheels))
    folder = str(wheels[0].parent)
    session.run("twine", "check", "--strict", *files)
    session.run("abi3audit", "--strict", *[name for name in files if "abi3" in name])
    session.install("--no-index", "--no-deps", "--find-links", folder, "wintun")
    session.run("python", "-m", "pytest", "tests/wheels", env={"WINTUN_WHEELS": folder})


def publish(wheels: list[Path]) -> None:
    """Leaves the wheels in dist/, where the Windows sessions take them from."""
    (ROOT / "dist").mkdir(exist_ok=True)
    for wheel in wheels:
        os.replace(wheel, ROOT / "dist" / wheel.name)
