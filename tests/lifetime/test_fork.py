# SPDX-License-Identifier: MIT
"""A process that forks while a device is up: the device stays the parent's."""

from __future__ import annotations

import os

import pytest

from helpers import check_clean_exit

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

FORK = """
import os, signal, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
warnings.simplefilter("ignore", ResourceWarning)  # of what a child leaves open

def run_child(function):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends a child that hangs
        function()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status

def exchange(device, size):
    device.write(packet(size))
    assert device.read(timeout=60) == packet(size)

def ends_within_a_second(fork):
    # Not of a busy machine: of many attempts one is enough. What waits waits each time.
    for _ in range(20):
        child = fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, 1.0)  # of the two that an exit waits at most
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return True
        assert os.WTERMSIG(status) == signal.SIGALRM, status
    return False
"""

TRAFFIC = """
device = open_device("loop")
session, adapter = device.session, device.adapter
results = []
reader = start(lambda: results.append(device.read(timeout=None)), count=1)[0]
def in_child():
    {in_child}
run_child(in_child)
device.write(packet(100))
reader.join(60)
assert results == [packet(100)]
exchange(device, 50)
device.close()
assert simulator.counts() == (0, 0, 0, 0)
"""


@pytest.mark.parametrize(
    "in_child",
    [
        "pass",
        "device.close()",
        "device.down()",
        "session.end(); adapter.close()",
        "global device; device.close(); del device",
        "device.write_many([packet(60)] * 5) if device.is_up else None",
    ],
)
def test_a_forked_child_ends_without_touching_its_parents_device(in_child: str) -> None:
    check_clean_exit(FORK + TRAFFIC.replace("{in_child}", in_child))


