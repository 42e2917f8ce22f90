# SPDX-License-Identifier: MIT
"""Steps that make, end, drop and break adapters, devices and sessions; the far side's steps."""

from __future__ import annotations

import gc

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

import wintun
from helpers import MIN_CAPACITY
from wintun import simulator

from .machine import PICK, SIZES, Machine, content
from .world import Device


class LifeSteps(Machine):
    """Steps that make, end, drop and break adapters, devices and sessions; the far side's steps."""

    # --- Adapters, devices, sessions ---

    @precondition(lambda self: len(self.world.adapters) < 4)
    @rule(name=st.integers(0, 1), opened=st.booleans())
    def create_adapter(self, name: int, opened: bool) -> None:
        if opened:
            got, made = self.agree(
                lambda: wintun.Adapter.open(self.names[name]),
                lambda: self.world.open(self.names[name]),
            )
        else:
            got, made = self.agree(
                lambda: wintun.Adapter.create(self.names[name], "Model"),
                lambda: self.world.create(self.names[name]),
            )
        if made is not None:
            made.real = got

    @precondition(lambda self: len(self.world.adapters) < 4)
    @rule(name=st.integers(0, 1), doublings=st.integers(0, 1))
    def create_device(self, name: int, doublings: int) -> None:
        capacity = MIN_CAPACITY << doublings
        got, made = self.agree(
            lambda: wintun.TunDevice(self.names[name], "Model", capacity),
            lambda: self.world.create(self.names[name]),
        )
        if made is not None:
            made.real = got.adapter
            device = Device(made, capacity)
            device.real = got
            self.world.devices.append(device)

    @precondition(lambda self: self.world.adapters)
    @rule(pick=PICK, doublings=st.integers(0, 1))
    def start_session(self, pick: int, doublings: int) -> None:
        adapter = self.world.adapters[pick % len(self.world.adapters)]
        if adapter.waits_for_packets and not adapter.closed:
            return
        capacity = MIN_CAPACITY << doublings
        got, made = self.agree(
            lambda: adapter.real.start_session(capacity), lambda: adapter.start(capacity)
        )
        if made is not None:
            made.real = got

    @precondition(lambda self: self.world.devices)
    @rule(pick=PICK)
    def up(self, pick: int) -> None:
        device = self.world.devices[pick % len(self.world.devices)]
        if device.adapter.waits_for_packets and not device.adapter.closed:
            return
        ended = device.session if device.adapter.system.removed else None
        if ended is not None and not ended.ended and ended.holds:
            return  # its end would be waited for, too
        _, made = self.agree(device.real.up, device.up)
        if made is not None:
            made.real = device.real.session

    @rule(
        pick=PICK,
        how=st.sampled_from(["session", "down", "close", "adapter", "drop", "drop in cycle"]),
        seldom=st.integers(0, 3),
    )
    def end_something(self, pick: int, how: str, seldom: int) -> None:
        """Seldom, for a session's life is to be long; else there are packets for it."""
        if seldom or not self.world.adapters:
            self.deliver_many(pick, 20, 100)
        elif how == "session":
            self.end_session(pick)
        elif how in ("down", "close"):
            self.end_device(pick, how)
        elif how == "adapter":
            self.close_adapter(pick)
        else:
            self.drop_adapter(pick, how == "drop in cycle")

    def end_device(self, pick: int, how: str) -> None:
        if self.world.devices:
            device = self.world.devices[pick % len(self.world.devices)]
            self.same(getattr(device.real, how), getattr(device, how))

    def end_session(self, pick: int) -> None:
        if not self.sessions():
            return
        session = self.sessions()[pick % len(self.sessions())]
        if pick % 2 and not session.ended:
            with session.real as entered:
                assert entered is session.real
            session.end()
        else:
            self.same(session.real.end, session.end)

    def close_adapter(self, pick: int) -> None:
        adapter = self.world.adapters[pick % len(self.world.adapters)]
        self.same(adapter.real.close, adapter.close)

    def drop_adapter(self, pick: int, in_cycle: bool) -> None:
        """Lets an adapter go with its sessions, or the device that they belong to."""
        world = self.world
        adapter = world.adapters.pop(pick % len(world.adapters))
        device = next((one for one in world.devices if one.adapter is adapter), None)
        sessions = [
            one for one in world.sessions if one.adapter is adapter and one.real is not None
        ]
        tree = [adapter.real, *(one.real for one in sessions)]
        adapter.real = None
        for session in sessions:
            session.real = None
        if device is not None:
            world.devices.remove(device)
            tree.append(device.real)
            device.real = None

        def effect() -> None:
            if device is not None:
                self.warnings_due += not adapter.closed
                device.close()
            for session in sessions:
                self.warnings_due += not session.ended
                session.end()
            self.warnings_due += not adapter.closed
            adapter.close()

        with self.dropping(in_cycle=in_cycle, thing=tree, effect=effect):
            del tree

    @precondition(lambda self: self.world.adapters)
    @rule(
        pick=PICK,
        family=st.sampled_from([4, 6]),
        mtu=st.integers(1280, 0xFFFF),
        host=st.integers(1, 3),
        prefix=st.integers(8, 30),
    )
    def configure(self, pick: int, family: int, mtu: int, host: int, prefix: int) -> None:
        adapter = self.world.adapters[pick % len(self.world.adapters)]
        if adapter.system.removed and not adapter.closed:
            return  # the interfaces are gone, and would be waited for
        address = bytes([10, 0, 0, host]) if family == 4 else bytes([0xFD, *bytes(14), host])
        self.same(lambda: adapter.real.set_mtu(family, mtu), lambda: adapter.set_mtu(family, mtu))
        if pick % 2:
            self.same(
                lambda: adapter.real.add_address(address, prefix),
                lambda: adapter.add_address(address, prefix),
            )
        else:
            self.same(
                lambda: adapter.real.remove_address(address),
                lambda: adapter.remove_address(address),
            )
        if not adapter.closed:
            assert adapter.real.get_mtu(family) == adapter.system.mtu[family]
            rows = adapter.real.get_addresses()
            assigned = {(address, prefix) for address, prefix, automatic in rows if not automatic}
            assert assigned == adapter.system.addresses

    @rule()
    def collect_garbage(self) -> None:
        gc.collect()
        for effect in self.garbage:
            effect()
        self.garbage.clear()

    # --- The far side ---

    @rule(pick=PICK, size=SIZES, first=st.sampled_from([0x45, 0x45, 0x60, 0, 0x15]))
    def deliver(self, pick: int, size: int, first: int) -> None:
        name = self.name(pick)
        packet = content(size, first)
        self.same(lambda: simulator.deliver(name, packet), lambda: self.world.deliver(name, packet))

    @rule(pick=PICK, count=st.integers(1, 60), size=st.integers(20, 3000))
    def deliver_many(self, pick: int, count: int, size: int) -> None:
        for _ in range(count):
            self.deliver(pick, size, 0x45)

    @rule(pick=PICK)
    def collect(self, pick: int) -> None:
        name = self.name(pick)
        self.same(lambda: simulator.collect(name), lambda: self.world.collect(name))

    @rule(pick=PICK, count=st.integers(0, 50))
    def drain(self, pick: int, count: int) -> None:
        name = self.name(pick)
        self.same(lambda: simulator.drain(name, count), lambda: self.world.drain(name, count))

    @rule(pick=PICK, seldom=st.integers(0, 15))
    def break_something(self, pick: int, seldom: int) -> None:
        """Removes the adapter or corrupts the ring: seldom, for little can be done after that."""
        name = self.name(pick)
        if seldom == 0 and name in self.world.systems:
            simulator.remove_adapter(name)
            self.world.remove(self.world.systems[name])
        elif seldom == 1:
            self.same(lambda: simulator.corrupt_ring(name), lambda: self.world.corrupt(name))
        else:
            self.collect(pick)
