# SPDX-License-Identifier: MIT
"""How far a long run is, for a person who watches it."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from helpers import STRESS

tqdm.monitor_interval = 0  # its thread would be taken for one that a test left behind


def progress(total: int, unit: str) -> tqdm[Any]:
    """A bar on a terminal in `nox -s stress`, nothing elsewhere; `update` moves it."""
    return tqdm(total=total, unit=unit, disable=not (STRESS and sys.stderr.isatty()))
