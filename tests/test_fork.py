"""A process that forks while a device is up: the device stays the parent's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

PROGRAM = """
import os, sys, threading, warnings
import wintun
from wintun import simulator

warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
packet = bytes([0x45]) + bytes(99)
device = wintun.TunDevice("fork")
simulator.set_wire("fork", "loop")
device.up()
reader = threading.Thread(target=device.read, kwargs={"timeout": None})
reader.start()
child = os.fork()
if child == 0:
    {in_child}
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
device.write(packet)
reader.join(10)
assert not reader.is_alive()
device.write(packet)
assert device.read(timeout=10) == packet
device.close()
assert simulator.counts().sessions == 0
"""


@pytest.mark.parametrize(
    "in_child", ["pass", "device.close()", "device.down()", "device.close(); del device"]
)
def test_a_forked_child_ends_without_touching_its_parents_device(in_child: str) -> None:
    program = PROGRAM.replace("{in_child}", in_child)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", program],
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
