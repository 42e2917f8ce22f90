# SPDX-License-Identifier: MIT
"""Every failure of Wintun and of the IP Helper functions is the right OSError, code and text."""

from __future__ import annotations

import errno
import time
from typing import Callable

import pytest

import wintun
from helpers import MIN_CAPACITY, Worker, ipv4_packet, run_python, system_text
from wintun import simulator

# What every function's failure becomes, by its code, unless the function gives it a meaning.
COMMON: list[tuple[int, type[OSError]]] = [
    (2, FileNotFoundError),
    (5, PermissionError),
    (31, OSError),
    (50, OSError),
    (80, FileExistsError),
    (87, OSError),
    (183, FileExistsError),
    (1168, FileNotFoundError),
    (1314, PermissionError),
    (5010, FileExistsError),
]

# An interface that is missing (1168, 50) is waited for, and has tests of its own.
ON_INTERFACE = [failure for failure in COMMON if failure[0] not in (1168, 50)]

# The codes that tell that the adapter is gone, by what the function is documented to give then.
GONE = (2, wintun.AdapterTerminatingError)
ON_INTERFACE_OF_GONE = [GONE, *(failure for failure in ON_INTERFACE if failure[0] != 2)]
OF_GONE_LUID = [
    (87, wintun.AdapterTerminatingError),
    *(failure for failure in COMMON if failure[0] != 87),
]

RECEIVE: list[tuple[int, type[OSError]]] = [
    (5, PermissionError),
    (13, wintun.RingCorruptError),
    (31, OSError),
    (38, wintun.AdapterTerminatingError),
]

ALLOCATE: list[tuple[int, type[OSError]]] = [
    (8, OSError),
    (31, OSError),
    (38, wintun.AdapterTerminatingError),
    (111, wintun.RingFullError),
]


class Prepared:
    """An adapter with a session, for calls that a fault is to make fail."""

    def __init__(self, make_session: Callable[..., wintun.Session], name: str) -> None:
        self.session = make_session()
        self.adapter = self.session.adapter
        self.new_name = name


Call = Callable[[Prepared], object]


def start_session(prepared: Prepared) -> object:
    prepared.session.end()
    return prepared.adapter.start_session(MIN_CAPACITY)


CALLS: dict[str, tuple[Call, list[tuple[int, type[OSError]]]]] = {
    "WintunCreateAdapter": (lambda it: wintun.Adapter.create(it.new_name, "Test"), COMMON),
    "WintunOpenAdapter": (lambda it: wintun.Adapter.open(it.adapter.name), COMMON),
    "WintunDeleteDriver": (lambda it: wintun.delete_driver(), COMMON),
    "WintunGetRunningDriverVersion": (lambda it: wintun.get_driver_version(), COMMON),
    "WintunStartSession": (
        start_session,
        [GONE, *(failure for failure in COMMON if failure[0] != 2), (8, OSError), (1247, OSError)],
    ),
    "WintunGetReadWaitEvent": (start_session, COMMON),
    "WintunReceivePacket": (lambda it: it.session.receive_packet(), RECEIVE),
    "WintunAllocateSendPacket": (lambda it: it.session.allocate_send_packet(20), ALLOCATE),
    "GetIpInterfaceEntry": (lambda it: it.adapter.get_mtu(4), ON_INTERFACE_OF_GONE),
    "SetIpInterfaceEntry": (lambda it: it.adapter.set_mtu(4, 1400), ON_INTERFACE_OF_GONE),
    "CreateUnicastIpAddressEntry": (
        lambda it: it.adapter.add_address(b"\x0a\x01\x02\x03", 24),
        [
            failure for failure in ON_INTERFACE_OF_GONE if failure[0] != 5010
        ],  # there already: no error
    ),
    "DeleteUnicastIpAddressEntry": (
        lambda it: it.adapter.remove_address(b"\x0a\x01\x02\x03"),
        [GONE, *(failure for failure in COMMON if failure[0] not in (2, 50))],
    ),
    # Not found (1168) is how Windows says that there is no address at all.
    "GetUnicastIpAddressTable": (lambda it: it.adapter.get_addresses(), ON_INTERFACE),
    "ConvertInterfaceLuidToIndex": (lambda it: it.adapter.index, OF_GONE_LUID),
    "ConvertInterfaceLuidToGuid": (lambda it: it.adapter.guid, OF_GONE_LUID),
}

