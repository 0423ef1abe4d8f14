"""Variance-reduced proximal points: 0 in F(u) + G(u), F = (1/n) sum_i F_i monotone and Lipschitz on average.

Information: components of F in batches, the resolvent of G, and L with E_i |F_i u - F_i v|^2 <= L^2 |u - v|^2. Bilinear
games are among the problems.

X. Cai, A. Alacaoglu and J. Diakonikolas, "Variance Reduced Halpern Iteration for Finite-Sum Monotone Inclusions",
ICLR 2024, arXiv:2310.02987, Algorithm 2. With the resolvent J = (I + eta (F + G))^-1 and eta = sqrt(n)/L,

    u_{k+1} = u_0/(k + 2) + ((k + 1)/(k + 2)) J~(u_k)      anchored
    u_{k+1} = J~(u_k)                                      not anchored

J~(u) is an inexact J(u): the zero of H(v) + eta G(v), H(v) = v - u + eta F(v), which is 1-strongly monotone. It is
sought by the variance-reduced extragradient of A. Alacaoglu and Y. Malitsky, "Stochastic Variance Reduction for
Variational Inequality Methods", COLT 2022, arXiv:2102.08352. From z = w = u, p = b/n, a = 1 - p and
tau = 0.9 sqrt(p (1 - p)) / (1 + eta L):

    m  = a z + (1 - a) w
    zh = prox(m - tau H(w))
    z  = prox(m - tau [H(w) + (zh - w) + eta (F_B(zh) - F_B(w))])          prox = prox_{tau eta G}
    w  = z, and H(w) anew                                                  with probability p

until the residual of the inner problem at w is at most 0.1 eta r(u_0) / (k + 1)^2, r the natural residual.

With exact resolvents the anchored points have |u_k - J(u_k)| / eta <= 2 |u_0 - u*| / (eta (k + 1)) (F. Lieder, "On the
convergence rate of the Halpern-iteration", Optimization Letters 15, 2021), and this is the norm of an element of
(F + G)(J(u_k)). What is returned is J~(u_k) with its exact residual, which costs nothing, since F(w) is known.
It takes O~(n + sqrt(n) L / eps) evaluations to a residual of eps; deterministic methods take n L_F / eps, where L_F <=
L <= sqrt(n) L_F is the constant of F alone, so the gain needs L << sqrt(n) L_F.

A step is one inner problem: a few to a few dozen epochs, and more where the problem is not what it was said to be.

Differences from the paper: the inner method is extragradient, not the forward-reflected one; its tolerance is a rule
of this file, as the paper's test needs the exact resolvent; batches are drawn without replacement; and the default has
no anchor, which in most measurements took fewer epochs, by up to three times; with the anchor the rate is certified.
eta is as recalled, not read there.

Where it loses: with few components (n = 20) or with components that differ a lot (L = 5 L_F at n = 200) extragradient
took fewer epochs on random bilinear games. An inner step costs a call from Python for each batch, so where F as a whole
is one quick product extragradient takes less time even where it needs more epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.games.halpern import HALPERN_REFS
from trimtab.tuners.gradients.games.operators import ROUNDING, Array, Evidence, Inclusion, norm, positive

__all__ = ["PROXIMAL_POINT_REFS", "ProximalPointState", "VarianceReducedProximalPoint"]

PROXIMAL_POINT_REFS = (
    HALPERN_REFS[0],
    Reference(
        authors="Alacaoglu, Ahmet and Malitsky, Yura",
        title="Stochastic Variance Reduction for Variational Inequality Methods",
        year=2022,
        venue="COLT",
        arxiv="2102.08352",
    ),
    Reference(
        authors="Lieder, Felix",
        title="On the convergence rate of the Halpern-iteration",
        year=2021,
        venue="Optimization Letters 15",
    ),
)

SAFETY = 0.9
"""Of the inner step, as a share of the largest that converges."""

MOST_SHARE = 0.5
"""Largest probability of an inner snapshot; sqrt(p (1 - p)) is largest there, and zero at 1."""

MOST_INNER = 200.0
"""An inner problem is given up after so many times sqrt(b) epochs. It is strongly monotone and shrinks e-fold in about
3 sqrt(b), so a few dozen are the rule."""


@dataclass(frozen=True, slots=True, eq=False)
class ProximalPointState:
    """Where the iteration stands.

    Arguments:
        point: J~(u_{k-1}), shape (d,); u_0 at the start.
        value: F there, shape (d,).
        centre: u_k, shape (d,).
        anchor: u_0, shape (d,).
        residual: exact natural residual at the point.
        first_residual: at the start.
        iteration: k.
        evaluations: components evaluated.
        unsolved: inner problems given up.
        evidence: what exact evaluations showed of F.
    """

    point: Array
    value: Array
    centre: Array
    anchor: Array
    residual: float
    first_residual: float
    iteration: int
    evaluations: int
    unsolved: int
    evidence: Evidence

    @property
    def exact(self) -> bool:
        """True: F is known at every point that is returned."""
        return True


@dataclass(frozen=True, slots=True)
class VarianceReducedProximalPoint:
    """Algorithm 2 of Cai, Alacaoglu and Diakonikolas 2024, or its inner solver in plain proximal points.

    Arguments:
        lipschitz: L on average; `AffineConstants.lipschitz` where the components are affine.
        seed: of the batches.
        anchored: whether to take the anchored step, whose rate is certified and which is slower.
        eta: of the resolvent; None for sqrt(n)/L.
        batch: b of the inner method. 1 takes the fewest evaluations, more take less time where calls are slow.
        accuracy: the inner tolerance is this times eta r(u_0) / (k + 1)^2.

    Raises:
        InvalidArgument: a number out of its range.
    """

    lipschitz: float
    seed: int = 0
    anchored: bool = False
    eta: float | None = None
    batch: int = 1
    accuracy: float = 0.1

    def __post_init__(self) -> None:
        positive(self.lipschitz, "the Lipschitz constant")
        positive(self.accuracy, "the inner accuracy")
        check_count(self.batch, "the batch")
        if self.eta is not None:
            positive(self.eta, "eta")

    def start(self, problem: Inclusion, start: ArrayLike) -> ProximalPointState:
        """The state at u_0, where F is evaluated.

        Raises:
            InvalidArgument, InvalidObservation: a start or an operator that cannot be.
        """
        point = problem.begin(start)
        value = problem.operator.mean(point)
        residual = problem.residual(point, value)
        return ProximalPointState(
            point=point,
            value=value,
            centre=point,
            anchor=point,
            residual=residual,
            first_residual=residual,
            iteration=0,
            evaluations=problem.operator.count,
            unsolved=0,
            evidence=Evidence(point, value),
        )

    def step(self, problem: Inclusion, state: ProximalPointState) -> ProximalPointState:
        """u_{k+1}, by one inexact resolvent.

        Raises:
            InvalidArgument, InvalidObservation: the operator gave what it must not.
        """
        operator = problem.operator
        eta = math.sqrt(operator.count) / self.lipschitz if self.eta is None else self.eta
        goal = self.accuracy * eta * state.first_residual / (state.iteration + 1) ** 2
        inner = self._resolvent(problem, state, eta, goal)
        share = (state.iteration + 1) / (state.iteration + 2) if self.anchored else 1.0
        return ProximalPointState(
            point=inner.point,
            value=inner.value,
            centre=inner.point if share == 1.0 else (1.0 - share) * state.anchor + share * inner.point,
            anchor=state.anchor,
            residual=problem.residual(inner.point, inner.value),
            first_residual=state.first_residual,
            iteration=state.iteration + 1,
            evaluations=state.evaluations + inner.evaluations,
            unsolved=state.unsolved + (not inner.solved),
            evidence=inner.evidence,
        )

    def _resolvent(self, problem: Inclusion, state: ProximalPointState, eta: float, goal: float) -> _Inner:
        """J~(u) at the centre of a state, to a residual of `goal`."""
        operator, evidence, evaluations = problem.operator, state.evidence, 0
        u = w = z = state.centre
        # The last point is the centre at the start and without an anchor: F is known there.
        if np.array_equal(u, state.point):
            value = state.value
        else:
            value, evaluations = operator.mean(u), operator.count
            evidence = evidence.with_pair(u, value)
        size = min(self.batch, operator.count)
        share = min(size / operator.count, MOST_SHARE)
        tau = SAFETY * math.sqrt(share * (1.0 - share)) / (1.0 + eta * self.lipschitz)
        rng = Key(self.seed, state.iteration, "games/proximal-point").generator()
        slope = eta * value
        # At least one snapshot is made, so that a loose tolerance does not leave the point where it is.
        while evaluations < MOST_INNER * math.sqrt(size) * operator.count:
            middle = (1.0 - share) * z + share * w
            half = problem.resolve(middle - tau * slope, tau * eta)
            # The first is the same draw, and much quicker.
            indices = (
                rng.integers(operator.count, size=1)
                if size == 1
                else rng.choice(operator.count, size=size, replace=False)
            )
            change = operator.sample(half, indices) - operator.sample(w, indices)
            z = problem.resolve(middle - tau * (slope + (half - w) + eta * change), tau * eta)
            evaluations += 2 * size
            if rng.random() < share:
                w = z
                value = operator.mean(w)
                evaluations += operator.count
                evidence = evidence.with_pair(w, value)
                slope = (w - u) + eta * value
                if norm(w - problem.resolve(w - tau * slope, tau * eta)) <= tau * goal:
                    return _Inner(w, value, evaluations, True, evidence)
        return _Inner(w, value, evaluations, False, evidence)

    def certified(self, problem: Inclusion, state: ProximalPointState) -> ProximalPointState:
        """The state itself: its residual is exact."""
        return state

    def told(self, state: ProximalPointState) -> tuple[str, ...]:
        """Whether the operator was seen not to be monotone or not Lipschitz with L, and inner problems given up."""
        seen, out = state.evidence, []
        if not seen.monotone:
            out.append(
                f"the operator is not monotone: <F u - F v, u - v> = {seen.curvature:.3g} |u - v|^2 was seen, so no "
                "bound holds. Next: trust the residual only, or add a term that makes the game convex-concave."
            )
        if seen.lipschitz > self.lipschitz * (1.0 + ROUNDING):
            out.append(
                message(
                    f"the operator is not Lipschitz with {self.lipschitz:.3g}: |F u - F v| = {seen.lipschitz:.3g} "
                    "|u - v| was seen",
                    do=f"use lipschitz={seen.lipschitz:.3g} or more",
                )
            )
        if state.unsolved:
            out.append(
                message(
                    f"{state.unsolved} of {state.iteration} inner problems were given up after "
                    f"{MOST_INNER * math.sqrt(self.batch):.3g} epochs, more than a monotone operator with this "
                    "Lipschitz constant should need",
                    do="take a larger lipschitz, or a larger accuracy",
                )
            )
        return tuple(out)


@dataclass(frozen=True, slots=True, eq=False)
class _Inner:
    """An inexact resolvent: the point, F there, what it cost, and whether it is as near as asked."""

    point: Array
    value: Array
    evaluations: int
    solved: bool
    evidence: Evidence
