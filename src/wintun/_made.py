# SPDX-License-Identifier: MIT
"""What an object says whose `__init__` was not called, or failed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def not_made(name: str) -> RuntimeError:
    """Returns the error of an object of the class `name` that was never made."""
    return RuntimeError(f"{name}.__init__() was not called or failed")


def made_by_init() -> Any:
    """Declares an attribute that `__init__` sets: RuntimeError without that.

    It stands in the class only, so an object's own attribute comes first and costs no more.
    """
    return _MadeByInit()


class _MadeByInit:
    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner.__name__

    def __get__(self, instance: object, owner: type) -> _MadeByInit:
        if instance is None:
            return self  # for those who look at the class
        raise not_made(self._owner)
