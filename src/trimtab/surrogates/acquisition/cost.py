"""What a trial is expected to cost, as a criterion: -exponent E[log cost(x)].

Added to log expected improvement it gives improvement per cost, J. Snoek, H. Larochelle and R. P. Adams, "Practical
Bayesian Optimization of Machine Learning Algorithms", NeurIPS 2012, arXiv 1206.2944, section 3.2, at exponent 1, and no
weight for cost at 0. Between them it is the cost cooling of E. H. Lee, V. Perrone, C. Archambeau and M. Seeger,
"Cost-aware Bayesian Optimization", 2020, arXiv 2003.10870.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.acquisition.criterion import Predictor

__all__ = ["LogCost"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogCost:
    """Minus the expected log cost.

    Arguments:
        predictor: of the log cost, standardised.
        scale: what one unit of it is in log cost.
        exponent: how much cost counts.
    """

    predictor: Predictor
    scale: float
    exponent: float = 1.0

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        return -self.exponent * self.scale * self.predictor.predict(unit)[0]

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        mean, _, slope, _ = self.predictor.predict_with_gradient(unit)
        return -self.exponent * self.scale * mean, -self.exponent * self.scale * slope
