# SPDX-License-Identifier: MIT
"""What an object says whose `__init__` was not called, or failed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def not_made(kind: type) -> RuntimeError:
    """Returns the error of an object of a class of ours, or a subclass, that was never made."""
    ours = (each.__name__ for each in kind.__mro__ if each.__module__.split(".")[0] == "wintun")
    return RuntimeError(f"{next(ours, kind.__name__)}.__init__() was not called or failed")


def made_by_init() -> Any:
    """Declares an attribute that `__init__` sets: RuntimeError without that.

    It stands in the class only, so an object's own attribute comes first and costs no more.
    """
    return _MadeByInit()


class _MadeByInit:
    def __get__(self, instance: object, owner: type) -> _MadeByInit:
        if instance is None:
            return self  # for those who look at the class
        raise not_made(owner)
