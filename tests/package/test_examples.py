# SPDX-License-Identifier: MIT
"""The examples take what they say; how they carry packets is tested with the kernel's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

VPN = Path(__file__).resolve().parent.parent.parent / "examples" / "udp_vpn.py"
USE_THE_SIMULATOR = """
import runpy, sys
from wintun import simulator
simulator.use()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("mtu", "addresses", "comes_up"),
    [
        ("1200", ["10.9.0.1/24"], True),
        ("68", ["10.9.0.1/24", "10.9.1.1/24"], True),
        ("1280", ["10.9.0.1/24", "fd00::1/64"], True),
        ("1200", ["10.9.0.1/24", "fd00::1/64"], False),
        ("1200", ["fd00::1/64"], False),
    ],
)
def test_an_mtu_below_1280_is_for_a_vpn_of_ipv4_alone(
    mtu: str, addresses: list[str], comes_up: bool
) -> None:
    command = [sys.executable, "-c", USE_THE_SIMULATOR, str(VPN), "--mtu", mtu]
    command += ["--local", "127.0.0.1:45671", "--remote", "127.0.0.1:45672"]
    for address in addresses:
        command += ["--address", address]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        if comes_up:
            process.kill()
            assert all(address in first for address in addresses)
        else:
            assert "1280" in process.stderr.read()
            assert process.wait() == 1
