# SPDX-License-Identifier: MIT
"""Every way of reading, each until the session is over: READERS, and ASYNC_READERS in a loop."""

from __future__ import annotations

import array
import asyncio
import random
import time
from contextlib import suppress
from typing import Callable, Union

import wintun

from .traffic import Account

Endpoint = Union[wintun.TunDevice, wintun.Session]
Reader = Callable[[Endpoint, Account, random.Random], None]

OVER = (wintun.ClosedError, wintun.AdapterTerminatingError, wintun.RingCorruptError)
"""What ends a reader or a writer."""

LONGEST_HOLD = 0.01
"""Seconds that a packet is held; also over the end of its session."""


def read_blocking(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    while True:
        packet = endpoint.read(timeout=chance.choice([None, None, 0.001, 3600.0]))
        if packet is not None:
            account.take(packet)


def read_and_wait(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    while True:
        packet = endpoint.read()
        if packet is not None:
            account.take(packet)
        else:
            endpoint.wait_read_event(chance.choice([None, 0.001, 3600.0]))


def read_many(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    while True:
        for packet in endpoint.read_many(chance.randrange(1, 200), timeout=None):
            account.take(packet)


def read_into(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    buffer = bytearray(0x10000)
    while True:
        size = endpoint.read_into(buffer, timeout=chance.choice([None, 0.001]))
        if size is not None:
            account.take(buffer[:size])


def read_packed(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    buffer = bytearray(0x20000)
    spans = array.array("I", bytes(4 * 2 * 40))
    while True:
        count = endpoint.read_packed(buffer, spans, chance.randrange(40), 16, timeout=None)
        for start, end in zip(spans[0 : 2 * count : 2], spans[1 : 2 * count : 2]):
            account.take(buffer[start:end])


def hold(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    held: list[wintun.Packet] = []
    try:
        while True:
            packet = endpoint.receive_packet()
            if packet is not None:
                account.take(memoryview(packet))
                held.append(packet)
            elif not held:
                endpoint.wait_read_event(0.01)
            if len(held) > 20 or (held and packet is None):
                time.sleep(chance.random() * LONGEST_HOLD)
                chance.shuffle(held)
                held.pop().release()
                held.clear()  # the others by being collected
    finally:
        for packet in held:
            with packet:
                assert len(bytes(packet)) == len(packet)


def hold_batch(endpoint: Endpoint, account: Account, chance: random.Random) -> None:
    while True:
        with endpoint.receive_packets(chance.randrange(1, 100)) as batch:
            for view in batch:
                account.take(view)
                view.release()
            time.sleep(chance.random() * LONGEST_HOLD)
        if not batch:
            endpoint.wait_read_event(0.01)


READERS: list[Reader] = [
    read_blocking,
    read_and_wait,
    read_many,
    read_into,
    read_packed,
    hold,
    hold_batch,
]


def iterate(device: wintun.TunDevice, account: Account) -> None:
    for packet in device:
        account.take(packet)


# --- In event loops --------------------------------------------------------------------------


async def read_async(device: wintun.TunDevice, account: Account, chance: random.Random) -> None:
    while True:
        account.take(await device.read_async())


async def read_async_cancelled(
    device: wintun.TunDevice, account: Account, chance: random.Random
) -> None:
    while True:
        task = asyncio.ensure_future(device.read_async())
        await asyncio.wait([task], timeout=chance.random() * 0.002)
        task.cancel()
        with suppress(asyncio.CancelledError):
            account.take(await task)


async def read_many_async(
    device: wintun.TunDevice, account: Account, chance: random.Random
) -> None:
    while True:
        for packet in await device.read_many_async(chance.randrange(1, 100)):
            account.take(packet)


async def iterate_async(device: wintun.TunDevice, account: Account, chance: random.Random) -> None:
    async for packet in device:
        account.take(packet)


ASYNC_READERS = [read_async, read_async_cancelled, read_many_async, iterate_async]


def read_in_loop(device: wintun.TunDevice, accounts: list[Account], chance: random.Random) -> None:
    """A task for each account, in an event loop of this thread."""

    async def work() -> None:
        tasks = [
            asyncio.ensure_future(chance.choice(ASYNC_READERS)(device, account, chance))
            for account in accounts
        ]
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if result is not None and not isinstance(result, OVER):
                raise result

    asyncio.run(work())
