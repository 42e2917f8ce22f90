"""IP addresses as users give them, and as an adapter has them: as bytes and a prefix length."""

from __future__ import annotations

from . import _wintun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import (
        IPv4Address,
        IPv4Interface,
        IPv4Network,
        IPv6Address,
        IPv6Interface,
        IPv6Network,
    )
    from typing import Union

    Address = Union[IPv4Address, IPv6Address]
    Network = Union[IPv4Network, IPv6Network]
    Interface = Union[IPv4Interface, IPv6Interface]
    AddressInput = Union[str, IPv4Address, IPv6Address, Interface]

# The versions of IP, as `ipaddress` numbers them.
IPV4 = 4
IPV6 = 6

FAMILY_NAMES = {IPV4: "IPv4", IPV6: "IPv6"}

_DEFAULT_PREFIX_LENGTHS = {4: 32, 6: 64}


def parse(value: AddressInput) -> Interface:
    """Returns an address with its prefix; without one it is /32 for IPv4 and /64 for IPv6.

    The address may be the first of its network, as in "10.2.0.0/16".

    Raises:
        TypeError: The value is neither a str nor an address of the `ipaddress` module.
        ValueError: The value is no address that an adapter can have.
    """
    interface = _to_interface(value)
    address = interface.ip
    if getattr(interface, "scope_id", None) is not None:
        raise ValueError(f"address must not have a scope id: {str(value)!r}")
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        kind = "a multicast" if address.is_multicast else "an unspecified or loopback"
        raise ValueError(f"address must be one of a host, not {kind} address: {str(value)!r}")
    if is_broadcast(address, interface.network):
        raise ValueError(f"address must be one of a host, not a broadcast address: {str(value)!r}")
    return interface


def _to_interface(value: AddressInput) -> Interface:
    from ipaddress import (
        IPv4Address,
        IPv4Interface,
        IPv6Address,
        IPv6Interface,
        ip_address,
        ip_interface,
    )

    if isinstance(value, (IPv4Interface, IPv6Interface)):
        return value
    if not isinstance(value, (str, IPv4Address, IPv6Address)):
        raise TypeError(
            "address must be a str, or an address or interface of the ipaddress module, not "
            + type(value).__name__
        )
    host, slash, prefix = value.partition("/") if isinstance(value, str) else (value, "", "")
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"not an IP address: {value!r}") from None
    try:
        if slash:
            return ip_interface(value)
    except ValueError:
        raise ValueError(
            f"the prefix length of an address must be from 0 to {address.max_prefixlen}, not "
            f"{prefix!r}: {value!r}"
        ) from None
    return ip_interface((address, _DEFAULT_PREFIX_LENGTHS[address.version]))


def is_broadcast(address: Address, network: Network) -> bool:
    """Returns whether an address is for all hosts of a network: none of IPv6 is, nor of a /31."""
    if address.version == 6:
        return False
    return int(address) == 0xFFFFFFFF or (
        network.prefixlen <= 30 and address == network.broadcast_address
    )


def from_row(address: bytes, prefix_length: int) -> Interface:
    """Returns what an adapter has as an object of the `ipaddress` module."""
    from ipaddress import IPv4Interface, IPv6Interface

    kind = IPv4Interface if len(address) == 4 else IPv6Interface
    return kind((address, prefix_length))


class AddressBook:
    """Changes the addresses of an adapter, and remembers those that it was given here.

    The adapter is named in each call, for another one may take its place. Not thread-safe: its
    owner holds a lock around each call.
    """

    def __init__(self) -> None:
        # The one that counts as the newest first; of each IP version in the order of adding.
        self._given: list[Interface] = []

    def given(self) -> list[Interface]:
        """Returns the addresses that were given here and not removed here, newest first."""
        return list(self._given)

    def current(self, adapter: _wintun.Adapter) -> list[Interface]:
        """Returns all addresses, IPv4 first."""
        rows = adapter.get_addresses(IPV4) + adapter.get_addresses(IPV6)
        return [from_row(address, prefix_length) for address, prefix_length, _ in rows]

    def newest(self, adapter: _wintun.Adapter, *families: int) -> bytes | None:
        """Returns the newest address that was given here and is still there.

        Without one it is the first that the system did not give itself; None if there is none.
        """
        rows = [row for family in families for row in adapter.get_addresses(family)]
        there = [address for address, _, _ in rows]
        given = [interface.packed for interface in self._given if interface.packed in there]
        manual = [address for address, _, automatic in rows if not automatic]
        return next(iter(given + manual), None)

    def replace(
        self, adapter: _wintun.Adapter, families: Iterable[int], interfaces: Iterable[Interface]
    ) -> None:
        """Makes these the addresses of the families, and the newest; keeps automatic ones.

        If it fails, the addresses are again what they were, as far as the system lets that be.
        """
        wanted = {interface.packed: interface for interface in interfaces}
        rows = [row for family in families for row in adapter.get_addresses(family)]
        before = {address: prefix_length for address, prefix_length, _ in rows}
        unwanted = [row[0] for row in rows if row[0] not in wanted and not row[2]]
        touched: list[bytes] = []
        try:
            for interface in wanted.values():
                touched.append(interface.packed)
                adapter.add_address(interface.packed, interface.network.prefixlen)
            for address in unwanted:
                touched.append(address)
                adapter.remove_address(address)
        except BaseException:  # also what a signal handler raises
            _undo(adapter, touched, before)
            raise
        others = [
            interface
            for interface in self._given
            if interface.packed not in wanted and interface.packed not in unwanted
        ]
        self._given = [*wanted.values(), *others]

    def restore(self, adapter: _wintun.Adapter) -> None:
        """Gives an adapter what its predecessor was given here."""
        for interface in self._given:
            adapter.add_address(interface.packed, interface.network.prefixlen)

    def add(self, adapter: _wintun.Adapter, interface: Interface) -> None:
        """Adds an address, or changes the prefix of one that is there."""
        adapter.add_address(interface.packed, interface.network.prefixlen)
        for index, given in enumerate(self._given):
            if given.packed == interface.packed:
                self._given[index] = interface
                return
        self._given.append(interface)

    def remove(self, adapter: _wintun.Adapter, interface: Interface) -> None:
        """Removes an address; FileNotFoundError if the adapter does not have it."""
        adapter.remove_address(interface.packed)
        self._given = [given for given in self._given if given.packed != interface.packed]


def _undo(adapter: _wintun.Adapter, touched: list[bytes], before: dict[bytes, int]) -> None:
    """Takes back what was done to these addresses, the last first; what fails cannot be helped."""
    for address in reversed(touched):
        try:
            if address in before:
                adapter.add_address(address, before[address])
            else:
                adapter.remove_address(address)
        except OSError:
            continue
