# SPDX-License-Identifier: MIT
"""Adapters, sessions and devices for the tests, and the check that a test left nothing behind."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

import hypothesis
import pytest

import wintun
from helpers import MIN_CAPACITY, SEED
from wintun import simulator

_numbers = itertools.count(1)
# What hypothesis takes for too slow is a busy machine.
hypothesis.settings.register_profile(
    "wintun", deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("wintun")

# A shell lets what runs in its background ignore Ctrl-C, and nohup lets it ignore the end of the
# terminal. Programs that the tests start would inherit that, and tests send them both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_passed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--driver",
        action="store_true",
        help="run the tests marked driver on the real driver (needs Windows and Administrator)",
    )


def pytest_report_header() -> str:
    return f"seed of the random tests: {SEED} (WINTUN_TEST_SEED={SEED} repeats them)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--driver"):
        others = [item for item in items if item.get_closest_marker("driver") is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("driver") is not None]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_passed] = report.passed
    if report.failed:
        report.sections.append(("Seed of the random tests", f"WINTUN_TEST_SEED={SEED}"))


@pytest.fixture(scope="session")
def on_driver(request: pytest.FixtureRequest) -> bool:
    """Whether the adapters are the real driver's."""
    return bool(request.config.getoption("--driver"))


@pytest.fixture(scope="session", autouse=True)
def _library(on_driver: bool) -> None:
    if not on_driver:
        simulator.use()


@pytest.fixture
def unraisable() -> Iterator[list[Any]]:
    """What sys.unraisablehook was called with; without this fixture pytest fails the test."""
    seen: list[Any] = []
    previous = sys.unraisablehook
    sys.unraisablehook = lambda report: seen.append(report.exc_value)
    yield seen
    sys.unraisablehook = previous


def python_threads() -> int:
    """How many threads Python has started; not those of libraries, which it only remembers."""
    return sum(type(thread).__name__ != "_DummyThread" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(
    request: pytest.FixtureRequest, on_driver: bool, _library: None
) -> Iterator[None]:
    if on_driver:
        yield
        return
    threads = python_threads()
    logger = wintun.set_logger(None)
    wintun.set_logger(logger)
    before = simulator.counts()
    yield
    simulator.reset()
    wintun.set_logger(logger)
    if simulator.counts() != before:
        gc.collect()
    if not request.node.stash.get(_passed, False):
        return  # its frame still holds what it made
    # Fewer, where one that trio keeps for a while has ended.
    assert python_threads() <= threads, "a thread of the test still runs"
    assert simulator.counts() == before


@pytest.fixture
def unique_name() -> Callable[[], str]:
    """Makes adapter names that no other test has."""
    return lambda: f"test {os.getpid()} {next(_numbers)}"


@pytest.fixture
def make_adapter(unique_name: Callable[[], str]) -> Iterator[Callable[..., wintun.Adapter]]:
    """Creates adapters; the test's end closes them. Without a wire given it is the default one."""
    made: list[wintun.Adapter] = []

    def make(wire: str = "", **options: Any) -> wintun.Adapter:
        adapter = wintun.Adapter.create(unique_name(), "Test")
        made.append(adapter)
        if wire:
            set_wire: Any = simulator.set_wire
            set_wire(adapter.name, wire, **options)
        return adapter

    yield make
    for adapter in made:
        adapter.close()


@pytest.fixture
def adapter(make_adapter: Callable[..., wintun.Adapter]) -> wintun.Adapter:
    """An adapter: the simulator's, or the real driver's with --driver."""
    return make_adapter()


@pytest.fixture
def make_session(
    make_adapter: Callable[..., wintun.Adapter],
) -> Iterator[Callable[..., wintun.Session]]:
    """Starts sessions, each on an adapter of its own; the far side is the test's by default."""
    made: list[wintun.Session] = []

    def make(capacity: int = MIN_CAPACITY, wire: str = "memory", **options: Any) -> wintun.Session:
        session = make_adapter(wire, **options).start_session(capacity)
        made.append(session)
        return session

    yield make
    for session in made:
        session.end()


@pytest.fixture
def session(make_session: Callable[..., wintun.Session]) -> wintun.Session:
    """A session with the smallest rings whose far side is the test: deliver() and collect()."""
    return make_session()


@pytest.fixture
def make_device(unique_name: Callable[[], str]) -> Iterator[Callable[..., wintun.TunDevice]]:
    """Creates devices that are not up; the test's end closes them."""
    made: list[wintun.TunDevice] = []

    def make(wire: str = "", **options: Any) -> wintun.TunDevice:
        name = unique_name()
        wire_options: dict[str, Any] = {
            key: options.pop(key) for key in ("sock", "packet_size") if key in options
        }
        device = wintun.TunDevice(name, "Test", **options)
        made.append(device)
        if wire:
            set_wire: Any = simulator.set_wire
            set_wire(name, wire, **wire_options)
        return device

    yield make
    for device in made:
        device.close()


@pytest.fixture
def device(make_device: Callable[..., wintun.TunDevice]) -> wintun.TunDevice:
    """A device that is not up: the simulator's, or the real driver's with --driver."""
    return make_device()
