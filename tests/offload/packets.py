# SPDX-License-Identifier: MIT
"""Packets for the tests of `wintun.offload`: single ones, and strategies of lists of them."""

from __future__ import annotations

from typing import Any, Callable

from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.packet import Raw

from helpers import pattern

from .model import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

ADDRESSES = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}

TIMESTAMPS = bytes.fromhex("0101080a 01020304 05060708")
OPTION_LAYOUTS = [
    b"",
    TIMESTAMPS,
    bytes.fromhex("080a0102030405060708 0000"),
    TIMESTAMPS + bytes.fromhex("0101050a 01020304 05060708"),
    bytes.fromhex("01010101"),
    bytes.fromhex("00ffffff"),
    bytes.fromhex("fe0400ff 1e080001 02030405"),
    bytes.fromhex("08ff0101"),
    bytes(range(40)),
]
"""Timestamps in two layouts, with SACK, nothing, an end with rubbish behind it, kinds of others, a
length that lies, as much as there can be."""

IP_OPTIONS = [IPOption_NOP()] * 4


def ip_header(version: int = 4, **fields: Any) -> Any:
    source, destination = ADDRESSES[version]
    fields = {"src": source, "dst": destination, **fields}
    if version == 4:
        return IP(**{"flags": "DF", "id": 7, **fields})
    return IPv6(**fields)


