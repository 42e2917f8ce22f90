# SPDX-License-Identifier: MIT
"""A signal handler that raises at any moment: no lock stays taken, and the next call works.

The handler raises after each step of each public call, one after the other: the interpreter's
profiler tells of the steps, and a function in C, without a line of Python, makes the signal pending
there. So the handler runs where the interpreter itself lets it run, and every run is the same.
"""

from __future__ import annotations

import ast
import asyncio
import ctypes
import gc
import inspect
import os
import random
import signal
import sys
import weakref
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

import pytest

import wintun
from helpers import (
    HANG_SECONDS,
    MIN_CAPACITY,
    SCALE,
    SEED,
    Worker,
    ipv4_packet,
    open_handles,
    scaled,
)
from wintun import pytun, simulator

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]

PACKET = ipv4_packet(60)
OUR_FOLDER = os.path.dirname(wintun.__file__)


STRIDE = max(1, round(0.1 / SCALE))
"""Of so many moments one is tried: of all, unless code runs slowly."""


class Stop(KeyboardInterrupt):
    """What the handler raises: asyncio would report an Exception and go on."""


# --- The moments --------------------------------------------------------------------------------

_trip = ctypes.pythonapi.PyErr_SetInterrupt  # as if SIGINT had come
_trip.restype = None


class _Bait:
    """Makes the signal pending when it is freed, by a weak reference that calls C."""


class _Reference(weakref.ref):  # type: ignore[type-arg]
    _as_parameter_ = 0  # as what ctypes passes it on, to a function that takes nothing


class Moments:
    """Interrupts a function after its first step of our code, its second, and so on."""

    def __init__(self) -> None:
        self.moment = random.Random(SEED).randrange(1 - STRIDE, 1)
        self._left = 0
        self._before: Any = None
        self._reference: object = None

    def __enter__(self) -> Moments:
        self._before = signal.signal(signal.SIGINT, self._handle)
        # On Windows a loop of asyncio has Python write each signal to its socket too, and the one
        # of a loop that was interrupted itself is read by nobody.
        self._set_wakeup_fd = signal.set_wakeup_fd
        signal.set_wakeup_fd = lambda *arguments, **options: -1
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd = self._set_wakeup_fd
        signal.signal(signal.SIGINT, self._before)

    @staticmethod
    def _handle(number: int, frame: Any) -> None:
        if not is_in_destructor(frame):
            raise Stop

    def _step(self, frame: Any, event: str, argument: object) -> None:
        ours = frame.f_code.co_filename.startswith((OUR_FOLDER, __file__))
        if ours and not is_in_destructor(frame):
            self._left -= 1
            if self._left == 0:
                sys.setprofile(None)
                # Freed when this function has returned: so its own lines are not interrupted.
                bait = _Bait()
                self._reference = _Reference(bait, _trip)

    def run(self, function: Callable[[], object]) -> Stop | None:
        """Runs it up to its next moment, and returns what was raised, if anything.

        `has_more` says whether it got there.
        """
        self.moment += STRIDE
        self._left = self.moment
        try:
            call_it(self._step, function)
        except Stop as stop:
            return stop
        except (OSError, LookupError, TimeoutError):
            return None  # the call's own
        finally:
            sys.setprofile(None)
        return None

    @property
    def has_more(self) -> bool:
        return self._left <= 0


# Where weak references have their callbacks.
WEAK_FILES = {
    weakref.finalize.__init__.__code__.co_filename,
    weakref.WeakSet.add.__code__.co_filename,
}
# The destructor of a task of asyncio, which is in C, calls the second.
DESTRUCTORS = {"__del__", "call_exception_handler"}


def is_in_destructor(frame: Any) -> bool:
    """Whether a destructor runs, or a weak reference's callback: Python reports what they raise."""
    while frame is not None:
        code = frame.f_code
        if code.co_name in DESTRUCTORS or code.co_filename in WEAK_FILES:
            return True
        frame = frame.f_back
    return False


def call_it(step: Any, function: Callable[[], object]) -> None:
    sys.setprofile(step)
    try:
        function()
    finally:
        sys.setprofile(None)


# --- What is interrupted ------------------------------------------------------------------------


