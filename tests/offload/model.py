# SPDX-License-Identifier: MIT
"""What `wintun.offload` promises, once more in plain Python; packets are built by scapy.

Slow and simple: it reads each packet anew and keeps nothing but lists.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))

TCP_NUMBER = 6
EXTENSIONS = {0, 43, 44, 50, 51, 60, 135, 139, 140}
"""Headers of IPv6 behind which a TCP header may be, or that hide what is behind them."""

Flow = tuple[bytes, bytes]
"""Addresses and ports."""


class Plain(NamedTuple):
    """A TCP packet that is plain, taken apart."""

    packet: bytes
    flow: Flow
    sequence: int
    push: bool
    alike: tuple[object, ...]
    """What has to be the same in packets that are joined."""
    headers: int
    payload: bytes


def ones_complement(data: bytes) -> int:
    """The sum of 16-bit words that RFC 1071 tells, word by word."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_header(addresses: bytes, protocol: int, size: int) -> bytes:
    return addresses + struct.pack(">II", size, protocol)


def transport_is_right(addresses: bytes, protocol: int, data: bytes) -> bool:
    return ones_complement(pseudo_header(addresses, protocol, len(data)) + data) == 0xFFFF


def flow_of(packet: bytes) -> Flow | str:
    """Returns the TCP flow of a packet; "other" if it is of none, "unknown" if that is not sure."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        header = (packet[0] & 15) * 4
        later = int.from_bytes(packet[6:8], "big") & 0x1FFF
        if packet[9] != TCP_NUMBER:
            return "other"
        if header < 20 or len(packet) < header + 4 or later:
            return "unknown"
        return packet[12:20], packet[header : header + 4]
    if version == 6 and len(packet) >= 40:
        if packet[6] in EXTENSIONS:
            return "unknown"
        if packet[6] != TCP_NUMBER:
            return "other"
        return (packet[8:40], packet[40:44]) if len(packet) >= 44 else "unknown"
    return "other"


def plain(packet: bytes) -> Plain | None:
    """Takes a packet apart, if it is one that may be joined."""
    flow = flow_of(packet)
    if isinstance(flow, str):
        return None
    if packet[0] >> 4 == 4:
        ip, length = 20, int.from_bytes(packet[2:4], "big")
        fragment = int.from_bytes(packet[6:8], "big")
        alike: tuple[object, ...] = (packet[1], fragment, packet[8])
        if (
            packet[0] != 0x45
            or fragment not in (0, 0x4000)
            or ones_complement(packet[:20]) != 65535
        ):
            return None
    else:
        ip, length = 40, int.from_bytes(packet[4:6], "big") + 40
        alike = (packet[:4], packet[7])
    if length != len(packet) or length < ip + 20:
        return None
    tcp = packet[ip:]
    header = (tcp[12] >> 4) * 4
    right = (
        20 <= header < len(tcp)
        and tcp[12] & 15 == 0
        and tcp[13] | PSH == ACK | PSH
        and tcp[18:20] == b"\0\0"
    )
    if not right:
        return None
    return Plain(
        packet,
        flow,
        int.from_bytes(tcp[4:8], "big"),
        bool(tcp[13] & PSH),
        (ip, *alike, tcp[8:12], tcp[14:16], tcp[20:header]),
        ip + header,
        tcp[header:],
    )


def is_right(segment: Plain) -> bool:
    """Whether the TCP checksum of a plain packet is right."""
    ip = 20 if segment.packet[0] >> 4 == 4 else 40
    return transport_is_right(segment.flow[0], TCP_NUMBER, segment.packet[ip:])


# --- merge --------------------------------------------------------------------------------------


class Group:
    """What becomes one packet."""

    def __init__(self, packet: bytes, segment: Plain | None) -> None:
        self.packets = [packet]
        self.segments = [segment] if segment is not None else []
        self.open = segment is not None and not segment.push
        self.size = len(packet)

    def takes(self, segment: Plain, max_size: int, verify: bool) -> bool:
        first, last = self.segments[0], self.segments[-1]
        return (
            segment.alike == first.alike
            and segment.sequence == (last.sequence + len(last.payload)) % 2**32
            and self.size + len(segment.payload) <= max_size
            and (not verify or (is_right(first) and is_right(segment)))
        )

    def add(self, segment: Plain) -> None:
        self.packets.append(segment.packet)
        self.segments.append(segment)
        self.size += len(segment.payload)
        self.open = not segment.push

    def joined(self) -> bytes:
        if len(self.packets) == 1:
            return self.packets[0]
        flags = ACK | PSH if self.segments[-1].push else ACK
        payload = b"".join(segment.payload for segment in self.segments)
        return rebuilt(self.packets[0], payload, flags=flags)


def merge(packets: Iterable[bytes], max_size: int = 65535, verify: bool = True) -> list[bytes]:
    """What `wintun.offload.merge` makes of packets of a few flows."""
    groups: list[Group] = []
    last: dict[Flow, Group] = {}
    for packet in packets:
        segment, flow = plain(packet), flow_of(packet)
        if flow == "unknown":
            last.clear()
        group = None if isinstance(flow, str) else last.get(flow)
        if group and group.open and segment and group.takes(segment, max_size, verify):
            group.add(segment)
            continue
        groups.append(Group(packet, segment))
        if not isinstance(flow, str):
            last[flow] = groups[-1]
    return [group.joined() for group in groups]


# --- split --------------------------------------------------------------------------------------


def can_be_split(packet: bytes, size: int) -> int:
    """The size of all headers of a packet that is split; 0 for one that is left whole."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        ip = (packet[0] & 15) * 4
        whole = (
            int.from_bytes(packet[2:4], "big") == len(packet)
            and int.from_bytes(packet[6:8], "big") & 0x3FFF == 0
            and packet[9] == TCP_NUMBER
            and 20 <= ip <= len(packet)
            and ones_complement(packet[:ip]) == 0xFFFF
        )
        addresses = packet[12:20]
    elif version == 6 and len(packet) >= 40:
        ip = 40
        whole = int.from_bytes(packet[4:6], "big") + 40 == len(packet) and packet[6] == TCP_NUMBER
        addresses = packet[8:40]
    else:
        return 0
    tcp = packet[ip:]
    if not whole or len(tcp) < 20:
        return 0
    header = (tcp[12] >> 4) * 4
    if not 20 <= header < len(tcp) or tcp[13] & (SYN | RST | URG):
        return 0
    if not transport_is_right(addresses, TCP_NUMBER, tcp):
        return 0
    return ip + header if ip + header < size < len(packet) else 0


