# SPDX-License-Identifier: MIT
"""Nothing grows: over a hundred thousand lives of a device, over a billion packets through one."""

from __future__ import annotations

import array
import os
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import pytest

import wintun
from helpers import MIN_CAPACITY, ipv4_packet, ipv6_packet, volume
from resources import Resources, measure
from wintun import simulator

PARTS = 10
WARM_UP = 2  # the second finds what the first has given back where it then is


def run_in_parts(total: int, run: Callable[[int], object]) -> Resources:
    """Runs `total` of something in ten parts; returns the growth after the first two."""
    part = total // PARTS
    for _ in range(WARM_UP):
        run(part)
    before = measure()
    for _ in range(WARM_UP, PARTS):
        run(part)
    growth = measure() - before
    what = ", ".join(f"{name} {value:+,}" for name, value in growth._asdict().items())
    print(f"\n{part * (PARTS - WARM_UP):,} after {part * WARM_UP:,}: {what}")
    return growth


def check_growth(growth: Resources) -> None:
    """What one thing would leave behind, all of them would: the limits do not grow with them."""
    assert growth.handles <= 0
    assert growth.threads <= 0
    assert growth.blocks <= 500  # Python's own caches come and go
    assert growth.heap <= 0x2000
    if "san.so" not in os.environ.get("LD_PRELOAD", ""):  # a sanitizer keeps what is freed
        assert growth.resident <= 0x100000


# --- Lives ----------------------------------------------------------------------------------------


def live(name: str) -> None:
    """One life of a device: configured, up, packets each way in every form, down, closed."""
    packets = [ipv4_packet(40), ipv6_packet(1400), ipv4_packet(3000)]
    with wintun.TunDevice(name, "Test", MIN_CAPACITY) as device:
        device.mtu = 1400
        device.addresses = ["10.9.0.1/24", "fd00:9::1/64"]
        assert device.addr == "10.9.0.1"
        device.up()
        for packet in packets:
            device.write(packet)
        device.write_many(packets)
        with device.allocate_send_packet(60) as packet_to_send:
            memoryview(packet_to_send)[:] = ipv4_packet(60)
            packet_to_send.send()
        assert [device.read(timeout=30.0) for _ in packets] == packets
        got = 0
        while got < len(packets):
            got += len(device.read_many(len(packets) - got, timeout=30.0))
        while (held := device.receive_packet()) is None:
            assert device.wait_read_event(30.0)
        assert len(held) == 60
        device.down()
        with pytest.raises(wintun.ClosedError):
            device.read()
        held.release()


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.timeout(0)
def test_a_hundred_thousand_devices_leave_nothing_behind(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    simulator.set_wire(name, "loop")

    def run(count: int) -> None:
        for _ in range(count):
            live(name)

    check_growth(run_in_parts(max(volume(2_000, 111_120), 1_000), run))


# --- Packets --------------------------------------------------------------------------------------

SIZE = 32
IN_BLOCK = 4096
WORD = 8


class Stream:
    """Packets of 32 bytes, in blocks: an IPv4 header, and in it the number of block and packet.

    Both ends have one: what is sent comes out of it, and what arrives is compared with it byte for
    byte, which finds each packet that is lost, altered, or out of its place.
    """

    def __init__(self) -> None:
        first = b"".join(
            ipv4_packet(SIZE, index % 251)[:20] + index.to_bytes(4, "big") + bytes(8)
            for index in range(IN_BLOCK)
        )
        self.bytes = bytearray(first)
        self._numbers = memoryview(self.bytes).cast("Q")[SIZE // WORD - 1 :: SIZE // WORD]
        self.block = 0

    def advance(self) -> None:
        self.block += 1
        self._numbers[:] = memoryview(array.array("Q", [self.block]) * IN_BLOCK)


def spans_of_a_block() -> array.array[int]:
    starts = range(0, IN_BLOCK * SIZE, SIZE)
    return array.array("I", [edge for start in starts for edge in (start, start + SIZE)])


def send_blocks(device: wintun.TunDevice, stream: Stream, blocks: int) -> int:
    """Sends blocks; returns the checksum of all their bytes."""
    spans, checksum = spans_of_a_block(), 0
    for _ in range(blocks):
        assert device.write_packed(stream.bytes, spans, IN_BLOCK, timeout=None) == IN_BLOCK
        checksum = zlib.crc32(stream.bytes, checksum)
        stream.advance()
    return checksum


def receive_blocks(device: wintun.TunDevice, stream: Stream, blocks: int) -> int:
    """Receives blocks, compares each with what is expected; returns the checksum of all bytes."""
    checksum = 0
    buffer, spans = bytearray(IN_BLOCK * SIZE), array.array("I", bytes(8 * IN_BLOCK))
    arrived = memoryview(buffer)
    for _ in range(blocks):
        have = 0
        while have < len(buffer):
            there = device.read_packed(arrived[have:], spans, timeout=60.0)
            assert there, "packets are lost: nothing arrives any more"
            have += there * SIZE
        assert buffer == stream.bytes, f"a packet of block {stream.block} is not what was sent"
        checksum = zlib.crc32(buffer, checksum)
        stream.advance()
    return checksum


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.timeout(0)
@pytest.mark.skipif(sys.byteorder != "little", reason="numbers its packets in this order")
def test_a_billion_packets_through_one_device_arrive_in_order_unaltered_and_none_stays(
    make_device: Callable[..., wintun.TunDevice],
) -> None:
    device = make_device("loop", capacity=0x100000)
    device.up()
    sent, expected = Stream(), Stream()
    total = volume(PARTS * 100 * IN_BLOCK, PARTS * 24_415 * IN_BLOCK)
    # At least so many that the first part has been to all places of both rings.
    total = max(total, PARTS * 16 * IN_BLOCK)

    # One thread sends them all: without the GIL each thread has a heap of Python's, and what one
    # leaves behind as it ends is not given back at once. The device closes first, should the test
    # fail, and so lets go of the thread.
    with ThreadPoolExecutor(1) as sender, device:

        def run(packets: int) -> None:
            sending = sender.submit(send_blocks, device, sent, packets // IN_BLOCK)
            checksum = receive_blocks(device, expected, packets // IN_BLOCK)
            assert checksum == sending.result()

        check_growth(run_in_parts(total, run))
        count = total // PARTS // IN_BLOCK * IN_BLOCK * PARTS
        statistics = device.statistics
    assert statistics.packets_received == statistics.packets_sent == count
    assert statistics.packets_unread == statistics.packets_unsent == 0
