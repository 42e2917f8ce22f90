# SPDX-License-Identifier: MIT
"""What the process holds, to see whether it grows."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from typing import NamedTuple

from helpers import open_handles


class Resources(NamedTuple):
    """What the process holds at one moment; 0 where the system does not say."""

    resident: int
    """Bytes of memory: resident on Linux, committed on Windows."""
    heap: int
    """Bytes that C code has allocated and not freed (glibc)."""
    blocks: int
    """Blocks that Python's allocator has given out."""
    handles: int
    """File descriptors, or handles of Windows."""
    threads: int
    """Threads of the system, or, where it does not say, of Python."""

    def __sub__(self, before: Resources) -> Resources:
        return Resources(*(now - then for now, then in zip(self, before)))


def measure() -> Resources:
    blocks = count_blocks()
    return Resources(_memory(), _heap(), blocks, open_handles(), _count_threads())


def count_blocks() -> int:
    """Blocks that Python's allocator has given out, without what a collection frees."""
    gc.collect()
    _clear_caches()  # they keep the names that attributes were looked up by
    return sys.getallocatedblocks()


if sys.version_info >= (3, 13):
    _clear_caches = sys._clear_internal_caches
else:
    _clear_caches = sys._clear_type_cache


def _count_threads() -> int:
    tasks = "/proc/self/task"
    return len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()


if sys.platform == "win32":

    class _MemoryCounters(ctypes.Structure):
        _fields_ = [
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            *((f"unused_{i}", ctypes.c_size_t) for i in range(8)),
            ("private", ctypes.c_size_t),
        ]

    def _memory() -> int:
        counters = _MemoryCounters(size=ctypes.sizeof(_MemoryCounters))
        ask = ctypes.windll.kernel32.K32GetProcessMemoryInfo
        ask(ctypes.c_void_p(-1), ctypes.byref(counters), counters.size)
        return int(counters.private)

else:

    def _memory() -> int:
        if not os.path.exists("/proc/self/statm"):
            return 0
        with open("/proc/self/statm", encoding="ascii") as sizes:
            return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _HeapInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"),
            *("uordblks", "fordblks", "keepcost"),
        )
    ]


def _heap() -> int:
    """Bytes given out by malloc, in its arenas and in mappings of their own."""
    ask = None if sys.platform == "win32" else getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return 0
    ask.restype = _HeapInfo
    info = ask()
    return int(info.uordblks + info.hblkhd)
