"""MAID, the method of adaptive inexact descent: bilevel descent that sets its own accuracies and step lengths.

Needs an inner loss g(w, h) that is smooth and mu-strongly convex in w, a smooth outer loss f(w, h), and no batches.
M. S. Salehi, S. Mukherjee, L. Roberts and M. J. Ehrhardt, "An adaptively inexact first-order method for bilevel
optimization with application to hyperparameter learning", SIAM J. Math. Data Sci. 7(3), 2025, arXiv 2308.10098.
Neither F(h) = f(w*(h), h) nor its gradient is ever exact. With H = g_ww, J = g_wh (n, p), at a point w with

    |g_w| <= eps mu,   so that |w - w*| <= eps,        and q with |f_w - H q| <= delta,

the direction z = f_h - J^T q is off from grad F by at most

    omega = c eps + (|J| / mu) delta + (L_J L_g / mu) eps^2,
    c     = L_g |J| / mu + L_Hinv |f_w| |J| + L_J |f_w| / mu + L_fh

L_g, L_J, L_fh and L_Hinv are Lipschitz constants in w of f_w, J, f_h and H^-1. One outer iteration:

    1. Solve for w and q, warm, to eps and delta; while omega > (1 - eta) |z|, multiply both by nu. Now z descends.
    2. For a = alpha rho^i, i = 0 ... j - 1: h+ = h - a z, solve for w+ to eps, and accept h+ when
           [f+ + |f_w+| eps + L_g eps^2 / 2] - [f - |f_w| eps - L_g eps^2 / 2] + lambda a |z|^2 <= 0,
       which implies F(h+) <= F(h) - lambda a |z|^2: the true function falls in every accepted step.
    3. Accepted: alpha = rho_bar a, and eps and delta grow by nu_bar. Refused: eps and delta shrink by nu, j grows by
       one, and the search begins anew. Accuracy and step both go up as well as down.

The inner solver is FISTA with the momentum for strongly convex functions (A. Chambolle and T. Pock, "An introduction
to continuous optimization for imaging", Acta Numerica 25, 2016, algorithm 5), the linear one conjugate gradients.

Where this differs. In every bound eps and delta stand for what was reached, |g_w| / mu and |f_w - H q|, which is at
most what was asked for; rounding is added. The terms f_h and L_fh cover outer losses that depend on h directly. A
hypergradient that is certified to be `tolerance` of the first one ends the descent, and so does the precision of the
arithmetic. A loss that is not finite at h+ counts as refused. After `retries` refused searches an iteration ends
where it began, and the next one goes on from there. eta, lambda, rho_bar and nu_bar are those of a
re-implementation (0.5, 0.1, 1.2, 1.1): the authors' code has eta = 1e-4, which allows for directions that are almost
all error.

The constants: give what is known as `Constants`; with mu, L_g, L_Hinv, L_J and L_fh true, all of the above is proven
but for |J|, which comes from power steps. What is not given is estimated: mu as half the least and L as
1.2 times the largest Ritz value of the inner Hessian, L_g by power steps on differences of f_w, the others by
differences at a random and at one telling direction, running maxima kept. Then the bounds are estimates, not
certificates; the one to give, if only one, is mu, such as the weight of an l2 term.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, finite
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import ConjugateGradients, largest_eigenvalue, probe
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import inner_slope, outer_derivatives

__all__ = ["MAID", "MAID_REFS", "Constant", "Constants", "InnerSolution", "solve_inner"]

Constant: TypeAlias = float | Callable[[Tensors], float]
"""A number, or a function of the hyperparameters that gives one."""

SPECTRUM_STEPS = 20
"""Most products with the inner Hessian for an estimate of mu and L."""

LEAST_SHARE = 0.5
"""mu is taken to be so many times the least Ritz value, which is never below mu."""

MARGIN = 1.2
"""What power steps and Ritz values see from below is taken to be so many times as large."""

POWER_STEPS = 4
"""Power steps for |J|, three gradients' worth each."""

POSITIVE = ("strong_convexity", "smoothness")
"""The constants that may not be zero."""

RUNNING = ("outer_smoothness", "inverse_change", "cross_change", "direct_change")
"""The constants whose estimates are running maxima."""

PATIENCE = 20.0
"""An inner gradient that does not halve in so many times sqrt(L / mu) iterations is as small as rounding lets it be."""

