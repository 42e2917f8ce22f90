# SPDX-License-Identifier: MIT
"""An adapter that is removed under the program: everything says so, and it can be brought back."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, wait_until
from wintun import simulator

Device = wintun.TunDevice

PACKET = ipv4_packet(40)

SETTINGS: dict[str, Any] = {
    "mtu": 1400,
    "mtu4": 1400,
    "mtu6": 1400,
    "addr": "10.6.7.8/24",
    "addr4": "10.6.7.8/24",
    "addr6": "fd00::8/64",
    "addresses": ["10.6.7.8/24", "fd00::8/64"],
    "index": None,
    "guid": None,
}

CALLS: dict[str, Callable[[Device], object]] = {
    "up": lambda device: device.up(),
    "add_address": lambda device: device.add_address("10.6.7.9/24"),
    "remove_address": lambda device: device.remove_address("10.6.7.8"),
    "adapter.wait_family": lambda device: device.adapter.wait_family(4, 5.0),
    "adapter.get_mtu": lambda device: device.adapter.get_mtu(6),
    "adapter.get_addresses": lambda device: device.adapter.get_addresses(),
    "adapter.start_session": lambda device: device.adapter.start_session(),
}

TRAFFIC: dict[str, Callable[[Device], object]] = {
    "read": lambda device: device.read(),
    "read that waits": lambda device: device.read(timeout=None),
    "read_many": lambda device: device.read_many(timeout=None),
    "receive_packet": lambda device: device.receive_packet(),
    "receive_packets": lambda device: device.receive_packets(),
    "write": lambda device: device.write(PACKET),
    "write_many": lambda device: device.write_many([PACKET]),
    "allocate_send_packet": lambda device: device.allocate_send_packet(40),
    "iteration": next,
}


def check_told(error: OSError) -> None:
    assert type(error) is wintun.AdapterTerminatingError
    assert error.winerror
    assert error.errno
    for word in ("removed", "recreate()"):
        assert word in str(error)


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    device = make_device("memory")
    device.addresses = SETTINGS["addresses"]
    device.up()
    return device


def by_removal(device: Device) -> None:
    simulator.remove_adapter(device.name)


@pytest.mark.parametrize("state", ["up", "down"])
@pytest.mark.parametrize("call", [*SETTINGS, *CALLS])
def test_every_call_that_needs_the_adapter_says_that_it_is_gone(
    device: Device, state: str, call: str
) -> None:
    getattr(device, state)()
    by_removal(device)
    if call in CALLS:
        with pytest.raises(OSError) as failure:  # noqa: PT011 (looked at)
            CALLS[call](device)
        check_told(failure.value)
        return
    with pytest.raises(OSError) as failure:  # noqa: PT011 (looked at)
        getattr(device, call)
    check_told(failure.value)
    if SETTINGS[call] is not None:
        with pytest.raises(OSError) as failure:  # noqa: PT011 (looked at)
            setattr(device, call, SETTINGS[call])
        check_told(failure.value)


@pytest.mark.parametrize("after", ["removal", "up() in vain"])
@pytest.mark.parametrize("call", TRAFFIC)
def test_every_read_and_write_says_that_it_is_gone(device: Device, call: str, after: str) -> None:
    by_removal(device)
    if after != "removal":
        with pytest.raises(wintun.AdapterTerminatingError):
            device.up()
    with pytest.raises(OSError) as failure:  # noqa: PT011 (looked at)
        TRAFFIC[call](device)
    check_told(failure.value)


def test_the_device_is_not_up_any_more_whether_anybody_reads_or_not(device: Device) -> None:
    assert device.is_up
    by_removal(device)
    assert not device.is_up
    assert "gone" in repr(device)
    assert device.adapter.removed
    assert device.session is not None
    assert device.session.terminating


def test_packets_that_were_read_ahead_do_not_make_it_look_up(device: Device) -> None:
    for _ in range(3):
        assert simulator.deliver(device.name, PACKET)
    assert device.read() == PACKET
    by_removal(device)
    assert not device.is_up


def test_a_loop_that_survives_every_error_ends(device: Device) -> None:
    def read_while_up() -> int:
        errors = 0
        while device.is_up:
            try:
                device.read(timeout=0.01)
            except OSError:
                errors += 1
        return errors

    reader = Worker(read_while_up)
    assert reader.started.wait(HANG_SECONDS)
    by_removal(device)
    assert reader.result() <= 1


def test_an_opened_device_says_it_when_the_creator_closes(device: Device) -> None:
    opened = wintun.TunDevice.open(device.name)
    device.down()
    opened.up()
    device.close()
    assert not opened.is_up
    for call in (opened.up, opened.read, lambda: opened.mtu, lambda: opened.addresses):
        with pytest.raises(OSError) as failure:  # noqa: PT011 (looked at)
            call()
        check_told(failure.value)
    opened.close()


def test_an_adapter_that_is_only_closed_here_counts_as_closed_not_as_removed(
    device: Device,
) -> None:
    device.close()
    assert not device.adapter.removed
    with pytest.raises(wintun.ClosedError, match="the device is closed"):
        device.read()


@pytest.mark.parametrize("call", ["up", "recreate"])
def test_a_disabled_adapter_works_again_when_it_is_enabled(device: Device, call: str) -> None:
    luid = device.luid
    simulator.disable_adapter(device.name)
    with pytest.raises(wintun.AdapterTerminatingError):
        device.read()
    assert not device.is_up
    with pytest.raises(wintun.AdapterTerminatingError):
        getattr(device, call)()
    simulator.enable_adapter(device.name)
    getattr(device, call)()
    assert device.is_up
    assert device.luid == luid
    assert simulator.deliver(device.name, PACKET)
    assert device.read(timeout=HANG_SECONDS) == PACKET


# --- Bringing it back ---------------------------------------------------------------------------


def settings_of(device: Device) -> tuple[object, ...]:
    mine = [each for each in device.addresses if not each.ip.is_link_local]
    mtus = (device.mtu4, device.mtu6)
    return (device.name, device.guid, device.ring_capacity, device.spin_us, mtus, mine, device.addr)


def make_configured(make_device: Callable[..., Device]) -> Device:
    device = make_device("memory", capacity=0x40000)
    device.spin_us = 7
    device.mtu = 1400
    device.mtu4 = 1300
    device.addresses = ["10.1.0.1/24", "10.2.0.1/16", "fd00::1/64"]
    device.add_address("10.3.0.1/24")
    device.remove_address("10.2.0.1")
    device.addr6 = "fd00::2/48"
    return device


def exchange(device: Device) -> None:
    assert simulator.deliver(device.name, PACKET)
    assert device.read(timeout=HANG_SECONDS) == PACKET
    device.write(PACKET)
    wait_until(lambda: simulator.collect(device.name) == PACKET, "the packet arrives")


def test_it_comes_back_as_it_was(make_device: Callable[..., Device]) -> None:
    device = make_configured(make_device)
    device.up()
    exchange(device)
    before = settings_of(device)
    for times in (2, 3):
        by_removal(device)
        device.recreate()
        assert settings_of(device) == before
        assert device.is_up
        assert not device.adapter.removed
        exchange(device)
        assert device.statistics.packets_received == device.statistics.packets_sent == times


def test_what_was_down_is_down(make_device: Callable[..., Device]) -> None:
    device = make_configured(make_device)
    before = settings_of(device)
    by_removal(device)
    device.recreate()
    assert not device.is_up
    assert settings_of(device) == before
    device.up()
    by_removal(device)
    device.down()
    device.recreate()
    assert not device.is_up


def test_a_call_of_up_in_vain_does_not_count_as_down(device: Device) -> None:
    by_removal(device)
    with pytest.raises(wintun.AdapterTerminatingError):
        device.up()
    device.recreate()
    assert device.is_up


def test_where_the_adapter_is_there_nothing_happens(device: Device) -> None:
    luid, session = device.luid, device.session
    device.recreate()
    assert (device.luid, device.session) == (luid, session)
    device.down()
    device.recreate()
    assert not device.is_up


@pytest.mark.threads
def test_threads_that_read_go_on_reading(make_device: Callable[..., Device]) -> None:
    device = make_configured(make_device)
    device.up()
    removals, readers = 5, 4
    read: list[bytes] = []
    recreated = threading.Semaphore(0)

    def read_on() -> None:
        while True:
            try:
                for packet in device:
                    read.append(packet)
                return
            except wintun.AdapterTerminatingError:
                device.recreate()
                recreated.release()

    workers = [Worker(read_on) for _ in range(readers)]
    for number in range(removals):
        before = device.luid
        by_removal(device)
        # The first does it; another may be so late that it finds the new adapter only.
        assert recreated.acquire(timeout=HANG_SECONDS)
        wait_until(lambda before=before: device.luid != before and device.is_up, "it is back")  # type: ignore[misc]
        packet = ipv4_packet(40, number)
        assert simulator.deliver(device.name, packet)
        wait_until(lambda packet=packet: packet in read, "a reader reads on")  # type: ignore[misc]
    assert simulator.counts().adapters == 1
    device.close()
    for worker in workers:
        assert worker.error() is None
    assert len(read) == removals


def test_an_opened_device_is_opened_again(device: Device) -> None:
    with wintun.TunDevice.open(device.name) as opened:
        opened.mtu = 1450
        opened.addr = "10.4.0.1/24"
        by_removal(device)
        with pytest.raises(FileNotFoundError):
            opened.recreate()
        with pytest.raises(wintun.AdapterTerminatingError, match="recreate"):
            _ = opened.mtu
        assert not opened.closed
        device.recreate()
        opened.recreate()
        assert (opened.luid, opened.mtu, opened.addr) == (device.luid, 1450, "10.4.0.1")
        assert not opened.is_up


def test_what_fails_can_be_called_again_and_everything_says_gone_meanwhile(device: Device) -> None:
    before = settings_of(device)
    by_removal(device)
    for function in ("WintunCreateAdapter", "CreateUnicastIpAddressEntry", "WintunStartSession"):
        simulator.set_fault(function, 31)
        with pytest.raises(OSError, match=function):
            device.recreate()
        simulator.set_fault(function, 0)
        assert not device.is_up
        assert not device.closed
        if function == "WintunStartSession":
            continue  # the adapter is there
        assert "gone" in repr(device)
        for call in [*CALLS.values(), *TRAFFIC.values()]:
            if call in (CALLS[name] for name in CALLS if name.startswith("adapter.")):
                continue
            with pytest.raises(wintun.AdapterTerminatingError):
                call(device)
    device.recreate()
    assert device.is_up
    assert settings_of(device) == before


def test_it_can_be_closed_after_a_failure(device: Device) -> None:
    by_removal(device)
    simulator.set_fault("WintunCreateAdapter", 31)
    with pytest.raises(OSError, match="WintunCreateAdapter"):
        device.recreate()
    device.close()
    assert device.closed
    simulator.set_fault("WintunCreateAdapter", 0)
    with pytest.raises(wintun.ClosedError, match="the device is closed"):
        device.recreate()


def test_closing_meanwhile_leaves_nothing_behind(device: Device) -> None:
    by_removal(device)
    simulator.set_family_delay(device.name, 4, 30.0)
    worker = Worker(device.recreate)
    wait_until(lambda: simulator.counts().adapters == 1, "the new adapter is made")
    device.close()
    assert device.closed
    simulator.set_family_delay(device.name, 4, 0.0)
    error = worker.error()
    assert isinstance(error, wintun.ClosedError)
    assert simulator.counts() == (0, 0, 0, 0)


def test_a_closed_device_stays_closed(device: Device) -> None:
    device.close()
    with pytest.raises(wintun.ClosedError, match="the device is closed"):
        device.recreate()
