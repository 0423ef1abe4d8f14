"""One outer iteration of MAID with bounds of second order; the module `maid` gives the paper and the words.

With e = w - w*, q nearly H^-1 f_w and r = f_w - H q, the value is corrected by the adjoint,

    V = f - q^T g_w,     |F - V| <= |r| |e| + (L_g + L_H |q|) |e|^2 / 2.                                             (1)

Proof. f(w*) = f - f_w^T e + s with |s| <= L_g |e|^2 / 2 (and s >= 0 where f is convex in w). As g_w(w*) = 0, g_w =
integral_0^1 H(w* + t e) e dt = H e + d with |q^T d| <= L_H |q| |e|^2 / 2. So F - V = s - f_w^T e + q^T (H e + d) =
s - r^T e + q^T d. The published bound |f_w| |e| + L_g |e|^2 / 2 is of first order. (1) holds for every q, so the
adjoint of h serves at h+, too; where its residual there is too large, it is refined, and serves the next iteration.

A direction needs z^T grad F > 0. With v nearly H^-1 J z, the response of the inner solution to z, r_v = J z - H v,

    |z^T (grad F - z)| <= (L_fh + L_J |q|) |z| |e| + (L_g |e| + L_H |q| |e| + |r|) (|v| + R),
    R = (|r_v| + (L_J |z| + L_H |v|) |e|) / mu.                                                                      (2)

Proof. Stars mark derivatives at w*. grad F - z = (f_h* - f_h) - (J* - J)^T q - J*^T H*^-1 u with u = f_w* - H* q =
(f_w* - f_w) + r + (H - H*) q, and z^T J*^T H*^-1 u = (H*^-1 J* z)^T u, where H*^-1 J* z - v = H*^-1 (J* z - H* v) =
H*^-1 (r_v + (J* - J) z + (H - H*) v) is at most R. (2) has no |J| / mu, which is much larger than |v| / |z| wherever
the inner problem is badly conditioned. The whole error, which only the end of the descent asks for, is at most

    (L_fh + L_J |q|) |e| + (|J| + L_J |e|) (L_g |e| + L_H |q| |e| + |r|) / mu.                                       (3)

In all of them |e| is replaced by |g_w| / mu. An iteration:

    1. Tighten w, q and v, whichever has too large a part in (2), until (2) <= (1 - eta) |z|^2. Should sixty times not
       do, the direction is tried all the same: step 3 is proven whatever z is.
    2. First a: s^T y / y^T y with s and y the last changes of h and z (J. Barzilai and J. M. Borwein, "Two-point step
       size gradient methods", IMA J. Numer. Anal. 8, 1988), at most ten times the last. Where there is none, a grows
       by four while f(w + a v, h - a z) + a q^T r_v, the corrected outer loss of the linearised inner problem, keeps
       to three quarters of its slope. Both are halved until this loss falls by a quarter of it. These choices need
       no proof.
    3. Solve at h+ from w + a v, to where (1) is a fifth of a |z|^2. Accept h+ when

           [V+ + bound+] - [V - bound] + lambda a |z|^2 <= 0.

       Where V+ itself is too high the step is refused at once, since a refusal needs no certificate, and a becomes the
       minimum of the parabola through both values and the slope, within a tenth and rho of itself. Undecided, the
       larger part of the bound is tightened.

A step that is refused is not forgotten: the next search begins with it.
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
from trimtab.tuners.gradients.bilevel.linear_systems import ConjugateGradients, LinearSolution
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem

if TYPE_CHECKING:
    from trimtab.tuners.gradients.bilevel.maid import MAID

__all__ = ["COARSEST", "Bounds", "CorrectedIteration"]

COARSEST = 0.1
"""Coarsest tolerance of a linear system, in units of its right side."""

VISIBLE = 0.2
"""A value is solved for until its bound is so many times a |z|^2, of which the first-order decrease is the whole."""

LEAP = 10.0
"""Most by which a step grows from one iteration to the next."""

REFINEMENTS = 60
"""Most times that anything is tightened in a row; each at least halves an error, so this is below all rounding."""

UNDECIDED = 8
"""Most inner solutions for one step; it is refused where they do not decide."""

ESTIMATED = ("outer_smoothness", "hessian_change", "cross_change", "direct_change")
"""The constants that the bounds are made of, beside mu."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds (1) to (3) at some hyperparameters; see the module.

    Arguments:
        mu: strong convexity of the inner loss.
        smooth: L_g.
        bend: L_H.
        cross: L_J.
        direct: L_fh.
    """

    mu: float
    smooth: float
    bend: float
    cross: float
    direct: float

    def value(self, error: float, adjoint: float, residual: float, *, convex: bool = False) -> float:
        """Bound (1) from |e|, |q| and |r|; `convex` for the lower side of an outer loss convex in w."""
        smooth = 0.0 if convex else self.smooth
        return residual * error + (smooth + self.bend * adjoint) * error**2 / 2.0

    def error_for(self, bound: float, adjoint: float, residual: float) -> float:
        """The |e| at which (1) is `bound`; inf where it is never reached."""
        curved = self.smooth + self.bend * adjoint
        root = residual + math.sqrt(residual**2 + 2.0 * curved * bound)
        return 2.0 * bound / root if root > 0.0 else math.inf

    def along(self, error: float, adjoint: float, residual: float, size: float, reach: float) -> float:
        """Bound (2) from |e|, |q|, |r|, |z| and |v| + R."""
        return (self.direct + self.cross * adjoint) * size * error + self._adjoint(error, adjoint, residual) * reach

    def reach(self, error: float, size: float, response: float, residual: float) -> float:
        """|v| + R, which bounds |H*^-1 J* z|, from |e|, |z|, |v| and |r_v|."""
        return response + (residual + (self.cross * size + self.bend * response) * error) / self.mu

    def whole(self, error: float, adjoint: float, residual: float, mixed: float) -> float:
        """Bound (3) from |e|, |q|, |r| and |J|."""
        right = self._adjoint(error, adjoint, residual)
        return (self.direct + self.cross * adjoint) * error + (mixed + self.cross * error) * right / self.mu

    def _adjoint(self, error: float, adjoint: float, residual: float) -> float:
        """Bounds |f_w* - H* q|."""
        return (self.smooth + self.bend * adjoint) * error + residual


@dataclass(frozen=True, slots=True, eq=False)
class _Value:
    """A corrected value V with its certificate: |F - V| <= spread, F >= V - below, |w - w*| <= error; f = plain."""

    value: float
    plain: float
    spread: float
    below: float
    error: float
    residual: float


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """A hypergradient z, flat, shape (p,): |z|, the bound of its error along itself, and why the descent ends here."""

    z: Tensor
    norm: float
    error: float
    final: str


class CorrectedIteration:
    """One outer iteration, with all that changes in it; made anew for each."""

    def __init__(self, method: MAID, problem: BilevelProblem, state: State) -> None:
        self._method, self._problem, self._state = method, problem, state
        self._hyper = problem.checked_hyperparameters(state.hyperparameters)
        self._vector = problem.layout.flat(problem.checked_parameters(state.parameters)).detach()
        self._adjoint, self._response = state.extra["adjoint"], state.extra["response"]
        self._numbers = dict(state.numbers)
        self._inner_iterations = state.inner_iterations
        self._smooth: float | None = None
        self._mu = 0.0
        self._exhausted, self._slip = False, 0.0
        self._here: _Value
        self._precision = ROUNDING * torch.finfo(self._vector.dtype).eps

    def run(self) -> State:
        """A direction and searches along it, until a step is accepted or `retries` searches are refused."""
        found = self._direction()
        if found.final:
            return self._stayed(found, found.final, finished=True)
        size, refused = self._first_step(found), ""
        for _ in range(self._method.retries):
            accepted, size, refused = self._searched(found, size)
            if accepted is not None:
                return accepted
            if size * found.norm**2 <= 4.0 * self._precision * abs(self._here.value):
                text = "no step lowers the outer loss by more than rounding"
                return self._stayed(found, text, finished=True)
        self._numbers["step_size"] = size
        tried = f"no step accepted in {self._method.retries} searches"
        return self._stayed(found, tried + refused, finished=False)

    def _direction(self) -> _Direction:
        """Inner and linear solutions, tightened until the hypergradient is certified to point uphill."""
        method, numbers, fresh = self._method, self._numbers, True
        self._mu = self._convexity(self._hyper, self._vector)
        for _ in range(REFINEMENTS):
            here = self._linearised(self._vector, self._hyper)
            adjoint = self._solve(here, here.outer_gradient, self._adjoint, numbers["linear_accuracy"])
            self._adjoint = adjoint.x
            z = finite(
                here.outer_direct - here.mixed(self._adjoint), self._problem.hyper_layout, "the hypergradient of MAID"
            )
            along = here.mixed_transposed(z)
            start = None if fresh else self._response
            response = self._solve(here, along, start, numbers["response_accuracy"])
            self._response, fresh = response.x, False
            self._slip = float(self._adjoint @ response.remainder)
            self._see_changes(here)
            self._count(here)
            bounds, size, weight = self._bounds(self._hyper, self._mu), norm(z), norm(self._adjoint)
            self._here = self._valued(here, bounds, self._adjoint)
            error, residual = self._here.error, adjoint.residual
            reach = bounds.reach(error, size, norm(self._response), response.residual)
            rounding = self._precision * (norm(here.outer_direct) + norm(along) / max(size, 1e-300) * weight)
            told = (bounds.along(error, weight, residual, size, reach) / size if size > 0.0 else 0.0) + rounding
            final, near = "", size <= 0.5 * method.tolerance * numbers["first"]
            settled = self._exhausted and numbers["linear_accuracy"] <= self._precision
            if near or settled or size == 0.0:
                whole = size + rounding + bounds.whole(error, weight, residual, cross_size(here))
                self._count(here)
                if whole <= method.tolerance * numbers["first"] or size == 0.0:
                    final = f"stationary: the true hypergradient is at most {whole:.3g}"
                elif settled and told > (1.0 - method.descent) * size:
                    final = (
                        f"no direction can be certified at the precision of the arithmetic: the true hypergradient "
                        f"is at most {whole:.3g}"
                    )
            certain = told <= (1.0 - method.descent) * size and (not near or settled)
            made = _Direction(z, size, told, final)
            if final or certain:
                break
            share = 0.4 * (1.0 - method.descent) * size * size
            self._refine(
                0.25 * share / max(told * size, 1e-300) if near else 0.5,
                bounds.along(error, weight, 0.0, size, reach) / share,
                residual * reach / share,
                stiff=response.residual / bounds.mu > 0.5 * reach,
            )
        numbers["first"] = numbers["first"] or size
        return made

    def _refine(self, factor: float, inner: float, linear: float, *, stiff: bool) -> None:
        """Tighten what has a part in the error larger than its share; all of it where none has."""
        numbers, least = self._numbers, 0.01
        none = inner <= 1.0 and linear <= 1.0
        if stiff:
            numbers["response_accuracy"] = max(0.3 * numbers["response_accuracy"], self._precision)
        if none or (linear > 1.0 and not stiff):
            cut = min(factor, 1.0 / linear if linear > 1.0 else 1.0, 0.5)
            numbers["linear_accuracy"] = max(numbers["linear_accuracy"] * max(cut, least), self._precision)
        if none or inner > 1.0:
            cut = min(factor, 1.0 / inner if inner > 1.0 else 1.0, 0.5)
            self._vector = self._solved(self._hyper, self._vector, self._here.error * max(cut, least), self._mu).vector

    def _first_step(self, found: _Direction) -> float:
        """The first length to try along -z; see the module."""
        numbers, extra, size = self._numbers, self._state.extra, self._numbers["step_size"]
        change = found.z - extra["hypergradient"]
        bent = float(extra["shift"] @ change)
        if bent > 0.0:
            size = min(bent / float(change @ change), LEAP * size)
        else:
            if norm(extra["shift"]) > 0.0:
                size *= 2.0
            while size < 1e12 and self._foreseen(found, 4.0 * size) <= -3.0 * size * found.norm**2:
                size *= 4.0
        for _ in range(self._method.backtracks):
            if self._foreseen(found, size) <= -0.25 * size * found.norm**2:
                break
            size *= 0.5
        # The linear systems' tolerances are given back by and by where they are finer than the direction needs.
        if found.error <= 0.1 * (1.0 - self._method.descent) * found.norm:
            for name in ("linear_accuracy", "response_accuracy"):
                numbers[name] = min(2.0 * numbers[name], COARSEST)
        return size

    def _foreseen(self, found: _Direction, size: float) -> float:
        """The change of the outer loss if the inner solution were linear in h; inf where it is not finite."""
        problem = self._problem
        hyper = problem.hyper_layout.flat(self._hyper) - size * found.z
        moved = problem.layout.named(self._vector + size * self._response)
        try:
            with torch.no_grad():
                before = problem.loss("outer", problem.layout.named(self._vector), self._hyper, 0)
                after = problem.loss("outer", moved, problem.hyper_layout.named(hyper), 0)
        except InvalidObservation:
            return math.inf
        # The response is inexact; what its residual changes of the loss is corrected by the adjoint, as values are.
        return float(after) - float(before) + size * self._slip

    def _searched(self, found: _Direction, size: float) -> tuple[State | None, float, str]:
        """The state after the first step that is accepted, or None, the length to go on with, and a remark."""
        layout, refused = self._problem.hyper_layout, ""
        for tried in range(self._method.backtracks):
            hyper = layout.named(layout.flat(self._hyper) - size * found.z)
            try:
                accepted, value = self._tried(found, hyper, size, tried)
            except InvalidObservation as error:
                # Far out a loss may well overflow, which only says that the step was too long.
                refused = f"; at the step {size:.3g}: {error}"
                size *= min(0.1, self._method.shrink)
                continue
            if accepted is not None:
                return accepted, size, ""
            slope = size * found.norm**2
            excess = value - self._here.value + slope
            size *= min(max(0.5 * slope / excess if excess > 0.0 else 0.0, 0.1), self._method.shrink)
        return None, size, refused

    def _tried(self, found: _Direction, hyper: Tensors, size: float, tried: int) -> tuple[State | None, float]:
        """The state after one step, or None where it is refused, and the value there."""
        wanted = VISIBLE * size * found.norm**2
        self._sharpened(wanted)
        asked = self._method.decrease * size * found.norm**2
        adjoint, vector = self._adjoint, self._vector + size * self._response
        mu = self._convexity(hyper, vector)
        bounds, before, value = self._bounds(hyper, mu), math.inf, self._here.value
        for _ in range(UNDECIDED):
            accuracy = min(bounds.error_for(wanted, norm(adjoint), self._here.residual), 0.5 * before)
            vector = self._solved(hyper, vector, accuracy, mu).vector
            there = self._linearised(vector, hyper)
            made = self._valued(there, bounds, adjoint)
            value, before = made.value, accuracy
            low = self._here.value - self._here.below
            open_still = value + asked <= self._here.value and value + made.spread + asked > low
            if open_still and made.residual * made.error > 0.5 * made.spread:
                share = 0.3 * wanted / max(made.error * norm(there.outer_gradient), 1e-300)
                tolerance = min(max(share, self._precision), 0.5)
                adjoint = self._solve(there, there.outer_gradient, adjoint, tolerance).x
                made = self._valued(there, bounds, adjoint)
                value = made.value
            self._count(there)
            if value + made.spread + asked <= low:
                return self._moved(found, hyper, vector, adjoint, made, size, tried), value
            if value + asked > self._here.value or self._exhausted:
                break
        return None, value

    def _sharpened(self, wanted: float) -> None:
        """Solve at h until its value is known to `wanted`, or to rounding."""
        for _ in range(UNDECIDED):
            bounds = self._bounds(self._hyper, self._mu)
            accuracy = bounds.error_for(wanted, norm(self._adjoint), self._here.residual)
            if self._here.spread <= wanted or self._here.error <= accuracy:
                return
            self._vector = self._solved(self._hyper, self._vector, accuracy, self._mu).vector
            here = self._linearised(self._vector, self._hyper)
            self._here = self._valued(here, bounds, self._adjoint)
            self._count(here)
            if self._exhausted:
                return

    def _convexity(self, hyper: Tensors, vector: Tensor) -> float:
        """Mu at some hyperparameters, as given or as estimated at these parameters."""
        known = self._method.constants.at("strong_convexity", hyper)
        return self._solved(hyper, vector, math.inf, None).strong_convexity if known is None else known

    def _solved(self, hyper: Tensors, vector: Tensor, accuracy: float, mu: float | None) -> InnerSolution:
        """The inner solution at some hyperparameters to an accuracy."""
        constants = self._method.constants
        solved = solve_inner(
            self._problem,
            hyper,
            vector,
            accuracy,
            limit=self._method.inner_limit,
            constants=constants if mu is None else replace(constants, strong_convexity=mu),
            smoothness=None if mu is None else self._smooth,
        )
        self._smooth, self._exhausted = solved.smoothness, solved.exhausted or not solved.accurate
        self._inner_iterations += solved.iterations
        self._numbers["gradients"] += solved.gradients
        self._numbers["products"] += solved.products
        return solved

    def _solve(self, here: Linearisation, right: Tensor, start: Tensor | None, tolerance: float) -> LinearSolution:
        """Solve H x = right.

        Raises:
            InvalidObservation: a curvature that is not positive was met.
        """
        if norm(right) == 0.0:
            start = None
        least = torch.finfo(right.dtype).eps
        solved = ConjugateGradients(max(tolerance, least), self._method.linear_limit).solve(here.hessian, right, start)
        if solved.indefinite:
            raise not_convex(solved.curvature[0])
        self._numbers["linear_iterations"] += solved.iterations
        return solved

    def _linearised(self, vector: Tensor, hyper: Tensors) -> Linearisation:
        """The derivatives at a point."""
        return Linearisation(self._problem, self._problem.layout.named(vector), hyper)

    def _valued(self, here: Linearisation, bounds: Bounds, adjoint: Tensor) -> _Value:
        """The corrected value at a point, with any adjoint."""
        residual = norm(here.outer_gradient - here.hessian(adjoint))
        weight, slope = norm(adjoint), norm(here.inner_gradient)
        # Rounding in the inner gradient is as large as the terms that it is made of, of which the least are these.
        noise = self._precision * (self._smooth or bounds.mu) * norm(self._vector)
        error = max(slope, noise) / bounds.mu
        rounding = self._precision * (abs(here.value) + weight * slope)
        return _Value(
            value=here.value - float(adjoint @ here.inner_gradient),
            plain=here.value,
            spread=bounds.value(error, weight, residual) + rounding,
            below=bounds.value(error, weight, residual, convex=self._method.convex) + rounding,
            error=error,
            residual=residual,
        )

    def _bounds(self, hyper: Tensors, mu: float) -> Bounds:
        """The bounds at some hyperparameters, of constants as given, else as estimated so far."""
        given = {name: self._method.constants.at(name, hyper) for name in ESTIMATED}
        smooth, bend, cross, direct = (self._numbers[name] if at is None else at for name, at in given.items())
        return Bounds(mu, smooth, bend, cross, direct)

    def _see_changes(self, here: Linearisation) -> None:
        """Raise the running estimates of the constants that are not given."""
        constants, numbers = self._method.constants, self._numbers
        if all(constants.at(name, self._hyper) is not None for name in ESTIMATED):
            return
        error = norm(here.inner_gradient) / self._mu
        length = max(error, math.sqrt(self._precision) * max(norm(self._vector), 1e-3))
        seen, gradients, products = changes(here, self._adjoint, length, self._state.iteration)
        numbers["gradients"] += gradients
        numbers["products"] += products
        for name, value in seen.items():
            numbers[name] = max(numbers[name], value)

    def _count(self, here: Linearisation) -> None:
        """Add what a linearisation took, once: its counts begin anew."""
        self._numbers["gradients"] += here.gradients
        self._numbers["products"] += here.products
        here.gradients = here.products = 0

    def _moved(
        self, found: _Direction, hyper: Tensors, vector: Tensor, adjoint: Tensor, made: _Value, size: float, tried: int
    ) -> State:
        """The state after an accepted step."""
        layout = self._problem.hyper_layout
        shift = layout.flat(hyper) - layout.flat(self._hyper)
        self._hyper, self._vector, self._adjoint = dict(hyper), vector, adjoint
        self._numbers["step_size"] = size
        text = (
            f"a step of {size:.3g} accepted after {tried} refused, along a hypergradient of {found.norm:.3g} with an "
            f"error along itself of at most {found.error:.3g}"
        )
        return self._state_with(found, made, {"hypergradient": found.z, "shift": shift}, text, finished=False)

    def _stayed(self, found: _Direction, text: str, *, finished: bool) -> State:
        """The state after an iteration that accepted no step."""
        return self._state_with(found, self._here, {}, text, finished=finished)

    def _state_with(
        self, found: _Direction, made: _Value, extra: dict[str, Tensor], text: str, *, finished: bool
    ) -> State:
        told = {
            "norm": found.norm,
            "error": found.error,
            "value_error": made.spread + abs(made.plain - made.value),
            "corrected_value": made.value,
            "corrected_error": made.spread,
            "inner_error": made.error,
        }
        return replace(
            self._state,
            parameters=self._problem.layout.named(self._vector),
            hyperparameters={name: tensor.detach().clone() for name, tensor in self._hyper.items()},
            value=made.plain,
            iteration=self._state.iteration + 1,
            inner_iterations=self._inner_iterations,
            finished=finished,
            why=text,
            extra=self._state.extra | {"adjoint": self._adjoint, "response": self._response} | extra,
            numbers=self._numbers | told | {"accuracy": made.error},
        )
