"""Scores against twins that do the same by hand, and the statistics against what theory says of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.results import Results, group_of, results_of, undelayed
from trimtab.benchmarks.scores import (
    against_random,
    bootstrap_means,
    by_problem,
    holm,
    interval,
    normalised_regrets,
    ranks,
    standings,
)

Array = NDArray[np.float64]
MadeUp = Callable[..., RunRecord]


def results(best: Array, peers: tuple[str, ...], problem: list[int], instance: list[int] | None = None) -> Results:
    """Results of an array (c, p, n); every problem has one instance unless they are given."""
    instance = problem if instance is None else instance
    names = tuple(f"p{place}" for place in range(max(problem) + 1))
    played = tuple(f"i{place}" for place in range(max(instance) + 1))
    seeds = np.arange(len(problem))
    return Results(peers, names, np.array(problem), played, np.array(instance), seeds, best, 0)


def rank_twin(values: list[float], value: float) -> float:
    """Average place of a value: those below it, and half of the others that equal it."""
    return sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf]), min_size=1, max_size=7))
def test_ranks_are_places_with_ties_shared(values: list[float]) -> None:
    expected = [rank_twin(values, value) for value in values]
    assert ranks(np.array([values]))[0].tolist() == expected


def test_runs_become_cells_that_every_peer_has(made_up: MadeUp) -> None:
    runs = [
        made_up([3.0, 1.0, 2.0], "a:a", seed=0),
        made_up([2.0, 4.0, 0.5, 0.0], "b:b", seed=0),
        made_up([5.0, None, 2.0], "a:a", seed=1),
        made_up([None, 4.0, 4.0], "b:b", seed=1),
        made_up([1.0, 1.0, 1.0], "a:a", seed=2),
        made_up([1.0, 1.0], "b:b", seed=2),
    ]
    found = results_of(runs, 3)
    assert (found.peers, found.problems, found.left_out) == (("a:a", "b:b"), ("training-svm",), 1)
    assert found.seeds.tolist() == [0, 1]
    assert found.best.tolist() == [[[3, 1, 1], [2, 2, 0.5]], [[5, 5, 2], [math.inf, 4, 4]]]


def test_instances_are_cells_of_one_problem(made_up: MadeUp) -> None:
    played = [("bbob-f5-d3", 0), ("bbob-f5-d3", 1), ("bbob-f5-d3-i2", 1), ("bbob-f10-d3-i2", 1)]
    found = results_of([made_up([3.0, 1.0], "a:a", problem, seed) for problem, seed in played], 2)
    assert found.problems == ("bbob-f10-d3", "bbob-f5-d3")
    assert found.instances == ("bbob-f10-d3-i2", "bbob-f5-d3", "bbob-f5-d3-i2")
    assert found.problem.tolist() == [0, 1, 1, 1]
    assert found.instance.tolist() == [0, 1, 1, 2]
    assert found.seeds.tolist() == [1, 0, 1, 1]


def test_a_run_that_ran_out_of_configurations_keeps_its_best(made_up: MadeUp) -> None:
    short = made_up([3.0, 1.0, 2.0, 4.0])
    short = RunRecord(short.run, short.library, short.trials[:2], short.end)
    assert results_of([short], 4).best.tolist() == [[[3, 1, 1, 1]]]


def test_solved_bbob_functions_tie(made_up: MadeUp) -> None:
    runs = [made_up([1e-9], "a:a", "bbob-f5-d3"), made_up([0.0], "b:b", "bbob-f5-d3")]
    assert standings(results_of(runs, 1), 1)[0].rank == 1.5


def test_groups_are_sets_with_their_wrappers_but_delays() -> None:
    assert group_of("table-segment") == "tables"
    assert group_of("bbob-f5-d3+delayed:1+noisy:0.1") == "bbob+noisy:0.1"
    assert undelayed("bbob-f5-d3+delayed:1+noisy:0.1") == "bbob-f5-d3+noisy:0.1"


def test_normalised_regret_is_zero_at_the_best_and_one_where_random_ends() -> None:
    best = np.array(
        [
            [[9.0, 4.0], [6.0, 2.0]],  # random ends at 4, the other at 2
            [[9.0, 8.0], [4.0, 1.0]],  # random ends at 8; median of 4 and 8 is 6, the best of all is 1
            [[7.0, 3.0], [900.0, 3.0]],  # another problem, on which random ends at the best
        ]
    )
    found = normalised_regrets(results(best, ("optuna:random", "x:y"), [0, 0, 1]))
    assert found[:2].tolist() == [[[8 / 5, 3 / 5], [1.0, 1 / 5]], [[8 / 5, 7 / 5], [3 / 5, 0.0]]]
    assert found[2].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    steep = normalised_regrets(results(best * np.array([1.0, 1e6])[:, None], ("x:random", "x:y"), [0, 0, 1]))
    assert steep.max() == 10.0


def test_each_instance_has_a_scale_of_its_own() -> None:
    """One instance has values a million times those of the other, and counts no more."""
    best = np.array([[[4.0], [2.0]], [[6e6], [8e6]], [[4e6], [1e6]]])
    found = results(best, ("optuna:random", "x:y"), [0, 0, 0], [0, 1, 1])
    assert normalised_regrets(found)[:, :, 0].tolist() == [[1.0, 0.0], [5 / 4, 7 / 4], [3 / 4, 0.0]]
    (row,) = [row for row in standings(found, 1) if row.peer == "x:y"]
    assert row.rank == pytest.approx((1 + 2 + 1) / 3)
    assert row.regret == pytest.approx(7 / 12)


def test_runs_without_any_success_are_the_worst_and_no_more() -> None:
    inf = math.inf
    best = np.array([[[inf], [3.0], [inf]], [[inf], [2.0], [inf]], [[5.0], [1.0], [inf]], [[inf], [inf], [inf]]])
    found = results(best, ("a:random", "b:b", "c:c"), [0, 0, 1, 2])
    assert normalised_regrets(found)[:, :, 0].tolist() == [[1, 1, 1], [1, 0, 1], [1, 0, 10], [0, 0, 0]]
    assert standings(found, 1)[0].peer == "b:b"
    assert [(row.better, row.p_worse) for row in against_random(found, 1) if row.problem == "p2"] == [(0.5, 1.0)] * 2


def test_every_problem_counts_the_same() -> None:
    values = np.array([[1.0], [3.0], [10.0]])
    assert by_problem(values, np.array([0, 0, 1]), 2).tolist() == [[2.0], [10.0]]


def test_bootstrap_means_have_the_distribution_of_means_over_drawn_problems() -> None:
    means = np.array([[0.0, 5.0], [1.0, 5.0], [4.0, 8.0]])
    draws = bootstrap_means(means, draws=40_000)
    exact: dict[tuple[float, ...], float] = {}
    for chosen in itertools.product(range(3), repeat=3):
        key = tuple(np.round(means[list(chosen)].mean(axis=0), 9).tolist())
        exact[key] = exact.get(key, 0.0) + 1 / 27
    rows, counts = np.unique(np.round(draws, 9), axis=0, return_counts=True)
    assert {tuple(row) for row in rows.tolist()} == set(exact)
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        share = exact[tuple(row)]
        # Ten outcomes, each within 5 standard errors: fails by chance once in a hundred thousand.
        assert abs(count / 40_000 - share) < 5 * math.sqrt(share * (1 - share) / 40_000)


def test_the_interval_covers_the_mean_of_the_population_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for repeat in range(300):
        sample = rng.exponential(size=(36, 1))
        hits += 1.0 in interval(bootstrap_means(sample, draws=400, seed=repeat)[:, 0])
    # The percentile bootstrap covers a little less than 95 % at 36 problems; 300 repeats have a spread of 1.3 %.
    assert 0.87 < hits / 300 < 0.985


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_standings_against_a_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    best = np.minimum.accumulate(rng.integers(0, 6, size=(7, 3, 4)).astype(float), axis=2)
    problem = [0, 0, 0, 1, 1, 2, 2]
    rows = standings(results(best, ("a:random", "b:b", "c:c"), problem), 3)
    final = best[:, :, 2].tolist()
    cells = [[rank_twin(cell, value) for value in cell] for cell in final]
    by_hand = [
        float(np.mean([np.mean([cells[c][p] for c in range(7) if problem[c] == m]) for m in range(3)]))
        for p in range(3)
    ]
    found = {row.peer: row for row in rows}
    assert [found[peer].rank for peer in ("a:random", "b:b", "c:c")] == pytest.approx(by_hand)
    assert [row.rank for row in rows] == sorted(row.rank for row in rows)
    for row in rows:
        assert row.behind == pytest.approx(row.rank - rows[0].rank)
        assert row.rank_interval.low - 1e-12 <= row.rank <= row.rank_interval.high + 1e-12
    assert (rows[0].behind_interval.low, rows[0].behind_interval.high) == (0.0, 0.0)


def test_the_difference_is_drawn_on_the_same_problems() -> None:
    """Two peers whose ranks swing together from problem to problem are told apart all the same."""
    up, down = [2.0, 3.0, 0.0, 1.0, 4.0], [0.0, 1.0, 3.0, 2.0, 4.0]
    best = np.array([up if place % 2 else down for place in range(8)])[:, :, None]
    rows = standings(results(best, ("a:a", "b:b", "c:c", "d:d", "e:e"), list(range(8))), 1)
    found = {row.peer: row for row in rows}
    assert rows[0].peer == "a:a"
    apart = found["b:b"].behind_interval
    assert (apart.low, apart.high) == pytest.approx((1.0, 1.0))
    assert found["a:a"].rank_interval.high > found["b:b"].rank_interval.low


def exact_p(own: list[float], random: list[float]) -> float:
    """One-sided p-value of the rank sum, over all ways to name the values."""
    pooled = own + random
    places = [rank_twin(pooled, value) for value in pooled]
    observed = sum(places[: len(own)])
    sums = [sum(chosen) for chosen in itertools.combinations(places, len(own))]
    return sum(s >= observed - 1e-9 for s in sums) / len(sums)


def test_against_random_is_the_exact_rank_test_where_nothing_ties() -> None:
    rng = np.random.default_rng(1)
    best = rng.normal(size=(6, 2, 1))
    best[:, 1] += 0.8
    (row,) = against_random(results(best, ("a:random", "b:b"), [0] * 6), 1)
    own, random = best[:, 1, 0].tolist(), best[:, 0, 0].tolist()
    assert row.p_worse == row.p_holm == pytest.approx(exact_p(own, random))
    assert row.better == np.mean([o < r for o in own for r in random])


def test_against_random_finds_the_worse_and_lets_equals_be() -> None:
    cells = [0] * 10 + [1] * 10
    best = np.zeros((20, 3, 1))
    best[:, 0, 0] = best[:, 2, 0] = np.arange(20.0)
    best[:10, 1, 0] = 100.0
    found = {
        (row.peer, row.problem): row for row in against_random(results(best, ("a:random", "b:b", "c:c"), cells), 1)
    }
    assert found["b:b", "p0"].p_worse < 0.001
    assert found["b:b", "p0"].better == 0.0
    assert found["b:b", "p1"].p_worse > 0.99
    assert found["c:c", "p0"].better == 0.5
    assert found["c:c", "p0"].p_worse > 0.4
    assert against_random(results(best[:, 1:], ("b:b", "c:c"), cells), 1) == []


def test_against_random_compares_within_instances() -> None:
    """One run on each of six instances: five end higher than random search, whatever the instance's scale."""
    scales = 10.0 ** np.arange(6)
    best = np.stack([scales, scales * np.array([2.0, 2.0, 0.5, 2.0, 2.0, 2.0])], axis=1)[:, :, None]
    (row,) = against_random(results(best, ("a:random", "b:b"), [0] * 6, list(range(6))), 1)
    assert (row.better, row.p_worse) == (pytest.approx(1 / 6), pytest.approx(7 / 64))
    # Three cells on one instance, where one in nine pairs ends lower, and one on another, where the only pair does.
    best = np.array([[[1.0], [2.0]], [[4.0], [5.0]], [[3.0], [6.0]], [[9.0], [8.0]]])
    (row,) = against_random(results(best, ("a:random", "b:b"), [0] * 4, [0, 0, 0, 1]), 1)
    assert row.better == pytest.approx((2 / 9 + 1.0) / 2)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_holm_rejects_what_its_procedure_rejects(p_values: list[float]) -> None:
    """Step by step from the smallest: reject while p <= level / (how many are left)."""
    corrected = holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        for place in sorted(range(len(p_values)), key=lambda k: p_values[k]):
            if (len(p_values) - len(rejected)) * p_values[place] > level:
                break
            rejected.add(place)
        assert {k for k, p in enumerate(corrected) if p <= level} == rejected
