# SPDX-License-Identifier: MIT
"""Wrong types and ranges are TypeError and ValueError before Wintun sees them."""

from __future__ import annotations

import uuid
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet
from wintun import simulator

HUGE = 2**200

GOOD_NAMES = [
    pytest.param("x", id="1"),
    pytest.param("n" * 127, id="127"),
    pytest.param("\N{GRINNING FACE}" * 63, id="63-astral"),
    pytest.param("\N{GRINNING FACE}" * 63 + "n", id="63-astral-and-1"),
    pytest.param("Größe 東京", id="other-letters"),
]

BAD_NAMES = [
    pytest.param("", id="empty"),
    pytest.param("n" * 128, id="128"),
    pytest.param("n" * 100_000, id="100000"),
    pytest.param("\N{GRINNING FACE}" * 64, id="64-astral"),
    pytest.param("\N{GRINNING FACE}" * 63 + "nn", id="63-astral-and-2"),
    pytest.param("a\0b", id="nul-inside"),
    pytest.param("a\0", id="nul-at-the-end"),
    pytest.param("\0", id="nul"),
    pytest.param("\ud800", id="half-a-surrogate"),
    pytest.param("a\udfff", id="the-other-half"),
]

REFUSED = [*'\\/:*?"<>|', "\t", "\n", "\r", "\x01", "\x1f", "\x7f", "\x80", "\x9f"]
"""What Windows refuses in the name of a network connection."""

NOT_NAMES: list[Any] = [None, b"name", 1, 1.0, ["name"], object()]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_of_up_to_127_utf16_units_is_taken_as_it_is(name: str) -> None:
    with wintun.Adapter.create(name, name) as adapter:
        assert adapter.name == name
        with wintun.Adapter.open(name) as opened:
            assert opened.name == name
    with wintun.TunDevice(name, name) as device:
        assert device.name == name


@pytest.mark.driver
@pytest.mark.parametrize("character", REFUSED, ids=ascii)
def test_a_name_with_a_character_that_windows_refuses_is_a_value_error_and_says_which(
    character: str, on_driver: bool
) -> None:
    if not on_driver:
        simulator.set_fault("WintunCreateAdapter", 31)
    for name in (character, f"a{character}b", f"\N{GRINNING FACE}{character}"):
        for make in (wintun.Adapter.create, wintun.TunDevice):
            with pytest.raises(ValueError, match="Windows refuses") as failure:
                make(name, "Test")
            assert repr(character) in str(failure.value)
            assert repr(name) in str(failure.value)
        with pytest.raises(FileNotFoundError):
            wintun.Adapter.open(name)
    if not on_driver:
        assert simulator.calls("WintunCreateAdapter") == 0


@pytest.mark.parametrize(
    "name", ["a,b", "a b", "a.b", "a'b", "(a)", "a & b; c", "~!@#$%^_+=-", "\u00a0"]
)
def test_a_name_with_any_other_character_is_taken(name: str) -> None:
    with wintun.Adapter.create(name, "A type: with / anything") as adapter:
        assert adapter.name == name


@pytest.mark.driver
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_windows_cannot_have_is_a_value_error(name: str) -> None:
    for call in (
        lambda: wintun.Adapter.create(name, "Test"),
        lambda: wintun.Adapter.create("fine", name),
        lambda: wintun.Adapter.open(name),
        lambda: wintun.TunDevice(name),
        lambda: wintun.TunDevice("fine", name),
    ):
        with pytest.raises(ValueError, match=r"must have|surrogates"):
            call()


@pytest.mark.driver
@pytest.mark.parametrize("name", NOT_NAMES, ids=lambda one: type(one).__name__)
def test_a_name_that_is_no_string_is_a_type_error(name: Any) -> None:
    for call in (
        lambda: wintun.Adapter.create(name, "Test"),
        lambda: wintun.Adapter.create("fine", name),
        lambda: wintun.Adapter.open(name),
        lambda: wintun.TunDevice(name),
        lambda: wintun.TunDevice("fine", name),
    ):
        with pytest.raises(TypeError):
            call()


def test_a_guid_is_taken_as_object_text_or_bytes_and_is_the_adapters_then(
    unique_name: Callable[[], str],
) -> None:
    guid = uuid.uuid4()
    for given in (guid, str(guid), "{" + str(guid) + "}", guid.hex, guid.bytes_le):
        with wintun.TunDevice(unique_name(), "Test", guid=given) as device:
            assert device.guid == guid
    with wintun.Adapter.create(unique_name(), "Test", guid.bytes_le) as adapter:
        assert adapter.guid == guid.bytes_le


def test_adapters_without_a_guid_get_different_ones(
    make_adapter: Callable[..., wintun.Adapter],
) -> None:
    adapters = [make_adapter() for _ in range(4)]
    assert len({adapter.guid for adapter in adapters}) == 4
    assert len({adapter.luid for adapter in adapters}) == 4
    assert len({adapter.index for adapter in adapters}) == 4


