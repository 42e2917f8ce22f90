# SPDX-License-Identifier: MIT
"""The asynchronous calls of `TunDevice`: attempts on the rings, and waits in between.

A task is never handed a packet: it is woken and takes one itself. So a task that is cancelled has
either returned a packet or not taken one. The kind of loop is asked for when a call has to wait.
"""

from __future__ import annotations

from wintun._wintun import ClosedError, DeviceBase, RingCorruptError, RingFullError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Callable, TypeVar

    from typing_extensions import Buffer, Self

    from wintun._wintun import Session

    Packets = TypeVar("Packets", bytes, "list[bytes]")

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

# The module `_loops`, from the first wait on: an import statement costs as much as a read.
_loops: Any = None


def _bind_loops() -> Any:
    global _loops
    from . import _loops as module

    _loops = module
    return module


class AsyncDevice(DeviceBase):
    """The asynchronous calls of a device."""

    _session: Session | None = None

    # Packets that asynchronous calls passed since the loop last had its turn, roughly: several
    # tasks count in it.
    _packets_this_turn = 0

    async def read_async(self) -> bytes:
        """Reads one packet; waits for one, letting other tasks run.

        This and the other asynchronous calls work in asyncio's loops, those that are like them, and
        trio's, with no thread for the wait, and in several tasks and loops at once. A call that is
        cancelled has taken no packet.

        Raises:
            ClosedError: The device is not up, or goes down meanwhile.
            AdapterTerminatingError: The adapter was removed.
            RingCorruptError: The ring cannot be read any more.
        """
        if self._packets_this_turn >= _PACKETS_A_TURN:
            await self._give_turn()
        packet = self.read()
        while packet is None:
            session = self._open_session()
            packet = await self._wait_for(session, session.read) or self.read()
        self._packets_this_turn += 1
        return packet

    async def read_many_async(self, max_packets: int = 64) -> list[bytes]:
        """Reads the packets that are there, up to `max_packets`; waits for the first.

        Returns at least one packet, in the order of arrival. Raises what `read_async` does.
        """
        if self._packets_this_turn >= _PACKETS_A_TURN:
            await self._give_turn()
        packets = self.read_many(max_packets)
        while not packets:
            session = self._open_session()
            packets = await self._wait_for(
                session, session.read_many, max_packets
            ) or self.read_many(max_packets)
        self._packets_this_turn += len(packets)
        return packets

    async def write_async(self, packet: Buffer) -> None:
        """Writes one packet as `write` does; waits while the ring is full, letting other tasks run.

        Raises what `write` does, but `RingFullError`. A call that is cancelled has written nothing.
        Each attempt on a full ring counts as one in `statistics`.
        """
        if self._packets_this_turn >= _PACKETS_A_TURN:
            await self._give_turn()
        try:
            self.write(packet)
        except RingFullError:
            await self._write_waiting(packet)
        else:
            self._packets_this_turn += 1

    async def write_many_async(self, packets: Iterable[Buffer]) -> int:
        """Writes all packets in their order; waits while the ring is full.

        Returns how many there were. Raises what `write_async` does; some of the packets may have
        been written then, and also when the call is cancelled. Arguments are all checked first, and
        a wrong one sends nothing.
        """
        if self._packets_this_turn >= _PACKETS_A_TURN:
            await self._give_turn()
        waiting = list(packets)
        written = self.write_many(waiting)
        self._packets_this_turn += written
        session = self._open_session()
        attempts = 0
        while written < len(waiting):
            await _wait_for_room(attempts)
            accepted, session = self._write_some(session, waiting[written : written + _CHUNK])
            written += accepted
            attempts = 0 if accepted else attempts + 1
        return written

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Reads one packet; the end of the iteration when the device goes down.

        Raises:
            ClosedError: The device was never up: `up()` was forgotten.
        """
        try:
            return await self.read_async()
        except ClosedError:
            if self._session is None:
                raise
            raise StopAsyncIteration from None

    async def _wait_for(
        self, session: Session, attempt: Callable[..., Packets | None], *arguments: int
    ) -> Packets | None:
        """Returns what an attempt on the session finds; None if another one took its place."""
        try:
            return await self._wait_on(session, attempt, *arguments)
        except (ClosedError, RingCorruptError) as error:
            if not self._goes_on(session, isinstance(error, RingCorruptError)):
                raise
            return None

    async def _wait_on(
        self, session: Session, attempt: Callable[..., Packets | None], *arguments: int
    ) -> Packets:
        watch = (_loops or _bind_loops()).watch_of(session)
        packets = None
        while not packets:
            sleeper = watch.new_sleeper()
            try:
                watch.enter(sleeper)
                # Once more, after `enter`: a signal that comes after this look ends the sleep.
                packets = attempt(*arguments)
                if not packets:
                    self._packets_this_turn = 0
                    await watch.sleep(sleeper)
                    packets = attempt(*arguments)
            finally:
                watch.leave(sleeper)
        return packets

    async def _write_waiting(self, packet: Buffer) -> None:
        session = self._open_session()
        attempts = 0
        accepted = 0
        while not accepted:
            await _wait_for_room(attempts)
            accepted, session = self._write_some(session, (packet,))
            attempts += 1

    def _write_some(self, session: Session, packets: Sequence[Buffer]) -> tuple[int, Session]:
        """Writes what there is room for; returns how many, and the session to go on with."""
        try:
            return session.write_many(packets), session
        except ClosedError:
            if not self._goes_on(session, False):
                raise
        return self.write_many(packets), self._open_session()

    def _open_session(self) -> Session:
        session = self._session
        assert session is not None, "a call has just found the device up"  # noqa: S101
        return session

    async def _give_turn(self) -> None:
        self._packets_this_turn = 0
        await (_loops or _bind_loops()).sleep(0)


async def _wait_for_room(attempts: int) -> None:
    seconds = 0.0
    if attempts >= _TURNS_BEFORE_SLEEP:
        doubled = _FIRST_SLEEP * 2.0 ** min(attempts - _TURNS_BEFORE_SLEEP, 10)
        seconds = min(doubled, _LONGEST_SLEEP)
    await (_loops or _bind_loops()).sleep(seconds)
