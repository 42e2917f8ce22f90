# SPDX-License-Identifier: MIT
"""Which library is loaded: by absolute path only, and the official one only if it is unaltered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wintun
from wintun import _library, _wintun

posix_paths = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such paths: they are UTF-16, and shorter"
)


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("path", ["wintun.dll", "./wintun.dll", "", "folder/wintun.dll"])
def test_a_path_that_is_not_absolute_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        wintun.load(path)


@pytest.mark.parametrize("path", [None, 1, b"/wintun.dll"])
def test_a_path_of_the_wrong_type_is_a_type_error(path: object) -> None:
    with pytest.raises(TypeError):
        wintun.load(path)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as failure:
        wintun.load(tmp_path / "none")
    assert failure.value.winerror == 2  # type: ignore[attr-defined]
    assert failure.value.filename == str(tmp_path / "none")


def test_a_file_that_is_no_library_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "library"
    path.write_bytes(b"no library")
    with pytest.raises(OSError, match="library"):
        wintun.load(path)


def test_a_library_that_fails_to_load_changes_nothing(tmp_path: Path) -> None:
    wintun.load(_library.simulator_path())
    with pytest.raises(OSError, match="none"):
        wintun.load(tmp_path / "none")
    assert wintun.library_path() == _library.simulator_path()


def test_a_library_may_be_loaded_twice() -> None:
    for _ in range(2):
        wintun.load(_library.simulator_path())
        assert wintun.library_path() == _library.simulator_path()


def test_no_library_is_loaded_before_one_is_needed() -> None:
    program = "import wintun; assert wintun.library_path() is None"
    assert run(program).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' default is the official library")
def test_elsewhere_than_on_windows_the_simulator_is_the_default() -> None:
    program = "import wintun; wintun.TunDevice('d').close(); print(wintun.library_path())"
    assert run(program).stdout.strip() == _library.simulator_path()


USE = "import wintun; wintun.TunDevice('d').close(); print(wintun.library_path())"


def test_the_environment_variable_names_another_library() -> None:
    path = _library.simulator_path()
    assert run(USE, WINTUN_DLL=path).stdout.strip() == path


def test_an_empty_environment_variable_names_none() -> None:
    program = "import wintun; from wintun import simulator; simulator.use()"
    assert run(program, WINTUN_DLL="").returncode == 0


def test_the_environment_variable_must_be_an_absolute_path(tmp_path: Path) -> None:
    failed = run(USE, WINTUN_DLL="wintun.dll")
    assert "OSError" in failed.stderr
    assert "WINTUN_DLL" in failed.stderr
    assert "absolute" in failed.stderr


def test_a_file_that_the_environment_names_in_vain_is_not_replaced_by_another(
    tmp_path: Path,
) -> None:
    failed = run(USE, WINTUN_DLL=str(tmp_path / "none"))
    assert failed.returncode != 0
    assert "FileNotFoundError" in failed.stderr
    assert "none" in failed.stderr
    assert "WINTUN_DLL names this file" in failed.stderr


@pytest.mark.parametrize("platform", ["win-amd64", "win-arm64", "win32"])
def test_an_altered_or_cut_official_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr("sysconfig.get_platform", lambda: platform)
    path = tmp_path / "official"
    path.write_bytes(b"MZ")
    held = _library.hold(str(path))
    with held as file, pytest.raises(OSError, match="not the official") as failure:
        _library.check_official(file, str(path))
    for version, hashes in _library.OFFICIAL_SHA256.items():
        assert f"{version}: {hashes[platform]}" in str(failure.value)
    assert _library.file_sha256(str(path)) in str(failure.value)
    assert failure.value.winerror  # type: ignore[attr-defined]


def test_an_unaltered_official_library_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "official"
    path.write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    monkeypatch.setattr("sysconfig.get_platform", lambda: "win-amd64")
    releases = [{"0.14.9": {"win-amd64": sha256}}, {}]
    for first, last in (releases, reversed(releases)):
        both = {**first, **_library.OFFICIAL_SHA256, **last}
        with monkeypatch.context() as patch, _library.hold(str(path)) as file:
            patch.setattr(_library, "OFFICIAL_SHA256", both)
            _library.check_official(file, str(path))
            assert _library.official_version(sha256) == "0.14.9"
            assert "0.14.1" in _library.official_sha256()


def test_the_library_of_another_architecture_is_not_the_official_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "official"
    path.write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    monkeypatch.setattr("sysconfig.get_platform", lambda: "win-amd64")
    monkeypatch.setattr(_library, "OFFICIAL_SHA256", {"0.14.9": {"win-arm64": sha256}})
    with _library.hold(str(path)) as file, pytest.raises(OSError, match="not the official"):
        _library.check_official(file, str(path))


def test_holding_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        _library.hold(str(tmp_path / "none"))


@pytest.mark.parametrize("path", ["text", None, b"with\0nul"])
def test_holding_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises((TypeError, ValueError), match="path must"):
        _wintun.hold_file(path)  # type: ignore[arg-type]


ATTACKS = {
    "write": lambda path: path.open("r+b").close(),
    "delete": lambda path: path.unlink(),
    "rename": lambda path: path.rename(path.with_name("renamed")),
    "replace": lambda path: path.with_name("other").replace(path),
}


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere nothing keeps others from a file")
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_that_is_held_cannot_be_changed(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "held"
    path.write_bytes(b"contents")
    (tmp_path / "other").write_bytes(b"other")
    with _library.hold(str(path)) as file:
        with pytest.raises(PermissionError):
            ATTACKS[attack](path)
        assert file.read() == path.read_bytes() == b"contents"
    ATTACKS[attack](path)


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere nothing keeps others from a file")
def test_a_file_that_another_may_change_cannot_be_held(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.write_bytes(b"contents")
    with path.open("r+b"), pytest.raises(OSError, match="open") as refused:
        _library.hold(str(path))
    assert refused.value.winerror == 32  # type: ignore[attr-defined]  # a sharing violation


# --- Paths of any bytes -------------------------------------------------------------------------


def long_folder(base: Path, start: str) -> Path:
    """A folder whose path has more than 1,000 bytes, most of them of characters of two bytes."""
    folder = base / start
    for _ in range(5):
        folder /= "\u00e9" * 100
    folder.mkdir(parents=True)
    return folder


@posix_paths
@pytest.mark.parametrize("start", ["p", "pp"])
def test_a_library_with_a_long_path_that_cannot_be_loaded_names_all_of_it(
    tmp_path: Path, start: str
) -> None:
    path = long_folder(tmp_path, start) / "lib.so"
    path.write_bytes(b"junk")
    with pytest.raises(OSError, match="cannot load the library: ") as failure:
        wintun.load(path)
    assert failure.value.filename == str(path)
    assert failure.value.winerror  # type: ignore[attr-defined]
    assert "file too short" in str(failure.value) or sys.platform != "linux"
    with pytest.raises(FileNotFoundError) as missing:
        _library.hold(str(path.with_name("none")))
    assert missing.value.filename == str(path.with_name("none"))


@posix_paths
@pytest.mark.parametrize("name", [b"\xff.so", b"lib\xc3", b"\xf0\x9f.so"])
def test_a_path_that_is_not_utf_8_is_named_as_python_names_it(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        with open(path, "wb") as file:
            file.write(b"junk")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(OSError, match="cannot load the library") as failure:
        wintun.load(os.fsdecode(path))
    assert os.fsencode(failure.value.filename) == path
    assert ascii(str(failure.value))
    for hold in (_wintun.hold_file, lambda which: _library.hold(os.fsdecode(which))):
        with pytest.raises(FileNotFoundError) as missing:
            hold(path + b" not")
        assert os.fsencode(missing.value.filename) == path + b" not"


def test_every_file_that_the_environment_names_in_vain_is_told_to_come_from_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    for name in ("none", "junk", ""):
        failed = run(USE, WINTUN_DLL=str(tmp_path / name))
        assert failed.returncode != 0
        assert "WINTUN_DLL" in failed.stderr.splitlines()[-1], failed.stderr
