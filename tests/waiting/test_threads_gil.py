# SPDX-License-Identifier: MIT
"""The GIL is released around every Wintun call: other threads run while one is inside."""

from __future__ import annotations

import time
from typing import Callable

import pytest

import wintun
from helpers import MIN_CAPACITY, Worker, ipv4_packet, sizes_that_fill
from wintun import simulator

DELAY_MS = 300
NAME = "gil"


class Prepared:
    """An adapter with a session and a packet of each kind in hand, made before calls are slow."""

    def __init__(self) -> None:
        simulator.set_wire(NAME, "memory")
        self.adapter = wintun.Adapter.create(NAME, "Test")
        self.other = wintun.Adapter.create(NAME + " other", "Test")
        self.session = self.adapter.start_session(MIN_CAPACITY)
        simulator.deliver(NAME, ipv4_packet(20))
        simulator.deliver(NAME, ipv4_packet(20))
        received = self.session.receive_packet()
        assert received is not None
        self.received = received
        self.allocated = self.session.allocate_send_packet(20)

    def close(self) -> None:
        self.received.release()
        self.allocated.release()
        self.session.end()
        self.adapter.close()
        self.other.close()


def create(prepared: Prepared) -> None:
    wintun.Adapter.create(NAME + " new", "Test").close()


def delete_driver(prepared: Prepared) -> None:
    with pytest.raises(OSError, match="WintunDeleteDriver"):
        wintun.delete_driver()


def set_logger(prepared: Prepared) -> None:
    wintun.set_logger(wintun.set_logger(None))


def start(prepared: Prepared) -> object:
    with prepared.other.start_session(MIN_CAPACITY) as session:
        return session.read_wait_event


def set_mtu(prepared: Prepared) -> None:
    prepared.adapter.set_mtu(2, 1400)


def close_adapter(prepared: Prepared) -> None:
    prepared.received.release()
    prepared.allocated.release()
    prepared.adapter.close()


CALLS: dict[str, Callable[[Prepared], object]] = {
    "WintunCreateAdapter": create,
    "WintunOpenAdapter": lambda prepared: wintun.Adapter.open(NAME).close(),
    "WintunCloseAdapter": lambda prepared: prepared.other.close(),
    "WintunDeleteDriver": delete_driver,
    "WintunGetAdapterLUID": create,
    "WintunGetRunningDriverVersion": lambda prepared: wintun.get_driver_version(),
    "WintunSetLogger": set_logger,
    "WintunStartSession": start,
    "WintunEndSession": Prepared.close,
    "WintunGetReadWaitEvent": start,
    "WintunReceivePacket": lambda prepared: prepared.session.read(),
    "WintunReleaseReceivePacket": lambda prepared: prepared.received.release(),
    "WintunAllocateSendPacket": lambda prepared: prepared.session.write(ipv4_packet(20)),
    "WintunSendPacket": lambda prepared: prepared.allocated.send(),
    "GetIpInterfaceEntry": lambda prepared: prepared.adapter.get_mtu(2),
    "SetIpInterfaceEntry": set_mtu,
    "CreateUnicastIpAddressEntry": lambda prepared: prepared.adapter.add_address(b"\x0a\0\0\1", 8),
    "GetUnicastIpAddressTable": lambda prepared: prepared.adapter.get_addresses(),
}

OTHER_PATHS: dict[str, Callable[[Prepared], object]] = {
    "WintunReceivePacket": lambda prepared: prepared.session.read_many(),
    "WintunReleaseReceivePacket": lambda prepared: prepared.session.read(),
    "WintunAllocateSendPacket": lambda prepared: prepared.session.write_many([ipv4_packet(20)]),
    "WintunSendPacket": lambda prepared: prepared.allocated.release(),
    "WintunEndSession": close_adapter,
}


def check_others_run_during(function: str, call: Callable[[Prepared], object]) -> None:
    prepared = Prepared()
    try:
        simulator.set_delay(function, DELAY_MS)
        began = time.monotonic()
        worker = Worker(call, prepared)
        turns = 0
        while worker.alive:
            time.sleep(0.001)
            turns += 1
        worker.result()
        assert time.monotonic() - began >= 0.9 * DELAY_MS / 1000, f"{function} was not called"
        assert turns >= 5, f"no other thread ran during {function}"
    finally:
        simulator.set_delay(function, 0)
        prepared.close()


@pytest.mark.parametrize("function", CALLS)
def test_other_threads_run_during(function: str) -> None:
    check_others_run_during(function, CALLS[function])


@pytest.mark.parametrize("function", OTHER_PATHS)
def test_other_threads_run_on_the_other_way_to(function: str) -> None:
    check_others_run_during(function, OTHER_PATHS[function])


def check_others_run_while_waiting(call: Callable[[], object]) -> None:
    worker = Worker(call)
    turns = 0
    while worker.alive:
        time.sleep(0.001)
        turns += 1
    worker.error()
    assert turns >= 5


@pytest.mark.parametrize(
    "wait",
    [
        lambda session: session.wait_read_event(0.3),
        lambda session: session.read(timeout=0.3),
        lambda session: session.read_many(timeout=0.3),
        lambda session: session.write(ipv4_packet(20), timeout=0.3),
        lambda session: session.write_many([ipv4_packet(20)], timeout=0.3),
    ],
    ids=["wait_read_event", "read", "read_many", "write", "write_many"],
)
def test_other_threads_run_while_one_waits_in(
    session: wintun.Session, wait: Callable[[wintun.Session], object]
) -> None:
    session.write_many([ipv4_packet(size) for size in sizes_that_fill(session.capacity)])
    check_others_run_while_waiting(lambda: wait(session))


def test_other_threads_run_while_one_waits_for_an_ip_interface(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    simulator.set_family_delay(None, 4, 0.3)
    adapter = make_adapter()
    check_others_run_while_waiting(lambda: adapter.wait_family(2, 5.0))
