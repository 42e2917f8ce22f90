# SPDX-License-Identifier: MIT
r"""The driver without a driver: adapters for tests, on any system and for any user.

The simulator is a library with the functions, rings, events and errors of `wintun.dll`. Elsewhere
than on Windows it is the default; on Windows it is used when `use` asks for it. This module
controls the far side of its adapters and makes things go wrong, so that a program can be tested:

    import wintun
    from wintun import simulator

    simulator.use()
    simulator.set_wire("Test", "memory")
    with wintun.TunDevice("Test") as device:
        device.up()
        simulator.deliver("Test", b"\x45" + bytes(19))
        assert device.read(timeout=10) == b"\x45" + bytes(19)
        device.write(b"\x45" + bytes(99))
        assert simulator.collect("Test") == b"\x45" + bytes(99)

An adapter is given by its name, or as a `wintun.TunDevice` or `wintun.Adapter`. Settings
(`set_wire`, `pause`, `drop`, `set_family_delay`) may be made by name before the adapter exists;
None as the name makes them the default of adapters that are created later. The other functions
raise `LookupError` if there is no such adapter or it has no session.
`reset` forgets faults and settings; call it after each test.

All functions may be used from any thread, and release the GIL.
"""

from __future__ import annotations

from wintun import _library

from ._calls import call
from ._counters import Counts, Statistics, counts, statistics
from ._driver import (
    corrupt_ring,
    drop,
    keep_packet,
    lose_wakeup,
    overrun_ring,
    pause,
    resume,
    return_packet,
)
from ._faults import calls, fault, functions, log, set_delay, set_fault
from ._kernel_tun import KernelTun, mirror, open_tun
from ._system import (
    add_connection,
    connections,
    disable_adapter,
    enable_adapter,
    remove_adapter,
    remove_connection,
    set_driver_version,
    set_family_delay,
    set_stack,
)
from ._wires import Wire, collect, deliver, deliver_chain, drain, fill, ping, set_wire

__all__ = [
    "Counts",
    "KernelTun",
    "Statistics",
    "Wire",
    "add_connection",
    "calls",
    "collect",
    "connections",
    "corrupt_ring",
    "counts",
    "deliver",
    "deliver_chain",
    "disable_adapter",
    "drain",
    "drop",
    "enable_adapter",
    "fault",
    "fill",
    "functions",
    "keep_packet",
    "library_path",
    "log",
    "lose_wakeup",
    "mirror",
    "open_tun",
    "overrun_ring",
    "pause",
    "ping",
    "remove_adapter",
    "remove_connection",
    "reset",
    "resume",
    "return_packet",
    "set_delay",
    "set_driver_version",
    "set_family_delay",
    "set_fault",
    "set_stack",
    "set_wire",
    "statistics",
    "use",
]


def library_path() -> str:
    """Returns the absolute path of the simulator's shared library."""
    return _library.simulator_path()


def use() -> None:
    """Makes the simulator the library that adapters are made with from now on.

    Raises:
        OSError: The library cannot be loaded.
    """
    _library.load(library_path())


def reset() -> None:
    """Forgets every fault, delay and setting, with what was added to the system or taken from it.

    Adapters that exist stay as they are.
    """
    call["Reset"]()


# The names by which they are pickled and shown are the public ones.
for _public in (Counts, KernelTun, Statistics):
    _public.__module__ = __name__
del _public
