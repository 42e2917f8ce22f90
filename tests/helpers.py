# SPDX-License-Identifier: MIT
"""What several test modules need: packets, the ring's arithmetic, threads that report back."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any, Callable, Generic, TypeVar

Result = TypeVar("Result")

SCALE = float(os.environ.get("WINTUN_TEST_SCALE", "1"))
"""Factor for the counts of the heavy tests: 1 is the full size, sanitizers and Wine want less."""

STRESS = bool(os.environ.get("WINTUN_STRESS"))
"""Whether the tests marked `stress` run at their full length, as in `nox -s stress`."""

SEED = int(os.environ.setdefault("WINTUN_TEST_SEED", str(random.randrange(2**32))))
"""Seed of the random tests: a new one each time, the same in all processes of a run. A run names
it; WINTUN_TEST_SEED gives it again."""

HANG_SECONDS = 60.0
"""How long anything may take before a test calls it hung. Far above what it does take."""

PROMPT_SECONDS = 1.0 if SCALE >= 1 else 5.0
"""The second within which everybody returns from a closed session; more where code runs slowly."""

MIN_CAPACITY = 0x20000
MAX_CAPACITY = 0x4000000
MAX_PACKET = 0xFFFF
ALIGNMENT = 4


def scaled(count: int, at_least: int = 1) -> int:
    """The share of `count` to do under WINTUN_TEST_SCALE, never less than `at_least`."""
    return max(at_least, int(count * SCALE))


def volume(in_suite: int, in_stress: int) -> int:
    """How much a test marked `stress` does: `in_suite` under WINTUN_TEST_SCALE, or all of it."""
    return in_stress if STRESS else scaled(in_suite)


def pattern(size: int, seed: int = 0) -> bytes:
    """`size` bytes that differ from place to place: a shifted copy does not compare equal."""
    period = bytes((seed + index * 7) % 251 for index in range(251))
    return (period * (size // len(period) + 1))[:size]


def ipv4_packet(size: int, seed: int = 0) -> bytes:
    """What the driver takes for IPv4, of `size` (at least 20) bytes."""
    return struct.pack(">BBH", 0x45, 0, size) + pattern(size - 4, seed)


def ipv6_packet(size: int, seed: int = 0) -> bytes:
    """What the driver takes for IPv6, of `size` (at least 40) bytes."""
    return struct.pack(">IHBB", 0x60000000, size - 40, 59, 64) + pattern(size - 8, seed)


def slot_size(packet_size: int) -> int:
    """Bytes that a packet takes in a ring: its size word and itself, aligned."""
    return (4 + packet_size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def usable(capacity: int) -> int:
    """Bytes of slots that an empty ring takes: one alignment unit tells full from empty."""
    return capacity - ALIGNMENT


def sizes_that_fill(capacity: int) -> list[int]:
    """Packet sizes that fill an empty ring to its last byte."""
    sizes = []
    left = usable(capacity)
    while left:
        slot = min(left, slot_size(MAX_PACKET - 3))
        if 0 < left - slot < slot_size(20):
            slot -= slot_size(20)
        sizes.append(slot - 4)
        left -= slot
    return sizes


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that happens on another thread."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"hung: {what}"
        time.sleep(0.001)


def system_text(code: int) -> str:
    """The system's text for a Win32 error code, as errors quote it."""
    if sys.platform == "win32":
        import ctypes

        text = ctypes.FormatError(code).rstrip(".\r\n ")
        return f"Win32 error {code}" if text == "<no description>" else text
    return {
        2: "The system cannot find the file specified",
        5: "Access is denied",
        8: "Not enough memory resources are available",
        13: "The data is invalid",
        31: "A device attached to the system is not functioning",
        38: "Reached the end of the file",
        50: "The request is not supported",
        80: "The file exists",
        87: "The parameter is incorrect",
        111: "The file name is too long",
        183: "Cannot create a file when that file already exists",
        258: "The wait operation timed out",
        1168: "Element not found",
        1247: "An attempt was made to perform an initialization operation when initialization has "
        "already been completed",
        1314: "A required privilege is not held by the client",
        4319: "The device is not ready for use",
        5010: "The object already exists",
    }.get(code, f"Win32 error {code}")


