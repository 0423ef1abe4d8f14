"""The price of running in parallel, and what is left of a lead."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.benchmarks.parallel import among_sequential, parallel_costs
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.results import results_of
from trimtab.benchmarks.scores import standings

MadeUp = Callable[..., RunRecord]


FALLING = [float(8 - k) for k in range(8)]


def swapped(runs: list[RunRecord], workers: int) -> list[RunRecord]:
    """The sequential runs as parallel ones, and the other way round."""
    other = {1: workers, workers: 1}
    return [replace(record, run=replace(record.run, workers=other[record.run.workers])) for record in runs]


def test_a_delay_costs_what_it_adds_to_the_trials_until_each_target(made_up: MadeUp) -> None:
    late = [None, None, *FALLING[:6]]  # two trials later everywhere, as with three workers that lose nothing else
    runs = [made_up(FALLING, "a:a", "bbob-f5-d3"), made_up(late, "a:a", "bbob-f5-d3+delayed:0.5", workers=3)]
    # After 2 trials the values are 7 and none, after 4 they are 5 and 7, after 6 they are 3 and 5.
    until = [2, 4, 2, 6, 4]
    (row,) = parallel_costs(runs)
    assert (row.peer, row.workers, row.problems) == ("a:a", 3, 1)
    assert row.ratio == pytest.approx(math.prod((t + 2) / t for t in until) ** (1 / len(until)))
    assert row.delay == pytest.approx(row.ratio)
    assert (row.interval.low, row.interval.high) == pytest.approx((row.ratio, row.ratio))
    assert parallel_costs(runs[1:]) == []


def test_equal_runs_cost_nothing(made_up: MadeUp) -> None:
    runs = [made_up(FALLING, seed=seed, workers=workers) for seed in range(3) for workers in (1, 8)]
    (row,) = parallel_costs(runs)
    assert (row.ratio, row.interval.low, row.interval.high) == (1.0, 1.0, 1.0)
    assert row.delay > 1.0
    (nothing,) = parallel_costs([made_up([None] * 4), made_up([None] * 4, workers=2)])
    assert nothing.ratio == 1.0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_exchanging_the_sides_inverts_the_ratio(made_up: MadeUp, seed: int, count: int) -> None:
    """So the logarithm is symmetric around zero wherever the two kinds of runs are alike."""
    rng = np.random.default_rng(seed)
    runs = [
        made_up(rng.integers(0, 30, size=12).tolist(), "a:a", problem, s, workers=workers)
        for s in range(count)
        for problem in ("bbob-f5-d3", "bbob-f5-d3-i2", "bbob-f2-d3")
        for workers in (1, 4)
    ]
    (row,), (inverse,) = parallel_costs(runs), parallel_costs(swapped(runs, 4))
    assert row.problems == 2
    assert row.ratio * inverse.ratio == pytest.approx(1.0, abs=1e-12)
    assert row.interval.low <= row.ratio * (1 + 1e-12)
    assert row.ratio <= row.interval.high * (1 + 1e-12)


def test_only_seeds_that_both_sides_have_count(made_up: MadeUp) -> None:
    pair = [made_up(FALLING, seed=1), made_up([9.0, *FALLING[:7]], seed=1, workers=2)]
    more = [made_up([0.0] * 8, seed=0), made_up([5.0] * 8, seed=2, workers=2), made_up([1.0] * 4, seed=1, workers=2)]
    assert parallel_costs(pair + more) == parallel_costs(pair)


def test_every_problem_counts_the_same_however_many_instances_it_has(made_up: MadeUp) -> None:
    def pair(problem: str, seed: int, worse: bool) -> list[RunRecord]:
        late = [9.0] * 8 if worse else FALLING
        return [made_up(FALLING, "a:a", problem, seed), made_up(late, "a:a", problem, seed, workers=2)]

    lost = [run for seed, name in enumerate(("bbob-f5-d3", "bbob-f5-d3-i2")) for run in pair(name, seed, True)]
    both = parallel_costs([*lost, *pair("bbob-f2-d3", 0, False)])[0]
    assert (both.problems, both.ratio) == (2, pytest.approx(parallel_costs(lost)[0].ratio ** 0.5))
    assert (both.interval.low, both.interval.high) == pytest.approx((1.0, parallel_costs(lost)[0].ratio))


def test_a_target_that_is_never_reached_counts_the_whole_budget(made_up: MadeUp) -> None:
    runs = [made_up([4.0, 3.0, 2.0, 1.0], "a:a"), made_up([9.0] * 4, "a:a", workers=2)]
    (row,) = parallel_costs(runs)
    # The upper of the two middle values is 9, where both are at once.
    assert row.ratio == pytest.approx((4 / 1 * 4 / 2 * 4 / 3) ** (1 / 6))


def test_budgets_are_rows_of_their_own(made_up: MadeUp) -> None:
    short = [made_up(FALLING[:4], workers=workers) for workers in (1, 2)]
    long = [made_up(FALLING, workers=workers) for workers in (1, 2)]
    rows = parallel_costs([*short, *long])
    assert [(row.budget, row.ratio) for row in rows] == [(4, 1.0), (8, 1.0)]
    assert [rows[1]] == parallel_costs(long)


@pytest.fixture
def raced(made_up: MadeUp) -> list[RunRecord]:
    """Three peers in turn on three problems, two seeds each."""
    rng = np.random.default_rng(3)
    return [
        made_up(rng.random(12).tolist(), peer, problem, seed)
        for seed in range(2)
        for problem in ("bbob-f2-d3", "bbob-f5-d3", "bbob-f9-d3")
        for peer in ("a:a", "b:b", "c:c")
    ]


def test_parallel_runs_that_lose_nothing_stand_where_those_in_turn_do(raced: list[RunRecord]) -> None:
    late = [
        replace(record, run=replace(record.run, problem=f"{record.run.problem}+delayed:0.5", workers=4))
        for record in raced
        if record.run.peer == "b:b"
    ]
    rows = among_sequential([*raced, *late], (6, 12))
    assert [(row.peer, row.workers, row.group, row.budget, row.cells) for row in rows] == [
        ("b:b", 4, "bbob", 6, 6),
        ("b:b", 4, "bbob", 12, 6),
    ]
    results = results_of(raced, 12)
    for row in rows:
        mean = {standing.peer: standing.rank for standing in standings(results, row.budget)}
        other = min((peer for peer in mean if peer != "b:b"), key=mean.__getitem__)
        assert (row.rank, row.other, row.other_rank) == (pytest.approx(mean["b:b"]), other, pytest.approx(mean[other]))
        assert row.ahead == pytest.approx(mean[other] - mean["b:b"])
        assert row.interval.low <= row.ahead <= row.interval.high


def test_parallel_runs_are_ranked_where_the_others_have_runs(raced: list[RunRecord], made_up: MadeUp) -> None:
    first = made_up([-1.0] * 12, "b:b", "bbob-f2-d3+delayed:0.5", 0, workers=8)
    (row,) = among_sequential([*raced, first], (12,))
    assert (row.rank, row.ahead > 0.0, row.cells) == (1.0, True, 1)
    # Neither a cell in which nobody else ran, nor runs that are too short, say anything.
    strange = made_up([-1.0] * 12, "b:b", "bbob-f7-d3+delayed:0.5", 0, workers=8)
    assert among_sequential([*raced, strange], (12,)) == []
    assert among_sequential([*raced, first], (20,)) == []
    assert among_sequential(raced, (12,)) == []
