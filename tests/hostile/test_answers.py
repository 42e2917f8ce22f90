# SPDX-License-Identifier: MIT
"""A library that breaks the API's promises: an exception, no crash and no hang."""

from __future__ import annotations

import array
import ctypes
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

import wintun
from compilers import MISSING
from helpers import HANG_SECONDS, MAX_PACKET, Worker
from wintun import simulator

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

NO_MORE_ITEMS = 259
INVALID_DATA = 13
GEN_FAILURE = 31


@pytest.fixture
def session(library: Any) -> Iterator[wintun.Session]:
    with wintun.Adapter.create("hostile", "Test") as made, made.start_session(0x20000) as session:
        yield session


def read_into_array(session: wintun.Session) -> object:
    return session.read_into(bytearray(2 * MAX_PACKET))


def read_packed(session: wintun.Session) -> object:
    spans = memoryview(bytearray(64)).cast("I")
    return session.read_packed(bytearray(2 * MAX_PACKET), spans)


READS: dict[str, Callable[[wintun.Session], object]] = {
    "read": lambda session: session.read(),
    "read with timeout": lambda session: session.read(timeout=None),
    "read_many": lambda session: session.read_many(),
    "read_into": read_into_array,
    "read_packed": read_packed,
    "receive_packet": lambda session: session.receive_packet(),
    "receive_packets": lambda session: session.receive_packets(),
}


@pytest.mark.parametrize("size", [MAX_PACKET + 1, 0x20000, 0x7FFFFFFF, 0x80000014, 0xFFFFFFFF])
@pytest.mark.parametrize("read", READS)
def test_a_packet_of_an_impossible_size_is_a_corrupt_ring(
    library: Any, session: wintun.Session, read: str, size: int
) -> None:
    library.HostileReceive(1, size, 5, NO_MORE_ITEMS)
    for again in [read, *READS]:  # and the packets behind it are not believed either
        with pytest.raises(wintun.RingCorruptError) as failure:
            READS[again](session)
        assert failure.value.winerror == INVALID_DATA
    assert library.HostileReleased() == 1
    assert session.statistics.packets_received == 0


def test_the_largest_packet_is_none_too_many(library: Any, session: wintun.Session) -> None:
    library.HostileReceive(2, MAX_PACKET, 0, NO_MORE_ITEMS)
    assert session.read() == b"\x45" * MAX_PACKET
    with session.receive_packet() as packet:  # type: ignore[union-attr]
        assert len(packet) == MAX_PACKET
    assert session.read() is None


@pytest.mark.parametrize("read", READS)
def test_a_read_ahead_that_meets_an_impossible_size_tells_the_next_read(
    library: Any, session: wintun.Session, read: str
) -> None:
    library.HostileReceive(0, 0, 3, NO_MORE_ITEMS)
    assert session.read() == b"\x45" * 20
    assert [len(packet) for packet in session.read_many()] == [20, 20]
    library.HostileReceive(0, 0, 2, NO_MORE_ITEMS)
    assert len(session.read_many(2)) == 2
    library.HostileReceive(1, MAX_PACKET + 1, 1, NO_MORE_ITEMS)
    for _ in range(2):
        with pytest.raises(wintun.RingCorruptError):
            READS[read](session)


def test_a_new_session_believes_the_library_again(library: Any, session: wintun.Session) -> None:
    library.HostileReceive(1, MAX_PACKET + 1, 0, NO_MORE_ITEMS)
    with pytest.raises(wintun.RingCorruptError):
        session.read()
    session.end()
    with session.adapter.start_session(0x20000) as another:
        assert another.read() is None
        library.HostileReceive(0, 0, 1, NO_MORE_ITEMS)
        assert another.read() == b"\x45" * 20


# --- Codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", READS)
def test_a_failed_read_without_a_code_is_a_general_failure(
    library: Any, session: wintun.Session, read: str
) -> None:
    library.HostileReceive(0, 0, 0, 0)
    with pytest.raises(OSError, match="without an error code") as failure:
        READS[read](session)
    assert failure.value.winerror == GEN_FAILURE  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [0, NO_MORE_ITEMS, 1, 0xFFFFFFFF])
def test_a_failed_write_is_an_os_error_whatever_its_code(
    library: Any, session: wintun.Session, code: int
) -> None:
    library.HostileAllocate(code)
    packet = bytes(20)
    spans = memoryview(struct.pack("=2I", 0, 20)).cast("I")
    for write in (
        lambda: session.write(packet),
        lambda: session.write(packet, timeout=None),
        lambda: session.write_many([packet, packet]),
        lambda: session.write_packed(packet, spans, 1),
        lambda: session.allocate_send_packet(20),
        lambda: session.allocate_send_packets([20]),
    ):
        with pytest.raises(OSError, match="WintunAllocateSendPacket") as failure:
            write()
        assert failure.value.winerror == (code or GEN_FAILURE)  # type: ignore[attr-defined]


