# SPDX-License-Identifier: MIT
"""Steps on packets and batches in hand and on their views; and calls that are wrong."""

from __future__ import annotations

from typing import Any, Callable

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

import wintun

from . import bad_calls
from .machine import PICK, Machine, content
from .world import Down, Held


class HandSteps(Machine):
    """Steps on packets and batches in hand and on their views; and calls that are wrong."""

    # --- What is in hand ---

    @precondition(Machine.has_packets)
    @rule(pick=PICK, send=st.booleans())
    def give_back(self, pick: int, send: bool) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        if not held.released:
            self.check_contents(held)
        if send:
            self.same(held.real.send, held.send)
        elif pick % 2:
            self.same(held.real.release, held.release)
        else:
            self.same(lambda: held.real.__exit__(None, None, None), held.release)
        assert held.real.released is held.released

    @precondition(Machine.has_packets)
    @rule(pick=PICK, in_cycle=st.booleans())
    def drop(self, pick: int, in_cycle: bool) -> None:
        """Lets a packet or batch go; while a view of it is alive its memory stays."""
        held = self.in_hand()[pick % len(self.in_hand())]
        if held.views:
            self.check_views(held)
            self.release_views(held)
            return
        thing, held.real = held.real, None
        self.world.held.remove(held)
        effect = lambda: held.give_back(send=False)  # noqa: E731
        with self.dropping(in_cycle=in_cycle, thing=thing, effect=effect):
            del thing

    @precondition(Machine.has_packets)
    @rule(pick=PICK)
    def view(self, pick: int) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        if isinstance(held.real, wintun.PacketBatch):
            index = pick % (len(held.packets) + 2) - 1

            def take() -> memoryview:
                return held.real[index]  # type: ignore[no-any-return]
        else:
            index = 0

            def take() -> memoryview:
                return memoryview(held.real)

        def model() -> Any:
            packet = held.packets[index]
            if held.released:
                raise wintun.ClosedError
            return packet

        got, packet = self.agree(take, model)
        if packet is not None:
            assert got == packet.content
            held.views.append((got, packet))

    @precondition(Machine.has_packets)
    @rule(pick=PICK)
    def write_into_view(self, pick: int) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        for view, packet in held.views[:1]:
            packet.content[:] = content(len(packet.content), 0x45 if pick % 3 else 0)
            view[:] = packet.content

    @precondition(Machine.has_packets)
    @rule(pick=PICK)
    def release_all_views(self, pick: int) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        self.check_views(held)
        self.release_views(held)

    def check_views(self, held: Held) -> None:
        for view, packet in held.views:
            assert view == packet.content

    # --- What is wrong ---

    @precondition(Machine.has_endpoint)
    @rule(pick=PICK, which=st.integers(0, len(bad_calls.ON_SESSIONS) - 1))
    def call_wrongly(self, pick: int, which: int) -> None:
        real, session = self.endpoint(pick)
        call, expected = bad_calls.ON_SESSIONS[which]
        without = (wintun.ClosedError, wintun.AdapterTerminatingError)
        self.refuse(call, without if isinstance(session, Down) else expected, real)

    @rule(pick=PICK)
    def call_adapter_device_or_packet_wrongly(self, pick: int) -> None:
        tables: list[tuple[list[Any], list[tuple[Callable[[Any], object], Any]]]] = [
            ([adapter.real for adapter in self.world.adapters], bad_calls.ON_ADAPTERS),
            ([device.real for device in self.world.devices], bad_calls.ON_DEVICES),
            ([held.real for held in self.in_hand()], bad_calls.ON_HELD),
        ]
        things, calls = tables[pick % len(tables)]
        if things:
            call, expected = calls[pick // 3 % len(calls)]
            self.refuse(call, expected, things[pick % len(things)])

    def refuse(self, call: Callable[[Any], object], expected: Any, thing: Any) -> None:
        # By hand, for pytest.raises keeps the frames, and with them what is dropped later.
        try:
            call(thing)
        except expected:
            return
        raise AssertionError(f"not refused with {expected}")
