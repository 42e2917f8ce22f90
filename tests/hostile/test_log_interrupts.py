# SPDX-License-Identifier: MIT
"""A signal handler that raises while any function of the library logs: it reaches the caller."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import wintun
from compilers import MISSING

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SIGNAL = signal.SIGTERM


class ExpectedError(Exception):
    """As a handler's own exception may be: an Exception like any other."""


ERRORS = [KeyboardInterrupt, SystemExit, ExpectedError]


class Callback:
    """Raises the signal at the first line that a function of this name logs."""

    def __init__(self) -> None:
        self.function = ""
        self.met = False

    def __call__(self, level: int, timestamp: int, message: str) -> None:
        if message == self.function:
            self.function = ""
            self.met = True
            signal.raise_signal(SIGNAL)


@pytest.fixture
def callback(library: Any) -> Iterator[Callback]:
    """The log callback of a library that logs in each of its functions."""
    made = Callback()
    logger = wintun.set_logger(made)
    handler = signal.getsignal(SIGNAL)
    library.HostileLogEverywhere(True)
    yield made
    library.HostileLogEverywhere(False)
    signal.signal(SIGNAL, handler)
    wintun.set_logger(logger)


def again(device: wintun.TunDevice) -> None:
    device.down()
    device.up()


def drop(device: wintun.TunDevice) -> None:
    """The last reference to an adapter goes."""
    made = [wintun.Adapter.create("dropped", "Test")]
    made.clear()


# What is called, and which function of the library logs meanwhile.
CALLS: dict[tuple[str, str], Callable[[wintun.TunDevice], object]] = {
    ("make", "WintunCreateAdapter"): lambda device: wintun.TunDevice("another", "Test").close(),
    ("make", "WintunGetAdapterLUID"): lambda device: wintun.TunDevice("another", "Test").close(),
    ("open", "WintunOpenAdapter"): lambda device: wintun.TunDevice.open("another").close(),
    ("close", "WintunEndSession"): lambda device: device.close(),
    ("close", "WintunCloseAdapter"): lambda device: device.close(),
    ("adapter.close", "WintunCloseAdapter"): lambda device: device.adapter.close(),
    ("down", "WintunEndSession"): lambda device: device.down(),
    ("session.end", "WintunEndSession"): lambda device: device.session.end(),  # type: ignore[union-attr]
    ("up", "WintunStartSession"): again,
    ("up", "WintunGetReadWaitEvent"): again,
    ("read", "WintunReceivePacket"): lambda device: device.read(),
    ("read_many", "WintunReleaseReceivePacket"): lambda device: device.read_many(),
    ("receive_packet", "WintunReceivePacket"): lambda device: device.receive_packet(),
    ("write", "WintunAllocateSendPacket"): lambda device: device.write(bytes(20)),
    ("version", "WintunGetRunningDriverVersion"): lambda device: wintun.get_driver_version(),
    ("delete_driver", "WintunDeleteDriver"): lambda device: wintun.delete_driver(),
    ("addresses", "GetUnicastIpAddressTable"): lambda device: device.addresses,
    ("dropped", "WintunCloseAdapter"): drop,
}


def call_and_go_on(call: Callable[[wintun.TunDevice], object], device: wintun.TunDevice) -> None:
    call(device)
    for _ in range(10):
        len("")  # where the interpreter raises it at the latest


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", CALLS, ids=" in ".join)
def test_what_a_handler_raises_while_a_function_logs_reaches_the_caller(
    library: Any,
    callback: Callback,
    unraisable: list[Any],
    call: tuple[str, str],
    error: type[BaseException],
) -> None:
    def handle(number: int, frame: object) -> None:
        raise error("from the handler")

    signal.signal(SIGNAL, handle)
    device = wintun.TunDevice("hostile", "Test")
    device.up()
    library.HostileReceive(0, 0, 3, 259)
    callback.function = call[1]
    with pytest.raises(error, match="from the handler"):
        call_and_go_on(CALLS[call], device)
    assert callback.met
    assert unraisable == []
    library.HostileLogEverywhere(False)
    device.down()
    if not device.closed:
        device.up()
        assert device.is_up
    device.close()
    assert device.closed
