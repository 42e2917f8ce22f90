# SPDX-License-Identifier: MIT
"""The public names: all there, all documented, and the stub tells the truth about them."""

from __future__ import annotations

import ast
import inspect
import sys
from importlib import metadata
from pathlib import Path

import pytest

import wintun
from wintun import _wintun, offload

PACKAGE = Path(wintun.__file__).parent


@pytest.mark.parametrize("name", wintun.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(wintun, name) is not None
    assert name in dir(wintun)


@pytest.mark.parametrize("name", offload.__all__)
def test_every_function_of_offload_is_documented(name: str) -> None:
    documentation = inspect.getdoc(getattr(offload, name))
    assert documentation
    assert "bytes" in documentation


@pytest.mark.parametrize("name", wintun.__all__)
def test_every_public_class_and_function_is_documented(name: str) -> None:
    value = getattr(wintun, name)
    if not callable(value):
        return
    assert inspect.getdoc(value), name
    if not inspect.isclass(value) or issubclass(value, tuple):
        return
    for member in set(dir(value)) - set(dir(OSError)):
        if not member.startswith("_"):
            assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        wintun.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_that_of_the_installed_package() -> None:
    assert wintun.__version__ == metadata.version("wintun")


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_wintun.pyi").exists()


def stub_names() -> list[str]:
    """Names of the stub, those of classes with their members, as in "Adapter.open"."""
    names = []
    for node in ast.parse((PACKAGE / "_wintun.pyi").read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        if isinstance(node, ast.ClassDef):
            members = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            names += [f"{node.name}.{member.name}" for member in members]
    return names


def runtime_names() -> list[str]:
    """The same of the module itself, without what every object has."""
    names = []
    for name, value in vars(_wintun).items():
        if name.startswith("_"):
            continue
        names.append(name)
        if inspect.isclass(value) and not issubclass(value, OSError):
            names += [f"{name}.{member}" for member in vars(value) if not member.startswith("__")]
    return names


@pytest.mark.parametrize("name", stub_names())
def test_what_the_stub_has_is_there(name: str) -> None:
    if name.endswith("__buffer__") and sys.version_info < (3, 12):
        pytest.skip("a Python name for it exists from Python 3.12 on only")
    value: object = _wintun
    for part in name.split("."):
        value = getattr(value, part)


@pytest.mark.parametrize("name", runtime_names())
def test_what_is_there_the_stub_has(name: str) -> None:
    assert name in stub_names()


def test_only_the_extension_makes_its_objects() -> None:
    for kind in (wintun.Adapter, wintun.Session, wintun.Packet):
        with pytest.raises(TypeError):
            kind()
