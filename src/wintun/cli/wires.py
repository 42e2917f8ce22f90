"""What is at the other end of the demo's adapter, and makes its traffic."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import wintun

from . import echo
from .numbers import number_of
from .output import CommandError, print_error
from .ping import SystemPings

if TYPE_CHECKING:
    from wintun._addresses import Interface

# More than any run asks for; the built-in host is stopped with its adapter.
_WITHOUT_END = 2**31 - 1
_INTERVAL_SECONDS = 0.5
_SETTLE_SECONDS = 0.5

# After so long without a datagram from the peer that is told once.
_SILENCE_SECONDS = 3.0


class Wire(Protocol):
    """The other end of one adapter."""

    def attach(self, adapter: str) -> None:
        """Prepares the other end; before the adapter is created."""

    def start(self, device: wintun.TunDevice, addresses: Sequence[Interface]) -> None:
        """Lets the traffic begin; when the device is up and has its addresses."""

    def tend(self) -> Sequence[bytes]:
        """Does what is due; called several times a second. Returns packets for the demo to send.

        Raises:
            CommandError: No traffic can be made.
        """

    def settle(self, device: wintun.TunDevice) -> None:
        """Lets what was written to the device get out of it: what its ring has is lost with it."""

    def drops(self, device: wintun.TunDevice) -> int:
        """Returns how many packets found the ring full on their way to the device."""

    def describe(self) -> str:
        """Returns a line for the user about the other end, "" if there is nothing to say."""

    def see(self, packet: bytes) -> None:
        """Looks at a packet that the device has read."""

    def own_pings(self) -> tuple[int, int] | None:
        """Returns how many pings `tend` gave and how many were answered; None if it gives none."""

    def close(self) -> None:
        """Ends the traffic and gives everything back; at any time, also before the others."""


class OtherEnd:
    """What most wires say of themselves: nothing."""

    def describe(self) -> str:
        """Nothing."""
        return ""

    def see(self, packet: bytes) -> None:
        """Nothing to learn from it."""

    def own_pings(self) -> tuple[int, int] | None:
        """None: others ping."""
        return None


def default() -> Wire | None:
    """Returns the wire that is meant where none is named; None stands for the real driver."""
    return None if sys.platform == "win32" else BuiltinWire()


def parse(text: str) -> Wire:
    """Returns the wire that an option names."""
    kind, _, rest = text.partition(":")
    if text == "builtin":
        return BuiltinWire()
    if text == "tun":
        return TunWire()
    mine, at, peer = rest.rpartition("@")
    host, _, port = peer.rpartition(":")
    host = _without_brackets(host)
    ports = [_port(each) for each in (port, mine if at else port)]
    if kind == "udp" and host and 0 not in ports:
        return UdpWire(host, ports[0], ports[1] if at else None)
    raise argparse.ArgumentTypeError(f"not builtin, tun or udp:[PORT@]HOST:PORT: {text!r}")


def _port(text: str) -> int:
    """Returns the number of a port, 0 if it is none."""
    number = number_of(text)
    return number if number is not None and 0 < number < 65536 else 0


def _without_brackets(host: str) -> str:
    """Returns a host without the pair that may enclose it; "" for any other brackets."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return "" if "[" in host or "]" in host else host


def neighbour_of(interface: Interface) -> Interface:
    """Returns an address of the same subnet that is another host's."""
    network = interface.network
    # A subnet of two has no address of its own: RFC 3021 and RFC 6164.
    first = network.network_address + (0 if network.num_addresses == 2 else 1)
    address = first if first != interface.ip else first + 1
    return type(interface)((address, interface.network.prefixlen))


class DriverWire(OtherEnd):
    """The real driver: the system's own stack is at the other end, and its ping pings."""

    def __init__(self) -> None:
        self._pings = SystemPings()

    def attach(self, adapter: str) -> None:
        """Nothing to prepare."""

    def start(self, device: wintun.TunDevice, addresses: Sequence[Interface]) -> None:
        """Pings a neighbour of each address."""
        self._pings.add((each.version, each.ip, neighbour_of(each).ip) for each in addresses)

    def tend(self) -> Sequence[bytes]:
        """Keeps ping running."""
        self._pings.check()
        return ()

    def settle(self, device: wintun.TunDevice) -> None:
        """Waits a little: the driver does not tell when its ring is empty."""
        time.sleep(_SETTLE_SECONDS)

    def drops(self, device: wintun.TunDevice) -> int:
        """Returns 0: the driver does not tell."""
        return 0

    def close(self) -> None:
        """Ends ping."""
        self._pings.stop()


class SimulatorWire(OtherEnd):
    """What the wires of the simulator have in common."""

    def settle(self, device: wintun.TunDevice) -> None:
        """Waits until the simulator has taken every packet, at most a moment."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            counted = wintun.simulator.statistics(device.name)
            taken = counted.collected_packets + counted.discarded_not_ip
            if taken >= device.statistics.packets_sent:
                return
            time.sleep(0.001)

    def drops(self, device: wintun.TunDevice) -> int:
        """Returns what the simulator counted."""
        return wintun.simulator.statistics(device.name).dropped_full


class BuiltinWire(SimulatorWire):
    """The simulator's own host, which pings when it is asked to."""

    def attach(self, adapter: str) -> None:
        """Chooses the simulator's host."""
        wintun.simulator.use()
        wintun.simulator.set_wire(adapter, "host")

    def start(self, device: wintun.TunDevice, addresses: Sequence[Interface]) -> None:
        """Asks the host to ping."""
        wintun.simulator.ping(device.name, _WITHOUT_END, _INTERVAL_SECONDS)

    def tend(self) -> Sequence[bytes]:
        """The host needs no help."""
        return ()

    def close(self) -> None:
        """The host ends with the adapter."""


