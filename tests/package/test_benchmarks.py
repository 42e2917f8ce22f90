# SPDX-License-Identifier: MIT
"""The measurements themselves: they run, judge as they say, and get into the documents."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import calls, chart, goals, markdown, offload, report, rings
from benchmarks.adapters import Cost
from benchmarks.growth import Growth
from benchmarks.rings import Result


def result(situation: str, direction: str, size: int, call: str, ratio: float) -> Result:
    """What took `ratio` times the 100 ns of a C loop."""
    return Result(situation, direction, size, call, 1000, 100 * ratio, 90 * ratio, ratio)


# --- Goals --------------------------------------------------------------------------------------

JUDGED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"rings": [result("pipeline", "receive", 64, "read_many(64, None)", 1.1)]},
        {"rings": [result("pipeline", "receive", 64, "read_many(64, None)", 1.12)]},
    ),
    (
        {"rings": [result("pipeline", "send", 1400, "write_many", 0.5)]},
        {"rings": [result("pipeline", "send", 1400, "write_many", 2.0)]},
    ),
    (
        {"rings": [result("drain", "receive", 64, "read_many", 2.5)]},
        {"rings": [result("drain", "receive", 64, "read_many", 2.6)]},
    ),
    (
        {"rings": [result("drain", "receive", 1400, "read_many", 1.5)]},
        {"rings": [result("drain", "receive", 1400, "read_many", 1.6)]},
    ),
    (
        {"rings": [result("drain", "receive", 9000, "receive_packets", 1.0)]},
        {"rings": [result("drain", "receive", 9000, "receive_packets", 1.1)]},
    ),
    *(
        (
            {"rings": [result("pipeline", *ours, 1.0), result("pipeline", *peer, times)]},
            {"rings": [result("pipeline", *ours, 1.0), result("pipeline", *peer, times - 0.1)]},
        )
        for ours, peer, times in [
            (("receive", 64, "read(None)"), ("receive", 64, "pytun-pmd3 read"), 10.0),
            (("receive", 1400, "read(None)"), ("receive", 1400, "pytun-pmd3 read"), 7.0),
            (("send", 64, "write"), ("send", 64, "pytun-pmd3 write"), 4.0),
            (
                ("receive", 64, "read_many_async"),
                ("receive", 64, "pytun-pmd3 async_read"),
                200.0,
            ),
        ]
    ),
    *(
        (
            {"offload": [offload.Result(what, 1.0, 1.0, most, most, 0.5)]},
            {"offload": [offload.Result(what, 1.0, 1.0, most + 0.01, most + 0.01, 0.5)]},
        )
        for what, most in [(offload.MERGE, 1.0), (offload.SPLIT, 1.3), (offload.MERGE_TRUSTED, 1.3)]
    ),
    (
        {"growth": [Growth("echo", 10, [1000, 1500, 1256])]},
        {"growth": [Growth("echo", 10, [1000, 1000, 1257])]},
    ),
]


@pytest.mark.parametrize(("met", "missed"), JUDGED)
def test_a_goal_is_met_at_its_limit_and_not_beyond(
    met: dict[str, Any], missed: dict[str, Any]
) -> None:
    assert [goal.met for goal in goals.goals(met)] == [True]
    assert [goal.met for goal in goals.goals(missed)] == [False]


@pytest.mark.parametrize(
    ("situation", "call", "most"),
    [("drain", "read_many", 1.4), ("pipeline", "read_many(64, None)", 1.2)],
)
@pytest.mark.parametrize(("more", "expected"), [(0.0, True), (0.01, False)])
def test_a_list_of_bytes_takes_hardly_more_than_cpython_takes_for_it(
    situation: str, call: str, most: float, more: float, expected: bool
) -> None:
    rows = [
        result(situation, "receive", 64, rings.LIST_IN_C, 0.5),
        result(situation, "receive", 64, call, 0.5 * (most + more)),
    ]
    against_c, against_list = goals.goals({"rings": rows})
    assert against_c.met
    assert against_list.met == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (Cost(64, 1, 0.99, 1.0), [True, True]),
        (Cost(64, 2, 0.5, 1.0), [False, True]),
        (Cost(64, 1, 1.0, 1.0), [True, False]),
    ],
)
def test_idle_adapters_may_cost_no_thread_and_hardly_any_time(
    last: Cost, expected: list[bool]
) -> None:
    found = goals.goals({"adapters": [Cost(1, 1, 0.1, 1.0), last]})
    assert [goal.met for goal in found] == expected


# --- Regressions --------------------------------------------------------------------------------


def test_a_call_is_slower_than_before_when_it_takes_longer_in_times_of_the_c_loop() -> None:
    before = [result("drain", "receive", 64, call, 2.0) for call in ("read", "read_many", "gone")]
    now = [
        result("drain", "receive", 64, "read", 2.51),
        result("drain", "receive", 64, "read_many", 2.49),
        result("drain", "receive", 64, "new", 99.0),
    ]
    worse = report.regressions({"rings": [row._asdict() for row in before]}, now, 0.25)
    assert len(worse) == 1
    assert "64 read:" in worse[0]


# --- Documents ----------------------------------------------------------------------------------


def test_figures_replace_those_between_their_own_marks(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    kept = "<!-- begin other -->\nkept\n<!-- end other -->\n"
    document.write_text(f"head\n<!-- begin here -->\nold\n<!-- end here -->\n{kept}", "utf-8")
    for _ in range(2):
        assert markdown.put(document, "here", "new \u00b5s")
    assert document.read_bytes().decode() == (
        f"head\n<!-- begin here -->\nnew \u00b5s\n<!-- end here -->\n{kept}"
    )
    assert not markdown.put(document, "nowhere", "new")


def rows_of_a_run() -> list[Result]:
    return [
        result("pipeline", direction, size, call, 1.0 + place)
        for direction, names in chart.CALLS.items()
        for size in chart.SIZES
        for place, call in enumerate(names)
    ]


@pytest.mark.parametrize("theme", chart.THEMES)
def test_the_chart_has_a_bar_for_each_call_as_long_as_its_rate(theme: str) -> None:
    drawn = ElementTree.fromstring(chart.draw(rows_of_a_run(), "CPython & others", theme))
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    bars = [
        float(each.attrib["width"])
        for each in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib["height"] == str(chart.BAR)
    ]
    assert "CPython & others" in texts
    for names in chart.CALLS.values():
        assert all(texts.count(name) >= len(chart.SIZES) for name in names)
    count = len(chart.CALLS["receive"])
    assert bars[:count] == pytest.approx([bars[0] / (1 + place) for place in range(count)], abs=0.1)


def test_a_run_becomes_tables_with_each_call_and_size() -> None:
    machine = dict.fromkeys(["date", "python", "system", "processor", "processors", "load"], "x")
    rows = rows_of_a_run()
    figures = {"machine": {**machine, "gil": True}, "rings": rows, "goals": goals.goals({})}
    document = markdown.document("name", figures, 3)
    assert "| bytes | 64 | 1400 |" in document
    assert "| `write` | 2.00 (0.20) | 2.00 (0.20) |" in document
    assert "benchmarks/name-dark.svg" in document


# --- Runs ---------------------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None,
    reason="builds the loop in C (on Windows nox -s bench-windows does)",
)
@pytest.mark.parametrize("situation", rings.SITUATIONS)
def test_each_call_is_measured_beside_the_c_loop(
    situation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "MOST_PACKETS", 300)
    monkeypatch.setattr(rings, "PIPELINE_NS", 100_000)
    found = rings.compare_on_wire(situation, 64, 1, None)
    waiting = calls.RECEIVE_WAITING if situation == "pipeline" else {}
    for direction, made in (
        ("receive", [rings.LIST_IN_C, *calls.RECEIVE, *waiting]),
        ("send", calls.SEND),
        ("echo", calls.ECHO),
    ):
        group = [row for row in found if row.direction == direction]
        assert [row.call for row in group] == ["C loop", *made]
        assert all(row.ns > 0 and row.packets > 0 for row in group)
        assert group[0].ratio == 1


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None,
    reason="builds the loop in C (on Windows nox -s bench-windows does)",
)
def test_merging_and_splitting_are_measured_beside_memcpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "TURNS", 2)
    found = offload.measure(1, None)
    assert [row.what for row in found][:1] == [offload.COPY]
    assert {offload.MERGE, offload.MERGE_TRUSTED, offload.SPLIT} < {row.what for row in found}
    assert all(row.ns > 0 and row.copies > 0 for row in found)
    assert found[0].copies == 1
    assert offload.SPLIT in offload.table(found)
    assert offload.SPLIT in markdown.offload(found)