class Subject:
    """A device that is up, with a packet to read; and all that hangs on it."""

    kinds = ("TunDevice", "Adapter", "Session", "TunTapDevice")

    def __init__(self, name: str) -> None:
        self.name = name
        self.made: list[Any] = []
        self.has_run_tasks = False
        self.loop = asyncio.new_event_loop()
        simulator.set_wire(name, "memory")
        self.pytun = pytun.TunTapDevice(name)
        self.device = self.pytun.device
        self.device.ring_capacity = MIN_CAPACITY
        self.device.up()
        self.deliver()

    def deliver(self) -> None:
        simulator.deliver(self.name, PACKET)

    @property
    def adapter(self) -> wintun.Adapter:
        return self.device.adapter

    @property
    def session(self) -> wintun.Session:
        session = self.device.session
        assert session is not None
        return session

    def run_async(self, call: Callable[[], Any], *, later: bool = True) -> object:
        """Awaits what a call returns; its packet comes when it waits, or is there."""

        async def wait() -> object:
            if later:
                self.device.read()
                asyncio.get_running_loop().call_later(0.002, self.deliver)
            return await call()

        return self.run(wait())

    def run(self, coroutine: Any) -> object:
        """Like asyncio.run(), which must not be interrupted itself: `close_loop` does its end."""
        self.has_run_tasks = True
        return self.loop.run_until_complete(coroutine)

    def close_loop(self) -> None:
        """Ends the tasks and the loop. Any number of times."""
        if self.loop.is_closed():
            return
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        is_over = False
        while not is_over:
            try:
                self.loop.call_later(0.01, self.loop.stop)  # what is cancelled ends before
                self.loop.run_forever()
                is_over = True
            except Stop:
                pass  # on its way through the tasks
        self.loop.close()

    def close(self) -> None:
        self.close_loop()
        for each in self.made:
            each.close()
        self.device.close()


def both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], object]:
    """One after the other."""

    def call() -> None:
        first()
        second()

    return call


def packed() -> tuple[bytearray, array[int]]:
    return bytearray(0x20000), array("I", bytes(8 * 16))


def on_session(thing: Any) -> dict[str, list[Callable[[], object]]]:
    """The calls that a session and a device have in common."""
    buffer, spans = packed()
    return {
        "read": [thing.read, lambda: [thing.read(), thing.read(timeout=0.001)]],
        "read_many": [thing.read_many],
        "read_into": [lambda: thing.read_into(buffer)],
        "read_packed": [lambda: thing.read_packed(buffer, spans)],
        "receive_packet": [thing.receive_packet],
        "receive_packets": [thing.receive_packets],
        "wait_read_event": [lambda: thing.wait_read_event(0.001)],
        "write": [lambda: thing.write(PACKET)],
        "write_many": [lambda: thing.write_many([PACKET] * 3)],
        "write_packed": [lambda: thing.write_packed(buffer, spans, 0)],
        "allocate_send_packet": [lambda: thing.allocate_send_packet(60)],
        "allocate_send_packets": [lambda: thing.allocate_send_packets([60, 61])],
        "__next__": [lambda: next(iter(thing))],
        "__iter__": [lambda: iter(thing)],
    }


def calls_of_device(subject: Subject) -> dict[str, list[Callable[[], object]]]:
    device = subject.device

    async def iterate() -> object:
        async for packet in device:
            return packet
        return None

    def make() -> None:
        device.close()
        subject.made.append(wintun.TunDevice(subject.name, "Test", MIN_CAPACITY))

    return {
        **on_session(device),
        "__init__": [make],
        "__enter__": [device.__enter__],
        "__exit__": [lambda: device.__exit__(None, None, None)],
        "__repr__": [lambda: repr(device)],
        "__aiter__": [lambda: device.__aiter__()],
        "__anext__": [lambda: subject.run_async(iterate)],
        "open": [lambda: subject.made.append(wintun.TunDevice.open(subject.name, MIN_CAPACITY))],
        "up": [both(device.down, device.up)],
        "down": [device.down, both(device.down, device.down)],
        "close": [device.close, both(device.close, device.close)],
        "recreate": [
            device.recreate,
            both(lambda: simulator.remove_adapter(subject.name), device.recreate),
        ],
        "add_address": [lambda: device.add_address("10.1.2.3/24")],
        "remove_address": [
            both(
                lambda: device.add_address("10.1.2.3/24"),
                lambda: device.remove_address("10.1.2.3"),
            )
        ],
        "read_async": [
            lambda: subject.run_async(device.read_async),
            lambda: subject.run_async(device.read_async, later=False),
        ],
        "read_many_async": [lambda: subject.run_async(device.read_many_async)],
        "write_async": [lambda: subject.run_async(lambda: device.write_async(PACKET))],
        "write_many_async": [
            lambda: subject.run_async(lambda: device.write_many_async([PACKET] * 3)),
            lambda: subject.run_async(lambda: fill_and_drain(subject)),
        ],
    }


