# SPDX-License-Identifier: MIT
"""A lane of the storm: one name, on it one session after the other, each with traffic and an end.

What is checked when a session is over: nobody hangs or raises what it should not; packets are
neither lost nor altered, doubled or out of order; the session's own counts agree.
"""

from __future__ import annotations

import functools
import gc
import random
import threading
import time
import weakref
from contextlib import suppress
from typing import Any, Callable, NamedTuple

import wintun
from helpers import MIN_CAPACITY, Worker, wait_until
from wintun import simulator

from .readers import OVER, READERS, Endpoint, iterate, read_in_loop
from .traffic import Account, Sender, check
from .writers import WRITERS, write_in_loop

LONGEST_LIFE = 1.0
"""Seconds of traffic on one session."""

CONFIGURE_PAUSE = 0.01


class Totals(NamedTuple):
    """What was done."""

    sessions: int = 0
    sent: int = 0
    received: int = 0

    def plus(self, other: Totals) -> Totals:
        return Totals(*(mine + its for mine, its in zip(self, other)))


class Round:
    """One session on a lane's adapter, from its start to its end."""

    def __init__(self, name: str, generation: int, chance: random.Random, alive: Any) -> None:
        self.name = name
        self.generation = generation
        self.chance = chance
        self.alive = alive
        self.quiet = threading.Event()
        self.quiet_wire = threading.Event()
        self.senders: list[Sender] = []
        self.receivers: list[Account] = []
        self.wire_senders: list[Sender] = []
        self.wire_receivers: list[Account] = []
        self.wire = chance.choice(["memory", "memory", "loop"])
        self.end = chance.choice(list(ENDS))
        self.endpoint = self.open()
        self.device = self.endpoint if isinstance(self.endpoint, wintun.TunDevice) else None
        session = self.device.session if self.device is not None else self.endpoint
        assert isinstance(session, wintun.Session)
        self.session: wintun.Session = session
        self.alive.update([self.session, self.session.adapter])

    def open(self) -> Endpoint:
        capacity = MIN_CAPACITY << self.chance.randrange(3)
        simulator.set_wire(self.name, self.wire)  # type: ignore[arg-type]
        if self.chance.random() < 0.3:
            return wintun.Adapter.create(self.name, "Storm").start_session(capacity)
        device = wintun.TunDevice(self.name, "Storm", capacity)
        self.alive.add(device)
        device.up()
        return device

    # --- Threads ---

    def run(self) -> Totals:
        """Starts the traffic, lets it run, ends it, and checks what came of it."""
        try:
            self.run_traffic()
        except BaseException:
            self.stop()
            raise
        self.close()
        return self.account_for()

    def stop(self) -> None:
        """Ends everything after a failure, so that it is told and not drowned."""
        self.quiet.set()
        self.quiet_wire.set()
        self.session.adapter.close()

    def run_traffic(self) -> None:
        readers = self.start_readers()
        writers = [self.start_writer() for _ in range(self.chance.randrange(1, 4))]
        wire = self.start_wire() if self.wire == "memory" else []
        others = [self.start(self.configure)] if ENDS[self.end].may_configure else []
        time.sleep(self.chance.random() * LONGEST_LIFE)
        if self.end == "graceful":
            self.settle(writers, wire)
        count = self.chance.randrange(1, 4)
        closers = [Worker(ENDS[self.end].function, self) for _ in range(count)]
        for worker in [*closers, *readers, *writers]:
            worker.result()
        self.quiet.set()
        self.quiet_wire.set()
        for worker in [*others, *wire]:
            worker.result()

    def start(self, function: Callable[..., object], *arguments: Any) -> Worker[None]:
        def work() -> None:
            # What ends the traffic; its traceback would keep packets alive.
            with suppress(*OVER):
                function(*arguments)

        return Worker(work)

    def start_readers(self) -> list[Worker[None]]:
        return [self.start_reader() for _ in range(self.chance.randrange(1, 5))]

    def start_reader(self) -> Worker[None]:
        if self.device is not None and self.chance.random() < 0.25:
            return self.start_reading_loop(self.device)
        mine = random.Random(self.chance.random())
        (account,) = self.new_accounts(1)
        if self.device is not None and self.chance.random() < 0.1:
            return self.start(iterate, self.device, account)
        return self.start(self.chance.choice(READERS), self.face(), account, mine)

    def start_reading_loop(self, device: wintun.TunDevice) -> Worker[None]:
        mine = random.Random(self.chance.random())
        accounts = self.new_accounts(self.chance.randrange(1, 4))
        return self.start(read_in_loop, device, accounts, mine)

    def new_accounts(self, count: int) -> list[Account]:
        made = [Account(self.generation) for _ in range(count)]
        self.receivers += made
        return made

    def start_writer(self) -> Worker[None]:
        sender = self.new_sender(self.senders)
        if self.device is not None and self.chance.random() < 0.25:
            return self.start(write_in_loop, self.device, sender, self.quiet)
        return self.start(self.chance.choice(WRITERS), self.face(), sender, self.quiet)

    def new_sender(self, senders: list[Sender]) -> Sender:
        sender = Sender(self.generation, len(senders), random.Random(self.chance.random()))
        senders.append(sender)
        return sender

    def face(self) -> Endpoint:
        """The device or its session: either leads to the same rings."""
        return self.chance.choice([self.endpoint, self.session])

    # --- The far side of the memory wire ---

    def start_wire(self) -> list[Worker[None]]:
        account = Account(self.generation)
        self.wire_receivers.append(account)
        count = self.chance.randrange(1, 3)
        senders = [self.new_sender(self.wire_senders) for _ in range(count)]
        deliverers = [self.start_wire_worker(self.deliver, sender) for sender in senders]
        return [*deliverers, self.start_wire_worker(self.collect, account)]

    def start_wire_worker(self, function: Callable[..., object], argument: Any) -> Worker[None]:
        def work() -> None:
            with suppress(LookupError):  # the session is over
                function(argument)

        return Worker(work)

    def deliver(self, sender: Sender) -> None:
        while not self.quiet.is_set() and not self.quiet_wire.is_set():
            for packet in sender.next_packets(20):
                if simulator.deliver(self.name, packet):
                    sender.accepted += 1
                else:
                    time.sleep(0.001)
                    break

    def collect(self, account: Account) -> None:
        while not self.quiet_wire.is_set():
            packet = simulator.collect(self.name)
            if packet is None:
                time.sleep(0.0005)
            else:
                account.take(packet)

    # --- Beside the traffic ---

    def configure(self) -> None:
        while not self.quiet.is_set():
            adapter = self.session.adapter
            adapter.set_mtu(4, self.chance.randrange(576, 0x10000))
            assert adapter.get_mtu(4) >= 576
            address = bytes([10, 0, 0, self.chance.randrange(1, 255)])
            adapter.add_address(address, 24)
            adapter.remove_address(address)
            repr(self.endpoint), adapter.name, self.session.statistics, self.session.closed
            time.sleep(CONFIGURE_PAUSE)
            self.session.spin_us = self.chance.randrange(100)

    # --- The end ---

    def settle(self, writers: list[Worker[None]], wire: list[Worker[None]]) -> None:
        """Lets all that was accepted arrive."""
        self.quiet.set()
        for worker in [*writers, *wire[:-1]]:
            worker.result()
        expected = self.wire_senders if self.wire == "memory" else self.senders
        while arrived(self.receivers) < expected_of(expected):
            time.sleep(0.001)
        while self.wire == "memory" and arrived(self.wire_receivers) < expected_of(self.senders):
            time.sleep(0.001)

    def close(self) -> None:
        """Closes what is still open, so that the name is free; or leaves that to the collector."""
        endpoint, adapter = self.endpoint, self.session.adapter
        if self.end == "dropped":
            return
        self.session.end()
        if isinstance(endpoint, wintun.TunDevice):
            endpoint.close()
        adapter.close()

    def account_for(self) -> Totals:
        whole = self.end == "graceful"
        if self.wire == "memory":
            check(self.senders, self.wire_receivers, all_arrived=whole)
            check(self.wire_senders, self.receivers, all_arrived=whole)
        else:
            check(self.senders, self.receivers, all_arrived=whole)
        self.check_statistics()
        sent = expected_of([*self.senders, *self.wire_senders])
        received = arrived([*self.receivers, *self.wire_receivers])
        return Totals(1, sent, received)

    def check_statistics(self) -> None:
        """Calls of readers and writers that were interrupted by the end count, too."""
        counted = self.session.statistics
        assert counted.packets_unsent == sum(len(sender.discarded) for sender in self.senders)
        accepted = expected_of(self.senders)
        in_doubt = sum(sender.in_doubt for sender in self.senders)
        assert accepted <= counted.packets_sent <= accepted + in_doubt
        assert counted.packets_received == arrived(self.receivers) + counted.packets_unread


