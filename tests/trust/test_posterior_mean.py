"""Recommendation by posterior mean: the formula by another way, what it gains, its interval, and what it leaves out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.records import Observation
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history
from trimtab.trust import posterior_mean as module
from trimtab.trust import select, selection_references
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.posterior_mean import LENGTH, PosteriorMean, read_posterior_mean, smoothed

LINE = Space(x=Float(0.0, 1.0))
MIXED = Space(rate=Float(1e-4, 1.0, log=True), kind=Categorical(["a", "b", "c"]))
KEY = Key(0, purpose="test")


def history_of(
    space: Space, params: Sequence[dict[str, Any]], told: Sequence[Observation], **study: object
) -> History[Space]:
    return make_history(space, list(zip(params, told, strict=True)), **study)  # type: ignore[arg-type]


def on_line(points: Sequence[float] | np.ndarray, table: np.ndarray) -> History[Space]:
    told = [Observation(float(row.mean()), losses=row) for row in table]
    return history_of(LINE, [{"x": float(x)} for x in points], told)


def read(history: History[Space]) -> PosteriorMean:
    found = read_posterior_mean(Candidates.of(history, 0), True)
    assert isinstance(found, PosteriorMean)
    return found


def test_the_means_are_those_of_normal_conditioning() -> None:
    """One trial after another updates the joint normal distribution: no matrix is solved."""
    rng = np.random.default_rng(0)
    params: list[dict[str, Any]] = [
        {"rate": float(10.0 ** rng.uniform(-4, 0)), "kind": str(rng.choice(["a", "b", "c"]))} for _ in range(9)
    ]
    values, errors = rng.normal(1.0, 0.3, 9), rng.uniform(0.05, 0.1, 9)
    told = [Observation(float(v), stderr=float(e)) for v, e in zip(values, errors, strict=True)]
    found = read(history_of(MIXED, params, told))
    cov = np.empty((9, 9))
    for i, one in enumerate(params):
        for j, other in enumerate(params):
            far = (math.log10(one["rate"] / other["rate"]) / 4.0) ** 2 + float(one["kind"] != other["kind"])
            cov[i, j] = values.var() * math.exp(-far / 2.0 / (2.0 * LENGTH**2))
    noise = 2.0 * float(np.median(errors**2 + errors[0] ** 2))
    mean = np.full(9, values.mean())
    for i, value in enumerate(values):
        gain = cov[:, i] / (cov[i, i] + noise)
        mean, cov = mean + gain * (value - mean[i]), cov - np.outer(gain, cov[i])
    assert found.means == pytest.approx(mean)
    assert found.place == int(mean.argmin())


def test_without_noise_values_stay_and_with_much_they_meet() -> None:
    apart = (np.arange(5.0)[:, None] - np.arange(5.0)) ** 2
    values = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    assert smoothed(apart, values, 0.0) == pytest.approx(values, abs=1e-4)
    assert smoothed(apart, values, 1e9) == pytest.approx(np.full(5, 3.0), abs=1e-6)
    assert smoothed(apart, np.ones(5), 0.1).tolist() == [1.0] * 5


def test_neighbours_find_a_better_trial_than_luck_does() -> None:
    rng, regrets = np.random.default_rng(1), []
    for _ in range(60):
        points = np.concatenate([[0.0], rng.random(60)])
        truths = 0.3 + 0.5 * (points - 0.7) ** 2
        table = (rng.random((61, 50)) < truths[:, None]).astype(float)
        found = read(on_line(points, table))
        regrets.append((truths[found.place] - 0.3, truths[int(table.mean(axis=1).argmin())] - 0.3))
    smooth, naive = np.array(regrets).T
    assert smooth.mean() < 0.5 * naive.mean()
    # The difference is beyond chance.
    gap = naive - smooth
    assert gap.mean() > 3.0 * gap.std() / math.sqrt(len(gap))


@pytest.mark.parametrize("binary", [True, False])
def test_the_interval_holds_for_the_selected_trial(binary: bool) -> None:
    rng, held, repeats, level = np.random.default_rng(2), 0, 100, 0.9
    points = np.linspace(0.0, 1.0, 20)
    truths = 0.2 + 0.05 * np.sin(7.0 * points)
    for _ in range(repeats):
        draws = rng.random((20, 80)) < truths[:, None] if binary else truths[:, None] * rng.gamma(3.0, 1 / 3, (20, 80))
        found = select(on_line(points, draws.astype(float)), method="posterior mean", level=level)
        assert found.interval is not None
        held += found.interval.low <= truths[found.trial] <= found.interval.high
        assert found.interval.low <= found.estimate <= found.interval.high
    assert held >= level * repeats - 3.0 * math.sqrt(level * (1.0 - level) * repeats)


def test_the_same_study_gives_the_same_answer_and_cites_it() -> None:
    rng = np.random.default_rng(3)
    history = on_line(rng.random(12), (rng.random((12, 40)) < 0.3).astype(float))
    found = select(history, method="posterior mean")
    assert found == select(history, method="posterior mean")
    assert found.method.startswith("posterior mean")
    assert found.trial in found.tie_set
    assert [each.year for each in selection_references(found)] == [2009]
    assert "has no interval of its own" in found.caveats[0]


def test_signs_and_kinds_of_noise() -> None:
    rng, points = np.random.default_rng(4), np.linspace(0.0, 1.0, 21)
    truths = (points - 0.6) ** 2
    params = [{"x": float(x)} for x in points]
    rising = [Observation(float(-t + 0.01 * rng.standard_normal()), stderr=0.01) for t in truths]
    up = select(history_of(LINE, params, rising, direction="maximize"), method="posterior mean")
    assert abs(points[up.trial] - 0.6) < 0.15
    assert up.interval is not None
    assert up.interval.low < up.estimate < up.interval.high < 0.1
    twice = [Observation(float(t + 0.01 * rng.standard_normal())) for t in (*truths, *truths)]
    repeated = select(history_of(LINE, params * 2, twice), method="posterior mean")
    assert abs(points[repeated.trial] - 0.6) < 0.15
    assert repeated.interval is not None


def test_what_says_nothing_of_noise_is_refused_by_name_and_never_taken_by_itself() -> None:
    params = [{"x": 0.1}, {"x": 0.2}]
    bare = history_of(LINE, params, [Observation(1.0), Observation(2.0)])
    with pytest.raises(InvalidArgument, match="cannot be selected by posterior mean: nothing was told of the noise"):
        select(bare, method="posterior mean")
    noisy = history_of(LINE, params, [Observation(1.0, stderr=0.1), Observation(2.0, stderr=0.1)])
    assert isinstance(read_posterior_mean(Candidates.of(noisy, 0), False), Absent)
    assert not select(noisy).method.startswith("posterior mean")


def test_trials_outside_the_space_are_not_smoothed() -> None:
    params = [{"x": 0.1}, {"x": 7.0}, {"x": 0.3}, {"x": 0.4}]
    told = [Observation(v, stderr=0.1) for v in (1.0, 0.1, 0.5, 0.9)]
    found = read(history_of(LINE, params, told))
    assert found.places.tolist() == [0, 2, 3]
    assert found.place == 2
    assert "1 trials are not smoothed" in " ".join(found.select(0.95, KEY).caveats)
    first = history_of(LINE, params[1:], told[1:])
    absent = read_posterior_mean(Candidates.of(first, 0), True)
    assert isinstance(absent, Absent)
    assert "outside the space" in absent.why


def test_only_so_many_trials_are_smoothed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 30)
    rng = np.random.default_rng(5)
    found = read(on_line(rng.random(100), (rng.random((100, 20)) < 0.3).astype(float)))
    assert found.places.tolist() == [0, *range(70, 100)]


def test_a_space_without_parameters_is_one_configuration() -> None:
    told = [Observation(v, stderr=0.1) for v in (1.0, 1.2, 0.8)]
    found = read(history_of(Space(), [{}, {}, {}], told))
    assert np.ptp(found.means) == pytest.approx(0.0, abs=1e-12)
