"""Squared distances to the observations along each column of a space, read off the surrogate's embedding.

- active number at u:   d_ij = (w_j(u) / l_j - x_ij)^2 + aside_ij, where w is the input warp, or nothing, and aside
                        tells active from inactive observations;
- inactive number:      d_ij = away_ij, a constant;
- categorical:          d_ij = table_j[v, i] for its value v; "inactive" is one more value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp import InputWarp, Model

__all__ = ["Category", "Number", "columns_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Number:
    """Squared scaled distances of n observations along one number or ordinal.

    Arguments:
        index: of its column.
        scale: length-scale in unit coordinates, warped ones where there is a warp.
        centres: the observations' own places, warped and divided by the length-scale, shape (n,).
        aside: what an active value adds to the distance, 0 where the observation is active too, shape (n,).
        away: distance of an inactive one, shape (n,); None where the column is always active.
        spread: the largest squared distance from inactive to an active value.
        warp: of this column; None where it is taken as it is.
    """

    index: int
    scale: float
    centres: Array
    aside: Array
    away: Array | None = None
    spread: float = 0.0
    warp: InputWarp | None = None

    def scaled(self, unit: Array) -> Array:
        """Unit coordinates, shape (b, 1), as places to compare with `centres`; increasing, so ranges stay ranges."""
        return (unit if self.warp is None else self.warp.forward(unit)) / self.scale


@dataclass(frozen=True, slots=True)
class Category:
    """Squared scaled distances of n observations along one categorical.

    Arguments:
        index: of its column.
        scale: length-scale.
        table: from each value, and last from "inactive" where the column is nested, shape (k or k + 1, n).
        spread: the largest squared distance between two rows of what `table` measures from.
    """

    index: int
    scale: float
    table: Array
    spread: float


def columns_of(model: Model) -> list[Number | Category]:
    """The columns of a model's space, in their order."""
    scaled = model.posterior.features / model.posterior.scales
    return [_column(model, index, scaled) for index in range(len(model.embedding.columns))]


def _column(model: Model, index: int, scaled: Array) -> Number | Category:
    """Distances of the observations, scaled features (n, f), along one column, read off its embedding."""
    embedding, posterior = model.embedding, model.posterior
    column, own = embedding.columns[index], np.flatnonzero(embedding.groups == index)
    scale = float(posterior.hyperparameters.length_scales[index])
    size = column.size or 1
    values = (np.arange(size) + 0.5) / size if column.kind == "categorical" else np.array([0.0, 1.0])
    probes = np.full((len(values) + (column.parent is not None), len(embedding.columns)), 0.5)
    probes[:, index] = np.append(values, np.nan)[: len(probes)]
    features = embedding.features(probes)[:, own] / posterior.scales[own]
    within = _apart(features, features)
    if column.kind == "categorical":
        return Category(index, scale, _apart(features, scaled[:, own]), float(within.max()))
    place = int(embedding.place[index])
    others = own != place
    aside = _apart(features[:1, others], scaled[:, own[others]])[0]
    warp = None if embedding.warp is None else embedding.warp[np.array([index])]
    if column.parent is None:
        return Number(index, scale, scaled[:, place], aside, warp=warp)
    away = _apart(features[2:], scaled[:, own])[0]
    # A distance from a fixed point is convex along the line, so it is largest at one of the ends.
    return Number(index, scale, scaled[:, place], aside, away, float(within[2].max()), warp)


def _apart(a: Array, b: Array) -> Array:
    """Squared distances between rows (k, f) and (n, f), shape (k, n), without cancellation."""
    return np.asarray(((a[:, None, :] - b) ** 2).sum(axis=2))
