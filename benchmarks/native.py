"""The Wintun API and the loops of c_loop.c through ctypes: what Python is compared with."""

from __future__ import annotations

import ctypes
import functools
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import wintun

HERE = Path(__file__).resolve().parent


@functools.cache
def build() -> ctypes.CDLL:
    """Compiles and loads c_loop.c with the compiler that CC names, or cc."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "c_loop.so")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        options = ["-std=c11", "-O2", "-shared", "-fPIC", f"-I{HERE.parent / 'include'}"]
        subprocess.run(
            [*compiler, *options, str(HERE / "c_loop.c"), "-o", str(library)], check=True
        )
        return ctypes.CDLL(str(library))


def utf16(text: str) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(text.encode("utf-16-le") + b"\0\0")


class NativeDevice:
    """An adapter and its session, made without the extension, in the library that it uses too."""

    def __init__(self, name: str, capacity: int, c_loop: Path | None) -> None:
        path = wintun.library_path()
        assert path is not None
        if sys.platform == "win32":
            self._api: ctypes.CDLL = ctypes.WinDLL(path)
        else:
            self._api = ctypes.CDLL(path)
        self._loops = build() if c_loop is None else ctypes.CDLL(str(c_loop))
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

    def receive(self, count: int, wait: bool) -> int:
        """Receives, copies and releases count packets; how many, if it does not wait for them."""
        received: int = self._loops.c_loop_receive(
            self._api.WintunReceivePacket,
            self._api.WintunReleaseReceivePacket,
            self._session,
            count,
            wait,
        )
        return received

    def send(self, packet: bytes, count: int, wait: bool) -> int:
        """Sends a packet count times; how many fitted, if it does not wait for room."""
        sent: int = self._loops.c_loop_send(
            self._api.WintunAllocateSendPacket,
            self._api.WintunSendPacket,
            self._session,
            packet,
            len(packet),
            count,
            wait,
        )
        return sent

    def close(self) -> None:
        self._api.WintunEndSession(self._session)
        self._api.WintunCloseAdapter(self._adapter)
