"""Solving H x = b where H is known by its products with vectors: the linear system inside an implicit hypergradient.

H, shape (n, n), is symmetric, and positive definite at a strict minimum of the inner loss. Three ways, each of which
stops when |b - H x| <= tolerance |b| or at its limit, and says which:

    conjugate gradients   the fastest; errors fall by (sqrt(k) - 1) / (sqrt(k) + 1) a product, k = L / mu the condition
                          (Hestenes and Stiefel 1952; for hypergradients Pedregosa 2016, arXiv 1602.02355)
    Neumann series        x_K = a sum_{j <= K} (I - a H)^j b, for a < 2 / L
                          (Lorraine, Vicol and Duvenaud 2020, arXiv 1911.02590)
    fixed point           x_{j+1} = x_j + a (b - H x_j) + m (x_j - x_{j-1}): what gradient descent with momentum, the
                          inner iteration, does to its own derivative in the limit; may start anywhere
                          (Grazzi, Franceschi, Pontil and Salzo 2020, arXiv 2006.16218)

The first needs no step length. The others take a = 1 / L with L from a few power steps where none is given. The last
two steps of all three cost one product each.

None of them can be trusted where H is singular or has negative curvature, and then they say so: by p^T H p <= 0 for a
direction p of conjugate gradients, by the Rayleigh quotient of the last change for the others. The coefficients of
conjugate gradients make a tridiagonal matrix whose eigenvalues, the Ritz values, lie within the spectrum of H, and
whose extremes approach mu and L (Golub and Van Loan, Matrix Computations, 4th edition 2013, section 11.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference

__all__ = [
    "LINEAR_SYSTEM_REFS",
    "ConjugateGradients",
    "FixedPoint",
    "LinearSolution",
    "LinearSolver",
    "NeumannSeries",
    "Product",
    "largest_eigenvalue",
    "probe",
]

Product: TypeAlias = Callable[[Tensor], Tensor]
"""v -> H v, shapes (n,)."""

POWER_STEPS = 10
"""Power steps for the largest eigenvalue, where the length of a step is not given."""

MARGIN = 1.2
"""Power steps see L from below; it is taken to be so many times as large."""

BLOWN_UP = 1e6
"""A residual that so many times |b| is never coming back."""

SEED = 0x7A3
"""Of random directions to start power steps from: fixed, so that a hypergradient is a function of its arguments."""

LINEAR_SYSTEM_REFS = (
    Reference(
        authors="Hestenes, Magnus R. and Stiefel, Eduard",
        title="Methods of conjugate gradients for solving linear systems",
        year=1952,
        venue="Journal of Research of the National Bureau of Standards 49",
    ),
    Reference(
        authors="Lorraine, Jonathan and Vicol, Paul and Duvenaud, David",
        title="Optimizing Millions of Hyperparameters by Implicit Differentiation",
        year=2020,
        venue="International Conference on Artificial Intelligence and Statistics, PMLR 108",
        arxiv="1911.02590",
    ),
    Reference(
        authors="Grazzi, Riccardo and Franceschi, Luca and Pontil, Massimiliano and Salzo, Saverio",
        title="On the Iteration Complexity of Hypergradient Computation",
        year=2020,
        venue="International Conference on Machine Learning, PMLR 119",
        arxiv="2006.16218",
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class LinearSolution:
    """What a solver came to.

    Arguments:
        x: shape (n,).
        remainder: b - H x, computed afresh, shape (n,).
        residual: its Euclidean norm.
        iterations: made.
        products: with H, those for the remainder and for a step's length included.
        converged: whether the residual is within the tolerance, and no curvature was found to be wrong.
        diagnosis: why it stopped, in words.
        curvature: smallest and largest Ritz value (conjugate gradients) or Rayleigh quotient (the others) seen;
            both nan where no step was made.
    """

    x: Tensor
    remainder: Tensor
    residual: float
    iterations: int
    products: int
    converged: bool
    diagnosis: str
    curvature: tuple[float, float]

    @property
    def indefinite(self) -> bool:
        """Whether a direction of no or negative curvature was met."""
        return self.curvature[0] <= 0.0


@dataclass(frozen=True, slots=True)
class ConjugateGradients:
    """Conjugate gradients.

    Arguments:
        tolerance: on the residual, in units of |b|; > 0.
        limit: most iterations.
    """

    tolerance: float = 1e-6
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.tolerance, self.limit)

    def solve(self, product: Product, b: Tensor, start: Tensor | None = None) -> LinearSolution:
        """Solve H x = b; `start`, shape (n,), is the first guess, zero by default."""
        x = torch.zeros_like(b) if start is None else start.clone()
        remainder, products = (b.clone(), 0) if start is None else (b - product(x), 1)
        target, direction = self.tolerance * _norm(b), remainder.clone()
        square, largest, wrong = float(remainder @ remainder), 0.0, math.nan
        steps: list[float] = []
        ratios: list[float] = []
        while len(steps) < self.limit and math.sqrt(square) > target:
            image = product(direction)
            products += 1
            along = float(direction @ image)
            bent = along / float(direction @ direction)
            largest = max(largest, abs(bent))
            # A quotient this small is zero to the precision of the products that it is made of.
            if not bent > 4.0 * torch.finfo(b.dtype).eps * largest:
                wrong = min(bent, 0.0)
                break
            step = square / along
            x += step * direction
            remainder -= step * image
            before, square = square, float(remainder @ remainder)
            steps.append(step)
            ratios.append(square / before)
            direction = remainder + ratios[-1] * direction
        low, high = _ritz(steps, ratios)
        if not math.isnan(wrong):
            low, high = wrong, max(high, largest) if steps else largest
        return _concluded(product, b, x, target, len(steps), products, (low, high))


@dataclass(frozen=True, slots=True)
class NeumannSeries:
    """The Neumann series, summed until the tolerance or for `limit` terms.

    Arguments:
        tolerance: on the residual, in units of |b|; > 0.
        limit: most terms after the first.
        step: a; None for 1 / L with L by power steps.
    """

    tolerance: float = 1e-6
    limit: int = 100
    step: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.tolerance, self.limit, self.step)

    def solve(self, product: Product, b: Tensor, start: Tensor | None = None) -> LinearSolution:
        """Solve H x = b; the series has no first guess, so `start` is not used."""
        step, products = _step(self.step, product, b)
        target, term, x = self.tolerance * _norm(b), step * b, step * b
        low, high, terms = math.nan, math.nan, 0
        # (I - a H)^j b is the residual of the sum of the first j terms; one product finds it and the next term.
        while terms < self.limit and step > 0.0:
            image = product(term)
            products += 1
            bent = _quotient(term, image)
            low, high = _widened(low, high, bent)
            after = term - step * image
            if low <= 0.0 or _norm(after) <= step * target or _norm(after) > BLOWN_UP * step * _norm(b):
                break
            term, terms = after, terms + 1
            x = x + term
        return _concluded(product, b, x, target, terms, products, (low, high))


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """The iteration of gradient descent with momentum, on the linear system.

    Arguments:
        tolerance: on the residual, in units of |b|; > 0.
        limit: most iterations.
        step: a; None for 1 / L with L by power steps.
        momentum: m, in [0, 1).
    """

    tolerance: float = 1e-6
    limit: int = 100
    step: float | None = None
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.tolerance, self.limit, self.step)
        if not 0.0 <= self.momentum < 1.0:
            raise InvalidArgument(
                message("a fixed point's momentum is out of range", got=self.momentum, allowed="[0, 1)")
            )

    def solve(self, product: Product, b: Tensor, start: Tensor | None = None) -> LinearSolution:
        """Solve H x = b; `start`, shape (n,), is the first guess, zero by default."""
        step, products = _step(self.step, product, b)
        x = torch.zeros_like(b) if start is None else start.clone()
        remainder, products = (b.clone(), products) if start is None else (b - product(x), products + 1)
        target, change = self.tolerance * _norm(b), torch.zeros_like(b)
        low, high, made = math.nan, math.nan, 0
        while made < self.limit and step > 0.0 and target < _norm(remainder) <= BLOWN_UP * _norm(b):
            change = step * remainder + self.momentum * change
            image = product(change)
            products += 1
            low, high = _widened(low, high, _quotient(change, image))
            if low <= 0.0:
                break
            x, remainder, made = x + change, remainder - image, made + 1
        return _concluded(product, b, x, target, made, products, (low, high))


LinearSolver: TypeAlias = ConjugateGradients | NeumannSeries | FixedPoint


def largest_eigenvalue(product: Product, like: Tensor, steps: int = POWER_STEPS) -> float:
    """The largest |eigenvalue| of H, from below, by power steps from a fixed random vector.

    Arguments:
        product: v -> H v.
        like: a vector of its shape (n,), dtype and device.
        steps: products to spend.
    """
    vector, size = probe(like), 0.0
    for _ in range(steps):
        vector = product(vector / _norm(vector))
        size = _norm(vector)
        if size == 0.0 or not math.isfinite(size):
            break
    return size


def probe(like: Tensor) -> Tensor:
    """A standard normal vector of the shape (n,), dtype and device of `like`, always the same."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))


