# SPDX-License-Identifier: MIT
"""Ping by hand: which packets are echo requests, and what the reply to one is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wintun.cli.echo import checksum, make_reply, make_request, parse_request
from wintun.cli.packets import describe, parse_header

ADDRESSES = {
    4: (b"\x0a\0\0\1", b"\x0a\0\0\2"),
    6: (b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(15)),
}


def request(version: int) -> bytes:
    return make_request(*ADDRESSES[version], identifier=7, sequence=9)


def reference_checksum(data: bytes) -> int:
    """RFC 1071 word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert checksum(data) == reference_checksum(data)


def test_the_checksum_of_a_known_packet_is_right() -> None:
    header = bytes.fromhex("4500003c1c4640004006 0000 ac100a63ac100a0c")
    assert checksum(header) == 0xB1E6


@pytest.mark.parametrize("version", [4, 6])
def test_a_reply_has_the_addresses_exchanged_the_same_data_and_right_checksums(
    version: int,
) -> None:
    asked = request(version)
    header = parse_request(asked)
    assert header is not None
    reply = make_reply(asked, header)
    answered = parse_header(reply)
    assert answered is not None
    assert (answered.source, answered.destination) == (header.destination, header.source)
    assert describe(reply).detail == "echo reply id=7 seq=9"
    assert reply[answered.payload_start + 4 :] == asked[header.payload_start + 4 :]
    payload = reply[answered.payload_start :]
    if version == 4:
        assert reference_checksum(reply[:20]) == 0
        assert reference_checksum(payload) == 0
    else:
        pseudo = answered.source + answered.destination + struct.pack("!II", len(payload), 58)
        assert reference_checksum(pseudo + payload) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_request_behind_options_or_extension_headers_is_one(version: int) -> None:
    asked = request(version)
    if version == 4:
        packet = bytes([0x46]) + asked[1:2] + struct.pack("!H", len(asked) + 4) + asked[4:20]
        packet += bytes(4) + asked[20:]
    else:
        extension = bytes([58, 0, 1, 4, 0, 0, 0, 0])
        size = struct.pack("!H", len(asked) - 40 + 8)
        packet = asked[:4] + size + bytes([60]) + asked[7:40] + extension + asked[40:]
    header = parse_request(packet)
    assert header is not None
    assert make_reply(packet, header) == make_reply(asked, parse_request(asked) or header)


@pytest.mark.parametrize("version", [4, 6])
def test_bytes_behind_the_packet_are_not_answered(version: int) -> None:
    asked = request(version)
    header = parse_request(asked + b"trailer")
    assert header is not None
    assert make_reply(asked + b"trailer", header) == make_reply(asked, header)


@pytest.mark.parametrize("version", [4, 6])
def test_a_reply_a_fragment_a_cut_or_damaged_packet_is_no_request(version: int) -> None:
    asked = request(version)
    header = parse_request(asked)
    assert header is not None
    assert parse_request(make_reply(asked, header)) is None
    for cut in range(len(asked)):
        assert parse_request(asked[:cut]) is None
    for at in range(header.payload_start, len(asked)):
        damaged = bytearray(asked)
        damaged[at] ^= 0x10
        assert parse_request(bytes(damaged)) is None
    if version == 4:
        assert parse_request(asked[:6] + b"\x20\0" + asked[8:]) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_request_or_not_without_trouble(packet: bytes) -> None:
    header = parse_request(packet)
    if header is not None:
        assert parse_request(make_reply(packet, header)) is None
