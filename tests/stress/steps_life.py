# SPDX-License-Identifier: MIT
"""Steps that make, end, drop and break adapters, devices and sessions; the far side's steps."""

from __future__ import annotations

import gc
import itertools

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
        _, made = self.agree(device.real.up, device.up)
        if made is not None:
            made.real = device.real.session

    @precondition(lambda self: self.world.devices)
    @rule(pick=PICK, how=st.sampled_from(["down", "down", "close"]))
    def down_or_close(self, pick: int, how: str) -> None:
        device = self.world.devices[pick % len(self.world.devices)]
        self.same(getattr(device.real, how), getattr(device, how))

    @precondition(lambda self: self.sessions())
    @rule(pick=PICK)
    def end_session(self, pick: int) -> None:
        session = self.sessions()[pick % len(self.sessions())]
        if pick % 2 and not session.ended:
            with session.real as entered:
                assert entered is session.real
            session.end()
        else:
            self.same(session.real.end, session.end)

    @precondition(lambda self: self.world.adapters)
    @rule(pick=PICK)
    def close_adapter(self, pick: int) -> None:
        adapter = self.world.adapters[pick % len(self.world.adapters)]
        self.same(adapter.real.close, adapter.close)

    @precondition(lambda self: self.world.adapters)
    @rule(pick=PICK, in_cycle=st.booleans())
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
        family=st.sampled_from([2, 23]),
        mtu=st.integers(1280, 0xFFFF),
        host=st.integers(1, 3),
        prefix=st.integers(8, 30),
    )
    def configure(self, pick: int, family: int, mtu: int, host: int, prefix: int) -> None:
        adapter = self.world.adapters[pick % len(self.world.adapters)]
        if adapter.system.removed and not adapter.closed:
            return  # the interfaces are gone, and would be waited for
        address = bytes([10, 0, 0, host]) if family == 2 else bytes([0xFD, *bytes(14), host])
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

    @rule(name=st.integers(0, 1), size=SIZES, first=st.sampled_from([0x45, 0x45, 0x60, 0, 0x15]))
    def deliver(self, name: int, size: int, first: int) -> None:
        packet = content(size, first)
        self.same(
            lambda: simulator.deliver(self.names[name], packet),
            lambda: self.world.deliver(self.names[name], packet),
        )

    @rule(name=st.integers(0, 1), count=st.integers(1, 60), size=st.integers(20, 3000))
    def deliver_many(self, name: int, count: int, size: int) -> None:
        for _ in range(count):
            self.deliver(name, size, 0x45)

    @rule(name=st.integers(0, 1))
    def collect(self, name: int) -> None:
        self.same(
            lambda: simulator.collect(self.names[name]),
            lambda: self.world.collect(self.names[name]),
        )

    @rule(name=st.integers(0, 1), count=st.integers(0, 50))
    def drain(self, name: int, count: int) -> None:
        def model() -> int:
            self.world.session_of(self.names[name])
            taken = itertools.takewhile(
                lambda packet: packet is not None,
                (self.world.collect(self.names[name]) for _ in range(count)),
            )
            return sum(1 for _ in taken)

        self.same(lambda: simulator.drain(self.names[name], count), model)

    @precondition(lambda self: self.world.systems)
    @rule(pick=st.integers(0, 19), name=st.integers(0, 1))
    def break_things(self, pick: int, name: int) -> None:
        """Removes the adapter or corrupts the ring: seldom, for little can be done after that."""
        if pick == 0 and self.names[name] in self.world.systems:
            simulator.remove_adapter(self.names[name])
            self.world.remove(self.world.systems[self.names[name]])
        elif pick == 1:
            self.same(
                lambda: simulator.corrupt_ring(self.names[name]),
                lambda: self.world.corrupt(self.names[name]),
            )
