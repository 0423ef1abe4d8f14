"""Measures of generalisation, each a function of the training data and the model alone.

For linear classifiers sign(w . x), labels -1 and 1, n examples, with probability 1 - delta (delta = .05) for bounds:

- "training error": the share of training examples with y w . x <= 0.
- "squared norm": |w|^2; "l1 norm": sum |w_j|.
- "margin bound": min over rho of [share with y w . x / |w| < rho] + 4 r / (rho sqrt(n)) + sqrt(ln log2(2 r / rho) / n)
  + sqrt(ln(2 / delta) / (2 n)), r the largest |x_i|. M. Mohri, A. Rostamizadeh and A. Talwalkar, "Foundations of
  machine learning", 2018, corollary 5.11, recalled; r should be known beforehand.
- "VC bound": training error + sqrt(8 (g + ln(4 / delta)) / n), where g = d ln(2 e n / d) or at most 2 n ln 2 bounds the
  log of how many ways there are to label 2 n examples. V. Vapnik, "The nature of statistical learning theory", 1995,
  recalled.
- "PAC-Bayes bound": twice the largest g with kl(g_S || g) <= (mu^2 / 2 + ln(2 sqrt(n) k / delta)) / n, the least over k
  scales mu; g_S = mean Phi(-mu y w . x / (|w| |x|)) is the training error of the Gaussian posterior N(mu w / |w|, I).
  J. Langford and J. Shawe-Taylor, "PAC-Bayes and margins", NIPS 2002; A. Maurer, arXiv cs/0411099; recalled.
- "sharpness": how much the mean logistic loss rises one step of length |w| / 10 up its gradient. P. Foret and others,
  "Sharpness-aware minimization", ICLR 2021, arXiv 2010.01412, recalled; the step here is relative to |w|.
- "flatness": the trace of the Hessian of the mean logistic loss, mean s (1 - s) |x|^2.
- "leave-one-out": the share of examples that a perceptron, started from w and trained on the others, gets wrong.

For parities h . x mod 2, labels 0 and 1:

- "parity weight": sum h_j; "parity freedom": d less the rank of X, how many coordinates the data leave free.
- "parity sharpness": the mean share of training labels that change with one bit of h.
- "parity Occam bound": training error + sqrt((ln C(d, |h|) + ln(d + 1) + ln(1 / delta)) / (2 n)). A. Blumer, A.
  Ehrenfeucht, D. Haussler and M. Warmuth, "Occam's razor", 1987, recalled; simple parities have more prior weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.trust.quantiles import normal_cdf
from trimtab.trust.tightness.parity import rank_mod_2

__all__ = ["DELTA", "MEASURES", "Measure"]

Array = NDArray[np.float64]

DELTA = 0.05
"""A bound fails with at most this probability."""

_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is offered as evidence of generalisation.

    Arguments:
        name: what it is called.
        models: "linear" or "parity", what models it is of.
        value: (x, shape (n, d); y, shape (n,); model, shape (d,)) -> the number, lower for what should generalise
            better.
        bound: whether it is an upper bound of the true error.
    """

    name: str
    models: Literal["linear", "parity"]
    value: Callable[[Array, Array, Array], float]
    bound: bool = False

    def __post_init__(self) -> None:
        """Refuse models that there is no construction for."""
        if self.models not in ("linear", "parity"):
            raise InvalidArgument(
                message(
                    f"measure {self.name!r}: no data on which it errs can be built for such models",
                    got=self.models,
                    allowed="'linear', 'parity'",
                    do="state the measure for linear classifiers, a case of most models",
                )
            )


def _margins(x: Array, y: Array, w: Array) -> Array:
    """Of each example, y w . x."""
    return np.asarray(y * (x @ w), dtype=np.float64)


def _training_error(x: Array, y: Array, w: Array) -> float:
    return float((_margins(x, y, w) <= 0.0).mean())


def _margin_bound(x: Array, y: Array, w: Array) -> float:
    n, radius = len(y), float(np.linalg.norm(x, axis=1).max())
    margins = np.sort(_margins(x, y, w) / float(np.linalg.norm(w)))
    rho = margins[(margins > 0.0) & (margins < radius)]
    below = np.searchsorted(margins, rho) / n
    bounds = below + 4.0 * radius / (rho * math.sqrt(n)) + np.sqrt(np.log(np.log2(2.0 * radius / rho)) / n)
    return float(min([1.0, *(bounds + math.sqrt(math.log(2.0 / DELTA) / (2.0 * n)))]))


