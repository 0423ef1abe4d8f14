"""Certified bisection: all places where discrete outcomes change with a hyperparameter, and what was not decided.

Many losses count errors: an example is wrong where one of its margins (score of its class less that of a rival) is
negative. If each margin changes its sign finitely often, the loss is piecewise constant, and its breakpoints are the
sign changes. A search that looks at points alone misses two changes between neighbours, so a bound does the rest: for
an interval and a margin, a number of sign changes that is not exceeded there. With e the outcomes at the ends,

    bound 0, or bound 1 and equal e       no change: done
    bound 1 and different e               exactly one change: located to the tolerance
    otherwise                             halved, down to the resolution; what is left then is undecided

A bound of at most one can come from a Lipschitz constant, from a slope that keeps its sign, from a rule that counts
zeros. Each file that searches says where its own comes from. Without a bound the first cells are all that is looked at,
and everything between their ends is undecided: a search to a resolution. The certificate is about the margins as
functions of real numbers; margins and bounds are computed in float64, up to its rounding.

Sign changes are located by I. F. D. Oliveira and R. H. C. Takahashi, "An enhancement of the bisection method average
performance preserving minmax optimality", ACM Transactions on Mathematical Software 47, 2020 (recalled, with its
constants k1 = 0.2 / width, k2 = 2, n0 = 1): never more than one step above bisection, mostly far fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["MANY", "Bound", "Certified", "Margins", "SignChanges", "check_interval", "sign_changes"]

Array = NDArray[np.float64]
Counts = NDArray[np.intp]

Margins = Callable[[Array, Counts], Array]
"""Margins of components at hyperparameters: (at, which), both of shape (m,), to shape (m,)."""

Bound = Callable[[Array, Array, Counts], Counts]
"""Most sign changes of components in intervals: (left, right, which), all of shape (m,), to shape (m,)."""

MANY = np.iinfo(np.intp).max
"""What a bound says of an interval about which it knows nothing."""


@final
@dataclass(frozen=True, eq=False)
class Certified:
    """A dual function found by a search, and how far it is certain.

    Arguments:
        dual: the loss. At a breakpoint and right of it, it is that of the piece which begins there; left of it, it is
            known up to the bracket.
        brackets: where changes were located, ascending, each within the tolerance, shape (pieces - 1, 2); the
            breakpoints are the right ends.
        undecided: disjoint intervals in which changes that cancel may have been missed, ascending, shape (k, 2).
        evaluations: how many margins were evaluated.
    """

    dual: PiecewiseConstant
    brackets: Array
    undecided: Array
    evaluations: int

    @property
    def undecided_width(self) -> float:
        """Total width of what is not certified, in units of the hyperparameter."""
        return float(np.diff(self.undecided, axis=1).sum())

    @property
    def complete(self) -> bool:
        """Whether all of the interval is certified."""
        return len(self.undecided) == 0


@final
@dataclass(frozen=True, eq=False)
class SignChanges:
    """Sign changes of margins on an interval.

    Arguments:
        low, high: the interval.
        positive: whether each margin is not negative at `low`, shape (components,).
        brackets: an interval around each change, shape (changes, 2), ascending by the right ends.
        which: the component of each change, shape (changes,).
        undecided: disjoint intervals that may hide further changes, ascending, shape (k, 2).
        evaluations: how many margins were evaluated.
    """

    low: float
    high: float
    positive: NDArray[np.bool_]
    brackets: Array
    which: Counts
    undecided: Array
    evaluations: int

    def error_rate(
        self,
        owner: Counts | None = None,
        to: Callable[[Array], Array] | None = None,
        ends: tuple[float, float] | None = None,
    ) -> Certified:
        """The share of examples with a negative margin.

        Changes whose brackets overlap are one breakpoint, since their order is not known.

        Arguments:
            owner: the example that each component belongs to, numbered from 0 without gaps, shape (components,); by
                default each is its own.
            to: from the variable of the search to the hyperparameter, strictly monotone.
            ends: the interval of the hyperparameter, which `to` meets up to rounding; needed with `to`.
        """
        owners = np.arange(len(self.positive)) if owner is None else owner
        wrong = np.bincount(owners, ~self.positive).astype(int)
        positive, count, examples = self.positive.copy(), int((wrong > 0).sum()), len(wrong)
        levels, spans = [count / examples], list[tuple[float, float]]()
        for place, ((left, right), component) in enumerate(zip(self.brackets, self.which, strict=True)):
            example = owners[component]
            positive[component] ^= True
            before = wrong[example]
            wrong[example] += -1 if positive[component] else 1
            count += int(wrong[example] > 0) - int(before > 0)
            if place and left < spans[-1][1]:
                spans[-1] = (spans[-1][0], right)
                levels[-1] = count / examples
            else:
                spans.append((left, right))
                levels.append(count / examples)
        brackets, undecided = np.array(spans).reshape(-1, 2), self.undecided
        edges = np.concatenate([[self.low], brackets[:, 1], [self.high]])
        if len(brackets) and not brackets[-1, 1] < self.high:
            edges[-2] = brackets[-1, 0]
        if to is not None and ends is not None:
            edges, brackets, undecided = to(edges), to(brackets), to(undecided)
            if edges[0] > edges[-1]:
                # The right end of a bracket becomes the left one, and a step function is continuous from the right.
                edges[1:-1] = brackets[:, 0]
                edges, levels = edges[::-1], levels[::-1]
                brackets, undecided = brackets[::-1, ::-1], undecided[::-1, ::-1]
            edges[0], edges[-1] = ends
        return Certified(PiecewiseConstant(edges, np.array(levels)), brackets, undecided, self.evaluations)


def sign_changes(
    margins: Margins,
    components: int,
    low: float,
    high: float,
    bound: Bound | None = None,
    cells: int = 16,
    resolution: float = 1e-4,
    tolerance: float = 1e-9,
) -> SignChanges:
    """All sign changes of margins on an interval that can be certified; see the module.

    Arguments:
        margins: see `Margins`; deterministic.
        components: how many margins there are.
        low, high: the interval.
        bound: see `Bound`; None where nothing is known.
        cells: equal parts that the search starts from; without a bound, its resolution.
        resolution: share of the interval below which no part is halved further for want of a bound.
        tolerance: share of the interval to which changes are located.

    Raises:
        InvalidArgument: an empty interval, no cells, or a resolution or tolerance that is not positive.
    """
    check_interval(low, high)
    if cells < 1 or not resolution > 0 or not tolerance > 0:
        raise InvalidArgument(
            message(
                "a search needs cells, a resolution and a tolerance",
                got=(cells, resolution, tolerance),
                allowed="at least one cell, positive numbers",
            )
        )
    search = _Search(margins, bound, resolution * (high - low))
    points = np.linspace(low, high, cells + 1)
    at, which = np.repeat(points, components), np.tile(np.arange(components), cells + 1)
    found = search.margins(at, which)
    search.split(at[:-components], at[components:], which[components:], found[:-components], found[components:])
    left, right, which, at_left, at_right = search.changes()
    left, right = search.locate(
        left, right, which, at_left, at_right, max(tolerance * (high - low), _spacing(low, high))
    )
    order = np.lexsort((left, right))
    return SignChanges(
        low,
        high,
        found[:components] >= 0,
        np.stack([left, right], axis=1)[order],
        which[order],
        _united(np.concatenate([np.empty((0, 2)), *search.undecided])),
        search.evaluations,
    )


@final
class _Search:
    """The state of one search: changes bracketed so far, and what stays undecided."""

    def __init__(self, margins: Margins, bound: Bound | None, resolution: float) -> None:
        self._margins, self._bound, self._resolution = margins, bound, resolution
        self._bracketed: list[tuple[Array, Array, Counts, Array, Array]] = []
        self.undecided: list[Array] = []
        self.evaluations = 0

    def margins(self, at: Array, which: Counts) -> Array:
        """Margins, counted."""
        self.evaluations += len(at)
        return self._margins(at, which)

    def changes(self) -> tuple[Array, Array, Counts, Array, Array]:
        """Brackets, their components, and the margins at their ends."""
        empty = (np.empty(0), np.empty(0), np.empty(0, dtype=np.intp), np.empty(0), np.empty(0))
        parts = zip(*[empty, *self._bracketed], strict=True)
        left, right, which, at_left, at_right = (np.concatenate(part) for part in parts)
        return left, right, which, at_left, at_right

    def split(self, left: Array, right: Array, which: Counts, at_left: Array, at_right: Array) -> None:
        """Halve intervals until each is certified or narrow; at_left and at_right are the margins at the ends."""
        while True:
            differ = (at_left >= 0) != (at_right >= 0)
            most = np.full(len(left), MANY) if self._bound is None else self._bound(left, right, which)
            sure = most <= 1
            narrow = right - left <= self._resolution if self._bound is not None else np.ones(len(left), dtype=bool)
            kept = differ & (sure | narrow)
            self._bracketed.append((left[kept], right[kept], which[kept], at_left[kept], at_right[kept]))
            given_up = ~sure & narrow
            self.undecided.append(_united(np.stack([left[given_up], right[given_up]], axis=1)))
            on = ~sure & ~narrow
            if not on.any():
                break
            left, right, which, at_left, at_right = left[on], right[on], which[on], at_left[on], at_right[on]
            middle = left + (right - left) / 2
            at_middle = self.margins(middle, which)
            left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
            at_left, at_right = np.concatenate([at_left, at_middle]), np.concatenate([at_middle, at_right])
            which = np.concatenate([which, which])

    def locate(
        self, left: Array, right: Array, which: Counts, at_left: Array, at_right: Array, tolerance: float
    ) -> tuple[Array, Array]:
        """Narrow brackets down to the tolerance, all together."""
        left, right, at_left, at_right = left.copy(), right.copy(), at_left.copy(), at_right.copy()
        first = right - left
        steps = np.ceil(np.log2(np.maximum(first / tolerance, 1.0))) + 1
        for step in range(int(steps.max(initial=0)) + 1):
            (on,) = np.nonzero(right - left > tolerance)
            if not len(on):
                break
            a, b, fa, fb = left[on], right[on], at_left[on], at_right[on]
            middle = a + (b - a) / 2
            slope = fb - fa
            chord = np.where(slope != 0, (fb * a - fa * b) / np.where(slope != 0, slope, 1.0), middle)
            chord = np.where(np.isfinite(chord), chord, middle)
            side = np.sign(middle - chord)
            nudge = np.maximum(0.2 * (b - a) ** 2 / first[on], tolerance / 4)
            truncated = np.where(nudge <= np.abs(middle - chord), chord + side * nudge, middle)
            reach = np.maximum(tolerance / 2 * 2.0 ** (steps[on] - step) - (b - a) / 2, 0.0)
            at = np.where(np.abs(truncated - middle) <= reach, truncated, middle - side * reach)
            at = np.where((at > a) & (at < b), at, middle)
            value = self.margins(at, which[on])
            low_side = (value >= 0) == (fa >= 0)
            left[on], at_left[on] = np.where(low_side, at, a), np.where(low_side, value, fa)
            right[on], at_right[on] = np.where(low_side, b, at), np.where(low_side, fb, value)
        return left, right


def _united(intervals: Array) -> Array:
    """The union of intervals as disjoint ones, ascending, shape (k, 2)."""
    if not len(intervals):
        return intervals.reshape(0, 2)
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    starts = np.concatenate([[True], ordered[1:, 0] > reach[:-1]])
    return np.stack([ordered[starts, 0], np.append(reach[:-1][starts[1:]], reach[-1])], axis=1)


def _spacing(low: float, high: float) -> float:
    """The finest that floats on the interval can tell apart, with a margin."""
    return 4 * float(np.spacing(max(abs(low), abs(high))))


def check_interval(low: float, high: float) -> None:
    """Raises InvalidArgument unless low and high are finite and ascend."""
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InvalidArgument(
            message("a dual function needs an interval", got=(low, high), allowed="low < high, finite")
        )
