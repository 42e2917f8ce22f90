# SPDX-License-Identifier: MIT
"""What the driver and the system's network stack do to a session now and then."""

from __future__ import annotations

from ._calls import call, check, name_of, optional_name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._calls import AdapterOrName

_RUNNING, _STOPPED, _DROPPING = range(3)  # in the order of control.h


def pause(adapter: AdapterOrName | None) -> None:
    """Stops the system's side: it takes nothing that the program sends, and sends nothing.

    So the ring that the program sends to fills, as it does when the system's network stack keeps
    the packets that it gets. `deliver`, `fill`, `collect` and `drain` still work. A session that
    starts is stopped, too. (When Windows itself pauses an adapter, it does what `drop` does.)

    Args:
        adapter: The adapter or its name; None for all that are created later.
    """
    check(call["SetFlow"](optional_name_of(adapter), _STOPPED), adapter)


def drop(adapter: AdapterOrName | None) -> None:
    """Loses all packets, as Windows does while an adapter is paused.

    It pauses one for a moment when protocols are bound to it or unbound, as the dialog of its
    properties does. What the program sends is taken and dropped, so its ring does not fill; what
    the system sends, `deliver` and `fill` too, does not arrive. `statistics` counts both.

    Args:
        adapter: The adapter or its name; None for all that are created later.
    """
    check(call["SetFlow"](optional_name_of(adapter), _DROPPING), adapter)


def resume(adapter: AdapterOrName | None) -> None:
    """Ends `pause` and `drop`."""
    check(call["SetFlow"](optional_name_of(adapter), _RUNNING), adapter)


def keep_packet(adapter: AdapterOrName) -> None:
    """Has the system's network stack keep the packet that it takes next, until `return_packet`.

    The driver gives room back in the order in which packets were sent. So the ring fills, though
    the packets behind the one that is kept are taken. And before it discards one that is not IP,
    the driver waits until every packet has come back: with such a one, all that follow wait.

    Args:
        adapter: An adapter with a session, or its name.

    Raises:
        LookupError: There is no such adapter, or it has no session.
    """
    check(call["KeepPacket"](name_of(adapter), 1), adapter)


def return_packet(adapter: AdapterOrName) -> None:
    """Ends `keep_packet`: the packet's room and that of all behind it is free again."""
    check(call["KeepPacket"](name_of(adapter), 0), adapter)


def lose_wakeup(adapter: AdapterOrName) -> None:
    """Has the driver sleep over what is sent next, until something is sent after it.

    So does the official driver 0.14.1 now and then, when a packet is sent in the very moment in
    which the driver goes to sleep: it stays in the ring until the next one is sent. (The other way,
    when a packet arrives while the program goes to sleep, the program's own library has the fault.)

    Args:
        adapter: An adapter with a session, or its name.

    Raises:
        LookupError: There is no such adapter, or it has no session.
    """
    check(call["LoseWakeup"](name_of(adapter)), adapter)


def corrupt_ring(adapter: AdapterOrName) -> None:
    """Writes an impossible packet size where the program reads next.

    From then on its session fails with `wintun.RingCorruptError`.
    """
    check(call["CorruptRing"](name_of(adapter)), adapter)


def overrun_ring(adapter: AdapterOrName) -> None:
    """Has the driver write over packets that the program has not received.

    So does the official driver 0.14.1 when several processors send into a nearly full ring. The
    next packet that the program receives has other bytes than were delivered; after it the session
    fails with `wintun.RingCorruptError`, until it is ended and another one started.

    Args:
        adapter: An adapter with a session, or its name.

    Raises:
        LookupError: There is no such adapter, or it has no session.
    """
    check(call["OverrunRing"](name_of(adapter)), adapter)
