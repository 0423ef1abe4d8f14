"""The tree-structured Parzen estimator: try what is common among the good trials and rare among the others.

Needs values; only their order counts. Works on spaces of any kind. J. Bergstra, R. Bardenet, Y. Bengio and B.
Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011; one density over all columns as in S. Falkner,
A. Klein and F. Hutter, "BOHB", ICML 2018, arXiv 1807.01774; components as compared by S. Watanabe,
"Tree-Structured Parzen Estimator: Understanding Its Algorithm Components", 2023, arXiv 2304.11127. An ask

1. proposes the initial design until `initial_design` trials are told or pending;
2. splits the trials: the best tenth (rounded up, at most 25) are good, the others bad;
3. models either set by a mixture of kernels, l(x) and g(x), with a prior component of the same weight as any
   trial (see `trimtab.surrogates.parzen`): uniform, and in l the users' priors where there are any, so that
   their weight falls as the good trials become more;
4. draws candidates from l and proposes the one of largest l(x) / g(x) that keeps the constraints and was not
   tried. This maximises expected improvement where the split is a quantile of the losses.

Width of a number's kernel: the larger of the gaps to its neighbours in that column, at least 1 / (n + 2) of the
range for n trials, at least a hundredth, and at least one cell of a discrete number. A category spreads
C / (n + 1 + C) of its mass over all C. Of a set of more than 25 trials the last 25 have the weight 1, the older
ones less, falling linearly to 1 / n, so that what was bad long ago may be tried again.

Order of the trials: feasible ones by loss, then those that broke a constraint by the sum of their violations
(as in S. Watanabe and F. Hutter, "c-TPE", IJCAI 2023, arXiv 2211.14411, and Optuna), which are only good where
too few others are. Failures are always bad, and so are pending trials, which keeps parallel asks apart.

Large dimensions. With few good trials in many columns a candidate is close to one or two of them, and the
density over all columns is a nearest-neighbour rule (G. Biroli and M. Mezard, 2024, arXiv 2408.05807; see
`trimtab.surrogates.density`). It is recognised by the effective number of good trials that a candidate's density
comes from, the median over the candidates, being below 5. From `large` active parameters on, both densities are
then replaced by products over the columns, which need far fewer trials. With fewer parameters they are kept:
there the neighbour rule was the better one when both were measured, since it is a local search around the good
trials that moves all parameters together. Every suggestion says which was used, and the effective number.

Cost: O(candidates n d), n bounded by `most` (see `trimtab.surrogates.evidence.subset`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.space.units import UnitMap
from trimtab.surrogates.density import FEW_NEIGHBOURS, effective_sample_size
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.parzen import Parzen, Points, gap_widths, joint_log_density, marginal_log_density, sample
from trimtab.surrogates.untried import is_listable, left
from trimtab.tuners.values.proposing import Proposal, Propose, first_fresh, instead, propose_each
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.random_search import has_priors
from trimtab.tuners.values.view import View

__all__ = ["TPE", "TPE_REFS"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

TPE_REFS = (
    Reference(
        authors="Bergstra, James and Bardenet, Remi and Bengio, Yoshua and Kegl, Balazs",
        title="Algorithms for Hyper-Parameter Optimization",
        year=2011,
        venue="Advances in Neural Information Processing Systems 24",
    ),
    Reference(
        authors="Falkner, Stefan and Klein, Aaron and Hutter, Frank",
        title="BOHB: Robust and Efficient Hyperparameter Optimization at Scale",
        year=2018,
        venue="International Conference on Machine Learning, PMLR 80",
        arxiv="1807.01774",
    ),
    Reference(
        authors="Watanabe, Shuhei",
        title="Tree-Structured Parzen Estimator: Understanding Its Algorithm Components"
        " and Their Roles for Better Empirical Performance",
        year=2023,
        venue="arXiv",
        arxiv="2304.11127",
    ),
    Reference(
        authors="Watanabe, Shuhei and Hutter, Frank",
        title="c-TPE: Tree-structured Parzen Estimator with Inequality Constraints"
        " for Expensive Hyperparameter Optimization",
        year=2023,
        venue="International Joint Conference on Artificial Intelligence",
        arxiv="2211.14411",
    ),
    Reference(
        authors="Biroli, Giulio and Mezard, Marc",
        title="Kernel Density Estimators in Large Dimensions",
        year=2024,
        venue="arXiv",
        arxiv="2408.05807",
    ),
)


YOUNG = 25
"""So many of the latest trials of a set have the full weight."""


@dataclass(frozen=True, slots=True)
class _Split:
    """Raw coordinates of the good trials and of the bad ones, pending ones among these, (n, d) and (m, d)."""

    good: Array
    bad: Array


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Configurations drawn from the good density.

    Arguments:
        raw: shape (m, d).
        ratio: log l(x) - log g(x), shape (m,).
        joint: whether the densities are over all columns at once; else they are products over the columns.
        effective: median effective number of good trials behind l(x), in its joint form.
    """

    raw: Array
    ratio: Array
    joint: bool
    effective: float


