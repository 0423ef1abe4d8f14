"""MAID, the method of adaptive inexact descent: bilevel descent that sets its own accuracies and step lengths.

Needs an inner loss g(w, h) that is smooth and mu-strongly convex in w, a smooth outer loss f(w, h), and no batches.
M. S. Salehi, S. Mukherjee, L. Roberts and M. J. Ehrhardt, "An adaptively inexact first-order method for bilevel
optimization with application to hyperparameter learning", SIAM J. Math. Data Sci. 7(3), 2025, arXiv 2308.10098.
Neither F(h) = f(w*(h), h) nor its gradient is ever exact. With H = g_ww, J = g_wh (n, p), at a point w with

    |g_w| <= eps mu,   so that |w - w*| <= eps,        and q with |f_w - H q| <= delta,

z = f_h - J^T q is nearly grad F. An outer iteration makes sure, by bounds of all errors, that -z descends; then it
tries h+ = h - a z for shorter and shorter a, until bounds of both values prove F(h+) <= F(h) - lambda a |z|^2. So the
true function falls in every accepted step, and nobody has to choose accuracies or step lengths.

The bounds are those of the paper (`corrected=False`; module `maid_published`) or, by default, of second order in
|w - w*|, which certify the same at far coarser inner solutions (module `maid_corrected`, with the proofs). That form
differs from the paper in what follows from the finer bounds: accuracies are chosen from the decrease that has to be
seen, first steps from secants and from the linearised inner problem. What is accepted is held to the same inequality.

The inner solver is FISTA (module `inner_solver`), the linear one conjugate gradients, warm where they can be.

Where both differ from the paper. The terms f_h and L_fh cover outer losses that depend on h directly. A hypergradient
that is certified to be `tolerance` of the first one ends the descent, and so does the precision of the arithmetic. A
loss that is not finite at h+ counts as refused. eta, lambda, rho_bar and nu_bar are those of a re-implementation (0.5,
0.1, 1.2, 1.1): the authors' code has eta = 1e-4, which allows for directions that are almost all error.

The constants: L_g, L_J, L_fh, L_H and L_Hinv are Lipschitz constants in w of f_w, J, f_h, H and H^-1. Give what is
known as `Constants`; with mu and these true, all of the above is proven, as published but for |J|, which comes from
power steps. What is not given is estimated (modules `constants` and `inner_solver`), running maxima kept. Then the
bounds are estimates, not certificates; the one to give, if only one, is mu, such as the weight of an l2 term.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.bilevel.constants import MARGIN, Constants, norm, outer_smoothness
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.inner_solver import solve_inner
from trimtab.tuners.gradients.bilevel.maid_corrected import COARSEST, CorrectedIteration
from trimtab.tuners.gradients.bilevel.maid_published import PublishedIteration, spread
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import outer_derivatives

__all__ = ["MAID", "MAID_REFS"]

MAID_REFS = (
    Reference(
        authors="Salehi, Mohammad Sadegh and Mukherjee, Subhadip and Roberts, Lindon and Ehrhardt, Matthias J.",
        title=(
            "An adaptively inexact first-order method for bilevel optimization with application to hyperparameter "
            "learning"
        ),
        year=2025,
        venue="SIAM Journal on Mathematics of Data Science 7(3)",
        arxiv="2308.10098",
    ),
    Reference(
        authors="Chambolle, Antonin and Pock, Thomas",
        title="An introduction to continuous optimization for imaging",
        year=2016,
        venue="Acta Numerica 25",
        doi="10.1017/S096249291600009X",
    ),
)


@dataclass(frozen=True, slots=True)
class MAID:
    """MAID; see the module.

    `State.numbers` tells, beside what the next step needs: `norm` = |z|, `error` = omega, `value_error`, which bounds
    |value - F(h)|, `inner_error`, which bounds |w - w*|, `linear_iterations` of conjugate gradients, `gradients` and
    `products`, which count what was taken beside the inner iterations: conjugate gradients, the linearisations, and all
    estimates. Corrected, `error` bounds the part of the hypergradient's error along z, and `corrected_error` bounds
    |`corrected_value` - F(h)|, which is much nearer than the outer loss at w, `value`.

    Arguments:
        accuracy: eps of the first inner solution; as published, delta of the first iteration, too; > 0.
        step_size: alpha of the first iteration, which the corrected form may lengthen; > 0.
        descent: eta, the share of |z| that must not be error; in (lambda, 1).
        decrease: lambda, of the sufficient decrease; > 0.
        shrink: rho, on a step that was refused; in (0, 1).
        growth: rho_bar, on one that was accepted, as published; > 1.
        tighten: nu, on accuracies that were too coarse, as published; in (0, 1).
        loosen: nu_bar, on accuracies after an accepted step, as published; >= 1.
        backtracks: steps tried in a search; as published, in the first of an iteration.
        retries: searches in one iteration.
        inner_limit: most gradients in one inner solution.
        linear_limit: most iterations of conjugate gradients in one linear system.
        tolerance: where the certified hypergradient has fallen by this factor, the descent is finished; 0 for never.
        convex: whether the outer loss is convex in w, so that its lower estimate needs no quadratic term.
        constants: what is known of the problem.
        corrected: whether to use the second-order bounds; False for the method as published.

    Raises:
        InvalidArgument: a number out of its range.
    """

    accuracy: float = 0.1
    step_size: float = 0.01
    descent: float = field(default=0.5, kw_only=True)
    decrease: float = field(default=0.1, kw_only=True)
    shrink: float = field(default=0.5, kw_only=True)
    growth: float = field(default=1.2, kw_only=True)
    tighten: float = field(default=0.5, kw_only=True)
    loosen: float = field(default=1.1, kw_only=True)
    backtracks: int = field(default=10, kw_only=True)
    retries: int = field(default=3, kw_only=True)
    inner_limit: int = field(default=2000, kw_only=True)
    linear_limit: int = field(default=2000, kw_only=True)
    tolerance: float = field(default=1e-5, kw_only=True)
    convex: bool = field(default=False, kw_only=True)
    constants: Constants = field(default_factory=Constants, kw_only=True)
    corrected: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, allowed, right in (
            ("accuracy", "> 0", 0.0 < self.accuracy < math.inf),
            ("step_size", "> 0", 0.0 < self.step_size < math.inf),
            ("descent", "above decrease, below 1", self.decrease < self.descent < 1.0),
            ("decrease", "> 0", self.decrease > 0.0),
            ("shrink", "in (0, 1)", 0.0 < self.shrink < 1.0),
            ("growth", "> 1", 1.0 < self.growth < math.inf),
            ("tighten", "in (0, 1)", 0.0 < self.tighten < 1.0),
            ("loosen", ">= 1", 1.0 <= self.loosen < math.inf),
            ("tolerance", "in [0, 1)", 0.0 <= self.tolerance < 1.0),
        ):
            if not right:
                raise InvalidArgument(
                    message(f"MAID: {name} is out of range", got=getattr(self, name), allowed=allowed)
                )
        for name in ("backtracks", "retries", "inner_limit", "linear_limit"):
            check_count(getattr(self, name), f"MAID: {name}")

    @property
    def refs(self) -> tuple[Reference, ...]:
        """The sources of the method."""
        return MAID_REFS

    def start(self, problem: BilevelProblem, hyperparameters: Tensors) -> State:
        """The state before the first step: the inner problem solved to the first accuracy.

        Raises:
            InvalidArgument: the problem has batches, so that no bound holds.
            InvalidObservation: as `solve_inner`.
        """
        if problem.stochastic:
            raise InvalidArgument(
                message(
                    "MAID bounds errors that batches make unbounded",
                    allowed="problems without inner_batch and outer_batch",
                    do="use all examples in both losses",
                )
            )
        hyper = problem.checked_hyperparameters(hyperparameters)
        solved = solve_inner(
            problem,
            hyper,
            problem.layout.flat(problem.parameters).detach(),
            self.accuracy,
            limit=self.inner_limit,
            constants=self.constants,
        )
        value, slope, _, _ = outer_derivatives(problem, solved.vector, hyper, 0)
        smooth = self.constants.at("outer_smoothness", hyper)
        if smooth is None:
            smooth = MARGIN * outer_smoothness(problem, solved.vector, hyper)
        numbers = {
            "accuracy": self.accuracy,
            "linear_accuracy": self.accuracy,
            "step_size": self.step_size,
            "backtracks": float(self.backtracks),
            "outer_smoothness": smooth,
            "inverse_change": 0.0,
            "hessian_change": 0.0,
            "cross_change": 0.0,
            "direct_change": 0.0,
            "first": 0.0,
            "value_error": spread(value, norm(slope), solved.error, smooth, slope.dtype),
            "inner_error": solved.error,
            "gradients": float(solved.gradients),
            "products": float(solved.products),
            "linear_iterations": 0.0,
        }
        if self.corrected:
            numbers |= {"linear_accuracy": COARSEST, "response_accuracy": COARSEST}
        zero, still = torch.zeros_like(solved.vector), torch.zeros(problem.hyper_layout.size).to(solved.vector)
        extra = {"adjoint": zero, "response": zero, "hypergradient": still, "shift": still}
        return State(
            parameters=problem.layout.named(solved.vector),
            hyperparameters={name: tensor.clone() for name, tensor in hyper.items()},
            value=value,
            inner_iterations=solved.iterations,
            why=f"inner problem solved to {solved.error:.3g} in {solved.iterations} iterations",
            extra=extra if self.corrected else {"adjoint": zero},
            numbers=numbers,
        )

    def step(self, problem: BilevelProblem, state: State) -> State:
        """One outer iteration.

        Raises:
            InvalidArgument, InvalidObservation: losses that cannot be used or differentiated; the text names them.
        """
        if self.corrected:
            return CorrectedIteration(self, problem, state).run()
        return PublishedIteration(self, problem, state).run()
