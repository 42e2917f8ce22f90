# SPDX-License-Identifier: MIT
"""What is alive in the model: adapters, their handles, sessions, and packets in the program's hand.

Each stands for the real object in `real`, and knows what the real one has to answer. A method that
the real object must refuse raises the exception that it must raise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import wintun

from .rings import BURST_BYTES, BURST_PACKETS, ReceiveRing, SendRing, Slot, Taken


class RefusedError(OSError):
    """What an OSError without a class of ours says with its Win32 code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class System:
    """An adapter as the driver has it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: Session | None = None
        self.removed = False
        self.mtu: dict[int, int] = {}
        """By family, as far as it was set."""
        self.addresses: set[tuple[bytes, int]] = set()
        self.delivered_packets = 0
        self.delivered_bytes = 0
        self.dropped_full = 0
        self.collected_packets = 0
        self.collected_bytes = 0
        self.discarded_not_ip = 0

    def counts(self) -> tuple[int, ...]:
        """The beginning of simulator.Statistics."""
        return (
            self.delivered_packets,
            self.delivered_bytes,
            self.dropped_full,
            0,  # too big: deliver() refuses it
            0,  # paused: nobody does
            self.collected_packets,
            self.collected_bytes,
            self.discarded_not_ip,
        )


class World:
    """All of it, with what the simulator counts."""

    def __init__(self) -> None:
        self.systems: dict[str, System] = {}
        self.adapters: list[Adapter] = []
        self.devices: list[Device] = []
        self.sessions: list[Session] = []
        self.held: list[Held] = []
        self.handles = 0
        self.running = 0
        """Sessions that have not ended at the driver."""

    def create(self, name: str) -> Adapter:
        if name in self.systems:
            raise RefusedError(183)
        self.systems[name] = System(name)
        return Adapter(self, self.systems[name], creator=True)

    def open(self, name: str) -> Adapter:
        if name not in self.systems:
            raise RefusedError(1168)
        return Adapter(self, self.systems[name], creator=False)

    def remove(self, system: System) -> None:
        """As when the adapter is disabled or removed by hand, or its creator closes it."""
        if self.systems.get(system.name) is system:
            del self.systems[system.name]
        system.removed = True
        if system.session is not None:
            system.session.receive_ring.removed = True

    def session_of(self, name: str) -> Session:
        """Whose far side the simulator's functions reach."""
        system = self.systems.get(name)
        if system is None or system.session is None:
            raise LookupError
        return system.session

    # --- The far side ---

    def deliver(self, name: str, packet: bytes) -> bool:
        session = self.session_of(name)
        system = session.adapter.system
        if not session.receive_ring.deliver(packet):
            system.dropped_full += 1
            return False
        system.delivered_packets += 1
        system.delivered_bytes += len(packet)
        return True

    def collect(self, name: str) -> bytes | None:
        session = self.session_of(name)
        system = session.adapter.system
        packet = session.send_ring.collect()
        session.discard()
        if packet is not None:
            system.collected_packets += 1
            system.collected_bytes += len(packet)
        return packet

    def drain(self, name: str, count: int) -> int:
        """How many of `count` there were to collect."""
        self.session_of(name)
        taken = 0
        while taken < count and self.collect(name) is not None:
            taken += 1
        return taken

    def corrupt(self, name: str) -> None:
        self.session_of(name).receive_ring.corrupt()

    # --- Counts ---

    def held_packets(self) -> int:
        return sum(session.holds for session in self.sessions if session.runs)


class Adapter:
    """A handle of an adapter, as create() and open() make it."""

    def __init__(self, world: World, system: System, *, creator: bool) -> None:
        self.world = world
        self.system = system
        self.creator = creator
        self.closed = False
        self.session: Session | None = None
        self.real: Any = None
        world.adapters.append(self)
        world.handles += 1

    @property
    def waits_for_packets(self) -> bool:
        """Whether a start would wait for packets of the session before: a second, in vain."""
        return self.session is not None and self.session.ended

    def start(self, capacity: int) -> Session:
        if self.closed:
            raise wintun.ClosedError
        if self.system.removed:
            raise wintun.AdapterTerminatingError
        if self.system.session is not None:
            raise RefusedError(1247)
        return Session(self, capacity)

    def check_open(self) -> None:
        if self.closed:
            raise wintun.ClosedError

    def set_mtu(self, family: int, mtu: int) -> None:
        self.check_open()
        self.system.mtu[family] = mtu

    def add_address(self, address: bytes, prefix: int) -> None:
        self.check_open()
        self.system.addresses = {one for one in self.system.addresses if one[0] != address}
        self.system.addresses.add((address, prefix))

    def remove_address(self, address: bytes) -> None:
        self.check_open()
        rest = {one for one in self.system.addresses if one[0] != address}
        if rest == self.system.addresses:
            raise RefusedError(1168)
        self.system.addresses = rest

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.session is None:
            self.finish()
        else:
            self.session.end()

    def finish(self) -> None:
        """What the last user of a closed handle does."""
        self.world.handles -= 1
        if self.creator:
            self.world.remove(self.system)


