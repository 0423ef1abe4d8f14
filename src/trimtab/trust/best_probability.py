"""The probability that the chosen trial is the best of the candidates, given the evidence's noise.

Needs the estimates of all trials and their noise. The true values are taken as draws from one normal distribution,
of unknown mean and spread tau, so that estimates are shrunk to each other by as much as their spread exceeds their
noise: with y ~ N(theta, S) and theta_k ~ N(m, tau^2),

    theta | y, tau  ~  N( m + tau^2 (tau^2 I + S)^-1 (y - m),  tau^2 S (tau^2 I + S)^-1 ).

The probability is the share of joint draws in which the chosen trial has the lowest theta, averaged over tau by its
likelihood (m averaged over likewise; 24 values of tau, half-Cauchy beforehand with a typical noise as its scale).
Trials that share examples are compared by their losses less the average loss of all trials on each example: what they
have in common cannot change which is best.

Which of the good trials is best cannot depend on how hopeless the others are. So m and tau are those of the better half
of the trials: the values of these count, and of the others only that they are above, as censored ones do,

    log L(m, tau) = sum_{k <= h} log N(y_k; m, v_k) + sum_{k > h} log(1 - Phi((y_h - m) / sqrt(v_k))),

    v_k = tau^2 + s_k^2,   y sorted,   h = max(5, ceil(K / 2)), at most K.

It is a statement about studies like this one: of those that say 30%, about three in ten are right, where true values
are spread normally. It is too sure where they crowd at their lower end, and where more than half of the trials are
hopeless. Mean of what was said, how often it was right, and mean squared error of the probability in 1,000 studies for
each row, half of them with unequal noise, spreads from .4 to 7 standard errors; "all" is what the values of all trials
say, each tau alike beforehand on the scale of its logarithm:

    true values                         12 trials                         40 trials
                              right    said   error    all    error   right    said   error    all    error
    normal                     .529    .512   .1787   .499   .1791    .419    .420   .1545   .417   .1549
    a quarter hopeless         .551    .559   .1829   .625   .1989    .457    .466   .1566   .522   .1823
    half hopeless              .613    .649   .1892   .678   .1952    .498    .544   .1794   .552   .1931
    four fifths hopeless       .798    .851   .1307   .853   .1317    .583    .649   .1997   .651   .1966
    squares of two normals     .404    .452   .2062   .486   .2099    .150    .306   .1490   .344   .1686
    Student's t of 2 degrees   .705    .669   .1395   .670   .1426    .781    .713   .1169   .719   .1148
    log-uniform                .234    .409   .2192   .494   .2710    .083    .287   .1324   .357   .1758

It takes no part in the interval.

Sources: Morris (1983), Parametric Empirical Bayes Inference, Journal of the American Statistical Association 78:47;
Gelman (2006), Prior distributions for variance parameters in hierarchical models, Bayesian Analysis 1:515; both
recalled. The censoring is not in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.trust.sample import PairedSample

__all__ = ["independent_best_probability", "paired_best_probability"]

Floats = NDArray[np.float64]

_SPREADS = np.geomspace(0.03, 30.0, 24)
"""Values of tau, in typical standard errors."""
_CENTRES = np.linspace(-3.0, 3.5, 40)
"""Values of m, from the mean of the better half, in standard deviations of one observation."""
_LEAST_COUNTED = 5
_KINDS = 32
"""Of the noise of trials that only count as being above: more trials than that are told by so many of them."""
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
    spreads, (centres, weights) = (typical * _SPREADS) ** 2, _prior(means, noise, typical)
    asked, draws, total = int(np.flatnonzero(kept == place)[0]), rng.standard_normal((_DRAWS, len(kept))), 0.0
    for spread, centre, weight in zip(spreads, centres, weights, strict=True):
        if weight == 0.0:
            continue
        drawn = spread / (spread + scales)
        middle = centre + axes @ (drawn * (axes.T @ (means[kept] - centre)))
        thetas = middle + (draws * np.sqrt(drawn * scales)) @ axes.T
        total += float(weight) * float(np.mean(np.argmin(thetas, axis=1) == asked))
    return min(total, 1.0)


def _prior(means: Floats, noise: Floats, typical: float) -> tuple[Floats, Floats]:
    """What the better half of the trials says of where true values lie: the mean of m given each tau, and tau's weight.

    Arguments:
        means: shape (k,).
        noise: variance of each, shape (k,).
        typical: standard error, the unit of `_SPREADS`.

    Returns:
        Two arrays of the shape of `_SPREADS`; the weights sum to 1.
    """
    from scipy.special import log_ndtr

    order = np.argsort(means, kind="stable")
    counted = min(len(order), max(_LEAST_COUNTED, (len(order) + 1) // 2))
    better, above = order[:counted], order[counted:]
    middle = float(means[better].mean())
    values, spreads = means[better] - middle, (typical * _SPREADS[:, None]) ** 2
    precision = 1.0 / (spreads + noise[better])
    unit = np.sqrt(spreads + typical**2)
    m = unit * _CENTRES
    # The sum of squares around each m, from three sums over trials.
    squares = (precision @ values**2)[:, None] - 2.0 * m * (precision @ values)[:, None]
    squares += m**2 * precision.sum(axis=1, keepdims=True)
    likelihood = 0.5 * (np.log(precision).sum(axis=1, keepdims=True) - squares)
    if above.size:
        kinds = np.sort(noise[above])[np.linspace(0, above.size - 1, min(above.size, _KINDS)).round().astype(np.intp)]
        scale = np.sqrt(spreads[:, :, None] + kinds)
        likelihood += above.size * log_ndtr((m[:, :, None] - values[-1]) / scale).mean(axis=2)
    share = np.exp(likelihood - likelihood.max())
    centres = middle + (share * m).sum(axis=1) / np.maximum(share.sum(axis=1), np.finfo(np.float64).tiny)
    weights = share.sum(axis=1) * unit[:, 0] * _SPREADS / (1.0 + _SPREADS**2)
    weights = np.where(weights > 1e-4 * weights.max(), weights, 0.0)
    return centres, weights / weights.sum()
