"""Measurements of the package under Wine and against another build of it."""

from __future__ import annotations

import shutil

import nox

from tools.sessions.setting_up import build, copy_of_source, scratch
from tools.sessions.under_wine import fetch, wine_environment, wine_prefix

VERSIONS = ["3.11", "3.13"]


def measure_in_windows(session: nox.Session, version: str) -> None:
    """Runs benchmarks in a CPython for Windows, under Wine, against pytun-pmd3."""
    work = scratch(session)
    fetch(session, "python", VERSIONS[0], str(work / "headers"))
    fetch(session, "python", version, str(work / "python"))
    session.install("setuptools>=77")
    build(session, work / "dist", WINTUN_CROSS_PYTHON=str(work / "headers"))
    wheel = str(next((work / "dist").glob("*.whl")))
    platform = ["--platform", "win_amd64", "--python-version", version, "--only-binary", ":all:"]
    target = ["--no-deps", "--target", str(work / "python" / "Lib" / "site-packages")]
    session.install(*target, *platform, wheel, "pytun-pmd3==3.0.3")
    c_loop = str(work / "c_loop.dll")
    session.run("python", "-m", "benchmarks.build", c_loop, "--windows")
    python = ["python", "tools/wine.py", str(work / "python" / "python.exe"), "-m"]
    options = session.posargs
    if not options:
        options = ["--publish", f"windows-{version}", "--starts", "7", "--repeats", "3"]
        options += ["--share", "0.5"]
    command = [*python, "benchmarks", "--c-loop", c_loop, *options]
    session.run(*command, env=wine_environment(wine_prefix()))


def compare_builds(session: nox.Session) -> None:
    """Runs benchmarks.abi on builds for the stable ABI and for one Python, here and under Wine."""
    work = scratch(session)
    fetch(session, "python", "3.11", str(work / "python"))
    session.install("setuptools>=77")
    python = str(work / "python")
    build(session, work / "stable", WINTUN_CROSS_PYTHON=python)
    build(session, work / "other", WINTUN_ABI3="0")
    build(session, work / "other", WINTUN_CROSS_PYTHON=python, WINTUN_ABI3="0")
    for wheel in sorted((work / "other").glob("*.whl")):
        shutil.unpack_archive(wheel, work / "other", "zip")
    folder = work / "other" / "wintun"

    session.install("--no-deps", str(copy_of_source(session)))
    here = str(next(folder.glob("_wintun.*.so")))
    session.run("python", "-m", "benchmarks.abi", here, *session.posargs)

    wheel = next((work / "stable").glob("*.whl"))
    shutil.unpack_archive(wheel, work / "python" / "Lib" / "site-packages", "zip")
    command = ["python", "tools/wine.py", str(work / "python" / "python.exe"), "-m"]
    there = str(next(folder.glob("_wintun.*.pyd")))
    command += ["benchmarks.abi", there, *session.posargs]
    session.run(*command, env=wine_environment(wine_prefix()))
