# SPDX-License-Identifier: MIT
"""What `import wintun` costs: nothing is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import wintun
from wintun import _wintun

SLOW_TO_IMPORT = [
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "ctypes",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "ipaddress",
    "json",
    "logging",
    "re",
    "socket",
    "subprocess",
    "sysconfig",
    "threading",
    "typing",
    "uuid",
]


def modules_after(statement: str) -> set[str]:
    """The modules that a statement imports in a Python that has imported nothing else."""
    program = (
        f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_slow() -> None:
    assert not modules_after("import wintun") & set(SLOW_TO_IMPORT)


def test_importing_the_package_imports_its_own_modules_and_next_to_nothing_else() -> None:
    others = {name for name in modules_after("import wintun") if name.split(".")[0] != "wintun"}
    # A new CPython divides its own modules anew: what comes with warnings counts once.
    besides = others - modules_after("import warnings")
    assert len(besides) <= 3, besides


@pytest.mark.parametrize("name", ["simulator", "Statistics", "DriverVersion"])
def test_what_is_imported_late_is_there_without_an_import_of_its_own(name: str) -> None:
    assert "wintun" in modules_after(f"import wintun; wintun.{name}")


def test_offload_is_not_imported_with_the_package_and_imports_nothing_slow() -> None:
    assert "wintun.offload" not in modules_after("import wintun")
    assert not modules_after("import wintun.offload") & set(SLOW_TO_IMPORT)


def test_the_command_line_is_not_imported_with_the_package() -> None:
    assert "wintun.cli" not in modules_after("import wintun")


def test_the_stable_abis_extension_has_the_name_that_every_python_looks_for() -> None:
    name = Path(_wintun.__file__).name
    if "abi3" not in name:
        pytest.skip(f"{name}: built for one Python alone, or Windows', where all have one name")
    assert name == "_wintun.abi3.so"


# --- Which module needs which -------------------------------------------------------------------

PACKAGE = Path(wintun.__file__).parent


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, those inside others too, without what only a type checker sees."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            continue
        yield statement
        for part in ("body", "orelse", "finalbody", "handlers"):
            for inner in getattr(statement, part, ()):
                yield from statements(
                    inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                )


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules of the package that a file imports, also in its functions."""
    package = ["wintun", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for statement in statements(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) + 1 - statement.level] if statement.level else []
            name = ".".join([*above, *filter(None, [statement.module])])
            inner = {f"{name}.{alias.name}" for alias in statement.names} & modules
            found |= inner or {name}
    return found & modules


def test_no_two_modules_need_each_other() -> None:
    files = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        files[".".join(["wintun", *(part for part in parts if part != "__init__")])] = path
    needs = {name: imports_of(path, set(files)) for name, path in files.items()}
    assert needs["wintun._aio._loops"] >= {"wintun._aio._asyncio", "wintun._aio._trio"}
    # The package itself is what its own commands import, and they are not imported with it.
    for name in needs:
        needs[name] -= {"wintun", name}
    TopologicalSorter(needs).prepare()
