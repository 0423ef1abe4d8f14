"""Losses as normal scores: what of a task's losses can be compared with another task's.

A Gaussian copula keeps of n losses their order alone. With ranks r = 1 .. n, ties at their mean rank, the score is

    z = Phi^-1((r - 1/2) / n)

lower is better, so that the scores of every task are standard normal whatever its metric, its scale and its outliers.
A failure ranks last. Source: D. Salinas, H. Shen and V. Perrone, "A Quantile-based Approach for Hyperparameter
Transfer Learning", ICML 2020, arXiv 1909.13595, where ranks over n are cut off near 0 and 1 instead of moved by a
half.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

__all__ = ["normal_scores"]

Array = NDArray[np.float64]


def normal_scores(losses: Array) -> Array:
    """The normal scores of losses (n,), nan for a failure, shape (n,).

    >>> normal_scores(np.array([3.0, 1.0, np.nan])).round(2).tolist()
    [0.0, -0.97, 0.97]
    """
    if not len(losses):
        return np.empty(0)
    ranks = rankdata(np.where(np.isnan(losses), np.inf, losses))
    scores: Array = ndtri((ranks - 0.5) / len(losses))
    return scores
