# SPDX-License-Identifier: MIT
"""MTU and addresses: each family alone and both, late, missing, given in every spelling."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from typing import Any, Callable

import pytest

import wintun
from helpers import Worker, check_prompt
from wintun import simulator

Device = wintun.TunDevice

AUTOMATIC = IPv6Interface("fe80::/64").network


def manual_addresses(device: Device) -> list[str]:
    """The addresses as text, without those that the system gave the adapter itself."""
    return [str(each) for each in device.addresses if each.ip not in AUTOMATIC]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a missing family be given up after a moment; one test waits the full five seconds."""
    monkeypatch.setattr("wintun._configuration.INTERFACE_TIMEOUT", 0.2)


# --- MTU -------------------------------------------------------------------------------------


@pytest.mark.driver
def test_a_new_device_has_the_mtu_of_the_driver(device: Device) -> None:
    assert device.mtu == device.mtu4 == device.mtu6 == 65535


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [1280, 1281, 1420, 1500, 9000, 65535])
def test_setting_the_mtu_sets_that_of_both_families(device: Device, mtu: int) -> None:
    device.mtu = mtu
    assert (device.mtu, device.mtu4, device.mtu6) == (mtu, mtu, mtu)


@pytest.mark.driver
def test_the_mtu_of_each_family_can_be_set_alone(device: Device) -> None:
    device.mtu4 = 1400
    assert (device.mtu, device.mtu4, device.mtu6) == (1400, 1400, 65535)
    device.mtu6 = 1300
    assert (device.mtu, device.mtu4, device.mtu6) == (1400, 1400, 1300)


@pytest.mark.driver
def test_the_mtu_stays_over_down_and_up_and_can_be_changed_while_up(device: Device) -> None:
    device.mtu = 1400
    device.up()
    assert device.mtu == 1400
    device.mtu = 1500
    device.down()
    assert device.mtu == 1500
    device.up()
    assert device.mtu == 1500


@pytest.mark.parametrize("mtu", [68, 576, 1279])
def test_an_mtu_below_1280_is_fine_for_ipv4_alone(device: Device, mtu: int) -> None:
    device.mtu4 = mtu
    assert device.mtu4 == mtu


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [-1, 0, 1, 67, 68, 1279, 65536, 2**32 + 1500, -(2**70), 2**70])
def test_an_mtu_that_not_both_families_can_have_is_a_value_error_and_changes_neither(
    device: Device, mtu: int
) -> None:
    device.mtu = 1500
    with pytest.raises(ValueError, match=str(mtu)):
        device.mtu = mtu
    assert (device.mtu4, device.mtu6) == (1500, 1500)


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [-1, 0, 67, 65536, 2**70])
def test_an_mtu_that_ipv4_cannot_have_is_a_value_error(device: Device, mtu: int) -> None:
    with pytest.raises(ValueError, match=str(mtu)):
        device.mtu4 = mtu


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [-1, 0, 67, 68, 1279, 65536, 2**70])
def test_an_mtu_that_ipv6_cannot_have_is_a_value_error(device: Device, mtu: int) -> None:
    with pytest.raises(ValueError, match=str(mtu)):
        device.mtu6 = mtu


@pytest.mark.driver
def test_the_refusal_of_a_small_mtu_says_how_to_have_it_for_ipv4(device: Device) -> None:
    with pytest.raises(ValueError, match="mtu4"):
        device.mtu = 1279


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [None, "1500", 1500.0, True, b"", [1500]], ids=repr)
@pytest.mark.parametrize("name", ["mtu", "mtu4", "mtu6"])
def test_an_mtu_that_is_no_integer_is_a_type_error(device: Device, name: str, mtu: Any) -> None:
    with pytest.raises(TypeError):
        setattr(device, name, mtu)


# --- Interfaces that come late, or never -----------------------------------------------------

LATE = 0.3


@pytest.mark.parametrize("late", [(4,), (6,), (4, 6)], ids=["IPv4", "IPv6", "both"])
def test_an_interface_that_appears_late_is_waited_for(
    make_device: Callable[..., Device], late: tuple[int, ...]
) -> None:
    for family in late:
        simulator.set_family_delay(None, family, LATE)  # type: ignore[arg-type]
    began = time.monotonic()
    device = make_device()
    device.mtu = 1400
    assert time.monotonic() - began >= LATE * 0.9
    assert (device.mtu4, device.mtu6) == (1400, 1400)


