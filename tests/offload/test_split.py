# SPDX-License-Identifier: MIT
"""split(): a large TCP packet becomes the segments that a kernel would make of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from helpers import pattern, scaled
from wintun import offload

from . import model
from .model import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from .packets import (
    IP_OPTIONS,
    OPTION_LAYOUTS,
    batches,
    flipped,
    fragments,
    icmp_packet,
    segments,
    tcp_packet,
    udp_packet,
    with_extension,
    with_length,
)

MANY = settings(max_examples=scaled(150, 20))


def headers_of(packet: bytes) -> Any:
    return IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)


# --- Any packets --------------------------------------------------------------------------------


@MANY
@given(batches(), st.integers(68, 150))
def test_packets_become_what_the_model_makes_of_them(packets: list[bytes], size: int) -> None:
    for packet in offload.merge(packets):
        assert offload.split(packet, size) == model.split(packet, size)


@MANY
@given(st.binary(max_size=200), st.integers(68, 200))
def test_rubbish_is_left_whole(packet: bytes, size: int) -> None:
    assert offload.split(packet, size) == model.split(packet, size)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", OPTION_LAYOUTS)
@pytest.mark.parametrize("payload", [1341, 1360, 5000, 5001, 65435])
def test_segments_carry_the_payload_and_are_right(
    version: int, options: bytes, payload: int
) -> None:
    packet = tcp_packet(pattern(payload), version, options, flags=ACK | PSH, seq=2**32 - 3000)
    parts = offload.split(packet, 1400)
    headers = (40 if version == 4 else 60) + len(options)
    full, rest = divmod(payload, 1400 - headers)
    assert [len(part) for part in parts] == [1400] * full + [headers + rest] * (rest > 0)
    assert b"".join(part[headers:] for part in parts) == pattern(payload)
    assert all(offload.has_valid_checksums(part) for part in parts)
    assert parts == model.split(packet, 1400)


def test_a_merged_packet_becomes_the_segments_that_it_was_made_of() -> None:
    given_ = [
        tcp_packet(pattern(1360, index), ip={"id": 65530 + index & 0xFFFF}, seq=1360 * index)
        for index in range(40)
    ]
    (merged,) = offload.merge(given_)
    assert offload.split(merged, 1400) == given_


# --- Headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("flags", "first", "middle", "last"),
    [
        (ACK, ACK, ACK, ACK),
        (ACK | PSH, ACK, ACK, ACK | PSH),
        (ACK | FIN, ACK, ACK, ACK | FIN),
        (ACK | PSH | FIN, ACK, ACK, ACK | PSH | FIN),
        (ACK | CWR, ACK | CWR, ACK, ACK),
        (ACK | ECE, ACK | ECE, ACK | ECE, ACK | ECE),
        (ACK | ECE | CWR | PSH, ACK | ECE | CWR, ACK | ECE, ACK | ECE | PSH),
        (0, 0, 0, 0),
    ],
)
def test_each_flag_is_on_the_segments_that_it_belongs_to(
    version: int, flags: int, first: int, middle: int, last: int
) -> None:
    packet = tcp_packet(pattern(3000), version, flags=flags)
    found = [int(headers_of(part)[TCP].flags) for part in offload.split(packet, 1060)]
    assert found == [first, *[middle] * (len(found) - 2), last]
    assert len(found) >= 3


def test_sequence_numbers_and_identifications_count_on_and_wrap() -> None:
    packet = tcp_packet(pattern(300), seq=2**32 - 100, ip={"id": 65534})
    parts = [IP(part) for part in offload.split(packet, 140)]
    assert [part[TCP].seq for part in parts] == [2**32 - 100, 0, 100]
    assert [part.id for part in parts] == [65534, 65535, 0]


@pytest.mark.parametrize("version", [4, 6])
def test_all_else_is_the_packets(version: int) -> None:
    ip = {"tos": 0x2A, "ttl": 77} if version == 4 else {"tc": 0x2A, "hlim": 77, "fl": 99999}
    packet = tcp_packet(pattern(300), version, ip=ip, reserved=5, window=321, ack=654, urgptr=3)
    whole = headers_of(packet)
    for part in map(headers_of, offload.split(packet, 160)):
        for field in ip:
            assert getattr(part, field) == getattr(whole, field)
        for field in ("sport", "dport", "ack", "window", "reserved", "urgptr"):
            assert getattr(part[TCP], field) == getattr(whole[TCP], field)


def test_options_of_ipv4_are_on_each_segment() -> None:
    packet = tcp_packet(pattern(300), ip={"options": IP_OPTIONS})
    parts = offload.split(packet, 144)
    assert [part[20:24] for part in parts] == [packet[20:24]] * 3
    assert all(offload.has_valid_checksums(part) for part in parts)


# --- What is left whole -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(3000),
        udp_packet(bytes(3000)),
        udp_packet(bytes(3000), 6),
        icmp_packet(bytes(3000)),
        *(tcp_packet(bytes(3000), flags=ACK | flag) for flag in (SYN, RST, URG)),
        with_extension(bytes(3000)),
        fragments(bytes(6000))[1],
        tcp_packet(bytes(3000), ip={"flags": "MF"}),
        tcp_packet(bytes(3000), dataofs=4),
        with_length(tcp_packet(bytes(3000)), 2999),
        with_length(tcp_packet(bytes(3000), 6), 3021),
        tcp_packet(bytes(3000)) + b"\0",
        tcp_packet(bytes(3000))[:-1],
        flipped(tcp_packet(bytes(3000)), 8 * 10),
        flipped(tcp_packet(bytes(3000)), 8 * 2000),
    ],
)
def test_what_cannot_be_split_is_left_whole(packet: bytes) -> None:
    assert offload.split(packet, 1400) == [packet]
    assert offload.split(packet, 1400)[0] is packet


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_not_too_large_is_left_whole(version: int) -> None:
    packet = tcp_packet(bytes(1340), version)
    assert offload.split(packet, len(packet)) == [packet]
    assert [len(part) for part in offload.split(packet, len(packet) - 1)] == [
        len(packet) - 1,
        61 if version == 6 else 41,
    ]


def test_headers_that_leave_no_room_for_a_payload_are_left_whole() -> None:
    packet = tcp_packet(bytes(100), 6, OPTION_LAYOUTS[1])
    assert offload.split(packet, 72) == [packet]
    assert len(offload.split(packet, 73)) == 100


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_with_any_wrong_bit_is_left_whole(version: int) -> None:
    packet = tcp_packet(pattern(200), version, OPTION_LAYOUTS[1])
    # The traffic class, flow label and hop limit of IPv6 have no checksum.
    without_sum = {*range(4, 32), *range(56, 64)} if version == 6 else set()
    for bit in set(range(8 * len(packet))) - without_sum:
        wrong = flipped(packet, bit)
        assert offload.split(wrong, 140) == [wrong], bit


def test_many_small_segments_are_right_too() -> None:
    packet = tcp_packet(pattern(60001), options=OPTION_LAYOUTS[1])
    parts = offload.split(packet, 68)
    assert len(parts) == 3751
    assert b"".join(part[52:] for part in parts) == pattern(60001)
    assert all(offload.has_valid_checksums(part) for part in parts)


# --- Arguments ----------------------------------------------------------------------------------


def test_a_packet_is_any_buffer() -> None:
    packet = segments([3000])[0]
    for kind in (bytearray, memoryview):
        assert offload.split(kind(packet), 1400) == offload.split(packet, 1400)
        assert offload.split(kind(packet), 65535) == [packet]
        assert type(offload.split(kind(packet), 65535)[0]) is bytes


def test_bad_arguments_are_told() -> None:
    with pytest.raises(TypeError):
        offload.split("text", 1400)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing required argument 'size'"):
        offload.split(b"")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="65535 bytes, not 65536"):
        offload.split(bytes(65536), 1400)
    for size in (0, 67, 65536, -1):
        with pytest.raises(ValueError, match=f"size must be from 68 to 65535, not {size}"):
            offload.split(b"", size)
    with pytest.raises(TypeError, match="size must be an int"):
        offload.split(b"", 1400.0)  # type: ignore[arg-type]
