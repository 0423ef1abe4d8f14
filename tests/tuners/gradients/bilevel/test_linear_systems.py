"""Linear solvers by products: each against the dense solve, and what each says where there is no solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.bilevel import ConjugateGradients, FixedPoint, LinearSolver, NeumannSeries
from trimtab.tuners.gradients.bilevel.linear_systems import largest_eigenvalue

SOLVERS: list[LinearSolver] = [
    ConjugateGradients(1e-10, 200),
    NeumannSeries(1e-10, 5000),
    FixedPoint(1e-10, 5000),
    FixedPoint(1e-10, 5000, momentum=0.5),
]
each = pytest.mark.parametrize("solver", SOLVERS, ids=["cg", "neumann", "fixed point", "momentum"])


def system(seed: int, n: int, eigenvalues: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """A symmetric matrix with eigenvalues spread over a range, both ends included, and a right side."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    matrix = (basis * np.linspace(*eigenvalues, n)) @ basis.T
    return torch.tensor((matrix + matrix.T) / 2), torch.tensor(rng.normal(size=n))


@each
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), low=st.floats(0.05, 1.0), warm=st.booleans())
def test_agrees_with_the_dense_solve(solver: LinearSolver, seed: int, n: int, low: float, warm: bool) -> None:
    matrix, b = system(seed, n, (low, 1.0))
    found = solver.solve(lambda v: matrix @ v, b, torch.ones(n, dtype=torch.float64) if warm else None)
    assert found.converged, found.diagnosis
    assert torch.allclose(found.x, torch.linalg.solve(matrix, b), rtol=1e-7, atol=1e-7)
    assert torch.allclose(found.remainder, b - matrix @ found.x, atol=1e-14)
    assert found.residual == pytest.approx(float(found.remainder.norm()))


@each
def test_products_are_counted(solver: LinearSolver) -> None:
    matrix, b = system(3, 8, (0.2, 1.0))
    calls = []
    found = solver.solve(lambda v: calls.append(1) or matrix @ v, b, torch.ones_like(b))  # type: ignore[func-returns-value]
    assert found.products == len(calls)


def test_conjugate_gradients_end_in_as_many_steps_as_there_are_eigenvalues_and_then_know_them() -> None:
    matrix, b = system(1, 10, (0.3, 7.0))
    found = ConjugateGradients(1e-12, 50).solve(lambda v: matrix @ v, b)
    assert found.iterations <= 10
    assert found.curvature == pytest.approx((0.3, 7.0), rel=1e-8)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), limit=st.integers(1, 9))
def test_ritz_values_lie_within_the_spectrum(seed: int, limit: int) -> None:
    matrix, b = system(seed, 10, (0.3, 7.0))
    low, high = ConjugateGradients(1e-12, limit).solve(lambda v: matrix @ v, b).curvature
    assert 0.3 - 1e-9 <= low <= high <= 7.0 + 1e-9


def test_the_neumann_series_is_its_formula() -> None:
    matrix, b = system(2, 6, (0.1, 1.0))
    found = NeumannSeries(1e-12, limit=4, step=0.7).solve(lambda v: matrix @ v, b)
    shrink = torch.eye(6, dtype=torch.float64) - 0.7 * matrix
    assert torch.allclose(found.x, sum(0.7 * torch.linalg.matrix_power(shrink, j) @ b for j in range(5)))
    assert not found.converged
    assert "stopped at its limit of 4 iterations" in found.diagnosis


@each
def test_negative_curvature_is_told(solver: LinearSolver) -> None:
    matrix, b = system(4, 6, (-0.5, 1.0))
    found = solver.solve(lambda v: matrix @ v, b)
    assert not found.converged
    assert found.indefinite
    assert "negative curvature" in found.diagnosis


def test_a_singular_matrix_is_told() -> None:
    matrix = torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64))
    b = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for solver in SOLVERS:
        found = solver.solve(lambda v: matrix @ v, b)
        assert not found.converged, solver
        assert "singular" in found.diagnosis or "no curvature" in found.diagnosis
    zero = ConjugateGradients().solve(torch.zeros_like, b)
    assert "no strict minimum" in zero.diagnosis


@pytest.mark.parametrize("solver", [NeumannSeries(step=5.0), FixedPoint(step=5.0)], ids=["neumann", "fixed point"])
def test_too_long_a_step_is_told(solver: LinearSolver) -> None:
    matrix, b = system(5, 6, (0.5, 1.0))
    found = solver.solve(lambda v: matrix @ v, b)
    assert not found.converged
    assert "the step is longer than 2 / L" in found.diagnosis
    assert found.iterations < 50


@each
def test_products_that_are_not_finite_are_told(solver: LinearSolver) -> None:
    found = solver.solve(lambda v: v * float("nan"), torch.ones(3, dtype=torch.float64))
    assert not found.converged
    assert "not finite" in found.diagnosis


@each
def test_a_right_side_of_zero_has_the_solution_zero(solver: LinearSolver) -> None:
    matrix, b = system(6, 4, (0.5, 1.0))
    found = solver.solve(lambda v: matrix @ v, 0.0 * b)
    assert found.converged
    assert not found.x.any()


def test_power_steps_see_the_largest_eigenvalue_from_below() -> None:
    matrix, b = system(7, 8, (0.1, 3.0))
    sizes = [largest_eigenvalue(lambda v: matrix @ v, b, steps) for steps in (1, 5, 200)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ConjugateGradients(0.0), "tolerance"),
        (lambda: NeumannSeries(limit=0), "limit"),
        (lambda: FixedPoint(step=-1.0), "step"),
        (lambda: FixedPoint(momentum=1.0), "momentum"),
    ],
)
def test_impossible_settings_are_refused(make: object, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        make()  # type: ignore[operator]
