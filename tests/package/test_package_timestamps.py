# SPDX-License-Identifier: MIT
"""Timestamps of log lines: exact where they make sense, harmless where they do not."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wintun

UNIX_EPOCH = 116444736000000000  # the documented distance of the two epochs
LAST = 2650467743999999999  # the end of the year 9999


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (0, "1601-01-01T00:00:00+00:00"),
        (9, "1601-01-01T00:00:00+00:00"),
        (10, "1601-01-01T00:00:00.000001+00:00"),
        (UNIX_EPOCH, "1970-01-01T00:00:00+00:00"),
        (UNIX_EPOCH + 17000000001234567, "2023-11-14T22:13:20.123456+00:00"),
        (LAST, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_timestamp_is_an_aware_utc_datetime(timestamp: int, expected: str) -> None:
    assert wintun.timestamp_to_datetime(timestamp) == datetime.fromisoformat(expected)
    assert wintun.timestamp_to_datetime(timestamp).tzinfo == timezone.utc


@given(st.integers(0, LAST))
def test_a_datetime_is_exact_to_the_microsecond(timestamp: int) -> None:
    passed = wintun.timestamp_to_datetime(timestamp) - datetime(1601, 1, 1, tzinfo=timezone.utc)
    assert passed // timedelta(microseconds=1) == timestamp // 10


@pytest.mark.parametrize("timestamp", [-1, LAST + 1, 2**64 - 1, 2**100, -(2**100)])
def test_a_timestamp_out_of_range_is_a_value_error_that_names_it(timestamp: int) -> None:
    with pytest.raises(ValueError, match=str(timestamp)):
        wintun.timestamp_to_datetime(timestamp)


@pytest.mark.parametrize("timestamp", [None, "0", 1.5])
def test_a_timestamp_of_the_wrong_type_is_a_type_error(timestamp: object) -> None:
    with pytest.raises(TypeError):
        wintun.timestamp_to_datetime(timestamp)  # type: ignore[arg-type]


def test_the_record_of_a_line_has_its_level_text_and_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "wintun")
    timestamp = UNIX_EPOCH + 17000000001234567
    for level in (wintun.LOG_INFO, wintun.LOG_WARN, wintun.LOG_ERR, 77):
        wintun.log_to_logging(level, timestamp, "100 % done: %s")
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.INFO, logging.WARNING, logging.ERROR, logging.ERROR]
    for record in caplog.records:
        assert record.name == "wintun"
        assert record.getMessage() == "100 % done: %s"
        assert record.wintun_time == wintun.timestamp_to_datetime(timestamp)  # type: ignore[attr-defined]
        assert record.created == pytest.approx(1700000000.123456, abs=1e-6)
        assert record.msecs == pytest.approx(123, abs=1)


@given(timestamp=st.integers(0, 2**64 - 1))
def test_a_line_with_any_timestamp_is_logged_and_can_be_formatted(timestamp: int) -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03d %(message)s")
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    handler = Collect()
    logger = logging.getLogger("wintun")
    logger.addHandler(handler)
    try:
        wintun.log_to_logging(wintun.LOG_ERR, timestamp, "line")
    finally:
        logger.removeHandler(handler)
    assert len(lines) == 1
    assert lines[0].endswith("line")


def test_a_line_that_nobody_wants_makes_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "wintun")
    wintun.log_to_logging(wintun.LOG_INFO, UNIX_EPOCH, "line")
    assert not caplog.records
