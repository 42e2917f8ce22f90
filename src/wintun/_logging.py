"""Wintun's log lines as records of the standard `logging` package."""

from __future__ import annotations

from . import _wintun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

# Years whose local time every system can compute; `logging` formats a record's time with it.
_FIRST_SANE_YEAR = 1971
_LAST_SANE_YEAR = 2999


def timestamp_to_datetime(timestamp: int) -> datetime:
    """Returns the aware UTC time of a log line's timestamp, cut to whole microseconds.

    Args:
        timestamp: Units of 100 ns since 1601-01-01 UTC, as a logger callback gets it; from 0 to
            2650467743999999999, the end of the year 9999.

    Raises:
        TypeError: The timestamp is not an integer.
        ValueError: The timestamp is out of range.
    """
    from datetime import datetime, timedelta, timezone

    if not isinstance(timestamp, int):
        raise TypeError(f"timestamp must be an int, not {type(timestamp).__name__}")
    try:
        if timestamp < 0:
            raise OverflowError
        return datetime(1601, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=timestamp // 10)
    except OverflowError:
        raise ValueError(f"timestamp out of range: {timestamp}") from None


def log_to_logging(level: int, timestamp: int, message: str) -> None:
    """Passes a log line of Wintun on to the logger "wintun". The default logger of the package.

    The record's attribute `wintun_time` is the line's own time as an aware UTC `datetime`, or None
    if its timestamp makes no sense; the record's `created` is that time, too. May be called from
    any thread.

    Args:
        level: `LOG_INFO`, `LOG_WARN` or `LOG_ERR`; anything else counts as an error.
        timestamp: Units of 100 ns since 1601-01-01 UTC.
        message: The line.
    """
    import logging

    levels = {_wintun.LOG_INFO: logging.INFO, _wintun.LOG_WARN: logging.WARNING}
    number = levels.get(level, logging.ERROR)
    logger = logging.getLogger("wintun")
    if not logger.isEnabledFor(number):
        return
    try:
        time = timestamp_to_datetime(timestamp)
    except ValueError:
        time = None
    extra = {"wintun_time": time}
    record = logger.makeRecord(logger.name, number, "(wintun)", 0, message, (), None, None, extra)
    if time is not None and _FIRST_SANE_YEAR <= time.year <= _LAST_SANE_YEAR:
        created = time.timestamp()
        record.relativeCreated += (created - record.created) * 1000
        record.created = created
        record.msecs = time.microsecond // 1000 + 0.0
    logger.handle(record)
