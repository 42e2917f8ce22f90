# SPDX-License-Identifier: MIT
"""The built-in host: it speaks first, answers ping, and pings."""

from __future__ import annotations

import struct
import time
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, wait_until
from wintun import simulator

from . import wire_data
from .wire_data import ICMP, ICMPV6, echo_reply, echo_request, ipv4, ipv6, parse, ping

OWN4, PEER4 = "10.6.7.1", "10.6.7.9"
OWN6, PEER6 = "fd00::1", "fd00::9"

ROUTER_SOLICITATION = 133  # type of an ICMPv6 message (RFC 4861, section 4.1)

MakeDevice = Callable[..., wintun.TunDevice]


@pytest.fixture
def device(make_device: MakeDevice) -> wintun.TunDevice:
    """A device with an address of each family, up, the host's first words heard."""
    made = make_device("host")
    made.addresses = (f"{OWN4}/24", f"{OWN6}/64")
    made.up()
    for _ in range(3):
        assert made.read(timeout=HANG_SECONDS) is not None
    return made


def read_ping(device: wintun.TunDevice) -> bytes:
    """The next echo request of the host."""
    while True:
        packet = device.read(timeout=HANG_SECONDS)
        assert packet is not None
        read = parse(packet)
        if read.protocol in (ICMP, ICMPV6) and read.payload[0] in (8, 128):
            return packet


def answer_to(device: wintun.TunDevice, packet: bytes) -> bytes:
    """What the host sends back."""
    device.write(packet)
    answer = device.read(timeout=HANG_SECONDS)
    assert answer is not None
    return answer


def assert_silent(device: wintun.TunDevice, packet: bytes) -> None:
    """The host takes the packet and does not answer it, but does answer a ping behind it."""
    device.write(packet)
    probe = ping(PEER4, OWN4, data=b"behind it")
    assert parse(answer_to(device, probe)).payload[8:] == b"behind it"


# --- Speaking first -----------------------------------------------------------------------------


def first_words(device: wintun.TunDevice, count: int) -> list[wire_data.Parsed]:
    """What is said first, after which only routers are solicited again."""
    said: list[wire_data.Parsed] = []
    for _ in range(count):
        packet = device.read(timeout=HANG_SECONDS)
        assert packet is not None, f"after {said} it is silent"
        said.append(parse(packet))
    while (packet := device.read(timeout=1.0)) is not None:
        again = parse(packet)
        assert again.payload == said[-1].payload
        assert again.payload[0] == ROUTER_SOLICITATION
    return said


def test_it_speaks_first_with_right_checksums_also_without_an_address(
    make_device: MakeDevice,
) -> None:
    device = make_device("host")
    device.up()
    igmp, mld, solicitation = first_words(device, 3)
    assert (igmp.protocol, str(igmp.destination), igmp.hops) == (2, "224.0.0.22", 1)
    assert igmp.payload[0] == 0x22
    assert (mld.protocol, str(mld.destination), mld.hops) == (ICMPV6, "ff02::16", 1)
    assert mld.payload[0] == 143
    assert (str(solicitation.destination), solicitation.hops) == ("ff02::2", 255)
    assert solicitation.payload[0] == ROUTER_SOLICITATION
    assert solicitation.source.is_link_local
    group = IPv6Address(mld.payload[12:28])
    assert group.packed[13:] == solicitation.source.packed[13:]


def test_it_solicits_routers_three_times(make_device: MakeDevice) -> None:
    device = make_device("host")
    began = time.monotonic()
    device.up()
    seen = 0
    while seen < 3:
        packet = device.read(timeout=HANG_SECONDS)
        assert packet is not None, "there is no third solicitation"
        seen += parse(packet).payload[0] == ROUTER_SOLICITATION
    assert time.monotonic() - began > 7


def test_it_says_nothing_in_a_family_that_is_missing(
    unique_name: Callable[[], str], make_device: MakeDevice
) -> None:
    simulator.set_family_delay(None, 6, None)
    device = make_device("host")
    device.up()
    assert [read.source.version for read in first_words(device, 1)] == [4]
    simulator.set_family_delay(None, 6, 0)
    simulator.set_family_delay(None, 4, None)
    device = make_device("host")
    device.up()
    assert [read.source.version for read in first_words(device, 2)] == [6, 6]


def test_it_speaks_in_a_late_family_as_soon_as_that_is_there(make_device: MakeDevice) -> None:
    simulator.set_family_delay(None, 6, 0.5)
    device = make_device("host")
    device.up()
    assert [read.source.version for read in first_words(device, 3)] == [4, 6, 6]


