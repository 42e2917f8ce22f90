# SPDX-License-Identifier: MIT
"""A device that starts its session again by itself when the ring is corrupt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import wintun
from helpers import HANG_SECONDS, MIN_CAPACITY, Worker, ipv4_packet, scaled, wait_until
from loops import LOOPS, Run, anyio, with_limit
from wintun import simulator

Device = wintun.TunDevice

PACKET = ipv4_packet(40)

READS: dict[str, Callable[[Device], Any]] = {
    "read": lambda device: device.read(timeout=None),
    "read_many": lambda device: device.read_many(timeout=None)[0],
    "iteration": next,
    "read_into": lambda device: read_into(device),
    "read_packed": lambda device: read_packed(device),
}


def read_into(device: Device) -> bytes:
    buffer = bytearray(100)
    size = device.read_into(buffer, timeout=None)
    assert size is not None
    return bytes(buffer[:size])


def read_packed(device: Device) -> bytes:
    buffer, spans = bytearray(65536), memoryview(bytearray(16)).cast("I")
    assert device.read_packed(buffer, spans, timeout=None) == 1
    return bytes(buffer[spans[0] : spans[1]])


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    device = make_device("memory", capacity=MIN_CAPACITY, restart_on_corruption=True)
    device.up()
    return device


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return with_limit(request.param)


def test_without_the_option_a_corrupt_ring_stays_an_error(
    make_device: Callable[..., Device],
) -> None:
    device = make_device("memory")
    assert device.restart_on_corruption is False
    device.up()
    simulator.corrupt_ring(device.name)
    for _ in range(3):
        with pytest.raises(wintun.RingCorruptError):
            device.read()
    assert device.statistics.restarts == 0


def test_a_read_that_meets_it_starts_anew_and_finds_nothing(device: Device) -> None:
    before = device.session
    simulator.corrupt_ring(device.name)
    assert device.read() is None
    assert device.is_up
    assert device.session is not before
    assert device.statistics.restarts == 1
    assert simulator.deliver(device.name, PACKET)
    assert device.read(timeout=HANG_SECONDS) == PACKET
    device.write(PACKET)


def test_it_can_be_set_and_unset_at_any_time(device: Device) -> None:
    device.restart_on_corruption = False
    simulator.corrupt_ring(device.name)
    with pytest.raises(wintun.RingCorruptError):
        device.read()
    device.restart_on_corruption = True
    assert device.read() is None
    with pytest.raises(TypeError, match="restart_on_corruption must be a bool, not 1"):
        device.restart_on_corruption = 1  # type: ignore[assignment]


@pytest.mark.parametrize("read", READS)
def test_readers_that_wait_go_on_reading(device: Device, read: str) -> None:
    readers = [Worker(READS[read], device) for _ in range(4)]
    wait_until(lambda: device.statistics.waits >= len(readers), "they wait")
    simulator.corrupt_ring(device.name)
    wait_until(lambda: device.statistics.restarts == 1, "one starts anew")
    packets = [ipv4_packet(40, number) for number in range(len(readers))]
    for number, packet in enumerate(packets):
        wait_until(lambda packet=packet: simulator.deliver(device.name, packet), "it arrives")  # type: ignore[misc]
        wait_until(
            lambda number=number: sum(not reader.alive for reader in readers) > number,  # type: ignore[misc]
            "somebody reads it",
        )
    assert sorted(reader.result() for reader in readers) == sorted(packets)
    assert device.statistics.restarts == 1


def test_tasks_that_wait_go_on_reading(device: Device, run: Run) -> None:
    read: list[bytes] = []

    async def read_one() -> None:
        read.append(await device.read_async())

    async def read_many() -> None:
        read.extend(await device.read_many_async(1))

    async def iterate() -> None:
        async for packet in device:
            read.append(packet)
            return

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for task in (read_one, read_many, iterate):
                group.start_soon(task)
            await anyio.sleep(0.01)
            simulator.corrupt_ring(device.name)
            while device.statistics.restarts == 0:
                await anyio.sleep(0.001)
            for number in range(3):
                assert simulator.deliver(device.name, ipv4_packet(40, number))

    run(main)
    assert sorted(read) == sorted(ipv4_packet(40, number) for number in range(3))
    assert device.statistics.restarts == 1


def test_a_writer_that_waits_writes_all_that_its_iterator_has(device: Device) -> None:
    """The call is made again on the new session, though its iterator was gone through."""
    simulator.pause(device.name)
    for size in (60000, 40):
        while device.write_many([ipv4_packet(size, 99)]):
            pass

    def packets() -> Iterator[bytes]:
        for number in range(3):
            yield ipv4_packet(40, number)

    writer = Worker(lambda: device.write_many(packets(), timeout=None))
    wait_until(lambda: device.statistics.waits > 0, "it waits for room")
    simulator.corrupt_ring(device.name)
    assert device.read() is None
    simulator.resume(device.name)
    assert writer.result() == 3
    got: list[bytes] = []

    def all_have_come() -> bool:
        packet = simulator.collect(device.name)
        if packet is not None:
            got.append(packet)
        return got[-3:] == [ipv4_packet(40, number) for number in range(3)]

    wait_until(all_have_come, "all that were written arrive")
    assert got.count(ipv4_packet(40, 2)) == 1


def test_one_that_is_corrupt_from_the_start_is_not_started_for_ever(device: Device) -> None:
    simulator.set_fault("WintunReceivePacket", 13)
    with pytest.raises(wintun.RingCorruptError):
        device.read()
    assert device.statistics.restarts == 1
    simulator.set_fault("WintunReceivePacket", 0)


def test_where_no_session_can_be_started_that_is_the_error_and_the_device_is_down(
    device: Device,
) -> None:
    simulator.corrupt_ring(device.name)
    simulator.set_fault("WintunStartSession", 31, times=1)
    with pytest.raises(OSError, match="WintunStartSession"):
        device.read()
    assert not device.is_up
    with pytest.raises(wintun.ClosedError, match="the device is down"):
        device.read()
    device.up()
    assert device.read() is None


@pytest.mark.threads
@pytest.mark.parametrize("way", ["down", "close"])
def test_going_down_meanwhile_ends_every_reader(
    make_device: Callable[..., Device], way: str
) -> None:
    for _ in range(scaled(100, at_least=5)):
        device = make_device("memory", capacity=MIN_CAPACITY, restart_on_corruption=True)
        device.up()
        start = threading.Barrier(3)
        ends: list[type[BaseException]] = []

        def read_on(device: Device = device, ends: list[type[BaseException]] = ends) -> None:
            try:
                device.read(timeout=None)
            except OSError as end:
                ends.append(type(end))

        readers = [Worker(read_on) for _ in range(3)]

        def at_once(
            call: Callable[[], object], start: threading.Barrier = start
        ) -> Callable[[], None]:
            def run() -> None:
                start.wait(HANG_SECONDS)
                call()

            return run

        name = device.name
        others = [
            Worker(at_once(lambda name=name: simulator.corrupt_ring(name))),  # type: ignore[misc]
            Worker(at_once(getattr(device, way))),
        ]
        start.wait(HANG_SECONDS)
        for reader in readers:
            assert reader.error() is None
        for other in others:
            error = other.error()
            # The session whose ring is to be corrupted may be over already.
            assert error is None or isinstance(error, LookupError), error
        assert set(ends) == {wintun.ClosedError}
        assert not device.is_up
        device.close()


@pytest.mark.threads
def test_readers_and_writers_survive_one_corruption_after_the_other(device: Device) -> None:
    times = scaled(50, at_least=5)
    stop = threading.Event()
    read: list[bytes] = []

    def write_on() -> None:
        while not stop.is_set():
            device.write_many([PACKET] * 8)

    readers = [Worker(lambda: read.extend(device)) for _ in range(3)]
    writer = Worker(write_on)
    for number in range(times):
        packet = ipv4_packet(40, number)
        wait_until(lambda packet=packet: simulator.deliver(device.name, packet), "it arrives")  # type: ignore[misc]
        wait_until(lambda packet=packet: packet in read, "a reader has it")  # type: ignore[misc]
        simulator.corrupt_ring(device.name)
        wait_until(
            lambda number=number: device.statistics.restarts > number,  # type: ignore[misc]
            "a reader starts anew",
        )
    stop.set()
    assert writer.error() is None
    device.close()
    for reader in readers:
        assert reader.error() is None
    assert device.statistics.restarts == times
