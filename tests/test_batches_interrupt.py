# SPDX-License-Identifier: MIT
"""Ctrl-C ends every blocking call soon; what the call did until then is not lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from helpers import HANG_SECONDS, PROGRAM_HEAD, PROMPT_SECONDS

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows sends no Ctrl-C to one child alone"
)

CALLS = {
    "read": "tun.read(None)",
    "read with a timeout": "tun.read(1000)",
    "read_many": "tun.read_many(timeout=None)",
    "read_into": "tun.read_into(bytearray(100), timeout=None)",
    "read_packed": "tun.read_packed(bytearray(100), spans, timeout=None)",
    "iteration": "next(tun)",
    "wait_read_event": "tun.wait_read_event()",
    "write": "tun.write(packet(60000), None)",
    "write with a timeout": "tun.write(packet(60000), 1000)",
    "write_many": "tun.write_many([packet(60000)] * 5, None)",
    "write_packed": "tun.write_packed(packet(60000), spans, 1, None)",
}


def interrupted(program: str) -> tuple[float, list[str]]:
    """Sends SIGINT to a program that has printed "ready": when, and what it prints then."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM_HEAD + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        sent_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=HANG_SECONDS)
    assert errors == ""
    assert process.returncode == 0
    return sent_at, output.splitlines()


@pytest.mark.parametrize("place", ["main thread", "other thread"])
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_blocking_call_within_a_second(call: str, place: str) -> None:
    sent_at, lines = interrupted(f"""
        import array, signal
        spans = array.array("I", [0, 60000])
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        if {place == "other thread"}:
            start(threading.Event().wait, count=1)  # and this one has the signal to itself
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        print("ready", flush=True)
        try:
            {CALLS[call]}
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)
        tun.close()
    """)
    assert len(lines) == 1
    assert float(lines[0]) - sent_at < PROMPT_SECONDS


def test_a_signal_handler_that_returns_lets_the_call_go_on() -> None:
    _, lines = interrupted("""
        import signal
        tun = open_device()
        seen = []
        def handler(number, frame):
            seen.append(number)
            simulator.deliver("exit", packet(100))
        signal.signal(signal.SIGINT, handler)
        print("ready", flush=True)
        print(len(tun.read(None)), len(seen), flush=True)
        tun.close()
    """)
    assert lines == ["100 1"]


def test_ctrl_c_in_the_middle_of_a_batch_leaves_whole_packets_that_are_counted() -> None:
    _, lines = interrupted("""
        tun = open_device()
        print("ready", flush=True)
        try:
            tun.write_many([packet(1000)] * 1000, None)
        except KeyboardInterrupt:
            sent = tun.statistics.packets_sent
            print(0 < sent < 1000, simulator.drain("exit", 1000) == sent, flush=True)
        tun.close()
    """)
    assert lines == ["True True"]


@pytest.mark.parametrize("call", ["read", "read_many", "read_into", "read_packed", "iteration"])
def test_a_packet_that_comes_with_ctrl_c_is_there_for_the_next_read(call: str) -> None:
    _, lines = interrupted(f"""
        import array, signal
        spans = array.array("I", [0, 0])
        tun = open_device()
        def handler(number, frame):
            simulator.deliver("exit", packet(100))
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, handler)
        print("ready", flush=True)
        try:
            {CALLS[call]}
        except KeyboardInterrupt:
            print(tun.read() == packet(100), flush=True)
        tun.close()
    """)
    assert lines == ["True"]
