"""Sessions in a CPython without the GIL, which tools/free_threaded.py builds."""

from __future__ import annotations

from pathlib import Path

import nox

from tools.sessions.setting_up import apt, copy_of_source, dependencies, scratch


def free_threaded_folder(session: nox.Session) -> Path:
    return session.cache_dir.resolve() / "free-threaded"


def install_free_threaded(session: nox.Session) -> str:
    """Installs the package and what tests it for a CPython without the GIL; returns its program."""
    apt(session, {"gcc": "gcc", "make": "make", "xz": "xz-utils"})
    folder = free_threaded_folder(session)
    if not (folder / "bin" / "python3").exists():
        session.run("python", "tools/free_threaded.py", str(folder))
    environment = scratch(session) / "environment"
    session.run(str(folder / "bin" / "python3"), "-m", "venv", str(environment), external=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    # The newest of a dependency may have no wheel for this Python; an older one has.
    session.run(*pip, "--only-binary", ":all:", *dependencies("test"), external=True)
    session.run(*pip, "--no-deps", str(copy_of_source(session)), external=True)
    return python


def threads_without_gil(session: nox.Session) -> list[str]:
    """Measures threads where there is no GIL; returns the options that add them to the others."""
    if not (free_threaded_folder(session) / "bin" / "python3").exists():
        return []
    python = install_free_threaded(session)
    figures = str(scratch(session) / "threads.json")
    command = [python, "-m", "benchmarks", "--parts", "threads", "--starts", "7"]
    command += ["--repeats", "3", "--share", "0.5"]
    session.run(*command, "--json", figures, external=True)
    return ["--free-threaded", figures]
