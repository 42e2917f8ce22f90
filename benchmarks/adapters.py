"""What each further adapter costs on one asyncio loop: threads and time, idle and at work."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import wintun
from wintun import simulator

COUNTS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 20
PACKET = bytes([0x45]) + bytes(99)


class Cost(NamedTuple):
    adapters: int
    threads: int  # of the process; of Python alone where the system does not say
    idle_percent: float  # of one processor, while nothing arrives
    us: float  # a packet, when each adapter gets one and all of them answer


def threads() -> int:
    if sys.platform == "linux":
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()


async def answer(device: wintun.TunDevice) -> None:
    async for packet in device:
        await device.write_async(packet)


async def idle(seconds: float) -> float:
    """The processor time that is used meanwhile, in percent."""
    began, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return 100 * (time.process_time() - used) / (time.perf_counter() - began)


async def exchange(names: Sequence[str]) -> float:
    """Microseconds a packet."""
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for name in names:
            assert simulator.deliver(name, PACKET)
        for name in names:
            while simulator.collect(name) is None:
                await asyncio.sleep(0)
    return (time.perf_counter() - began) / (ROUNDS * len(names)) * 1e6


async def measure_one(devices: Sequence[wintun.TunDevice], seconds: float) -> Cost:
    tasks = [asyncio.create_task(answer(device)) for device in devices]
    await asyncio.sleep(0.05)
    percent = await idle(seconds)
    us = await exchange([device.name for device in devices])
    cost = Cost(len(devices), threads(), percent, us)
    for device in devices:
        device.down()
    await asyncio.gather(*tasks, return_exceptions=True)
    return cost


def measure(seconds: float) -> list[Cost]:
    simulator.use()
    costs = []
    for count in COUNTS:
        with ExitStack() as stack:
            devices = []
            for number in range(count):
                name = f"Benchmark {number}"
                simulator.set_wire(name, "memory")
                device = wintun.TunDevice(name, "Benchmark", 0x20000)
                devices.append(stack.enter_context(device))
                device.up()
            costs.append(asyncio.run(measure_one(devices, seconds)))
    return costs


def table(results: Sequence[Cost]) -> str:
    head = f"{'adapters':>8} {'threads':>8} {'idle CPU %':>11} {'us/packet':>10}"
    rows = (f"{r.adapters:8} {r.threads:8} {r.idle_percent:11.2f} {r.us:10.1f}" for r in results)
    return "\n".join([head, *rows])
