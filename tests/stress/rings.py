# SPDX-License-Identifier: MIT
"""A session's two rings, and what the package reads ahead, in plain Python.

Written from the documented layout and docs/architecture.md: a packet takes a word and its bytes,
aligned to 4; a ring's room comes back over the finished beginning of it only.
"""

from __future__ import annotations

from collections import deque

import wintun
from helpers import slot_size, usable

SMALL_PACKET = 2048
"""A packet of up to this size is copied at once when it is read ahead."""

BURST_PACKETS = 64
BURST_BYTES = 65536
"""What goes into the ring before the driver is told of it."""

AHEAD_PACKETS = 64
AHEAD_BYTES = 65536


def is_ip(packet: bytes | bytearray) -> bool:
    """What the driver lets pass."""
    version = packet[0] >> 4 if packet else 0
    return (version == 4 and len(packet) >= 20) or (version == 6 and len(packet) >= 40)


class Slot:
    """A packet's place in a ring."""

    __slots__ = ("content", "corrupt", "done")

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self.corrupt = False
        self.done = False


class Ring:
    """The places that are taken, in order."""

    def __init__(self, capacity: int) -> None:
        self.room = usable(capacity)
        self.slots: deque[Slot] = deque()

    def add(self, content: bytes | bytearray) -> Slot | None:
        if slot_size(len(content)) > self.room:
            return None
        self.room -= slot_size(len(content))
        slot = Slot(content)
        self.slots.append(slot)
        return slot

    def pop(self) -> Slot:
        slot = self.slots.popleft()
        self.room += slot_size(len(slot.content))
        return slot


class SendRing(Ring):
    """What the program writes and the driver collects."""

    def discard(self) -> int:
        """Drops what is not IP at the front, and returns how many packets that were."""
        count = 0
        while self.slots and self.slots[0].done and not is_ip(self.slots[0].content):
            self.pop()
            count += 1
        return count

    def collect(self) -> bytes | None:
        """The next packet that the driver takes."""
        return bytes(self.pop().content) if self.slots and self.slots[0].done else None


class Taken:
    """A packet that the program has taken: in the ring still if it has a slot."""

    __slots__ = ("content", "slot")

    def __init__(self, content: bytearray, slot: Slot | None) -> None:
        self.content = content
        self.slot = slot


class ReceiveRing(Ring):
    """What the driver delivers and the program reads; with the packets that were read ahead."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.waiting: deque[Slot] = deque()
        self.store: deque[Taken] = deque()
        self.removed = False
        self.packets = 0
        self.bytes = 0

    def deliver(self, packet: bytes) -> bool:
        slot = self.add(bytearray(packet))
        if slot is not None:
            self.waiting.append(slot)
        return slot is not None

    def corrupt(self) -> None:
        """Spoils the packet that is read next; one is delivered for that if there is none."""
        if not self.waiting:
            slot = self.add(b"")
            if slot is None:
                return  # a ring that is full of packets in hand: there is no next one
            self.waiting.append(slot)
        self.waiting[0].corrupt = True

    def release(self, slot: Slot) -> None:
        slot.done = True
        while self.slots and self.slots[0].done:
            self.pop()

    def has_an_answer(self) -> bool:
        """Whether a read returns or raises at once, however long it would wait."""
        return self.removed or bool(self.store or self.waiting)

    # --- As the package reads ---

    def _next(self) -> Slot | None:
        if self.removed:
            raise wintun.AdapterTerminatingError
        if not self.waiting:
            return None
        if self.waiting[0].corrupt:
            raise wintun.RingCorruptError
        slot = self.waiting.popleft()
        self.packets += 1
        self.bytes += len(slot.content)
        return slot

    def _copy(self, slot: Slot) -> Taken:
        self.release(slot)
        return Taken(bytearray(slot.content), None)

    def _fill(self) -> None:
        used = 0
        while len(self.store) < AHEAD_PACKETS and used <= AHEAD_BYTES - SMALL_PACKET:
            try:
                slot = self._next()
            except OSError:
                return
            if slot is None:
                return
            if len(slot.content) > SMALL_PACKET:
                self.store.append(Taken(slot.content, slot))  # type: ignore[arg-type]
                return
            used += len(slot.content)
            self.store.append(self._copy(slot))

    def take_in_place(self) -> Taken | None:
        """For receive_packet() and its like."""
        if self.store:
            return self.store.popleft()
        slot = self._next()
        return None if slot is None else Taken(slot.content, slot)  # type: ignore[arg-type]

    def read(self) -> bytes | None:
        """For a single read: the next packet; those behind it are read ahead."""
        if self.store:
            return self.pop_stored()
        slot = self._next()
        if slot is None:
            return None
        content = bytes(slot.content)
        self.release(slot)
        if len(content) <= SMALL_PACKET:
            self._fill()
        return content

    def read_many(self, most: int) -> list[bytes]:
        """Up to `most` packets, without reading ahead; raises only with empty hands."""
        packets: list[bytes] = []
        for taken in self.take_many(most):
            if taken.slot is not None:
                self.release(taken.slot)
            packets.append(bytes(taken.content))
        return packets

    def take_many(self, most: int) -> list[Taken]:
        """For receive_packets()."""
        taken: list[Taken] = []
        while len(taken) < most:
            try:
                one = self.take_in_place()
            except OSError:
                if not taken:
                    raise
                return taken
            if one is None:
                return taken
            taken.append(one)
        return taken

    def peek_stored(self) -> Taken | None:
        """The next packet, taken out of the ring into the store but not copied."""
        if not self.store:
            one = self.take_in_place()
            if one is None:
                return None
            self.store.append(one)
        return self.store[0]

    def pop_stored(self) -> bytes:
        taken = self.store.popleft()
        if taken.slot is not None:
            self.release(taken.slot)
        return bytes(taken.content)

    def discard_store(self) -> int:
        """What the end of the session does with what was read ahead; returns how many."""
        count = len(self.store)
        while self.store:
            self.pop_stored()
        return count
