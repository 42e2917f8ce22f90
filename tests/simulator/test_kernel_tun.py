# SPDX-License-Identifier: MIT
"""A tun interface of Linux, opened and made like a device."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from helpers import HANG_SECONDS
from wintun import simulator

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has tun devices")


def why_not() -> str | None:
    """Why no interface can be made in a namespace of its own, if so."""
    if sys.platform != "linux":
        return "Linux has tun devices"
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    for command in ("ip", "unshare"):
        if shutil.which(command) is None:
            return f"needs the command {command}"
    unshare = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if unshare.returncode == 0 else unshare.stderr.decode().strip()


def run_apart(program: str) -> Any:
    """Runs a program in a network namespace of its own; returns the JSON that it prints."""
    head = "import json, subprocess, wintun\nfrom wintun import simulator\nsimulator.use()\n"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", head + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def kernel() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@linux
@pytest.mark.parametrize("name", ["", "sixteen bytes ..", "a\0b"])
def test_a_name_that_no_interface_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 15 bytes"):
        simulator.open_tun(name)


@pytest.mark.skipif(sys.platform == "linux", reason="Linux has tun devices")
def test_elsewhere_than_on_linux_there_is_none() -> None:
    with pytest.raises(NotImplementedError, match="Linux"):
        simulator.open_tun("tun0")


@linux
def test_a_user_without_rights_is_told_what_it_needs() -> None:
    if os.geteuid() != 0 and not os.path.exists("/dev/net/tun"):
        pytest.skip("needs /dev/net/tun")
    program = """
        import fcntl, os, struct  # nobody may read root's Python
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            simulator.open_tun("tun0")
        except (PermissionError, FileNotFoundError) as error:
            print(error)
    """
    head = "from wintun import simulator\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert "root" in done.stdout or "module tun" in done.stdout, done.stdout + done.stderr


@pytest.mark.kernel
@pytest.mark.usefixtures("kernel")
def test_an_interface_lives_as_long_as_someone_has_it() -> None:
    seen = run_apart(
        """
        import os
        interface = lambda: os.path.exists("/sys/class/net/test7") or subprocess.run(
            ["ip", "link", "show", "test7"], capture_output=True).returncode == 0
        seen = []
        with simulator.open_tun("test%d") as numbered:
            seen.append(numbered.name)
        with simulator.open_tun("test7") as tun:
            seen.append(tun.name)
            try:
                simulator.open_tun("test7")
            except OSError as error:
                seen.append(type(error).__name__)
            simulator.set_wire("x", "socket", sock=tun)
        seen += [tun.fileno(), interface()]
        tun.close()
        simulator.reset()
        seen.append(interface())
        print(json.dumps(seen))
        """
    )
    assert seen == ["test0", "test7", "OSError", -1, True, False]


@pytest.mark.kernel
@pytest.mark.usefixtures("kernel")
def test_a_mirror_has_the_addresses_and_the_mtu_also_when_they_change() -> None:
    before, after = run_apart(
        """
        def shown():
            out = subprocess.run(["ip", "-json", "address", "show", "dev", "test"],
                                 capture_output=True, check=True).stdout
            [link] = json.loads(out)
            return link["mtu"], "UP" in link["flags"], sorted(
                f'{a["local"]}/{a["prefixlen"]}' for a in link["addr_info"]
                if a["scope"] == "global")
        with wintun.TunDevice("x") as device, simulator.open_tun("test") as tun:
            simulator.set_wire("x", "socket", sock=tun)
            device.addresses = ("10.7.0.1/24", "10.8.0.1/16", "fd00::1/64")
            device.mtu = 1400
            simulator.mirror(device, tun.name)
            before = shown()
            device.addresses = ("10.9.0.1/24",)
            simulator.mirror(device, tun.name)
            print(json.dumps([before, shown()]))
        """
    )
    assert before == [1400, True, ["10.7.0.1/24", "10.8.0.1/16", "fd00::1/64"]]
    assert after == [1400, True, ["10.9.0.1/24"]]


@pytest.mark.kernel
@pytest.mark.usefixtures("kernel")
def test_an_interface_that_is_not_there_cannot_be_a_mirror() -> None:
    text = run_apart(
        """
        with wintun.TunDevice("x") as device:
            try:
                simulator.mirror(device, "nobody")
            except OSError as error:
                print(json.dumps(str(error)))
        """
    )
    assert "nobody" in text
