"""Implicit differentiation: the hypergradient at the end of training, without its path, and an estimate of its error.

Needs parameters w near w*(h) and products with second derivatives of the inner loss. By the implicit function theorem

    dF/dh = f_h - g_hw q,      g_ww q = f_w                                                     (all at w*(h))

(Pedregosa 2016, arXiv 1602.02355). Here w is only near w*, and q only near its equation's solution, with remainder
r = f_w - g_ww q; the result z is off by both. Pedregosa, and Ehrhardt and Roberts 2024 (arXiv 2301.04764), bound
|z - dF/dh| a posteriori by terms of |r| / mu and |g_w| / mu, with the smallest eigenvalue mu of g_ww and Lipschitz
constants of the derivatives. Constants that hold everywhere are seldom known and are pessimistic by orders of
magnitude, so `error` is made of local ones:

    linear      g_ww e = r gives the error e of q, and |g_hw e| what it does to z
    inner       g_ww d = -g_w gives the first-order error d of w (Newton's step, repeated while it has to be); the
                hypergradient is computed again at w + d, and the distance to it is what d does to z
    remainders  those three systems are solved inexactly too; what they leave counts at its worst, |g_hw| |r'| / mu and
                K |g_w(w + d)| / mu, where K is the slope of the hypergradient between w and w + d
    rounding    machine epsilon times the sizes of the terms

mu and L are extreme Ritz values over all the runs of conjugate gradients, one of which starts from a random vector;
|g_hw| comes from power steps. All of these see from inside, so the sum is taken `SAFETY` times: it is an estimate
which holds in nearly all cases, not a certificate. It becomes one in mu where `strong_convexity` is given. What it
does not cover: sampling noise of batches, and w* being one of several minima.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, finite, flattest, mostly
from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors
from trimtab.tuners.gradients.bilevel.hypergradient import Hypergradient, notes_on_zeros
from trimtab.tuners.gradients.bilevel.linear_systems import (
    ConjugateGradients,
    LinearSolution,
    LinearSolver,
    probe,
)
from trimtab.tuners.gradients.bilevel.problem import PEDREGOSA, BilevelProblem, IllPosed

__all__ = ["IMPLICIT_REFS", "implicit_hypergradient"]

SAFETY = 1.5
"""The sum of the estimated terms is taken so many times."""

SHARE = 0.1
"""The estimate's own systems are solved until what they leave is at most this share of what they find."""

NEWTON_STEPS = 3
"""Most Newton steps towards w*; one is enough where the inner loss is nearly quadratic between w and w*."""

HALVINGS = 6
"""Most halvings of a Newton step that does not shorten the inner gradient."""

POWER_STEPS = 4
"""Power steps for |g_hw|, two products each."""

FLAT = 0.5
"""An inner loss counts as flat where its least curvature is below machine epsilon to this power times the largest."""

IMPLICIT_REFS = (
    PEDREGOSA,
    Reference(
        authors="Ehrhardt, Matthias J. and Roberts, Lindon",
        title="Analyzing inexact hypergradients for bilevel learning",
        year=2024,
        venue="IMA Journal of Applied Mathematics 89",
        arxiv="2301.04764",
        doi="10.1093/imamat/hxad035",
    ),
)


