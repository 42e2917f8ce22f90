# SPDX-License-Identifier: MIT
"""Closing is always safe: held packets stay readable, everything goes when its last user does."""

from __future__ import annotations

import gc
import itertools
from typing import Callable

import pytest

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, ipv4_packet, open_handles, scaled
from wintun import simulator

_names = itertools.count()

SESSION_CALLS: dict[str, Callable[[wintun.Session], object]] = {
    "read": lambda session: session.read(),
    "read with timeout": lambda session: session.read(timeout=None),
    "read_many": lambda session: session.read_many(),
    "receive_packet": lambda session: session.receive_packet(),
    "write": lambda session: session.write(ipv4_packet(20)),
    "write_many": lambda session: session.write_many([ipv4_packet(20)]),
    "allocate_send_packet": lambda session: session.allocate_send_packet(20),
    "wait_read_event": lambda session: session.wait_read_event(0),
    "read_wait_event": lambda session: session.read_wait_event,
}

ADAPTER_CALLS: dict[str, Callable[[wintun.Adapter], object]] = {
    "start_session": lambda adapter: adapter.start_session(MIN_CAPACITY),
    "get_mtu": lambda adapter: adapter.get_mtu(4),
    "set_mtu": lambda adapter: adapter.set_mtu(4, 1500),
    "wait_family": lambda adapter: adapter.wait_family(4, 0.0),
    "get_addresses": lambda adapter: adapter.get_addresses(),
    "add_address": lambda adapter: adapter.add_address(b"\x0a\0\0\1", 24),
    "remove_address": lambda adapter: adapter.remove_address(b"\x0a\0\0\1"),
}

DEVICE_CALLS: dict[str, Callable[[wintun.TunDevice], object]] = {
    "read": lambda device: device.read(),
    "read_many": lambda device: device.read_many(),
    "receive_packet": lambda device: device.receive_packet(),
    "write": lambda device: device.write(ipv4_packet(20)),
    "write_many": lambda device: device.write_many([ipv4_packet(20)]),
    "allocate_send_packet": lambda device: device.allocate_send_packet(20),
    "wait_read_event": lambda device: device.wait_read_event(0),
}


@pytest.mark.driver
@pytest.mark.parametrize("call", SESSION_CALLS)
def test_a_session_that_has_ended_raises_closed_error(adapter: wintun.Adapter, call: str) -> None:
    session = adapter.start_session(MIN_CAPACITY)
    assert not session.closed
    session.end()
    assert session.closed
    with pytest.raises(wintun.ClosedError) as refused:
        SESSION_CALLS[call](session)
    assert refused.value.winerror == 6


@pytest.mark.driver
@pytest.mark.parametrize("call", ADAPTER_CALLS)
def test_an_adapter_that_is_closed_raises_closed_error(adapter: wintun.Adapter, call: str) -> None:
    adapter.close()
    assert adapter.closed
    with pytest.raises(wintun.ClosedError) as refused:
        ADAPTER_CALLS[call](adapter)
    assert refused.value.winerror == 6


@pytest.mark.driver
@pytest.mark.parametrize("call", DEVICE_CALLS)
def test_a_device_that_is_down_or_closed_raises_closed_error(
    device: wintun.TunDevice, call: str
) -> None:
    steps: list[Callable[[], object]] = [device.down, device.up, device.down, device.close]
    for step in steps:
        step()
        if not device.is_up:
            with pytest.raises(wintun.ClosedError) as refused:
                DEVICE_CALLS[call](device)
            assert refused.value.winerror == 6
    with pytest.raises(wintun.ClosedError):
        device.up()


@pytest.mark.driver
def test_what_a_closed_session_counted_can_still_be_seen(adapter: wintun.Adapter) -> None:
    session = adapter.start_session(MIN_CAPACITY)
    session.write(ipv4_packet(20))
    session.end()
    assert session.statistics[2:4] == (1, 20)
    assert session.capacity == MIN_CAPACITY
    assert session.adapter is adapter


