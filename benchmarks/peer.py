"""pytun-pmd3, on Windows: its calls on the same rings.

It loads the `wintun.dll` in its own package and the system's IP Helper by name; here it gets the
simulator for both, which has the functions of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import sys
from itertools import repeat
from typing import Any
from unittest import mock

from wintun import simulator

from .calls import Run

PACKAGE = "pytun_pmd3"


def load() -> Any:
    """Its module with the simulator in place of the driver's library; None where it is not."""
    if sys.platform != "win32":
        return None
    if importlib.util.find_spec(PACKAGE) is None:
        return None
    original = vars(ctypes)["WinDLL"]

    def replaced(name: str, *arguments: Any, **options: Any) -> Any:
        ours = name.endswith("wintun.dll") or name == "Iphlpapi.dll"
        return original(simulator.library_path() if ours else name, *arguments, **options)

    with mock.patch.object(ctypes, "WinDLL", replaced):
        return importlib.import_module(PACKAGE)


def open_device(name: str, capacity: int) -> Any:
    """Its device, up, in the simulator; None where there is none."""
    module = load()
    if module is None:
        return None
    device = module.TunTapDevice(name)
    device.up(capacity)
    return device


def read(device: Any) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read = device.read
        for _ in repeat(None, count):
            read()

    return run


def read_async(device: Any) -> Run:
    async def main(count: int) -> None:
        for _ in repeat(None, count):
            await device.async_read()

    return lambda packet, count, wait: asyncio.run(main(count))


def write(device: Any) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        write = device.write
        while count > 0:
            # It does not look whether the ring is full, and writes to address 0 then.
            with contextlib.suppress(OSError):
                write(packet)
                count -= 1

    return run
