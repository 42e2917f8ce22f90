# SPDX-License-Identifier: MIT
"""The example in the document about asyncio runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "asyncio.md"


def test_the_example_counts_packets(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.M | re.S)
    script = tmp_path / "example.py"
    script.write_text(f"from wintun import simulator; simulator.use()\n{example}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"[1-9]\d* packets, [1-9]\d* bytes\n", done.stdout), done.stderr
