# SPDX-License-Identifier: MIT
"""The fuzz targets and what is kept for them.

A C target is a file beside this one that defines libFuzzer's entry: Clang's libFuzzer fuzzes it,
and with replay.c it is a plain program that runs single inputs, built by any compiler. A Python
target is a function of python_targets.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compilers import ROOT, compile_c, compiles

HERE = Path(__file__).resolve().parent

C_TARGETS = ("packet", "text", "ring", "host", "wire", "control", "offload")
PYTHON_TARGETS = (
    "py_address",
    "py_guid",
    "py_name",
    "py_packet",
    "py_option",
    "py_pytun",
    "py_far_side",
    "py_control",
    "py_spans",
)

_SANITIZERS = "address,undefined"
_OPTIONS = ("-g", "-O1", "-fno-omit-frame-pointer")
_ABORTING = "-fno-sanitize-recover=all"


def _sources() -> list[Path]:
    """The C files of what is fuzzed: the simulator's on this system, and src/offload/."""
    own = [path for path in sorted(ROOT.glob("src/simulator/*.c")) if "_windows" not in path.name]
    return [*own, ROOT / "src/platform/posix.c", *sorted(ROOT.glob("src/offload/*.c"))]


def build_fuzzers(targets: Sequence[str], folder: Path) -> None:
    """Builds C targets with Clang's libFuzzer, as programs of their names."""
    options = [*_OPTIONS, f"-fsanitize=fuzzer,{_SANITIZERS}", _ABORTING, "-Werror"]
    _build(targets, folder, options, [], ("clang",))


def build_replays(folder: Path) -> bool:
    """Builds all C targets as plain programs that take files of inputs.

    Returns whether sanitizers watch them, which not every compiler has at hand.
    """
    options = [*_OPTIONS, f"-fsanitize={_SANITIZERS}", _ABORTING]
    sanitized = compiles(options, folder)
    _build(C_TARGETS, folder, options if sanitized else _OPTIONS, [HERE / "replay.c"], ())
    return sanitized


def _build(
    targets: Sequence[str],
    folder: Path,
    options: Sequence[str],
    main: Sequence[Path],
    compiler: Sequence[str],
) -> None:
    objects = folder / "objects"
    objects.mkdir(exist_ok=True)
    compile_c(["-c", *options, *_sources()], objects, compiler)
    for target in targets:
        files = [HERE / f"{target}.c", *main, *sorted(objects.glob("*.o"))]
        compile_c([*options, *files, "-o", target], folder, compiler)


def corpus(target: str) -> dict[str, bytes]:
    """Returns the inputs that are kept for a target, by their names.

    A line of corpus/TARGET.txt is a name, a colon and the input in hex, with spaces where they
    help; empty lines and those that begin with # say nothing.
    """
    inputs: dict[str, bytes] = {}
    for line in (HERE / "corpus" / f"{target}.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, content = line.partition(":")
            assert name not in inputs, f"{target}: {name} is there twice"
            inputs[name] = bytes.fromhex(content)
    return inputs


def write_corpus(target: str, folder: Path) -> list[Path]:
    """Writes the inputs of a target as the files that fuzzers and replays read."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in corpus(target).items():
        written.append(folder / name)
        written[-1].write_bytes(content)
    return written