def _quotient(vector: Tensor, image: Tensor) -> float:
    """The Rayleigh quotient v^T H v / v^T v; nan for the zero vector, which has none."""
    square = float(vector @ vector)
    return float(vector @ image) / square if square > 0.0 else math.nan


def _widened(low: float, high: float, seen: float) -> tuple[float, float]:
    """The range, with one more number in it; nan is no number."""
    known = [number for number in (low, high, seen) if not math.isnan(number)]
    return (min(known), max(known)) if known else (math.nan, math.nan)


def _step(given: float | None, product: Product, b: Tensor) -> tuple[float, int]:
    """The length of a step and the products spent on it."""
    if given is not None:
        return given, 0
    largest = MARGIN * largest_eigenvalue(product, b)
    return (1.0 / largest if 0.0 < largest < math.inf else 0.0), POWER_STEPS


def _ritz(steps: list[float], ratios: list[float]) -> tuple[float, float]:
    """Extreme eigenvalues of the tridiagonal matrix of conjugate gradients."""
    if not steps:
        return math.nan, math.nan
    diagonal = [1.0 / step for step in steps]
    for place in range(1, len(steps)):
        diagonal[place] += ratios[place - 1] / steps[place - 1]
    beside = [math.sqrt(ratio) / step for ratio, step in zip(ratios[:-1], steps[:-1], strict=True)]
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    matrix += torch.diag(torch.tensor(beside, dtype=torch.float64), 1)
    matrix += torch.diag(torch.tensor(beside, dtype=torch.float64), -1)
    if not bool(torch.isfinite(matrix).all()):
        return math.nan, math.nan
    values = torch.linalg.eigvalsh(matrix)
    return float(values[0]), float(values[-1])


