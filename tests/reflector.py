# SPDX-License-Identifier: MIT
"""A program: the system's own ping and TCP through an adapter that sends every packet back.

    reflector.py driver | kernel

What the system sends to a neighbour of the adapter's address comes back with the two addresses
exchanged, which changes no checksum: so it talks to itself, through the adapter, twice each way.
`driver` is the real driver; `kernel` the simulator, wired to a tun interface of Linux, whose place
is a network namespace of its own. Prints what happened as JSON.
"""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import wintun
from helpers import HANG_SECONDS, Worker, scaled
from wintun import simulator

NAME = "Wintun reflector"
INTERFACE = "reflector0"
PINGS = 4
STREAM_BYTES = scaled(20_000_000, at_least=200_000)

# Own address, that of the neighbour, and where they are in a packet.
ADDRESSES = {4: ("10.83.7.1", "10.83.7.2"), 6: ("fd00:83:7::1", "fd00:83:7::2")}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
SOURCE = {4: slice(12, 16), 6: slice(8, 24)}
DESTINATION = {4: slice(16, 20), 6: slice(24, 40)}


class Reflector:
    """Sends back what goes to the neighbour, and counts the echo replies among it."""

    def __init__(self, device: wintun.TunDevice) -> None:
        self.replies = {4: 0, 6: 0}
        self._device = device
        self._pairs = {
            version: tuple(socket.inet_pton(FAMILIES[version], text) for text in texts)
            for version, texts in ADDRESSES.items()
        }

    def run(self) -> None:
        try:
            while True:
                packets = self._device.read_many(256, None)
                answers = [answer for answer in map(self._reflect, packets) if answer is not None]
                self._device.write_many(answers, HANG_SECONDS)
        except wintun.ClosedError:
            pass

    def _reflect(self, packet: bytes) -> bytearray | None:
        version = packet[0] >> 4
        source, destination = packet[SOURCE[version]], packet[DESTINATION[version]]
        if (source, destination) != self._pairs[version]:
            return None
        protocol, kind = (packet[9], packet[20]) if version == 4 else (packet[6], packet[40])
        if (version, protocol, kind) in ((4, 1, 0), (6, 58, 129)):
            self.replies[version] += 1
        answer = bytearray(packet)
        answer[SOURCE[version]], answer[DESTINATION[version]] = destination, source
        return answer


def ping(version: int) -> None:
    """Has the system ping the neighbour; what came of it the reflector has counted."""
    count = "-n" if sys.platform == "win32" else "-c"
    command = ["ping", f"-{version}", count, str(PINGS), ADDRESSES[version][1]]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def listen(version: int) -> socket.socket:
    """Listens at the adapter's address, as soon as the system has made sure of it."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        listener = socket.socket(FAMILIES[version], socket.SOCK_STREAM)
        listener.settimeout(HANG_SECONDS)
        try:
            listener.bind((ADDRESSES[version][0], 0))
            listener.listen()
            return listener
        except OSError:
            listener.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def receive(connection: socket.socket) -> str:
    digest = hashlib.sha256()
    while data := connection.recv(65536):
        digest.update(data)
    return digest.hexdigest()


def serve(listener: socket.socket, data: bytes) -> str:
    """Takes a stream until its end, then sends one; returns the SHA-256 of the first."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(HANG_SECONDS)
        found = receive(connection)
        connection.sendall(data)
        return found


def tcp(version: int) -> bool:
    """Sends a stream each way; True if both arrived as they were sent."""
    there = hashlib.shake_128(b"there").digest(STREAM_BYTES)
    back = hashlib.shake_128(b"back").digest(STREAM_BYTES)
    with listen(version) as listener:
        server = Worker(serve, listener, back)
        address = (ADDRESSES[version][1], listener.getsockname()[1])
        with socket.create_connection(address, HANG_SECONDS) as connection:
            connection.sendall(there)
            connection.shutdown(socket.SHUT_WR)
            received = receive(connection)
        sent = server.result()
    digests = [hashlib.sha256(data).hexdigest() for data in (there, back)]
    return digests == [sent, received]


def main(far_side: str) -> None:
    if far_side == "kernel":
        simulator.use()
    with ExitStack() as stack:
        device = stack.enter_context(wintun.TunDevice(NAME, "Test"))
        device.addresses = [f"{ADDRESSES[4][0]}/24", f"{ADDRESSES[6][0]}/64"]
        device.mtu = 1400
        if far_side == "kernel":
            tun = stack.enter_context(simulator.open_tun(INTERFACE))
            simulator.set_wire(NAME, "socket", sock=tun)
            simulator.mirror(device, INTERFACE)
        device.up()
        reflector = Reflector(device)
        thread = threading.Thread(target=reflector.run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(device.down)
        streams = {version: tcp(version) for version in ADDRESSES}
        for version in ADDRESSES:
            ping(version)
        print(json.dumps({"streams": streams, "replies": reflector.replies}))


if __name__ == "__main__":
    main(sys.argv[1])
