"""The probability that the chosen trial is the best of the candidates, given the evidence's noise.

Needs the estimates of all trials and their noise. The true values are taken as draws from one normal distribution,
of unknown mean and spread tau, so that estimates are shrunk to each other by as much as their spread exceeds their
noise: with y ~ N(theta, S) and theta_k ~ N(m, tau^2),

    theta | y, tau  ~  N( m + tau^2 (tau^2 I + S)^-1 (y - m),  tau^2 S (tau^2 I + S)^-1 ).

The probability is the share of joint draws in which the chosen trial has the lowest theta, averaged over tau by its
likelihood (m integrated out; 24 values of tau, each alike beforehand on the scale of its logarithm). Trials that
share examples are compared by their losses less the average loss of all trials on each example: what they have in
common cannot change which is best.

It is a statement about studies like this one: of those that say 30%, about three in ten are right, where true values
are spread normally. Where they are not (many hopeless trials, say) it is too sure. It takes no part in the interval.

Source: Morris (1983), Parametric Empirical Bayes Inference, Journal of the American Statistical Association 78:47,
recalled; the average over tau is the usual hierarchical one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.trust.sample import PairedSample

__all__ = ["independent_best_probability", "paired_best_probability"]

Floats = NDArray[np.float64]

_SPREADS = np.geomspace(0.03, 30.0, 24)
"""Values of tau, in typical standard errors."""
_DRAWS = 500
_MOST = 300
"""Trials that are drawn: those of the lowest means. The others are out of the running."""


def independent_best_probability(means: Floats, errors: Floats, place: int, rng: np.random.Generator) -> float:
    """The probability that a trial is the best, for independent estimates.

    Arguments:
        means: shape (k,), lower is better.
        errors: their standard errors, shape (k,).
        place: of the trial.
        rng: of the draws.
    """
    kept = _kept(means - errors, place)
    return _probability(means, errors**2, kept, np.eye(len(kept)), errors[kept] ** 2, place, rng)


def paired_best_probability(sample: PairedSample, rng: np.random.Generator) -> float:
    """The probability that the trial of the lowest mean loss is the best, for losses on the same examples.

    Arguments:
        sample: the losses of k trials.
        rng: of the draws.
    """
    common = np.mean(sample.losses, axis=0)
    n = sample.size
    noise = np.array([(row - common).var() for row in sample.losses]) / (n - 1)
    kept = _kept(sample.means, sample.best)
    table = np.stack([sample.losses[k] - common for k in kept])
    table -= table.mean(axis=1, keepdims=True)
    scales, axes = np.linalg.eigh(table @ table.T / (n * (n - 1)))
    # Counts that agree by chance still have a rounding of half a count in them.
    least = (0.5 / n) ** 2 if sample.binary else 0.0
    return _probability(sample.means, noise + least, kept, axes, np.maximum(scales, 0.0) + least, sample.best, rng)


def _kept(means: Floats, place: int) -> NDArray[np.intp]:
    """Places that are drawn, the asked one among them."""
    lowest = np.argsort(means, kind="stable")[:_MOST]
    return lowest if place in lowest else np.append(lowest, place)


def _probability(
    means: Floats,
    noise: Floats,
    kept: NDArray[np.intp],
    axes: Floats,
    scales: Floats,
    place: int,
    rng: np.random.Generator,
) -> float:
    """The share of draws in which one trial is the lowest.

    Arguments:
        means: shape (k,).
        noise: variance of each, shape (k,).
        kept: the r places that are drawn.
        axes: of their joint noise, in columns, shape (r, r).
        scales: its variance along each, shape (r,).
        place: of the asked trial.
        rng: of the draws.
    """
    typical = float(np.sqrt(np.median(noise[noise > 0.0]))) if noise.any() else 0.0
    if len(means) == 1 or typical == 0.0:
        return 1.0 / int((means == means[place]).sum())
    spreads = (typical * _SPREADS) ** 2
    precision = 1.0 / (spreads[:, None] + noise)
    centres = precision @ means / precision.sum(axis=1)
    squares = (precision * (means - centres[:, None]) ** 2).sum(axis=1)
    likelihood = 0.5 * (np.log(precision).sum(axis=1) - np.log(precision.sum(axis=1)) - squares)
    weights = np.exp(likelihood - likelihood.max())
    weights = np.where(weights > 1e-4, weights, 0.0) / weights[weights > 1e-4].sum()
    asked, draws, total = int(np.flatnonzero(kept == place)[0]), rng.standard_normal((_DRAWS, len(kept))), 0.0
    for spread, centre, weight in zip(spreads, centres, weights, strict=True):
        if weight == 0.0:
            continue
        drawn = spread / (spread + scales)
        middle = centre + axes @ (drawn * (axes.T @ (means[kept] - centre)))
        thetas = middle + (draws * np.sqrt(drawn * scales)) @ axes.T
        total += float(weight) * float(np.mean(np.argmin(thetas, axis=1) == asked))
    return min(total, 1.0)
