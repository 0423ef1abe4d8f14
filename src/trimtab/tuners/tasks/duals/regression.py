"""One task of linear regression: examples to train on and examples to judge by, checked, copied and centred.

With an intercept, features and targets are less the means of the training examples, on both sides, so that a model
without an intercept is left to fit: b = mean(y) - mean(X) w.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message

__all__ = ["Data", "Regression", "check_range", "regression"]

Array = NDArray[np.float64]

Data: TypeAlias = tuple[ArrayLike, ArrayLike]
"""Features, shape (n, d), and targets, shape (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A task, centred where there is an intercept.

    Arguments:
        features: to train on, shape (n, d).
        targets: shape (n,).
        held_features: to validate on, shape (m, d).
        held_targets: shape (m,).
    """

    features: Array
    targets: Array
    held_features: Array
    held_targets: Array

    def curvature(self) -> Array:
        """X^T X / n, shape (d, d)."""
        return self.features.T @ self.features / len(self.features)

    def moments(self) -> Array:
        """X^T y / n, shape (d,)."""
        return self.features.T @ self.targets / len(self.features)


def regression(train: Data, validation: Data, intercept: bool) -> Regression:
    """The task of two pairs (X, y).

    Raises:
        InvalidArgument: arrays of wrong shapes, with nan or infinities, or of different widths.
    """
    (x, y), (held_x, held_y) = _pair(train, "train"), _pair(validation, "validation")
    if x.shape[1] != held_x.shape[1]:
        raise InvalidArgument(
            message(
                "train and validation must have the same columns",
                got=(x.shape[1], held_x.shape[1]),
                allowed="one number of columns",
            )
        )
    if intercept:
        means, level = x.mean(axis=0), y.mean()
        return Regression(x - means, y - level, held_x - means, held_y - level)
    return Regression(x, y, held_x, held_y)


def check_range(low: float, high: float, name: str, *, zero: bool) -> None:
    """Refuse what is no interval of a penalty.

    Arguments:
        zero: whether the interval may begin at zero.

    Raises:
        InvalidArgument: not finite, not ascending, or below what is allowed.
    """
    least = low >= 0.0 if zero else low > 0.0
    if not (least and low < high < np.inf):
        raise InvalidArgument(
            message(
                f"the interval of {name} must be two ascending numbers",
                got=(low, high),
                allowed=f"0 {'<=' if zero else '<'} low < high < inf",
            )
        )


def _pair(data: Data, where: str) -> tuple[Array, Array]:
    """Finite features, shape (n, d), and targets, shape (n,)."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InvalidArgument(message(f"{where} must be a pair", got=type(data).__name__, allowed="(X, y)"))
    try:
        x, y = np.array(data[0], dtype=np.float64), np.array(data[1], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            message(f"{where} must be numbers ({error})", allowed="X of shape (n, d) and y of shape (n,)")
        ) from None
    if x.ndim != 2 or 0 in x.shape or y.shape != (len(x),):
        raise InvalidArgument(
            message(
                f"{where} must be a matrix and a target for each of its rows",
                got=(x.shape, y.shape),
                allowed="shapes (n, d) and (n,), n >= 1, d >= 1",
            )
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidArgument(
            message(f"{where} has nan or infinities", allowed="finite numbers", do="fill the gaps or drop the rows")
        )
    return x, y
