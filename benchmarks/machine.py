"""What figures depend on: the system, the processor, the versions, the day."""

from __future__ import annotations

import ctypes
import datetime
import os
import platform
import sys
from typing import Any

import wintun


def system() -> str:
    """The system's name and version. Wine 8 ends a process that asks for it by `platform`."""
    if sys.platform != "win32":
        return platform.platform()
    version = sys.getwindowsversion()
    name = f"Windows {version.major}.{version.minor}.{version.build}"
    wine = getattr(ctypes.windll.ntdll, "wine_get_version", None)
    if wine is None:
        return name
    wine.restype = ctypes.c_char_p
    return f"{name} under Wine {wine().decode()}"


def processor() -> str:
    """The name of the processor, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return os.environ.get("PROCESSOR_IDENTIFIER", "")


def load() -> str:
    """How much the machine did before, as the system tells: processes over the last minute."""
    try:
        with open("/proc/loadavg", encoding="ascii") as figures:
            return figures.read().split()[0]
    except OSError:
        return "unknown"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": system(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "load": load(),
        "wintun": wintun.__version__,
    }