@pytest.mark.driver
@pytest.mark.parametrize(
    "guid",
    [b"", b"\0" * 15, b"\0" * 17, "", "nonsense", "12345678-1234", "{}", "\0" * 36],
    ids=repr,
)
def test_a_guid_of_wrong_length_or_spelling_is_a_value_error(guid: Any) -> None:
    with pytest.raises(ValueError, match=r"(?i)guid"):
        wintun.TunDevice("fine", "Test", guid=guid)
    if isinstance(guid, bytes):
        with pytest.raises(ValueError, match="guid must"):
            wintun.Adapter.create("fine", "Test", guid)


@pytest.mark.driver
@pytest.mark.parametrize("guid", [1, 1.5, ["a"], object()], ids=["int", "float", "list", "object"])
def test_a_guid_of_another_type_is_a_type_error(guid: Any) -> None:
    with pytest.raises(TypeError):
        wintun.TunDevice("fine", "Test", guid=guid)
    with pytest.raises(TypeError):
        wintun.Adapter.create("fine", "Test", guid)


NUMBER_CALLS: dict[str, Callable[[wintun.Session, Any], object]] = {
    "allocate_send_packet": lambda session, number: session.allocate_send_packet(number),
    "read_many": lambda session, number: session.read_many(number),
    "start_session": lambda session, number: session.adapter.start_session(number),
    "get_mtu": lambda session, number: session.adapter.get_mtu(number),
    "set_mtu family": lambda session, number: session.adapter.set_mtu(number, 1500),
    "set_mtu": lambda session, number: session.adapter.set_mtu(4, number),
    "wait_family": lambda session, number: session.adapter.wait_family(number, 0.0),
    "get_addresses": lambda session, number: session.adapter.get_addresses(number),
    "prefix": lambda session, number: session.adapter.add_address(b"\x0a\0\0\1", number),
}


@pytest.mark.parametrize("number", [-1, -(2**31), 2**32, 2**63, 2**64, HUGE, -HUGE], ids=hex)
@pytest.mark.parametrize("call", NUMBER_CALLS)
def test_a_negative_or_huge_number_is_a_value_error(
    session: wintun.Session, call: str, number: int
) -> None:
    with pytest.raises(ValueError, match="must be"):
        NUMBER_CALLS[call](session, number)


@pytest.mark.parametrize("number", [None, "1", b"1", 1.0, [1], True], ids=repr)
@pytest.mark.parametrize("call", NUMBER_CALLS)
def test_a_number_that_is_no_integer_is_a_type_error(
    session: wintun.Session, call: str, number: Any
) -> None:
    with pytest.raises(TypeError):
        NUMBER_CALLS[call](session, number)


def test_a_batch_of_no_packets_is_a_value_error(session: wintun.Session) -> None:
    with pytest.raises(ValueError, match="max_packets must be"):
        session.read_many(0)


TIMEOUT_CALLS: dict[str, Callable[[wintun.Session, Any], object]] = {
    "read": lambda session, timeout: session.read(timeout=timeout),
    "read_many": lambda session, timeout: session.read_many(timeout=timeout),
    "write": lambda session, timeout: session.write(ipv4_packet(20), timeout=timeout),
    "write_many": lambda session, timeout: session.write_many([ipv4_packet(20)], timeout=timeout),
    "wait_read_event": lambda session, timeout: session.wait_read_event(timeout),
    "wait_family": lambda session, timeout: session.adapter.wait_family(4, timeout),
}


@pytest.mark.parametrize("timeout", [-1, -1e-9, -1e300, float("nan"), float("-inf"), -HUGE])
@pytest.mark.parametrize("call", TIMEOUT_CALLS)
def test_a_timeout_that_is_negative_or_no_number_is_a_value_error(
    session: wintun.Session, call: str, timeout: float
) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        TIMEOUT_CALLS[call](session, timeout)


@pytest.mark.parametrize(
    "timeout", ["1", b"1", [1], 1j, object()], ids=lambda value: str(type(value))
)
@pytest.mark.parametrize("call", TIMEOUT_CALLS)
def test_a_timeout_of_another_type_is_a_type_error(
    session: wintun.Session, call: str, timeout: Any
) -> None:
    with pytest.raises(TypeError):
        TIMEOUT_CALLS[call](session, timeout)


@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, 1e-12, 1e9, 1e300, float("inf"), HUGE, 10**400])
@pytest.mark.parametrize("call", ["write", "write_many", "wait_family"])
def test_any_timeout_from_none_to_endless_is_taken(
    session: wintun.Session, call: str, timeout: float
) -> None:
    TIMEOUT_CALLS[call](session, timeout)


