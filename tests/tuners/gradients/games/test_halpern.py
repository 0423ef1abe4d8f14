"""The variance-reduced Halpern iteration on cocoercive sums."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.tuners.gradients.games import (
    FiniteSum,
    ForwardBackward,
    HalpernState,
    Inclusion,
    VarianceReducedHalpern,
    affine,
    affine_constants,
    ball,
    box,
    from_arrays,
    go_on,
    page_update,
    solve,
    to_arrays,
)

Array = NDArray[np.float64]


def cocoercive(seed: int, n: int, d: int, least: float = 0.0, differ: float = 0.1) -> tuple[Array, Inclusion, Array]:
    """Matrices with a symmetric part from `least` to 1 and a skew part, the problem, and its solution."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    symmetric = (turn * np.linspace(least, 1.0, d)) @ turn.T
    skew = rng.standard_normal((d, d))
    # A skew part that vanishes where the symmetric one does keeps the sum cocoercive.
    mean = symmetric + symmetric @ (skew - skew.T) @ symmetric * 0.3
    noise = rng.standard_normal((n, d, d))
    noise = differ * (noise - noise.mean(axis=0)) @ symmetric
    matrices, solution = mean + noise, rng.standard_normal(d)
    return matrices, Inclusion(affine(matrices, np.tile(-mean @ solution, (n, 1)))), solution


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.floats(0.05, 2.0 / 3.0), st.sampled_from([0.0, 0.05, 1.0]))
def test_the_residual_of_the_deterministic_iteration_falls_as_one_over_k(
    seed: int, d: int, share: float, least: float
) -> None:
    matrices, problem, solution = cocoercive(seed, 3, d, least)
    constant = affine_constants(matrices).mean_cocoercivity
    method = VarianceReducedHalpern(constant, step_size=share / constant, batch=3)
    state = method.start(problem, np.zeros(d))
    # The nearest solution: where the sum is singular there are many.
    mean = matrices.mean(axis=0)
    distance = np.linalg.norm(np.linalg.pinv(mean) @ (mean @ solution))
    for k in range(1, 80):
        state = method.step(problem, state)
        assert state.age == k
        assert state.exact
        assert state.residual <= 4.0 * distance / (method.eta * (k + 4)) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("constraint", [None, box(-0.5, 0.5), ball(0.7)], ids=["free", "box", "ball"])
def test_the_mean_residual_with_batches_falls_as_one_over_k(constraint: Any) -> None:
    matrices, free, _ = cocoercive(5, 100, 6, 0.02)
    problem = Inclusion(free.operator, constraint)
    constant = affine_constants(matrices).cocoercivity
    exact = ForwardBackward(affine_constants(matrices).mean_cocoercivity)
    target = solve(problem, exact, np.zeros(6), 1e-10, 10**5).point
    start = problem.begin(np.full(6, 2.0))
    distance = float(np.linalg.norm(start - target))
    runs = np.zeros((8, 100))
    for seed in range(8):
        method = VarianceReducedHalpern(constant, seed)
        state = method.start(problem, start)
        for k in range(100):
            state = method.step(problem, state)
            runs[seed, k] = method.certified(problem, state).residual
    bound = 4.0 * distance * 4.0 * constant / (np.arange(1, 101) + 4.0)
    assert (runs.mean(axis=0) <= bound).all()


def test_batches_cost_fewer_evaluations_than_everything() -> None:
    matrices, problem, _ = cocoercive(3, 900, 8, 0.01, 0.02)
    constants = affine_constants(matrices)
    start = np.full(8, 3.0)
    goal = 0.03 * problem.residual(start, problem.operator.mean(start))
    some = solve(problem, VarianceReducedHalpern(constants.cocoercivity), start, goal, 2000)
    everything = solve(problem, VarianceReducedHalpern(constants.cocoercivity, batch=900), start, goal, 2000)
    assert some.converged
    assert everything.converged
    assert some.epochs < 0.5 * everything.epochs


