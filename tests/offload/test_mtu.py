# SPDX-License-Identifier: MIT
"""clamp_mss() and packet_too_big(): ends of connections learn what the tunnel takes."""

from __future__ import annotations

from ipaddress import IPv4Interface, ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.packet import Raw

from helpers import pattern, scaled
from wintun import offload

from .model import ACK, SYN
from .packets import batches, flipped, ip_header, tcp_packet, udp_packet

MANY = settings(max_examples=scaled(150, 20))


def mss(size: int) -> bytes:
    return b"\2\4" + size.to_bytes(2, "big")


def syn(options: bytes, version: int = 4, flags: int = SYN, **fields: Any) -> bytes:
    return tcp_packet(b"", version, options, flags=flags, **fields)


def options_of(packet: bytes) -> bytes:
    return packet[40 if packet[0] >> 4 == 4 else 60 :]


# --- clamp_mss ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
@pytest.mark.parametrize(("version", "headers"), [(4, 40), (6, 60)])
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b"", b""),
        (b"", bytes.fromhex("0402080a0000000100000000 01030307 0000")),
        (b"\1", b"\1\1\1"),
        (b"\1\3\3\7", b""),
        (b"\3\3\7", b"\0"),
        (b"\2\3\0", b"\0"),
    ],
)
def test_what_a_syn_tells_is_lowered(
    flags: int, version: int, headers: int, before: bytes, behind: bytes
) -> None:
    packet = syn(before + mss(1460) + behind, version, flags)
    for mtu in (68, 1280, 1459 + headers):
        clamped = offload.clamp_mss(packet, mtu)
        assert options_of(clamped) == before + mss(mtu - headers) + behind
        assert offload.has_valid_checksums(clamped)
    for mtu in (1460 + headers, 65535):
        assert offload.clamp_mss(packet, mtu) == packet


@pytest.mark.parametrize(
    "packet",
    [
        syn(b""),
        syn(bytes(4) + mss(1460)),  # behind the end
        syn(b"\3\0\1\1" + mss(1460)),  # behind an option that has no size
        syn(b"\3\1\1\1" + mss(1460)),
        syn(b"\3\x0d\1\1" + mss(1460) + bytes(4)),  # one that is longer than the header
        syn(b"\2\3\5" + b"\2"),  # cut off
        syn(b"\1\1\1\2"),
        syn(b"\1\1\2\4"),
        tcp_packet(b"", 4, mss(1460)),  # not SYN
        syn(mss(1460), ip={"frag": 1}),
        syn(mss(1460), ip={"flags": "MF"}),
        syn(mss(1460))[:-1],
        udp_packet(bytes(40)),
        b"",
        bytes(100),
    ],
)
def test_all_else_is_given_back_as_it_is(packet: bytes) -> None:
    assert offload.clamp_mss(packet, 1280) == packet


def test_a_wrong_checksum_stays_wrong() -> None:
    packet = syn(mss(1460))
    for bit in range(8 * 36, 8 * 38):
        clamped = offload.clamp_mss(flipped(packet, bit), 1280)
        assert options_of(clamped) == mss(1240)
        assert not offload.has_valid_checksums(clamped)


