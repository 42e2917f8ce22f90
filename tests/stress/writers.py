# SPDX-License-Identifier: MIT
"""Every way of writing, each until the session is over or the sender is told to be quiet."""

from __future__ import annotations

import array
import asyncio
import threading
import time
from typing import Callable

import wintun

from .readers import Endpoint
from .traffic import Sender

Writer = Callable[[Endpoint, Sender, threading.Event], None]


def write_blocking(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        endpoint.write(sender.next_packets(1)[0], timeout=None)
        sender.accepted += 1


def write_or_wait(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        try:
            endpoint.write(bytearray(sender.next_packets(1)[0]), sender.chance.choice([0, 0.001]))
            sender.accepted += 1
        except wintun.RingFullError:
            time.sleep(0.001)


def write_many(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        packets = sender.next_packets(sender.chance.randrange(1, 200))
        sender.accepted += endpoint.write_many(packets, sender.chance.choice([0, None, 0.001]))


def write_packed(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        packets = sender.next_packets(sender.chance.randrange(1, 60))
        spans, end = array.array("I"), 0
        for packet in packets:
            spans.extend((end, end + len(packet)))
            end += len(packet)
        sender.accepted += endpoint.write_packed(b"".join(packets), spans, len(packets), 0.001)


def allocate(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    """Sends in any order, drops some unsent."""
    in_hand: list[wintun.Packet] = []
    try:
        while not quiet.is_set():
            content = sender.next_packets(1)[0]
            try:
                packet = endpoint.allocate_send_packet(len(content))
            except wintun.RingFullError:
                finish(in_hand)
                time.sleep(0.001)
                continue
            sender.accepted += 1
            if sender.chance.random() < 0.1:
                sender.discarded.add(sender.accepted - 1)
                if sender.chance.random() < 0.5:
                    packet.release()
                continue  # or it is collected
            memoryview(packet)[:] = content
            in_hand.append(packet)
            if len(in_hand) > 10:
                sender.chance.shuffle(in_hand)
                finish(in_hand)
    finally:
        finish(in_hand)


def finish(in_hand: list[wintun.Packet]) -> None:
    while in_hand:
        in_hand.pop().send()


def allocate_batch(endpoint: Endpoint, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        contents = sender.next_packets(sender.chance.randrange(1, 30))
        try:
            batch = endpoint.allocate_send_packets(map(len, contents))
        except wintun.RingFullError:
            time.sleep(0.001)
            continue
        first = sender.accepted
        sender.accepted += len(batch)
        if sender.chance.random() < 0.1:
            sender.discarded.update(range(first, sender.accepted))
            batch.release()
            continue
        for view, content in zip(batch, contents):
            view[:] = content
            view.release()
        batch.send()


WRITERS: list[Writer] = [
    write_blocking,
    write_or_wait,
    write_many,
    write_packed,
    allocate,
    allocate_batch,
]


# --- In event loops --------------------------------------------------------------------------


async def write_async(device: wintun.TunDevice, sender: Sender, quiet: threading.Event) -> None:
    while not quiet.is_set():
        await device.write_async(sender.next_packets(1)[0])
        sender.accepted += 1
        if sender.chance.random() < 0.1:
            await asyncio.sleep(0)


async def write_async_cancelled(
    device: wintun.TunDevice, sender: Sender, quiet: threading.Event
) -> None:
    while not quiet.is_set():
        task = asyncio.ensure_future(device.write_async(sender.next_packets(1)[0]))
        await asyncio.wait([task], timeout=sender.chance.random() * 0.001)
        task.cancel()
        try:
            await task
            sender.accepted += 1
        except asyncio.CancelledError:
            pass


async def write_many_async(
    device: wintun.TunDevice, sender: Sender, quiet: threading.Event
) -> None:
    while not quiet.is_set():
        packets = sender.next_packets(sender.chance.randrange(1, 100))
        try:
            written = await device.write_many_async(packets)
        except BaseException:
            sender.in_doubt = len(packets)
            raise
        sender.accepted += written
        await asyncio.sleep(0)


ASYNC_WRITERS = [write_async, write_async_cancelled, write_many_async]


def write_in_loop(device: wintun.TunDevice, sender: Sender, quiet: threading.Event) -> None:
    """One task in an event loop of this thread."""
    asyncio.run(sender.chance.choice(ASYNC_WRITERS)(device, sender, quiet))
