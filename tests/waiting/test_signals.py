# SPDX-License-Identifier: MIT
"""Signal handlers that run during a wait of the main thread, and what they may do."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from helpers import HANG_SECONDS, PROGRAM_HEAD, WAITS, check_clean_exit

HEAD = """
import signal, socket

tun = open_device()
handled = []

def fill():
    while tun.write_many([packet(1000)] * 100): pass

def send_soon(handler, delay=0.2):
    def handle(number, frame):
        handled.append(number)
        handler()
    signal.signal(signal.SIGINT, handle)
    # From another thread: the main thread's wait is not interrupted, on any system.
    timer = threading.Timer(delay, signal.raise_signal, [signal.SIGINT])
    timer.daemon = True
    timer.start()
"""

READS = [wait for wait in WAITS if not wait.startswith("write")]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.mark.parametrize("wait", WAITS)
def test_a_handler_may_close_the_device(wait: str) -> None:
    check_clean_exit(
        HEAD
        + f"""
fill()
send_soon(tun.close)
try:
    {WAITS[wait]}
    closed = {wait == "iteration"}
except wintun.ClosedError:
    closed = True
assert closed and handled == [signal.SIGINT]
"""
    )


@pytest.mark.parametrize("wait", WAITS)
def test_a_handler_may_raise_and_the_device_goes_on(wait: str) -> None:
    check_clean_exit(
        HEAD
        + f"""
class Own(Exception): pass
def fail():
    raise Own
fill()
try:  # also the handler of a main thread that comes so late that it does not wait yet
    send_soon(fail)
    {WAITS[wait]}
except Own:
    handled.append("raised")
assert handled == [signal.SIGINT, "raised"]
assert simulator.deliver("exit", packet(80)) and tun.read(timeout=10) == packet(80)
tun.close()
"""
    )


@pytest.mark.parametrize("wait", READS)
def test_a_handler_may_send_what_the_wait_is_for(wait: str) -> None:
    check_clean_exit(
        HEAD
        + f"""
simulator.set_wire("exit", "loop")
tun.down()
tun.up()
send_soon(lambda: tun.write(packet(90)))
{WAITS[wait].replace("pass", "break")}
assert handled == [signal.SIGINT]
tun.close()
"""
    )


@pytest.mark.parametrize("wait", READS)
def test_a_handler_may_read_while_a_read_waits(wait: str) -> None:
    check_clean_exit(
        HEAD
        + f"""
taken = []
def read():
    simulator.deliver("exit", packet(100))
    taken.append(tun.read(timeout=10))
    assert tun.read(timeout=0.01) is None
    simulator.deliver("exit", packet(200))
send_soon(read)
{WAITS[wait].replace("pass", "break")}
assert taken == [packet(100)]
tun.close()
"""
    )


@pytest.mark.parametrize("wait", READS)
def test_a_handler_may_take_the_device_down_and_up(wait: str) -> None:
    check_clean_exit(
        HEAD
        + f"""
def renew():
    tun.down()
    tun.up()
    simulator.deliver("exit", packet(100))  # for a main thread that did not wait yet
send_soon(renew)
try:
    {WAITS[wait].replace("pass", "break")}
except wintun.ClosedError:
    pass
assert handled and tun.is_up
tun.close()
"""
    )


@posix
def test_no_packet_is_lost_in_a_storm_of_signals() -> None:
    check_clean_exit(
        HEAD
        + """
simulator.set_wire("exit", "loop")
tun.down()
tun.up()
signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
least, signals, number = 4000, 20, 0
def is_over(number):
    return number >= least and len(handled) > signals
def write():
    number = 0
    while not is_over(number):
        tun.write(packet(100)[:-4] + number.to_bytes(4, "big"), timeout=None)
        number += 1
        if number % 50 == 0:
            time.sleep(0.002)  # so that the reader has to wait
    tun.write(packet(99), timeout=None)
start(write, count=1)
while True:
    read = tun.read(timeout=60)
    assert read is not None, number
    if len(read) == 99:
        break
    assert int.from_bytes(read[-4:], "big") == number, (number, read)
    number += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert number >= least and len(handled) > signals, (number, len(handled))
tun.close()
"""
    )


@posix
@pytest.mark.parametrize("wait", WAITS)
def test_a_timeout_is_kept_in_a_storm_of_signals(wait: str) -> None:
    call = WAITS[wait].replace("timeout=None", "timeout=0.5").replace("event()", "event(0.5)")
    if wait == "iteration":
        pytest.skip("an iteration has no timeout")
    check_clean_exit(
        HEAD
        + f"""
fill()
signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
began = time.monotonic()
try:
    assert not {call}
except wintun.RingFullError:
    pass
took = time.monotonic() - began
signal.setitimer(signal.ITIMER_REAL, 0)
assert took >= 0.5, took
assert handled
tun.close()
"""
    )


def test_the_wakeup_descriptor_is_written_to_during_a_wait() -> None:
    check_clean_exit(
        HEAD
        + """
reading, writing = socket.socketpair()
for end in (reading, writing):
    end.setblocking(False)
signal.set_wakeup_fd(writing.fileno())
send_soon(tun.close)
try:
    tun.read(timeout=None)
except wintun.ClosedError:
    pass
assert reading.recv(100) == bytes([signal.SIGINT])
signal.set_wakeup_fd(-1)
"""
    )


def test_another_threads_wait_leaves_signals_to_the_main_thread() -> None:
    check_clean_exit(
        HEAD
        + """
threads = start(lambda: tun.read(timeout=None), count=1)
send_soon(lambda: simulator.deliver("exit", packet(100)))
while threads[0].is_alive():
    time.sleep(0.01)  # not join(), which runs no handler
assert handled == [signal.SIGINT]
tun.close()
"""
    )


@pytest.mark.skipif(sys.platform != "win32", reason="these are Windows' own")
def test_ctrl_break_ends_a_wait(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    body = """
        import signal
        tun = open_device()
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGBREAK, interrupt)
        try:
            print("ready", flush=True)
            tun.read(timeout=30)
            print("timeout", flush=True)
        except KeyboardInterrupt:
            tun.close()
            print("interrupted", flush=True)
    """
    program.write_text(PROGRAM_HEAD + textwrap.dedent(body))
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        except (OSError, SystemError):
            process.kill()
            pytest.skip("without a console Windows sends no Ctrl-Break")
        output, _ = process.communicate(timeout=HANG_SECONDS)
    assert output == "interrupted\n"
