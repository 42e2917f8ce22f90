# SPDX-License-Identifier: MIT
"""Makes calls of the package's libraries fail: those to the system, and those for Python's memory.

The C files beside this one do it. They are built where they are needed, with the compiler of this
system; for Windows, where there is none, WINTUN_TEST_ALLOCATOR names the built allocator.c.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import wintun._wintun
from compilers import MISSING, compile_c
from wintun import simulator

FOR_EVER = 0x7FFFFFFF

SOURCES = ["allocator.c", *(["interpose.c"] if sys.platform == "linux" else [])]


@functools.cache
def load() -> ctypes.CDLL:
    """Builds and loads the C files; skips the test where that cannot be."""
    built = os.environ.get("WINTUN_TEST_ALLOCATOR")
    if built:
        return ctypes.CDLL(built)
    if MISSING:
        pytest.skip(f"{MISSING}, and WINTUN_TEST_ALLOCATOR names no library")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [Path(__file__).with_name(source) for source in SOURCES]
        compile_c(["-shared", "-fPIC", *sources, "-o", "interpose.so"], folder)
        return ctypes.CDLL(str(folder / "interpose.so"))


# --- Python's memory ------------------------------------------------------------------------------


class _Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("context", *"mcrf")]


_originals: list[_Allocator] = []  # used for as long as the process lives


class Allocations:
    """The allocations of Python's that this thread makes, of objects and of other memory."""

    _DOMAINS = (1, 2)  # PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ; without the GIL nobody may fail

    def __init__(self) -> None:
        self._library = load()
        # Set here, for a call would need memory to begin and to end.
        self._active = ctypes.c_int.in_dll(self._library, "allocator_active")
        self._in_extension = ctypes.c_int.in_dll(self._library, "allocator_in_extension")

    def fail(self, after: int, times: int) -> Allocations:
        """Makes some fail, after others, in the body of a `with` statement."""
        self._plan = (after, times)
        return self

    @property
    def in_extension(self) -> bool:
        """Whether the one that failed was the extension's; elsewhere than on Linux never."""
        return bool(self._in_extension.value)

    def __enter__(self) -> None:
        self._library.allocator_plan(*self._plan)
        self._active.value = 1

    def __exit__(self, *unused: object) -> None:
        self._active.value = 0
        self.calls = self._library.allocator_end()


@contextmanager
def python_allocations() -> Iterator[Allocations]:
    """Puts the allocator that can fail before Python's own, for the body of a `with` statement."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("CPython 3.13 without the GIL crashes by itself: a `with` finds no memory")
    python = ctypes.pythonapi
    library = load()
    before = []
    for domain in Allocations._DOMAINS:
        original, wrapper = _Allocator(), _Allocator()
        python.PyMem_GetAllocator(domain, ctypes.byref(original))
        library.allocator_wrap(ctypes.byref(original), ctypes.byref(wrapper))
        python.PyMem_SetAllocator(domain, ctypes.byref(wrapper))
        _originals.extend((original, wrapper))
        before.append(original)
    try:
        yield Allocations()
    finally:
        for domain, original in zip(Allocations._DOMAINS, before):
            python.PyMem_SetAllocator(domain, ctypes.byref(original))


# --- Calls to the system --------------------------------------------------------------------------


class SystemCall(NamedTuple):
    """The calls that one library makes of one function of the system."""

    library: str
    function: str


class SystemCalls:
    """What the package's two libraries call of the system, counted and made to fail."""

    def __init__(self) -> None:
        self._native = load()
        self._native.interpose_function.restype = ctypes.c_char_p
        self._native.interpose_site.restype = ctypes.c_size_t
        self.paths = {
            "extension": str(wintun._wintun.__file__),
            "simulator": simulator.library_path(),
        }
        self._names = [os.fsencode(path) for path in self.paths.values()]  # used for ever
        self._numbers = {}
        for library, name in zip(self.paths, self._names):
            self._numbers[library] = self._native.interpose_library(name)
            assert self._numbers[library] >= 0, f"{library} is not loaded"
        self._functions: dict[str, int] = {}
        while name := self._native.interpose_function(len(self._functions)):
            self._functions[name.decode()] = len(self._functions)

    def __iter__(self) -> Iterator[SystemCall]:
        """All that can be made to fail."""
        for library in self._numbers:
            for function in self._functions:
                yield SystemCall(library, function)

    def plan(self, call: SystemCall, after: int = 0, times: int = 0, error: int = 0) -> None:
        """Makes `times` calls fail with `error` after those that succeed; counts from 0 again."""
        self._native.interpose_plan(*self._key(call), after, times, error)

    def calls(self, call: SystemCall) -> int:
        return int(self._native.interpose_calls(*self._key(call)))

    def met(self, call: SystemCall) -> int:
        """How many have failed."""
        return int(self._native.interpose_met(*self._key(call)))

    def blocks(self) -> int:
        """How many blocks the libraries have allocated more than freed, one for the other too."""
        return sum(map(self._native.interpose_blocks, self._numbers.values()))

    def sites(self, library: str) -> set[int]:
        """Where calls returned to, as offsets into the library."""
        found: set[int] = set()
        while site := self._native.interpose_site(self._numbers[library], len(found)):
            found.add(site)
        return found

    def _key(self, call: SystemCall) -> tuple[int, int]:
        return self._numbers[call.library], self._functions[call.function]


@functools.cache
def system_calls() -> SystemCalls:
    if sys.platform != "linux" or sys.maxsize < 2**32:
        pytest.skip("changes the tables of a 64-bit ELF library: Linux only")
    return SystemCalls()
