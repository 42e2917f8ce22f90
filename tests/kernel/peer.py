"""The ends of the connections that the kernel tests carry through a tunnel.

Run by path inside a network namespace; needs nothing but Python. Each command prints one JSON
object when it is done; a receiver first prints the line "ready".
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

CHUNK = 1 << 20
DIGEST = 16


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ready() -> None:
    print("ready", flush=True)


def tcp_send(address: str, port: str, size: str) -> object:
    digest, left = hashlib.sha256(), int(size)
    with socket.create_connection((address, int(port)), timeout=60) as connection:
        while left:
            block = os.urandom(min(CHUNK, left))
            connection.sendall(block)
            digest.update(block)
            left -= len(block)
    return {"bytes": int(size), "sha256": digest.hexdigest()}


def tcp_receive(address: str, port: str) -> object:
    digest, size = hashlib.sha256(), 0
    with socket.create_server((address, int(port)), family=family(address)) as server:
        ready()
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            while block := connection.recv(CHUNK):
                digest.update(block)
                size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def udp_send(address: str, port: str, largest: str, interval: str) -> object:
    """Datagrams of every size, each with a number and the digest of all the rest, until SIGTERM."""
    sent, sizes = 0, random.Random(1)
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, int(port)))
        ready()
        while not stopping:
            body = struct.pack("!Q", sent) + os.urandom(sizes.randint(0, int(largest) - DIGEST - 8))
            sock.send(hashlib.sha256(body).digest()[:DIGEST] + body)
            sent += 1
            time.sleep(float(interval))
    return {"sent": sent}


def udp_receive(address: str, port: str) -> object:
    """Counts what arrives until SIGTERM, and whether it is what was sent."""
    numbers: set[int] = set()
    total = damaged = 0
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.bind((address, int(port)))
        sock.settimeout(0.2)
        ready()
        while not stopping:
            try:
                datagram = sock.recv(0xFFFF)
            except socket.timeout:
                continue
            total += 1
            digest, body = datagram[:DIGEST], datagram[DIGEST:]
            if len(body) < 8 or hashlib.sha256(body).digest()[:DIGEST] != digest:
                damaged += 1
            else:
                numbers.add(struct.unpack_from("!Q", body)[0])
    return {"received": total, "damaged": damaged, "different": len(numbers)}


stopping: list[int] = []
signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
commands: dict[str, Callable[..., object]] = {
    "tcp-send": tcp_send,
    "tcp-receive": tcp_receive,
    "udp-send": udp_send,
    "udp-receive": udp_receive,
}
print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])), flush=True)
