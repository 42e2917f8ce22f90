# SPDX-License-Identifier: MIT
"""The far side writes what it likes into the rings: an exception, no crash, nothing beyond them.

The rings lie between memory that nobody can touch, so that who reads or writes beyond them ends the
process. The steps are random; a test's name has the seed that repeats them.
"""

from __future__ import annotations

import ctypes
import threading
from random import Random
from typing import Any, Callable

import pytest

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, Worker, ipv4_packet, scaled
from wintun import simulator

HEADER = 12  # bytes in front of a ring's packets: head, tail, alertable
SIZE_WORD = 4
RELEASED = 0x80000000
MEMORY = HEADER + MIN_CAPACITY + 0x10000

ODD = [0, 1, 3, 4, 20, MAX_PACKET, MAX_PACKET + 1, MIN_CAPACITY - 4, MIN_CAPACITY, 0x7FFFFFFF]
ODD += [RELEASED, RELEASED + 20, 0xFFFFFFFB, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF]


def address_of(packet: wintun.Packet) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(packet))


class Ring:
    """The memory that a ring's two sides share, as the layout of the API tells it."""

    def __init__(self, first_packet: int) -> None:
        """Takes the address of the first packet of a new ring."""
        start = first_packet - SIZE_WORD - HEADER
        self.words = (ctypes.c_uint32 * (MEMORY // 4)).from_address(start)
        self.bytes = (ctypes.c_uint8 * MEMORY).from_address(start)

    def scribble(self, random: Random) -> None:
        """Writes something that is nobody's business."""
        places = [0, 1, 3, random.randrange(3, 64), random.randrange(len(self.words))]
        close = random.randrange(0, 0x400) * 4
        values = [*ODD, close, random.randrange(MIN_CAPACITY), random.getrandbits(32)]
        kind = random.randrange(8)
        if kind == 0:
            start = random.randrange(HEADER, MEMORY)
            for place in range(start, min(start + random.randrange(200), MEMORY)):
                self.bytes[place] = random.getrandbits(8)
        else:
            self.words[random.choice(places)] = random.choice(values)


def rings_of(session: wintun.Session) -> list[Ring]:
    """The rings of a session that carried nothing yet: to receive from, and to send to."""
    assert simulator.deliver(session.adapter.name, ipv4_packet(20))
    received = session.receive_packet()
    assert received is not None
    sent = session.allocate_send_packet(20)
    rings = [Ring(address_of(received)), Ring(address_of(sent))]
    received.release()
    sent[:] = ipv4_packet(20)
    sent.send()
    return rings


def test_the_rings_memory_is_what_the_layout_says(session: wintun.Session) -> None:
    incoming, outgoing = rings_of(session)
    assert list(incoming.words[:2]) == [24, 24]
    assert list(outgoing.words[:2]) == [0, 24]
    packet = ipv4_packet(21, 5)
    assert simulator.deliver(session.adapter.name, packet)
    session.write(packet)
    for ring in (incoming, outgoing):
        assert ring.words[1] == 24 + 28
        assert ring.words[(HEADER + 24) // 4] == 21
        start = HEADER + 24 + SIZE_WORD
        assert bytes(ring.bytes[start : start + 21]) == packet


# --- Everything that a program does with a session ----------------------------------------------


class Program:
    """Random calls on a session. What they give is read, and written, to the last byte."""

    def __init__(self, session: wintun.Session, random: Random) -> None:
        self.session = session
        self.random = random
        self.held: list[Any] = []
        self.errors = 0
        self.steps = [
            self.read,
            self.read_many,
            self.read_into,
            self.read_packed,
            self.receive,
            self.receive_batch,
            self.write,
            self.write_many,
            self.write_packed,
            self.allocate,
            self.allocate_batch,
            self.give_back,
            self.give_back,
        ]

    def step(self) -> None:
        """One call; of errors only those that a ring can give."""
        try:
            self.random.choice(self.steps)()
        except (wintun.RingCorruptError, wintun.AdapterTerminatingError, wintun.RingFullError):
            self.errors += 1

    def end(self) -> None:
        """Gives back what is held."""
        while self.held:
            self.give_back()

    def size(self) -> int:
        return self.random.choice([0, 20, 40, self.random.randrange(2000), MAX_PACKET])

    def check(self, packet: bytes) -> None:
        assert len(packet) <= MAX_PACKET

    def read(self) -> None:
        packet = self.session.read(timeout=self.random.choice([0, 0, 0.0001]))
        self.check(packet or b"")

    def read_many(self) -> None:
        for packet in self.session.read_many(self.random.choice([1, 64, 1000])):
            self.check(packet)

    def read_into(self) -> None:
        buffer = bytearray(MAX_PACKET)
        size = self.session.read_into(buffer)
        assert size is None or size <= MAX_PACKET

    def read_packed(self) -> None:
        buffer = bytearray(4 * MAX_PACKET)
        spans = memoryview(bytearray(8 * 32)).cast("I")
        count = self.session.read_packed(buffer, spans, self.random.randrange(9))
        end = 0
        for i in range(count):
            start, stop = spans[2 * i], spans[2 * i + 1]
            assert end <= start <= stop <= len(buffer)
            assert stop - start <= MAX_PACKET
            end = stop

    def receive(self) -> None:
        packet = self.session.receive_packet()
        if packet is not None:
            self.check(bytes(packet))
            memoryview(packet)[:] = bytes(len(packet))
            self.held.append(packet)

    def receive_batch(self) -> None:
        batch = self.session.receive_packets(self.random.choice([1, 64, 4096]))
        for view in batch:
            self.check(bytes(view))
            view[:] = bytes(len(view))
        self.held.append(batch)

    def write(self) -> None:
        self.session.write(ipv4_packet(max(20, self.size())), self.random.choice([0, 0.0001]))

    def write_many(self) -> None:
        sizes = [self.random.randrange(20, 3000) for _ in range(self.random.randrange(20))]
        assert self.session.write_many([ipv4_packet(size) for size in sizes]) <= len(sizes)

    def write_packed(self) -> None:
        spans = memoryview(bytearray(32)).cast("I")
        for i in range(4):
            spans[2 * i], spans[2 * i + 1] = i * 100, i * 100 + self.random.randrange(300)
        assert self.session.write_packed(bytes(1000), spans, self.random.randrange(5)) <= 4

    def allocate(self) -> None:
        packet = self.session.allocate_send_packet(self.size())
        memoryview(packet)[:] = b"\x45" * len(packet)
        self.held.append(packet)

    def allocate_batch(self) -> None:
        batch = self.session.allocate_send_packets([self.size() for _ in range(8)])
        for view in batch:
            view[:] = b"\x60" * len(view)
        self.held.append(batch)

    def give_back(self) -> None:
        if self.held:
            held = self.held.pop(self.random.randrange(len(self.held)))
            if self.random.random() < 0.5:
                try:
                    held.send()
                except ValueError:  # it was received
                    held.release()
            else:
                held.release()


class FarSide:
    """Random calls of the driver's side."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.random = random

    def step(self) -> None:
        kind = self.random.randrange(5)
        if kind == 0:
            simulator.deliver(self.name, ipv4_packet(self.random.randrange(20, 3000)))
        elif kind == 1:
            simulator.fill(self.name, self.random.choice([20, 1400, MAX_PACKET]), 40)
        elif kind == 2:
            packet = simulator.collect(self.name)
            assert packet is None or len(packet) <= MAX_PACKET
        elif kind == 3:
            simulator.drain(self.name, 100)


def check_a_new_session(session: wintun.Session) -> None:
    """What follows on the same adapter is as good as new."""
    name = session.adapter.name
    simulator.set_wire(name, "memory")
    with session.adapter.start_session(MIN_CAPACITY) as another:
        packet = ipv4_packet(1000, 3)
        assert simulator.deliver(name, packet)
        assert another.read() == packet
        another.write(packet)
        assert simulator.collect(name) == packet


@pytest.mark.parametrize("seed", range(scaled(100, at_least=10)))
def test_any_calls_on_rings_that_are_scribbled_on(session: wintun.Session, seed: int) -> None:
    random = Random(seed)
    rings = rings_of(session)
    program = Program(session, random)
    far_side = FarSide(session.adapter.name, random)
    for _ in range(300):
        for _ in range(random.randrange(3)):
            random.choice(rings).scribble(random)
        far_side.step()
        program.step()
    program.end()
    session.end()
    check_a_new_session(session)


# --- At the same time ---------------------------------------------------------------------------


def run(program: Program) -> None:
    for _ in range(scaled(1000, at_least=200)):
        program.step()
    program.end()


@pytest.mark.parametrize("wire", ["memory", "host", "loop", "flood"])
@pytest.mark.parametrize("seed", range(scaled(2)))
def test_rings_that_are_scribbled_on_while_they_are_used(
    make_adapter: Callable[..., wintun.Adapter], wire: str, seed: int
) -> None:
    adapter = make_adapter(wire)
    simulator.pause(adapter.name)
    session = adapter.start_session(MIN_CAPACITY)
    rings = rings_of(session)
    over = threading.Event()

    def scribble() -> None:
        random = Random(seed)
        while not over.is_set():
            random.choice(rings).scribble(random)

    simulator.resume(adapter.name)
    programs = [Program(session, Random(f"{seed} {number}")) for number in range(3)]
    scribbler = Worker(scribble)
    workers = [Worker(run, program) for program in programs]
    errors = [worker.error() for worker in workers]
    over.set()
    scribbler.result()
    session.end()
    assert errors == [None, None, None]
    assert sum(program.errors for program in programs) > 0
    check_a_new_session(session)
