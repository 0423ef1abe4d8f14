"""A binary decision tree of classes as a handful of arrays; what pruning and splitting work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message

__all__ = ["NO_NODE", "DecisionTree", "checked_examples"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_NODE = -1
"""In the place of a child of a leaf."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class DecisionTree:
    """A tree whose node 0 is the root; a parent comes before its children. An example goes left if x <= threshold.

    Arguments:
        left: the left child of each node, `NO_NODE` for a leaf, shape (nodes,).
        right: the right child, likewise.
        feature: the feature that is asked for, any number for a leaf, shape (nodes,).
        threshold: what it is compared with, shape (nodes,).
        weights: the weight of the training examples of each class in each node, shape (nodes, classes).
        impurity: of each node, by the criterion that pruning is to use, shape (nodes,).
        classes: the labels, ascending, shape (classes,).
        single: whether features are rounded to single precision before they are compared, as scikit-learn does.

    Raises:
        InvalidArgument: arrays whose shapes do not fit, or children that do not follow their parents.
    """

    left: Ints
    right: Ints
    feature: Ints
    threshold: Array
    weights: Array
    impurity: Array
    classes: NDArray[Any]
    single: bool = False

    def __post_init__(self) -> None:
        """Check the shapes and take copies."""
        for name in ("left", "right", "feature"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.int64))
        for name in ("threshold", "weights", "impurity"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=float))
        object.__setattr__(self, "classes", np.array(self.classes))
        nodes = len(self.left)
        rows = [self.left, self.right, self.feature, self.threshold, self.impurity]
        if not nodes or any(r.shape != (nodes,) for r in rows) or self.weights.shape != (nodes, len(self.classes)):
            raise InvalidArgument(
                message(
                    "the arrays of a tree do not fit",
                    got=[*(r.shape for r in rows), self.weights.shape, self.classes.shape],
                    allowed="(nodes,) each, weights (nodes, classes)",
                )
            )
        inner = np.flatnonzero(self.left != NO_NODE)
        children = np.concatenate([self.left[inner], self.right[inner]])
        if (
            not np.array_equal(np.sort(children), np.arange(1, nodes))
            or (children <= np.tile(inner, 2)).any()
            or ((self.left == NO_NODE) != (self.right == NO_NODE)).any()
        ):
            raise InvalidArgument(
                message("every node but the first must be a child, once, of an earlier one", got=children.tolist())
            )

    @classmethod
    def from_sklearn(cls, fitted: Any) -> DecisionTree:
        """The tree of a fitted `DecisionTreeClassifier`; its criterion is the impurity.

        Raises:
            InvalidArgument: it has no tree yet, or one of another kind.
        """
        tree, classes = getattr(fitted, "tree_", None), getattr(fitted, "classes_", None)
        if tree is None or classes is None or tree.n_outputs != 1:
            raise InvalidArgument(
                message(
                    "not a fitted tree of classes",
                    got=type(fitted).__name__,
                    allowed="a DecisionTreeClassifier with one output",
                    do="fit it first",
                )
            )
        counts = tree.value[:, 0, :] * tree.weighted_n_node_samples[:, None]
        arrays = tree.children_left, tree.children_right, tree.feature, tree.threshold, counts, tree.impurity
        return cls(*arrays, classes, single=True)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.left)

    @property
    def leaves(self) -> int:
        """How many of them are leaves."""
        return int((self.left == NO_NODE).sum())

    @property
    def parent(self) -> Ints:
        """The parent of each node, `NO_NODE` for the root, shape (nodes,)."""
        out = np.full(self.nodes, NO_NODE)
        inner = np.flatnonzero(self.left != NO_NODE)
        out[self.left[inner]] = out[self.right[inner]] = inner
        return out

    def apply(self, x: ArrayLike) -> Ints:
        """The leaf of each example, X of shape (n, d): (n,).

        Raises:
            InvalidArgument: X is no matrix of numbers, or has too few columns.
        """
        rows = np.asarray(x, dtype=np.float32 if self.single else float)
        if (
            rows.ndim != 2
            or np.isnan(rows).any()
            or rows.shape[1] <= self.feature[self.left != NO_NODE].max(initial=-1)
        ):
            raise InvalidArgument(
                message("X must be a matrix of numbers with the columns that the tree asks for", got=rows.shape)
            )
        at = np.zeros(len(rows), dtype=np.int64)
        while True:
            moving = np.flatnonzero(self.left[at] != NO_NODE)
            if not len(moving):
                return at
            node = at[moving]
            goes_left = rows[moving, self.feature[node]] <= self.threshold[node]
            at[moving] = np.where(goes_left, self.left[node], self.right[node])

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """The heaviest class of the leaf of each example, the first of equals, X of shape (n, d): (n,)."""
        heaviest: NDArray[Any] = self.classes[self.weights.argmax(axis=1)]
        return heaviest[self.apply(x)]


def checked_examples(data: tuple[ArrayLike, ArrayLike], name: str) -> tuple[Array, NDArray[Any]]:
    """X and labels as arrays, shapes (n, d) and (n,).

    Raises:
        InvalidArgument: they do not fit, there are none, or X has entries that are no finite numbers.
    """
    x, y = np.asarray(data[0], dtype=float), np.asarray(data[1])
    if x.ndim != 2 or not len(x) or y.shape != (len(x),):
        raise InvalidArgument(
            message(f"{name}: X and labels do not fit", got=(x.shape, y.shape), allowed="(n, d) and (n,), n > 0")
        )
    if not np.isfinite(x).all():
        raise InvalidArgument(message(f"{name}: X must be finite", do="drop or fill rows with nan"))
    return x, y
