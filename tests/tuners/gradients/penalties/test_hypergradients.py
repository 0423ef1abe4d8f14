"""What all models owe: derivatives that finite differences confirm, an error that covers, purity, and the task kit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.api import create_study
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Task
from trimtab.space import Space
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.penalties import (
    ElasticNetPenalties,
    KernelSvm,
    LogisticPenalties,
    NotConverged,
    RidgePenalties,
    SvmPenalties,
)


def problem(seed: int, features: int, classes: int, rows: int = 30) -> dict[str, Any]:
    """Random examples; classes = 0 for regression. Columns differ in scale and level."""
    rng = np.random.default_rng(seed)
    scale, level = np.exp(rng.normal(size=features)), rng.normal(size=features)
    x = scale * (rng.normal(size=(2 * rows, features)) + level)
    signal = (x / scale) @ rng.normal(size=(features, max(classes, 1)))
    if not classes:
        y = signal[:, 0] + rng.normal(size=2 * rows)
    else:
        y = np.argmax(signal + 2.0 * rng.normal(size=signal.shape), axis=1) if classes > 2 else None
        if y is None:
            y = (signal[:, 0] + 2.0 * rng.normal(size=2 * rows) > 0.0).astype(int)
        y[: 2 * classes] = y[rows : rows + 2 * classes] = np.tile(np.arange(classes), 2)
    return {"train": (x[:rows], y[:rows]), "validation": (x[rows:], y[rows:])}


MODELS: dict[str, Callable[..., Any]] = {
    "ridge": lambda seed, d, **more: RidgePenalties(**problem(seed, d, 0), **more),
    "ridge, dual": lambda seed, d, **more: RidgePenalties(**problem(seed, d, 0, rows=max(2, d - 2)), **more),
    "lasso": lambda seed, d, **more: ElasticNetPenalties(**problem(seed, d, 0), lasso=True, **more),
    "elastic net": lambda seed, d, **more: ElasticNetPenalties(**problem(seed, d, 0), **more),
    "binary": lambda seed, d, **more: LogisticPenalties(**problem(seed, d, 2), **more),
    "multinomial": lambda seed, d, **more: LogisticPenalties(**problem(seed, d, 3), **more),
    "svm": lambda seed, d, **more: SvmPenalties(**problem(seed, d, 2), **more),
}


def check_by_differences(task: Any, penalties: np.ndarray) -> None:
    """Central differences in log penalties agree, except at kinks, where the two sides differ."""
    found = task.value_and_gradient(penalties)
    step = 1e-4
    for k in range(len(penalties)):
        shift = np.zeros(len(penalties))
        shift[k] = step
        above, below = (task.value(penalties * np.exp(sign * shift)) for sign in (1.0, -1.0))
        forward, backward = (above - found.value) / step, (found.value - below) / step
        own = found.gradient[k] * penalties[k]
        size = max(abs(own), 1e-3 * found.value)
        assume(abs(forward - backward) < 20.0 * step * size)
        assert abs(own - 0.5 * (forward + backward)) < 1e-5 * size + 1e-6 * found.value


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    features=st.integers(2, 7),
    intercept=st.booleans(),
    groups=st.sampled_from([None, "each", "two"]),
    place=st.floats(0.1, 0.9),
)
def test_gradients_agree_with_differences(
    name: str, seed: int, features: int, intercept: bool, groups: str | None, place: float
) -> None:
    """d V / d penalty, for every kind of grouping."""
    chosen = np.arange(features) % 2 if groups == "two" else groups
    task = MODELS[name](seed, features, intercept=intercept, groups=chosen)
    rng = np.random.default_rng(seed)
    unit = np.clip(place + 0.1 * rng.normal(size=len(task.space.names)), 0.05, 0.95)
    check_by_differences(task, task.space.from_unit(unit[None])[0])


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), c=st.floats(-2.0, 3.0), gamma=st.floats(-1.0, 1.0))
def test_gradients_of_the_kernel_machine_agree_with_differences(seed: int, c: float, gamma: float) -> None:
    """d V / d C and d V / d gamma."""
    task = KernelSvm(**problem(seed, 3, 2))
    low, high = task.space["gamma"].low, task.space["gamma"].high
    check_by_differences(task, np.array([10.0**c, np.sqrt(low * high) * 10.0**gamma]))


@pytest.mark.parametrize("model", [LogisticPenalties, SvmPenalties])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0.3, 0.03, 0.003]))
def test_the_error_covers_what_an_early_stop_costs(model: Any, seed: int, tolerance: float) -> None:
    """The bound is first order: what it leaves out is of the second order in the distance from the fit."""
    data, at = problem(seed, 4, 2), [1.0]
    early, exact = (model(**data, tolerance=t).value_and_gradient(at) for t in (tolerance, 1e-12))
    # A relative decrement of t is a distance of t sqrt(F), so its square is t^2 F, with F at most its value at zero.
    second_order = tolerance**2 * exact.value
    assert abs(early.value - exact.value) <= 1.5 * early.error + 10.0 * second_order
    assert exact.error <= 1e-10 * max(exact.value, 1.0)


def test_an_early_stop_is_told_by_a_larger_error() -> None:
    """The estimate falls with the tolerance, and the true error with it."""
    data = problem(1, 4, 3)
    exact = LogisticPenalties(**data).value([0.01])
    errors = []
    for tolerance in (0.1, 1e-4):
        found = LogisticPenalties(**data, tolerance=tolerance).value_and_gradient([0.01])
        assert 0.0 < abs(found.value - exact) <= 2.0 * found.error
        errors.append(found.error)
    assert errors[1] < 0.01 * errors[0]


@pytest.mark.parametrize("name", MODELS)
def test_folds_are_averaged_over_examples(name: str) -> None:
    """The value is the mean over all held examples, and its gradient that of the folds by their sizes."""
    task = MODELS[name](0, 4)
    folds = [
        ((split.features, split.targets), (split.held_features, split.held_targets))
        for split in (task.splits[0], MODELS[name](1, 4).splits[0])
    ]
    folds[1] = (folds[1][0], (folds[1][1][0][:10], folds[1][1][1][:10]))
    at = task.space.default_params()
    both = type(task)(folds=folds, **({"lasso": True} if name == "lasso" else {})).value_and_gradient(at)
    alone = [type(task)(*fold, **({"lasso": True} if name == "lasso" else {})).value_and_gradient(at) for fold in folds]
    counts = np.array([len(one.losses) for one in alone])
    assert both.value == pytest.approx(np.average([one.value for one in alone], weights=counts), rel=1e-12)
    np.testing.assert_allclose(
        both.gradient, np.average([one.gradient for one in alone], weights=counts, axis=0), rtol=1e-9
    )
    np.testing.assert_array_equal(both.losses, np.concatenate([one.losses for one in alone]))


@pytest.mark.parametrize("name", [*MODELS, "kernel"])
def test_answers_are_pure_and_the_data_is_copied(name: str) -> None:
    """Changing the arrays later changes nothing; value alone and value with gradient are the same."""
    data = problem(3, 4, 2 if name in ("binary", "svm", "kernel") else 3 if name == "multinomial" else 0)
    model = KernelSvm if name == "kernel" else type(MODELS[name](0, 4))
    task = model(**data)
    at = task.space.default_params()
    before = task.value_and_gradient(at)
    assert task.value(at) == before.value
    assert before.value == before.losses.mean()
    for x, _ in data.values():
        x[:] = 0.0
    after = task.value_and_gradient([at[name] for name in task.space.names])
    np.testing.assert_array_equal(after.gradient, before.gradient)
    assert task.fit(at).scores(data["train"][0]).shape[0] == 30


class TestRidge(TaskKit):
    def make_task(self) -> Task[Space]:
        return MODELS["ridge"](0, 4, groups="each")


class TestElasticNet(TaskKit):
    def make_task(self) -> Task[Space]:
        return MODELS["elastic net"](0, 4)


class TestLogistic(TaskKit):
    def make_task(self) -> Task[Space]:
        return MODELS["multinomial"](0, 4)


class TestSvm(TaskKit):
    def make_task(self) -> Task[Space]:
        return MODELS["svm"](0, 4)


class TestKernelSvm(TaskKit):
    def make_task(self) -> Task[Space]:
        return KernelSvm(**problem(0, 3, 2))


def test_a_study_takes_a_task_as_its_objective() -> None:
    """Values, gradients and losses arrive in the history."""
    task = MODELS["binary"](0, 4, groups=[0, 0, 1, 1], names=["size", "shape"])
    study = create_study(space=task.space, seed=0)
    study.optimize(task, n_trials=5)
    trial = study.best_trial
    assert trial.observation is not None
    assert set(trial.observation.gradient or {}) == {"size", "shape"}
    assert trial.attributes["error"] < 1e-9
    assert task.fit(study.best_params).coefficients.shape == (4,)
    np.testing.assert_array_equal(task.coefficients(study.best_params), task.fit(study.best_params).coefficients)


@pytest.mark.parametrize(
    ("name", "limit", "limited", "texts"),
    [
        (
            "elastic net",
            "elastic_net.SWEEPS",
            0,
            ["the elastic net was not fitted after 0 sweeps", "use an l2 penalty"],
        ),
        ("binary", "newton.ITERATIONS", 1, ["logistic regression: Newton's method did not converge", "standardise"]),
        ("svm", "newton.ITERATIONS", 1, ["the support vector machine: Newton's method did not converge", "1 steps"]),
        ("kernel", "kernel_svm.ITERATIONS", 0, ["Newton's method did not converge; got 'C = ", "upper bound of C"]),
    ],
)
def test_a_fit_that_fails_fails_its_trial_and_not_the_study(
    name: str, limit: str, limited: int, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is an attribute of the trial, and an exception for whoever calls the function."""
    monkeypatch.setattr(f"trimtab.tuners.gradients.penalties.{limit}", limited)
    task = KernelSvm(**problem(1, 3, 2)) if name == "kernel" else MODELS[name](1, 6)
    study = create_study(space=task.space, seed=0)
    study.optimize(task, n_trials=2)
    for trial in study.trials:
        assert trial.state is TrialState.FAIL
        assert trial.reason is EndReason.DIVERGED
        for text in texts:
            assert text in trial.attributes["not converged"]
    with pytest.raises(NotConverged):
        task.value_and_gradient(study.trials[0].params)


