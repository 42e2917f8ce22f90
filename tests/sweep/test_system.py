# SPDX-License-Identifier: MIT
"""Every call to the system is made to fail, once and for good, at every place that makes it."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from . import lives
from .interposer import FOR_EVER, SystemCall, SystemCalls, system_calls

NO_MEMORY = 8
INVALID_HANDLE = 6

EXPORTED = r"^(Wintun|Create|Get|Set|Delete|Convert)\w+: |^the simulator failed "

ERRORS = {
    "malloc": [errno.ENOMEM],
    "calloc": [errno.ENOMEM],
    "realloc": [errno.ENOMEM],
    "pipe": [errno.EMFILE],
    "pipe2": [errno.EMFILE],
    "open": [errno.EMFILE],
    "fcntl": [errno.EMFILE],
    "poll": [errno.EINTR, errno.ENOMEM],
    "read": [errno.EINTR, errno.EIO],
    "write": [errno.EINTR],
    "recv": [errno.EINTR, errno.EIO],
    "send": [errno.EINTR, errno.EAGAIN],
    "getsockopt": [errno.EBADF],
    "getpeername": [errno.ENOBUFS],
    "mmap": [errno.ENOMEM],
    "mprotect": [errno.ENOMEM],
    "access": [errno.EACCES],
    "nanosleep": [errno.EINTR],
    "dlopen": [errno.ENOENT],
    "dlsym": [errno.EINVAL],
    "pthread_create": [errno.EAGAIN],
}
"""How each function is made to fail."""

CANNOT_FAIL = {
    *("__errno_location", "__tls_get_addr", "clock_gettime", "dlerror", "getpid", "sched_yield"),
    *("memcmp", "memcpy", "memmove", "memset", "strchr", "strcmp", "strlen", "strncmp"),
    *("snprintf", "vsnprintf"),
    # Nothing is left to be done if they could.
    *("close", "dlclose", "free", "munmap"),
    "sysconf",  # of the size of a page
    # Once, when the library is loaded, which is before anything can be changed.
    *("__register_atfork", "pthread_key_create"),
    # The first slots of a process lie in memory that each thread has from its start.
    *("pthread_getspecific", "pthread_setspecific"),
    # With valid arguments and a mutex of the plain kind, as Linux has them.
    *("pthread_join", "pthread_mutex_destroy", "pthread_mutex_init", "pthread_mutex_lock"),
    *("pthread_mutex_trylock", "pthread_mutex_unlock"),
}


class Expected(NamedTuple):
    """What the program gets: an exception of the class, with the code, whose text matches."""

    kind: type[BaseException]
    winerror: int
    text: str


def expected(call: SystemCall, error: int) -> Expected | None:
    """What comes of a call that fails for good; None where the call is just made again."""
    if error in (errno.EINTR, errno.EAGAIN) and call.function != "pthread_create":
        return None
    if call.function == "dlsym":
        return None  # a function that the library does not have, it seems
    if call.library == "simulator":
        if call.function in ("poll", "read", "recv", "send"):
            return None  # threads of the driver's, which go on
        return Expected(OSError, NO_MEMORY, EXPORTED)
    if call.function in ("malloc", "calloc"):
        return Expected(MemoryError, 0, "")
    if call.function in ("poll", "read"):
        return Expected(OSError, INVALID_HANDLE, "^WaitForMultipleObjects: ")
    if call.function == "open":
        return Expected(OSError, NO_MEMORY, "^cannot open the file: ")
    if call.function == "access":
        return Expected(FileNotFoundError, 2, "^cannot load the library: ")
    if call.function == "dlopen":
        return Expected(OSError, 13, "^cannot load the library: dlopen failed$")
    return Expected(OSError, NO_MEMORY, "^(CreateEvent|DuplicateHandle): ")


IMPORTED = re.compile(r" U (?!_?Py|__(?:[alt]san|ubsan|sanitizer)_)(\w+)")
CALLED = re.compile(r"^ *([0-9a-f]+):.*\b(?:call|bl) +[0-9a-fx]+ <(\w+)@plt")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):")
BEGIN = re.compile(r"^[0-9a-f]+ <(\w+)>:")
USED = re.compile(r"[0-9a-fx] <(platform_\w+)>$", re.MULTILINE)


@pytest.fixture(scope="module")
def system() -> SystemCalls:
    return system_calls()


@contextmanager
def counting(system: SystemCalls, counts: dict[SystemCall, int]) -> Iterator[None]:
    for call in system:
        system.plan(call)
    yield
    for call in system:
        counts[call] = system.calls(call)


class Failure:
    """Some calls that fail, in the body of a `with` statement."""

    def __init__(
        self, system: SystemCalls, call: SystemCall, after: int, times: int, error: int
    ) -> None:
        self._system, self._call = system, call
        self._plan = (after, times, error)
        self.met = 0

    def __enter__(self) -> None:
        self._system.plan(self._call, *self._plan)

    def __exit__(self, *unused: object) -> None:
        self.met = self._system.met(self._call)
        self._system.plan(self._call)

    def __str__(self) -> str:
        after, times, error = self._plan
        calls = "all calls" if times == FOR_EVER else f"{times} of the calls"
        call = self._call
        return f"{calls} of {call.function} by the {call.library} after {after}, errno {error}"


def check(error: BaseException | None, wanted: Expected | None, failure: Failure) -> None:
    told = f"{failure}: {error!r}"
    if error is None:
        return
    assert wanted is not None, told
    assert isinstance(error, wanted.kind), told
    assert lives.winerror(error) == wanted.winerror, told
    assert re.search(wanted.text, getattr(error, "strerror", None) or str(error)), told


def failures(
    system: SystemCalls, counts: dict[SystemCall, int]
) -> Iterator[tuple[Failure, Expected | None]]:
    for call, count in counts.items():
        for error in ERRORS[call.function]:
            for after in lives.some_of(count):
                wanted = expected(call, error)
                for times in (1, FOR_EVER if wanted is not None else 3):
                    yield Failure(system, call, after, times, error), wanted


@pytest.mark.parametrize("life", lives.LIVES)
def test_a_call_that_fails_is_told_and_leaves_nothing_behind(
    system: SystemCalls, life: str
) -> None:
    use = lives.LIVES[life]
    counts: dict[SystemCall, int] = {}
    for _ in range(2):
        assert lives.live(use, counting(system, counts)) is None
    for failure, wanted in failures(system, counts):

        def fail(failure: Failure = failure, wanted: Expected | None = wanted) -> None:
            before = system.blocks()
            error = lives.live(use, failure)
            check(error, wanted, failure)
            if failure.met > 1 and wanted is not None:
                assert error is not None, f"{failure}: not told"
            assert system.blocks() == before, f"{failure}: leaks memory of C"

        with lives.nothing_left(str(failure)):
            assert lives.leaves_no_blocks(fail), f"{failure}: leaks memory of Python's"


@pytest.mark.parametrize("read_ahead", [False, True])
@pytest.mark.parametrize("read", lives.READS)
def test_a_packet_for_which_there_is_no_memory_is_counted(
    system: SystemCalls, read: str, read_ahead: bool
) -> None:
    for function in ("malloc", "calloc"):
        call = SystemCall("extension", function)
        counts: dict[SystemCall, int] = {}
        lives.check_nothing_lost(read, counting(system, counts), read_ahead)
        for after in lives.some_of(counts[call]):
            for times in (1, FOR_EVER):
                failure = Failure(system, call, after, times, errno.ENOMEM)
                lives.check_nothing_lost(read, failure, read_ahead)


# --- Nothing is forgotten -------------------------------------------------------------------------


def run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("library", ["extension", "simulator"])
def test_every_function_that_a_library_calls_can_be_made_to_fail(
    system: SystemCalls, library: str
) -> None:
    names = run("nm", "--dynamic", "--undefined-only", system.paths[library])
    imported = set(IMPORTED.findall(names))
    assert {"malloc", "poll", "free"} <= imported
    assert imported - CANNOT_FAIL <= {call.function for call in system}


def calls_in(path: str, functions: set[str]) -> dict[int, str]:
    """The places behind all calls of functions, as offsets into a library, and who calls whom.

    Both libraries have all of the system's seam, and each uses its part of it.
    """
    listing = run("objdump", "--disassemble", "--no-show-raw-insn", path)
    used = set(USED.findall(listing))
    found: dict[int, str] = {}
    caller, called = "", None
    for line in listing.splitlines():
        begin = BEGIN.match(line)
        instruction = INSTRUCTION.match(line)
        if begin is not None:
            caller = begin[1]
        if instruction is None or (caller.startswith("platform_") and caller not in used):
            continue
        if called is not None:
            found[int(instruction[1], 16)] = called
        call = CALLED.match(line)
        called = f"{call[2]} in {caller}" if call is not None and call[2] in functions else None
    return found


LIBRARIES_THAT_LOG_IN_THE_RINGS = "malloc in quiet_log"
"""Neither the driver nor the simulator does; tests/hostile has one that does."""


@pytest.mark.parametrize("library", ["extension", "simulator"])
def test_the_lives_make_every_call_that_there_is(system: SystemCalls, library: str) -> None:
    functions = {call.function for call in system}
    there = calls_in(system.paths[library], functions)
    assert there
    for use in lives.LIVES.values():
        assert lives.live(use, counting(system, {})) is None
    missing = {hex(site): name for site, name in there.items() if site not in system.sites(library)}
    missing = {
        site: name for site, name in missing.items() if name != LIBRARIES_THAT_LOG_IN_THE_RINGS
    }
    assert missing == {}
