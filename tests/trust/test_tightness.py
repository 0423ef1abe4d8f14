"""Counterexamples: the constructions are what they claim, every measure has one, and bounds still hold."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.trust.tightness import MEASURES, Measure, counterexample, report_measure
from trimtab.trust.tightness.counterexample import _best_two_step
from trimtab.trust.tightness.measures import _kl_inverse
from trimtab.trust.tightness.parity import draw_parities, rank_mod_2, solve_mod_2
from trimtab.trust.tightness.reflection import draw_twins

KEY = Key(0, purpose="test")
ROTATION_INVARIANT = [name for name, each in MEASURES.items() if each.models == "linear" and name != "l1 norm"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_twins_agree_on_every_training_example_and_have_one_norm() -> None:
    pair = draw_twins(20, 100, rng())
    assert pair.x @ pair.twin == pytest.approx(pair.x @ pair.target, abs=1e-12)
    assert np.linalg.norm(pair.twin) == pytest.approx(1.0)
    assert (pair.y == np.sign(pair.x @ pair.target)).all()


@pytest.mark.parametrize("name", ROTATION_INVARIANT)
def test_a_measure_that_rotations_leave_alone_is_the_same_for_both(name: str) -> None:
    measure = MEASURES[name].value
    for seed in range(3):
        pair = draw_twins(15, 60, rng(seed))
        rotation = np.linalg.qr(rng(seed).standard_normal((60, 60)))[0]
        value = measure(pair.x, pair.y, pair.target)
        assert measure(pair.x @ rotation.T, pair.y, rotation @ pair.target) == pytest.approx(value, abs=1e-9)
        assert measure(pair.x, pair.y, pair.twin) == pytest.approx(value, abs=1e-9)


def test_a_measure_that_rotations_change_has_one_distribution_for_both() -> None:
    values = [
        (np.abs(pair.target).sum(), np.abs(pair.twin).sum())
        for pair in (draw_twins(10, 30, rng(seed)) for seed in range(400))
    ]
    targets, twins = np.array(values).T
    assert np.abs(targets - twins).max() > 0.3
    assert stats.ks_2samp(targets, twins).pvalue > 0.001


def test_true_errors_are_angles_and_hold_out_counts_have_that_rate() -> None:
    pair = draw_twins(20, 100, rng())
    assert pair.error(pair.target) == 0.0
    assert pair.error(3.0 * pair.twin) == pytest.approx(pair.error(pair.twin))
    missed = pair.held_out(pair.twin, 4_000, rng(1))
    assert stats.binomtest(missed, 4_000, pair.error(pair.twin)).pvalue > 0.001
    cosines = [float(p.target @ p.twin) for p in (draw_twins(20, 100, rng(seed)) for seed in range(300))]
    assert np.mean(cosines) == pytest.approx(2 * 20 / 100 - 1, abs=4 * np.std(cosines) / np.sqrt(300))


def test_from_as_many_examples_as_dimensions_on_the_twin_is_the_target() -> None:
    pair = draw_twins(30, 30, rng())
    assert pair.twin == pytest.approx(pair.target, abs=1e-6)
    assert not counterexample("squared norm", examples=30, dimensions=20, draws=5, key=KEY).misleads


def test_solutions_mod_2_solve_and_are_uniform() -> None:
    x = np.array([[1, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 1, 0, 1]])
    y = np.array([1, 0, 1])
    every = [h for h in itertools.product((0, 1), repeat=5) if (x @ np.array(h) % 2 == y).all()]
    assert rank_mod_2(x) == 2
    assert len(every) == 2 ** (5 - 2)
    draws, seen = rng(), dict.fromkeys(every, 0)
    for _ in range(1_600):
        seen[tuple(int(bit) for bit in solve_mod_2(x, y, draws))] += 1
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


@pytest.mark.parametrize("examples", [5, 24, 40])
def test_parities_fit_and_are_right_or_wrong_on_half(examples: int) -> None:
    draws = rng(examples)
    for _ in range(5):
        pair = draw_parities(examples, 24, draws)
        assert (pair.x @ pair.twin % 2 == pair.y).all()
        assert pair.error(pair.target) == 0.0
        same = bool((pair.twin == pair.target).all())
        assert pair.error(pair.twin) == (0.0 if same else 0.5)
        assert (pair.held_out(pair.twin, 200, draws) == 0) == same
        assert same or examples < 40


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_data_on_which_it_errs_and_a_hold_out_does_not(name: str) -> None:
    found = counterexample(name, draws=30, key=KEY)
    assert found.misleads
    assert found.best_guess >= 0.2
    assert found.errors[0] == 0.0
    assert found.errors[1] >= 0.49
    assert found.holdout_guess < 0.05
    assert found.covered >= 0.9
    assert found.shown[0].high < found.shown[1].low
    assert f"{name} errs" in str(found)


def test_no_guess_from_one_value_beats_half_the_gap() -> None:
    found = counterexample("flatness", draws=30, key=KEY)
    assert found.values[0] == pytest.approx(found.values[1])
    assert found.best_guess == pytest.approx((found.errors[1] - found.errors[0]) / 2, abs=0.01)


def test_norms_prefer_the_shrunk_twin() -> None:
    found = counterexample("squared norm", draws=20, shrink=0.2, key=KEY)
    assert found.values[1] < found.values[0] - 0.1
    assert found.misleads
    assert found.errors[1] > 0.7


@pytest.mark.parametrize("name", [name for name, each in MEASURES.items() if each.bound])
def test_bounds_hold_where_they_are_not_tight(name: str) -> None:
    measure = MEASURES[name]
    for seed in range(10):
        draws = rng(seed)
        pair = draw_twins(20, 100, draws) if measure.models == "linear" else draw_parities(12, 24, draws)
        for model in (pair.target, pair.twin):
            assert pair.error(model) <= measure.value(pair.x, pair.y, model) <= 1.0


@pytest.mark.parametrize(("name", "most"), [("VC bound", 0.3), ("PAC-Bayes bound", 0.5), ("margin bound", 0.5)])
def test_bounds_say_something_where_there_are_many_examples(name: str, most: float) -> None:
    draws = rng()
    x = draws.standard_normal((40_000, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = np.array([1.0, 0.0, 0.0])
    x = x[np.abs(x[:, 0]) > 0.4]
    value = MEASURES[name].value(x, np.sign(x @ w), w)
    assert 0.0 < value < most


def test_the_kl_inverse_solves_its_equation() -> None:
    p = _kl_inverse(0.1, 0.05)
    assert p > 0.1
    assert stats.entropy([0.1, 0.9], [p, 1 - p]) == pytest.approx(0.05)
    assert _kl_inverse(0.0, 0.05) == pytest.approx(1 - math.exp(-0.05))


def test_sharpness_and_flatness_are_derivatives_of_the_loss() -> None:
    pair = draw_twins(12, 6, rng())
    x, y, w = pair.x, pair.y, pair.target

    def loss(v: NDArray[np.float64]) -> float:
        return float(np.log1p(np.exp(-y * (x @ v))).mean())

    step = 1e-4
    trace = sum((loss(w + step * e) - 2 * loss(w) + loss(w - step * e)) / step**2 for e in np.eye(6))
    assert MEASURES["flatness"].value(x, y, w) == pytest.approx(trace, rel=1e-4)
    slope = np.array([(loss(w + step * e) - loss(w - step * e)) / (2 * step) for e in np.eye(6)])
    up = w + 0.1 * slope / np.linalg.norm(slope)
    assert MEASURES["sharpness"].value(x, y, w) == pytest.approx(loss(up) - loss(w), rel=1e-5)


def test_leaving_one_out_sees_a_model_that_does_not_fit() -> None:
    pair = draw_twins(20, 2, rng())
    assert MEASURES["leave-one-out"].value(pair.x, pair.y, pair.target) == 0.0
    assert MEASURES["leave-one-out"].value(pair.x, -pair.y, pair.target) < 0.5
    noise = np.where(rng(3).random(20) < 0.5, -1.0, 1.0)
    assert MEASURES["leave-one-out"].value(pair.x, noise, pair.target) > 0.2


def test_the_best_two_step_guess_matches_a_slow_twin() -> None:
    values, errors = rng(2).integers(0, 5, 30).astype(float), rng(3).random(30)
    for told in (errors, np.sort(errors)[np.argsort(np.argsort(values))]):
        slow = min(
            np.abs(np.where(values <= cut, low, high) - told).sum()
            for cut in range(5)
            for low, high in itertools.combinations_with_replacement(np.sort(told), 2)
        )
        assert _best_two_step(values, told) == pytest.approx(slow / 30)


def test_ones_own_measure_gets_a_counterexample_and_a_report() -> None:
    own = Measure("largest weight", "linear", lambda x, y, w: float(np.abs(w).max()))
    pair = draw_twins(50, 5, rng())
    fresh = rng(1).standard_normal((300, 5))
    report = report_measure(own, pair.x, pair.y, pair.target, held_out=(fresh, np.sign(fresh @ pair.target)), key=KEY)
    assert report.value == pytest.approx(np.abs(pair.target).max())
    assert report.counterexample.misleads
    assert report.holdout is not None
    assert report.holdout.low == 0.0
    text = str(report)
    assert "not an estimate of the error" in text
    assert "largest weight errs" in text
    assert "hold-out: error 0.000 to 0.012" in text


def test_a_vacuous_bound_says_so_and_asks_for_a_hold_out() -> None:
    pair = draw_twins(20, 100, rng())
    text = str(report_measure("VC bound", pair.x, pair.y, pair.target, key=KEY))
    assert "It says nothing here" in text
    assert "none was given" in text


def test_parities_are_reported_too() -> None:
    pair = draw_parities(12, 24, rng())
    fresh = rng(1).integers(2, size=(50, 24))
    report = report_measure(
        "parity weight", pair.x, pair.y, pair.target, held_out=(fresh, fresh @ pair.target % 2), key=KEY
    )
    assert report.value == pair.target.sum()
    assert report.holdout is not None
    assert report.holdout.low == 0.0


def test_misuse_is_refused() -> None:
    x, y, w = np.ones((4, 2)), np.array([1.0, -1.0, 1.0, 1.0]), np.ones(2)
    with pytest.raises(InvalidArgument, match=r"unknown measure.*PAC-Bayes"):
        counterexample("norm", key=KEY)
    with pytest.raises(InvalidArgument, match="no data on which it errs can be built"):
        Measure("depth", "tree", lambda x, y, w: 0.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="draws must be"):
        counterexample("flatness", draws=0, key=KEY)
    with pytest.raises(InvalidArgument, match="examples must be"):
        counterexample("flatness", examples=0, key=KEY)
    with pytest.raises(InvalidArgument, match="shrink must lie"):
        counterexample("flatness", shrink=1.0, key=KEY)
    with pytest.raises(InvalidArgument, match="training data do not fit"):
        report_measure("flatness", x, y[:3], w, key=KEY)
    with pytest.raises(InvalidArgument, match="held-out data do not fit"):
        report_measure("flatness", x, y, w, held_out=(x[:, :1], y), key=KEY)
    with pytest.raises(InvalidArgument, match="unknown label"):
        report_measure("flatness", x, (y + 1) / 2, w, key=KEY)
