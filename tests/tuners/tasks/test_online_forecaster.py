"""The exponentially weighted forecaster: exact integrals, its bound for any losses, slopes of regret, replay."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals import Dual, PiecewiseConstant, PiecewiseQuadratic
from trimtab.tuners.tasks.online import ExponentialForecaster, dispersed_bound


def steps(rng: np.random.Generator, count: int, low: float = 0.0, high: float = 1.0) -> PiecewiseConstant:
    """Uniform breakpoints, levels in [0, 1]."""
    inner = np.sort(rng.uniform(low, high, count))
    return PiecewiseConstant(np.concatenate([[low], inner, [high]]), rng.random(count + 1))


def bowls(rng: np.random.Generator, count: int, low: float = 0.0, high: float = 1.0) -> PiecewiseQuadratic:
    """Random pieces that do not meet, with values in [0, 1]; some concave, some straight, some flat."""
    inner = np.sort(rng.uniform(low, high, count))
    ends = rng.random((3, count + 1))
    ends[:, 0] = ends[0, 0]
    ends[1, -1] = ends[[0, 2], -1].mean()
    made = PiecewiseQuadratic.through(np.concatenate([[low], inner, [high]]), *ends)
    size = np.abs(made.coefficients).sum(axis=1).max()
    return PiecewiseQuadratic(made.edges, made.coefficients / (2.0 * size) + [0.5, 0.0, 0.0])


def learnt(forecaster: ExponentialForecaster, duals: list[Dual]) -> ExponentialForecaster:
    for dual in duals:
        forecaster, _ = forecaster.learn(dual)
    return forecaster


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("bound", [1.0, 1e-3])
@pytest.mark.parametrize("kind", [steps, bowls])
def test_density_and_expected_loss_are_those_of_slow_quadrature(kind, log, bound):
    # A small bound makes the rate a thousand times larger, so that the density is steep.
    rng = np.random.default_rng(0)
    duals = [kind(rng, 3, 0.01, 2.0) for _ in range(5)]
    before = learnt(ExponentialForecaster(0.01, 2.0, log=log), duals[:4])
    _, told = before.learn(duals[4])
    steep = ExponentialForecaster.from_json(before.to_json() | {"bound": bound})
    edges = np.unique(np.concatenate([before.edges, duals[4].edges]))
    total, loss = before.total(), duals[4]
    rate = steep.rate
    least = total.minimum().value

    def weight(x):
        return math.exp(-rate * (float(total.value(x)) - least)) / (x if log else 1.0)

    def integral(function):
        out = 0.0
        for left, right in itertools.pairwise(edges):
            cuts = np.linspace(left + 1e-13, right - 1e-13, 12)
            out += sum(quad(function, a, b, epsabs=0, epsrel=1e-11)[0] for a, b in itertools.pairwise(cuts))
        return out

    mass = integral(weight)
    if bound == 1.0:
        mean = integral(lambda x: weight(x) * float(loss.value(x))) / mass
        assert told.expected == pytest.approx(mean, rel=1e-8)
    for x in (0.05, 0.4, 1.7):
        assert float(steep.density(x)) == pytest.approx(weight(x) / mass, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("kind", [steps, bowls])
@pytest.mark.parametrize("log", [False, True])
def test_draws_follow_the_density(kind, log):
    rng = np.random.default_rng(1)
    state = learnt(ExponentialForecaster(0.05, 1.0, log=log), [kind(rng, 2, 0.05, 1.0) for _ in range(40)]).to_json()
    draws = np.sort([ExponentialForecaster.from_json(state | {"seed": seed}).suggest() for seed in range(200)])
    grid = np.linspace(0.05, 1.0, 20001)
    density = ExponentialForecaster.from_json(state).density((grid[1:] + grid[:-1]) / 2)
    share = np.interp(draws, grid, np.concatenate([[0.0], np.cumsum(density) * (grid[1] - grid[0])]))
    assert share.max() <= 1.001
    distance = np.abs(share - (np.arange(200) + 0.5) / 200).max()
    # Kolmogorov's 1 in 1,000: 1.95 / sqrt(n).
    assert distance < 1.95 / math.sqrt(200)


def test_realised_losses_average_to_the_expected_ones():
    rng = np.random.default_rng(2)
    duals = [bowls(rng, 3) for _ in range(10)]
    found = [learnt(ExponentialForecaster(0.0, 1.0, seed=seed), duals).regret() for seed in range(20)]
    realised = np.array([each.realised for each in found])
    assert all(each.expected == found[0].expected for each in found)
    assert abs(realised.mean() - found[0].expected) < 4.0 * realised.std(ddof=1) / math.sqrt(20)


@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from([0.05, 1.0, 30.0]))
@settings(max_examples=40)
def test_the_bound_holds_for_any_losses(seed, log, anytime, size):
    rng = np.random.default_rng(seed)
    forecaster = ExponentialForecaster(
        0.1,
        1.0,
        log=log,
        bound=size,
        horizon=None if anytime else 8,
        schedule="paper" if rng.random() < 0.5 else "bound",
    )
    for _ in range(8):
        kind = steps if rng.random() < 0.5 else bowls
        made = kind(rng, int(rng.integers(0, 4)), 0.1, 1.0)
        # Losses that are worst where the density is highest are the hardest.
        if isinstance(made, PiecewiseConstant):
            middles = (made.edges[1:] + made.edges[:-1]) / 2
            made = PiecewiseConstant(
                made.edges, size * np.argsort(np.argsort(forecaster.density(middles))) / made.pieces
            )
        else:
            made = PiecewiseQuadratic(made.edges, size * made.coefficients)
        forecaster, _ = forecaster.learn(made)
    found = forecaster.regret()
    assert found.expected <= found.bound + 1e-9 * size
    assert found.best.value <= forecaster.total().value(np.linspace(0.1, 1.0, 501)).min() + 1e-9 * size


def test_the_bound_of_dispersed_losses_holds():
    rng = np.random.default_rng(3)
    rounds, radius = 200, 200**-0.5
    duals = [steps(rng, 3) for _ in range(rounds)]
    forecaster = ExponentialForecaster(0.0, 1.0, horizon=rounds)
    rate = forecaster.rate
    found = learnt(forecaster, duals).regret()
    near = sum(bool((np.abs(dual.breakpoints - found.best.at) <= radius / 2).any()) for dual in duals)
    # The best setting may be moved within its piece, so count around the whole piece.
    near += sum(bool((np.abs(d.breakpoints - found.best.at) <= found.best.high - found.best.low).any()) for d in duals)
    assert found.bound <= dispersed_bound(rounds, radius, near, rate=rate)
    assert found.expected <= found.bound


def mean_regret(rounds: int, seeds: range, log: bool = False) -> float:
    """Expected regret on thresholds at random places: below its own one a task is lost, above it costs what it says."""
    out = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        forecaster = ExponentialForecaster(0.01, 1.0, horizon=rounds, log=log)
        for _ in range(rounds):
            place, (left, right) = rng.uniform(0.01, 1.0), rng.permutation([0.0, 1.0])
            forecaster, _ = forecaster.learn(PiecewiseConstant([0.01, place, 1.0], [left, right]))
        out.append(forecaster.regret().expected)
    return float(np.mean(out))


def test_regret_on_dispersed_losses_grows_like_the_square_root():
    counts = [32, 128, 384]
    found = [mean_regret(rounds, range(4)) for rounds in counts]
    slope = np.polyfit(np.log(counts), np.log(found), 1)[0]
    assert slope < 0.65
    assert found[-1] < 0.15 * counts[-1]


def adversary(rounds: int, seed: int) -> tuple[ExponentialForecaster, list[PiecewiseConstant]]:
    """Halves an interval again and again; one half of it, by a fair coin, is lost together with all beyond."""
    rng = np.random.default_rng(seed)
    forecaster = ExponentialForecaster(0.0, 1.0, horizon=rounds)
    duals: list[PiecewiseConstant] = []
    low, high = 0.0, 1.0
    for _ in range(rounds):
        middle = (low + high) / 2.0
        upper = bool(rng.random() < 0.5)
        duals.append(PiecewiseConstant([0.0, middle, 1.0], [1.0, 0.0] if upper else [0.0, 1.0]))
        low, high = (middle, high) if upper else (low, middle)
        forecaster, _ = forecaster.learn(duals[-1])
    return forecaster, duals


def test_regret_against_an_adversary_grows_linearly():
    counts = [6, 12, 24, 48]
    found = [np.mean([adversary(rounds, seed)[0].regret().expected for seed in range(10)]) for rounds in counts]
    slope = np.polyfit(np.log(counts), np.log(found), 1)[0]
    assert slope > 0.9
    assert found[-1] > 0.4 * counts[-1]


@pytest.mark.parametrize("kind", [steps, bowls])
def test_a_stored_forecaster_goes_on_as_if_it_had_not_been(kind):
    rng = np.random.default_rng(4)
    duals = [kind(rng, 3, 0.1, 1.0) for _ in range(12)]
    whole = learnt(ExponentialForecaster(0.1, 1.0, log=True, seed=7), duals)
    half = learnt(ExponentialForecaster(0.1, 1.0, log=True, seed=7), duals[:6])
    resumed = learnt(ExponentialForecaster.from_json(json.loads(json.dumps(half.to_json()))), duals[6:])
    assert json.dumps(resumed.to_json()) == json.dumps(whole.to_json())
    assert resumed.suggest() == whole.suggest()


def test_the_default_rate_minimises_the_bound_that_is_known_beforehand():
    rounds, radius = 400, 400**-0.5
    rate = ExponentialForecaster(0.0, 1.0, horizon=rounds, bound=2.0).rate
    found = [dispersed_bound(rounds, radius, 3, rate=factor * rate, bound=2.0) for factor in (0.99, 1.0, 1.01)]
    assert found[1] < min(found[0], found[2])
    assert ExponentialForecaster(0.0, 1.0, horizon=rounds, bound=2.0, schedule="paper").rate == pytest.approx(
        math.sqrt(math.log(1 / radius) / rounds) / 2
    )


@pytest.mark.parametrize("schedule", ["bound", "paper"])
def test_rates_without_a_horizon_fall(schedule):
    state = ExponentialForecaster(0.0, 1.0, schedule=schedule).to_json()
    rates = [ExponentialForecaster.from_json(state | {"rounds": rounds}).rate for rounds in range(50)]
    assert (np.diff(rates) < 0.0).all()


def test_what_was_really_used_counts():
    forecaster, told = ExponentialForecaster(0.0, 1.0).learn(PiecewiseConstant([0, 0.5, 1], [0.0, 1.0]), at=0.75)
    assert (told.at, told.loss, told.expected) == (0.75, 1.0, 0.5)
    assert forecaster.regret().realised == 1.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ExponentialForecaster(1.0, 0.0), "low < high"),
        (lambda: ExponentialForecaster(0.0, 1.0, log=True), "log=False"),
        (lambda: ExponentialForecaster(0.0, 1.0, bound=0.0), "bound"),
        (lambda: ExponentialForecaster(0.0, 1.0, beta=2.0), "beta"),
        (lambda: ExponentialForecaster(0.0, 1.0, horizon=0), "horizon"),
        (lambda: ExponentialForecaster(0.0, 1.0, schedule="fast"), "'bound' or 'paper'"),
        (lambda: ExponentialForecaster(0.0, 1.0).regret(), "learn first"),
        (lambda: ExponentialForecaster(0.0, 1.0).learn(PiecewiseConstant([0, 0.5], [0.0])), "does not cover"),
        (lambda: ExponentialForecaster(0.0, 1.0).learn(PiecewiseConstant([0, 0.5, 1], [0, 2])), "wider range"),
        (lambda: dispersed_bound(10, 2.0, 1, rate=1.0), "radius"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
