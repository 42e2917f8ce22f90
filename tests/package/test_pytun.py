# SPDX-License-Identifier: MIT
"""`TunTapDevice`: what programs written for pytun-pmd3 rely on, and the faults that they had."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, ipv6_packet, scaled, system_text, wait_until
from wintun import simulator
from wintun.pytun import INFINITE, TunTapDevice

Make = Callable[..., TunTapDevice]
PREFIX = b"\x00\x00\x86\xdd"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "pymobiledevice3.md"


def check_guided(error: OSError) -> None:
    """The text says what to do, and the guide tells more, at those words and the code."""
    assert error.strerror is not None
    _, _, advice = error.strerror.partition("; ")
    if not advice:  # told first, with Windows' words behind it, or without any
        advice = error.strerror.partition(": ")[2].partition(" (")[0]
    assert advice
    guide = " ".join(GUIDE.read_text("utf-8").split())
    assert f"{advice}.*" in guide
    assert str(error.winerror) in guide  # type: ignore[attr-defined]


@pytest.fixture
def make(unique_name: Callable[[], str]) -> Iterator[Make]:
    """Creates devices that are not up, on the wire "memory"; the test's end closes them."""
    made: list[TunTapDevice] = []

    def make(name: str | None = None) -> TunTapDevice:
        name = name or unique_name()
        simulator.set_wire(name, "memory")
        made.append(TunTapDevice(name))
        return made[-1]

    yield make
    for device in made:
        device.close()


@pytest.fixture
def tun(make: Make) -> TunTapDevice:
    """A device that is up, whose far side is the test's."""
    device = make()
    device.up()
    return device


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.driver
def test_devices_without_a_name_get_names_of_their_own() -> None:
    with TunTapDevice() as first, TunTapDevice() as second:
        assert first.name
        assert first.name != second.name
        assert first.luid != second.luid


def test_a_name_that_was_left_over_is_opened_and_used_again(
    unique_name: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "wintun")
    name = unique_name()
    simulator.set_wire(name, "memory")
    with wintun.Adapter.create(name, "Wintun") as left_over:
        with TunTapDevice(name) as device:
            assert device.luid == left_over.luid
            assert "was there already and is used again" in caplog.text
            device.addr = "fd00::7"
            device.up()
            assert simulator.deliver(name, ipv6_packet(60))
            assert device.read(1000) == ipv6_packet(60)
        with TunTapDevice(name) as again:  # closing what was opened has not removed it
            assert again.luid == left_over.luid
            again.addr = "fd00::8"
            assert again.addr == "fd00::8"


