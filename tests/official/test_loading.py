"""Only the library that is meant gets into the process.

The impostor is the simulator under the name of the official library: were it loaded, an adapter
could be created.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

from .conftest import PACKAGE, Run

CREATE = """
import wintun
try:
    wintun.Adapter.create("Test", "Test")
except OSError as error:
    print(type(error).__name__, error.winerror, error)
else:
    print("the impostor made an adapter")
"""


def plant(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(PACKAGE / "wintunsim.dll", folder / "wintun.dll"))


def test_the_impostor_would_be_noticed(run: Run, tmp_path: Path) -> None:
    done = run("-c", CREATE, WINTUN_DLL=str(plant(tmp_path / "chosen")))
    assert done.stdout == "the impostor made an adapter\n", done.stderr


@pytest.mark.parametrize("bundled", [True, False], ids=["bundled", "nothing bundled"])
def test_a_library_in_the_current_folder_on_path_or_beside_the_script_is_not_loaded(
    run: Run, tmp_path: Path, package: Path, bundled: bool
) -> None:
    if not bundled:
        (package / "wintun.dll").unlink()
    for name in ("current", "path", "scripts"):
        plant(tmp_path / name)
    script = tmp_path / "scripts" / "program.py"
    script.write_text(CREATE, "utf-8")
    path = f"{tmp_path / 'path'}{os.pathsep}{os.environ['PATH']}"
    done = run(str(script), package=package, cwd=tmp_path / "current", PATH=path)
    assert "Error" in done.stdout, done.stdout + done.stderr
    assert "impostor" not in done.stdout


@pytest.mark.parametrize("damage", ["altered", "truncated", "empty", "replaced"])
def test_a_bundled_library_that_is_not_the_official_one_is_refused(
    run: Run, package: Path, damage: str
) -> None:
    library = package / "wintun.dll"
    data = library.read_bytes()
    middle = len(data) // 2
    damaged = {
        "altered": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "truncated": data[:1000],
        "empty": b"",
        "replaced": (PACKAGE / "wintunsim.dll").read_bytes(),
    }
    library.write_bytes(damaged[damage])
    done = run("-c", CREATE, package=package)
    assert done.stdout.startswith("OSError 1392 "), done.stdout + done.stderr
    assert "not the official wintun.dll" in done.stdout
    assert "SHA-256" in done.stdout


SWAP = """
import os, sys
from wintun import _library

impostor = sys.argv[1]
check = _library.check_official

def replace(path):
    os.replace(impostor, path)

def overwrite(path):
    with open(impostor, "rb") as source, open(path, "r+b") as target:
        target.write(source.read())

def check_and_swap(file, path):
    check(file, path)
    for attack in (overwrite, os.remove, replace):
        try:
            attack(path)
        except PermissionError:
            print("failed")

_library.check_official = check_and_swap
"""


def test_the_bundled_library_cannot_be_swapped_between_the_look_and_the_load(
    run: Run, package: Path, tmp_path: Path
) -> None:
    script = tmp_path / "swap.py"
    script.write_text(SWAP + CREATE, "utf-8")
    before = (package / "wintun.dll").read_bytes()
    done = run(str(script), str(plant(tmp_path / "impostor")), package=package)
    assert done.stdout.splitlines()[:3] == ["failed"] * 3, done.stdout + done.stderr
    assert "impostor" not in done.stdout
    assert (package / "wintun.dll").read_bytes() == before


def test_a_missing_library_says_where_to_get_it(run: Run, package: Path) -> None:
    (package / "wintun.dll").unlink()
    done = run("-c", CREATE, package=package)
    assert done.stdout.startswith("FileNotFoundError 2 "), done.stdout + done.stderr
    assert "https://www.wintun.net" in done.stdout
    assert "WINTUN_DLL" in done.stdout


MACHINES = {"win32": 0x014C, "win-amd64": 0x8664, "win-arm64": 0xAA64}
OTHERS = {name: code for name, code in MACHINES.items() if name != sysconfig.get_platform()}


@pytest.mark.parametrize("machine", OTHERS.values(), ids=OTHERS)
def test_a_library_for_another_architecture_says_so(run: Run, tmp_path: Path, machine: int) -> None:
    other = tmp_path / "other.dll"
    data = bytearray((PACKAGE / "wintunsim.dll").read_bytes())
    header = int.from_bytes(data[0x3C:0x40], "little")
    data[header + 4 : header + 6] = machine.to_bytes(2, "little")
    other.write_bytes(data)
    done = run("-c", CREATE, WINTUN_DLL=str(other))
    assert " 193 " in done.stdout, done.stdout + done.stderr
    assert "architecture" in done.stdout


def test_a_file_that_is_no_library_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.dll"
    path.write_text("not a library")
    done = run("-c", CREATE, WINTUN_DLL=str(path))
    assert "Error" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_that_is_not_wintun_is_refused(run: Run) -> None:
    system = Path(os.environ["SYSTEMROOT"], "System32", "version.dll")
    done = run("-c", CREATE, WINTUN_DLL=str(system))
    assert "not a Wintun 0.14 library" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", ["wintun.dll", "folder\\wintun.dll", "\\wintun.dll", "C:w.dll"])
def test_the_variable_takes_an_absolute_path_alone(run: Run, tmp_path: Path, path: str) -> None:
    plant(tmp_path)
    plant(tmp_path / "folder")
    done = run("-c", CREATE, WINTUN_DLL=path)
    assert "must be an absolute path" in done.stdout, done.stdout + done.stderr


def test_load_takes_an_absolute_path_alone(run: Run, tmp_path: Path) -> None:
    plant(tmp_path)
    done = run("-c", "import wintun; wintun.load('wintun.dll')")
    assert "ValueError: path must be absolute" in done.stderr


def test_info_tells_of_a_library_that_was_chosen(run: Run, tmp_path: Path) -> None:
    chosen = plant(tmp_path / "chosen")
    done = run("-m", "wintun", "info", WINTUN_DLL=str(chosen))
    assert done.returncode == 0, done.stderr
    assert str(chosen) in done.stdout
    assert "simulator" in done.stdout
    assert "WINTUN_DLL" in done.stdout


def test_a_path_outside_ascii_is_loaded(run: Run, tmp_path: Path) -> None:
    done = run("-c", CREATE, WINTUN_DLL=str(plant(tmp_path / "Überprüfung 测试")))
    assert done.stdout == "the impostor made an adapter\n", done.stdout + done.stderr


@pytest.mark.skipif(
    sys.platform != "win32" or not hasattr(ctypes.windll.ntdll, "wine_get_version"),
    reason="writes into System32, which is done only where it is Wine's",
)
def test_the_systems_own_library_is_the_last_choice(run: Run, package: Path) -> None:
    system = plant(Path(os.environ["SYSTEMROOT"], "System32"))
    try:
        with_bundle = run("-c", CREATE, package=package)
        (package / "wintun.dll").unlink()
        without_bundle = run("-c", CREATE, package=package)
    finally:
        system.unlink()
    assert "impostor" not in with_bundle.stdout
    assert without_bundle.stdout == "the impostor made an adapter\n", without_bundle.stderr
