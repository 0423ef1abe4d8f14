"""The posterior mean of a Gaussian process as a sum over columns, evaluated and bounded on many boxes at once.

    m(x) = c + sum_i w_i k(s_i(x)),   s_i(x) = sum_j d_ij(x_j),   w = K^-1 (y - c)

The squared distance s_i to the i-th observation is a sum over the columns of the space (see
`trimtab.surrogates.certificates.columns`). So all that a bound asks of a box (nearest, farthest and typical distances,
the least value of a function that is linear in the s_i) is a sum or a minimum for one column after the
other, whatever its kind.

Boxes and points are in unit coordinates. Where the surrogate warps its inputs, a box is a box of warped coordinates
too, since the warps are increasing and each has one column; distances and what follows from them are taken there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.surrogates.certificates.columns import Category, Number, columns_of
from trimtab.surrogates.certificates.domains import ACTIVE, INACTIVE, UNKNOWN, Boxes
from trimtab.surrogates.certificates.profiles import MATERN52, Profile
from trimtab.surrogates.gp import InputWarp, Model
from trimtab.surrogates.gp.kernels import squared_distances

__all__ = ["Distances", "PosteriorMean", "Stationary", "mean_of"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Distances:
    """Squared scaled distances of b boxes to n observations.

    Arguments:
        near, far: the least and the largest in a box, each column taken for itself, shape (b, n).
        middle: of the box's reference point, shape (b, n): middles of (warped) numbers, first values of
            categoricals, inactive where the state is unknown.
        spread: at most so far is the reference point from the box's own point with the same active numbers,
            squared, shape (b,). 0 where the box has decided all categoricals.
    """

    near: Array
    far: Array
    middle: Array
    spread: Array


@dataclass(frozen=True, slots=True)
class Stationary:
    """Where a function that is linear in the squared distances is least: values (b,), and where: points (b, d)."""

    values: Array
    points: Array


class PosteriorMean:
    """c + sum_i w_i k(s_i). Shapes: b boxes or points, n observations, d columns.

    Arguments:
        columns: one for each column of the space, in its order.
        weights: w, shape (n,).
        constant: c.
        profile: k.
        gram: k between the observations, shape (n, n).

    Attributes:
        norm: an upper bound of the norm of m - c in the kernel's Hilbert space, sqrt(w^T K w).
    """

    def __init__(
        self, columns: list[Number | Category], weights: Array, constant: float, profile: Profile, gram: Array
    ) -> None:
        self.columns, self.weights, self.constant, self.profile = columns, weights, constant, profile
        self.total = float(np.abs(weights).sum())
        self.scales = np.array([column.scale for column in columns])
        # w^T K w cancels: what rounding may have hidden is added back.
        rounding = 4.0 * np.finfo(np.float64).eps * (len(weights) + float(np.max(np.abs(gram)))) * self.total**2
        self.norm = math.sqrt(max(float(weights @ gram @ weights), 0.0) + rounding)
        numbers = [column for column in columns if isinstance(column, Number)]
        self.places = np.array([column.index for column in numbers], dtype=np.intp)
        self._scale = np.array([column.scale for column in numbers])
        warps = [column.warp.logs for column in numbers if column.warp is not None]
        self._warp = InputWarp(np.concatenate(warps, axis=1)) if warps else None
        empty = np.zeros((len(weights), 0))
        self._centres = np.stack([column.centres for column in numbers], axis=1) if numbers else empty
        aside = np.stack([column.aside for column in numbers], axis=1) if numbers else empty
        self._squares = self._centres**2 + aside
        zero = np.zeros(len(weights))
        self._away = np.stack([zero if c.away is None else c.away for c in numbers], axis=1) if numbers else empty

    def distances(self, boxes: Boxes) -> Distances:
        """Near, far and typical distances of boxes."""
        near = np.zeros((len(boxes), len(self.weights)))
        out = Distances(near, near.copy(), near.copy(), np.zeros(len(boxes)))
        for column in self.columns:
            if isinstance(column, Number):
                self._add_number(column, boxes, out)
            else:
                self._add_category(column, boxes, out)
        return out

    @staticmethod
    def _add_number(column: Number, boxes: Boxes, out: Distances) -> None:
        """Add what one number contributes."""
        low = column.scaled(boxes.low[:, column.index, None]) - column.centres
        high = column.scaled(boxes.high[:, column.index, None]) - column.centres
        middle = (0.5 * (low + high)) ** 2 + column.aside
        low_square, high_square = low * low, high * high
        far = np.maximum(low_square, high_square) + column.aside
        near = np.where(low * high > 0.0, np.minimum(low_square, high_square), 0.0) + column.aside
        if column.away is not None:
            state = boxes.state[:, column.index, None]
            middle = np.where(state == ACTIVE, middle, column.away)
            near, far = (
                np.select([state == ACTIVE, state == INACTIVE], [active, column.away], either(active, column.away))
                for active, either in ((near, np.minimum), (far, np.maximum))
            )
            out.spread[:] += np.where(state[:, 0] == UNKNOWN, column.spread, 0.0)
        for total, part in ((out.near, near), (out.far, far), (out.middle, middle)):
            total += part

    @staticmethod
    def _add_category(column: Category, boxes: Boxes, out: Distances) -> None:
        """Add what one categorical contributes."""
        low, high = (ends[:, column.index].astype(np.intp) for ends in (boxes.low, boxes.high))
        first = column.table[low]
        near, far = first.copy(), first.copy()
        undecided = low < high
        for last in np.unique(high[undecided]).tolist():
            rows = undecided & (high == last)
            near[rows] = column.table[: last + 1].min(axis=0)
            far[rows] = column.table[: last + 1].max(axis=0)
        out.spread[:] += np.where(undecided, column.spread, 0.0)
        for total, part in ((out.near, near), (out.far, far), (out.middle, first)):
            total += part

    def value(self, points: Array) -> Array:
        """The mean at points (b, d), nan where a number is inactive; shape (b,)."""
        middle = self.distances(self.as_boxes(points)).middle
        return np.asarray(self.constant + self.profile.value_and_slope(middle)[0] @ self.weights)

    def value_and_gradient(self, boxes: Boxes) -> tuple[Array, Array]:
        """The mean at points (see `as_boxes`), shape (b,), and its derivatives by the numbers over their scales.

        The derivatives have shape (b, numbers) and are 0 where a number is not active.
        """
        value, slope = self.profile.value_and_slope(self.distances(boxes).middle)
        gradient = self.gradient(slope, boxes)
        if self._warp is not None:
            gradient *= self._warp.slope(boxes.low[:, self.places])
        return self.constant + value @ self.weights, gradient

    def _ends(self, boxes: Boxes) -> tuple[Array, Array]:
        """Ends of the numbers' ranges, warped and scaled, shape (b, numbers)."""
        ends = (boxes.low[:, self.places], boxes.high[:, self.places])
        low, high = ends if self._warp is None else map(self._warp.forward, ends)
        return low / self._scale, high / self._scale

    def gradient(self, slope: Array, boxes: Boxes) -> Array:
        """Derivatives of m by the warped and scaled numbers at the reference points; 0 where they are not active.

        Arguments:
            slope: k' at the reference points' distances, shape (b, n).
            boxes: of which they are the reference points.
        """
        weighted = slope * self.weights
        low, high = self._ends(boxes)
        middle = 0.5 * (low + high)
        gradient = 2.0 * (middle * weighted.sum(axis=1)[:, None] - weighted @ self._centres)
        return np.where(boxes.state[:, self.places] == ACTIVE, gradient, 0.0)

    def half_widths(self, boxes: Boxes) -> Array:
        """Half the warped and scaled range of each number, 0 where it is not active, shape (b, numbers)."""
        low, high = self._ends(boxes)
        return np.where(boxes.state[:, self.places] == ACTIVE, 0.5 * (high - low), 0.0)

    def least(self, slopes: Array, boxes: Boxes) -> Stationary:
        """The least of sum_i slopes_i s_i(x) over each box: exact, because it is a sum over columns.

        Along a number it is the parabola W u^2 - 2 P u + Q with W = sum_i slopes_i, P = sum_i slopes_i x_i and
        Q = sum_i slopes_i (x_i^2 + aside_i), whose least value over an interval is at its vertex or at an end.

        Arguments:
            slopes: shape (b, n), of any sign.
            boxes: b of them.
        """
        points = np.full(boxes.low.shape, np.nan)
        curve = slopes.sum(axis=1)[:, None]
        tilt, level = slopes @ self._centres, slopes @ self._squares
        low, high = self._ends(boxes)
        vertex = np.clip(np.divide(tilt, curve, out=np.zeros_like(tilt), where=curve > 0.0), low, high)
        left = curve * (low * low - high * high) <= 2.0 * tilt * (low - high)
        place = np.where(curve > 0.0, vertex, np.where(left, low, high))
        active = curve * place * place - 2.0 * tilt * place + level
        inactive = slopes @ self._away
        state = boxes.state[:, self.places]
        values = np.select([state == ACTIVE, state == INACTIVE], [active, inactive], np.minimum(active, inactive))
        place *= self._scale
        points[:, self.places] = place if self._warp is None else self._warp.inverse(place)
        total = values.sum(axis=1)
        for column in self.columns:
            if isinstance(column, Category):
                total += self._least_category(column, slopes, boxes, points)
        # The parabolas cancel: what rounding may have added is taken off.
        size = np.abs(slopes) @ (self._squares.sum(axis=1) + 1.0) + np.abs(slopes).sum(axis=1) * (high**2).sum(axis=1)
        return Stationary(total - 16.0 * np.finfo(np.float64).eps * size, points)

    @staticmethod
    def _least_category(column: Category, slopes: Array, boxes: Boxes, points: Array) -> Array:
        """The least over one categorical's values, shape (b,); writes where into the points."""
        sums = slopes @ column.table.T
        codes = np.arange(len(column.table))
        possible = (codes >= boxes.low[:, column.index, None]) & (codes <= boxes.high[:, column.index, None])
        sums = np.where(possible, sums, np.inf)
        points[:, column.index] = sums.argmin(axis=1)
        return np.asarray(sums.min(axis=1))

    def as_boxes(self, points: Array) -> Boxes:
        """Points (b, d), nan where a number is inactive, as boxes of one configuration each."""
        state = np.where(np.isnan(points), INACTIVE, ACTIVE).astype(np.int8)
        plain = np.nan_to_num(points)
        return Boxes(plain, plain, state)


def mean_of(model: Model) -> PosteriorMean:
    """The posterior mean of a surrogate over its space, in its own warped units.

    Raises:
        InvalidArgument: the surrogate was conditioned on gradients, whose weights the bounds do not cover.
    """
    posterior = model.posterior
    if posterior.derivatives is not None:
        raise InvalidArgument(
            message(
                "no certificate covers a surrogate that was conditioned on gradients",
                got=f"{len(posterior.derivatives)} derivatives",
                do="fit it to the values alone: replace(evidence, gradients=np.full(evidence.raw.shape, np.nan))",
            )
        )
    scaled = posterior.features / posterior.scales
    gram = MATERN52.value_and_slope(squared_distances(scaled))[0]
    return PosteriorMean(columns_of(model), posterior.alpha, posterior.mean, MATERN52, gram)
