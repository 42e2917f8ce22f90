# SPDX-License-Identifier: MIT
"""The logger: called from any thread at any time, replaced at any time, never a reason to fail."""

from __future__ import annotations

import datetime
import logging
import subprocess
import sys
import threading
import time
from typing import Any, Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, scaled
from wintun import simulator

Line = tuple[int, int, str]

UNIX_EPOCH = 116444736000000000
"""1970-01-01 as a Wintun timestamp: units of 100 ns since 1601-01-01."""


@pytest.fixture
def lines() -> Any:
    """Lines that a callback of the test's own got."""
    seen: list[Line] = []
    previous = wintun.set_logger(lambda *line: seen.append(line))
    yield seen
    wintun.set_logger(previous)


@pytest.mark.parametrize("level", [wintun.LOG_INFO, wintun.LOG_WARN, wintun.LOG_ERR])
def test_a_callback_gets_level_timestamp_and_message_of_a_line(
    lines: list[Line], level: int
) -> None:
    simulator.log(level, "hello", timestamp=UNIX_EPOCH)
    assert lines == [(level, UNIX_EPOCH, "hello")]


@pytest.mark.threads
def test_a_callback_may_be_called_from_a_foreign_thread() -> None:
    threads: list[int] = []
    previous = wintun.set_logger(lambda *line: threads.append(threading.get_ident()))
    simulator.log(wintun.LOG_INFO, "from afar", count=3)
    wintun.set_logger(previous)
    assert len(threads) == 3
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    "message",
    ["", "ascii", "Größe", "東京", "\N{GRINNING FACE}" * 100, "x" * 1000, "100 %s %d %", "\n\t"],
)
def test_a_message_arrives_as_it_was_written(lines: list[Line], message: str) -> None:
    simulator.log(wintun.LOG_INFO, message)
    assert [line[2] for line in lines] == [message]


@pytest.mark.driver
def test_wintun_itself_logs_what_it_does_with_the_time_of_now(
    unique_name: Callable[[], str], lines: list[Line]
) -> None:
    before = UNIX_EPOCH + time.time_ns() // 100
    wintun.Adapter.create(unique_name(), "Test").close()
    after = UNIX_EPOCH + time.time_ns() // 100
    assert lines
    for level, timestamp, message in lines:
        assert level in (wintun.LOG_INFO, wintun.LOG_WARN, wintun.LOG_ERR)
        # The system's clocks may differ by a tick of the coarser one.
        assert before - 200_000 <= timestamp <= after + 200_000
        assert message


def test_setting_a_logger_returns_the_one_before() -> None:
    def first(level: int, timestamp: int, message: str) -> None: ...

    def second(level: int, timestamp: int, message: str) -> None: ...

    default = wintun.set_logger(first)
    assert default is wintun.log_to_logging
    assert wintun.set_logger(second) is first
    assert wintun.set_logger(None) is second
    assert wintun.set_logger(default) is None


def test_a_logger_that_was_switched_off_hears_nothing(lines: list[Line]) -> None:
    simulator.log(wintun.LOG_INFO, "one")
    off = wintun.set_logger(None)
    simulator.log(wintun.LOG_INFO, "two")
    wintun.set_logger(off)
    simulator.log(wintun.LOG_INFO, "three")
    assert [line[2] for line in lines] == ["one", "three"]


def test_a_raising_callback_is_reported_and_changes_nothing(
    unique_name: Callable[[], str], unraisable: list[Any]
) -> None:
    class ExpectedError(Exception):
        pass

    def fail(level: int, timestamp: int, message: str) -> None:
        raise ExpectedError(message)

    previous = wintun.set_logger(fail)
    try:
        simulator.log(wintun.LOG_ERR, "bang", count=3)
        assert [type(error) for error in unraisable] == [ExpectedError] * 3
        unraisable.clear()
        with wintun.Adapter.create(unique_name(), "Test") as adapter:
            adapter.start_session(0x20000).end()
        assert {type(error) for error in unraisable} <= {ExpectedError}
    finally:
        assert wintun.set_logger(previous) is fail


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_not_even_an_exit_escapes_from_a_callback(error: type, unraisable: list[Any]) -> None:
    def fail(level: int, timestamp: int, message: str) -> None:
        raise error

    previous = wintun.set_logger(fail)
    simulator.log(wintun.LOG_INFO, "bang")
    wintun.set_logger(previous)
    assert [type(seen) for seen in unraisable] == [error]


