"""`TunDevice`: an adapter, its configuration and its session as one object."""

from __future__ import annotations

import time
import warnings

from . import _addresses, _wintun
from ._addresses import FAMILY_NAMES, IPV4, IPV6, AddressBook
from ._aio._calls import AsyncDevice
from ._copying import NotCopyable
from ._locks import ForkSafeLock
from ._made import made_by_init, not_made

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from _thread import RLock
    from collections.abc import Callable, Iterable
    from typing import Union

    from typing_extensions import Self

    from ._addresses import AddressInput, Interface
    from ._records import Statistics

    GuidInput = Union[uuid.UUID, str, bytes]

# How long a new adapter's IP interfaces are waited for, in seconds. They come a moment after the
# adapter; one that is still missing then is taken to be switched off.
INTERFACE_TIMEOUT = 5.0

_MIN_MTU = 68
_MIN_IPV6_MTU = 1280
_MAX_MTU = 65535


class TunDevice(NotCopyable, AsyncDevice):
    """A layer 3 tunnel device: a network adapter whose other end is the program.

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
        name: Name of the adapter, 1 to 127 UTF-16 code units.
        tunnel_type: What the system shows as the kind of adapter, 1 to 127 UTF-16 code units.
        capacity: Bytes of each of the two rings that hold packets; see `ring_capacity`.
        guid: The adapter's GUID, as `uuid.UUID`, its text, or 16 bytes in Windows' layout
            (`uuid.UUID.bytes_le`). Windows knows a network by it; by default it is random.

    Raises:
        PermissionError: The process may not create adapters: it needs an Administrator.
        FileNotFoundError: The driver's library is missing.
        FileExistsError: There is an adapter of that name.
        OSError: The driver or the system refused; `winerror` has the Win32 code.
        TypeError, ValueError: An argument is of the wrong type or out of range.
    """

    _adapter: _wintun.Adapter | None = None
    # The last session, kept when it has ended: calls that are about to leave still count.
    _session: _wintun.Session | None = None

    _name: str = made_by_init()
    _ring_capacity: int = made_by_init()
    _spin_us: int = made_by_init()
    _ip_only: bool = made_by_init()
    # Guards the session; held for moments only.
    _lock: RLock = made_by_init()
    # Guards the addresses; may be held while an interface is waited for.
    _configuration_lock: RLock = made_by_init()
    _addresses: AddressBook = made_by_init()

    def __init__(
        self,
        name: str = "wintun",
        tunnel_type: str = "Wintun",
        capacity: int = 0x400000,
        guid: GuidInput | None = None,
    ) -> None:
        if self._adapter is not None:
            # What it reads and writes would still belong to the adapter before.
            raise RuntimeError("TunDevice.__init__() was called before: make another device")
        super().__init__()
        capacity = _check_capacity(capacity)
        guid_bytes = _guid_bytes(guid)
        try:
            self._start(capacity, _wintun.Adapter.create, name, tunnel_type, guid_bytes)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, name: str, capacity: int = 0x400000) -> Self:
        """Makes a device on an adapter that exists already, such as one that a crash left behind.

        Its addresses and MTU are as they were. Closing the device does not remove the adapter: that
        is for the one that created it.

        Args:
            name: Name of the adapter.
            capacity: Bytes of each of the two rings that hold packets; see `ring_capacity`.

        Raises:
            FileNotFoundError: There is no Wintun adapter of that name.
            PermissionError, OSError, TypeError, ValueError: As when a device is made.
        """
        capacity = _check_capacity(capacity)
        device = cls.__new__(cls)
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
        self._configuration_lock = ForkSafeLock()
        # What the sessions before the last have counted, and the last; one value, so that none is
        # ever counted twice.
        self._counted: tuple[tuple[int, ...], _wintun.Session | None] = ((0,) * 11, None)
        # IP versions whose interface was waited for in vain: not waited for a second time.
        self._missing: set[int] = set()
        # No line between: from its first moment the adapter has somebody to close it.
        self._adapter = make(*arguments)
        self._name = self._adapter.name
        self._addresses = AddressBook(self._adapter)

    # --- The adapter ----------------------------------------------------------------------------

    @property
    def adapter(self) -> _wintun.Adapter:
        """The adapter of the Wintun API; also when the device is closed."""
        if self._adapter is None:
            raise not_made("TunDevice")
        return self._adapter

    @property
    def name(self) -> str:
        """The adapter's name, as given when the device was made."""
        return self._name

    @property
    def luid(self) -> int:
        """The locally unique identifier of the adapter, 64 bits: the system's number for it."""
        return self.adapter.luid

    @property
    def index(self) -> int:
        """The interface index of the adapter. The system may change it; the LUID stays."""
        return self.adapter.index

    @property
    def guid(self) -> uuid.UUID:
        """The GUID of the adapter."""
        import uuid

        return uuid.UUID(bytes_le=self.adapter.guid)

    # --- Up and down ----------------------------------------------------------------------------

    @property
    def session(self) -> _wintun.Session | None:
        """The session of the Wintun API while the device is up, else None."""
        session = self._session
        return None if session is None or session.closed else session

    @property
    def is_up(self) -> bool:
        """Whether the device is up: `up()` was called, and neither `down()` nor `close()` since."""
        return self.session is not None

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._adapter is None or self._adapter.closed

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
        _check_int("spin_us", microseconds)
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

    def up(self) -> None:
        """Starts a session: packets pass from now on. Does nothing if the device is up.

        Raises:
            ClosedError: The device is closed.
            OSError: The driver refused; `winerror` has the Win32 code.
        """
        with self._lock:
            if self.is_up:
                return
            session = self.adapter.start_session(self._ring_capacity)
            # A signal handler may raise after any line: a session that has ended and is attached,
            # or counted, is as good as none.
            try:
                session.spin_us = self._spin_us
                session.ip_only = self._ip_only
                # None is held of a session before: it has to be over when another starts.
                self._counted = (self._totals(), session)
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
            # Ended first: a signal handler may raise between, and a session that is detached and
            # goes on could be ended by nobody.
            if self._session is not None:
                self._session.end()
            self._attach(None)

    def close(self) -> None:
        """Takes the device down and removes the adapter. Does nothing if it is closed."""
        if self._adapter is None:
            return
        with self._lock:
            self.down()
            self._adapter.close()

    @property
    def statistics(self) -> Statistics:
        """What passed through the device since it was made, over all its sessions."""
        from ._records import Statistics

        with self._lock:
            return Statistics(*self._totals())

    def _totals(self) -> tuple[int, ...]:
        earlier, session = self._counted
        if session is None:
            return earlier
        return tuple(map(sum, zip(earlier, session.statistics())))

    # --- MTU ------------------------------------------------------------------------------------

    @property
    def mtu(self) -> int:
        """The largest packet in bytes that the system sends through the device, 68 to 65535.

        Reading gives IPv4's, or IPv6's if the adapter has no IPv4. Setting sets both; with IPv6 the
        least is 1280. See `mtu4` and `mtu6` for each alone.

        A new adapter's IP interfaces are waited for, at most 5 seconds.

        Raises:
            TypeError: The value is not an int.
            ValueError: The value is out of range.
            ClosedError: The device is closed.
            OSError: The adapter has neither of the IP versions (`winerror` 1168), or the system
                refused.
        """
        return self.adapter.get_mtu(next(iter(self._families(enough=1)), IPV4))

    @mtu.setter
    def mtu(self, mtu: int) -> None:
        _check_int("mtu", mtu)
        if not _MIN_MTU <= mtu <= _MAX_MTU:
            raise ValueError(f"mtu must be from {_MIN_MTU} to {_MAX_MTU}, not {mtu}")
        families = self._families(enough=2)
        if IPV6 in families and mtu < _MIN_IPV6_MTU:
            raise ValueError(
                f"mtu must be at least {_MIN_IPV6_MTU} on an adapter with IPv6, not {mtu}; "
                "mtu4 sets that of IPv4 alone"
            )
        for family in families or [IPV4]:
            self.adapter.set_mtu(family, mtu)

    @property
    def mtu4(self) -> int:
        """The MTU of IPv4 alone, 68 to 65535; see `mtu`."""
        return self.adapter.get_mtu(IPV4)

    @mtu4.setter
    def mtu4(self, mtu: int) -> None:
        self.adapter.set_mtu(IPV4, mtu)

    @property
    def mtu6(self) -> int:
        """The MTU of IPv6 alone, 1280 to 65535; see `mtu`."""
        return self.adapter.get_mtu(IPV6)

    @mtu6.setter
    def mtu6(self, mtu: int) -> None:
        self.adapter.set_mtu(IPV6, mtu)

    def _families(self, enough: int) -> list[int]:
        """Returns which IP versions the adapter has, IPv4 first, as soon as there are enough.

        The calls of the adapter wait, too, but each for its own version; this waits for all.
        """
        deadline = time.monotonic() + INTERFACE_TIMEOUT
        present: list[int] = []
        for family in (IPV4, IPV6):
            if len(present) == enough:
                break
            left = 0.0 if family in self._missing else max(0.0, deadline - time.monotonic())
            if self.adapter.wait_family(family, left):
                present.append(family)
            else:
                self._missing.add(family)
        return present

    # --- Addresses ------------------------------------------------------------------------------

    @property
    def addr(self) -> str | None:
        """An address of the device as text without prefix, None if it has none.

        Reading gives the one that was assigned here last, else the first one, IPv4 before IPv6;
        never one that the system gave the adapter itself (link-local). Setting replaces the
        addresses of its IP version, except such automatic ones. It takes a `str`, with prefix or
        without (/32 and /64 are then meant), or an address or interface object of the `ipaddress`
        module. Setting one twice is fine.

        A new adapter's IP interfaces are waited for, at most 5 seconds.

        Raises:
            TypeError: The value is neither.
            ValueError: The value is no address that an adapter can have.
            ClosedError: The device is closed.
            OSError: The adapter lacks the IP version (`winerror` 1168), or the system refused.
        """
        return self._newest(IPV4, IPV6)

    @addr.setter
    def addr(self, address: AddressInput) -> None:
        self._assign(_addresses.parse(address))

    @property
    def addr4(self) -> str | None:
        """The IPv4 address as text, None if there is none; see `addr`."""
        return self._newest(IPV4)

    @addr4.setter
    def addr4(self, address: AddressInput) -> None:
        self._assign(_addresses.parse(address), IPV4)

    @property
    def addr6(self) -> str | None:
        """The IPv6 address as text, None if there is none; see `addr`."""
        return self._newest(IPV6)

    @addr6.setter
    def addr6(self, address: AddressInput) -> None:
        self._assign(_addresses.parse(address), IPV6)

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """All addresses with their prefixes, as `IPv4Interface` and `IPv6Interface`, IPv4 first.

        Setting takes an iterable of what `addr` takes and makes these the addresses of the device,
        of both IP versions. Automatic (link-local) addresses are listed, and stay.
        """
        with self._configuration_lock:
            return tuple(self._addresses.current())

    @addresses.setter
    def addresses(self, addresses: Iterable[AddressInput]) -> None:
        if isinstance(addresses, (str, bytes)):
            raise TypeError("addresses must be an iterable of addresses, not one; use addr for one")
        interfaces = [_addresses.parse(address) for address in addresses]
        with self._configuration_lock:
            # IPv4 goes last, so that its addresses are the newest.
            for family in (IPV6, IPV4):
                mine = [each for each in interfaces if each.version == family]
                self._addresses.replace(family, mine)

    def add_address(self, address: AddressInput) -> None:
        """Adds an address beside those that are there, or changes the prefix of one of them.

        Takes and raises what `addr` does.
        """
        interface = _addresses.parse(address)
        with self._configuration_lock:
            self._addresses.add(interface)

    def remove_address(self, address: AddressInput) -> None:
        """Removes an address; a prefix does not matter.

        Raises:
            FileNotFoundError: The device does not have it (`winerror` 1168).
        """
        interface = _addresses.parse(address)
        with self._configuration_lock:
            self._addresses.remove(interface)

    def _assign(self, interface: Interface, family: int | None = None) -> None:
        actual = interface.version
        if family is not None and family != actual:
            raise ValueError(f"not an {FAMILY_NAMES[family]} address: {str(interface)!r}")
        with self._configuration_lock:
            self._addresses.replace(actual, [interface])

    def _newest(self, *families: int) -> str | None:
        with self._configuration_lock:
            address = self._addresses.newest(*families)
        return None if address is None else str(_addresses.from_row(address, 0).ip)

    # --- The object -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # At the interpreter's end this module may be empty already: the adapter then closes itself.
        if warnings is not None and not self.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "up" if self.is_up else "down"
        name = vars(self).get("_name")
        return f"<wintun.{type(self).__name__} {name!r} {state}>"


def _check_capacity(capacity: int) -> int:
    _check_int("ring capacity", capacity)
    least, most = _wintun.MIN_RING_CAPACITY, _wintun.MAX_RING_CAPACITY
    if not least <= capacity <= most or capacity & (capacity - 1):
        raise ValueError(
            f"ring capacity must be a power of two from {least:#x} to {most:#x}, not {capacity}"
        )
    return capacity


def _check_int(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")


def _guid_bytes(guid: GuidInput | None) -> bytes | None:
    """Returns a GUID in the layout that it has in Windows' memory."""
    if guid is None:
        return None
    import uuid

    if isinstance(guid, uuid.UUID):
        return guid.bytes_le
    if isinstance(guid, bytes):
        if len(guid) != 16:
            raise ValueError(f"guid must be 16 bytes, not {len(guid)}: {guid!r}")
        return guid
    if not isinstance(guid, str):
        raise TypeError(f"guid must be a uuid.UUID, str or bytes, not {type(guid).__name__}")
    try:
        return uuid.UUID(guid).bytes_le
    except ValueError:
        raise ValueError(f"not a GUID: {guid!r}") from None
