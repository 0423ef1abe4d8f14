"""What the models of this room share: a task whose hyperparameters are penalties, with exact hypergradients.

A model is fitted to training examples with penalties p, w(p) = argmin_w F(w, p), and judged by the mean loss V(w) of
the validation examples, over all folds where there are several. By the implicit function theorem, where F is twice
differentiable at w(p),

    dV/dp = -(d/dp grad_w F)^T a,   H a = grad_w V,   H = d^2 F / dw^2,

so that one more linear system, with a matrix that the fit has factored anyway, gives the derivatives by all penalties:
J. Larsen, L. K. Hansen, C. Svarer and M. Ohlsson, "Design and regularization of neural networks: the optimal use of a
validation set", NNSP 1996; Y. Bengio, "Gradient-based optimization of hyperparameters", Neural Computation 12, 2000.

A fit stops at some w with a gradient g of F that is not quite zero. To first order V is then wrong by a^T g, at most

    error = sqrt(a^T H a) sqrt(g^T H^-1 g),

the Cauchy-Schwarz bound in the norm of H, which every evaluation tells. Rounding in the linear algebra is not in it.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, TrimtabError, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Json, Observation, Params, ParamValue
from trimtab.base.refs import Reference
from trimtab.space import Float, Space
from trimtab.tuners.gradients.penalties.folds import Data, Split, encoded, k_folds, splits_of

__all__ = ["Evaluation", "FoldEvaluation", "LinearModel", "NotConverged", "Penalties", "PenaltyTask", "RunningTrial"]

Array = NDArray[np.float64]

Penalties: TypeAlias = Mapping[str, Any] | ArrayLike
"""Penalties by parameter name, as in params, or in the order of the space's names, shape (k,); each > 0."""

P = TypeVar("P")


class NotConverged(TrimtabError, ArithmeticError):
    """A model could not be fitted to the accuracy that a derivative needs."""


class RunningTrial(Protocol):
    """What is asked of a trial where a task is used as an objective."""

    @property
    def params(self) -> Mapping[str, ParamValue]:
        """The penalties."""
        ...

    def set_user_attr(self, key: str, value: Json) -> None:
        """Note a user attribute of the trial."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How good some penalties are.

    Arguments:
        value: mean validation loss.
        gradient: d value / d penalty, in the order of the space's names, shape (k,).
        losses: loss of each validation example, fold after fold, shape (m,).
        error: how far off the value may be, to first order, because the fit was stopped.
    """

    value: float
    gradient: Array
    losses: Array
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class FoldEvaluation:
    """One fold's part of an evaluation.

    Arguments:
        losses: of its validation examples, shape (m,).
        slope: derivatives of the SUM of the losses, shape (k,); empty where none were asked for.
        error: how far off the sum may be.
    """

    losses: Array
    slope: Array
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """A fitted linear model.

    Arguments:
        coefficients: shape (d,), or (classes, d) where there are more than two classes.
        intercept: shape (), or (classes,).
        classes: the labels in order; None for regression.
    """

    coefficients: Array
    intercept: Array
    classes: NDArray[Any] | None = None

    def scores(self, x: ArrayLike) -> Array:
        """Linear scores of the rows of X, shape (n, d): (n,), or (n, classes)."""
        out: Array = np.asarray(x, dtype=np.float64) @ self.coefficients.T + self.intercept
        return out

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """The number or the label of each row of X, shape (n, d): (n,)."""
        scores = self.scores(x)
        if self.classes is None:
            return scores
        numbers = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.0).astype(np.intp)
        chosen: NDArray[Any] = self.classes[numbers]
        return chosen


M = TypeVar("M")


