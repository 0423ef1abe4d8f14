"""FISTA for strongly convex functions: an inner solution with a certificate of how near it is to the minimum.

Needs an inner loss g(w, h) that is mu-strongly convex and L-smooth in w. A. Chambolle and T. Pock, "An introduction to
continuous optimization for imaging", Acta Numerica 25, 2016, algorithm 5, with q = mu / L and no proximal part:

    t_{k+1} = (1 - q t_k^2 + sqrt((1 - q t_k^2)^2 + 4 t_k^2)) / 2
    b_k     = (t_k - 1) / t_{k+1} (1 - t_{k+1} q) / (1 - q)
    w_{k+1} = y_k - g_w(y_k) / L,       y_{k+1} = w_{k+1} + b_k (w_{k+1} - w_k)

The gradient falls by about 1 - sqrt(mu / L) an iteration. Strong convexity gives |w - w*| <= |g_w(w)| / mu at every
point, so the solver knows when it is near enough. Where mu or L is not given, mu is taken to be half the least and L
1.2 times the largest Ritz value of the Hessian at the start; an L that proves too small is raised, and t starts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.base.errors import InvalidObservation, message
from trimtab.tuners.gradients.bilevel.constants import MARGIN, ROUNDING, Constants, norm
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import ConjugateGradients, probe
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import inner_slope

__all__ = ["InnerSolution", "not_convex", "solve_inner"]

SPECTRUM_STEPS = 20
"""Most products with the inner Hessian for an estimate of mu and L."""

LEAST_SHARE = 0.5
"""mu is taken to be so many times the least Ritz value, which is never below mu."""

PATIENCE = 20.0
"""An inner gradient that does not halve in so many times sqrt(L / mu) iterations is as small as rounding lets it be."""


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
        size, noise = norm(slope), precision * smooth * norm(point)
        if size < least:
            best, best_slope, least, floor = point, slope, size, noise
        if least <= 0.5 * halved[0]:
            halved = least, iterations
        stuck = iterations - halved[1] > PATIENCE * math.sqrt(smooth / mu)
        if size <= max(accuracy * mu, noise) or stuck:
            break
        moved = norm(point - last)
        # A change that is not much larger than rounding tells nothing of the curvature.
        curved = norm(slope - last_slope) / moved if moved * smooth > 100.0 * noise and iterations > 1 else 0.0
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
        raise not_convex(low)
    return LEAST_SHARE * low, MARGIN * high


def not_convex(curvature: float) -> InvalidObservation:
    """The error for an inner loss without a strict minimum."""
    return InvalidObservation(
        message(
            "the inner loss is not strongly convex in the parameters, as MAID needs it to be",
            got=f"curvature {curvature:.3g}",
            allowed="curvatures > 0",
            do="add an l2 term to the inner loss, or keep its weight away from zero",
        )
    )
