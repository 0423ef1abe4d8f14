"""Variance-reduced Halpern iteration for 0 in F(u) + G(u), where F = (1/n) sum_i F_i is cocoercive on average.

Information: components of F in batches, the resolvent of G, and L with

    E_i |F_i u - F_i v|^2 <= L <F u - F v, u - v>.

No bilinear game has such an L; `proximal_point` is for those.

X. Cai, A. Alacaoglu and J. Diakonikolas, "Variance Reduced Halpern Iteration for Finite-Sum Monotone Inclusions",
ICLR 2024, arXiv:2310.02987, Algorithm 1. From g_0 = F(u_0), for k = 0, 1, ...

    u_{k+1} = prox_{eta G}(lambda_k u_0 + (1 - lambda_k) u_k - eta g_k),   lambda_k = 2/(k + 4),   eta = 1/(4 L)
    g_{k+1} = F(u_{k+1})                                                   with probability p_{k+1}
              g_k + (1/b) sum_{i in B} [F_i(u_{k+1}) - F_i(u_k)]           else

with batches of b = ceil(sqrt(n)), and p_k = 4/(k + 5) up to k = sqrt(n), constant after it. The estimator is PAGE (Li,
Bao, Zhang and Richtarik 2021, arXiv:2008.10898). The pull towards u_0 makes the last point's residual fall as 1/k in
expectation, which takes O~(n + sqrt(n) L / eps) evaluations to a residual of eps.

With batches of everything this is deterministic, and for G = 0 and any eta <= 2/(3 L) the bound has a constant:

    |F(u_k)| <= 4 |u_0 - u*| / (eta (k + 4)).

For, with F_k = F(u_k), A_k = (eta/4) (k + 2) (k + 3) (k + 4) and B_k = (k + 2) (k + 3), the potential
A_k |F_k|^2 + B_k <F_k, u_k - u_0> does not rise. That follows from adding the step, multiplied once by F_{k+1} and
once by F_k, to cocoercivity of the pair; and <F_k, u_k - u*> >= |F_k|^2 / L bounds the inner product.

Differences from the paper: batches are drawn without replacement; where 2 b >= n all of F is evaluated each time, since
that is no dearer; a stopping test on an exact residual evaluates F once more and keeps it as the estimate; and the
anchor can be moved (`restart`), which the paper does not do. The probabilities are as recalled, not read there.

What it does not do: beat gradient descent on well-conditioned problems. The anchor holds the rate at 1/k for ever,
where plain methods fall geometrically on a strongly monotone F.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.games.operators import ROUNDING, Array, Evidence, FiniteSum, Inclusion, positive

__all__ = ["HALPERN_REFS", "HalpernState", "VarianceReducedHalpern", "page_update"]

HALPERN_REFS = (
    Reference(
        authors="Cai, Xufeng and Alacaoglu, Ahmet and Diakonikolas, Jelena",
        title="Variance Reduced Halpern Iteration for Finite-Sum Monotone Inclusions",
        year=2024,
        venue="ICLR",
        arxiv="2310.02987",
    ),
    Reference(
        authors="Li, Zhize and Bao, Hongyan and Zhang, Xiangliang and Richtarik, Peter",
        title="PAGE: A Simple and Optimal Probabilistic Gradient Estimator for Nonconvex Optimization",
        year=2021,
        venue="ICML",
        arxiv="2008.10898",
    ),
)

SAFETY = 0.25
"""eta L."""


@dataclass(frozen=True, slots=True, eq=False)
class HalpernState:
    """Where the iteration stands.

    Arguments:
        point: u_k, shape (d,).
        anchor: u_0, shape (d,).
        estimate: g_k, shape (d,).
        exact: whether g_k = F(u_k).
        residual: natural residual at u_k by g_k.
        first_residual, anchor_residual: exact ones at the start and at the anchor.
        age: k, counted from the anchor.
        iteration: steps made from the start.
        evaluations: components evaluated.
        evidence: what exact evaluations showed of F.
    """

    point: Array
    anchor: Array
    estimate: Array
    exact: bool
    residual: float
    first_residual: float
    anchor_residual: float
    age: int
    iteration: int
    evaluations: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class VarianceReducedHalpern:
    """Algorithm 1 of Cai, Alacaoglu and Diakonikolas 2024.

    Arguments:
        lipschitz: L of cocoercivity on average; `AffineConstants.cocoercivity` where the components are affine.
        seed: of the batches.
        step_size: eta; None for 1/(4 L), the one that the bound is for.
        batch: b; None for ceil(sqrt(n)); n and more make the iteration deterministic.
        restart: the anchor moves to the present point once the exact residual is at most so many times that of the
            anchor, between 0 and 1; None for never. It helps little.

    Raises:
        InvalidArgument: a number out of its range.
    """

    lipschitz: float
    seed: int = 0
    step_size: float | None = None
    batch: int | None = None
    restart: float | None = None

    def __post_init__(self) -> None:
        positive(self.lipschitz, "the constant of cocoercivity")
        if self.step_size is not None:
            positive(self.step_size, "the step")
        if self.batch is not None:
            check_count(self.batch, "the batch")
        if self.restart is not None and not 0.0 < self.restart < 1.0:
            raise InvalidArgument(
                message("restart must be a share of the residual", got=self.restart, allowed="0 to 1")
            )

    @property
    def eta(self) -> float:
        """The step."""
        return SAFETY / self.lipschitz if self.step_size is None else self.step_size

    def start(self, problem: Inclusion, start: ArrayLike) -> HalpernState:
        """The state at u_0, where F is evaluated.

        Raises:
            InvalidArgument, InvalidObservation: a start or an operator that cannot be.
        """
        point = problem.begin(start)
        value = problem.operator.mean(point)
        residual = problem.residual(point, value)
        return HalpernState(
            point=point,
            anchor=point,
            estimate=value,
            exact=True,
            residual=residual,
            first_residual=residual,
            anchor_residual=residual,
            age=0,
            iteration=0,
            evaluations=problem.operator.count,
            evidence=Evidence(point, value),
        )

    def step(self, problem: Inclusion, state: HalpernState) -> HalpernState:
        """u_{k+1} and g_{k+1}.

        Raises:
            InvalidArgument, InvalidObservation: the operator gave what it must not.
        """
        operator = problem.operator
        pull = 2.0 / (state.age + 4)
        point = problem.resolve(pull * state.anchor + (1.0 - pull) * state.point - self.eta * state.estimate, self.eta)
        size = math.ceil(math.sqrt(operator.count)) if self.batch is None else self.batch
        rng = Key(self.seed, state.iteration, "games/halpern").generator()
        moved = replace(state, point=point, age=state.age + 1, iteration=state.iteration + 1)
        if 2 * size >= operator.count or rng.random() < probability(state.age + 1, operator.count):
            return self._evaluated(problem, moved)
        indices = rng.choice(operator.count, size=size, replace=False)
        estimate = page_update(operator, state.estimate, state.point, point, indices)
        return replace(
            moved,
            estimate=estimate,
            exact=False,
            residual=problem.residual(point, estimate),
            evaluations=state.evaluations + 2 * size,
        )

    def certified(self, problem: Inclusion, state: HalpernState) -> HalpernState:
        """The state with g_k = F(u_k)."""
        return state if state.exact else self._evaluated(problem, state)

    def _evaluated(self, problem: Inclusion, state: HalpernState) -> HalpernState:
        """The state once F is evaluated at its point, with a new anchor where one is due."""
        value = problem.operator.mean(state.point)
        residual = problem.residual(state.point, value)
        due = self.restart is not None and residual <= self.restart * state.anchor_residual
        return replace(
            state,
            estimate=value,
            exact=True,
            residual=residual,
            evaluations=state.evaluations + problem.operator.count,
            evidence=state.evidence.with_pair(state.point, value),
            anchor=state.point if due else state.anchor,
            anchor_residual=residual if due else state.anchor_residual,
            age=0 if due else state.age,
        )

    def told(self, state: HalpernState) -> tuple[str, ...]:
        """Whether the operator was seen not to be monotone, or not cocoercive with this constant."""
        seen = state.evidence
        if not seen.monotone:
            return (
                f"the operator is not monotone: <F u - F v, u - v> = {seen.curvature:.3g} |u - v|^2 was seen, so no "
                "bound holds. Next: trust the residual only, or add a term that makes the game convex-concave.",
            )
        if seen.cocoercivity > self.lipschitz * (1.0 + ROUNDING):
            larger = "" if math.isinf(seen.cocoercivity) else f", or lipschitz={seen.cocoercivity:.3g} or more"
            return (
                f"the operator is not cocoercive with {self.lipschitz:.3g}: |F u - F v|^2 = {seen.cocoercivity:.3g} "
                "<F u - F v, u - v> was seen, as in every bilinear game. Next: use "
                f"VarianceReducedProximalPoint{larger}.",
            )
        return ()


def probability(k: int, count: int) -> float:
    """p_k of a full evaluation with n components, k >= 1."""
    return 4.0 / (min(float(k), math.sqrt(count)) + 5.0)


def page_update(operator: FiniteSum, estimate: Array, old: Array, new: Array, indices: NDArray[np.int64]) -> Array:
    """G + (1/b) sum_{i in B} [F_i(new) - F_i(old)], shape (d,); costs 2 b evaluations.

    Arguments:
        operator: F.
        estimate: g, of F(old), shape (d,).
        old, new: points, shape (d,).
        indices: B, shape (b,).
    """
    out: Array = estimate + operator.sample(new, indices) - operator.sample(old, indices)
    return out
