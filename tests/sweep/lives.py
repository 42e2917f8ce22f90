# SPDX-License-Identifier: MIT
"""Lives of a device that make every call of the package, and what must hold when one fails.

A life ends in an exception or goes to its end; either way nothing is left of it, and what the
program has then, a device or none, works.
"""

from __future__ import annotations

import array
import asyncio
import gc
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Callable

import wintun
from helpers import HANG_SECONDS, MIN_CAPACITY, ipv4_packet, open_handles
from resources import count_blocks
from wintun import _library, _wintun, simulator

NAME = "sweep"

INVALID_DATA = 13
PROC_NOT_FOUND = 127
BAD_EXE_FORMAT = 193
FILE_CORRUPT = 1392

ADDRESSES = ("10.9.0.1/24", "fd00:9::1/64")
SMALL = [ipv4_packet(20 + size, size) for size in range(10)]
LARGE = ipv4_packet(3000)
MANY_SIZES = [LARGE, *(ipv4_packet(20 + size) for size in range(280, 0, -1))]
MANY = [ipv4_packet(24, seed) for seed in range(200)]


# --- Lives ----------------------------------------------------------------------------------------


def configure(device: wintun.TunDevice) -> None:
    device.mtu = 1400
    assert device.mtu == device.mtu4 == device.mtu6 == 1400
    device.addresses = ADDRESSES
    device.add_address("10.9.0.2/24")
    device.add_address("10.9.0.2/24")
    device.add_address("10.9.0.2/16")
    device.remove_address("10.9.0.2")
    for number in range(10):
        device.add_address(f"10.9.1.{number}/16")
    device.addr = "10.9.0.3"
    assert device.addr == device.addr4 == "10.9.0.3"
    assert {"10.9.0.3/32", "fd00:9::1/64"} < {str(each) for each in device.addresses}
    assert device.index > 0
    assert device.guid.version == 4
    assert device.adapter.name == NAME
    simulator.set_delay("WintunOpenAdapter", 1)
    with wintun.Adapter.open(NAME) as opened:
        assert opened.luid == device.luid
    assert wintun.get_driver_version() > (0, 0)


def no_more(device: wintun.TunDevice) -> None:
    """A read that fails after the first packet says so when it is asked again."""
    while device.read() is not None:
        pass


def wait_for_a_family(device: wintun.TunDevice) -> None:
    simulator.set_family_delay(NAME, 4, 0.03)
    assert device.mtu4 == 65535


def copy(device: wintun.TunDevice) -> None:
    device.up()
    for packet in [*SMALL, LARGE]:
        simulator.deliver(NAME, packet)
    assert [device.read(timeout=HANG_SECONDS) for _ in [*SMALL, LARGE]] == [*SMALL, LARGE]
    assert device.read(timeout=0.001) is None
    while device.wait_read_event(0.001):
        no_more(device)
    for packet in MANY:
        simulator.deliver(NAME, packet)
    assert device.read() == MANY[0]
    received: list[bytes] = []
    while len(received) < len(MANY) - 1:
        received += device.read_many(len(MANY))
    assert received == MANY[1:]
    no_more(device)
    device.write(LARGE)
    device.write(bytearray(SMALL[0]))
    written = 0
    while written < len(MANY):
        written += device.write_many(MANY[written:], timeout=0.001)
    assert [simulator.collect(NAME) for _ in range(202)] == [LARGE, SMALL[0], *MANY]
    assert device.statistics.packets_sent == 202


def use_in_place(device: wintun.TunDevice) -> None:
    device.up()
    for packet in [*SMALL, LARGE, *SMALL]:
        simulator.deliver(NAME, packet)
    assert device.read() == SMALL[0]
    received_packet = device.receive_packet()
    assert received_packet is not None
    with received_packet:
        assert bytes(received_packet) == SMALL[1]
    received: list[bytes] = []
    while len(received) < 19:
        with device.receive_packets() as batch:
            received += map(bytes, batch)
    assert received == [*SMALL[2:], LARGE, *SMALL]
    no_more(device)
    with device.allocate_send_packet(20) as packet_to_send:
        memoryview(packet_to_send)[:] = SMALL[0]
        packet_to_send.send()
    sent = 0
    while sent < len(SMALL):
        with device.allocate_send_packets([len(each) for each in SMALL[sent:]]) as batch:
            for view, content in zip(batch, SMALL[sent:]):
                view[:] = content
                view.release()
            sent += len(batch)
            batch.send()
    assert [simulator.collect(NAME) for _ in range(11)] == [SMALL[0], *SMALL]


def pack(device: wintun.TunDevice) -> None:
    device.up()
    buffer, spans = bytearray(0x10000), array.array("I", bytes(8 * 300))
    for packet in [LARGE, *MANY, LARGE]:
        simulator.deliver(NAME, packet)
    assert device.read_into(buffer) == len(LARGE)
    count = 0
    while count < len(MANY) + 1:
        read = device.read_packed(buffer, spans, 4, 4)
        count += read
        written = 0
        while written < read:
            written += device.write_packed(buffer, spans[2 * written :], read - written)
    assert device.read_packed(buffer, spans, timeout=0.001) == 0
    assert [simulator.collect(NAME) for _ in range(count)] == [*MANY, LARGE]
    no_more(device)


