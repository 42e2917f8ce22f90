# SPDX-License-Identifier: MIT
"""Calls that must be refused, whatever state things are in, and that change nothing."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator
from typing import Any, Callable

import wintun
from wintun import _wintun

GOOD = b"\x45" + bytes(19)
HUGE = 2**200
TOO_LARGE = bytes(0x10000)


class CallerError(Exception):
    """What the caller's own code raises within a call."""


class FailingNumber:
    def __index__(self) -> int:
        raise CallerError

    def __float__(self) -> float:
        raise CallerError


def failing(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield GOOD
    raise CallerError


def released_view() -> memoryview:
    view = memoryview(GOOD)
    view.release()
    return view


def every_second(size: int = 40) -> memoryview:
    return memoryview(bytearray(size))[::2]


def spans(*numbers: int) -> array.array[int]:
    return array.array("I", numbers)


class BadBuffer:
    """From Python 3.12 on, an object whose buffer fails; before, one without a buffer."""

    def __buffer__(self, flags: int) -> memoryview:
        raise CallerError


NO_BUFFER = CallerError if sys.version_info >= (3, 12) else TypeError

ON_SESSIONS: list[tuple[Callable[[Any], object], Any]] = [
    (lambda it: it.read("1"), TypeError),
    (lambda it: it.read(-1), ValueError),
    (lambda it: it.read(float("nan")), ValueError),
    (lambda it: it.read(FailingNumber()), CallerError),
    (lambda it: it.read(0, 0), TypeError),
    (lambda it: it.read(until=0), TypeError),
    (lambda it: it.read(0, timeout=0), TypeError),
    (lambda it: it.read_many(0), ValueError),
    (lambda it: it.read_many(-HUGE), ValueError),
    (lambda it: it.read_many(1.0), TypeError),
    (lambda it: it.read_many(True), TypeError),
    (lambda it: it.read_many(FailingNumber()), CallerError),
    (lambda it: it.read_many(1, -1), ValueError),
    (lambda it: it.read_into(), TypeError),
    (lambda it: it.read_into(GOOD), (BufferError, TypeError)),
    (lambda it: it.read_into("text"), TypeError),
    (lambda it: it.read_into(every_second()), BufferError),
    (lambda it: it.read_into(released_view()), ValueError),
    (lambda it: it.read_into(bytearray(9), []), TypeError),
    (lambda it: it.read_packed(bytearray(99), spans()), ValueError),
    (lambda it: it.read_packed(bytearray(99), spans(0)), ValueError),
    (lambda it: it.read_packed(bytearray(99), bytearray(8)), ValueError),
    (lambda it: it.read_packed(bytearray(99), array.array("f", [0, 0])), ValueError),
    (lambda it: it.read_packed(bytearray(99), array.array("H", [0, 0])), ValueError),
    (lambda it: it.read_packed(bytearray(99), bytes(8)), (BufferError, TypeError)),
    (lambda it: it.read_packed(bytearray(99), memoryview(spans(*range(8)))[::2]), BufferError),
    (lambda it: it.read_packed(bytearray(99), memoryview(bytearray(9))[1:].cast("I")), ValueError),
    (lambda it: it.read_packed(bytearray(99), spans(0, 0), -1), ValueError),
    (lambda it: it.read_packed(bytearray(99), spans(0, 0), 0, 0x10000), ValueError),
    (lambda it: it.read_packed(every_second(), spans(0, 0)), BufferError),
    (lambda it: it.write(), TypeError),
    (lambda it: it.write(None), TypeError),
    (lambda it: it.write("text"), TypeError),
    (lambda it: it.write([1]), TypeError),
    (lambda it: it.write(TOO_LARGE), ValueError),
    (lambda it: it.write(bytearray(0x10000)), ValueError),
    (lambda it: it.write(every_second()), BufferError),
    (lambda it: it.write(released_view()), ValueError),
    (lambda it: it.write(BadBuffer()), NO_BUFFER),
    (lambda it: it.write(GOOD, -0.5), ValueError),
    (lambda it: it.write(GOOD, FailingNumber()), CallerError),
    (lambda it: it.write_many(5), TypeError),
    (lambda it: it.write_many(None), TypeError),
    (lambda it: it.write_many(GOOD), TypeError),
    (lambda it: it.write_many([GOOD, None]), TypeError),
    (lambda it: it.write_many([GOOD, GOOD, TOO_LARGE]), ValueError),
    (lambda it: it.write_many([GOOD, every_second()]), BufferError),
    (lambda it: it.write_many([bytearray(GOOD)] * 200 + [BadBuffer()]), NO_BUFFER),
    (lambda it: it.write_many(failing(0)), CallerError),
    (lambda it: it.write_many(failing(200)), CallerError),
    (lambda it: it.write_many(iter([GOOD, 7])), TypeError),
    (lambda it: it.write_many([GOOD], "now"), TypeError),
    (lambda it: it.write_packed(GOOD, spans(0, 20), 2), ValueError),
    (lambda it: it.write_packed(GOOD, spans(0, 21), 1), ValueError),
    (lambda it: it.write_packed(GOOD, spans(9, 8), 1), ValueError),
    (lambda it: it.write_packed(GOOD, spans(0, 20, 0, 0xFFFFFFFF), 2), ValueError),
    (lambda it: it.write_packed(TOO_LARGE, spans(0, 0x10000), 1), ValueError),
    (lambda it: it.write_packed(GOOD, spans(0, 20), -1), ValueError),
    (lambda it: it.write_packed(GOOD, spans(0, 20), HUGE), ValueError),
    (lambda it: it.write_packed(GOOD, bytes(8), 1), ValueError),
    (lambda it: it.write_packed(every_second(), spans(0, 1), 1), BufferError),
    (lambda it: it.write_packed("text", spans(0, 1), 1), TypeError),
    (lambda it: it.write_packed(GOOD, [0, 20], 1), TypeError),
    (lambda it: it.receive_packet(1), TypeError),
    (lambda it: it.receive_packets(0), ValueError),
    (lambda it: it.receive_packets(None), TypeError),
    (lambda it: it.allocate_send_packet(), TypeError),
    (lambda it: it.allocate_send_packet(-1), ValueError),
    (lambda it: it.allocate_send_packet(0x10000), ValueError),
    (lambda it: it.allocate_send_packet(2**64), ValueError),
    (lambda it: it.allocate_send_packet(1.5), TypeError),
    (lambda it: it.allocate_send_packet(FailingNumber()), CallerError),
    (lambda it: it.allocate_send_packets(5), TypeError),
    (lambda it: it.allocate_send_packets([20, -1]), ValueError),
    (lambda it: it.allocate_send_packets([20, "20"]), TypeError),
    (lambda it: it.allocate_send_packets([20, FailingNumber()]), CallerError),
    (lambda it: it.allocate_send_packets(range(4097)), ValueError),
    (lambda it: it.allocate_send_packets(failing(3)), CallerError),
    (lambda it: it.wait_read_event("x"), TypeError),
    (lambda it: it.wait_read_event(-1), ValueError),
    (lambda it: it.wait_read_event(0, 0), TypeError),
]
"""For a session, also an ended one. A device that is down says that it is closed, first."""

ON_ADAPTERS: list[tuple[Callable[[Any], object], Any]] = [
    (lambda it: it.start_session(0), ValueError),
    (lambda it: it.start_session(0x20001), ValueError),
    (lambda it: it.start_session(HUGE), ValueError),
    (lambda it: it.start_session("large"), TypeError),
    (lambda it: it.start_session(None), TypeError),
    (lambda it: it.start_session(0x20000, 1), TypeError),
    (lambda it: it.get_mtu(2), ValueError),
    (lambda it: it.get_mtu("4"), TypeError),
    (lambda it: it.set_mtu(4, -1), ValueError),
    (lambda it: it.set_mtu(4, None), TypeError),
    (lambda it: it.wait_family(4, -1.0), ValueError),
    (lambda it: it.add_address(b"\x0a\0\0", 8), ValueError),
    (lambda it: it.add_address(b"\x0a\0\0\1", 33), ValueError),
    (lambda it: it.add_address("10.0.0.1", 8), TypeError),
    (lambda it: it.remove_address(bytes(5)), ValueError),
    (lambda it: it.get_addresses(5), ValueError),
    (lambda it: it.close(1), TypeError),
    (lambda it: type(it)(), TypeError),
    (lambda it: type(it).create(), TypeError),
    (lambda it: type(it).create("", "Test"), ValueError),
    (lambda it: type(it).create("a\0b", "Test"), ValueError),
    (lambda it: type(it).create("n" * 128, "Test"), ValueError),
    (lambda it: type(it).create("fine", "Test", b"short"), ValueError),
    (lambda it: type(it).create("fine", None), TypeError),
    (lambda it: type(it).open("\ud800"), ValueError),
    (lambda it: type(it).open(b"bytes"), TypeError),
]

ON_DEVICES: list[tuple[Callable[[Any], object], Any]] = [
    (lambda it: it._attach(5), TypeError),
    (lambda it: setattr(it, "ring_capacity", 5), ValueError),
    (lambda it: setattr(it, "ring_capacity", "5"), TypeError),
    (lambda it: setattr(it, "spin_us", -1), ValueError),
    (lambda it: setattr(it, "spin_us", True), TypeError),
    (lambda it: setattr(it, "mtu", 67), ValueError),
    (lambda it: setattr(it, "mtu", "1500"), TypeError),
    (lambda it: setattr(it, "addr", "nonsense"), ValueError),
    (lambda it: setattr(it, "addr", 5.5), TypeError),
    (lambda it: it.up(1), TypeError),
    (lambda it: type(it)("fine", capacity=3), ValueError),
    (lambda it: type(it)("fine", guid="nonsense"), ValueError),
    (lambda it: type(it)(b"bytes"), TypeError),
    (lambda it: wintun.TunDevice.__new__(wintun.TunDevice).up(), RuntimeError),
    (lambda it: it.__init__("again"), RuntimeError),
    (lambda it: _wintun.DeviceBase().read(), wintun.ClosedError),
]

ON_HELD: list[tuple[Callable[[Any], object], Any]] = [
    (lambda it: it.send(1), TypeError),
    (lambda it: it.release(None), TypeError),
    (lambda it: type(it)(), TypeError),
    (lambda it: it + it, TypeError),
    (lambda it: setattr(it, "released", False), AttributeError),
]
"""For packets and batches, also released ones."""
