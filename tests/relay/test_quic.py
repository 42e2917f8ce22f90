# SPDX-License-Identifier: MIT
"""pymobiledevice3's tunnel over QUIC takes packets to and from our device, both ways."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import pytest

import wintun
from helpers import HANG_SECONDS, open_handles, scaled
from wintun import simulator

from . import peer
from .rig import run, stop, tunnel_service

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


Certificate = tuple[str, str]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The phone's certificate and key, as files."""
    folder = tmp_path_factory.mktemp("phone")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(make_cert(key, key.public_key()).public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return str(folder / "cert.pem"), str(folder / "key.pem")


async def give_up(tunnel: Any) -> None:
    """Stops a tunnel that may have lost its phone."""
    try:
        await stop(tunnel)
    except ConnectionError:  # what its own ping got, behind which the relay leaves its device open
        await tunnel_service.RemotePairingTunnel.stop_tunnel(tunnel)
    # What the phone still sends, the relay would write to None: an exception of its own in a
    # callback, behind which the connection's end waits.
    tunnel.tun = mock.Mock()


@asynccontextmanager
async def linked(
    certificate: Certificate, wire: simulator.Wire
) -> AsyncIterator[tuple[Any, Phone]]:
    """A tunnel that is up, made as `start_quic_tunnel` makes it, and the phone's end."""
    simulator.set_wire(None, wire)
    phones: list[Phone] = []

    def accept(*arguments: Any, **options: Any) -> Phone:
        phones.append(Phone(*arguments, **options))
        return phones[-1]

    largest = tunnel_service.RemotePairingQuicTunnel.MAX_QUIC_DATAGRAM
    options = {"alpn_protocols": ALPN, "max_datagram_frame_size": largest}
    accepting = configurations.QuicConfiguration(is_client=False, **options)
    accepting.load_cert_chain(*certificate)
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
                await give_up(tunnel)
    finally:
        server.close()


def test_packets_go_there_and_come_back(certificate: Certificate) -> None:
    async def main() -> None:
        async with linked(certificate, "loop") as (tunnel, phone):
            assert tunnel.tun.mtu == 1280
            for number in range(scaled(2_000, at_least=100)):
                packet = peer.ipv6(number, 44 + number * 37 % 1200)
                phone.send(peer.no_ipv6(number, 60))
                phone.send(packet)
                assert await phone.packets.get() == packet
            assert tunnel.tun.dropped == 0

    run(main())


@pytest.mark.parametrize("size", [44, 576, 1199, 1200])
def test_packets_of_every_size_that_fits_a_datagram_pass(
    certificate: Certificate, size: int
) -> None:
    async def main() -> None:
        async with linked(certificate, "loop") as (_, phone):
            for number in range(20):
                phone.send(peer.ipv6(number, size))
                assert await phone.packets.get() == peer.ipv6(number, size)

    run(main())


def test_a_host_that_takes_nothing_loses_packets_and_keeps_the_tunnel(
    certificate: Certificate,
) -> None:
    async def main() -> None:
        async with linked(certificate, "memory") as (tunnel, phone):
            tunnel.tun.down()
            tunnel.tun.up(wintun.MIN_RING_CAPACITY)
            name = tunnel.tun.name
            packets = 2 * wintun.MIN_RING_CAPACITY // 1000
            for number in range(packets):
                phone.send(peer.ipv6(number, 1000))
                while tunnel.tun.device.statistics.packets_sent + tunnel.tun.dropped <= number:
                    await asyncio.sleep(0)
            through = packets - tunnel.tun.dropped
            assert 0 < through < packets
            for number in range(through):
                assert simulator.collect(name) == peer.ipv6(number, 1000)
            phone.send(peer.ipv6(7, 1000))  # there is room again
            while tunnel.tun.device.statistics.packets_sent <= through:
                await asyncio.sleep(0)
            assert simulator.collect(name) == peer.ipv6(7, 1000)

    run(main())


def test_only_ipv6_goes_to_the_phone(certificate: Certificate) -> None:
    async def main() -> None:
        async with linked(certificate, "memory") as (tunnel, phone):
            for number in range(50):
                simulator.deliver(tunnel.tun.name, peer.no_ipv6(number, 100))
                simulator.deliver(tunnel.tun.name, peer.ipv6(number, 100 + number))
            for number in range(50):
                assert await phone.packets.get() == peer.ipv6(number, 100 + number)
            assert phone.packets.empty()

    run(main())


def test_a_tunnel_whose_adapter_vanished_can_be_stopped(certificate: Certificate) -> None:
    async def main() -> None:
        async with linked(certificate, "loop") as (tunnel, phone):
            phone.send(peer.ipv6(0, 100))
            assert await phone.packets.get() == peer.ipv6(0, 100)
            simulator.remove_adapter(tunnel.tun.name)
            await tunnel._tun_read_task

    run(main())


def test_starting_and_stopping_200_times_leaves_nothing_behind(certificate: Certificate) -> None:
    async def main() -> None:
        before, handles = simulator.counts(), 0
        for round_ in range(scaled(200, at_least=5)):
            async with linked(certificate, "loop") as (_, phone):
                phone.send(peer.ipv6(round_, 100))
                assert await phone.packets.get() == peer.ipv6(round_, 100)
            assert simulator.counts() == before
            if round_ == 2:
                handles = open_handles()
        # A connection's end may take a few turns of the loop.
        assert open_handles() <= handles + 4

    run(main(), 300)


async def idle(tunnel: Any, phone: Phone) -> None:
    await asyncio.sleep(0.01)


async def echoing(tunnel: Any, phone: Phone) -> None:
    """Packets pass in both directions."""
    for number in range(100):
        phone.send(peer.ipv6(number, 1000))
    await phone.packets.get()


async def flooded(tunnel: Any, phone: Phone) -> None:
    """The host sends all the time, what is not for the phone."""
    while tunnel.tun.statistics.packets_received < 10_000:
        await asyncio.sleep(0)


async def full(tunnel: Any, phone: Phone) -> None:
    """The host takes nothing any more: what the phone sends is dropped."""
    simulator.pause(tunnel.tun.name)
    while tunnel.tun.dropped == 0:
        tunnel.tun.write(peer.ipv6(0, 65535))
    while tunnel.tun.dropped < 10:
        phone.send(peer.ipv6(0, 1200))
        await asyncio.sleep(0.001)


State = Callable[[Any, Phone], Awaitable[None]]
STATES: list[tuple[State, simulator.Wire]] = [
    (idle, "loop"),
    (echoing, "loop"),
    (flooded, "flood"),
    (full, "loop"),
]
states = pytest.mark.parametrize(
    ("state", "wire"), STATES, ids=[state.__name__ for state, _ in STATES]
)


@states
@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_tunnel_can_be_stopped_in_every_state(
    certificate: Certificate, state: State, wire: simulator.Wire, turns: int
) -> None:
    async def main() -> None:
        async with linked(certificate, wire) as (tunnel, phone):
            await state(tunnel, phone)
            for _ in range(turns):
                await asyncio.sleep(0)

    run(main())


@states
def test_a_phone_that_goes_away_ends_the_tunnel(
    certificate: Certificate, state: State, wire: simulator.Wire
) -> None:
    async def main() -> None:
        async with linked(certificate, wire) as (tunnel, phone):
            await state(tunnel, phone)
            phone.close()
            await asyncio.wait_for(tunnel.wait_closed(), HANG_SECONDS)

    run(main())


@states
def test_an_adapter_that_vanishes_ends_the_reading_in_every_state(
    certificate: Certificate, state: State, wire: simulator.Wire
) -> None:
    async def main() -> None:
        async with linked(certificate, wire) as (tunnel, phone):
            await state(tunnel, phone)
            simulator.remove_adapter(tunnel.tun.name)
            await asyncio.wait_for(tunnel._tun_read_task, HANG_SECONDS)

    run(main())
