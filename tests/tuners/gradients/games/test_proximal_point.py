"""Variance-reduced proximal points on bilinear games, against extragradient and plain descent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.tuners.gradients.games import (
    AffineConstants,
    Extragradient,
    ForwardBackward,
    Inclusion,
    PlainState,
    ProximalPointState,
    VarianceReducedProximalPoint,
    affine,
    affine_constants,
    bilinear,
    from_arrays,
    simplices,
    solve,
    to_arrays,
)

Array = NDArray[np.float64]


def game(seed: int, n: int, p: int, differ: float = 0.5) -> tuple[Inclusion, AffineConstants, Array]:
    """A free bilinear game with its saddle point."""
    rng = np.random.default_rng(seed)
    mean = rng.standard_normal((p, p))
    mean /= np.linalg.norm(mean, 2)
    noise = rng.standard_normal((n, p, p)) / math.sqrt(p)
    matrices = bilinear(mean + differ * (noise - noise.mean(axis=0)))
    solution = rng.standard_normal(2 * p)
    offsets = np.tile(-matrices.mean(axis=0) @ solution, (n, 1))
    return Inclusion(affine(matrices, offsets)), affine_constants(matrices), solution


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_anchored_residual_falls_as_one_over_k_on_bilinear_games(seed: int) -> None:
    problem, constants, solution = game(seed, 6, 3)
    eta = math.sqrt(6) / constants.lipschitz
    # With all but exact resolvents the bound is that of the Halpern iteration of a nonexpansive map.
    method = VarianceReducedProximalPoint(constants.lipschitz, seed, anchored=True, accuracy=1e-5)
    state = method.start(problem, np.zeros(6))
    distance = float(np.linalg.norm(solution))
    for k in range(8):
        centre, state = state.centre, method.step(problem, state)
        slack = 1e-4 * eta * state.first_residual
        assert np.linalg.norm(centre - state.point) <= 2.0 * distance / (k + 1) + slack
        assert state.residual <= (2.0 * distance / (k + 1) + slack) / eta
    assert state.unsolved == 0


def test_a_step_is_the_resolvent_to_its_tolerance() -> None:
    problem, constants, _ = game(2, 8, 3)
    eta = math.sqrt(8) / constants.lipschitz
    matrix = np.array([problem.operator.mean(row) - problem.operator.mean(np.zeros(6)) for row in np.eye(6)]).T
    offset = problem.operator.mean(np.zeros(6))
    for anchored in (False, True):
        method = VarianceReducedProximalPoint(constants.lipschitz, anchored=anchored)
        state = method.start(problem, np.ones(6))
        for k in range(5):
            exact = np.linalg.solve(np.eye(6) + eta * matrix, state.centre - eta * offset)
            after = method.step(problem, state)
            assert np.linalg.norm(after.point - exact) <= 0.1 * eta * state.first_residual / (k + 1) ** 2 + 1e-12
            share = (k + 1) / (k + 2) if anchored else 1.0
            assert after.centre == pytest.approx((1 - share) * np.ones(6) + share * after.point)
            assert after.residual == pytest.approx(float(np.linalg.norm(problem.operator.mean(after.point))))
            state = after


@pytest.mark.parametrize("anchored", [False, True])
def test_fewer_epochs_than_extragradient_on_a_bilinear_game_where_plain_descent_diverges(anchored: bool) -> None:
    for seed in (0, 1):
        problem, constants, _ = game(seed, 400, 10)
        start = np.zeros(20)
        goal = 0.1 * problem.residual(start, problem.operator.mean(start))
        extra = solve(problem, Extragradient(constants.mean_lipschitz), start, goal, 400)
        budget = 0.7 * extra.epochs
        ours = solve(
            problem, VarianceReducedProximalPoint(constants.lipschitz, seed, anchored=anchored), start, goal, budget
        )
        assert ours.converged
        assert ours.epochs < extra.epochs
        assert ours.told == ()
        plain = solve(problem, ForwardBackward(constants.mean_lipschitz), start, goal, 100)
        assert plain.residual > 10.0 * plain.state.first_residual
        assert "plain descent may diverge" in plain.told[0]


def test_a_matrix_game_keeps_to_strategies_and_finds_the_equilibrium() -> None:
    rng = np.random.default_rng(0)
    payoffs = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) + 0.3 * rng.standard_normal((50, 3, 3))
    payoffs -= payoffs.mean(axis=0) - np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    matrices = bilinear(payoffs)
    problem = Inclusion(affine(matrices), simplices([3, 3]))
    method = VarianceReducedProximalPoint(affine_constants(matrices).lipschitz)
    points: list[ProximalPointState] = []
    solution = solve(problem, method, [1, 0, 0, 0, 1, 0], 1e-4, 1000, points.append)
    assert solution.converged
    assert solution.point == pytest.approx(np.full(6, 1 / 3), abs=1e-3)
    for state in points:
        assert (state.point >= 0.0).all()
        assert [state.point[:3].sum(), state.point[3:].sum()] == pytest.approx([1.0, 1.0])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 6), st.booleans(), st.sampled_from([1, 3]))
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(cut: int, anchored: bool, batch: int) -> None:
    problem, constants, _ = game(3, 10, 2)
    method = VarianceReducedProximalPoint(constants.lipschitz, 5, anchored=anchored, batch=batch)
    states = [method.start(problem, np.ones(4))]
    for _ in range(6):
        states.append(method.step(problem, states[-1]))
    back = from_arrays(ProximalPointState, to_arrays(states[cut]))
    for _ in range(6 - cut):
        back = method.step(problem, back)
    ours, theirs = to_arrays(back), to_arrays(states[-1])
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_extragradient_is_geometric_on_a_strongly_monotone_game() -> None:
    problem, constants, _ = game(1, 5, 3)
    matrices = np.array([problem.operator.mean(row) - problem.operator.mean(np.zeros(6)) for row in np.eye(6)]).T
    strong = Inclusion(affine((matrices + 0.2 * np.eye(6))[None]))
    method = Extragradient(constants.mean_lipschitz + 0.2)
    solution = solve(strong, method, np.ones(6), 1e-8, 500)
    assert solution.converged
    # (L/mu) log(r_0/r) iterations of two evaluations each.
    most = 2.0 * 1.2 / 0.2 * math.log(solution.state.first_residual / solution.residual)
    assert solution.epochs <= 1.5 * most
    assert solution.told == ()
    back = from_arrays(PlainState, to_arrays(solution.state))
    assert np.array_equal(method.step(strong, back).point, method.step(strong, solution.state).point)


def test_a_constant_too_small_and_a_game_that_is_not_monotone_are_told() -> None:
    problem, constants, _ = game(4, 6, 3)
    told = solve(problem, VarianceReducedProximalPoint(0.7 * constants.mean_lipschitz), np.ones(6), 1e-6, 30).told
    assert any("the operator is not Lipschitz with" in text and "use lipschitz=" in text for text in told)
    saddle = Inclusion(affine(np.tile(np.diag([1.0, -0.2]), (4, 1, 1))))
    told = solve(saddle, VarianceReducedProximalPoint(1.0), np.array([0.0, 1.0]), 1e-6, 30).told
    assert any("the operator is not monotone: <F u - F v, u - v> = -0.2" in text for text in told)
    told = solve(saddle, Extragradient(1.0), np.array([0.0, 1.0]), 1e-6, 30).told
    assert "the operator is not monotone" in told[0]
    told = solve(problem, Extragradient(0.9 * constants.mean_lipschitz), np.ones(6), 1e-6, 30).told
    assert "the operator is not Lipschitz" in told[0]


def test_an_inner_problem_that_does_not_converge_is_given_up_and_told() -> None:
    problem, constants, _ = game(4, 4, 2)
    method = VarianceReducedProximalPoint(constants.lipschitz, accuracy=1e-30)
    solution = solve(problem, method, np.ones(4), 1e-30, 100)
    assert solution.state.unsolved == solution.state.iteration == 1
    assert "1 of 1 inner problems were given up after 200 epochs" in solution.told[-1]