def _vc_bound(x: Array, y: Array, w: Array) -> float:
    n, d = x.shape
    growth = min(2 * n * math.log(2.0), d * math.log(2.0 * math.e * n / d) if d < 2 * n else math.inf)
    return min(1.0, _training_error(x, y, w) + math.sqrt(8.0 * (growth + math.log(4.0 / DELTA)) / n))


def _pac_bayes_bound(x: Array, y: Array, w: Array) -> float:
    n = len(y)
    cosines = _margins(x, y, w) / (np.linalg.norm(w) * np.linalg.norm(x, axis=1))
    bounds = []
    for scale in _SCALES:
        gibbs = float(normal_cdf(-scale * cosines).mean())
        allowed = (scale**2 / 2.0 + math.log(2.0 * math.sqrt(n) * len(_SCALES) / DELTA)) / n
        bounds.append(2.0 * _kl_inverse(gibbs, allowed))
    return float(min(1.0, *bounds))


def _kl_inverse(rate: float, allowed: float) -> float:
    """The largest p with kl(rate || p) <= allowed."""

    def divergence(p: float) -> float:
        first = rate * math.log(rate / p) if rate > 0.0 else 0.0
        return first + ((1.0 - rate) * math.log((1.0 - rate) / (1.0 - p)) if rate < 1.0 else 0.0)

    low, high = rate, 1.0 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if middle <= 0.0 or divergence(middle) <= allowed else (low, middle)
    return high


def _sharpness(x: Array, y: Array, w: Array) -> float:
    margins = _margins(x, y, w)
    gradient = -(x.T @ (y / (1.0 + np.exp(np.minimum(margins, 500.0))))) / len(y)
    length = float(np.linalg.norm(gradient))
    if length == 0.0:
        return 0.0
    up = w + 0.1 * float(np.linalg.norm(w)) * gradient / length
    return float((np.logaddexp(0.0, -_margins(x, y, up)) - np.logaddexp(0.0, -margins)).mean())


def _flatness(x: Array, y: Array, w: Array) -> float:
    margins = np.minimum(np.abs(_margins(x, y, w)), 500.0)
    return float((np.exp(-margins) / (1.0 + np.exp(-margins)) ** 2 * (x**2).sum(axis=1)).mean())


def _leave_one_out(x: Array, y: Array, w: Array) -> float:
    wrong = 0
    for place in range(len(y)):
        rest = np.arange(len(y)) != place
        model = _perceptron(x[rest], y[rest], w)
        wrong += bool(y[place] * (x[place] @ model) <= 0.0)
    return wrong / len(y)


def _perceptron(x: Array, y: Array, start: Array, passes: int = 100) -> Array:
    """The weights after passes without a mistake, or after `passes` of them."""
    w = start.copy()
    for _ in range(passes):
        mistakes = 0
        for row, label in zip(x, y, strict=True):
            if label * (row @ w) <= 0.0:
                w = w + label * row
                mistakes += 1
        if not mistakes:
            break
    return w


def _parity_error(x: Array, y: Array, h: Array) -> float:
    return float(((x @ h) % 2 != y).mean())


def _parity_freedom(x: Array, y: Array, h: Array) -> float:
    return float(x.shape[1] - rank_mod_2(x.astype(np.int64)))


def _parity_sharpness(x: Array, y: Array, h: Array) -> float:
    return float(np.mean([((x @ np.abs(h - flip)) % 2 != (x @ h) % 2).mean() for flip in np.eye(len(h))]))


def _occam_bound(x: Array, y: Array, h: Array) -> float:
    n, d = x.shape
    length = math.log(math.comb(d, int(h.sum()))) + math.log(d + 1) + math.log(1.0 / DELTA)
    return min(1.0, _parity_error(x, y, h) + math.sqrt(length / (2.0 * n)))


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("training error", "linear", _training_error),
        Measure("squared norm", "linear", lambda x, y, w: float(w @ w)),
        Measure("l1 norm", "linear", lambda x, y, w: float(np.abs(w).sum())),
        Measure("margin bound", "linear", _margin_bound, bound=True),
        Measure("VC bound", "linear", _vc_bound, bound=True),
        Measure("PAC-Bayes bound", "linear", _pac_bayes_bound, bound=True),
        Measure("sharpness", "linear", _sharpness),
        Measure("flatness", "linear", _flatness),
        Measure("leave-one-out", "linear", _leave_one_out),
        Measure("parity weight", "parity", lambda x, y, h: float(h.sum())),
        Measure("parity freedom", "parity", _parity_freedom),
        Measure("parity sharpness", "parity", _parity_sharpness),
        Measure("parity Occam bound", "parity", _occam_bound, bound=True),
    )
}
"""The measures that come ready, by name."""