ROUNDING = 16.0
"""Rounding errors are taken to be so many times machine epsilon times the sizes of the terms."""

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
class Constants:
    """What is known of a problem. Each is a number or a function of the hyperparameters; None is estimated.

    Arguments:
        strong_convexity: mu, a lower bound of the eigenvalues of the inner Hessian; > 0.
        smoothness: L, an upper bound of them; it only sets the inner steps, and is raised where it proves too small.
        outer_smoothness: L_g, a Lipschitz constant in w of the outer gradient f_w.
        inverse_change: L_Hinv, one of the inverse of the inner Hessian; 0 where the inner loss is quadratic in w.
        cross_change: L_J, one of the mixed derivative g_wh; 0 where h enters the inner loss in terms linear in w.
        direct_change: L_fh, one of f_h; 0 where the outer loss does not depend on h directly.
    """

    strong_convexity: Constant | None = None
    smoothness: Constant | None = None
    outer_smoothness: Constant | None = None
    inverse_change: Constant | None = None
    cross_change: Constant | None = None
    direct_change: Constant | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in POSITIVE + RUNNING:
            given = getattr(self, name)
            if given is not None and not callable(given) and not _possible(name, given):
                raise InvalidArgument(_impossible(name, given))

    def at(self, name: str, hyperparameters: Tensors) -> float | None:
        """One of them at some hyperparameters; None where it is not known.

        Raises:
            InvalidObservation: it is a function, which gives no finite number there, or not a positive one where it
                must be.
        """
        given: Constant | None = getattr(self, name)
        if given is None or not callable(given):
            return given
        value = float(given(hyperparameters))
        if not _possible(name, value):
            raise InvalidObservation(_impossible(name, value))
        return value


def _possible(name: str, value: float) -> bool:
    """Whether a constant may have this value."""
    return 0.0 <= value < math.inf and (value > 0.0 or name not in POSITIVE)


def _impossible(name: str, value: float) -> str:
    """The text for one that it may not have."""
    allowed = "finite, > 0" if name in POSITIVE else "finite, >= 0"
    return message(f"the constant {name} is out of range", got=value, allowed=allowed, do="give None for an estimate")


@dataclass(frozen=True, slots=True, eq=False)
class InnerSolution:
    """Parameters near the inner minimum.

    Arguments:
        vector: w, flat, shape (n,).
        slope: |g_w| there.
        error: the a-posteriori bound of |w - w*|: the slope, or its rounding error where that is larger, over mu.
        accurate: whether the error is as small as was asked for.
        exhausted: whether the slope is at the precision of the arithmetic, so that no smaller error can be had.
        iterations: gradients of the inner loss.
        strong_convexity: mu, as given or estimated.
        smoothness: L, as given, estimated or raised.
        gradients, products: what the estimates of mu and L took.
    """

    vector: Tensor
    slope: float
    error: float
    accurate: bool
    exhausted: bool
    iterations: int
    strong_convexity: float
    smoothness: float
    gradients: int
    products: int