class Session:
    """A session, and the Python object of it."""

    def __init__(self, adapter: Adapter, capacity: int) -> None:
        self.adapter = adapter
        self.capacity = capacity
        self.send_ring = SendRing(capacity)
        self.receive_ring = ReceiveRing(capacity)
        self.ended = False
        self.runs = True
        self.packets_held = 0
        """By packets and batches of the program; those that were read ahead come on top."""
        self.sent_packets = 0
        self.sent_bytes = 0
        self.ring_full = 0
        self.unsent = 0
        self.unread = 0
        self.real: Any = None
        adapter.session = adapter.system.session = self
        adapter.world.sessions.append(self)
        adapter.world.running += 1

    def statistics(self) -> tuple[int, ...]:
        """The beginning of Session.statistics()."""
        received = self.receive_ring
        sent = (self.sent_packets, self.sent_bytes)
        lost = (self.ring_full, self.unsent, self.unread)
        return (received.packets, received.bytes, *sent, *lost)

    @property
    def holds(self) -> int:
        ahead = sum(taken.slot is not None for taken in self.receive_ring.store)
        return self.packets_held + ahead

    def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self.unread += self.receive_ring.discard_store()
        self.finish_if_unused()

    def finish_if_unused(self) -> None:
        if not (self.runs and self.ended and self.packets_held == 0):
            return
        self.runs = False
        self.adapter.world.running -= 1
        self.adapter.system.session = self.adapter.session = None
        if self.adapter.closed:
            self.adapter.finish()

    def check_open(self) -> None:
        if self.ended:
            raise wintun.ClosedError

    def discard(self) -> None:
        """What the driver does with what is not IP, once it gets to it."""
        if not self.adapter.system.removed:
            self.adapter.system.discarded_not_ip += self.send_ring.discard()

    # --- Reading ---

    def read(self) -> bytes | None:
        self.check_open()
        return self.receive_ring.read()

    def read_many(self, most: int) -> list[bytes]:
        self.check_open()
        return self.receive_ring.read_many(most)

    def read_packed(
        self, size: int, most: int, headroom: int = 0, tailroom: int = 0
    ) -> list[tuple[int, bytes]]:
        """Where in a buffer of `size` bytes which packets come to lie."""
        self.check_open()
        places: list[tuple[int, bytes]] = []
        end = 0
        while len(places) < most:
            try:
                taken = self.receive_ring.peek_stored()
            except OSError:
                if not places:
                    raise
                break
            if taken is None:
                break
            start = end + headroom
            end = start + len(taken.content) + tailroom
            if end > size:
                if not places:
                    raise ValueError
                break
            places.append((start, self.receive_ring.pop_stored()))
        return places

    def receive(self) -> Held | None:
        self.check_open()
        taken = self.receive_ring.take_in_place()
        return None if taken is None else Held(self, [taken], for_sending=False)

    def receive_many(self, most: int) -> Held:
        self.check_open()
        return Held(self, self.receive_ring.take_many(most), for_sending=False)

    def wait(self) -> bool:
        """wait_read_event(0)."""
        self.check_open()
        try:
            return self.receive_ring.peek_stored() is not None
        except OSError:
            return True  # the next read tells

    # --- Writing ---

    def _add(self, content: bytes | bytearray) -> Slot | None:
        if self.receive_ring.removed:
            raise wintun.AdapterTerminatingError
        slot = self.send_ring.add(content)
        if slot is None:
            self.ring_full += 1
        return slot

    def write_many(self, packets: Iterable[bytes]) -> int:
        self.check_open()
        count = 0
        burst: list[Slot] = []
        for packet in packets:
            if len(burst) == BURST_PACKETS or sum(len(s.content) for s in burst) >= BURST_BYTES:
                self._send(burst)
            slot = self._add(packet)
            if slot is None:
                break
            burst.append(slot)
            count += 1
        self._send(burst)
        return count

    def _send(self, burst: list[Slot]) -> None:
        for slot in burst:
            slot.done = True
            self.sent_packets += 1
            self.sent_bytes += len(slot.content)
        burst.clear()
        self.discard()

    def write(self, packet: bytes) -> None:
        if not self.write_many([packet]):
            raise wintun.RingFullError

    def allocate(self, size: int) -> Held:
        return self.allocate_many([size])

    def allocate_many(self, sizes: list[int]) -> Held:
        self.check_open()
        slots: list[Taken] = []
        for size in sizes:
            content = bytearray(size)
            slot = self._add(content)
            if slot is None:
                break
            slots.append(Taken(content, slot))
        if sizes and not slots:
            raise wintun.RingFullError
        return Held(self, slots, for_sending=True)


