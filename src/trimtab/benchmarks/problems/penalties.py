"""Penalties of linear models on data that scikit-learn brings along: problems that tell exact gradients.

A name is a model, a data set and a number of penalties: "ridge-breast_cancer-6" has six groups of features, dealt out
in turn, and as many penalties as there are features has one for each. Features are standardised, and a value is the
mean validation loss of five folds that are always the same (`trimtab.tuners.gradients.penalties`). Of many penalties
the loss has several local minima, some of them at the ends of the ranges.

Peers that take no gradients are told the value alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any, final

import numpy as np

from trimtab.base.errors import UnknownName, message
from trimtab.base.lazy import need
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.tuners.gradients.penalties import LogisticPenalties, NotConverged, RidgePenalties, SvmPenalties

__all__ = ["PENALTIES", "Penalties"]

Task = RidgePenalties | LogisticPenalties | SvmPenalties

_MODELS: dict[str, type[Task]] = {"ridge": RidgePenalties, "logistic": LogisticPenalties, "svm": SvmPenalties}

PENALTIES = (
    "ridge-breast_cancer-6",
    "ridge-breast_cancer-10",
    "ridge-breast_cancer-30",
    "ridge-diabetes-10",
    "logistic-breast_cancer-6",
    "logistic-breast_cancer-10",
    "logistic-breast_cancer-30",
    "svm-breast_cancer-6",
)
"""Every problem of this kind by its name."""

EXAMPLES = 150
"""Of breast cancer, drawn once with a fixed seed: few enough for penalties to matter."""


@final
class Penalties:
    """One of them.

    Arguments:
        which: its name in `PENALTIES`.

    Raises:
        UnknownName: there is no such problem.
    """

    def __init__(self, which: str) -> None:
        if which not in PENALTIES:
            known = ", ".join(PENALTIES)
            raise UnknownName(message("there are no penalties of this name", got=which, allowed=known))
        self.name, self._which = f"penalties-{which}", which

    def space(self) -> Space:
        """The penalties, on logarithmic scales."""
        return _task(self._which).space

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The validation loss and its gradient; nan where the model cannot be fitted."""
        task = _task(self._which)
        try:
            found = task.value_and_gradient(params)
        except NotConverged:
            return Observation(float("nan"))
        gradient = dict(zip(task.space.names, found.gradient.tolist(), strict=True))
        return Observation(found.value, gradient=gradient)


@cache
def _task(which: str) -> Task:
    """The task, with its data prepared once in a process."""
    model, data, count = which.split("-")
    loaded: Any = getattr(need("sklearn.datasets", "bench", "the penalties"), f"load_{data}")()
    x, y = np.asarray(loaded.data, dtype=np.float64), np.asarray(loaded.target, dtype=np.float64)
    if data == "breast_cancer":
        chosen = np.random.default_rng(0).permutation(len(y))[:EXAMPLES]
        x, y = x[chosen], y[chosen]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = (y - y.mean()) / y.std() if model == "ridge" else y
    groups = np.arange(x.shape[1]) % int(count)
    return _MODELS[model].from_data(x, y, folds=5, seed=0, groups=groups)
