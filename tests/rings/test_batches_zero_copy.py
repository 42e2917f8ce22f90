# SPDX-License-Identifier: MIT
"""Ring memory in other hands: sockets, hashes, ciphers and arrays work on it directly."""

from __future__ import annotations

import hashlib
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet
from wintun import simulator

CONTENTS = [ipv4_packet(size, number) for number, size in enumerate((20, 64, 1400, 2049, 9000))]


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets that are connected to each other."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(60)
        one.connect(other.getsockname())
        other.connect(one.getsockname())
        yield one, other


def deliver(session: wintun.Session) -> None:
    for packet in CONTENTS:
        assert simulator.deliver(session.adapter.name, packet)


def receive_one_by_one(session: wintun.Session) -> list[memoryview]:
    packets = [session.receive_packet() for _ in CONTENTS]
    return [memoryview(packet) for packet in packets if packet is not None]


def receive_at_once(session: wintun.Session) -> list[memoryview]:
    return list(session.receive_packets())


def allocate_one_by_one(session: wintun.Session) -> list[wintun.Packet]:
    return [session.allocate_send_packet(len(content)) for content in CONTENTS]


def collect_all(session: wintun.Session) -> list[bytes]:
    name = session.adapter.name
    return list(iter(lambda: simulator.collect(name), None))


RECEIVE = pytest.mark.parametrize("receive", [receive_one_by_one, receive_at_once])
Receive = Callable[[wintun.Session], "list[memoryview]"]


@RECEIVE
def test_sockets_send_packets_out_of_the_ring(
    session: wintun.Session, sockets: tuple[socket.socket, socket.socket], receive: Receive
) -> None:
    deliver(session)
    for packet in receive(session):
        assert sockets[0].send(packet) == len(packet)
    assert [sockets[1].recv(0xFFFF) for _ in CONTENTS] == CONTENTS


@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="this system has no sendmsg")
def test_a_header_and_a_packet_go_out_as_one_datagram(
    session: wintun.Session, sockets: tuple[socket.socket, socket.socket]
) -> None:
    deliver(session)
    for packet in receive_at_once(session):
        sockets[0].sendmsg([b"header", packet])
    assert [sockets[1].recv(0xFFFF) for _ in CONTENTS] == [b"header" + one for one in CONTENTS]


def test_sockets_receive_packets_into_the_ring(
    session: wintun.Session, sockets: tuple[socket.socket, socket.socket]
) -> None:
    for content in CONTENTS * 2:
        sockets[0].send(content)
    for packet in allocate_one_by_one(session):
        assert sockets[1].recv_into(packet) == len(packet)
        packet.send()
    batch = session.allocate_send_packets(map(len, CONTENTS))
    for view in batch:
        assert sockets[1].recv_into(view) == len(view)
        view.release()
    batch.send()
    assert collect_all(session) == CONTENTS * 2


@RECEIVE
def test_hashes_checksums_and_structs_read_the_ring(
    session: wintun.Session, receive: Receive
) -> None:
    deliver(session)
    for packet, content in zip(receive(session), CONTENTS):
        assert hashlib.sha256(packet).digest() == hashlib.sha256(content).digest()
        assert hashlib.blake2s(packet).digest() == hashlib.blake2s(content).digest()
        assert zlib.crc32(packet) == zlib.crc32(content)
        assert zlib.decompress(zlib.compress(packet)) == content
        assert struct.unpack_from(">BBH", packet) == (0x45, 0, len(content))
        assert int.from_bytes(packet[2:4], "big") == len(content)


def test_structs_are_packed_into_the_ring(session: wintun.Session) -> None:
    batch = session.allocate_send_packets([20, 20])
    for number, view in enumerate(batch):
        struct.pack_into(">BBH16s", view, 0, 0x45, number, 20, b"sixteen bytes...")
        view.release()
    batch.send()
    assert [packet[1] for packet in collect_all(session)] == [0, 1]


def test_a_packet_is_encrypted_into_the_ring_and_decrypted_in_it(session: wintun.Session) -> None:
    ciphers: Any = pytest.importorskip("cryptography.hazmat.primitives.ciphers")
    cipher = ciphers.Cipher(
        ciphers.algorithms.ChaCha20(bytes(32), bytes(16)), mode=None, backend=None
    )
    deliver(session)
    encrypted = []
    for packet in receive_at_once(session):
        room = bytearray(len(packet))
        assert cipher.encryptor().update_into(packet, room) == len(packet)
        encrypted.append(room)
    assert encrypted != CONTENTS
    batch = session.allocate_send_packets(map(len, encrypted))
    for view, secret in zip(batch, encrypted):
        assert cipher.decryptor().update_into(secret, view) == len(secret)
        view.release()
    batch.send()
    assert collect_all(session) == CONTENTS


@RECEIVE
def test_authenticated_ciphers_take_packets_of_the_ring(
    session: wintun.Session, receive: Receive
) -> None:
    aead: Any = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    cipher = aead.ChaCha20Poly1305(bytes(32))
    deliver(session)
    sealed = [cipher.encrypt(bytes(12), packet, None) for packet in receive(session)]
    assert [cipher.decrypt(bytes(12), secret, None) for secret in sealed] == CONTENTS


@RECEIVE
def test_numpy_sees_and_changes_the_ring_without_a_copy(
    session: wintun.Session, receive: Receive
) -> None:
    numpy: Any = pytest.importorskip("numpy")
    deliver(session)
    for packet, content in zip(receive(session), CONTENTS):
        array = numpy.frombuffer(packet, dtype=numpy.uint8)
        assert array.tobytes() == content
        array ^= 0xFF
        assert bytes(packet) == bytes(byte ^ 0xFF for byte in content)


def test_a_numpy_array_keeps_the_batch_until_it_goes(session: wintun.Session) -> None:
    numpy: Any = pytest.importorskip("numpy")
    batch = session.allocate_send_packets([20])
    array = numpy.frombuffer(batch[0], dtype=numpy.uint8)
    array[:] = 7
    array[0] = 0x45
    with pytest.raises(BufferError):
        batch.send()
    del array
    batch.send()
    assert collect_all(session) == [b"\x45" + b"\7" * 19]
