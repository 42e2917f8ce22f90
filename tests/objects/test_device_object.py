# SPDX-License-Identifier: MIT
"""What a device takes and says: attributes, states, its text, settings that belong together."""

from __future__ import annotations

import gc
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet
from wintun import simulator

Device = wintun.TunDevice

# --- Attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("address", "addr"),
        ("addres", "addresses"),
        ("ip", "addr"),
        ("MTU", "mtu"),
        ("mtu_4", "mtu4"),
        ("capacity", "ring_capacity"),
        ("spin", "spin_us"),
    ],
)
def test_a_misspelt_setting_is_refused_with_what_was_meant(
    device: Device, misspelt: str, meant: str
) -> None:
    with pytest.raises(AttributeError) as refused:
        setattr(device, misspelt, 1400)
    assert f"'TunDevice' object has no attribute {misspelt!r}; did you mean" in str(refused.value)
    assert repr(meant) in str(refused.value)
    assert not hasattr(device, misspelt)


def test_what_is_like_no_setting_is_refused_without_a_guess(device: Device) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'colour'$"):
        device.colour = "blue"  # type: ignore[attr-defined]


def test_a_class_of_the_users_has_attributes_of_its_own(unique_name: Callable[[], str]) -> None:
    class Named(wintun.TunDevice):
        def __init__(self, name: str) -> None:
            self.colour = "blue"
            super().__init__(name, "Test")

    with Named(unique_name()) as device:
        assert device.colour == "blue"
        device.colour = "red"
        del device.colour


# --- Up, down, closed -----------------------------------------------------------------------------

NEEDS_SESSION: dict[str, Callable[[Device], object]] = {
    "read": lambda device: device.read(),
    "read_many": lambda device: device.read_many(),
    "receive_packet": lambda device: device.receive_packet(),
    "wait_read_event": lambda device: device.wait_read_event(0),
    "write": lambda device: device.write(ipv4_packet(20)),
    "write_many": lambda device: device.write_many(iter([ipv4_packet(20)])),
}


@pytest.mark.parametrize("call", NEEDS_SESSION)
def test_the_error_tells_down_from_closed(device: Device, call: str) -> None:
    down = "the device is down: call up\\(\\) first"
    with pytest.raises(wintun.ClosedError, match=down):
        NEEDS_SESSION[call](device)
    device.up()
    device.down()
    with pytest.raises(wintun.ClosedError, match=down):
        NEEDS_SESSION[call](device)
    device.close()
    with pytest.raises(wintun.ClosedError, match="the device is closed") as closed:
        NEEDS_SESSION[call](device)
    assert closed.value.winerror == 6
    assert "up()" not in str(closed.value)


def test_a_loop_over_a_device_that_never_was_up_says_so(device: Device) -> None:
    with pytest.raises(wintun.ClosedError, match="call up\\(\\) first"):
        list(device)
    device.close()
    with pytest.raises(wintun.ClosedError, match="the device is closed"):
        list(device)


def test_a_loop_over_a_device_that_was_up_ends_quietly(device: Device) -> None:
    device.up()
    device.down()
    assert list(device) == []
    device.close()
    assert list(device) == []


def test_a_with_block_of_a_closed_device_says_so(device: Device) -> None:
    with device:
        pass
    with pytest.raises(wintun.ClosedError, match="the device is closed"), device:
        raise AssertionError("the block is entered")


def test_an_iterator_that_the_ring_refuses_is_not_gone_through_while_down(device: Device) -> None:
    packets = iter([ipv4_packet(20)])
    with pytest.raises(wintun.ClosedError):
        device.write_many(packets)
    device.up()
    assert device.write_many(packets=packets, timeout=0) == 1


# --- Texts ----------------------------------------------------------------------------------------


def test_the_text_of_a_device_has_its_name_state_and_addresses(device: Device) -> None:
    name = device.name
    assert repr(device) == f"<wintun.TunDevice {name!r} down>"
    device.addresses = ["10.6.7.1/24", "fd00::1/64"]
    device.up()
    assert repr(device) == f"<wintun.TunDevice {name!r} up 10.6.7.1/24 fd00::1/64>"
    simulator.remove_adapter(name)
    assert repr(device) == f"<wintun.TunDevice {name!r} gone 10.6.7.1/24 fd00::1/64>"
    device.close()
    assert repr(device) == f"<wintun.TunDevice {name!r} closed 10.6.7.1/24 fd00::1/64>"


