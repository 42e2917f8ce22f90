# SPDX-License-Identifier: MIT
"""What goes wrong when it is asked for, and stops when that is asked for."""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, wait_until
from wintun import simulator

from . import raw

MakeDevice = Callable[..., wintun.TunDevice]
MakeSession = Callable[..., wintun.Session]


def winerror(error: BaseException) -> int:
    return int(error.winerror)  # type: ignore[attr-defined]


# --- Failing and slow calls ---------------------------------------------------------------------


def test_a_fault_skips_then_fails_then_is_over(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    simulator.set_fault("WintunOpenAdapter", 31, skip=2, times=3)
    with wintun.Adapter.create(name, "Test"):
        codes = []
        for _ in range(7):
            try:
                wintun.Adapter.open(name).close()
                codes.append(0)
            except OSError as error:
                codes.append(winerror(error))
    assert codes == [0, 0, 31, 31, 31, 0, 0]


def test_calls_are_counted_from_when_a_fault_is_set_until_it_is_over(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    with wintun.Adapter.create(name, "Test"):
        for skip, calls in ((2**32 - 1, 5), (3, 4), (0, 1)):
            simulator.set_fault("WintunOpenAdapter", 31, skip=skip, times=1)
            assert simulator.calls("WintunOpenAdapter") == 0
            for _ in range(5):
                with suppress(OSError):
                    wintun.Adapter.open(name).close()
            assert simulator.calls("WintunOpenAdapter") == calls


def test_a_fault_lasts_until_it_is_taken_away(unique_name: Callable[[], str]) -> None:
    with simulator.fault("WintunCreateAdapter", 5):
        for _ in range(10):
            with pytest.raises(PermissionError):
                wintun.Adapter.create(unique_name(), "Test")
    wintun.Adapter.create(unique_name(), "Test").close()
    simulator.set_fault("WintunCreateAdapter", 5)
    simulator.reset()
    wintun.Adapter.create(unique_name(), "Test").close()


def test_a_function_that_returns_its_code_cannot_fail_without_one() -> None:
    with pytest.raises(ValueError, match="cannot fail without"):
        simulator.set_fault("GetIpInterfaceEntry", None)


def test_a_fault_of_no_times_is_none(unique_name: Callable[[], str]) -> None:
    simulator.set_fault("WintunCreateAdapter", 5, times=0)
    wintun.Adapter.create(unique_name(), "Test").close()


@pytest.mark.parametrize("function", ["CreateAdapter", "WintunFly", ""])
def test_a_function_that_is_not_there_is_told(function: str) -> None:
    with pytest.raises(ValueError, match="no function"):
        simulator.set_fault(function, 5)
    with pytest.raises(ValueError, match="no function"):
        simulator.set_delay(function, 5)
    with pytest.raises(ValueError, match="no function"):
        simulator.calls(function)


def test_a_delay_makes_calls_take_longer(unique_name: Callable[[], str]) -> None:
    simulator.set_delay("WintunCreateAdapter", 200)
    began = time.monotonic()
    wintun.Adapter.create(unique_name(), "Test").close()
    assert time.monotonic() - began >= 0.15, "clocks differ, but not so much"


# --- Pausing ------------------------------------------------------------------------------------


def test_a_paused_host_says_nothing_until_it_goes_on(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    simulator.pause(name)
    with wintun.TunDevice(name) as device:
        device.up()
        assert device.read(timeout=0.3) is None
        simulator.resume(name)
        assert device.read(timeout=HANG_SECONDS) is not None


@pytest.mark.parametrize("wire", ["flood", "loop", "host"])
def test_nothing_moves_once_pause_has_returned(make_session: MakeSession, wire: str) -> None:
    session = make_session(wire=wire)
    name = session.adapter.name
    for _ in range(20):
        simulator.pause(name)
        before = simulator.statistics(name)
        session.write(ipv4_packet(100))
        time.sleep(0.002)
        assert simulator.statistics(name) == before
        simulator.resume(name)
        wait_until(
            lambda expected=before.collected_packets + 1: (  # type: ignore[misc]
                simulator.statistics(name).collected_packets == expected
            ),
            "the driver goes on",
        )
        while session.read() is not None and wire != "flood":
            pass


def test_the_far_side_of_a_paused_driver_can_be_looked_at(make_session: MakeSession) -> None:
    session = make_session(wire="loop")
    simulator.pause(session.adapter.name)
    session.write(ipv4_packet(100))
    assert simulator.collect(session.adapter.name) == ipv4_packet(100)
    assert simulator.deliver(session.adapter.name, ipv4_packet(60))
    assert session.read() == ipv4_packet(60)


def test_a_paused_session_ends(make_session: MakeSession) -> None:
    for wire in ("host", "flood", "loop"):
        session = make_session(wire=wire)
        simulator.pause(session.adapter.name)
        session.end()


# --- Removing and spoiling ----------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["memory", "host", "flood", "loop"])
def test_a_removed_adapter_wakes_its_reader(make_device: MakeDevice, wire: str) -> None:
    device = make_device(wire)
    device.up()
    session = device.session
    assert session is not None

    def read() -> None:
        while True:
            device.read(timeout=HANG_SECONDS)

    reader = Worker(read)
    time.sleep(0.05)
    simulator.remove_adapter(device.name)
    assert isinstance(reader.error(), wintun.AdapterTerminatingError)
    with pytest.raises(wintun.AdapterTerminatingError):
        device.write(ipv4_packet(20))
    with pytest.raises(LookupError):
        simulator.statistics(device.name)


def test_removing_starting_and_ending_at_once_is_safe(unique_name: Callable[[], str]) -> None:
    name = unique_name()

    def live() -> None:
        for _ in range(100):
            try:
                with wintun.Adapter.create(name, "Test") as adapter:
                    adapter.start_session(0x20000).end()
            except OSError as error:
                if winerror(error) not in (2, 183):
                    raise

    def remove() -> None:
        for _ in range(300):
            try:
                simulator.remove_adapter(name)
            except LookupError:
                time.sleep(0.0005)

    workers = [Worker(live), Worker(live), Worker(remove)]
    for worker in workers:
        worker.result()


@pytest.mark.parametrize("waiting", [0, 3])
def test_a_corrupt_ring_is_found_by_the_next_read(session: wintun.Session, waiting: int) -> None:
    name = session.adapter.name
    simulator.fill(name, 100, waiting)
    simulator.corrupt_ring(name)
    for _ in range(3):
        with pytest.raises(wintun.RingCorruptError):
            session.read()


def test_a_reader_that_waits_is_woken_by_a_corrupt_ring(session: wintun.Session) -> None:
    reader = Worker(session.read, HANG_SECONDS)
    time.sleep(0.05)
    simulator.corrupt_ring(session.adapter.name)
    assert isinstance(reader.error(), wintun.RingCorruptError)


# --- Log and counts -----------------------------------------------------------------------------


def test_a_line_comes_from_a_foreign_thread_as_it_was_asked_for() -> None:
    lines: list[tuple[int, int, str]] = []
    wintun.set_logger(lambda *line: lines.append(line))
    text = "größer \U0001f600 " + "x" * 500
    simulator.log(wintun.LOG_WARN, text, timestamp=12345, count=3)
    wintun.set_logger(None)
    assert lines == [(wintun.LOG_WARN, 12345, text)] * 3


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "aä€\U0001f600"),
        (b"\xef\xbf\xbf\xf4\x8f\xbf\xbf", "\uffff\U0010ffff"),
        (b"a\xe0\x80\x80b", "a\ufffdb"),  # a NUL in three bytes
        (b"a\xe0\x80\xafb", "a\ufffdb"),  # a slash
        (b"a\xe0\x9f\xbfb", "a\ufffdb"),
        (b"a\xf0\x80\x80\xafb", "a\ufffdb"),
        (b"a\xf0\x8f\xbf\xbfb", "a\ufffdb"),
        (b"a\xf4\x90\x80\x80b", "a\ufffdb"),
        (b"a\xc0\xafb\xff", "a\ufffd\ufffdb\ufffd"),
    ],
)
def test_what_is_not_utf8_is_replaced(message: bytes, text: str) -> None:
    lines: list[str] = []
    wintun.set_logger(lambda _level, _time, line: lines.append(line))
    raw.api.WintunSimulatorLog(0, ctypes.c_uint64(1), message, 1, 1)
    wintun.set_logger(None)
    assert lines == [text]


def test_log_need_not_wait() -> None:
    lines: list[str] = []
    wintun.set_logger(lambda _level, _time, message: lines.append(message))
    simulator.log(wintun.LOG_INFO, "later", count=100, wait=False)
    wait_until(lambda: len(lines) == 100, "the lines arrive")
    wintun.set_logger(None)


def test_counts_show_what_is_alive(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    before = simulator.counts()
    simulator.set_wire(name, "memory")
    with wintun.Adapter.create(name, "Test") as adapter:
        other = wintun.Adapter.open(name)
        session = adapter.start_session(0x20000)
        simulator.fill(name, 40, 2)
        held = [session.receive_packet(), session.allocate_send_packet(40)]
        now = simulator.counts()
        assert now.adapters - before.adapters == 1
        assert now.adapter_handles - before.adapter_handles == 2
        assert now.sessions - before.sessions == 1
        assert now.held_packets - before.held_packets == 2
        for packet in held:
            assert packet is not None
            packet.release()
        assert simulator.counts().held_packets == before.held_packets
        session.end()
        other.close()
    assert simulator.counts() == before
