"""The error of nearest neighbours as a function of three of their settings.

Needs examples with labels to train on and to judge by. The loss is the share of examples that get a wrong class.

    number of neighbours k       neighbours sorted once, votes added up: all k in one sweep, exactly
    scale s of a group           d^2 = |rest|^2 + s |group|^2, lines in s: the k nearest change where one among them
      of features                crosses one outside; the corners of the k-level are walked, exactly
    exponent p of weights d^-p   sums of exp(-p log d) over the k nearest: exponentials in p, see `exponential_sum`

E. Fix and J. L. Hodges, 1951, and T. M. Cover and P. E. Hart, 1967, have the method, S. A. Dudani, 1976, weights by
distance. Of equal votes the first class in the order of labels wins; of equal distances the first example is nearer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.tasks.duals.bisection import Certified, check_interval, sign_changes
from trimtab.tuners.tasks.duals.classification import Classification, Examples, classification, squared_distances
from trimtab.tuners.tasks.duals.exponential_sum import ExponentialSums
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["neighbour_exponent_dual", "neighbour_scale_dual", "neighbours_dual"]

Array = NDArray[np.float64]


def neighbours_dual(train: Examples, validation: Examples, *, most: int | None = None) -> PiecewiseConstant:
    """The error for every number of neighbours k: the piece [k, k + 1) is that of k.

    Arguments:
        train, validation: features and labels, shapes (n, d) and (n,).
        most: the largest k; by default the number of training examples.

    Raises:
        InvalidArgument: wrong shapes, a class that only validation has, or more neighbours than examples.
    """
    task = classification(train, validation)
    most = _neighbours(len(task.classes) if most is None else most, task)
    order = np.argsort(squared_distances(task.held_features, task.features), axis=1, kind="stable")[:, :most]
    votes = np.cumsum(task.one_hot[order], axis=1)
    wrong = votes.argmax(axis=2) != task.held_classes[:, None]
    return PiecewiseConstant(np.arange(1.0, most + 2.0), wrong.mean(axis=0))


def neighbour_scale_dual(
    train: Examples, validation: Examples, *, group: ArrayLike, neighbours: int, low: float, high: float
) -> PiecewiseConstant:
    """The error as a function of the factor on squared distances in a group of features.

    Arguments:
        train, validation: features and labels, shapes (n, d) and (n,).
        group: which features are in the group, bool, shape (d,).
        neighbours: k.
        low, high: factors, at least zero.

    Raises:
        InvalidArgument: wrong shapes, a class that only validation has, no group, more neighbours than examples, or no
            interval of factors.
    """
    task = classification(train, validation)
    check_interval(low, high)
    k, chosen = _neighbours(neighbours, task), np.asarray(group)
    if chosen.dtype != bool or chosen.shape != task.features.shape[1:] or low < 0:
        raise InvalidArgument(
            message(
                "a scale needs a group of features and factors that are not negative",
                got=(chosen, low),
                allowed=f"an array of bool, shape ({task.features.shape[1]},), low of 0 or more",
            )
        )
    slopes = squared_distances(task.held_features[:, chosen], task.features[:, chosen])
    starts = squared_distances(task.held_features[:, ~chosen], task.features[:, ~chosen])
    one_hot, examples = task.one_hot, len(task.held_classes)
    jumps: list[tuple[float, int]] = []
    begun = 0
    for start, slope, own in zip(starts, slopes, task.held_classes, strict=True):
        wrong: bool | None = None
        for at, nearest in _nearest_sets(start, slope, k, low, high):
            now = bool(one_hot[nearest].sum(axis=0).argmax() != own)
            if wrong is None:
                begun += now
            elif now != wrong:
                jumps.append((at, 1 if now else -1))
            wrong = now
    return _stairs(low, high, begun, jumps, examples)


def neighbour_exponent_dual(
    train: Examples,
    validation: Examples,
    *,
    neighbours: int,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The error as a function of the exponent p of weights d^-p; p = 0 gives all k neighbours one vote.

    An example at distance zero outvotes all others, also at p = 0; several of them vote among themselves.

    Arguments:
        train, validation: features and labels, shapes (n, d) and (n,).
        neighbours: k.
        low, high: exponents.
        resolution, tolerance: see `sign_changes`, as shares of high - low.

    Raises:
        InvalidArgument: no interval, wrong shapes, a class that only validation has, more neighbours than examples.
    """
    check_interval(low, high)
    task = classification(train, validation)
    k = _neighbours(neighbours, task)
    squares = squared_distances(task.held_features, task.features)
    nearest = np.argsort(squares, axis=1, kind="stable")[:, :k]
    squares, classes = np.take_along_axis(squares, nearest, axis=1), task.classes[nearest]
    same = squares == 0
    votes = np.where(same.any(axis=1, keepdims=True), same, True)
    exponents = np.log(np.where(same, 1.0, squares)) / 2
    owner, rival = task.rivals()
    own = task.held_classes[owner]
    signs = (classes[owner] == own[:, None]).astype(float) - (classes[owner] == rival[:, None])
    signs = np.where(votes[owner], signs, 0.0)
    sums = ExponentialSums(np.where(signs == 0, np.inf, exponents[owner]), signs)
    found = sign_changes(sums.margins, len(sums), low, high, sums.bound, resolution=resolution, tolerance=tolerance)
    return found.error_rate(owner)


def _neighbours(given: int, task: Classification) -> int:
    """A number of neighbours that there are."""
    k = check_count(given, "the number of neighbours")
    if k > len(task.classes):
        raise InvalidArgument(
            message("more neighbours than examples to train on", got=k, allowed=f"1 to {len(task.classes)}")
        )
    return k


def _nearest_sets(
    start: Array, slope: Array, k: int, low: float, high: float
) -> Iterator[tuple[float, NDArray[np.intp]]]:
    """The k lowest of the lines start + slope s, at `low` and after each change before `high`."""
    order = np.lexsort((slope, start + low * slope))
    inside, outside, at = order[:k].copy(), order[k:].copy(), low
    while True:
        yield at, inside
        # A line outside goes below one inside if it is less steep. Exchanges lower the sum of slopes, so this ends.
        drop = slope[inside][:, None] - slope[outside][None]
        gap = start[outside][None] - start[inside][:, None]
        meet = np.where(drop > 0, np.maximum(gap / np.where(drop > 0, drop, 1.0), at), np.inf)
        if not meet.size or not meet.min() < high:
            return
        at = float(meet.min())
        # Of lines that coincide the first example is nearer.
        leaves, enters = min(np.argwhere(meet == at).tolist(), key=lambda pair: (outside[pair[1]], -inside[pair[0]]))
        inside[leaves], outside[enters] = outside[enters], inside[leaves]


def _stairs(low: float, high: float, begun: int, jumps: list[tuple[float, int]], examples: int) -> PiecewiseConstant:
    """The step function that begins with `begun` wrong examples, from changes of their number."""
    by_place: dict[float, int] = {}
    for at, jump in sorted(jumps):
        by_place[at] = by_place.get(at, 0) + jump
    begun += by_place.pop(low, 0)
    kept = [(at, jump) for at, jump in by_place.items() if jump]
    counts = np.cumsum([begun, *(jump for _, jump in kept)])
    return PiecewiseConstant(np.array([low, *(at for at, _ in kept), high]), counts / examples)
