# SPDX-License-Identifier: MIT
"""The far side of an adapter: its wire, and what the test itself puts there and takes."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Literal

from ._calls import (
    ADDRESS_NOT_ASSOCIATED,
    BUFFER_OVERFLOW,
    FOR_EVER,
    INVALID_HANDLE,
    MAX_PACKET,
    NO_MORE_ITEMS,
    NOT_CONNECTED,
    NOT_SUPPORTED,
    bytes_of,
    call,
    check,
    integer,
    milliseconds,
    name_of,
    optional_name_of,
    shown,
    u32,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from ._calls import AdapterOrName
    from ._kernel_tun import KernelTun

Wire = Literal["host", "memory", "socket", "flood", "loop"]
"""What is at the other end of an adapter; see `set_wire`."""

_WIRES = ("host", "memory", "socket", "flood", "loop")  # in the order of control.h

_FIRST_PAUSE_SECONDS = 0.0001
_LONGEST_PAUSE_SECONDS = 0.005


def set_wire(
    adapter: AdapterOrName | None,
    wire: Wire,
    *,
    sock: socket.socket | KernelTun | int | None = None,
    packet_size: int = 1400,
) -> None:
    """Chooses what is at the other end of an adapter, from its next session (`up`) on.

    Args:
        adapter: The adapter or its name; None for all that are created later.
        wire: "host": a small host that speaks first, answers ping and pings (see `ping`);
            "memory": `deliver` and `collect`; "socket": packets come from and go to `sock`;
            "flood": an endless stream of packets of `packet_size`, what is sent is counted and
            dropped; "loop": what is sent comes back.
        sock: For "socket": a connected datagram socket, a `KernelTun`, or (not on Windows) another
            descriptor that reads and writes one packet at a time, which is made non-blocking. It is
            duplicated: closing it here is fine.
        packet_size: For "flood": bytes a packet, 20 to 65535.

    Raises:
        TypeError: An argument is of another type.
        ValueError: No such wire, a size out of range, no `sock` for "socket", a stream, or a socket
            that is not connected.
        OSError: `sock` is closed or not fit.
    """
    name = optional_name_of(adapter)
    if wire not in _WIRES:
        raise ValueError(f"wire must be one of {', '.join(_WIRES)}, not {wire!r}")
    if wire == "socket" and sock is None:
        raise ValueError("the wire 'socket' needs a socket: sock=...")
    if wire != "socket" and sock is not None:
        raise ValueError(f"the wire {wire!r} takes no sock")
    size = integer("packet_size", packet_size, 20, MAX_PACKET) if wire == "flood" else 0
    descriptor = 0 if sock is None else _descriptor_of(sock)
    code = call["SetWire"](name, _WIRES.index(wire), descriptor, size)
    if code == INVALID_HANDLE:
        raise OSError(f"sock is not an open socket or descriptor: {sock!r}")
    if code == NOT_SUPPORTED:
        raise ValueError(f"sock must keep packets apart, as datagram sockets do: {sock!r}")
    if code == NOT_CONNECTED:
        raise ValueError(f"sock must be connected, or nobody gets the packets: {sock!r}")
    check(code, adapter)


def _descriptor_of(sock: socket.socket | KernelTun | int) -> int:
    if isinstance(sock, int):
        descriptor = sock
    else:
        fileno = getattr(sock, "fileno", None)
        if fileno is None:
            raise TypeError(f"sock must be a socket or a descriptor, not {type(sock).__name__}")
        descriptor = fileno()
    if descriptor < 0:
        raise OSError("sock is closed")
    return descriptor


def deliver(adapter: AdapterOrName, packet: Buffer) -> bool:
    """Delivers a packet to the program, as the driver does.

    Any bytes will do: the driver does not look at what the system sends, and where it cannot read a
    packet it delivers zeros of the packet's size.

    Args:
        adapter: The adapter or its name.
        packet: 0 to 65535 bytes.

    Returns:
        True if it is in the ring; False if it was dropped, which `statistics` counts: the ring was
        full, or `drop` is in force.

    Raises:
        LookupError: There is no such adapter, or it has no session.
        TypeError: The packet is no buffer.
        ValueError: The packet is too big.
    """
    return deliver_chain(adapter, (packet,))


def deliver_chain(adapter: AdapterOrName, packets: Iterable[Buffer]) -> bool:
    """Delivers packets that the system hands to the driver in one call: all of them or none.

    So the driver loses the fragments of a packet or the segments of a burst together. The program
    is signaled once. Arguments and errors are those of `deliver`.

    Returns:
        True if they are in the ring; False if they were dropped, each of which `statistics` counts.
    """
    name = name_of(adapter)
    contents = [bytes_of(packet) for packet in packets]
    sizes = (u32 * max(1, len(contents)))(*map(len, contents))
    code = call["Deliver"](name, b"".join(contents), sizes, len(contents))
    if code == BUFFER_OVERFLOW:
        return False
    check(code, adapter)
    return True


def fill(adapter: AdapterOrName, size: int, count: int) -> int:
    """Delivers up to `count` IPv4 packets of `size` bytes (20 to 65535) in one burst.

    Bytes 12 to 15 of each are its number, from 0, big-endian.

    Returns:
        How many fitted into the ring.
    """
    name = name_of(adapter)
    size = integer("size", size, 20, MAX_PACKET)
    count = integer("count", count, 0, FOR_EVER)
    delivered = u32()
    check(call["Fill"](name, size, count, ctypes.byref(delivered)), adapter)
    return delivered.value


def collect(adapter: AdapterOrName, timeout: float | None = 0) -> bytes | None:
    """Takes the oldest packet that the program sent; None if there is none.

    Packets that are not IP are discarded and counted, as by the driver.

    Args:
        adapter: The adapter or its name.
        timeout: Seconds to wait for a packet; None waits for ever. Threads that call this at the
            same time share the packets.

    Raises:
        LookupError: There is no such adapter, or it has no session, or the session ended meanwhile.
        ValueError: The timeout is negative or too long.
    """
    name = name_of(adapter)
    wait = None if timeout is None else milliseconds("timeout", timeout) / 1000
    packet = _collect(name, adapter)
    if packet is not None or wait == 0:
        return packet
    end = None if wait is None else time.monotonic() + wait
    pause = _FIRST_PAUSE_SECONDS
    while packet is None and (end is None or time.monotonic() < end):
        # A driver has no event for its own tests: this is a look now and then.
        time.sleep(pause if end is None else max(0, min(pause, end - time.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        packet = _collect(name, adapter)
    return packet


def _collect(name: bytes, adapter: AdapterOrName) -> bytes | None:
    room = ctypes.create_string_buffer(MAX_PACKET)
    size = u32()
    code = call["Collect"](name, room, MAX_PACKET, ctypes.byref(size))
    if code == NO_MORE_ITEMS:
        return None
    check(code, adapter)
    return ctypes.string_at(room, size.value)


def drain(adapter: AdapterOrName, count: int) -> int:
    """Takes up to `count` packets that the program sent, without looking at them.

    Returns:
        How many there were.
    """
    name = name_of(adapter)
    count = integer("count", count, 0, FOR_EVER)
    collected = u32()
    check(call["Drain"](name, count, ctypes.byref(collected)), adapter)
    return collected.value


def ping(adapter: AdapterOrName, count: int, interval: float = 0.0) -> None:
    """Has the built-in host ping a neighbour of each address that the adapter has.

    The neighbour is another host of the address' subnet; an address whose subnet has no other (/32,
    /128) is passed over. `statistics` counts what was sent and rightly answered.

    Args:
        adapter: An adapter with a session and the wire "host", or its name.
        count: Pings of each neighbour; 0 ends those of an earlier call.
        interval: Seconds between two pings of the same neighbour.

    Raises:
        LookupError: There is no such adapter, or it has no session.
        ValueError: The adapter has another wire, or none of its addresses has a neighbour.
    """
    name = name_of(adapter)
    count = integer("count", count, 0, FOR_EVER)
    code = call["Ping"](name, count, milliseconds("interval", interval))
    if code == NOT_SUPPORTED:
        raise ValueError(f"the session of {shown(adapter)} does not have the wire 'host'")
    if code == ADDRESS_NOT_ASSOCIATED:
        raise ValueError(
            f"there is nobody to ping: adapter {shown(adapter)} has no address with a neighbour, "
            "such as 10.6.7.1/24"
        )
    check(code, adapter)
