"""Checks that the C files of the rooms in src/ include each other one way only.

    check_rooms.py [FOLDER]

The order of the rooms is BELOW: a file may include files of its own room and of those that its
room names there. Python.h belongs to src/objects/ and src/_wintun.c alone. No two files need each
other, over however many others; a C file and the header of its name count as one.
"""

from __future__ import annotations

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Room: the rooms that its files may include, beside its own.
BELOW = {
    "include": set[str](),
    "platform": {"include"},
    "offload": set[str](),
    "udp": {"platform", "include"},
    "core": {"platform", "include"},
    "objects": {"core", "offload", "udp", "platform", "include"},
    "module": {"objects"},
    "simulator": {"platform", "offload", "include"},
    "linux": {"platform", "offload", "include"},
}
PYTHON = {"objects", "module"}

_INCLUDE = re.compile(
    r'^\s*#\s*include\s+(?:"([^"]+)"|<((?:Python|structmember)\.h)>)', re.MULTILINE
)


def room_of(path: Path, root: Path) -> str:
    """Returns the room that a file stands in: its folder, or "module" for src/ itself."""
    folder = path.relative_to(root).parts[:-1]
    return "module" if folder == ("src",) else folder[-1]


def resolve(name: str, path: Path, root: Path) -> Path | None:
    """Finds an included file as the compiler does."""
    for folder in (path.parent, root / "include", root / "src"):
        if (folder / name).is_file():
            return (folder / name).resolve()
    return None


def unit(path: Path) -> str:
    """Returns what a file counts as in the look for circles."""
    return str(path.with_suffix(""))


def check(root: Path) -> list[str]:
    """Returns what is wrong, a line each."""
    root = root.resolve()
    files = sorted([*root.glob("include/*.h"), *root.glob("src/**/*.[ch]")])
    wrong: list[str] = []
    needs: dict[str, set[str]] = {}
    for path in files:
        room, shown = room_of(path, root), path.relative_to(root)
        mine = needs.setdefault(unit(shown), set())
        if room not in BELOW:
            wrong.append(f"{shown}: {room} is no room; the rooms are {', '.join(BELOW)}")
            continue
        for name, system in _INCLUDE.findall(path.read_text(encoding="utf-8")):
            if system:
                if room not in PYTHON:
                    wrong.append(f"{shown}: {system} belongs to {' and '.join(sorted(PYTHON))}")
                continue
            found = resolve(name, path, root)
            if found is None:
                wrong.append(f"{shown}: there is no {name}")
                continue
            mine.add(unit(found.relative_to(root)))
            other = room_of(found, root)
            if other not in {room, *BELOW[room]}:
                wrong.append(f"{shown}: {room} does not know {other} ({name})")
            elif other not in {room, "include"} and not name.startswith(f"{other}/"):
                wrong.append(f"{shown}: {name} is of another room: {other}/{name}")
    for name, others in needs.items():
        others.discard(name)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        wrong.append(f"a circle: {' needs '.join(reversed(error.args[1]))}")
    return wrong


def main() -> int:
    wrong = check(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    print(f"The rooms of src/: {len(wrong)} includes go the wrong way")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
