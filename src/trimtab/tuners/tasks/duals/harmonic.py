"""Harmonic labels of a graph, and how their signs change with a parameter of its weights, certified.

X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and harmonic functions", ICML
2003. With weights w_ij >= 0, labelled nodes l, unlabelled nodes u and the Laplacian L = diag(W 1) - W,

    F_u = L_uu^-1 W_ul Y_l,

Y_l the one-hot classes: F is the probability that a random walk meets a label of each class first. A node gets the
class with the largest; with classes -1 and 1 that is the sign of f_u = -L_uu^-1 L_ul y_l. A node from which no label
can be reached has no such probability. It gets the classes' shares among the labels, the limit of edges of vanishing
weight from every unlabelled node to every labelled one.

The certificate. By the matrix-tree theorem, F_uc = Z_uc / Z with Z = det L_uu the sum, over spanning forests with one
label in each tree, of products of weights, and Z_uc the part of it in which u hangs on a label of class c. If the
logarithm of every weight is convex in a parameter t, then so are log Z_uc for all u and c, and the margin of a node
against a rival, log F_uy - log F_uc, is a difference of convex functions: see `convex_difference`. Neither sum is
written out:

    log Z_uc = log det L_uu + log F_uc,    (log det L_uu)' = tr(L_uu^-1 L_uu'),    F' = L_uu^-1 (W_ul' Y_l - L_uu' F).

Where solving loses digits, since some weights vanish beside others, nodes are eliminated one after the other and
their weights handed on, w_ij + w_ik w_kj / sum_j w_kj, which subtracts nothing and so keeps every weight's relative
precision: W. K. Grassmann, M. I. Taksar and D. P. Heyman, "Regenerative analysis and steady state distributions for
Markov chains", Operations Research 33, 1985 (recalled). The product of the sums is det L_uu.

Balcan and Sharma (see `gaussian_graph`) count the pieces of such losses; for this way to find them we know no source.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import Counts
from trimtab.tuners.tasks.duals.classification import Classification
from trimtab.tuners.tasks.duals.convex_difference import Slopes, most_sign_changes

__all__ = ["HarmonicMargins", "harmonic_shares", "reached"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

Weights = Callable[[float], tuple[Array, Array]]
"""Weights between all nodes at t, the unlabelled ones first, and their slopes; symmetric; the diagonal is not used."""

LOST = 1e-11
"""By how much a node's probabilities, as solved for, may fail to sum to one, and the least of them to trust.

