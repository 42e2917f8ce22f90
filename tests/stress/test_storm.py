# SPDX-License-Identifier: MIT
"""Threads that do everything at once, for minutes: nothing hangs, is lost, altered or left behind.

Each lane has a name of its own and on it one session after the other, with random readers, writers,
event loops and holders of packets, ended in a random way in the midst of it. Beside them others
replace the logger, have the library log from foreign threads, and collect garbage.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import wintun
from helpers import HANG_SECONDS, SCALE, SEED, STRESS, Worker, open_handles
from wintun import simulator

from .lane import Lane, Totals
from .progress import progress

LANES = 3

SECONDS = float(os.environ.get("WINTUN_STORM_SECONDS", 600 if STRESS else max(1.5, 20 * SCALE)))
"""How long it lasts."""

SWITCH_INTERVAL = 0.0002
"""Seconds after which Python changes threads, far more often than the default."""


class LoggerFailedError(Exception):
    """What the logger raises now and then."""


def replace_logger(stop: threading.Event) -> int:
    """Replaces the logger under log lines from other threads; returns how many lines came."""
    seen = [0]
    chance = random.Random(SEED)

    def count(level: int, timestamp: int, message: str) -> None:
        seen[0] += 1

    def fail(level: int, timestamp: int, message: str) -> None:
        raise LoggerFailedError

    while not stop.is_set():
        wintun.set_logger(chance.choice([count, count, count, None, fail]))
        simulator.log(wintun.LOG_INFO, "storm", count=3, wait=chance.random() < 0.5)
        time.sleep(0.005)
    # On a busy machine no line may have come until here.
    wintun.set_logger(count)
    simulator.log(wintun.LOG_INFO, "the last one")
    wintun.set_logger(None)
    return seen[0]


def collect_garbage(stop: threading.Event) -> None:
    while not stop.wait(0.05):
        gc.collect()
        simulator.counts()


def stacks() -> str:
    """What each thread is at."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read().decode(errors="replace")


def watch(lanes: list[Lane], workers: list[Worker[None]], seconds: float) -> None:
    """Waits until the time is over and something of each kind is done, however late it begins.

    Fails when a lane has failed or stands still.
    """
    began = time.monotonic()
    passed = 0.0
    with progress(round(seconds), "s") as bar:
        while all(worker.alive for worker in workers):
            if passed >= seconds and min(total(lanes)) > 0:
                break
            if STRESS:  # for a thread that keeps the GIL; in the suite pytest has such a timer
                faulthandler.dump_traceback_later(3 * HANG_SECONDS, exit=True)
            time.sleep(0.2)
            bar.update(int(time.monotonic() - began) - int(passed))
            passed = time.monotonic() - began
            bar.set_postfix(total(lanes)._asdict())
            check_progress(lanes)
    if STRESS:
        faulthandler.cancel_dump_traceback_later()


def check_progress(lanes: list[Lane]) -> None:
    for lane in lanes:
        still = time.monotonic() - lane.began
        assert still < HANG_SECONDS, f"hung: {lane.name}, ended by {lane.end!r}\n{stacks()}"


def total(lanes: list[Lane]) -> Totals:
    done = Totals()
    for lane in lanes:
        done = done.plus(lane.totals)
    return done


@contextmanager
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    yield
    sys.setswitchinterval(before)


def run_storm(names: list[str], seconds: float, seed: int) -> Totals:
    stop = threading.Event()
    lanes = [Lane(name, seed + number) for number, name in enumerate(names)]
    others: list[Worker[Any]] = [Worker(replace_logger, stop), Worker(collect_garbage, stop)]
    workers = [Worker(lane.run, stop) for lane in lanes]
    try:
        watch(lanes, workers, seconds)
    finally:
        stop.set()
    try:
        for worker in workers:
            worker.result()
    except AssertionError as error:
        if "hung" in str(error):
            raise AssertionError(f"{error}\n{stacks()}") from error
        raise
    lines, _ = [worker.result() for worker in others]
    assert lines > 0, "the logger was never called"
    return total(lanes)


@pytest.mark.stress
@pytest.mark.slow
@pytest.mark.threads
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_storm_of_threads_loses_alters_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strange: list[str] = []

    def note(report: Any) -> None:
        # Not the exception itself: its traceback would keep the callers' variables alive.
        if report.exc_type is not LoggerFailedError:
            strange.append(repr(report))

    monkeypatch.setattr(sys, "unraisablehook", note)
    names = [f"storm {os.getpid()} {number}" for number in range(LANES)]
    with frequent_switches():
        run_storm(names, 0.5, SEED)  # what is made once and stays
        before, handles = simulator.counts(), open_handles()
        began = time.monotonic()
        done = run_storm(names, SECONDS, SEED + LANES)
    print(f"\n{time.monotonic() - began:.0f} s of storm, seed {SEED}: {done}")
    gc.collect()
    assert simulator.counts() == before
    assert open_handles() <= handles
    assert strange == []
    assert min(done) > 0
