# SPDX-License-Identifier: MIT
"""Linux' own TCP, through pymobiledevice3's tunnel on our device, to Linux' own TCP."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path

import pytest

from helpers import scaled
from relay import peer

from .namespaces import Namespace, Program

SIZE = scaled(100_000_000, 1_000_000)
HERE = Path(__file__).parent
RELAY = HERE.parent / "relay"

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("pymobiledevice3") is None,
        reason="pymobiledevice3 is not installed (the session pymobiledevice3 does that)",
    ),
]


def start(here: Namespace, script: Path, *arguments: str) -> tuple[Program, str]:
    """Starts a program, and returns it with its first line."""
    program = here.start(script, *arguments)
    return program, program.wait_line()


@pytest.mark.parametrize("mtu", ["1280", "16000"])
@pytest.mark.parametrize("upwards", [True, False], ids=["up", "down"])
def test_a_stream_arrives_as_it_was_sent(
    joined: tuple[Namespace, Namespace], upwards: bool, mtu: str
) -> None:
    host, phone = joined
    _, port = start(phone, RELAY / "phone.py", "10.77.0.2", mtu)
    relay, line = start(host, RELAY / "host.py", "10.77.0.2", port)
    assert line == "ready"
    source, sink = (host, phone) if upwards else (phone, host)
    target = peer.PEER_ADDRESS if upwards else peer.ADDRESS
    receiver, line = start(sink, HERE / "peer.py", "tcp-receive", target, "7000")
    assert line == "ready"
    started = time.monotonic()
    sender = source.start(HERE / "peer.py", "tcp-send", target, "7000", str(SIZE))
    sent = json.loads(sender.finish())
    received = json.loads(receiver.finish())
    seconds = time.monotonic() - started
    assert received == sent
    assert received["bytes"] == SIZE
    counted = json.loads(relay.finish(terminate=True))
    print(f"{SIZE / seconds / 1e6:.0f} MB/s, {counted}")
    assert counted["bytes_received" if upwards else "bytes_sent"] > SIZE