FAILURES = [
    pytest.param(function, call, code, kind, id=f"{function}-{code}")
    for function, (call, failures) in CALLS.items()
    for code, kind in failures
]

OTHER_READS: dict[str, Callable[[wintun.Session], object]] = {
    "read": lambda session: session.read(),
    "read with timeout": lambda session: session.read(timeout=None),
    "read_many": lambda session: session.read_many(),
    "read_many with timeout": lambda session: session.read_many(timeout=None),
}

OTHER_WRITES: dict[str, Callable[[wintun.Session], object]] = {
    "write": lambda session: session.write(ipv4_packet(20)),
    "write_many": lambda session: session.write_many([ipv4_packet(20)]),
}

NOTHING_TO_REPORT = [
    "WintunCloseAdapter",
    "WintunSetLogger",
    "WintunEndSession",
    "WintunReleaseReceivePacket",
    "WintunSendPacket",
]


@pytest.fixture
def prepared(
    make_session: Callable[..., wintun.Session], unique_name: Callable[[], str]
) -> Prepared:
    return Prepared(make_session, unique_name())


def check_error(error: OSError, function: str, code: int, kind: type[OSError]) -> None:
    assert type(error) is kind
    assert error.winerror == code  # type: ignore[attr-defined]
    assert isinstance(error.errno, int)
    assert error.errno != 0
    assert error.strerror is not None
    if kind.__module__ == "wintun":  # a meaning of Wintun's own, which Windows' words do not tell
        assert error.strerror.startswith(f"{function}: the ")
        assert error.strerror.endswith(f" ({system_text(code)})")
    else:
        assert error.strerror.startswith(f"{function}: {system_text(code)}")
    if kind is PermissionError:
        assert "Administrator" in str(error)


@pytest.mark.parametrize(("function", "call", "code", "kind"), FAILURES)
def test_a_failure_becomes_the_exception_for_its_code_and_the_next_call_succeeds(
    prepared: Prepared, function: str, call: Call, code: int, kind: type[OSError]
) -> None:
    simulator.set_fault(function, code)
    for _ in range(2):
        with pytest.raises(OSError, match=function) as failure:
            call(prepared)
        check_error(failure.value, function, code, kind)
    simulator.set_fault(function, 0)
    if function in ("WintunDeleteDriver", "DeleteUnicastIpAddressEntry"):
        return  # fails still, for its own reason: something is in use, something is not there
    result = call(prepared)
    if isinstance(result, (wintun.Session, wintun.Packet)):
        (result.end if isinstance(result, wintun.Session) else result.release)()
    elif isinstance(result, wintun.Adapter):
        result.close()


WITHOUT_CODE = [function for function in CALLS if function.startswith("Wintun")]


@pytest.mark.parametrize("function", [*WITHOUT_CODE, "WintunGetAdapterLUID"])
def test_a_failure_that_left_no_code_does_not_read_as_success(
    prepared: Prepared, function: str
) -> None:
    call = CALLS["WintunOpenAdapter" if function == "WintunGetAdapterLUID" else function][0]
    simulator.set_fault(function, None, times=1)
    with pytest.raises(OSError, match=f"{function}: failed without an error code") as failure:
        call(prepared)
    assert failure.value.winerror == 31  # type: ignore[attr-defined]
    assert failure.value.errno


@pytest.mark.parametrize(("code", "kind"), RECEIVE)
@pytest.mark.parametrize("read", OTHER_READS)
def test_every_way_to_read_fails_alike(
    session: wintun.Session, read: str, code: int, kind: type[OSError]
) -> None:
    simulator.set_fault("WintunReceivePacket", code)
    with pytest.raises(OSError, match="WintunReceivePacket") as failure:
        OTHER_READS[read](session)
    check_error(failure.value, "WintunReceivePacket", code, kind)


@pytest.mark.parametrize(("code", "kind"), ALLOCATE[:-1])
@pytest.mark.parametrize("write", OTHER_WRITES)
def test_every_way_to_write_fails_alike(
    session: wintun.Session, write: str, code: int, kind: type[OSError]
) -> None:
    simulator.set_fault("WintunAllocateSendPacket", code)
    with pytest.raises(OSError, match="WintunAllocateSendPacket") as failure:
        OTHER_WRITES[write](session)
    check_error(failure.value, "WintunAllocateSendPacket", code, kind)


def test_a_failed_receive_of_nothing_more_is_no_error(session: wintun.Session) -> None:
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    simulator.set_fault("WintunReceivePacket", 259, times=1)
    assert session.read() is None
    assert session.read() == ipv4_packet(20)