def _concluded(
    product: Product,
    b: Tensor,
    x: Tensor,
    target: float,
    iterations: int,
    products: int,
    curvature: tuple[float, float],
) -> LinearSolution:
    """The solution with its true residual, and what to say of it."""
    remainder = b - product(x)
    residual, size = _norm(remainder), _norm(b)
    # The recurrence may drift from the true residual by rounding: a little more than the target is as good.
    rounding = 10.0 * torch.finfo(b.dtype).eps * (_norm(x) * max(curvature[1], 0.0) + size)
    near = residual <= max(2.0 * target, rounding if math.isfinite(rounding) else 0.0)
    share = f"residual {residual:.3g}, {residual / size:.3g} of the right side" if size > 0.0 else "right side zero"
    if not math.isfinite(residual):
        text = f"the products with the inner Hessian are not finite after {iterations} iterations"
    elif size > 0.0 and curvature[1] == 0.0 and not near:
        text = (
            "no curvature of the inner loss in the direction of the right side: the inner problem has no strict minimum"
        )
    elif curvature[0] < 0.0:
        text = (
            f"negative curvature {curvature[0]:.3g} of the inner Hessian after {iterations} iterations ({share}): "
            "not a minimum of the inner loss; train on, or add an l2 term to it"
        )
    elif curvature[0] == 0.0:
        text = (
            f"the inner Hessian is singular, seen after {iterations} iterations ({share}): add an l2 term to the "
            "inner loss"
        )
    elif near:
        text = f"solved in {iterations} iterations ({share})"
    elif residual > size:
        text = f"diverging after {iterations} iterations ({share}): the step is longer than 2 / L"
    else:
        text = f"stopped at its limit of {iterations} iterations ({share})"
    right = near and not curvature[0] <= 0.0
    return LinearSolution(x, remainder, residual, iterations, products + 1, right, text, curvature)


def _check(tolerance: float, limit: int, step: float | None = None) -> None:
    """Refuse numbers that no solver can work with."""
    check_count(limit, "a linear solver's limit of iterations")
    if not 0.0 < tolerance < math.inf:
        raise InvalidArgument(message("a linear solver's tolerance is out of range", got=tolerance, allowed="> 0"))
    if step is not None and not 0.0 < step < math.inf:
        raise InvalidArgument(message("a linear solver's step is out of range", got=step, allowed="> 0, below 2 / L"))