@pytest.mark.parametrize(("family", "address"), [(4, "10.1.2.3/24"), (6, "fd00::1/64")])
def test_an_address_for_a_late_interface_is_waited_for(
    make_device: Callable[..., Device], family: Any, address: str
) -> None:
    simulator.set_family_delay(None, family, LATE)
    device = make_device()
    device.addr = address
    assert manual_addresses(device) == [address]


@pytest.mark.parametrize(("family", "name"), [(4, "mtu4"), (6, "mtu6")])
def test_the_mtu_of_a_late_interface_is_waited_for(
    make_device: Callable[..., Device], family: Any, name: str
) -> None:
    simulator.set_family_delay(None, family, LATE)
    assert getattr(make_device(), name) == 65535


def test_a_missing_family_is_waited_for_five_seconds_at_most_and_only_once(
    make_device: Callable[..., Device],
) -> None:
    simulator.set_family_delay(None, 6, None)
    device = make_device()
    began = time.monotonic()
    device.mtu = 1400
    first = time.monotonic() - began
    assert 4.5 <= first < 60

    def set_again() -> float:
        began = time.monotonic()
        device.mtu = 1500
        return time.monotonic() - began

    check_prompt(set_again, first / 2)
    assert device.mtu == 1500


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("missing", "there"), [(6, "mtu4"), (4, "mtu6")])
def test_with_one_family_missing_the_mtu_is_that_of_the_other(
    make_device: Callable[..., Device], missing: Any, there: str
) -> None:
    simulator.set_family_delay(None, missing, None)
    device = make_device()
    device.mtu = 1400
    assert device.mtu == getattr(device, there) == 1400


@pytest.mark.usefixtures("hurry")
def test_without_ipv6_the_mtu_may_be_as_small_as_ipv4_allows(
    make_device: Callable[..., Device],
) -> None:
    simulator.set_family_delay(None, 6, None)
    device = make_device()
    device.mtu = 68
    assert device.mtu == 68


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("family", "words"), [(4, ["IPv4", "TCP/IPv4"]), (6, ["IPv6", "TCP/IPv6"])]
)
def test_the_error_for_a_missing_family_says_which_it_is_and_what_to_do(
    make_device: Callable[..., Device], family: Any, words: list[str]
) -> None:
    simulator.set_family_delay(None, family, None)
    device = make_device()
    address = "10.0.0.1" if family == 4 else "fd00::1"
    calls: list[Callable[[], object]] = [
        lambda: getattr(device, f"mtu{family}"),
        lambda: setattr(device, f"mtu{family}", 1500),
        lambda: setattr(device, "addr", address),
        lambda: setattr(device, f"addr{family}", address),
        lambda: setattr(device, "addresses", [address]),
        lambda: device.add_address(address),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError) as failure:
            call()
        assert failure.value.winerror == 1168  # type: ignore[attr-defined]
        assert all(word in str(failure.value) for word in words), str(failure.value)


@pytest.mark.usefixtures("hurry")
def test_with_both_families_missing_every_setting_fails_and_packets_still_cross(
    make_device: Callable[..., Device],
) -> None:
    simulator.set_family_delay(None, 4, None)
    simulator.set_family_delay(None, 6, None)
    device = make_device("memory")
    calls: list[Callable[[], object]] = [
        lambda: device.mtu,
        lambda: setattr(device, "mtu", 1500),
        lambda: setattr(device, "addr", "10.0.0.1"),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError) as failure:
            call()
        assert failure.value.winerror == 1168  # type: ignore[attr-defined]
    device.up()
    device.write(b"\x45" + bytes(19))
    assert simulator.collect(device.name) == b"\x45" + bytes(19)


def test_closing_a_device_ends_a_wait_for_its_interface(
    make_device: Callable[..., Device],
) -> None:
    simulator.set_family_delay(None, 4, None)
    simulator.set_family_delay(None, 6, None)

    def attempt() -> float:
        device = make_device()
        waiter = Worker(lambda: device.mtu)
        time.sleep(0.1)
        began = time.monotonic()
        device.close()
        assert isinstance(waiter.error(), OSError)
        return time.monotonic() - began

    check_prompt(attempt, 2.0)


