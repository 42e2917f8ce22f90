# SPDX-License-Identifier: MIT
"""All calls in all orders against the model of world.py and rings.py: contents, counts, errors.

One thread, so that every answer is determined. Python's own collector is off and runs as a step.
"""

from __future__ import annotations

import gc
import time

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

import wintun
from helpers import SEED, STRESS, volume

from .machine import Machine
from .progress import progress
from .steps_hand import HandSteps
from .steps_traffic import TrafficSteps

PARTS = 4
"""Tests that the steps are divided among, for pytest -n."""

STEPS_A_RUN = 200
RUNS_A_ROUND = 30

# Shortening the steps that failed takes minutes: pytest's timer would end the suite first, which
# then said nothing of the failure.
PHASES = (Phase.generate, Phase.shrink) if STRESS else (Phase.generate,)


class Model(TrafficSteps, HandSteps):
    """All steps, from a device that is up on."""

    @initialize()
    def begin(self) -> None:
        self.create_device(0, 0)
        self.up(0)


def run_round(number: int) -> None:
    """Some runs, the same again for the same number."""
    run_state_machine_as_test(
        seed(number)(type("Model", (Model,), {})),
        settings=settings(
            max_examples=RUNS_A_ROUND,
            stateful_step_count=STEPS_A_RUN,
            phases=PHASES,
            database=None,
        ),
    )


@pytest.mark.stress
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_all_calls_in_all_orders_do_what_the_model_says(part: int) -> None:
    wintun.set_logger(None)
    target = volume(20_000, 1_000_000) // PARTS
    number = SEED + part * 1_000_000
    began, first, rounds = time.monotonic(), Machine.steps, 0
    with progress(target, "steps") as bar:
        while Machine.steps - first < target:
            print(f"WINTUN_TEST_SEED={number + rounds} repeats this round as the first of part 0")
            run_round(number + rounds)
            gc.collect()  # what hypothesis remembers of the round
            rounds += 1
            bar.update(Machine.steps - first - bar.n)
    steps, seconds = Machine.steps - first, time.monotonic() - began
    print(f"\n{steps} steps in {seconds:.0f} s, {steps / seconds:.0f} a second")