def fill_up(device: wintun.TunDevice) -> None:
    device.up()
    written = 0
    try:
        while True:
            device.write(LARGE)
            written += 1
    except wintun.RingFullError:
        assert written == MIN_CAPACITY // 3004
    try:
        device.write(LARGE, timeout=0.01)
        raise AssertionError("there was no room")
    except wintun.RingFullError:
        pass
    assert simulator.drain(NAME, 1000) == written


def loop(device: wintun.TunDevice) -> None:
    """With a thread of the driver's, which a session starts and ends."""
    simulator.set_wire(NAME, "loop")
    device.up()
    time.sleep(0.01)  # until it has gone to sleep
    for packet in SMALL:
        device.write(packet)
        assert device.read(timeout=HANG_SECONDS) == packet
    no_more(device)
    device.down()


def speak(device: wintun.TunDevice) -> None:
    simulator.set_wire(NAME, "host")
    device.addr = "10.9.0.1/24"
    device.up()
    assert device.read(timeout=HANG_SECONDS) is not None
    no_more(device)
    simulator.log(wintun.LOG_INFO, "a line")
    simulator.add_connection("another")
    simulator.remove_connection("another")
    device.down()


def use_a_socket(device: wintun.TunDevice) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as ours,
        socket.socket(type=socket.SOCK_DGRAM) as theirs,
    ):
        for each in (ours, theirs):
            each.bind(("127.0.0.1", 0))
            each.settimeout(HANG_SECONDS)
        ours.connect(theirs.getsockname())
        theirs.connect(ours.getsockname())
        simulator.set_wire(NAME, "socket", sock=theirs)
        device.up()
        device.write(SMALL[0])
        assert ours.recv(100) == SMALL[0]
        ours.send(b"")  # is no packet: the wire is then left alone for a moment
        ours.send(SMALL[1])
        assert device.read(timeout=HANG_SECONDS) == SMALL[1]
        no_more(device)
        device.down()
        simulator.set_wire(NAME, "memory")


