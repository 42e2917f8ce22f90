"""Ping: requests, and replies to them, in both versions of IP."""

from __future__ import annotations

import struct

from .packets import ICMP, ICMPV6, Header, parse_header

_TYPES = {ICMP: (8, 0), ICMPV6: (128, 129)}
_HOP_LIMIT = 64


def checksum(data: bytes) -> int:
    """Returns the Internet checksum of the bytes: 0 for bytes that hold their right checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def make_request(source: bytes, destination: bytes, identifier: int, sequence: int) -> bytes:
    """Returns a packet with an echo request; the addresses are both of 4 or both of 16 bytes."""
    protocol = ICMP if len(source) == 4 else ICMPV6
    body = struct.pack("!HH", identifier, sequence) + bytes(range(56))
    return _packet(source, destination, protocol, _TYPES[protocol][0], body)


def parse_request(packet: bytes) -> Header | None:
    """Returns the header of a whole echo request with a right checksum, else None."""
    header = parse_header(packet)
    if header is None or header.fragmented or header.payload_end > len(packet):
        return None
    if header.protocol != (ICMP if header.version == 4 else ICMPV6):
        return None
    payload = packet[header.payload_start : header.payload_end]
    if len(payload) < 8 or payload[:2] != bytes([_TYPES[header.protocol][0], 0]):
        return None
    return header if _payload_checksum(header, payload) == 0 else None


def is_reply(packet: bytes, identifier: int) -> bool:
    """Returns whether a packet is a whole echo reply with this identifier, 0 to 65535."""
    header = parse_header(packet)
    if header is None or header.fragmented or header.payload_end > len(packet):
        return False
    if header.protocol != (ICMP if header.version == 4 else ICMPV6):
        return False
    payload = packet[header.payload_start : header.payload_end]
    start = struct.pack("!BB", _TYPES[header.protocol][1], 0)
    return (
        payload[:2] == start
        and payload[4:6] == struct.pack("!H", identifier)
        and _payload_checksum(header, payload) == 0
    )


def make_reply(packet: bytes, header: Header) -> bytes:
    """Returns the reply to an echo request that `parse_request` gave the header of."""
    body = packet[header.payload_start + 4 : header.payload_end]
    kind = _TYPES[header.protocol][1]
    return _packet(header.destination, header.source, header.protocol, kind, body)


def _payload_checksum(header: Header, payload: bytes) -> int:
    if header.version == 4:
        return checksum(payload)
    return checksum(_pseudo_header(header.source, header.destination, len(payload)) + payload)


def _pseudo_header(source: bytes, destination: bytes, size: int) -> bytes:
    return source + destination + struct.pack("!II", size, ICMPV6)


def _packet(source: bytes, destination: bytes, protocol: int, kind: int, body: bytes) -> bytes:
    size = 4 + len(body)
    covered = b"" if protocol == ICMP else _pseudo_header(source, destination, size)
    sum_ = checksum(covered + struct.pack("!BBH", kind, 0, 0) + body)
    payload = struct.pack("!BBH", kind, 0, sum_) + body
    if protocol == ICMP:
        return _ipv4_header(source, destination, size) + payload
    return struct.pack("!IHBB", 6 << 28, size, ICMPV6, _HOP_LIMIT) + source + destination + payload


def _ipv4_header(source: bytes, destination: bytes, size: int) -> bytes:
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + size, 0, 0, _HOP_LIMIT, ICMP)
    sum_ = checksum(start + b"\0\0" + source + destination)
    return start + struct.pack("!H", sum_) + source + destination
