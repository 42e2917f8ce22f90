"""Sessions in a CPython for Windows, under Wine."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

from tools.sessions.setting_up import ROOT, apt, build, dependencies, download, scratch

COMPILER = "x86_64-w64-mingw32-gcc"
MINGW = {COMPILER: "gcc-mingw-w64-x86-64"}
WINE = {"wine": "wine wine64"}
ALLOCATOR = "allocator.dll"

# Of pytest. The tests lie in a tree that others use, too; trio needs help to start under Wine.
OPTIONS = ["-p", "no:cacheprovider", "-p", "tests.trio_under_wine"]


def fetch(session: nox.Session, *arguments: str) -> None:
    session.run("python", "tools/fetch.py", *arguments)


@functools.cache
def wine_prefix() -> Path:
    """Makes an installation of Windows for this run alone."""
    prefix = Path(tempfile.mkdtemp(prefix="wintun-wine-"))
    environment = {**os.environ, **wine_environment(prefix)}
    atexit.register(shutil.rmtree, prefix, ignore_errors=True)
    atexit.register(subprocess.run, ["wineserver", "-k"], env=environment, check=False)
    subprocess.run(
        ["wineboot", "-i"],
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return prefix


def wine_environment(prefix: Path) -> dict[str, str]:
    return {
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        # Without WMI, which Wine 8 has in part, CPython 3.13 asks the system elsewhere; with it, it
        # dies in its `platform`, which pip and pytest-xdist use.
        "WINEDLLOVERRIDES": "mscoree,mshtml,wbemprox=",
        # The tests lie in the tree that a Python of Linux uses, too.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def install_for_windows(
    session: nox.Session, version: str, target: Path, *, platform: str, wheels: Path
) -> None:
    """Installs the package and what the tests need, by the pip of this system: faster than Wine."""
    # What only Windows or an old Python needs.
    more = ["cffi", "colorama", "exceptiongroup", "tomli", "typing_extensions"]
    wanted = [*dependencies("test"), *more]
    files = download(session, scratch(session), version, [platform], wanted)
    options = ["--platform", platform, "--python-version", version, "--only-binary", ":all:"]
    offline = ["--no-deps", "--no-index", "--find-links", str(wheels), "--target", str(target)]
    session.install(*offline, *options, *files, "wintun")


def build_allocator(session: nox.Session, compiler: str, folder: Path) -> None:
    """Builds what makes Python's memory run out: nothing in Windows can build it."""
    options = ["-std=c11", "-shared", "-static-libgcc", "-o", str(folder / ALLOCATOR)]
    session.run(compiler, *options, "tests/sweep/allocator.c", external=True)


def allocator(python: list[str]) -> dict[str, str]:
    """Returns the variable for the tests' allocator, of a command that install_under_wine made."""
    program = next(word for word in python if word.endswith("python.exe"))
    path = "Z:" + str(Path(program).with_name(ALLOCATOR)).replace("/", "\\")
    return {"WINTUN_TEST_ALLOCATOR": path}


def install_under_wine(session: nox.Session, version: str) -> list[str]:
    """Unpacks a CPython for Windows and installs into it; returns how its modules are run."""
    apt(session, {**WINE, **MINGW})
    folder = scratch(session)
    fetch(session, "python", version, str(folder))
    site = folder / "Lib" / "site-packages"
    install_for_windows(session, version, site, platform="win_amd64", wheels=ROOT / "dist")
    build_allocator(session, COMPILER, folder)
    return ["python", "tools/wine.py", str(folder / "python.exe"), "-m"]


def windows_with_pymobiledevice3(session: nox.Session, *more: str) -> list[str]:
    """Sets up a Windows CPython with the package and pymobiledevice3; how to run a module in it."""
    apt(session, {**WINE, **MINGW})
    work = scratch(session)
    folder = work / "python"
    fetch(session, "python", "3.11", str(folder))
    session.install("setuptools>=77", "uv")
    build(session, work / "dist", WINTUN_CROSS_PYTHON=str(folder))
    wheel = str(next((work / "dist").glob("*.whl")))
    # Unlike pip, uv reads the markers of all its requirements as Windows does.
    windows = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11"]
    target = ["--no-build", "--target", str(folder / "Lib" / "site-packages")]
    command = ["uv", "pip", "install", "--quiet", *windows, *target]
    session.run(*command, wheel, "pymobiledevice3", *more)
    # What Wine lacks of Windows, for the libraries that are written in Rust.
    source = ["tools/bcryptprimitives.c", "-ladvapi32"]
    library = ["-shared", "-o", str(folder / "bcryptprimitives.dll")]
    session.run(*MINGW, "-std=c11", "-Wall", "-Wextra", "-Werror", *library, *source, external=True)
    return ["python", "tools/wine.py", str(folder / "python.exe"), "-m"]
