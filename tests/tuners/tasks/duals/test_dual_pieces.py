"""Piecewise constant and piecewise quadratic dual functions and their means, beside slow and obvious twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.mean import mean_dual
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic
from trimtab.tuners.tasks.duals.rational import Rational

NUMBERS = st.integers(-40, 40).map(lambda n: n / 8)
LEVELS = st.integers(-5, 5).map(float)


@st.composite
def ends(draw: st.DrawFn) -> list[float]:
    """Ends of one to six pieces that all cover 0 to 1, some ending at the same places."""
    inner = draw(st.lists(st.integers(1, 15).map(lambda n: n / 16), max_size=5, unique=True))
    low, high = draw(st.sampled_from([(0.0, 1.0), (-0.5, 1.0), (0.0, 2.0)]))
    return [low, *sorted(inner), high]


@st.composite
def constants(draw: st.DrawFn) -> PiecewiseConstant:
    edges = draw(ends())
    return PiecewiseConstant(edges, [draw(LEVELS) for _ in edges[1:]])


@st.composite
def quadratics(draw: st.DrawFn) -> PiecewiseQuadratic:
    edges = draw(ends())
    return PiecewiseQuadratic(edges, [[draw(NUMBERS) for _ in range(3)] for _ in edges[1:]])


def places(dual: PiecewiseConstant | PiecewiseQuadratic) -> np.ndarray:
    """A fine grid, all ends of pieces, and places next to them, within 0 to 1."""
    near = np.concatenate([dual.edges, np.nextafter(dual.edges, -np.inf), np.nextafter(dual.edges, np.inf)])
    points = np.concatenate([np.linspace(0, 1, 201), near])
    return np.sort(points[(points >= max(dual.low, 0.0)) & (points <= min(dual.high, 1.0))])


def piece_of(edges: np.ndarray, at: float) -> int:
    """The piece of a place by looking at each, continuous from the right."""
    return next((k for k in range(len(edges) - 1) if edges[k] <= at < edges[k + 1]), len(edges) - 2)


@given(constants())
def test_steps_have_the_level_of_the_piece_they_are_on(dual: PiecewiseConstant) -> None:
    points = places(dual)
    assert dual.value(points).tolist() == [dual.levels[piece_of(dual.edges, at)] for at in points]


@given(constants())
def test_the_minimum_of_steps_is_their_least_level_on_a_widest_run(dual: PiecewiseConstant) -> None:
    found = dual.minimum()
    inner = np.linspace(found.low, found.high, 9)[:-1]
    assert found.value == dual.levels.min()
    assert (dual.value(inner) == found.value).all()
    assert found.low <= found.at <= found.high
    for first in range(dual.pieces):
        last = first
        while last < dual.pieces and dual.levels[last] == found.value:
            last += 1
        assert dual.edges[last] - dual.edges[first] <= found.high - found.low


@given(constants())
def test_steps_simplified_are_the_same_function_without_breakpoints_that_do_nothing(dual: PiecewiseConstant) -> None:
    simple = dual.simplified()
    assert (np.diff(simple.levels) != 0).all()
    assert (simple.value(places(dual)) == dual.value(places(dual))).all()


@given(constants())
def test_extrema_of_steps_alternate_and_lie_beyond_both_neighbours(dual: PiecewiseConstant) -> None:
    simple = dual.simplified()
    values = dual.value(dual.extrema())
    # Pieces are wider than 1/16 less nothing: the neighbours' levels are found next to the piece's ends.
    for at, value in zip(dual.extrema(), values, strict=True):
        k = piece_of(simple.edges, at)
        around = simple.levels[[k - 1, k + 1]]
        assert (around > value).all() or (around < value).all()


@given(quadratics())
def test_quadratics_are_the_polynomials_of_their_pieces(dual: PiecewiseQuadratic) -> None:
    points = places(dual)
    twin = []
    for at in points:
        k = piece_of(dual.edges, at)
        left, right = dual.edges[k], dual.edges[k + 1]
        t = 2 * (at - left) / (right - left) - 1
        twin.append(np.polyval(dual.coefficients[k][::-1], t))
    np.testing.assert_allclose(dual.value(points), twin, atol=1e-12)


@given(quadratics())
def test_no_value_of_quadratics_is_below_their_minimum_and_it_is_attained(dual: PiecewiseQuadratic) -> None:
    found = dual.minimum()
    dense = np.linspace(dual.low, dual.high, 999)
    assert found.value <= dual.value(dense).min() + 1e-12
    # It may be a limit from the left, where the pieces do not meet.
    k = piece_of(dual.edges, found.at)
    at_ends = [np.polyval(dual.coefficients[j][::-1], t) for j, t in ((k, -1.0), (max(k - 1, 0), 1.0))]
    assert min(abs(found.value - v) for v in [float(dual.value(found.at)), *at_ends]) <= 1e-12


@given(quadratics())
def test_extrema_of_continuous_quadratics_are_where_differences_change_their_sign(dual: PiecewiseQuadratic) -> None:
    # Made continuous by shifting each piece to where the one before it ended.
    c = dual.coefficients.copy()
    for k in range(1, len(c)):
        c[k, 0] += c[k - 1].sum() - (c[k, 0] - c[k, 1] + c[k, 2])
    joined = PiecewiseQuadratic(dual.edges, c)
    for at in joined.extrema():
        step = 1e-5
        if joined.low + step < at < joined.high - step:
            around = joined.value([at - step, at + step]) - joined.value(at)
            assert around.max() <= 1e-9 or around.min() >= -1e-9


@given(st.lists(constants(), min_size=1, max_size=5), st.data())
def test_the_mean_of_steps_is_the_mean_of_their_values(duals: list[PiecewiseConstant], data: st.DataObject) -> None:
    weights = [data.draw(st.integers(1, 4)) for _ in duals]
    mean = mean_dual(duals, weights)
    points = places(mean)  # type: ignore[arg-type]
    points = points[(points >= mean.low) & (points <= mean.high)]
    twin = sum(w * d.value(points) for w, d in zip(weights, duals, strict=True)) / sum(weights)
    np.testing.assert_allclose(mean.value(points), twin, atol=1e-12)


@given(st.lists(quadratics(), min_size=1, max_size=5), st.data())
def test_the_mean_of_quadratics_is_the_mean_of_their_values(
    duals: list[PiecewiseQuadratic], data: st.DataObject
) -> None:
    weights = [data.draw(st.integers(1, 4)) for _ in duals]
    mean = mean_dual(duals, weights)
    points = np.linspace(mean.low, mean.high, 333)
    twin = sum(w * d.value(points) for w, d in zip(weights, duals, strict=True)) / sum(weights)
    np.testing.assert_allclose(mean.value(points), twin, atol=1e-11)
    assert set(mean.breakpoints) <= set(np.concatenate([dual.breakpoints for dual in duals]))


def test_the_mean_keeps_the_digits_of_a_narrow_piece_far_from_zero() -> None:
    """(x - c)^2 around c = 1000 written on pieces of width 1e-9 and of width 2000."""
    wide = PiecewiseQuadratic([0.0, 2000.0], [[0.0, 0.0, 1e6]])
    width = 2.0**-30
    narrow = PiecewiseQuadratic([0.0, 1000.0, 1000.0 + width, 2000.0], [[0.0] * 3, [1.0, 0.0, 0.0], [0.0] * 3])
    mean = mean_dual([wide, narrow])
    inner = 1000.0 + width / 2
    assert float(mean.value(inner)) == pytest.approx(0.5 + (inner - 1000.0) ** 2 / 2, rel=1e-14)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan]])
def test_wrong_weights_are_refused(weights: list[float]) -> None:
    dual = PiecewiseConstant([0.0, 1.0], [1.0])
    with pytest.raises(InvalidArgument, match="weights must be one number for each dual"):
        mean_dual([dual, dual], weights)


def test_what_has_no_mean_is_refused() -> None:
    steps = PiecewiseConstant([0.0, 1.0], [1.0])
    bowl = PiecewiseQuadratic([0.0, 1.0], [[0.0, 0.0, 1.0]])
    with pytest.raises(InvalidArgument, match="at least one dual function"):
        mean_dual([])
    with pytest.raises(InvalidArgument, match=r"of one kind.*PiecewiseConstant.*PiecewiseQuadratic"):
        mean_dual([steps, bowl])
    with pytest.raises(InvalidArgument, match="share no interval"):
        mean_dual([steps, PiecewiseConstant([1.0, 2.0], [1.0])])


def test_a_hyperparameter_outside_is_refused_with_the_interval() -> None:
    with pytest.raises(InvalidArgument, match=r"outside the interval.*got 2.0.*0 to 1"):
        PiecewiseConstant([0.0, 1.0], [1.0]).value([0.5, 2.0])
    with pytest.raises(InvalidArgument, match="outside the interval"):
        PiecewiseQuadratic([0.0, 1.0], [[0.0, 0.0, 1.0]]).value(np.nan)


@pytest.mark.parametrize("edges", [[0.0], [1.0, 0.0], [0.0, 0.0], [0.0, np.inf]])
def test_edges_that_do_not_ascend_are_refused(edges: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="edges must be ascending"):
        PiecewiseConstant(edges, [1.0])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="one finite level for each piece"):
        PiecewiseConstant([0.0, 1.0], [1.0, 2.0])
    with pytest.raises(InvalidArgument, match="three finite coefficients"):
        PiecewiseQuadratic([0.0, 1.0], [[1.0, 2.0]])
    with pytest.raises(InvalidArgument, match="must begin above zero"):
        Rational([0.0, 1.0], 0.0, [[1.0]], [[1.0]], [[[1.0]]])
    with pytest.raises(InvalidArgument, match="do not fit"):
        Rational([0.5, 1.0], 0.0, [[1.0]], [[1.0, 2.0]], [[[1.0]]])
    with pytest.raises(InvalidArgument, match="poles not negative"):
        Rational([0.5, 1.0], 0.0, [[-1.0]], [[1.0]], [[[1.0]]])
