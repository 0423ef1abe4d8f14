"""One outer iteration of MAID as it was published; the module `maid` gives the paper and the words.

    omega = c eps + (|J| / mu) delta + (L_J L_g / mu) eps^2,
    c     = L_g |J| / mu + L_Hinv |f_w| |J| + L_J |f_w| / mu + L_fh

    1. Solve for w and q, warm, to eps and delta; while omega > (1 - eta) |z|, multiply both by nu. Now z descends.
    2. For a = alpha rho^i, i = 0 ... j - 1: h+ = h - a z, solve for w+ to eps, and accept h+ when
           [f+ + |f_w+| eps + L_g eps^2 / 2] - [f - |f_w| eps - L_g eps^2 / 2] + lambda a |z|^2 <= 0.
    3. Accepted: alpha = rho_bar a, and eps and delta grow by nu_bar. Refused: eps and delta shrink by nu, j grows by
       one, and the search begins anew. Accuracy and step both go up as well as down.

In every bound eps and delta stand for what was reached, |g_w| / mu and |f_w - H q|, which is at most what was asked
for; rounding is added. After `retries` refused searches an iteration ends where it began, and the next one goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.base.errors import InvalidObservation
from trimtab.tuners.gradients.bilevel.constants import ROUNDING, changes, cross_size, norm
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, finite
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.inner_solver import InnerSolution, not_convex, solve_inner
from trimtab.tuners.gradients.bilevel.linear_systems import ConjugateGradients
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import outer_derivatives

if TYPE_CHECKING:
    from trimtab.tuners.gradients.bilevel.maid import MAID

__all__ = ["PublishedIteration", "spread"]

ESTIMATED = ("outer_smoothness", "inverse_change", "cross_change", "direct_change")
"""The constants that omega is made of, beside mu and |J|."""


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


class PublishedIteration:
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
            size, slope = norm(z), norm(here.outer_gradient)
            numbers["gradients"] += here.gradients
            numbers["products"] += here.products
            smooth = self._constant("outer_smoothness", self._hyper)
            dtype = self._vector.dtype
            wide = spread(here.value, slope, solved.error, smooth, dtype)
            below = spread(here.value, slope, solved.error, 0.0 if method.convex else smooth, dtype)
            settled, final = finest and solved.exhausted, ""
            if size + error <= method.tolerance * numbers["first"]:
                final = f"stationary: the true hypergradient is at most {size + error:.3g}"
            elif error > (1.0 - method.descent) * size and settled:
                final = (
                    f"no direction can be certified at the precision of the arithmetic: the true hypergradient is "
                    f"at most {size + error:.3g}"
                )
            low = here.value - below
            made = _Direction(z, size, error, here.value, wide, low, solved.error, settled, final)
            if final:
                return made
            if error <= (1.0 - method.descent) * size:
                numbers["first"] = numbers["first"] or size
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
            wide = spread(value, norm(slope), solved.error, smooth, slope.dtype)
            if value + wide - found.low + method.decrease * size * found.norm**2 <= 0.0:
                return self._moved(found, hyper, solved, value, wide, size, tried), ""
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
            extra=self._state.extra | {"adjoint": self._adjoint},
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
        size = norm(slope)
        if size == 0.0:
            self._adjoint = torch.zeros_like(slope)
            return 0.0, True
        least = torch.finfo(slope.dtype).eps
        tolerance = max(self._numbers["linear_accuracy"] / size, least)
        solved = ConjugateGradients(tolerance, self._method.linear_limit).solve(here.hessian, slope, self._adjoint)
        if solved.indefinite:
            raise not_convex(solved.curvature[0])
        self._adjoint = solved.x
        self._numbers["linear_iterations"] += solved.iterations
        return solved.residual, tolerance == least

    def _omega(self, here: Linearisation, solved: InnerSolution, residual: float) -> float:
        """The bound of the hypergradient's error; see the module."""
        self._see_changes(here, solved)
        mu, inner = solved.strong_convexity, solved.error
        cross, slope = cross_size(here), norm(here.outer_gradient)
        smooth, inverse, bend, direct = (self._constant(name, self._hyper) for name in ESTIMATED)
        first_order = smooth * cross / mu + inverse * slope * cross + bend * slope / mu + direct
        rounding = self._precision * (norm(here.outer_direct) + cross * norm(self._adjoint))
        return first_order * inner + cross / mu * residual + bend * smooth / mu * inner**2 + rounding

    def _see_changes(self, here: Linearisation, solved: InnerSolution) -> None:
        """Raise the running estimates of the constants that are not given."""
        constants, numbers = self._method.constants, self._numbers
        if all(constants.at(name, self._hyper) is not None for name in ESTIMATED):
            return
        length = max(solved.error, math.sqrt(self._precision) * max(norm(self._vector), 1e-3))
        seen, gradients, products = changes(here, self._adjoint, length, self._state.iteration)
        numbers["gradients"] += gradients
        numbers["products"] += products
        slope = norm(here.outer_gradient)
        if slope > 0.0 and "hessian_change" in seen:
            # (H'^-1 - H^-1) f_w = H'^-1 (H - H') q: two products in place of one more linear system.
            bent = seen["hessian_change"] * norm(self._adjoint)
            seen["inverse_change"] = bent / (solved.strong_convexity * slope)
        for name, value in seen.items():
            numbers[name] = max(numbers[name], value)

    def _constant(self, name: str, hyper: Tensors) -> float:
        """A constant as given, else as estimated so far."""
        known = self._method.constants.at(name, hyper)
        return self._numbers[name] if known is None else known


def spread(value: float, slope: float, error: float, smooth: float, dtype: torch.dtype) -> float:
    """How far f may rise within `error` of a point where it has this value and slope, rounding included."""
    return slope * error + 0.5 * smooth * error**2 + ROUNDING * torch.finfo(dtype).eps * abs(value)
