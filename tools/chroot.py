"""Makes a Debian of another release in a folder, and runs commands in it. Needs root.

    chroot.py make FOLDER SUITE [--architecture NAME] PACKAGE ...
    chroot.py run FOLDER [--share FOLDER] [NAME=VALUE ...] COMMAND ...

`make` leaves a folder alone that was made of the same. Delete it to have newer packages.
A command runs in the current folder, which has the same path inside, as have the shared folders.
It sees no other file of this system, none of its variables and none of its processes, but its
network. Whatever the command leaves running ends with it. Folders are mounted for it alone.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.debian import mirror

DEBIAN = "http://deb.debian.org/debian"
VARIABLES = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

# The first process of the new PID namespace: it waits for the command, so that this one is killed
# by signals as any other is. The root is mounted onto itself, for what runs in it may change how
# mounts of / propagate, which only a mount point can.
ENTER = """
set -e
root=$1; folders=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
IFS=:
for folder in $folders; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done
set +e
chroot "$root" env -i "$@"
exit $?
"""
UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]


def enter(root: Path, command: list[str], share: list[Path]) -> list[str]:
    """Returns the command that runs another one in the folder."""
    here = Path.cwd()
    folders = ":".join(map(str, [here, *(folder.resolve() for folder in share)]))
    variables = [f"{name}={value}" for name, value in VARIABLES.items()]
    script = ["sh", "-c", ENTER, "sh", str(root), folders, "-C", str(here)]
    return [*UNSHARE, *script, *variables, *command]


def step(log: Path, command: list[str]) -> None:
    """Runs one step of making the folder; one that fails says how it ended."""
    with log.open("w+") as file:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            file.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n" + "".join(file.readlines()[-20:]))


def settle(root: Path) -> None:
    """Gives the folder what apt and the resolver of this system know, and spares apt the disk."""
    settings = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True
    )
    (root / "etc/apt/apt.conf.d/outside").write_text(settings.stdout)
    (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    for name in ("etc/hosts", "etc/resolv.conf"):
        shutil.copyfile(f"/{name}", root / name)


def make(root: Path, suite: str, architectures: list[str], packages: list[str]) -> None:
    recipe = json.dumps([suite, architectures, sorted(packages)])
    made_of = root / ".made-of"
    if made_of.exists() and made_of.read_text() == recipe:
        return
    part = root.with_name(f"{root.name}.part")
    log = root.with_name(f"{root.name}.log")
    for old in (root, part):
        shutil.rmtree(old, ignore_errors=True)
    certificates = "--include=ca-certificates"
    bootstrap = ["debootstrap", "--variant=minbase", certificates, suite, str(part)]
    step(log, [*bootstrap, mirror() or DEBIAN])
    settle(part)
    inside = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for architecture in architectures:
        step(log, enter(part, ["dpkg", "--add-architecture", architecture], []))
    step(log, enter(part, ["apt-get", "update"], []))
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    step(log, enter(part, [*inside, *install], []))
    step(log, enter(part, ["apt-get", "clean"], []))
    (part / ".made-of").write_text(recipe)
    part.rename(root)


def make_once(root: Path, suite: str, architectures: list[str], packages: list[str]) -> None:
    """Makes the folder while no other process makes or removes it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make(root, suite, architectures, packages)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    maker = kinds.add_parser("make")
    maker.add_argument("folder", type=Path)
    maker.add_argument("suite")
    maker.add_argument("--architecture", action="append", default=[])
    maker.add_argument("packages", nargs="+")
    runner = kinds.add_parser("run")
    runner.add_argument("folder", type=Path)
    runner.add_argument("--share", type=Path, action="append", default=[])
    runner.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    root = options.folder.resolve()
    if os.geteuid() != 0:
        sys.exit("Only root can enter another root folder: run this as root")
    if options.kind == "make":
        make_once(root, options.suite, options.architecture, options.packages)
        return 0
    return subprocess.run(enter(root, options.command, options.share), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
