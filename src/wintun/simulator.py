# SPDX-License-Identifier: MIT
r"""The driver without a driver: adapters for tests, on any system and for any user.

The simulator is a library with the functions, rings, events and errors of `wintun.dll`. Elsewhere
than on Windows it is the default; on Windows it is used when `use` asks for it. This module
controls the far side of its adapters and makes things go wrong, so that a program can be tested:

    import wintun
    from wintun import simulator

    simulator.use()
    simulator.set_wire("Test", "memory")
    with wintun.TunDevice("Test") as device:
        device.up()
        simulator.deliver("Test", b"\x45" + bytes(19))
        assert device.read(timeout=10) == b"\x45" + bytes(19)
        device.write(b"\x45" + bytes(99))
        assert simulator.collect("Test") == b"\x45" + bytes(99)

Adapters are named by their names. Settings (`set_wire`, `pause`, `set_family_delay`) may be made
before the adapter exists; None as the name makes them the default of adapters that are created
later. The other functions raise `LookupError` if there is no such adapter or it has no session.
`reset` forgets faults and settings; call it after each test.

All functions may be used from any thread, and release the GIL.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from . import _library
from ._copying import NotCopyable

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer, Self

    from .device import TunDevice

__all__ = [
    "Counts",
    "KernelTun",
    "Statistics",
    "Wire",
    "calls",
    "collect",
    "corrupt_ring",
    "counts",
    "deliver",
    "drain",
    "fault",
    "fill",
    "library_path",
    "log",
    "mirror",
    "open_tun",
    "pause",
    "ping",
    "remove_adapter",
    "reset",
    "resume",
    "set_delay",
    "set_family_delay",
    "set_fault",
    "set_wire",
    "statistics",
    "use",
]

Wire = Literal["host", "memory", "socket", "flood", "loop"]
"""What is at the other end of an adapter; see `set_wire`."""

_WIRES = ("host", "memory", "socket", "flood", "loop")  # in the order of control.h
_FAMILIES = {4: 2, 6: 23}  # Windows' numbers
_FOR_EVER = 0xFFFFFFFF
_MAX_PACKET = 0xFFFF

_SUCCESS = 0
_INVALID_HANDLE = 6
_INVALID_DATA = 13
_NOT_SUPPORTED = 50
_BUFFER_OVERFLOW = 111
_PROC_NOT_FOUND = 127
_NO_MORE_ITEMS = 259
_NOT_FOUND = 1168


class Statistics(NamedTuple):
    """What an adapter's far side has counted since the adapter was created."""

    delivered_packets: int
    """Packets put into the ring that the program reads from."""
    delivered_bytes: int
    dropped_full: int
    """Packets for the program that were dropped because the ring was full."""
    dropped_not_ip: int
    """Packets for the program that were dropped: neither IPv4 of 20 bytes nor IPv6 of 40."""
    collected_packets: int
    """Valid packets taken from the ring that the program writes to."""
    collected_bytes: int
    discarded_not_ip: int
    """Packets of the program that were discarded: neither IPv4 of 20 bytes nor IPv6 of 40."""
    pings_sent: int
    """Echo requests of the built-in host."""
    pings_answered: int
    """Echo requests that were answered with the right contents and checksums."""
    bad_checksums: int
    """Packets that the built-in host refused for a wrong checksum."""


class Counts(NamedTuple):
    """What is alive in the process."""

    adapters: int
    adapter_handles: int
    sessions: int
    held_packets: int
    """Packets received and not released, or allocated and not sent."""


class _CStatistics(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in Statistics._fields]


class _CCounts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in Counts._fields]


_u32 = ctypes.c_uint32
_u64 = ctypes.c_uint64
_text = ctypes.c_char_p
_u32_pointer = ctypes.POINTER(_u32)

_PARAMETERS: dict[str, tuple[type, ...]] = {
    "SetWire": (_text, _u32, _u64, _u32),
    "Deliver": (_text, _text, _u32),
    "Fill": (_text, _u32, _u32, _u32_pointer),
    "Collect": (_text, ctypes.c_void_p, _u32, _u32_pointer),
    "Drain": (_text, _u32, _u32_pointer),
    "Ping": (_text, _u32, _u32),
    "GetStatistics": (_text, ctypes.POINTER(_CStatistics)),
    "GetCounts": (ctypes.POINTER(_CCounts),),
    "SetFault": (_text, _u32, _u32, _u32),
    "GetCalls": (_text, _u32_pointer),
    "SetDelay": (_text, _u32),
    "Pause": (_text, ctypes.c_int32),
    "RemoveAdapter": (_text,),
    "CorruptRing": (_text,),
    "SetFamilyDelay": (_text, _u32, _u32),
    "Log": (_u32, _u64, _text, _u32, ctypes.c_int32),
    "Reset": (),
}


