# SPDX-License-Identifier: MIT
"""Whatever calls a program mixes, packets come once each and in the order of arrival."""

from __future__ import annotations

import array
import itertools
from collections import deque
from typing import Any, Callable, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wintun
from helpers import MAX_PACKET, Worker, ipv4_packet, scaled, wait_until
from wintun import simulator

Held = Union[wintun.Packet, wintun.PacketBatch]

# What is copied out of the ring at once has up to 2048 bytes, and 16 packets or 16384 bytes of it
# are kept: both sides of each.
SIZES = st.one_of(
    st.integers(20, 100),
    st.sampled_from([1023, 1024, 1025, 2047, 2048, 2049]),
    st.integers(20, 12_000),
    st.just(MAX_PACKET),
)
STEPS = st.one_of(
    st.tuples(st.just("deliver"), st.lists(SIZES, min_size=1, max_size=40)),
    st.tuples(
        st.sampled_from(["read", "next", "read_many", "receive_packet", "receive_packets"]),
        st.integers(1, 40),
    ),
    st.tuples(st.sampled_from(["read_into", "read_packed"]), SIZES),
    st.tuples(st.just("release"), st.integers(0, 1000)),
)


class Mixture:
    """A device, what it has to deliver yet, and what the program holds of it."""

    def __init__(self, device: wintun.TunDevice) -> None:
        self.device = device
        self.seeds = itertools.count()
        self.expected: deque[bytes] = deque()
        self.held: list[tuple[Held, list[bytes]]] = []

    def deliver(self, sizes: list[int]) -> None:
        for size in sizes:
            packet = ipv4_packet(size, next(self.seeds) % 251)
            if simulator.deliver(self.device.name, packet):
                self.expected.append(packet)

    def take(self, count: int) -> list[bytes]:
        return [self.expected.popleft() for _ in range(min(count, len(self.expected)))]

    def read(self, limit: int) -> None:
        assert self.device.read() == next(iter(self.take(1)), None)

    def next(self, limit: int) -> None:
        if self.expected:
            assert next(self.device) == self.expected.popleft()

    def read_many(self, limit: int) -> None:
        assert self.device.read_many(limit) == self.take(limit)

    def read_into(self, room: int) -> None:
        buffer = bytearray(room)
        if self.expected and len(self.expected[0]) > room:
            with pytest.raises(ValueError, match="no room"):
                self.device.read_into(buffer)
            return
        size = self.device.read_into(buffer)
        expected = self.take(1)
        assert ([] if size is None else [buffer[:size]]) == expected

    def read_packed(self, room: int) -> None:
        buffer, spans = bytearray(room), array.array("I", bytes(4 * 2 * 20))
        if self.expected and len(self.expected[0]) > room:
            with pytest.raises(ValueError, match="no room"):
                self.device.read_packed(buffer, spans)
            return
        sizes = itertools.accumulate(len(packet) for packet in self.expected)
        fit = sum(end <= room for end in itertools.islice(sizes, 20))
        count = self.device.read_packed(buffer, spans)
        assert count == fit
        read = [bytes(buffer[spans[2 * i] : spans[2 * i + 1]]) for i in range(count)]
        assert read == self.take(fit)

    def receive_packet(self, limit: int) -> None:
        packet = self.device.receive_packet()
        expected = self.take(1)
        assert ([] if packet is None else [bytes(packet)]) == expected
        if packet is not None:
            self.held.append((packet, expected))

    def receive_packets(self, limit: int) -> None:
        batch = self.device.receive_packets(limit)
        expected = self.take(limit)
        assert [bytes(view) for view in batch] == expected
        self.held.append((batch, expected))

    def release(self, pick: int) -> None:
        if self.held:
            held, expected = self.held.pop(pick % len(self.held))
            views = [memoryview(held)] if isinstance(held, wintun.Packet) else list(held)
            assert [bytes(view) for view in views] == expected, "the memory was used meanwhile"
            for view in views:
                view.release()
            held.release()

    def finish(self) -> None:
        while self.held:
            self.release(0)
        assert self.device.read_many(10_000) == list(self.expected)
        self.expected.clear()


@settings(
    max_examples=scaled(400, at_least=20),
)
@given(steps=st.lists(STEPS, max_size=40))
def test_packets_come_once_and_in_order_through_any_mixture_of_calls(
    steps: list[tuple[str, Any]],
) -> None:
    with wintun.TunDevice("mixture", "Test", 0x80000) as device:
        simulator.set_wire("mixture", "memory")
        device.up()
        mixture = Mixture(device)
        for name, argument in steps:
            getattr(mixture, name)(argument)
        mixture.finish()
        assert device.statistics.packets_received == simulator.statistics("mixture")[0]


@pytest.mark.threads
def test_threads_that_read_in_different_ways_share_the_packets_and_lose_none(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(0x400000)
    total = scaled(200_000, at_least=5_000)
    numbers: list[int] = []

    def collect(read: Callable[[], list[bytes]]) -> None:
        try:
            while True:
                numbers.extend([int.from_bytes(packet[12:16], "big") for packet in read()])
        except wintun.ClosedError:
            pass

    def read_packed() -> list[bytes]:
        buffer, spans = bytearray(10_000), array.array("I", bytes(4 * 2 * 50))
        count = session.read_packed(buffer, spans, timeout=None)
        return [bytes(buffer[spans[2 * i] : spans[2 * i + 1]]) for i in range(count)]

    def read_into() -> list[bytes]:
        buffer = bytearray(100)
        size = session.read_into(buffer, timeout=None)
        return [] if size is None else [bytes(buffer)]

    def receive_packets() -> list[bytes]:
        session.wait_read_event(0.001)
        with session.receive_packets(30) as batch:
            return [bytes(view) for view in batch]

    ways: list[Callable[[], list[bytes]]] = [
        lambda: session.read_many(timeout=None),
        lambda: [session.read(timeout=None) or b""],
        read_packed,
        read_into,
        receive_packets,
    ]

    def all_are_read() -> bool:
        return len(numbers) == len(expected)

    readers = [Worker(collect, way) for way in ways]
    expected: list[int] = []
    while len(expected) < total:
        expected += range(simulator.fill(session.adapter.name, 100, 1000))
        wait_until(all_are_read, "packets were left behind")
    session.end()
    for reader in readers:
        reader.result()
    assert sorted(numbers) == sorted(expected)
