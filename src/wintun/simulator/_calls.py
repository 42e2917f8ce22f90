# SPDX-License-Identifier: MIT
"""The library's own functions, their arguments and their codes."""

from __future__ import annotations

import ctypes
import operator
import sys

from wintun import _library
from wintun._wintun import Adapter
from wintun.device import TunDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from typing_extensions import Buffer

    AdapterOrName = Union[str, TunDevice, Adapter]

FOR_EVER = 0xFFFFFFFF
MAX_PACKET = 0xFFFF

SUCCESS = 0
INVALID_HANDLE = 6
NOT_SUPPORTED = 50
BUFFER_OVERFLOW = NAME_TOO_LONG = 111
INVALID_NAME = 123
PROC_NOT_FOUND = 127
ALREADY_EXISTS = 183
NO_MORE_ITEMS = 259
NOT_FOUND = 1168
ADDRESS_NOT_ASSOCIATED = 1228
NOT_CONNECTED = 2250

u32 = ctypes.c_uint32
u64 = ctypes.c_uint64
_text = ctypes.c_char_p
_flag = ctypes.c_int32
_u32_pointer = ctypes.POINTER(u32)

_PARAMETERS: dict[str, tuple[type, ...]] = {
    "SetWire": (_text, u32, u64, u32),
    "Deliver": (_text, _text, _u32_pointer, u32),
    "Fill": (_text, u32, u32, _u32_pointer),
    "Collect": (_text, ctypes.c_void_p, u32, _u32_pointer),
    "Drain": (_text, u32, _u32_pointer),
    "Ping": (_text, u32, u32),
    "GetStatistics": (_text, ctypes.c_void_p),
    "GetCounts": (ctypes.c_void_p,),
    "SetFault": (_text, u32, u32, u32),
    "GetCalls": (_text, _u32_pointer),
    "SetDelay": (_text, u32),
    "FunctionName": (u32,),
    "SetFlow": (_text, u32),
    "KeepPacket": (_text, _flag),
    "LoseWakeup": (_text,),
    "RemoveAdapter": (_text,),
    "SetEnabled": (_text, _flag),
    "AddConnection": (_text,),
    "RemoveConnection": (_text,),
    "ConnectionName": (u32, ctypes.c_void_p, u32),
    "SetStack": (u32, _flag),
    "SetDriverVersion": (u32,),
    "CorruptRing": (_text,),
    "OverrunRing": (_text,),
    "SetFamilyDelay": (_text, u32, u32),
    "Log": (u32, u64, _text, u32, _flag),
    "Reset": (),
}
_RESULTS: dict[str, type | None] = {
    "GetCounts": None,
    "Reset": None,
    "SetDriverVersion": None,
    "FunctionName": _text,
}


def _load() -> dict[str, ctypes._NamedFuncPointer]:
    library: ctypes.CDLL
    if sys.platform == "win32":
        library = ctypes.WinDLL(_library.simulator_path())
    else:
        library = ctypes.CDLL(_library.simulator_path())
    loaded = {}
    for name, parameters in _PARAMETERS.items():
        function = library["WintunSimulator" + name]
        function.argtypes = parameters
        function.restype = _RESULTS.get(name, u32)
        loaded[name] = function
    return loaded


# Loaded once; the extension that uses the same file gets the same library.
call = _load()


# --- Arguments -------------------------------------------------------------------------------


def text_of(what: str, text: str) -> bytes:
    """Returns text for the library."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    encoded = text.encode("utf-8", "surrogatepass")
    if b"\0" in encoded:
        raise ValueError(f"{what} has an embedded null character: {text!r}")
    return encoded


def shown(adapter: AdapterOrName | None) -> str:
    """Returns an adapter's name, for a message."""
    return repr(adapter if isinstance(adapter, str) or adapter is None else adapter.name)


def name_of(adapter: AdapterOrName) -> bytes:
    """Returns an adapter's name for the library."""
    if isinstance(adapter, (TunDevice, Adapter)):
        adapter = adapter.name
    if not isinstance(adapter, str):
        raise TypeError(
            "adapter must be the name of an adapter, a TunDevice or an Adapter, not "
            f"{type(adapter).__name__}"
        )
    return text_of("adapter", adapter)


def optional_name_of(adapter: AdapterOrName | None) -> bytes | None:
    """Returns an adapter's name for the library; None stands for all that are created later."""
    return None if adapter is None else name_of(adapter)


def bytes_of(packet: Buffer) -> bytes:
    """Returns the contents of a packet of 0 to 65535 bytes."""
    try:
        content = bytes(memoryview(packet))
    except TypeError:
        raise TypeError(
            f"a packet must be bytes or another buffer, not {type(packet).__name__}"
        ) from None
    if len(content) > MAX_PACKET:
        raise ValueError(f"a packet must have at most {MAX_PACKET} bytes, not {len(content)}")
    return content


def integer(what: str, value: int, least: int, most: int) -> int:
    """Returns an integer that is in a range."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an int, not {type(value).__name__}") from None
    if not least <= number <= most:
        raise ValueError(f"{what} must be {least} to {most}, not {number}")
    return number


def milliseconds(what: str, seconds: float) -> int:
    """Returns a time of 0 to 4294967 seconds in milliseconds."""
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"{what} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 <= seconds < (FOR_EVER - 1) / 1000:
        raise ValueError(f"{what} must be 0 to {FOR_EVER // 1000} seconds, not {seconds}")
    return round(seconds * 1000)


# --- Codes -----------------------------------------------------------------------------------


def check(code: int, adapter: AdapterOrName | None) -> None:
    """Raises for a code of the library that is not success."""
    if code == SUCCESS:
        return
    if code == NOT_FOUND:
        raise LookupError(f"the simulator has no adapter {shown(adapter)}")
    if code == INVALID_HANDLE:
        raise LookupError(f"adapter {shown(adapter)} has no session")
    error = OSError(f"the simulator failed with Win32 error {code}")
    setattr(error, "winerror", code)  # noqa: B010
    raise error
