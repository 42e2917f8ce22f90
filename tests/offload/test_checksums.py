# SPDX-License-Identifier: MIT
"""The checksums of IP, TCP, UDP and ICMP: as the RFCs define them, and as scapy computes them."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrRouting,
)
from scapy.packet import Raw

from helpers import pattern, scaled
from wintun import offload

from .model import ones_complement, pseudo_header
from .packets import IP_OPTIONS, batches, flipped, fragments, ip_header, tcp_packet, with_length

MANY = settings(max_examples=scaled(150, 20))


def plain_checksum(data: bytes) -> int:
    return ~ones_complement(data) & 0xFFFF


# --- Of bytes -----------------------------------------------------------------------------------


@MANY
@given(st.binary(max_size=300), st.integers(0, 17))
@example(b"", 0)
@example(bytes(64), 0)
@example(b"\xff" * 64, 1)
@example(b"\xff" * 63, 3)
def test_it_is_the_sum_of_words_at_any_address(data: bytes, offset: int) -> None:
    view = memoryview(bytes(offset) + data)[offset:]
    assert offload.checksum(view) == plain_checksum(data)


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 65534, 65535, 65536, 1000001])
@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\x80", b"\x7f\xff", b"\xff\xfe"])
def test_no_carry_is_lost(size: int, byte: bytes) -> None:
    data = (byte * size)[:size]
    assert offload.checksum(data) == plain_checksum(data)


def test_examples_of_the_rfcs() -> None:
    # RFC 1071, section 3: the sum is ddf2.
    assert offload.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    # RFC 1624, section 4: dd2f with 5555 become 3285, the sum being cd7a + 3285 = ffff otherwise.
    assert offload.update_checksum(0xDD2F, b"\x55\x55", b"\x32\x85") == 0x0000


@MANY
@given(st.binary(min_size=2, max_size=60), st.data())
def test_an_update_is_what_the_whole_is_anew(data: bytes, source: st.DataObject) -> None:
    data = b"\1\2" + data  # not all zero, as no packet's sum is
    start = 2 * source.draw(st.integers(1, (len(data) - 1) // 2))
    new = source.draw(st.binary(max_size=len(data) - start))
    changed = data[:start] + new + data[start + len(new) :]
    before, old = offload.checksum(data), data[start : start + len(new)]
    assert offload.update_checksum(before, old, new) == offload.checksum(changed)


@MANY
@given(st.sampled_from([4, 16]), st.data(), st.integers(0, 255), st.binary(max_size=100))
def test_the_pseudo_header_is_covered(
    size: int, source: st.DataObject, protocol: int, data: bytes
) -> None:
    one, other = (source.draw(st.binary(min_size=size, max_size=size)) for _ in range(2))
    expected = plain_checksum(pseudo_header(one + other, protocol, len(data)) + data)
    if protocol == 17 and expected == 0:
        expected = 0xFFFF
    assert offload.transport_checksum(one, other, protocol, data) == expected


def test_udp_has_no_checksum_of_zero() -> None:
    source = destination = bytes(4)
    data = struct.pack(">H", 0xFFFF - 17 - 2)
    assert offload.transport_checksum(source, destination, 17, data) == 0xFFFF
    assert offload.transport_checksum(source, destination, 6, data[:1] + b"\xf7") == 0


@pytest.mark.parametrize("version", [4, 6])
def test_it_is_what_scapy_computes_for_a_tcp_header(version: int) -> None:
    packet = tcp_packet(pattern(77), version)
    start = 20 if version == 4 else 40
    made = (IP if version == 4 else IPv6)(packet)
    source, destination = ip_address(made.src).packed, ip_address(made.dst).packed
    tcp = bytearray(packet[start:])
    tcp[16:18] = bytes(2)
    assert offload.transport_checksum(source, destination, 6, tcp) == made[TCP].chksum
    assert offload.checksum(packet[:20]) == 0 or version == 6


# --- Of packets ---------------------------------------------------------------------------------

ROUTE = IPv6ExtHdrRouting(addresses=["fd00::9"], segleft=0)

RIGHT = {
    "tcp": tcp_packet(b"data"),
    "tcp6": tcp_packet(b"odd", 6),
    "options": tcp_packet(b"data", ip={"options": IP_OPTIONS}),
    "udp": bytes(ip_header(4) / UDP() / Raw(b"odd")),
    "udp6": bytes(ip_header(6) / UDP() / Raw(b"data")),
    "icmp": bytes(ip_header(4) / ICMP() / Raw(b"odd")),
    "icmp6": bytes(ip_header(6) / ICMPv6EchoRequest(data=b"odd")),
    "extension": bytes(ip_header(6) / IPv6ExtHdrDestOpt() / UDP() / Raw(b"data")),
    "routed": bytes(ip_header(6) / ROUTE / TCP() / Raw(b"data")),
    "atomic": bytes(ip_header(6) / IPv6ExtHdrFragment() / UDP() / Raw(b"data")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_any_wrong_bit_is_seen_and_made_right_again(name: str) -> None:
    packet = RIGHT[name]
    assert offload.has_valid_checksums(packet)
    assert offload.fill_checksums(packet) == packet
    start = len(packet) - {"udp": 11, "udp6": 12, "icmp": 11, "icmp6": 11}.get(name, 4)
    for bit in range(8 * start, 8 * len(packet)):
        wrong = flipped(packet, bit)
        if name == "udp" and wrong[26:28] == bytes(2):
            continue
        assert not offload.has_valid_checksums(wrong), bit
        try:
            filled = offload.fill_checksums(wrong)
        except ValueError:
            continue  # UDP's length
        assert offload.has_valid_checksums(filled), bit


@pytest.mark.parametrize("name", [name for name in RIGHT if RIGHT[name][0] >> 4 == 4])
def test_any_wrong_bit_of_an_ipv4_header_is_seen(name: str) -> None:
    for bit in set(range(8 * 20)) - {2}:  # which makes IPv6 of it
        assert not offload.has_valid_checksums(flipped(RIGHT[name], bit)), bit


@pytest.mark.parametrize("name", RIGHT)
def test_scapys_checksums_are_made_out_of_none(name: str) -> None:
    packet = bytearray(RIGHT[name])
    if packet[0] >> 4 == 4:
        packet[10:12] = bytes(2)
    protocol = name.rstrip("6")
    place = {"udp": -5, "icmp": -9, "tcp": -8}.get(protocol)
    if name == "udp6":
        place = -6
    if name == "tcp6":
        place = -7
    if place is not None:
        packet[place : place + 2] = bytes(2)
    assert offload.fill_checksums(packet) == RIGHT[name]


def test_udp_over_ipv4_may_have_no_checksum() -> None:
    packet = bytes(ip_header(4) / UDP(chksum=0) / Raw(b"data"))
    assert offload.has_valid_checksums(packet)
    assert not offload.has_valid_checksums(bytes(ip_header(6) / UDP(chksum=0) / Raw(b"data")))
    assert offload.has_valid_checksums(offload.fill_checksums(packet))
    assert offload.fill_checksums(packet)[26:28] != bytes(2)


def test_of_fragments_and_other_protocols_only_the_header_is_known() -> None:
    for packet in (*fragments(bytes(40)), bytes(ip_header(4, proto=99) / Raw(b"data"))):
        assert offload.has_valid_checksums(packet)
        assert not offload.has_valid_checksums(flipped(packet, 8 * 8))
        assert offload.fill_checksums(flipped(packet, 8 * 10)) == packet


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        bytes(40),
        RIGHT["tcp"][:-1],
        with_length(RIGHT["tcp"], 39)[:39],
        with_length(RIGHT["udp"], 27)[:27],
        with_length(RIGHT["icmp"], 23)[:23],
        with_length(RIGHT["tcp6"], 19)[:59],
        b"\x65" + RIGHT["tcp"][1:],
        b"\x44" + RIGHT["tcp"][1:],
    ],
)
def test_what_is_no_whole_packet_has_no_right_checksums(packet: bytes) -> None:
    assert not offload.has_valid_checksums(packet)
    with pytest.raises(ValueError, match="whole IP packet"):
        offload.fill_checksums(packet)


@MANY
@given(batches())
def test_what_was_filled_is_valid(packets: list[bytes]) -> None:
    for packet in packets:
        try:
            filled = offload.fill_checksums(packet)
        except ValueError:
            assert not offload.has_valid_checksums(packet)
            continue
        assert offload.has_valid_checksums(filled)
        if offload.has_valid_checksums(packet) and packet[9:10] != b"\x11":
            assert filled == packet


# --- Arguments ----------------------------------------------------------------------------------


def test_bad_arguments_are_told() -> None:
    functions: list[Any] = [
        offload.checksum,
        offload.has_valid_checksums,
        offload.fill_checksums,
    ]
    for function in functions:
        with pytest.raises(TypeError):
            function("text")
        with pytest.raises(BufferError):
            function(memoryview(bytes(10))[::2])
    with pytest.raises(ValueError, match="4 or 16 bytes"):
        offload.transport_checksum(b"123", bytes(4), 6, b"")
    with pytest.raises(ValueError, match="of one family"):
        offload.transport_checksum(bytes(16), bytes(4), 6, b"")
    with pytest.raises(TypeError, match="source must be bytes"):
        offload.transport_checksum("10.0.0.1", bytes(4), 6, b"")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="protocol must be from 0 to 255"):
        offload.transport_checksum(bytes(4), bytes(4), 256, b"")
    with pytest.raises(ValueError, match="65535 bytes"):
        offload.transport_checksum(bytes(4), bytes(4), 6, bytes(65536))
    with pytest.raises(ValueError, match="checksum must be from 0 to 65535"):
        offload.update_checksum(65536, b"", b"")
    with pytest.raises(ValueError, match="same number of bytes, not 2 and 1"):
        offload.update_checksum(1, b"ab", b"a")
    with pytest.raises(TypeError):
        offload.update_checksum(1, b"ab", "ab")  # type: ignore[arg-type]
