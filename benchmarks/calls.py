"""Every call of `wintun` that moves packets, as a loop over it."""

from __future__ import annotations

import array
import asyncio
import functools
import itertools
from collections.abc import Callable
from itertools import repeat

import wintun

BATCH = 64

Run = Callable[[bytes, int, bool], None]
"""Moves packets: (packet, count, wait for packets or room)."""

Calls = dict[str, Callable[[wintun.TunDevice], Run]]


@functools.cache
def buffer_for(packets: int, size: int) -> bytearray:
    """Makes room for packets, once: a program has it before they come."""
    return bytearray(packets * size)


@functools.lru_cache(maxsize=1)
def packed(packet: bytes) -> tuple[bytes, array.array[int]]:
    """Puts a batch of one packet into a buffer, one behind the other, and tells where they lie."""
    places = ((place * len(packet), (place + 1) * len(packet)) for place in range(BATCH))
    return packet * BATCH, array.array("I", itertools.chain.from_iterable(places))


# --- Receiving -------------------------------------------------------------------------------


def read(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read = device.read
        for _ in repeat(None, count):
            while read() is None:
                pass

    return run


def read_waiting(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read = device.read
        for _ in repeat(None, count):
            read(None)

    return run


def read_many(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read_many = device.read_many
        while count >= BATCH:
            count -= len(read_many(BATCH))
        while count > 0:
            count -= len(read_many(count))

    return run


def read_many_waiting(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read_many = device.read_many
        while count >= BATCH:
            count -= len(read_many(BATCH, None))
        while count > 0:
            count -= len(read_many(count, None))

    return run


def read_into(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read_into, buffer = device.read_into, buffer_for(1, len(packet))
        for _ in repeat(None, count):
            while read_into(buffer) is None:
                pass

    return run


def read_packed(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        buffer = buffer_for(BATCH, len(packet))
        every = array.array("I", bytes(8 * BATCH))
        spans = memoryview(every)
        while count > 0:
            count -= device.read_packed(buffer, every if count >= BATCH else spans[: 2 * count])

    return run


def receive_packet(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        receive_packet = device.receive_packet
        while count > 0:
            received = receive_packet()
            if received is not None:
                received.release()
                count -= 1

    return run


def receive_packets(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        receive_packets = device.receive_packets
        while count > 0:
            with receive_packets(min(BATCH, count)) as batch:
                count -= len(batch)

    return run


RECEIVE: Calls = {
    "read": read,
    "read_many": read_many,
    "read_into": read_into,
    "read_packed": read_packed,
    "receive_packet": receive_packet,
    "receive_packets": receive_packets,
}


# --- Receiving where it has to wait ----------------------------------------------------------


def read_async(device: wintun.TunDevice) -> Run:
    async def main(count: int) -> None:
        read_async = device.read_async
        for _ in repeat(None, count):
            await read_async()

    return lambda packet, count, wait: asyncio.run(main(count))


def read_many_async(device: wintun.TunDevice) -> Run:
    async def main(count: int) -> None:
        read_many_async = device.read_many_async
        while count > 0:
            count -= len(await read_many_async(min(BATCH, count)))

    return lambda packet, count, wait: asyncio.run(main(count))


RECEIVE_WAITING: Calls = {
    "read(None)": read_waiting,
    "read_many(64, None)": read_many_waiting,
    "read_async": read_async,
    "read_many_async": read_many_async,
}


# --- Sending ---------------------------------------------------------------------------------


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
        packets = [packet] * BATCH
        for _ in repeat(None, count // BATCH):
            write_many(packets, timeout)
        write_many(packets[: count % BATCH], timeout)

    return run


def write_packed(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        write_packed, timeout = device.write_packed, None if wait else 0.0
        buffer, spans = packed(packet)
        for first in range(0, count, BATCH):
            write_packed(buffer, spans, min(BATCH, count - first), timeout)

    return run


def allocate_send_packet(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        allocate, size = device.allocate_send_packet, len(packet)
        while count > 0:
            try:
                allocated = allocate(size)
            except wintun.RingFullError:
                continue
            allocated[:] = packet
            allocated.send()
            count -= 1

    return run


def allocate_send_packets(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        allocate, sizes = device.allocate_send_packets, [len(packet)] * BATCH
        while count > 0:
            try:
                batch = allocate(sizes if count >= BATCH else sizes[:count])
            except wintun.RingFullError:
                continue
            for place in range(len(batch)):
                batch[place] = packet
            count -= len(batch)
            batch.send()

    return run


SEND: Calls = {
    "write": write,
    "write_many": write_many,
    "write_packed": write_packed,
    "allocate_send_packet": allocate_send_packet,
    "allocate_send_packets": allocate_send_packets,
}


# --- Both ------------------------------------------------------------------------------------


def echo(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read, write = device.read, device.write
        while count > 0:
            received = read()
            if received is not None:
                write(received, None)
                count -= 1

    return run


def echo_many(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        read_many, write_many = device.read_many, device.write_many
        while count > 0:
            packets = read_many(min(BATCH, count))
            if packets:
                count -= write_many(packets, None)

    return run


def echo_packed(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        buffer = buffer_for(BATCH, len(packet))
        every = array.array("I", bytes(8 * BATCH))
        spans = memoryview(every)
        while count > 0:
            read = device.read_packed(buffer, every if count >= BATCH else spans[: 2 * count])
            if read:
                count -= device.write_packed(buffer, every, read, None)

    return run


def echo_in_place(device: wintun.TunDevice) -> Run:
    def run(packet: bytes, count: int, wait: bool) -> None:
        while count > 0:
            with device.receive_packets(min(BATCH, count)) as batch:
                if len(batch):
                    count -= device.write_many(batch, None)

    return run


ECHO: Calls = {
    "read, write": echo,
    "read_many, write_many": echo_many,
    "read_packed, write_packed": echo_packed,
    "receive_packets, write_many": echo_in_place,
}