# --- The event ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda session: session.read(timeout=0.05),
        lambda session: session.read_many(timeout=0.05),
        lambda session: session.read_into(bytearray(64), timeout=0.05),
    ],
)
def test_a_timeout_ends_also_while_the_event_is_set_all_the_time(
    library: Any, session: wintun.Session, read: Callable[[wintun.Session], object]
) -> None:
    signals = 4_000_000  # some seconds of waking up for nothing
    library.HostileSignal(signals)
    assert not Worker(read, session).result()
    assert library.HostileSignalsLeft() > signals // 4


def test_a_closed_session_ends_a_read_while_the_event_is_set_all_the_time(
    library: Any, session: wintun.Session
) -> None:
    library.HostileSignal(0xFFFFFFFF)
    reader = Worker(lambda: session.read(timeout=None))
    reader.started.wait(HANG_SECONDS)
    session.end()
    assert isinstance(reader.error(), wintun.ClosedError)


# --- The rest -----------------------------------------------------------------------------------


def address_row(family: int, prefix_length: int) -> bytes:
    """A MIB_UNICASTIPADDRESS_ROW of the adapter, by the offsets of netioapi.h."""
    row = bytearray(80)
    struct.pack_into("<H", row, 0, family)
    struct.pack_into("<Q", row, 32, 1)
    row[60] = prefix_length
    return bytes(row)


def test_a_table_of_addresses_that_is_not_there_is_an_os_error(library: Any) -> None:
    library.HostileTable(None)
    with wintun.Adapter.create("hostile", "Test") as adapter:
        with pytest.raises(OSError, match="GetUnicastIpAddressTable") as failure:
            adapter.get_addresses()
        assert failure.value.winerror == INVALID_DATA  # type: ignore[attr-defined]


@pytest.mark.parametrize(("family", "prefix_length"), [(2, 33), (2, 255), (23, 129), (77, 255)])
def test_an_address_that_cannot_be_is_a_value_error(
    library: Any, family: int, prefix_length: int
) -> None:
    library.HostileTable(address_row(family, prefix_length))
    with wintun.TunDevice("hostile", "Test") as device, pytest.raises(ValueError, match=r"\d"):
        _ = device.addresses


@pytest.mark.parametrize("level", [0, 3, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("timestamp", [0, 1, 2**64 - 1])
@pytest.mark.parametrize(
    ("message", "text"),
    [
        (None, ""),
        (b"\x41\0\0\xd8\x42\0\0\0", "A\ufffdB"),
        (b"x\0" * 100_000 + b"\0\0", "x" * 0x10000),
    ],
    ids=["nothing", "half a character", "too long"],
)
def test_a_log_line_of_any_kind_arrives(
    library: Any, level: int, timestamp: int, message: bytes | None, text: str
) -> None:
    lines: list[tuple[int, int, str]] = []
    before = wintun.set_logger(lambda *line: lines.append(line))
    try:
        library.HostileLog(level, ctypes.c_uint64(timestamp), message)
    finally:
        wintun.set_logger(before)
    signed = ctypes.c_int(level).value
    assert lines == [(signed, timestamp, text)]


def test_the_default_logger_takes_any_log_line(library: Any, caplog: Any) -> None:
    for level in (0, 3, 0xFFFFFFFF):
        for timestamp in (0, 1, 2**64 - 1, 2650467743999999999):
            library.HostileLog(level, ctypes.c_uint64(timestamp), b"%\0s\0\0\0")
    assert {record.getMessage() for record in caplog.records} <= {"%s"}


def test_a_driver_version_of_all_ones_is_one(library: Any) -> None:
    assert str(wintun.get_driver_version()) == "65535.65535"


# --- Order --------------------------------------------------------------------------------------


def send_allocated(session: wintun.Session, packets: list[bytes]) -> None:
    batch = session.allocate_send_packets([len(packet) for packet in packets])
    for i, packet in enumerate(packets):
        batch[i] = packet
    batch.send()


def write_packed(session: wintun.Session, packets: list[bytes]) -> None:
    buffer = b"".join(packets)
    spans = array.array("I")
    for i, packet in enumerate(packets):
        spans.extend((i * len(packet), (i + 1) * len(packet)))
    session.write_packed(buffer, spans, len(packets))


SENDS: dict[str, Callable[[wintun.Session, list[bytes]], object]] = {
    "write_many": lambda session, packets: session.write_many(packets),
    "write_packed": write_packed,
    "send a batch": send_allocated,
}


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 200])
@pytest.mark.parametrize("send", SENDS)
def test_a_batch_moves_the_tail_twice_and_at_last_over_one_packet(
    library: Any, session: wintun.Session, send: str, count: int
) -> None:
    """Each move is a look at whether the driver sleeps: the last mends one that failed before."""
    library.HostileRoom(count)
    SENDS[send](session, [b"\x45" + bytes(19)] * count)
    order = [library.HostileSent(i) for i in range(count)]
    assert sorted(order) == list(range(count))
    moves = []
    tail, sent = 0, set()
    for packet in order:
        sent.add(packet)
        before = tail
        while tail in sent:
            tail += 1
        if tail > before:
            moves.append(tail - before)
    bursts = 1 if send == "send a batch" else (count + 63) // 64
    assert len(moves) == min(count, 2 * bursts - (count % 64 == 1 and bursts > 1))
    assert moves[-1] == 1


