"""Builds a CPython without the GIL: free_threaded.py FOLDER installs one into FOLDER.

No package index has one. The source comes by apt from Debian's archive, out of the mirror that this
system is set up with, and is pinned by its SHA-256. Two processes build it in about four minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.debian import mirror

SUITE = "trixie"
PACKAGE = "python3.13"
ARCHIVE = "python3.13_3.13.5.orig.tar.xz"
SHA256 = "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640"


def fetch(folder: Path) -> Path:
    """Fetches the source by an apt that knows one suite only, beside the system's own lists."""
    address = mirror()
    if address is None:
        sys.exit("This system takes no packages from Debian's archive: fetch the source by hand")
    sources = folder / "sources.list"
    sources.write_text(f"deb-src {address} {SUITE} main\n")
    (folder / "lists" / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        # The user _apt, whom apt becomes to download, cannot see into a folder of ours.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "source", "--download-only", PACKAGE], cwd=folder, check=True)
    archive = folder / ARCHIVE
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{ARCHIVE} came with another SHA-256 than the pinned one: not used")
    return archive


def build(target: Path, folder: Path) -> None:
    with tarfile.open(fetch(folder)) as archive:
        archive.extractall(folder / "source")
    (tree,) = (folder / "source").iterdir()
    configure = ["./configure", "--quiet", "--disable-gil", f"--prefix={target}"]
    steps = [configure, ["make", "--silent", "-j2"], ["make", "--silent", "install"]]
    with Path(folder, "log").open("w+") as log:
        for step in steps:
            if subprocess.run(step, cwd=tree, stdout=log, stderr=log, check=False).returncode != 0:
                log.seek(0)
                sys.exit(f"{' '.join(step)} failed:\n" + "".join(log.readlines()[-40:]))
    # What pip and the tests need, and what Python does without where a library has no headers.
    check = [str(target / "bin" / "python3"), "-c", "import ctypes, ssl, zlib"]
    if subprocess.run(check, check=False).returncode != 0:
        sys.exit("First install what it is built with: libffi-dev libssl-dev zlib1g-dev")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    target = parser.parse_args().folder.resolve()
    with tempfile.TemporaryDirectory(prefix="free-threaded-") as folder:
        build(target, Path(folder))


if __name__ == "__main__":
    main()
