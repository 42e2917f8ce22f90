# SPDX-License-Identifier: MIT
"""What Windows does around the driver: adapters that go away, IP interfaces that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ._calls import FOR_EVER, call, check, milliseconds, name_of, optional_name_of

if TYPE_CHECKING:
    from ._calls import AdapterOrName

_FAMILIES = {4: 2, 6: 23}  # Windows' numbers


def remove_adapter(adapter: AdapterOrName) -> None:
    """Takes the adapter away under the program, as when it is removed by hand.

    Raises:
        LookupError: There is no such adapter.
    """
    check(call["RemoveAdapter"](name_of(adapter)), adapter)


def set_family_delay(
    adapter: AdapterOrName | None, family: Literal[4, 6], seconds: float | None
) -> None:
    """Sets when the adapter's IPv4 or IPv6 interface appears.

    Args:
        adapter: The adapter or its name; None for all that are created later.
        family: 4 or 6.
        seconds: After the adapter was created; None for never.
    """
    name = optional_name_of(adapter)
    if family not in _FAMILIES:
        raise ValueError(f"family must be 4 or 6, not {family!r}")
    delay = FOR_EVER if seconds is None else milliseconds("seconds", seconds)
    check(call["SetFamilyDelay"](name, _FAMILIES[family], delay), adapter)
