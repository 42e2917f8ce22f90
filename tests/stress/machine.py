# SPDX-License-Identifier: MIT
"""What the steps of the model share: comparing, choosing, and what holds after each step."""

from __future__ import annotations

import array
import gc
import itertools
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

import wintun
from helpers import MAX_PACKET
from wintun import simulator

from .world import Down, Held, RefusedError, Session, World

_POOL = random.Random(0).randbytes(0x20000)
_places = itertools.count()

SIZES = st.one_of(
    st.integers(20, 100),
    st.integers(2040, 2060),
    st.integers(30000, MAX_PACKET),
    st.integers(0, MAX_PACKET),
)
PICK = st.integers(0, 2**16)


def content(size: int, first: int = 0x45) -> bytes:
    """A packet like no other: IPv4 by default."""
    start = next(_places) * 7 % 0x10000
    return (bytes([first]) + _POOL[start : start + size - 1]) if size else b""


def as_buffer(packet: bytes, pick: int) -> Any:
    """A packet as one of the kinds of object that have a buffer."""
    kinds: list[Callable[[bytes], Any]] = [
        bytes,
        bytearray,
        memoryview,
        lambda data: array.array("B", data),
        lambda data: memoryview(b"x" + data + b"y")[1:-1],
        lambda data: memoryview(data).cast("B", (len(data), 1)) if data else data,
    ]
    return kinds[pick % len(kinds)](packet)