@dataclass(frozen=True, eq=False)
class PenaltyTask(ABC, Generic[P, M]):
    """A task that fits a model for given penalties; see each model. `P` is what it prepares of a split, `M` a fit.

    It is a `Task`, and a callable that `study.optimize` takes as an objective.

    Arguments:
        train, validation: (X, y) to fit to and to judge by; X of shape (n, d), y of shape (n,).
        folds: several such pairs in place of these two; the value is the mean over all validation examples.

    Attributes:
        splits: the examples.
        classes: the labels in order; None for regression.
        space: one log-scaled parameter a penalty.

    Raises:
        InvalidArgument: examples or groups that cannot be; see the message.
    """

    train: InitVar[Data | None] = None
    validation: InitVar[Data | None] = None
    folds: InitVar[Sequence[tuple[Data, Data]] | None] = field(default=None, kw_only=True)
    splits: tuple[Split, ...] = field(init=False, repr=False)
    classes: NDArray[Any] | None = field(init=False, repr=False)
    space: Space = field(init=False, repr=False)
    prepared: tuple[P, ...] = field(init=False, repr=False)

    takes_labels: ClassVar[bool] = False
    refs: ClassVar[Sequence[Reference]] = ()

    def __post_init__(
        self, train: Data | None, validation: Data | None, folds: Sequence[tuple[Data, Data]] | None
    ) -> None:
        """Check the examples, and work out once what does not depend on the penalties."""
        splits, classes = splits_of(train, validation, folds, labels=self.takes_labels)
        self._put("splits", splits)
        self._put("classes", classes)
        self._put("prepared", tuple(self._prepare(split) for split in splits))
        self._put("space", Space(self._parameters()))

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_data(cls, x: ArrayLike, y: ArrayLike, folds: int = 5, seed: int = 0, **options: Any) -> Self:
        """The task of cross-validation: examples dealt at random into folds, stratified where y are labels.

        Arguments:
            x, y: all examples, shapes (n, d) and (n,).
            folds: how many, 2 or more.
            seed: of the shuffle.
            options: the other arguments of the task.

        Raises:
            InvalidArgument: as the task itself, or folds that cannot be.
        """
        return cls(folds=k_folds(x, y, folds, seed, stratified=cls.takes_labels), **options)

    @property
    def provides(self) -> Info:
        """Values, their gradients, per-example losses and costs in seconds."""
        return Info.VALUES | Info.GRADIENTS | Info.LOSSES | Info.COST

    @property
    def features(self) -> int:
        """d, the number of columns of X."""
        return len(self.splits[0].features[0])

    def run(self, params: Params, context: Context) -> Observation:
        """Fit, judge and differentiate once; a fit that does not converge has the value nan.

        The trial's attribute "error" says how exact the value is, or "not converged" what went wrong.
        """
        return self._observe(params, context.attribute)

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective: `study.optimize(task, n_trials=...)` in a study of the task's space."""
        return self._observe(trial.params, trial.set_user_attr)

    def _observe(self, params: Params, note: Callable[[str, Json], None]) -> Observation:
        start = time.perf_counter()
        try:
            found = self.value_and_gradient(params)
        except NotConverged as failure:
            # nan is divergence: the trial fails, and the study goes on, which an exception would end.
            note("not converged", str(failure))
            return Observation(math.nan, cost=time.perf_counter() - start)
        note("error", found.error)
        gradient = dict(zip(self.space.names, found.gradient.tolist(), strict=True))
        return Observation(found.value, gradient=gradient, losses=found.losses, cost=time.perf_counter() - start)

    def value_and_gradient(self, penalties: Penalties) -> Evaluation:
        """The mean validation loss and its derivatives by the penalties; a pure function.

        Arguments:
            penalties: by name or in the order of `space.names`, in natural units (no logarithms).

        Raises:
            NotConverged: a model could not be fitted.
            InvalidArgument: penalties that are not positive numbers, or not one for each parameter.
        """
        parts = self._evaluations(penalties, gradient=True)
        losses = np.concatenate([part.losses for part in parts])
        slope = np.sum([part.slope for part in parts], axis=0) / len(losses)
        error = sum(part.error for part in parts) / len(losses)
        return Evaluation(float(losses.mean()), slope, losses, error)

    def value(self, penalties: Penalties) -> float:
        """The mean validation loss alone; see `value_and_gradient`."""
        parts = self._evaluations(penalties, gradient=False)
        return float(np.concatenate([part.losses for part in parts]).mean())

    def _evaluations(self, penalties: Penalties, *, gradient: bool) -> list[FoldEvaluation]:
        vector = self._vector(penalties)
        pairs = zip(self.splits, self.prepared, strict=True)
        return [self._evaluate(split, prepared, vector, gradient) for split, prepared in pairs]

    def fit(self, penalties: Penalties, data: Data | None = None) -> M:
        """The model of some penalties, for use.

        Arguments:
            penalties: by name or in the order of `space.names`.
            data: (X, y) to fit to. By default the training examples, or with several folds their validation parts
                together, which in cross-validation are all examples.

        Raises:
            NotConverged: the model could not be fitted.
            InvalidArgument: penalties or data that cannot be.
        """
        vector = self._vector(penalties)
        if data is not None:
            split = self._given(data)
        elif len(self.splits) == 1:
            split = self.splits[0]
        else:
            x = np.concatenate([split.held_features for split in self.splits])
            y = np.concatenate([split.held_targets for split in self.splits])
            split = Split(x, y, x, y)
        return self._fit(self._prepare(split), vector)

    def _given(self, data: Data) -> Split:
        """Examples from outside, as a split whose classes are numbered as here."""
        (split,), classes = splits_of(data, data, None, labels=self.takes_labels)
        if split.features.shape[1] != self.features:
            raise InvalidArgument(
                message("X has other columns than the task", got=split.features.shape[1], allowed=str(self.features))
            )
        if classes is None or self.classes is None:
            return split
        targets = encoded(data[1], self.classes, "data")
        if len(classes) < len(self.classes):
            raise InvalidArgument(
                message("y of data lacks classes", got=classes.tolist(), allowed=f"all of {self.classes.tolist()}")
            )
        return Split(split.features, targets, split.features, targets)

    def _vector(self, penalties: Penalties) -> Array:
        """Penalties as a checked vector, shape (k,)."""
        names = self.space.names
        if isinstance(penalties, Mapping):
            if set(penalties) != set(names):
                raise InvalidArgument(
                    message("penalties must name each parameter", got=sorted(penalties), allowed=str(list(names)))
                )
            penalties = [penalties[name] for name in names]
        vector = np.atleast_1d(np.asarray(penalties, dtype=np.float64))
        if vector.shape != (len(names),) or not (np.isfinite(vector) & (vector > 0.0)).all():
            raise InvalidArgument(
                message(
                    "penalties must be positive numbers",
                    got=vector.tolist(),
                    allowed=f"{len(names)} numbers > 0, for {list(names)}",
                )
            )
        return vector

    @abstractmethod
    def _prepare(self, split: Split) -> P:
        """What of a split does not depend on the penalties."""

    @abstractmethod
    def _parameters(self) -> dict[str, Float]:
        """The space's parameters; asked for once the splits are prepared."""

    @abstractmethod
    def _evaluate(self, split: Split, prepared: P, penalties: Array, gradient: bool) -> FoldEvaluation:
        """Fit to a split and judge, with derivatives where they are asked for.

        Raises:
            NotConverged: the fit failed.
        """

    @abstractmethod
    def _fit(self, prepared: P, penalties: Array) -> M:
        """Fit to a split.

        Raises:
            NotConverged: the fit failed.
        """
