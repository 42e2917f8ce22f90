"""The documents are true: their links lead somewhere, and their examples run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wintun import simulator

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/*.md"))]


def python_blocks(document: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8")):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_readmes_example_sees_packets(tmp_path: Path) -> None:
    (example,) = python_blocks(ROOT / "README.md")
    script = tmp_path / "example.py"
    script.write_text(f"from wintun import simulator; simulator.use()\n{example}", "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", str(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert re.fullmatch(r"\d+ bytes: [46].( [0-9a-f]{2}){19}\n", process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_the_tests_in_the_simulators_guide_pass(tmp_path: Path) -> None:
    script = tmp_path / "test_guide.py"
    script.write_text("\n".join(python_blocks(ROOT / "docs" / "simulator.md")), "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(script)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b6 passed", done.stdout), done.stdout


def test_the_simulator_has_all_that_its_guide_names() -> None:
    guide = (ROOT / "docs" / "simulator.md").read_text("utf-8")
    for name in re.findall(r"^\| `(\w+)\(", guide, re.M):
        assert callable(getattr(simulator, name)), name
