# SPDX-License-Identifier: MIT
"""A plugin of pytest that lets trio start under Wine: `-p tests.trio_under_wine`.

To wait for sockets, trio asks Windows for the handle under the layers that other programs may have
put on a socket. Wine knows no such layers, nor the question: there the socket's own handle is it.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module
from typing import Any


def is_wine() -> bool:
    """Whether the system is Wine: its ntdll says so."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def own_handle(sock: Any, **_which: Any) -> Any:
    """Takes the place of the functions of trio that ask for the handle under a socket."""
    number = sock.fileno() if hasattr(sock, "fileno") else sock
    return import_module("trio._core._windows_cffi").ffi.cast("HANDLE", number)


if is_wine():
    io: Any = import_module("trio._core._io_windows")
    assert callable(io._get_underlying_socket)
    assert callable(io._get_base_socket)
    io._get_underlying_socket = io._get_base_socket = own_handle
