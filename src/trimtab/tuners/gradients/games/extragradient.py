"""Extragradient for 0 in F(u) + G(u) with all of F at every step: the baseline of the variance-reduced methods.

Information: F, the resolvent of G, and the Lipschitz constant L_F of F alone, which is at most that on average.

G. M. Korpelevich, "The extragradient method for finding saddle points and other problems", Ekonomika i
Matematicheskie Metody 12, 1976:

    v = prox_{eta G}(u - eta F(u)),   u <- prox_{eta G}(u - eta F(v)),   eta < 1/L_F

It converges for every monotone F, bilinear games included, and geometrically where F is strongly monotone. Each step
costs 2 n evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from trimtab.base.errors import message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.games.operators import ROUNDING, Array, Evidence, Inclusion, positive

__all__ = ["EXTRAGRADIENT_REFS", "Extragradient", "PlainState"]

EXTRAGRADIENT_REFS = (
    Reference(
        authors="Korpelevich, Galina M.",
        title="The extragradient method for finding saddle points and other problems",
        year=1976,
        venue="Ekonomika i Matematicheskie Metody 12",
    ),
)

SAFETY = 0.9
"""eta L_F."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainState:
    """Where a method without memory stands.

    Arguments:
        point: u_k, shape (d,).
        value: F there, shape (d,).
        residual: exact natural residual there.
        first_residual: at the start.
        iteration: k.
        evaluations: components evaluated.
        evidence: what exact evaluations showed of F.
    """

    point: Array
    value: Array
    residual: float
    first_residual: float
    iteration: int
    evaluations: int
    evidence: Evidence

    @property
    def exact(self) -> bool:
        """True: F is evaluated at every point."""
        return True

    @classmethod
    def at(cls, problem: Inclusion, start: ArrayLike) -> PlainState:
        """The state at a start, where F is evaluated.

        Raises:
            InvalidArgument, InvalidObservation: a start or an operator that cannot be.
        """
        point = problem.begin(start)
        value = problem.operator.mean(point)
        residual = problem.residual(point, value)
        return cls(point, value, residual, residual, 0, problem.operator.count, Evidence(point, value))

    def moved(self, problem: Inclusion, point: Array, before: int = 0) -> PlainState:
        """The state after a step to a point, which took so many evaluations of components before it got there.

        Raises:
            InvalidArgument, InvalidObservation: the operator gave what it must not.
        """
        value = problem.operator.mean(point)
        return PlainState(
            point=point,
            value=value,
            residual=problem.residual(point, value),
            first_residual=self.first_residual,
            iteration=self.iteration + 1,
            evaluations=self.evaluations + before + problem.operator.count,
            evidence=self.evidence.with_pair(point, value),
        )


@dataclass(frozen=True, slots=True)
class Extragradient:
    """Korpelevich's method.

    Arguments:
        lipschitz: L_F; `AffineConstants.mean_lipschitz` where the components are affine. The step is 0.9/L_F.

    Raises:
        InvalidArgument: a constant that is not positive.
    """

    lipschitz: float

    def __post_init__(self) -> None:
        positive(self.lipschitz, "the Lipschitz constant")

    def start(self, problem: Inclusion, start: ArrayLike) -> PlainState:
        """The state at the start; errors as `PlainState.at`."""
        return PlainState.at(problem, start)

    def step(self, problem: Inclusion, state: PlainState) -> PlainState:
        """One step, two evaluations of F; errors as `PlainState.moved`."""
        eta = SAFETY / self.lipschitz
        ahead = problem.resolve(state.point - eta * state.value, eta)
        point = problem.resolve(state.point - eta * problem.operator.mean(ahead), eta)
        return state.moved(problem, point, problem.operator.count)

    def certified(self, problem: Inclusion, state: PlainState) -> PlainState:
        """The state itself: its residual is exact."""
        return state

    def told(self, state: PlainState) -> tuple[str, ...]:
        """Whether the operator was seen not to be monotone, or not Lipschitz with this constant."""
        seen = state.evidence
        if not seen.monotone:
            return (
                f"the operator is not monotone: <F u - F v, u - v> = {seen.curvature:.3g} |u - v|^2 was seen, so no "
                "bound holds. Next: trust the residual only, or add a term that makes the game convex-concave.",
            )
        if seen.lipschitz > self.lipschitz * (1.0 + ROUNDING):
            return (
                message(
                    f"the operator is not Lipschitz with {self.lipschitz:.3g}: |F u - F v| = {seen.lipschitz:.3g} "
                    "|u - v| was seen",
                    do=f"use lipschitz={seen.lipschitz:.3g} or more",
                ),
            )
        return ()
