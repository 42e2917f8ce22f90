# SPDX-License-Identifier: MIT
"""What codes of Windows mean: one table in the source, and the README's, which says the same."""

from __future__ import annotations

import ctypes
import errno
import pickle
import re
import sys
from pathlib import Path
from typing import Callable, NamedTuple

import pytest

import wintun
from helpers import MIN_CAPACITY, system_text
from wintun import simulator

from .test_errors import CALLS, Call, Prepared

ROOT = Path(__file__).resolve().parent.parent.parent

NUMBERS = {
    name: int(number.rstrip("u"), 0)
    for name, number in re.findall(
        r"#define (\w+) (\d\w*)$", (ROOT / "include/win32_types.h").read_text("utf-8"), re.MULTILINE
    )
}
"""Codes by their names, as winerror.h has them."""
NUMBERS["GUID_IN_USE"] = 0x800700B7

IN_SOURCE = [
    (function, NUMBERS[name])
    for function, name in re.findall(
        r'\{"(\w+)", (\w+), CODE_', (ROOT / "src/objects/codes.c").read_text("utf-8")
    )
]
"""Function and code of each row of the table in the source."""


class Row(NamedTuple):
    """A row of the README's table."""

    kind: str
    codes: list[int]
    functions: list[str]


def rows() -> list[Row]:
    text = (ROOT / "README.md").read_text("utf-8").partition("\n## Troubleshooting\n")[2]
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and cells[0].startswith("`"):
            codes = [int(code, 0) for code in cells[1].split(", ")]
            found.append(Row(cells[0].strip("`"), codes, re.findall(r"`(\w+)`", cells[2])))
    return found


README = rows()

FAILURES = [
    pytest.param(function, code, row.kind, id=f"{function}-{code:#x}")
    for row in README
    for function in row.functions
    for code in row.codes
]

PASSING = [2, 31, 183, 258, 4319, 0x800700B7]
LASTING = [None, 5, 8, 87, 317, 1168, 1169, 1170, 1314, 0x80070005, 0xE0000203]

create: Call = CALLS["WintunCreateAdapter"][0]


@pytest.fixture
def prepared(
    make_session: Callable[..., wintun.Session], unique_name: Callable[[], str]
) -> Prepared:
    return Prepared(make_session, unique_name())


def winerror(error: BaseException) -> int:
    code: int = error.winerror  # type: ignore[attr-defined]
    return code


def fails(call: Callable[[], object], kind: type[OSError] = OSError) -> OSError:
    with pytest.raises(kind) as failure:
        call()
    return failure.value


# --- The tables ------------------------------------------------------------------------------


def test_the_tables_are_found() -> None:
    assert len(IN_SOURCE) > 30
    assert len(README) > 20
    assert len(FAILURES) > 30


def test_each_meaning_in_the_source_has_its_row_in_the_readme() -> None:
    told = {(function, code) for row in README for function in row.functions for code in row.codes}
    unwrapped = {
        (function, code & 0xFFFF if code >> 16 == 0x8007 else code) for function, code in IN_SOURCE
    }
    assert unwrapped - told == set()


@pytest.mark.parametrize(("function", "code", "kind"), FAILURES)
def test_each_row_of_the_readme_is_what_happens(
    prepared: Prepared, function: str, code: int, kind: str
) -> None:
    prepared.adapter.wait_family(4, 0)
    simulator.set_fault(function, code)
    error = fails(lambda: CALLS[function][0](prepared))
    assert type(error).__name__ == kind
    assert winerror(error) == code
    assert str(error.strerror).startswith(f"{function}: ")
    assert "; " in str(error.strerror) or " (" in str(error.strerror), "advice is given"


@pytest.mark.parametrize("code", [5, 1314])
@pytest.mark.parametrize("function", CALLS)
def test_a_lack_of_rights_is_the_same_everywhere(
    prepared: Prepared, function: str, code: int
) -> None:
    simulator.set_fault(function, code)
    error = fails(lambda: CALLS[function][0](prepared), PermissionError)
    assert winerror(error) == code
    assert "run as Administrator" in str(error)