class TunWire(SimulatorWire):
    """A tun device of Linux: the kernel's stack is at the other end; the system's ping pings."""

    def __init__(self) -> None:
        self._pings = SystemPings()
        self._tun: wintun.simulator.KernelTun | None = None

    def attach(self, adapter: str) -> None:
        """Makes the tun device."""
        if sys.platform != "linux":
            raise CommandError("the wire tun is for Linux: this system has no /dev/net/tun")
        wintun.simulator.use()
        self._tun = wintun.simulator.open_tun(f"wintun{os.getpid()}")
        wintun.simulator.set_wire(adapter, "socket", sock=self._tun)

    def start(self, device: wintun.TunDevice, addresses: Sequence[Interface]) -> None:
        """Gives the tun device the addresses and MTU of ours, then pings."""
        if self._tun is not None:
            wintun.simulator.mirror(device, self._tun.name)
        self._pings.add((each.version, each.ip, neighbour_of(each).ip) for each in addresses)

    def describe(self) -> str:
        """Names the tun device."""
        if self._tun is None:
            return ""
        return f"The other end is the kernel's interface {self._tun.name}."

    def tend(self) -> Sequence[bytes]:
        """Keeps ping running."""
        self._pings.check()
        return ()

    def close(self) -> None:
        """Ends ping and removes the tun device."""
        self._pings.stop()
        if self._tun is not None:
            self._tun.close()


class UdpWire(SimulatorWire):
    """A UDP socket: whoever is at HOST:PORT gets each packet in a datagram, and answers so.

    Without a port of its own the socket has the same one here if that is free. Another demo that is
    run with this host's name is a fitting peer: each pings the other once a second, which also
    tells it where we are.
    """

    def __init__(self, host: str, port: int, own_port: int | None) -> None:
        self._host = host
        self._port = port
        self._own_port = own_port
        self._identifier = os.getpid() % 65536
        self._begin = float("inf")
        self._is_heard = False
        self._pings = 0
        self._answers = 0
        self._socket: socket.socket | None = None
        self._addresses: Sequence[Interface] = ()
        self._sequence = 0
        self._due = 0.0

    def attach(self, adapter: str) -> None:
        """Connects the socket."""
        wintun.simulator.use()
        self._socket = self._connect()
        wintun.simulator.set_wire(adapter, "socket", sock=self._socket)

    def start(self, device: wintun.TunDevice, addresses: Sequence[Interface]) -> None:
        """Lets the pings begin."""
        self._addresses = addresses
        self._begin = time.monotonic()

    def describe(self) -> str:
        """Names both ends of the socket."""
        if self._socket is None:
            return ""
        own, peer = self._socket.getsockname(), self._socket.getpeername()
        return f"Packets go from UDP port {own[1]} here to {peer[0]} port {peer[1]}."

    def see(self, packet: bytes) -> None:
        """Counts the answers to our pings."""
        self._is_heard = True
        self._answers += echo.is_reply(packet, self._identifier)

    def own_pings(self) -> tuple[int, int] | None:
        """Returns how many were sent and answered."""
        return self._pings, self._answers

    def tend(self) -> Sequence[bytes]:
        """Pings the peer when it is time to."""
        if time.monotonic() < self._due:
            return ()
        self._due = time.monotonic() + 1.0
        self._sequence = (self._sequence + 1) % 65536
        if not self._is_heard and time.monotonic() >= self._begin + _SILENCE_SECONDS:
            self._begin = float("inf")
            print_error(f"nothing has come from {self._host} port {self._port} yet")
        self._pings += len(self._addresses)
        return [
            echo.make_request(
                address.packed, neighbour_of(address).packed, self._identifier, self._sequence
            )
            for address in self._addresses
        ]

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()

    def _connect(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise CommandError(f"{self._host}: {error.strerror or error}") from None
        except ValueError as error:  # no name that could be looked up: too long, a NUL in it
            raise CommandError(f"{self._host}: {error}") from None
        try:
            if self._own_port is not None:
                return _bound_socket(found[0], found[4], self._own_port)
            return _connected_socket(found[0], found[4], self._port)
        except OSError as error:
            name = f"{self._host} port {self._port}"
            raise CommandError(f"{name}: {error.strerror or error}") from None


def _bound_socket(family: int, peer: tuple[str | int | bytes, ...], port: int) -> socket.socket:
    """Returns a socket with this port of ours; OSError if that is not free."""
    connected = socket.socket(family, socket.SOCK_DGRAM)
    try:
        connected.bind(("", port))
        connected.connect(peer)
    except OSError:
        connected.close()
        raise
    return connected


def _connected_socket(family: int, peer: tuple[str | int | bytes, ...], port: int) -> socket.socket:
    """Returns a socket with this port of ours if that is free and not the peer's own."""
    connected = socket.socket(family, socket.SOCK_DGRAM)
    try:
        connected.bind(("", port))
        connected.connect(peer)
        if connected.getsockname() != connected.getpeername():
            return connected
    except OSError:
        if port == 0:
            connected.close()
            raise
    connected.close()
    return _connected_socket(family, peer, 0)
