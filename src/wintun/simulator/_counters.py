# SPDX-License-Identifier: MIT
"""What the simulator counts."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

from ._calls import call, check, name_of, u32, u64

if TYPE_CHECKING:
    from ._calls import AdapterOrName


class Statistics(NamedTuple):
    """What an adapter's far side has counted since the adapter was created."""

    delivered_packets: int
    """Packets put into the ring that the program reads from."""
    delivered_bytes: int
    """Their bytes, without the ring's own."""
    dropped_full: int
    """Packets for the program that were dropped because the ring was full."""
    dropped_too_big: int
    """Packets for the program that were dropped because they had more than 65535 bytes."""
    dropped_paused: int
    """Packets for the program that were dropped because of `drop`."""
    collected_packets: int
    """Valid packets taken from the ring that the program writes to."""
    collected_bytes: int
    """Their bytes, without the ring's own."""
    discarded_not_ip: int
    """Packets of the program that were discarded: neither IPv4 of 20 bytes nor IPv6 of 40."""
    discarded_paused: int
    """Packets of the program that were taken and dropped because of `drop`."""
    not_for_host: int
    """Packets that the built-in host took no notice of: sent to none of the adapter's addresses."""
    pings_sent: int
    """Echo requests of the built-in host."""
    pings_answered: int
    """Echo requests that were answered with the right contents and checksums."""
    bad_checksums: int
    """Packets that the built-in host refused for a wrong checksum."""


class Counts(NamedTuple):
    """What is alive in the process."""

    adapters: int
    """Adapters that are there: created, and neither closed nor removed."""
    adapter_handles: int
    """Handles of adapters, by creating and opening, that are not closed."""
    sessions: int
    """Sessions that are not ended."""
    held_packets: int
    """Packets received and not released, or allocated and not sent."""


class _CStatistics(ctypes.Structure):
    _fields_ = [(name, u64) for name in Statistics._fields]


class _CCounts(ctypes.Structure):
    _fields_ = [(name, u32) for name in Counts._fields]


def statistics(adapter: AdapterOrName) -> Statistics:
    """Returns what the far side has counted since the adapter was created.

    Raises:
        LookupError: There is no such adapter.
    """
    counted = _CStatistics()
    check(call["GetStatistics"](name_of(adapter), ctypes.byref(counted)), adapter)
    return Statistics(*(getattr(counted, name) for name in Statistics._fields))


def counts() -> Counts:
    """Returns what is alive in the process, to look for leaks."""
    counted = _CCounts()
    call["GetCounts"](ctypes.byref(counted))
    return Counts(*(getattr(counted, name) for name in Counts._fields))