def test_a_batch_that_fails_in_the_middle_gives_what_it_has_and_fails_the_next_time(
    session: wintun.Session,
) -> None:
    simulator.fill(session.adapter.name, 40, 5)
    simulator.set_fault("WintunReceivePacket", 38, skip=3)
    packets = session.read_many()
    assert [packet[15] for packet in packets] == [0, 1, 2]
    with pytest.raises(wintun.AdapterTerminatingError):
        session.read_many()


def test_a_batch_of_writes_that_fails_in_the_middle_tells_how_many_went_out_or_why(
    session: wintun.Session,
) -> None:
    simulator.set_fault("WintunAllocateSendPacket", 38, skip=2)
    assert session.write_many([ipv4_packet(20)] * 5) == 2
    assert simulator.drain(session.adapter.name, 10) == 2
    with pytest.raises(wintun.AdapterTerminatingError):
        session.write_many([ipv4_packet(20)])


def test_an_error_that_python_has_no_class_for_is_a_plain_oserror_with_a_text(
    unique_name: Callable[[], str],
) -> None:
    for code in (1, 1392, 0x20000001, 0xFFFFFFFF):
        simulator.set_fault("WintunCreateAdapter", code)
        with pytest.raises(OSError, match=r"WintunCreateAdapter: .+") as failure:
            wintun.Adapter.create(unique_name(), "Test")
        assert failure.value.winerror == code  # type: ignore[attr-defined]


def test_a_device_reports_what_its_adapter_reports(unique_name: Callable[[], str]) -> None:
    simulator.set_fault("WintunCreateAdapter", 5, times=1)
    with pytest.raises(PermissionError, match="Administrator"):
        wintun.TunDevice(unique_name(), "Test")
    with wintun.TunDevice(unique_name(), "Test") as device:
        simulator.set_fault("WintunStartSession", 31, times=1)
        with pytest.raises(OSError, match="WintunStartSession"):
            device.up()
        assert not device.is_up
        device.up()
        assert device.is_up


