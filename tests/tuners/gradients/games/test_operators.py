"""Sums of operators, their constants, the sets, and what is refused with which words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.games import (
    Evidence,
    Extragradient,
    FiniteSum,
    ForwardBackward,
    HalpernState,
    Inclusion,
    VarianceReducedHalpern,
    VarianceReducedProximalPoint,
    affine,
    affine_constants,
    ball,
    bilinear,
    box,
    from_arrays,
    simplices,
    solve,
)

GAME = bilinear(np.arange(12.0).reshape(2, 2, 3) / 7.0)


@given(st.integers(0, 10**6))
def test_the_constants_of_affine_components_bound_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = 4, 3
    factors = rng.standard_normal((n, d, d))
    matrices = np.einsum("nij,nkj->nik", factors, factors) + (factors - factors.transpose(0, 2, 1))
    constants, sums = affine_constants(matrices), affine(matrices, rng.standard_normal((n, d)))
    assert math.isfinite(constants.cocoercivity)
    assert constants.mean_lipschitz <= constants.lipschitz * (1 + 1e-9)
    assert constants.mean_cocoercivity <= constants.cocoercivity * (1 + 1e-9)
    u, v = rng.standard_normal((2, d))
    apart = [np.linalg.norm(sums.sample(u, np.array([i])) - sums.sample(v, np.array([i]))) ** 2 for i in range(n)]
    change, move = sums.mean(u) - sums.mean(v), u - v
    assert np.mean(apart) <= constants.lipschitz**2 * (move @ move) * (1 + 1e-9)
    assert np.mean(apart) <= constants.cocoercivity * (change @ move) * (1 + 1e-6)
    assert change @ change <= constants.mean_cocoercivity * (change @ move) * (1 + 1e-6)
    assert change @ move >= constants.modulus * (move @ move) - 1e-9


def test_the_least_constant_of_cocoercivity_is_attained() -> None:
    # For one symmetric positive definite component it is the largest eigenvalue.
    assert affine_constants(np.diag([1.0, 5.0, 2.0])[None]).cocoercivity == pytest.approx(5.0)
    # mu I + K with |K| = s has (mu^2 + s^2) / mu.
    turn = np.array([[1.0, 3.0], [-3.0, 1.0]])
    assert affine_constants(turn[None]).cocoercivity == pytest.approx(10.0)
    # Singular, and cocoercive all the same.
    assert affine_constants(np.diag([4.0, 0.0])[None]).cocoercivity == pytest.approx(4.0)
    assert affine_constants(np.zeros((2, 2, 2))).cocoercivity == 0.0
    # Components that cancel in the mean and no constant can bound.
    assert affine_constants(np.array([np.diag([1.0, 1.0]), np.diag([1.0, -1.0])])).cocoercivity == math.inf


def test_no_bilinear_game_is_cocoercive() -> None:
    constants = affine_constants(GAME)
    assert constants.cocoercivity == math.inf
    assert constants.mean_cocoercivity == math.inf
    assert constants.modulus == pytest.approx(0.0, abs=1e-12)


def test_a_bilinear_game_is_the_pair_of_gradients() -> None:
    payoffs = np.arange(12.0).reshape(2, 2, 3)
    x, y = np.array([1.0, -2.0]), np.array([0.5, 1.0, -1.0])
    mean = payoffs.mean(axis=0)
    expected = np.concatenate([mean @ y, -mean.T @ x])
    assert affine(bilinear(payoffs)).mean(np.concatenate([x, y])) == pytest.approx(expected)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5))
def test_projections_land_in_the_set_and_are_nearest(values: list[float]) -> None:
    point = np.array(values)
    rng = np.random.default_rng(0)
    mixed = np.concatenate([rng.dirichlet(np.ones(2), 20), rng.dirichlet(np.ones(3), 20)], axis=1)
    inside = rng.uniform(-1.0, 1.0, (20, 5))
    for project, others in (
        (simplices([2, 3]), mixed),
        (box(-1.0, 1.0), inside),
        (ball(1.0), inside / math.sqrt(5.0)),
    ):
        found = project(point, 1.0)
        assert project(found, 1.0) == pytest.approx(found, abs=1e-9)
        # The obtuse angle that marks a projection on a convex set.
        assert ((others - found) @ (point - found) <= 1e-9 * (1.0 + point @ point)).all()
    strategy = simplices([2, 3])(point, 1.0)
    assert (strategy >= 0.0).all()
    assert [strategy[:2].sum(), strategy[2:].sum()] == pytest.approx([1.0, 1.0], abs=1e-9)


def test_the_natural_residual_is_zero_at_the_solution_of_a_matrix_game() -> None:
    # Rock, paper, scissors: everything a third.
    payoffs = np.array([[[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]])
    problem = Inclusion(affine(bilinear(payoffs)), simplices([3, 3]))
    even = np.full(6, 1 / 3)
    assert problem.residual(even, problem.operator.mean(even)) == pytest.approx(0.0, abs=1e-12)
    pure = np.eye(6)[0] + np.eye(6)[3]
    assert problem.residual(pure, problem.operator.mean(pure)) > 0.1


def test_evidence_is_of_pairs_that_differ() -> None:
    matrix = np.array([[2.0, 1.0], [-1.0, 2.0]])
    first = np.array([1.0, 0.0])
    seen = Evidence(first, matrix @ first)
    assert seen.with_pair(first, matrix @ first) is seen
    more = seen.with_pair(np.zeros(2), np.zeros(2))
    assert (more.pairs, more.curvature, more.lipschitz) == (1, pytest.approx(2.0), pytest.approx(math.sqrt(5.0)))
    assert more.cocoercivity == pytest.approx(2.5)
    assert more.monotone


def wrong(shape: tuple[int, ...]) -> Inclusion:
    return Inclusion(FiniteSum(3, 2, lambda point, indices: np.ones(shape)))


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: VarianceReducedHalpern(0.0), ["constant of cocoercivity must be a number; got 0.0", "above 0"]),
        (lambda: VarianceReducedHalpern(math.inf), ["got inf"]),
        (lambda: VarianceReducedHalpern(1.0, batch=0), ["the batch must be a whole number; got 0"]),
        (lambda: VarianceReducedHalpern(1.0, step_size=-1.0), ["the step must be a number; got -1.0"]),
        (lambda: VarianceReducedHalpern(1.0, restart=1.0), ["restart must be a share", "got 1.0"]),
        (lambda: VarianceReducedProximalPoint(-1.0), ["the Lipschitz constant must be a number; got -1.0"]),
        (lambda: VarianceReducedProximalPoint(1.0, eta=math.nan), ["eta must be a number; got nan"]),
        (lambda: VarianceReducedProximalPoint(1.0, accuracy=0.0), ["the inner accuracy"]),
        (lambda: Extragradient(math.nan), ["the Lipschitz constant must be a number; got nan"]),
        (lambda: ForwardBackward(0.0), ["the constant of cocoercivity"]),
        (lambda: FiniteSum(0, 2, lambda point, indices: point), ["number of components", "got 0"]),
        (lambda: Inclusion(affine(GAME), step=0.0), ["the step of the natural residual"]),
        (lambda: affine(np.ones((2, 3, 4))), ["square", "got (2, 3, 4)", "(n, d, d)"]),
        (lambda: affine(GAME, np.ones((2, 4))), ["the offsets", "got (2, 4)", "(2, 5)"]),
        (lambda: bilinear(np.ones((2, 3))), ["payoffs", "got (2, 3)", "(n, p, q)"]),
        (lambda: box(1.0, 0.0), ["low <= high"]),
        (lambda: ball(0.0), ["the radius"]),
        (lambda: simplices([]), ["at least one block"]),
        (lambda: simplices([2, 2])(np.ones(5), 1.0), ["do not fill the point", "a sum of 5"]),
        (lambda: Extragradient(1.0).start(wrong((3, 2)), [0, 0]), ["got (3, 2)", "shape (2,)", "return the mean"]),
        (lambda: Extragradient(1.0).start(wrong((2,)), [0, 0, 0]), ["the start", "shape (2,)"]),
        (lambda: Extragradient(1.0).start(wrong((2,)), [0, math.nan]), ["one finite number for each"]),
        (lambda: Extragradient(1.0).start(wrong((2,)), ["a", "b"]), ["the start must be numbers"]),
        (lambda: Inclusion(affine(GAME), lambda v, s: v[:2]).begin(np.ones(5)), ["the prox must keep the shape"]),
        (lambda: solve(wrong((2,)), Extragradient(1.0), [0, 0], 0.0, 5), ["the tolerance", "got 0.0"]),
        (lambda: solve(wrong((2,)), Extragradient(1.0), [0, 0], 1.0, 0), ["the budget in epochs", "got 0"]),
        (lambda: from_arrays(HalpernState, {}), ["these arrays are no HalpernState", "'point' is missing"]),
    ],
)
def test_what_cannot_be_is_refused_with_words(make: object, texts: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()  # type: ignore[operator]
    for text in texts:
        assert text in str(caught.value)


def test_nan_is_told_and_so_is_what_to_do() -> None:
    holes = FiniteSum(3, 2, lambda point, indices: np.array([math.nan, 0.0]))
    with pytest.raises(InvalidObservation, match=r"the operator gave nan or inf.*larger Lipschitz constant"):
        VarianceReducedHalpern(1.0).start(Inclusion(holes), [0.0, 0.0])
    with pytest.raises(InvalidObservation, match="the prox gave nan or inf"):
        Inclusion(affine(GAME), lambda point, step: point * math.nan).begin(np.ones(5))
