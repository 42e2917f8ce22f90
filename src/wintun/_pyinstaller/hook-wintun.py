"""PyInstaller's hook: a frozen program needs the libraries, where the package looks for them."""

from __future__ import annotations

import os

from wintun import _library

# They are loaded by their paths, so nothing in the code shows that they are needed.
_libraries = [_library.bundled_path(), _library.simulator_path()]
binaries = [(path, "wintun") for path in _libraries if os.path.exists(path)]

# The licence under which the official library may be shipped has to go with it.
_licence = _library.bundled_path() + ".LICENSE.txt"
datas = [(_licence, "wintun")] if os.path.exists(_licence) else []

# Imported by name, and by the extension.
hiddenimports = ["wintun.simulator", "threading"]