def solve_inner(
    problem: BilevelProblem,
    hyperparameters: Tensors,
    start: Tensor,
    accuracy: float,
    *,
    limit: int = 2000,
    constants: Constants | None = None,
    smoothness: float | None = None,
) -> InnerSolution:
    """Minimise the inner loss until |w - w*| <= accuracy is certain, given mu. FISTA; see the module.

    Arguments:
        problem: the problem; its batches of step 0 are used.
        hyperparameters: h by name.
        start: w to begin at, flat, shape (n,).
        accuracy: eps > 0.
        limit: most gradients; then the best point so far is given, with its own error.
        constants: mu and L, where known; otherwise they are estimated at the start.
        smoothness: a first guess of L, such as that of a solution nearby, which spares an estimate where mu is known.

    Raises:
        InvalidObservation: the loss or its gradient is not finite, or the inner loss is seen not to be strongly convex.
    """
    known = constants or Constants()
    mu, smooth = known.at("strong_convexity", hyperparameters), known.at("smoothness", hyperparameters)
    smooth = smoothness if smooth is None else smooth
    gradients = products = 0
    if mu is None or smooth is None:
        here = Linearisation(problem, problem.layout.named(start), hyperparameters)
        low, high = _spectrum(here)
        gradients, products = here.gradients, here.products
        mu, smooth = low if mu is None else mu, high if smooth is None else smooth
    smooth = max(smooth, mu)
    precision = ROUNDING * torch.finfo(start.dtype).eps
    point = best = before = last = start.detach()
    last_slope = best_slope = torch.zeros_like(point)
    least, floor, momentum, iterations, halved, stuck = math.inf, 0.0, 1.0, 0, (math.inf, 0), False
    while iterations < limit:
        slope = inner_slope(problem, point.detach().requires_grad_(), hyperparameters, 0, create_graph=False)
        iterations += 1
        size, noise = _norm(slope), precision * smooth * _norm(point)
        if size < least:
            best, best_slope, least, floor = point, slope, size, noise
        if least <= 0.5 * halved[0]:
            halved = least, iterations
        stuck = iterations - halved[1] > PATIENCE * math.sqrt(smooth / mu)
        if size <= max(accuracy * mu, noise) or stuck:
            break
        moved = _norm(point - last)
        # A change that is not much larger than rounding tells nothing of the curvature.
        curved = _norm(slope - last_slope) / moved if moved * smooth > 100.0 * noise and iterations > 1 else 0.0
        if curved > 1.01 * smooth:
            smooth, momentum = MARGIN * curved, 1.0
            point, slope, before = best, best_slope, best
        elif iterations == 1:
            before = point
        last, last_slope = point, slope
        stepped = point - slope / smooth
        weight, momentum = _momentum(momentum, mu / smooth)
        point, before = stepped + weight * (stepped - before), stepped
    error = max(least, floor) / mu
    return InnerSolution(
        vector=best,
        slope=least,
        error=error,
        accurate=least <= accuracy * mu,
        exhausted=stuck or least <= floor or accuracy * mu <= floor,
        iterations=iterations,
        strong_convexity=mu,
        smoothness=smooth,
        gradients=gradients,
        products=products,
    )


def _momentum(before: float, ratio: float) -> tuple[float, float]:
    """The weight of the last change, and the next t, from t and mu / L."""
    if ratio >= 1.0:
        return 0.0, before
    rest = 1.0 - ratio * before * before
    after = (rest + math.sqrt(rest * rest + 4.0 * before * before)) / 2.0
    return (before - 1.0) * (1.0 - after * ratio) / (after * (1.0 - ratio)), after


def _spectrum(here: Linearisation) -> tuple[float, float]:
    """Estimates of mu and L at a point, from Ritz values.

    Raises:
        InvalidObservation: a curvature that is not positive was seen.
    """
    vector = probe(here.inner_gradient)
    run = ConjugateGradients(torch.finfo(vector.dtype).eps, SPECTRUM_STEPS).solve(here.hessian, vector)
    low, high = run.curvature
    if not 0.0 < low <= high < math.inf:
        raise _not_convex(low)
    return LEAST_SHARE * low, MARGIN * high


def _not_convex(curvature: float) -> InvalidObservation:
    """The error for an inner loss without a strict minimum."""
    return InvalidObservation(
        message(
            "the inner loss is not strongly convex in the parameters, as MAID needs it to be",
            got=f"curvature {curvature:.3g}",
            allowed="curvatures > 0",
            do="add an l2 term to the inner loss, or keep its weight away from zero",
        )
    )


