# SPDX-License-Identifier: MIT
"""Ctrl-C ends every blocking call soon; what the call did until then is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from helpers import HANG_SECONDS, PROGRAM_HEAD, check_prompt, run_python

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
        time.sleep(0.2)  # until it waits; right or wrong does not hang on it
        sent_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=HANG_SECONDS)
    assert errors == ""
    assert process.returncode == 0
    return sent_at, output.splitlines()


@pytest.mark.parametrize("place", ["main thread", "other thread"])
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_blocking_call_within_a_second(call: str, place: str) -> None:
    program = f"""
        import array, signal
        spans = array.array("I", [0, 60000])
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        if {place == "other thread"}:
            start(threading.Event().wait, count=1)  # and this one has the signal to itself
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            print("ready", flush=True)
            {CALLS[call]}
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)
        tun.close()
    """

    def attempt() -> float:
        sent_at, lines = interrupted(program)
        assert len(lines) == 1
        return float(lines[0]) - sent_at

    check_prompt(attempt)


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
        def tell():
            while not tun.statistics.packets_sent:
                time.sleep(0.001)
            print("ready", flush=True)
        try:
            threading.Thread(target=tell).start()
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
        try:
            print("ready", flush=True)
            {CALLS[call]}
        except KeyboardInterrupt:
            print(tun.read() == packet(100), flush=True)
        tun.close()
    """)
    assert lines == ["True"]


@pytest.mark.parametrize("call", CALLS)
def test_an_exception_while_the_main_thread_is_asked_for_ends_the_call_and_is_not_lost(
    call: str,
) -> None:
    # As from a handler of Ctrl-C that runs just there: the question is Python code.
    result = run_python(f"""
        import array
        class Interrupted(BaseException): pass
        def interrupt():
            raise Interrupted
        spans = array.array("I", [0, 60000])
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        ask, threading.main_thread = threading.main_thread, interrupt
        try:
            {CALLS[call]}
        except Interrupted:
            print("interrupted")
        threading.main_thread = ask
        print(tun.read(0.001), tun.is_up)
        tun.close()
    """)
    assert result.stderr == ""
    assert result.stdout.splitlines() == ["interrupted", "None True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_ctrl_c_ends_a_wait_of_the_thread_that_forked_in_its_child() -> None:
    result = run_python(
        """
        import os, signal
        tun = open_device()
        assert tun.read(0.01) is None  # here the main thread is known

        def fork():
            child = os.fork()
            if child == 0:
                # This is the child's main thread, whatever the parent's was.
                simulator.set_wire("child", "memory")
                mine = wintun.TunDevice("child", "Test", 0x20000)
                mine.up()
                def interrupt():
                    time.sleep(0.2)
                    os.kill(os.getpid(), signal.SIGINT)
                try:
                    threading.Thread(target=interrupt, daemon=True).start()
                    # So it goes to the other thread, and does not interrupt the wait itself.
                    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
                    mine.read(60)
                except KeyboardInterrupt:
                    os._exit(7)
                os._exit(8)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        statuses = []
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        print(statuses)
        tun.close()
    """,
        "-Wignore",  # that a process with threads forks
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == ["[7]"]
