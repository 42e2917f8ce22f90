"""The example VPN, run twice, carries what Linux' own TCP and UDP send through it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import scaled

from .namespaces import EXAMPLES, Namespace, Program

SIZE = scaled(200_000_000, 1_000_000)
PEER = Path(__file__).with_name("peer.py")

pytestmark = [pytest.mark.kernel, pytest.mark.threads, pytest.mark.timeout(900)]


def start_vpn(here: Namespace, number: int) -> Program:
    """One end, 10.77.0.NUMBER; both address families inside."""
    return here.start(
        EXAMPLES / "udp_vpn.py",
        *("--local", f"10.77.0.{number}:5555", "--remote", f"10.77.0.{3 - number}:5555"),
        *("--address", f"10.79.0.{number}/24", "--address", f"fd00:79::{number}/64"),
        *("--mtu", "1400", "--linux-tun", "vpn0"),
    )


def result(program: Program, *, terminate: bool = False) -> dict[str, Any]:
    loaded = json.loads(program.finish(terminate=terminate))
    assert isinstance(loaded, dict)
    return loaded


def start_receiver(here: Namespace, *arguments: str) -> Program:
    receiver = here.start(PEER, *arguments)
    assert receiver.wait_line() == "ready"
    return receiver


@pytest.mark.parametrize(
    ("sender", "target"), [(1, "10.79.0.2"), (2, "fd00:79::1")], ids=["there-IPv4", "back-IPv6"]
)
def test_tcp_and_udp_arrive_as_they_were_sent(
    joined: tuple[Namespace, Namespace], sender: int, target: str
) -> None:
    ends = [start_vpn(here, number) for number, here in enumerate(joined, 1)]
    for end in ends:
        end.wait_line()
    source, sink = joined[sender - 1], joined[2 - sender]

    datagrams_in = start_receiver(sink, "udp-receive", target, "7001")
    datagrams_out = start_receiver(source, "udp-send", target, "7001", "1300", "0.001")
    stream_in = start_receiver(sink, "tcp-receive", target, "7000")
    sent = result(source.start(PEER, "tcp-send", target, "7000", str(SIZE)))
    received = result(stream_in)
    assert received == sent
    assert received["bytes"] == SIZE

    datagrams_sent = result(datagrams_out, terminate=True)["sent"]
    datagrams = result(datagrams_in, terminate=True)
    print(f"{datagrams_sent} datagrams sent, {datagrams}")
    assert datagrams["damaged"] == 0
    assert datagrams["different"] == datagrams["received"]  # none came twice
    # UDP may lose some where TCP fills the same queues; the stream must have run all the same.
    assert datagrams["received"] >= datagrams_sent / 2 > 0
    for end in ends:
        end.finish(terminate=True)


def test_the_vpn_refuses_a_bad_address_in_one_line(namespace: Namespace) -> None:
    vpn = namespace.start(
        EXAMPLES / "udp_vpn.py",
        *("--local", "127.0.0.1:5555", "--remote", "127.0.0.1:5556"),
        *("--address", "10.79.0.1/99", "--linux-tun", "vpn0"),
    )
    output, errors = vpn.process.communicate(timeout=60)
    assert vpn.process.returncode == 1
    assert output == ""
    assert len(errors.splitlines()) == 1
    assert "10.79.0.1/99" in errors