@MANY
@given(st.binary(max_size=40), st.integers(68, 1500))
def test_any_options_keep_their_places_and_the_checksum(options: bytes, mtu: int) -> None:
    packet = syn(options[: len(options) // 4 * 4])
    clamped = offload.clamp_mss(packet, mtu)
    assert offload.has_valid_checksums(clamped)
    assert len(clamped) == len(packet)
    assert clamped[:36] == packet[:36]
    assert offload.clamp_mss(clamped, mtu) == clamped


def test_bytes_without_syn_are_not_copied_and_others_become_bytes() -> None:
    packet = tcp_packet(b"data")
    assert offload.clamp_mss(packet, 1280) is packet
    for kind in (bytearray, memoryview):
        assert offload.clamp_mss(kind(packet), 1280) == packet
        assert type(offload.clamp_mss(kind(packet), 1280)) is bytes


# --- packet_too_big -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1401, 1500, 9000, 65535])
def test_ipv4_is_told_that_fragmentation_is_needed(size: int) -> None:
    packet = tcp_packet(pattern(size - 40))
    answer = offload.packet_too_big(packet, 1400, "192.0.2.1")
    assert answer is not None
    assert len(answer) == 576
    assert offload.has_valid_checksums(answer)
    seen: Any = IP(answer)
    assert (seen.src, seen.dst, seen.len) == ("192.0.2.1", "10.0.0.1", 576)
    icmp = seen[ICMP]
    assert (icmp.type, icmp.code, icmp.nexthopmtu, icmp.unused) == (3, 4, 1400, b"")
    assert answer[28:] == packet[:548]


def test_a_small_packet_is_quoted_whole() -> None:
    packet = udp_packet(b"some data")
    with_padding = packet + bytes(50)
    for given_ in (packet, with_padding):
        assert offload.packet_too_big(given_, 68) is None
    packet = udp_packet(bytes(60))
    answer = offload.packet_too_big(packet + b"padding", 68)
    assert answer is not None
    assert answer[28:] == packet


@pytest.mark.parametrize("mtu", [1280, 1400])
def test_ipv6_is_told_that_the_packet_is_too_big(mtu: int) -> None:
    packet = tcp_packet(pattern(3000), 6)
    answer = offload.packet_too_big(packet, mtu, "fd00::99")
    assert answer is not None
    assert len(answer) == 1280
    assert offload.has_valid_checksums(answer)
    seen: Any = IPv6(answer)
    assert (seen.src, seen.dst, seen.plen) == ("fd00::99", "fd00::1", 1240)
    assert seen[ICMPv6PacketTooBig].mtu == mtu
    assert answer[48:] == packet[:1232]


def test_ipv6_has_no_mtu_under_1280() -> None:
    assert offload.packet_too_big(tcp_packet(bytes(1220), 6), 1000) is None
    answer = offload.packet_too_big(tcp_packet(bytes(1221), 6), 1000)
    assert answer is not None
    assert IPv6(answer)[ICMPv6PacketTooBig].mtu == 1280


@pytest.mark.parametrize("version", [4, 6])
def test_without_a_source_it_comes_from_the_destination(version: int) -> None:
    answer = offload.packet_too_big(tcp_packet(bytes(2000), version), 1400)
    assert answer is not None
    seen = IP(answer) if version == 4 else IPv6(answer)
    assert seen.src == ip_header(version).dst


BIG = Raw(bytes(2000))


@pytest.mark.parametrize(
    "packet",
    [
        ip_header(4, flags=0) / UDP() / BIG,  # may be fragmented
        ip_header(4, frag=10) / BIG,
        ip_header(4, dst="224.0.0.1") / UDP() / BIG,
        ip_header(4, dst="255.255.255.255") / UDP() / BIG,
        ip_header(4, src="0.0.0.0") / UDP() / BIG,
        ip_header(4, src="127.0.0.1") / UDP() / BIG,
        ip_header(4, src="224.0.0.1") / UDP() / BIG,
        *(ip_header(4) / ICMP(type=kind) / BIG for kind in (3, 4, 5, 11, 12, 99)),
        ip_header(4, chksum=1) / UDP() / BIG,
        ip_header(6, src="::") / UDP() / BIG,
        ip_header(6, src="ff02::1") / UDP() / BIG,
        ip_header(6, dst="ff02::1") / UDP() / BIG,  # and no source of ours
        ip_header(6) / ICMPv6PacketTooBig() / BIG,
        ip_header(6) / ICMPv6ND_Redirect() / BIG,
        ip_header(6) / IPv6ExtHdrDestOpt() / ICMPv6PacketTooBig() / BIG,
        ip_header(6) / IPv6ExtHdrFragment(offset=100) / BIG,
        Raw(bytes(2000)),
    ],
    ids=lambda packet: packet.summary(),
)
def test_a_router_sends_no_answer(packet: Any) -> None:
    assert offload.packet_too_big(bytes(packet), 1400) is None


@pytest.mark.parametrize(
    "packet",
    [
        ip_header(4) / UDP() / BIG,
        ip_header(4, flags="MF+DF") / UDP() / BIG,
        *(ip_header(4) / ICMP(type=kind) / BIG for kind in (0, 8, 13)),
        ip_header(6) / UDP() / BIG,
        ip_header(6) / ICMPv6EchoReply() / BIG,
        ip_header(6) / IPv6ExtHdrFragment(m=1) / BIG,
    ],
    ids=lambda packet: packet.summary(),
)
def test_and_here_it_does(packet: Any) -> None:
    answer = offload.packet_too_big(bytes(packet), 1400)
    assert answer is not None
    # Nobody answers an answer.
    assert offload.packet_too_big(answer, 68) is None


def test_ipv6_to_a_group_is_answered_from_a_given_source() -> None:
    packet = bytes(ip_header(6, dst="ff02::1") / UDP() / BIG)
    assert offload.packet_too_big(packet, 1400, "fd00::1") is not None


@MANY
@given(batches())
def test_an_answer_is_always_a_right_packet(packets: list[bytes]) -> None:
    for packet in offload.merge(packets):
        answer = offload.packet_too_big(packet, 68)
        assert answer is None or offload.has_valid_checksums(answer)


# --- Arguments ----------------------------------------------------------------------------------


def test_a_source_is_a_text_or_an_address() -> None:
    packet = tcp_packet(bytes(2000))
    expected = offload.packet_too_big(packet, 1400, "10.1.2.3")
    assert expected is not None
    for source in (ip_address("10.1.2.3"), IPv4Interface("10.1.2.3/24")):
        assert offload.packet_too_big(packet, 1400, source) == expected


def test_bad_arguments_are_told() -> None:
    packet = tcp_packet(bytes(2000))
    with pytest.raises(ValueError, match="of the packet's family, with 4 bytes"):
        offload.packet_too_big(packet, 1400, "fd00::1")
    with pytest.raises(ValueError, match="of the packet's family, with 16 bytes"):
        offload.packet_too_big(tcp_packet(bytes(2000), 6), 1400, "10.0.0.1")
    with pytest.raises(ValueError, match="nowhere"):
        offload.packet_too_big(packet, 1400, "nowhere")
    with pytest.raises(TypeError, match="source must be a str or an address"):
        offload.packet_too_big(packet, 1400, b"1234")  # type: ignore[arg-type]
    for function in (offload.packet_too_big, offload.clamp_mss):
        for mtu in (67, 65536):
            with pytest.raises(ValueError, match=f"mtu must be from 68 to 65535, not {mtu}"):
                function(packet, mtu)
        with pytest.raises(TypeError):
            function("text", 1400)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="65535 bytes, not 65536"):
            function(bytes(65536), 1400)
