# SPDX-License-Identifier: MIT
"""merge(): segments of a flow become one packet; all else comes out untouched and in its place."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from helpers import pattern, scaled
from wintun import offload

from . import model
from .model import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from .packets import (
    IP_OPTIONS,
    OPTION_LAYOUTS,
    TIMESTAMPS,
    batches,
    flipped,
    fragments,
    icmp_packet,
    segments,
    tcp_packet,
    udp_packet,
    with_extension,
    with_length,
)

MANY = settings(max_examples=scaled(150, 20))


def payload_of(packet: bytes) -> bytes:
    taken = model.plain(packet)
    assert taken is not None
    return taken.payload


def streams(packets: list[bytes]) -> dict[object, list[tuple[int, bytes]]]:
    """What each flow carries: bytes with the sequence number that the first has, in order.

    What follows without a gap is one piece, however many packets it was in. Packets that are not
    plain stand for themselves.
    """
    found: dict[object, list[Any]] = {}
    for packet in packets:
        taken = model.plain(packet)
        flow = model.flow_of(packet)
        pieces = found.setdefault(flow, [])
        if taken is None or not model.is_right(taken):
            pieces.append(packet)
        elif (
            pieces
            and isinstance(pieces[-1], tuple)
            and (pieces[-1][0] + len(pieces[-1][1])) % 2**32 == taken.sequence
        ):
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + taken.payload)
        else:
            pieces.append((taken.sequence, taken.payload))
    return found


def split_all(packets: list[bytes], size: int) -> list[bytes]:
    return [segment for packet in packets for segment in offload.split(packet, size)]


# --- Any packets --------------------------------------------------------------------------------


@MANY
@given(batches(), st.sampled_from([68, 120, 150, 65535]))
def test_packets_become_what_the_model_makes_of_them(packets: list[bytes], max_size: int) -> None:
    assert offload.merge(packets, max_size) == model.merge(packets, max_size)


@MANY
@given(batches(), st.integers(68, 200))
def test_merged_and_then_split_the_streams_are_the_same(packets: list[bytes], size: int) -> None:
    merged = offload.merge(packets)
    assert streams(merged) == streams(packets)
    assert streams(split_all(merged, size)) == streams(split_all(packets, size))


@MANY
@given(batches())
def test_what_is_not_plain_is_untouched_and_in_its_place(packets: list[bytes]) -> None:
    def not_plain(some: list[bytes]) -> list[bytes]:
        return [packet for packet in some if model.plain(packet) is None]

    assert not_plain(offload.merge(packets)) == not_plain(packets)


@MANY
@given(batches())
def test_without_verification_right_packets_become_the_same(packets: list[bytes]) -> None:
    right = [packet for packet in packets if offload.has_valid_checksums(packet)]
    assert offload.merge(right, verify=False) == offload.merge(right)


@MANY
@given(st.lists(st.binary(max_size=100), max_size=8))
def test_rubbish_comes_out_as_it_is(packets: list[bytes]) -> None:
    assert offload.merge(packets) == packets


# --- What is joined -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", OPTION_LAYOUTS)
@pytest.mark.parametrize("sizes", [[1, 1], [1400] * 40, [3, 1400, 5, 1, 1399, 2]])
def test_segments_that_follow_each_other_become_one_packet(
    version: int, options: bytes, sizes: list[int]
) -> None:
    given_ = segments(sizes, version, options=options, push=True)
    (merged,) = offload.merge(given_)
    assert payload_of(merged) == b"".join(payload_of(packet) for packet in given_)
    assert offload.has_valid_checksums(merged)
    seen: Any = IP(merged) if version == 4 else IPv6(merged)
    assert (seen.len if version == 4 else seen.plen + 40) == len(merged)
    assert seen[TCP].flags == "PA"
    assert merged == model.merge(given_)[0]


@pytest.mark.parametrize("seq", [2**32 - 1, 2**32 - 100, 2**32 - 150, 2**31 - 50])
def test_sequence_numbers_wrap(seq: int) -> None:
    (merged,) = offload.merge(segments([100, 100, 100], seq=seq))
    assert len(payload_of(merged)) == 300


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_gets_65535_bytes_and_not_one_more(version: int) -> None:
    headers = 40 if version == 4 else 60
    first = [1400] * 46
    rest = 65535 - headers - sum(first)
    assert [len(each) for each in offload.merge(segments([*first, rest], version))] == [65535]
    more = offload.merge(segments([*first, rest + 1], version))
    assert [len(each) for each in more] == [65535 - rest, headers + rest + 1]
    assert [len(each) for each in offload.merge(segments([*first, rest, 1, 1], version))] == [
        65535,
        headers + 2,
    ]


@pytest.mark.parametrize("max_size", [68, 140, 239, 240, 241])
def test_no_packet_gets_larger_than_it_may(max_size: int) -> None:
    sizes = [len(each) for each in offload.merge(segments([100, 100, 100], seq=1), max_size)]
    assert sizes == {240: [240, 140], 241: [240, 140]}.get(max_size, [140, 140, 140])


@pytest.mark.parametrize("version", [4, 6])
def test_forty_flows_are_merged_side_by_side(version: int) -> None:
    flows = [segments([50] * 10, version, seq=flow, sport=3000 + flow) for flow in range(40)]
    interleaved = [packet for turn in zip(*flows) for packet in turn]
    merged = offload.merge(interleaved)
    assert merged == [offload.merge(flow)[0] for flow in flows]


def test_more_flows_than_are_known_at_a_time_lose_nothing() -> None:
    flows = [segments([9, 9, 9], seq=7, sport=flow + 1) for flow in range(1000)]
    interleaved = [packet for turn in zip(*flows) for packet in turn]
    merged = offload.merge(interleaved)
    assert streams(merged) == streams(interleaved)
    assert len(merged) < len(interleaved)


@pytest.mark.parametrize("field", ["src", "dst", "sport", "dport"])
@pytest.mark.parametrize("version", [4, 6])
def test_flows_differ_in_each_address_and_port(field: str, version: int) -> None:
    address = "10.0.0.9" if version == 4 else "fd00::9"
    changed: dict[str, Any] = {"ip": {field: address}} if field in ("src", "dst") else {field: 99}
    one = segments([50, 50], version)
    other = segments([50, 50], version, **changed)
    merged = offload.merge([one[0], other[0], one[1], other[1]])
    assert merged == [*offload.merge(one), *offload.merge(other)]
    assert len(merged) == 2


def test_identifications_may_be_any_and_the_first_stays() -> None:
    one = tcp_packet(b"one", ip={"id": 9})
    other = tcp_packet(b"other", seq=3, ip={"id": 4})
    (merged,) = offload.merge([one, other])
    assert IP(merged).id == 9


# --- What is not joined -------------------------------------------------------------------------

FIRST = tcp_packet(pattern(100), options=TIMESTAMPS)
NEXT: dict[str, Any] = {"payload": pattern(60), "seq": 100, "options": TIMESTAMPS}


def test_what_the_cases_below_change_is_joined_otherwise() -> None:
    assert len(offload.merge([FIRST, tcp_packet(**NEXT)])) == 1


@pytest.mark.parametrize(
    "changed",
    [
        *({"flags": flag | ACK} for flag in (FIN, SYN, RST, URG, ECE, CWR)),
        *({"flags": flag} for flag in (0, PSH, FIN, SYN, RST)),
        {"ack": 6},
        {"window": 501},
        {"urgptr": 1},
        {"reserved": 1},
        {"seq": 99},
        {"seq": 101},
        {"seq": 0},
        {"payload": b""},
        {"options": b""},
        {"options": TIMESTAMPS[:-1] + b"\0"},
        {"options": TIMESTAMPS + bytes(4)},
        {"ip": {"ttl": 63}},
        {"ip": {"tos": 1}},
        {"ip": {"flags": 0}},
        {"ip": {"flags": "MF+DF"}},
        {"ip": {"flags": "evil+DF"}},
        {"ip": {"frag": 1}},
        {"ip": {"options": IP_OPTIONS}},
    ],
    ids=str,
)
def test_a_segment_that_differs_stays_alone_and_ends_what_is_before_it(
    changed: dict[str, Any],
) -> None:
    other = tcp_packet(**{**NEXT, **changed})
    after = tcp_packet(**{**NEXT, "seq": 160})
    assert offload.merge([FIRST, other, after])[:2] == [FIRST, other]
    assert offload.merge([other, FIRST, other])[:1] == [other]
    # Not even if another flow lies in between.
    assert offload.merge([FIRST, udp_packet(), other])[2] == other


@pytest.mark.parametrize("changed", [{"hlim": 63}, {"tc": 1}, {"fl": 1}], ids=str)
def test_the_same_with_the_header_of_ipv6(changed: dict[str, Any]) -> None:
    first = tcp_packet(b"first", 6)
    other = tcp_packet(b"other", 6, seq=5, ip=changed)
    assert offload.merge([first, other]) == [first, other]
    assert len(offload.merge([first, tcp_packet(b"other", 6, seq=5)])) == 1


def test_nothing_is_joined_behind_psh() -> None:
    packets = [
        tcp_packet(b"one"),
        tcp_packet(b"two", seq=3, flags=ACK | PSH),
        tcp_packet(b"three", seq=6),
        tcp_packet(b"four", seq=11),
    ]
    merged = offload.merge(packets)
    assert [payload_of(packet) for packet in merged] == [b"onetwo", b"threefour"]
    assert [IP(packet)[TCP].flags for packet in merged] == ["PA", "A"]
    assert offload.merge(packets[1:3]) == packets[1:3]


@pytest.mark.parametrize(
    "stranger",
    [
        *fragments(bytes(40))[1:],
        with_extension(b"data"),
        tcp_packet(b"data")[:22],
        flipped(tcp_packet(b"data"), 7),  # a header of 16 bytes
    ],
)
def test_nothing_is_joined_over_a_packet_whose_flow_cannot_be_told(stranger: bytes) -> None:
    one, other = segments([50, 50])
    assert offload.merge([one, stranger, other]) == [one, stranger, other]


@pytest.mark.parametrize(
    "stranger",
    [udp_packet(b"data"), udp_packet(b"data", 6), icmp_packet(b"data"), b"", bytes(60), b"\x45"],
)
def test_packets_of_others_may_lie_between(stranger: bytes) -> None:
    one, other = segments([50, 50])
    assert offload.merge([one, stranger, other]) == [*offload.merge([one, other]), stranger]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("length", [0, 19, 20, 39, 40, 41, 59, 60, 61, 100, 65535])
def test_sizes_that_are_told_wrong_keep_a_segment_alone(version: int, length: int) -> None:
    one, other, after = segments([50, 50, 50], version)
    for lying in (with_length(other, length), other + b"\0", other[:-1]):
        packets = [one, lying, after]
        assert offload.merge(packets) == packets


@pytest.mark.parametrize("offset", [0, 1, 4, 6, 15])
def test_a_header_size_that_is_told_wrong_keeps_a_segment_alone(offset: int) -> None:
    one, _, after = segments([10, 10, 10])
    lying = tcp_packet(pattern(10, 1), seq=10, dataofs=offset)
    assert offload.has_valid_checksums(lying)
    assert offload.merge([one, lying, after]) == [one, lying, after]


# --- Wrong checksums ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_segment_with_any_wrong_bit_is_not_joined(version: int, place: int) -> None:
    packets = segments([7, 6, 5], version, options=TIMESTAMPS)
    # The traffic class, flow label and hop limit of IPv6 have no checksum.
    without_sum = {*range(4, 32), *range(56, 64)} if version == 6 else set()
    for bit in set(range(8 * len(packets[place]))) - without_sum:
        wrong = flipped(packets[place], bit)
        broken = [*packets[:place], wrong, *packets[place + 1 :]]
        merged = offload.merge(broken)
        assert wrong in merged, bit
        assert all(offload.has_valid_checksums(each) for each in merged if each != wrong), bit


def test_two_errors_never_cancel_each_other() -> None:
    packets = segments([64, 64])
    for bit in range(8 * 40, 8 * 104):
        one, other = (flipped(packet, bit) for packet in packets)
        assert offload.merge([one, other]) == [one, other]


@pytest.mark.parametrize("seed", range(20))
def test_without_verification_a_wrong_segment_makes_a_wrong_packet(seed: int) -> None:
    packets = segments([7, 101, 6, 33, 50], options=TIMESTAMPS)
    place = seed % len(packets)
    bit = 8 * 52 + seed * 5 % (8 * (len(packets[place]) - 52))
    packets[place] = flipped(packets[place], bit)
    (merged,) = offload.merge(packets, verify=False)
    assert not offload.has_valid_checksums(merged)
    assert payload_of(merged) == b"".join(payload_of(packet) for packet in packets)


def test_without_verification_the_header_of_ip_is_looked_at_all_the_same() -> None:
    packets = segments([7, 7])
    wrong = flipped(packets[1], 8 * 10)
    assert offload.merge([packets[0], wrong], verify=False) == [packets[0], wrong]


# --- Arguments ----------------------------------------------------------------------------------


def test_packets_are_any_iterable_of_any_buffers() -> None:
    packets = segments([10, 11, 12])
    kinds: list[Any] = [bytearray(packets[0]), memoryview(packets[1]), packets[2]]
    assert offload.merge(iter(kinds)) == offload.merge(packets)
    assert offload.merge(tuple(kinds[:1])) == packets[:1]
    assert type(offload.merge(kinds[:1])[0]) is bytes
    assert offload.merge([]) == []
    large = bytes(65535)
    assert offload.merge([large]) == [large]
    assert offload.merge([large])[0] is large


def test_bad_arguments_are_told() -> None:
    with pytest.raises(TypeError):
        offload.merge(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        offload.merge(["text"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        offload.merge(b"packet")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="65535 bytes, not 65536"):
        offload.merge([bytes(65536)])
    with pytest.raises(BufferError):
        offload.merge([memoryview(bytes(100))[::2]])
    for size in (67, 65536, -1):
        with pytest.raises(ValueError, match=f"max_size must be from 68 to 65535, not {size}"):
            offload.merge([], size)
    with pytest.raises(TypeError, match="max_size must be an int"):
        offload.merge([], 1400.0)  # type: ignore[arg-type]


def test_buffers_are_given_back() -> None:
    one, other = (bytearray(packet) for packet in segments([10, 10]))
    offload.merge([one, other])
    with pytest.raises(ValueError, match="65535"):
        offload.merge([one, other, bytes(65536)])
    one += b"resized"
    other += b"resized"


@pytest.mark.threads
def test_packets_that_change_meanwhile_break_nothing_else() -> None:
    """Sizes are taken once: whatever the bytes say a moment later, no other memory is touched."""
    good = segments([100] * 20)
    shared = [bytearray(packet) for packet in good]
    done = threading.Event()

    def scribble() -> None:
        while not done.is_set():
            for packet in shared:
                packet[0] ^= 0x20  # IPv4, IPv6
                packet[32] ^= 0xA0  # the size of TCP's header

    other = threading.Thread(target=scribble)
    other.start()
    try:
        for _ in range(scaled(2000, 50)):
            sizes = [len(packet) for packet in offload.merge(shared, verify=False)]
            assert sum(sizes) <= sum(map(len, good))
            for packet in shared:
                offload.split(packet, 68)
    finally:
        done.set()
        other.join()
