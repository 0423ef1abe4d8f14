"""Where a search for the best acquisition value begins: points spread over the space, and near the best known.

Points are latent unit coordinates (m, d) without nan: what an inactive entry holds is what the parameter
will have once a move makes it active. `Space.from_unit` snaps them and blanks what is inactive.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

__all__ = ["distinct", "filled", "near", "spread"]

Array = NDArray[np.float64]

SOBOL_COLUMNS = 100
"""From so many columns on, uniform draws: a Sobol sequence is then no more even, and slow to set up."""

WIDTHS = (0.1, 0.02, 0.004)
"""Standard deviations of the perturbations: of the basin, of the valley, and of the bottom."""


def spread(rng: np.random.Generator, count: int, columns: int) -> Array:
    """`count` points, a power of two, spread evenly: scrambled Sobol, uniform for many columns."""
    if 0 < columns <= SOBOL_COLUMNS:
        points: Array = qmc.Sobol(columns, seed=int(rng.integers(2**63))).random(count)
        return points
    return rng.random((count, columns))


def near(rng: np.random.Generator, centres: Array, count: int) -> Array:
    """`count` perturbations of centres (c, d), for each of `WIDTHS`.

    Each coordinate moves with probability min(1, 20 / d), as in D. Eriksson, M. Pearce, J. Gardner, R. D.
    Turner and M. Poloczek, "Scalable Global Optimization via Local Bayesian Optimization", NeurIPS 2019,
    arXiv 1910.01739, so that in many dimensions a move changes a few.
    """
    columns = centres.shape[1]
    moved: list[Array] = []
    for width in WIDTHS:
        start = centres[rng.integers(len(centres), size=count)]
        moves = rng.random((count, columns)) < min(1.0, 20.0 / max(columns, 1))
        moved.append(np.clip(start + width * moves * rng.standard_normal((count, columns)), 0.0, 1.0))
    return np.concatenate(moved)


def filled(rng: np.random.Generator, unit: Array) -> Array:
    """Latent coordinates of unit coordinates: nan replaced by uniform draws."""
    return np.where(np.isnan(unit), rng.random(unit.shape), unit)


def distinct(unit: Array, order: NDArray[np.intp], count: int, apart: float) -> list[int]:
    """The first `count` rows in `order` that lie at least `apart` from one another in some coordinate.

    Arguments:
        unit: shape (m, d), nan where inactive; inactive differs from everything else.
        order: rows from the best down.
    """
    filled_in = np.where(np.isnan(unit), -1.0, unit)
    chosen: list[int] = []
    for row in order.tolist():
        if len(chosen) == count:
            break
        gaps = np.abs(filled_in[chosen] - filled_in[row])
        if not chosen or gaps.max(axis=1).min() >= apart:
            chosen.append(row)
    return chosen
