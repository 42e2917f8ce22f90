# SPDX-License-Identifier: MIT
"""`TunTapDevice`, the device that pymobiledevice3 takes, on `wintun.TunDevice`.

It has the surface of the class of that name in pytun-pmd3 on Windows, so that a program changes one
import:

    from wintun.pytun import TunTapDevice

The guide to it, with the differences, is docs/pymobiledevice3.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from contextlib import suppress
from weakref import ref

from ._copying import NotCopyable
from ._locks import ForkSafeLock
from ._made import made_by_init
from ._wintun import MAX_IP_PACKET_SIZE, RingFullError
from .device import TunDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import RLock
    from collections.abc import Awaitable, Callable
    from typing import TypeVar, Union

    from typing_extensions import Self

    from ._records import Statistics

    Packets = TypeVar("Packets")
    Payload = Union[bytes, bytearray, memoryview]

__all__ = ["INFINITE", "TunTapDevice"]

INFINITE = 0xFFFFFFFF
"""The timeout of a read that waits for ever, Windows' number for it."""

_TUNNEL_TYPE = "WinTun"
_CAPACITY = 0x400000
_PREFIX_SIZE = 4

# Packets of one batch: a relay sends each by itself, and other tasks wait meanwhile.
_BATCH = 64

# A session can be ended under a read, but not a read alone. So a read that waits looks up from time
# to time, in seconds; `async_read` and `async_read_batch` do not need to.
_SLICE = 0.05


