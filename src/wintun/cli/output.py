"""What the command line prints, and how it fails."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


class CommandError(Exception):
    """An expected failure, told to the user in one line. Exit code 1."""


class OutputClosedError(Exception):
    """Nobody reads standard output any more."""


def print_line(line: str) -> None:
    """Prints a line at once, so that a reader at the other end of a pipe sees it."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        _forget_stdout()
        raise OutputClosedError from None
    except OSError as error:
        _forget_stdout()
        if sys.platform == "win32":
            raise OutputClosedError from None  # there a broken pipe has no error of its own
        raise CommandError(f"cannot write to standard output: {error.strerror}") from None


def print_error(text: str) -> None:
    """Prints one line about what went wrong to standard error."""
    with suppress(OSError):  # there is nobody left to tell
        print("python -m wintun: error: " + " ".join(text.split()), file=sys.stderr, flush=True)


def error_text(error: OSError) -> str:
    """Returns an error of the system as one line, with the Win32 code if it has one."""
    text = error.strerror or str(error)
    if error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {text}"
    code = getattr(error, "winerror", None)
    return text if code is None else f"{text} (error {code})"


def _forget_stdout() -> None:
    """Lets the interpreter flush standard output at exit without a further error."""
    with suppress(OSError, ValueError):  # no descriptor to replace
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
