# SPDX-License-Identifier: MIT
"""The interpreter's end with threads inside waits, callbacks arriving and nothing closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from helpers import HANG_SECONDS, PROGRAM_HEAD, WAITS, check_clean_exit, run_python
from wintun import simulator


@pytest.mark.parametrize("wait", WAITS)
def test_the_interpreter_exits_with_daemon_threads_inside(wait: str) -> None:
    check_clean_exit(
        f"""
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        def wait():
            while True:
                {WAITS[wait]}
        start(wait)
        """,
        "-W",
        "ignore::ResourceWarning",
    )


@pytest.mark.parametrize("wait", WAITS)
def test_the_interpreter_exits_with_other_threads_inside_when_one_of_them_closes(wait: str) -> None:
    check_clean_exit(
        f"""
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        def wait():
            try:
                while not tun.closed:
                    {WAITS[wait]}
            except wintun.ClosedError:
                pass
        def close():
            threading.main_thread().join()
            time.sleep(0.1)
            tun.close()
        start(close, daemon=False, count=1)
        start(wait, daemon=False)
        """
    )


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_programs_own(code: int) -> None:
    check_clean_exit(
        f"""
        tun = open_device()
        start(tun.wait_read_event)
        sys.exit({code})
        """,
        "-W",
        "ignore::ResourceWarning",
        code=code,
    )


def test_an_unhandled_exception_ends_the_program_as_always() -> None:
    done = run_python(
        """
        tun = open_device()
        start(tun.wait_read_event)
        raise RuntimeError("the program's own")
        """
    )
    assert done.returncode == 1
    assert "RuntimeError: the program's own" in done.stderr
    assert "Fatal" not in done.stderr


def test_the_interpreter_exits_under_full_traffic() -> None:
    check_clean_exit(
        """
        tun = open_device("flood")
        def read():
            while True:
                tun.read(timeout=None)
        def write():
            while True:
                tun.write_many([packet(100)] * 64, timeout=None)
        start(read, count=2)
        start(write, count=2)
        """,
        "-W",
        "ignore::ResourceWarning",
    )


CALLBACKS: dict[str, str] = {
    "python": "lambda level, timestamp, message: seen.append(message)",
    "logging": "wintun.log_to_logging",
    "slow": "lambda level, timestamp, message: time.sleep(0.001)",
}


@pytest.mark.parametrize("callback", CALLBACKS)
def test_the_interpreter_exits_with_log_lines_arriving(callback: str) -> None:
    check_clean_exit(
        f"""
        import logging
        logging.getLogger("wintun").addHandler(logging.NullHandler())
        logging.getLogger("wintun").setLevel(logging.INFO)
        seen = []
        wintun.set_logger({CALLBACKS[callback]})
        for _ in range(3):
            simulator.log(wintun.LOG_INFO, "line", count=10_000_000, wait=False)
        time.sleep(0.1)
        """
    )


def test_the_interpreter_exits_with_a_callback_that_fails_to_the_end() -> None:
    done = run_python(
        """
        def fail(level, timestamp, message):
            raise ValueError(message)
        sys.unraisablehook = lambda report: None
        wintun.set_logger(fail)
        simulator.log(wintun.LOG_INFO, "line", count=10_000_000, wait=False)
        time.sleep(0.1)
        """
    )
    assert done.returncode == 0, done.stderr
    assert "Fatal" not in done.stderr


def test_the_interpreter_exits_with_everything_left_open() -> None:
    check_clean_exit(
        """
        tun = open_device()
        simulator.deliver("exit", packet(100))
        received = tun.receive_packet()
        view = memoryview(received)
        allocated = tun.allocate_send_packet(100)
        adapter = wintun.Adapter.create("another", "Test")
        session = adapter.start_session(0x20000)
        """,
        "-W",
        "ignore::ResourceWarning",
    )


def test_what_is_left_open_at_exit_is_warned_of_when_warnings_are_on() -> None:
    done = run_python("tun = open_device()", "-X", "dev")
    assert done.returncode == 0, done.stderr
    assert "ResourceWarning" in done.stderr
    assert "exit" in done.stderr


def test_an_exit_function_may_close_what_is_open() -> None:
    check_clean_exit(
        """
        tun = open_device()
        threads = start(tun.wait_read_event, daemon=False, count=0)
        atexit.register(tun.close)
        """,
        "-W",
        "error",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no Ctrl-C to one child alone")
@pytest.mark.parametrize("wait", ["wait_read_event", "read", "read_many", "iteration", "write"])
def test_ctrl_c_ends_a_wait_of_the_main_thread(wait: str) -> None:
    program = f"""
        tun = open_device()
        while tun.write_many([packet(1000)] * 100): pass
        try:
            print("ready", flush=True)
            {WAITS[wait]}
        except KeyboardInterrupt:
            tun.close()
            print("interrupted", flush=True)
    """
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
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=HANG_SECONDS)
    assert (output, errors, process.returncode) == ("interrupted\n", "", 0)


LOOPS = {
    "default loop": "asyncio.new_event_loop()",
    "selector loop": "asyncio.SelectorEventLoop()",
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("wire", ["memory", "host", "flood"])
def test_the_interpreter_exits_with_loops_in_daemon_threads(loop: str, wire: str) -> None:
    check_clean_exit(
        f"""
        import asyncio
        tun = open_device("{wire}")
        async def read():
            while True:
                await tun.read_async()
        def run():
            loop = {LOOPS[loop]}
            loop.run_until_complete(read())
        start(run, count=2)
        """,
        "-W",
        "ignore::ResourceWarning",
    )


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["pass", "tun.close()", "tun.down()"])
def test_the_interpreter_exits_with_tasks_of_a_loop_that_is_over(loop: str, end: str) -> None:
    check_clean_exit(
        f"""
        import asyncio
        tun = open_device()
        loop = {LOOPS[loop]}
        async def read():
            await tun.read_async()
        async def main():
            global tasks
            tasks = [asyncio.ensure_future(read()) for _ in range(3)]
            await asyncio.sleep(0.1)
        loop.run_until_complete(main())
        for task in tasks:
            task._log_destroy_pending = False  # that they are left is what this is about
        {end}
        """,
        "-W",
        "ignore::ResourceWarning",
    )


@pytest.mark.parametrize("daemon", [True, False])
def test_log_lines_may_go_on_until_and_after_the_end_of_the_interpreter(daemon: bool) -> None:
    check_clean_exit(
        f"""
        lines = []
        wintun.set_logger(lambda *line: lines.append(line))
        simulator.log(wintun.LOG_INFO, "line", count=2**31 - 1, wait=False)
        tun = open_device()
        def wait():
            try:
                tun.read(timeout=None)
            except wintun.ClosedError:
                pass
        start(wait, daemon={daemon})
        while not lines:
            time.sleep(0.001)
        # The library's thread goes on while this is taken apart, and after that.
        atexit.register(lambda: (time.sleep(0.2), tun.close()))
        if not {daemon}:
            tun.close()
        """
    )


# The hook alone keeps the program's names then, until the modules that a device needs are empty.
HOOKS = {
    "excepthook": "sys.excepthook = lambda *report: 1",
    "unraisablehook": "sys.unraisablehook = lambda report: print('told', report.exc_type)",
    "displayhook": "sys.displayhook = lambda value: 1",
    "audit": "sys.addaudithook(lambda *event: None)",
    "threading.excepthook": "import threading; threading.excepthook = lambda report: 1",
    "attribute": "sys.kept = lambda: 1",
}

UNCLOSED = """
device = wintun.TunDevice("exit")
device.addr = "10.1.0.1/24"
device.up()
"""


@pytest.mark.parametrize("state", ["up", "down", "closed"])
@pytest.mark.parametrize("hook", HOOKS)
def test_an_unclosed_device_says_nothing_at_exit_whatever_hooks_there_are(
    hook: str, state: str
) -> None:
    end = {"up": "", "down": "device.down()", "closed": "device.adapter.close()"}[state]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, wintun\n{HOOKS[hook]}\n{UNCLOSED}{end}"],
        env={**os.environ, "WINTUN_DLL": simulator.library_path()},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
