# SPDX-License-Identifier: MIT
"""Fixtures: the library that answers what it is told to."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wintun
from compilers import compile_c
from wintun import simulator


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    source = Path(__file__).with_name("library.c")
    compile_c(["-shared", "-fPIC", "-fvisibility=hidden", source, "-o", "libhostile.so"], folder)
    return folder / "libhostile.so"


@pytest.fixture
def library(path: Path) -> Iterator[Any]:
    """The library, which new adapters are made with, and its controls."""
    controls = ctypes.CDLL(str(path))
    controls.HostileReset()
    wintun.load(str(path))
    yield controls
    simulator.use()
