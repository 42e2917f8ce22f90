# SPDX-License-Identifier: MIT
"""A phone whose own network stack talks through the tunnel, as a program; on Linux alone.

`phone.py ADDRESS MTU` prints the port that it listens at, and serves one connection to its end.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from wintun import simulator

sys.path.insert(0, str(Path(__file__).parents[1]))
from relay import peer

INTERFACE = "phone0"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def send(interface: simulator.KernelTun, connection: socket.socket) -> None:
    """What the kernel sends goes to the host, IPv6 alone."""
    while True:
        select.select([interface], [], [])
        packet = os.read(interface.fileno(), 0xFFFF)
        if packet[0] >> 4 == 6:
            connection.sendall(packet)


def receive(interface: simulator.KernelTun, connection: socket.socket) -> None:
    while True:
        try:
            header = peer.receive_exactly(connection, 40)
        except (EOFError, ConnectionError):
            return
        body = peer.receive_exactly(connection, struct.unpack(">H", header[4:6])[0])
        os.write(interface.fileno(), header + body)


def main() -> None:
    mtu = int(sys.argv[2])
    with simulator.open_tun(INTERFACE) as interface:
        ip("link", "set", "dev", INTERFACE, "mtu", str(mtu), "up")
        ip("address", "add", f"{peer.PEER_ADDRESS}/64", "dev", INTERFACE, "nodad")
        with socket.create_server((sys.argv[1], 0)) as server:
            print(server.getsockname()[1], flush=True)
            connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.shake_hands(connection, mtu)
            threading.Thread(target=send, args=(interface, connection), daemon=True).start()
            receive(interface, connection)


main()
