"""Real trainings on data that scikit-learn brings along, small enough for a few milliseconds each.

A configuration is trained and scored on fixed folds, so its value is the same every time: an error rate
where a step of one example is fine enough to see, the log loss or a relative squared error elsewhere.
A configuration whose training breaks down tells nan, which counts as a failed trial.

Each evaluation trains on one core; the spaces, data and folds are in `training_models`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import UnknownName, message
from trimtab.base.lazy import need
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.benchmarks.problems.training_models import MODELS
from trimtab.space import Space

__all__ = ["TRAININGS", "Data", "Folds", "Training"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Data:
    """Examples with their targets: features (n, p), targets (n,)."""

    features: Array
    targets: Array


@dataclass(frozen=True, slots=True)
class Folds:
    """How a training is scored.

    Arguments:
        data: which of scikit-learn's bundled data sets.
        examples: how many of them are used, drawn once with a fixed seed; None for all.
        count: into how many folds they are split.
        used: how many of the folds are held out in turn.
        loss: "error" rate, "log" loss, or "relative" squared error (1 for predicting the mean).
        degree: of the polynomial features added to the data's own; 1 for none.
    """

    data: str
    examples: int | None
    count: int
    used: int
    loss: str
    degree: int = 1


_FOLDS = {
    "svm": Folds("digits", 540, 3, 2, "error"),
    "svm_kernel": Folds("breast_cancer", 400, 4, 4, "error"),
    "logistic": Folds("breast_cancer", 400, 3, 2, "log"),
    "knn": Folds("digits", 500, 4, 4, "error"),
    "elastic_net": Folds("diabetes", None, 5, 5, "relative", degree=2),
    "kernel_ridge": Folds("diabetes", None, 5, 3, "relative"),
    "boosting": Folds("diabetes", 300, 3, 1, "relative"),
    "forest": Folds("wine", None, 3, 2, "log"),
    "mlp": Folds("breast_cancer", 240, 3, 1, "log"),
    "pipeline": Folds("wine", None, 4, 4, "log"),
}

TRAININGS = tuple(_FOLDS)
"""Every training by its name."""


@final
class Training:
    """One training.

    Arguments:
        training: its name in `TRAININGS`.

    Raises:
        UnknownName: there is no such training.
    """

    def __init__(self, training: str) -> None:
        if training not in _FOLDS:
            raise UnknownName(message("there is no training of this name", got=training, allowed=", ".join(TRAININGS)))
        self.name = f"training-{training}"
        self._folds = _FOLDS[training]
        self._space, self._model = MODELS[training]

    def space(self) -> Space:
        """What is tuned."""
        return self._space()

    def evaluate(self, params: Params, key: Key) -> Observation:
        """Train and score on the fixed folds; nan where a training breaks down."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # short trainings do not converge, which is no news here
            try:
                return Observation(_score(self._folds, lambda: self._model(params)))
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):
                return Observation(float("nan"))


def _score(folds: Folds, model: Callable[[], Any]) -> float:
    """The mean loss over the held-out folds."""
    data, parts = _prepared(folds)
    losses = []
    for train, test in parts:
        fitted = model().fit(data.features[train], data.targets[train])
        losses.append(_loss(folds.loss, fitted, data.features[test], data.targets[test]))
    return float(np.mean(losses))


def _loss(loss: str, fitted: Any, features: Array, targets: Array) -> float:
    """The loss of a fitted model on held-out examples."""
    if loss == "error":
        return float(np.mean(fitted.predict(features) != targets))
    if loss == "relative":
        return float(np.mean((fitted.predict(features) - targets) ** 2) / np.var(targets))
    chances = fitted.predict_proba(features)[np.arange(len(targets)), np.searchsorted(fitted.classes_, targets)]
    return float(-np.mean(np.log(np.clip(chances, 1e-9, 1.0))))


@cache
def _prepared(folds: Folds) -> tuple[Data, list[tuple[Array, Array]]]:
    """The data, and the indices of each split's training and held-out examples."""
    sets = need("sklearn.datasets", "bench", "the trainings")
    features, targets = getattr(sets, f"load_{folds.data}")(return_X_y=True)
    rng = np.random.default_rng(20260101)  # fixes which examples are used, and the folds
    order = rng.permutation(len(targets))[: folds.examples]
    features, targets = _polynomials(features[order], folds.degree), targets[order]
    fold = np.arange(len(order)) % folds.count
    parts = [(np.flatnonzero(fold != held), np.flatnonzero(fold == held)) for held in range(folds.used)]
    return Data(features, targets), parts


def _polynomials(features: Array, degree: int) -> Array:
    """Features with their products up to a degree, each standardised."""
    if degree == 1:
        return features
    preprocessing = need("sklearn.preprocessing", "bench", "the trainings")
    products = preprocessing.PolynomialFeatures(degree, include_bias=False).fit_transform(features)
    scaled: Array = preprocessing.StandardScaler().fit_transform(products)
    return scaled