def test_a_callback_of_the_wrong_shape_is_reported(unraisable: list[Any]) -> None:
    previous = wintun.set_logger(lambda: None)  # type: ignore[misc,arg-type]
    simulator.log(wintun.LOG_INFO, "bang")
    wintun.set_logger(previous)
    assert [type(seen) for seen in unraisable] == [TypeError]


def test_an_error_that_is_being_raised_survives_the_logger(
    unique_name: Callable[[], str], lines: list[Line]
) -> None:
    name = unique_name()
    with wintun.Adapter.create(name, "Test"), pytest.raises(FileExistsError) as failure:
        wintun.Adapter.create(name, "Test")
    assert failure.value.winerror in (80, 183, 5010)  # type: ignore[attr-defined]


@pytest.mark.threads
def test_a_callback_may_replace_the_logger_from_inside() -> None:
    seen: list[str] = []

    def second(level: int, timestamp: int, message: str) -> None:
        seen.append("second")

    def first(level: int, timestamp: int, message: str) -> None:
        seen.append("first")
        wintun.set_logger(second)

    previous = wintun.set_logger(first)
    simulator.log(wintun.LOG_INFO, "line", count=3)
    wintun.set_logger(previous)
    assert seen == ["first", "second", "second"]


@pytest.mark.threads
def test_a_callback_may_use_the_api_from_inside(unique_name: Callable[[], str]) -> None:
    errors: list[BaseException] = []

    def use(level: int, timestamp: int, message: str) -> None:
        if message != "go":
            return
        try:
            with wintun.Adapter.create(unique_name(), "Test") as adapter:
                adapter.start_session(0x20000).end()
        except BaseException as error:
            errors.append(error)

    previous = wintun.set_logger(use)
    simulator.log(wintun.LOG_INFO, "go", count=2)
    wintun.set_logger(previous)
    assert errors == []


@pytest.mark.threads
def test_of_two_threads_that_set_the_logger_the_last_has_its_will(lines: list[Line]) -> None:
    def hear(level: int, timestamp: int, message: str) -> None:
        heard.append(message)

    heard: list[str] = []
    start, end = threading.Barrier(3, timeout=60), threading.Barrier(3, timeout=60)
    rounds = scaled(5_000, at_least=2_000)

    def set_again_and_again(logger: Any) -> None:
        for _ in range(rounds):
            start.wait()
            wintun.set_logger(logger)
            end.wait()

    setters = [Worker(set_again_and_again, logger) for logger in (hear, None)]
    wrong = 0
    for _ in range(rounds):
        start.wait()
        end.wait()
        heard.clear()
        simulator.log(wintun.LOG_INFO, "line")
        last = wintun.set_logger(None)  # who has the logger says who was the last
        wrong += heard != (["line"] if last is hear else [])
    for setter in setters:
        setter.result()
    assert wrong == 0


@pytest.mark.threads
def test_the_logger_can_be_replaced_and_removed_while_lines_arrive() -> None:
    arrived = [0, 0, 0]

    def counting(index: int) -> Callable[[int, int, str], None]:
        def count(level: int, timestamp: int, message: str) -> None:
            arrived[index] += 1

        return count

    count = scaled(20_000, at_least=2_000)
    default = wintun.set_logger(None)
    sources = [
        Worker(lambda: simulator.log(wintun.LOG_INFO, "line", count=count)) for _ in range(3)
    ]
    while any(source.alive for source in sources):
        for index in range(3):
            wintun.set_logger(counting(index))  # the only reference to it is the logger's
        wintun.set_logger(None)
    for source in sources:
        source.result()
    wintun.set_logger(default)
    assert sum(arrived) <= 3 * count