@dataclass(frozen=True)
class TPE:
    """The tree-structured Parzen estimator.

    Arguments:
        initial_design: trials before the densities are used.
        candidates: draws from the good density, of which the best is proposed.
        good: which share of the trials is good, in (0, 1).
        most_good: how many are at most.
        most: trials that are read of a long history.
        large: active parameters from which on a joint density that is a nearest-neighbour rule is given up.
    """

    initial_design: int = 10
    candidates: int = 64
    good: float = 0.1
    most_good: int = 25
    most: int = 1000
    large: int = 15

    name: ClassVar[str] = "tpe"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = TPE_REFS + SOBOL_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        return propose_each(self.name, history, count, key, self._begin)

    def _begin(self, view: View) -> Propose:
        """How to propose one configuration of an ask."""
        return lambda key: self._propose(view, key)

    def _propose(self, view: View, key: Key) -> Proposal | None:
        """One configuration and why; None where a small space has nothing left."""
        if view.known < self.initial_design:
            return instead(view, key, f"initial design, {view.known + 1} of {self.initial_design}")
        if len(view.history.objectives) > 1:
            return instead(view, key, "in place of TPE, which has one objective")
        split = self._split(view)
        if not len(split.good):
            return instead(view, key, "no trial has told a finite value yet")
        rng = key.child("tpe").generator()
        good, bad = _fitted(view.space, split.good), _fitted(view.space, split.bad)
        found = self._candidates(view.space, good, bad, rng)
        order = np.argsort(-found.ratio, kind="stable")
        place = first_fresh(view, found.raw[order])
        if place >= 0:
            chosen = int(order[place])
            return found.raw[chosen], _reason(split, found, float(found.ratio[chosen]))
        if not is_listable(view.space):
            return instead(view, key, "all candidates of TPE were tried")
        rest = left(view.space, view.taken)
        if not len(rest):
            return None
        ratio = _log_ratio(_points(view.space, rest), good, bad, found.joint)
        best = int(ratio.argmax())
        return rest[best], f"{_reason(split, found, float(ratio[best]))}, of all {len(rest)} not tried yet"

    def _split(self, view: View) -> _Split:
        """The good and the bad trials."""
        evidence = view.evidence(self.most)
        order, usable = _ranked(evidence)
        wanted = min(math.ceil(self.good * len(view.told)), self.most_good, usable)
        # In order of time, so that nothing depends on how ties of the losses are broken within a set.
        good, bad = np.sort(order[:wanted]), np.sort(order[wanted:])
        return _Split(evidence.raw[good], np.concatenate([evidence.raw[bad], view.pending[-self.most :]]))

    def _candidates(self, space: Space, good: Parzen, bad: Parzen, rng: np.random.Generator) -> _Candidates:
        """Draws from the joint density, or from the product of the columns' own where that one is no density."""
        raw = self._drawn(space, good, rng, joint=True)
        points = _points(space, raw)
        log_good, shares = joint_log_density(points, good)
        effective = float(np.median(effective_sample_size(shares)))
        active = float(np.median((~np.isnan(points.unit)).sum(axis=1)))
        if effective >= FEW_NEIGHBOURS or active < self.large:
            return _Candidates(raw, log_good - joint_log_density(_unbelieved(points), bad)[0], True, effective)
        raw = self._drawn(space, good, rng, joint=False)
        return _Candidates(raw, _log_ratio(_points(space, raw), good, bad, False), False, effective)

    def _drawn(self, space: Space, good: Parzen, rng: np.random.Generator, joint: bool) -> Array:
        """Raw draws (m, d) from the good density that keep the constraints; uniform ones where none did."""
        prior = rng.random((self.candidates, len(space)))
        if has_priors(space):
            believed = space.to_unit(space.sample_raw(rng, self.candidates, prior=True))
            prior = np.where(np.isnan(believed), prior, believed)
        raw = space.from_unit(sample(good, rng, prior, joint))
        raw = raw[space.feasible_many(raw)]
        return raw if len(raw) else space.sample_raw(rng, self.candidates)


