"""pymobiledevice3's own tunnel on our device and, on Windows, on that of pytun-pmd3, in turn.

    python -m benchmarks.relay [--packets N] [--repeats N] [--json FILE] [--guide]

A phone in a process of its own sends packets of mixed sizes through the tunnel to an adapter that
sends each back, so they pass the relay in both directions at once. Both devices use the simulator's
rings. Needs pymobiledevice3, and the tests beside this folder.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import wintun.pytun
from wintun import simulator

from . import markdown, peer
from .machine import machine
from .report import store
from .starts import spread

ROOT = Path(__file__).resolve().parent.parent
PHONE = ROOT / "tests" / "relay" / "peer.py"
GUIDE = ROOT / "docs" / "pymobiledevice3.md"

LARGEST = 16000
DEVICES = {"wintun": "`wintun`", "pytun-pmd3": "pytun-pmd3 3.0.3"}

# What is measured: its heading, and the decimals that it deserves.
MEASURES = {
    "packets_per_s": ("packets/s each way", 0),
    "megabytes_per_s": ("MB/s each way", 1),
    "cpu_s_per_gigabyte": ("CPU seconds a GB", 1),
    "usable_ms": ("usable after ms", 1),
}

Runs = dict[str, list[dict[str, float]]]


async def relay(module: Any, phone: subprocess.Popen[str], packets: int) -> dict[str, float]:
    service = importlib.import_module("pymobiledevice3.remote.tunnel_service")
    assert service.TunTapDevice is module.TunTapDevice
    assert phone.stdin is not None
    assert phone.stdout is not None
    port = int(phone.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    tunnel = service.RemotePairingTcpTunnel(reader, writer)
    parameters = (await tunnel.request_tunnel_establish())["clientParameters"]
    started = time.perf_counter()
    await tunnel.start_tunnel(parameters["address"], parameters["mtu"])
    usable, processor = time.perf_counter() - started, time.process_time()
    phone.stdin.write("go\n")
    phone.stdin.flush()
    seen = json.loads(await asyncio.to_thread(phone.stdout.readline))
    processor = time.process_time() - processor
    await tunnel.stop_tunnel()
    assert seen["packets"] == packets
    assert seen["surplus"] == 0
    return {
        "packets_per_s": packets / seen["seconds"],
        "megabytes_per_s": seen["bytes"] / seen["seconds"] / 1e6,
        "cpu_s_per_gigabyte": processor / (2 * seen["bytes"] / 1e9),
        "usable_ms": usable * 1000,
    }


def run_one(device: str, packets: int) -> None:
    """Prints one measurement as JSON; in a process of its own, for both devices take one name."""
    simulator.use()
    simulator.set_wire(None, "loop")
    module = wintun.pytun if device == "wintun" else peer.load()
    sys.modules[peer.PACKAGE] = module
    command = [sys.executable, "-u", str(PHONE), "echo", str(packets), str(LARGEST)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as phone:
        print(json.dumps(asyncio.run(relay(module, phone, packets))))


def measure(packets: dict[str, int], repeats: int) -> Runs:
    """Runs the devices in turn."""
    runs: Runs = {device: [] for device in packets}
    for _ in range(repeats):
        for device, count in packets.items():
            command = [sys.executable, "-m", "benchmarks.relay", "--one", device]
            command += ["--packets", str(count)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            runs[device].append(json.loads(output.splitlines()[-1]))
    return runs


def cell(runs: Runs, device: str, measure: str) -> str:
    """The median, and from the least to the most."""
    decimals = MEASURES[measure][1]
    return spread([run[measure] for run in runs[device]]).text(f"{{:,.{decimals}f}}")


def ratio(runs: Runs) -> float:
    """How many times the packets of the other device ours passes."""
    ours, theirs = (
        statistics.median(run["packets_per_s"] for run in runs[device]) for device in DEVICES
    )
    return ours / theirs


def text(about: dict[str, Any], runs: Runs, packets: dict[str, int]) -> str:
    """The figures as the guide has them: a table, the ratio, and what they depend on."""
    head = ["", *(heading for heading, _ in MEASURES.values())]
    rows = [
        [DEVICES[device], *(cell(runs, device, measure) for measure in MEASURES)] for device in runs
    ]
    parts = [markdown.table(head, rows)]
    if len(runs) > 1:
        parts.append(f"That is {ratio(runs):.1f} times the packets.")
    repeats = len(next(iter(runs.values())))
    counts = " and ".join(f"{count:,}" for count in packets.values())
    how = f"medians of {repeats} alternating runs, each in a process of its own."
    parts.append(
        f"{markdown.about(about, how)} In brackets the least and the most; {counts} packets a run."
    )
    return "\n\n".join(parts)


def write_guide(runs: Runs, figures: str) -> None:
    """Puts the figures into the guide and its draft, in place of those that are there."""
    assert markdown.put(GUIDE, "relay", figures), "the guide has no place for the figures"
    page = GUIDE.read_text(encoding="utf-8")
    page, count = re.subn(r"carries \d+ times", f"carries {ratio(runs):.0f} times", page)
    assert count == 1, "the draft's line with the figure is gone"
    store(GUIDE, page)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__)
    parser.add_argument("--packets", type=int, default=200_000, help="in a run (default: 200000)")
    parser.add_argument("--slow-packets", type=int, default=5_000, help="the same for pytun-pmd3")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run there")
    parser.add_argument("--guide", action="store_true", help="also write the figures into the docs")
    parser.add_argument("--one", choices=DEVICES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        run_one(args.one, args.packets)
        return 0
    if args.guide and sys.platform != "win32":
        parser.error(
            "the guide has figures of both devices, and the other one is for Windows alone"
        )
    packets = {"wintun": args.packets}
    if sys.platform == "win32":
        packets["pytun-pmd3"] = args.slow_packets
    about = machine()
    runs = measure(packets, args.repeats)
    figures = text(about, runs, packets)
    print(figures)
    if args.json is not None:
        store(args.json, json.dumps({"machine": about, "runs": runs}, indent=1) + "\n")
    if args.guide:
        write_guide(runs, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