# --- Addresses -------------------------------------------------------------------------------

SPELLINGS: list[tuple[Any, str]] = [
    ("10.2.0.0", "10.2.0.0/32"),
    ("10.2.0.0/16", "10.2.0.0/16"),
    ("10.2.3.4/24", "10.2.3.4/24"),
    ("10.2.3.4/255.255.255.0", "10.2.3.4/24"),
    (IPv4Address("10.2.3.4"), "10.2.3.4/32"),
    (IPv4Interface("10.2.3.4/30"), "10.2.3.4/30"),
    ("fd00::1", "fd00::1/64"),
    ("fd00::1/48", "fd00::1/48"),
    ("FD00:0::0001/128", "fd00::1/128"),
    (IPv6Address("fd00::1"), "fd00::1/64"),
    (IPv6Interface("fd00::1/127"), "fd00::1/127"),
    ("2001:db8::1/0", "2001:db8::1/0"),
]


@pytest.mark.parametrize(("given", "expected"), SPELLINGS, ids=repr)
def test_an_address_is_taken_in_every_spelling_with_prefix_and_without(
    device: Device, given: Any, expected: str
) -> None:
    device.addr = given
    assert manual_addresses(device) == [expected]
    assert device.addr == expected.split("/")[0]
    assert getattr(device, f"addr{ip_interface(expected).version}") == device.addr


@pytest.mark.driver
def test_a_device_without_addresses_has_none(device: Device) -> None:
    assert device.addr is None
    assert device.addr4 is None
    assert device.addr6 is None
    assert manual_addresses(device) == []


@pytest.mark.driver
@pytest.mark.parametrize("address", ["10.2.3.4/24", "fd00::1/64"])
def test_setting_an_address_twice_is_fine(device: Device, address: str) -> None:
    for _ in range(3):
        device.addr = address
        device.add_address(address)
        assert manual_addresses(device) == [address]


@pytest.mark.driver
@pytest.mark.parametrize(
    ("one", "other"), [("10.2.3.4/24", "10.2.3.4/16"), ("fd00::1/64", "fd00::1/48")]
)
def test_setting_an_address_again_with_another_prefix_changes_the_prefix(
    device: Device, one: str, other: str
) -> None:
    device.addr = one
    device.addr = other
    assert manual_addresses(device) == [other]


@pytest.mark.driver
def test_setting_an_address_replaces_those_of_its_family_only(device: Device) -> None:
    device.addr = "10.2.3.4/24"
    device.addr = "fd00::1/64"
    assert manual_addresses(device) == ["10.2.3.4/24", "fd00::1/64"]
    device.addr = "10.9.9.9/24"
    assert manual_addresses(device) == ["10.9.9.9/24", "fd00::1/64"]
    device.addr6 = "fd00::9/64"
    assert manual_addresses(device) == ["10.9.9.9/24", "fd00::9/64"]
    assert (device.addr4, device.addr6) == ("10.9.9.9", "fd00::9")


@pytest.mark.driver
def test_several_addresses_of_both_families_can_be_set_added_and_removed(device: Device) -> None:
    several = ["10.2.3.4/24", "10.2.3.5/24", "192.168.7.1/16", "fd00::1/64", "fd00::2/64"]
    device.addresses = several
    assert sorted(manual_addresses(device)) == sorted(several)
    device.add_address("10.2.3.6/24")
    assert "10.2.3.6/24" in manual_addresses(device)
    device.remove_address("10.2.3.5")
    device.remove_address("fd00::2/64")
    assert sorted(manual_addresses(device)) == sorted(
        ["10.2.3.4/24", "10.2.3.6/24", "192.168.7.1/16", "fd00::1/64"]
    )
    device.addresses = ["10.2.3.6/24"]
    assert manual_addresses(device) == ["10.2.3.6/24"]
    device.addresses = []
    assert manual_addresses(device) == []


@pytest.mark.driver
def test_addresses_are_objects_of_the_ipaddress_module(device: Device) -> None:
    device.addresses = ["10.2.3.4/24", "fd00::1/64"]
    kinds = [type(each) for each in device.addresses if each.ip not in AUTOMATIC]
    assert kinds == [IPv4Interface, IPv6Interface]
    device.addresses = device.addresses
    assert manual_addresses(device) == ["10.2.3.4/24", "fd00::1/64"]


