"""Shrinkage of many accuracies at once, by an unbiased estimate of the risk of shrinking them.

Needs counts of right answers, or per-example losses of all trials on shared examples. The best of many raw
accuracies is too good, and all of them spread more than the truths do; drawn together by as much as
the data allow, they are closer to the truths on average, and the best one is no longer favoured.

Chen and Lei (2025), Compound Estimation for Binomials, arXiv 2512.25042, estimate the risk of an estimator of
many binomial rates p_i from X_i ~ Bin(n_i, p_i) without a prior and without a normal approximation, and choose
the linear shrinkage towards predictions that minimises it. With r_i = X_i / n_i, v_i = r_i (1 - r_i) / (n_i - 1)
and a target t_i that moves by h_i when r_i moves by 1, the estimate (1 - w_i) r_i + w_i t_i has the risk

    E[ w_i^2 (r_i - t_i)^2 + (1 - 2 w_i (1 - h_i)) v_i ],

exactly, for fixed w_i (`shrink_rates`). Weights are w_i = c / (c + n_i), one c for all, the one of least
estimated risk. Targets are the pooled rate, h_i = n_i / sum n; a weighted regression on features of
the configurations, h_i its leverage; or predictions made without X_i, h_i = 0. The target of least
estimated risk is taken. `shrink_differences` does the same for differences of two independent rates, with
v_i the sum of both and 1/n_i the sum of both 1/n. For an estimator d(X, n) of another form,

    (d(X) - r)^2 - v + 2 n v (d(X) - d(X - 1))

is close to its risk (`approximate_risk`): exact for linear ones, within 10% for smooth ones from 50 examples
on, and worthless for 10.

Trials that were scored on the same examples have errors in common, which the formulas above mistake for
agreement: they shrink too much. There (`shrink_shared`) u_k, the variance of r_k - mean r, is read off the losses
centred in each example; every trial is drawn to the grand mean by w = min(1, sum u / sum (r - mean r)^2), which
minimises w^2 (r_k - mean r)^2 + (1 - 2 w) u_k on average. That is exact for any independent examples and
any losses, 0/1 or not. The error of the grand mean itself stays: no shrinkage removes it.

Differences to the paper: its abstract was read, its text was not. The formulas are derived here, leverage in
place of sample splitting and the form for shared examples among them; they need not be the authors' own.

What it does not do. Average risk falls, not that of each trial: a truly outstanding one is pulled down.
With equal n and one common target the order cannot change, so no other trial is selected. n must not depend
on X, as it does in a race. The least of the estimated risks is too low where trials are few. It is
no interval; `trimtab.trust.select` gives one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference

__all__ = [
    "COMPOUND_BINOMIALS",
    "Shrunk",
    "approximate_risk",
    "shrink_differences",
    "shrink_rates",
    "shrink_shared",
]

Floats = NDArray[np.float64]

COMPOUND_BINOMIALS = Reference(
    authors="Chen, Yan and Lei, Lihua",
    title="Compound estimation for binomials",
    year=2025,
    arxiv="2512.25042",
)

_STRENGTHS = np.concatenate([[0.0], np.exp(np.linspace(-4.0, 16.0, 401))])
"""Values of c: from no shrinkage to that of ten million examples."""


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """Rates drawn together. All arrays have shape (k,).

    Arguments:
        estimates: the shrunk rates (or differences, or mean losses), in the units of `raw`.
        raw: as observed.
        targets: what each was drawn to.
        weights: how far, from 0 (not at all) to 1 (all the way).
        target: "pooled", "features" or "predictions".
        risk: estimated mean squared error of `estimates`; too low by the choice of the weights where k is small.
        raw_risk: that of `raw`, unbiased.
        gain_error: standard error of `raw_risk - risk` over the k trials.
    """

    estimates: Floats
    raw: Floats
    targets: Floats
    weights: Floats
    target: str
    risk: float
    raw_risk: float
    gain_error: float

    def __str__(self) -> str:
        """What was done, in a sentence."""
        if self.raw_risk <= 0.0:
            return f"{len(self.raw)} rates show no noise and were left as they are."
        return (
            f"{len(self.raw)} rates were drawn {self.weights.mean():.0%} of the way to the {self.target} target on "
            f"average; their estimated mean squared error is {self.risk:.3g} in place of {self.raw_risk:.3g}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """What to shrink to, and by how much each target moves with its own rate (`leverage`)."""

    name: str
    values: Floats
    leverage: Floats


def shrink_rates(
    successes: ArrayLike, totals: ArrayLike, *, features: ArrayLike | None = None, predictions: ArrayLike | None = None
) -> Shrunk:
    """Shrunk rates of independent binomials, such as accuracies on test sets of their own.

    Arguments:
        successes: X_i, shape (k,), k >= 3.
        totals: n_i >= 2, fixed before X_i was seen, shape (k,).
        features: of the configurations, shape (k, p), p <= k - 2; a constant is added. May give a better target.
        predictions: of the rates, made without looking at X_i (out of fold), shape (k,). Likewise.

    Raises:
        InvalidArgument: shapes that do not fit, or counts that cannot be.

    >>> shrunk = shrink_rates([60, 70, 80, 65], [100, 100, 100, 100])
    >>> shrunk.estimates.round(3).tolist()
    [0.625, 0.696, 0.768, 0.661]
    """
    hits, n = _counts(successes, totals)
    raw = hits / n
    return _shrink(raw, _variances(hits, n), n, _targets(raw, n, features, predictions), bounds=(0.0, 1.0))


def shrink_differences(
    successes: ArrayLike, totals: ArrayLike, base_successes: ArrayLike, base_totals: ArrayLike
) -> Shrunk:
    """Shrunk differences r_i - b_i of two independent rates each, drawn to their pooled difference.

    Arguments:
        successes, totals: of the k trials, as in `shrink_rates`.
        base_successes, base_totals: of what each is compared with, on other examples; shape (k,).

    Raises:
        InvalidArgument: shapes that do not fit, or counts that cannot be.
    """
    (hits, n), (base, m) = _counts(successes, totals), _counts(base_successes, base_totals)
    if hits.shape != base.shape:
        raise InvalidArgument(message("every trial needs a rate to compare with", got=(hits.shape, base.shape)))
    raw, size = hits / n - base / m, 1.0 / (1.0 / n + 1.0 / m)
    return _shrink(raw, _variances(hits, n) + _variances(base, m), size, _targets(raw, size), bounds=(-1.0, 1.0))


def shrink_shared(losses: ArrayLike) -> Shrunk:
    """Shrunk mean losses (or accuracies) of trials that were scored on the same examples.

    Arguments:
        losses: shape (k, n), k >= 3 trials on n >= 2 independent examples; 0/1 or any finite numbers.

    Raises:
        InvalidArgument: another shape, or a loss that is not finite.
    """
    table = np.asarray(losses, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise InvalidArgument(
            message(
                "shrinkage needs a table of finite losses, one row for each trial",
                got=table.shape,
                allowed="shape (k, n), k >= 3 trials, n >= 2 examples",
            )
        )
    n = table.shape[1]
    raw, common = table.mean(axis=1), table.mean(axis=0)
    grand = float(common.mean())
    noise = (table - common).var(axis=1, ddof=1) / n
    squares = (raw - grand) ** 2
    weight = min(1.0, float(noise.sum() / squares.sum())) if squares.any() else 1.0
    saved = noise - _risks(raw, noise, np.full(len(raw), grand), np.zeros(len(raw)), weight)
    raw_risk = float(noise.mean()) + float(common.var(ddof=1)) / n
    return Shrunk(
        estimates=raw + weight * (grand - raw),
        raw=raw,
        targets=np.full(len(raw), grand),
        weights=np.full(len(raw), weight),
        target="pooled",
        risk=raw_risk - float(saved.mean()),
        raw_risk=raw_risk,
        gain_error=_error(saved),
    )


def approximate_risk(estimator: Callable[[Floats, Floats], Floats], successes: ArrayLike, totals: ArrayLike) -> float:
    """The estimated mean squared error of any estimator of independent binomial rates.

    Arguments:
        estimator: (X, n) -> estimates, elementwise: the estimate of one trial depends on its own X only.
        successes, totals: as in `shrink_rates`.

    Raises:
        InvalidArgument: shapes that do not fit, or counts that cannot be.
    """
    hits, n = _counts(successes, totals)
    variances, here = _variances(hits, n), estimator(hits, n)
    step = here - estimator(np.maximum(hits - 1.0, 0.0), n)
    return float(np.mean((here - hits / n) ** 2 - variances + 2.0 * n * variances * step))


def _counts(successes: ArrayLike, totals: ArrayLike) -> tuple[Floats, Floats]:
    """Checked counts."""
    hits, n = np.asarray(successes, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    whole = hits.ndim == 1 and hits.shape == n.shape and hits.size >= 3
    if not whole or not ((n >= 2.0) & (hits >= 0.0) & (hits <= n)).all():
        raise InvalidArgument(
            message(
                "shrinkage needs counts of at least three trials",
                got=(successes, totals),
                allowed="0 <= successes <= totals, totals >= 2, one of each for every trial",
            )
        )
    return hits, n


def _variances(hits: Floats, n: Floats) -> Floats:
    """Unbiased estimates of the variances of the rates."""
    return hits / n * (1.0 - hits / n) / (n - 1.0)


def _targets(
    raw: Floats, sizes: Floats, features: ArrayLike | None = None, predictions: ArrayLike | None = None
) -> Iterator[_Target]:
    """The targets there are, the pooled rate first."""
    share = sizes / sizes.sum()
    yield _Target("pooled", np.full(len(raw), float(share @ raw)), share)
    if features is not None:
        given = np.asarray(features, dtype=np.float64)
        if given.ndim != 2 or len(given) != len(raw) or given.shape[1] > len(raw) - 2 or not np.isfinite(given).all():
            raise InvalidArgument(
                message(
                    "features must be finite numbers, one row for each trial",
                    got=given.shape,
                    allowed=f"shape ({len(raw)}, p), p <= {len(raw) - 2}",
                )
            )
        # Row i of the hat matrix of a weighted regression: its diagonal is what the target owes its own rate.
        root = np.sqrt(sizes)
        basis = np.linalg.svd(np.column_stack([np.ones(len(raw)), given]) * root[:, None], full_matrices=False)
        left = basis[0][:, basis[1] > 1e-10 * basis[1][0]]
        yield _Target("features", left @ (left.T @ (root * raw)) / root, (left**2).sum(axis=1))
    if predictions is not None:
        told = np.asarray(predictions, dtype=np.float64)
        if told.shape != raw.shape or not np.isfinite(told).all():
            raise InvalidArgument(
                message("predictions must be finite, one for each trial", got=told.shape, allowed=f"shape {raw.shape}")
            )
        yield _Target("predictions", told, np.zeros(len(raw)))


def _risks(raw: Floats, variances: Floats, targets: Floats, leverage: Floats, weights: Floats | float) -> Floats:
    """Unbiased estimates of the squared errors, for weights that do not depend on the data; broadcast."""
    risks: Floats = weights**2 * (raw - targets) ** 2 + (1.0 - 2.0 * weights * (1.0 - leverage)) * variances
    return risks


def _shrink(
    raw: Floats, variances: Floats, sizes: Floats, targets: Iterator[_Target], bounds: tuple[float, float]
) -> Shrunk:
    """The target and the strength of least estimated risk."""
    weights = _STRENGTHS[:, None] / (_STRENGTHS[:, None] + sizes)
    best, lowest, place = None, math.inf, 0
    for target in targets:
        curve = _risks(raw, variances, target.values, target.leverage, weights).mean(axis=1)
        if curve.min() < lowest:
            best, lowest, place = target, float(curve.min()), int(np.argmin(curve))
    assert best is not None  # the pooled target is always there
    chosen = weights[place]
    saved = variances - _risks(raw, variances, best.values, best.leverage, chosen)
    return Shrunk(
        estimates=np.clip(raw + chosen * (best.values - raw), *bounds),
        raw=raw,
        targets=best.values,
        weights=chosen,
        target=best.name,
        risk=lowest,
        raw_risk=float(variances.mean()),
        gain_error=_error(saved),
    )


def _error(terms: Floats) -> float:
    """The standard error of a mean."""
    return float(terms.std(ddof=1)) / math.sqrt(len(terms))