# --- HRESULTs and SetupAPI -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrapped", "code", "kind"),
    [
        (0x80070005, 5, PermissionError),
        (0x800700B7, 183, FileExistsError),
        (0x80070002, 2, FileNotFoundError),
        (0x80070102, 258, TimeoutError),
        (0x80070057, 87, OSError),
        (0x800710DF, 4319, OSError),
        (0x8007FFFF, 65535, OSError),
    ],
)
def test_an_hresult_that_wraps_a_code_is_that_code(
    prepared: Prepared, wrapped: int, code: int, kind: type[OSError]
) -> None:
    simulator.set_fault("WintunCreateAdapter", wrapped)
    error = fails(lambda: create(prepared))
    assert type(error) is kind
    assert winerror(error) == code
    assert system_text(code) in str(error)
    if code == 5:
        assert "run as Administrator" in str(error)


@pytest.mark.parametrize("code", [0x80004005, 0x800B0109, 0x80080005, 0xC0070005, 0x0007_0005])
def test_any_other_hresult_stays_as_it_is(prepared: Prepared, code: int) -> None:
    simulator.set_fault("WintunCreateAdapter", code)
    error = fails(lambda: create(prepared))
    assert type(error) is OSError
    assert winerror(error) == code
    assert error.errno == errno.EIO


def setup_api_text(code: int) -> str:
    """The system's text for a code of SetupAPI, which it keeps under an HRESULT."""
    if sys.platform == "win32":
        text: str = ctypes.FormatError(0x800F0000 - 2**32 + (code & 0xFFFF)).rstrip(".\r\n ")
        return f"Win32 error 0x{code:08X}" if text == "<no description>" else text
    return {
        0xE000023D: "One or more devices are presently installed using the specified INF",
    }.get(code, f"Win32 error 0x{code:08X}")


@pytest.mark.parametrize("code", [0xE000023D, 0xE0000203, 0xE0000247])
def test_a_code_of_setupapi_stays_as_it_is_and_has_its_text(code: int) -> None:
    simulator.set_fault("WintunDeleteDriver", code)
    error = fails(wintun.delete_driver)
    assert type(error) is OSError
    assert winerror(error) == code
    assert setup_api_text(code) in str(error)


@pytest.mark.parametrize("code", [2404, 0xE000023D])
def test_a_driver_in_use_is_busy_and_says_what_to_close(code: int) -> None:
    simulator.set_fault("WintunDeleteDriver", code)
    error = fails(wintun.delete_driver)
    assert error.errno == errno.EBUSY
    assert "close every Wintun adapter first" in str(error)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (258, errno.ETIMEDOUT),
        (4319, errno.ENODEV),
        (1450, errno.ENOMEM),
        (1455, errno.ENOMEM),
        (1784, errno.ENOMEM),
        (1169, errno.ENODEV),
    ],
)
def test_the_codes_that_are_reported_most_have_their_errno(
    prepared: Prepared, code: int, number: int
) -> None:
    simulator.set_fault("WintunStartSession", code)
    error = fails(lambda: CALLS["WintunStartSession"][0](prepared))
    assert error.errno == number


@pytest.mark.parametrize("code", [8, 1450, 1455, 1784])
def test_rings_without_memory_ask_for_a_smaller_capacity(prepared: Prepared, code: int) -> None:
    simulator.set_fault("WintunStartSession", code)
    assert "smaller capacity" in str(fails(lambda: CALLS["WintunStartSession"][0](prepared)))


def test_a_guid_in_use_says_so_and_a_device_that_did_not_start_says_something_else(
    prepared: Prepared,
) -> None:
    texts = []
    for code in (0x800700B7, 183):
        simulator.set_fault("WintunCreateAdapter", code)
        texts.append(str(fails(lambda: create(prepared), FileExistsError)))
    assert "GUID" in texts[0]
    assert "GUID" not in texts[1]
    assert "try again" in texts[1]
    assert all("name is taken" not in text for text in texts)


def test_a_full_ring_is_told_in_our_words_first(prepared: Prepared) -> None:
    simulator.set_fault("WintunAllocateSendPacket", 111)
    error = fails(lambda: prepared.session.write(bytes(20)), wintun.RingFullError)
    assert str(error.strerror).startswith("WintunAllocateSendPacket: the send ring is full")
    assert error.errno == errno.ENOBUFS


# --- Creation that is tried again ------------------------------------------------------------


@pytest.mark.parametrize("code", PASSING)
def test_a_device_is_created_at_the_second_attempt_where_windows_did_not_start_it(
    unique_name: Callable[[], str], code: int
) -> None:
    simulator.set_fault("WintunCreateAdapter", code, times=1)
    with wintun.TunDevice(unique_name(), capacity=MIN_CAPACITY) as device:
        assert simulator.calls("WintunCreateAdapter") == 1, "the attempt that failed"
        device.up()