def open_handles() -> int:
    """How many handles or descriptors the process has open; 0 where nobody says."""
    if sys.platform == "win32":
        import ctypes

        count = ctypes.c_ulong()
        kernel = ctypes.windll.kernel32
        kernel.GetProcessHandleCount(ctypes.c_void_p(-1), ctypes.byref(count))
        return count.value
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


PROGRAM_HEAD = """
import atexit
import sys
import threading
import time

import wintun
from wintun import simulator

simulator.use()
wintun.set_logger(None)

def packet(size):
    return b"\\x45" + bytes(size - 1)

def open_device(wire="memory", capacity=0x20000):
    made = wintun.TunDevice("exit", "Test", capacity)
    simulator.set_wire("exit", wire)
    made.up()
    return made

def start(function, *arguments, daemon=True, count=8):
    threads = [
        threading.Thread(target=function, args=arguments, daemon=daemon) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    return threads
"""
"""What a program of run_python starts with."""


WAITS = {
    "wait_read_event": "tun.wait_read_event()",
    "read": "tun.read(timeout=None)",
    "read_many": "tun.read_many(timeout=None)",
    "iteration": "for _ in tun: pass",
    "write": "tun.write(packet(60000), timeout=None)",
    "write_many": "tun.write_many([packet(60000)] * 5, timeout=None)",
}
"""Statements that wait for ever on the device `tun` of PROGRAM_HEAD, with a full ring to send."""


def run_python(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in an interpreter of its own, after PROGRAM_HEAD."""
    return subprocess.run(
        [sys.executable, *options, "-c", PROGRAM_HEAD + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_SECONDS,
        text=True,
        check=False,
    )


def check_clean_exit(program: str, *options: str, code: int = 0) -> None:
    """Runs a program as run_python does, and expects it to end well and say nothing."""
    done = run_python(program, *options)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""


class Witness:
    """A thread beside others that tells how long the machine let it wait for its turns."""

    TURN = 0.001
    NOTHING = 0.01
    """Seconds that a turn may take on a machine that has time."""

    def __init__(self) -> None:
        self.lost = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.is_set():
            time.sleep(self.TURN)
            now = time.monotonic()
            if now - before > self.NOTHING:
                self.lost += now - before
            before = now


def check_prompt(attempt: Callable[[], float], limit: float = PROMPT_SECONDS) -> None:
    """Expects that an attempt is prompt; each returns the seconds that it took.

    What a busy machine took from a thread beside it does not count. As it may take from one thread
    alone, an attempt that is late is made again, for as long as it takes to call it hung. What is
    late for a reason is late each time.
    """
    ends = time.monotonic() + HANG_SECONDS
    late: list[tuple[float, float]] = []
    while not late or time.monotonic() < ends:
        with Witness() as witness:
            took = attempt()
        if took - witness.lost < limit:
            return
        late.append((took, witness.lost))
    raise AssertionError(f"late each time: seconds taken, seconds of the machine: {late}")


class Worker(Generic[Result]):
    """A thread that runs one function and hands its result or its exception to the joiner."""

    def __init__(self, function: Callable[..., Result], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments
        self._result: Result | None = None
        self._error: BaseException | None = None
        self.started = threading.Event()
        self.finished_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.started.set()
        try:
            self._result = self._function(*self._arguments)
        except BaseException as error:  # handed to whoever joins
            self._error = error
        finally:
            self.finished_at = time.monotonic()
            del self._function, self._arguments

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _join(self) -> None:
        self._thread.join(HANG_SECONDS)
        assert not self._thread.is_alive(), "hung: a worker thread has not come back"

    def result(self) -> Result:
        """What the function returned; raises what it raised."""
        self._join()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def error(self) -> BaseException | None:
        """The exception that the function ended with, or None."""
        self._join()
        return self._error
