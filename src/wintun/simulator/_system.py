# SPDX-License-Identifier: MIT
"""What Windows does around the driver: adapters that go away, names, families, other programs."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Literal

from ._calls import (
    ALREADY_EXISTS,
    FOR_EVER,
    INVALID_NAME,
    NAME_TOO_LONG,
    NOT_FOUND,
    SUCCESS,
    call,
    check,
    integer,
    milliseconds,
    name_of,
    optional_name_of,
    text_of,
)

if TYPE_CHECKING:
    from ._calls import AdapterOrName

_FAMILIES = {4: 2, 6: 23}  # Windows' numbers
_NAME_BYTES = 512  # more than a name of 127 UTF-16 code units has


def _family(family: Literal[4, 6]) -> int:
    if family not in _FAMILIES:
        raise ValueError(f"family must be 4 or 6, not {family!r}")
    return _FAMILIES[family]


# --- Adapters --------------------------------------------------------------------------------


def remove_adapter(adapter: AdapterOrName) -> None:
    """Takes the adapter away under the program, as when it is removed by hand.

    Raises:
        LookupError: There is no such adapter.
    """
    check(call["RemoveAdapter"](name_of(adapter)), adapter)


def disable_adapter(adapter: AdapterOrName) -> None:
    """Disables the adapter under the program, as a user does in Windows' settings.

    Its session ends as if it was removed. Its IP interfaces are gone with the addresses and the MTU
    that were set on them, no session can be started, and opening it fails with the code 258 (on
    Windows after 15 seconds). `enable_adapter` ends that. (Windows removes an adapter that is
    disabled for good when any process calls Wintun the next time; the simulator does not, see
    `remove_adapter`.)

    Raises:
        LookupError: There is no such adapter.
    """
    check(call["SetEnabled"](name_of(adapter), 0), adapter)


def enable_adapter(adapter: AdapterOrName) -> None:
    """Enables an adapter again: the handles that there are can start sessions, and it is as new.

    Raises:
        LookupError: There is no such adapter.
    """
    check(call["SetEnabled"](name_of(adapter), 1), adapter)


# --- Names -----------------------------------------------------------------------------------


def add_connection(name: str) -> None:
    """Adds a network connection that is not Wintun's, such as "Ethernet".

    It stays until `remove_connection` or `reset`.

    So a test can show that a program leaves it alone: the driver gives a new adapter the name that
    is asked for, and renames whatever connection has it.

    Args:
        name: 1 to 127 UTF-16 code units that Windows takes for the name of a connection.

    Raises:
        FileExistsError: There is a connection of that name, in whatever case.
        ValueError: Windows refuses the name.
    """
    code = call["AddConnection"](text_of("name", name))
    if code == ALREADY_EXISTS:
        raise FileExistsError(f"there is a connection named {name!r}")
    if code in (INVALID_NAME, NAME_TOO_LONG):
        raise ValueError(f"Windows refuses the name {name!r} for a connection")
    check(code, name)


def remove_connection(name: str) -> None:
    """Removes a connection that `add_connection` added, by the name that it has now.

    Raises:
        LookupError: There is none of that name, or it is an adapter's.
    """
    code = call["RemoveConnection"](text_of("name", name))
    if code == NOT_FOUND:
        raise LookupError(f"no connection that was added is named {name!r}")
    check(code, name)


def connections() -> list[str]:
    """Returns the names of all network connections, of adapters and others, the newest first."""
    names: list[str] = []
    room = ctypes.create_string_buffer(_NAME_BYTES)
    while call["ConnectionName"](len(names), room, _NAME_BYTES) == SUCCESS:
        names.append(room.value.decode("utf-8", "surrogatepass"))
    return names


# --- Families --------------------------------------------------------------------------------


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
    number = _family(family)
    delay = FOR_EVER if seconds is None else milliseconds("seconds", seconds)
    check(call["SetFamilyDelay"](name, number, delay), adapter)


def set_stack(family: Literal[4, 6], present: bool) -> None:
    """Takes the system's whole stack of IPv4 or IPv6 away, or gives it back.

    Without it, no adapter has an interface of the family, and Windows answers what is asked about
    the family's addresses with the code 50, "not supported". `reset` gives it back.

    Args:
        family: 4 or 6.
        present: Whether the system has the stack.
    """
    check(call["SetStack"](_family(family), 1 if present else 0), None)


# --- The driver ------------------------------------------------------------------------------


def set_driver_version(version: tuple[int, int] | None) -> None:
    """Has another program load a driver of this version, until `reset`.

    It is the version that `wintun.get_driver_version` gives, whether this process has an adapter or
    not, and `wintun.delete_driver` finds the driver in use. Without it, the driver is 0.14 and
    loaded for as long as there is an adapter.

    Args:
        version: Major and minor, each 0 to 65535, such as (0, 8), not (0, 0); None: nobody has one.
    """
    number = 0
    if version is not None:
        major, minor = version
        number = integer("major", major, 0, 0xFFFF) << 16 | integer("minor", minor, 0, 0xFFFF)
        if number == 0:
            raise ValueError("version must not be (0, 0)")
    call["SetDriverVersion"](number)
