from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kruskal

from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial
from trimtab.report import report_html
from trimtab.report.scales import Band, Linear, Log
from trimtab.report.variables import Variable, rank_effect, ranked_variables, scale_of, variables
from trimtab.space import Bool, Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.testing.histories import make_history


def variable(raw: list[float] | np.ndarray, labels: tuple[str, ...] = ()) -> Variable:
    return Variable("x", Band(labels) if labels else Linear(0.0, 1.0), np.asarray(raw, dtype=float))


def test_scales_are_those_of_the_declaration() -> None:
    space = Space(
        a=Float(1e-5, 1e-1, log=True),
        b=Float(0, 1),
        c=Int(1, 9),
        d=Int(16, 256, powers_of=2),
        e=Categorical(["x", None, 3]),
        f=Bool(),
        g=Ordinal(["low", "high"]),
        h=Choice({"adam": None, "sgd": None}),
    )
    found = {column.name: scale_of(column) for column in space.columns}
    assert found["a"] == Log(1e-5, 1e-1)
    assert found["b"] == Linear(0.0, 1.0)
    assert found["c"] == Linear(1.0, 9.0, whole=True)
    assert found["d"] == Log(16.0, 256.0, base=2)
    assert found["e"] == Band(("x", "None", "3"))
    assert found["f"] == Band(("False", "True"))
    assert found["g"] == Band(("low", "high"))
    assert found["h"] == Band(("adam", "sgd"))


def test_raw_values_with_inactive_and_unknown_ones_missing() -> None:
    space = Space(x=Float(0, 1), opt=Choice({"adam": Space(beta=Float(0, 1)), "sgd": None}))
    history = make_history(
        space, [({"x": 0.25, "opt": "adam", "opt.adam.beta": 0.5}, 1.0), ({"x": 0.75, "opt": "sgd"}, 2.0)]
    )
    history = type(history)(history.study, space, [*history, FrozenTrial(2, history.trial(0).state)])
    found = {v.name: v for v in variables(history, np.arange(3))}
    assert found["x"].raw == pytest.approx([0.25, 0.75, math.nan], nan_ok=True)
    assert found["opt"].raw == pytest.approx([0.0, 1.0, math.nan], nan_ok=True)
    assert found["opt.adam.beta"].raw == pytest.approx([0.5, math.nan, math.nan], nan_ok=True)
    assert found["opt"].told(1) == "opt sgd"
    assert found["opt.adam.beta"].told(1) == "opt.adam.beta inactive"
    assert found["x"].told(0) == "x 0.25"


def test_a_trial_that_was_lost_with_half_of_its_params_is_missing() -> None:
    space = Space(x=Float(0, 1), y=Float(0, 1))
    base = make_history(space, [({"x": 0.25, "y": 0.5}, 1.0), ({"x": 0.75, "y": 0.5}, 2.0)])
    lost = FrozenTrial(2, TrialState.FAIL, {"x": 0.5}, reason=EndReason.LEASE_LOST)
    history = type(base)(base.study, space, [*base, lost])
    assert variables(history, np.arange(3))[0].raw == pytest.approx([0.25, 0.75, math.nan], nan_ok=True)
    assert "the worker stopped renewing its lease" in report_html(history, now=0.0)


def test_a_traced_range_that_changed_is_widened_to_what_was_run() -> None:
    space = Space.traced({"x": Float(0.1, 1, log=True), "n": Int(1, 3), "m": Float(0.1, 1, log=True)})
    history = make_history(space, [({"x": 10.0, "n": 7, "m": -1.0}, 1.0), ({"x": 0.5, "n": 2}, 2.0)])
    found = {v.name: v.scale for v in variables(history, np.arange(2))}
    assert found["x"] == Log(0.1, 10.0)
    assert found["n"] == Linear(1.0, 7.0, whole=True)
    assert found["m"] == Linear(-1.0, 1.0)


def test_an_effect_is_eta_squared_of_the_kruskal_wallis_statistic() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, size=80)
    values = rng.normal(size=80) + 0.8 * groups
    statistic = kruskal(*(values[groups == group] for group in range(4))).statistic
    expected = (statistic - 4 + 1) / (80 - 4)
    assert rank_effect(variable(groups.astype(float), tuple("abcd")), values) == pytest.approx(expected)


def test_a_monotone_parameter_has_nearly_all_the_effect_and_ranks_ignore_the_scale() -> None:
    raw = np.linspace(0, 1, 120)
    effect = rank_effect(variable(raw), raw)
    assert effect > 0.9
    assert rank_effect(variable(raw), np.exp(50 * raw)) == effect


def test_an_idle_parameter_has_no_effect_on_average() -> None:
    """Eta squared is unbiased at 0 before it is cut off there; 300 repeats leave a standard error of about 0.003."""
    rng = np.random.default_rng(1)
    effects = [rank_effect(variable(rng.random(60)), rng.normal(size=60)) for _ in range(300)]
    assert np.mean(effects) < 0.05


def test_what_a_branch_does_is_not_the_effect_of_the_parameters_in_it() -> None:
    idle, branch = np.tile([0.1, 0.2, 0.3, 0.4], 10), np.repeat([0.0, 1.0], 40)
    raw = np.append(idle, np.full(40, math.nan))
    values = np.append(np.arange(40.0) % 7, 100 + np.arange(40.0) % 7)
    assert rank_effect(variable(raw), values) < 0.1
    assert rank_effect(variable(branch, ("a", "b")), values) > 0.7


def test_an_effect_among_half_of_the_trials_counts_half() -> None:
    raw = np.linspace(0, 1, 60)
    whole = rank_effect(variable(raw), raw)
    half = rank_effect(variable(np.append(raw, np.full(60, math.nan))), np.append(raw, raw))
    assert half == pytest.approx(whole / 2)


def test_effects_of_too_few_or_of_equal_trials_are_nought() -> None:
    assert rank_effect(variable([0.5]), np.array([1.0])) == 0.0
    assert rank_effect(variable([]), np.array([])) == 0.0
    assert rank_effect(variable([0.0, 1.0, 0.5]), np.array([1.0, 1.0, 1.0])) == 0.0
    assert rank_effect(variable([0.0, 1.0]), np.array([math.nan, math.nan])) == 0.0


def test_parameters_with_more_effect_come_first() -> None:
    rng = np.random.default_rng(2)
    strong, idle = rng.random(50), rng.random(50)
    found = ranked_variables((variable(idle), variable(strong)), strong)
    assert found[0].raw is strong


def test_jitter_stays_in_its_band_and_leaves_numbers_alone() -> None:
    numbers = np.arange(200)
    categories = variable(np.repeat([0.0, 1.0], 100), ("a", "b"))
    spread = categories.jittered(numbers)
    assert np.all(np.abs(spread - categories.raw) <= 0.28)
    assert np.std(spread[:100]) > 0.1
    plain = variable(np.linspace(0, 1, 200))
    assert plain.jittered(numbers) is plain.raw
