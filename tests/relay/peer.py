# SPDX-License-Identifier: MIT
"""The phone's side of pymobiledevice3's tunnel over TCP, as a program: needs nothing but Python.

    peer.py echo COUNT LARGEST   sends COUNT packets, and wants each back, in order, and no other

Prints its port, serves one connection, begins when a line comes in (the relay would lose what comes
right behind the handshake), and prints a JSON object with what it saw.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator

MAGIC = b"CDTunnel"
ADDRESS, PEER_ADDRESS = "fd00:77::2", "fd00:77::1"
BATCH = 64

# In flight at most; the rings of the device, of 4 MiB, must not fill.
WINDOW_BYTES = 1 << 20


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = sock.recv_into(view)
        if not count:
            raise EOFError(f"the relay went away, {len(view)} bytes before the end of a packet")
        view = view[count:]
    return bytes(buffer)


def frame(message: object) -> bytes:
    body = json.dumps(message).encode()
    return MAGIC + struct.pack(">H", len(body)) + body


def answer(mtu: int) -> dict[str, object]:
    """What a phone answers to the handshake."""
    return {
        "type": "serverHandshakeResponse",
        "clientParameters": {"address": ADDRESS, "mtu": mtu, "netmask": "ffff:ffff:ffff:ffff::"},
        "serverAddress": PEER_ADDRESS,
        "serverRSDPort": 58783,
    }


def shake_hands(sock: socket.socket, mtu: int) -> dict[str, object]:
    header = receive_exactly(sock, len(MAGIC) + 2)
    assert header.startswith(MAGIC)
    request = json.loads(receive_exactly(sock, struct.unpack(">H", header[-2:])[0]))
    sock.sendall(frame(answer(mtu)))
    assert isinstance(request, dict)
    return request


PATTERN = bytes(number * 7 % 251 for number in range(1 << 16))


def ipv6(number: int, size: int, first_byte: int = 0x60) -> bytes:
    """A packet of 44 bytes or more that tells its number, and whose every byte is known."""
    header = struct.pack(">B3xHBB", first_byte, size - 40, 59, 64)
    return header + bytes(32) + struct.pack(">I", number) + PATTERN[number % 251 :][: size - 44]


def no_ipv6(number: int, size: int) -> bytes:
    """What the relay takes from us as a packet, and must not send back: IPv4."""
    return ipv6(number, size, 0x45)


def batches(count: int, largest: int) -> Iterator[tuple[bytes, bytes]]:
    """What to send, and what must come back, in pieces; the sizes are mixed."""
    sizes = random.Random(count)
    for first in range(0, count, BATCH):
        sent, wanted = [], []
        for number in range(first, min(first + BATCH, count)):
            # Mostly small, as acknowledgements are, and full-sized ones; sometimes any.
            kind = sizes.random()
            size = 44 if kind < 0.1 else sizes.randint(44, 300)
            if kind > 0.6:
                size = 1280 if kind < 0.97 else sizes.randint(44, largest)
            packet = ipv6(number, size)
            wanted.append(packet)
            sent.append(packet)
            if kind > 0.98:
                sent.append(no_ipv6(number, size))
        yield b"".join(sent), b"".join(wanted)


def echo(sock: socket.socket, count: int, largest: int) -> dict[str, object]:
    in_flight: list[tuple[int, bytes]] = []
    flying = received = 0
    started = time.perf_counter()

    def take() -> None:
        nonlocal flying, received
        size, wanted = in_flight.pop(0)
        got = receive_exactly(sock, len(wanted))
        assert got == wanted, f"other bytes than were sent after {received}"
        flying -= size
        received += len(wanted)

    for sent, wanted in batches(count, largest):
        while in_flight and flying + len(sent) > WINDOW_BYTES:
            take()
        sock.sendall(sent)
        in_flight.append((len(sent), wanted))
        flying += len(sent)
    while in_flight:
        take()
    seconds = time.perf_counter() - started
    sock.settimeout(0.3)
    try:
        surplus = len(sock.recv(65536))
    except socket.timeout:
        surplus = 0
    return {"packets": count, "bytes": received, "surplus": surplus, "seconds": seconds}


def main() -> int:
    count, largest = map(int, sys.argv[2:4])
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(120)
        shake_hands(connection, max(1280, largest))
        sys.stdin.readline()
        print(json.dumps(echo(connection, count, largest)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