def _load() -> dict[str, ctypes._NamedFuncPointer]:
    library: ctypes.CDLL
    if sys.platform == "win32":
        library = ctypes.WinDLL(_library.simulator_path())
    else:
        library = ctypes.CDLL(_library.simulator_path())
    functions = {}
    for name, parameters in _PARAMETERS.items():
        function = library["WintunSimulator" + name]
        function.argtypes = parameters
        function.restype = None if name in ("GetCounts", "Reset") else _u32
        functions[name] = function
    return functions


# Loaded once; the extension that uses the same file gets the same library.
_functions = _load()


# --- The library -----------------------------------------------------------------------------


def library_path() -> str:
    """Returns the absolute path of the simulator's shared library."""
    return _library.simulator_path()


def use() -> None:
    """Makes the simulator the library that adapters are made with from now on.

    Raises:
        OSError: The library cannot be loaded.
    """
    _library.load(library_path())


def reset() -> None:
    """Forgets every fault, delay and setting. Adapters that exist stay as they are."""
    _functions["Reset"]()


# --- The far side ----------------------------------------------------------------------------


def set_wire(
    adapter: str | None,
    wire: Wire,
    *,
    sock: socket.socket | KernelTun | int | None = None,
    packet_size: int = 1400,
) -> None:
    """Chooses what is at the other end of an adapter, from its next session (`up`) on.

    Args:
        adapter: Name of the adapter; None for all that are created later.
        wire: "host": a small host that speaks first, answers ping and pings (see `ping`);
            "memory": `deliver` and `collect`; "socket": packets come from and go to `sock`;
            "flood": an endless stream of packets of `packet_size`, what is sent is counted and
            dropped; "loop": what is sent comes back.
        sock: For "socket": a connected datagram socket, a `KernelTun`, or (not on Windows) another
            descriptor that reads and writes one packet at a time, which is made non-blocking. It is
            duplicated: closing it here is fine.
        packet_size: For "flood": bytes a packet, 20 to 65535.

    Raises:
        ValueError: No such wire, a size out of range, no `sock` for "socket", or a stream.
        OSError: `sock` is closed or not fit.
    """
    if wire not in _WIRES:
        raise ValueError(f"wire must be one of {', '.join(_WIRES)}, not {wire!r}")
    if (wire == "socket") != (sock is not None):
        raise ValueError("the wire 'socket', and only that, needs sock")
    if wire == "flood" and not 20 <= packet_size <= _MAX_PACKET:
        raise ValueError(f"packet_size must be 20 to {_MAX_PACKET}, not {packet_size}")
    descriptor = 0
    if sock is not None:
        descriptor = sock if isinstance(sock, int) else sock.fileno()
    if descriptor < 0:
        raise OSError("sock is closed")
    size = packet_size if wire == "flood" else 0
    code = _functions["SetWire"](_optional_name(adapter), _WIRES.index(wire), descriptor, size)
    if code == _INVALID_HANDLE:
        raise OSError(f"sock is not an open socket or descriptor: {sock!r}")
    if code == _NOT_SUPPORTED:
        raise ValueError(f"sock must keep packets apart, as datagram sockets do: {sock!r}")
    _check(code, adapter)


def deliver(adapter: str, packet: Buffer) -> bool:
    """Delivers a packet to the program, as the driver does.

    Returns:
        True if it is in the ring; False if it was dropped, which `statistics` counts: the ring was
        full, or it is neither IPv4 of at least 20 bytes nor IPv6 of at least 40.
    """
    content = bytes(packet)
    code = _functions["Deliver"](_name(adapter), content, min(len(content), _FOR_EVER))
    if code in (_BUFFER_OVERFLOW, _INVALID_DATA):
        return False
    _check(code, adapter)
    return True