@pytest.mark.driver
def test_closing_twice_is_fine_everywhere(
    adapter: wintun.Adapter, make_device: Callable[..., wintun.TunDevice]
) -> None:
    session = adapter.start_session(MIN_CAPACITY)
    for _ in range(2):
        session.end()
    for _ in range(2):
        adapter.close()
    session.end()
    device = make_device()
    device.up()
    for _ in range(2):
        device.down()
    for _ in range(2):
        device.close()
    device.down()


@pytest.mark.driver
def test_a_session_can_be_started_again_after_one_has_ended(adapter: wintun.Adapter) -> None:
    for _ in range(5):
        with adapter.start_session(MIN_CAPACITY) as session:
            assert not session.closed
        assert session.closed


@pytest.mark.driver
def test_an_adapter_has_one_session_at_a_time(adapter: wintun.Adapter) -> None:
    with adapter.start_session(MIN_CAPACITY):
        with pytest.raises(OSError, match="WintunStartSession") as refused:
            adapter.start_session(MIN_CAPACITY)
        assert refused.value.winerror == 1247  # type: ignore[attr-defined]


@pytest.mark.driver
def test_with_blocks_close_what_they_hold(unique_name: Callable[[], str]) -> None:
    with wintun.Adapter.create(unique_name(), "Test") as adapter:
        with adapter.start_session(MIN_CAPACITY) as session:
            pass
        assert session.closed
    assert adapter.closed
    with wintun.TunDevice(unique_name(), "Test") as device:
        device.up()
        assert device.is_up
    assert device.closed
    assert not device.is_up


