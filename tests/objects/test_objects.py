# SPDX-License-Identifier: MIT
"""The objects as Python objects: what one may do with any object works, or says clearly no."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import pydoc
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

import pytest

import wintun
from helpers import ipv4_packet, run_python
from wintun import _wintun, simulator
from wintun.pytun import TunTapDevice

MakeDevice = Callable[..., wintun.TunDevice]

# Types that Python code cannot change are since 3.10.
immutable = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="CPython 3.9 has no immutable types in extensions"
)


@pytest.fixture
def objects(make_device: MakeDevice, unique_name: Callable[[], str]) -> Any:
    """One of each type, with a packet behind it where it has any."""
    device = make_device("memory")
    device.up()
    for _ in range(4):
        assert simulator.deliver(device.name, ipv4_packet(40))
    batch = device.receive_packets(2)
    found: dict[str, Any] = {
        "TunDevice": device,
        "Adapter": device.adapter,
        "Session": device.session,
        "received Packet": device.receive_packet(),
        "Packet to send": device.allocate_send_packet(30),
        "received PacketBatch": batch,
        "PacketBatch to send": device.allocate_send_packets([30, 40]),
        "item of a PacketBatch": batch[0].obj,
        "DeviceBase": _wintun.DeviceBase(),
        "TunTapDevice": TunTapDevice(unique_name()),
        "KernelTun": simulator.KernelTun(-1, "tun"),
    }
    yield found
    found["TunTapDevice"].close()
    for name, thing in found.items():
        if "Packet" in name and hasattr(thing, "release"):
            thing.release()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_object_can_be_pickled(objects: dict[str, Any], protocol: int) -> None:
    for name, thing in objects.items():
        with pytest.raises(TypeError, match=r"cannot .*pickle"):
            pickle.dumps(thing, protocol)
        assert simulator.counts().adapters == 2, name


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_no_object_can_be_copied(
    objects: dict[str, Any], copied: Callable[[object], object]
) -> None:
    for name, thing in objects.items():
        with pytest.raises(TypeError, match=r"cannot .*pickle"):
            copied(thing)
        assert simulator.counts().adapters == 2, name


ERRORS: list[type[OSError]] = [
    wintun.RingFullError,
    wintun.AdapterTerminatingError,
    wintun.RingCorruptError,
    wintun.ClosedError,
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_can_be_pickled_and_copied_with_their_codes(
    device: wintun.TunDevice, protocol: int
) -> None:
    try:
        device.read()
    except wintun.ClosedError as error:
        caught = error
    for again in (pickle.loads(pickle.dumps(caught, protocol)), copy.copy(caught)):
        assert type(again) is wintun.ClosedError
        assert (again.winerror, again.errno, str(again)) == (6, caught.errno, str(caught))
    for kind in ERRORS:
        assert type(pickle.loads(pickle.dumps(kind(1, "text"), protocol))) is kind


def test_errors_that_are_python_s_own_can_be_pickled_with_their_codes() -> None:
    with simulator.fault("WintunCreateAdapter", 5), pytest.raises(PermissionError) as refused:
        wintun.Adapter.create("refused", "Test")
    again = pickle.loads(pickle.dumps(refused.value))
    assert (type(again), again.winerror) == (PermissionError, 5)
    assert str(again) == str(refused.value)


def test_errors_about_the_library_can_be_pickled_with_their_codes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        wintun.load(tmp_path / "none")
    again = pickle.loads(pickle.dumps(refused.value))
    assert (type(again), again.winerror) == (FileNotFoundError, 2)
    assert str(again) == str(refused.value)


def test_every_object_but_the_private_ones_can_be_referenced_weakly(
    objects: dict[str, Any],
) -> None:
    for name in [name for name in objects if name not in ("DeviceBase", "item of a PacketBatch")]:
        assert weakref.ref(objects[name])() is objects[name], name


def test_a_weak_reference_tells_of_the_end_of_its_object(session: wintun.Session) -> None:
    told: list[object] = []
    packet = session.allocate_send_packet(30)
    batch = session.allocate_send_packets([30])
    references = [weakref.ref(thing, told.append) for thing in (packet, batch)]
    del packet, batch
    gc.collect()
    assert told == references
    assert all(reference() is None for reference in references)


MAKERS: dict[type, str] = {
    wintun.Adapter: "an Adapter is made by Adapter.create() or Adapter.open()",
    wintun.Session: "a Session is made by Adapter.start_session()",
    wintun.Packet: "a Packet is made by receive_packet() or allocate_send_packet()",
    wintun.PacketBatch: "a PacketBatch is made by receive_packets() or allocate_send_packets()",
}
FINAL = list(MAKERS)


@pytest.mark.parametrize("kind", FINAL)
def test_a_type_of_the_api_has_no_subclasses(kind: type) -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (kind,), {})


@pytest.mark.parametrize("kind", FINAL)
@pytest.mark.parametrize("arguments", [(), (1,), ("name", "type")])
def test_a_type_of_the_api_is_not_made_by_calling_it(
    kind: type, arguments: tuple[object, ...]
) -> None:
    makers: list[Callable[..., object]] = [kind, lambda *given: kind.__new__(kind, *given)]
    for make in makers:
        with pytest.raises(TypeError) as failure:
            make(*arguments)
        assert str(failure.value) == f"{MAKERS[kind]}, not by calling the class"
    with pytest.raises(TypeError):
        object.__new__(kind)


@immutable
@pytest.mark.parametrize("kind", [*FINAL, _wintun.DeviceBase])
@pytest.mark.parametrize("name", ["__new__", "__init__", "__del__", "read", "made_up"])
def test_a_type_of_the_api_cannot_be_changed(kind: type, name: str) -> None:
    with pytest.raises(TypeError, match="immutable type"):
        setattr(kind, name, lambda cls: object.__new__(cls))
    if hasattr(kind, name):
        with pytest.raises(TypeError, match="immutable type"):
            delattr(kind, name)


def test_an_object_gets_no_attributes_and_no_other_class(objects: dict[str, Any]) -> None:
    for name, thing in objects.items():
        if isinstance(thing, (TunTapDevice, wintun.TunDevice, simulator.KernelTun)):
            continue  # they are Python's, and take what they are given
        with pytest.raises(AttributeError):
            thing.made_up = 1
        for other in (int, wintun.TunDevice, *FINAL):
            if type(thing) is not other:
                with pytest.raises(TypeError):
                    thing.__class__ = other
        assert hasattr(thing, "made_up") is False, name


def test_calling_init_by_hand_changes_nothing(objects: dict[str, Any]) -> None:
    for thing in (objects["Adapter"], objects["Session"], objects["received Packet"]):
        before = repr(thing)
        for arguments in ((), (1, 2, 3)):
            with suppress(TypeError):
                thing.__init__(*arguments)
        assert repr(thing) == before
    assert bytes(objects["received Packet"]) == ipv4_packet(40)


class Deaf(wintun.TunDevice):
    """A subclass that forgets to make what it stands on."""

    def __init__(self) -> None:
        pass


# What has an answer without an adapter: close() may be called in any state.
ANSWERS = {"closed", "is_up", "restart_on_corruption", "session"}

UNMADE = pytest.mark.parametrize("make", [Deaf, lambda: wintun.TunDevice.__new__(wintun.TunDevice)])
SAYS_SO = r"^TunDevice\.__init__\(\) was not called or failed$"


@UNMADE
def test_a_device_whose_init_was_not_called_says_so(make: Callable[[], wintun.TunDevice]) -> None:
    device = make()
    settings = dict(inspect.getmembers(wintun.TunDevice, inspect.isdatadescriptor))
    for name in sorted(name for name in settings.keys() - ANSWERS if not name.startswith("_")):
        with pytest.raises(RuntimeError, match=SAYS_SO):
            getattr(device, name)
    for call in (device.up, device.down):
        with pytest.raises(RuntimeError, match=SAYS_SO):
            call()
    for change in (device.add_address, device.remove_address):
        with pytest.raises(RuntimeError, match=SAYS_SO):
            change("10.0.0.1")
    for read in (device.read, device.receive_packet, device.wait_read_event):
        with pytest.raises(RuntimeError, match=SAYS_SO):
            read()
    with pytest.raises(RuntimeError, match=SAYS_SO):
        next(device)
    with pytest.raises(RuntimeError, match=SAYS_SO), device:
        pass


@UNMADE
def test_a_device_whose_init_was_not_called_can_be_closed_and_collected(
    make: Callable[[], wintun.TunDevice],
) -> None:
    device = make()
    assert (device.closed, device.is_up, device.session) == (True, False, None)
    device.close()
    assert repr(device) == f"<wintun.{type(device).__name__} None closed>"
    died = weakref.ref(device)
    del device
    gc.collect()
    assert died() is None


def test_a_subclass_of_the_device_may_add_what_it_likes(unique_name: Callable[[], str]) -> None:
    class Counting(wintun.TunDevice):
        __slots__ = ("count",)

        def read(self, timeout: float | None = 0.0) -> bytes | None:
            self.count = getattr(self, "count", 0) + 1
            return super().read(timeout)

    with Counting(unique_name(), "Test") as device:
        simulator.set_wire(device.name, "memory")
        device.up()
        assert device.read() is None
        assert device.count == 1
        assert repr(device).startswith("<wintun.Counting ")


def test_a_subclass_that_revives_itself_as_it_dies_goes_on(
    unique_name: Callable[[], str], recwarn: pytest.WarningsRecorder
) -> None:
    revived: list[wintun.TunDevice] = []

    class Phoenix(wintun.TunDevice):
        def __del__(self) -> None:
            if not revived:
                revived.append(self)

    device = Phoenix(unique_name(), "Test")
    simulator.set_wire(device.name, "loop")
    device.up()
    device.write(ipv4_packet(40))
    del device
    gc.collect()
    assert revived[0].is_up
    assert revived[0].read(timeout=10) == ipv4_packet(40)
    revived[0].close()
    revived.clear()
    assert [str(warning.message) for warning in recwarn] == []


def test_packets_may_be_revived_by_what_looks_at_the_device(make_device: MakeDevice) -> None:
    device = make_device("memory")
    device.up()
    assert simulator.deliver(device.name, ipv4_packet(40))
    kept: list[memoryview] = []

    class Last:
        def __init__(self, packet: wintun.Packet) -> None:
            self.packet = packet

        def __del__(self) -> None:
            kept.append(memoryview(self.packet))

    packet = device.receive_packet()
    assert packet is not None
    last = Last(packet)
    del packet, last
    device.close()
    assert kept[0] == ipv4_packet(40)
    kept.pop().release()
    gc.collect()
    assert simulator.counts().sessions == 0


def test_the_collector_may_look_at_all_objects(objects: dict[str, Any]) -> None:
    gc.freeze()
    try:
        for thing in objects.values():
            gc.is_tracked(thing)
            gc.get_referents(thing)
            gc.get_referrers(thing)
        gc.collect()
    finally:
        gc.unfreeze()
    gc.collect()
    assert objects["TunDevice"].is_up


# --- What documentation and development tools ask for -----------------------------------------


def public_callables() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in (wintun, simulator, sys.modules[TunTapDevice.__module__]):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and not issubclass(value, (BaseException, tuple)):
                members = inspect.getmembers(value, callable)
                found.update(
                    {f"{name}.{key}": each for key, each in members if not key.startswith("_")}
                )
            elif callable(value) and not inspect.isclass(value) and name != "Wire":
                found[name] = value
    return found


@pytest.mark.parametrize("name", public_callables())
def test_every_public_callable_tells_its_signature(name: str) -> None:
    signature = inspect.signature(public_callables()[name])
    assert all(each.name.isidentifier() for each in signature.parameters.values())


# A module and a dunder: pydoc tells of them elsewhere, or not at all.
UNHELPFUL = ["simulator", "__version__"]


@pytest.mark.parametrize("module", ["wintun", "wintun._wintun", "wintun.simulator", "wintun.pytun"])
def test_help_has_all_of_a_module(module: str) -> None:
    text = pydoc.plain(pydoc.render_doc(sys.modules[module]))
    names = getattr(sys.modules[module], "__all__", ["Adapter", "set_logger"])
    assert [name for name in names if name not in text and name not in UNHELPFUL] == []


# --- Imported again ----------------------------------------------------------------------------

RELOAD = """
import importlib
calls = []
chosen = lambda *line: calls.append(line)
wintun.set_logger(chosen)
device = open_device("loop")
def check():
    device.write(packet(100))
    assert device.read(timeout=10) == packet(100)
    simulator.log(wintun.LOG_INFO, "line")
    assert calls.pop()[2] == "line"
    with wintun.TunDevice("another") as another:
        another.up()
    calls.clear()
