# SPDX-License-Identifier: MIT
"""What a device configures of its adapter's IP interfaces: the MTU and the addresses."""

from __future__ import annotations

import time

from . import _addresses
from ._addresses import FAMILY_NAMES, IPV4, IPV6, AddressBook
from ._checks import check_int
from ._locks import ForkSafeLock
from ._made import made_by_init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import RLock
    from collections.abc import Iterable

    from . import _wintun
    from ._addresses import AddressInput, Interface

# How long a new adapter's IP interfaces are waited for, in seconds. They come a moment after the
# adapter; one that is still missing then is taken to be switched off.
INTERFACE_TIMEOUT = 5.0

_MIN_MTU = 68
_MIN_IPV6_MTU = 1280
_MAX_MTU = 65535


class ConfiguredDevice:
    """The settings of `TunDevice` that are those of its adapter's IP interfaces."""

    # Guards the settings; may be held while an interface is waited for.
    _configuration_lock: RLock = made_by_init()
    _addresses: AddressBook = made_by_init()
    # The MTU that each IP version was given here.
    _mtus: dict[int, int] = made_by_init()

    if TYPE_CHECKING:

        def _usable_adapter(self) -> _wintun.Adapter: ...

    def _begin_configuration(self) -> None:
        self._configuration_lock = ForkSafeLock()
        self._mtus = {}
        self._addresses = AddressBook()

    # --- MTU ------------------------------------------------------------------------------------

    @property
    def mtu(self) -> int:
        """The largest packet in bytes that the system sends through the device, 68 to 65535.

        Reading gives IPv4's, or IPv6's if the adapter has no IPv4. Setting sets both; with IPv6 the
        least is 1280. See `mtu4` and `mtu6` for each alone.

        A new adapter has 65535, more than networks carry: set what the tunnel does.

        A new adapter's IP interfaces are waited for, at most 5 seconds; half a second for an IP
        version that the process's last adapter lacked to the end.

        Raises:
            TypeError: The value is not an int.
            ValueError: The value is out of range.
            ClosedError: The device is closed.
            OSError: The adapter has neither of the IP versions (`winerror` 1168), or the system
                refused.
        """
        return self._usable_adapter().get_mtu(next(iter(self._families(enough=1)), IPV4))

    @mtu.setter
    def mtu(self, mtu: int) -> None:
        check_int("mtu", mtu)
        if not _MIN_MTU <= mtu <= _MAX_MTU:
            raise ValueError(f"mtu must be from {_MIN_MTU} to {_MAX_MTU}, not {mtu}")
        with self._configuration_lock:
            self._set_mtus(mtu, self._families(enough=2) or [IPV4])

    def _set_mtus(self, mtu: int, families: Iterable[int]) -> None:
        """Sets the MTU of each of the families, or of none."""
        adapter = self._usable_adapter()
        if IPV6 in families and mtu < _MIN_IPV6_MTU:
            raise ValueError(
                f"mtu must be at least {_MIN_IPV6_MTU} on an adapter with IPv6, not {mtu}; "
                "mtu4 sets that of IPv4 alone"
            )
        before: dict[int, int] = {}
        try:
            for family in families:
                before[family] = adapter.get_mtu(family)
                adapter.set_mtu(family, mtu)
        except BaseException:  # also what a signal handler raises
            _set_back(adapter, before)
            raise
        self._mtus.update(dict.fromkeys(families, mtu))

    @property
    def mtu4(self) -> int:
        """The MTU of IPv4 alone, 68 to 65535; see `mtu`."""
        return self._usable_adapter().get_mtu(IPV4)

    @mtu4.setter
    def mtu4(self, mtu: int) -> None:
        self._set_mtu(IPV4, mtu)

    @property
    def mtu6(self) -> int:
        """The MTU of IPv6 alone, 1280 to 65535; see `mtu`."""
        return self._usable_adapter().get_mtu(IPV6)

    @mtu6.setter
    def mtu6(self, mtu: int) -> None:
        self._set_mtu(IPV6, mtu)

    def _set_mtu(self, family: int, mtu: int) -> None:
        with self._configuration_lock:
            self._usable_adapter().set_mtu(family, mtu)
            self._mtus[family] = mtu

    def _families(self, enough: int) -> list[int]:
        """Returns which IP versions the adapter has, IPv4 first, as soon as there are enough.

        The calls of the adapter wait, too, but each for its own version; this waits for all.
        """
        deadline = time.monotonic() + INTERFACE_TIMEOUT
        present: list[int] = []
        for family in (IPV4, IPV6):
            if len(present) == enough:
                break
            if self._usable_adapter()._has_family(family, max(0.0, deadline - time.monotonic())):
                present.append(family)
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
        of both IP versions; if one cannot be set, all stay as they were. Automatic (link-local)
        addresses are listed, and stay.
        """
        with self._configuration_lock:
            return tuple(self._addresses.current(self._usable_adapter()))

    @addresses.setter
    def addresses(self, addresses: Iterable[AddressInput]) -> None:
        if isinstance(addresses, (str, bytes)):
            raise TypeError("addresses must be an iterable of addresses, not one; use addr for one")
        interfaces = [_addresses.parse(address) for address in addresses]
        # The first is the newest.
        interfaces.sort(key=lambda interface: interface.version)
        with self._configuration_lock:
            self._addresses.replace(self._usable_adapter(), (IPV4, IPV6), interfaces)

    def add_address(self, address: AddressInput) -> None:
        """Adds an address beside those that are there, or changes the prefix of one of them.

        Takes and raises what `addr` does.
        """
        interface = _addresses.parse(address)
        with self._configuration_lock:
            self._addresses.add(self._usable_adapter(), interface)

    def remove_address(self, address: AddressInput) -> None:
        """Removes an address; a prefix does not matter.

        Raises:
            FileNotFoundError: The device does not have it (`winerror` 1168).
        """
        interface = _addresses.parse(address)
        with self._configuration_lock:
            self._addresses.remove(self._usable_adapter(), interface)

    def _assign(self, interface: Interface, family: int | None = None) -> None:
        actual = interface.version
        if family is not None and family != actual:
            raise ValueError(f"not an {FAMILY_NAMES[family]} address: {str(interface)!r}")
        with self._configuration_lock:
            self._addresses.replace(self._usable_adapter(), (actual,), [interface])

    def _newest(self, *families: int) -> str | None:
        with self._configuration_lock:
            address = self._addresses.newest(self._usable_adapter(), *families)
        return None if address is None else str(_addresses.from_row(address, 0).ip)


def _set_back(adapter: _wintun.Adapter, mtus: dict[int, int]) -> None:
    """Gives an adapter the MTU of these families; what fails cannot be helped."""
    for family, mtu in mtus.items():
        try:
            adapter.set_mtu(family, mtu)
        except OSError:
            continue