async def fill_and_drain(subject: Subject) -> None:
    """A write that has to wait for room."""
    simulator.pause(subject.name)
    big = ipv4_packet(60000)
    while True:
        try:
            subject.device.write(big)
        except wintun.RingFullError:
            break
    asyncio.get_running_loop().call_later(0.002, simulator.drain, subject.name, 100)
    await subject.device.write_many_async([big])


def calls_of_adapter(subject: Subject) -> dict[str, list[Callable[[], object]]]:
    adapter = subject.adapter

    def start() -> None:
        subject.device.down()
        adapter.start_session(MIN_CAPACITY).end()

    return {
        "create": [lambda: subject.made.append(wintun.Adapter.create(subject.name + " 2", "Test"))],
        "open": [lambda: subject.made.append(wintun.Adapter.open(subject.name))],
        "start_session": [start],
        "close": [adapter.close],
        "get_mtu": [lambda: adapter.get_mtu(4)],
        "set_mtu": [lambda: adapter.set_mtu(4, 1400)],
        "wait_family": [lambda: adapter.wait_family(4, 0.1)],
        "get_addresses": [adapter.get_addresses],
        "add_address": [lambda: adapter.add_address(b"\x0a\1\2\3", 24)],
        "remove_address": [
            both(
                lambda: adapter.add_address(b"\x0a\1\2\3", 24),
                lambda: adapter.remove_address(b"\x0a\1\2\3"),
            )
        ],
        "__repr__": [lambda: repr(adapter)],
        "__enter__": [adapter.__enter__],
        "__exit__": [lambda: adapter.__exit__(None, None, None)],
    }


def calls_of_session(subject: Subject) -> dict[str, list[Callable[[], object]]]:
    session = subject.session
    return {
        **on_session(session),
        "end": [session.end],
        "__repr__": [lambda: repr(session)],
        "__enter__": [session.__enter__],
        "__exit__": [lambda: session.__exit__(None, None, None)],
    }


def calls_of_pytun(subject: Subject) -> dict[str, list[Callable[[], object]]]:
    tun = subject.pytun

    def make() -> None:
        tun.close()
        subject.made.append(pytun.TunTapDevice(subject.name))

    def make_on_one() -> None:
        subject.made.append(pytun.TunTapDevice(subject.name))  # opens the one that is there

    def cancel_and_read() -> None:
        tun.read(1)
        tun.cancel_read()
        tun.read()

    def cancel_async() -> object:
        async def read() -> object:
            asyncio.get_running_loop().call_later(0.002, tun.cancel_read)
            return await tun.async_read()

        return subject.run(read())

    return {
        "__init__": [make, make_on_one],
        "__enter__": [tun.__enter__],
        "__exit__": [lambda: tun.__exit__(None, None, None)],
        "__repr__": [lambda: repr(tun)],
        "up": [both(tun.down, lambda: tun.up(MIN_CAPACITY))],
        "down": [tun.down],
        "close": [tun.close],
        "fileno": [lambda: tun.fileno()],
        "read": [lambda: tun.read(1), lambda: [tun.read(1), tun.read(1)]],
        "async_read": [lambda: subject.run_async(tun.async_read), cancel_async],
        "async_read_batch": [lambda: subject.run_async(tun.async_read_batch)],
        "cancel_read": [cancel_and_read],
        "write": [lambda: tun.write(b"\0\0\x08\0" + PACKET), lambda: tun.write(bytes(70000))],
    }


VALUES: dict[str, object] = {
    "ring_capacity": MIN_CAPACITY,
    "spin_us": 5,
    "ip_only": True,
    "restart_on_corruption": True,
    "mtu": 1400,
    "mtu4": 1400,
    "mtu6": 1400,
    "addr": "10.9.8.7/24",
    "addr4": "10.9.8.7/24",
    "addr6": "fd00::7/64",
    "addresses": ["10.9.8.7/24", "fd00::7/64"],
}
"""For each property that can be set, of whatever class, a value."""

CLASSES: dict[str, tuple[type, Callable[[Subject], Any], Any]] = {
    "TunDevice": (wintun.TunDevice, lambda subject: subject.device, calls_of_device),
    "Adapter": (wintun.Adapter, lambda subject: subject.adapter, calls_of_adapter),
    "Session": (wintun.Session, lambda subject: subject.session, calls_of_session),
    "TunTapDevice": (pytun.TunTapDevice, lambda subject: subject.pytun, calls_of_pytun),
}

# Of the special methods those that do something of ours; `object` has the others.
SPECIAL = ("__init__", "__enter__", "__exit__", "__iter__", "__next__", "__aiter__", "__anext__")


