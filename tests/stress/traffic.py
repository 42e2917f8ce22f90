# SPDX-License-Identifier: MIT
"""Packets that tell whose they are and whether they are whole, and the account of them."""

from __future__ import annotations

import random
import struct
import zlib
from array import array
from collections.abc import Iterable
from typing import Union

HEADER = struct.Struct(">BBHIIHH")
"""IPv4's version, its type of service, the size; generation, sequence, sender, nothing."""

CHECKSUM = struct.Struct(">I")
PAYLOAD_AT = HEADER.size + CHECKSUM.size
SMALLEST = PAYLOAD_AT

Bytes = Union[bytes, bytearray, memoryview]

# Any piece of it differs from its neighbours: what is shifted or torn has another checksum.
_POOL = random.Random(0).randbytes(0x20000)


def make_packet(generation: int, sender: int, sequence: int, size: int) -> bytes:
    """A packet of `size` bytes, from SMALLEST on, that `Account` knows again."""
    head = HEADER.pack(0x45, 0, size, generation, sequence, sender, 0)
    start = sequence * 7 % 0x10000
    payload = _POOL[start : start + size - PAYLOAD_AT]
    return head + CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


class Account:
    """What one receiver got: the sequence numbers of each sender, in the order of arrival."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.packets = 0
        self.sequences: dict[int, array[int]] = {}

    def take(self, packet: Bytes) -> None:
        """Checks a packet and enters it."""
        view = memoryview(packet)
        _, _, size, generation, sequence, sender, _ = HEADER.unpack_from(view)
        (checksum,) = CHECKSUM.unpack_from(view, HEADER.size)
        expected = zlib.crc32(view[PAYLOAD_AT:], zlib.crc32(view[: HEADER.size]))
        assert (len(view), checksum) == (size, expected), f"altered: {bytes(view[:64]).hex()}"
        assert generation == self.generation, f"packet of generation {generation} came again"
        self.sequences.setdefault(sender, array("I")).append(sequence)
        self.packets += 1


class Sender:
    """What one sender sent: numbers them, and remembers which ones it gave back unsent."""

    def __init__(self, generation: int, number: int, chance: random.Random) -> None:
        self.generation = generation
        self.number = number
        self.chance = chance
        self.accepted = 0
        self.in_doubt = 0
        """Packets behind the accepted ones that may have been accepted, too."""
        self.discarded: set[int] = set()

    def next_packets(self, count: int) -> list[bytes]:
        """Packets to send next; `accepted` says how many of them were."""
        chance = self.chance
        sizes = [
            SMALLEST + int(1400 * chance.random() ** 2)
            if chance.random() < 0.99
            else chance.randrange(SMALLEST, 0x10000)
            for _ in range(count)
        ]
        numbered = enumerate(sizes, self.accepted)
        return [make_packet(self.generation, self.number, at, size) for at, size in numbered]

    def expected(self) -> list[int]:
        numbers = range(self.accepted + self.in_doubt)
        return [number for number in numbers if number not in self.discarded]


def check(senders: Iterable[Sender], receivers: list[Account], *, all_arrived: bool) -> None:
    """Nothing lost from the middle, doubled, or out of order; nothing at all lost if `all_arrived`.

    What had not arrived when a session was ended under its traffic is lost, and that is the end of
    each sender's packets.
    """
    known = {sender.number: sender for sender in senders}
    for receiver in receivers:
        assert receiver.sequences.keys() <= known.keys(), "from a sender that does not exist"
        for number, got in receiver.sequences.items():
            assert all(a < b for a, b in zip(got, got[1:])), f"out of order, from {number}"
    for number, sender in known.items():
        expected = sender.expected()
        arrived = sorted(
            sequence
            for receiver in receivers
            for sequence in receiver.sequences.get(number, array("I"))
        )
        if arrived != expected[: len(arrived)]:
            raise AssertionError(f"from {number} {difference(expected, arrived)}")
        if all_arrived:
            missing = len(expected) - sender.in_doubt - len(arrived)
            assert missing <= 0, f"from {number} the last {missing} are lost"


def difference(expected: list[int], arrived: list[int]) -> str:
    doubled = len(arrived) - len(set(arrived))
    lost = sorted(set(expected[: len(arrived)]) - set(arrived))
    strange = sorted(set(arrived) - set(expected))
    return f"{doubled} are doubled, lost {lost[:9]}, never sent {strange[:9]}"