def fill(adapter: str, size: int, count: int) -> int:
    """Delivers up to `count` IPv4 packets of `size` bytes (20 to 65535) in one burst.

    Bytes 12 to 15 of each are its number, from 0, big-endian.

    Returns:
        How many fitted into the ring.
    """
    _check_range("size", size, 20, _MAX_PACKET)
    _check_range("count", count, 0, _FOR_EVER)
    delivered = _u32()
    _check(_functions["Fill"](_name(adapter), size, count, ctypes.byref(delivered)), adapter)
    return delivered.value


def collect(adapter: str) -> bytes | None:
    """Takes the oldest packet that the program sent; None if there is none.

    Packets that are not IP are discarded and counted, as by the driver.
    """
    room = ctypes.create_string_buffer(_MAX_PACKET)
    size = _u32()
    code = _functions["Collect"](_name(adapter), room, _MAX_PACKET, ctypes.byref(size))
    if code == _NO_MORE_ITEMS:
        return None
    _check(code, adapter)
    return ctypes.string_at(room, size.value)


def drain(adapter: str, count: int) -> int:
    """Takes up to `count` packets that the program sent, without looking at them.

    Returns:
        How many there were.
    """
    _check_range("count", count, 0, _FOR_EVER)
    collected = _u32()
    _check(_functions["Drain"](_name(adapter), count, ctypes.byref(collected)), adapter)
    return collected.value


def ping(adapter: str, count: int, interval: float = 0.0) -> None:
    """Has the built-in host ping a neighbour of each address that the adapter has.

    The neighbour is another host of the address' subnet; an address whose subnet has no other (/32,
    /128) is passed over. `statistics` counts what was sent and rightly answered.

    Args:
        adapter: Name of an adapter with a session and the wire "host".
        count: Pings of each neighbour; 0 ends those of an earlier call.
        interval: Seconds between two pings of the same neighbour.

    Raises:
        ValueError: The adapter has another wire.
    """
    _check_range("count", count, 0, _FOR_EVER)
    code = _functions["Ping"](_name(adapter), count, _milliseconds("interval", interval))
    if code == _NOT_SUPPORTED:
        raise ValueError(f"the session of {adapter!r} does not have the wire 'host'")
    _check(code, adapter)


def statistics(adapter: str) -> Statistics:
    """Returns what the far side has counted since the adapter was created."""
    counted = _CStatistics()
    _check(_functions["GetStatistics"](_name(adapter), ctypes.byref(counted)), adapter)
    return Statistics(*(getattr(counted, name) for name in Statistics._fields))


def counts() -> Counts:
    """Returns what is alive in the process, to look for leaks."""
    counted = _CCounts()
    _functions["GetCounts"](ctypes.byref(counted))
    return Counts(*(getattr(counted, name) for name in Counts._fields))


# --- Faults ----------------------------------------------------------------------------------


def set_fault(function: str, code: int | None, *, skip: int = 0, times: int | None = None) -> None:
    """Makes a function of the library fail without doing anything.

    Args:
        function: Its exported name, such as "WintunCreateAdapter" or "SetIpInterfaceEntry".
        code: The Win32 error code that it gives; 0 takes the fault away; None: it gives none and
            leaves the last error 0, as the official library can. Only functions of Wintun can.
        skip: Calls that still succeed, first.
        times: Calls that fail, then; None for all.

    Raises:
        ValueError: There is no such function, or a number is out of range.
    """
    if code is not None:
        _check_range("code", code, 0, _FOR_EVER)
    elif not function.startswith("Wintun"):
        raise ValueError(f"{function} returns its code, so it cannot fail without one")
    _check_range("skip", skip, 0, _FOR_EVER)
    if times is not None:
        _check_range("times", times, 0, _FOR_EVER - 1)
    fail = _FOR_EVER if times is None else times
    arguments = (code or 0, skip, fail if code != 0 else 0)
    _check_function(_functions["SetFault"](_name(function), *arguments), function)


@contextmanager
def fault(
    function: str, code: int | None, *, skip: int = 0, times: int | None = None
) -> Iterator[None]:
    """Like `set_fault`, for the body of a `with` statement."""
    set_fault(function, code, skip=skip, times=times)
    try:
        yield
    finally:
        set_fault(function, 0)


def calls(function: str) -> int:
    """Returns how often a function of the library was called since its fault was set.

    Until the fault is over: more calls than it skips say that it was met. One that skips 2**32 - 1
    calls only counts them.

    Raises:
        ValueError: There is no such function.
    """
    counted = _u32()
    _check_function(_functions["GetCalls"](_name(function), ctypes.byref(counted)), function)
    return counted.value