def test_plain_descent_wins_on_a_well_conditioned_problem_and_that_is_told() -> None:
    matrices, problem, _ = cocoercive(4, 100, 6, 0.3)
    constants = affine_constants(matrices)
    anchored = solve(problem, VarianceReducedHalpern(constants.cocoercivity), np.full(6, 3.0), 1e-3, 300)
    plain = solve(problem, ForwardBackward(constants.mean_cocoercivity), np.full(6, 3.0), 1e-3, 300)
    assert plain.converged
    assert plain.epochs < 0.2 * anchored.epochs
    assert plain.told == ()
    (text,) = anchored.told
    assert "looks strongly monotone on the way" in text
    assert "try Extragradient, or ForwardBackward where the game is cocoercive and well conditioned" in text


def test_a_moved_anchor_falls_geometrically_where_the_sum_is_strongly_monotone() -> None:
    matrices, problem, _ = cocoercive(4, 100, 6, 0.3)
    constant = affine_constants(matrices).cocoercivity
    still = solve(problem, VarianceReducedHalpern(constant), np.full(6, 3.0), 1e-6, 300)
    moved = solve(problem, VarianceReducedHalpern(constant, restart=0.5), np.full(6, 3.0), 1e-6, 300)
    assert moved.converged
    assert not still.converged
    assert moved.state.age < moved.state.iteration


def test_the_estimator_is_an_exact_recursion() -> None:
    _, problem, _ = cocoercive(0, 5, 3)
    operator = problem.operator
    rng = np.random.default_rng(1)
    old, new, estimate = rng.standard_normal((3, 3))
    updates = [
        page_update(operator, estimate, old, new, np.array(batch)) for batch in itertools.combinations(range(5), 2)
    ]
    # The error of the estimate is kept in the mean over the batches, so it is unbiased where the last one was.
    assert np.mean(updates, axis=0) - operator.mean(new) == pytest.approx(estimate - operator.mean(old))
    exact = page_update(operator, operator.mean(old), old, new, np.arange(5))
    assert exact == pytest.approx(operator.mean(new))


def test_a_step_is_the_recursion_of_the_paper() -> None:
    matrices, problem, _ = cocoercive(2, 400, 4)
    constant = affine_constants(matrices).cocoercivity
    method = VarianceReducedHalpern(constant, 3)
    state = method.start(problem, np.ones(4))
    full = 0
    for k in range(200):
        after = method.step(problem, state)
        pull = 2.0 / (k + 4)
        point = pull * np.ones(4) + (1 - pull) * state.point - state.estimate / (4 * constant)
        assert after.point == pytest.approx(point)
        assert after.evaluations - state.evaluations == (400 if after.exact else 2 * 20)
        full += after.exact
        state = after
    # p_k = 4/(k + 5) up to k = 20 and 4/25 from there: 36.3 of 200 in the mean, deviation 5.2.
    assert 15 <= full <= 58


def test_the_error_of_the_estimate_falls_with_k() -> None:
    matrices, problem, _ = cocoercive(6, 400, 6, 0.02, 0.3)
    constant = affine_constants(matrices).cocoercivity
    errors = np.zeros(200)
    for seed in range(5):
        method = VarianceReducedHalpern(constant, seed)
        state = method.start(problem, np.full(6, 2.0))
        for k in range(200):
            state = method.step(problem, state)
            errors[k] += np.linalg.norm(state.estimate - problem.operator.mean(state.point))
    assert errors[120:].mean() < 0.3 * errors[5:25].mean()