Solving makes relative errors of about the rounding unit times the steps that a walk takes to a label; so does the sum.
"""

TINY = 1e-290
"""The least probability that is told from zero."""

SLACK = 1e-8
"""Rounding of log Z_uc and its slope that the certificate allows for, relative."""


def harmonic_shares(weights: Array, one_hot: Array) -> Array:
    """F from its definition.

    Arguments:
        weights: between all nodes, the unlabelled ones first, shape (m + n, m + n).
        one_hot: classes of the labelled nodes, shape (n, classes).

    Returns:
        Shape (m, classes).
    """
    unlabelled = len(weights) - len(one_hot)
    shares = np.tile(one_hot.mean(axis=0), (unlabelled, 1))
    inner = np.flatnonzero(reached(weights, unlabelled))
    if len(inner):
        among = weights[np.ix_(inner, inner)] * ~np.eye(len(inner), dtype=bool)
        towards = weights[inner, unlabelled:]
        laplacian = np.diag(among.sum(axis=1) + towards.sum(axis=1)) - among
        shares[inner] = np.linalg.solve(laplacian, towards @ one_hot)
    return shares


def reached(weights: Array, unlabelled: int) -> Flags:
    """Which of the first nodes, the unlabelled ones, have a path of positive weights to a later one; shape (m,)."""
    joined = np.arange(len(weights)) >= unlabelled
    fresh = joined
    while fresh.any():
        fresh = (weights[fresh] > 0).any(axis=0) & ~joined
        joined = joined | fresh
    return joined[:unlabelled]


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """log det L_uu and its slope; F and its slope, shape (unlabelled, classes)."""

    log_det: float
    slope: float
    shares: Array
    shares_slope: Array


@final
class HarmonicMargins:
    """Margins log F_uy - log F_uc of unlabelled nodes u against rival classes c, and a bound on their sign changes.

    Arguments:
        task: see `Classification`; its examples with labels are the labelled nodes.
        weights: see `Weights`; positive, and log-convex in t.
        to: from the variable of the search to t, strictly monotone.
        name: of the hyperparameter, for errors.
    """

    def __init__(self, task: Classification, weights: Weights, to: Callable[[float], float], name: str) -> None:
        self._weights, self._to, self._name = weights, to, name
        self._nodes, self._one_hot = len(task.held_classes), task.one_hot
        self.owner, self._rival = task.rivals()
        self._own = task.held_classes[self.owner]
        self._known: dict[float, _Point] = {}

    @property
    def components(self) -> int:
        """How many margins there are."""
        return len(self.owner)

    def margins(self, at: Array, which: Counts) -> Array:
        """Margins of components; see `bisection.Margins`."""
        points, place = np.unique(at, return_inverse=True)
        shares = np.stack([self._shares(float(x)) for x in points])
        place, node = place.reshape(-1), self.owner[which]
        own, rival = shares[place, node, self._own[which]], shares[place, node, self._rival[which]]
        return np.log(np.maximum(own, TINY)) - np.log(np.maximum(rival, TINY))

    def bound(self, left: Array, right: Array, which: Counts) -> Counts:
        """Most sign changes of components; see `bisection.Bound`."""
        starts, at_left = self._slopes(left, which)
        ends, at_right = self._slopes(right, which)
        ascending = ends > starts
        first = Slopes(*(np.where(ascending, a, b) for a, b in zip(at_left, at_right, strict=True)))
        last = Slopes(*(np.where(ascending, b, a) for a, b in zip(at_left, at_right, strict=True)))
        return most_sign_changes(np.abs(ends - starts), first, last, SLACK)

    def _slopes(self, at: Array, which: Counts) -> tuple[Array, Slopes]:
        """The t of hyperparameters, and log Z_uy and log Z_uc there with their slopes by t."""
        points, place = np.unique(at, return_inverse=True)
        known = [self._point(float(x)) for x in points]
        place, node = place.reshape(-1), self.owner[which]
        log_det, slope = (np.array([getattr(one, name) for one in known])[place] for name in ("log_det", "slope"))
        shares, steep = np.stack([one.shares for one in known]), np.stack([one.shares_slope for one in known])
        parts: list[Array] = []
        for classes in (self._own[which], self._rival[which]):
            share = shares[place, node, classes]
            share = np.where(share > TINY, share, np.nan)  # nothing is claimed from what is lost to underflow
            parts += [log_det + np.log(share), slope + steep[place, node, classes] / share]
        return np.array([self._to(float(x)) for x in points])[place], Slopes(*parts)

    def _shares(self, x: float) -> Array:
        """F at a value of the variable of the search."""
        if x in self._known:
            return self._known[x].shares
        weights, slopes = self._weights(self._to(x))
        laplacian, towards = self._blocks(weights)
        with np.errstate(all="ignore"):
            shares = _solved(laplacian, towards)
        return shares if _sums_to_one(shares) else self._eliminated(weights, slopes, x).shares

    def _point(self, x: float) -> _Point:
        """Everything the bound needs at a value of the variable of the search; kept."""
        if x not in self._known:
            weights, slopes = self._weights(self._to(x))
            (laplacian, towards), (steeper, towards_slope) = self._blocks(weights), self._blocks(slopes)
            with np.errstate(all="ignore"):
                inverse = _solved(laplacian, np.eye(self._nodes))
                shares = inverse @ towards
            if _sums_to_one(shares):
                log_det = float(np.linalg.slogdet(laplacian)[1])
                slope = float((inverse * steeper).sum())
                self._known[x] = _Point(log_det, slope, shares, inverse @ (towards_slope - steeper @ shares))
            else:
                self._known[x] = self._eliminated(weights, slopes, x)
        return self._known[x]

    def _blocks(self, weights: Array) -> tuple[Array, Array]:
        """L_uu and W_ul Y_l of weights."""
        among, towards = weights[: self._nodes, : self._nodes], weights[: self._nodes, self._nodes :]
        laplacian = -among
        np.fill_diagonal(laplacian, among.sum(axis=1) - np.diagonal(among) + towards.sum(axis=1))
        return laplacian, towards @ self._one_hot

    def _eliminated(self, weights: Array, slopes: Array, x: float) -> _Point:
        """The same as solving, without a subtraction of weights.

        Raises:
            InvalidArgument: a node has no weight left to any other in float64.
        """
        nodes = self._nodes
        part, steep = (
            np.concatenate([given[:nodes, :nodes], given[:nodes, nodes:] @ self._one_hot], axis=1)
            for given in (weights, slopes)
        )
        log_det = slope = 0.0
        for k in range(nodes):
            total, change = part[k, k + 1 :].sum(), steep[k, k + 1 :].sum()
            if not total > 0:
                raise InvalidArgument(
                    message(
                        f"{self._name}: the weights of a point vanish in float64",
                        got=self._to(x),
                        do="search an interval with larger weights",
                    )
                )
            log_det, slope = log_det + math.log(total), slope + change / total
            # Row k becomes probabilities of the next step, of nodes after k and of classes.
            part[k, k + 1 :] /= total
            steep[k, k + 1 :] = (steep[k, k + 1 :] - part[k, k + 1 :] * change) / total
            into, step, step_slope = part[k + 1 :, k, None], part[k, k + 1 :], steep[k, k + 1 :]
            steep[k + 1 :, k + 1 :] += steep[k + 1 :, k, None] * step + into * step_slope
            part[k + 1 :, k + 1 :] += into * step
        shares, shares_slope = part[:, nodes:].copy(), steep[:, nodes:].copy()
        for k in range(nodes - 2, -1, -1):
            later = slice(k + 1, nodes)
            shares_slope[k] += steep[k, later] @ shares[later] + part[k, later] @ shares_slope[later]
            shares[k] += part[k, later] @ shares[later]
        return _Point(log_det, slope, shares, shares_slope)


def _solved(laplacian: Array, right: Array) -> Array:
    """The solution of a linear system; not a number where float64 finds none."""
    try:
        return np.asarray(np.linalg.solve(laplacian, right), dtype=float)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)


def _sums_to_one(shares: Array) -> bool:
    """Whether probabilities are some, so that solving lost no digits that matter."""
    return bool((np.abs(shares.sum(axis=1) - 1) < LOST).all() and (shares > LOST).all())
