"""Answers every ping to the neighbours of an adapter's addresses, without copying a packet twice.

On Windows, as Administrator; then, in another window, `ping 10.6.7.2` and `ping fd00:6:7::2`:

    python echo.py --address 10.6.7.1/24 --address fd00:6:7::1/64

On Linux, as root, the same program runs on the simulator; --linux-tun wires it to the kernel's own
stack through /dev/net/tun:

    python echo.py --address 10.6.7.1/24 --linux-tun echo0
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from typing import NamedTuple

import wintun
from wintun import simulator


class Echo(NamedTuple):
    """Where an echo request has what its reply has differently."""

    source: slice
    destination: slice
    icmp: int
    reply_type: int


def echo_request(packet: memoryview) -> Echo | None:
    """How to answer, if the packet is an echo request to one host; not if it is anything else."""
    version, header = packet[0] >> 4, (packet[0] & 15) * 4
    if version == 4 and packet[9] == 1 and len(packet) >= header + 8:
        whole = not packet[6] & 0x3F and not packet[7]  # not a fragment
        if whole and packet[header] == 8 and packet[16] < 224:
            return Echo(slice(12, 16), slice(16, 20), header, 0)
    if version == 6 and packet[6] == 58 and len(packet) >= 48 and packet[40] == 128:
        return Echo(slice(8, 24), slice(24, 40), 40, 129) if packet[24] != 255 else None
    return None


def write_reply(reply: memoryview, request: memoryview, echo: Echo) -> None:
    """Exchanging the addresses changes no checksum; the other type changes ICMP's by as much."""
    reply[:] = request
    reply[echo.source] = request[echo.destination]
    reply[echo.destination] = request[echo.source]
    checksum = slice(echo.icmp + 2, echo.icmp + 4)
    total = int.from_bytes(request[checksum], "big")
    total += (request[echo.icmp] - echo.reply_type) << 8
    total = (total - 1) % 0xFFFF + 1  # one's complement: 0xFFFF stands for 0
    reply[echo.icmp] = echo.reply_type
    reply[checksum] = total.to_bytes(2, "big")


def answer(device: wintun.TunDevice) -> bool:
    """Takes one packet out of the ring, if there is one; True if it was answered."""
    packet = device.receive_packet()
    if packet is None:
        device.wait_read_event()
        return False
    with packet, memoryview(packet) as request:
        echo = echo_request(request)
        if echo is None:
            return False
        with device.allocate_send_packet(len(request)) as sent:
            with memoryview(sent) as reply:
                write_reply(reply, request, echo)
            sent.send()
    return True


def open_kernel_wire(device: wintun.TunDevice, name: str) -> simulator.KernelTun:
    """Makes the kernel of Linux the simulator's far side, by a tun interface like the device."""
    tun = simulator.open_tun(name)
    simulator.set_wire(device.name, "socket", sock=tun)
    simulator.mirror(device, name)
    return tun


def main() -> int:
    """Runs the program; returns its exit code."""
    parser = argparse.ArgumentParser(description="Answers pings.")
    parser.add_argument("--address", action="append", required=True, metavar="ADDRESS/PREFIX")
    parser.add_argument("--mtu", type=int, default=1420)
    parser.add_argument("--name", default="Echo", help="of the adapter")
    parser.add_argument("--linux-tun", metavar="NAME", help="the kernel's interface to wire it to")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    answered = 0
    try:
        with contextlib.ExitStack() as stack:
            device = stack.enter_context(wintun.TunDevice(args.name, "Echo"))
            device.mtu = args.mtu
            device.addresses = args.address
            if args.linux_tun:
                stack.enter_context(open_kernel_wire(device, args.linux_tun))
            device.up()
            print(f"{device.name} is up: {', '.join(map(str, device.addresses))}", flush=True)
            while True:
                answered += answer(device)
    except KeyboardInterrupt:
        print(f"answered {answered} pings")
        return 0
    except (OSError, ValueError, NotImplementedError) as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
