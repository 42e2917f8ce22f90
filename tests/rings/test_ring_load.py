# SPDX-License-Identifier: MIT
"""Ten million packets from four threads: each thread's in order, none lost, twice or bent."""

from __future__ import annotations

import struct
import time
import zlib
from typing import Callable

import pytest

import wintun
from helpers import Worker, pattern, scaled, wait_until

SENDERS = 4
PACKETS = 10_000_000
BATCH = 500

HEADER = struct.Struct(">BBHIQ")
FILLER = [pattern(size) for size in range(61)]

# What crc32 gives for anything that is followed by its own CRC, least byte first.
RESIDUE = 0x2144DF1C


def numbered_packet(sender: int, number: int) -> bytes:
    body = HEADER.pack(0x45, sender, 0, 0, number) + FILLER[number % 61]
    return body + zlib.crc32(body).to_bytes(4, "little")


def send(session: wintun.Session, sender: int, count: int) -> None:
    for begin in range(0, count, BATCH):
        batch = [
            numbered_packet(sender, number) for number in range(begin, min(begin + BATCH, count))
        ]
        assert session.write_many(batch, timeout=None) == len(batch)


def check(packets: list[bytes], next_numbers: list[int]) -> None:
    crc32 = zlib.crc32
    for packet in packets:
        assert crc32(packet) == RESIDUE, "a packet has changed on its way"
        sender = packet[1]
        assert int.from_bytes(packet[8:16], "big") == next_numbers[sender], (
            "a packet is lost, comes twice or out of order"
        )
        next_numbers[sender] += 1


@pytest.mark.slow
@pytest.mark.threads
def test_four_threads_send_ten_million_packets_and_each_arrives_once_in_its_threads_order(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(0x400000, wire="loop")
    each = scaled(PACKETS, at_least=20_000) // SENDERS
    senders = [Worker(send, session, sender, each) for sender in range(SENDERS)]
    next_numbers = [0] * SENDERS
    while sum(next_numbers) < SENDERS * each:
        packets = session.read_many(1024, timeout=30.0)
        assert packets, "packets are lost: nothing arrives any more"
        check(packets, next_numbers)
    for sender in senders:
        sender.result()
    assert session.read() is None
    received, _, sent, _, _, unsent = session.statistics[:6]
    assert (received, sent, unsent) == (SENDERS * each, SENDERS * each, 0)


@pytest.mark.slow
@pytest.mark.threads
def test_packets_sent_one_by_one_from_four_threads_arrive_once_in_each_threads_order(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(wire="loop")
    each = scaled(50_000, at_least=2_000)

    def send_singly(sender: int) -> None:
        for number in range(each):
            packet = numbered_packet(sender, number)
            if number % 2:
                session.write(packet, timeout=None)
                continue
            while True:
                try:
                    outgoing = session.allocate_send_packet(len(packet))
                    break
                except wintun.RingFullError:
                    time.sleep(0)
            with outgoing:
                memoryview(outgoing)[:] = packet
                outgoing.send()

    senders = [Worker(send_singly, sender) for sender in range(SENDERS)]
    next_numbers = [0] * SENDERS
    while sum(next_numbers) < SENDERS * each:
        packet = session.read(timeout=30.0)
        assert packet is not None, "packets are lost: nothing arrives any more"
        check([packet], next_numbers)
    for worker in senders:
        worker.result()


@pytest.mark.slow
@pytest.mark.threads
def test_four_threads_reading_one_ring_get_each_packet_once_and_each_thread_in_order(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(wire="loop")
    count = scaled(400_000, at_least=4_000)

    def read() -> list[int]:
        numbers: list[int] = []
        while True:
            try:
                packets = session.read_many(7, timeout=None)
            except wintun.ClosedError:
                return numbers
            numbers += [int.from_bytes(packet[8:16], "big") for packet in packets]

    readers = [Worker(read) for _ in range(4)]
    send(session, 0, count)
    wait_until(
        lambda: session.statistics.packets_received == count, "packets lie in the ring unread"
    )
    session.end()
    numbers = [reader.result() for reader in readers]
    assert sorted(number for one in numbers for number in one) == list(range(count))
    for one in numbers:
        assert one == sorted(one)