def arrived(receivers: list[Account]) -> int:
    return sum(receiver.packets for receiver in receivers)


def expected_of(senders: list[Sender]) -> int:
    """How many packets certainly were sent."""
    return sum(sender.accepted - len(sender.discarded) for sender in senders)


# --- The ends --------------------------------------------------------------------------------


class End(NamedTuple):
    """A way that a session ends; called by several threads at once."""

    function: Callable[[Round], None]
    may_configure: bool = True
    """Whether the adapter stays as it is: an interface that is gone would be waited for."""


def end_by_device(method: str, ending: Round) -> None:
    if ending.device is not None:
        getattr(ending.device, method)()
    else:
        ending.session.adapter.close()


def remove(ending: Round) -> None:
    with suppress(LookupError):  # another thread was first
        simulator.remove_adapter(ending.name)
    # Removal ends those that read or write; one that is not at it at the moment sees it then.
    time.sleep(ending.chance.random() * 0.01)
    ending.session.end()


def corrupt(ending: Round) -> None:
    with suppress(LookupError):
        simulator.corrupt_ring(ending.name)
    time.sleep(ending.chance.random() * 0.01)
    ending.session.end()


ENDS = {
    "graceful": End(functools.partial(end_by_device, "close")),
    "down": End(functools.partial(end_by_device, "down")),
    "close": End(functools.partial(end_by_device, "close")),
    "session": End(lambda ending: ending.session.end()),
    "adapter": End(lambda ending: ending.session.adapter.close()),
    "removed": End(remove, may_configure=False),
    "corrupt": End(corrupt),
    "dropped": End(lambda ending: ending.session.end()),
}


class Lane:
    """Rounds on one name, one after the other, until told to stop."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.chance = random.Random(seed)
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.totals = Totals()
        self.began = time.monotonic()
        self.end = ""

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.began = time.monotonic()
            chance = random.Random(self.chance.random())
            current = Round(self.name, self.totals.sessions, chance, self.alive)
            self.end = current.end
            self.totals = self.totals.plus(current.run())
            del current
            wait_until(self.is_empty, "objects that nobody uses are alive")

    def is_empty(self) -> bool:
        if len(self.alive) > 0:
            gc.collect()  # does nothing while another thread is at it
        return len(self.alive) == 0
