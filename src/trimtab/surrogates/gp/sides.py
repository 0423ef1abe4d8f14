"""What surrounds the objective: surfaces of the constraints, of failure, and of the cost.

- A named constraint c, feasible where c <= 0: sign(c) log(1 + |c| / median |c|), divided by its standard
  deviation, and cut at a few medians. The threshold stays at 0, and one huge violation does not hide it.
- Failure: 1 where a trial told no value, -1 where it did, which makes least-squares classification of it
  (Rasmussen and Williams 2006, section 6.5) and needs neither approximation nor iteration.
- The logarithm of the cost, standardised.

A surface is made where there is something to learn: two different values at least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.regression import Data, Hyperparameters, condition, fit
from trimtab.surrogates.gp.surface import Surface

__all__ = ["COST", "FAILURE", "cost_scale", "fit_sides", "make_sides"]

Array = NDArray[np.float64]

FARTHEST = 2.5
"""Where squashed violations are cut: a larger one would make the scale, and hide where the boundary is."""

FAILURE = "/failure"
"""Name of the surface of failure; the slash keeps it apart from a constraint that is called so."""

COST = "/cost"
"""Name of the surface of the cost."""


def fit_sides(evidence: Evidence, features: Array, embedding: Embedding) -> dict[str, Hyperparameters]:
    """Hyperparameters of each side surface that the evidence gives, by its name."""
    return {name: fit(data) for name, data in _sides(evidence, features, embedding)}


def make_sides(
    evidence: Evidence, features: Array, embedding: Embedding, fitted: Mapping[str, Hyperparameters]
) -> dict[str, Surface]:
    """The surfaces; one that nothing was fitted for yet takes the modes of the priors.

    Raises:
        NotPositiveDefinite: the points admit no covariance.
    """
    start = Hyperparameters.start(len(embedding.columns))
    return {
        name: Surface(embedding, condition(data, fitted.get(name, start)))
        for name, data in _sides(evidence, features, embedding)
    }


def cost_scale(evidence: Evidence) -> float:
    """What one unit of the cost's surface is in log cost."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(evidence.cost)
    told = logs[np.isfinite(logs)]
    return float(told.std()) if told.size and told.max() > told.min() else 0.0


def _sides(evidence: Evidence, features: Array, embedding: Embedding) -> Iterator[tuple[str, Data]]:
    """Names and data."""
    columns = [(name, _squashed(column)) for name, column in zip(evidence.names, evidence.constraints.T, strict=True)]
    columns.append((FAILURE, np.where(np.isnan(evidence.measured), 1.0, -1.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        columns.append((COST, np.log(evidence.cost)))
    for name, column in columns:
        told = np.isfinite(column)
        if not told.any() or column[told].max() == column[told].min():
            continue
        deviation = float(column[told].std())
        shift = float(column[told].mean()) if name == COST else 0.0
        values = (column[told] - shift) / deviation
        yield name, Data(features[told], values, np.zeros(len(values)), embedding.groups, len(embedding.columns))


def _squashed(column: Array) -> Array:
    """Violations in units of their median size, on a logarithmic scale around 0 that ends at `FARTHEST`; shape (n,)."""
    size = np.abs(column)
    broad = size[np.isfinite(size) & (size > 0.0)]
    scale = float(np.median(broad)) if broad.size else 1.0
    with np.errstate(over="ignore"):
        far = np.minimum(np.log1p(np.minimum(size / scale, 1e6)), FARTHEST)
    out: Array = np.where(np.isnan(column), np.nan, np.sign(column) * far)
    return out
