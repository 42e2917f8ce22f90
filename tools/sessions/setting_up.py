"""What every session sets up: programs of the system, folders, the package and what tests it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

# The suite waits more than it computes.
PARALLEL = ["-n", "4"]

# What a build reads; a copy of it is built, so that runs side by side share no file.
SOURCE = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "include", "src"]


def dependencies(group: str) -> list[str]:
    """Returns the requirements of a dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PYPROJECT, group))


def scale(otherwise: str) -> dict[str, str]:
    """Returns the variable for the size of the heavy tests: as asked for, or else as given."""
    return {"WINTUN_TEST_SCALE": os.environ.get("WINTUN_TEST_SCALE", otherwise)}


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def runs(program: str | None, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    if program is None:
        return False
    answer = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == version


def interpreter(version: str) -> str | bool:
    """Finds a CPython by its version; False where the machine has none."""
    if version == OWN_VERSION:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    installed = sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))
    for program in [shutil.which(f"python{version}"), *installed]:
        if program is not None and runs(program, version):
            return program
    return False


def apt(session: nox.Session, programs: dict[str, str], *, optional: bool = False) -> None:
    """Sees to it that programs are there: {program: Debian packages}."""
    missing = [package for name, package in programs.items() if not shutil.which(name)]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends"]
    command += sorted({package for packages in missing for package in packages.split()})
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        session.run("apt-get", "update", "-q", external=True, silent=True)
        session.run(*command, external=True, silent=True, env=environment)
    elif optional:
        session.warn(f"Without these some tests are skipped: {' '.join(command)}")
    else:
        session.error(f"Install what is missing, as root: {' '.join(command)}")


def scratch(session: nox.Session) -> Path:
    """Makes a folder for this run alone; its path is absolute, for builds run elsewhere."""
    return Path(tempfile.mkdtemp(dir=session.create_tmp())).resolve()


def copy_of_source(session: nox.Session) -> Path:
    tree = scratch(session)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "*.pyd", "*.dll")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, tree / name)
    return tree


def install(session: nox.Session, **environment: str) -> None:
    """Installs the package as a user gets it, built from a copy of this tree, and what tests it."""
    session.install(*dependencies("test"))
    session.install("--no-deps", str(copy_of_source(session)), env=environment)


def build(session: nox.Session, target: Path, **environment: str) -> None:
    """Builds a wheel into a folder; the session needs setuptools."""
    command = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    tree = str(copy_of_source(session))
    session.run(*command, "--wheel-dir", str(target), tree, env=environment)


def download(
    session: nox.Session, target: Path, version: str, platforms: list[str], wanted: list[str]
) -> list[str]:
    """Downloads wheels for a CPython of another version or system; returns their paths.

    pip evaluates markers for the system that it runs on: what only the other one needs has to be
    wanted by name.
    """
    command = ["python", "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    command += ["--python-version", version, "--dest", str(target)]
    for platform in platforms:
        command += ["--platform", platform]
    session.run(*command, *wanted)
    return sorted(map(str, target.iterdir()))
