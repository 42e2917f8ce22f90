# SPDX-License-Identifier: MIT
"""The system's own network stack talks through an adapter: Windows' or, on Linux, the kernel's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import reflector
from simulator.test_kernel_tun import why_not

PROGRAM = str(Path(reflector.__file__))


@pytest.fixture(scope="module")
def seen(on_driver: bool) -> Any:
    """What passed through an adapter that sends every packet back."""
    reason = None if on_driver else why_not()
    if reason is not None:
        pytest.skip(f"no network stack behind the simulated adapter: {reason}")
    command = [sys.executable, PROGRAM, "driver"]
    if not on_driver:
        # Nothing is up in a new namespace, not even what pings of an own address pass through.
        program = f"ip link set lo up && exec '{sys.executable}' '{PROGRAM}' kernel"
        command = ["unshare", "--net", "sh", "-c", program]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.driver
@pytest.mark.kernel
@pytest.mark.parametrize("version", ["4", "6"])
def test_a_tcp_stream_arrives_whole_each_way(seen: Any, version: str) -> None:
    assert seen["streams"][version] is True


@pytest.mark.driver
@pytest.mark.kernel
@pytest.mark.parametrize("version", ["4", "6"])
def test_every_ping_is_answered(seen: Any, version: str) -> None:
    assert seen["replies"][version] == reflector.PINGS
