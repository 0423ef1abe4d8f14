"""Recommendation by the fitted surrogate: when it is taken, what it gains, what its interval holds, what it refuses."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.records import Objective, Observation
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.surrogates.gp.roughness import noise_share
from trimtab.testing.histories import make_history
from trimtab.trust import compare_with_default, select, selection_references
from trimtab.trust.fitted import evidence_of, fitted
from trimtab.trust.fitted_mean import FittedMean, smallest_set
from trimtab.trust.quantiles import normal_quantile

SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
KEY = Key(0, purpose="test")


def truth(points: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """A bowl with a ripple, values of about one, shape (n,)."""
    away = points - middle
    found: np.ndarray = 4.0 * (away**2).sum(axis=1) + 0.2 * np.cos(6.0 * away[:, 0])
    return found


def history_of(points: np.ndarray, told: Sequence[float | Observation], **study: Any) -> History[Space]:
    rows = [({"x": float(x), "y": float(y)}, end) for (x, y), end in zip(points, told, strict=True)]
    return make_history(SQUARE, rows, **study)


def noisy(seed: int, trials: int = 40, noise: float = 0.4) -> tuple[History[Space], np.ndarray]:
    """A search that comes back to one place twice, and what its trials are truly worth, shape (trials,)."""
    rng = np.random.default_rng(seed)
    points = rng.random((trials, 2))
    points[-1] = points[0]
    true = truth(points, rng.random(2))
    return history_of(points, list(true + noise * rng.normal(size=trials))), true


def kind(history: History[Space], method: str = "auto") -> str:
    return select(history, method=method).method.partition(":")[0]


# When it is taken


def test_noise_that_trials_prove_is_believed_and_no_other() -> None:
    history, _ = noisy(0)
    assert kind(history) == "surrogate"
    points = np.random.default_rng(0).random((20, 2))
    once = history_of(points, list(truth(points, np.full(2, 0.5)) + np.random.default_rng(1).normal(size=20)))
    assert kind(once) == "values"
    assert kind(once, method="surrogate") == "surrogate"
    same = np.vstack([points, points[:1]])
    assert kind(history_of(same, list(truth(same, np.full(2, 0.5))))) == "values"


def test_other_fidelities_and_tasks_are_no_noise() -> None:
    points = np.full((4, 2), 0.5)
    for told in (
        [Observation(1.0 + k, fidelity={"epochs": 1 + k}) for k in range(4)],
        [Observation(1.0 + k, task=str(k % 2)) for k in range(4)],
    ):
        assert kind(history_of(points, told)) == "values"


def test_what_was_told_of_the_noise_is_better_evidence() -> None:
    history, true = noisy(0)
    told = [Observation(float(value), stderr=0.4) for value in history.values[:, 0]]
    points = np.array([[trial.params["x"], trial.params["y"]] for trial in history if trial.params])
    assert kind(history_of(points, told)) == "standard errors"
    assert kind(history_of(np.repeat(points[:8], 5, axis=0), list(np.repeat(true[:8], 5) + points[:, 0]))) == (
        "replicates"
    )


def test_the_default_is_compared_by_what_was_observed_alone() -> None:
    """A surrogate's word is no test of the gain over the default."""
    assert compare_with_default(noisy(0)[0]).gain is None


# What it says


def test_it_is_the_trial_that_the_surrogate_predicts_best_and_repeated_calls_agree() -> None:
    for seed in range(4):
        history, _ = noisy(seed)
        evidence = evidence_of(history)
        model = fitted(evidence, SQUARE, "twin")
        smooth, _ = model.predict(SQUARE.to_unit(evidence.raw))
        share = noise_share(model.posterior, [np.array([0, len(smooth) - 1])]).mean
        mean = share * smooth + (1.0 - share) * model.posterior.values
        found = select(history)
        assert found.trial == int(mean.argmin())
        assert found.estimate == pytest.approx(float(model.warp.inverse(mean[[found.trial]])[0]))
        assert found.interval is not None
        assert found.interval.low <= found.estimate <= found.interval.high
        assert found == select(history)