# --- Answering ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 56, 57, 1400, 65507])
@pytest.mark.parametrize(("peer", "own"), [(PEER4, OWN4), (PEER6, OWN6)])
def test_it_answers_ping(device: wintun.TunDevice, peer: str, own: str, size: int) -> None:
    if size == 65507 and ":" in own:
        size = 65535 - 48
    data = bytes(i % 251 for i in range(size))
    answer = parse(answer_to(device, ping(peer, own, data=data)))
    assert (answer.source, answer.destination) == (ip_address(own), ip_address(peer))
    assert answer.payload[0] == (0 if "." in own else 129)
    assert struct.unpack(">HH", answer.payload[4:8]) == (0x1234, 7)
    assert answer.payload[8:] == data


def test_it_answers_at_its_link_local_address(make_device: MakeDevice) -> None:
    device = make_device("host")
    device.up()
    own = next(
        read.source for read in first_words(device, 3) if read.payload[0] == ROUTER_SOLICITATION
    )
    answer = parse(answer_to(device, ping("fe80::9", str(own))))
    assert answer.source == own


def test_it_answers_a_ping_with_ip_options_and_extension_headers(device: wintun.TunDevice) -> None:
    with_options = ipv4(
        PEER4, OWN4, ICMP, echo_request(PEER4, OWN4), options=b"\x94\x04\0\0" + bytes(36)
    )
    assert parse(answer_to(device, with_options)).payload[8:] == b"ping data"
    hop_by_hop = bytes([60, 0, 1, 4, 0, 0, 0, 0])
    destination = bytes([43, 1, 1, 12]) + bytes(12)
    routing = bytes([44, 0, 4, 0, 0, 0, 0, 0])
    fragment = bytes([ICMPV6, 0, 0, 0, 0, 0, 0, 1])  # the first and last of its packet
    with_extensions = ipv6(
        PEER6,
        OWN6,
        0,
        echo_request(PEER6, OWN6),
        extensions=hop_by_hop + destination + routing + fragment,
    )
    assert parse(answer_to(device, with_extensions)).payload[8:] == b"ping data"


def test_bytes_behind_the_packet_are_not_sent_back(device: wintun.TunDevice) -> None:
    answer = parse(answer_to(device, ping(PEER4, OWN4) + b"behind"))
    assert answer.payload[8:] == b"ping data"


IGNORED = [
    pytest.param(ping(PEER4, "10.6.7.2"), id="another-address"),
    pytest.param(ping(PEER4, "10.6.7.255"), id="broadcast"),
    pytest.param(ping("0.0.0.0", OWN4), id="from-nowhere"),
    pytest.param(ping("224.0.0.1", OWN4), id="from-a-group"),
    pytest.param(ping(PEER6, "ff02::1"), id="to-all-nodes"),
    pytest.param(ping("::", OWN6), id="from-unspecified"),
    pytest.param(
        ipv4(PEER4, OWN4, ICMP, echo_request(PEER4, OWN4), fragment=0x2000), id="first-fragment"
    ),
    pytest.param(
        ipv4(PEER4, OWN4, ICMP, echo_request(PEER4, OWN4), fragment=5), id="later-fragment"
    ),
    pytest.param(ipv4(PEER4, OWN4, ICMP, b"\x08\0\xf7\xff\0\0\0"), id="short-icmp"),
    pytest.param(ipv4(PEER4, OWN4, ICMP, b""), id="no-icmp"),
    pytest.param(ipv4(PEER4, OWN4, 17, bytes(8)), id="udp"),
    pytest.param(b"\x45\0\xff\xff" + ping(PEER4, OWN4)[4:], id="total-length-beyond-the-packet"),
    pytest.param(b"\x45\0\0\x10" + ping(PEER4, OWN4)[4:], id="total-length-below-the-header"),
    pytest.param(b"\x4f" + ping(PEER4, OWN4)[1:], id="header-beyond-the-packet"),
    pytest.param(b"\x44" + ping(PEER4, OWN4)[1:], id="header-of-16"),
    pytest.param(ping(PEER6, OWN6)[:50], id="truncated-ipv6"),
    pytest.param(ipv6(PEER6, OWN6, 0, b"\0\xff" + bytes(6)), id="extension-beyond-the-packet"),
    pytest.param(ipv6(PEER6, OWN6, 0, b"\0\0\0"), id="extension-of-3-bytes"),
    pytest.param(ipv6(PEER6, OWN6, 44, bytes([ICMPV6, 0, 0, 1]) + bytes(4)), id="fragment"),
    pytest.param(ipv6(PEER6, OWN6, 43, bytes([ICMPV6, 0, 0, 1]) + bytes(4)), id="to-be-routed"),
    pytest.param(ipv6(PEER6, OWN6, 59, b""), id="no-next-header"),
    pytest.param(ipv6(PEER6, OWN6, 0, bytes([0, 0, 1, 4, 0, 0, 0, 0]) * 100), id="endless-headers"),
]


