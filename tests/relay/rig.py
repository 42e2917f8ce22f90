# SPDX-License-Identifier: MIT
"""pymobiledevice3's own tunnel, with our device in it, and a phone to talk to.

The tunnel's code is the installed package's, unmodified: where it imports its device from, it finds
`wintun.pytun`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import socket
import struct
import sys
import warnings
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import wintun.pytun
from helpers import HANG_SECONDS
from wintun import simulator

from . import peer

if importlib.util.find_spec("pymobiledevice3") is None:
    pytest.skip(
        "pymobiledevice3 is not installed (the session pymobiledevice3 does that)",
        allow_module_level=True,
    )
sys.modules["pytun_pmd3"] = wintun.pytun
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its many requirements warn of is not ours
    tunnel_service: Any = importlib.import_module("pymobiledevice3.remote.tunnel_service")

# They log at every level whatever happens, and caplog would keep it all.
logging.getLogger("asyncio").setLevel(logging.WARNING)


def run(main: Awaitable[Any], timeout: float = HANG_SECONDS) -> Any:
    """Runs a coroutine in a loop of its own, not longer than a hang takes."""

    async def bounded() -> Any:
        return await asyncio.wait_for(main, timeout)

    return asyncio.run(bounded())


class Phone:
    """Accepts one connection of a tunnel at a time, and shakes hands."""

    def __init__(self, mtu: int) -> None:
        self.mtu = mtu
        self.requests: list[Any] = []
        self.answers = True
        self._connections: asyncio.Queue[tuple[StreamReader, StreamWriter]] = asyncio.Queue()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.answers:
            header = await reader.readexactly(len(peer.MAGIC) + 2)
            size = struct.unpack(">H", header[-2:])[0]
            self.requests.append(await reader.readexactly(size))
            writer.write(peer.frame(peer.answer(self.mtu)))
        self._connections.put_nowait((reader, writer))

    async def connection(self) -> tuple[StreamReader, StreamWriter]:
        return await self._connections.get()

    async def close(self) -> None:
        self._server.close()
        while not self._connections.empty():
            self._connections.get_nowait()[1].close()
        await self._server.wait_closed()


class Link:
    """A tunnel that is up, and the phone's end of it."""

    def __init__(self, tunnel: Any, reader: StreamReader, writer: StreamWriter) -> None:
        self.tunnel = tunnel
        self.reader = reader
        self.writer = writer

    @property
    def tun(self) -> wintun.pytun.TunTapDevice:
        device = self.tunnel.tun
        assert isinstance(device, wintun.pytun.TunTapDevice)
        return device

    async def round_trip(self, number: int, size: int = 100) -> None:
        """A packet there and back, on the wire "loop"."""
        self.writer.write(peer.ipv6(number, size))
        assert await self.reader.readexactly(size) == peer.ipv6(number, size)

    async def stop(self) -> None:
        """Stops the tunnel. The relay gives the phone all the time it wants to take the rest."""
        device = self.tun.device
        stopping = asyncio.ensure_future(stop(self.tunnel))
        while not device.closed:
            await asyncio.sleep(0.001)
        self.vanish()
        await stopping

    def vanish(self) -> None:
        """The phone is unplugged: a reset, not a goodbye."""
        if not self.writer.is_closing():
            sock = self.writer.get_extra_info("socket")
            at_once = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.writer.transport.abort()


async def connect(phone: Phone) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", phone.port)
    return tunnel_service.RemotePairingTcpTunnel(reader, writer)


async def establish(tunnel: Any) -> None:
    """What pymobiledevice3's services do with a tunnel that is connected."""
    parameters = (await tunnel.request_tunnel_establish())["clientParameters"]
    await tunnel.start_tunnel(parameters["address"], parameters["mtu"])


async def stop(tunnel: Any) -> None:
    """Stops a tunnel; a hang or an exception fails the test."""
    await asyncio.wait_for(tunnel.stop_tunnel(), HANG_SECONDS)
    assert tunnel.tun is None


@asynccontextmanager
async def linked(mtu: int = 1500, wire: simulator.Wire = "loop") -> AsyncIterator[Link]:
    """A phone, and a tunnel to it whose device has a wire."""
    simulator.set_wire(None, wire)
    phone = Phone(mtu)
    await phone.start()
    try:
        tunnel = await connect(phone)
        try:
            await establish(tunnel)
            reader, writer = await phone.connection()
            yield Link(tunnel, reader, writer)
            writer.close()
        finally:
            await stop(tunnel)
    finally:
        await phone.close()