def use_a_descriptor(device: wintun.TunDevice) -> None:
    """One that keeps packets apart as long as there is one: what goes into it comes out of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pipe")
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDWR)
        try:
            simulator.set_wire(NAME, "socket", sock=descriptor)
        finally:
            os.close(descriptor)
        device.up()
        device.write(SMALL[0])
        assert device.read(timeout=HANG_SECONDS) == SMALL[0]
        no_more(device)
        device.down()
        simulator.set_wire(NAME, "memory")


def delete_the_driver(device: wintun.TunDevice) -> None:
    device.close()
    wintun.delete_driver()


def load_what_is_no_library(device: wintun.TunDevice) -> None:
    try:
        with _library.hold(simulator.library_path()) as file:
            _library.check_official(file, simulator.library_path())
        raise AssertionError("it is not the official library")
    except OSError as error:
        if winerror(error) != FILE_CORRUPT:
            raise
    for path, code in ((_wintun.__file__, PROC_NOT_FOUND), (__file__, INVALID_DATA)):
        try:
            wintun.load(path)
            raise AssertionError("it has none of the functions")
        except OSError as error:
            if winerror(error) not in (code, BAD_EXE_FORMAT):
                raise


def watch_events(device: wintun.TunDevice) -> None:
    device.up()
    session = device.session
    assert session is not None
    session._loop_events().close()


def wait_in_a_loop(device: wintun.TunDevice) -> None:
    async def read() -> None:
        device.up()
        simulator.set_wire(NAME, "memory")
        reader = asyncio.ensure_future(device.read_async())
        await asyncio.sleep(0)
        simulator.deliver(NAME, LARGE)
        assert await asyncio.wait_for(reader, HANG_SECONDS) == LARGE
        await device.write_async(LARGE)

    asyncio.run(read())
    assert simulator.collect(NAME) == LARGE


LIVES: dict[str, Callable[[wintun.TunDevice], None]] = {
    each.__name__: each
    for each in (
        configure,
        wait_for_a_family,
        copy,
        use_in_place,
        pack,
        fill_up,
        loop,
        speak,
        use_a_socket,
        *([use_a_descriptor] if sys.platform != "win32" else []),
        delete_the_driver,
        load_what_is_no_library,
        watch_events,
        wait_in_a_loop,
    )
}


# --- Living one -----------------------------------------------------------------------------------


def live(
    use: Callable[[wintun.TunDevice], None], going_wrong: AbstractContextManager[Any]
) -> Exception | None:
    """Lives one life while something goes wrong; returns its exception, if there was one.

    What the program has then is checked: a device works, whether it is up or not, and can be
    closed; where there is none, a new one of its name can be made.
    """
    device: wintun.TunDevice | None = None
    error: Exception | None = None
    simulator.reset()
    simulator.set_wire(NAME, "memory")
    try:
        with going_wrong:
            device = wintun.TunDevice(NAME, "Test", MIN_CAPACITY)
            use(device)
            device.close()
    except AssertionError:  # not what went wrong, but what came of it
        if device is not None:
            device.close()
        raise
    except Exception as raised:
        error = raised
    if error is not None:
        forget_frames(error)
    if device is None:
        device = wintun.TunDevice(NAME, "Test", MIN_CAPACITY)
    if not device.closed:
        check_alive(device)
        device.close()
    check_dead(device)
    simulator.reset()
    return error


def winerror(error: BaseException) -> int:
    return int(getattr(error, "winerror", None) or 0)


def raised_in(error: BaseException) -> str:
    """The file of the innermost frame that an exception came through."""
    return str(getattr(error, "raised_in", ""))


def forget_frames(error: BaseException) -> None:
    """Frees what the frames of an exception hold; only which file it came from is kept."""
    frame = error.__traceback__
    while frame is not None:
        error.raised_in = frame.tb_frame.f_code.co_filename  # type: ignore[attr-defined]
        frame = frame.tb_next
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None and link.__traceback__ is not None:
            links += [link.__context__, link.__cause__]
            link.__traceback__ = None


def check_alive(device: wintun.TunDevice) -> None:
    if device.is_up:
        check_passes(device)
    device.mtu = 1500
    device.down()
    simulator.set_wire(NAME, "memory")
    device.up()
    check_passes(device)


def check_passes(device: wintun.TunDevice) -> None:
    """A packet passes each way, whatever is in the rings."""
    packet = ipv4_packet(1234)
    while device.read() is not None:
        pass
    try:
        device.write(packet)
    except wintun.RingFullError:
        simulator.drain(NAME, 10000)
        device.write(packet)
    simulator.deliver(NAME, packet)
    while (arrived := device.read(timeout=HANG_SECONDS)) != packet:
        assert arrived is not None
    simulator.drain(NAME, 10000)


def check_dead(device: wintun.TunDevice) -> None:
    for call in (device.read, device.up, lambda: device.mtu):
        try:
            call()
            raise AssertionError("the device is closed")
        except wintun.ClosedError:
            pass
    with wintun.TunDevice(NAME, "Test", MIN_CAPACITY) as again:
        assert again.name == NAME


# --- What is lost ---------------------------------------------------------------------------------


BUFFER, SPANS = bytearray(0x40000), array.array("I", bytes(8 * 300))

READS: dict[str, tuple[Callable[[wintun.TunDevice], Any], Callable[[Any], int]]] = {
    "read": (lambda device: device.read(), lambda _: 1),
    "read_many": (lambda device: device.read_many(300), len),
    "receive_packet": (lambda device: device.receive_packet(), lambda _: 1),
    "receive_packets": (lambda device: device.receive_packets(300), len),
    "read_into": (lambda device: device.read_into(BUFFER), lambda _: 1),
    "read_packed": (lambda device: device.read_packed(BUFFER, SPANS), int),
}
"""Ways to read, and how many packets there are in what they return."""


def check_nothing_lost(name: str, going_wrong: AbstractContextManager[Any], ahead: bool) -> None:
    """Each packet that arrived is returned by a read, now or later, or counted as unread."""
    read, count = READS[name]
    got = None
    simulator.set_wire(NAME, "memory")
    with wintun.TunDevice(NAME, "Test", MIN_CAPACITY) as device:
        device.up()
        for packet in MANY_SIZES:
            assert simulator.deliver(NAME, packet)
        returned = 0
        if ahead:
            returned += int(device.read() is not None)
        try:
            with going_wrong:
                got = read(device)
        except MemoryError:
            pass
        if got is not None:
            returned += count(got)
        while device.read() is not None:
            returned += 1
        statistics = device.statistics
        assert statistics.packets_received == len(MANY_SIZES)
        assert returned + statistics.packets_unread == len(MANY_SIZES)


# --- What is left ---------------------------------------------------------------------------------


@contextmanager
def nothing_left(after: str) -> Iterator[None]:
    """Checks that the body leaves no object of the simulator and no handle of the system."""
    before, handles = simulator.counts(), open_handles()
    yield
    if simulator.counts() != before or open_handles() != handles:
        gc.collect()
    assert simulator.counts() == before, after
    assert open_handles() <= handles, after


def leaves_no_blocks(run: Callable[[], object]) -> bool:
    """Whether something can be repeated without taking more of Python's memory each time."""
    # The number is a block itself: with one before, the first look counts one, too, and suffices.
    # Each look takes long without the GIL: a collection visits all objects there, frozen or not.
    before = sys.getallocatedblocks()
    for _ in range(8):
        before = count_blocks()
        run()
        if count_blocks() <= before:
            return True
    return False


def some_of(count: int, dense: int = 16) -> Iterator[int]:
    """The first of a number of calls, all while they are few, and then ever fewer; the last."""
    number = 0
    while number < count - 1:
        yield number
        number += 1 + number // dense
    if count > 0:
        yield count - 1
