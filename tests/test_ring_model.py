# SPDX-License-Identifier: MIT
"""Any sequence of calls on a pair of rings against a model of the documented layout."""

from __future__ import annotations

import itertools
from collections import deque

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, ipv4_packet, scaled, slot_size, usable
from wintun import simulator

_names = itertools.count()

# Large packets bring the ring's end and the full ring about, small ones the odd places.
SIZES = st.one_of(st.integers(20, 100), st.integers(20, MAX_PACKET), st.integers(30000, MAX_PACKET))


class OutgoingSlot:
    """A slot of the send ring: in hand until it is sent or given back."""

    def __init__(self, packet: wintun.Packet, content: bytes) -> None:
        self.packet = packet
        self.content = content
        self.done = False


class IncomingSlot:
    """A slot of the receive ring: delivered, then perhaps in hand, then released."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.packet: wintun.Packet | None = None
        self.received = False
        self.done = False


class Rings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.name = f"model {next(_names)}"
        self.adapter = wintun.Adapter.create(self.name, "Test")
        simulator.set_wire(self.name, "memory")
        self.session = self.adapter.start_session(MIN_CAPACITY)
        self.outgoing: deque[OutgoingSlot] = deque()
        self.incoming: deque[IncomingSlot] = deque()
        self.seed = 0

    def teardown(self) -> None:
        for packet in [slot.packet for slot in self.in_hand()] + [
            slot.packet for slot in self.held()
        ]:
            if packet is not None:
                packet.release()
        self.session.end()
        self.adapter.close()

    def next_packet(self, size: int) -> bytes:
        self.seed = (self.seed + 1) % 251
        return ipv4_packet(size, self.seed)

    def send_room(self) -> int:
        return usable(MIN_CAPACITY) - sum(slot_size(len(slot.content)) for slot in self.outgoing)

    def receive_room(self) -> int:
        return usable(MIN_CAPACITY) - sum(slot_size(len(slot.content)) for slot in self.incoming)

    def in_hand(self) -> list[OutgoingSlot]:
        return [slot for slot in self.outgoing if not slot.done]

    def held(self) -> list[IncomingSlot]:
        return [slot for slot in self.incoming if slot.received and not slot.done]

    def release_prefix(self) -> None:
        while self.incoming and self.incoming[0].done:
            self.incoming.popleft()

    @rule(size=SIZES)
    def allocate(self, size: int) -> None:
        content = self.next_packet(size)
        if slot_size(size) > self.send_room():
            try:
                self.session.allocate_send_packet(size)
            except wintun.RingFullError:
                return
            raise AssertionError("the ring took a packet that has no room")
        packet = self.session.allocate_send_packet(size)
        memoryview(packet)[:] = content
        self.outgoing.append(OutgoingSlot(packet, content))

    @rule(sizes=st.lists(SIZES, max_size=4))
    def write_many(self, sizes: list[int]) -> None:
        contents = [self.next_packet(size) for size in sizes]
        room, fits = self.send_room(), 0
        for content in contents:
            if slot_size(len(content)) > room:
                break
            room -= slot_size(len(content))
            fits += 1
        assert self.session.write_many(contents) == fits
        for content in contents[:fits]:
            slot = OutgoingSlot(None, content)  # type: ignore[arg-type]
            slot.done = True
            self.outgoing.append(slot)

    @precondition(lambda self: self.in_hand())
    @rule(pick=st.integers(0, 1000), send=st.booleans())
    def send_or_give_back(self, pick: int, send: bool) -> None:
        slots = self.in_hand()
        slot = slots[pick % len(slots)]
        if send:
            slot.packet.send()
        else:
            slot.packet.release()
            slot.content = bytes(len(slot.content))
        slot.done = True

    @rule()
    def collect(self) -> None:
        expected = None
        while self.outgoing and self.outgoing[0].done:
            content = self.outgoing.popleft().content
            if any(content[:1]):
                expected = content
                break
        assert simulator.collect(self.name) == expected

    @rule(size=SIZES)
    def deliver(self, size: int) -> None:
        content = self.next_packet(size)
        fits = slot_size(size) <= self.receive_room()
        assert simulator.deliver(self.name, content) == fits
        if fits:
            self.incoming.append(IncomingSlot(content))

    @rule(limit=st.integers(1, 4))
    def read_many(self, limit: int) -> None:
        slots = [slot for slot in self.incoming if not slot.received][:limit]
        assert self.session.read_many(limit) == [slot.content for slot in slots]
        for slot in slots:
            slot.received = slot.done = True
        self.release_prefix()

    @rule()
    def receive(self) -> None:
        slot = next((slot for slot in self.incoming if not slot.received), None)
        packet = self.session.receive_packet()
        if slot is None:
            assert packet is None
            return
        assert packet is not None
        assert bytes(packet) == slot.content
        slot.packet, slot.received = packet, True

    @precondition(lambda self: self.held())
    @rule(pick=st.integers(0, 1000))
    def release(self, pick: int) -> None:
        slots = self.held()
        slot = slots[pick % len(slots)]
        assert slot.packet is not None
        assert bytes(slot.packet) == slot.content
        slot.packet.release()
        slot.packet, slot.done = None, True
        self.release_prefix()

    @invariant()
    def held_packets_are_counted(self) -> None:
        held: tuple[int, int] = (len(self.in_hand()), len(self.held()))
        assert simulator.counts().held_packets == sum(held)


Rings.TestCase.settings = settings(
    max_examples=scaled(300, at_least=10),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestTheRingsDoWhatTheirLayoutSays = Rings.TestCase
