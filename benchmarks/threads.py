"""One to four threads on one device, together: packets a second."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import wintun
from wintun import simulator

from .calls import BATCH

NAME = "Benchmark threads"
COUNTS = (1, 2, 4)
PACKETS = 1_000_000


class Threads(NamedTuple):
    direction: str
    size: int
    threads: int
    rate: float  # median, packets a second, of all threads together


def receive(device: wintun.TunDevice, size: int, count: int) -> None:
    while count > 0:
        count -= len(device.read_many(min(BATCH, count), None))


def send(device: wintun.TunDevice, size: int, count: int) -> None:
    packets = [bytes([0x45]) + bytes(size - 1)] * BATCH
    for first in range(0, count, BATCH):
        device.write_many(packets[: count - first], None)


def one_run(
    move: Callable[[wintun.TunDevice, int, int], None], size: int, threads: int, share: float
) -> float:
    each = max(BATCH, int(PACKETS * share) // threads)
    simulator.set_wire(NAME, "flood", packet_size=size)
    with wintun.TunDevice(NAME, "Benchmark") as device:
        device.up()
        workers = [threading.Thread(target=move, args=(device, size, each)) for _ in range(threads)]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return threads * each / (time.perf_counter() - began)


def measure(sizes: Sequence[int], repeats: int, share: float) -> list[Threads]:
    simulator.use()
    results = []
    for direction, move in (("receive", receive), ("send", send)):
        for size in sizes:
            rounds = [
                [one_run(move, size, count, share) for count in COUNTS] for _ in range(repeats)
            ]
            for count, rates in zip(COUNTS, zip(*rounds)):
                results.append(Threads(direction, size, count, statistics.median(rates)))
    return results


def table(results: Sequence[Threads]) -> str:
    head = f"{'':8} {'bytes':>6} {'threads':>8} {'packets/s':>12}"
    rows = (f"{r.direction:8} {r.size:6} {r.threads:8} {r.rate:12,.0f}" for r in results)
    return "\n".join([head, *rows])
