"""Trials until a value is nearly the best known, on runs made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.benchmarks.protocol import Run, RunRecord, TrialLine
from trimtab.benchmarks.targets import Reached, reached, targets_table


def record(peer: str, seed: int, best: list[float | None], problem: str = "p") -> RunRecord:
    lines = [TrialLine(n, value, value, float(n), 1.0, 1.0, 0.5, 0.5, 2.0) for n, value in enumerate(best)]
    return RunRecord(
        Run(problem, peer, seed, len(best)), "library 1", tuple(lines), {"trials": len(best), "setup": 0.25}
    )


RUNS = [
    record("a", 0, [None, 3.0, 1.05, 1.0]),
    record("a", 1, [2.0, 2.0, 2.0, 1.1]),
    record("a", 2, [1.0, 1.0, 1.0, 1.0]),
    record("b", 0, [4.0, 3.0, 3.0, 3.0]),
    record("b", 1, [4.0, 1.02, 1.02, 1.02]),
    record("b", 2, [4.0, 4.0, 4.0, 4.0]),
]


def test_medians_count_runs_that_never_got_there_as_infinite() -> None:
    # The best known is 1, so 1.1 is just near enough.
    found = reached(RUNS, 0.1000001)
    # Waiting is each ask, and each tell but the last; the whole is that and each evaluation.
    never = (math.inf, math.inf, math.inf)
    assert found == [Reached("p", "a", 3, 3, 3.0, 4.0, 10.0, 0.25), Reached("p", "b", 3, 1, *never, 0.25)]
    assert found[1].to_json()["trials"] is None
    assert targets_table(found).splitlines()[-2:] == [
        "| p | 3, 4 s, 10 s (3 of 3) | never (1 of 3) |",
        "| before the first ask | 0.25 s | 0.25 s |",
    ]


def test_files_without_the_times_of_evaluations_and_setups_tell_the_rest() -> None:
    lines = [replace(line, evaluation=math.nan) for line in RUNS[2].trials]
    (found,) = reached([replace(RUNS[2], trials=tuple(lines), end={})], 0.1)
    assert (found.trials, found.seconds) == (1.0, 1.0)
    assert (found.to_json()["whole"], found.to_json()["setup"]) == (None, None)
    assert targets_table([found]).splitlines()[-1] == "| p | 1, 1 s (1 of 1) |"


def test_a_negative_best_value_is_approached_from_above() -> None:
    found = reached([record("a", 0, [-1.0, -9.0, -10.0])], 0.1)
    assert found[0].trials == 2.0


def test_instances_have_best_values_of_their_own_and_are_one_problem() -> None:
    runs = [
        record("a", 0, [9.0, 1.0], "bbob-f5-d3"),
        record("a", 1, [70.0, 90.0, 60.0, 40.0], "bbob-f5-d3-i2"),
        record("a", 1, [70.0, 90.0, 40.0], "bbob-f5-d3-i2+noisy:0.1"),
    ]
    assert [(row.problem, row.runs, row.there, row.trials) for row in reached(runs, 0.1)] == [
        ("bbob-f5-d3", 2, 2, 3.0),
        ("bbob-f5-d3+noisy:0.1", 1, 1, 3.0),
    ]


def test_parallel_runs_and_told_results_do_not_count() -> None:
    parallel = replace(RUNS[0], run=replace(RUNS[0].run, workers=4))
    preloaded = replace(RUNS[0], run=replace(RUNS[0].run, preload=9))
    assert reached([parallel, preloaded], 0.1) == []


@pytest.mark.parametrize("share", [0.0, -1.0, math.inf, math.nan])
def test_a_share_is_above_zero(share: float) -> None:
    with pytest.raises(InvalidArgument, match=r"share.*allowed: > 0"):
        reached(RUNS, share)
