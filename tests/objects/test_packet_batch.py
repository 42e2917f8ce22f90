# SPDX-License-Identifier: MIT
"""A batch is many packets' memory in the ring: seen as memoryviews, given back or sent at once."""

from __future__ import annotations

import array
import contextlib
import gc
import weakref
from typing import Any, Callable

import pytest

import wintun
from helpers import MAX_PACKET, MIN_CAPACITY, Worker, ipv4_packet, scaled, slot_size, usable
from wintun import simulator

SIZES = [20, 64, 2047, 2048, 2049, 4000, 20]
PACKETS = [ipv4_packet(size, number) for number, size in enumerate(SIZES)]


def receive(session: wintun.Session, packets: list[bytes] = PACKETS) -> wintun.PacketBatch:
    for packet in packets:
        assert simulator.deliver(session.adapter.name, packet)
    batch = session.receive_packets()
    assert len(batch) == len(packets)
    return batch


def allocate(session: wintun.Session, packets: list[bytes] = PACKETS) -> wintun.PacketBatch:
    batch = session.allocate_send_packets(len(packet) for packet in packets)
    for view, packet in zip(batch, packets):
        view[:] = packet
        view.release()
    return batch


def collect_all(session: wintun.Session) -> list[bytes]:
    name = session.adapter.name
    return list(iter(lambda: simulator.collect(name), None))


# --- A sequence of memoryviews ---------------------------------------------------------------


def test_a_batch_is_a_sequence_of_writable_views_of_bytes(session: wintun.Session) -> None:
    batch = receive(session)
    assert [bytes(view) for view in batch] == PACKETS
    assert [bytes(batch[index]) for index in range(len(batch))] == PACKETS
    assert [bytes(batch[index]) for index in range(-len(batch), 0)] == PACKETS
    assert [bytes(view) for view in reversed(batch)] == PACKETS[::-1]
    for view in batch:
        assert isinstance(view, memoryview)
        assert (view.format, view.itemsize, view.ndim, view.readonly) == ("B", 1, 1, False)
        assert view.c_contiguous


@pytest.mark.parametrize("index", [7, 100, -8, 1 << 62, -(1 << 62), 1 << 64])
def test_an_index_that_the_batch_does_not_have_is_an_index_error(
    session: wintun.Session, index: int
) -> None:
    with receive(session) as batch, pytest.raises(IndexError):
        batch[index]


@pytest.mark.parametrize("index", ["0", 1.0, None, object()], ids=lambda one: type(one).__name__)
def test_an_index_that_is_none_is_a_type_error(session: wintun.Session, index: Any) -> None:
    with receive(session) as batch, pytest.raises(TypeError):
        batch[index]


def test_views_of_one_packet_are_the_same_memory_and_of_two_are_not(
    session: wintun.Session,
) -> None:
    batch = receive(session, [ipv4_packet(40)] * 2)
    one, again, other = batch[0], batch[0], batch[1]
    one[39] = 0xAB
    assert again[39] == 0xAB
    assert other == ipv4_packet(40)


def test_a_batch_takes_no_more_than_it_is_asked_for_and_is_empty_without_packets(
    session: wintun.Session,
) -> None:
    assert simulator.fill(session.adapter.name, 20, 200) == 200
    counts = [len(session.receive_packets(most)) for most in (1, 2, 64, 128, 129)]
    assert counts == [1, 2, 64, 128, 5]
    batch = session.receive_packets()
    assert len(batch) == 0
    assert list(batch) == []
    batch.release()


def test_a_batch_has_4096_packets_at_most(make_session: Callable[..., wintun.Session]) -> None:
    session = make_session(0x100000)
    assert simulator.fill(session.adapter.name, 20, 5000) == 5000
    with session.receive_packets(0x7FFFFFFF) as first, session.receive_packets(5000) as second:
        numbers = [int.from_bytes(v[12:16], "big") for batch in (first, second) for v in batch]
        assert (len(first), len(second)) == (4096, 904)
        assert numbers == list(range(5000))
    assert len(session.allocate_send_packets([20] * 4096)) == 4096
    with pytest.raises(ValueError, match="at most 4096"):
        session.allocate_send_packets([20] * 4097)


def test_packets_that_were_read_ahead_are_in_a_batch_before_those_in_the_ring(
    session: wintun.Session,
) -> None:
    for packet in PACKETS * 3:
        assert simulator.deliver(session.adapter.name, packet)
    assert session.read() == PACKETS[0]
    with session.receive_packets(100) as batch:
        assert [bytes(view) for view in batch] == (PACKETS * 3)[1:]


