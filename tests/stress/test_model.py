# SPDX-License-Identifier: MIT
"""All calls in all orders against the model of world.py and rings.py: contents, counts, errors.

One thread, so that every answer is determined. Python's own collector is off and runs as a step.
"""

from __future__ import annotations

import array
import gc
import itertools
import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, SEED, volume
from wintun import simulator

from . import bad_calls
from .progress import progress
from .world import Device, Down, Held, RefusedError, Session, World

STEPS_A_RUN = 200
RUNS_A_ROUND = 30

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
        self.create_device(0, 0)
        self.up(0)

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
            ways.append((device.real, device.attached if device.attached is not None else Down()))
        if not ways:
            return None, Down()
        return ways[-1 - pick % len(ways)] if pick % 3 else ways[-1]

    def in_hand(self) -> list[Held]:
        return [held for held in self.world.held if held.real is not None]

    def has_endpoint(self) -> bool:
        return bool(self.world.devices or self.sessions())

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

    # --- Reading ---

    @precondition(has_endpoint)
    @rule(pick=PICK, timed=st.booleans())
    def read(self, pick: int, timed: bool) -> None:
        real, session = self.endpoint(pick)
        if not timed:
            self.same(real.read, session.read)
            return
        got, expected = self.agree(lambda: real.read(timeout=0.00001), session.read)
        assert got == expected
        if expected is None and isinstance(session, Session):
            session.signaled = None  # a wait that was in vain may have consumed it

    @precondition(has_endpoint)
    @rule(pick=PICK)
    def read_for_ever_if_there_is_something(self, pick: int) -> None:
        real, session = self.endpoint(pick)
        if isinstance(session, Down) or session.ended or session.receive_ring.has_an_answer():
            self.same(lambda: real.read(timeout=None), session.read)

    @precondition(lambda self: self.world.devices)
    @rule(pick=PICK)
    def iterate(self, pick: int) -> None:
        device = self.world.devices[pick % len(self.world.devices)]
        session = device.attached
        if session is None or session.ended:
            assert list(device.real) == []
        elif session.receive_ring.store or session.receive_ring.waiting:
            self.same(lambda: next(device.real), session.read)

    @precondition(has_endpoint)
    @rule(pick=PICK, most=st.one_of(st.integers(1, 20), st.integers(1, 400)))
    def read_many(self, pick: int, most: int) -> None:
        real, session = self.endpoint(pick)
        self.same(lambda: real.read_many(most), lambda: session.read_many(most))

    @precondition(has_endpoint)
    @rule(pick=PICK, size=st.one_of(st.just(MAX_PACKET), SIZES))
    def read_into(self, pick: int, size: int) -> None:
        real, session = self.endpoint(pick)
        buffer = bytearray(b"\xee" * size)
        got, expected = self.agree(
            lambda: real.read_into(memoryview(buffer) if pick % 2 else buffer),
            lambda: session.read_packed(size, 1),
        )
        if expected:
            ((_, packet),) = expected
            assert got == len(packet)
            assert buffer == packet + b"\xee" * (size - len(packet))
        else:
            assert got is None
            assert buffer == b"\xee" * size

    @precondition(has_endpoint)
    @rule(
        pick=PICK,
        size=st.integers(0, 200_000),
        most=st.integers(1, 40),
        headroom=st.sampled_from([0, 0, 16, 40, MAX_PACKET]),
        tailroom=st.sampled_from([0, 16]),
    )
    def read_packed(self, pick: int, size: int, most: int, headroom: int, tailroom: int) -> None:
        real, session = self.endpoint(pick)
        buffer = bytearray(size)
        spans = array.array("I", [7]) * (2 * most)
        got, expected = self.agree(
            lambda: real.read_packed(buffer, spans, headroom, tailroom),
            lambda: session.read_packed(size, most, headroom, tailroom),
        )
        places = expected or []
        assert got == (None if expected is None else len(places))
        wanted, marks = bytearray(size), array.array("I", [7]) * (2 * most)
        for number, (start, packet) in enumerate(places):
            wanted[start : start + len(packet)] = packet
            marks[2 * number : 2 * number + 2] = array.array("I", [start, start + len(packet)])
        assert (buffer, spans) == (wanted, marks)

    @precondition(has_endpoint)
    @rule(pick=PICK, most=st.one_of(st.none(), st.integers(1, 200)))
    def receive(self, pick: int, most: int | None) -> None:
        real, session = self.endpoint(pick)
        if most is None:
            got, held = self.agree(real.receive_packet, session.receive)
        else:
            got, held = self.agree(
                lambda: real.receive_packets(most), lambda: session.receive_many(most)
            )
        assert (got is None) == (held is None)
        if held is not None:
            held.real = got
            self.check_contents(held)

    @precondition(has_endpoint)
    @rule(pick=PICK)
    def wait(self, pick: int) -> None:
        real, session = self.endpoint(pick)
        got, expected = self.agree(lambda: real.wait_read_event(0), session.wait)
        assert expected is None or got is expected

    # --- Writing ---

    @precondition(has_endpoint)
    @rule(pick=PICK, size=SIZES, timeout=st.sampled_from([0, 0, 0.00001]))
    def write(self, pick: int, size: int, timeout: float) -> None:
        real, session = self.endpoint(pick)
        packet = content(size)
        buffer = as_buffer(packet, pick)
        self.same(lambda: real.write(buffer, timeout), lambda: session.write(packet))

    @precondition(has_endpoint)
    @rule(pick=PICK, sizes=st.lists(SIZES, max_size=5), times=st.sampled_from([1, 1, 50]))
    def write_many(self, pick: int, sizes: list[int], times: int) -> None:
        real, session = self.endpoint(pick)
        packets = [content(size) for size in sizes * times]
        buffers = (as_buffer(packet, pick + at) for at, packet in enumerate(packets))
        self.same(
            lambda: real.write_many(buffers if pick % 2 else list(buffers)),
            lambda: session.write_many(packets),
        )

    @precondition(has_endpoint)
    @rule(pick=PICK, step=st.sampled_from(["end", "read", "collect", "gc", "write", "close"]))
    def write_many_while_the_iterable_does_other_things(self, pick: int, step: str) -> None:
        real, session = self.endpoint(pick)
        packets = [content(40), content(50)]

        def yielding() -> Iterator[bytes]:
            yield packets[0]
            if step == "end" and isinstance(session, Session):
                session.real and session.real.end()
            elif step == "close" and isinstance(session, Session):
                session.real and session.real.adapter.close()
            elif step == "read":
                self.read(pick, False)
            elif step == "collect":
                self.collect(pick % 2)
            elif step == "gc":
                self.collect_garbage()
            elif step == "write":
                self.write(pick, 60, 0)
            yield packets[1]

        got = outcome(lambda: real.write_many(yielding()))
        if isinstance(session, Down):
            assert got is wintun.ClosedError
            return
        if step == "end" and session.real is not None:
            session.end()
        elif step == "close" and session.real is not None:
            session.adapter.close()
        assert got == outcome(lambda: session.write_many(packets))

    @precondition(has_endpoint)
    @rule(pick=PICK, sizes=st.lists(SIZES, max_size=5))
    def write_packed(self, pick: int, sizes: list[int]) -> None:
        real, session = self.endpoint(pick)
        packets = [content(size) for size in sizes]
        buffer, spans = bytearray(pick % 5), array.array("I")
        for packet in packets:
            spans.extend((len(buffer), len(buffer) + len(packet)))
            buffer += packet + bytes(pick % 3)
        self.same(
            lambda: real.write_packed(buffer, spans, len(packets)),
            lambda: session.write_many(packets),
        )

    @precondition(has_endpoint)
    @rule(pick=PICK, sizes=st.one_of(st.none(), st.lists(SIZES, max_size=6)), size=SIZES)
    def allocate(self, pick: int, sizes: list[int] | None, size: int) -> None:
        real, session = self.endpoint(pick)
        if sizes is None:
            got, held = self.agree(
                lambda: real.allocate_send_packet(size), lambda: session.allocate(size)
            )
        else:
            got, held = self.agree(
                lambda: real.allocate_send_packets(iter(sizes)),
                lambda: session.allocate_many(sizes),
            )
        if held is None:
            return
        held.real = got
        for view, packet in zip(self.memory_of(held), held.packets):
            packet.content[:] = content(len(packet.content))
            view[:] = packet.content
            view.release()

    @precondition(lambda self: self.in_hand() and self.has_endpoint())
    @rule(pick=PICK, which=PICK)
    def write_what_is_in_hand(self, pick: int, which: int) -> None:
        """From ring to ring, without a copy between; or what was given back, which is refused."""
        real, session = self.endpoint(pick)
        held = self.in_hand()[which % len(self.in_hand())]
        if isinstance(held.real, wintun.PacketBatch):
            return

        def model() -> None:
            session.write  # noqa: B018 - a device that is down refuses before it looks
            if held.released and not isinstance(session, Down):
                raise wintun.ClosedError
            session.write(bytes(held.packets[0].content))

        self.same(lambda: real.write(held.real), model)

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

    @precondition(in_hand)
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

    @precondition(in_hand)
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

    @precondition(in_hand)
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

    @precondition(in_hand)
    @rule(pick=PICK)
    def write_into_view(self, pick: int) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        for view, packet in held.views[:1]:
            packet.content[:] = content(len(packet.content), 0x45 if pick % 3 else 0)
            view[:] = packet.content

    @precondition(in_hand)
    @rule(pick=PICK)
    def release_all_views(self, pick: int) -> None:
        held = self.in_hand()[pick % len(self.in_hand())]
        self.check_views(held)
        self.release_views(held)

    def check_views(self, held: Held) -> None:
        for view, packet in held.views:
            assert view == packet.content

    # --- What is wrong ---

    @precondition(has_endpoint)
    @rule(pick=PICK, which=st.integers(0, len(bad_calls.ON_SESSIONS) - 1))
    def call_wrongly(self, pick: int, which: int) -> None:
        real, session = self.endpoint(pick)
        call, expected = bad_calls.ON_SESSIONS[which]
        self.refuse(call, wintun.ClosedError if isinstance(session, Down) else expected, real)

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
            assert session.real.statistics()[:6] == session.statistics()
            assert session.real.capacity == session.capacity

    def systems_agree(self) -> None:
        for name, system in self.world.systems.items():
            assert simulator.statistics(name)[:7] == system.counts()

    def handles_agree(self) -> None:
        for adapter in self.world.adapters:
            assert adapter.real.closed is adapter.closed
        for device in self.world.devices:
            assert device.real.is_up is device.is_up
            assert device.real.closed is device.adapter.closed
            assert device.real.statistics[:6] == device.statistics()

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


# --- The test ----------------------------------------------------------------------------------


def run_round(number: int) -> None:
    """Some runs; WINTUN_TEST_SEED=number alone repeats them."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        seed(number)(type("Machine", (Machine,), {})),
        settings=settings(
            max_examples=RUNS_A_ROUND,
            stateful_step_count=STEPS_A_RUN,
            phases=(Phase.generate, Phase.shrink),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.stress
@pytest.mark.slow
def test_all_calls_in_all_orders_do_what_the_model_says() -> None:
    wintun.set_logger(None)
    target = volume(20_000, 1_000_000)
    began, first, rounds = time.monotonic(), Machine.steps, 0
    with progress(target, "steps") as bar:
        while Machine.steps - first < target:
            print(f"WINTUN_TEST_SEED={SEED + rounds}", end="\r")
            run_round(SEED + rounds)
            rounds += 1
            bar.update(Machine.steps - first - bar.n)
    steps, seconds = Machine.steps - first, time.monotonic() - began
    print(f"\n{steps} steps in {seconds:.0f} s, {steps / seconds:.0f} a second, from seed {SEED}")
