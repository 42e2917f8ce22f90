"""A frozen program finds the libraries that went into it, and trusts them no more than before."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import wintun
from wintun import _library

from .conftest import Run

PACKAGE = Path(wintun.__file__).parent


def is_inside_the_program(path: str, program: Path) -> bool:
    """Whether a library is the program's own: beside it, or where a single file unpacks itself."""
    inside = Path(path).parent.name == "wintun" and PACKAGE not in Path(path).parents
    if (program.parent / "_internal").is_dir():
        return inside and program.parent in Path(path).parents
    return inside and "_MEI" in path


def test_a_frozen_program_finds_the_simulator(run: Run, program: Path) -> None:
    done = run()
    assert (done.stderr, done.returncode) == ("", 0)
    answered, path = done.stdout.splitlines()
    assert answered == "True"
    assert is_inside_the_program(path, program)


def test_info_tells_which_library_a_frozen_program_uses(run: Run, program: Path) -> None:
    done = run("info", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["error"]) == (0, None), done.stderr
    assert facts["library_source"] == "package"
    assert is_inside_the_program(facts["library_path"], program)
    bundled = (PACKAGE / "wintun.dll").exists()
    assert facts["official"] is bundled
    assert facts["simulator"] is not bundled
    expected = _library.bundled_path() if bundled else _library.simulator_path()
    if bundled:
        assert facts["library_sha256"] == _library.file_sha256(expected)


def test_demo_runs_in_a_frozen_program(run: Run) -> None:
    done = run("demo", "--count", "2", "--wire", "builtin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    sys.platform != "win32" or not (PACKAGE / "wintun.dll").exists(),
    reason="needs the official wintun.dll in the installed package (Windows wheels have it)",
)
def test_an_altered_library_in_a_frozen_program_is_refused(
    run: Run, program: Path, tmp_path: Path
) -> None:
    if not (program.parent / "_internal").is_dir():
        pytest.skip("a single file unpacks its library anew each time")
    copy = tmp_path / "copy"
    shutil.copytree(program.parent, copy)
    library = copy / "_internal" / "wintun" / "wintun.dll"
    data = library.read_bytes()
    library.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    done = run("info", program=copy / program.name)
    assert done.returncode == 1
    assert "not the official wintun.dll" in done.stdout + done.stderr


@pytest.mark.skipif(
    not (PACKAGE / "wintun.dll.LICENSE.txt").exists(), reason="there is no bundled library"
)
def test_the_librarys_licence_goes_with_it(program: Path) -> None:
    if (program.parent / "_internal").is_dir():
        folder = program.parent / "_internal" / "wintun"
        assert (folder / "wintun.dll.LICENSE.txt").read_bytes() == (
            PACKAGE / "wintun.dll.LICENSE.txt"
        ).read_bytes()