def test_an_error_behind_packets_leaves_them_in_the_batch_and_comes_out_next(
    session: wintun.Session,
) -> None:
    for packet in PACKETS:
        assert simulator.deliver(session.adapter.name, packet)
    simulator.set_fault("WintunReceivePacket", 38, skip=5)
    with session.receive_packets() as batch:
        assert [bytes(view) for view in batch] == PACKETS[:5]
    with pytest.raises(wintun.AdapterTerminatingError):
        session.receive_packets()
    simulator.set_fault("WintunAllocateSendPacket", 38, skip=2)
    assert len(session.allocate_send_packets([20] * 5)) == 2
    with pytest.raises(wintun.AdapterTerminatingError):
        session.allocate_send_packets([20])


# --- Sending ---------------------------------------------------------------------------------


def test_what_is_written_into_a_batch_goes_out_when_it_is_sent_and_in_order(
    session: wintun.Session,
) -> None:
    batch = allocate(session)
    session.write(ipv4_packet(33))
    assert collect_all(session) == []
    batch.send()
    assert batch.released
    assert collect_all(session) == [*PACKETS, ipv4_packet(33)]
    assert session.statistics[2:4] == (len(PACKETS) + 1, sum(SIZES) + 33)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_packets_that_a_batch_is_given_go_out_in_order(
    session: wintun.Session, kind: Callable[[bytes], Any]
) -> None:
    batch = session.allocate_send_packets(SIZES)
    for index, packet in enumerate(PACKETS):
        batch[index if index % 2 else index - len(batch)] = kind(packet)
    batch.send()
    assert collect_all(session) == PACKETS


@pytest.mark.parametrize(
    ("index", "packet", "error"),
    [
        (0, bytes(19), ValueError),
        (0, bytes(21), ValueError),
        (0, bytes(70000), ValueError),
        (0, 20, TypeError),
        (0, memoryview(bytes(40))[::2], BufferError),
        (7, bytes(20), IndexError),
        (-8, bytes(20), IndexError),
        (slice(0, 1), bytes(20), TypeError),
    ],
    ids=["short", "long", "too long", "int", "strided", "beyond", "before", "slice"],
)
def test_a_packet_that_does_not_fit_its_place_is_refused_and_changes_nothing(
    session: wintun.Session, index: Any, packet: Any, error: type[Exception]
) -> None:
    batch = receive(session)
    with pytest.raises(error):
        batch[index] = packet
    with pytest.raises(TypeError):
        del batch[0]  # type: ignore[attr-defined]
    assert [bytes(view) for view in batch] == PACKETS
    batch.release()  # nothing keeps it
    with pytest.raises(wintun.ClosedError):
        batch[0] = PACKETS[0]


def test_a_batch_that_is_not_sent_goes_out_as_nothing_and_holds_nothing_back(
    session: wintun.Session,
) -> None:
    allocate(session).release()
    with allocate(session):
        pass
    allocate(session)
    with pytest.raises(LookupError), allocate(session):
        raise LookupError
    session.write(ipv4_packet(33))
    assert collect_all(session) == [ipv4_packet(33)]
    assert session.statistics[2:6] == (1, 33, 0, 4 * len(PACKETS))


def test_a_batch_sent_inside_its_with_block_stays_sent(session: wintun.Session) -> None:
    with allocate(session) as batch:
        batch.send()
    assert collect_all(session) == PACKETS


def test_a_batch_is_sent_once_and_released_any_number_of_times(session: wintun.Session) -> None:
    batch = allocate(session)
    batch.send()
    with pytest.raises(wintun.ClosedError, match="the batch is closed"):
        batch.send()
    batch.release()
    batch.release()
    assert collect_all(session) == PACKETS
    batch = receive(session)
    with pytest.raises(ValueError, match="received packets cannot be sent"):
        batch.send()
    batch.release()
    batch.release()
    assert simulator.counts().held_packets == 0


def test_a_batch_is_as_long_as_the_ring_has_room(session: wintun.Session) -> None:
    fits = usable(MIN_CAPACITY) // slot_size(1400)
    batch = session.allocate_send_packets([1400] * 500)
    assert len(batch) == fits
    with pytest.raises(wintun.RingFullError):
        session.allocate_send_packets([1400])
    assert session.statistics.ring_full == 2
    batch.release()
    assert len(session.allocate_send_packets([])) == 0


