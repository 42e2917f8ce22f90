"""From a packet's arrival to Python: by a wait, by a spin before it, by polling, by asyncio.

A thread in C, without the GIL, delivers packets with the time in them. Light traffic is one packet
a millisecond, heavy is one each 10 microseconds: only then a blocking read spins.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import wintun
from wintun import simulator

from .native import pace

NAME = "Benchmark latency"
TRAFFIC = {"light": (1_000_000, 1_000), "heavy": (10_000, 60_000)}  # ns between packets, packets


class Latency(NamedTuple):
    traffic: str  # "light" or "heavy"
    way: str
    packets: int
    p50_us: float
    p99_us: float
    p999_us: float


def age(packet: bytes) -> int:
    return time.perf_counter_ns() - int.from_bytes(packet[24:32], "little")


def by_wait(device: wintun.TunDevice, count: int) -> list[int]:
    device.spin_us = 0
    return [age(device.read(None) or b"") for _ in range(count)]


def by_spin(device: wintun.TunDevice, count: int) -> list[int]:
    device.spin_us = 12
    return [age(device.read(None) or b"") for _ in range(count)]


def by_polling(device: wintun.TunDevice, count: int) -> list[int]:
    ages: list[int] = []
    while len(ages) < count:
        packet = device.read()
        if packet is not None:
            ages.append(age(packet))
    return ages


def by_asyncio(device: wintun.TunDevice, count: int) -> list[int]:
    async def main() -> list[int]:
        return [age(await device.read_async()) for _ in range(count)]

    return asyncio.run(main())


WAYS: dict[str, Callable[[wintun.TunDevice, int], list[int]]] = {
    "wait": by_wait,
    "spin": by_spin,
    "polling": by_polling,
    "asyncio": by_asyncio,
}


def ages_of(
    way: Callable[[wintun.TunDevice, int], list[int]],
    traffic: str,
    share: float,
    c_loop: Path | None,
) -> list[int]:
    interval_ns, most = TRAFFIC[traffic]
    count = max(100, int(most * share))
    simulator.set_wire(NAME, "memory")
    with wintun.TunDevice(NAME, "Benchmark", 0x4000000) as device:
        device.up()
        sender = threading.Thread(target=pace, args=(NAME, count, interval_ns, c_loop))
        sender.start()
        ages = way(device, count)
        sender.join()
    return ages[count // 10 :]  # the first ones start the threads


def measure(repeats: int, share: float, c_loop: Path | None) -> list[Latency]:
    """Each way in turn, all ages of all rounds together."""
    simulator.use()
    pairs = [(traffic, name) for traffic in TRAFFIC for name in WAYS]
    ages: dict[tuple[str, str], list[int]] = {pair: [] for pair in pairs}
    for _ in range(repeats):
        for traffic, name in pairs:
            ages[traffic, name] += ages_of(WAYS[name], traffic, share, c_loop)
    return [Latency(*pair, len(ages[pair]), *quantiles(ages[pair])) for pair in pairs]


def quantiles(ages: list[int]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(ages, n=1000)
    return cuts[499] / 1e3, cuts[989] / 1e3, cuts[998] / 1e3


def table(results: Sequence[Latency]) -> str:
    head = f"{'traffic':8} {'way':8} {'packets':>8} {'p50 us':>9} {'p99 us':>9} {'p99.9 us':>9}"
    rows = (
        f"{r.traffic:8} {r.way:8} {r.packets:8} {r.p50_us:9.1f} {r.p99_us:9.1f} {r.p999_us:9.1f}"
        for r in results
    )
    return "\n".join([head, *rows])