def test_equations_without_a_solution_in_float64_are_told() -> None:
    """A column that repeats another, both huge: the penalty is lost in rounding."""
    column = 1e12 * np.random.default_rng(0).normal(size=20)
    data = np.column_stack([column, column]), column / 1e12
    for model in (RidgePenalties, LogisticPenalties):
        given = data if model is RidgePenalties else (data[0], column > 0.0)
        with pytest.raises(NotConverged, match="standardise the features, or raise the penalties' lower bound"):
            model(given, given).value([1e-8])


@pytest.mark.parametrize(
    ("penalties", "text"),
    [
        ([1.0, 2.0], "1 numbers > 0"),
        ([-1.0], "positive numbers; got [-1.0]"),
        ([np.nan], "positive numbers"),
        ({"alpha": 1.0}, "must name each parameter; got ['alpha']; allowed: ['penalty']"),
    ],
)
def test_penalties_that_cannot_be(penalties: Any, text: str) -> None:
    """The message tells the names."""
    with pytest.raises(ValueError) as caught:
        MODELS["ridge"](0, 3).value_and_gradient(penalties)
    assert text in str(caught.value)


def descend(task: Any, steps: int = 20) -> tuple[float, float]:
    """First and last value of plain gradient descent in log penalties with halved steps; what a user would write."""
    logs = np.log([float(task.space[name].default or 1.0) for name in task.space.names])
    here = task.value_and_gradient(np.exp(logs))
    first, rate = here.value, 1.0
    for _ in range(steps):
        slope = here.gradient * np.exp(logs)
        trial = logs - rate * slope / max(np.abs(slope).max(), 1e-12)
        there = task.value_and_gradient(np.exp(trial))
        if there.value < here.value:
            logs, here, rate = trial, there, 1.5 * rate
        else:
            rate *= 0.5
    return first, here.value


@pytest.mark.parametrize(
    ("data", "model", "gain"),
    [
        ("diabetes", RidgePenalties, 0.001),
        ("diabetes", ElasticNetPenalties, 0.001),
        ("breast_cancer", LogisticPenalties, 0.05),
        ("breast_cancer", SvmPenalties, 0.05),
    ],
)
def test_real_data_gains_by_a_penalty_a_feature(data: str, model: Any, gain: float) -> None:
    """Descending from one penalty for all, with the rest as it was, lowers the cross-validated loss."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    task = model.from_data(x, y, folds=3, groups="each")
    first, last = descend(task)
    assert last < (1.0 - gain) * first
