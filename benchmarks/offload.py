"""Merging and splitting of TCP segments against copying and summing the same bytes, in turn.

A batch is what one packet of 64 KiB comes in: 46 segments of 1400 bytes. It is written to memory
that is used round and round, as a ring is. "Plain" is the checksum as RFC 1071 gives it in C; both
are built with the same compiler and options.
"""

from __future__ import annotations

import ctypes
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from wintun import offload

from .native import loops

SIZE = 1400
HEADERS = 40
SEGMENTS = 46
RING = 0x400000
TURNS = 200

COPY = "memcpy"
SUM = "checksum pass"
PLAIN_SUM = "plain checksum pass"
COPY_AND_SUM = "memcpy, checksum pass"
COPY_AND_PLAIN_SUM = "memcpy, plain checksum pass"
MERGE = "merge"
MERGE_TRUSTED = "merge, verify=False"
SPLIT = "split"
MERGE_LIST = "offload.merge(list)"
SPLIT_LIST = "offload.split(packet)"


class Result(NamedTuple):
    """What a segment costs."""

    what: str
    ns: float  # median of the time a segment
    best_ns: float
    copies: float  # median of the runs' ratios to memcpy
    copies_and_sums: float  # the same to memcpy and a checksum pass
    copies_and_plain_sums: float  # the same to memcpy and a plain one


class Work(ctypes.Structure):
    """struct work of offload_loop.c."""

    _fields_ = [
        ("packets", ctypes.c_char_p),
        ("count", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("ring", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("turns", ctypes.c_uint32),
        ("sum", ctypes.c_uint32),
    ]


def segment(number: int) -> bytes:
    """One of the segments of a stream."""
    payload = bytes((number * 31 + place * 7) % 251 for place in range(SIZE - HEADERS))
    address = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    ip = struct.pack(">BBHHHBBH", 0x45, 0, SIZE, number, 0x4000, 64, 6, 0) + b"".join(address)
    sequence = number * len(payload)
    tcp = struct.pack(">HHIIBBHHH", 443, 50000, sequence, 1, 0x50, 0x10, 500, 0, 0)
    return offload.fill_checksums(ip + tcp + payload)


def contenders(c_loop: Path | None) -> dict[str, Callable[[], object]]:
    """What is measured: each does TURNS batches."""
    library = loops(c_loop)
    segments = [segment(number) for number in range(SEGMENTS)]
    (whole,) = offload.merge(segments)
    ring = ctypes.create_string_buffer(RING)
    address = ctypes.addressof(ring)
    batch = Work(b"".join(segments), SEGMENTS, SIZE, address, RING, TURNS, 0)
    large = Work(whole, SEGMENTS, SIZE, address, RING, TURNS, 0)

    def loop(name: str) -> Callable[[], object]:
        return lambda: (getattr(library, name)(ctypes.byref(batch)), ring)

    def merge_list() -> None:
        for _ in range(TURNS):
            offload.merge(segments)

    def split_list() -> None:
        for _ in range(TURNS):
            offload.split(whole, SIZE)

    return {
        COPY: loop("loop_copy"),
        SUM: loop("loop_sum"),
        PLAIN_SUM: loop("loop_plain_sum"),
        COPY_AND_SUM: loop("loop_copy_and_sum"),
        COPY_AND_PLAIN_SUM: loop("loop_copy_and_plain_sum"),
        MERGE: loop("loop_merge"),
        MERGE_TRUSTED: loop("loop_merge_trusted"),
        SPLIT: lambda: library.loop_split(ctypes.byref(large), len(whole)),
        MERGE_LIST: merge_list,
        SPLIT_LIST: split_list,
    }


def measure(repeats: int, c_loop: Path | None) -> list[Result]:
    """Measures all in turn."""
    made = contenders(c_loop)

    def one_round() -> dict[str, float]:
        times = {}
        for what, run in made.items():
            started = time.perf_counter_ns()
            run()
            times[what] = (time.perf_counter_ns() - started) / (TURNS * SEGMENTS)
        return times

    one_round()  # it warms the caches
    rounds = [one_round() for _ in range(repeats)]

    def ratio(what: str, reference: str) -> float:
        return statistics.median(times[what] / times[reference] for times in rounds)

    return [
        Result(
            what,
            statistics.median(times[what] for times in rounds),
            min(times[what] for times in rounds),
            ratio(what, COPY),
            ratio(what, COPY_AND_SUM),
            ratio(what, COPY_AND_PLAIN_SUM),
        )
        for what in made
    ]


def table(results: Sequence[Result]) -> str:
    head = f"{'a segment of 1400 bytes':28} {'ns':>7} {'best':>7} {'memcpy':>7} {'+ sum':>7}"
    rows = (
        f"{r.what:28} {r.ns:7.1f} {r.best_ns:7.1f} {r.copies:7.2f} {r.copies_and_sums:7.2f} "
        f"{r.copies_and_plain_sums:7.2f}"
        for r in results
    )
    return "\n".join([f"{head} {'+ plain':>7}", *rows])
