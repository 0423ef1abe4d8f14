"""The Sobol tuner gives each trial its point of the study's sequence, and the sequence has its net property."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Ordered, Space
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONDITIONAL, SMALL
from trimtab.tuners.values import quasi_random
from trimtab.tuners.values.quasi_random import QuasiRandom, sobol_point

CUBE = Space({f"x{place}": Float(0.0, 1.0) for place in range(5)})


def points(seed: int, count: int, columns: int = 5) -> np.ndarray:
    return np.array([sobol_point(Key(seed, number, "ask"), columns) for number in range(count)])


def test_trials_get_the_points_of_one_sequence_in_any_order() -> None:
    engine = qmc.Sobol(5, scramble=True, seed=Key(3, -1, "ask/sobol").integer())
    np.testing.assert_array_equal(points(3, 16), engine.random(16))
    rows = [QuasiRandom().ask(make_history(CUBE), 1, Key(3, number, "ask"))[0].params for number in (9, 2, 15)]
    np.testing.assert_array_equal(CUBE.encode_many(rows), points(3, 16)[[9, 2, 15]])


@pytest.mark.parametrize("seed", range(3))
def test_the_first_powers_of_two_are_one_in_each_interval_of_each_axis(seed: int) -> None:
    # The property of a net: of the first 2^k points, one lies in each of the 2^k intervals of every coordinate.
    for count in (2, 8, 64):
        cells = np.floor(points(seed, count) * count)
        assert (np.sort(cells, axis=0) == np.arange(count)[:, None]).all()


def test_it_covers_more_evenly_than_independent_draws() -> None:
    # Were it no better, it would win all ten pairs with probability 1/1024.
    for seed in range(10):
        draws = np.random.default_rng(seed).random((64, 5))
        assert qmc.discrepancy(points(seed, 64)) < qmc.discrepancy(draws)


def test_another_seed_is_another_scrambling() -> None:
    assert not np.allclose(points(0, 8), points(1, 8))


def test_each_point_is_uniform_over_the_seeds() -> None:
    first = np.array([sobol_point(Key(seed, 0, "ask"), 1)[0] for seed in range(400)])
    # Kolmogorov-Smirnov at level 0.001: 1.95 / sqrt(n).
    gap = np.abs(np.sort(first) - (np.arange(400) + 0.5) / 400).max()
    assert gap < 1.95 / np.sqrt(400)


@pytest.mark.parametrize("columns", [1, 100, 1500])
def test_many_parameters(columns: int) -> None:
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(columns)})
    rows = [QuasiRandom().ask(make_history(space), 1, Key(0, number, "ask"))[0].params for number in range(2)]
    assert len(rows[0]) == columns
    assert rows[0] != rows[1]


def test_more_parameters_than_there_are_direction_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    few = points(0, 4, columns=3)
    monkeypatch.setattr(quasi_random, "MOST_COLUMNS", 3)
    more = points(0, 4, columns=6)
    np.testing.assert_array_equal(more[:, :3], few)
    assert len(np.unique(more[:, 3:])) == 12
    assert ((more >= 0) & (more < 1)).all()


def test_late_trials_have_points_too() -> None:
    assert not np.array_equal(sobol_point(Key(0, 100_000, "ask"), 5), sobol_point(Key(0, 100_001, "ask"), 5))
    np.testing.assert_array_equal(sobol_point(Key(0, 2**30, "ask"), 2), sobol_point(Key(0, 0, "ask"), 2))


def test_constraints_are_kept_and_the_rest_of_the_sequence_stays() -> None:
    space = CUBE.require(Ordered("x0", "x1", "x2"))
    rows = [QuasiRandom().ask(make_history(space), 1, Key(0, number, "ask"))[0].params for number in range(40)]
    assert all(space.feasible(row) for row in rows)
    raw, plain = space.encode_many(rows), points(0, 40)
    kept = space.feasible_many(plain)
    assert 0 < kept.sum() < 40
    np.testing.assert_array_equal(raw[kept], plain[kept])
    assert len({tuple(row.values()) for row in rows}) == 40


def test_a_narrow_constraint_falls_back_to_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quasi_random, "RETRIES", 1)
    space = CUBE.require(Ordered("x0", "x1", "x2", "x3"))
    for number in range(20):
        (found,) = QuasiRandom().ask(make_history(space), 1, Key(0, number, "ask"))
        space.validate(found.params)


def test_a_tried_point_of_a_small_space_gives_way_to_a_near_one() -> None:
    space = Space(n=Int(1, 100))
    own = QuasiRandom().ask(make_history(space), 1, Key(0, 5, "ask"))[0].params
    (other,) = QuasiRandom().ask(make_history(space, [(own, 1.0)]), 1, Key(0, 5, "ask"))
    assert abs(int(other.params["n"]) - int(own["n"])) == 1
    assert "not tried yet, nearest to Sobol point 5" in other.why


def test_it_covers_conditional_and_small_spaces() -> None:
    rows = [QuasiRandom().ask(make_history(CONDITIONAL), 1, Key(0, n, "ask"))[0].params for n in range(64)]
    counts = [sum(row["opt"] == name for row in rows) for name in ("adam", "sgd", "lbfgs")]
    assert sum(counts) == 64
    assert all(20 <= count <= 23 for count in counts)
    found = QuasiRandom().ask(make_history(SMALL), 40, Key(0, 0, "ask"))
    assert len(found) == 36