def split(packet: bytes, size: int) -> list[bytes]:
    """What `wintun.offload.split` makes of a packet."""
    headers = can_be_split(packet, size)
    if not headers:
        return [packet]
    is_ipv4 = packet[0] >> 4 == 4
    ip = (packet[0] & 15) * 4 if is_ipv4 else 40
    sequence, flags = int.from_bytes(packet[ip + 4 : ip + 8], "big"), packet[ip + 13]
    payload = packet[headers:]
    starts = range(0, len(payload), size - headers)
    segments = []
    for index, start in enumerate(starts):
        own = flags
        if index > 0:
            own &= ~CWR
        if index < len(starts) - 1:
            own &= ~(PSH | FIN)
        fields: dict[str, Any] = {"flags": own, "seq": (sequence + start) % 2**32}
        if is_ipv4:
            fields["id"] = (int.from_bytes(packet[4:6], "big") + index) % 2**16
        segments.append(rebuilt(packet, payload[start : start + size - headers], **fields))
    return segments


# --- Packets by scapy ---------------------------------------------------------------------------


def rebuilt(packet: bytes, payload: bytes, **fields: Any) -> bytes:
    """A TCP packet with another payload and other fields; sizes and checksums are scapy's."""
    is_ipv4 = packet[0] >> 4 == 4
    start = (packet[0] & 15) * 4 if is_ipv4 else 40
    header = (packet[start + 12] >> 4) * 4
    ip: Any = IP(packet[:start]) if is_ipv4 else IPv6(packet[:40])
    for name in ("len", "chksum") if is_ipv4 else ("plen",):
        delattr(ip, name)
    if "id" in fields:
        ip.id = fields.pop("id")
    # Options go as they are, for scapy would spell some of them in another way.
    tcp: Any = TCP(packet[start : start + 20])
    tcp.remove_payload()
    del tcp.chksum
    for name, value in fields.items():
        setattr(tcp, name, value)
    return bytes(ip / tcp / Raw(packet[start + 20 : start + header] + payload))