def implicit_hypergradient(
    problem: BilevelProblem,
    parameters: Tensors | None = None,
    hyperparameters: Tensors | None = None,
    *,
    solver: LinearSolver | None = None,
    start: Tensors | None = None,
    step: int = 0,
    estimate: int = 50,
    strong_convexity: float | None = None,
    most_error: float | None = None,
) -> Hypergradient:
    """The implicit hypergradient at (w, h), where w is near w*(h).

    Arguments:
        problem: the problem; an inner Hessian that is not positive definite is told, and then `error` is inf.
        parameters: w, by default where the problem starts.
        hyperparameters: h, by default where the problem starts.
        solver: of g_ww q = f_w; conjugate gradients by default.
        start: first guess of q, such as the `adjoint` of the hypergradient before.
        step: whose batches are used.
        estimate: most iterations of each of the linear systems of the error estimate; 0 for no estimate.
        strong_convexity: a lower bound of the eigenvalues of g_ww, such as the weight of an l2 term, where known.
        most_error: the error that is put up with, as a share of the norm of the hypergradient; None for any, which
            the result tells. Needs an estimate.

    Raises:
        InvalidArgument, InvalidObservation: tensors or losses that cannot be used; the text names them.
        IllPosed: nan or inf came up, or the error is above `most_error`: the text names the parameter in which the
            inner problem is least solved or flat, and its `value` is the outer loss.
    """
    check_count(estimate, "the iterations for the error estimate", least=0, do="give 0 for no estimate")
    if strong_convexity is not None and not 0.0 < strong_convexity < math.inf:
        raise InvalidArgument(message("strong_convexity is out of range", got=strong_convexity, allowed="> 0"))
    if most_error is not None and not (most_error > 0.0 and estimate):
        raise InvalidArgument(
            message(
                "most_error is out of range", got=most_error, allowed="> 0, with an estimate of 1 or more iterations"
            )
        )
    here = Linearisation(
        problem,
        problem.checked_parameters(parameters),
        problem.checked_hyperparameters(hyperparameters),
        step,
    )
    layout, hyper_layout = problem.layout, problem.hyper_layout
    first = None if start is None else layout.flat(problem.checked_parameters(start))
    found = (solver or ConjugateGradients()).solve(here.hessian, here.outer_gradient, first)
    cross = finite(here.mixed(found.x), hyper_layout, "the mixed derivative of the inner loss")
    gradient = here.outer_direct - cross
    notes = [found.diagnosis, *notes_on_zeros(gradient, hyper_layout)]
    error, gradients, products = math.nan, here.gradients, here.products
    if estimate:
        told = _estimate(here, found, gradient, layout, estimate, strong_convexity)
        error, gradients, products = told.error, told.gradients, told.products
        notes.append(told.note)
        if problem.stochastic:
            notes.append("the error is for the batches used; their sampling noise is not in it")
        if most_error is not None and not error <= most_error * _norm(gradient):
            raise IllPosed(
                message(
                    f"the hypergradient in {list(hyper_layout.names)} has an error of about {error:.3g} at a norm of "
                    f"{_norm(gradient):.3g} ({told.note})",
                    allowed=f"an error of at most {most_error:g} of the norm",
                    do=told.advice,
                ),
                here.value,
            )
    return Hypergradient(
        gradient=hyper_layout.named(gradient),
        error=error,
        value=here.value,
        parameters=layout.named(layout.flat(problem.checked_parameters(parameters))),
        residual=found.residual,
        iterations=found.iterations,
        gradients=gradients,
        hvps=products,
        converged=found.converged,
        diagnosis="; ".join(notes),
        adjoint=layout.named(found.x),
    )


@dataclass(frozen=True, slots=True)
class _Estimate:
    """The error, what it took (the hypergradient's own included), a remark, and what would make it smaller."""

    error: float
    gradients: int
    products: int
    note: str
    advice: str


@dataclass(slots=True)
class _Spectrum:
    """What is known of the eigenvalues of g_ww so far: the extremes of all Ritz values."""

    low: float
    high: float
    given: float | None

    def seen(self, solution: LinearSolution) -> LinearSolution:
        """Take note of a solution's Ritz values, and pass it on."""
        low, high = solution.curvature
        if not math.isnan(low):
            self.low, self.high = min(self.low, low), max(self.high, high)
        return solution

    @property
    def mu(self) -> float:
        """The smallest eigenvalue: what was given, unless a smaller one was seen."""
        return self.low if self.given is None else min(self.low, self.given)

    def solver(self, limit: int) -> ConjugateGradients:
        """Conjugate gradients that leave at most `SHARE` of what they find: |r'| / mu <= SHARE |r| / L."""
        # |x| >= |r| / L for the solution x, and |r'| / mu bounds the error of the iterate.
        return ConjugateGradients(max(SHARE * self.mu / self.high, torch.finfo(torch.float64).tiny), limit)


