"""Exact fits: no grid is better, JSON, gaps, learning curves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.tuners.tasks.duals import Dual, PiecewiseConstant, PiecewiseQuadratic
from trimtab.tuners.tasks.exact import ExactFit, fit_exact, learning_curve, losses_at


def constants(rng: np.random.Generator, tasks: int) -> list[Dual]:
    """Few breakpoints, on a lattice so that tasks share some."""
    out: list[Dual] = []
    for _ in range(tasks):
        inner = np.unique(rng.integers(1, 40, rng.integers(0, 5))) / 10
        out.append(PiecewiseConstant([0.1, *(inner + 0.05), 5.0], rng.integers(0, 4, len(inner) + 1) / 4))
    return out


def quadratics(rng: np.random.Generator, tasks: int) -> list[Dual]:
    out: list[Dual] = []
    for _ in range(tasks):
        inner = np.sort(rng.uniform(0.1, 5.0, rng.integers(0, 5)))
        out.append(PiecewiseQuadratic([0.1, *inner, 5.0], rng.normal(size=(len(inner) + 1, 3))))
    return out


@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans(), st.sampled_from([constants, quadratics]))
@settings(max_examples=40)
def test_the_fit_is_brute_force(seed, tasks, log, make):
    duals = make(np.random.default_rng(seed), tasks)
    fit = fit_exact(duals, "a", log=log, points=50)
    ends = np.unique(np.concatenate([dual.edges for dual in duals]))
    grid = np.unique(np.concatenate([np.linspace(0.1, 5.0, 2001), ends, np.nextafter(ends[1:], 0.0)]))
    means = np.mean([dual.value(grid) for dual in duals], axis=0)
    assert fit.value <= means.min() + 1e-12
    if make is constants:
        # The grid meets every piece, so brute force is exact here.
        assert fit.value == pytest.approx(means.min(), abs=1e-12)
        assert fit.losses.mean() == pytest.approx(fit.value, abs=1e-12)
        inside = (grid >= fit.low) & (grid < fit.high)
        assert means[inside] == pytest.approx(np.full(inside.sum(), fit.value), abs=1e-12)
        assert fit.at == pytest.approx(np.sqrt(fit.low * fit.high) if log else (fit.low + fit.high) / 2)
    assert fit.low <= fit.at <= fit.high
    assert (fit.tasks, fit.pieces, fit.domain) == (tasks, len(ends) - 1, (0.1, 5.0))
    xs, ys = fit.curve.T
    assert ys == pytest.approx(np.mean([dual.value(xs) for dual in duals], axis=0), abs=1e-9)
    assert fit.params == {"a": fit.at}


def test_json_brings_back_every_bit():
    fit = fit_exact(quadratics(np.random.default_rng(0), 4), "penalty", log=True)
    again = ExactFit.from_json(json.loads(json.dumps(fit.to_json())))
    assert json.dumps(again.to_json()) == json.dumps(fit.to_json())
    assert np.array_equal(again.curve, fit.curve)
    assert again.domain == fit.domain


def thresholds(rng: np.random.Generator, tasks: int) -> list[Dual]:
    """A loss of 1 below a random place, 0.3 above a later one, 0 between: the best fixed setting lies between."""
    out: list[Dual] = []
    for _ in range(tasks):
        first, last = np.sort(rng.beta(2, 2, 2))
        out.append(PiecewiseConstant([0.0, first, last, 1.0], [1.0, 0.0, 0.3]))
    return out


def test_the_gap_has_its_standard_error():
    rng = np.random.default_rng(1)
    fit = fit_exact(thresholds(rng, 25), "a")
    gaps = [fit.gap(thresholds(rng, 40)) for _ in range(100)]
    truth = losses_at(thresholds(rng, 6_000), fit.at).mean()
    assert np.mean([gap.held_out for gap in gaps]) == pytest.approx(truth, abs=0.02)
    # The held-out part of the standard error is that of the scatter over samples of held-out tasks.
    scatter = np.std([gap.difference for gap in gaps])
    share = np.sqrt(np.mean([gap.stderr**2 for gap in gaps]) - fit.losses.var(ddof=1) / 25)
    assert share == pytest.approx(scatter, rel=0.25)
    assert gaps[0].difference == pytest.approx(gaps[0].held_out - gaps[0].tuning)


def test_excess_loss_falls_with_the_number_of_tuning_tasks():
    rng = np.random.default_rng(2)
    curve = learning_curve(thresholds(rng, 40), thresholds(rng, 400), [1, 5, 10, 40], draws=40, key=Key(0))
    assert (curve.excess >= 0.0).all()
    assert (np.diff(curve.excess) < 0.0).all()
    assert curve.excess[-1] < 0.25 * curve.excess[0]
    assert curve.spread[-1] == 0.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: fit_exact([], "a"), "at least one"),
        (lambda: fit_exact([PiecewiseConstant([0, 1], [0.5])], "a", log=True), "'a': a logarithmic scale"),
        (lambda: fit_exact([PiecewiseConstant([0, 1], [0.5])], ""), "hyperparameter's name"),
        (lambda: fit_exact([PiecewiseConstant([0, 1], [0.5])], "a").gap([]), "at least one task"),
        (lambda: learning_curve(thresholds(np.random.default_rng(0), 2), [], [3]), "sizes of subsets"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
