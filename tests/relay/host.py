# SPDX-License-Identifier: MIT
"""A host whose own network stack talks through pymobiledevice3's tunnel, as a program.

    host.py ADDRESS PORT    connects to the phone there; prints "ready", ends with SIGTERM

The adapter's wire is a tun interface, so what Windows' stack would do, Linux' does.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import sys
from typing import Any

import wintun.pytun
from wintun import simulator

sys.modules["pytun_pmd3"] = wintun.pytun

INTERFACE = "host0"


async def main() -> None:
    tunnel_service: Any = importlib.import_module("pymobiledevice3.remote.tunnel_service")
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    simulator.use()
    with simulator.open_tun(INTERFACE) as interface:
        simulator.set_wire(None, "socket", sock=interface)
        reader, writer = await asyncio.open_connection(sys.argv[1], sys.argv[2])
        tunnel = tunnel_service.RemotePairingTcpTunnel(reader, writer)
        parameters = (await tunnel.request_tunnel_establish())["clientParameters"]
        await tunnel.start_tunnel(parameters["address"], parameters["mtu"])
        simulator.mirror(tunnel.tun.device, INTERFACE)
        print("ready", flush=True)
        await terminated.wait()
        counted = {"dropped": tunnel.tun.dropped, **tunnel.tun.statistics._asdict()}
        await tunnel.stop_tunnel()
    print(json.dumps(counted), flush=True)


asyncio.run(main())