@pytest.mark.threads
def test_lines_arrive_while_other_threads_run_python_and_none_is_lost(
    lines: list[Line],
) -> None:
    count = scaled(20_000, at_least=2_000)
    source = Worker(lambda: simulator.log(wintun.LOG_INFO, "line", count=count))
    while source.alive:
        sum(range(100))
    source.result()
    assert len(lines) == count


# --- The default logger: the standard library's logging --------------------------------------


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (wintun.LOG_INFO, logging.INFO),
        (wintun.LOG_WARN, logging.WARNING),
        (wintun.LOG_ERR, logging.ERROR),
    ],
)
def test_by_default_lines_go_to_the_logger_wintun_of_logging(
    caplog: pytest.LogCaptureFixture, level: int, number: int
) -> None:
    with caplog.at_level(logging.INFO, "wintun"):
        simulator.log(level, "a line with 100 %s", timestamp=UNIX_EPOCH)
    (record,) = [record for record in caplog.records if record.name == "wintun"]
    assert record.levelno == number
    assert record.getMessage() == "a line with 100 %s"


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (UNIX_EPOCH, datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)),
        (10, datetime.datetime(1601, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)),
        (
            133497024001234567,
            datetime.datetime(2024, 1, 14, 10, 40, 0, 123456, tzinfo=datetime.timezone.utc),
        ),
        (
            126227808000000000 + 9,
            datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc),
        ),
    ],
)
def test_a_default_records_time_is_the_lines_own_as_an_aware_utc_datetime(
    caplog: pytest.LogCaptureFixture, timestamp: int, expected: datetime.datetime
) -> None:
    with caplog.at_level(logging.INFO, "wintun"):
        simulator.log(wintun.LOG_INFO, "line", timestamp=timestamp)
    (record,) = [record for record in caplog.records if record.name == "wintun"]
    when = record.wintun_time  # type: ignore[attr-defined]
    assert when == expected
    assert when.utcoffset() == datetime.timedelta(0)


def test_a_timestamp_that_is_no_time_costs_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "wintun"):
        simulator.log(wintun.LOG_INFO, "line", timestamp=2**64 - 1)
    (record,) = [record for record in caplog.records if record.name == "wintun"]
    assert record.getMessage() == "line"
    assert record.wintun_time is None  # type: ignore[attr-defined]


def test_lines_that_nobody_wants_cost_no_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "wintun"):
        simulator.log(wintun.LOG_INFO, "line")
        simulator.log(wintun.LOG_ERR, "error")
    assert [record.getMessage() for record in caplog.records] == ["error"]


# --- What a program that has set up no logging sees -----------------------------------------------

HANDLED = """
import wintun
from wintun import simulator
from wintun.pytun import TunTapDevice

simulator.use()
try:
    wintun.TunDevice.open("nobody")
except FileNotFoundError:
    pass
simulator.set_fault("WintunCreateAdapter", 31)
try:
    wintun.TunDevice("refused")
except OSError:
    pass
simulator.set_fault("WintunCreateAdapter", 0)
with wintun.TunDevice("there"):
    TunTapDevice("there").close()
simulator.log(wintun.LOG_ERR, "from afar")
"""


def run_with_default_logger(program: str) -> str:
    """What a program prints to standard error in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_failure_that_the_program_handles_prints_nothing() -> None:
    assert run_with_default_logger(HANDLED) == ""


def test_one_line_of_set_up_shows_the_lines() -> None:
    logging_on = "import logging; logging.basicConfig(format='%(name)s:%(message)s')"
    printed = run_with_default_logger(logging_on + HANDLED)
    assert "wintun:from afar\n" in printed
    assert "Failed to find matching adapter name" in printed
