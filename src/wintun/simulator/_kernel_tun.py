# SPDX-License-Identifier: MIT
"""A tun interface of Linux as the far side of an adapter."""

from __future__ import annotations

import os
import sys

from wintun._copying import NotCopyable
from wintun.device import TunDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self


class KernelTun(NotCopyable):
    """A tun interface of Linux, opened by `open_tun`. Closing it removes the interface.

    A context manager. `set_wire` duplicates the descriptor, so the interface stays for as long as a
    session or a setting uses it.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name

    @property
    def name(self) -> str:
        """Name of the interface."""
        return self._name

    def fileno(self) -> int:
        """Returns the file descriptor; -1 once closed."""
        return self._descriptor

    def close(self) -> None:
        """Closes the descriptor. Twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._descriptor == -1 else f"descriptor {self._descriptor}"
        return f"<KernelTun {self._name!r}, {state}>"


def open_tun(name: str) -> KernelTun:
    """Makes a tun interface of Linux, to be the far side of an adapter.

    Args:
        name: Name of the interface, 1 to 15 bytes; the kernel puts a number for "%d".

    Raises:
        NotImplementedError: This is not Linux.
        ValueError: The name is empty or too long.
        FileNotFoundError: There is no /dev/net/tun.
        PermissionError: The process may not do that.
        OSError: The kernel refuses, as with a name that is taken.
    """
    if sys.platform != "linux":
        raise NotImplementedError("tun interfaces can be opened on Linux only")
    import fcntl
    import struct

    create_tun = 0x400454CA  # TUNSETIFF
    tun_without_header = 0x0001 | 0x1000  # IFF_TUN | IFF_NO_PI
    encoded = os.fsencode(name)
    if not 1 <= len(encoded) <= 15 or b"\0" in encoded:
        raise ValueError(f"name must have 1 to 15 bytes: {name!r}")
    descriptor = _open_tun_device()
    try:
        request = struct.pack("16sH22x", encoded, tun_without_header)
        answer = fcntl.ioctl(descriptor, create_tun, request)
    except PermissionError as error:
        os.close(descriptor)
        raise PermissionError(
            error.errno, f"{error.strerror}; making a tun interface needs root or CAP_NET_ADMIN"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return KernelTun(descriptor, os.fsdecode(answer[:16].partition(b"\0")[0]))


def _open_tun_device() -> int:
    path = "/dev/net/tun"
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError as error:
        hint = f"{error.strerror}; opening it needs root"
        raise PermissionError(error.errno, hint, path) from None
    except FileNotFoundError as error:
        hint = f"{error.strerror}; load the kernel's module tun, or give the container the device"
        raise FileNotFoundError(error.errno, hint, path) from None


def mirror(device: TunDevice, interface: str) -> None:
    """Gives a tun interface of Linux the addresses and the MTU of a device, and brings it up.

    So the kernel's stack has the addresses that Windows' own would have, with the programs and
    routes that belong to them. Uses the command `ip`; call it again after changing the device.

    Args:
        device: The device whose wire is the interface.
        interface: Name of the interface, as of `open_tun`.

    Raises:
        TypeError: `device` is none.
        FileNotFoundError: There is no command `ip` (package iproute2).
        OSError: `ip` refused; the text is its own.
    """
    if not isinstance(device, TunDevice):
        raise TypeError(f"device must be a TunDevice, not {type(device).__name__}")
    _ip("link", "set", "dev", interface, "mtu", str(device.mtu), "up")
    _ip("address", "flush", "dev", interface, "scope", "global")
    for address in device.addresses:
        # An address that is still looked for on the link cannot be used yet; nobody else is there.
        options = ("nodad",) if address.version == 6 else ()
        _ip("address", "replace", address.with_prefixlen, "dev", interface, *options)


def _ip(*arguments: str) -> None:
    import subprocess

    try:
        subprocess.run(
            ("ip", *arguments), check=True, capture_output=True, stdin=subprocess.DEVNULL, text=True
        )
    except FileNotFoundError as error:
        hint = f"{error.strerror}; install iproute2"
        raise FileNotFoundError(error.errno, hint, "ip") from None
    except subprocess.CalledProcessError as error:
        raise OSError(f"ip {' '.join(arguments)}: {error.stderr.strip()}") from None
