# SPDX-License-Identifier: MIT
"""IP packets made and checked without the code under test."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, Union

Address = Union[IPv4Address, IPv6Address]

ICMP = 1
ICMPV6 = 58


def checksum(data: bytes) -> int:
    """The Internet checksum; 0 over data with a right one inside."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: Address, destination: Address, size: int, protocol: int) -> bytes:
    """What ICMPv6 sums in front of its message."""
    return source.packed + destination.packed + struct.pack(">II", size, protocol)


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    fragment: int = 0,
    broken: bool = False,
) -> bytes:
    """A packet with the header's checksum, which `broken` spoils."""
    length = 20 + len(options)
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | length // 4,
        0,
        length + len(payload),
        1,
        fragment,
        64,
        protocol,
        0,
        IPv4Address(source).packed,
        IPv4Address(destination).packed,
    )
    value = checksum(head + options) ^ (1 if broken else 0)
    return head[:10] + struct.pack(">H", value) + head[12:] + options + payload


def ipv6(
    source: str, destination: str, protocol: int, payload: bytes, *, extensions: bytes = b""
) -> bytes:
    """A packet; `protocol` is the first next header, also of the extensions."""
    head = struct.pack(">IHBB", 0x60000000, len(extensions) + len(payload), protocol, 64)
    addresses = IPv6Address(source).packed + IPv6Address(destination).packed
    return head + addresses + extensions + payload


def echo_request(
    source: str, destination: str, *, data: bytes = b"ping data", broken: bool = False
) -> bytes:
    """The ICMP or ICMPv6 message alone; `broken` spoils its checksum."""
    from_, to = ip_address(source), ip_address(destination)
    is_ipv4 = to.version == 4
    message = struct.pack(">BBHHH", 8 if is_ipv4 else 128, 0, 0, 0x1234, 7) + data
    pseudo = b"" if is_ipv4 else pseudo_header(from_, to, len(message), ICMPV6)
    value = checksum(pseudo + message) ^ (1 if broken else 0)
    return message[:2] + struct.pack(">H", value) + message[4:]


def ping(source: str, destination: str, *, data: bytes = b"ping data") -> bytes:
    """A whole echo request."""
    message = echo_request(source, destination, data=data)
    if ip_address(destination).version == 4:
        return ipv4(source, destination, ICMP, message)
    return ipv6(source, destination, ICMPV6, message)


class Parsed(NamedTuple):
    """A packet whose checksums are right."""

    source: Address
    destination: Address
    protocol: int
    hops: int
    payload: bytes


def parse(packet: bytes) -> Parsed:
    """Reads a packet and checks its lengths and checksums."""
    if packet[0] >> 4 == 4:
        return _parse_ipv4(packet)
    source, destination = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    protocol, payload = packet[6], packet[40:]
    assert struct.unpack(">H", packet[4:6])[0] == len(payload)
    while protocol in (0, 43, 60):
        protocol, payload = payload[0], payload[8 + payload[1] * 8 :]
    if protocol == ICMPV6:
        pseudo = pseudo_header(source, destination, len(payload), ICMPV6)
        assert checksum(pseudo + payload) == 0, "wrong ICMPv6 checksum"
    return Parsed(source, destination, protocol, packet[7], payload)


def _parse_ipv4(packet: bytes) -> Parsed:
    length = (packet[0] & 15) * 4
    assert checksum(packet[:length]) == 0, "wrong IPv4 header checksum"
    assert struct.unpack(">H", packet[2:4])[0] == len(packet)
    payload = packet[length:]
    if packet[9] in (1, 2):
        assert checksum(payload) == 0, "wrong ICMP or IGMP checksum"
    return Parsed(
        IPv4Address(packet[12:16]), IPv4Address(packet[16:20]), packet[9], packet[8], payload
    )


def echo_reply(request: bytes) -> bytes:
    """The answer to a ping of the built-in host."""
    read = parse(request)
    kind = 0 if read.source.version == 4 else 129
    message = bytes([kind, 0, 0, 0]) + read.payload[4:]
    if read.source.version == 4:
        message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
        return ipv4(str(read.destination), str(read.source), ICMP, message)
    pseudo = pseudo_header(read.destination, read.source, len(message), ICMPV6)
    message = message[:2] + struct.pack(">H", checksum(pseudo + message)) + message[4:]
    return ipv6(str(read.destination), str(read.source), ICMPV6, message)
