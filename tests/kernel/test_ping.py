"""The system's ping, through the kernel's stack, a tun device and an adapter, and back."""

from __future__ import annotations

import re

import pytest

from helpers import scaled, wait_until

from .namespaces import EXAMPLES, Namespace

COUNT = scaled(1000, 20)

pytestmark = pytest.mark.kernel


def answers(namespace: Namespace, option: str) -> int:
    """How many answers to pings have arrived in the namespace, whole.

    Asked of the kernel: ping itself waits after its last request only twice as long as any answer
    took before, whatever -W says, and so calls lost what a busy machine delays.
    """
    if option == "-6":
        counts = dict(map(str.split, namespace.run("cat", "/proc/net/snmp6").splitlines()))
        return int(counts["Icmp6InEchoReplies"])
    lines = map(str.split, namespace.run("cat", "/proc/net/snmp").splitlines())
    names, numbers = (line for line in lines if line[0] == "Icmp:")
    return int(numbers[names.index("InEchoReps")])


@pytest.mark.parametrize(
    ("option", "neighbour"), [("-4", "10.78.0.2"), ("-6", "fd00:78::2")], ids=["IPv4", "IPv6"]
)
@pytest.mark.parametrize("size", [16, 1372], ids=["small", "large"])
def test_no_ping_through_the_kernel_is_lost(
    namespace: Namespace, option: str, neighbour: str, size: int
) -> None:
    echo = namespace.start(
        EXAMPLES / "echo.py",
        *("--address", "10.78.0.1/24", "--address", "fd00:78::1/64", "--mtu", "1420"),
        *("--linux-tun", "echo0"),
    )
    echo.wait_line()
    output = namespace.run(
        *("ping", option, "-q", "-c", str(COUNT), "-i", "0.002", "-W", "10"),
        *("-M", "do", "-s", str(size), neighbour),
    )
    # Between the numbers would be said that some were altered or came twice.
    summary = rf"^{COUNT} packets transmitted, \d+ received, [\d.]+% packet loss"
    assert re.search(summary, output, re.MULTILINE), output
    wait_until(lambda: answers(namespace, option) >= COUNT, "pings are lost")
    assert answers(namespace, option) == COUNT
    assert f"answered {COUNT} " in echo.finish(terminate=True)


def test_the_kernels_interface_has_the_adapters_settings_and_goes_with_it(
    namespace: Namespace,
) -> None:
    echo = namespace.start(
        EXAMPLES / "echo.py",
        *("--address", "10.78.0.1/24", "--address", "fd00:78::1/64", "--mtu", "1333"),
        *("--linux-tun", "echo0"),
    )
    echo.wait_line()
    shown = namespace.ip("address", "show", "dev", "echo0")
    assert "mtu 1333" in shown
    assert "10.78.0.1/24" in shown
    assert "fd00:78::1/64" in shown
    echo.finish(terminate=True)
    assert "echo0" not in namespace.ip("link")
