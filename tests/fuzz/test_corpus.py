# SPDX-License-Identifier: MIT
"""Every input that is kept for the fuzz targets, without a fuzzer."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from compilers import MISSING, plain_environment
from fuzz import python_targets
from fuzz.harness import C_TARGETS, PYTHON_TARGETS, build_replays, corpus, write_corpus
from helpers import HANG_SECONDS


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_the_c_targets_take_every_input(tmp_path: Path) -> None:
    sanitized = build_replays(tmp_path)
    # What a target keeps from one input to the next is the fuzzer's to judge.
    environment = {**plain_environment(), "ASAN_OPTIONS": "detect_leaks=0"}
    for target in C_TARGETS:
        files = write_corpus(target, tmp_path / f"corpus-{target}")
        done = subprocess.run(
            [str(tmp_path / target), *map(str, files)],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, f"{target} ({sanitized=}): {done.stderr[-4000:]}"
        assert done.stdout == f"{len(files)} replayed\n"


@pytest.fixture
def _close_all() -> Iterator[None]:
    yield
    python_targets.close_all()


@pytest.mark.usefixtures("_close_all")
@pytest.mark.parametrize(
    ("target", "name"), [(target, name) for target in PYTHON_TARGETS for name in corpus(target)]
)
def test_a_python_target_takes(target: str, name: str) -> None:
    python_targets.TARGETS[target](corpus(target)[name])


def test_every_target_has_inputs() -> None:
    assert set(PYTHON_TARGETS) == set(python_targets.TARGETS)
    assert all(corpus(target) for target in (*C_TARGETS, *PYTHON_TARGETS))
