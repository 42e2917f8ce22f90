"""Numbers in arguments."""

from __future__ import annotations

# More than any number here has, and few enough that Python converts them at once.
_MOST_DIGITS = 20


def number_of(text: str) -> int | None:
    """Returns the number that a text of decimal digits is, None if it is anything else."""
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None