def test_a_batch_of_everything_is_the_deterministic_iteration() -> None:
    matrices, problem, _ = cocoercive(1, 6, 4)
    constant = affine_constants(matrices).cocoercivity
    state = VarianceReducedHalpern(constant, batch=6).start(problem, np.ones(4))
    point, mean = np.ones(4), matrices.mean(axis=0)
    offset = problem.operator.mean(np.zeros(4))
    for k in range(40):
        point = 2 / (k + 4) * np.ones(4) + (1 - 2 / (k + 4)) * point - (mean @ point + offset) / (4 * constant)
        # The seed does not matter, nor does whether it stays the same.
        state = VarianceReducedHalpern(constant, k, batch=6).step(problem, state)
        assert state.point == pytest.approx(point)
    assert state.evaluations == 41 * 6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 30), st.integers(0, 1000))
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(cut: int, seed: int) -> None:
    matrices, problem, _ = cocoercive(7, 64, 4)
    method = VarianceReducedHalpern(affine_constants(matrices).cocoercivity, seed, restart=0.5)
    states = [method.start(problem, np.ones(4))]
    for _ in range(40):
        states.append(method.step(problem, states[-1]))
    back = from_arrays(HalpernState, to_arrays(states[cut]))
    for _ in range(40 - cut):
        back = method.step(problem, back)
    ours, theirs = to_arrays(back), to_arrays(states[-1])
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_run_that_used_up_its_budget_goes_on_as_if_it_had_not_ended() -> None:
    matrices, problem, _ = cocoercive(8, 64, 4, 0.01)
    method = VarianceReducedHalpern(affine_constants(matrices).cocoercivity)
    whole = solve(problem, method, np.ones(4), 1e-9, 60)
    first = solve(problem, method, np.ones(4), 1e-9, 20)
    rest = go_on(problem, method, first.state, 1e-9, 60)
    assert np.array_equal(rest.point, whole.point)
    assert rest.epochs == whole.epochs


def test_a_run_stops_only_on_an_exact_residual() -> None:
    matrices, problem, _ = cocoercive(9, 256, 4, 0.1, 0.5)
    method = VarianceReducedHalpern(affine_constants(matrices).cocoercivity)
    solution = solve(problem, method, np.full(4, 2.0), 0.05, 2000)
    assert solution.converged
    assert solution.state.exact
    assert solution.residual == pytest.approx(float(np.linalg.norm(problem.operator.mean(solution.point))))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_every_point_stays_in_the_set(seed: int) -> None:
    matrices, free, _ = cocoercive(seed, 49, 5)
    problem = Inclusion(free.operator, box(-0.2, 0.1))
    method = VarianceReducedHalpern(affine_constants(matrices).cocoercivity, seed)
    state = method.start(problem, np.full(5, 9.0))
    for _ in range(30):
        assert ((state.point >= -0.2) & (state.point <= 0.1)).all()
        state = method.step(problem, state)


def test_evaluations_are_counted_as_they_are_made() -> None:
    calls: list[int] = []

    def batch(point: Array, indices: NDArray[np.int64]) -> Array:
        calls.append(len(indices))
        return point

    problem = Inclusion(FiniteSum(100, 2, batch))
    solution = solve(problem, VarianceReducedHalpern(1.0), np.ones(2), 1e-2, 30)
    assert solution.epochs == sum(calls) / 100


def test_an_operator_that_breaks_the_assumptions_is_told_and_not_fatal() -> None:
    spin = Inclusion(affine(np.array([[[0.0, 1.0], [-1.0, 0.0]]])))
    told = solve(spin, VarianceReducedHalpern(1.0), np.ones(2), 1e-3, 30).told[0]
    assert "not cocoercive with 1: |F u - F v|^2 = inf" in told
    assert told.endswith("use VarianceReducedProximalPoint.")
    steep = Inclusion(affine(np.diag([3.0, 1.0])[None]))
    told = solve(steep, VarianceReducedHalpern(1.0), np.array([1.0, 0.0]), 1e-3, 5).told[0]
    assert "or lipschitz=3 or more" in told
    saddle = Inclusion(affine(np.diag([1.0, -0.5])[None]))
    told = solve(saddle, VarianceReducedHalpern(1.0), np.array([0.0, 1.0]), 1e-3, 5).told[0]
    assert "not monotone: <F u - F v, u - v> = -0.5 |u - v|^2" in told
