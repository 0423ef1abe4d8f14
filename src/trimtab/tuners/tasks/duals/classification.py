"""One task of classification: examples whose labels a method may see and examples to judge by, checked and copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message

__all__ = ["Classification", "Examples", "classification", "squared_distances"]

Array = NDArray[np.float64]
Classes = NDArray[np.intp]

Examples: TypeAlias = tuple[ArrayLike, ArrayLike]
"""Features, shape (n, d), and labels of any kind that can be sorted, shape (n,)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """A task.

    Arguments:
        features: of the examples with labels, shape (n, d).
        classes: their classes as numbers from 0, in the order of the sorted labels, shape (n,).
        held_features: of the examples to judge by, shape (m, d).
        held_classes: shape (m,).
    """

    features: Array
    classes: Classes
    held_features: Array
    held_classes: Classes

    @property
    def one_hot(self) -> Array:
        """Classes of the examples with labels as unit vectors, shape (n, classes)."""
        return np.eye(int(self.classes.max()) + 1)[self.classes]

    def rivals(self) -> tuple[Classes, Classes]:
        """All pairs of an example to judge by and a class that is not its own; shape (pairs,) each."""
        every = np.arange(int(self.classes.max()) + 1)
        held, rival = np.nonzero(every[None] != self.held_classes[:, None])
        return held, rival


def classification(train: Examples, validation: Examples) -> Classification:
    """The task of two pairs (X, labels).

    Raises:
        InvalidArgument: arrays of wrong shapes, with nan or infinities, or a class that only `validation` has.
    """
    (x, labels), (held_x, held_labels) = _pair(train, "train"), _pair(validation, "validation")
    if x.shape[1] != held_x.shape[1]:
        raise InvalidArgument(
            message("train and validation must have the same columns", got=(x.shape[1], held_x.shape[1]))
        )
    names, classes = np.unique(labels, return_inverse=True)
    unseen = np.setdiff1d(held_labels, names)
    if len(unseen):
        raise InvalidArgument(
            message(
                "validation has a label that train has not",
                got=unseen.tolist(),
                allowed=str(names.tolist()),
                do="put an example of each class into train",
            )
        )
    return Classification(x, classes.reshape(-1), held_x, np.searchsorted(names, held_labels))


def squared_distances(first: Array, second: Array) -> Array:
    """Squared Euclidean distances of rows, shapes (n, d) and (m, d) to (n, m); zero for equal rows."""
    return np.stack([((row - second) ** 2).sum(axis=1) for row in first])


def _pair(given: Examples, name: str) -> tuple[Array, NDArray[np.generic]]:
    """Copies of features and labels."""
    x, labels = np.array(given[0], dtype=float), np.array(given[1])
    if x.ndim != 2 or not len(x) or labels.shape != (len(x),) or not np.isfinite(x).all():
        raise InvalidArgument(
            message(
                f"{name} must be finite features and a label for each row",
                got=(x.shape, labels.shape),
                allowed="shapes (n, d) and (n,)",
            )
        )
    return x, labels
