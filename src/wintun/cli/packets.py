"""What an IP packet is, for a person to read. Takes any bytes and never fails on them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

ICMP = 1
TCP = 6
UDP = 17
FRAGMENT = 44
ICMPV6 = 58

_PROTOCOLS = {
    0: "HOPOPT",
    ICMP: "ICMP",
    2: "IGMP",
    4: "IPIP",
    TCP: "TCP",
    UDP: "UDP",
    41: "IPv6",
    43: "ROUTING",
    FRAGMENT: "FRAGMENT",
    47: "GRE",
    50: "ESP",
    51: "AH",
    ICMPV6: "ICMPv6",
    59: "NONE",
    60: "DSTOPTS",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
    136: "UDPLITE",
}

_ICMP_TYPES = {
    0: "echo reply",
    3: "destination unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    9: "router advertisement",
    10: "router solicitation",
    11: "time exceeded",
    12: "parameter problem",
    13: "timestamp",
    14: "timestamp reply",
}

_ICMPV6_TYPES = {
    1: "destination unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    130: "multicast listener query",
    131: "multicast listener report",
    132: "multicast listener done",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbor solicitation",
    136: "neighbor advertisement",
    137: "redirect",
    143: "multicast listener report v2",
}

_ECHOES = {(ICMP, 0), (ICMP, 8), (ICMPV6, 128), (ICMPV6, 129)}

_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")

# IPv6 extension headers that say what follows them and how long they are, in units of 8 bytes.
_EXTENSIONS = {0, 43, 60, 135, 139, 140}


class Header(NamedTuple):
    """The IP header of a packet, and where its payload lies."""

    version: int
    source: bytes
    destination: bytes
    protocol: int
    """Of the payload, behind all IPv6 extension headers."""
    payload_start: int
    payload_end: int
    """Where the header says that the payload ends; beyond the packet if that is truncated."""
    fragment_offset: int
    more_fragments: bool

    @property
    def fragmented(self) -> bool:
        """Whether the payload is only a part of what was sent."""
        return self.fragment_offset != 0 or self.more_fragments


class Description(NamedTuple):
    """A packet in words. What a packet is too short to tell is None or an empty text."""

    length: int
    protocol: str
    source: str | None
    destination: str | None
    detail: str
    """ICMP type or ports, and what is wrong with the packet."""
    icmp_type: int | None = None
    source_port: int | None = None
    destination_port: int | None = None


def parse_header(packet: bytes) -> Header | None:
    """Returns the header of an IPv4 or IPv6 packet, None if it is neither or too short."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        return _parse_ipv4(packet)
    if version == 6 and len(packet) >= 40:
        return _parse_ipv6(packet)
    return None


def _parse_ipv4(packet: bytes) -> Header | None:
    header_size = (packet[0] & 15) * 4
    total = _u16(packet, 2)
    if not 20 <= header_size <= min(total, len(packet)):
        return None
    fragment = _u16(packet, 6)
    return Header(
        version=4,
        source=packet[12:16],
        destination=packet[16:20],
        protocol=packet[9],
        payload_start=header_size,
        payload_end=total,
        fragment_offset=(fragment & 0x1FFF) * 8,
        more_fragments=bool(fragment & 0x2000),
    )


def _parse_ipv6(packet: bytes) -> Header:
    protocol, at = packet[6], 40
    end = 40 + _u16(packet, 4)
    fragment = 0
    # A header that is cut off ends the walk: it is then itself what the packet carries.
    while at + 8 <= min(end, len(packet)):
        if protocol in _EXTENSIONS:
            size = (packet[at + 1] + 1) * 8
        elif protocol == FRAGMENT:
            size = 8
            fragment = _u16(packet, at + 2)
        else:
            break
        if at + size > min(end, len(packet)):
            break
        protocol, at = packet[at], at + size
        if fragment & 0xFFF8:
            break  # what follows is the middle of a payload, no header
    return Header(
        version=6,
        source=packet[8:24],
        destination=packet[24:40],
        protocol=protocol,
        payload_start=at,
        payload_end=end,
        fragment_offset=fragment & 0xFFF8,
        more_fragments=bool(fragment & 1),
    )


def describe(packet: bytes) -> Description:
    """Returns a packet in words; takes any bytes."""
    header = parse_header(packet)
    if header is None:
        start = packet[:8].hex(" ")
        return Description(len(packet), "not IP", None, None, f"starts with {start}" * bool(start))
    kind = IPv4Address if header.version == 4 else IPv6Address
    payload = packet[header.payload_start : header.payload_end]
    starts = b"" if header.fragment_offset else payload
    icmp_type = payload[0] if header.protocol in (ICMP, ICMPV6) and starts else None
    ports = _ports(starts) if header.protocol in (TCP, UDP) else (None, None)
    details = [_describe_payload(header.protocol, starts), _describe_wholeness(header, len(packet))]
    return Description(
        length=len(packet),
        protocol=_PROTOCOLS.get(header.protocol, f"protocol {header.protocol}"),
        source=str(kind(header.source)),
        destination=str(kind(header.destination)),
        detail=", ".join(filter(None, details)),
        icmp_type=icmp_type,
        source_port=ports[0],
        destination_port=ports[1],
    )


def _ports(payload: bytes) -> tuple[int, int] | tuple[None, None]:
    return (_u16(payload, 0), _u16(payload, 2)) if len(payload) >= 4 else (None, None)


def _describe_wholeness(header: Header, size: int) -> str:
    if header.fragmented:
        more = "more follow" if header.more_fragments else "the last"
        return f"fragment at {header.fragment_offset}, {more}"
    if header.payload_end > size:
        return f"truncated by {header.payload_end - size}"
    return ""


def _describe_payload(protocol: int, payload: bytes) -> str:
    if protocol in (ICMP, ICMPV6):
        return _describe_icmp(protocol, payload)
    if protocol in (TCP, UDP) and len(payload) >= 4:
        return _describe_ports(protocol, payload)
    return ""


def _describe_icmp(protocol: int, payload: bytes) -> str:
    if len(payload) < 2:
        return ""
    number, code = payload[0], payload[1]
    names = _ICMP_TYPES if protocol == ICMP else _ICMPV6_TYPES
    name = names.get(number, f"type {number}") + (f" code {code}" if code else "")
    if (protocol, number) in _ECHOES and len(payload) >= 8:
        return f"{name} id={_u16(payload, 4)} seq={_u16(payload, 6)}"
    return name


def _describe_ports(protocol: int, payload: bytes) -> str:
    ports = f"ports {_u16(payload, 0)} > {_u16(payload, 2)}"
    if protocol == UDP or len(payload) < 14:
        return ports
    flags = [name for bit, name in enumerate(_TCP_FLAGS) if payload[13] >> bit & 1]
    return f"{ports} {' '.join(flags) or 'no flags'}"


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
