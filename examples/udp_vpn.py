"""A point-to-point VPN: the IP packets of a Wintun adapter, carried in UDP datagrams.

On two Windows machines, each as Administrator:

    python udp_vpn.py --local 192.0.2.1:5555 --remote 192.0.2.2:5555 --address 10.9.0.1/24
    python udp_vpn.py --local 192.0.2.2:5555 --remote 192.0.2.1:5555 --address 10.9.0.2/24

On Linux, as root, the same program runs on the simulator, and `--linux-tun vpn0` wires that to the
kernel's own stack through /dev/net/tun.

It shows how to move packets, not how to keep them secret: nothing is encrypted or authenticated.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import select
import signal
import socket
import sys
import threading
from typing import Callable

import wintun
from wintun import simulator

BATCH = 64  # packets that cross between Python and the rings in one call
POLL = 0.5  # seconds after which a quiet loop looks whether it should end


def endpoint(text: str) -> tuple[str, int]:
    """HOST:PORT or [HOST]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 0x10000:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def connect(local: tuple[str, int], remote: tuple[str, int]) -> socket.socket:
    """A UDP socket that hears the remote endpoint only."""
    family = socket.getaddrinfo(*remote, type=socket.SOCK_DGRAM)[0][0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
    sock.bind(local)
    sock.connect(remote)
    sock.setblocking(False)
    return sock


def send(sock: socket.socket, packet: bytes) -> None:
    """Sends a packet, waiting while the socket's buffer is full."""
    while True:
        try:
            sock.send(packet)
        except BlockingIOError:
            select.select([], [sock], [], POLL)
        except OSError:
            return  # refused, unreachable, too long: lost, as on any network
        else:
            return


def receive(sock: socket.socket) -> list[bytes]:
    """The packets that are there, after waiting for one; an empty list if none comes."""
    packets: list[bytes] = []
    select.select([sock], [], [], POLL)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while len(packets) < BATCH:
            packets.append(sock.recv(0xFFFF))
    return [packet for packet in packets if packet]


def tunnel_to_network(device: wintun.TunDevice, sock: socket.socket) -> None:
    """Carries what the system sends into the tunnel to the peer, until the device is closed."""
    while not device.closed:
        for packet in device.read_many(BATCH, timeout=None):
            send(sock, packet)


def network_to_tunnel(device: wintun.TunDevice, sock: socket.socket) -> None:
    """Carries what the peer sends to the system, until the device is closed."""
    while not device.closed:
        # A short count means that the ring stayed full: the rest is lost, as on any network.
        device.write_many(receive(sock), timeout=1.0)


def serve(device: wintun.TunDevice, sock: socket.socket) -> None:
    """Carries packets both ways until Ctrl-C, SIGTERM or an error, which is raised."""
    stopped = threading.Event()
    errors: list[Exception] = []

    def pump(carry: Callable[[wintun.TunDevice, socket.socket], None]) -> None:
        try:
            carry(device, sock)
        except wintun.ClosedError:
            pass  # the device was closed below, which is how the loop ends
        except Exception as error:
            errors.append(error)
        finally:
            stopped.set()

    threads = [
        threading.Thread(target=pump, args=(carry,))
        for carry in (tunnel_to_network, network_to_tunnel)
    ]
    for thread in threads:
        thread.start()
    try:
        while not stopped.wait(POLL):  # in pieces: on Windows Ctrl-C cannot end a wait for ever
            pass
    except KeyboardInterrupt:
        pass
    finally:
        device.close()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def open_kernel_wire(device: wintun.TunDevice, name: str) -> simulator.KernelTun:
    """Makes the kernel of Linux the simulator's far side, by a tun interface like the device."""
    tun = simulator.open_tun(name)
    simulator.set_wire(device.name, "socket", sock=tun)
    simulator.mirror(device, name)
    return tun


def main() -> int:
    """Runs the program; returns its exit code."""
    parser = argparse.ArgumentParser(description="A point-to-point VPN over UDP.")
    parser.add_argument("--local", type=endpoint, required=True, metavar="HOST:PORT")
    parser.add_argument("--remote", type=endpoint, required=True, metavar="HOST:PORT")
    parser.add_argument("--address", action="append", required=True, metavar="ADDRESS/PREFIX")
    parser.add_argument("--mtu", type=int, default=1400, help="of the tunnel (default: 1400)")
    parser.add_argument("--name", default="UDP VPN", help="of the adapter")
    parser.add_argument("--linux-tun", metavar="NAME", help="the kernel's interface to wire it to")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(connect(args.local, args.remote))
            device = stack.enter_context(wintun.TunDevice(args.name, "UDP VPN"))
            device.addresses = args.address
            if any(ipaddress.ip_interface(each).version == 6 for each in args.address):
                device.mtu = args.mtu
            else:
                device.mtu4 = args.mtu  # which may be below IPv6's least, 1280
            if args.linux_tun:
                stack.enter_context(open_kernel_wire(device, args.linux_tun))
            device.up()
            print(f"{device.name} is up: {', '.join(map(str, device.addresses))}", flush=True)
            serve(device, sock)
            print(device.statistics)
    except (OSError, ValueError, NotImplementedError) as error:
        print(f"udp_vpn: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # before the tunnel was up
    return 0


if __name__ == "__main__":
    sys.exit(main())
