"""Fetching for builds and tests: what is not whole or not pinned is never used, errors are a line.

The package index is a folder of the test's own (PIP_NO_INDEX, PIP_FIND_LINKS); pip is the real one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import threading
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wintun import _library

if sys.platform == "win32":
    pytest.skip("wheels are fetched for where they are built", allow_module_level=True)

FETCH = Path(__file__).resolve().parent.parent.parent / "tools" / "fetch.py"
FILE = "carried-1.0-py3-none-any.whl"


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, with an empty cache and an empty index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    (tmp_path / "index").mkdir()
    specification = importlib.util.spec_from_file_location("fetch", FETCH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "fetch", module)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def pin(fetch: Any, tmp_path: Path) -> Any:
    """A package in the index, pinned rightly."""
    path = tmp_path / "index" / FILE
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("carried/data.txt", "data")
        information = {
            "METADATA": "Metadata-Version: 2.1\nName: carried\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        for name, text in information.items():
            wheel.writestr(f"carried-1.0.dist-info/{name}", text)
    return fetch.Pin("carried==1.0", FILE, hashlib.sha256(path.read_bytes()).hexdigest())


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "wintun-build").iterdir())


def test_a_file_is_fetched_once_and_kept(fetch: Any, pin: Any, tmp_path: Path) -> None:
    assert fetch.fetch(pin).read_bytes() == (tmp_path / "index" / FILE).read_bytes()
    (tmp_path / "index" / FILE).unlink()
    assert fetch.fetch(pin).name == FILE
    assert kept(tmp_path) == [FILE]


def test_a_half_written_file_in_the_cache_is_fetched_again(
    fetch: Any, pin: Any, tmp_path: Path
) -> None:
    whole = fetch.fetch(pin)
    whole.write_bytes(whole.read_bytes()[:100])
    assert fetch.fetch(pin).read_bytes() == (tmp_path / "index" / FILE).read_bytes()


def test_an_altered_file_is_refused_in_one_line(fetch: Any, pin: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "index" / FILE, "a") as wheel:
        wheel.writestr("carried/more.txt", "more")
    with pytest.raises(fetch.FetchError, match=r"another SHA-256.*not used") as caught:
        fetch.fetch(pin)
    assert "\n" not in str(caught.value)
    assert kept(tmp_path) == []


def test_an_index_out_of_reach_says_in_one_line_what_to_do(fetch: Any, tmp_path: Path) -> None:
    missing = fetch.Pin("carried==1.0", FILE, "0" * 64)
    with pytest.raises(fetch.FetchError, match=r"Cannot fetch carried==1.0 .*index.*put.*into"):
        fetch.fetch(missing)
    assert kept(tmp_path) == []


def test_a_broken_file_stays_broken_without_an_index(fetch: Any, pin: Any, tmp_path: Path) -> None:
    whole = fetch.fetch(pin)
    whole.write_bytes(b"half")
    (tmp_path / "index" / FILE).unlink()
    with pytest.raises(fetch.FetchError):
        fetch.fetch(pin)


def test_fetching_twice_at_once_gives_both_the_whole_file(
    fetch: Any, pin: Any, tmp_path: Path
) -> None:
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch.fetch(pin).read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(tmp_path / "index" / FILE).read_bytes()] * 3
    assert kept(tmp_path) == [FILE]


def test_the_command_line_ends_without_a_traceback(
    fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fetch.py", "library", str(tmp_path / "out")])
    assert fetch.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_package_and_the_tool_pin_the_same_releases(fetch: Any) -> None:
    names = {"amd64": "win-amd64", "arm64": "win-arm64", "x86": "win32"}
    pinned = {
        version: {names[each]: sha256 for each, sha256 in release.libraries.items()}
        for version, release in fetch.RELEASES.items()
    }
    assert pinned == _library.OFFICIAL_SHA256
    assert fetch.NEWEST == _library.OFFICIAL_VERSION


def test_each_release_can_be_asked_for_and_is_held_to_its_own_hashes(
    fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def release(version: str, library: bytes) -> Any:
        name = f"carried-{version}-py3-none-any.whl"
        path = tmp_path / "index" / name
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("carried/bin/amd64/wintun.dll", library)
            wheel.writestr("carried/LICENSE.txt", "the license")
            wheel.writestr(
                f"carried-{version}.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: carried\nVersion: {version}\n",
            )
            wheel.writestr(
                f"carried-{version}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
        pin = fetch.Pin(f"carried=={version}", name, hashlib.sha256(path.read_bytes()).hexdigest())
        hashes = {"amd64": hashlib.sha256(library).hexdigest()}
        return fetch.Release(pin, "carried", "", "", hashes)

    releases = {"1.0": release("1.0", b"old"), "1.1": release("1.1", b"new")}
    monkeypatch.setattr(fetch, "RELEASES", releases)
    monkeypatch.setattr(fetch, "NEWEST", "1.1")
    for arguments, expected in (([], b"new"), (["--release", "1.0"], b"old")):
        target = tmp_path / expected.decode()
        monkeypatch.setattr(sys, "argv", ["fetch.py", "library", *arguments, str(target)])
        assert fetch.main() == 0, capsys.readouterr().err
        assert (target / "amd64" / "wintun.dll").read_bytes() == expected
    releases["1.0"] = releases["1.1"]._replace(libraries=releases["1.0"].libraries)
    monkeypatch.setattr(
        sys, "argv", ["fetch.py", "library", "--release", "1.0", str(tmp_path / "none")]
    )
    assert fetch.main() == 1
    assert "another SHA-256 than the pinned" in capsys.readouterr().err
