# SPDX-License-Identifier: MIT
"""Our device has what pytun-pmd3's has, and the change that the guide proposes fits upstream."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
from pathlib import Path

from wintun.pytun import TunTapDevice

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


# A structure of ctypes; the guide names it as missing.
MISSING = {"ip_interface_entry"}


def test_every_public_name_of_pytun_pmd3_is_there_with_its_parameters() -> None:
    source = importlib.metadata.distribution("pytun-pmd3").locate_file("pytun_pmd3/wintun.py")
    module = ast.parse(Path(str(source)).read_text("utf-8"))
    (theirs,) = (
        node
        for node in module.body
        if isinstance(node, ast.ClassDef) and node.name == TunTapDevice.__name__
    )
    seen = set()
    for node in theirs.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name in MISSING:
            continue
        seen.add(node.name)
        ours = inspect.getattr_static(TunTapDevice, node.name)
        if node.decorator_list:
            assert isinstance(ours, property), node.name
            continue
        assert inspect.iscoroutinefunction(ours) == isinstance(node, ast.AsyncFunctionDef)
        parameters = list(inspect.signature(ours).parameters)
        assert parameters == [argument.arg for argument in node.args.args], node.name
    assert {"__init__", "read", "async_read", "write", "addr", "mtu", "luid"} <= seen