CALLS = [
    "device.read()",
    "device.read(timeout=None)",
    "device.read_many()",
    "device.write(packet(30))",
    "device.write_many([packet(30)])",
    "device.wait_read_event()",
    "device.receive_packet()",
    "device.receive_packets()",
    "device.allocate_send_packet(30)",
    "device.allocate_send_packets([30])",
    "session.read_wait_event",
    "adapter.start_session()",
    "device.mtu",
    "device.addresses",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_forked_child_cannot_use_its_parents_device(call: str) -> None:
    in_child = f"""
    try:
        {call}
    except wintun.ClosedError:
        return
    raise AssertionError("it was used")
"""
    check_clean_exit(FORK + TRAFFIC.replace("{in_child}", in_child.strip()))


READS = [
    "device.read()",
    "device.read(timeout=None)",
    "session.read()",
    "device.read_many()",
    "device.read_many(1, timeout=None)",
    "session.read_many(1)",
    "device.read_into(bytearray(9000))",
    "session.read_into(bytearray(9000))",
    "device.read_packed(bytearray(20000), array.array('I', [0] * 4))",
    "session.read_packed(bytearray(20000), array.array('I', [0] * 4))",
    "device.receive_packet()",
    "session.receive_packet()",
    "device.receive_packets()",
    "session.receive_packets(1)",
    "device.wait_read_event(0)",
    "session.wait_read_event()",
    "asyncio.run(device.read_async())",
    "asyncio.run(device.read_many_async())",
]


def with_packets_read_ahead(size: int, in_child: str) -> str:
    """A parent that has read one of three packets, and so has at least one more at hand."""
    return (
        FORK
        + f"""
import array, asyncio
device = open_device()
session = device.session
for each in ({size}, {size + 1}, {size + 2}):
    assert simulator.deliver("exit", packet(each))
assert device.read() == packet({size})
def in_child():
    {in_child}
run_child(in_child)
assert device.read_many() == [packet({size + 1}), packet({size + 2})]
assert device.statistics.packets_unread == 0
device.close()
assert simulator.counts() == (0, 0, 0, 0)
"""
    )


@pytest.mark.parametrize("size", [100, 9000])
@pytest.mark.parametrize("call", READS)
def test_a_forked_child_gets_no_packet_that_its_parent_has_read_ahead(call: str, size: int) -> None:
    in_child = f"""
    try:
        got = {call}
    except wintun.ClosedError:
        return
    raise AssertionError(got)
"""
    check_clean_exit(with_packets_read_ahead(size, in_child.strip()))


@pytest.mark.parametrize(
    "in_child",
    [
        "assert list(device) == []",
        "assert next(device, None) is None",
        """
    async def main():
        return [each async for each in device]
    assert asyncio.run(main()) == []
""",
    ],
)
def test_iterating_in_a_forked_child_ends_without_a_packet(in_child: str) -> None:
    check_clean_exit(with_packets_read_ahead(100, in_child.strip()))


@pytest.mark.parametrize(
    "in_child",
    [
        "assert device.closed and not device.is_up and device.session is None",
        "assert session.closed and adapter.closed",
        """
    for each in (session, adapter):
        try:
            with each:
                raise AssertionError("it was entered")
        except wintun.ClosedError:
            pass
""",
        # Nothing that the child could close is unclosed.
        """
    warnings.simplefilter("error", ResourceWarning)
    global device, session, adapter
    del device, session, adapter
""",
    ],
)
def test_what_is_its_parents_is_closed_in_a_forked_child(in_child: str) -> None:
    check_clean_exit(
        FORK
        + f"""
device = open_device("loop")
session, adapter = device.session, device.adapter
def in_child():
    {in_child.strip()}
run_child(in_child)
exchange(device, 50)
assert not (device.closed or session.closed or adapter.closed)
device.close()
"""
    )


@pytest.mark.parametrize(
    "in_child",
    [
        "sys.exit(0)",
        "received.release(); allocated.send(); several.release(); to_send.send()",
        # The last of them ends the session, where it is one's own.
        "device.close(); received.release(); allocated.send(); several.release(); to_send.send()",
        "del globals()['received'], globals()['allocated'], globals()['several']",
    ],
)
def test_packets_that_a_forked_child_gives_back_stay_the_parents(in_child: str) -> None:
    check_clean_exit(
        FORK
        + f"""
device = open_device()
for size in (100, 200, 300, 400):
    assert simulator.deliver("exit", packet(size))
received = device.receive_packet()
several = device.receive_packets(3)
allocated = device.allocate_send_packet(60)
to_send = device.allocate_send_packets([70, 80])
def in_child():
    before = simulator.counts()
    {in_child}
    assert simulator.counts() == before  # the library was not called
run_child(in_child)
assert bytes(received) == packet(100)
assert [bytes(view) for view in several] == [packet(200), packet(300), packet(400)]
memoryview(allocated)[:] = packet(60)
allocated.send()
assert simulator.collect("exit") == packet(60)
for each in (received, several, to_send):
    each.release()
device.close()
assert simulator.counts() == (0, 0, 0, 0)
"""
    )


@pytest.mark.parametrize(
    "in_child", ["sys.exit(0)", "wintun.set_logger(None)", "simulator.use()", "use_one()"]
)
def test_a_child_forked_while_other_threads_hold_locks_does_not_hang(in_child: str) -> None:
    # Without care one child in ten hangs.
    check_clean_exit(
        FORK
        + f"""
def use_one():
    with wintun.TunDevice("the child's") as own:
        simulator.set_wire("the child's", "loop")
        own.up()
        exchange(own, 40)

stopped = False
def set_loggers():
    while not stopped:
        wintun.set_logger(print)
def load():
    while not stopped:
        simulator.use()
threads = start(set_loggers, count=2) + start(load, count=1)
def in_child():
    {in_child}
ends = time.monotonic() + 20  # fewer on a busy machine
for _ in range(40):
    run_child(in_child)
    if time.monotonic() > ends:
        break
stopped = True
for thread in threads:
    thread.join()
"""
    )


def test_a_child_forked_during_a_log_callback_does_not_wait_for_it() -> None:
    check_clean_exit(
        FORK
        + """
inside = threading.Event()
leave = threading.Event()
def call_back(*line):
    inside.set()
    leave.wait(60)
wintun.set_logger(call_back)
simulator.log(wintun.LOG_INFO, "line", wait=False)
inside.wait()
assert ends_within_a_second(os.fork)
leave.set()
"""
    )


def test_a_child_forked_inside_a_log_callback_ends() -> None:
    check_clean_exit(
        FORK
        + """
def fork_inside():
    children = []
    def call_back(*line):
        wintun.set_logger(None)
        children.append(os.fork())
    wintun.set_logger(call_back)
    adapter = wintun.Adapter.create("logged", "Test")  # logs a line, in this thread
    if children != [0]:
        adapter.close()
    return children[0]
assert ends_within_a_second(fork_inside)
"""
    )


def test_a_child_forked_while_a_thread_takes_a_device_up_or_down_can_close_it() -> None:
    check_clean_exit(
        FORK
        + """
device = open_device()
locked = threading.Event()
forked = threading.Event()
def hold():
    with device._lock, device._configuration_lock:
        locked.set()
        forked.wait()
start(hold, count=1)
locked.wait()
def in_child():
    device.statistics
    device.down()
    device.close()
run_child(in_child)
run_child(lambda: None)  # collects it as it exits
forked.set()
assert device.is_up
device.close()
"""
    )


def test_a_forked_child_of_a_forked_child_has_devices_of_its_own() -> None:
    # Each device has carried a packet before a fork: a thread that still starts may hold a lock of
    # ASan's allocator, which a child then waits for; glibc's own are free in a child.
    check_clean_exit(
        FORK
        + """
def open_one(name, then):
    with wintun.TunDevice(name) as own:
        simulator.set_wire(name, "loop")
        own.up()
        exchange(own, 40)
        then()
        exchange(own, 41)
device = open_device("loop")
exchange(device, 50)
run_child(lambda: open_one("child", lambda: run_child(lambda: open_one("grandchild", int))))
exchange(device, 51)
device.close()
"""
    )


def test_a_log_callback_may_fork_inside_a_call() -> None:
    """Also when the child returns through that call, whose locks are its parent's."""
    check_clean_exit(
        FORK
        + """
device = open_device("loop")
device.down()
forked = []
def log(level, timestamp, message):
    if not forked:
        forked.append(os.fork())
wintun.set_logger(log)
with simulator.fault("WintunStartSession", 8):
    try:
        device.up()
    except OSError as error:
        assert error.winerror == 8, error
wintun.set_logger(None)
[child] = forked
if child == 0:
    device.close()
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
device.up()
exchange(device, 50)
device.close()
"""
    )
