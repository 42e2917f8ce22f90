"""Sessions in a Debian of another release, for what this system does not have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nox

from tools.fetch import cache
from tools.sessions.setting_up import (
    PARALLEL,
    apt,
    build,
    copy_of_source,
    dependencies,
    download,
    scratch,
)
from tools.sessions.under_wine import (
    OPTIONS,
    allocator,
    build_allocator,
    fetch,
    install_for_windows,
    wine_environment,
)

TOOL = ["python", "tools/chroot.py"]


class Inside(NamedTuple):
    """How the suite is run inside."""

    root: Path
    python: list[str]
    """Runs a module whose name follows."""
    options: list[str]
    """What pytest is given."""
    environment: dict[str, str]

    def run_tests(self, session: nox.Session, environment: dict[str, str]) -> None:
        """Runs the suite; the session's own arguments go to pytest."""
        variables = {**self.environment, **environment}
        command = [*TOOL, "run", str(self.root), *(f"{n}={v}" for n, v in variables.items())]
        options = [*self.options, *PARALLEL, *session.posargs]
        session.run(*command, *self.python, "pytest", *options)


def make(session: nox.Session, suite: str, packages: list[str], *architectures: str) -> Path:
    """Makes a chroot that later runs take again, beside the files of tools/fetch.py."""
    apt(session, {"debootstrap": "debootstrap debian-archive-keyring", "unshare": "util-linux"})
    root = cache() / f"{suite}-{session.name.partition('(')[0]}"
    options = [f"--architecture={name}" for name in architectures]
    session.run(*TOOL, "make", *options, str(root), suite, *packages)
    return root


# --- CPythons that only Debian's sid has ---------------------------------------------------------

SID = "sid"
SID_VERSIONS = ["3.14", "3.15"]
SID_PACKAGES = ["gcc", "libc6-dev", "iproute2", "iputils-ping"]
SID_PACKAGES += [f"python{v}{end}" for v in SID_VERSIONS for end in ("", "-dev", "-venv")]

# The C libraries that wheels are built for and that sid's can stand in for.
LINUX = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(17, 42))]


def install_in_sid(session: nox.Session, version: str) -> Inside:
    """Installs the package and what tests it for a CPython of sid."""
    root = make(session, SID, SID_PACKAGES)
    wanted = [*dependencies("test"), *dependencies("together"), "setuptools>=77"]
    wheels = download(session, scratch(session), version, LINUX, wanted)
    environment = scratch(session)
    enter = [*TOOL, "run", str(root)]
    session.run(*enter, f"python{version}", "-m", "venv", str(environment))
    python = [str(environment / "bin" / "python"), "-m"]
    pip = [*enter, *python, "pip", "install", "--quiet", "--no-index", "--no-deps"]
    session.run(*pip, *wheels)
    session.run(*pip, "--no-build-isolation", str(copy_of_source(session)))
    return Inside(root, python, ["-p", "no:cacheprovider"], {})


# --- 32-bit Windows, which needs a 32-bit Wine ---------------------------------------------------

STABLE = "trixie"
WINE_PACKAGES = ["python3", "wine", "wine64", "wine32:i386"]
PYTHON_32 = "3.14"
COMPILER_32 = "i686-w64-mingw32-gcc"
MINGW_32 = {COMPILER_32: "gcc-mingw-w64-i686-win32"}

# A Wine of this release dies of nothing that CPython asks for; only its offers to install Mono and
# Gecko are refused.
OVERRIDES = {"WINEDLLOVERRIDES": "mscoree,mshtml="}


def install_windows_32(session: nox.Session) -> Inside:
    """Builds the wheel for 32-bit Windows and installs it, with what tests it, under Wine."""
    root = make(session, STABLE, WINE_PACKAGES, "i386")
    apt(session, MINGW_32)
    session.install("pefile", "setuptools>=77")
    work = scratch(session)
    folder = work / "python"
    session.run("python", "tools/python32.py", "python", str(folder))
    fetch(session, "library", str(work / "library"))
    target = {"WINTUN_CROSS_PYTHON": str(folder), "WINTUN_CROSS_TARGET": "win32"}
    build(session, work / "dist", **target, WINTUN_BUNDLE=str(work / "library"))
    site = folder / "Lib" / "site-packages"
    install_for_windows(session, PYTHON_32, site, platform="win32", wheels=work / "dist")
    build_allocator(session, COMPILER_32, folder)
    program = str(folder / "python.exe")
    environment = {**wine_environment(work / "prefix"), **OVERRIDES, **allocator([program])}
    start = ["sh", "-c", 'wineboot -i >/dev/null 2>&1 && exec python3 tools/wine.py "$@"', "sh"]
    return Inside(root, [*start, program, "-m"], OPTIONS, environment)
