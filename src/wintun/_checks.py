# SPDX-License-Identifier: MIT
"""Checks of arguments that several settings share."""

from __future__ import annotations


def check_int(name: str, value: object) -> None:
    """Raises TypeError for what is no int, also for a bool."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
