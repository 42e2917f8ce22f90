# SPDX-License-Identifier: MIT
"""The sweeps have the process to themselves: what others keep would be taken for a leak."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import wintun


@pytest.fixture(autouse=True)
def _keeps_nothing() -> Iterator[None]:
    logger = wintun.set_logger(None)
    gc.collect()
    gc.freeze()  # then a collection costs next to nothing
    yield
    gc.unfreeze()
    wintun.set_logger(logger)
