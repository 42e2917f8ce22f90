# SPDX-License-Identifier: MIT
"""A call that is stopped inside a session while others close it: whoever is late, all ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from compilers import MISSING, compile_c
from helpers import check_clean_exit

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(sys.platform != "linux", reason="loads a library first: Linux only"),
    pytest.mark.skipif(
        bool(os.environ.get("LD_PRELOAD")), reason="a sanitizer wants to be loaded first"
    ),
]


@pytest.fixture(scope="module")
def stall(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("stall")
    source = Path(__file__).with_name("stall.c")
    compile_c(["-shared", "-fPIC", source, "-o", "stall.so"], folder)
    return str(folder / "stall.so")


PROGRAM = """
import array, ctypes
stall = ctypes.CDLL({stall!r})
stall.stall_prepare()
device = open_device()
session = device.session
for size in ({size}, {size}, {size}):
    assert simulator.deliver("exit", packet(size))
left = []
def call():
    stall.stall_next_lock()
    try:
        left.append({call})
    except (wintun.ClosedError, ValueError):
        pass
late = threading.Thread(target=call)
late.start()
stall.stall_wait_until_reached()
{close}
stall.stall_release()
late.join()
for each in left:
    if isinstance(each, (wintun.Packet, wintun.PacketBatch)):
        each.release()
device.close()
assert simulator.counts() == (0, 0, 0, 0), simulator.counts()
received, unread = session.statistics.packets_received, session.statistics.packets_unread
assert received == unread + {read}, (received, unread)
with open_device():  # the name is free again
    pass
"""

CALLS = {
    "wait_read_event": ("session.wait_read_event(0)", 0),
    "wait_read_event, waiting": ("session.wait_read_event()", 0),
    "read": ("session.read()", 1),
    "read, waiting": ("session.read(None)", 1),
    "read_many": ("session.read_many(1)", 1),
    "read_into a buffer that is too small": ("session.read_into(bytearray(1))", 0),
    "read_packed": ("session.read_packed(bytearray(9500), array.array('I', [0] * 4))", None),
    "receive_packet": ("session.receive_packet()", 1),
    "receive_packets": ("session.receive_packets(1)", 1),
}


CASES = [(call, size, "device.close()") for call in CALLS for size in (100, 9000)]
CASES += [("wait_read_event", 9000, close) for close in ("session.end()", "device.down()")]


@pytest.mark.parametrize(("call", "size", "close"), CASES)
def test_a_session_ends_though_a_call_is_stopped_inside_it(
    stall: str, monkeypatch: pytest.MonkeyPatch, call: str, size: int, close: str
) -> None:
    monkeypatch.setenv("LD_PRELOAD", stall)
    expression, read = CALLS[call]
    if read is None:
        read = 2 if size == 100 else 1
    check_clean_exit(
        PROGRAM.format(stall=stall, size=size, call=expression, close=close, read=read)
    )