class Held:
    """A Packet or a PacketBatch."""

    def __init__(self, session: Session, packets: list[Taken], *, for_sending: bool) -> None:
        self.session = session
        self.packets = packets
        self.for_sending = for_sending
        self.released = False
        self.real: Any = None
        self.views: list[tuple[memoryview, Taken]] = []
        session.packets_held += sum(packet.slot is not None for packet in packets)
        session.adapter.world.held.append(self)

    def give_back(self, *, send: bool) -> None:
        """What send(), release() and the collector do."""
        if self.released:
            return
        self.released = True
        session = self.session
        for packet in self.packets:
            if packet.slot is None:
                continue
            session.packets_held -= 1
            if self.for_sending:
                self._pass_on(packet, packet.slot, send)
            else:
                session.receive_ring.release(packet.slot)
        session.finish_if_unused()

    def _pass_on(self, packet: Taken, slot: Slot, send: bool) -> None:
        slot.done = True
        slot.content = packet.content if send else bytearray(len(packet.content))
        if send:
            self.session.sent_packets += 1
            self.session.sent_bytes += len(packet.content)
        else:
            self.session.unsent += 1
        self.session.discard()

    def release(self) -> None:
        if self.views:
            raise BufferError
        self.give_back(send=False)

    def send(self) -> None:
        if not self.for_sending:
            raise ValueError
        if self.views:
            raise BufferError
        if self.released:
            raise wintun.ClosedError
        self.give_back(send=True)


class Device:
    """A TunDevice: an adapter, and the session that its data path leads to."""

    def __init__(self, adapter: Adapter, capacity: int) -> None:
        self.adapter = adapter
        self.capacity = capacity
        self.session: Session | None = None
        """The last one that was started."""
        self.attached: Session | None = None
        self.earlier: tuple[int, ...] = (0,) * 7
        self.real: Any = None

    @property
    def is_up(self) -> bool:
        return self.has_session and not self.adapter.system.removed

    @property
    def has_session(self) -> bool:
        return self.session is not None and not self.session.ended

    def up(self) -> Session | None:
        """Returns the session if it started one."""
        if self.is_up:
            return None
        self.down()
        session = self.adapter.start(self.capacity)
        self.earlier = self.statistics()
        self.session = self.attached = session
        return session

    def statistics(self) -> tuple[int, ...]:
        """The beginning of TunDevice.statistics."""
        if self.session is None:
            return self.earlier
        return tuple(map(sum, zip(self.earlier, self.session.statistics())))

    def down(self) -> None:
        session, self.attached = self.attached, None
        if session is not None:
            session.end()

    def close(self) -> None:
        self.down()
        self.adapter.close()

    def refuse(self) -> NoReturn:
        """What every call that needs a session comes to while there is none."""
        if self.adapter.system.removed and not self.adapter.closed:
            raise wintun.AdapterTerminatingError
        raise wintun.ClosedError

    def iterate(self) -> list[bytes]:
        """An iteration that finds no session, or one that has ended."""
        if self.attached is None and (self.session is None or not self.adapter.closed):
            try:
                self.refuse()
            except wintun.ClosedError:
                if self.session is None:
                    raise
        return []


class Down:
    """In the place of a session where a device is down: every call is refused."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Any:
        def refuse(*arguments: Any) -> Any:
            self._device.refuse()

        return refuse
