"""What PyInstaller is told about the package; it finds this by the entry point `pyinstaller40`."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """Returns the folders of the package's hooks."""
    return [os.path.dirname(os.path.abspath(__file__))]
