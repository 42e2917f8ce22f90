# SPDX-License-Identifier: MIT
"""Programs that are started while a device is up inherit nothing of it; nor do they disturb it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Callable

import pytest

import wintun
from helpers import HANG_SECONDS, PROGRAM_HEAD, Worker, ipv4_packet, scaled
from wintun import _library, simulator

MakeDevice = Callable[..., wintun.TunDevice]


def inheritable() -> set[int]:
    """The handles or descriptors that a program started now would get, beside the standard ones."""
    if sys.platform == "win32":
        import ctypes

        flags = ctypes.c_ulong()
        get = ctypes.windll.kernel32.GetHandleInformation
        all_handles = range(4, 0x4000, 4)
        return {
            handle
            for handle in all_handles
            if get(ctypes.c_void_p(handle), ctypes.byref(flags)) and flags.value & 1
        }
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.add(int(name))
        except OSError:
            pass  # that of the listing itself
    return found


needs_list = pytest.mark.skipif(
    sys.platform != "win32" and not os.path.isdir("/proc/self/fd"),
    reason="this system does not list a process's descriptors",
)


@needs_list
@pytest.mark.parametrize("wire", ["host", "memory", "loop", "flood"])
def test_nothing_of_a_device_is_inheritable(make_device: MakeDevice, wire: str) -> None:
    before = inheritable()
    device = make_device(wire)
    device.up()
    assert device.session is not None
    assert device.session.read_wait_event not in inheritable()
    assert inheritable() == before


@needs_list
def test_nothing_of_a_wait_in_an_event_loop_is_inheritable(make_device: MakeDevice) -> None:
    async def wait() -> set[int]:
        task = asyncio.ensure_future(device.read_async())
        await asyncio.sleep(0.1)
        during = inheritable()
        device.close()
        with pytest.raises(wintun.ClosedError):
            await task
        return during

    async def wait_for_nothing() -> set[int]:
        await asyncio.sleep(0)
        return inheritable()

    device = make_device("memory")
    device.up()
    before = asyncio.run(wait_for_nothing())
    assert asyncio.run(wait()) <= before


@needs_list
def test_a_file_that_is_held_is_not_inheritable(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"contents")
    before = inheritable()
    with _library.hold(str(path)) as file:
        assert inheritable() == before
        assert file.read() == b"contents"


@needs_list
def test_the_socket_of_a_wire_is_not_inheritable(make_device: MakeDevice) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.bind(("127.0.0.1", 0))
        mine.connect(mine.getsockname())
        before = inheritable()
        device = make_device("socket", sock=mine)
        device.up()
        assert inheritable() == before
        device.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the events are not made in one step")
def test_a_program_started_at_any_moment_inherits_nothing(make_device: MakeDevice) -> None:
    stopped = False

    def make_events() -> None:
        while not stopped:
            device.up()
            device.down()

    device = make_device("memory")
    before = inheritable()
    worker = Worker(make_events)
    count = "import os; print(len(os.listdir('/proc/self/fd')) - 1)"  # less the listing's own
    try:
        for _ in range(scaled(60, at_least=10)):
            done = subprocess.run(
                [sys.executable, "-S", "-E", "-c", count],
                close_fds=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                check=True,
            )
            assert int(done.stdout) <= 3 + len(before)
    finally:
        stopped = True
        worker.result()


@pytest.mark.parametrize("close_fds", [True, False])
def test_a_program_started_by_subprocess_does_not_disturb_a_device(
    make_device: MakeDevice, close_fds: bool
) -> None:
    device = make_device("memory")
    device.up()
    reader = Worker(lambda: device.read(timeout=None))
    program = "import wintun; from wintun import simulator; simulator.use(); " + (
        "device = wintun.TunDevice('mine'); device.up(); device.close()"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        close_fds=close_fds,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=HANG_SECONDS,
    )
    assert reader.alive
    assert simulator.deliver(device.name, ipv4_packet(40))
    assert reader.result() == ipv4_packet(40)


PROCESSES = """
import multiprocessing, warnings
from multiprocessing.reduction import ForkingPickler

warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads

def use_one(name):
    with wintun.TunDevice(name) as own:
        simulator.set_wire(name, "loop")
        own.up()
        own.write(packet(40))
        return own.read(timeout=30) == packet(40) and simulator.counts().adapters

def fail():
    try:
        wintun.Adapter.open("missing")
    except OSError as error:
        return error

def refuse(thing):
    try:
        ForkingPickler.dumps(thing)  # as all that goes to another process is
    except TypeError as error:
        assert "cannot" in str(error) and "pickle" in str(error), error
    else:
        raise AssertionError("it went to another process")

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    device = open_device("loop")
    results = []
    reader = start(lambda: results.append(device.read(timeout=None)), count=1)[0]
    pool = context.Pool(2)
    assert pool.map(use_one, ["one", "two", "three"]) == [{adapters}] * 3
    error = pool.apply(fail)
    pool.close()
    pool.join()  # leaving a with block would kill one that is still starting, which says so
    assert (type(error), error.winerror) == (FileNotFoundError, 1168), error
    for thing in (device, device.session, device.adapter):
        refuse(thing)
    device.write(packet(100))
    reader.join(30)
    assert results == [packet(100)], results
    device.close()
    assert simulator.counts() == (0, 0, 0, 0)
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_of_multiprocessing_have_devices_of_their_own(
    tmp_path: Path, method: str
) -> None:
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"the system has no {method}")
    program = tmp_path / "program.py"
    # A fork has the parent's adapter in what it counts.
    adapters = "2" if method == "fork" else "1"
    program.write_text(
        PROGRAM_HEAD + textwrap.dedent(PROCESSES).replace("{adapters}", adapters), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, str(program), method],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * HANG_SECONDS,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
