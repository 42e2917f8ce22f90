"""`python -m wintun demo`: an adapter at work."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from types import FrameType
from typing import TYPE_CHECKING

import wintun
from wintun import _addresses

from . import echo, packets
from .output import error_text, print_error, print_line
from .wires import DriverWire, Wire

if TYPE_CHECKING:
    from wintun._addresses import Interface

# Networks that are nobody's: of RFC 2544 for benchmarks, and of RFC 4193 with random digits.
DEFAULT_ADDRESSES = ("198.18.7.1/24", "fd77:6974:756e::1/64")

_ERROR_NOT_FOUND = 1168

# How long a read waits before the loop looks after everything else, in seconds.
_SLICE = 0.1


# The last is that of a terminal that goes away; on Windows it is Ctrl-Break.
_STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]


class StopSignals:
    """Notes Ctrl-C and its like instead of dying of them, so that everything is given back."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        for number in _STOP_SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # as nohup asks
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number


class Demo:
    """One run of the command.

    Args:
        wire: The other end; None for the real driver.
        addresses: Addresses of the adapter; None for some of each IP version that it has.
        mtu: MTU of the adapter; None leaves it.
        count: Number of answered pings to end after; 0 for none.
        as_json: Whether to print JSON instead of text.
    """

    def __init__(
        self,
        wire: Wire | None,
        addresses: Sequence[Interface] | None,
        mtu: int | None,
        count: int,
        as_json: bool,
    ) -> None:
        self._wire: Wire = DriverWire() if wire is None else wire
        self._default_addresses = addresses is None
        self._wanted = addresses or [_addresses.parse(each) for each in DEFAULT_ADDRESSES]
        self._addresses: list[Interface] = []
        self._mtu = mtu
        self._count = count
        self._json = as_json
        self._answered = 0
        self._shown = {"in": (0, 0), "out": (0, 0)}  # packets and their bytes

    def run(self) -> int:
        """Runs until enough pings are answered or a signal stops it; returns the exit code."""
        name = f"wintun demo {os.getpid()}"
        with StopSignals() as stop, closing(self._wire):
            self._wire.attach(name)
            with wintun.TunDevice(name) as device:
                self._configure(device)
                device.up()
                self._wire.start(device, self._addresses)
                self._announce(device)
                self._serve(device, stop)
                self._wire.settle(device)
                self._summarize(device)
                self._wire.close()
        return 0 if stop.received is None else 128 + stop.received

    def _configure(self, device: wintun.TunDevice) -> None:
        for address in self._wanted:
            try:
                device.add_address(address)
            except OSError as error:
                if not self._default_addresses or getattr(error, "winerror", 0) != _ERROR_NOT_FOUND:
                    raise
                print_error(f"going on without {address}: {error_text(error)}")
            else:
                self._addresses.append(address)
        if self._mtu is not None and any(each.version == 6 for each in self._addresses):
            device.mtu = self._mtu
        elif self._mtu is not None:
            device.mtu4 = self._mtu

    def _serve(self, device: wintun.TunDevice, stop: StopSignals) -> None:
        while stop.received is None and not 0 < self._count <= self._answered:
            for packet in self._wire.tend():
                self._send(device, packet)
            received = device.read(_SLICE)
            if received is not None:
                self._wire.see(received)
                self._show("in", received)
                self._answer(device, received)

    def _answer(self, device: wintun.TunDevice, packet: bytes) -> None:
        header = echo.parse_request(packet)
        if header is None or not self._is_neighbour(header.destination):
            return
        if self._send(device, echo.make_reply(packet, header)):
            self._answered += 1

    def _send(self, device: wintun.TunDevice, packet: bytes) -> bool:
        try:
            device.write(packet)
        except wintun.RingFullError:
            return False  # as in any network; the device counts it
        self._show("out", packet)
        return True

    def _is_neighbour(self, destination: bytes) -> bool:
        address = _addresses.from_row(destination, 0).ip
        if any(address == mine.ip for mine in self._addresses):
            return False
        return any(
            address in mine.network and not _addresses.is_broadcast(address, mine.network)
            for mine in self._addresses
        )

    # --- What it prints -------------------------------------------------------------------------

    def _announce(self, device: wintun.TunDevice) -> None:
        if self._json:
            return
        addresses = ", ".join(map(str, self._addresses))
        print_line(
            f"{device.name} is up: {addresses}, MTU {device.mtu}, by {wintun.library_path()}"
        )
        other_end = self._wire.describe()
        if other_end:
            print_line(other_end)
        if self._count == 0:
            print_line("Ctrl-C ends it.")

    def _show(self, direction: str, packet: bytes) -> None:
        count, size = self._shown[direction]
        self._shown[direction] = count + 1, size + len(packet)
        now = datetime.now(timezone.utc)
        what = packets.describe(packet)
        if self._json:
            time = now.isoformat(timespec="microseconds")
            record = {"type": "packet", "time": time, "direction": direction, **what._asdict()}
            print_line(json.dumps(record))
            return
        time = now.astimezone().strftime("%H:%M:%S.%f")[:-3]
        ends = "" if what.source is None else f"{what.source} > {what.destination}  "
        line = f"{time}  {direction:3}  {what.length:5} B  {what.protocol:7}  {ends}{what.detail}"
        print_line(line.rstrip())

    def _summarize(self, device: wintun.TunDevice) -> None:
        counted = device.statistics
        dropped = counted.ring_full + self._wire.drops(device)
        own = self._wire.own_pings()
        # Not the device's counts: what was read ahead and not yet asked for is among those.
        (received, received_size), (sent, sent_size) = self._shown["in"], self._shown["out"]
        if self._json:
            summary = {
                "type": "summary",
                "requests_answered": self._answered,
                "packets_received": received,
                "bytes_received": received_size,
                "packets_sent": sent,
                "bytes_sent": sent_size,
                "packets_dropped": dropped,
            }
            if own is not None:
                summary.update(zip(("requests_sent", "replies_received"), own))
            print_line(json.dumps(summary))
            return
        told = "" if own is None else f"; own pings: {own[0]}, answered: {own[1]}"
        print_line(
            f"{self._answered} pings answered; "
            f"in: {received} packets, {received_size} bytes; "
            f"out: {sent} packets, {sent_size} bytes; "
            f"dropped: {dropped}{told}"
        )
