"""Columns of a space as Euclidean features, so that one stationary kernel serves every kind of parameter.

A kernel of a Euclidean distance is positive semidefinite for any points, so mixed and conditional
spaces need no kernel of their own; they need a map. Each column has one length-scale and becomes

- a number or ordinal: its unit coordinate;
- a categorical of k values: k features, 1/sqrt(2) at its value and 0 elsewhere. The squared distance of
  two categories is 1 if they differ (the Hamming distance), whatever their order;
- inactive, for a nested number: the unit coordinate 1/2 and a second feature sqrt(3)/2. The ends of the
  interval and the inactive point form an equilateral triangle of side 1: inactive is as far from either
  end as the ends are from one another, and two inactive points coincide;
- inactive, for a nested categorical: one more category.

Where a column of a define-by-run space is absent nobody knows why, and a proposal always names it. It
takes the centre of the column (1/2, or an equal share of each category), so that it stays comparable.

With an input warp (`trimtab.surrogates.gp.input_warping`) an active number is not its unit coordinate but what the
warp makes of it; all else stays where it is.

The idea of embedding inactive parameters is K. Swersky, D. Duvenaud, J. Snoek, F. Hutter and M. A.
Osborne, "Raiders of the Lost Architecture: Kernels for Bayesian Optimization in Conditional Parameter
Spaces", 2014, arXiv 1409.4011. There active values lie on an arc of learned radius and angle around the
inactive point; here they lie on a straight line, which leaves numbers with the kernel they would have
without conditions and needs no parameters beside the length-scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Column
from trimtab.surrogates.gp.input_warping import InputWarp

__all__ = ["Embedding"]

Array = NDArray[np.float64]

_SIDE = math.sqrt(0.75)
_SHARE = math.sqrt(0.5)


class Embedding:
    """The map for one space. Shapes: n points, d columns, f features.

    Arguments:
        columns: of the space, as `Space.columns` gives them.
        warp: of the active numbers; None for none.

    Attributes:
        groups: which column each feature belongs to, shape (f,).
        place: the feature that is a column's unit coordinate, or its warped one, -1 for a categorical; shape (d,).
    """

    def __init__(self, columns: Sequence[Column], warp: InputWarp | None = None) -> None:
        self.columns, self.warp = tuple(columns), warp
        widths = [self._width(column) for column in self.columns]
        self.groups: NDArray[np.intp] = np.repeat(np.arange(len(widths)), widths)
        self._starts = np.concatenate([[0], np.cumsum(widths)]).astype(np.intp)
        numbers = np.array([column.kind != "categorical" for column in self.columns], dtype=np.bool_)
        self.place: NDArray[np.intp] = np.where(numbers, self._starts[:-1], -1)
        self._numbers = np.flatnonzero(numbers)
        self._nested = np.array([j for j in self._numbers if self.columns[j].parent is not None], dtype=np.intp)

    @staticmethod
    def _width(column: Column) -> int:
        """How many features a column takes."""
        nested = column.parent is not None
        return (column.size or 1) + nested if column.kind == "categorical" else 1 + nested

    def warped(self, warp: InputWarp | None) -> Embedding:
        """The same map with another warp, or without one."""
        return Embedding(self.columns, warp)

    def features(self, unit: Array) -> Array:
        """Features (n, f) of unit coordinates (n, d), nan where inactive."""
        out = np.zeros((len(unit), len(self.groups)))
        values = (unit if self.warp is None else self.warp.forward(unit))[:, self._numbers]
        out[:, self.place[self._numbers]] = np.where(np.isnan(values), 0.5, values)
        out[:, self.place[self._nested] + 1] = np.where(np.isnan(unit[:, self._nested]), _SIDE, 0.0)
        for index, column in enumerate(self.columns):
            if column.kind == "categorical":
                self._one_hot(unit[:, index], column, out[:, self._starts[index] : self._starts[index + 1]])
        return out

    @staticmethod
    def _one_hot(unit: Array, column: Column, out: Array) -> None:
        """Fill the features of one categorical column, shape (n, k or k + 1), zero before."""
        size = column.size or 1
        absent = np.isnan(unit)
        index = np.minimum(np.floor(np.where(absent, 0.0, unit) * size), size - 1).astype(np.intp)
        if column.parent is not None:
            index[absent] = size
        out[np.arange(len(unit)), index] = _SHARE
        if column.parent is None:
            out[absent] = _SHARE / size

    def gradient(self, by_features: Array, unit: Array) -> Array:
        """Derivatives by the unit coordinates (n, d), from those by the features (n, f) of the same points.

        0 for categoricals and where inactive.
        """
        out = self.by_unit(by_features)
        if self.warp is not None:
            out *= self.warp.slope(unit)
        return np.where(np.isnan(unit), 0.0, out)

    def by_unit(self, by_features: Array) -> Array:
        """The derivatives by numbers as the features have them (n, d), from those by features; 0 for categoricals."""
        out = np.zeros((len(by_features), len(self.columns)))
        out[:, self._numbers] = by_features[:, self.place[self._numbers]]
        return out
