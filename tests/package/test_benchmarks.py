# SPDX-License-Identifier: MIT
"""The measurements themselves: they run, judge as they say, and get into the documents."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as command
from benchmarks import build, calls, chart, goals, markdown, offload, report, rings, starts
from benchmarks.adapters import Cost
from benchmarks.growth import Growth
from benchmarks.imports import Import
from benchmarks.rings import Result


def result(situation: str, direction: str, size: int, call: str, ratio: float) -> Result:
    """What took `ratio` times the 100 ns of a C loop."""
    return Result(situation, direction, size, call, 1000, 100 * ratio, 90 * ratio, ratio)


ROOT = Path(__file__).resolve().parents[2]


def several(*measured: starts.Start) -> starts.Figures:
    return starts.merge(measured)


# --- Goals --------------------------------------------------------------------------------------

JUDGED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(
        (
            {"rings": [result("pipeline", "receive", size, call, 1.1)]},
            {"rings": [result("pipeline", "receive", size, call, 1.12)]},
        )
        for call in ("read_packed", "receive_packets")
        for size in (64, 1400)
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
    assert [goal.met for goal in goals.goals(several(met))] == [True]
    assert [goal.met for goal in goals.goals(several(missed))] == [False]


@pytest.mark.parametrize(
    ("situation", "call"), [("drain", "read_many"), ("pipeline", "read_many(64, None)")]
)
@pytest.mark.parametrize("size", [64, 1400])
@pytest.mark.parametrize(("times", "expected"), [(1.1, True), (1.11, False)])
def test_a_list_of_bytes_takes_hardly_more_than_cpython_takes_for_it(
    situation: str, call: str, size: int, times: float, expected: bool
) -> None:
    rows = [
        result(situation, "receive", size, rings.LIST_IN_C, 2.0),
        result(situation, "receive", size, call, 2.0 * times),
    ]
    against_list = goals.goals(several({"rings": rows}))[-1]
    assert against_list.what.endswith("makes the list")
    assert against_list.met == expected


@pytest.mark.parametrize(
    ("situation", "call"), [("drain", "read_many"), ("pipeline", "read_many(64, None)")]
)
def test_no_goal_asks_a_list_of_1400_bytes_to_be_as_fast_as_a_copy(
    situation: str, call: str
) -> None:
    rows = [result(situation, "receive", 1400, call, 99.0)]
    assert goals.goals(several({"rings": rows})) == []


@pytest.mark.parametrize(
    ("ratios", "found", "expected"),
    [
        ((0.5, 2.0, 1.0), "1.00 (0.50 to 2.00)", True),
        ((0.5, 2.0, 2.0), "0.50 (0.50 to 2.00)", False),
        ((1.0, 1.0, 1.0), "1.00", True),
    ],
)
def test_a_goal_is_met_where_the_median_of_the_starts_meets_it(
    ratios: tuple[float, ...], found: str, expected: bool
) -> None:
    measured: list[starts.Start] = [
        {"rings": [result("pipeline", "send", 64, "write_many", ratio)]} for ratio in ratios
    ]
    (goal,) = goals.goals(several(*measured))
    assert (goal.found, goal.met) == (found, expected)


def test_a_goal_between_two_calls_compares_them_within_each_start() -> None:
    # Each start has its own pace: the medians of the calls are of different starts.
    measured: list[starts.Start] = [
        {
            "rings": [
                result("pipeline", "receive", 1400, rings.LIST_IN_C, pace),
                result("pipeline", "receive", 1400, "read_many(64, None)", pace * times),
            ]
        }
        for pace, times in ((1.0, 1.05), (2.0, 0.5), (4.0, 1.2))
    ]
    (goal,) = goals.goals(several(*measured))
    assert goal.found == "1.05 (0.50 to 1.20)"
    assert goal.met


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
    found = goals.goals(several({"adapters": [Cost(1, 1, 0.1, 1.0), last]}))
    assert [goal.met for goal in found] == expected


# --- Regressions --------------------------------------------------------------------------------


def test_a_call_is_slower_than_before_when_it_takes_longer_in_times_of_the_c_loop() -> None:
    before = [
        starts.Starts((result("drain", "receive", 64, call, 2.0),))
        for call in ("read", "read_many", "gone")
    ]
    now = [
        result("drain", "receive", 64, "read", 2.51),
        result("drain", "receive", 64, "read_many", 2.49),
        result("drain", "receive", 64, "new", 99.0),
    ]
    worse = report.regressions(before, several({"rings": now})["rings"], 0.25)
    assert len(worse) == 1
    assert "64 read:" in worse[0]


# --- Files --------------------------------------------------------------------------------------

ABOUT: dict[str, Any] = {
    **dict.fromkeys(["date", "python", "system", "processor", "processors", "load"], "x"),
    "gil": True,
}


def test_a_file_keeps_the_value_of_each_start(tmp_path: Path) -> None:
    measured: list[starts.Start] = [
        {
            "rings": [result("drain", "receive", 64, "read", 2.0 * pace)],
            "growth": [Growth("echo", 10, [1000, 1000 + pace])],
            "imports": [Import(10.0, 10.0 + pace, float(pace))],
        }
        for pace in (1, 3, 2)
    ]
    figures = several(*measured)
    report.write(tmp_path / "file.json", ABOUT, figures, goals.goals(figures))
    again = report.read(tmp_path / "file.json")
    assert again == report.Report(ABOUT, figures)
    assert len(again.figures["rings"][0].each) == len(measured)


def test_a_file_of_before_is_one_start(tmp_path: Path) -> None:
    rows = [result("drain", "receive", 64, call, 2.0) for call in ("read", "read_many")]
    stored = {
        "machine": ABOUT,
        "imports": {"bare_ms": 10.0, "import_ms": 11.0, "added_ms": 1.0},
        "rings": [row._asdict() for row in rows],
        "growth": [],
        "goals": [{"what": "x", "wanted": "x", "found": "x", "met": True}],
    }
    (tmp_path / "file.json").write_text(json.dumps(stored), "utf-8")
    figures = report.read(tmp_path / "file.json").figures
    assert figures == several({"imports": [Import(10.0, 11.0, 1.0)], "rings": rows})


@pytest.mark.parametrize("source", sorted((ROOT / "docs/benchmarks").glob("*.json")), ids=str)
def test_what_is_published_can_be_compared_with_and_drawn(source: Path) -> None:
    figures = report.read(source).figures
    assert not report.regressions(figures["rings"], figures["rings"], 0.0)
    assert goals.goals(figures)
    assert markdown.rings(figures["rings"])
    assert chart.draw(figures["rings"], "published", "light")


def test_starts_that_measured_different_things_are_not_merged() -> None:
    one, other = (
        {"rings": [result("drain", "receive", 64, call, 2.0)]} for call in ("read", "write")
    )
    with pytest.raises(ValueError, match=r"different rings: .*'read'.* then .*'write'"):
        starts.merge([one, other])


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
    figures = several({"rings": rows_of_a_run()})
    drawn = ElementTree.fromstring(chart.draw(figures["rings"], "CPython & others", theme))
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


def test_the_chart_shows_the_median_and_a_line_from_the_least_to_the_most() -> None:
    # 10, 5 and 2.5 million packets a second
    call = "C loop"
    measured: list[starts.Start] = [
        {"rings": [result("pipeline", "send", size, call, ratio) for size in chart.SIZES]}
        for ratio in (1.0, 4.0, 2.0)
    ]
    drawing = chart.draw(several(*measured)["rings"], "", "light")
    drawn = ElementTree.fromstring(drawing)
    space = "{http://www.w3.org/2000/svg}"
    bar = next(r for r in drawn.iter(f"{space}rect") if r.attrib["height"] == str(chart.BAR))
    start, width = (float(bar.attrib[name]) for name in ("x", "width"))
    line = next(p.attrib["d"] for p in drawn.iter(f"{space}path") if "H" in p.attrib["d"])
    least, most = float(line[1:].split()[0]), float(line.split("H")[1])
    assert [least - start, most - start] == pytest.approx([width / 2, width * 2], abs=0.2)
    assert "5.0 M" in drawing


def test_a_run_becomes_tables_with_each_call_and_size() -> None:
    slower = [row._replace(ns=2 * row.ns, ratio=2 * row.ratio) for row in rows_of_a_run()]
    figures = several({"rings": rows_of_a_run()}, {"rings": slower}, {"rings": rows_of_a_run()})
    about = markdown.about(ABOUT, markdown.method(3, 5))
    document = markdown.document("name", about, figures, goals.goals(figures))
    assert "medians of 3 starts of the process, each of 5 alternating runs" in document
    assert "| bytes | 64 | 1400 |" in document
    assert "| `C loop` | 10 (5 to 10)<br>1.00 (0.50 to 1.00) |" in document
    assert "benchmarks/name-dark.svg" in document


def test_figures_of_few_starts_are_not_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--publish", "never", "--starts", "6"])
    with pytest.raises(SystemExit):
        command.main()
    assert "--publish needs --starts 7 or more, not 6" in capsys.readouterr().err


# --- Runs ---------------------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("x86_64-w64-mingw32-gcc") is None,
    reason="builds the loops for Windows, with MinGW on another system",
)
def test_the_loops_for_windows_export_every_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    library = tmp_path / "loops.dll"
    build.build(library, windows=True)
    listed = subprocess.run(
        ["x86_64-w64-mingw32-objdump", "-p", str(library)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    exported = set(re.findall(r"\] (?:\+base\[[^]]*\] +[0-9a-f]+ +)?(\w+)$", listed, re.MULTILINE))
    sources = (ROOT / "benchmarks" / name for name in ("c_loop.c", "offload_loop.c"))
    wanted = {
        name
        for source in sources
        for name in re.findall(r"^EXPORT \w+\n(\w+)\(", source.read_text("utf-8"), re.MULTILINE)
    }
    assert {"c_loop_receive", "c_loop_pace", "loop_merge"} <= wanted
    assert wanted <= exported


def test_each_start_is_a_process_and_all_of_them_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    options = ["--starts", "3", "--parts", "imports", "threads", "--repeats", "1"]
    options += ["--share", "0.001", "--json", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures = report.read(target).figures
    assert set(figures) == {"imports", "threads"}
    assert all(len(row.each) == 3 for rows in figures.values() for row in rows)
    rates = [each.rate for each in figures["threads"][0].each]
    assert len(set(rates)) > 1
    median, least, most = figures["threads"][0].over(lambda each: each.rate)
    assert (median, least, most) == (statistics.median(rates), min(rates), max(rates))
    assert done.stdout.count("Start ") == 3
    assert "medians of 3 starts of the process" in done.stdout


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
    assert offload.SPLIT in markdown.offload(several({"offload": found})["offload"])
