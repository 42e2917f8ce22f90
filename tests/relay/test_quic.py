# SPDX-License-Identifier: MIT
"""pymobiledevice3's tunnel over QUIC takes packets to and from our device, both ways."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import scaled
from wintun import simulator

from . import peer
from .rig import run, tunnel_service

pytestmark = [pytest.mark.slow]

quic: Any = importlib.import_module("qh3.asyncio")
events: Any = importlib.import_module("qh3.quic.events")
configurations: Any = importlib.import_module("qh3.quic.configuration")
rsa: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.rsa")
serialization: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
make_cert: Any = importlib.import_module("pymobiledevice3.ca").make_cert

ALPN = ["RemotePairingTunnelProtocol"]


class Phone(quic.QuicConnectionProtocol):  # type: ignore[misc,name-defined,unused-ignore]
    """The far end of the tunnel: shakes hands, keeps the packets that come."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()

    def quic_event_received(self, event: Any) -> None:
        if isinstance(event, events.StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, peer.frame(peer.answer(1280)))
            self.transmit()
        elif isinstance(event, events.DatagramFrameReceived) and event.data[:1] != b"x":
            self.packets.put_nowait(event.data)

    def send(self, packet: bytes) -> None:
        self._quic.send_datagram_frame(packet)
        self.transmit()


def write_certificate(folder: Path) -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(make_cert(key, key.public_key()).public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return str(folder / "cert.pem"), str(folder / "key.pem")


@asynccontextmanager
async def linked(folder: Path, wire: simulator.Wire) -> AsyncIterator[tuple[Any, Phone]]:
    """A tunnel that is up, made as `start_quic_tunnel` makes it, and the phone's end."""
    simulator.set_wire(None, wire)
    phones: list[Phone] = []

    def accept(*arguments: Any, **options: Any) -> Phone:
        phones.append(Phone(*arguments, **options))
        return phones[-1]

    largest = tunnel_service.RemotePairingQuicTunnel.MAX_QUIC_DATAGRAM
    options = {"alpn_protocols": ALPN, "max_datagram_frame_size": largest}
    accepting = configurations.QuicConfiguration(is_client=False, **options)
    accepting.load_cert_chain(*write_certificate(folder))
    server = await quic.serve("127.0.0.1", 0, configuration=accepting, create_protocol=accept)
    port = server._transport.get_extra_info("sockname")[1]
    connecting = configurations.QuicConfiguration(verify_mode=ssl.CERT_NONE, **options)
    protocol = tunnel_service.RemotePairingQuicTunnel
    try:
        async with tunnel_service.aioquic_connect(
            "127.0.0.1", port, configuration=connecting, create_protocol=protocol
        ) as tunnel:
            parameters = (await tunnel.request_tunnel_establish())["clientParameters"]
            await tunnel.start_tunnel(parameters["address"], parameters["mtu"])
            try:
                yield tunnel, phones[0]
            finally:
                await tunnel.stop_tunnel()
    finally:
        server.close()


def test_packets_go_there_and_come_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with linked(tmp_path, "loop") as (tunnel, phone):
            assert tunnel.tun.mtu == 1280
            for number in range(scaled(2_000, at_least=100)):
                packet = peer.ipv6(number, 44 + number * 37 % 1200)
                phone.send(peer.no_ipv6(number, 60))
                phone.send(packet)
                assert await phone.packets.get() == packet
            assert tunnel.tun.dropped == 0

    run(main())


def test_a_tunnel_whose_adapter_vanished_can_be_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with linked(tmp_path, "loop") as (tunnel, phone):
            phone.send(peer.ipv6(0, 100))
            assert await phone.packets.get() == peer.ipv6(0, 100)
            simulator.remove_adapter(tunnel.tun.name)
            await tunnel._tun_read_task

    run(main())
