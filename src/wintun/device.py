"""`TunDevice`: an adapter, its configuration and its session as one object."""

from __future__ import annotations

import warnings

from . import _wintun
from ._aio._calls import AsyncDevice
from ._checks import check_int
from ._configuration import ConfiguredDevice
from ._copying import NotCopyable
from ._guids import guid_bytes, random_guid
from ._locks import ForkSafeLock
from ._made import made_by_init, not_made

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from _thread import RLock
    from collections.abc import Callable
    from typing import Any, NoReturn

    from typing_extensions import Self

    from ._guids import GuidInput
    from ._records import Statistics

# The module `_records`, from its first use on: `typing`, which it needs, takes long to import. And
# an import statement that is gone through again costs more than the rest of `statistics`.
_records: Any = None


def _bind_records() -> Any:
    global _records
    from . import _records as module

    _records = module
    return module


class TunDevice(NotCopyable, ConfiguredDevice, AsyncDevice):
    r"""A layer 3 tunnel device: a network adapter whose other end is the program.

    The program reads the IP packets that the system sends out through the adapter, and what it
    writes arrives in the system as if from a network.

    Making one creates the network adapter. Configure it, then call `up()`: packets pass until
    `down()`. `close()`, leaving a `with` block, or the end of the process removes the adapter; a
    device that is collected unclosed is closed with a `ResourceWarning`. A `with` block closes the
    device at its end but does not bring it up.

    Reading and writing is done by `read`, `read_many`, `write`, `write_many`, `wait_read_event`,
    without copies by `receive_packet` and `allocate_send_packet`, and by iteration, which yields
    packets until the device is down. They raise `ClosedError` while the device is not up.

    Every method and property may be used from any thread at any time. `down()` and `close()` wake
    the threads that wait in a read or write, which then raise `ClosedError`; iteration ends.

    Args:
        name: Name of the adapter, 1 to 127 UTF-16 code units, without the characters that Windows
            refuses: `\ / : * ? " < > |` and control characters. Windows does not look at the case
            of its letters. It must be nobody else's, also no network card's: Wintun would rename
            that connection.
        tunnel_type: What the system shows as the kind of adapter, 1 to 127 UTF-16 code units.
        capacity: Bytes of each of the two rings that hold packets; see `ring_capacity`.
        guid: The adapter's GUID, as `uuid.UUID`, its text, or 16 bytes in Windows' layout
            (`uuid.UUID.bytes_le`). Windows knows a network by it; by default it is random.
        attempts: How often creation is tried, 1 to 100, where Windows does not start the adapter in
            15 seconds or still removes an earlier one of this GUID: both often pass.
        restart_on_corruption: Whether a corrupt ring starts a new session; see the property.

    Raises:
        PermissionError: The process may not create adapters: it needs an Administrator.
        FileNotFoundError: The driver's library is missing.
        FileExistsError: A network connection has the name, or an adapter the GUID.
        OSError: The driver or the system refused; `winerror` has the Win32 code.
        TypeError, ValueError: An argument is of the wrong type or out of range.
    """

    # An object takes these attributes and no others: DeviceBase refuses what its class does not
    # have. A class of the user's may have more.
    _adapter: _wintun.Adapter | None = None
    # The last session, kept when it has ended: calls that are about to leave still count.
    _session: _wintun.Session | None = None

    # What makes the adapter again.
    _make: tuple[Callable[..., _wintun.Adapter], tuple[object, ...]] = made_by_init()
    # The adapter is being made again, or that failed: what `_adapter` has is not of use.
    _is_lost = False
    # Whether up() was called, and neither down() nor close() since.
    _is_wanted_up = False
    _restarts_on_corruption = False
    _restarts = 0
    # The session that was started last in a corrupt one's place.
    _restarted: _wintun.Session | None = None

    _name: str = made_by_init()
    _ring_capacity: int = made_by_init()
    _spin_us: int = made_by_init()
    _ip_only: bool = made_by_init()
    # Guards the session; held for moments only.
    _lock: RLock = made_by_init()
    _counted: tuple[Statistics | None, _wintun.Session | None] = made_by_init()

    _warn = staticmethod(warnings.warn)  # for __del__

    def __init__(
        self,
        name: str = "wintun",
        tunnel_type: str = "Wintun",
        capacity: int = 0x400000,
        guid: GuidInput | None = None,
        *,
        attempts: int = 2,
        restart_on_corruption: bool = False,
    ) -> None:
        if self._adapter is not None:
            # What it reads and writes would still belong to the adapter before.
            raise RuntimeError("TunDevice.__init__() was called before: make another device")
        super().__init__()
        capacity = _check_capacity(capacity)
        self.restart_on_corruption = restart_on_corruption
        # Not the driver's choice, for the adapter may have to be made again with the same one.
        chosen = guid_bytes(guid) or random_guid()
        try:
            create = _wintun.Adapter.create
            self._start(capacity, create, name, tunnel_type, chosen, attempts)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(
        cls, name: str, capacity: int = 0x400000, *, restart_on_corruption: bool = False
    ) -> Self:
        """Makes a device on an adapter that exists already: that of another process that runs.

        An adapter does not outlive the process that made it, however that ended: Windows removes it
        then. For a moment it may still be there to be opened, and ends at once.

        Its addresses and MTU are as they were. Closing the device does not remove the adapter: that
        is for the one that created it.

        Args:
            name: Name of the adapter.
            capacity: Bytes of each of the two rings that hold packets; see `ring_capacity`.
            restart_on_corruption: Whether a corrupt ring starts a new session; see the property.

        Raises:
            FileNotFoundError: There is no Wintun adapter of that name.
            PermissionError, OSError, TypeError, ValueError: As when a device is made.
        """
        capacity = _check_capacity(capacity)
        device = cls.__new__(cls)
        device.restart_on_corruption = restart_on_corruption
        try:
            device._start(capacity, _wintun.Adapter.open, name)
        except BaseException:
            device.close()
            raise
        return device

    def _start(
        self, capacity: int, make: Callable[..., _wintun.Adapter], *arguments: object
    ) -> None:
        self._ring_capacity = capacity
        self._spin_us = _wintun.DEFAULT_SPIN_US
        self._ip_only = False
        self._lock = ForkSafeLock()
        # What the sessions before the last have counted, and the last; one value, so that none is
        # ever counted twice.
        self._counted = (None, None)
        self._begin_configuration()
        self._make = (make, arguments)
        # No line between: from its first moment the adapter has somebody to close it.
        self._adapter = make(*arguments)
        self._name = self._adapter.name

    # --- The adapter ----------------------------------------------------------------------------

    @property
    def adapter(self) -> _wintun.Adapter:
        """The adapter of the Wintun API; also when the device is closed."""
        if self._adapter is None:
            raise not_made(type(self))
        return self._adapter

    def _usable_adapter(self) -> _wintun.Adapter:
        if self._is_lost:
            self._refuse("gone")
        return self.adapter

    @property
    def name(self) -> str:
        """The adapter's name, as the system had it when the device was made.

        `adapter.name` asks the system: the user may have renamed the connection meanwhile, or
        another program, by creating an adapter of this name without looking whether it was taken.
        """
        return self._name

    @property
    def luid(self) -> int:
        """The locally unique identifier of the adapter, 64 bits: the system's number for it."""
        return self.adapter.luid

    @property
    def index(self) -> int:
        """The interface index of the adapter. The system may change it; the LUID stays."""
        return self._usable_adapter().index

    @property
    def guid(self) -> uuid.UUID:
        """The GUID of the adapter."""
        import uuid

        return uuid.UUID(bytes_le=self._usable_adapter().guid)

    # --- Up and down ----------------------------------------------------------------------------

    @property
    def session(self) -> _wintun.Session | None:
        """The session of the Wintun API between `up()` and `down()`, else None."""
        session = self._session
        return None if session is None or session.closed else session

    @property
    def is_up(self) -> bool:
        """Whether packets can pass: after `up()`, until `down()`, `close()` or the adapter's end.

        False as soon as the adapter was removed; of one that was disabled, from the first read or
        write on that says so. Asks the system, and never waits.
        """
        session = self.session
        return session is not None and not session.terminating

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._adapter is None or (self._adapter.closed and not self._is_lost)

    @property
    def ring_capacity(self) -> int:
        """Bytes of each of the two rings: a power of two, 0x20000 (128 KiB) to 0x4000000 (64 MiB).

        A change takes effect at the next `up()`.
        """
        return self._ring_capacity

    @ring_capacity.setter
    def ring_capacity(self, capacity: int) -> None:
        self._ring_capacity = _check_capacity(capacity)

    @property
    def spin_us(self) -> int:
        """How long a blocking read looks for packets before it goes to sleep, in microseconds.

        0 (never) to 100000, by default 12. It does so only while traffic is heavy, above 800 Mbit/s
        or 80,000 packets a second over the last 10 ms or more: then the next packet comes sooner
        than a sleep would end.
        """
        return self._spin_us

    @spin_us.setter
    def spin_us(self, microseconds: int) -> None:
        check_int("spin_us", microseconds)
        if not 0 <= microseconds <= _wintun.LONGEST_SPIN_US:
            raise ValueError(
                f"spin_us must be from 0 to {_wintun.LONGEST_SPIN_US}, not {microseconds}"
            )
        with self._lock:
            self._spin_us = microseconds
            if self._session is not None:
                self._session.spin_us = microseconds

    @property
    def ip_only(self) -> bool:
        """Whether what the driver would discard is refused; by default False.

        A packet that is neither IPv4 of at least 20 bytes nor IPv6 of at least 40 is then a
        `ValueError` when it is written or sent, and nothing of that call is sent. Otherwise it is
        sent for nothing, and counted as `packets_not_ip` in `statistics`.
        """
        return self._ip_only

    @ip_only.setter
    def ip_only(self, refuse: bool) -> None:
        if not isinstance(refuse, bool):
            raise TypeError(f"ip_only must be a bool, not {refuse!r}")
        with self._lock:
            self._ip_only = refuse
            if self._session is not None:
                self._session.ip_only = refuse

    @property
    def restart_on_corruption(self) -> bool:
        """Whether a session whose ring is corrupt is replaced with a new one; by default not.

        The released driver can overrun its ring when several senders of the system use it at once,
        and the ring cannot be read any more then. Without this, reads raise `RingCorruptError`
        until `down()` and `up()`. With it, the read that meets it starts a new session, and all
        calls that are under way go on with that; `statistics.restarts` counts it. A timeout begins
        anew then. What was in the rings is lost, as in a network.

        The read still raises `RingCorruptError` when a session that was started so is corrupt
        before its first packet, and `OSError` when none can be started, as while packets of the
        old one are held for longer than a second (`winerror` 1247): the device is down then.
        """
        return self._restarts_on_corruption

    @restart_on_corruption.setter
    def restart_on_corruption(self, restart: bool) -> None:
        if not isinstance(restart, bool):
            raise TypeError(f"restart_on_corruption must be a bool, not {restart!r}")
        self._restarts_on_corruption = restart

    def up(self) -> None:
        """Starts a session: packets pass from now on. Does nothing if the device is up.

        Raises:
            ClosedError: The device is closed.
            AdapterTerminatingError: The adapter was removed; `recreate` brings it back.
            OSError: The driver refused; `winerror` has the Win32 code.
        """
        with self._lock:
            if not self.is_up:
                self._start_session()
            self._is_wanted_up = True

    def _start_session(self) -> None:
        adapter = self._usable_adapter()
        self._end_session()
        session = adapter.start_session(self._ring_capacity)
        # A signal handler may raise after any line: a session that has ended and is attached, or
        # counted, is as good as none.
        try:
            session.spin_us = self._spin_us
            session.ip_only = self._ip_only
            # What is held is counted of the last session alone.
            self._counted = (self._totals()._replace(packets_held=0), session)
            self._attach(session)
            self._session = session
        except BaseException:
            session.end()
            raise

    def down(self) -> None:
        """Ends the session: wakes all that wait in it. Does nothing if the device is down.

        Packets that are held stay valid; packets in the rings are lost. The adapter and its
        configuration stay, and `up()` may be called again.
        """
        with self._lock:
            self._is_wanted_up = False
            self._end_session()

    def _end_session(self) -> None:
        # Ended first: a signal handler may raise between, and a session that is detached and goes
        # on could be ended by nobody.
        if self._session is not None:
            self._session.end()
        self._attach(None)

    def close(self) -> None:
        """Takes the device down and removes the adapter. Does nothing if it is closed."""
        if self._adapter is None:
            return
        with self._lock:
            self.down()
            self._is_lost = False  # recreate() sees this, and leaves nothing behind
            self._adapter.close()

    def recreate(self) -> None:
        """Brings the adapter back after it went away, as over a sleep of the machine.

        Makes an adapter of the same name, kind and GUID, with the MTU and the addresses that this
        device was given. `ring_capacity`, `spin_us` and `statistics` go on. If the device was up,
        it is up again. On a device that was made by `open`, the adapter is opened again.

        Does nothing if the adapter is there and works: so each of several threads that meet
        `AdapterTerminatingError` can call it, and goes on reading then. It waits for the adapter
        and its IP interfaces, so a task calls it by `asyncio.to_thread`. If it fails, it can be
        called again.

        Raises:
            ClosedError: The device is closed, also meanwhile.
            FileNotFoundError: On a device made by `open`: nobody has made the adapter again.
            OSError: The driver or the system refused; `winerror` has the Win32 code.
        """
        with self._configuration_lock:
            if self._works_again():
                return
            # In this order: the driver may not make a second one of the same GUID.
            self.adapter.close()
            make, arguments = self._make
            adapter = None
            try:
                adapter = make(*arguments)
                for family, mtu in self._mtus.items():
                    adapter.set_mtu(family, mtu)
                self._addresses.restore(adapter)
                self._put(adapter)
            except BaseException:
                if adapter is not None and adapter is not self._adapter:
                    adapter.close()
                raise

    def _works_again(self) -> bool:
        """Returns whether the adapter is there after all; else lets go of it."""
        with self._lock:
            if self.closed:
                self._refuse("closed")
            if not self._is_gone():
                if self._is_wanted_up and not self.is_up:
                    self._start_session()  # it was disabled, and is enabled again
                return True
            self._is_lost = True
            if self._session is not None:
                self._session._is_replaced = True
            self._attach(None)
            return False

    def _put(self, adapter: _wintun.Adapter) -> None:
        """Makes an adapter the one of this device."""
        with self._lock:
            if not self._is_lost:
                self._refuse("closed")
            self._adapter = adapter
            self._name = adapter.name
            self._is_lost = False
            if self._is_wanted_up:
                self._start_session()

    @property
    def statistics(self) -> Statistics:
        """What passed through the device since it was made, over all its sessions."""
        with self._lock:
            return self._totals()._replace(restarts=self._restarts)

    def _totals(self) -> Statistics:
        records = _records or _bind_records()
        earlier, session = self._counted
        if earlier is None:
            earlier = records.NOTHING
        if session is not None:
            earlier = records.Statistics(*map(sum, zip(earlier, session.statistics)))
        return earlier

    # --- For the data path (device.c) -----------------------------------------------------------

    def _refuse_absent(self) -> None:
        """Raises the error of a call that found no session, unless there is one by now."""
        if self._adapter is None:
            raise not_made(type(self))
        with self._lock:  # which another thread has while it puts one session in another's place
            if self.session is not None:
                return
            if self.closed:
                self._refuse("closed")
            self._refuse("gone" if self._is_gone() else "down")

    def _is_gone(self) -> bool:
        """Returns whether the adapter of a device that is not closed is not there any more."""
        return self._is_lost or self.adapter.removed

    def _iterates_on(self) -> bool:
        """Returns whether an iteration that found no session goes on; raises if it may not end."""
        try:
            self._refuse_absent()
        except _wintun.ClosedError:
            if self._session is None:  # never up
                raise
            return False
        return True

    def _goes_on(self, ended: _wintun.Session, is_corrupt: bool, /) -> bool:
        """Returns whether a call that this session has failed is to be made again."""
        with self._lock:
            if is_corrupt and self._restarts_on_corruption:
                if self.session is not ended:
                    return True  # it was ended meanwhile, and what there is now tells the rest
                self._restart(ended)
            return ended._is_replaced

    def _restart(self, corrupt: _wintun.Session) -> None:
        if corrupt is self._restarted and corrupt.statistics.packets_received == 0:
            return  # it would be for ever
        # First, so that whoever is thrown out of it comes here, and waits for the new one.
        corrupt._is_replaced = True
        self._start_session()
        self._restarted = self._session
        self._restarts += 1

    def _refuse_attribute(self, name: str) -> NoReturn:
        from ._misspelt import settings_like

        likely = settings_like(type(self), name)
        hint = f"; did you mean {likely}?" if likely else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    # --- The object -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self.closed:
            self._refuse_absent()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # At the interpreter's end this module and `warnings` may be empty already, so this and what
        # it calls use none of their names.
        if not self.closed:
            self._warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
            self.close()

    def __repr__(self) -> str:
        adapter = self._adapter
        if adapter is None:
            return f"<wintun.{type(self).__name__} None closed>"
        if self.closed:
            state = "closed"
        elif self._is_gone():
            state = "gone"
        else:
            state = "up" if self.is_up else "down"
        words = [repr(vars(self).get("_name")), state, *map(str, self._addresses.given())]
        return f"<wintun.{type(self).__name__} {' '.join(words)}>"


def _check_capacity(capacity: int) -> int:
    check_int("ring capacity", capacity)
    least, most = _wintun.MIN_RING_CAPACITY, _wintun.MAX_RING_CAPACITY
    if not least <= capacity <= most or capacity & (capacity - 1):
        raise ValueError(
            f"ring capacity must be a power of two from {least:#x} to {most:#x}, not {capacity}"
        )
    return capacity
