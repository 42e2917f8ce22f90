# SPDX-License-Identifier: MIT
"""The end of the ring: packets that cross it at every offset.

A packet whose slot is an odd number of alignment units starts, over as many packets as the ring has
units, once at each of them: the slot and the power of two have no common factor.
"""

from __future__ import annotations

import pytest

import wintun
from helpers import ALIGNMENT, MAX_PACKET, MIN_CAPACITY, ipv4_packet, scaled, slot_size
from wintun import simulator

UNITS = MIN_CAPACITY // ALIGNMENT

SIZES = [20 + 4, 1496, 1493, MAX_PACKET]


def count_for(size: int) -> int:
    assert slot_size(size) // ALIGNMENT % 2 == 1, "such a slot does not meet every offset"
    return UNITS + 1 if size < MAX_PACKET else scaled(UNITS + 1, at_least=200)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_packet_sent_across_the_end_at_any_offset_arrives_unchanged(
    session: wintun.Session, size: int
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(size, seed) for seed in range(13)]
    for number in range(count_for(size)):
        packet = packets[number % len(packets)]
        session.write(packet)
        assert simulator.collect(name) == packet


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_packet_received_across_the_end_at_any_offset_is_read_unchanged(
    session: wintun.Session, size: int
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(size, seed) for seed in range(13)]
    for number in range(count_for(size)):
        packet = packets[number % len(packets)]
        assert simulator.deliver(name, packet)
        assert session.read() == packet


@pytest.mark.slow
def test_a_packet_across_the_end_is_one_piece_of_memory_to_its_holder(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(8190, seed) for seed in range(13)]
    assert slot_size(8190) // ALIGNMENT % 2 == 1
    for number in range(scaled(UNITS + 1, at_least=1000)):
        packet = packets[number % len(packets)]
        with session.allocate_send_packet(len(packet)) as outgoing:
            memoryview(outgoing)[:] = packet
            outgoing.send()
        sent = simulator.collect(name)
        assert sent == packet
        assert simulator.deliver(name, sent)
        with session.receive_packet() as incoming:  # type: ignore[union-attr]
            assert memoryview(incoming) == packet
