"""The page says what the numbers are, links plots that are there, and holds what was asked for."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import played
from trimtab.benchmarks.report import page, table, write_page
from trimtab.benchmarks.results import read_runs
from trimtab.benchmarks.summary import Summary, summary_of

MadeUp = Callable[..., RunRecord]


@pytest.fixture
def runs(made_up: MadeUp) -> list[RunRecord]:
    """Three peers on four problems, the first of them the best; runs in parallel and with preloaded results."""
    rng = np.random.default_rng(0)
    made = []
    for seed in range(3):
        for problem in ("training-svm", "training-mlp", "bbob-f5-d3", "bbob-f2-d3"):
            for peer, gain in (("trimtab:auto", 0.1), ("optuna:tpe", 0.5), ("optuna:random", 1.0)):
                values = (gain * rng.random(60) / np.arange(1, 61)).tolist()
                made.append(made_up(values, peer, problem, seed, ask=gain / 10))
        made.append(made_up([1.0] * 60, "trimtab:auto", "bbob-f5-d3+delayed:0.5", seed, workers=4))
        made.append(made_up([1.0, 1.0], "trimtab:auto", "bbob-f5-d10", seed, preload=1000))
    made.append(made_up([1.0] * 60, "optuna:tpe", "training-knn", 0))
    made.append(made_up([1.0] * 60, "optuna:tpe", "table-segment", 0))
    made.append(made_up([1.0] * 60, "trimtab:auto", "table-segment", 1))
    return made


@pytest.fixture
def summary(runs: list[RunRecord]) -> Summary:
    return summary_of(runs, (20, 50))


def test_the_page_tells_who_is_first(summary: Summary) -> None:
    text = page(summary)
    for group in ("bbob", "training"):
        section = text.partition(f"\n## {group}\n")[2].partition("\n## ")[0]
        assert "2 problems, 6 cells" in section
        assert section.count("trimtab:auto has the best mean rank, optuna:tpe the second") == 2
        first = re.search(r"^\| trimtab:auto \| ([\d.]+) \|", section, re.MULTILINE)
        assert first is not None
        assert first[1] == f"{next(g for g in summary.groups if g.name == group).standings[20][0].rank:.2f}"
    assert "1 cell left out" in text
    assert "## tables\n\nNo problem has runs of all peers on one seed." in text
    (row,) = summary.parallel
    cells = f"{row.ratio:.2f} | {row.interval.low:.2f} to {row.interval.high:.2f} | {row.delay:.2f} | 1 |"
    assert f"| trimtab:auto | 4 | {cells}" in text.partition("## Parallel runs")[2]
    assert "### bbob-f5-d10, 1,000 results" in text


def test_parallel_runs_are_ranked_among_themselves(runs: list[RunRecord], made_up: MadeUp) -> None:
    late = [
        made_up([value] * 60, peer, "bbob-f5-d3+delayed:0.5", seed, workers=4)
        for seed in range(3)
        for peer, value in (("optuna:tpe", 0.5), ("optuna:random", 2.0))
    ]
    alone, together = summary_of(runs, (20, 50)), summary_of([*runs, *late], (20, 50))
    assert [group.name for group in alone.groups] == ["bbob", "training"]
    assert [group.name for group in together.groups] == ["bbob", "training", "bbob, 4 workers"]
    assert together.groups[0].standings == alone.groups[0].standings
    assert [row.peer for row in together.groups[2].standings[50]] == ["optuna:tpe", "trimtab:auto", "optuna:random"]
    text = page(together)
    assert "(benchmarks-rank-bbob-4-workers.svg)" in text
    rows = [row for row in together.among_sequential if row.peer == "optuna:tpe"]
    told = " | ".join(
        f"{row.rank:.2f}; {row.other} {row.ahead:+.2f} ({row.interval.low:.2f} to {row.interval.high:.2f})"
        for row in rows
    )
    assert f"| bbob | optuna:tpe | 4 | 3 | {told} |" in text.partition("### Parallel runs among the others in turn")[2]


def test_budgets_of_parallel_runs_are_told_apart(made_up: MadeUp) -> None:
    runs = [made_up([1.0] * trials, "a:a", workers=workers) for trials in (4, 8) for workers in (1, 2)]
    section = page(summary_of(runs, (4,))).partition("## Parallel runs")[2]
    assert re.findall(r"\| a:a \| (.*?) \| 1.00 ", section) == ["2 (4 trials)", "2 (8 trials)"]
    assert "(4 trials)" not in page(summary_of(runs[:2], (4,)))


def test_parallel_runs_need_none_of_their_own_in_turn(made_up: MadeUp) -> None:
    runs = [made_up([1.0] * 4, "a:a", workers=2), made_up([2.0] * 4, "b:b")]
    summary = summary_of(runs, (4,))
    assert summary.parallel == ()
    assert "### Parallel runs among the others in turn" in page(summary)
    assert "## Parallel runs" not in page(summary_of(runs[1:], (4,)))


def test_instances_are_told_apart_from_problems(made_up: MadeUp) -> None:
    runs = [
        made_up([value * 10.0**seed], peer, played("bbob-f5-d3", seed), seed)
        for seed in range(6)
        for peer, value in (("a:random", 1.0), ("b:b", 2.0))
    ]
    summary = summary_of(runs, (1,))
    text = page(summary)
    assert "1 problem on 6 instances, 6 cells." in text
    assert "| b:b | 0.00 | 0.00 (bbob-f5-d3) | bbob-f5-d3 | bbob-f5-d3 |" in text
    (group,) = summary.to_json()["groups"]
    assert (group["problems"], len(group["instances"])) == (["bbob-f5-d3"], 6)


def test_a_peer_that_is_worse_than_random_is_named(made_up: MadeUp) -> None:
    runs = [
        made_up([value + seed / 100], peer, "training-svm", seed)
        for seed in range(8)
        for peer, value in (("a:random", 1.0), ("b:b", 2.0))
    ]
    text = page(summary_of(runs, (1,)))
    assert "| b:b | 0.00 | 0.00 (training-svm) | training-svm | training-svm |" in text


def test_plots_are_whole_and_linked(summary: Summary, tmp_path: Path) -> None:
    written = write_page(summary, tmp_path / "bench.md")
    linked = re.findall(r"!\[[^]]+\]\(([^)]+)\)", written[0].read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(path.name for path in written[1:])
    assert len(linked) == 5
    for path in written[1:]:
        text = path.read_text(encoding="utf-8")
        ET.fromstring(text)
        assert "nan" not in re.sub(r"<(title|desc)[^>]*>[^<]*", "", text)
    regret = (tmp_path / "bench-regret-bbob.svg").read_text(encoding="utf-8")
    assert all(peer in regret for peer in ("trimtab:auto", "optuna:tpe", "optuna:random"))


def test_the_numbers_are_strict_json(summary: Summary) -> None:
    data = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert [group["name"] for group in data["groups"]] == ["bbob", "training"]
    assert data["incomparable"] == ["tables"]
    first = data["groups"][0]["standings"]["50"][0]
    assert first["peer"] == "trimtab:auto"
    assert len(data["groups"][0]["curves"]["optuna:tpe"]) == 50


def test_peers_can_be_chosen(runs: list[RunRecord]) -> None:
    chosen = summary_of(runs, (20,), ["optuna:tpe", "optuna:random"])
    assert {row.peer for group in chosen.groups for row in group.standings[20]} == {"optuna:tpe", "optuna:random"}
    with pytest.raises(InvalidArgument, match="at least one budget"):
        summary_of(runs, ())


def test_a_table_keeps_its_cells_apart() -> None:
    assert table(["a", "b"], [["x|y", "z"]]) == "| a | b |\n| --- | --- |\n| x\\|y | z |\n"


def test_no_runs_are_met_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="trimtab bench run"):
        read_runs(tmp_path)
