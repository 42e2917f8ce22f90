# SPDX-License-Identifier: MIT
"""The decoder of the command line: right about real packets, and never in trouble with others."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wintun.cli.packets import Description, describe, parse_header


def ipv4(protocol: int, payload: bytes, fragment: int = 0, options: bytes = b"") -> bytes:
    size = 20 + len(options) + len(payload)
    start = struct.pack(
        "!BBHHHBBH", 0x45 + len(options) // 4, 0, size, 1, fragment, 64, protocol, 0
    )
    return start + ip_address("10.0.0.1").packed + ip_address("10.0.0.2").packed + options + payload


def ipv6(protocol: int, payload: bytes) -> bytes:
    start = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return start + ip_address("fd00::1").packed + ip_address("fd00::2").packed + payload


ICMP_ECHO = struct.pack("!BBHHH", 8, 0, 0, 7, 9) + b"data"
ICMPV6_ECHO = struct.pack("!BBHHH", 128, 0, 0, 7, 9) + b"data"
SYN_ACK = struct.pack("!HHIIBBHHH", 443, 50000, 1, 1, 0x50, 0x12, 100, 0, 0)
HOP_BY_HOP_BEFORE_ICMPV6 = bytes([58, 0, 5, 2, 0, 0, 1, 0])


@pytest.mark.parametrize(
    ("packet", "protocol", "detail"),
    [
        (ipv4(1, ICMP_ECHO), "ICMP", "echo request id=7 seq=9"),
        (ipv4(1, ICMP_ECHO, options=bytes(8)), "ICMP", "echo request id=7 seq=9"),
        (ipv4(1, bytes([0]) + ICMP_ECHO[1:]), "ICMP", "echo reply id=7 seq=9"),
        (ipv4(1, bytes([3, 1, 0, 0])), "ICMP", "destination unreachable code 1"),
        (ipv4(1, bytes([250, 0])), "ICMP", "type 250"),
        (ipv4(6, SYN_ACK), "TCP", "ports 443 > 50000 SYN ACK"),
        (ipv4(17, struct.pack("!HHHH", 53, 4000, 8, 0)), "UDP", "ports 53 > 4000"),
        (ipv4(2, bytes(8)), "IGMP", ""),
        (ipv4(200, b""), "protocol 200", ""),
        (ipv4(17, bytes(8), fragment=0x2000), "UDP", "ports 0 > 0, fragment at 0, more follow"),
        (ipv4(17, bytes(8), fragment=185), "UDP", "fragment at 1480, the last"),
        (ipv4(1, ICMP_ECHO)[:26], "ICMP", "echo request, truncated by 6"),
        (ipv6(58, ICMPV6_ECHO), "ICMPv6", "echo request id=7 seq=9"),
        (ipv6(58, bytes([133, 0, 0, 0])), "ICMPv6", "router solicitation"),
        (
            ipv6(0, HOP_BY_HOP_BEFORE_ICMPV6 + bytes([143, 0, 0, 0])),
            "ICMPv6",
            "multicast listener report v2",
        ),
        (
            ipv6(44, bytes([17, 0, 0, 1]) + bytes(4) + bytes(8)),
            "UDP",
            "ports 0 > 0, fragment at 0, more follow",
        ),
        (ipv6(44, bytes([17, 0, 0, 8]) + bytes(12)), "UDP", "fragment at 8, the last"),
        (ipv6(0, bytes([58, 200]) + bytes(14)), "HOPOPT", ""),
        (ipv6(59, b""), "NONE", ""),
    ],
)
def test_a_packet_is_described_by_its_protocol_and_what_that_says(
    packet: bytes, protocol: str, detail: str
) -> None:
    source, destination = (
        ("10.0.0.1", "10.0.0.2") if packet[0] >> 4 == 4 else ("fd00::1", "fd00::2")
    )
    expected = Description(len(packet), protocol, source, destination, detail)
    assert describe(packet)[:5] == expected[:5]


def test_icmp_types_and_ports_are_told_as_numbers_too() -> None:
    assert describe(ipv4(1, ICMP_ECHO)).icmp_type == 8
    assert describe(ipv6(58, ICMPV6_ECHO)).icmp_type == 128
    tcp = describe(ipv4(6, SYN_ACK))
    assert (tcp.source_port, tcp.destination_port, tcp.icmp_type) == (443, 50000, None)
    middle = describe(ipv4(17, bytes(8), fragment=185))
    assert (middle.source_port, middle.destination_port, middle.icmp_type) == (None, None, None)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45",
        bytes(40),
        b"\x45" + bytes(18),
        b"\x60" + bytes(38),
        b"\x44" + bytes(30),  # a header of 16 bytes
        b"\x4f" + bytes(30),  # a header of 60
        b"\xf0" + bytes(60),
    ],
)
def test_what_is_no_ip_packet_is_said_to_be_none(packet: bytes) -> None:
    described = describe(packet)
    assert (described.protocol, described.source, described.destination) == ("not IP", None, None)
    assert described.length == len(packet)


packets_with_a_version = st.builds(
    lambda version, rest: bytes([version << 4 | rest[0] & 15]) + rest[1:],
    st.sampled_from([4, 6]),
    st.binary(min_size=1, max_size=200),
)

long_ipv6_chains = st.lists(
    st.tuples(st.sampled_from([0, 43, 44, 60, 58, 135]), st.integers(0, 3), st.binary(max_size=40)),
    max_size=8,
).map(lambda headers: ipv6(0, b"".join(bytes([kind, size]) + rest for kind, size, rest in headers)))


@given(st.one_of(st.binary(max_size=200), packets_with_a_version, long_ipv6_chains))
@example(b"")
def test_any_bytes_are_described_in_one_printable_line(packet: bytes) -> None:
    described = describe(packet)
    assert described.length == len(packet)
    assert described.protocol.isprintable()
    assert described.detail.isprintable()
    for address in (described.source, described.destination):
        assert address is None or str(ip_address(address)) == address


@given(st.one_of(packets_with_a_version, long_ipv6_chains))
def test_the_payload_never_starts_beyond_the_packet(packet: bytes) -> None:
    header = parse_header(packet)
    if header is not None:
        assert 20 <= header.payload_start <= len(packet)
        assert header.payload_start <= header.payload_end


@given(st.data())
def test_a_packet_cut_anywhere_is_described_like_the_whole_or_as_none(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([ipv4(6, SYN_ACK), ipv6(58, ICMPV6_ECHO)]))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    described = describe(cut)
    if described.source is not None:
        assert described.protocol == describe(whole).protocol
        assert f"truncated by {len(whole) - len(cut)}" in described.detail
