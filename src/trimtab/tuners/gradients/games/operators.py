"""Monotone inclusions that are finite sums: 0 in F(u) + G(u), F = (1/n) sum_i F_i, and what is seen of F on the way.

A game in which one side minimises and the other maximises a loss f(x, y) has F(x, y) = (df/dx, -df/dy); each F_i
belongs to one example. F is monotone, <F u - F v, u - v> >= 0, where f is convex in x and concave in y. G is a set that
u has to stay in, or any other term with a cheap resolvent prox_{s G} = (I + s G)^-1.

What is measured is the natural residual

    r(u) = |u - prox_{s G}(u - s F(u))| / s,

zero exactly at the solutions, |F(u)| where there is no G, and no greater than the norm of any element of F(u) + G(u).
The step s belongs to the problem, so that methods with steps of their own are compared by one number.

For affine components F_i(u) = M_i u + q_i the constants that the methods need have closed forms. With
Q = (1/n) sum_i M_i^T M_i, M = (1/n) sum_i M_i and S = (M + M^T) / 2,

    Lipschitz on average     E|F_i u - F_i v|^2 <= L^2 |u - v|^2            L = sqrt(lambda_max(Q))
    of the mean alone        |F u - F v| <= L |u - v|                       L = |M|
    cocoercive on average    E|F_i u - F_i v|^2 <= L <F u - F v, u - v>     least L with Q <= L S

of which the last is infinite in every bilinear game, where S = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message

__all__ = [
    "AffineConstants",
    "Array",
    "Evidence",
    "FiniteSum",
    "Inclusion",
    "Prox",
    "affine",
    "affine_constants",
    "ball",
    "bilinear",
    "box",
    "simplices",
]

Array: TypeAlias = NDArray[np.float64]

Indices: TypeAlias = NDArray[np.int64]

Prox: TypeAlias = Callable[[Array, float], Array]
"""prox(v, s) = (I + s G)^-1 v, of shape (d,); for a set the projection on it, whatever s."""

ROUNDING = 1e-9
"""Relative size below which differences of points and negative inner products are put down to rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class FiniteSum:
    """F = (1/n) sum_i F_i on points of shape (d,).

    Arguments:
        count: n.
        dimension: d.
        batch: the mean of the components with these indices at a point: (d,), int (b,) -> (d,). Pure.
        whole: F itself, (d,) -> (d,), where that has a shorter way than a batch of everything.

    Raises:
        InvalidArgument: a count or dimension below 1.
    """

    count: int
    dimension: int
    batch: Callable[[Array, Indices], Array]
    whole: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        check_count(self.count, "the number of components")
        check_count(self.dimension, "the dimension of the points")

    def mean(self, point: Array) -> Array:
        """F(u), shape (d,); costs n evaluations of components.

        Raises:
            InvalidArgument: the operator gave another shape.
            InvalidObservation: it gave nan or inf.
        """
        if self.whole is not None:
            return self._sound(self.whole(point))
        return self._sound(self.batch(point, np.arange(self.count, dtype=np.int64)))

    def sample(self, point: Array, indices: Indices) -> Array:
        """The mean of b components at u, shape (d,), by indices (b,); costs b evaluations.

        Raises:
            InvalidArgument, InvalidObservation: as `mean`.
        """
        return self._sound(self.batch(point, indices))

    def _sound(self, value: object) -> Array:
        """The value of an operator, where it can be one."""
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (self.dimension,):
            raise InvalidArgument(
                message(
                    "the operator must give one number for each coordinate of the point",
                    got=array.shape,
                    allowed=f"shape ({self.dimension},)",
                    do="return the mean over the components asked for, not one row for each",
                )
            )
        if not np.isfinite(array).all():
            raise InvalidObservation(
                message(
                    f"the operator gave nan or inf in coordinate {int(np.flatnonzero(~np.isfinite(array))[0])}",
                    got=array.tolist(),
                    do="take a larger Lipschitz constant, or keep the points in a set with box, ball or simplices",
                )
            )
        return array


