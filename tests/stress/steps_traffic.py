# SPDX-License-Identifier: MIT
"""Steps that read and write, in every way."""

from __future__ import annotations

import array
from collections.abc import Iterator

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

import wintun
from helpers import MAX_PACKET

from .machine import PICK, SIZES, Machine, as_buffer, content, outcome
from .steps_life import LifeSteps
from .world import Down, Session


class TrafficSteps(LifeSteps):
    """Steps that read and write, in every way."""

    # --- Reading ---

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, timed=st.booleans())
    def read(self, pick: int, timed: bool) -> None:
        real, session = self.endpoint(pick)
        if not timed:
            self.same(real.read, session.read)
            return
        got, expected = self.agree(lambda: real.read(timeout=0.00001), session.read)
        assert got == expected

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK)
    def read_for_ever_if_there_is_something(self, pick: int) -> None:
        real, session = self.endpoint(pick)
        if isinstance(session, Down) or session.ended or session.receive_ring.has_an_answer():
            self.same(lambda: real.read(timeout=None), session.read)

    @precondition(lambda self: self.world.devices)
    @rule(pick=PICK)
    def iterate(self, pick: int) -> None:
        device = self.world.devices[pick % len(self.world.devices)]
        session = device.attached
        if session is None or session.ended:
            self.same(lambda: list(device.real), device.iterate)
        elif session.receive_ring.store or session.receive_ring.waiting:
            self.same(lambda: next(device.real), session.read)

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, most=st.one_of(st.integers(1, 20), st.integers(1, 400)))
    def read_many(self, pick: int, most: int) -> None:
        real, session = self.endpoint(pick)
        self.same(lambda: real.read_many(most), lambda: session.read_many(most))

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, size=st.one_of(st.just(MAX_PACKET), SIZES))
    def read_into(self, pick: int, size: int) -> None:
        real, session = self.endpoint(pick)
        buffer = bytearray(b"\xee" * size)
        got, expected = self.agree(
            lambda: real.read_into(memoryview(buffer) if pick % 2 else buffer),
            lambda: session.read_packed(size, 1),
        )
        if expected:
            ((_, packet),) = expected
            assert got == len(packet)
            assert buffer == packet + b"\xee" * (size - len(packet))
        else:
            assert got is None
            assert buffer == b"\xee" * size

    @precondition(Machine.has_endpoint)
    @rule(
        pick=PICK,
        size=st.integers(0, 200_000),
        most=st.integers(1, 40),
        headroom=st.sampled_from([0, 0, 16, 40, MAX_PACKET]),
        tailroom=st.sampled_from([0, 16]),
    )
    def read_packed(self, pick: int, size: int, most: int, headroom: int, tailroom: int) -> None:
        real, session = self.endpoint(pick)
        buffer = bytearray(size)
        spans = array.array("I", [7]) * (2 * most)
        got, expected = self.agree(
            lambda: real.read_packed(buffer, spans, headroom, tailroom),
            lambda: session.read_packed(size, most, headroom, tailroom),
        )
        places = expected or []
        assert got == (None if expected is None else len(places))
        wanted, marks = bytearray(size), array.array("I", [7]) * (2 * most)
        for number, (start, packet) in enumerate(places):
            wanted[start : start + len(packet)] = packet
            marks[2 * number : 2 * number + 2] = array.array("I", [start, start + len(packet)])
        assert (buffer, spans) == (wanted, marks)

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, most=st.one_of(st.none(), st.integers(1, 200)))
    def receive(self, pick: int, most: int | None) -> None:
        real, session = self.endpoint(pick)
        if most is None:
            got, held = self.agree(real.receive_packet, session.receive)
        else:
            got, held = self.agree(
                lambda: real.receive_packets(most), lambda: session.receive_many(most)
            )
        assert (got is None) == (held is None)
        if held is not None:
            held.real = got
            self.check_contents(held)

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK)
    def wait(self, pick: int) -> None:
        real, session = self.endpoint(pick)
        self.same(lambda: real.wait_read_event(0), session.wait)

    # --- Writing ---

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, size=SIZES, timeout=st.sampled_from([0, 0, 0.00001]))
    def write(self, pick: int, size: int, timeout: float) -> None:
        real, session = self.endpoint(pick)
        packet = content(size)
        buffer = as_buffer(packet, pick)
        self.same(lambda: real.write(buffer, timeout), lambda: session.write(packet))

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, sizes=st.lists(SIZES, max_size=5), times=st.sampled_from([1, 1, 50]))
    def write_many(self, pick: int, sizes: list[int], times: int) -> None:
        real, session = self.endpoint(pick)
        packets = [content(size) for size in sizes * times]
        buffers = (as_buffer(packet, pick + at) for at, packet in enumerate(packets))
        self.same(
            lambda: real.write_many(buffers if pick % 2 else list(buffers)),
            lambda: session.write_many(packets),
        )

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, step=st.sampled_from(["end", "read", "collect", "gc", "write", "close"]))
    def write_many_while_the_iterable_does_other_things(self, pick: int, step: str) -> None:
        real, session = self.endpoint(pick)
        packets = [content(40), content(50)]

        def yielding() -> Iterator[bytes]:
            yield packets[0]
            if step == "end" and isinstance(session, Session):
                session.real and session.real.end()
            elif step == "close" and isinstance(session, Session):
                session.real and session.real.adapter.close()
            elif step == "read":
                self.read(pick, False)
            elif step == "collect":
                self.collect(pick)
            elif step == "gc":
                self.collect_garbage()
            elif step == "write":
                self.write(pick, 60, 0)
            yield packets[1]

        got = outcome(lambda: real.write_many(yielding()))
        if isinstance(session, Down):
            assert got is outcome(lambda: session.write_many(packets))
            return
        if step == "end" and session.real is not None:
            session.end()
        elif step == "close" and session.real is not None:
            session.adapter.close()
        assert got == outcome(lambda: session.write_many(packets))

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, sizes=st.lists(SIZES, max_size=5))
    def write_packed(self, pick: int, sizes: list[int]) -> None:
        real, session = self.endpoint(pick)
        packets = [content(size) for size in sizes]
        buffer, spans = bytearray(pick % 5), array.array("I")
        for packet in packets:
            spans.extend((len(buffer), len(buffer) + len(packet)))
            buffer += packet + bytes(pick % 3)
        self.same(
            lambda: real.write_packed(buffer, spans, len(packets)),
            lambda: session.write_many(packets),
        )

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, sizes=st.one_of(st.none(), st.lists(SIZES, max_size=6)), size=SIZES)
    def allocate(self, pick: int, sizes: list[int] | None, size: int) -> None:
        real, session = self.endpoint(pick)
        if sizes is None:
            got, held = self.agree(
                lambda: real.allocate_send_packet(size), lambda: session.allocate(size)
            )
        else:
            got, held = self.agree(
                lambda: real.allocate_send_packets(iter(sizes)),
                lambda: session.allocate_many(sizes),
            )
        if held is None:
            return
        held.real = got
        for view, packet in zip(self.memory_of(held), held.packets):
            packet.content[:] = content(len(packet.content))
            view[:] = packet.content
            view.release()

    @precondition(lambda self: self.in_hand() and self.has_endpoint())
    @rule(pick=PICK, which=PICK)
    def write_what_is_in_hand(self, pick: int, which: int) -> None:
        """From ring to ring, without a copy between; or what was given back, which is refused."""
        real, session = self.endpoint(pick)
        held = self.in_hand()[which % len(self.in_hand())]
        if isinstance(held.real, wintun.PacketBatch):
            return

        def model() -> None:
            session.write  # noqa: B018 - a device that is down refuses before it looks
            if held.released and not isinstance(session, Down):
                raise wintun.ClosedError
            session.write(bytes(held.packets[0].content))

        self.same(lambda: real.write(held.real), model)
