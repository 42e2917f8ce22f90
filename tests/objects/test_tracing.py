# SPDX-License-Identifier: MIT
"""Debuggers, profilers and faulthandler: what Python calls around and inside our calls."""

from __future__ import annotations

import sys

import pytest

from helpers import WAITS, check_clean_exit

# Every call of a device, each with what it takes.
CALLS = """
from array import array

def calls(tun):
    buffer, spans = bytearray(0x20000), array("I", bytes(8 * 16))
    yield lambda: simulator.deliver("exit", packet(60))
    yield lambda: tun.read()
    yield lambda: tun.read(timeout=0.001)
    yield lambda: tun.write(packet(60))
    yield lambda: tun.write_many([packet(60)] * 3)
    yield lambda: tun.wait_read_event(0.001)
    for _ in range(6):
        yield lambda: simulator.deliver("exit", packet(60))
    yield lambda: tun.read_many()
    yield lambda: simulator.deliver("exit", packet(60))
    yield lambda: tun.receive_packet()
    yield lambda: simulator.deliver("exit", packet(60))
    yield lambda: tun.receive_packets()
    yield lambda: tun.allocate_send_packet(60)
    yield lambda: tun.allocate_send_packets([60, 61])
    yield lambda: tun.read_into(buffer)
    yield lambda: tun.read_packed(buffer, spans)
    yield lambda: tun.write_packed(buffer, spans, 0)
    yield lambda: next(iter(tun)) if simulator.deliver("exit", packet(60)) else None
    yield lambda: tun.mtu
    yield lambda: setattr(tun, "mtu", 1400)
    yield lambda: tun.addresses
    yield lambda: setattr(tun, "addr", "10.1.2.3/24")
    yield lambda: tun.statistics
    yield lambda: (tun.name, tun.luid, tun.index, tun.guid, repr(tun))
    yield lambda: tun.down()
    yield lambda: tun.up()
    yield lambda: wintun.get_driver_version()
    yield lambda: wintun.set_logger(None)
    yield lambda: simulator.log(wintun.LOG_INFO, "line")

class Own(Exception):
    pass

calm = (Own, wintun.ClosedError, LookupError, StopIteration)
"""

# How one hooks into calls of functions that are written in C.
HOOKS = {
    "setprofile": """
def hook(function):
    def profile(frame, event, argument):
        if event.startswith("c_"):
            function()
    sys.setprofile(profile)
def unhook():
    sys.setprofile(None)
""",
    "settrace": """
def hook(function):
    def trace(frame, event, argument):
        if frame.f_code.co_filename == "<string>" or "wintun" in frame.f_code.co_filename:
            function()
        return trace
    sys.settrace(trace)
def unhook():
    sys.settrace(None)
""",
    "monitoring": """
def hook(function):
    events = sys.monitoring.events
    sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "test")
    for event in (events.CALL, events.C_RETURN, events.C_RAISE):
        sys.monitoring.register_callback(
            sys.monitoring.PROFILER_ID, event, lambda *_: function()
        )
    sys.monitoring.set_events(sys.monitoring.PROFILER_ID, events.CALL)
def unhook():
    sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
    sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
""",
}

hooks = pytest.mark.parametrize(
    "hook",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name == "monitoring" and not hasattr(sys, "monitoring"),
                reason="sys.monitoring is there since 3.12",
            ),
        )
        for name in HOOKS
    ],
)


@hooks
def test_every_call_may_be_watched(hook: str) -> None:
    check_clean_exit(
        CALLS
        + HOOKS[hook]
        + """
tun = open_device()
seen = []
for call in calls(tun):
    hook(lambda: seen.append(1))
    call()
    unhook()
assert len(seen) > 50, len(seen)
tun.close()
assert simulator.counts() == (0, 0, 0, 0)
"""
    )


@hooks
@pytest.mark.parametrize("place", range(4))
def test_a_hook_may_raise_at_every_call(hook: str, place: int) -> None:
    check_clean_exit(
        CALLS
        + HOOKS[hook]
        + f"""
tun = open_device()
raised = 0
for call in calls(tun):
    events = []
    def fail():
        events.append(1)
        if len(events) == {place} + 1:
            raise Own
    try:
        hook(fail)
        call()
    except calm as error:
        raised += isinstance(error, Own)
    finally:
        events += [1] * 10  # what ends the watching must not fail
        unhook()
assert raised >= 5, raised
tun.up()
simulator.drain("exit", 1000)
while tun.read() is not None: pass
assert simulator.deliver("exit", packet(80)) and tun.read(timeout=10) == packet(80)
tun.close()
import gc; gc.collect()
assert simulator.counts() == (0, 0, 0, 0), simulator.counts()
"""
    )


@hooks
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("close", ["tun.down()", "tun.session and tun.session.end()"])
def test_a_hook_may_close_at_every_call(hook: str, place: int, close: str) -> None:
    check_clean_exit(
        CALLS
        + HOOKS[hook]
        + f"""
tun = open_device()
inside = False
for call in calls(tun):
    tun.up()
    events = []
    def close():
        global inside
        events.append(1)
        if len(events) == {place} + 1 and not inside:
            inside = True
            {close}
            inside = False
    try:
        hook(close)
        call()
    except calm:
        pass
    finally:
        unhook()
tun.close()
import gc; gc.collect()
assert simulator.counts() == (0, 0, 0, 0), simulator.counts()
"""
    )


@pytest.mark.parametrize("wait", WAITS)
def test_faulthandler_tells_where_a_thread_waits(wait: str) -> None:
    # Asked by a thread that has the GIL: faulthandler's own watchdog has not, and where it walks
    # the frames of a thread that returns at that moment, CPython 3.9 reads freed memory.
    check_clean_exit(
        f"""
import faulthandler, tempfile
faulthandler.enable()
tun = open_device()
while tun.write_many([packet(1000)] * 100): pass
def wait_in_this_function():
    try:
        {WAITS[wait]}
    except wintun.ClosedError:
        pass
def frames_that_wait():
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file=file)
        file.seek(0)
        return file.read().count("in wait_in_this_function")
threads = start(wait_in_this_function, count=3)
ends = time.monotonic() + 60
while frames_that_wait() < 3 and time.monotonic() < ends:
    time.sleep(0.01)
time.sleep(0.2)  # until they are inside the waits; right or wrong does not hang on it
seen = frames_that_wait()
tun.close()
for thread in threads:
    thread.join(60)
assert seen == 3, seen
assert frames_that_wait() == 0
"""
    )
