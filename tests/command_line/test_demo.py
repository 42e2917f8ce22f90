# SPDX-License-Identifier: MIT
"""`python -m wintun demo`: packets on lines, pings answered, and a clean end at any time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from wintun.cli import wires
from wintun.cli.echo import make_reply, make_request, parse_request
from wintun.cli.packets import describe

HANG_SECONDS = 120

posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to another process"
)


def command(*arguments: str) -> list[str]:
    if "--wire" not in arguments:
        arguments = (*arguments, "--wire", "builtin")
    return [sys.executable, "-m", "wintun", "demo", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )


@contextmanager
def running(*arguments: str, start: str = "") -> Iterator[subprocess.Popen[str]]:
    """Runs the command; where `start` is given, in a shell that does this first."""
    words = command(*arguments)
    process = subprocess.Popen(
        ["sh", "-c", start + '"$0" "$@"', *words] if start else words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process still prints, on both of its outputs; the test's own limit ends a hang."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = process.stdout.read(), process.stderr.read()
    process.wait(HANG_SECONDS)
    return output, errors


def records(output: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The packets and the summary that --json printed."""
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["type"] for line in lines] == ["packet"] * (len(lines) - 1) + ["summary"]
    return lines[:-1], lines[-1]


# --- What it prints ----------------------------------------------------------------------------


def test_it_ends_well_after_the_answered_pings_that_were_asked_for() -> None:
    done = run("--count", "4")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert sum("echo request" in line for line in lines) >= 4
    assert sum("echo reply" in line for line in lines) == 4
    assert lines[-1].startswith("4 pings answered")


def test_a_packet_is_a_line_with_time_direction_length_protocol_addresses_and_kind() -> None:
    lines = run("--count", "1", "--address", "10.3.2.1/24").stdout.splitlines()
    request = next(line for line in lines if "echo request" in line)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3}  in +\d+ B  ICMP +10\.3\.2\.1 > 10\.3\.2\.\d+  "
        r"echo request id=\d+ seq=\d+",
        request,
    )


def test_the_json_summary_is_the_sum_of_the_packets() -> None:
    done = run("--count", "6", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    packets, summary = records(done.stdout)
    for direction, name in (("in", "received"), ("out", "sent")):
        shown = [packet["length"] for packet in packets if packet["direction"] == direction]
        assert (len(shown), sum(shown)) == (summary[f"packets_{name}"], summary[f"bytes_{name}"])
    assert summary["requests_answered"] == 6
    assert summary["packets_dropped"] == 0
    replies = [packet for packet in packets if packet["icmp_type"] in (0, 129)]
    assert len(replies) == 6
    assert {ip_address(packet["source"]).version for packet in replies} == {4, 6}


def test_the_pings_go_to_neighbours_in_the_subnets_that_were_asked_for() -> None:
    subnets = ["10.3.2.1/24", "10.4.0.0/16", "fd12::1/64"]
    options = [word for subnet in subnets for word in ("--address", subnet)]
    packets, _ = records(run("--count", "9", "--json", *options).stdout)
    replies = [packet for packet in packets if packet["direction"] == "out"]
    pinged = {ip_address(packet["source"]) for packet in replies}
    own = {ip_address(subnet.split("/")[0]) for subnet in subnets}
    assert not pinged & own
    for subnet in subnets:
        network = ip_network(subnet, strict=False)
        assert any(address in network for address in pinged if address.version == network.version)


def test_the_mtu_is_set() -> None:
    assert "MTU 1400" in run("--count", "1", "--mtu", "1400").stdout
    only_ipv4 = run("--count", "1", "--mtu", "68", "--address", "10.3.2.1/24")
    assert "MTU 68" in only_ipv4.stdout


# --- How it ends -------------------------------------------------------------------------------


@posix_signals
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
)
@pytest.mark.parametrize("lines", [0, 1, 6])
def test_a_signal_ends_it_cleanly_with_the_summary_at_any_time(number: int, lines: int) -> None:
    with running("--json") as process:
        assert process.stdout is not None
        seen = "".join(process.stdout.readline() for _ in range(lines))
        if lines == 0:
            seen = process.stdout.read(1)  # not before it runs: then Python itself ends it
        process.send_signal(number)
        rest, errors = finish(process)
    assert (process.returncode, errors) == (128 + number, "")
    packets, summary = records(seen + rest)
    replies = [packet for packet in packets if packet["direction"] == "out"]
    assert summary["requests_answered"] == len(replies)


