# SPDX-License-Identifier: MIT
"""What a network card does for a kernel, done for a tunnel: on packets in memory, without a device.

A tunnel carries packets of some 1400 bytes, while a ring takes packets of up to 65535, and each of
them costs the system the same. So a program may `merge` TCP segments that have come out of a
tunnel before it writes them to a device, and `split` what it reads from a device with a large MTU
before it sends it into a tunnel:

    from wintun import offload

    device.write_many(offload.merge(packets))
    for packet in device.read_many():
        for segment in offload.split(packet, 1420):
            ...

`merge` is for packets that end in this system: a router that sends them on may find them too
large. Both keep each byte of a TCP stream, and leave alone what they do not know.

`clamp_mss` keeps TCP connections through a tunnel from using packets that are too large for it, and
`packet_too_big` tells a sender of one that they are. The rest are the checksums of IP, TCP, UDP and
ICMP.

All functions may be used from any thread.
"""

from __future__ import annotations

from ._wintun import (
    _packet_too_big,
    checksum,
    clamp_mss,
    fill_checksums,
    has_valid_checksums,
    merge,
    split,
    transport_checksum,
    update_checksum,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from typing_extensions import Buffer

__all__ = [
    "checksum",
    "clamp_mss",
    "fill_checksums",
    "has_valid_checksums",
    "merge",
    "packet_too_big",
    "split",
    "transport_checksum",
    "update_checksum",
]


def packet_too_big(
    packet: Buffer, mtu: int, source: str | IPv4Address | IPv6Address | None = None
) -> bytes | None:
    """Makes the answer that a router sends to a packet that is larger than the next link's MTU.

    It is "fragmentation needed" of ICMP (RFC 1191), or "packet too big" of ICMPv6 (RFC 4443,
    section 3.2), and quotes the beginning of the packet: 576 bytes in all at most, or 1280.

    Args:
        packet: An object with a contiguous buffer of at most 65535 bytes.
        mtu: The largest packet, in bytes, that gets through (68 to 65535). IPv6 has no link with
            less than 1280, which the answer then says.
        source: The address that the answer comes from, of the packet's family; by default the
            packet's destination.

    Returns:
        The answer, a whole IP packet. None where a router sends none: the packet is not larger than
        mtu, or no whole IP packet, or has a wrong header checksum; it is IPv4 that may be
        fragmented; it comes from no single host, or goes to a group (with IPv6 only if no source is
        given); it is an error or redirect of ICMP itself, or a later fragment (RFC 1122, section
        3.2.2; RFC 4443, section 2.4).

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: mtu is out of its range, source no address or of another family, or the packet
            larger than 65535 bytes.
    """
    return _packet_too_big(packet, mtu, None if source is None else _packed(source))


def _packed(source: str | IPv4Address | IPv6Address) -> bytes:
    from ipaddress import IPv4Address, IPv6Address, ip_address

    if not isinstance(source, (str, IPv4Address, IPv6Address)):
        raise TypeError(
            f"source must be a str or an address of the ipaddress module, not {source!r}"
        )
    return (ip_address(source) if isinstance(source, str) else source).packed