def test_an_adapter_whose_luid_cannot_be_had_is_not_made(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    simulator.set_fault("WintunGetAdapterLUID", 31, times=1)
    with pytest.raises(OSError, match="WintunGetAdapterLUID"):
        wintun.Adapter.create(name, "Test")
    wintun.Adapter.create(name, "Test").close()


@pytest.mark.parametrize("function", NOTHING_TO_REPORT)
def test_a_function_that_cannot_report_a_failure_harms_nobody_when_it_fails(function: str) -> None:
    # In a process of its own: what such a function did not give back is lost until it ends.
    done = run_python(
        f"""
        for code in (5, 31, 87):
            name = f"adapter {{code}}"
            simulator.set_wire(name, "memory")
            adapter = wintun.Adapter.create(name, "Test")
            session = adapter.start_session()
            simulator.deliver(name, packet(20))
            simulator.set_fault("{function}", code)
            session.allocate_send_packet(20).send()
            session.receive_packet().release()
            wintun.set_logger(wintun.set_logger(None))
            session.end()
            adapter.close()
            assert session.closed and adapter.closed
            simulator.set_fault("{function}", 0)
            with wintun.Adapter.create(f"other {{code}}", "Test") as other:
                other.start_session().end()
        print("unharmed")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("unharmed\n", "", 0)


def test_an_adapter_that_is_removed_says_so_to_all_that_read_and_write(
    session: wintun.Session,
) -> None:
    simulator.remove_adapter(session.adapter.name)
    for call in (*OTHER_READS.values(), *OTHER_WRITES.values()):
        with pytest.raises(wintun.AdapterTerminatingError) as failure:
            call(session)
        assert failure.value.winerror == 38
    session.end()


@pytest.mark.threads
@pytest.mark.parametrize("read", ["read with timeout", "read_many with timeout"])
def test_an_adapter_that_is_removed_wakes_all_that_wait_in_a_read(
    session: wintun.Session, read: str
) -> None:
    waiters = [Worker(OTHER_READS[read], session) for _ in range(8)]
    time.sleep(0.1)
    simulator.remove_adapter(session.adapter.name)
    for waiter in waiters:
        assert isinstance(waiter.error(), wintun.AdapterTerminatingError)


def test_an_adapter_that_is_removed_ends_a_wait_for_room(session: wintun.Session) -> None:
    while session.write_many([ipv4_packet(1400)] * 100):
        pass
    writer = Worker(lambda: session.write(ipv4_packet(1400), timeout=None))
    time.sleep(0.05)
    simulator.remove_adapter(session.adapter.name)
    assert isinstance(writer.error(), wintun.AdapterTerminatingError)


def test_packets_held_when_the_adapter_is_removed_stay_readable(session: wintun.Session) -> None:
    simulator.deliver(session.adapter.name, ipv4_packet(100))
    with session.receive_packet() as packet:  # type: ignore[union-attr]
        simulator.remove_adapter(session.adapter.name)
        assert bytes(packet) == ipv4_packet(100)
        session.end()
        assert bytes(packet) == ipv4_packet(100)


def test_after_a_removal_the_name_can_be_used_again(session: wintun.Session) -> None:
    name = session.adapter.name
    simulator.remove_adapter(name)
    with wintun.Adapter.create(name, "Test") as again:
        again.start_session(MIN_CAPACITY).end()
    with pytest.raises(wintun.AdapterTerminatingError):
        session.read()


def test_a_corrupt_ring_is_an_error_on_every_way_to_read_and_a_new_session_is_not(
    session: wintun.Session,
) -> None:
    name, adapter = session.adapter.name, session.adapter
    simulator.corrupt_ring(name)
    with pytest.raises(wintun.RingCorruptError) as failure:
        session.read()
    check_error(failure.value, "WintunReceivePacket", 13, wintun.RingCorruptError)
    for read in OTHER_READS.values():
        with pytest.raises(wintun.RingCorruptError):
            read(session)
    session.write(ipv4_packet(40))
    session.end()
    with adapter.start_session(MIN_CAPACITY) as another:
        simulator.deliver(name, ipv4_packet(60))
        assert another.read() == ipv4_packet(60)


def test_the_driver_version_is_there_once_an_adapter_is_and_can_be_deleted_after_it(
    unique_name: Callable[[], str],
) -> None:
    with wintun.Adapter.create(unique_name(), "Test"):
        version = wintun.get_driver_version()
        assert (version.major, version.minor) >= (0, 14)
        with pytest.raises(OSError, match="WintunDeleteDriver"):
            wintun.delete_driver()
    wintun.delete_driver()
    with pytest.raises(FileNotFoundError) as failure:
        wintun.get_driver_version()
    assert failure.value.winerror == 2  # type: ignore[attr-defined]


@pytest.mark.driver
def test_a_name_that_is_taken_or_unknown_has_pythons_own_error(adapter: wintun.Adapter) -> None:
    with pytest.raises(FileExistsError) as taken:
        wintun.Adapter.create(adapter.name, "Test")
    assert taken.value.winerror == 183  # type: ignore[attr-defined]
    assert repr(adapter.name) in str(taken.value)
    with pytest.raises(FileNotFoundError) as unknown:
        wintun.Adapter.open(adapter.name + " not")
    assert unknown.value.winerror in (2, 1168)  # type: ignore[attr-defined]


@pytest.mark.driver
@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase])
def test_a_name_is_taken_in_any_case_of_its_letters(
    unique_name: Callable[[], str], change: Callable[[str], str]
) -> None:
    name = unique_name() + " Größe Сеть"
    with wintun.Adapter.create(name, "Test") as adapter:
        with pytest.raises(FileExistsError) as taken:
            wintun.Adapter.create(change(name).replace("SS", "ß"), "Test")
        assert taken.value.winerror == 183  # type: ignore[attr-defined]
        assert adapter.name == name
        assert not adapter.closed


def test_a_name_that_is_taken_never_reaches_the_driver(adapter: wintun.Adapter) -> None:
    simulator.set_fault("WintunCreateAdapter", 31)
    with pytest.raises(FileExistsError) as taken:
        wintun.Adapter.create(adapter.name, "Test")
    assert simulator.calls("WintunCreateAdapter") == 0
    assert taken.value.winerror == 183  # type: ignore[attr-defined]
    assert taken.value.errno == errno.EEXIST
    assert "choose another name" in str(taken.value)


def test_a_look_at_a_name_that_fails_leaves_it_to_the_driver(
    unique_name: Callable[[], str],
) -> None:
    for code in (5, 31, 50, 87, 127):
        simulator.set_fault("ConvertInterfaceAliasToLuid", code)
        with wintun.Adapter.create(unique_name(), "Test"):
            assert simulator.calls("ConvertInterfaceAliasToLuid") == 1
