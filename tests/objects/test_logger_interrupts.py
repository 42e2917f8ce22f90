# SPDX-License-Identifier: MIT
"""What a signal handler raises while the log callback runs reaches the caller of the call."""

from __future__ import annotations

import functools
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import wintun
from helpers import check_clean_exit
from wintun import simulator

SIGNAL = signal.SIGTERM
"""One that every system has, and that nothing else here handles."""


class ExpectedError(Exception):
    """As a handler's own exception may be: an Exception like any other."""


ERRORS = [KeyboardInterrupt, SystemExit, ExpectedError]


@pytest.fixture
def on_signal() -> Iterator[Callable[[Any], None]]:
    """Sets the handler."""
    before = signal.getsignal(SIGNAL)
    yield lambda handler: signal.signal(SIGNAL, handler)  # type: ignore[misc]
    signal.signal(SIGNAL, before)


class Own:
    """A callback of the program's own: the signal arrives while it runs, at every line or one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.signals = 1
        self.before = wintun.set_logger(self)

    def __call__(self, level: int, timestamp: int, message: str) -> None:
        self.lines.append(message)
        if self.signals:
            self.signals -= 1
            signal.raise_signal(SIGNAL)
            self.lines.append("the handler did not raise")

    def remove(self) -> None:
        wintun.set_logger(self.before)


class Default(logging.Handler):
    """A handler of the standard `logging`, below the default callback."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.signals = 1
        self.before = wintun.set_logger(wintun.log_to_logging)
        self.logger = logging.getLogger("wintun")
        self.level_before = self.logger.level
        self.logger.setLevel(logging.DEBUG)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if self.signals:
            self.signals -= 1
            signal.raise_signal(SIGNAL)
            self.lines.append("the handler did not raise")

    def remove(self) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)
        wintun.set_logger(self.before)