def is_property(kind: type, name: str) -> bool:
    return inspect.isdatadescriptor(getattr(kind, name))


def is_settable(kind: type, thing: object, name: str) -> bool:
    described = getattr(kind, name)
    if isinstance(described, property):
        return described.fset is not None
    try:
        setattr(thing, name, getattr(thing, name))
    except AttributeError:
        return False
    return True


def public(kind: type) -> list[str]:
    """Every public method and property of a class: a new one is among them by itself."""
    names = [name for name in dir(kind) if not name.startswith("_")]
    special = [
        name
        for name in (*SPECIAL, "__repr__")
        if getattr(kind, name, None) is not getattr(object, name, None)
    ]
    return names + special


def cases() -> Iterator[tuple[str, str]]:
    for kind, (of, _, _) in CLASSES.items():
        for name in public(of):
            if name != "__init__" or of not in (wintun.Adapter, wintun.Session):
                yield kind, name  # those two cannot be made so


def calls(kind: str, name: str, subject: Subject) -> list[Callable[[], object]]:
    of, get, others = CLASSES[kind]
    thing = get(subject)
    if not is_property(of, name):
        table: dict[str, list[Callable[[], object]]] = others(subject)
        assert name in table, f"{kind}.{name} is new: say above how it is called"
        return table[name]
    found: list[Callable[[], object]] = [lambda: getattr(thing, name)]
    if not is_settable(of, thing, name):
        return found
    assert name in VALUES, f"{kind}.{name} can be set: say above to what"
    return [*found, lambda: setattr(thing, name, VALUES[name])]


# --- What must hold after it --------------------------------------------------------------------


def check(subject: Subject) -> None:
    """Uses all that the object has, in another thread: a lock that is taken would hold it up."""
    for each in subject.made:
        each.close()
    device, tun = subject.device, subject.pytun
    if device.closed:
        # It says so truly: the name is free, and nothing is left.
        assert not device.is_up
        with pytest.raises(wintun.ClosedError):
            device.up()
        device.close()
        wintun.Adapter.create(subject.name, "Test").close()
        return
    assert device.statistics is not None
    device.recreate()  # which does nothing unless the adapter was taken away
    assert device.is_up == (device.session is not None)
    device.up()  # whatever it finds, it works afterwards
    check_traffic(subject)
    device.down()
    assert not device.is_up
    with pytest.raises(wintun.ClosedError):
        device.read()
    device.up()
    check_traffic(subject)
    device.addresses = ["10.1.1.1/24"]
    assert device.addr == "10.1.1.1"
    device.spin_us = 7
    # No read waits: so it is the next one that is cancelled.
    tun.cancel_read()
    assert tun.read() is None
    tun.write(bytes(70000))
    asyncio.run(asyncio.wait_for(read_in_loop(subject), HANG_SECONDS))


async def read_in_loop(subject: Subject) -> None:
    asyncio.get_running_loop().call_later(0.001, subject.deliver)
    assert await subject.pytun.async_read() == PACKET


def check_traffic(subject: Subject) -> None:
    simulator.resume(subject.name)
    simulator.drain(subject.name, 10_000)
    while subject.device.read() is not None:
        pass
    subject.deliver()
    assert subject.device.read(timeout=HANG_SECONDS) == PACKET
    subject.device.write(PACKET)
    assert simulator.collect(subject.name) == PACKET


def watches() -> int:
    from wintun._aio import _watch

    references = [each for watches in _watch._sessions.values() for each in watches._watches]
    return sum(each() is not None for each in references)


@pytest.mark.threads
@pytest.mark.parametrize(("kind", "name"), list(cases()))
def test_a_handler_may_raise_after_every_step_of(
    unique_name: Callable[[], str], kind: str, name: str
) -> None:
    variants = len(calls(kind, name, first := Subject(unique_name())))
    first.close()
    del first
    Worker(check, started := Subject(unique_name())).result()  # what is imported late is there
    started.close()
    del started
    gc.collect()
    handles = open_handles()
    for variant in range(variants):
        with Moments() as moments:
            while interrupt_once(unique_name(), moments, kind, name, variant):
                pass
        assert moments.moment < 5000
    gc.collect()
    assert open_handles() <= handles