def _ranked(evidence: Evidence) -> tuple[Numbers, int]:
    """Trials from the best down, and how many of them may count as good: those that told a finite value."""
    measured = np.isfinite(evidence.measured)
    violation = np.nansum(np.maximum(evidence.constraints, 0.0), axis=1)
    # Sorted by the last key first: feasible ones, then broken constraints, then failures.
    rank = np.where(evidence.good, 0, np.where(measured, 1, 2))
    by = np.where(evidence.good, evidence.losses, violation)
    order = np.lexsort((by, rank))
    return np.asarray(order, dtype=np.intp), int(measured.sum())


def _fitted(space: Space, raw: Array) -> Parzen:
    """The mixture around raw rows (n, d)."""
    unit = space.to_unit(raw)
    count = len(unit)
    sizes = [column.size or 0 if column.kind == "categorical" else 0 for column in space.columns]
    categories = np.array(sizes, dtype=np.intp)
    cells = np.array([1.0 / column.size if column.size else 0.0 for column in space.columns])
    smallest = np.maximum(cells, 1.0 / min(100.0, count + 2.0))
    widths = np.where(categories > 0, categories / (count + 1.0 + categories), gap_widths(unit, smallest))
    weights = np.append(_recency(count), 1.0)
    return Parzen(unit, widths, weights / weights.sum(), categories)


def _recency(count: int) -> Array:
    """Relative weights of trials in order of time, shape (count,): 1 for the last `YOUNG`, rising linearly to it."""
    old = max(count - YOUNG, 0)
    return np.append(np.linspace(1.0 / max(count, 1), 1.0, old), np.ones(count - old))


def _points(space: Space, raw: Array) -> Points:
    """Raw rows (m, d) with their cells and their density under the users' priors."""
    unit = space.to_unit(raw)
    half = np.array([0.5 / column.axis.cells if column.axis.cells else 0.0 for column in space.columns])
    low, high = unit - half, unit + half
    prior = np.zeros(unit.shape)
    for place, column in enumerate(space.columns):
        if column.axis.rounded:
            low[:, place], high[:, place] = UnitMap([column.axis]).edges(raw[:, place], 0)
        if column.parameter.prior is not None:
            alone = np.full(raw.shape, np.nan)
            alone[:, place] = raw[:, place]
            prior[:, place] = space.log_prior(alone)
    return Points(unit, low, high, prior)


def _unbelieved(points: Points) -> Points:
    """The points with a uniform prior component."""
    return replace(points, prior=np.zeros(points.prior.shape))


def _log_ratio(points: Points, good: Parzen, bad: Parzen, joint: bool) -> Array:
    """Log of l(x) / g(x), shape (m,)."""
    other = _unbelieved(points)
    if joint:
        return joint_log_density(points, good)[0] - joint_log_density(other, bad)[0]
    return marginal_log_density(points, good) - marginal_log_density(other, bad)


def _reason(split: _Split, found: _Candidates, ratio: float) -> str:
    """One line for people."""
    form = "densities over all parameters at once" if found.joint else "a product of one density per parameter"
    rule = ", a nearest-neighbour rule" if found.effective < FEW_NEIGHBOURS else ""
    behind = f"{found.effective:.1f} of {len(split.good)} good trials behind a candidate's joint density{rule}"
    return (
        f"log density ratio {ratio:.3g} of {len(split.good)} good to {len(split.bad)} other trials, "
        f"by {form} ({behind})"
    )