@pytest.mark.driver
def test_a_closed_adapter_is_gone_from_the_system_and_its_name_is_free(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    wintun.Adapter.create(name, "Test").close()
    with pytest.raises(FileNotFoundError):
        wintun.Adapter.open(name)
    wintun.Adapter.create(name, "Test").close()


def test_closing_an_adapter_ends_its_session(session: wintun.Session) -> None:
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    session.adapter.close()
    assert session.closed
    with pytest.raises(wintun.ClosedError):
        session.read()
    assert simulator.counts().sessions == 0
    assert simulator.counts().adapters == 0


@pytest.mark.parametrize("close", ["session", "adapter"])
def test_packets_held_across_a_close_stay_readable_and_the_last_one_frees_the_rings(
    session: wintun.Session, close: str
) -> None:
    contents = [ipv4_packet(size, size % 251) for size in (20, 1500, MAX_PACKET)]
    for content in contents:
        assert simulator.deliver(session.adapter.name, content)
    held = [session.receive_packet() for _ in contents]
    unsent = session.allocate_send_packet(100)
    if close == "session":
        session.end()
    else:
        session.adapter.close()
    assert [bytes(packet) for packet in held if packet] == contents
    memoryview(unsent)[:] = ipv4_packet(100)
    assert simulator.counts().sessions == 1
    while held:
        packet = held.pop(len(held) // 2)
        assert packet is not None
        packet.release()
        assert simulator.counts().sessions == 1
    unsent.release()
    assert simulator.counts().sessions == 0
    assert simulator.counts().held_packets == 0


def test_a_session_cannot_start_while_the_last_ones_packets_are_held(
    session: wintun.Session,
) -> None:
    adapter = session.adapter
    simulator.deliver(adapter.name, ipv4_packet(20))
    packet = session.receive_packet()
    assert packet is not None
    session.end()
    with pytest.raises(OSError, match="WintunStartSession") as refused:
        adapter.start_session(MIN_CAPACITY)
    assert refused.value.winerror == 1247  # type: ignore[attr-defined]
    packet.release()
    adapter.start_session(MIN_CAPACITY).end()


def test_sending_a_held_packet_after_the_close_is_a_closed_error_or_nothing(
    session: wintun.Session,
) -> None:
    packet = session.allocate_send_packet(40)
    session.end()
    try:
        packet.send()
    except wintun.ClosedError:
        packet.release()
    assert packet.released
    assert simulator.counts().sessions == 0


def test_a_view_held_across_a_close_stays_readable(session: wintun.Session) -> None:
    simulator.deliver(session.adapter.name, ipv4_packet(1500))
    view = memoryview(session.receive_packet())  # type: ignore[arg-type]
    session.adapter.close()
    gc.collect()
    assert view == ipv4_packet(1500)
    assert simulator.counts().sessions == 1
    view.release()
    gc.collect()
    assert simulator.counts().sessions == 0
    assert simulator.counts().adapter_handles == 0


def make_and_drop(order: tuple[str, ...]) -> None:
    name = f"drop {next(_names)}"
    adapter = wintun.Adapter.create(name, "Test")
    simulator.set_wire(name, "memory")
    session = adapter.start_session(MIN_CAPACITY)
    simulator.deliver(name, ipv4_packet(100))
    simulator.deliver(name, ipv4_packet(200))
    things: dict[str, object] = {
        "adapter": adapter,
        "session": session,
        "received": session.receive_packet(),
        "allocated": session.allocate_send_packet(50),
        "view": memoryview(session.receive_packet()),  # type: ignore[arg-type]
    }
    del adapter, session
    for thing in order:
        del things[thing]
        assert things.get("view", ipv4_packet(200)) == ipv4_packet(200)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_adapter_session_packets_and_views_can_be_dropped_in_any_order() -> None:
    before = simulator.counts()
    for order in itertools.permutations(["adapter", "session", "received", "allocated", "view"]):
        make_and_drop(order)
        assert simulator.counts() == before, order


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_things_in_a_reference_cycle_are_cleaned_up_by_the_collector() -> None:
    class Holder:
        def __init__(self) -> None:
            self.me = self
            self.device = wintun.TunDevice(f"cycle {next(_names)}", "Test")
            self.device.up()
            self.session = self.device.session
            self.packet = self.device.allocate_send_packet(20)

    before = simulator.counts()
    Holder()
    assert simulator.counts() != before
    gc.collect()
    assert simulator.counts() == before


@pytest.mark.driver
def test_an_unclosed_device_cleans_up_and_warns(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    device = wintun.TunDevice(name, "Test")
    device.up()
    last = [device]
    del device
    with pytest.warns(ResourceWarning, match=name):
        last.clear()
    with pytest.raises(FileNotFoundError):
        wintun.Adapter.open(name)


@pytest.mark.driver
def test_an_unclosed_adapter_cleans_up_and_warns(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    last = [wintun.Adapter.create(name, "Test")]
    with pytest.warns(ResourceWarning, match=name):
        last.clear()
    with pytest.raises(FileNotFoundError):
        wintun.Adapter.open(name)


@pytest.mark.driver
def test_what_was_closed_warns_of_nothing(
    unique_name: Callable[[], str], recwarn: pytest.WarningsRecorder
) -> None:
    device = wintun.TunDevice(unique_name(), "Test")
    device.up()
    device.close()
    adapter = wintun.Adapter.create(unique_name(), "Test")
    session = adapter.start_session(MIN_CAPACITY)
    session.end()
    adapter.close()
    del device, adapter, session
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_thousands_of_sessions_and_adapters_leave_nothing_behind(
    unique_name: Callable[[], str],
) -> None:
    def live_and_die() -> None:
        with wintun.TunDevice(unique_name(), "Test", MIN_CAPACITY) as device:
            device.up()
            device.write(ipv4_packet(40))
            device.read()

    live_and_die()
    before = simulator.counts()
    handles = open_handles()
    for _ in range(scaled(300, at_least=30)):
        live_and_die()
    assert simulator.counts() == before
    assert open_handles() <= handles + 5


@pytest.mark.driver
def test_an_adapter_that_was_opened_is_not_removed_by_closing_it(adapter: wintun.Adapter) -> None:
    opened = wintun.Adapter.open(adapter.name)
    assert (opened.luid, opened.guid, opened.name) == (adapter.luid, adapter.guid, adapter.name)
    opened.close()
    wintun.Adapter.open(adapter.name).close()
    adapter.start_session(MIN_CAPACITY).end()


def test_a_session_on_an_opened_adapter_ends_when_its_creator_removes_it(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    creator = make_adapter("memory")
    with wintun.Adapter.open(creator.name) as opened:
        session = opened.start_session(MIN_CAPACITY)
        creator.close()
        with pytest.raises(wintun.AdapterTerminatingError):
            session.read(timeout=None)
        session.end()
