"""pymobiledevice3's own tunnel on our device and, on Windows, on that of pytun-pmd3, in turn.

    python -m benchmarks.relay [--packets N] [--repeats N] [--json FILE]

A phone in a process of its own sends packets of mixed sizes through the tunnel to an adapter that
sends each back, so they pass the relay in both directions at once. Both devices use the simulator's
rings. Needs pymobiledevice3, and the tests beside this folder.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import wintun.pytun
from wintun import simulator

PEER = Path(__file__).resolve().parent.parent / "tests" / "relay" / "peer.py"
LARGEST = 16000
DEVICES = ["wintun", "pytun-pmd3"]


def import_pytun() -> Any:
    """Imports pytun-pmd3 with the simulator where it loads the driver's library."""
    windows: Any = ctypes
    original = windows.WinDLL

    def load(name: str, *arguments: Any, **options: Any) -> Any:
        ours = name.lower().endswith(("wintun.dll", "iphlpapi.dll"))
        return original(simulator.library_path() if ours else name, *arguments, **options)

    windows.WinDLL = load
    try:
        return importlib.import_module("pytun_pmd3")
    finally:
        windows.WinDLL = original


async def relay(module: Any, process: subprocess.Popen[str], packets: int) -> dict[str, float]:
    service = importlib.import_module("pymobiledevice3.remote.tunnel_service")
    assert service.TunTapDevice is module.TunTapDevice
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    tunnel = service.RemotePairingTcpTunnel(reader, writer)
    parameters = (await tunnel.request_tunnel_establish())["clientParameters"]
    started = time.perf_counter()
    await tunnel.start_tunnel(parameters["address"], parameters["mtu"])
    usable, processor = time.perf_counter() - started, time.process_time()
    process.stdin.write("go\n")
    process.stdin.flush()
    seen = json.loads(await asyncio.to_thread(process.stdout.readline))
    # The peer waits at the end for what must not come.
    seconds = time.perf_counter() - started - usable - 0.3
    processor = time.process_time() - processor
    await tunnel.stop_tunnel()
    gigabytes = 2 * seen["bytes"] / 1e9
    return {
        "packets_per_s": packets / seconds,
        "megabytes_per_s": seen["bytes"] / seconds / 1e6,
        "cpu_s_per_gigabyte": processor / gigabytes,
        "usable_ms": usable * 1000,
    }


def run_one(device: str, packets: int) -> None:
    """Prints one measurement as JSON; in a process of its own, for both devices take one name."""
    simulator.use()
    simulator.set_wire(None, "loop")
    module: Any = wintun.pytun if device == "wintun" else import_pytun()
    sys.modules["pytun_pmd3"] = module
    command = [sys.executable, "-u", str(PEER), "echo", str(packets), str(LARGEST)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        print(json.dumps(asyncio.run(relay(module, process, packets))))


def measure(devices: list[str], packets: dict[str, int], repeats: int) -> dict[str, Any]:
    """Runs the devices in turn; the medians of what they came to."""
    runs: dict[str, list[dict[str, float]]] = {device: [] for device in devices}
    for _ in range(repeats):
        for device in devices:
            command = [sys.executable, "-m", "benchmarks.relay", "--one", device]
            command += ["--packets", str(packets[device])]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            runs[device].append(json.loads(output.splitlines()[-1]))
    return {
        device: {key: statistics.median(run[key] for run in each) for key in each[0]}
        for device, each in runs.items()
    }


def table(results: dict[str, Any]) -> str:
    lines = [f"{'':12}{'packets/s':>12}{'MB/s':>9}{'CPU s/GB':>10}{'usable ms':>11}"]
    for device, result in results.items():
        lines.append(
            f"{device:12}{result['packets_per_s']:12,.0f}{result['megabytes_per_s']:9.1f}"
            f"{result['cpu_s_per_gigabyte']:10.2f}{result['usable_ms']:11.2f}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__)
    parser.add_argument("--packets", type=int, default=200_000, help="in a run (default: 200000)")
    parser.add_argument("--slow-packets", type=int, default=3_000, help="the same for pytun-pmd3")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--one", choices=DEVICES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        run_one(args.one, args.packets)
        return 0
    devices = DEVICES if sys.platform == "win32" else DEVICES[:1]
    packets = {"wintun": args.packets, "pytun-pmd3": args.slow_packets}
    results = measure(devices, packets, args.repeats)
    print(table(results))
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