@dataclass(frozen=True, slots=True)
class MAID:
    """MAID; see the module.

    `State.numbers` tells, beside what the next step needs: `norm` = |z|, `error` = omega, `value_error`, which bounds
    |value - F(h)|, `inner_error`, which bounds |w - w*|, `gradients` and `products`, which count what was taken beside
    the inner iterations: conjugate gradients, the linearisations, and all estimates.

    Arguments:
        accuracy: eps and delta of the first iteration; > 0.
        step_size: alpha of the first iteration; > 0.
        descent: eta, the share of |z| that must not be error; in (lambda, 1).
        decrease: lambda, of the sufficient decrease; > 0.
        shrink: rho, on a step that was refused; in (0, 1).
        growth: rho_bar, on one that was accepted; > 1.
        tighten: nu, on accuracies that were too coarse; in (0, 1).
        loosen: nu_bar, on accuracies after an accepted step; >= 1.
        backtracks: steps tried in the first search of an iteration.
        retries: searches in one iteration.
        inner_limit: most gradients in one inner solution.
        linear_limit: most iterations of conjugate gradients in one linear system.
        tolerance: where the certified hypergradient has fallen by this factor, the descent is finished; 0 for never.
        convex: whether the outer loss is convex in w, so that its lower estimate needs no quadratic term.
        constants: what is known of the problem.

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
            smooth = MARGIN * _outer_smoothness(problem, solved.vector, hyper)
        numbers = {
            "accuracy": self.accuracy,
            "linear_accuracy": self.accuracy,
            "step_size": self.step_size,
            "backtracks": float(self.backtracks),
            "outer_smoothness": smooth,
            "inverse_change": 0.0,
            "cross_change": 0.0,
            "direct_change": 0.0,
            "first": 0.0,
            "value_error": _spread(value, _norm(slope), solved.error, smooth, slope.dtype),
            "inner_error": solved.error,
            "gradients": float(solved.gradients),
            "products": float(solved.products),
        }
        return State(
            parameters=problem.layout.named(solved.vector),
            hyperparameters={name: tensor.clone() for name, tensor in hyper.items()},
            value=value,
            inner_iterations=solved.iterations,
            why=f"inner problem solved to {solved.error:.3g} in {solved.iterations} iterations",
            extra={"adjoint": torch.zeros_like(solved.vector)},
            numbers=numbers,
        )

    def step(self, problem: BilevelProblem, state: State) -> State:
        """One outer iteration.

        Raises:
            InvalidArgument, InvalidObservation: losses that cannot be used or differentiated; the text names them.
        """
        return _Iteration(self, problem, state).run()


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """A hypergradient z, flat, shape (p,), with its certificate.

    Arguments:
        z: the hypergradient.
        norm, error: |z|, omega.
        value: f(w, h).
        spread: bounds |value - F(h)|.
        low: a lower bound of F(h).
        inner_error: bounds |w - w*|.
        settled: whether w and q are as exact as the arithmetic allows.
        final: why the descent ends here; empty where -z descends.
    """

    z: Tensor
    norm: float
    error: float
    value: float
    spread: float
    low: float
    inner_error: float
    settled: bool
    final: str


class _Iteration:
    """One outer iteration, with all that changes in it; made anew for each."""

    def __init__(self, method: MAID, problem: BilevelProblem, state: State) -> None:
        self._method, self._problem, self._state = method, problem, state
        self._hyper = problem.checked_hyperparameters(state.hyperparameters)
        self._vector = problem.layout.flat(problem.checked_parameters(state.parameters)).detach()
        self._adjoint = state.extra["adjoint"]
        self._numbers = dict(state.numbers)
        self._inner_iterations = state.inner_iterations
        self._smooth: float | None = None
        self._precision = ROUNDING * torch.finfo(self._vector.dtype).eps

    def run(self) -> State:
        """Directions and searches until a step is accepted, or `retries` searches are refused."""
        refused = ""
        for _ in range(self._method.retries):
            found = self._direction()
            if found.final:
                return self._stayed(found, found.final, finished=True)
            accepted, refused = self._searched(found)
            if accepted is not None:
                return accepted
            if self._hopeless(found):
                text = (
                    "no step lowers the outer loss by more than rounding: the true hypergradient is at most "
                    f"{found.norm + found.error:.3g}"
                )
                return self._stayed(found, text, finished=True)
            self._tighten()
            self._numbers["backtracks"] += 1.0
        return self._stayed(found, f"no step accepted in {self._method.retries} searches{refused}", finished=False)

    def _hopeless(self, found: _Direction) -> bool:
        """Whether, after a search that was refused, neither finer accuracies nor shorter steps can bring anything."""
        finest = found.settled or found.spread <= 2.0 * self._precision * abs(found.value)
        shortest = self._numbers["step_size"] * self._method.shrink ** (self._numbers["backtracks"] - 1.0)
        return finest and shortest * found.norm**2 <= 2.0 * found.spread

    def _direction(self) -> _Direction:
        """Inner and linear solutions, tightened until the hypergradient is certified to point uphill."""
        method, numbers = self._method, self._numbers
        while True:
            solved = self._solved(self._hyper)
            self._vector = solved.vector
            here = Linearisation(self._problem, self._problem.layout.named(self._vector), self._hyper)
            residual, finest = self._solve_adjoint(here)
            z = finite(
                here.outer_direct - here.mixed(self._adjoint), self._problem.hyper_layout, "the hypergradient of MAID"
            )
            error = self._omega(here, solved, residual)
            norm, slope = _norm(z), _norm(here.outer_gradient)
            numbers["gradients"] += here.gradients
            numbers["products"] += here.products
            smooth = self._constant("outer_smoothness", self._hyper)
            dtype = self._vector.dtype
            spread = _spread(here.value, slope, solved.error, smooth, dtype)
            below = _spread(here.value, slope, solved.error, 0.0 if method.convex else smooth, dtype)
            settled, final = finest and solved.exhausted, ""
            if norm + error <= method.tolerance * numbers["first"]:
                final = f"stationary: the true hypergradient is at most {norm + error:.3g}"
            elif error > (1.0 - method.descent) * norm and settled:
                final = (
                    f"no direction can be certified at the precision of the arithmetic: the true hypergradient is "
                    f"at most {norm + error:.3g}"
                )
            low = here.value - below
            made = _Direction(z, norm, error, here.value, spread, low, solved.error, settled, final)
            if final:
                return made
            if error <= (1.0 - method.descent) * norm:
                numbers["first"] = numbers["first"] or norm
                return made
            self._tighten()

    def _searched(self, found: _Direction) -> tuple[State | None, str]:
        """The state after the first step that is accepted, or None and a remark on losses that were not finite."""
        method, numbers, layout = self._method, self._numbers, self._problem.hyper_layout
        origin, size, refused = layout.flat(self._hyper), numbers["step_size"], ""
        for tried in range(int(numbers["backtracks"])):
            hyper = layout.named(origin - size * found.z)
            try:
                solved = self._solved(hyper)
                value, slope, _, _ = outer_derivatives(self._problem, solved.vector, hyper, 0)
            except InvalidObservation as error:
                # Far out a loss may well overflow, which only says that the step was too long.
                refused = f"; at the step {size:.3g}: {error}"
                size *= method.shrink
                continue
            smooth = self._constant("outer_smoothness", hyper)
            spread = _spread(value, _norm(slope), solved.error, smooth, slope.dtype)
            if value + spread - found.low + method.decrease * size * found.norm**2 <= 0.0:
                return self._moved(found, hyper, solved, value, spread, size, tried), ""
            size *= method.shrink
        return None, refused

    def _moved(
        self,
        found: _Direction,
        hyper: Tensors,
        solved: InnerSolution,
        value: float,
        spread: float,
        size: float,
        tried: int,
    ) -> State:
        """The state after an accepted step."""
        method, numbers = self._method, self._numbers
        self._hyper, self._vector = dict(hyper), solved.vector
        numbers["step_size"] = method.growth * size
        numbers["accuracy"] *= method.loosen
        numbers["linear_accuracy"] *= method.loosen
        numbers["backtracks"] = float(method.backtracks)
        text = (
            f"a step of {size:.3g} accepted after {tried} refused, along a hypergradient of {found.norm:.3g} with an "
            f"error of at most {found.error:.3g}"
        )
        return self._state_with(found, value, spread, solved.error, text, finished=False)

    def _stayed(self, found: _Direction, text: str, *, finished: bool) -> State:
        """The state after an iteration that accepted no step."""
        return self._state_with(found, found.value, found.spread, found.inner_error, text, finished=finished)

    def _state_with(
        self, found: _Direction, value: float, spread: float, inner_error: float, text: str, *, finished: bool
    ) -> State:
        numbers = self._numbers | {
            "norm": found.norm,
            "error": found.error,
            "value_error": spread,
            "inner_error": inner_error,
        }
        return replace(
            self._state,
            parameters=self._problem.layout.named(self._vector),
            hyperparameters={name: tensor.detach().clone() for name, tensor in self._hyper.items()},
            value=value,
            iteration=self._state.iteration + 1,
            inner_iterations=self._inner_iterations,
            finished=finished,
            why=text,
            extra={"adjoint": self._adjoint},
            numbers=numbers,
        )

    def _tighten(self) -> None:
        self._numbers["accuracy"] *= self._method.tighten
        self._numbers["linear_accuracy"] *= self._method.tighten

    def _solved(self, hyper: Tensors) -> InnerSolution:
        """The inner solution at some hyperparameters to the present accuracy, from the present parameters."""
        solved = solve_inner(
            self._problem,
            hyper,
            self._vector,
            self._numbers["accuracy"],
            limit=self._method.inner_limit,
            constants=self._method.constants,
            smoothness=self._smooth,
        )
        self._smooth = solved.smoothness
        self._inner_iterations += solved.iterations
        self._numbers["gradients"] += solved.gradients
        self._numbers["products"] += solved.products
        return solved

    def _solve_adjoint(self, here: Linearisation) -> tuple[float, bool]:
        """Solve H q = f_w for the adjoint; |f_w - H q|, and whether rounding forbids a smaller one.

        Raises:
            InvalidObservation: a curvature that is not positive was met.
        """
        slope = here.outer_gradient
        size = _norm(slope)
        if size == 0.0:
            self._adjoint = torch.zeros_like(slope)
            return 0.0, True
        least = torch.finfo(slope.dtype).eps
        tolerance = max(self._numbers["linear_accuracy"] / size, least)
        solved = ConjugateGradients(tolerance, self._method.linear_limit).solve(here.hessian, slope, self._adjoint)
        if solved.indefinite:
            raise _not_convex(solved.curvature[0])
        self._adjoint = solved.x
        return solved.residual, tolerance == least

    def _omega(self, here: Linearisation, solved: InnerSolution, residual: float) -> float:
        """The bound of the hypergradient's error; see the module."""
        self._see_changes(here, solved)
        vector, mu, inner = here.inner_gradient, solved.strong_convexity, solved.error
        # |J|^2 is the largest eigenvalue of J J^T.
        square = largest_eigenvalue(lambda v: here.mixed_transposed(here.mixed(v)), vector, POWER_STEPS)
        cross, slope = MARGIN * math.sqrt(square), _norm(here.outer_gradient)
        smooth, inverse, bend, direct = (self._constant(name, self._hyper) for name in RUNNING)
        first_order = smooth * cross / mu + inverse * slope * cross + bend * slope / mu + direct
        rounding = self._precision * (_norm(here.outer_direct) + cross * _norm(self._adjoint))
        return first_order * inner + cross / mu * residual + bend * smooth / mu * inner**2 + rounding

    def _see_changes(self, here: Linearisation, solved: InnerSolution) -> None:
        """Raise the running estimates of the constants that are not given, by differences at w + d.

        d is as long as |w - w*| may be. One is random; the other points along the inner gradient, towards w*.
        """
        constants, numbers, adjoint = self._method.constants, self._numbers, self._adjoint
        if all(getattr(constants, name) is not None for name in RUNNING):
            return
        length = max(solved.error, math.sqrt(self._precision) * max(_norm(self._vector), 1e-3))
        slope, weight = _norm(here.outer_gradient), _norm(adjoint)
        rng = Key(0, self._state.iteration, "bilevel/maid").generator()
        random = torch.from_numpy(rng.standard_normal(len(self._vector))).to(self._vector)
        images = here.hessian(adjoint), here.mixed(adjoint)
        for toward in (random, here.inner_gradient):
            if _norm(toward) == 0.0:
                continue
            taken = here.products
            there = here.moved(toward * (length / _norm(toward)))
            seen = {
                "outer_smoothness": _norm(there.outer_gradient - here.outer_gradient) / length,
                "direct_change": _norm(there.outer_direct - here.outer_direct) / length,
            }
            if slope > 0.0 and weight > 0.0:
                # (H'^-1 - H^-1) f_w = H'^-1 (H - H') q: two products in place of one more linear system.
                bent = _norm(there.hessian(adjoint) - images[0]) / length
                seen["inverse_change"] = bent / (solved.strong_convexity * slope)
                seen["cross_change"] = _norm(there.mixed(adjoint) - images[1]) / (length * weight)
            numbers["products"] += there.products - taken
            numbers["gradients"] += there.gradients - here.gradients
            for name, value in seen.items():
                if math.isfinite(value):
                    numbers[name] = max(numbers[name], value)

    def _constant(self, name: str, hyper: Tensors) -> float:
        """A constant as given, else as estimated so far."""
        known = self._method.constants.at(name, hyper)
        return self._numbers[name] if known is None else known


def _outer_smoothness(problem: BilevelProblem, vector: Tensor, hyper: Tensors) -> float:
    """The largest |eigenvalue| of f_ww, from below, by power steps on central differences of the outer gradient."""
    length = torch.finfo(vector.dtype).eps ** (1.0 / 3.0) * max(_norm(vector), 1.0)

    def product(along: Tensor) -> Tensor:
        ahead, behind = (
            outer_derivatives(problem, vector + sign * length * along, hyper, 0)[1] for sign in (1.0, -1.0)
        )
        quotient: Tensor = (ahead - behind) / (2.0 * length)
        return quotient

    return largest_eigenvalue(product, vector)


def _spread(value: float, slope: float, error: float, smooth: float, dtype: torch.dtype) -> float:
    """How far f may rise within `error` of a point where it has this value and slope, rounding included."""
    return slope * error + 0.5 * smooth * error**2 + ROUNDING * torch.finfo(dtype).eps * abs(value)


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))
