"""The asynchronous calls of `TunDevice`: attempts on the rings, and waits in between.

A task is never handed a packet: it is woken and takes one itself. So a task that is cancelled has
either returned a packet or not taken one. Which loop it runs in is asked for when it has to wait.
"""

from __future__ import annotations

import sys

from wintun._wintun import RingFullError

from ._watch import watch_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable, TypeVar

    from typing_extensions import Buffer

    from wintun._wintun import Session
    from wintun.device import TunDevice

    Packets = TypeVar("Packets", bytes, "list[bytes]")

__all__ = ["read", "read_many", "write", "write_many"]

# After so many packets that needed no wait the other tasks of the loop get their turn. A turn costs
# some 20 microseconds, so this makes it a third of one a packet; and a program that spends 10
# microseconds on each packet holds the others up for less than a millisecond.
_PACKETS_A_TURN = 64

# A full ring has no event that tells of room. The driver empties it fast, so a writer first only
# lets others run, then sleeps, longer each time; the last is about the tick of Windows' timers.
_TURNS_BEFORE_SLEEP = 16
_FIRST_SLEEP = 0.001
_LONGEST_SLEEP = 0.016

# Packets in an attempt that comes after the first: checking those that wait must not cost much.
_CHUNK = 1024


async def read(device: TunDevice) -> bytes:
    if device._packets_this_turn >= _PACKETS_A_TURN:
        await _give_turn(device)
    packet = device.read()
    if packet is not None:
        device._packets_this_turn += 1
        return packet
    session = _session_of(device)
    return await _wait_for_packets(device, session, session.read)


async def read_many(device: TunDevice, max_packets: int) -> list[bytes]:
    if device._packets_this_turn >= _PACKETS_A_TURN:
        await _give_turn(device)
    packets = device.read_many(max_packets)
    if packets:
        device._packets_this_turn += len(packets)
        return packets
    session = _session_of(device)
    return await _wait_for_packets(device, session, lambda: session.read_many(max_packets))


async def _wait_for_packets(
    device: TunDevice, session: Session, attempt: Callable[[], Packets | None]
) -> Packets:
    watch = watch_of(session)
    while True:
        # Before the attempt, so that a signal after it is not missed.
        sleeper = watch.enter()
        try:
            packets = attempt()
            if packets:
                device._packets_this_turn += 1
                return packets
            device._packets_this_turn = 0
            await watch.sleep(sleeper)
        finally:
            watch.leave(sleeper)


async def write(device: TunDevice, packet: Buffer) -> None:
    if device._packets_this_turn >= _PACKETS_A_TURN:
        await _give_turn(device)
    try:
        device.write(packet)
    except RingFullError:
        pass
    else:
        device._packets_this_turn += 1
        return
    session = _session_of(device)
    attempts = 0
    while not session.write_many((packet,)):
        await _wait_for_room(attempts)
        attempts += 1


async def write_many(device: TunDevice, packets: Iterable[Buffer]) -> int:
    if device._packets_this_turn >= _PACKETS_A_TURN:
        await _give_turn(device)
    waiting = list(packets)
    written = device.write_many(waiting)
    device._packets_this_turn += written
    session = _session_of(device)
    attempts = 0
    while written < len(waiting):
        await _wait_for_room(attempts)
        accepted = session.write_many(waiting[written : written + _CHUNK])
        written += accepted
        attempts = 0 if accepted else attempts + 1
    return written


def _session_of(device: TunDevice) -> Session:
    session = device._session
    assert session is not None, "a call has just found the device up"  # noqa: S101
    return session


async def _give_turn(device: TunDevice) -> None:
    device._packets_this_turn = 0
    await _sleep(0)


async def _wait_for_room(attempts: int) -> None:
    if attempts < _TURNS_BEFORE_SLEEP:
        await _sleep(0)
    else:
        doubled = _FIRST_SLEEP * 2.0 ** min(attempts - _TURNS_BEFORE_SLEEP, 10)
        await _sleep(min(doubled, _LONGEST_SLEEP))


async def _sleep(seconds: float) -> None:
    if "trio" in sys.modules:
        from ._trio import sleep, token

        if token() is not None:
            return await sleep(seconds)
    import asyncio

    return await asyncio.sleep(seconds)
