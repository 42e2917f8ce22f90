"""What is in the wheels, byte by byte: WINTUN_WHEELS names the folder that they were built into."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

FOLDER = os.environ.get("WINTUN_WHEELS")
if FOLDER is None:
    pytest.skip("no wheels to look at: `nox -s wheels` builds them", allow_module_level=True)

pefile = pytest.importorskip("pefile")

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "wintun"
WHEELS = sorted(Path(FOLDER).glob("wintun-*.whl"))
WINDOWS = [path for path in WHEELS if "-win" in path.name]
OTHERS = [path for path in WHEELS if path not in WINDOWS]

SHA256 = {
    "win_amd64": "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce",
    "win_arm64": "f7ba89005544be9d85231a9e0d5f23b2d15b3311667e2dad0debd344918a3f80",
    "win32": "d694fa46ab4cfebcb2632d094c7aa97278eef2f8052438621766d863ae98a931",
}

# What every Windows has, the C runtimes among it.
SYSTEM = re.compile(
    r"(kernel32|advapi32|ws2_32|iphlpapi|msvcrt|ucrtbase|ntdll|ole32|bcrypt)\.dll"
    r"|api-ms-win-[a-z0-9-]+\.dll|vcruntime140(_1)?\.dll",
    re.IGNORECASE,
)

every_wheel = pytest.mark.parametrize("path", WHEELS, ids=lambda path: path.name)
windows_wheel = pytest.mark.parametrize("path", WINDOWS, ids=lambda path: path.name)
other_wheel = pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)


def tags(path: Path) -> tuple[str, str, str]:
    python, abi, system = path.stem.split("-")[-3:]
    return python, abi, system


def read(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        return {name: wheel.read(name) for name in wheel.namelist()}


def one(names: object, pattern: str) -> str:
    (name,) = [name for name in list(names) if re.fullmatch(pattern, name)]  # type: ignore[call-overload]
    return str(name)


def extension(files: dict[str, bytes]) -> str:
    return one(files, r"wintun/_wintun\.(?!pyi)[^/]+")


def imports(data: bytes) -> set[str]:
    image = pefile.PE(data=data)
    return {entry.dll.decode().lower() for entry in image.DIRECTORY_ENTRY_IMPORT}


def exports(data: bytes) -> set[str]:
    image = pefile.PE(data=data)
    return {symbol.name.decode() for symbol in image.DIRECTORY_ENTRY_EXPORT.symbols}


def test_there_is_a_wheel_for_every_python_on_windows() -> None:
    if not any("win_amd64" in path.name for path in WHEELS):
        pytest.skip("these wheels are for other systems")
    found = {tags(path)[:2] for path in WINDOWS if tags(path)[2] == "win_amd64"}
    assert {("cp39", "cp39"), ("cp310", "cp310"), ("cp311", "abi3")} <= found


@every_wheel
def test_a_wheel_holds_the_package_and_nothing_else(path: Path) -> None:
    windows = path in WINDOWS
    files = set(read(path))
    sources = [*PACKAGE.rglob("*.py"), *PACKAGE.glob("*.pyi"), PACKAGE / "py.typed"]
    expected = {source.relative_to(ROOT / "src").as_posix() for source in sources}
    expected |= {extension(dict.fromkeys(files, b""))}
    expected |= {"wintun/wintunsim.dll" if windows else "wintun/libwintunsim.so"}
    if windows:
        expected |= {f"wintun/wintun.dll{end}" for end in ("", ".LICENSE.txt", ".sha256")}
    information = {name for name in files if ".dist-info/" in name}
    assert {name for name in files if name not in information} == expected
    assert {name.partition("/")[2] for name in information} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }


@windows_wheel
def test_the_bundled_library_is_the_official_one_for_the_architecture(path: Path) -> None:
    files = read(path)
    digest = hashlib.sha256(files["wintun/wintun.dll"]).hexdigest()
    assert digest == SHA256[tags(path)[2]]
    assert files["wintun/wintun.dll.sha256"] == f"{digest}  wintun.dll\n".encode()
    assert b"Prebuilt Binaries License" in files["wintun/wintun.dll.LICENSE.txt"]


@windows_wheel
def test_the_package_pins_the_hash_of_the_bundled_library(path: Path) -> None:
    files = read(path)
    digest = files["wintun/wintun.dll.sha256"].split()[0]
    assert b'"%s"' % digest in files["wintun/_library.py"]


@every_wheel
def test_metadata_asks_for_nothing_but_python(path: Path) -> None:
    files = read(path)
    metadata = Parser().parsestr(files[one(files, r".*\.dist-info/METADATA")].decode())
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata.get_all("Requires-Dist") is None
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Version"] == path.name.split("-")[1]


@other_wheel
def test_the_stable_abis_extension_has_the_name_that_every_python_looks_for(path: Path) -> None:
    abi = tags(path)[1]
    if abi != "abi3":
        pytest.skip(f"built for one Python alone: {abi}")
    assert extension(read(path)) == "wintun/_wintun.abi3.so"


def machine_texts() -> list[str]:
    texts = [str(ROOT), str(Path.home()), tempfile.gettempdir(), sys.prefix, "/home/", "/Users/"]
    host = platform.node().partition(".")[0]
    return [*texts, host] if len(host) > 5 and host != "localhost" else texts


@every_wheel
def test_nothing_tells_of_the_machine_that_built_it(path: Path) -> None:
    for name, data in read(path).items():
        if name == "wintun/wintun.dll":
            continue  # built and signed by its publisher
        for text in machine_texts():
            assert text.encode() not in data, (name, text)
            assert text.encode("utf-16-le") not in data, (name, text)


@windows_wheel
def test_the_extension_imports_python_the_c_runtime_and_windows_alone(path: Path) -> None:
    files = read(path)
    python, abi, _ = tags(path)
    library = "python3.dll" if abi == "abi3" else f"python{python[2:]}.dll"
    found = imports(files[extension(files)])
    assert library in found
    assert [name for name in found - {library} if not SYSTEM.fullmatch(name)] == []


@windows_wheel
def test_the_simulator_imports_the_c_runtime_and_windows_alone(path: Path) -> None:
    found = imports(read(path)["wintun/wintunsim.dll"])
    assert [name for name in found if not SYSTEM.fullmatch(name)] == []


@windows_wheel
def test_the_simulator_exports_what_the_official_library_does(path: Path) -> None:
    files = read(path)
    assert exports(files["wintun/wintun.dll"]) <= exports(files["wintun/wintunsim.dll"])


@windows_wheel
def test_the_extension_exports_its_entry_alone(path: Path) -> None:
    files = read(path)
    assert exports(files[extension(files)]) == {"PyInit__wintun"}


@windows_wheel
def test_the_libraries_of_ours_ask_for_the_mitigations_of_windows(path: Path) -> None:
    files = read(path)
    for name in (extension(files), "wintun/wintunsim.dll"):
        header = pefile.PE(data=files[name], fast_load=True).OPTIONAL_HEADER
        assert header.IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, name
        assert header.IMAGE_DLLCHARACTERISTICS_NX_COMPAT, name


@other_wheel
def test_no_library_is_bundled_where_there_is_no_windows(path: Path) -> None:
    assert not [name for name in read(path) if "wintun.dll" in name]