@pytest.mark.driver
def test_the_name_of_a_killed_process_can_be_used_again(
    unique_name: Callable[[], str], on_driver: bool
) -> None:
    """Whether its adapter is gone with it (as the simulator's is), or stays a while."""
    name = unique_name()
    program = f"""
import time
from wintun import pytun, simulator
if not {on_driver}:
    simulator.use()
device = pytun.TunTapDevice({name!r})
device.addr = "fd00:5::7"
device.up()
print("up", flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
    with TunTapDevice(name) as device:
        device.addr = "fd00:5::8"
        device.up()
        assert device.addr == "fd00:5::8"


def test_a_left_over_adapter_that_may_not_be_opened_says_what_to_do(
    unique_name: Callable[[], str],
) -> None:
    with wintun.Adapter.create(unique_name(), "Wintun") as left_over:
        simulator.set_fault("WintunOpenAdapter", 5)
        with pytest.raises(PermissionError, match="run as Administrator"):
            TunTapDevice(left_over.name)


def test_a_driver_that_is_not_loaded_says_what_loads_it() -> None:
    function = "WintunGetRunningDriverVersion"
    with simulator.fault(function, 2), pytest.raises(FileNotFoundError) as error:
        wintun.get_driver_version()
    assert error.value.winerror == 2  # type: ignore[attr-defined]
    assert "not loaded: creating the first adapter loads it" in str(error.value)


def test_a_name_that_somebody_uses_at_this_moment_says_what_to_do(make: Make) -> None:
    first = make()
    first.up()
    with TunTapDevice(first.name) as second, pytest.raises(OSError, match="one session") as error:
        second.up()
    assert error.value.winerror == 1247  # type: ignore[attr-defined]
    check_guided(error.value)


def test_a_name_taken_by_no_wintun_adapter_tells_that_it_is_taken(make: Make) -> None:
    name = make().name
    with simulator.fault("WintunOpenAdapter", 1168), pytest.raises(FileExistsError) as error:
        TunTapDevice(name)
    assert error.value.winerror == 183  # type: ignore[attr-defined]
    assert repr(name) in str(error.value)
    check_guided(error.value)


def test_an_adapter_that_is_there_is_opened_and_none_is_asked_for(make: Make) -> None:
    """Also where the system cannot tell whether a name is taken: Wintun would rename it."""
    first = make()
    simulator.set_fault("ConvertInterfaceAliasToLuid", 31)
    simulator.set_fault("WintunCreateAdapter", 31)
    with TunTapDevice(first.name) as second:
        assert second.luid == first.luid
    assert simulator.calls("WintunCreateAdapter") == 0


@pytest.mark.parametrize("code", [2, 31, 183, 258, 4319, 0x800700B7])
def test_creation_that_windows_did_not_finish_is_tried_once_more(
    unique_name: Callable[[], str], code: int
) -> None:
    for name in (unique_name(), None):
        simulator.set_fault("WintunCreateAdapter", code, times=1)
        with TunTapDevice(name) as device:
            assert simulator.calls("WintunCreateAdapter") == 1, "the attempt that failed"
            device.up()
    simulator.set_fault("WintunCreateAdapter", code)
    with pytest.raises(OSError, match="WintunCreateAdapter"):
        TunTapDevice(unique_name(), attempts=3)
    assert simulator.calls("WintunCreateAdapter") == 3


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (5, PermissionError, "run as Administrator"),
        (1314, PermissionError, "run as Administrator"),
        (2, FileNotFoundError, "driver could not be installed"),
        (31, OSError, "did not start the adapter"),
        (8, OSError, r"log .* says what it was doing"),
    ],
)
def test_a_device_that_cannot_be_made_says_what_to_do(
    code: int, kind: type[OSError], advice: str
) -> None:
    with simulator.fault("WintunCreateAdapter", code), pytest.raises(kind, match=advice) as error:
        TunTapDevice("refused")
    assert f"WintunCreateAdapter: {system_text(code)}; " in str(error.value)
    check_guided(error.value)


def test_a_missing_ip_version_says_which_and_what_to_do(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    simulator.set_family_delay(name, 6, None)
    with TunTapDevice(name) as device:
        with pytest.raises(FileNotFoundError, match=r"IPv6.*(?i:enable|tick)") as error:
            device.addr = "fd00::1"
        assert error.value.winerror == 1168  # type: ignore[attr-defined]
        check_guided(error.value)


def test_an_ip_interface_that_appears_late_is_waited_for(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    simulator.set_family_delay(name, 6, 0.3)
    with TunTapDevice(name) as device:
        device.mtu = 1420
        assert device.mtu == 1420


# --- Configuration ------------------------------------------------------------------------------


@pytest.mark.driver
@pytest.mark.parametrize("mtu", [1280, 1420, 1500, 16000])
def test_what_the_relay_sets_is_set(make: Make, mtu: int) -> None:
    device = make()
    device.addr = "fd12:3456:789a::1"
    device.mtu = mtu
    assert device.addr == "fd12:3456:789a::1"
    assert device.mtu == device.device.mtu6 == mtu
    assert str(device.device.addresses[-1]) == "fd12:3456:789a::1/64"
    assert device.interface_index == device.device.index
    assert device.luid == device.device.luid


def test_addresses_of_both_ip_versions_are_set_and_decide_which_mtu_is_meant(make: Make) -> None:
    device = make()
    assert device.addr == ""
    others_mtu = device.device.mtu6
    device.addr = "10.1.2.3/24"
    device.mtu = 576
    assert (device.addr, device.mtu, device.device.mtu4) == ("10.1.2.3", 576, 576)
    assert device.device.mtu6 == others_mtu
    device.addr = "fd00::1/80"
    device.mtu = 1300
    assert (device.addr, device.mtu, device.device.mtu6) == ("fd00::1", 1300, 1300)
    assert device.device.mtu4 == 576


def test_up_takes_a_capacity(make: Make) -> None:
    device = make()
    device.up(wintun.MIN_RING_CAPACITY)
    assert device.device.ring_capacity == wintun.MIN_RING_CAPACITY
    with pytest.raises(ValueError, match="capacity"):
        device.up(5)


# --- Writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("prefix", [b"", PREFIX, b"\0\0\x08\0", b"\0\0\0\x1e", b"\0\0\0\x02"])
def test_the_prefix_of_four_bytes_may_be_there_or_not(
    tun: TunTapDevice, prefix: bytes, kind: Callable[[bytes], Any]
) -> None:
    for packet in (ipv6_packet(40), ipv4_packet(20), ipv6_packet(1500)):
        tun.write(kind(prefix + packet))
        assert simulator.collect(tun.name) == packet


def test_a_full_ring_drops_and_counts(make: Make) -> None:
    device = make()
    device.up(wintun.MIN_RING_CAPACITY)
    packets = [ipv6_packet(1400, seed) for seed in range(200)]
    for packet in packets:
        device.write(PREFIX + packet)
    sent = device.statistics.packets_sent
    assert 0 < sent < 200
    assert device.dropped == device.statistics.ring_full == 200 - sent
    assert [simulator.collect(device.name) for _ in range(sent)] == packets[:sent]
    device.write(PREFIX + packets[0])  # there is room again
    assert simulator.collect(device.name) == packets[0]


def test_what_is_too_large_for_any_ring_is_dropped(tun: TunTapDevice) -> None:
    tun.write(PREFIX + ipv6_packet(65535))
    tun.write(PREFIX + b"\x60" + bytes(65535))
    assert tun.dropped == 1
    assert simulator.collect(tun.name) == ipv6_packet(65535)
    assert simulator.collect(tun.name) is None


def test_an_empty_payload_does_no_harm(tun: TunTapDevice) -> None:
    tun.write(b"")
    tun.write(PREFIX)
    tun.write(ipv6_packet(40))
    assert simulator.collect(tun.name) == ipv6_packet(40)


# --- Reading ------------------------------------------------------------------------------------


def test_read_waits_in_milliseconds(tun: TunTapDevice) -> None:
    for timeout in (0, 30):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            tun.read(timeout)
        assert time.monotonic() - started >= timeout / 1000 - 0.02
    assert simulator.deliver(tun.name, ipv6_packet(41))
    assert tun.read(0) == ipv6_packet(41)


@pytest.mark.parametrize("timeout", [INFINITE, None, 60_000])
def test_a_read_that_waits_gets_the_packet(tun: TunTapDevice, timeout: int | None) -> None:
    reader = Worker(tun.read, timeout)
    wait_until(lambda: tun.statistics.waits > 0, "the reader waits")
    assert simulator.deliver(tun.name, ipv6_packet(100))
    assert reader.result() == ipv6_packet(100)


def test_cancel_read_ends_all_reads_that_wait(tun: TunTapDevice) -> None:
    readers = [Worker(tun.read) for _ in range(4)]
    wait_until(lambda: len(tun._waits.reads) == 4, "the readers wait")
    tun.cancel_read()
    assert [reader.result() for reader in readers] == [None] * 4
    assert simulator.deliver(tun.name, ipv6_packet(60))
    assert tun.read() == ipv6_packet(60)  # it was those reads, and no later one
    with pytest.raises(TimeoutError):
        tun.read(10)


def test_cancel_read_with_nobody_waiting_ends_the_next_read_alone(tun: TunTapDevice) -> None:
    tun.cancel_read()
    tun.cancel_read()
    assert tun.read() is None
    with pytest.raises(TimeoutError):
        tun.read(10)


def test_cancel_read_takes_no_packet_away(tun: TunTapDevice) -> None:
    tun.cancel_read()
    assert simulator.deliver(tun.name, ipv6_packet(60))
    assert tun.read() == ipv6_packet(60)


@pytest.mark.parametrize("method", ["down", "close"])
def test_down_and_close_wake_a_read(tun: TunTapDevice, method: str) -> None:
    reader = Worker(tun.read)
    wait_until(lambda: len(tun._waits.reads) == 1, "the reader waits")
    getattr(tun, method)()
    getattr(tun, method)()
    assert isinstance(reader.error(), wintun.ClosedError)
    with pytest.raises(wintun.ClosedError):
        tun.read(0)
    with pytest.raises(wintun.ClosedError):
        tun.write(ipv6_packet(40))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has handles, no descriptors")
def test_fileno_polls_readable_when_packets_arrive(make: Make) -> None:
    device = make()
    assert device.fileno() == -1
    device.up()
    assert select.select([device.fileno()], [], [], 0)[0] == []
    assert simulator.deliver(device.name, ipv6_packet(60))
    assert select.select([device.fileno()], [], [], HANG_SECONDS)[0] == [device.fileno()]
    assert device.read(0) == ipv6_packet(60)


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere the event is a descriptor")
def test_windows_has_no_fileno() -> None:
    assert not hasattr(TunTapDevice, "fileno")


# --- Reading in asyncio -------------------------------------------------------------------------


def run(main: Any) -> Any:
    """Runs a coroutine in a loop of its own, not longer than a hang takes."""
    return asyncio.run(asyncio.wait_for(main, HANG_SECONDS))


async def waiting(tun: TunTapDevice, *reads: Any) -> list[asyncio.Task[Any]]:
    """Starts reads, and returns their tasks when they wait."""
    tasks = [asyncio.ensure_future(read) for read in reads]
    while len(tun._waits.reads) < len(tasks):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    return tasks


def test_async_read_gives_single_packets_and_a_batch_all_that_are_there(tun: TunTapDevice) -> None:
    packets = [ipv6_packet(60 + number, number) for number in range(40)]

    async def main() -> None:
        for packet in packets:
            simulator.deliver(tun.name, packet)
        assert await tun.async_read() == packets[0]
        rest: list[bytes] = []
        while len(rest) < 39:
            batch = await tun.async_read_batch()
            assert batch
            rest += batch
        assert rest == packets[1:]
        (single,) = await waiting(tun, tun.async_read())
        simulator.deliver(tun.name, packets[5])
        assert await single == packets[5]
        (several,) = await waiting(tun, tun.async_read_batch())
        simulator.deliver(tun.name, packets[6])
        assert await several == [packets[6]]

    run(main())


def test_cancel_read_ends_asynchronous_reads_from_any_thread(tun: TunTapDevice) -> None:
    async def main() -> None:
        tasks = await waiting(tun, tun.async_read(), tun.async_read_batch())
        await asyncio.to_thread(tun.cancel_read)
        assert await asyncio.gather(*tasks) == [None, []]
        simulator.deliver(tun.name, ipv6_packet(60))
        assert await tun.async_read() == ipv6_packet(60)
        tun.cancel_read()
        assert await tun.async_read_batch() == []
        simulator.deliver(tun.name, ipv6_packet(61))
        assert await tun.async_read_batch() == [ipv6_packet(61)]

    run(main())


def test_a_cancelled_task_loses_no_packet_and_harms_no_later_read(tun: TunTapDevice) -> None:
    async def main() -> None:
        got: list[bytes] = []
        sent = 0
        for round_ in range(scaled(300, at_least=20)):
            task = asyncio.ensure_future(tun.async_read_batch())
            for _ in range(round_ % 4):
                await asyncio.sleep(0)
            if round_ % 2:
                simulator.deliver(tun.name, ipv6_packet(60, sent))
                sent += 1
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                got += await task
        while len(got) < sent:
            got += await tun.async_read_batch()
        assert got == [ipv6_packet(60, number) for number in range(sent)]

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks count cancellations since 3.11")
def test_a_task_that_is_cancelled_with_its_read_stays_cancelled(tun: TunTapDevice) -> None:
    async def main() -> None:
        (task,) = await waiting(tun, tun.async_read())
        tun.cancel_read()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_timeout_around_a_read_still_works(tun: TunTapDevice) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(tun.async_read(), 0.02)
        simulator.deliver(tun.name, ipv6_packet(60))
        assert await asyncio.wait_for(tun.async_read(), HANG_SECONDS) == ipv6_packet(60)

    run(main())


@pytest.mark.parametrize("method", ["down", "close"])
def test_down_and_close_wake_asynchronous_reads(tun: TunTapDevice, method: str) -> None:
    async def main() -> None:
        tasks = await waiting(tun, tun.async_read(), tun.async_read_batch())
        getattr(tun, method)()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [wintun.ClosedError] * 2

    run(main())


def test_an_adapter_that_is_removed_ends_reads_and_writes_with_an_error(tun: TunTapDevice) -> None:
    async def main() -> None:
        (task,) = await waiting(tun, tun.async_read_batch())
        simulator.remove_adapter(tun.name)
        with pytest.raises(wintun.AdapterTerminatingError):
            await task
        with pytest.raises(wintun.AdapterTerminatingError) as error:
            tun.write(ipv6_packet(40))
        check_guided(error.value)

    run(main())


def test_cancel_read_after_the_loop_of_a_read_is_closed_does_no_harm(tun: TunTapDevice) -> None:
    loop = asyncio.new_event_loop()
    task: Any = loop.create_task(tun.async_read())
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.close()
    tun.cancel_read()
    assert not task.done()
    task._log_destroy_pending = False


# --- The object ---------------------------------------------------------------------------------


def test_an_unclosed_device_warns(unique_name: Callable[[], str]) -> None:
    device = TunTapDevice(unique_name())
    assert device.name in repr(device)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del device


def test_a_device_whose_init_was_not_called_says_so_and_can_be_closed() -> None:
    tun = TunTapDevice.__new__(TunTapDevice)
    settings = ("device", "name", "luid", "interface_index", "addr", "mtu", "dropped", "statistics")
    for setting in settings:
        with pytest.raises(RuntimeError, match=r"^TunTapDevice\.__init__\(\) was not called"):
            getattr(tun, setting)
    for call in (tun.up, tun.down, tun.read, tun.cancel_read, lambda: tun.write(ipv6_packet(40))):
        with pytest.raises(RuntimeError, match=r"^TunTapDevice\.__init__\(\) was not called"):
            call()
    with tun:
        assert repr(tun) == "<wintun.pytun.TunTapDevice on None>"
    tun.close()