class TunTapDevice(NotCopyable):
    """A tunnel device with the surface of pytun-pmd3's class on Windows.

    Every method and property may be used from any thread, those that begin with `async_` in the
    thread of their asyncio loop. A device that is collected unclosed is closed with a
    `ResourceWarning`. A context manager: closes the device.

    A Wintun adapter of the name that is there already, which another process has made and still
    holds, is opened and used. It is then not removed by `close`. An adapter that a killed process
    made does not stay: Windows removes it.

    Args:
        name: Name of the adapter, 1 to 127 UTF-16 code units; None for a new one.
        attempts: How often creation is tried, 1 to 100; see `wintun.TunDevice`.

    Raises:
        PermissionError: The process may not create adapters: it needs an Administrator.
        FileExistsError: A network connection that is no Wintun adapter has the name.
        FileNotFoundError: The driver or its library is missing.
        OSError: The driver or the system refused; `winerror` has the Win32 code.
        TypeError, ValueError: The name is of the wrong type, empty or too long.
    """

    _device: TunDevice = made_by_init()
    _waits: _Waits = made_by_init()
    _drop_lock: RLock = made_by_init()
    _dropped: int = made_by_init()

    def __init__(self, name: str | None = None, attempts: int = 2) -> None:
        self._waits = _Waits()
        self._drop_lock = ForkSafeLock()
        self._dropped = 0
        # Last: where a signal handler raises before, there is nothing to close.
        self._device = _create(attempts) if name is None else _open_or_create(name, attempts)

    # --- The adapter ----------------------------------------------------------------------------

    @property
    def device(self) -> TunDevice:
        """The device underneath, with all that `wintun.TunDevice` can do."""
        return self._device

    @property
    def name(self) -> str:
        """Name of the adapter."""
        return self._device.name

    @property
    def luid(self) -> int:
        """The locally unique identifier of the adapter, 64 bits."""
        return self._device.luid

    @property
    def interface_index(self) -> int:
        """The interface index of the adapter."""
        return self._device.index

    @property
    def addr(self) -> str:
        """The address of the device without prefix, "" if it has none.

        Setting takes an IPv4 or IPv6 address, with prefix or without (/32 and /64 are then meant),
        and replaces that of its IP version. The adapter's IP interface is waited for, at most 5
        seconds.

        Raises:
            ValueError: The text is no address that an adapter can have.
            ClosedError: The device is closed.
            OSError: The adapter lacks the IP version (`winerror` 1168), or the system refused.
        """
        return self._device.addr or ""

    @addr.setter
    def addr(self, address: str) -> None:
        self._device.addr = address

    @property
    def mtu(self) -> int:
        """The MTU in bytes of the IP version that `addr` has, of IPv6 without an address.

        68 to 65535, for IPv6 at least 1280. The adapter's IP interface is waited for, at most 5
        seconds. Raises what `addr` does.
        """
        return self._device.mtu4 if self._is_ipv4() else self._device.mtu6

    @mtu.setter
    def mtu(self, mtu: int) -> None:
        if self._is_ipv4():
            self._device.mtu4 = mtu
        else:
            self._device.mtu6 = mtu

    def _is_ipv4(self) -> bool:
        return "." in self.addr and ":" not in self.addr

    # --- Up and down ----------------------------------------------------------------------------

    def up(self, capacity: int | None = None) -> None:
        """Starts to pass packets. Does nothing if the device is up.

        Args:
            capacity: Bytes of each ring: a power of two, 0x20000 to 0x4000000; None leaves it.

        Raises:
            ClosedError: The device is closed.
            OSError: The driver refused; `winerror` has the Win32 code.
            TypeError, ValueError: No such capacity.
        """
        if capacity is not None:
            self._device.ring_capacity = capacity
        self._device.up()

    def down(self) -> None:
        """Stops to pass packets; reads that wait raise `ClosedError`. Twice is fine."""
        self._device.down()

    def close(self) -> None:
        """Takes the device down and removes the adapter. Twice is fine."""
        if "_device" in vars(self):  # else `__init__` failed, or was not called
            self._device.close()

    if sys.platform != "win32":

        def fileno(self) -> int:
            """Returns a file descriptor that polls readable when packets have arrived.

            It is for `select` and its like alone: take the packets with `read`, until there is
            none. It is valid until `down` or `close`; -1 when the device is not up.
            """
            session = self._device.session
            return -1 if session is None else session.read_wait_event

    # --- Reading --------------------------------------------------------------------------------

    def read(self, timeout: int | None = INFINITE) -> bytes | None:
        """Returns the next packet from the system; waits for it.

        Args:
            timeout: Milliseconds, `INFINITE` or None to wait for ever.

        Returns:
            The packet; None if `cancel_read` was called, at the latest 50 ms after that.

        Raises:
            TimeoutError: No packet came in time.
            ClosedError: The device is not up, or was taken down meanwhile.
            AdapterTerminatingError: The adapter was removed or disabled.
        """
        packet = self._device.read()
        if packet is not None:
            return packet
        wait = _Wait()
        try:
            self._waits.add(wait)
            return self._read_in_slices(wait, timeout)
        finally:
            wait.is_over = True
            self._waits.reads.discard(wait)

    def _read_in_slices(self, wait: _Wait, timeout: int | None) -> bytes | None:
        # A function of its own: what a signal handler raises at the end of a round of `while`
        # passes over the `finally` around it, in CPython 3.12 and 3.13.
        forever = timeout is None or timeout == INFINITE
        deadline = float("inf") if forever else time.monotonic() + (timeout or 0) / 1000
        while not wait.cancelled:
            left = deadline - time.monotonic()
            packet = self._device.read(min(max(left, 0.0), _SLICE))
            if packet is not None:
                return packet
            if left <= 0:
                raise TimeoutError(f"no packet within {timeout} ms")
        return None

    async def async_read(self) -> bytes | None:
        """Returns the next packet from the system; None if `cancel_read` was called.

        No thread waits. Cancelling the task loses no packet.

        Raises:
            ClosedError: The device is not up, or was taken down meanwhile.
            AdapterTerminatingError: The adapter was removed or disabled.
        """
        return await self._until_cancelled(self._device.read_async)

    async def async_read_batch(self) -> list[bytes]:
        """Returns the packets that are there, in order; waits until there is one.

        An empty list means that `cancel_read` was called. Raises what `async_read` does.
        """
        packets = await self._until_cancelled(lambda: self._device.read_many_async(_BATCH))
        return packets or []

    def cancel_read(self) -> None:
        """Ends all reads that wait. If none does, the next read that would wait is ended."""
        self._waits.cancel()

    async def _until_cancelled(self, read: Callable[[], Awaitable[Packets]]) -> Packets | None:
        wait = _TaskWait()
        try:
            self._waits.add(wait)
            if wait.cancelled:
                return None
            try:
                return await read()
            except asyncio.CancelledError:
                if wait.is_reason():
                    return None
                raise
        finally:
            wait.is_over = True
            self._waits.reads.discard(wait)

    # --- Writing --------------------------------------------------------------------------------

    def write(self, payload: Payload) -> None:
        """Sends a packet to the system, or drops it: never blocks.

        Packets are dropped, as in any network, when the ring is full or when they are larger than
        65535 bytes; `dropped` counts them.

        Args:
            payload: An IP packet, bare or after four bytes that tell its protocol, as in
                00 00 86 dd. Those begin with 0, a packet with its version.

        Raises:
            ClosedError: The device is not up.
            AdapterTerminatingError: The adapter was removed or disabled.
        """
        packet = memoryview(payload)[_PREFIX_SIZE:] if payload[:1] == b"\0" else payload
        if len(packet) > MAX_IP_PACKET_SIZE:
            self._drop()
            return
        try:
            self._device.write(packet)
        except RingFullError:
            self._drop()

    def _drop(self) -> None:
        with self._drop_lock:
            self._dropped += 1

    @property
    def dropped(self) -> int:
        """How many packets `write` has dropped."""
        return self._dropped

    @property
    def statistics(self) -> Statistics:
        """What passed through the device; see `wintun.TunDevice.statistics`."""
        return self._device.statistics

    # --- The object -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<wintun.pytun.TunTapDevice on {vars(self).get('_device')!r}>"


