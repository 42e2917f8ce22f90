# SPDX-License-Identifier: MIT
"""Spinning before a wait: how long is the program's choice, and only heavy traffic causes it."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, wait_until
from wintun import simulator

LONGEST = 100_000


def heavy_traffic(session: wintun.Session, stop: Callable[[], bool], size: int = 64) -> None:
    """Packets as fast as they can be read, with a wait behind each burst of them."""
    deadline = time.monotonic() + HANG_SECONDS
    while not stop() and time.monotonic() < deadline:
        simulator.fill(session.adapter.name, size, 500)
        while session.read_many(500, timeout=0.0001):
            pass


def spins(session: wintun.Session) -> int:
    return session.statistics.spins


def waits(session: wintun.Session) -> int:
    return session.statistics.waits


@pytest.fixture
def heavy_session(make_session: Callable[..., wintun.Session]) -> wintun.Session:
    """A session that has seen, just now, that its traffic is heavy."""
    session = make_session(0x100000)
    make_heavy(session)
    return session


def make_heavy(session: wintun.Session, size: int = 64) -> None:
    before = spins(session)
    heavy_traffic(session, lambda: spins(session) > before, size)
    assert spins(session) > before


def start_read(session: wintun.Session) -> tuple[Worker[bytes | None], bool]:
    """A thread that reads, and whether it has begun to spin; else it has begun to wait."""
    spun, waited = spins(session), waits(session)
    reader = Worker(lambda: session.read(timeout=None))
    wait_until(lambda: spins(session) > spun or waits(session) > waited, "no spin, no wait")
    return reader, spins(session) > spun


def spinning_reader(session: wintun.Session) -> Worker[bytes | None]:
    """A thread that began to spin, for a tenth of a second, just now."""
    for _ in range(100):
        session.spin_us = 12
        make_heavy(session)
        session.spin_us = LONGEST
        reader, spinning = start_read(session)
        if spinning:
            return reader
        # The thread came so late that there was no traffic any more.
        assert simulator.deliver(session.adapter.name, ipv4_packet(40))
        reader.result()
    raise AssertionError("heavy traffic is not spun for")


@pytest.mark.parametrize("microseconds", [0, 1, 12, LONGEST])
def test_any_time_from_none_to_a_tenth_of_a_second_can_be_chosen(
    make_device: Callable[..., wintun.TunDevice], microseconds: int
) -> None:
    device = make_device("memory")
    assert device.spin_us == 12
    device.spin_us = microseconds
    device.up()
    assert device.session is not None
    assert device.spin_us == device.session.spin_us == microseconds
    device.spin_us = 7
    assert device.session.spin_us == 7
    device.down()
    device.up()
    assert device.session.spin_us == 7


@pytest.mark.parametrize("microseconds", [-1, LONGEST + 1, 1 << 32, 1 << 64, -(1 << 64)])
def test_a_time_out_of_range_is_a_value_error_and_changes_nothing(
    session: wintun.Session, device: wintun.TunDevice, microseconds: int
) -> None:
    for owner in (session, device):
        with pytest.raises(ValueError, match="spin_us"):
            owner.spin_us = microseconds
        assert owner.spin_us == 12


@pytest.mark.parametrize("microseconds", [None, 1.5, "1", True, b"1"], ids=repr)
def test_a_time_that_is_no_int_is_a_type_error(
    session: wintun.Session, device: wintun.TunDevice, microseconds: Any
) -> None:
    for owner in (session, device):
        with pytest.raises(TypeError, match="spin_us"):
            owner.spin_us = microseconds
        assert owner.spin_us == 12


def test_it_cannot_be_deleted(session: wintun.Session, device: wintun.TunDevice) -> None:
    for owner in (session, device):
        with pytest.raises(AttributeError):
            del owner.spin_us


def test_little_traffic_is_waited_for_without_spinning(session: wintun.Session) -> None:
    session.spin_us = LONGEST
    began = time.monotonic()
    while time.monotonic() < began + 0.7:  # longer than traffic is measured
        simulator.fill(session.adapter.name, 64, 3)
        while session.read(timeout=0.01) is not None:
            pass
    assert spins(session) == 0
    assert waits(session) > 0


@pytest.mark.parametrize("size", [64, 1400])
def test_heavy_traffic_is_spun_for_unless_that_is_switched_off(
    make_session: Callable[..., wintun.Session], size: int
) -> None:
    session = make_session(0x100000)
    session.spin_us = 0
    until = time.monotonic() + 0.7
    heavy_traffic(session, lambda: time.monotonic() > until, size)
    assert spins(session) == 0
    session.spin_us = 12
    make_heavy(session, size)


def test_a_short_transfer_after_a_pause_is_spun_for(session: wintun.Session) -> None:
    ends = time.monotonic() + HANG_SECONDS
    while spins(session) == 0:
        assert time.monotonic() < ends, "no short transfer is spun for"
        # Anew, where this thread came so late that the transfer was over before it was heavy.
        assert session.read(timeout=1.5) is None
        until = time.monotonic() + 0.2
        heavy_traffic(session, lambda: time.monotonic() > until or spins(session) > 0)  # noqa: B023


def test_spinning_ends_when_traffic_does(heavy_session: wintun.Session) -> None:
    def measured_again() -> bool:
        before = spins(heavy_session)
        heavy_session.read(timeout=0.001)
        return spins(heavy_session) == before

    wait_until(measured_again, "nothing comes any more, and it is still spun for")


def test_reads_that_do_not_wait_do_not_spin(heavy_session: wintun.Session) -> None:
    before = spins(heavy_session)
    for _ in range(100):
        assert heavy_session.read() is None
        assert heavy_session.read_many() == []
    assert spins(heavy_session) == before


def test_a_packet_that_comes_during_the_spin_is_read(session: wintun.Session) -> None:
    for _ in range(5):
        reader = spinning_reader(session)
        assert simulator.deliver(session.adapter.name, ipv4_packet(40))
        assert reader.result() == ipv4_packet(40)


def test_the_end_of_the_session_ends_the_spin(session: wintun.Session) -> None:
    reader = spinning_reader(session)
    session.end()
    assert type(reader.error()) is wintun.ClosedError


def test_a_timeout_shorter_than_the_spin_still_ends_the_read(
    heavy_session: wintun.Session,
) -> None:
    heavy_session.spin_us = LONGEST
    assert heavy_session.read(timeout=0.001) is None
