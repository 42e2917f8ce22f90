"""Wintun, the layer 3 TUN driver of Windows, for Python.

    import wintun

    with wintun.TunDevice("Demo") as tun:
        tun.addr = "10.6.7.1/24"
        tun.mtu = 1420
        tun.up()
        for packet in tun:
            print(len(packet))

`TunDevice` is what most programs need. `Adapter`, `Session` and `Packet` are the objects of the
Wintun API itself, without copies. On Windows the bundled, signed `wintun.dll` does the work, and
creating an adapter needs an Administrator; elsewhere a simulator stands in for it (see
`wintun.simulator`), so that programs can be developed and tested anywhere.

All functions and objects may be used from any thread.
"""

from __future__ import annotations

import sys

# `python -m wintun` imports this before its own code, which ends well at Ctrl-C. So until that runs
# the signal ends the process without a traceback. No other program comes here with such arguments.
if sys.argv[:1] == ["-m"] and getattr(sys, "orig_argv", [])[-len(sys.argv) :][:1] == ["wintun"]:
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    del signal

from . import _wintun
from ._driver import get_driver_version
from ._library import library_path, load
from ._logging import log_to_logging, timestamp_to_datetime
from ._version import __version__
from ._wintun import (
    LOG_ERR,
    LOG_INFO,
    LOG_WARN,
    MAX_IP_PACKET_SIZE,
    MAX_RING_CAPACITY,
    MIN_RING_CAPACITY,
    Adapter,
    AdapterTerminatingError,
    ClosedError,
    Packet,
    PacketBatch,
    RingCorruptError,
    RingFullError,
    Session,
    delete_driver,
    set_logger,
)
from .device import TunDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import simulator
    from ._records import DriverVersion, Statistics

__all__ = [
    "LOG_ERR",
    "LOG_INFO",
    "LOG_WARN",
    "MAX_IP_PACKET_SIZE",
    "MAX_RING_CAPACITY",
    "MIN_RING_CAPACITY",
    "Adapter",
    "AdapterTerminatingError",
    "ClosedError",
    "DriverVersion",
    "Packet",
    "PacketBatch",
    "RingCorruptError",
    "RingFullError",
    "Session",
    "Statistics",
    "TunDevice",
    "__version__",
    "delete_driver",
    "get_driver_version",
    "library_path",
    "load",
    "log_to_logging",
    "set_logger",
    "simulator",
    "timestamp_to_datetime",
]

_wintun._set_default_logger(log_to_logging)


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> object:
        """Imports what costs time to import when it is first asked for."""
        if name == "simulator":
            from importlib import import_module

            return import_module("wintun.simulator")
        if name in ("DriverVersion", "Statistics"):
            from . import _records

            return getattr(_records, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
