"""Certified bisection: all changes with a true bound, honest without one; and the bounds that do not know graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.bisection import MANY, SignChanges, sign_changes
from trimtab.tuners.tasks.duals.convex_difference import Slopes, most_sign_changes
from trimtab.tuners.tasks.duals.exponential_sum import ExponentialSums

ROOTS = st.lists(st.lists(st.integers(1, 999), max_size=5, unique=True), min_size=1, max_size=4)


class Polynomials:
    """Products of (x - root), which change their signs where they are told to, with the count as a bound."""

    def __init__(self, roots: list[list[float]]) -> None:
        self.roots = [np.array(sorted(each), dtype=float) for each in roots]

    def margins(self, at, which):
        return np.array([np.prod(x - self.roots[k]) for x, k in zip(at, which, strict=True)])

    def bound(self, left, right, which):
        return np.array(
            [((a <= self.roots[k]) & (self.roots[k] <= b)).sum() for a, b, k in zip(left, right, which, strict=True)]
        )

    def loss(self, at: float) -> float:
        return float(np.mean([np.prod(at - each) < 0 for each in self.roots]))


@given(ROOTS)
@settings(deadline=None, max_examples=40)
def test_with_a_true_bound_every_change_is_found_where_it_is(roots: list[list[int]]) -> None:
    made = Polynomials([[root / 1000 for root in each] for each in roots])
    found = sign_changes(made.margins, len(roots), 0.0, 1.0, made.bound, cells=3, tolerance=1e-9)
    assert len(found.undecided) == 0
    for component, wanted in enumerate(made.roots):
        mine = found.brackets[found.which == component]
        assert len(mine) == len(wanted)
        assert (mine[:, 0] <= wanted).all()
        assert (wanted <= mine[:, 1]).all()
        assert (np.diff(mine, axis=1) <= 1.01e-9).all()
    loss = found.error_rate()
    assert loss.complete
    for at in np.random.default_rng(0).integers(0, 1000, 100) / 1000 + 0.0005:  # between the roots
        assert float(loss.dual.value(at)) == made.loss(float(at))


def test_without_a_bound_two_close_changes_are_missed_and_the_result_says_that_they_may_be() -> None:
    made = Polynomials([[0.5001, 0.5002], [0.3]])
    searched = sign_changes(made.margins, 2, 0.0, 1.0, cells=10).error_rate()
    assert searched.dual.pieces == 2
    assert searched.undecided.tolist() == [[0.0, 1.0]]
    assert not searched.complete
    assert searched.undecided_width == 1.0
    certified = sign_changes(made.margins, 2, 0.0, 1.0, made.bound, cells=10).error_rate()
    assert certified.dual.pieces == 4
    assert certified.undecided_width == 0.0


def test_what_a_bound_cannot_decide_is_told_down_to_the_resolution() -> None:
    """The square touches zero and a bound of two says so forever; the search ends all the same."""

    def margins(at, which):
        return (at - 0.3) ** 2

    def bound(left, right, which):
        return np.where((left <= 0.3) & (right >= 0.3), 2, 0)

    found = sign_changes(margins, 1, 0.0, 1.0, bound, resolution=1e-3).error_rate()
    assert found.dual.pieces == 1
    (left, right), *more = found.undecided
    assert not more
    assert left <= 0.3 <= right
    assert right - left <= 2e-3


def test_margins_are_evaluated_hardly_more_often_than_in_bisection() -> None:
    """The bound on the steps that interpolation may cost: cells, then log2(cell / tolerance) + 2 a change."""
    calls = []

    def margins(at, which):
        calls.append(len(at))
        return np.tanh(1e4 * (at - 0.123)) + np.exp(-80 * at) * 1e-3

    found = sign_changes(margins, 1, 0.0, 1.0, lambda a, b, k: np.ones(len(a), dtype=int), cells=4, tolerance=1e-12)
    assert found.evaluations == sum(calls) <= 5 + np.ceil(np.log2(0.25e12)) + 2
    assert len(found.brackets) == 1


def test_overlapping_brackets_are_one_breakpoint() -> None:
    brackets = np.array([[0.2, 0.3], [0.25, 0.35], [0.6, 0.7]])
    made = SignChanges(0.0, 1.0, np.array([True, True]), brackets, np.array([0, 1, 0]), np.empty((0, 2)), 0)
    loss = made.error_rate()
    assert loss.dual.edges.tolist() == [0.0, 0.35, 0.7, 1.0]
    assert loss.dual.levels.tolist() == [0.0, 1.0, 0.5]
    assert loss.brackets.tolist() == [[0.2, 0.35], [0.6, 0.7]]


def test_an_example_is_wrong_if_any_of_its_margins_is_negative() -> None:
    brackets = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]])
    made = SignChanges(0.0, 1.0, np.ones(3, dtype=bool), brackets, np.array([0, 1, 0, 1]), np.empty((0, 2)), 0)
    assert made.error_rate(np.array([0, 0, 1])).dual.levels.tolist() == [0.0, 0.5, 0.5, 0.5, 0.0]


def test_a_descending_map_turns_the_steps_around() -> None:
    made = SignChanges(1.0, 2.0, np.array([True]), np.array([[1.2, 1.25]]), np.array([0]), np.array([[1.5, 1.6]]), 0)
    loss = made.error_rate(to=lambda x: 1 / x, ends=(0.5, 1.0))
    assert loss.dual.edges == pytest.approx([0.5, 1 / 1.2, 1.0])
    assert loss.dual.levels.tolist() == [1.0, 0.0]
    assert loss.brackets[0] == pytest.approx([0.8, 1 / 1.2])
    assert loss.undecided[0] == pytest.approx([1 / 1.6, 1 / 1.5])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InvalidArgument, match="low < high"):
        sign_changes(lambda at, which: at, 1, 1.0, 1.0)
    with pytest.raises(InvalidArgument, match="at least one cell"):
        sign_changes(lambda at, which: at, 1, 0.0, 1.0, cells=0)


def changes(values: np.ndarray) -> int:
    signs = np.sign(values[values != 0])
    return int((signs[1:] != signs[:-1]).sum())


TERMS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([-1.0, 1.0])), min_size=2, max_size=8).filter(
    lambda terms: len({sign for _, sign in terms}) == 2
)


@given(TERMS, st.floats(-2, 2), st.floats(0.01, 2))
@settings(deadline=None, max_examples=80)
def test_bounds_of_exponential_sums_hold_everywhere(terms: list, start: float, width: float) -> None:
    exponents, signs = np.array([a for a, _ in terms], dtype=float), np.array([c for _, c in terms])
    sums, which = ExponentialSums(exponents[None], signs[None]), np.zeros(1, dtype=np.intp)

    def count(low: float, high: float) -> int:
        grid = np.linspace(low, high, 400)
        values = (signs * np.exp(-np.outer(grid, exponents - exponents.min()))).sum(axis=1)
        sizes = np.exp(-np.outer(grid, exponents - exponents.min())).sum(axis=1)
        return changes(np.where(np.abs(values) > 1e-12 * sizes, values, 0.0))

    left, right = np.array([start]), np.array([start + width])
    assert count(start, start + width) <= sums.bound(left, right, which)[0]
    assert count(start, start + 20) <= sums._beyond(left, which)[0]
    assert count(start - 20, start) <= sums._before(left, which)[0]
    assert count(start - 20, start + 20) <= sums.most[0]


@given(TERMS)
@settings(deadline=None, max_examples=40)
def test_whole_exponents_make_polynomials_whose_roots_are_found(terms: list) -> None:
    """With x = exp(-t) the sum is a polynomial in x; the other way to its roots is by eigenvalues."""
    coefficients = np.zeros(13)
    for exponent, sign in terms:
        coefficients[exponent] += sign
    assume(np.count_nonzero(coefficients) > 1)
    roots = np.roots(np.trim_zeros(coefficients)[::-1])
    real = np.sort(roots[np.abs(roots.imag) < 1e-7].real)
    inside = real[(real > np.exp(-2.0)) & (real < np.exp(2.0))]
    # Roots that are close to a double one or to an end are no matter of counting.
    near = np.abs(roots[:, None] - roots[None]) + np.eye(len(roots))
    assume(near.min() > 1e-2 and (np.abs(np.abs(np.log(np.abs(real))) - 2.0) > 1e-3).all())
    sums = ExponentialSums(
        np.array([[a for a, _ in terms]], dtype=float), np.array([[c for _, c in terms]], dtype=float)
    )
    found = sign_changes(sums.margins, 1, -2.0, 2.0, sums.bound, resolution=1e-4)
    assert len(found.undecided) == 0
    assert np.sort(np.exp(-found.brackets.mean(axis=1))) == pytest.approx(inside, abs=1e-6)


def test_descartes_alone_certifies_a_line_without_end() -> None:
    """One sign change in the coefficients: one zero, wherever the ends are."""
    sums = ExponentialSums(np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([[-1.0, -1.0, 1.0, 1.0]]))
    assert sums.most[0] == 1
    found = sign_changes(sums.margins, 1, -500.0, 500.0, sums.bound, cells=1)
    assert len(found.brackets) == 1
    assert len(found.undecided) == 0


@given(st.integers(0, 10**6), st.floats(0.01, 3))
@settings(deadline=None, max_examples=80)
def test_difference_of_convex_functions(seed: int, width: float) -> None:
    """Random maxima of smooth functions: the bound is never below the number of sign changes on a grid."""
    rng = np.random.default_rng(seed)
    slopes, starts = rng.normal(size=(2, 4)) * 2, rng.normal(size=(2, 4))

    def at(t: float) -> tuple[np.ndarray, np.ndarray]:
        terms = np.exp(starts + slopes * t)
        return np.log(terms.sum(axis=1)), (terms * slopes).sum(axis=1) / terms.sum(axis=1)

    def ends(t: float) -> Slopes:
        values, steep = at(t)
        return Slopes(*(np.array([part]) for part in (values[0], steep[0], values[1], steep[1])))

    grid = np.array([at(t)[0] for t in np.linspace(0, width, 200)])
    bound = most_sign_changes(np.array([width]), ends(0.0), ends(width))[0]
    assert changes(grid[:, 0] - grid[:, 1]) <= bound


def test_difference_of_convex_functions_is_decided_once_the_interval_is_small() -> None:
    def ends(t: float) -> Slopes:
        return Slopes(*(np.array([part]) for part in (t * t, 2 * t, 2 * t, 2.0)))  # signs change at 0 and at 2

    assert most_sign_changes(np.array([3.0]), ends(-0.5), ends(2.5))[0] == MANY
    assert most_sign_changes(np.array([0.5]), ends(1.8), ends(2.3))[0] == 1
    assert most_sign_changes(np.array([0.5]), ends(0.7), ends(1.2))[0] == 0
