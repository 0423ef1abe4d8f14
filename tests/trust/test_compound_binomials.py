"""Shrinkage of many rates: unbiased risks by enumeration, what it gains by simulation, and what it must not change."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from trimtab.base.errors import InvalidArgument
from trimtab.trust.compound_binomials import (
    _risks,
    _targets,
    _variances,
    approximate_risk,
    shrink_differences,
    shrink_rates,
    shrink_shared,
)

TRUTHS = np.array([0.3, 0.6, 0.75, 0.9])
TOTALS = np.array([2.0, 3.0, 4.0, 3.0])
FEATURES = np.array([[0.0], [1.0], [1.5], [4.0]])


@pytest.mark.parametrize("which", [0, 1], ids=["pooled", "features"])
def test_the_risk_of_fixed_shrinkage_is_unbiased_over_all_outcomes(which: int) -> None:
    weights = 3.0 / (3.0 + TOTALS)
    claimed, true = 0.0, 0.0
    for outcome in product(*(range(int(n) + 1) for n in TOTALS)):
        hits = np.array(outcome, dtype=float)
        chance = float(np.prod(stats.binom.pmf(hits, TOTALS, TRUTHS)))
        raw = hits / TOTALS
        target = list(_targets(raw, TOTALS, FEATURES))[which]
        risks = _risks(raw, _variances(hits, TOTALS), target.values, target.leverage, weights)
        claimed += chance * float(risks.mean())
        true += chance * float(((raw + weights * (target.values - raw) - TRUTHS) ** 2).mean())
    assert claimed == pytest.approx(true, rel=1e-9)


def test_the_risk_on_shared_examples_is_unbiased_over_all_outcomes() -> None:
    # Three trials with dependent errors: the joint distribution of their right answers on one example.
    patterns = np.array(list(product([0.0, 1.0], repeat=3)))
    chances = np.array([0.25, 0.05, 0.05, 0.05, 0.1, 0.1, 0.1, 0.3])
    truths, weight, examples = chances @ patterns, 0.4, 3
    claimed = claimed_raw = true = true_raw = 0.0
    for places in product(range(8), repeat=examples):
        table, chance = patterns[list(places)].T, float(np.prod(chances[list(places)]))
        shrunk = shrink_shared(table)
        noise = (table - table.mean(axis=0)).var(axis=1, ddof=1) / examples
        risks = _risks(shrunk.raw, noise, shrunk.targets, np.zeros(3), weight)
        common = float(table.mean(axis=0).var(ddof=1)) / examples
        estimate = shrunk.raw + weight * (shrunk.targets - shrunk.raw)
        claimed += chance * (float(risks.mean()) + common)
        true += chance * float(((estimate - truths) ** 2).mean())
        claimed_raw += chance * shrunk.raw_risk
        true_raw += chance * float(((shrunk.raw - truths) ** 2).mean())
    assert claimed == pytest.approx(true, rel=1e-9)
    assert claimed_raw == pytest.approx(true_raw, rel=1e-9)


def test_the_approximate_risk_is_that_of_linear_estimators_and_near_for_others() -> None:
    rng = np.random.default_rng(0)
    truths, totals = rng.normal(0.8, 0.05, 400), np.full(400, 100)
    hits = rng.binomial(totals, truths)
    linear = approximate_risk(lambda x, n: 0.7 * x / n + 0.3 * 0.8, hits, totals)
    exact = _risks(hits / totals, _variances(hits.astype(float), totals), np.full(400, 0.8), np.zeros(400), 0.3)
    assert linear == pytest.approx(float(exact.mean()))

    def soft(x: np.ndarray, n: np.ndarray) -> np.ndarray:
        return 0.8 + np.sign(x / n - 0.8) * np.maximum(np.abs(x / n - 0.8) - 0.03, 0.0)

    draws = [rng.binomial(totals, truths).astype(float) for _ in range(60)]
    claimed = np.mean([approximate_risk(soft, x, totals) for x in draws])
    true = np.mean([((soft(x, totals) - truths) ** 2).mean() for x in draws])
    assert claimed == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize(("sizes", "ratio"), [((200, 200), 0.7), ((20, 2000), 0.5)], ids=["equal", "unequal"])
def test_shrunk_rates_are_nearer_and_the_winner_is_not_favoured(sizes: tuple[int, int], ratio: float) -> None:
    rng = np.random.default_rng(1)
    errors, winners, regrets, claims = [], [], [], []
    for _ in range(150):
        truths = np.clip(rng.normal(0.8, 0.03, 60), 0.0, 1.0)
        totals = np.exp(rng.uniform(np.log(sizes[0]), np.log(sizes[1]), 60)).astype(int)
        found = shrink_rates(rng.binomial(totals, truths), totals)
        raw, shrunk = int(found.raw.argmax()), int(found.estimates.argmax())
        errors.append([((x - truths) ** 2).mean() for x in (found.raw, found.estimates)])
        winners.append([found.raw[raw] - truths[raw], found.estimates[shrunk] - truths[shrunk]])
        regrets.append([truths[shrunk] - truths[raw], raw == shrunk])
        claims.append(found.raw_risk)
    raw_error, shrunk_error = np.mean(errors, axis=0)
    assert shrunk_error < ratio * raw_error
    assert np.mean(claims) == pytest.approx(raw_error, rel=0.05)
    bias = np.mean(winners, axis=0)
    assert bias[0] > 0.03
    assert abs(bias[1]) < 0.01
    gained, same = np.mean(regrets, axis=0)
    if sizes[0] == sizes[1]:
        assert same == 1.0
    else:
        assert gained > 0.01


def test_errors_in_common_need_the_form_for_shared_examples() -> None:
    rng = np.random.default_rng(2)
    winners, centred = [], []
    for _ in range(150):
        truths = np.clip(rng.normal(0.8, 0.03, 60), 0.01, 0.99)
        noise = np.sqrt(0.7) * rng.standard_normal(200) + np.sqrt(0.3) * rng.standard_normal((60, 200))
        table = (stats.norm.cdf(noise) < truths[:, None]).astype(float)
        apart, shared = shrink_rates(table.sum(axis=1), [200] * 60), shrink_shared(table)
        gaps = [x - truths for x in (apart.raw, apart.estimates, shared.estimates)]
        winners.append([gap[int(apart.raw.argmax())] for gap in gaps])
        centred.append([(gap - gap.mean()).var() for gap in gaps])
    raw, apart_bias, shared_bias = np.mean(winners, axis=0)
    assert raw > 0.015
    assert apart_bias < -0.015
    assert abs(shared_bias) < 0.01
    plain, _, better = np.mean(centred, axis=0)
    assert better < 0.8 * plain


def test_differences_of_equal_pairs_are_drawn_together() -> None:
    rng = np.random.default_rng(3)
    n, m = np.full(40, 150), rng.integers(50, 400, 40)
    found = shrink_differences(rng.binomial(n, 0.7), n, rng.binomial(m, 0.6), m)
    assert ((found.estimates - 0.1) ** 2).mean() < 0.3 * ((found.raw - 0.1) ** 2).mean()
    assert found.raw_risk == pytest.approx(float((0.21 / n + 0.24 / m).mean()), rel=0.1)


def test_features_and_predictions_are_taken_where_they_tell_more() -> None:
    rng = np.random.default_rng(4)
    rate = rng.uniform(0.0, 1.0, 50)
    truths, totals = 0.5 + 0.4 * rate, np.full(50, 60)
    hits = rng.binomial(totals, truths)
    pooled, guided = shrink_rates(hits, totals), shrink_rates(hits, totals, features=rate[:, None])
    assert (pooled.target, guided.target) == ("pooled", "features")
    assert ((guided.estimates - truths) ** 2).mean() < 0.5 * ((pooled.estimates - truths) ** 2).mean()
    assert guided.risk < pooled.risk
    assert shrink_rates(hits, totals, features=rng.random((50, 1))).risk <= pooled.risk
    assert shrink_rates(hits, totals, predictions=truths).target == "predictions"


def test_rates_without_noise_stay_and_identical_trials_agree() -> None:
    certain = shrink_rates([10, 0, 10], [10, 10, 10])
    assert certain.estimates.tolist() == [1.0, 0.0, 1.0]
    assert "no noise" in str(certain)
    same = shrink_shared(np.repeat([[0.0, 1.0, 1.0, 0.5]], 4, axis=0))
    assert same.estimates == pytest.approx(same.raw)


def test_estimates_stay_between_rate_and_target_and_say_what_was_done() -> None:
    found = shrink_rates([60, 70, 80, 65], [100] * 4)
    low, high = np.minimum(found.raw, found.targets), np.maximum(found.raw, found.targets)
    assert ((low <= found.estimates) & (found.estimates <= high)).all()
    assert found.risk < found.raw_risk
    assert "of the way to the pooled target" in str(found)


@pytest.mark.parametrize(
    ("successes", "totals", "more"),
    [
        ([1, 2], [3, 3], {}),
        ([1, 2, 4], [3, 3, 3], {}),
        ([1, 1, 1], [1, 3, 3], {}),
        ([1, 1, 1], [3, 3], {}),
        ([1, 2, 3], [3, 3, 3], {"features": [[1.0], [np.nan], [2.0]]}),
        ([1, 2, 3], [3, 3, 3], {"features": [[1.0, 2.0]] * 3}),
        ([1, 2, 3], [3, 3, 3], {"predictions": [0.5]}),
    ],
)
def test_counts_that_cannot_be_are_refused(successes: list[int], totals: list[int], more: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="got"):
        shrink_rates(successes, totals, **more)  # type: ignore[arg-type]


def test_tables_that_cannot_be_are_refused() -> None:
    for table in ([[1.0, 0.0]] * 2, [[1.0]] * 4, [[1.0, np.inf]] * 4, [1.0, 2.0]):
        with pytest.raises(InvalidArgument, match="one row for each trial"):
            shrink_shared(table)
    with pytest.raises(InvalidArgument, match="compare with"):
        shrink_differences([1, 2, 3], [3, 3, 3], [1, 1, 1, 1], [3, 3, 3, 3])