@posix_signals
def test_a_signal_ends_it_while_nothing_happens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(HANG_SECONDS)
        with running("--json", "--wire", f"udp:127.0.0.1:{silent.getsockname()[1]}") as process:
            silent.recv(65536)
            process.send_signal(signal.SIGINT)
            output, errors = finish(process)
    assert process.returncode == 130
    assert errors == "" or "nothing has come from" in errors  # where it got its turn late
    assert records(output)[1]["requests_answered"] == 0


@posix_signals
def test_under_nohup_a_terminal_that_goes_away_does_not_end_it() -> None:
    if sys.platform != "win32":
        with running("--json", start="trap '' HUP; exec ") as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            finish(process)
        assert process.returncode == 143


INTERRUPTS_AN_IMPORT = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPTED_IMPORT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
"""


@posix_signals
@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not tell its own arguments")
@pytest.mark.parametrize(
    "name",
    ["wintun._wintun", "wintun._library", "wintun.device", "wintun.cli", "argparse", "json"],
)
def test_ctrl_c_while_it_starts_gives_no_traceback(tmp_path: Path, name: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTS_AN_IMPORT)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPTED_IMPORT": name}
    done = subprocess.run(
        [sys.executable, "-c", KEEPS_SIGINT, *command("--count", "1")],
        env=variables,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (done.returncode, done.stdout, done.stderr) in ((130, "", ""), (-2, "", ""))


KEEPS_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever the shell of the tests has done
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_it_ends_quietly_when_nobody_reads_its_output() -> None:
    with running("--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(HANG_SECONDS) == 1
        assert process.stderr.read() == ""
        process.stdout = None  # or the end of the with block would read from it, on Windows


@pytest.mark.skipif(
    sys.platform == "win32" or not os.path.exists("/dev/full"),
    reason="no /dev/full on this system",
)
def test_an_output_that_takes_nothing_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("--count", "1"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith("python -m wintun: error: cannot write to standard output")
    assert done.stderr.count("\n") == 1


# --- The wires ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
def test_a_udp_peer_that_pings_is_answered(version: int) -> None:
    subnet = "10.3.2.1/24" if version == 4 else "fd12::1/64"
    source, neighbour, other = (
        ip_address(text).packed
        for text in (
            ("10.3.2.1", "10.3.2.77", "10.3.3.1")
            if version == 4
            else ("fd12::1", "fd12::77", "fd13::1")
        )
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(HANG_SECONDS)
        wire = f"udp:127.0.0.1:{peer.getsockname()[1]}"
        with running("--count", "2", "--json", "--address", subnet, "--wire", wire) as process:
            hello, demo = peer.recvfrom(65536)
            assert "echo request" in describe(hello).detail
            for sequence, target in enumerate((other, source, neighbour, neighbour)):
                peer.sendto(make_request(source, target, 5, sequence), demo)
            replies: list[str] = []
            while len(replies) < 2:
                detail = describe(peer.recv(65536)).detail
                replies += [detail] * ("reply" in detail)
            output, errors = finish(process)
    assert (process.returncode, errors) == (0, "")
    assert replies == ["echo reply id=5 seq=2", "echo reply id=5 seq=3"]
    assert records(output)[1]["requests_answered"] == 2


def test_a_udp_wire_to_a_port_of_this_host_is_not_connected_to_itself() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    with running("--json", "--wire", f"udp:127.0.0.1:{port}") as process:
        assert process.stdout is not None
        packets = [json.loads(process.stdout.readline()) for _ in range(4)]
    assert {packet["direction"] for packet in packets} == {"out"}


def free_ports(count: int) -> list[int]:
    """Ports of UDP that nobody uses at the moment."""
    finders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for finder in finders:
        finder.bind(("127.0.0.1", 0))
    ports = [finder.getsockname()[1] for finder in finders]
    for finder in finders:
        finder.close()
    return ports


def test_two_demos_of_one_machine_ping_each_other() -> None:
    one, other = free_ports(2)
    first = ("--json", "--address", "10.3.2.1/31", "--wire", f"udp:{one}@127.0.0.1:{other}")
    second = ("--count", "2", "--address", "10.3.2.1/31", "--wire", f"udp:{other}@127.0.0.1:{one}")
    with running(*first) as process:
        assert process.stdout is not None
        process.stdout.readline()
        done = run(*second)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert f"Packets go from UDP port {other} here to 127.0.0.1 port {one}." in lines
    assert re.search(r"2 pings answered; .*; own pings: \d+, answered: \d+$", lines[-1])


def test_answers_to_its_own_pings_are_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(HANG_SECONDS)
        wire = f"udp:127.0.0.1:{peer.getsockname()[1]}"
        address = ("--address", "10.3.2.1/24")
        with running("--json", "--count", "1", *address, "--wire", wire) as process:
            answered = 0
            while answered < 2:
                request, demo = peer.recvfrom(65536)
                header = parse_request(request)
                if header is not None:
                    peer.sendto(make_reply(request, header), demo)
                    answered += 1
            source, target = ip_address("10.3.2.2").packed, ip_address("10.3.2.7").packed
            peer.sendto(make_request(source, target, 5, 1), demo)
            output, _ = finish(process)
    _, summary = records(output)
    assert summary["requests_answered"] == 1
    assert summary["replies_received"] == 2
    assert summary["requests_sent"] >= 2


def test_a_udp_peer_that_is_silent_is_told_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with running("--wire", f"udp:127.0.0.1:{port}") as process:
            assert process.stderr is not None
            line = process.stderr.readline()
    assert line == f"python -m wintun: error: nothing has come from 127.0.0.1 port {port} yet\n"


def test_a_port_of_this_side_that_is_taken_is_told_in_one_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        done = run("--wire", f"udp:{taken.getsockname()[1]}@127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("subnet", ["10.3.2.1/31", "10.3.2.0/31", "fd12::1/127", "fd12::/127"])
def test_a_subnet_of_two_has_a_neighbour(subnet: str) -> None:
    packets, _ = records(run("--count", "1", "--json", "--address", subnet).stdout)
    (reply,) = (packet for packet in packets if packet["direction"] == "out")
    network = ip_network(subnet, strict=False)
    assert {ip_address(reply["source"]), ip_address(reply["destination"])} == set(network)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "label-too-long-" * 5 + ".invalid"])
def test_a_udp_peer_that_cannot_be_found_is_told_in_one_line(host: str) -> None:
    done = run("--wire", f"udp:{host}:4000")
    assert done.returncode == 1
    assert done.stderr.startswith(f"python -m wintun: error: {host}")
    assert done.stderr.count("\n") == 1


@pytest.mark.kernel
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root for a tun device"
)
@pytest.mark.skipif(not os.path.exists("/dev/net/tun"), reason="there is no /dev/net/tun")
@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare (util-linux)")
@pytest.mark.skipif(not shutil.which("ping"), reason="there is no ping (iputils-ping)")
@pytest.mark.skipif(not shutil.which("ip"), reason="there is no ip (iproute2)")
def test_the_kernel_pings_through_a_tun_device() -> None:
    done = subprocess.run(
        ["unshare", "--net", *command("--count", "6", "--json", "--wire", "tun")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    packets, summary = records(done.stdout)
    assert summary["requests_answered"] == 6
    assert {packet["icmp_type"] for packet in packets if packet["direction"] == "out"} == {0, 129}


@pytest.mark.kernel
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root for a tun device"
)
@pytest.mark.skipif(not os.path.exists("/dev/net/tun"), reason="there is no /dev/net/tun")
@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare (util-linux)")
def test_the_name_of_the_tun_device_is_told() -> None:
    done = subprocess.run(
        ["unshare", "--net", *command("--count", "1", "--wire", "tun")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert re.search(r"^The other end is the kernel's interface wintun\d+\.$", done.stdout, re.M)


@pytest.mark.skipif(sys.platform == "win32", reason="about what Linux refuses")
@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() == 0, reason="root may do it")
def test_a_tun_device_without_root_is_told_in_one_line() -> None:
    done = run("--wire", "tun")
    assert done.returncode == 1
    assert "root" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "win32", reason="Linux has tun devices")
def test_a_tun_device_where_there_is_none_is_told_in_one_line() -> None:
    done = run("--wire", "tun")
    assert done.returncode == 1
    assert done.stderr.startswith("python -m wintun: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "neighbour"),
    [
        ("10.9.0.1/31", "10.9.0.0"),
        ("10.9.0.0/31", "10.9.0.1"),
        ("10.9.0.2/30", "10.9.0.1"),
        ("10.9.0.1/30", "10.9.0.2"),
        ("fd00::1/127", "fd00::"),
        ("fd00::/127", "fd00::1"),
        ("fd00::1/64", "fd00::2"),
    ],
)
def test_a_subnet_of_two_addresses_has_room_for_a_neighbour(address: str, neighbour: str) -> None:
    assert str(wires.neighbour_of(ip_interface(address)).ip) == neighbour
    done = run("--address", address, "--count", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{address.partition('/')[0]} > {neighbour} " in done.stdout


@pytest.mark.parametrize(
    ("address", "better"), [("10.9.0.1", "10.9.0.1/24"), ("fd00::1/128", "fd00::1/64")]
)
def test_an_address_without_a_neighbour_says_how_to_give_it_one(address: str, better: str) -> None:
    done = run("--address", address)
    assert done.returncode == 2
    assert f"as in {better}" in done.stderr