def test_of_a_rough_function_with_little_noise_the_best_observed_is_the_choice() -> None:
    """A surrogate that is too smooth calls it noise; neighbours that nearly agree say that it is not."""
    rng = np.random.default_rng(0)
    points = rng.random((40, 2))
    points = np.vstack([points, points[:10] + 1e-6])
    values = np.tile(truth(points[:40], np.full(2, 0.5)) + 2.0 * rng.normal(size=40), 2)[:50]
    noise = 0.05 * rng.normal(size=50)
    found = select(history_of(points, list(values + noise)))
    assert found.method.startswith("surrogate")
    assert values[found.trial] == values.min()


def test_neighbours_find_better_trials_than_luck_does() -> None:
    gains = []
    for seed in range(120):
        history, true = noisy(seed)
        gains.append(true[int(history.values[:, 0].argmin())] - true[select(history).trial])
    assert float(np.mean(gains)) > 2.0 * float(np.std(gains)) / np.sqrt(len(gains))


@pytest.mark.parametrize(("level", "trials"), [(0.8, 30), (0.95, 60)])
def test_intervals_hold_the_true_value_of_the_choice_and_tie_sets_the_best_trial(level: float, trials: int) -> None:
    held, there, studies = 0, 0, 60
    for seed in range(studies):
        history, true = noisy(1_000 + seed, trials)
        found = select(history, level=level, method="surrogate")  # a pair may agree by chance
        assert found.interval is not None
        held += found.interval.low <= true[found.trial] <= found.interval.high
        there += int(true.argmin()) in found.tie_set or true[0] == true.min()
    # Three standard deviations of the share of studies, at the level that is asked for.
    slack = 3.0 * np.sqrt(level * (1.0 - level) / studies)
    assert held / studies > level - slack
    assert there / studies > level - slack


def test_the_observed_best_alone_would_be_too_good() -> None:
    """What the interval is for: an interval of the known noise around the luckiest value holds seldom."""
    held = 0
    for seed in range(60):
        history, true = noisy(seed)
        lucky = int(history.values[:, 0].argmin())
        held += abs(float(history.values[lucky, 0]) - true[lucky]) <= 0.4 * normal_quantile(0.9)
    assert held / 60 < 0.6


def test_a_study_that_maximises_says_the_same_of_the_same_trials() -> None:
    history, _ = noisy(3)
    points = np.array([[trial.params["x"], trial.params["y"]] for trial in history if trial.params])
    up = select(history_of(points, list(-history.values[:, 0]), direction="maximize"))
    down = select(history)
    assert (up.trial, up.tie_set) == (down.trial, down.tie_set)
    assert up.estimate == pytest.approx(-down.estimate)
    assert up.interval is not None
    assert down.interval is not None
    assert [up.interval.low, up.interval.high] == pytest.approx([-down.interval.high, -down.interval.low])


def test_one_of_several_objectives() -> None:
    history, _ = noisy(5)
    points = np.array([[trial.params["x"], trial.params["y"]] for trial in history if trial.params])
    both = [Observation({"cost": float(k), "loss": float(v)}) for k, v in enumerate(history.values[:, 0])]
    objectives = (Objective("cost"), Objective("loss"))
    found = select(history_of(points, both, objectives=objectives), objective="loss", key=KEY)
    assert found.trial == select(history, key=KEY).trial
    assert found.objective.name == "loss"