@pytest.fixture(params=[Own, Default])
def callback(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A callback that nothing else is told by; `signals` says at how many lines one arrives."""
    made = request.param()
    made.signals = 0
    yield made
    made.remove()


def open_nobody(name: str) -> object:
    return wintun.Adapter.open("nobody's " + name)


def open_device_of_nobody(name: str) -> object:
    return wintun.TunDevice.open("nobody's " + name)


def create_and_fail(name: str) -> object:
    with simulator.fault("WintunCreateAdapter", 31):
        return wintun.Adapter.create(name, "Test")


CALLS: dict[str, Callable[[str], object]] = {
    "Adapter.create": lambda name: wintun.Adapter.create(name, "Test"),
    "Adapter.create, failing": create_and_fail,
    "TunDevice": lambda name: wintun.TunDevice(name, "Test"),
    "Adapter.open, failing": open_nobody,
    "TunDevice.open, failing": open_device_of_nobody,
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", CALLS)
def test_what_a_handler_raises_in_the_callback_reaches_the_caller(
    unique_name: Callable[[], str],
    on_signal: Callable[[Any], None],
    callback: Any,
    unraisable: list[Any],
    call: str,
    error: type[BaseException],
) -> None:
    def handle(number: int, frame: object) -> None:
        raise error("from the handler")

    name = unique_name()
    on_signal(handle)
    before = simulator.counts()
    callback.signals = 1
    with pytest.raises(error, match="from the handler"):
        CALLS[call](name)
    assert callback.signals == 0
    callback.signals = 0
    assert "the handler did not raise" not in callback.lines
    assert unraisable == []
    # What was created is closed: at once, also as long as the traceback lives.
    assert simulator.counts() == before
    wintun.Adapter.create(name, "Test").close()


@pytest.mark.parametrize("error", ERRORS)
def test_a_signal_that_comes_while_the_library_works_is_seen_before_the_callback_runs(
    unique_name: Callable[[], str],
    on_signal: Callable[[Any], None],
    callback: Any,
    unraisable: list[Any],
    error: type[BaseException],
) -> None:
    callbacks = (Own.__call__.__code__, wintun.log_to_logging.__code__)
    inside: list[bool] = []

    def handle(number: int, frame: Any) -> None:
        while frame is not None:
            inside.append(frame.f_code in callbacks)
            frame = frame.f_back
        raise error("from the handler")

    on_signal(handle)
    simulator.set_delay("WintunCreateAdapter", 300)
    timer = threading.Timer(0.05, signal.raise_signal, (SIGNAL,))
    timer.start()
    with pytest.raises(error, match="from the handler"):
        wintun.Adapter.create(unique_name(), "Test")
    timer.join()
    assert inside
    assert not any(inside)
    assert unraisable == []
    assert simulator.counts() == (0, 0, 0, 0)


class Handler:
    def __call__(self, number: int, frame: object) -> None:
        raise ExpectedError("from the handler")

    def method(self, number: int, frame: object) -> None:
        raise ExpectedError("from the handler")


def deep(number: int, frame: object) -> None:
    Handler().method(number, None)


def with_more(more: int, number: int, frame: object) -> None:
    raise ExpectedError("from the handler")


def taking_itself_off(number: int, frame: object) -> None:
    signal.signal(SIGNAL, signal.SIG_DFL)
    raise ExpectedError("from the handler")


def taking_itself_off_with_any_arguments(*arguments: object) -> None:
    taking_itself_off(*arguments)  # type: ignore[arg-type]


def forgetting_the_frame(number: int, frame: object) -> None:
    del frame
    raise ExpectedError("from the handler")


def wrapped(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def call(*arguments: object) -> None:
        function(*arguments)

    return call


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(Handler(), id="object"),
        pytest.param(Handler().method, id="method"),
        pytest.param(functools.partial(with_more, 1), id="partial"),
        pytest.param(functools.partial(Handler().method), id="partial method"),
        pytest.param(wrapped(deep), id="decorated"),
        deep,
        taking_itself_off,
        taking_itself_off_with_any_arguments,
        forgetting_the_frame,
        lambda number, frame: Handler()(number, frame),
    ],
)
def test_whatever_form_the_handler_has(
    unique_name: Callable[[], str],
    on_signal: Callable[[Any], None],
    callback: Any,
    unraisable: list[Any],
    handler: Any,
) -> None:
    on_signal(handler)
    callback.signals = 1
    with pytest.raises(ExpectedError, match="from the handler"):
        wintun.Adapter.create(unique_name(), "Test")
    assert unraisable == []
    assert simulator.counts() == (0, 0, 0, 0)


def test_handlers_that_raise_at_every_line_reach_the_caller_once(
    unique_name: Callable[[], str], on_signal: Callable[[Any], None], unraisable: list[Any]
) -> None:
    def handle(number: int, frame: object) -> None:
        raise ExpectedError("from the handler")

    on_signal(handle)
    callback = Own()
    callback.signals = 1000
    try:
        with pytest.raises(ExpectedError):
            wintun.TunDevice(unique_name(), "Test")
    finally:
        callback.signals = 0
        callback.remove()
    assert callback.lines
    assert unraisable == []
    assert simulator.counts() == (0, 0, 0, 0)


def test_a_callback_that_fails_because_of_a_handler_does_not_hide_it(
    unique_name: Callable[[], str], on_signal: Callable[[Any], None], unraisable: list[Any]
) -> None:
    def handle(number: int, frame: object) -> None:
        raise ExpectedError("from the handler")

    def call_back(level: int, timestamp: int, message: str) -> None:
        wintun.set_logger(None)
        try:
            signal.raise_signal(SIGNAL)
        except ExpectedError:
            raise ValueError("of the callback") from None

    on_signal(handle)
    before = wintun.set_logger(call_back)
    try:
        with pytest.raises(ValueError, match="of the callback") as failure:
            wintun.Adapter.create(unique_name(), "Test")
    finally:
        wintun.set_logger(before)
    assert isinstance(failure.value.__context__, ExpectedError)
    assert unraisable == []


def test_the_callbacks_own_failure_is_reported_also_while_a_handler_is_set(
    unique_name: Callable[[], str], on_signal: Callable[[Any], None], unraisable: list[Any]
) -> None:
    calls = []

    def handle(number: int, frame: object) -> None:
        calls.append(number)

    def call_back(level: int, timestamp: int, message: str) -> None:
        signal.raise_signal(SIGNAL)
        raise ExpectedError("of the callback")

    on_signal(handle)
    before = wintun.set_logger(call_back)
    try:
        wintun.Adapter.create(unique_name(), "Test").close()
    finally:
        wintun.set_logger(before)
    assert calls
    assert [type(seen) for seen in unraisable] == [ExpectedError] * len(calls)


def test_a_line_from_a_foreign_thread_never_ends_the_caller(
    on_signal: Callable[[Any], None], unraisable: list[Any]
) -> None:
    def fail(level: int, timestamp: int, message: str) -> None:
        raise KeyboardInterrupt

    before = wintun.set_logger(fail)
    simulator.log(wintun.LOG_INFO, "line")
    wintun.set_logger(before)
    assert [type(seen) for seen in unraisable] == [KeyboardInterrupt]


@pytest.mark.threads
def test_a_callback_in_another_thread_of_the_program_ends_nobody(
    unique_name: Callable[[], str], unraisable: list[Any]
) -> None:
    def fail(level: int, timestamp: int, message: str) -> None:
        raise SystemExit

    before = wintun.set_logger(fail)
    thread = threading.Thread(target=lambda: wintun.Adapter.create(unique_name(), "Test").close())
    thread.start()
    thread.join()
    wintun.set_logger(before)
    assert {type(seen) for seen in unraisable} == {SystemExit}


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize("logger", ["wintun.log_to_logging", "lambda *line: time.sleep(0.001)"])
def test_ctrl_c_while_a_device_is_made_ends_the_program(logger: str) -> None:
    check_clean_exit(
        f"""
import os, signal
wintun.set_logger({logger})
simulator.set_delay("WintunCreateAdapter", 200)
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    open_device()
except KeyboardInterrupt:
    print("interrupted")
    assert simulator.counts() == (0, 0, 0, 0)
    sys.exit(3)
""",
        code=3,
    )
