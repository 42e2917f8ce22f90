# SPDX-License-Identifier: MIT
"""Fuzzes a Python target: `python -m fuzz.with_atheris TARGET [options of libFuzzer] [FOLDER]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["wintun", "fuzz", "ipaddress", "uuid"]):
    from fuzz.python_targets import TARGETS
    from wintun import simulator

if __name__ == "__main__":
    simulator.use()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