@pytest.mark.parametrize("packet", IGNORED)
def test_it_keeps_silent_about(device: wintun.TunDevice, packet: bytes) -> None:
    assert_silent(device, packet)
    assert simulator.statistics(device.name).bad_checksums == 0


BROKEN = [
    pytest.param(ipv4(PEER4, OWN4, ICMP, echo_request(PEER4, OWN4), broken=True), id="ipv4-header"),
    pytest.param(ipv4(PEER4, OWN4, ICMP, echo_request(PEER4, OWN4, broken=True)), id="icmp"),
    pytest.param(ipv6(PEER6, OWN6, ICMPV6, echo_request(PEER6, OWN6, broken=True)), id="icmpv6"),
]


@pytest.mark.parametrize("packet", BROKEN)
def test_it_refuses_and_counts_a_wrong_checksum(device: wintun.TunDevice, packet: bytes) -> None:
    assert_silent(device, packet)
    assert simulator.statistics(device.name).bad_checksums == 1


# --- Pinging ------------------------------------------------------------------------------------


def test_it_pings_a_neighbour_of_each_address_and_counts_right_answers(
    device: wintun.TunDevice,
) -> None:
    simulator.ping(device.name, 3, 0.01)
    for _ in range(6):
        request = read_ping(device)
        read = parse(request)
        own = ip_interface(f"{OWN4}/24" if read.source.version == 4 else f"{OWN6}/64")
        assert read.source == own.ip
        assert read.destination in own.network
        assert read.destination != own.ip
        assert len(read.payload) == 64
        device.write(echo_reply(request))
    wait_until(
        lambda: simulator.statistics(device.name).pings_answered == 6, "the answers are counted"
    )
    assert simulator.statistics(device.name).pings_sent == 6


def test_only_one_right_answer_counts(device: wintun.TunDevice) -> None:
    simulator.ping(device.name, 1)
    request = next(packet for packet in (read_ping(device), read_ping(device)) if packet[0] == 0x45)
    reply = echo_reply(request)
    wrong_data = reply[:-1] + bytes([reply[-1] ^ 1])
    fixed = bytearray(wrong_data)
    fixed[22:24] = b"\0\0"
    fixed[22:24] = struct.pack(">H", wire_data.checksum(bytes(fixed[20:])))
    assert_silent(device, wrong_data)
    assert simulator.statistics(device.name).bad_checksums == 1
    assert_silent(device, bytes(fixed))
    from_another = ipv4("10.6.7.77", OWN4, ICMP, reply[20:])
    assert_silent(device, from_another)
    assert simulator.statistics(device.name).pings_answered == 0
    assert_silent(device, reply)
    assert_silent(device, reply)
    assert simulator.statistics(device.name).pings_answered == 1


@pytest.mark.parametrize(
    ("address", "neighbour"),
    [
        ("10.0.0.0/31", "10.0.0.1"),
        ("10.0.0.1/31", "10.0.0.0"),
        ("10.0.0.1/30", "10.0.0.2"),
        ("10.0.0.2/30", "10.0.0.1"),
        ("10.0.0.254/24", None),
        ("fd00::/127", "fd00::1"),
        ("fd00::2/126", None),
    ],
)
def test_the_neighbour_is_another_host_of_the_subnet(
    make_device: MakeDevice, address: str, neighbour: str | None
) -> None:
    device = make_device("host")
    device.addresses = (address,)
    device.up()
    simulator.ping(device.name, 1)
    pinged = parse(read_ping(device)).destination
    interface = ip_interface(address)
    assert pinged in interface.network
    assert pinged != interface.ip
    if neighbour is not None:
        assert pinged == ip_address(neighbour)
    if interface.network.num_addresses > 2:
        assert pinged != interface.network.network_address
        assert pinged != interface.network.broadcast_address


@pytest.mark.parametrize("address", ["10.0.0.1/32", "fd00::1/128"])
def test_an_address_without_a_neighbour_is_passed_over(
    make_device: MakeDevice, address: str
) -> None:
    device = make_device("host")
    device.addresses = (address, "10.9.9.1/24")
    device.up()
    simulator.ping(device.name, 2)
    assert str(parse(read_ping(device)).source) == "10.9.9.1"
    assert str(parse(read_ping(device)).source) == "10.9.9.1"


def test_pings_end_when_told_to(device: wintun.TunDevice) -> None:
    simulator.ping(device.name, 1_000_000, 0.001)
    read_ping(device)
    simulator.ping(device.name, 0)
    while device.read(timeout=1.0) is not None:
        pass
    sent = simulator.statistics(device.name).pings_sent
    assert device.read(timeout=0.2) is None
    assert simulator.statistics(device.name).pings_sent == sent


def test_only_the_host_pings(make_session: Callable[..., wintun.Session]) -> None:
    session = make_session(wire="memory")
    with pytest.raises(ValueError, match="'host'"):
        simulator.ping(session.adapter.name, 1)