OWN_ERRORS = {
    wintun.AdapterTerminatingError,
    wintun.ClosedError,
    wintun.RingCorruptError,
    wintun.RingFullError,
}


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the kind of exception that it raises."""
    try:
        return call()
    except RefusedError as error:
        return ("refused", error.code)
    except OSError as error:
        return type(error) if type(error) in OWN_ERRORS else ("refused", winerror_of(error))
    except Exception as error:
        return type(error)


def winerror_of(error: OSError) -> int | None:
    return getattr(error, "winerror", None)


class Machine(RuleBasedStateMachine):
    """Steps that do the same to the package and to the model, and compare the answers."""

    steps = 0
    """Of all machines."""

    def __init__(self) -> None:
        super().__init__()
        gc.disable()
        gc.freeze()  # so that a run of the collector looks at what is made from here on alone
        simulator.set_wire(None, "memory")
        number = next(_places)
        self.names = [f"model {number} a", f"model {number} b"]
        self.before = simulator.counts()
        self.world = World()
        self.garbage: list[Callable[[], object]] = []
        """What happens to the model when the collector runs, for what is in cycles."""
        self.warnings_due = 0
        self._catcher = warnings.catch_warnings(record=True)
        self.warned = self._catcher.__enter__()
        warnings.simplefilter("always")

    def teardown(self) -> None:
        for held in self.in_hand():
            self.release_views(held)
            held.real.release()
        for device in self.world.devices:
            device.real.close()
        for adapter in self.world.adapters:
            if adapter.real is not None:
                adapter.real.close()
        gc.collect()
        self._catcher.__exit__(None, None, None)
        gc.unfreeze()
        gc.enable()
        simulator.reset()
        if sys.exc_info()[0] is None:  # else the failure's frames have what it was about
            assert simulator.counts() == self.before

    # --- Comparing ---

    def agree(self, real: Callable[[], Any], model: Callable[[], Any]) -> tuple[Any, Any]:
        """What both return; (None, None) when both refuse in the same way."""
        got, expected = outcome(real), outcome(model)
        if isinstance(expected, type) or (isinstance(expected, tuple) and "refused" in expected):
            assert got == expected, f"{got!r} instead of {expected!r}"
            return None, None
        assert not isinstance(got, type), f"{got} instead of {expected!r}"
        return got, expected

    def same(self, real: Callable[[], Any], model: Callable[[], Any]) -> None:
        got, expected = self.agree(real, model)
        assert got == expected

    @contextmanager
    def dropping(
        self, *, in_cycle: bool, thing: Any, effect: Callable[[], object]
    ) -> Iterator[None]:
        """Lets an object go that nobody else has: now, or in a cycle, when the collector runs."""
        if in_cycle:
            cycle = [thing]
            cycle.append(cycle)
            self.garbage.append(effect)
            del cycle, thing
            yield
            return
        del thing
        yield
        effect()

    # --- Choosing ---

    def sessions(self) -> list[Session]:
        return [session for session in self.world.sessions if session.real is not None]

    def endpoint(self, pick: int) -> tuple[Any, Any]:
        """A session or a device, and in the model the session that it leads to."""
        ways: list[tuple[Any, Any]] = [(one.real, one) for one in self.sessions()]
        for device in self.world.devices:
            ways.append(
                (device.real, device.attached if device.attached is not None else Down(device))
            )
        busy = [way for way in ways if isinstance(way[1], Session) and not way[1].ended]
        choices = busy if busy and pick % 8 else ways
        return choices[pick // 8 % len(choices)]

    def name(self, pick: int) -> str:
        """The name of an adapter, most often of one with a session."""
        busy = [name for name, system in self.world.systems.items() if system.session is not None]
        choices = busy if busy and pick % 8 else self.names
        return choices[pick // 8 % len(choices)]

    def in_hand(self) -> list[Held]:
        return [held for held in self.world.held if held.real is not None]

    def has_packets(self) -> bool:
        return bool(self.in_hand())

    def has_endpoint(self) -> bool:
        return bool(self.world.devices or self.sessions())

    # --- What is in hand ---

    def memory_of(self, held: Held) -> list[memoryview]:
        if isinstance(held.real, wintun.PacketBatch):
            return list(held.real)
        return [memoryview(held.real)]

    def release_views(self, held: Held) -> None:
        for view, _ in held.views:
            view.release()
        held.views.clear()

    def check_contents(self, held: Held) -> None:
        views = self.memory_of(held)
        assert views == [packet.content for packet in held.packets]
        for view in views:
            view.release()

    # --- What always holds ---

    @invariant()
    def package_and_model_agree(self) -> None:
        Machine.steps += 1
        self.counts_agree()
        self.sessions_agree()
        self.systems_agree()
        self.handles_agree()
        self.warnings_agree()
        self.forget_what_is_over()

    def counts_agree(self) -> None:
        counts, world = simulator.counts(), self.world
        assert counts.adapters - self.before.adapters == len(world.systems)
        assert counts.adapter_handles - self.before.adapter_handles == world.handles
        assert counts.sessions - self.before.sessions == world.running
        assert counts.held_packets - self.before.held_packets == world.held_packets()

    def sessions_agree(self) -> None:
        for session in self.sessions():
            assert session.real.closed is session.ended
            assert session.real.statistics[:7] == session.statistics()
            assert session.real.capacity == session.capacity

    def systems_agree(self) -> None:
        for name, system in self.world.systems.items():
            assert simulator.statistics(name)[:8] == system.counts()

    def handles_agree(self) -> None:
        for adapter in self.world.adapters:
            assert adapter.real.closed is adapter.closed
        for device in self.world.devices:
            assert device.real.is_up is device.is_up
            assert device.real.closed is device.adapter.closed
            assert device.real.statistics[:7] == device.statistics()

    def warnings_agree(self) -> None:
        due = [warning for warning in self.warned if warning.category is ResourceWarning]
        assert len(due) == len(self.warned) == self.warnings_due

    def forget_what_is_over(self) -> None:
        """Keeps the model small: the oldest of what nobody can do anything with any more."""
        done = [held for held in self.in_hand() if held.released]
        for held in done[:-3]:
            self.world.held.remove(held)
        over = [one for one in self.world.sessions if not one.runs and one.real is not None]
        for session in over[:-3]:
            session.real = None
        self.world.sessions[:] = [
            one for one in self.world.sessions if one.runs or one.real is not None
        ]