@pytest.mark.parametrize("code", LASTING)
def test_what_would_fail_again_is_not_tried_again(
    unique_name: Callable[[], str], code: int | None
) -> None:
    simulator.set_fault("WintunCreateAdapter", code)
    fails(lambda: wintun.TunDevice(unique_name(), attempts=100))
    assert simulator.calls("WintunCreateAdapter") == 1


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_creation_is_tried_as_often_as_asked(unique_name: Callable[[], str], attempts: int) -> None:
    simulator.set_fault("WintunCreateAdapter", 183)
    error = fails(lambda: wintun.TunDevice(unique_name(), attempts=attempts), FileExistsError)
    assert simulator.calls("WintunCreateAdapter") == attempts
    assert winerror(error) == 183
    simulator.set_fault("WintunCreateAdapter", 183)
    fails(lambda: wintun.Adapter.create(unique_name(), "Test", None, attempts), FileExistsError)
    assert simulator.calls("WintunCreateAdapter") == attempts
    assert simulator.counts().adapters == 0


def test_an_adapter_of_the_api_is_created_once(unique_name: Callable[[], str]) -> None:
    simulator.set_fault("WintunCreateAdapter", 183, times=1)
    fails(lambda: wintun.Adapter.create(unique_name(), "Test"), FileExistsError)


def test_a_name_is_looked_at_once_for_an_attempt_may_have_it_for_a_moment(
    unique_name: Callable[[], str],
) -> None:
    simulator.set_fault("ConvertInterfaceAliasToLuid", 87)
    simulator.set_fault("WintunCreateAdapter", 183, times=2)
    wintun.TunDevice(unique_name(), attempts=3).close()
    assert simulator.calls("ConvertInterfaceAliasToLuid") == 1


@pytest.mark.parametrize("attempts", [0, -1, 101, 2**70])
def test_a_number_of_attempts_out_of_range_is_a_value_error(attempts: int) -> None:
    simulator.set_fault("WintunCreateAdapter", 183)
    with pytest.raises(ValueError, match="attempts must be from 1 to 100"):
        wintun.TunDevice("never", attempts=attempts)
    assert simulator.calls("WintunCreateAdapter") == 0


@pytest.mark.parametrize("attempts", [None, "2", 2.0, True])
def test_attempts_that_are_no_int_are_a_type_error(attempts: object) -> None:
    with pytest.raises(TypeError, match="attempts must be an int"):
        wintun.TunDevice("never", attempts=attempts)  # type: ignore[arg-type]


# --- Which adapter, which address ------------------------------------------------------------


def test_an_error_names_the_adapter(prepared: Prepared) -> None:
    name = prepared.adapter.name
    simulator.set_fault("WintunCreateAdapter", 31)
    assert fails(lambda: create(prepared)).filename == prepared.new_name
    error = fails(lambda: wintun.TunDevice.open(prepared.new_name + " not"), FileNotFoundError)
    assert error.filename == prepared.new_name + " not"
    assert repr(prepared.new_name + " not") in str(error)
    for function in (
        "WintunStartSession",
        "GetIpInterfaceEntry",
        "SetIpInterfaceEntry",
        "CreateUnicastIpAddressEntry",
        "DeleteUnicastIpAddressEntry",
        "GetUnicastIpAddressTable",
        "ConvertInterfaceLuidToIndex",
        "ConvertInterfaceLuidToGuid",
    ):
        with simulator.fault(function, 31):
            error = fails(lambda function=function: CALLS[function][0](prepared))  # type: ignore[misc]
        assert error.filename == name, function
        again = pickle.loads(pickle.dumps(error))
        assert (again.filename, winerror(again), str(again)) == (name, 31, str(error))


@pytest.mark.driver
@pytest.mark.parametrize("address", ["10.9.9.9", "fd00::9", "fd00:1:2:3:4:5:6:7"])
def test_an_address_that_is_not_there_is_named(device: wintun.TunDevice, address: str) -> None:
    error = fails(lambda: device.remove_address(address), FileNotFoundError)
    assert f"does not have the address {address}" in str(error)
    assert winerror(error) == 1168


# --- An adapter that was removed -------------------------------------------------------------


def down_and_up(device: wintun.TunDevice) -> None:
    device.down()
    device.up()


AFTER_THE_END: dict[str, Callable[[wintun.TunDevice], object]] = {
    "up": down_and_up,
    "read mtu": lambda device: device.mtu4,
    "set mtu": lambda device: setattr(device, "mtu4", 1400),
    "add address": lambda device: device.add_address("10.1.2.3/24"),
    "remove address": lambda device: device.remove_address("10.1.2.3"),
    "index": lambda device: device.index,
    "guid": lambda device: device.guid,
}