def _estimate(
    here: Linearisation, found: LinearSolution, gradient: Tensor, layout: Layout, limit: int, given: float | None
) -> _Estimate:
    """The error of `gradient`, as the module tells."""
    spectrum = _Spectrum(math.inf, 0.0, given)
    spectrum.seen(found)
    tight = ConjugateGradients(torch.finfo(gradient.dtype).eps, limit)
    spectrum.seen(tight.solve(here.hessian, probe(here.inner_gradient)))
    if not 0.0 < spectrum.low < math.inf:
        along = flattest(here, layout, spectrum.high)
        note = (
            f"no error estimate: the smallest curvature of the inner loss seen here is {spectrum.low:.3g}, not "
            f"positive, mostly along {along}"
        )
        return _Estimate(math.inf, here.gradients, here.products, note, _bend(along))

    left = spectrum.seen(spectrum.solver(limit).solve(here.hessian, found.remainder))
    better = gradient - here.mixed(left.x)
    cross = _cross_norm(here)
    linear = _norm(gradient - better)
    rests = [cross * left.residual / spectrum.mu]

    there, moved = _approached(here, spectrum, limit)
    shift, inner = _norm(moved), 0.0
    if shift > 0.0:
        # The adjoint there, from the one here: the change is all that has to be solved for.
        guess = found.x + left.x
        change = spectrum.seen(spectrum.solver(limit).solve(there.hessian, there.outer_gradient - there.hessian(guess)))
        reference = there.outer_direct - there.mixed(guess + change.x)
        inner = _norm(reference - better)
        rests.append(cross * change.residual / spectrum.mu)
    if spectrum.low <= 0.0:
        along = flattest(there, layout, spectrum.high)
        note = (
            f"no error estimate: on the way to the minimum the inner loss has curvature {spectrum.low:.3g}, mostly "
            f"along {along}"
        )
        return _Estimate(math.inf, there.gradients, there.products, note, _bend(along))
    distance = _norm(there.inner_gradient) / spectrum.mu
    if shift > 0.0:
        rests.append(inner / shift * distance)
    sizes = _norm(here.outer_direct) + cross * _norm(found.x) * (1.0 + spectrum.high / spectrum.mu)
    rounding = torch.finfo(gradient.dtype).eps * sizes
    error = SAFETY * (linear + inner + sum(rests)) + rounding
    note = (
        f"error {error:.3g}: {linear:.3g} by the linear system, {inner:.3g} by the inner problem "
        f"(gradient {_norm(here.inner_gradient):.3g}, about {shift:.3g} from its minimum"
        f"{f', most of it in {mostly(layout, moved)}' if shift > 0.0 else ''}), {sum(rests):.3g} by what this estimate "
        f"leaves open; eigenvalues of the inner Hessian {spectrum.mu:.3g} to {spectrum.high:.3g}"
    )
    advice = "train the inner problem on"
    if spectrum.mu < torch.finfo(gradient.dtype).eps ** FLAT * spectrum.high:
        along = flattest(there, layout, spectrum.high)
        note += f"; the inner loss is all but flat along {along}"
        advice = _bend(along)
    elif linear > inner:
        advice = "give the linear solver more iterations or a smaller tolerance"
    if distance > shift > 0.0:
        note += "; the inner problem is too far from solved for more than an order of magnitude: train on"
    if not math.isfinite(error):
        error = math.inf
    return _Estimate(error, there.gradients, there.products, note, advice)


def _bend(along: str) -> str:
    """What to do where the inner loss is flat or bent down along a parameter."""
    return f"add an l2 term of {along} to the inner loss, or start where it is convex"


def _approached(here: Linearisation, spectrum: _Spectrum, limit: int) -> tuple[Linearisation, Tensor]:
    """A point nearer to w*, by Newton's method with halving, and the way from here to it."""
    there, moved = here, torch.zeros_like(here.inner_gradient)
    for _ in range(NEWTON_STEPS):
        size = _norm(there.inner_gradient)
        if size <= SHARE * spectrum.mu * _norm(moved) or size == 0.0 or spectrum.low <= 0.0:
            break
        newton = spectrum.seen(spectrum.solver(limit).solve(there.hessian, -there.inner_gradient)).x
        for _ in range(HALVINGS):
            after = there.moved(newton)
            if _norm(after.inner_gradient) < size:
                break
            newton = 0.5 * newton
        else:
            break  # at the precision of the arithmetic, or in a region where Newton's step is of no use
        there, moved = after, moved + newton
    return there, moved


def _cross_norm(here: Linearisation) -> float:
    """|g_hw|, the spectral norm, by power steps."""
    vector, size = probe(here.inner_gradient), 0.0
    for _ in range(POWER_STEPS):
        image = here.mixed(vector / _norm(vector))
        size = _norm(image)
        vector = here.mixed_transposed(image)
        if size == 0.0 or not 0.0 < _norm(vector) < math.inf:
            break
    return size


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))