@dataclass(frozen=True, slots=True, eq=False)
class Inclusion:
    """0 in F(u) + G(u).

    Arguments:
        operator: F.
        prox: the resolvent of G; None for G = 0.
        step: s of the natural residual; matters with a prox only.

    Raises:
        InvalidArgument: a step that is not positive.
    """

    operator: FiniteSum
    prox: Prox | None = None
    step: float = 1.0

    def __post_init__(self) -> None:
        positive(self.step, "the step of the natural residual")

    def resolve(self, point: Array, step: float) -> Array:
        """prox_{s G}, shape (d,) -> (d,).

        Raises:
            InvalidArgument: the prox gave another shape.
            InvalidObservation: it gave nan or inf.
        """
        if self.prox is None:
            return point
        out = np.asarray(self.prox(point, step), dtype=np.float64)
        if out.shape != point.shape:
            raise InvalidArgument(
                message("the prox must keep the shape of the point", got=out.shape, allowed=f"{point.shape}")
            )
        if not np.isfinite(out).all():
            raise InvalidObservation(message("the prox gave nan or inf", got=out.tolist()))
        return out

    def residual(self, point: Array, value: Array) -> float:
        """The natural residual at u, from F(u) or an estimate of it, both of shape (d,)."""
        if self.prox is None:
            return norm(value)
        return norm(point - self.resolve(point - self.step * value, self.step)) / self.step

    def begin(self, start: ArrayLike) -> Array:
        """A start as an array of its own, moved into the domain of G, shape (d,).

        Raises:
            InvalidArgument: not d finite numbers.
        """
        try:
            point = np.array(start, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(message("the start must be numbers", got=start)) from error
        if point.shape != (self.operator.dimension,) or not np.isfinite(point).all():
            raise InvalidArgument(
                message(
                    "the start must be one finite number for each coordinate",
                    got=start,
                    allowed=f"shape ({self.operator.dimension},)",
                )
            )
        return self.resolve(point, self.step)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What pairs of consecutive exact evaluations of F say of it. It costs nothing, and it proves only the worse.

    Arguments:
        point, value: the last point with its F(u), shape (d,).
        pairs: pairs seen.
        curvature: least <F u - F v, u - v> / |u - v|^2; below 0 F is not monotone.
        lipschitz: greatest |F u - F v| / |u - v|.
        cocoercivity: greatest |F u - F v|^2 / <F u - F v, u - v>; inf where the inner product was not positive.
    """

    point: Array
    value: Array
    pairs: int = 0
    curvature: float = math.inf
    lipschitz: float = 0.0
    cocoercivity: float = 0.0

    def with_pair(self, point: Array, value: Array) -> Evidence:
        """The evidence once F(u) at another point is known; points too near the last one say nothing."""
        move, change = point - self.point, value - self.value
        distance, rise, inner = norm(move), norm(change), float(move @ change)
        if distance <= ROUNDING * (norm(point) + norm(self.point)):
            return self
        positive_part = inner > ROUNDING * distance * rise
        return Evidence(
            point=point,
            value=value,
            pairs=self.pairs + 1,
            curvature=min(self.curvature, inner / distance**2),
            lipschitz=max(self.lipschitz, rise / distance),
            cocoercivity=max(self.cocoercivity, (rise**2 / inner if positive_part else math.inf) if rise else 0.0),
        )

    @property
    def monotone(self) -> bool:
        """Whether no pair denies that F is monotone."""
        return self.curvature >= -ROUNDING * self.lipschitz


def norm(vector: Array) -> float:
    """Euclidean length."""
    return math.sqrt(float(vector @ vector))


def positive(value: float, what: str) -> float:
    """A finite positive number.

    Raises:
        InvalidArgument: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise InvalidArgument(message(f"{what} must be a number", got=value, allowed="above 0 and finite"))
    return float(value)


@dataclass(frozen=True, slots=True)
class AffineConstants:
    """Constants of affine components.

    Arguments:
        lipschitz: L on average, for `VarianceReducedProximalPoint`.
        mean_lipschitz: L of the mean, for `Extragradient`.
        cocoercivity: L on average, for `VarianceReducedHalpern`; inf where the sum is not cocoercive.
        mean_cocoercivity: L of the mean, |F u - F v|^2 <= L <F u - F v, u - v>, for `ForwardBackward`.
        modulus: mu of strong monotonicity; 0 for a bilinear game, negative where F is not monotone.
    """

    lipschitz: float
    mean_lipschitz: float
    cocoercivity: float
    mean_cocoercivity: float
    modulus: float


def affine(matrices: ArrayLike, offsets: ArrayLike | None = None) -> FiniteSum:
    """F_i(u) = M_i u + q_i.

    Arguments:
        matrices: M, shape (n, d, d).
        offsets: q, shape (n, d); None for zeros.

    Raises:
        InvalidArgument: other shapes, or nan or inf.
    """
    m = _matrices(matrices)
    q = np.zeros(m.shape[:2]) if offsets is None else np.asarray(offsets, dtype=np.float64)
    if q.shape != m.shape[:2] or not np.isfinite(q).all():
        raise InvalidArgument(
            message("the offsets must be finite, one row for each matrix", got=q.shape, allowed=f"{m.shape[:2]}")
        )
    mean, offset = m.mean(axis=0), q.mean(axis=0)

    def batch(point: Array, indices: Indices) -> Array:
        out: Array = (m[indices] @ point + q[indices]).mean(axis=0)
        return out

    def whole(point: Array) -> Array:
        out: Array = mean @ point + offset
        return out

    return FiniteSum(m.shape[0], m.shape[1], batch, whole)


def bilinear(payoffs: ArrayLike) -> Array:
    """Matrices M_i, shape (n, p + q, p + q), of the game min over x, max over y of (1/n) sum_i x^T A_i y.

    The point is (x, y) in one array; F_i(x, y) = (A_i y, -A_i^T x).

    Arguments:
        payoffs: A, shape (n, p, q).

    Raises:
        InvalidArgument: another shape, or nan or inf.
    """
    a = np.asarray(payoffs, dtype=np.float64)
    if a.ndim != 3 or 0 in a.shape or not np.isfinite(a).all():
        raise InvalidArgument(
            message("payoffs must be finite, one matrix for each component", got=a.shape, allowed="shape (n, p, q)")
        )
    n, p, q = a.shape
    out = np.zeros((n, p + q, p + q))
    out[:, :p, p:] = a
    out[:, p:, :p] = -a.transpose(0, 2, 1)
    return out


def affine_constants(matrices: ArrayLike) -> AffineConstants:
    """The constants of F_i(u) = M_i u + q_i, by eigenvalues.

    Arguments:
        matrices: M, shape (n, d, d).

    Raises:
        InvalidArgument: another shape, or nan or inf.
    """
    m = _matrices(matrices)
    mean = m.mean(axis=0)
    symmetric = 0.5 * (mean + mean.T)
    square = np.einsum("nij,nik->jk", m, m) / m.shape[0]
    return AffineConstants(
        lipschitz=math.sqrt(max(float(np.linalg.eigvalsh(square)[-1]), 0.0)),
        mean_lipschitz=float(np.linalg.norm(mean, 2)),
        cocoercivity=_least_multiple(square, symmetric),
        mean_cocoercivity=_least_multiple(mean.T @ mean, symmetric),
        modulus=float(np.linalg.eigvalsh(symmetric)[0]),
    )


def _least_multiple(square: Array, symmetric: Array) -> float:
    """Least L with Q <= L S for a positive semidefinite Q; inf where there is none."""
    values, vectors = np.linalg.eigh(symmetric)
    scale = max(float(np.abs(values).max()), math.sqrt(max(float(np.trace(square)), 0.0)))
    kept = values > ROUNDING * scale
    if values[0] < -ROUNDING * scale:
        return math.inf
    # Where S is zero Q must be too; squares are compared, so the threshold is one as well.
    null = vectors[:, ~kept]
    if null.size and float(np.linalg.norm(null.T @ square @ null)) > ROUNDING * scale**2:
        return math.inf
    if not kept.any():
        return 0.0
    half = vectors[:, kept] / np.sqrt(values[kept])
    return float(np.linalg.eigvalsh(half.T @ square @ half)[-1])


def _matrices(matrices: ArrayLike) -> Array:
    """Square matrices, shape (n, d, d)."""
    m = np.asarray(matrices, dtype=np.float64)
    if m.ndim != 3 or m.shape[1] != m.shape[2] or 0 in m.shape or not np.isfinite(m).all():
        raise InvalidArgument(
            message("matrices must be finite and square, one a component", got=m.shape, allowed="shape (n, d, d)")
        )
    return m


def box(low: ArrayLike, high: ArrayLike) -> Prox:
    """Projection on low <= u <= high, each a number or of shape (d,).

    Raises:
        InvalidArgument: nan, or low above high.
    """
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not (lower <= upper).all():
        raise InvalidArgument(message("a box needs low <= high in every coordinate", got=(low, high)))

    def project(point: Array, step: float) -> Array:
        return np.clip(point, lower, upper)

    return project


def ball(radius: float, centre: ArrayLike = 0.0) -> Prox:
    """Projection on |u - centre| <= radius; the centre is a number or of shape (d,).

    Raises:
        InvalidArgument: a radius that is not positive.
    """
    reach, middle = positive(radius, "the radius"), np.asarray(centre, dtype=np.float64)

    def project(point: Array, step: float) -> Array:
        offset = point - middle
        length = norm(offset)
        return point if length <= reach else middle + offset * (reach / length)

    return project


def simplices(sizes: Sequence[int]) -> Prox:
    """Projection of consecutive blocks of the point on probability simplices, as mixed strategies need.

    By sorting: Held, Wolfe and Crowder, "Validation of subgradient optimization", Mathematical Programming 6, 1974.

    Arguments:
        sizes: the number of coordinates of each block, in order; they add up to d.

    Raises:
        InvalidArgument: a size below 1, or none.
    """
    if not sizes:
        raise InvalidArgument(message("simplices need the size of at least one block", got=sizes))
    cuts = np.cumsum([check_count(size, "the size of a simplex") for size in sizes])

    def project(point: Array, step: float) -> Array:
        if point.shape != (cuts[-1],):
            raise InvalidArgument(
                message("the blocks do not fill the point", got=tuple(sizes), allowed=f"a sum of {point.shape[0]}")
            )
        return np.concatenate([_on_simplex(block) for block in np.split(point, cuts[:-1])])

    return project


def _on_simplex(point: Array) -> Array:
    """The nearest point with entries of at least 0 that sum to 1, shape (d,)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1.0) / np.arange(1, len(point) + 1)
    # The first condition always holds in exact arithmetic; next to entries of 1e17 it may not.
    last = int(np.flatnonzero(falling > excess)[-1]) if (falling > excess).any() else 0
    out: Array = np.maximum(point - excess[last], 0.0)
    return out
