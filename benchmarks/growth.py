"""Memory over many packets: none may stay behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import wintun
from wintun import simulator

from .calls import ECHO, Run

NAME = "Benchmark growth"
CHECKS = 10


class Growth(NamedTuple):
    call: str
    packets: int
    kib: list[int]  # resident memory, first after a tenth of the packets, as a warm-up


def resident_kib() -> int:
    """Resident memory of the process, in KiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def measure_one(call: str, make: Callable[[wintun.TunDevice], Run], packets: int) -> Growth:
    simulator.set_wire(NAME, "flood", packet_size=64)
    packet = bytes([0x45]) + bytes(63)
    with wintun.TunDevice(NAME, "Benchmark") as device:
        device.up()
        run, kib = make(device), []
        for _ in range(CHECKS):
            run(packet, packets // CHECKS, True)
            kib.append(resident_kib())
    return Growth(call, packets, kib)


def measure(packets: int) -> list[Growth]:
    """The packets are shared by the ways to echo them."""
    if sys.platform != "linux" or packets == 0:
        return []
    simulator.use()
    return [measure_one(call, make, packets // len(ECHO)) for call, make in ECHO.items()]


def table(results: list[Growth]) -> str:
    rows = (f"{r.call:27} {r.packets:12,} packets: {r.kib[0]} to {r.kib[-1]} KiB" for r in results)
    return "\n".join(["resident memory after a tenth of the packets and at the end", *rows])
