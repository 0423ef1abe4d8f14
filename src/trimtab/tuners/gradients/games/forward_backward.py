"""Plain descent for 0 in F(u) + G(u), in games known as simultaneous gradient descent-ascent.

Information: F, the resolvent of G, and L with |F u - F v|^2 <= L <F u - F v, u - v>:

    u <- prox_{eta G}(u - eta F(u)),   eta = 1/L

The forward-backward splitting of P.-L. Lions and B. Mercier, "Splitting algorithms for the sum of two nonlinear
operators", SIAM Journal on Numerical Analysis 16, 1979. The cheapest method where F is cocoercive and well conditioned,
and no method at all for a bilinear game without G: there |u - eta F(u) - u*|^2 = |u - u*|^2 + eta^2 |F(u)|^2, so every
step leads away from the solution. Each step costs n evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from trimtab.base.errors import message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.games.extragradient import PlainState
from trimtab.tuners.gradients.games.operators import ROUNDING, Inclusion, positive

__all__ = ["FORWARD_BACKWARD_REFS", "ForwardBackward"]

FORWARD_BACKWARD_REFS = (
    Reference(
        authors="Lions, Pierre-Louis and Mercier, Bertrand",
        title="Splitting algorithms for the sum of two nonlinear operators",
        year=1979,
        venue="SIAM Journal on Numerical Analysis 16",
    ),
)


@dataclass(frozen=True, slots=True)
class ForwardBackward:
    """Gradient descent-ascent with a prox.

    Arguments:
        lipschitz: L of cocoercivity of F; `AffineConstants.mean_cocoercivity` where the components are affine.

    Raises:
        InvalidArgument: a constant that is not positive.
    """

    lipschitz: float

    def __post_init__(self) -> None:
        positive(self.lipschitz, "the constant of cocoercivity")

    def start(self, problem: Inclusion, start: ArrayLike) -> PlainState:
        """The state at the start; errors as `PlainState.at`."""
        return PlainState.at(problem, start)

    def step(self, problem: Inclusion, state: PlainState) -> PlainState:
        """One step, one evaluation of F; errors as `PlainState.moved`."""
        eta = 1.0 / self.lipschitz
        return state.moved(problem, problem.resolve(state.point - eta * state.value, eta))

    def certified(self, problem: Inclusion, state: PlainState) -> PlainState:
        """The state itself: its residual is exact."""
        return state

    def told(self, state: PlainState) -> tuple[str, ...]:
        """Whether the operator was seen not to be cocoercive with this constant."""
        seen = state.evidence
        if seen.cocoercivity <= self.lipschitz * (1.0 + ROUNDING):
            return ()
        return (
            message(
                f"the operator is not cocoercive with {self.lipschitz:.3g}: |F u - F v|^2 = {seen.cocoercivity:.3g} "
                "<F u - F v, u - v> was seen, and plain descent may diverge",
                do="use Extragradient or VarianceReducedProximalPoint",
            ),
        )