def tcp_packet(
    payload: bytes = b"",
    version: int = 4,
    options: bytes = b"",
    ip: dict[str, Any] | None = None,
    **fields: Any,
) -> bytes:
    """A TCP packet with right sizes and checksums; ip and fields are scapy's names."""
    head = {"sport": 1000, "dport": 2000, "seq": 0, "ack": 5, "window": 500, "flags": ACK}
    tcp = TCP(**{**head, "dataofs": 5 + len(options) // 4, **fields})
    return bytes(ip_header(version, **(ip or {})) / tcp / Raw(options + payload))


def segments(
    sizes: list[int], version: int = 4, seq: int = 0, push: bool = False, **fields: Any
) -> list[bytes]:
    """Segments of one stream, of so many bytes of payload each; push: PSH on the last."""
    made = []
    for index, size in enumerate(sizes):
        flags = ACK | PSH if push and index == len(sizes) - 1 else ACK
        made.append(tcp_packet(pattern(size, index), version, seq=seq, flags=flags, **fields))
        seq = (seq + size) % 2**32
    return made


def flipped(packet: bytes, bit: int) -> bytes:
    """The packet with one bit the other way round; bits are counted from its start, or its end."""
    changed = bytearray(packet)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def with_length(packet: bytes, length: int) -> bytes:
    """The packet with another length in its IP header, whose checksum is right."""
    if packet[0] >> 4 == 6:
        return packet[:4] + length.to_bytes(2, "big") + packet[6:]
    header: Any = IP(packet[:20])
    header.len = length
    del header.chksum
    return bytes(header) + packet[20:]


# --- Others than TCP ----------------------------------------------------------------------------


def udp_packet(payload: bytes = b"", version: int = 4, **ip: Any) -> bytes:
    return bytes(ip_header(version, **ip) / UDP(sport=1000, dport=2000) / Raw(payload))


def icmp_packet(payload: bytes = b"") -> bytes:
    return bytes(ip_header(4) / ICMP() / Raw(payload))


def fragments(payload: bytes, **fields: Any) -> list[bytes]:
    """A TCP packet in two fragments."""
    whole = tcp_packet(payload, ip={"flags": 0}, **fields)
    first: Any = IP(whole[:20])
    del first.len, first.chksum
    second = first.copy()
    first.flags, second.frag = "MF", 3
    return [bytes(first / Raw(whole[20:44])), bytes(second / Raw(whole[44:]))]


def with_extension(payload: bytes = b"", **fields: Any) -> bytes:
    """TCP over IPv6 behind an extension header."""
    tcp = TCP(**{"sport": 1000, "dport": 2000, "ack": 5, "window": 500, "flags": ACK, **fields})
    return bytes(ip_header(6) / IPv6ExtHdrHopByHop() / tcp / Raw(payload))


# --- Strategies ---------------------------------------------------------------------------------


class _Stream:
    """A TCP stream that packets are drawn from."""

    def __init__(self, draw: Callable[..., Any], number: int) -> None:
        self._draw = draw
        self.version = draw(st.sampled_from([4, 6]))
        self.seq = draw(st.sampled_from([0, 1000, 2**32 - 30, 2**31 - 20]))
        self.options = draw(st.sampled_from(OPTION_LAYOUTS))
        self.number = number

    def packet(self, **changed: Any) -> bytes:
        """The next segment, with some fields changed."""
        payload = self._draw(st.binary(min_size=0 if changed else 1, max_size=40))
        fields = {"sport": 1000 + self.number, "seq": self.seq, "options": self.options, **changed}
        flags = fields.get("flags", ACK)
        self.seq = (self.seq + len(payload) + bool(flags & (SYN | FIN))) % 2**32
        return tcp_packet(payload, self.version, **fields)


def _odd(draw: Callable[..., Any], stream: _Stream) -> bytes:
    """The next segment with something about it that is not plain, or not like the others'."""
    flags = st.integers(0, 255) | st.sampled_from(
        [0, PSH, ACK | FIN, ACK | RST, ACK | URG, ACK | ECE, ACK | CWR, SYN, ACK | PSH | FIN]
    )
    field = draw(
        st.sampled_from(
            ["flags", "window", "ack", "urgptr", "reserved", "options", "seq", "ttl", "tos", "df"]
        )
    )
    is_ipv4 = stream.version == 4
    if field == "flags":
        return stream.packet(flags=draw(flags))
    if field == "options":
        return stream.packet(options=draw(st.sampled_from(OPTION_LAYOUTS)))
    if field == "seq":
        return stream.packet(seq=(stream.seq + draw(st.integers(-3, 3))) % 2**32)
    if field == "ttl":
        return stream.packet(ip={"ttl" if is_ipv4 else "hlim": draw(st.integers(62, 65))})
    if field == "tos":
        return stream.packet(ip={"tos" if is_ipv4 else "tc": draw(st.integers(0, 3))})
    if field == "df":
        small = draw(st.integers(0, 7))
        return stream.packet(ip={"flags": small} if is_ipv4 else {"fl": small})
    return stream.packet(**{field: draw(st.integers(0, 7))})


def _broken(draw: Callable[..., Any], packet: bytes) -> bytes:
    """A packet that was changed on its way, or made to confuse."""
    kind: str = draw(st.sampled_from(["bit", "shorter", "longer", "length", "bytes"]))
    if kind == "bit":
        return flipped(packet, draw(st.integers(0, 8 * len(packet) - 1)))
    if kind == "shorter":
        size: int = draw(st.integers(0, len(packet)))
        return packet[:size]
    if kind == "longer":
        return packet + bytes(draw(st.binary(min_size=1, max_size=4)))
    if kind == "length":
        return with_length(packet, draw(st.integers(0, 200) | st.just(65535)))
    place: int = draw(st.integers(0, 45))
    rubbish: bytes = draw(st.binary(min_size=1, max_size=4))
    return packet[:place] + rubbish + packet[place + len(rubbish) :]


def _other(draw: Callable[..., Any], stream: _Stream) -> list[bytes]:
    """Packets of another kind, some of them of the stream's flow."""
    own = {"sport": 1000 + stream.number, "seq": stream.seq}
    drawn: list[bytes] = draw(
        st.sampled_from(
            [
                [udp_packet(b"data", stream.version)],
                [icmp_packet(b"data")],
                fragments(bytes(40), **own),
                fragments(bytes(40), **own)[1:],
                [with_extension(b"data", **own)],
                [tcp_packet(b"data", ip={"options": IP_OPTIONS}, **own)],
                [b""],
                [bytes(60)],
            ]
        )
    )
    return drawn


@st.composite
def batches(draw: Callable[..., Any]) -> list[bytes]:
    """Packets of up to four flows, most of them plain and in order; others in between."""
    streams = [_Stream(draw, number) for number in range(draw(st.integers(1, 4)))]
    packets: list[bytes] = []
    for _ in range(draw(st.integers(0, 14))):
        stream = streams[draw(st.integers(0, len(streams) - 1))]
        kind = draw(st.sampled_from(["plain"] * 8 + ["push", "odd", "odd", "broken", "other"]))
        if kind == "plain":
            packets.append(stream.packet())
        elif kind == "push":
            packets.append(stream.packet(flags=ACK | PSH))
        elif kind == "odd":
            packets.append(_odd(draw, stream))
        elif kind == "broken":
            packets.append(_broken(draw, stream.packet()))
        else:
            packets += _other(draw, stream)
    return packets