def test_every_object_has_a_text_that_tells_it_from_others(session: wintun.Session) -> None:
    adapter = session.adapter
    name = adapter.name
    assert repr(adapter) == f"<wintun.Adapter {name!r} open>"
    assert repr(session) == f"<wintun.Session on {adapter!r} open>"
    for _ in range(3):
        assert simulator.deliver(name, ipv4_packet(20))
    batch = session.receive_packets()
    assert repr(batch) == "<wintun.PacketBatch received, 3 packets>"
    batch.release()
    assert repr(batch) == "<wintun.PacketBatch received, 3 packets, released>"
    batch = session.allocate_send_packets([20])
    assert repr(batch) == "<wintun.PacketBatch to send, 1 packets>"
    batch.send()
    assert repr(batch) == "<wintun.PacketBatch to send, 1 packets, released>"
    adapter.close()
    assert repr(adapter) == f"<wintun.Adapter {name!r} closed>"
    assert repr(session) == f"<wintun.Session on {adapter!r} closed>"


def test_statistics_are_of_one_kind_on_device_and_session(device: Device) -> None:
    device.up()
    device.write(ipv4_packet(20))
    session = device.session
    assert session is not None
    for counted in (device.statistics, session.statistics):
        assert type(counted) is wintun.Statistics
        assert counted.packets_sent == 1
    for field in wintun.Statistics._fields:
        assert "Alias for field" not in str(getattr(wintun.Statistics, field).__doc__), field


# --- Settings that belong together ----------------------------------------------------------------


def assigned(device: Device) -> list[str]:
    return [str(each) for each in device.addresses if not each.ip.is_link_local]


@pytest.mark.parametrize("missing", [4, 6])
def test_addresses_are_set_all_or_none(
    make_device: Callable[..., Device], unique_name: Callable[[], str], missing: Any
) -> None:
    simulator.set_family_delay(None, missing, None)
    device = make_device()
    before = ["10.1.0.1/24", "10.2.0.1/16"] if missing == 6 else ["fd00::1/64", "fd01::1/48"]
    device.addresses = before
    with pytest.raises(OSError, match=f"IPv{missing}"):
        device.addresses = ["10.1.0.1/20", "10.9.0.1/24", "fd00::1/56", "fd09::1/64"]
    assert sorted(assigned(device)) == sorted(before)
    assert device.addr == before[0].split("/")[0]


@pytest.mark.parametrize("function", ["CreateUnicastIpAddressEntry", "DeleteUnicastIpAddressEntry"])
def test_addresses_stay_whichever_step_fails(device: Device, function: str) -> None:
    before = ["10.1.0.1/24", "10.2.0.1/16", "fd00::1/64"]
    wanted = ["10.2.0.1/20", "10.3.0.1/24", "fd00::1/56", "fd03::1/64"]
    device.addresses = before
    failures = 0
    for step in range(20):
        simulator.set_fault(function, 31, skip=step, times=1)
        try:
            device.addresses = wanted
        except OSError:
            failures += 1
            assert sorted(assigned(device)) == sorted(before)
        else:
            break
        finally:
            simulator.set_fault(function, 0)
    assert failures > 1
    assert assigned(device) == wanted


def test_the_mtu_is_that_of_both_ip_versions_or_neither(device: Device) -> None:
    device.mtu4, device.mtu6 = 1400, 1500
    simulator.set_fault("SetIpInterfaceEntry", 31, skip=1, times=1)
    with pytest.raises(OSError, match="SetIpInterfaceEntry"):
        device.mtu = 1300
    assert (device.mtu4, device.mtu6) == (1400, 1500)
    device.mtu = 1300
    assert (device.mtu4, device.mtu6) == (1300, 1300)


# --- The end --------------------------------------------------------------------------------------


def test_a_device_dies_quietly_after_the_modules_that_it_needs(
    unique_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch, unraisable: list[Any]
) -> None:
    # As at the interpreter's end, when what refers to the device outlives the package.
    import warnings

    import wintun._addresses
    import wintun._configuration
    import wintun.device

    device = wintun.TunDevice(unique_name(), "Test")
    device.addr = "10.1.0.1/24"
    device.up()
    emptied = [
        (module, name)
        for module in (wintun.device, wintun._configuration, wintun._addresses, wintun._locks)
        for name in vars(module)
        if not name.startswith("__")
    ]
    with pytest.warns(ResourceWarning, match="unclosed <wintun.TunDevice"):  # noqa: PT031
        for module, name in [*emptied, (warnings, "warn")]:
            monkeypatch.setattr(module, name, None)
        del device
        gc.collect()
        monkeypatch.undo()
    assert unraisable == []
    assert simulator.counts().adapters == 0
