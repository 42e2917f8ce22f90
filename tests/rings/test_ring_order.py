# SPDX-License-Identifier: MIT
"""Order: packets go out in the order of allocation, whatever the order of sending and releasing."""

from __future__ import annotations

import itertools
from typing import Callable

import pytest

import wintun
from helpers import MIN_CAPACITY, ipv4_packet, sizes_that_fill, slot_size, usable
from wintun import simulator

ORDERS = list(itertools.permutations(range(4)))


def collect_all(name: str) -> list[bytes]:
    return list(iter(lambda: simulator.collect(name), None))


@pytest.mark.parametrize("order", ORDERS)
def test_packets_sent_in_any_order_arrive_in_the_order_of_allocation(
    session: wintun.Session, order: list[int]
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(30 + index, index) for index in range(4)]
    allocated = [session.allocate_send_packet(len(packet)) for packet in packets]
    for packet, outgoing in zip(packets, allocated):
        memoryview(outgoing)[:] = packet
    arrived = []
    done = set()
    for index in order:
        allocated[index].send()
        done.add(index)
        arrived += collect_all(name)
        finished = next((i for i in range(4) if i not in done), 4)
        assert arrived == packets[:finished], "exactly the finished prefix has gone out"


@pytest.mark.parametrize("order", ORDERS)
def test_packets_released_in_any_order_give_back_room_in_the_order_of_receipt(
    session: wintun.Session, order: list[int]
) -> None:
    name = session.adapter.name
    size = (usable(MIN_CAPACITY) // 4 - 4) // 4 * 4
    for _ in range(4):
        assert simulator.deliver(name, ipv4_packet(size))
    assert not simulator.deliver(name, ipv4_packet(size))
    held = [session.receive_packet() for _ in range(4)]
    done = set()
    redelivered = 0
    for index in order:
        packet = held[index]
        assert packet is not None
        assert bytes(packet) == ipv4_packet(size)
        packet.release()
        done.add(index)
        finished = next((i for i in range(4) if i not in done), 4)
        while simulator.deliver(name, ipv4_packet(size)):
            redelivered += 1
        assert redelivered == finished, "room is back for exactly the finished prefix"


def test_an_allocated_packet_holds_back_those_behind_it_until_it_is_sent(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    first = session.allocate_send_packet(20)
    session.write(ipv4_packet(40))
    assert session.write_many([ipv4_packet(60)]) == 1
    assert simulator.collect(name) is None
    memoryview(first)[:] = ipv4_packet(20)
    first.send()
    assert collect_all(name) == [ipv4_packet(20), ipv4_packet(40), ipv4_packet(60)]


@pytest.mark.parametrize("give_back", ["release", "with", "del"])
def test_a_packet_given_back_unsent_blocks_nothing_behind_it_and_arrives_nowhere(
    session: wintun.Session, give_back: str
) -> None:
    name = session.adapter.name
    unsent = session.allocate_send_packet(500)
    memoryview(unsent)[:] = ipv4_packet(500)
    session.write(ipv4_packet(40))
    if give_back == "release":
        unsent.release()
    elif give_back == "with":
        with unsent:
            pass
    del unsent
    assert collect_all(name) == [ipv4_packet(40)]
    assert simulator.statistics(name).discarded_not_ip == 1
    assert session.statistics.packets_unsent == 1
    assert simulator.counts().held_packets == 0


@pytest.mark.parametrize("order", ORDERS[::5])
def test_packets_given_back_among_packets_sent_arrive_nowhere_in_any_order(
    session: wintun.Session, order: list[int]
) -> None:
    name = session.adapter.name
    allocated = [session.allocate_send_packet(40 + index) for index in range(4)]
    for index, outgoing in enumerate(allocated):
        memoryview(outgoing)[:] = ipv4_packet(40 + index)
    for index in order:
        if index % 2:
            allocated[index].release()
        else:
            allocated[index].send()
    assert collect_all(name) == [ipv4_packet(40), ipv4_packet(42)]


def test_packets_are_read_in_the_order_of_arrival_whichever_way_each_is_read(
    session: wintun.Session,
) -> None:
    simulator.fill(session.adapter.name, 40, 400)
    ways: list[Callable[[], list[bytes]]] = [
        lambda: [session.read() or b""],
        lambda: session.read_many(3),
        lambda: [session.read(timeout=None) or b""],
        lambda: [bytes(session.receive_packet() or b"")],
        lambda: [session.read() or b""],
        lambda: [session.read() or b""],
        lambda: session.read_many(1, timeout=None),
    ]
    packets: list[bytes] = []
    for way in itertools.cycle(ways):
        packets += way()
        if len(packets) >= 400:
            break
    assert [int.from_bytes(packet[12:16], "big") for packet in packets] == list(range(400))


def test_packets_that_were_delivered_before_the_adapter_was_removed_can_be_read_or_it_says_so(
    session: wintun.Session,
) -> None:
    simulator.fill(session.adapter.name, 40, 10)
    assert session.read() is not None
    simulator.remove_adapter(session.adapter.name)
    numbers = []
    removal: wintun.AdapterTerminatingError | None = None
    while removal is None:
        try:
            packet = session.read()
        except wintun.AdapterTerminatingError as error:
            removal = error
        else:
            assert packet is not None, "neither a packet nor a word about the removal"
            numbers.append(int.from_bytes(packet[12:16], "big"))
    assert numbers == list(range(1, 1 + len(numbers)))


def test_the_whole_ring_can_be_held_and_given_back_backwards(session: wintun.Session) -> None:
    name = session.adapter.name
    sizes = sizes_that_fill(MIN_CAPACITY)
    for _ in range(3):
        allocated = [session.allocate_send_packet(size) for size in sizes]
        with pytest.raises(wintun.RingFullError):
            session.allocate_send_packet(0)
        for size, outgoing in zip(sizes, allocated):
            memoryview(outgoing)[:] = ipv4_packet(size)
        while allocated:
            allocated.pop().send()
        assert [len(packet) for packet in collect_all(name)] == sizes
        for size in sizes:
            assert simulator.deliver(name, ipv4_packet(size))
        received = [session.receive_packet() for _ in sizes]
        assert session.receive_packet() is None
        while received:
            packet = received.pop()
            assert packet is not None
            packet.release()


def test_thousands_of_small_packets_can_be_held_at_once(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(0x40000)
    name = session.adapter.name
    count = usable(0x40000) // slot_size(20)
    held = [session.allocate_send_packet(20) for _ in range(count)]
    assert simulator.counts().held_packets == count
    for packet in held[1::2] + held[::2]:
        memoryview(packet)[:] = ipv4_packet(20)
        packet.send()
    assert simulator.drain(name, 2 * count) == count
    assert simulator.fill(name, 20, 2 * count) == count
    received = [session.receive_packet() for _ in range(count)]
    numbers = [int.from_bytes(bytes(packet)[12:16], "big") for packet in received if packet]
    assert numbers == list(range(count))
    del received
    assert simulator.counts().held_packets == 0