def test_an_interval_of_positive_losses_may_end_at_zero() -> None:
    """Powers of losses end there, and what lies below comes back from the surrogate as a tiny number."""
    ends = []
    for seed in range(20):
        history, true = noisy(seed, 20)
        points = np.array([[trial.params["x"], trial.params["y"]] for trial in history if trial.params])
        rng = np.random.default_rng(seed)
        values = np.maximum(true - true.min(), 0.0) * 0.1 + 0.02 * rng.exponential(size=len(true)) + 1e-3
        found = select(history_of(points, list(values)), method="surrogate")
        assert found.interval is not None
        ends.append(found.interval.low)
    assert min(ends) == 0.0
    assert all(end == 0.0 or end > 1e-15 for end in ends)


def test_without_noise_the_best_observed_is_the_choice() -> None:
    points = np.random.default_rng(2).random((30, 2))
    values = truth(points, np.full(2, 0.4))
    found = select(history_of(points, list(values)), method="surrogate")
    assert found.trial == int(values.argmin())
    assert found.estimate == pytest.approx(values.min(), abs=0.02 * np.ptp(values))


def test_it_says_what_became_of_the_luckiest_trial_and_which_are_left_out() -> None:
    history, found, lucky = next(
        (history, found, lucky)
        for history in (noisy(seed)[0] for seed in range(30))
        if (found := select(history)).trial != (lucky := int(history.values[:, 0].argmin()))
        and found.interval is not None
    )
    assert f"The best observed, trial {lucky} with {history.values[lucky, 0]:.6g}, is predicted" in found.caveats[0]
    assert FittedMean.refs[0] in selection_references(found)
    rows = [(trial.params or {}, float(value)) for trial, value in zip(history, history.values[:, 0], strict=True)]
    outside = make_history(SQUARE, [*rows, ({"x": 9.0, "y": 0.5}, -50.0)])
    assert any("1 of 41 trials are left out" in note for note in select(outside).caveats)


# What it refuses


def test_what_no_surrogate_can_be_fitted_to_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="too few for a surrogate"):
        select(history_of(np.full((2, 2), 0.5), [1.0, 2.0]), method="surrogate")
    empty = make_history(Space(), [({}, 1.0), ({}, 2.0), ({}, 3.0)])
    with pytest.raises(InvalidArgument, match="space with parameters"):
        select(empty, method="surrogate")
    assert kind(empty) in ("values", "replicates")


def test_a_surrogate_that_cannot_be_fitted_leaves_the_values_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InvalidArgument("no surrogate can be fitted to these")

    monkeypatch.setattr("trimtab.trust.fitted.fitted", refuse)
    history, _ = noisy(0)
    found = select(history)
    assert found.method.startswith("values")
    assert "No surrogate can be fitted to these." in found.caveats
    with pytest.raises(InvalidArgument, match="cannot be selected by surrogate: no surrogate can be fitted"):
        select(history, method="surrogate")


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1e300, -1e300, 1e-300], [1e-300, 2e-300, 0.0]])
def test_values_of_any_size_do_not_break_it(values: list[float]) -> None:
    points = np.array([[0.1, 0.1], [0.9, 0.4], [0.5, 0.5]])
    found = select(history_of(points, values), method="surrogate")
    assert found.interval is not None
    assert np.isfinite([found.estimate, found.interval.low, found.interval.high]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=7).filter(any), st.floats(0.01, 1.0))
def test_the_smallest_set_is_the_smallest(counts: list[int], level: float) -> None:
    shares = np.array(counts) / sum(counts)
    found = smallest_set(shares, level)
    enough = [
        each
        for size in range(1, len(shares) + 1)
        for each in itertools.combinations(range(len(shares)), size)
        if shares[list(each)].sum() >= level - 1e-9
    ]
    assert shares[found].sum() >= level - 1e-9
    assert len(found) == min(map(len, enough))


def test_a_study_without_noise_is_selected_without_scipy() -> None:
    code = (
        "import sys, trimtab as tt\n"
        "study = tt.create_study(space=tt.Space(x=tt.Float(0, 1)), tuner='random')\n"
        "for k in range(5): study.add_trial({'x': k / 5}, float(k))\n"
        "study.select()\n"
        "sys.exit('scipy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
