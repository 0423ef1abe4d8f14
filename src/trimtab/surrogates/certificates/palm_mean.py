"""PALM-Mean: the global minimum of a Gaussian process's posterior mean, with a certificate.

A local search says what it found; this says in addition that nothing is better by more than epsilon. Needs a
fitted surrogate. Spatial branch and bound with a relaxation of the kernel terms: W.-T. Tang, A. Kudva, C. Tsay and
J. A. Paulson, "An Efficient Spatial Branch-and-Bound Algorithm for Global Optimization of Gaussian Process Posterior
Mean Functions", 2026, arXiv 2605.00855.

Where it differs from the paper:

- The kernel is a function of the squared scaled distance that falls and is convex (see
  `trimtab.surrogates.certificates.profiles`): Matern-5/2 and the squared exponential, which is the paper's.
- No solver. The paper bounds a box by a mixed-integer quadratic program over piecewise-linear pieces of its most
  important terms. Here one line for each term leaves a separable quadratic whose minimum is in closed form, and a
  bound on the curvature of the mean as a whole keeps the cancellation between terms
  (`trimtab.surrogates.certificates.bounds`). Hundreds of boxes are bounded together, so that no terms have to be
  set aside. For 60 observations in two dimensions, the squared exponential and a gap of 0.1, a linear program per box
  (its pieces, with the squares relaxed) took 1,411 boxes and 48 s, this 215 boxes and 0.02 s on the same core.
- Mixed and conditional spaces: a box is a product of intervals, stretches of grids and sets of categories.
- No pre-partition and no starts at random: the answer depends on its arguments alone, unless seconds run out.

Cost: O(n d) for a box and n observations. The number of boxes grows exponentially with the free numbers: up to four
are certified in a second or so, beyond six a budget is what ends it, with its honest gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Params
from trimtab.base.refs import Reference
from trimtab.space import Float, Space
from trimtab.surrogates.certificates.branch_and_bound import Budget, Minimum, Problem, branch_and_bound
from trimtab.surrogates.certificates.columns import Number
from trimtab.surrogates.certificates.configurations import Configurations
from trimtab.surrogates.certificates.domains import Domain
from trimtab.surrogates.certificates.mean import PosteriorMean, mean_of
from trimtab.surrogates.certificates.profiles import MATERN52, Profile
from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.kernels import squared_distances

__all__ = ["PALM_MEAN_REFS", "Certificate", "certified_minimum", "minimum_in_box", "problem_in_box"]

Array = NDArray[np.float64]

PALM_MEAN_REFS = (
    Reference(
        authors="Tang, Wei-Ting and Kudva, Akshay and Tsay, Calvin and Paulson, Joel A.",
        title="An Efficient Spatial Branch-and-Bound Algorithm for Global Optimization"
        " of Gaussian Process Posterior Mean Functions",
        year=2026,
        arxiv="2605.00855",
    ),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a surrogate's optimum lies, and how far from it the answer can be at most.

    Arguments:
        params: the best configuration that was found; None where none may be proposed.
        value: the surrogate's prediction for it, in the units and sign of the objective (or of the losses).
        bound: no configuration of the space has a better prediction than this, in the same units.
        certified: whether the gap between them was closed to what was asked for.
        nodes: boxes that were bounded.
        seconds: wall time.
        stopped: why the search ended, in plain words.
        gap: of the search in the surrogate's warped units, whose standard deviation over the losses is 1.
    """

    params: Params | None
    value: float
    bound: float
    certified: bool
    nodes: int
    seconds: float
    stopped: str
    gap: float

    @property
    def epsilon(self) -> float:
        """How much better than `value` the optimum can be at most; nan where nothing is known."""
        return abs(self.value - self.bound) if math.isfinite(self.value) else math.nan


def minimum_in_box(
    centres: ArrayLike,
    weights: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    length_scales: ArrayLike,
    *,
    constant: float = 0.0,
    profile: Profile = MATERN52,
    epsilon: float = 0.01,
    nodes: int = 200_000,
    seconds: float = math.inf,
) -> Minimum:
    """The global minimum over a box of constant + sum_i weights_i k(|(z - centres_i) / length_scales|^2).

    Arguments:
        centres: shape (n, d).
        weights: (K + noise)^-1 (y - constant) times the kernel's variance, shape (n,).
        low, high: ends of the box, shape (d,), low < high.
        length_scales: > 0, shape (d,).
        constant: the constant mean.
        profile: the kernel, of unit variance.
        epsilon: gap at which to stop, >= 0, in units of the function.
        nodes: boxes to be bounded at most.
        seconds: wall time at most.

    Raises:
        InvalidArgument: shapes that do not fit, numbers that are not finite, an empty box, or a budget below 1.
    """
    _check(epsilon, nodes, seconds)
    problem = problem_in_box(centres, weights, low, high, length_scales, constant, profile)
    left, right = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    starts = (np.asarray(centres, dtype=np.float64) - left) / (right - left)
    found = branch_and_bound(problem, starts, epsilon, Budget(nodes, seconds))
    return replace(found, point=None if found.point is None else left + found.point * (right - left))


