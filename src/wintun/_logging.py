"""Wintun's log lines as records of the standard `logging` package."""

from __future__ import annotations

from . import _wintun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from types import FrameType

_HAS_VARARGS = 0x04  # inspect.CO_VARARGS

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


def is_interrupt(error: BaseException) -> bool:
    """Whether what has left a log callback is for the caller of the API, not the callback's own.

    In the main thread, that is everything that is no `Exception`, such as KeyboardInterrupt, and
    what a signal handler has raised; also as the context of another exception. The extension asks.
    """
    import threading

    if threading.get_ident() != threading.main_thread().ident:
        return False
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        if not isinstance(each, Exception) or _passed_a_handler(each):
            return True
        seen.add(id(each))
        each = each.__context__
    return False


def _passed_a_handler(error: BaseException) -> bool:
    """Whether a signal handler written in Python is in the traceback.

    It is one that is set as such, or is called as the interpreter calls handlers: with the frame
    that it interrupts, for a handler may take itself off before it raises.
    """
    codes = _codes_of_handlers()
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_code in codes or _has_interrupted(frame):
            return True
        step = step.tb_next
    return False


def _has_interrupted(frame: FrameType) -> bool:
    caller = frame.f_back
    code = frame.f_code
    if caller is None:
        return False
    given = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _HAS_VARARGS:
        given += frame.f_locals.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    return any(value is caller for value in given)


def _codes_of_handlers() -> set[object]:
    import signal
    from functools import partial
    from types import FunctionType, MethodType

    codes: set[object] = set()
    for number in signal.valid_signals():
        handler: object = signal.getsignal(number)
        while isinstance(handler, partial):
            handler = handler.func
        if not isinstance(handler, (FunctionType, MethodType)):
            handler = getattr(handler, "__call__", None)  # noqa: B004 (of an object: its method)
        if isinstance(handler, MethodType):
            handler = handler.__func__
        if isinstance(handler, FunctionType):
            codes.add(handler.__code__)
    return codes


def log_to_logging(level: int, timestamp: int, message: str) -> None:
    """Passes a log line of Wintun on to the logger "wintun". The default logger of the package.

    As long as the program has given `logging` no handler that gets the line, nothing is printed:
    `logging.basicConfig()` is enough to see warnings and errors, with `level=logging.INFO` all.

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
    # Without a handler of the program's own `logging` would print warnings and errors itself, also
    # those of a failure that the program handles: the exception tells what there is to tell.
    if not logger.isEnabledFor(number) or not logger.hasHandlers():
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
