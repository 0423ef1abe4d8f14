"""Fits against slow obvious twins, scikit-learn at matching parameters, and the conditions of optimality."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from trimtab.tuners.gradients.penalties import (
    ElasticNetPenalties,
    KernelSvm,
    LogisticPenalties,
    RidgePenalties,
    SvmPenalties,
)


def regression(seed: int, rows: int = 40, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) @ rng.normal(size=(features, features)) + rng.normal(size=features)
    return x, x @ rng.normal(size=features) + 3.0 * rng.normal(size=rows) + 5.0


def labels(seed: int, classes: int = 2, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)) + rng.normal(size=4)
    y = np.argmax(x @ rng.normal(size=(4, classes)) + rng.normal(size=(rows, classes)), axis=1)
    y[:classes] = np.arange(classes)
    return x, np.array(["ant", "bee", "cat", "dog"])[y]


@pytest.mark.parametrize("features", [6, 60])
@pytest.mark.parametrize("intercept", [True, False])
def test_ridge_is_a_least_squares_problem_with_more_rows(features: int, intercept: bool) -> None:
    """One row sqrt(p_j) e_j a feature, and a free column of ones; for both forms of the solution."""
    x, y = regression(0, features=features)
    penalties = np.exp(np.random.default_rng(1).normal(size=features))
    model = RidgePenalties((x, y), (x, y), groups="each", intercept=intercept).fit(penalties)
    ones = np.full((len(x), 1), float(intercept))
    rows = np.block([[x, ones], [np.diag(np.sqrt(penalties)), np.zeros((features, 1))]])
    twin = np.linalg.lstsq(rows, np.append(y, np.zeros(features)), rcond=None)[0]
    np.testing.assert_allclose(model.coefficients, twin[:-1], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.intercept, twin[-1] if intercept else 0.0, rtol=1e-7)


def test_scikit_learn_fits_the_same_ridge() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = regression(2)
    model, twin = RidgePenalties((x, y), (x, y)).fit([3.0]), linear.Ridge(alpha=3.0).fit(x, y)
    np.testing.assert_allclose(model.coefficients, twin.coef_, rtol=1e-8)
    np.testing.assert_allclose(model.predict(x), twin.predict(x), rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learn_fits_the_same_logistic_regression(classes: int, intercept: bool) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = labels(0, classes)
    model = LogisticPenalties((x, y), (x, y), intercept=intercept).fit({"penalty": 0.5})
    twin = linear.LogisticRegression(C=2.0, fit_intercept=intercept, tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(np.atleast_2d(model.coefficients), twin.coef_, atol=1e-5)
    np.testing.assert_allclose(np.atleast_1d(model.intercept), twin.intercept_, atol=1e-5)
    assert (model.predict(x) == twin.predict(x)).all()


def test_scikit_learn_fits_the_same_linear_machine() -> None:
    svm = pytest.importorskip("sklearn.svm")
    x, y = labels(1)
    model = SvmPenalties((x, y), (x, y), intercept=False).fit([0.5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = svm.LinearSVC(C=2.0, fit_intercept=False, tol=1e-12, max_iter=100_000, dual=False).fit(x, y)
    np.testing.assert_allclose(model.coefficients, twin.coef_[0], atol=1e-5)
    assert (model.predict(x) == twin.predict(x)).all()


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), log=st.floats(-4.0, 2.0))
@pytest.mark.parametrize("model", [LogisticPenalties, SvmPenalties])
def test_no_descent_is_left(model: Any, seed: int, log: float) -> None:
    """The objective as it is written, with a free intercept, has a gradient of zero at the fit."""
    x, y = labels(seed)
    penalties = 10.0**log * np.array([1.0, 1.0, 3.0, 3.0])
    fitted = model((x, y), (x, y), groups=[0, 0, 1, 1]).fit(penalties[[0, 2]])
    sign = np.where(y == fitted.classes[1], 1.0, -1.0)

    def objective(z: np.ndarray) -> float:
        margins = sign * (x @ z[:-1] + z[-1])
        losses = np.logaddexp(0.0, -margins) if model is LogisticPenalties else np.maximum(0.0, 1.0 - margins) ** 2
        return float(losses.sum() + 0.5 * penalties @ z[:-1] ** 2)

    place = np.append(fitted.coefficients, fitted.intercept)
    least = objective(place)
    for axis in np.eye(5):
        for step in (1e-3, -1e-3):
            assert objective(place + step * axis) >= least - 1e-12 * least


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    features=st.integers(2, 15),
    log=st.floats(-3.0, 0.0),
    l2=st.sampled_from([None, 0.1]),
)
def test_sparse_fits_meet_the_conditions_of_optimality(seed: int, features: int, log: float, l2: float | None) -> None:
    """X_j^T r / n - r w_j is q_j sign(w_j) on the support, and at most q_j in size outside."""
    x, y = regression(seed, features=features)
    task = ElasticNetPenalties((x, y), (x, y), lasso=l2 is None, groups="each")
    l1 = task.space["l1_0"].high * 10.0**log * np.exp(np.random.default_rng(seed).normal(size=features))
    model = task.fit(l1 if l2 is None else np.append(l1, l2))
    residual = y - model.predict(x)
    pull = x.T @ residual / len(x) - (l2 or 0.0) * model.coefficients
    on = model.coefficients != 0.0
    scale = np.abs(x.T @ y / len(x)).max()
    np.testing.assert_allclose(pull[on], (l1 * np.sign(model.coefficients))[on], atol=1e-9 * scale)
    assert (np.abs(pull[~on]) <= l1[~on] + 1e-9 * scale).all()
    assert abs(residual.sum()) < 1e-8 * np.abs(residual).sum()


def test_scikit_learn_fits_the_same_elastic_net() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = regression(3, features=12)
    model = ElasticNetPenalties((x, y), (x, y)).fit({"l1": 0.6, "l2": 0.2})
    twin = linear.ElasticNet(alpha=0.8, l1_ratio=0.75, tol=1e-12, max_iter=1_000_000).fit(x, y)
    assert 0 < (model.coefficients == 0.0).sum() < 12
    np.testing.assert_allclose(model.coefficients, twin.coef_, atol=1e-7)
    np.testing.assert_allclose(model.intercept, twin.intercept_, atol=1e-7)


def test_the_lasso_fits_more_features_than_examples() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = regression(4, rows=30, features=80)
    task = ElasticNetPenalties((x, y), (x, y), lasso=True)
    for share in (0.5, 0.05, 0.01):
        l1 = share * task.space["l1"].high
        twin = linear.Lasso(alpha=l1, tol=1e-10, max_iter=1_000_000).fit(x, y)
        np.testing.assert_allclose(task.fit([l1]).predict(x), twin.predict(x), atol=1e-4)


def test_from_the_largest_penalty_on_nothing_is_left() -> None:
    x, y = regression(5)
    task = ElasticNetPenalties((x, y), (x, y), lasso=True)
    most = task.space["l1"].high
    assert not task.coefficients([most]).any()
    assert task.coefficients([0.999 * most]).any()
    found = task.value_and_gradient([2.0 * most])
    assert found.value == pytest.approx(y.var())
    assert found.gradient.tolist() == [0.0]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), log=st.floats(-7.0, -1.0))
def test_dependent_features_are_left_out_and_predict_the_same(seed: int, log: float) -> None:
    """Columns that add up, and twins: the fit is as good as any, on a support without them."""
    x, y = regression(seed, rows=20, features=4)
    wide = np.column_stack([x, x[:, 0] + x[:, 1], x[:, 2], x[:, 3] - x[:, 1]])
    task = ElasticNetPenalties((wide, y), (wide, y), lasso=True)
    l1 = 10.0**log * task.space["l1"].high
    model = task.fit([l1])
    assert np.count_nonzero(model.coefficients) <= 4
    residual = y - model.predict(wide)
    pull = wide.T @ residual / len(wide)
    assert (np.abs(pull) <= l1 + 1e-9 * np.abs(wide.T @ y / len(wide)).max()).all()
    primal = 0.5 * residual @ residual / len(y) + l1 * np.abs(model.coefficients).sum()
    scaled = residual / max(1.0, np.abs(pull).max() / l1) / len(y)
    centred = y - y.mean()
    dual = 0.5 * centred @ centred / len(y) - 0.5 * len(y) * ((centred / len(y) - scaled) ** 2).sum()
    assert -1e-9 * primal <= primal - dual <= 1e-6 * primal


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), c=st.sampled_from([0.1, 10.0, 1000.0]))
def test_no_general_optimiser_finds_a_better_kernel_machine(seed: int, c: float) -> None:
    """beta_i is 2 C y_i max(0, 1 - y_i f_i) and sums to zero; L-BFGS on the objective as written ends no lower."""
    x, y = labels(seed, rows=25)
    model = KernelSvm((x, y), (x, y)).fit({"C": c, "gamma": 0.3})
    kernel = np.exp(-0.3 * ((x[:, None] - x[None]) ** 2).sum(axis=2))
    sign = np.where(y == model.classes[1], 1.0, -1.0)
    slack = np.maximum(0.0, 1.0 - sign * model.scores(x))
    beta = 2.0 * c * sign * slack
    np.testing.assert_allclose(beta[slack > 0.0], model.weights, rtol=1e-6, atol=1e-7 * c)
    np.testing.assert_allclose(x[slack > 0.0], model.support)
    assert abs(model.weights.sum()) < 1e-9 * np.abs(model.weights).sum()

    def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
        scores = kernel @ z[:-1]
        slack = np.maximum(0.0, 1.0 - sign * (scores + z[-1]))
        by_score = -2.0 * sign * slack
        value = 0.5 / c * z[:-1] @ scores + slack @ slack
        return value, np.append(scores / c + kernel @ by_score, by_score.sum())

    found = minimize(objective, np.zeros(26), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    own = 0.5 / c * beta @ (model.scores(x) - model.intercept) + slack @ slack
    assert own <= found.fun * (1.0 + 1e-9)
    assert (model.predict(x) == model.classes[(model.scores(x) > 0).astype(int)]).all()


def test_separable_classes_and_tiny_penalties_converge() -> None:
    """Coefficients are large and the losses flat: the hard case for Newton's method."""
    x = np.linspace(-1.0, 1.0, 20)[:, None] * np.array([1.0, 100.0])
    y = x[:, 0] > 0.0
    for model in (LogisticPenalties, SvmPenalties):
        for penalty in (1e-8, 1e-4, 1e4):
            task = model((x, y), (x, y), groups="each")
            found = task.value_and_gradient([penalty, penalty])
            assert np.isfinite(found.gradient).all()
            assert (task.fit([penalty, penalty]).predict(x) == y).all()


def test_a_fit_to_other_data_and_to_all_folds() -> None:
    """By default the folds together; else what is given, with the task's classes."""
    x, y = labels(6)
    task = LogisticPenalties.from_data(x, y, folds=4)
    order = np.random.default_rng(0).permutation(len(x))
    whole = LogisticPenalties((x, y), (x, y)).fit([2.0])
    np.testing.assert_allclose(task.fit([2.0]).coefficients, whole.coefficients, rtol=1e-7)
    np.testing.assert_allclose(task.fit([2.0], (x[order], y[order])).coefficients, whole.coefficients, rtol=1e-7)
    with pytest.raises(ValueError, match="other columns than the task"):
        task.fit([2.0], (x[:, :2], y))
    with pytest.raises(ValueError, match="classes that the training examples lack"):
        task.fit([2.0], (x, np.where(y == y[0], "fly", y)))


def test_a_fit_to_fewer_classes_than_the_task_has() -> None:
    x, y = labels(7, classes=3)
    task = LogisticPenalties((x, y), (x, y))
    few = y != "cat"
    with pytest.raises(ValueError, match="y of data lacks classes"):
        task.fit([1.0], (x[few], y[few]))