def _create(attempts: int) -> TunDevice:
    # A name that nobody else chooses, also no other process at the same moment.
    name = f"wintun-{os.urandom(4).hex()}"
    return TunDevice(name, _TUNNEL_TYPE, _CAPACITY, attempts=attempts)


def _open_or_create(name: str, attempts: int) -> TunDevice:
    try:
        device = TunDevice.open(name, _CAPACITY)
    except FileNotFoundError:
        return TunDevice(name, _TUNNEL_TYPE, _CAPACITY, attempts=attempts)
    try:
        logging.getLogger("wintun").info("Adapter %r was there already and is used again", name)
    except BaseException:  # of a signal handler
        device.close()
        raise
    return device


# --- Reads that can be cancelled ----------------------------------------------------------------


class _Wait:
    """A read that may be cancelled."""

    cancelled = False
    is_over = False

    def cancel(self) -> None:
        self.cancelled = True


class _TaskWait(_Wait):
    """A read of an asyncio task: what the task awaits is cancelled, and only that."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "an asyncio task is running this"  # noqa: S101
        # Weak: a task that its loop has forgotten goes, and its read with it.
        self._task = ref(task)
        self._loop = asyncio.get_running_loop()
        self._stopped = False

    def cancel(self) -> None:
        super().cancel()
        with suppress(RuntimeError):  # the loop is closed: nothing waits in it
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        # The loop runs this, so the task stands still: in the read, unless that is over by now.
        task = self._task()
        if task is not None and not self.is_over and not self._stopped:
            self._stopped = task.cancel()

    def is_reason(self) -> bool:
        """Whether the task was cancelled here, and nowhere else."""
        if not self._stopped:
            return False
        # Before Python 3.11 nobody can tell whether somebody else has cancelled the task, too.
        uncancel = getattr(self._task(), "uncancel", None)
        return uncancel is None or uncancel() == 0


class _Waits:
    """The reads that wait now."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may cancel.
        self._lock = ForkSafeLock()
        # Whoever adds a read takes it out again, with `discard` of the set itself and nothing
        # else: in a function written in Python a signal handler could raise before its first line.
        self.reads: set[_Wait] = set()
        # Nobody waited for a packet when it was asked to stop that: the next one is meant.
        self._next_is_cancelled = False

    def add(self, wait: _Wait) -> None:
        with self._lock:
            self.reads.add(wait)
            wait.cancelled, self._next_is_cancelled = self._next_is_cancelled, False

    def cancel(self) -> None:
        with self._lock:
            reads = self.reads.copy()
            self._next_is_cancelled = not reads
        for wait in reads:
            wait.cancel()
