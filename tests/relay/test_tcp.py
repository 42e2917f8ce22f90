# SPDX-License-Identifier: MIT
"""pymobiledevice3's tunnel over TCP carries packets on our device, and survives what happens."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import wintun.pytun
from helpers import HANG_SECONDS, open_handles, scaled
from wintun import simulator

from . import peer
from .rig import Link, Phone, connect, establish, linked, run, stop, tunnel_service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PEER = Path(peer.__file__)
TRANSFER_SECONDS = 800.0


def test_the_tunnel_reads_in_batches_from_our_device() -> None:
    async def main() -> None:
        async with linked(mtu=1420) as link:
            assert type(link.tun) is wintun.pytun.TunTapDevice
            assert link.tun.addr == peer.ADDRESS
            assert link.tun.mtu == 1420
            assert hasattr(link.tun, "async_read_batch")
            await link.round_trip(0)

    run(main())


@pytest.mark.parametrize("largest", [1280, 16000])
def test_packets_of_mixed_sizes_arrive_once_whole_and_in_order(largest: int) -> None:
    """Both ways at once: what comes back out of the adapter is what went in, and no IPv4."""
    count = scaled(1_000_000 if largest == 16000 else 100_000, at_least=2_000)
    command = [sys.executable, "-u", str(PEER), "echo", str(count), str(largest)]

    async def main(process: subprocess.Popen[str]) -> None:
        simulator.set_wire(None, "loop")
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        tunnel = tunnel_service.RemotePairingTcpTunnel(reader, writer)
        await establish(tunnel)
        process.stdin.write("go\n")
        process.stdin.flush()
        line = await asyncio.to_thread(process.stdout.readline)
        dropped, statistics = tunnel.tun.dropped, tunnel.tun.statistics
        await stop(tunnel)
        assert line, "the peer failed: its complaint is above"
        seen = json.loads(line)
        seconds = seen["seconds"]
        megabytes = seen["bytes"] / seconds / 1e6
        print(f"{count / seconds:,.0f} packets/s and {megabytes:.0f} MB/s each way")
        assert seen["packets"] == count
        assert seen["surplus"] == 0
        assert dropped == 0
        assert statistics.packets_sent == statistics.packets_received > count

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            run(main(process), TRANSFER_SECONDS)
        finally:
            process.kill()


def test_only_ipv6_goes_to_the_phone() -> None:
    async def main() -> None:
        async with linked(wire="memory") as link:
            name = link.tun.name
            for number in range(50):
                simulator.deliver(name, peer.no_ipv6(number, 100))
                simulator.deliver(name, peer.ipv6(number, 100 + number))
            wanted = b"".join(peer.ipv6(number, 100 + number) for number in range(50))
            assert await link.reader.readexactly(len(wanted)) == wanted

    run(main())


@pytest.mark.parametrize("mtu", [1280, 1420, 1500, 4000, 9000, 16000])
def test_packets_as_large_as_the_mtu_pass(mtu: int) -> None:
    async def main() -> None:
        async with linked(mtu) as link:
            assert link.tun.mtu == mtu
            for number, size in enumerate((44, mtu - 1, mtu)):
                await link.round_trip(number, size)

    run(main())


def test_the_host_gets_the_largest_packet_there_is_and_no_larger_one() -> None:
    async def main() -> None:
        async with linked(16000) as link:
            await link.round_trip(0, 65535)
            link.writer.write(b"\x60\0\0\0\xff\xff\x3b\x40" + bytes(32 + 65535))
            await link.round_trip(1)
            assert link.tun.dropped == 1

    run(main())


def test_a_host_that_takes_nothing_loses_packets_and_keeps_the_tunnel() -> None:
    async def main() -> None:
        async with linked(16000) as link:
            simulator.pause(link.tun.name)
            packets = 2 * 0x400000 // 10_000
            for number in range(packets):
                link.writer.write(peer.ipv6(number, 10_000))
                await link.writer.drain()
            while link.tun.statistics.packets_sent + link.tun.dropped < packets:
                await asyncio.sleep(0.001)
            assert 0 < link.tun.dropped < packets
            through = link.tun.statistics.packets_sent
            simulator.resume(link.tun.name)
            for number in range(through):
                assert await link.reader.readexactly(10_000) == peer.ipv6(number, 10_000)
            await link.round_trip(7)

    run(main())


def test_starting_and_stopping_200_times_leaves_nothing_behind() -> None:
    count = scaled(200, at_least=5)

    async def main() -> None:
        simulator.set_wire(None, "loop")
        phone = Phone(1500)
        await phone.start()
        before, handles = simulator.counts(), 0
        for round_ in range(count):
            tunnel = await connect(phone)
            await establish(tunnel)
            reader, writer = await phone.connection()
            await Link(tunnel, reader, writer).round_trip(round_)
            await stop(tunnel)
            assert await reader.read() == b""
            writer.close()
            await asyncio.sleep(0)
            assert simulator.counts() == before
            if round_ == 2:
                handles = open_handles()
        # A connection's end may take a few turns of the loop.
        assert open_handles() <= handles + 4
        await phone.close()

    run(main(), 300)


# --- Cancellation, in every state that a tunnel can be in -----------------------------------------


async def idle(link: Link) -> None:
    await asyncio.sleep(0.01)


async def echoing(link: Link) -> None:
    """Packets pass in both directions."""
    for number in range(200):
        link.writer.write(peer.ipv6(number, 1000))
    await link.reader.readexactly(1000)


async def flooded(link: Link) -> None:
    """The host sends all the time, what is not for the phone."""
    while link.tun.statistics.packets_received < 10_000:
        await asyncio.sleep(0)


async def stuck(link: Link) -> None:
    """The phone takes nothing any more: the relay waits to send, the ring is full."""
    link.reader._transport.pause_reading()  # type: ignore[attr-defined]
    before = -1
    while link.tun.statistics.packets_received != before:
        before = link.tun.statistics.packets_received
        while simulator.deliver(link.tun.name, peer.ipv6(0, 1500)):
            pass
        await asyncio.sleep(0.05)


async def half_a_packet(link: Link) -> None:
    """The phone has sent the beginning of a packet."""
    link.writer.write(peer.ipv6(0, 1000)[:500])
    await asyncio.sleep(0.01)


State = Callable[[Link], Any]
STATES: list[tuple[State, simulator.Wire]] = [
    (idle, "loop"),
    (echoing, "loop"),
    (flooded, "flood"),
    (stuck, "memory"),
    (half_a_packet, "loop"),
]
NAMES = [state.__name__ for state, _ in STATES]
states = pytest.mark.parametrize(("state", "wire"), STATES, ids=NAMES)


@states
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_a_tunnel_can_be_stopped_in_every_state(
    state: State, wire: simulator.Wire, turns: int
) -> None:
    async def main() -> None:
        async with linked(wire=wire) as link:
            await state(link)
            for _ in range(turns):
                await asyncio.sleep(0)
            await link.stop()

    run(main())


@states
def test_the_tasks_of_a_tunnel_can_be_cancelled_in_every_state(
    state: State, wire: simulator.Wire
) -> None:
    """As by Ctrl-C, when asyncio.run cancels whatever runs."""

    async def main() -> None:
        async with linked(wire=wire) as link:
            await state(link)
            tasks = [link.tunnel._tun_read_task, link.tunnel._sock_read_task]
            for task in tasks:
                task.cancel()
            _, pending = await asyncio.wait(tasks, timeout=HANG_SECONDS)
            assert not pending
            await link.stop()

    run(main())


@states
def test_whoever_waits_for_a_stop_may_be_cancelled(state: State, wire: simulator.Wire) -> None:
    async def main() -> None:
        async with linked(wire=wire) as link:
            await state(link)
            stopping = asyncio.ensure_future(link.tunnel.stop_tunnel())
            await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.sleep(0.01)
            if link.tunnel.tun is not None:
                await link.stop()
            link.vanish()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(stopping, HANG_SECONDS)

    run(main())


def test_a_tunnel_can_be_given_up_before_the_phone_answers() -> None:
    async def main() -> None:
        phone = Phone(1500)
        phone.answers = False
        await phone.start()
        tunnel = await connect(phone)
        establishing = asyncio.ensure_future(establish(tunnel))
        _, writer = await phone.connection()
        establishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await establishing
        await stop(tunnel)
        writer.close()
        await phone.close()

    run(main())


@pytest.mark.parametrize(
    ("function", "code", "kind"),
    [
        ("WintunCreateAdapter", 5, PermissionError),
        ("CreateUnicastIpAddressEntry", 87, OSError),
        ("SetIpInterfaceEntry", 87, OSError),
        ("WintunStartSession", 1247, OSError),
    ],
)
def test_a_tunnel_whose_device_fails_says_why_and_leaves_nothing_behind(
    function: str, code: int, kind: type[OSError]
) -> None:
    async def main() -> None:
        before = simulator.counts()
        phone = Phone(1500)
        await phone.start()
        tunnel = await connect(phone)
        with simulator.fault(function, code), pytest.raises(kind, match=function):
            await establish(tunnel)
        await stop(tunnel)
        assert simulator.counts() == before
        (await phone.connection())[1].close()
        await phone.close()
        async with linked() as link:
            await link.round_trip(0)

    run(main())


# --- What goes away ---------------------------------------------------------------------------


@states
def test_a_phone_that_vanishes_ends_the_tunnel(state: State, wire: simulator.Wire) -> None:
    async def main() -> None:
        async with linked(wire=wire) as link:
            await state(link)
            link.vanish()
            await asyncio.wait_for(link.tunnel.wait_closed(), HANG_SECONDS)
            await link.stop()

    run(main())


@states
def test_an_adapter_that_vanishes_ends_the_reading_and_the_tunnel_can_be_stopped(
    state: State, wire: simulator.Wire
) -> None:
    async def main() -> None:
        async with linked(wire=wire) as link:
            await state(link)
            simulator.remove_adapter(link.tun.name)
            if state is not stuck:  # there the phone has to take something first
                await asyncio.wait_for(link.tunnel._tun_read_task, HANG_SECONDS)
                link.writer.write(peer.ipv6(0, 1000))
                await asyncio.wait_for(link.tunnel.wait_closed(), HANG_SECONDS)
            await link.stop()

    run(main())


def test_after_an_adapter_vanished_a_new_tunnel_works() -> None:
    async def main() -> None:
        async with linked() as link:
            await link.round_trip(0)
            simulator.remove_adapter(link.tun.name)
            await asyncio.wait_for(link.tunnel._tun_read_task, HANG_SECONDS)
        async with linked() as link:
            await link.round_trip(1)

    run(main())
