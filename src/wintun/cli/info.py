"""`python -m wintun info`: which library is in use, and whether adapters can be made."""

from __future__ import annotations

import json
import os
import sys

import wintun
from wintun import _library

from .output import error_text, print_line

_LABELS = {
    "package_version": "package",
    "library_path": "library",
    "library_source": "found as",
    "simulator": "it is",
    "library_version": "version",
    "library_sha256": "SHA-256",
    "driver_version": "driver",
    "can_create_adapters": "adapters",
    "error": "error",
}


def run_info(as_json: bool) -> int:
    """Prints what there is to know; returns 1 if there is no usable library, else 0."""
    facts = collect()
    if as_json:
        print_line(json.dumps(facts))
    else:
        for key, label in _LABELS.items():
            text = _text(key, facts)
            if text:
                print_line(f"{label:10}{text}")
    return 1 if facts["error"] else 0


def collect() -> dict[str, object]:
    """Returns the facts by name; None where one is unknown."""
    facts: dict[str, object] = {
        "package_version": wintun.__version__,
        "library_path": None,
        "library_source": None,
        "simulator": None,
        "official": None,
        "library_version": None,
        "library_sha256": None,
        "driver_version": None,
        "can_create_adapters": False,
        "error": None,
    }
    try:
        if wintun.library_path() is None:
            _library.load_default()
        path = wintun.library_path() or ""
        facts["library_path"] = path
        facts["library_source"] = _source(path)
        facts["library_sha256"] = sha256 = _library.file_sha256(path)
        release = _library.official_version(sha256)
        facts["official"] = official = release is not None
        facts["simulator"] = simulator = not official and _is_simulator(path)
        facts["library_version"] = release or _version(path, simulator)
        facts["can_create_adapters"] = simulator or _is_administrator()
        facts["driver_version"] = _driver_version()
    except OSError as error:
        facts["error"] = error_text(error)
    return facts


def _source(path: str) -> str:
    """Returns how the default library was found."""
    if os.environ.get(_library.ENVIRONMENT_VARIABLE):
        return _library.ENVIRONMENT_VARIABLE
    beside = (_library.bundled_path(), _library.simulator_path())
    return "package" if path in beside else "system"


def _is_simulator(path: str) -> bool:
    import ctypes

    # It is loaded already: this only looks at its functions.
    return hasattr(ctypes.CDLL(path), "WintunSimulatorReset")


def _version(path: str, simulator: bool) -> str | None:
    return wintun.__version__ if simulator else _file_version(path)


def _driver_version() -> str | None:
    try:
        return str(wintun.get_driver_version())
    except FileNotFoundError:
        return None


def _is_administrator() -> bool:
    if sys.platform != "win32":
        return os.geteuid() == 0
    import ctypes

    return bool(ctypes.windll.shell32.IsUserAnAdmin())


def _file_version(path: str) -> str | None:
    """Returns the version that a Windows library states in its resources, None without one."""
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    api = ctypes.WinDLL(os.path.join(_library.system_directory(), "version.dll"))
    size = api.GetFileVersionInfoSizeW(ctypes.c_wchar_p(path), None)
    block = ctypes.create_string_buffer(size)
    if not size or not api.GetFileVersionInfoW(ctypes.c_wchar_p(path), 0, size, block):
        return None
    found = ctypes.POINTER(wintypes.DWORD)()
    length = wintypes.UINT()
    if not api.VerQueryValueW(block, "\\", ctypes.byref(found), ctypes.byref(length)):
        return None
    high, low = found[2], found[3]  # dwFileVersionMS and dwFileVersionLS of VS_FIXEDFILEINFO
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"


def _text(key: str, facts: dict[str, object]) -> str:
    """Returns a fact in words; an empty text where there is nothing to say."""
    value = facts[key]
    if key == "simulator" and value is not None:
        return _KINDS["simulator" if value else "official" if facts["official"] else "other"]
    if key == "library_source":
        return _SOURCES.get(str(value), "")
    if key == "can_create_adapters" and facts["library_path"] is None:
        return "cannot be created without a library"
    if key == "can_create_adapters":
        return "can be created" if value else "cannot be created: run as Administrator"
    if key == "driver_version" and value is None and facts["library_path"]:
        return "not loaded (the first adapter loads it)"
    return "" if value is None else str(value)


_KINDS = {
    "simulator": "the simulator: no driver, its adapters exist in this process alone",
    "official": "the official Wintun (its SHA-256 is the one that this package knows)",
    "other": "not known to this package (its SHA-256 is not that of the official Wintun)",
}

_SOURCES = {
    _library.ENVIRONMENT_VARIABLE: f"the environment variable {_library.ENVIRONMENT_VARIABLE} says",
    "package": "part of this package",
    "system": "installed in the system",
}