@pytest.mark.parametrize("use", AFTER_THE_END)
def test_after_its_adapter_was_removed_each_call_says_so_and_what_to_do(
    device: wintun.TunDevice, use: str
) -> None:
    device.up()
    simulator.remove_adapter(device.name)
    error = fails(lambda: AFTER_THE_END[use](device), wintun.AdapterTerminatingError)
    assert "removed or disabled, and TunDevice.recreate() brings it back" in str(error)


# --- A system without one of the IP stacks ---------------------------------------------------


@pytest.mark.parametrize("code", [50, 1168])
def test_addresses_are_read_where_the_system_has_no_stack_of_one_family(
    device: wintun.TunDevice, code: int
) -> None:
    device.addr = "10.1.2.3/24"
    simulator.set_fault("GetUnicastIpAddressTable", code, skip=1, times=1)
    assert device.addr == "10.1.2.3"
    simulator.set_fault("GetUnicastIpAddressTable", code, skip=1, times=1)
    assert [str(each) for each in device.addresses] == ["10.1.2.3/24"]


@pytest.mark.parametrize("code", [50, 1168])
@pytest.mark.parametrize(
    "function", ["GetIpInterfaceEntry", "SetIpInterfaceEntry", "CreateUnicastIpAddressEntry"]
)
@pytest.mark.parametrize("family", [4, 6])
def test_a_missing_stack_is_a_missing_family(
    prepared: Prepared, function: str, family: int, code: int
) -> None:
    uses: dict[str, Callable[[], object]] = {
        "GetIpInterfaceEntry": lambda: prepared.adapter.get_mtu(family),
        "SetIpInterfaceEntry": lambda: prepared.adapter.set_mtu(family, 1400),
        "CreateUnicastIpAddressEntry": lambda: prepared.adapter.add_address(
            bytes([10, 1, 2, 3]) if family == 4 else bytes([0xFD, *[0] * 14, 1]), 24
        ),
    }
    with simulator.fault("GetIpInterfaceEntry", 1168):
        prepared.adapter.wait_family(family, 0)  # so that the call does not wait
    simulator.set_fault(function, code)
    error = fails(uses[function], FileNotFoundError)
    assert winerror(error) == 1168
    assert f"no IPv{family} interface" in str(error)


def test_a_family_that_is_switched_off_is_waited_for_once_a_process(
    unique_name: Callable[[], str],
) -> None:
    simulator.set_family_delay(None, 6, None)
    with wintun.TunDevice(unique_name()) as first:
        first.mtu = 1400
    try:
        for _ in range(2):
            with wintun.TunDevice(unique_name()) as other:
                # Counts. Half a second has room for 25 looks, however seldom this thread runs.
                simulator.set_fault("GetIpInterfaceEntry", 31, skip=2**32 - 1)
                other.mtu = 1500
                assert simulator.calls("GetIpInterfaceEntry") <= 32
                assert other.mtu == 1500
    finally:
        # The family is there again: what the process knows of it is forgotten.
        simulator.set_family_delay(None, 6, 0)
        with wintun.TunDevice(unique_name()) as last:
            assert last.mtu6 == 65535


def test_the_text_for_a_missing_ipv6_names_the_registry(device: wintun.TunDevice) -> None:
    with simulator.fault("GetIpInterfaceEntry", 1168):
        device.adapter.wait_family(6, 0)
        error = fails(lambda: device.mtu6, FileNotFoundError)
    assert "DisabledComponents" in str(error)
    assert "properties" in str(error)


# --- Which element ---------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1, 63, 64, 199])
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (5, TypeError),
        ("text", TypeError),
        (None, TypeError),
        (bytes(65536), ValueError),
        (bytearray(65536), ValueError),
        (memoryview(bytes(40))[::2], BufferError),
    ],
    ids=["int", "str", "None", "bytes", "bytearray", "gaps"],
)
def test_a_wrong_packet_of_many_is_named_and_nothing_is_sent(
    session: wintun.Session, index: int, wrong: object, kind: type[Exception]
) -> None:
    packets: list[object] = [b"\x45" + bytes(19)] * 200
    packets[index] = wrong
    with pytest.raises(kind, match=rf"^packets\[{index}\]: ") as failure:
        session.write_many(packets)  # type: ignore[arg-type]
    assert type(failure.value) is kind
    assert simulator.collect(session.adapter.name) is None
