"""Packets through the simulator's rings: Python's calls against the same loop in C, in turn.

Two situations. "drain": the ring is filled, or emptied, before the clock starts, and nothing else
runs: the cost of the calls alone. "pipeline": the simulator's driver copies packets into the ring
without end, or takes them out, in a thread of its own meanwhile, as a fast network would.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import wintun
from wintun import simulator

from . import calls, peer
from .calls import Run
from .native import NativeDevice

CAPACITY = 0x400000
NATIVE, PYTHON, PEER = "Benchmark C", "Benchmark Python", "Benchmark peer"

SITUATIONS = ("drain", "pipeline")

LIST_IN_C = "C loop, list of bytes"

# What the first run moves at most. Bytes bound it where packets are large.
MOST_PACKETS = 250_000
MOST_BYTES = 300_000_000

# How long a run of the pipeline is: as many packets as the first one moved in that time.
PIPELINE_NS = 100_000_000


class Result(NamedTuple):
    situation: str  # "drain" or "pipeline"
    direction: str  # "receive", "send" or "echo"
    size: int  # of a packet, in bytes
    call: str
    packets: int  # in one run
    ns: float  # median of the time a packet
    best_ns: float  # the least of them
    ratio: float  # median of the runs' ratios to the C loop's run beside them


class Contender(NamedTuple):
    call: str
    adapter: str
    run: Run
    share: float = 1.0  # of the packets of a run, where it would take too long


# --- One run ---------------------------------------------------------------------------------


def timed(run: Run, packet: bytes, count: int, wait: bool) -> int:
    started = time.perf_counter_ns()
    run(packet, count, wait)
    return time.perf_counter_ns() - started


def drain_run(contender: Contender, direction: str, packet: bytes, count: int) -> float:
    """Nanoseconds a packet, in as many turns of the ring as the packets need."""
    fitting = CAPACITY // ((len(packet) + 7) // 4 * 4) - 1
    turn = min(count, fitting)
    turns = max(1, min(count, 2000) // fitting)
    passed = 0
    for _ in range(turns):
        if direction != "send":
            assert simulator.fill(contender.adapter, len(packet), turn) == turn
        passed += timed(contender.run, packet, turn, False)
        if direction != "receive":
            assert simulator.drain(contender.adapter, turn) == turn
    return passed / (turns * turn)


def pipeline_run(contender: Contender, direction: str, packet: bytes, count: int) -> float:
    """Nanoseconds a packet. Before it, what another run has left in the ring is thrown away."""
    simulator.resume(contender.adapter)
    try:
        return timed(contender.run, packet, count, True) / count
    finally:
        simulator.pause(contender.adapter)


def compare(
    situation: str, direction: str, size: int, contenders: Sequence[Contender], repeats: int
) -> list[Result]:
    """Runs the contenders in turn; the first is what the others are compared with."""
    run = drain_run if situation == "drain" else pipeline_run
    packet = bytes([0x45]) + bytes(size - 1)
    most = min(MOST_PACKETS, MOST_BYTES // size)
    counts = [max(1, int(most * who.share)) for who in contenders]

    def one_round() -> list[float]:
        return [run(who, direction, packet, count) for who, count in zip(contenders, counts)]

    first = one_round()  # it warms the caches, too
    if situation == "pipeline":
        counts = [max(1, int(PIPELINE_NS / ns)) for ns in first]
    rounds = [one_round() for _ in range(repeats)]
    results = []
    for place, who in enumerate(contenders):
        times = [times[place] for times in rounds]
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        ns = statistics.median(times)
        row = Result(situation, direction, size, who.call, counts[place], ns, min(times), ratio)
        results.append(row)
    return results


# --- Who takes part --------------------------------------------------------------------------


def native_contenders(device: NativeDevice) -> dict[str, list[Contender]]:
    def receive(packet: bytes, count: int, wait: bool) -> None:
        assert device.receive(count, wait) == count

    def receive_list(packet: bytes, count: int, wait: bool) -> None:
        assert device.receive_list(count, wait) == count

    def send(packet: bytes, count: int, wait: bool) -> None:
        assert device.send(packet, count, wait) == count

    def echo(packet: bytes, count: int, wait: bool) -> None:
        device.echo(count)

    return {
        "receive": [
            Contender("C loop", NATIVE, receive),
            Contender(LIST_IN_C, NATIVE, receive_list),
        ],
        "send": [Contender("C loop", NATIVE, send)],
        "echo": [Contender("C loop", NATIVE, echo)],
    }


def contenders_of(device: wintun.TunDevice, made: calls.Calls) -> list[Contender]:
    return [Contender(call, PYTHON, make(device)) for call, make in made.items()]


def peer_contenders(device: object, situation: str, direction: str) -> list[Contender]:
    if device is None:
        return []
    if direction == "send":
        return [Contender("pytun-pmd3 write", PEER, peer.write(device), 0.2)]
    if direction == "echo":
        return []
    found = [Contender("pytun-pmd3 read", PEER, peer.read(device), 0.2)]
    if situation == "pipeline":
        found.append(Contender("pytun-pmd3 async_read", PEER, peer.read_async(device), 0.001))
    return found


def compare_on_wire(situation: str, size: int, repeats: int, c_loop: Path | None) -> list[Result]:
    """Makes an adapter for each side, on a wire for the situation, and compares on it."""
    results = []
    with ExitStack() as stack:
        for name in (NATIVE, PYTHON, PEER):
            if situation == "drain":
                simulator.set_wire(name, "memory")
            else:
                simulator.set_wire(name, "flood", packet_size=size)
        simulator.pause(None)
        device = stack.enter_context(wintun.TunDevice(PYTHON, "Benchmark", CAPACITY))
        device.up()
        native = stack.enter_context(closing(NativeDevice(NATIVE, CAPACITY, c_loop)))
        other = peer.open_device(PEER, CAPACITY)
        if other is not None:
            stack.callback(other.close)
        receive = calls.RECEIVE | (calls.RECEIVE_WAITING if situation == "pipeline" else {})
        for direction, made in (("receive", receive), ("send", calls.SEND), ("echo", calls.ECHO)):
            contenders = [
                *native_contenders(native)[direction],
                *contenders_of(device, made),
                *peer_contenders(other, situation, direction),
            ]
            results += compare(situation, direction, size, contenders, repeats)
    simulator.resume(None)
    return results


def measure(sizes: Sequence[int], repeats: int, c_loop: Path | None) -> list[Result]:
    simulator.use()
    return [
        result
        for situation in SITUATIONS
        for size in sizes
        for result in compare_on_wire(situation, size, repeats, c_loop)
    ]


def table(results: Sequence[Result]) -> str:
    head = f"{'':8} {'':8} {'bytes':>6} {'':27} {'ns/packet':>10} {'packets/s':>12} {'to C':>6}"
    return "\n".join(
        [
            head,
            *(
                f"{r.situation:8} {r.direction:8} {r.size:6} {r.call:27} {r.ns:10.0f} "
                f"{1e9 / r.ns:12,.0f} {r.ratio:6.2f}"
                for r in results
            ),
        ]
    )
