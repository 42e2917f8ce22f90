"""The Wintun API and the loops of c_loop.c through ctypes: what Python is compared with."""

from __future__ import annotations

import ctypes
import functools
import sys
import tempfile
from pathlib import Path

import wintun

from .build import build


@functools.cache
def loops(built: Path | None) -> ctypes.CDLL:
    """Loads c_loop.c, which is built now unless it was before."""
    if built is not None:
        return ctypes.CDLL(str(built.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "c_loop.so")
        build(library)
        return ctypes.CDLL(str(library))


def library() -> ctypes.CDLL:
    """Loads the library that the extension uses."""
    path = wintun.library_path()
    assert path is not None
    if sys.platform == "win32":
        return ctypes.WinDLL(path)
    return ctypes.CDLL(path)


def utf16(text: str) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(text.encode("utf-16-le") + b"\0\0")


def pace(adapter: str, count: int, interval_ns: int, c_loop: Path | None) -> None:
    """Delivers packets with the time in bytes 24 to 31, one each interval."""
    deliver = library().WintunSimulatorDeliver
    loops(c_loop).c_loop_pace(deliver, adapter.encode(), count, ctypes.c_int64(interval_ns))


class PythonFunctions(ctypes.Structure):
    """CPython's functions that make a list of bytes, for c_loop.c."""

    _fields_ = [(field, ctypes.c_void_p) for field in ("new_bytes", "new_list", "set_item", "drop")]

    @classmethod
    def of_this_process(cls) -> PythonFunctions:
        names = ("PyBytes_FromStringAndSize", "PyList_New", "PyList_SetItem", "Py_DecRef")
        return cls(
            *(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p) for name in names)
        )


class NativeDevice:
    """An adapter and its session, made without the extension, in the library that it uses too."""

    def __init__(self, name: str, capacity: int, c_loop: Path | None) -> None:
        self._api = library()
        self._loops = loops(c_loop)
        for function in ("CreateAdapter", "StartSession"):
            getattr(self._api, f"Wintun{function}").restype = ctypes.c_void_p
        self._adapter = ctypes.c_void_p(
            self._api.WintunCreateAdapter(utf16(name), utf16("Benchmark"), None)
        )
        self._session = ctypes.c_void_p(
            self._api.WintunStartSession(self._adapter, ctypes.c_uint32(capacity))
        )
        assert self._adapter
        assert self._session
        self._receiving = (self._api.WintunReceivePacket, self._api.WintunReleaseReceivePacket)
        self._sending = (self._api.WintunAllocateSendPacket, self._api.WintunSendPacket)

    def receive(self, count: int, wait: bool) -> int:
        """Receives, copies and releases count packets; how many, if it does not wait for them."""
        received: int = self._loops.c_loop_receive(*self._receiving, self._session, count, wait)
        return received

    def receive_list(self, count: int, wait: bool) -> int:
        """Receives and releases as receive() does, into lists of bytes."""
        with_gil = ctypes.PYFUNCTYPE(ctypes.c_uint32)
        function = with_gil(("c_loop_receive_list", self._loops))
        python = ctypes.byref(PythonFunctions.of_this_process())
        received: int = function(*self._receiving, self._session, count, wait, python)
        return received

    def send(self, packet: bytes, count: int, wait: bool) -> int:
        """Sends a packet count times; how many fitted, if it does not wait for room."""
        sent: int = self._loops.c_loop_send(
            *self._sending, self._session, packet, len(packet), count, wait
        )
        return sent

    def echo(self, count: int) -> None:
        """Sends back count packets that it receives."""
        self._loops.c_loop_echo(*self._receiving, *self._sending, self._session, count)

    def close(self) -> None:
        self._api.WintunEndSession(self._session)
        self._api.WintunCloseAdapter(self._adapter)