@pytest.mark.driver
def test_the_link_local_address_of_the_system_stays(device: Device) -> None:
    device.mtu  # noqa: B018  waits for the interfaces
    before = [each for each in device.addresses if each.ip in AUTOMATIC]
    device.addr = "fd00::1/64"
    device.addresses = []
    assert [each for each in device.addresses if each.ip in AUTOMATIC] == before


@pytest.mark.driver
def test_the_address_that_was_set_last_is_the_one_that_is_read(device: Device) -> None:
    device.addr = "10.2.3.4/24"
    device.addr = "fd00::1/64"
    assert device.addr == "fd00::1"
    device.addr = "10.2.3.4/24"
    assert device.addr == "10.2.3.4"


@pytest.mark.driver
def test_removing_an_address_that_is_not_there_is_a_file_not_found_error(device: Device) -> None:
    with pytest.raises(FileNotFoundError):
        device.remove_address("10.2.3.4")


BAD_ADDRESSES: list[Any] = [
    "",
    "nonsense",
    "10.2.3",
    "10.2.3.4.5",
    "10.2.3.256",
    "10.2.3.4/33",
    "10.2.3.4/-1",
    "10.2.3.4/",
    "10.2.3.4/x",
    "/24",
    "10.2.3.4 ",
    "10.2.3.4\0",
    "fd00::1/129",
    "fd00::g",
    "fd00:::1",
    "fe80::1%eth0",
    "fe80::1%1/64",
    IPv6Address("fe80::1%1"),
    IPv6Interface("fe80::1%1/64"),
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT ZERO}.2.3.4",
]


@pytest.mark.driver
@pytest.mark.parametrize("address", BAD_ADDRESSES, ids=repr)
def test_what_is_no_address_of_a_host_is_a_value_error_and_changes_nothing(
    device: Device, address: Any
) -> None:
    device.addr = "10.1.1.1/24"
    calls: list[Callable[[], object]] = [
        lambda: setattr(device, "addr", address),
        lambda: setattr(device, "addr4", address),
        lambda: setattr(device, "addr6", address),
        lambda: setattr(device, "addresses", ["10.2.2.2", address]),
        lambda: device.add_address(address),
        lambda: device.remove_address(address),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"address"):
            call()
    assert manual_addresses(device) == ["10.1.1.1/24"]


@pytest.mark.driver
@pytest.mark.parametrize(
    "address", [None, 1, 0x0A000001, b"\x0a\0\0\1", ["10.0.0.1"], 1.5], ids=repr
)
def test_an_address_of_another_type_is_a_type_error(device: Device, address: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: setattr(device, "addr", address),
        lambda: setattr(device, "addr4", address),
        lambda: setattr(device, "addresses", [address]),
        lambda: device.add_address(address),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        device.addresses = "10.0.0.1"


@pytest.mark.driver
def test_an_address_of_the_other_family_is_a_value_error(device: Device) -> None:
    with pytest.raises(ValueError, match="IPv4"):
        device.addr4 = "fd00::1"
    with pytest.raises(ValueError, match="IPv6"):
        device.addr6 = "10.0.0.1"


def test_two_devices_have_each_its_own_mtu_and_addresses(
    make_device: Callable[..., Device],
) -> None:
    one, other = make_device(), make_device()
    one.mtu, other.mtu = 1400, 1500
    one.addr, other.addr = "10.1.0.1/24", "10.2.0.1/24"
    assert (one.mtu, one.addr) == (1400, "10.1.0.1")
    assert (other.mtu, other.addr) == (1500, "10.2.0.1")
    assert manual_addresses(one) == ["10.1.0.1/24"]


def test_the_interface_can_be_configured_from_many_threads(
    make_device: Callable[..., Device],
) -> None:
    device = make_device()

    def configure(number: int) -> None:
        for step in range(20):
            device.mtu = 1300 + number
            device.addr = f"10.{number}.0.{step + 1}/24"
            assert device.addr is not None
            assert device.mtu >= 1300

    for worker in [Worker(configure, number) for number in range(4)]:
        worker.result()
    assert len(list(manual_addresses(device))) == 1
