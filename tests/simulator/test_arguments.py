# SPDX-License-Identifier: MIT
"""The simulator's controls refuse what they cannot use, and say what they want."""

from __future__ import annotations

import inspect
import pickle
import socket
import sys
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet
from wintun import simulator

ANY: Any = simulator


@pytest.fixture
def device(make_device: Callable[..., wintun.TunDevice]) -> wintun.TunDevice:
    device = make_device("memory")
    device.up()
    return device


def test_a_device_and_an_adapter_stand_for_their_names(device: wintun.TunDevice) -> None:
    with wintun.Adapter.open(device.name) as adapter:
        for given in (device.name, device, adapter):
            assert simulator.deliver(given, ipv4_packet(20))
            assert device.read() == ipv4_packet(20)
            device.write(ipv4_packet(21))
            assert simulator.collect(given) == ipv4_packet(21)
            assert simulator.fill(given, 20, 0) == simulator.drain(given, 0) == 0
            assert simulator.statistics(given).delivered_packets > 0
            for control in (simulator.pause, simulator.drop, simulator.resume):
                control(given)
            simulator.keep_packet(given)
            simulator.return_packet(given)
            simulator.set_wire(given, "memory")
            simulator.set_family_delay(given, 6, 0)
        simulator.corrupt_ring(adapter)
        simulator.remove_adapter(device)


@pytest.mark.parametrize("given", [5, b"Test", ["Test"], object()])
@pytest.mark.parametrize(
    "function",
    [
        lambda name: ANY.deliver(name, b""),
        lambda name: ANY.fill(name, 20, 1),
        lambda name: ANY.drain(name, 1),
        lambda name: ANY.set_wire(name, "memory"),
        lambda name: ANY.set_family_delay(name, 4, None),
        lambda name: ANY.ping(name, 1),
        ANY.collect,
        ANY.statistics,
        ANY.pause,
        ANY.drop,
        ANY.resume,
        ANY.keep_packet,
        ANY.lose_wakeup,
        ANY.corrupt_ring,
        ANY.overrun_ring,
        ANY.remove_adapter,
    ],
)
def test_what_is_no_adapter_is_refused(function: Callable[[Any], object], given: object) -> None:
    with pytest.raises(TypeError, match=f"TunDevice or an Adapter, not {type(given).__name__}"):
        function(given)


@pytest.mark.parametrize("packet", [5, [69] * 20, "text", None, (b"",)])
def test_what_is_no_buffer_is_not_delivered(device: wintun.TunDevice, packet: object) -> None:
    with pytest.raises(TypeError, match=f"buffer, not {type(packet).__name__}"):
        ANY.deliver(device, packet)
    with pytest.raises(TypeError, match=f"buffer, not {type(packet).__name__}"):
        ANY.deliver_chain(device, [ipv4_packet(20), packet])
    assert device.read() is None


def test_a_packet_of_more_than_65535_bytes_is_not_delivered(device: wintun.TunDevice) -> None:
    with pytest.raises(ValueError, match="at most 65535 bytes, not 65536"):
        simulator.deliver(device, bytes(65536))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: ANY.fill(d, "x", 1), "size must be an int, not str"),
        (lambda d: ANY.fill(d, 20, 1.5), "count must be an int, not float"),
        (lambda d: ANY.drain(d, None), "count must be an int, not NoneType"),
        (lambda d: ANY.ping(d, 1, "x"), "interval must be a number of seconds, not str"),
        (lambda d: ANY.collect(d, "x"), "timeout must be a number of seconds, not str"),
        (lambda d: ANY.set_family_delay(d, 4, "soon"), "seconds must be a number of seconds, not"),
        (lambda d: ANY.set_fault("WintunOpenAdapter", "x"), "code must be an int, not str"),
        (lambda d: ANY.set_fault(5, 5), "function must be a str, not int"),
        (lambda d: ANY.set_fault("WintunOpenAdapter", 5, skip="1"), "skip must be an int, not str"),
        (lambda d: ANY.set_delay("WintunOpenAdapter", "1"), "milliseconds must be an int, not str"),
        (lambda d: ANY.calls(None), "function must be a str, not NoneType"),
        (lambda d: ANY.log("INFO", "x"), "level must be an int, not str"),
        (lambda d: ANY.log(0, 5), "message must be a str, not int"),
        (lambda d: ANY.mirror(5, "x"), "device must be a TunDevice, not int"),
        (lambda d: ANY.set_wire(d, "socket", sock="x"), "sock must be a socket or a descriptor"),
        (
            lambda d: ANY.set_wire(d, "flood", packet_size="x"),
            "packet_size must be an int, not str",
        ),
    ],
)
def test_an_argument_of_another_type_is_named(
    device: wintun.TunDevice, call: Callable[[wintun.TunDevice], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call(device)


def test_a_wire_and_its_socket_belong_together(device: wintun.TunDevice) -> None:
    with pytest.raises(ValueError, match="the wire 'socket' needs a socket"):
        simulator.set_wire(device, "socket")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="the wire 'loop' takes no sock"):
            simulator.set_wire(device, "loop", sock=sock)
        with pytest.raises(ValueError, match="sock must be connected"):
            simulator.set_wire(device, "socket", sock=sock)
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="sock must be connected"):
            simulator.set_wire(device, "socket", sock=sock)
        sock.connect(sock.getsockname())
        simulator.set_wire(device, "socket", sock=sock)


def test_a_function_that_is_not_there_has_a_likely_name_and_a_list() -> None:
    known = simulator.functions()
    assert len(set(known)) == len(known)
    assert {"WintunCreateAdapter", "WintunSendPacket", "SetIpInterfaceEntry"} <= set(known)
    for function in (simulator.set_delay, simulator.set_fault):
        with pytest.raises(ValueError, match="Did you mean 'WintunCreateAdapter'") as caught:
            function("WintunCreateAdaptor", 5)
        assert all(name in str(caught.value) for name in known)
    for name in known:
        simulator.set_delay(name, 0)


def test_a_ping_to_nobody_is_refused(make_device: Callable[..., wintun.TunDevice]) -> None:
    device = make_device("host")
    device.up()
    for address in ("10.6.7.1/32", "fd00::1/128"):
        device.addr = address
        with pytest.raises(ValueError, match="nobody to ping"):
            simulator.ping(device, 1)
        simulator.ping(device, 0)
    device.add_address("10.6.7.9/24")
    simulator.ping(device, 1)


@pytest.mark.parametrize("name", ["Statistics", "Counts"])
def test_every_number_has_a_text(name: str) -> None:
    source = inspect.getsource(sys.modules["wintun.simulator._counters"])
    source = source[source.index(f"class {name}(NamedTuple)") :]
    for field in getattr(simulator, name)._fields:
        _, found, after = source.partition(f"    {field}: int\n")
        assert found, field
        assert after.startswith('    """'), field


def test_what_it_returns_can_be_pickled_by_its_public_name(device: wintun.TunDevice) -> None:
    for made in (simulator.statistics(device), simulator.counts()):
        assert pickle.loads(pickle.dumps(made)) == made
        assert b"wintun.simulator\n" in pickle.dumps(made, 0)