def interrupt_once(name: str, moments: Moments, kind: str, member: str, variant: int) -> bool:
    subject = Subject(name)
    stop = moments.run(calls(kind, member, subject)[variant])
    subject.close_loop()  # a task that waits would still wait
    if subject.has_run_tasks:
        # Also one that asyncio forgot, where it was interrupted itself; it goes with the traceback.
        stop = None
        gc.collect()
    # The traceback lives, with all frames of the call: nothing may hang on them.
    Worker(check, subject).result()
    assert not subject.pytun._waits.reads
    subject.close()
    del stop, subject
    if simulator.counts() != (0, 0, 0, 0) or watches():
        gc.collect()  # what a broken loop of asyncio holds, in cycles
    assert simulator.counts() == (0, 0, 0, 0), f"at moment {moments.moment}"
    assert watches() == 0
    return moments.has_more


@pytest.mark.parametrize("make", ["TunDevice", "TunDevice.open", "TunTapDevice", "opening one"])
def test_nothing_is_left_of_a_device_whose_making_was_interrupted(
    unique_name: Callable[[], str], make: str
) -> None:
    name = unique_name()
    makers: dict[str, Callable[[], Any]] = {
        "TunDevice": lambda: wintun.TunDevice(name, "Test"),
        "TunDevice.open": lambda: wintun.TunDevice.open(name),
        "TunTapDevice": lambda: pytun.TunTapDevice(name),
        "opening one": lambda: pytun.TunTapDevice(name),
    }
    is_there = make in ("TunDevice.open", "opening one")
    stops = []
    with Moments() as moments:
        while True:
            there = wintun.Adapter.create(name, "Test") if is_there else None
            made: list[Any] = []
            stop = moments.run(lambda: made.append(makers[make]()))  # noqa: B023
            if not moments.has_more:
                break
            stops.append(stop)  # the traceback lives, as in a program that handles the exception
            for device in made:
                device.close()
            if there is not None:
                there.close()
            assert simulator.counts() == (0, 0, 0, 0), f"at moment {moments.moment}"
    assert moments.moment > 0
    made[0].close()
    if there is not None:
        there.close()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timer")
@pytest.mark.skipif(
    sys.version_info < (3, 10),
    reason="CPython 3.9 lets a handler raise between two instructions of a with statement's end",
)
@pytest.mark.parametrize(
    "member", ["up and down", "statistics", "read_async", "pytun.read", "addresses"]
)
def test_a_handler_may_raise_at_any_instant(unique_name: Callable[[], str], member: str) -> None:
    chance = random.Random(SEED)
    subject = Subject(unique_name())
    device, tun = subject.device, subject.pytun
    work: dict[str, Callable[[], object]] = {
        "up and down": both(device.down, device.up),
        "statistics": lambda: device.statistics,
        "read_async": lambda: subject.run(asyncio.wait_for(device.read_async(), 0.0001)),
        "pytun.read": lambda: tun.read(0),
        "addresses": both(lambda: device.addresses, lambda: setattr(device, "addr", "10.1.2.3")),
    }

    armed = False

    def handle(number: int, frame: object) -> None:
        nonlocal armed
        if is_in_destructor(frame):
            signal.setitimer(signal.ITIMER_REAL, 0.0002)
        elif armed:
            armed = False
            raise Stop

    def work_on() -> None:
        while armed:
            with suppress(TimeoutError, asyncio.TimeoutError, OSError):
                work[member]()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        for _ in range(scaled(300, at_least=30)):
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.003))
                work_on()
            except Stop:
                pass
            subject.close_loop()
            subject.loop = asyncio.new_event_loop()
            Worker(check, subject).result()
            assert not tun._waits.reads
    finally:
        signal.signal(signal.SIGALRM, before)
    subject.close()
    gc.collect()
    assert simulator.counts() == (0, 0, 0, 0)


def loops_in(nodes: list[ast.stmt]) -> Iterator[ast.While]:
    """The `while` loops among the statements, without those of functions that these define."""
    for node in nodes:
        found: list[ast.AST] = [node]
        while found:
            each = found.pop()
            if isinstance(each, ast.While):
                yield each
            if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found += ast.iter_child_nodes(each)


@pytest.mark.parametrize("path", sorted(Path(OUR_FOLDER).rglob("*.py")), ids=lambda path: path.name)
def test_no_while_loop_stands_in_a_block_that_ends_something(path: Path) -> None:
    """Of CPython 3.12 and 3.13: what a handler raises where a round ends passes over that end."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.With, ast.AsyncWith)) or (
            isinstance(node, ast.Try) and (node.finalbody or ends_something(node))
        ):
            lines = [loop.lineno for loop in loops_in(node.body)]
            assert not lines, f"{path.name}: give the loop of line {lines} a function of its own"


def ends_something(node: ast.Try) -> bool:
    kinds = [ast.unparse(each.type) if each.type is not None else "" for each in node.handlers]
    return "BaseException" in kinds or "" in kinds
