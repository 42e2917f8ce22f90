# SPDX-License-Identifier: MIT
"""The change that the guide proposes to pymobiledevice3 fits its newest release."""

from __future__ import annotations

import re
from pathlib import Path

from .rig import tunnel_service

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "pymobiledevice3.md"
FILE = "pymobiledevice3/remote/tunnel_service.py"


def hunks() -> list[tuple[str, str]]:
    """What the draft's patch finds in the file, and what it makes of it."""
    patch = GUIDE.read_text("utf-8").partition("```diff\n")[2].partition("```")[0]
    change = patch.partition(f"+++ b/{FILE}\n")[2].partition("\n--- ")[0]
    found = []
    for hunk in re.split(r"^@@.*\n", change, flags=re.MULTILINE)[1:]:
        lines = hunk.rstrip("\n").split("\n")
        before = [line[1:] for line in lines if line[:1] != "+"]
        after = [line[1:] for line in lines if line[:1] != "-"]
        found.append(("\n".join(before) + "\n", "\n".join(after) + "\n"))
    return found


def test_the_draft_applies() -> None:
    source = Path(tunnel_service.__file__).read_text("utf-8")
    changes = hunks()
    assert changes
    for before, after in changes:
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    compile(source, FILE, "exec")
    assert "from wintun.pytun import TunTapDevice" in source
