"""Stability of a configuration: what is certified holds everywhere, what is found loses, and counts are counts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, InvalidParams, UnknownName
from trimtab.base.history import History
from trimtab.base.records import Direction
from trimtab.space import Categorical, Float, Int, Space
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.testing.histories import make_history
from trimtab.trust import binomial_interval
from trimtab.trust.fitted import evidence_of, fitted
from trimtab.trust.stability import Stability, smallest_stable_change, stability

SPACE = Space(x=Float(0.0, 1.0), y=Float(1e-4, 1.0, log=True), kind=Categorical(["a", "b"]))
GOOD, BAD = {"x": 0.3, "y": 0.01, "kind": "a"}, {"x": 0.9, "y": 0.3, "kind": "b"}


def loss(params: dict) -> float:
    return (params["x"] - 0.3) ** 2 + 0.1 * (math.log10(params["y"]) + 2.0) ** 2 + 0.1 * (params["kind"] == "b") - 2.0


def study(n: int = 30, direction: Direction = "minimize", noise: float = 0.0) -> History[Space]:
    sign = 1.0 if direction == "minimize" else -1.0
    rng = np.random.default_rng(0)
    rows = SPACE.sample(rng, n)
    return make_history(SPACE, [(row, sign * loss(row) + noise * rng.standard_normal()) for row in rows], [], direction)


def limit_of(history: History[Space], keep: float) -> tuple[float, float]:
    """The predicted loss up to which the gain is kept, and that of the good one, by the surrogate itself."""
    model = fitted(evidence_of(history), SPACE, "made")
    ours, theirs = model.predict(SPACE.to_unit(SPACE.encode_many([GOOD, BAD])))[0]
    return float(theirs - keep * (theirs - ours)), float(ours)


def test_inside_the_certified_change_nothing_loses_and_what_is_found_does() -> None:
    keep = 0.6
    history = study()
    model = fitted(evidence_of(history), SPACE, "made")
    found = stability(history, GOOD, BAD, keep=keep, refits=0)
    limit, ours = limit_of(history, keep)
    centre = SPACE.to_unit(SPACE.encode_many([GOOD]))[0]
    # A slow twin: a fine grid of the box, its faces among it.
    steps = np.linspace(-1.0, 1.0, 81) * found.kept_within
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    box = np.repeat(centre[None, :], len(grid), axis=0)
    box[:, :2] = np.clip(box[:, :2] + grid, 0.0, 1.0)
    assert 0.0 < found.kept_within < 1.0
    assert model.predict(box)[0].max() <= limit + 1e-9
    assert found.losing is not None
    lost = SPACE.to_unit(SPACE.encode_many([found.losing]))
    assert model.predict(lost)[0][0] > limit - 1e-6
    assert np.nanmax(np.abs(lost - centre)) == pytest.approx(found.lost_at, abs=1e-9)
    assert found.kept_within <= found.lost_at <= found.kept_within + 0.01
    assert found.gain == pytest.approx((limit - ours) / (1.0 - keep), rel=1e-9)


def test_one_parameter_at_a_time_reaches_at_least_as_far_and_no_farther_than_the_model_says() -> None:
    history = study()
    model = fitted(evidence_of(history), SPACE, "made")
    found = stability(history, GOOD, BAD, keep=0.7, refits=0)
    limit, _ = limit_of(history, 0.7)
    ends = {each.name: each for each in found.parameters}
    x = ends["x"]
    assert isinstance(x.low, float)
    assert isinstance(x.high, float)
    assert x.low <= max(0.3 - found.kept_within, 0.0) + 1e-3
    assert x.high >= 0.3 + found.kept_within - 1e-3
    rows = [{**GOOD, "x": float(value)} for value in np.linspace(x.low, x.high, 200)]
    assert model.predict(SPACE.to_unit(SPACE.encode_many(rows)))[0].max() <= limit + 1e-9
    beyond = [{**GOOD, "x": value} for value in (x.low - 0.01, x.high + 0.01) if 0.0 <= value <= 1.0]
    assert beyond
    assert model.predict(SPACE.to_unit(SPACE.encode_many(beyond)))[0].min() > limit
    assert "a" in ends["kind"].keeps


def test_where_nothing_loses_the_gain_it_says_so() -> None:
    space = Space(x=Float(0.0, 1.0), kind=Categorical(["a", "b"]))
    rows = space.sample(np.random.default_rng(0), 20)
    history = make_history(space, [(row, float(row["kind"] == "b")) for row in rows])
    found = stability(history, {"x": 0.5, "kind": "a"}, {"x": 0.5, "kind": "b"}, refits=0)
    assert (found.kept_within, found.lost_at, found.losing) == (1.0, math.inf, None)
    assert found.parameters[1].keeps == ("a",)
    assert "no change of its numbers loses all of its gain" in str(found)
    assert found.survival is None


def test_confidence_is_that_of_joint_draws_and_bounds_the_score() -> None:
    history = study(noise=0.1)
    model = fitted(evidence_of(history), SPACE, "made")
    near = {"x": 0.55, "y": 0.05, "kind": "a"}
    found = stability(history, GOOD, near, refits=0)
    features = model.embedding.features(SPACE.to_unit(SPACE.encode_many([GOOD, near])))
    scaled = features / model.posterior.scales
    cross = model.posterior.cross(scaled)
    inverse = np.linalg.inv(model.posterior.lower @ model.posterior.lower.T)
    covariance = matern52(squared_distances(scaled)) - cross @ inverse @ cross.T
    mean = model.posterior.mean + cross @ model.posterior.alpha
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 100_000)
    assert found.confidence == pytest.approx(np.mean(draws[:, 0] < draws[:, 1]), abs=0.01)
    assert 0.5 < found.confidence < 1.0
    assert found.score < found.confidence + 0.05


def test_given_results_are_counted_in_either_direction() -> None:
    results = [(-2.0, -1.4), (-1.9, -1.4), (-1.3, -1.4), (-1.6, -1.5)]
    any_gain = stability(study(), GOOD, BAD, results=results)
    assert (any_gain.survived, any_gain.refits) == (3, 4)
    assert any_gain.survival == binomial_interval(3, 4)
    assert "it survived 3 of 4 trainings run anew" in str(any_gain)
    most = stability(study(), GOOD, BAD, keep=0.6, results=results)
    assert most.survived == 2
    up = stability(study(direction="maximize"), GOOD, BAD, results=[(-a, -b) for a, b in results])
    assert up.survived == 3
    with pytest.raises(InvalidArgument, match="results must be pairs of values"):
        stability(study(), GOOD, BAD, results=[(1.0, math.nan)])


def test_a_large_gain_survives_refits_and_one_of_pure_noise_does_not_always() -> None:
    assert stability(study(), GOOD, BAD, refits=5).survived == 5
    space = Space(x=Float(0.0, 1.0))
    rng = np.random.default_rng(0)
    history = make_history(space, [(row, float(rng.standard_normal())) for row in space.sample(rng, 12)])
    model = fitted(evidence_of(history), space, "made")
    grid = np.linspace(0.0, 1.0, 21)
    means = model.predict(grid[:, None])[0]
    best, worst = ({"x": float(grid[place])} for place in (means.argmin(), means.argmax()))
    lucky = stability(history, best, worst, keep=0.9, refits=10)
    assert lucky.survived < 10


def test_a_stability_is_json_and_calls_agree() -> None:
    found = stability(study(), GOOD, BAD, keep=0.5, refits=3)
    assert Stability.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert stability(study(), GOOD, BAD, keep=0.5, refits=3) == found
    text = str(found)
    assert "loses more than 50% of its gain, by the surrogate" in text
    assert "no guarantee is claimed" in text


def test_the_nearest_configuration_that_passes_is_recommended() -> None:
    history = study(noise=0.05)
    reference = SPACE.to_unit(SPACE.encode_many([BAD]))[0]
    distances = {}
    for threshold in (0.6, 0.95):
        for rule in ("confidence", "stability"):
            found = smallest_stable_change(history, BAD, rule=rule, threshold=threshold, gain=1.0)  # type: ignore[arg-type]
            assert found.trial is not None
            assert found.params == history.trial(found.trial).params
            assert found.score >= threshold
            unit = SPACE.to_unit(SPACE.encode_many([found.params or {}]))[0]
            apart = np.abs(unit - reference)
            apart[2] = float(apart[2] > 0.0)
            assert found.distance == pytest.approx(math.sqrt(float((apart**2).mean())))
            distances[rule, threshold] = found.distance
    assert distances["confidence", 0.6] <= distances["confidence", 0.95]
    assert distances["confidence", 0.95] <= distances["stability", 0.95]
    none = smallest_stable_change(history, GOOD, threshold=0.99, gain=5.0)
    assert (none.trial, none.params) == (None, None)
    assert none.score < 0.99


def test_integers_are_told_as_integers() -> None:
    space = Space(n=Int(1, 20), x=Float(0.0, 1.0))
    rows = space.sample(np.random.default_rng(0), 25)
    history = make_history(space, [(row, 0.1 * abs(int(row["n"]) - 5)) for row in rows])  # type: ignore[arg-type]
    found = stability(history, {"n": 5, "x": 0.5}, {"n": 18, "x": 0.5}, keep=0.5, refits=0)
    n = found.parameters[0]
    assert isinstance(n.low, int)
    assert isinstance(n.high, int)
    assert 1 <= n.low < 5 < n.high < 18


def test_errors_say_what_is_allowed() -> None:
    history = study(8)
    with pytest.raises(InvalidArgument, match="has no predicted gain over the reference"):
        stability(history, BAD, GOOD)
    with pytest.raises(InvalidArgument, match="keep is a share of the gain; got 1"):
        stability(history, GOOD, BAD, keep=1.0)
    with pytest.raises(InvalidArgument, match="refits must be a whole number"):
        stability(history, GOOD, BAD, refits=-1)
    with pytest.raises(InvalidParams):
        stability(history, {"x": 2.0, "y": 0.1, "kind": "a"}, BAD)
    with pytest.raises(UnknownName, match="study 'made' has no trial that is complete and feasible"):
        smallest_stable_change(make_history(SPACE, [(GOOD, None)]))
    with pytest.raises(InvalidArgument, match="unknown rule; got 'luck'"):
        smallest_stable_change(history, rule="luck")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="threshold must lie between 0 and 1"):
        smallest_stable_change(history, threshold=1.0)
