# SPDX-License-Identifier: MIT
"""The GIL is released around every Wintun call: other threads run while one is inside."""

from __future__ import annotations

import time
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, MIN_CAPACITY, Worker, ipv4_packet, sizes_that_fill
from wintun import simulator

DELAYS = [0.3, 1.2, 4.8, 19.2]
"""Seconds that a call takes: the next where others got too few turns during it."""

TURNS = 5
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


def start(prepared: Prepared) -> object:
    with prepared.other.start_session(MIN_CAPACITY) as session:
        return session.read_wait_event


def set_mtu(prepared: Prepared) -> None:
    prepared.adapter.set_mtu(4, 1400)


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
    # WintunSetLogger is called once for each library, while it is loaded.
    "WintunStartSession": start,
    "WintunEndSession": Prepared.close,
    "WintunGetReadWaitEvent": start,
    "WintunReceivePacket": lambda prepared: prepared.session.read(),
    "WintunReleaseReceivePacket": lambda prepared: prepared.received.release(),
    "WintunAllocateSendPacket": lambda prepared: prepared.session.write(ipv4_packet(20)),
    "WintunSendPacket": lambda prepared: prepared.allocated.send(),
    "GetIpInterfaceEntry": lambda prepared: prepared.adapter.get_mtu(4),
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


def turns_during(call: Callable[[], object]) -> tuple[int, float]:
    """Runs a call in a thread: how often this one got its turn meanwhile, and how long it took."""
    times: list[float] = []

    def timed() -> None:
        times.append(time.monotonic())
        try:
            call()
        finally:
            times.append(time.monotonic())

    worker = Worker(timed)
    turns = []
    while worker.alive:
        time.sleep(0.001)
        turns.append(time.monotonic())
    error = worker.error()
    assert error is None or isinstance(error, wintun.RingFullError), error
    began, ended = times
    # Not those before a thread that came late, nor those after it.
    return sum(began < turn < ended for turn in turns), ended - began


def check_turns(attempt: Callable[[float], int]) -> None:
    """Expects that others get their turns during a call, which takes the seconds asked for.

    If they do not, it is asked to take longer: on a busy machine they come late. While a call keeps
    the GIL they do not come at all.
    """
    turns = []
    for seconds in DELAYS:
        turns.append(attempt(seconds))
        if turns[-1] >= TURNS:
            return
    raise AssertionError(f"turns of other threads: {turns}, while it took {DELAYS} s")


def check_others_run_during(function: str, call: Callable[[Prepared], object]) -> None:
    def attempt(seconds: float) -> int:
        prepared = Prepared()
        try:
            simulator.set_delay(function, round(seconds * 1000))
            turns, took = turns_during(lambda: call(prepared))
            assert took >= 0.9 * seconds, f"{function} was not called"
            return turns
        finally:
            simulator.set_delay(function, 0)
            prepared.close()

    check_turns(attempt)


@pytest.mark.parametrize("function", CALLS)
def test_other_threads_run_during(function: str) -> None:
    check_others_run_during(function, CALLS[function])


@pytest.mark.parametrize("function", OTHER_PATHS)
def test_other_threads_run_on_the_other_way_to(function: str) -> None:
    check_others_run_during(function, OTHER_PATHS[function])


@pytest.mark.parametrize(
    "wait",
    [
        lambda session, seconds: session.wait_read_event(seconds),
        lambda session, seconds: session.read(timeout=seconds),
        lambda session, seconds: session.read_many(timeout=seconds),
        lambda session, seconds: session.write(ipv4_packet(20), timeout=seconds),
        lambda session, seconds: session.write_many([ipv4_packet(20)], timeout=seconds),
    ],
    ids=["wait_read_event", "read", "read_many", "write", "write_many"],
)
def test_other_threads_run_while_one_waits_in(
    session: wintun.Session, wait: Callable[[wintun.Session, float], object]
) -> None:
    session.write_many([ipv4_packet(size) for size in sizes_that_fill(session.capacity)])
    check_turns(lambda seconds: turns_during(lambda: wait(session, seconds))[0])


def test_other_threads_run_while_one_waits_for_an_ip_interface(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    def attempt(seconds: float) -> int:
        simulator.set_family_delay(None, 4, seconds)
        adapter = make_adapter()
        return turns_during(lambda: adapter.wait_family(4, seconds + HANG_SECONDS))[0]

    check_turns(attempt)
