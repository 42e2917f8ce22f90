# SPDX-License-Identifier: MIT
"""`TunDevice` as an object: what it is told when it is made, and what it tells about itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

import wintun
from helpers import ipv4_packet, wait_until
from wintun import simulator

MakeDevice = Callable[..., wintun.TunDevice]

GUID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.driver
@pytest.mark.parametrize("given", [GUID, str(GUID), f"{{{GUID}}}".upper(), GUID.bytes_le], ids=str)
def test_a_guid_is_taken_in_every_form_and_read_as_uuid(
    make_device: MakeDevice, given: object
) -> None:
    assert make_device(guid=given).guid == GUID


@pytest.mark.parametrize("given", ["", "nonsense", str(GUID)[:-1], b"", bytes(15), bytes(17)])
def test_what_is_no_guid_is_a_value_error_that_names_it(
    make_device: MakeDevice, given: object
) -> None:
    with pytest.raises(ValueError, match=r"(?i)guid") as failure:
        make_device(guid=given)
    assert repr(given) in str(failure.value)


@pytest.mark.parametrize("given", [1, 1.5, [], bytearray(16), True], ids=repr)
def test_a_guid_of_the_wrong_type_is_a_type_error(make_device: MakeDevice, given: object) -> None:
    with pytest.raises(TypeError):
        make_device(guid=given)


@pytest.mark.driver
def test_statistics_are_the_sum_over_all_sessions(make_device: MakeDevice) -> None:
    device = make_device("memory")
    assert all(count == 0 for count in device.statistics)
    for round_ in range(1, 4):
        device.up()
        device.write(ipv4_packet(100))
        device.write(ipv4_packet(28))
        device.down()
        assert device.statistics.packets_sent == 2 * round_
        assert device.statistics.bytes_sent == 128 * round_
    device.close()
    assert device.statistics.packets_sent == 6


def test_statistics_count_what_was_read_refused_and_given_back(make_device: MakeDevice) -> None:
    device = make_device("memory", capacity=wintun.MIN_RING_CAPACITY)
    device.up()
    assert simulator.deliver(device.name, ipv4_packet(60))
    assert simulator.deliver(device.name, ipv4_packet(40))
    wait_until(lambda: device.read() is not None, "the first packet")
    wait_until(lambda: device.read() is not None, "the second packet")
    device.allocate_send_packet(100).release()
    simulator.pause(device.name)
    with pytest.raises(wintun.RingFullError):
        write_until_refused(device)
    counted = device.statistics
    assert (counted.packets_received, counted.bytes_received) == (2, 100)
    assert counted.bytes_sent == counted.packets_sent * 60000
    assert counted.ring_full == 1
    assert (counted.packets_unsent, counted.packets_unread) == (1, 0)


def write_until_refused(device: wintun.TunDevice) -> None:
    while True:
        device.write(ipv4_packet(60000))


@pytest.mark.driver
def test_a_new_ring_capacity_is_used_from_the_next_up_on(make_device: MakeDevice) -> None:
    device = make_device(capacity=wintun.MIN_RING_CAPACITY)
    device.up()
    device.ring_capacity = 2 * wintun.MIN_RING_CAPACITY
    assert device.session is not None
    assert device.session.capacity == wintun.MIN_RING_CAPACITY
    device.down()
    device.up()
    assert device.session.capacity == 2 * wintun.MIN_RING_CAPACITY


@pytest.mark.driver
def test_the_objects_of_the_api_are_there_below_it(make_device: MakeDevice) -> None:
    device = make_device()
    assert device.session is None
    assert device.adapter.luid == device.luid
    assert device.adapter.index == device.index
    device.up()
    assert device.session is not None
    assert device.session.adapter is device.adapter
    device.down()
    assert device.session is None
    device.close()
    assert device.adapter.closed


@pytest.mark.driver
def test_a_with_block_closes_at_its_end_and_does_not_bring_up(make_device: MakeDevice) -> None:
    with make_device() as device:
        assert not device.is_up
        assert not device.closed
    assert device.closed


@pytest.mark.driver
def test_its_text_has_its_name_and_state(make_device: MakeDevice) -> None:
    device = make_device()
    assert repr(device) == f"<wintun.TunDevice {device.name!r} down>"
    device.up()
    assert repr(device).endswith(" up>")
    device.close()
    assert repr(device).endswith(" closed>")


@pytest.mark.driver
def test_a_device_whose_making_failed_can_be_collected(make_device: MakeDevice) -> None:
    for arguments in ({"capacity": 1}, {"guid": "nonsense"}):
        with pytest.raises(ValueError, match=r".+"):
            make_device(**arguments)
    broken = wintun.TunDevice.__new__(wintun.TunDevice)
    assert broken.closed
    assert "closed" in repr(broken)
    with pytest.raises(RuntimeError):
        broken.luid  # noqa: B018  it has none


@pytest.mark.driver
def test_the_driver_version_is_told_in_two_numbers_and_as_text(make_device: MakeDevice) -> None:
    make_device()
    version = wintun.get_driver_version()
    assert version == (version.major, version.minor)
    assert str(version) == f"{version.major}.{version.minor}"


def test_the_driver_version_is_a_file_not_found_error_while_no_driver_is_loaded() -> None:
    with simulator.fault("WintunGetRunningDriverVersion", 2), pytest.raises(FileNotFoundError):
        wintun.get_driver_version()


@pytest.mark.driver
def test_an_adapter_that_is_there_can_be_opened_as_a_device(make_device: MakeDevice) -> None:
    created = make_device()
    created.addr = "10.20.30.1/24"
    with wintun.TunDevice.open(created.name, wintun.MIN_RING_CAPACITY) as opened:
        assert (opened.name, opened.luid) == (created.name, created.luid)
        assert opened.ring_capacity == wintun.MIN_RING_CAPACITY
        assert opened.addr == "10.20.30.1"
        opened.up()
        assert opened.is_up
    assert created.addr == "10.20.30.1"  # whoever opened it has not removed it
    created.up()


def test_a_device_opened_on_an_adapter_carries_its_packets(make_device: MakeDevice) -> None:
    created = make_device("memory")
    with wintun.TunDevice.open(created.name) as opened:
        opened.up()
        assert simulator.deliver(created.name, ipv4_packet(100))
        assert opened.read() == ipv4_packet(100)


@pytest.mark.driver
def test_opening_no_adapter_says_so_and_leaves_nothing(unique_name: Callable[[], str]) -> None:
    with pytest.raises(FileNotFoundError, match="WintunOpenAdapter"):
        wintun.TunDevice.open(unique_name())


@pytest.mark.parametrize("capacity", [0, wintun.MIN_RING_CAPACITY + 1])
def test_opening_checks_the_capacity_first(make_device: MakeDevice, capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        wintun.TunDevice.open(make_device().name, capacity)


def test_a_device_is_made_once(device: wintun.TunDevice, unique_name: Callable[[], str]) -> None:
    device.up()
    with pytest.raises(RuntimeError, match="make another"):
        device.__init__(unique_name())  # type: ignore[misc]
    assert device.is_up
    device.close()
    with pytest.raises(RuntimeError, match="make another"):
        device.__init__(unique_name())  # type: ignore[misc]
