"""32-bit Windows, whose calling convention decorates the names of functions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("setuptools")
pefile = pytest.importorskip("pefile")

ROOT = Path(__file__).resolve().parent.parent.parent
COMPILER = "i686-w64-mingw32-gcc"
if shutil.which(COMPILER) is None:
    pytest.skip(f"needs {COMPILER}, which `nox -s wheels` installs", allow_module_level=True)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module setup.py, which knows the sources."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    import setup

    return setup


def test_the_simulator_exports_every_name_undecorated(build: Any, tmp_path: Path) -> None:
    library = tmp_path / "simulator.dll"
    command = [COMPILER, "-shared", "-std=c11", "-D_WIN32_WINNT=0x0602"]
    command += [*(f"-I{folder}" for folder in build.INCLUDE_DIRS), *build.simulator_sources(True)]
    command += [build.write_definition(str(tmp_path)), "-lws2_32", "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    exports = pefile.PE(str(library)).DIRECTORY_ENTRY_EXPORT.symbols
    assert {symbol.name.decode() for symbol in exports} == set(build.simulator_exports())