@pytest.mark.parametrize("size", [-1, MAX_PACKET + 1, 1 << 32, 1 << 64, -(1 << 64)])
def test_a_size_out_of_range_allocates_nothing(session: wintun.Session, size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        session.allocate_send_packets([20, size])
    assert simulator.counts().held_packets == 0


@pytest.mark.parametrize("sizes", [[20, None], [20, 1.0], ["20"], [True], 5, None], ids=repr)
def test_sizes_that_are_no_ints_are_a_type_error(session: wintun.Session, sizes: Any) -> None:
    with pytest.raises(TypeError):
        session.allocate_send_packets(sizes)
    assert simulator.counts().held_packets == 0


# --- Views against giving back ---------------------------------------------------------------


def test_no_view_of_a_batch_outlives_its_place_in_the_ring(session: wintun.Session) -> None:
    for batch, give_back in (
        (received := receive(session), received.release),
        (unsent := allocate(session), unsent.release),
        (sent := allocate(session), sent.send),
    ):
        views = [batch[0], batch[6], memoryview(batch[0])]
        for view in views:
            with pytest.raises(BufferError, match="in use by"):
                give_back()
            assert not batch.released
            view.release()
        give_back()
        assert batch.released
    assert collect_all(session) == PACKETS


def test_a_with_block_does_not_pull_memory_from_under_a_view(session: wintun.Session) -> None:
    batch = receive(session)
    view = batch[3]
    with pytest.raises(BufferError), batch:
        pass
    assert view == PACKETS[3]
    view.release()
    batch.release()


def test_a_batch_that_was_given_back_has_nothing_to_see(session: wintun.Session) -> None:
    batch = receive(session)
    batch.release()
    assert len(batch) == len(PACKETS)
    for look in (lambda: batch[0], lambda: next(iter(batch)), lambda: bytes(batch[-1])):
        with pytest.raises(wintun.ClosedError, match="the batch is closed"):
            look()


def test_a_view_keeps_a_dropped_batch_alive_and_its_end_gives_all_of_it_back(
    session: wintun.Session,
) -> None:
    batch = receive(session)
    view, died = batch[5], weakref.ref(batch)
    del batch
    gc.collect()
    assert view == PACKETS[5]
    assert simulator.counts().held_packets == len(PACKETS)
    part = view[10:20]
    del view
    assert part == PACKETS[5][10:20]
    del part
    gc.collect()
    assert died() is None
    assert simulator.counts().held_packets == 0


def test_the_ring_has_room_again_when_a_batch_is_given_back_and_not_before(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    while simulator.fill(name, 1400, 1000):
        pass
    batch = session.receive_packets(1000)
    assert not simulator.deliver(name, ipv4_packet(1400))
    batch.release()
    assert simulator.fill(name, 1400, 1000) == len(batch)


def test_a_batch_outlives_its_session_and_its_memory_stays_until_it_goes(
    session: wintun.Session,
) -> None:
    adapter = session.adapter
    received, unsent = receive(session), allocate(session)
    session.end()
    assert simulator.counts().sessions == 1
    assert [bytes(view) for view in received] == PACKETS
    for view in unsent:
        view[:] = bytes(len(view))
        view.release()
    adapter.close()
    received.release()
    assert simulator.counts().sessions == 1
    unsent.send()
    assert simulator.counts().sessions == 0
    with pytest.raises(wintun.ClosedError):
        received[0]


def test_a_batch_of_packets_that_were_read_ahead_outlives_its_session_too(
    session: wintun.Session,
) -> None:
    for packet in PACKETS:
        assert simulator.deliver(session.adapter.name, packet)
    assert session.read() == PACKETS[0]
    batch = session.receive_packets()
    view = batch[0]
    session.end()
    session.adapter.close()
    assert view == PACKETS[1]
    view.release()
    assert [bytes(view) for view in batch] == PACKETS[1:]
    batch.release()
    assert simulator.counts().sessions == 0


def test_batches_of_a_session_that_is_over_are_closed_errors(session: wintun.Session) -> None:
    session.end()
    with pytest.raises(wintun.ClosedError):
        session.receive_packets()
    with pytest.raises(wintun.ClosedError):
        session.allocate_send_packets([20])


@pytest.mark.threads
def test_a_batch_given_back_by_many_threads_while_others_look_at_it_is_given_back_once(
    session: wintun.Session,
) -> None:
    for number in range(scaled(20, at_least=4)):
        batch = allocate(session) if number % 2 else receive(session)

        def look(batch: wintun.PacketBatch = batch) -> None:
            try:
                while True:
                    assert len(bytes(batch[4])) == SIZES[4]
            except wintun.ClosedError:
                pass

        def give_back(batch: wintun.PacketBatch = batch) -> None:
            while not batch.released:
                with contextlib.suppress(BufferError):
                    batch.release()

        for worker in [Worker(look), Worker(give_back), Worker(give_back)]:
            worker.result()
        assert simulator.counts().held_packets == 0
        assert collect_all(session) == []


def test_a_batch_can_be_referred_to_weakly_and_cannot_be_made_by_hand(
    session: wintun.Session,
) -> None:
    batch = receive(session)
    reference = weakref.ref(batch)
    assert reference() is batch
    del batch
    gc.collect()
    assert reference() is None
    with pytest.raises(TypeError):
        wintun.PacketBatch()
    item = type(receive(session)[0].obj)
    with pytest.raises(TypeError):
        item()


# --- Sizes ------------------------------------------------------------------------------------


def sizes_of(batch: wintun.PacketBatch) -> list[int]:
    with batch:
        return [len(view) for view in batch]


@pytest.mark.parametrize(
    "sizes",
    [
        SIZES,
        tuple(SIZES),
        array.array("I", SIZES),
        array.array("i", SIZES),
        array.array("H", SIZES),
        array.array("Q", SIZES),
        memoryview(array.array("I", SIZES)),
        memoryview(array.array("I", [size for size in SIZES for _ in "12"]))[::2],
    ],
    ids=lambda sizes: f"{type(sizes).__name__} {getattr(sizes, 'typecode', '')}",
)
def test_sizes_may_be_any_iterable_or_array_of_ints(session: wintun.Session, sizes: Any) -> None:
    assert sizes_of(session.allocate_send_packets(sizes)) == SIZES


def test_bytes_as_sizes_are_ints_too(session: wintun.Session) -> None:
    assert sizes_of(session.allocate_send_packets(b"\x14\x28")) == [20, 40]
    assert sizes_of(session.allocate_send_packets(array.array("I"))) == []


@pytest.mark.parametrize("count", [0, 1, 64, 65, 4096])
def test_a_count_and_a_size_make_packets_of_that_size(session: wintun.Session, count: int) -> None:
    fits = min(count, usable(MIN_CAPACITY) // slot_size(100))
    assert sizes_of(session.allocate_send_packets(count, 100)) == [100] * fits
    assert sizes_of(session.allocate_send_packets(sizes=2, size=0)) == [0, 0]
    assert sizes_of(session.allocate_send_packets([20, 30], None)) == [20, 30]


def test_packets_of_a_count_and_a_size_are_sent(session: wintun.Session) -> None:
    batch = session.allocate_send_packets(3, 40)
    for i in range(3):
        batch[i] = ipv4_packet(40, i)
    batch.send()
    assert collect_all(session) == [ipv4_packet(40, i) for i in range(3)]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((4097, 20), ValueError, "sizes must be from 0 to 4096, not 4097"),
        ((-1, 20), ValueError, "sizes must be from 0 to 4096, not -1"),
        ((1, 65536), ValueError, "size must be from 0 to 65535, not 65536"),
        ((1, -1), ValueError, "size must be from 0 to 65535, not -1"),
        ((1, "20"), TypeError, "size must be an int, not '20'"),
        (([20], 20), TypeError, r"sizes must be an int, not \[20\]"),
        ((True, 20), TypeError, "sizes must be an int, not True"),
        ((1,), TypeError, "int"),
        ((array.array("I", [20, 65536]),), ValueError, "size must be from 0 to 65535, not 65536"),
        ((array.array("i", [20, -1]),), ValueError, "size must be from 0 to 65535, not -1"),
        ((array.array("I", [0] * 4097),), ValueError, "at most 4096 packets, not 4097"),
        ((array.array("f", [20.0]),), TypeError, "size must be an int, not 20.0"),
    ],
)
def test_wrong_sizes_reserve_nothing(
    session: wintun.Session, arguments: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        session.allocate_send_packets(*arguments)
    assert session.statistics[5] == 0
    assert session.statistics.packets_held == 0


def test_what_a_buffer_raises_comes_out(session: wintun.Session) -> None:
    class Interrupted(list):  # type: ignore[type-arg]
        def __buffer__(self, flags: int) -> memoryview:
            raise KeyboardInterrupt

    if hasattr(memoryview, "__buffer__"):
        with pytest.raises(KeyboardInterrupt):
            session.allocate_send_packets(Interrupted([20]))
    else:
        assert len(session.allocate_send_packets(Interrupted([20]))) == 1
