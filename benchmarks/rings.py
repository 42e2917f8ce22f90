"""Packets through the simulator's rings: Python's calls against the same loop in C, in turn.

Two situations. "ring": the ring is filled, or emptied, before the clock starts, and nothing else
runs: the cost of the calls alone. "flood": the simulator's driver floods, or drains, the other end
from a thread of its own meanwhile, as a fast network would.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import wintun
from wintun import simulator

from .native import NativeDevice

CAPACITY = 0x400000
BATCH = 64
NATIVE, PYTHON = "Benchmark C", "Benchmark Python"


class Result(NamedTuple):
    situation: str  # "ring" or "flood"
    direction: str  # "receive" or "send"
    size: int  # of a packet, in bytes
    call: str
    packets: int  # in one run
    ns: float  # median of the time a packet
    ratio: float  # median of the runs' ratios to the C loop's run beside them


Run = Callable[[bytes, int, bool], None]  # (packet, count, wait for packets or room)


def read(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read = device.read
        for _ in repeat(None, count):
            while read() is None:
                pass

    return run


def read_many(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read_many = device.read_many
        while count > 0:
            count -= len(read_many(min(BATCH, count)))

    return run


def write(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        write = device.write
        if wait:
            for _ in repeat(None, count):
                write(packet, None)
        else:
            for _ in repeat(None, count):
                write(packet)

    return run


def write_many(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        write_many, timeout = device.write_many, None if wait else 0.0
        for first in range(0, count, BATCH):
            write_many([packet] * min(BATCH, count - first), timeout)

    return run


def native_receive(device: NativeDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        assert device.receive(count, wait) == count

    return run


def native_send(device: NativeDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        assert device.send(packet, count, wait) == count

    return run


class Contender(NamedTuple):
    call: str
    adapter: str
    run: Run


def fitting(size: int) -> int:
    """How many packets one run moves: what fits a ring."""
    return CAPACITY // ((size + 7) // 4 * 4) - 1


def timed(contender: Contender, packet: bytes, count: int, wait: bool) -> float:
    """Nanoseconds a packet."""
    started = time.perf_counter_ns()
    contender.run(packet, count, wait)
    return (time.perf_counter_ns() - started) / count


def ring_run(contender: Contender, direction: str, packet: bytes, count: int) -> float:
    if direction == "receive":
        assert simulator.fill(contender.adapter, len(packet), count) == count
        return timed(contender, packet, count, False)
    ns = timed(contender, packet, count, False)
    assert simulator.drain(contender.adapter, count) == count
    return ns


def flood_run(contender: Contender, direction: str, packet: bytes, count: int) -> float:
    simulator.resume(contender.adapter)
    try:
        return timed(contender, packet, count, True)
    finally:
        simulator.pause(contender.adapter)


def compare(
    situation: str, direction: str, size: int, contenders: Sequence[Contender], repeats: int
) -> list[Result]:
    """Runs the contenders in turn; the first is what the others are compared with."""
    run = ring_run if situation == "ring" else flood_run
    packet, count = bytes([0x45]) + bytes(size - 1), fitting(size) * (1 if run is ring_run else 4)
    rounds = [
        [run(who, direction, packet, count) for who in contenders] for _ in range(repeats + 1)
    ]
    results = []
    for place, who in enumerate(contenders):
        times = [times[place] for times in rounds[1:]]  # the first one warms the caches
        ratios = [times[place] / times[0] for times in rounds[1:]]
        ns, ratio = statistics.median(times), statistics.median(ratios)
        results.append(Result(situation, direction, size, who.call, count, ns, ratio))
    return results


def compare_on_wire(situation: str, size: int, repeats: int, c_loop: Path | None) -> list[Result]:
    """Makes an adapter for each side, on a wire for the situation, and compares on it."""
    with ExitStack() as stack:
        for name in (NATIVE, PYTHON):
            if situation == "ring":
                simulator.set_wire(name, "memory")
            else:
                simulator.set_wire(name, "flood", packet_size=size)
        device = stack.enter_context(wintun.TunDevice(PYTHON, "Benchmark", CAPACITY))
        device.up()
        native = stack.enter_context(closing(NativeDevice(NATIVE, CAPACITY, c_loop)))
        if situation == "flood":
            simulator.pause(NATIVE)
            simulator.pause(PYTHON)
        receive = [
            Contender("C loop", NATIVE, native_receive(native)),
            Contender("read", PYTHON, read(device)),
            Contender("read_many", PYTHON, read_many(device)),
        ]
        send = [
            Contender("C loop", NATIVE, native_send(native)),
            Contender("write", PYTHON, write(device)),
            Contender("write_many", PYTHON, write_many(device)),
        ]
        return [
            *compare(situation, "receive", size, receive, repeats),
            *compare(situation, "send", size, send, repeats),
        ]


def measure(sizes: Sequence[int], repeats: int, c_loop: Path | None) -> list[Result]:
    simulator.use()
    return [
        result
        for situation in ("ring", "flood")
        for size in sizes
        for result in compare_on_wire(situation, size, repeats, c_loop)
    ]


def table(results: Sequence[Result]) -> str:
    lines = [f"{'':6} {'':8} {'bytes':>6} {'':11} {'ns/packet':>10} {'packets/s':>12} {'to C':>6}"]
    for r in results:
        lines.append(
            f"{r.situation:6} {r.direction:8} {r.size:6} {r.call:11} {r.ns:10.0f} "
            f"{1e9 / r.ns:12,.0f} {r.ratio:6.2f}"
        )
    return "\n".join(lines)