@pytest.mark.parametrize(
    "packet", [None, 1, "text", [1], object()], ids=lambda value: str(type(value))
)
def test_a_packet_to_write_that_is_no_buffer_is_a_type_error(
    session: wintun.Session, packet: Any
) -> None:
    with pytest.raises(TypeError):
        session.write(packet)
    with pytest.raises(TypeError):
        session.write_many([packet])


def test_a_batch_that_cannot_be_iterated_is_a_type_error_and_its_errors_are_its_own(
    session: wintun.Session,
) -> None:
    class ExpectedError(Exception):
        pass

    def failing() -> Any:
        yield ipv4_packet(20)
        raise ExpectedError

    with pytest.raises(TypeError):
        session.write_many(5)  # type: ignore[arg-type]
    with pytest.raises(ExpectedError):
        session.write_many(failing())


RAW_ADDRESSES: list[tuple[Any, Any, type]] = [
    (b"", 24, ValueError),
    (b"\x0a\0\0", 24, ValueError),
    (b"\x0a\0\0\1\2", 24, ValueError),
    (bytes(17), 64, ValueError),
    (b"\x0a\0\0\1", 33, ValueError),
    (b"\xfd" + bytes(15), 129, ValueError),
    ("10.0.0.1", 24, TypeError),
    (None, 24, TypeError),
]


@pytest.mark.driver
@pytest.mark.parametrize(("address", "prefix", "kind"), RAW_ADDRESSES, ids=repr)
def test_a_raw_address_of_wrong_length_prefix_or_type_is_refused(
    adapter: wintun.Adapter, address: Any, prefix: Any, kind: type
) -> None:
    with pytest.raises(kind):
        adapter.add_address(address, prefix)


@pytest.mark.parametrize("callback", [1, "log", object(), []], ids=lambda one: type(one).__name__)
def test_a_logger_that_cannot_be_called_is_a_type_error_and_changes_nothing(callback: Any) -> None:
    before = wintun.set_logger(None)
    wintun.set_logger(before)
    with pytest.raises(TypeError):
        wintun.set_logger(callback)
    assert wintun.set_logger(before) is before


@pytest.mark.parametrize("path", ["wintun.dll", "./x.so", "", "relative/x.so"])
def test_a_library_is_loaded_by_its_absolute_path_only(path: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        wintun.load(path)


@pytest.mark.parametrize("path", [None, 1, b"bytes", []], ids=repr)
def test_a_library_path_of_another_type_is_a_type_error(path: Any) -> None:
    with pytest.raises(TypeError):
        wintun.load(path)


def test_a_call_with_too_many_unknown_or_missing_arguments_is_a_type_error(
    session: wintun.Session,
) -> None:
    calls: list[Callable[[Any], object]] = [
        lambda it: it.read(0, 0),
        lambda it: it.read(until=1),
        lambda it: it.read(0, timeout=0),
        lambda it: it.read_many(1, 0, 0),
        lambda it: it.write(),
        lambda it: it.write(b"", 0, 0),
        lambda it: it.write_many(),
        lambda it: it.receive_packet(1),
        lambda it: it.allocate_send_packet(),
        lambda it: it.wait_read_event(0, 0),
        lambda it: it.end(1),
        lambda it: it.adapter.start_session(0x20000, 1),
        lambda it: it.adapter.close(1),
        lambda it: type(it.adapter).create(),
        lambda it: type(it.adapter).create("only a name"),
        lambda it: type(it.adapter).open(),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call(session)


FAMILY_CALLS: dict[str, Callable[[wintun.Adapter, Any], object]] = {
    "get_mtu": lambda adapter, family: adapter.get_mtu(family),
    "set_mtu": lambda adapter, family: adapter.set_mtu(family, 1500),
    "wait_family": lambda adapter, family: adapter.wait_family(family, 5.0),
    "get_addresses": lambda adapter, family: adapter.get_addresses(family),
}


@pytest.mark.parametrize("call", FAMILY_CALLS)
def test_a_family_is_4_or_6_and_nothing_else(adapter: wintun.Adapter, call: str) -> None:
    for family in (4, 6):
        FAMILY_CALLS[call](adapter, family)
    # Windows' and Linux' own numbers, and what lies between.
    for family in (2, 5, 10, 23, 30):
        with pytest.raises(ValueError, match=rf"family must be 4 .* or 6 .*, not {family}"):
            FAMILY_CALLS[call](adapter, family)


def test_each_family_is_the_one_that_its_number_says(adapter: wintun.Adapter) -> None:
    adapter.set_mtu(4, 1400)
    adapter.set_mtu(6, 1500)
    assert (adapter.get_mtu(4), adapter.get_mtu(6)) == (1400, 1500)
    adapter.add_address(b"\x0a\0\0\1", 24)
    assert (b"\x0a\0\0\1", 24, False) in adapter.get_addresses(4)
    assert all(len(address) == 16 for address, _, _ in adapter.get_addresses(6))
    assert len(adapter.get_addresses()) == len(adapter.get_addresses(4) + adapter.get_addresses(6))