"""


def check_program(program: str) -> None:
    done = run_python(RELOAD + program)
    assert (done.stderr, done.returncode) == ("", 0)


def test_modules_can_be_reloaded_and_keep_the_programs_logger() -> None:
    check_program(
        """
importlib.reload(wintun)
check()
for name in sorted(name for name in sys.modules if name.startswith("wintun.")):
    importlib.reload(sys.modules[name])
    check()
assert wintun.set_logger(None) is chosen
device.close()
"""
    )


def test_the_package_can_be_imported_again_and_keeps_the_programs_logger() -> None:
    check_program(
        """
before = wintun
for name in [name for name in sys.modules if name.partition(".")[0] == "wintun"]:
    del sys.modules[name]
import wintun
assert wintun._wintun is not before._wintun
simulator = wintun.simulator
check()
assert device.is_up and not isinstance(device, wintun.TunDevice)
with wintun.TunDevice("mixed") as mixed:
    try:
        mixed._attach(device.session)
    except TypeError as error:
        assert "must be a Session" in str(error)
    else:
        raise AssertionError("a session of another module was taken")
try:
    device.down()
    device.read()
except before.ClosedError as error:
    assert not isinstance(error, wintun.ClosedError)
device.close()
assert wintun.set_logger(None) is chosen
"""
    )


def test_the_default_logger_is_set_where_the_program_set_none() -> None:
    check_program(
        """
wintun._wintun._set_default_logger(print)
assert wintun.set_logger(None) is chosen
wintun._wintun._set_default_logger(print)
assert wintun.set_logger(None) is None  # None was the program's choice
device.close()
"""
    )