def set_delay(function: str, milliseconds: int) -> None:
    """Makes every call of a function of the library take longer; 0 takes that away.

    Raises:
        ValueError: There is no such function, or the delay is out of range.
    """
    _check_range("milliseconds", milliseconds, 0, _FOR_EVER)
    _check_function(_functions["SetDelay"](_name(function), milliseconds), function)


def pause(adapter: str | None) -> None:
    """Stops the driver: the wire takes nothing from the rings and puts nothing into them.

    `deliver`, `fill`, `collect` and `drain` still work. A session that starts is paused, too.
    """
    _check(_functions["Pause"](_optional_name(adapter), 1), adapter)


def resume(adapter: str | None) -> None:
    """Lets a paused driver go on."""
    _check(_functions["Pause"](_optional_name(adapter), 0), adapter)


def remove_adapter(adapter: str) -> None:
    """Takes the adapter away under the program, as when it is disabled or removed by hand."""
    _check(_functions["RemoveAdapter"](_name(adapter)), adapter)


def corrupt_ring(adapter: str) -> None:
    """Writes an impossible packet size where the program reads next."""
    _check(_functions["CorruptRing"](_name(adapter)), adapter)


def set_family_delay(adapter: str | None, family: Literal[4, 6], seconds: float | None) -> None:
    """Sets when the adapter's IPv4 or IPv6 interface appears.

    Args:
        adapter: Name of the adapter; None for all that are created later.
        family: 4 or 6.
        seconds: After the adapter was created; None for never.
    """
    if family not in _FAMILIES:
        raise ValueError(f"family must be 4 or 6, not {family!r}")
    delay = _FOR_EVER if seconds is None else _milliseconds("seconds", seconds)
    code = _functions["SetFamilyDelay"](_optional_name(adapter), _FAMILIES[family], delay)
    _check(code, adapter)


def log(
    level: int,
    message: str,
    *,
    timestamp: int | None = None,
    count: int = 1,
    wait: bool = True,
) -> None:
    """Has the library log a line from a thread that Python does not know.

    Args:
        level: `wintun.LOG_INFO`, `LOG_WARN` or `LOG_ERR`; others test what a callback does.
        message: The line, up to some 1,000 bytes.
        timestamp: In units of 100 ns since 1601-01-01 UTC, not 0; None for the time of each line.
        count: How often.
        wait: Whether to return after the last line; else at once.
    """
    _check_range("level", level, 0, _FOR_EVER)
    _check_range("count", count, 0, _FOR_EVER)
    if timestamp is not None:
        _check_range("timestamp", timestamp, 1, 2**64 - 1)
    code = _functions["Log"](level, timestamp or 0, _name(message), count, 1 if wait else 0)
    _check(code, None)


# --- The kernel of Linux ---------------------------------------------------------------------


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
        FileNotFoundError: There is no command `ip` (package iproute2).
        OSError: `ip` refused; the text is its own.
    """
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


# --- Arguments and codes ---------------------------------------------------------------------


def _name(text: str) -> bytes:
    """Returns text for the library."""
    encoded = text.encode("utf-8", "surrogatepass")
    if b"\0" in encoded:
        raise ValueError(f"embedded null character: {text!r}")
    return encoded


def _optional_name(text: str | None) -> bytes | None:
    return None if text is None else _name(text)


def _check_range(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} must be {least} to {most}, not {value}")


def _milliseconds(what: str, seconds: float) -> int:
    if not 0 <= seconds < (_FOR_EVER - 1) / 1000:
        raise ValueError(f"{what} must be 0 to {_FOR_EVER // 1000} seconds, not {seconds}")
    return round(seconds * 1000)


def _check_function(code: int, function: str) -> None:
    if code == _PROC_NOT_FOUND:
        raise ValueError(f"the library has no function {function!r}")
    _check(code, None)


def _check(code: int, adapter: str | None) -> None:
    """Raises for a code of the library that is not success."""
    if code == _SUCCESS:
        return
    if code == _NOT_FOUND:
        raise LookupError(f"the simulator has no adapter {adapter!r}")
    if code == _INVALID_HANDLE:
        raise LookupError(f"adapter {adapter!r} has no session")
    error = OSError(f"the simulator failed with Win32 error {code}")
    setattr(error, "winerror", code)  # noqa: B010
    raise error