# --- Lines from everywhere ----------------------------------------------------------------------


@pytest.fixture
def lines(library: Any) -> Iterator[list[str]]:
    """Names of the library's functions, each of which logs its own; what is done at each line."""
    seen: list[str] = []
    yield seen
    library.HostileLogEverywhere(False)


Act = Callable[[wintun.Session], object]

ACTS: dict[str, Act] = {
    **READS,
    "read with timeout": lambda session: session.read(timeout=0.05),
    "end": lambda session: session.end(),
    "close": lambda session: session.adapter.close(),
    "statistics": lambda session: session.statistics,
    "get_driver_version": lambda session: wintun.get_driver_version(),
    "load": lambda session: wintun.load(str(wintun.library_path())),
    "load another": lambda session: simulator.use(),
    "set_logger": lambda session: wintun.set_logger(None),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("read", READS)
def test_a_callback_may_call_anything_in_a_read_whose_library_logs(
    library: Any, session: wintun.Session, lines: list[str], read: str, act: str
) -> None:
    # Each runs in a thread of its own: one that hangs cannot take the test with it.
    library.HostileReceive(0, 0, 200, NO_MORE_ITEMS)
    acted: list[object] = []

    def call_back(level: int, timestamp: int, message: str) -> None:
        lines.append(message)
        if message in ("WintunReceivePacket", "WintunReleaseReceivePacket") and not acted:
            acted.append(None)
            acted[0] = ACTS[act](session)

    before = wintun.set_logger(call_back)
    try:
        library.HostileLogEverywhere(True)
        reader = Worker(READS[read], session)
        found = reader.error() or reader.result()
    finally:
        wintun.set_logger(before)
    assert acted
    assert found is not None
    if act in READS and not act.startswith("read_into"):
        assert acted[0], "there were packets for two"
    assert "WintunReceivePacket" in lines


@pytest.mark.parametrize("act", ["read", "read with timeout", "read_many", "receive_packet"])
def test_packets_keep_their_order_where_a_callback_reads_too(
    library: Any, session: wintun.Session, lines: list[str], act: str
) -> None:
    count = 200
    library.HostileReceive(0, 0, count, NO_MORE_ITEMS)
    inside: list[int] = []
    begun: list[str] = []  # what it does here logs, too, and so calls back again

    def call_back(level: int, timestamp: int, message: str) -> None:
        if len(begun) < 10:
            begun.append(message)
            found: Any = ACTS[act](session)
            inside.append(len(found) if act == "read_many" and found else int(bool(found)))
            if act == "receive_packet" and found is not None:
                found.release()

    def read_all() -> int:
        read = 0
        while session.read() is not None:
            read += 1
        return read

    before = wintun.set_logger(call_back)
    try:
        library.HostileLogEverywhere(True)
        outside = Worker(read_all).result()
    finally:
        library.HostileLogEverywhere(False)
        wintun.set_logger(before)
    assert outside + sum(inside) == count == session.statistics.packets_received
    assert library.HostileReleased() == count


@pytest.mark.parametrize("act", ["get_driver_version", "load", "load another", "set_logger"])
def test_a_callback_may_use_the_library_that_logs_while_it_is_loaded(
    tmp_path: Path, path: Path, library: Any, session: wintun.Session, act: str
) -> None:
    copy = tmp_path / "another.so"
    copy.write_bytes(path.read_bytes())
    controls = ctypes.CDLL(str(copy))
    controls.HostileReset()
    controls.HostileLogEverywhere(True)
    lines: list[str] = []

    def call_back(level: int, timestamp: int, message: str) -> None:
        lines.append(message)
        if len(lines) == 1:
            ACTS[act](session)

    before = wintun.set_logger(call_back)
    try:
        Worker(wintun.load, str(copy)).result()
    finally:
        wintun.set_logger(before)
        controls.HostileLogEverywhere(False)
    assert lines[0] == "WintunSetLogger"