def problem_in_box(
    centres: ArrayLike,
    weights: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    length_scales: ArrayLike,
    constant: float = 0.0,
    profile: Profile = MATERN52,
) -> Problem:
    """What `minimum_in_box` minimises, in coordinates in which the box is the unit cube.

    Raises:
        InvalidArgument: see there.
    """
    given = (centres, weights, low, high, length_scales)
    x, w, left, right, scales = (np.asarray(each, dtype=np.float64) for each in given)
    shapes = x.shape, w.shape, left.shape, right.shape, scales.shape
    fits = x.ndim == 2 and x.size > 0 and shapes[1:] == (x.shape[:1], *[x.shape[1:]] * 3)
    if not fits or not all(np.isfinite(each).all() for each in (x, w, left, right, scales, constant)):
        what = "centres, weights, low, high and length_scales do not fit"
        raise InvalidArgument(message(what, got=shapes, allowed="finite, of shapes (n, d), (n,), (d,), (d,), (d,)"))
    if not ((left < right).all() and (scales > 0.0).all()):
        what = "the box is empty or a length-scale is not positive"
        raise InvalidArgument(message(what, got=tuple(map(str, given[2:])), allowed="low < high, length_scales > 0"))
    unit, scales = (x - left) / (right - left), scales / (right - left)
    columns = [Number(j, float(scale), unit[:, j] / scale, np.zeros(len(x))) for j, scale in enumerate(scales.tolist())]
    gram = profile.value_and_slope(squared_distances(unit / scales))[0]
    domain = Domain(Space({f"x{j}": Float(0.0, 1.0) for j in range(x.shape[1])}).columns)
    return Problem(PosteriorMean([*columns], w, float(constant), profile, gram), domain, _clipped)


def _clipped(points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Points moved into the unit cube; all of them may be proposed."""
    return np.clip(points, 0.0, 1.0), np.ones(len(points), dtype=np.bool_)


def certified_minimum(
    model: Model, space: Space, *, epsilon: float = 0.01, nodes: int = 200_000, seconds: float = 10.0
) -> Certificate:
    """The configuration of lowest posterior mean in a space, to within epsilon, or as near as the budget allows.

    Constraints of the space bind what is proposed, but not the bound: where the optimum without them
    breaks one, the gap stays open unless the space is finite.

    Arguments:
        model: a fitted surrogate; lower is better.
        space: that it was fitted over.
        epsilon: gap at which to stop, >= 0, in the model's warped units (standard deviations of the losses).
        nodes: boxes to be bounded at most.
        seconds: wall time at most.

    Returns:
        A certificate in units of the losses.

    Raises:
        InvalidArgument: a space of other columns than the model's, a negative epsilon, or a budget below 1.
    """
    _check(epsilon, nodes, seconds)
    if not len(space):
        raise InvalidArgument(message("a space without parameters has no optimum to look for"))
    if space.columns != model.embedding.columns:
        names = [column.name for column in model.embedding.columns]
        raise InvalidArgument(
            message("the model was fitted over another space", got=list(space.names), allowed=f"{names}")
        )
    known = Configurations(space)
    problem = Problem(mean_of(model), Domain(space.columns), known.snap)
    found = branch_and_bound(problem, known.points(model.incumbents), epsilon, Budget(nodes, seconds))
    value, bound = model.warp.inverse(np.array([found.value, found.lower_bound])).tolist()
    params = None if found.point is None else space.decode(known.raw(found.point[None, :])[0])
    certified = found.point is not None and found.gap <= epsilon
    return Certificate(params, value, bound, certified, found.nodes, found.seconds, found.stopped, found.gap)


def _check(epsilon: float, nodes: int, seconds: float) -> None:
    """Refuse a gap or budget that cannot be."""
    if not 0.0 <= epsilon < math.inf:
        raise InvalidArgument(message("epsilon cannot be reached", got=epsilon, allowed="0 <= epsilon < inf"))
    check_count(nodes, "nodes", do="allow at least one box")
    if not seconds > 0.0:
        raise InvalidArgument(message("seconds must be positive", got=seconds, allowed="seconds > 0, inf for no limit"))
