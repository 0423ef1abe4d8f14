"""The constants of a bilevel problem that error bounds are made of: given where known, else seen from below.

A constant that is not given is estimated from below, by differences of derivatives at points as far apart as the error
of the inner solution may be, and the largest seen so far is kept. A bound made of such estimates is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import largest_eigenvalue
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import outer_derivatives

__all__ = [
    "MARGIN",
    "ROUNDING",
    "RUNNING",
    "Constant",
    "Constants",
    "changes",
    "cross_size",
    "norm",
    "outer_smoothness",
]

Constant: TypeAlias = float | Callable[[Tensors], float]
"""A number, or a function of the hyperparameters that gives one."""

MARGIN = 1.2
"""What power steps and Ritz values see from below is taken to be so many times as large."""

POWER_STEPS = 4
"""Power steps for |J|, three gradients' worth each."""

ROUNDING = 16.0
"""Rounding errors are taken to be so many times machine epsilon times the sizes of the terms."""

POSITIVE = ("strong_convexity", "smoothness")
"""The constants that may not be zero."""

RUNNING = ("outer_smoothness", "inverse_change", "cross_change", "direct_change", "hessian_change")
"""The constants whose estimates are running maxima."""


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
        hessian_change: L_H, one of the inner Hessian itself; where it is None, an L_Hinv of zero says that it is zero.
    """

    strong_convexity: Constant | None = None
    smoothness: Constant | None = None
    outer_smoothness: Constant | None = None
    inverse_change: Constant | None = None
    cross_change: Constant | None = None
    direct_change: Constant | None = None
    hessian_change: Constant | None = None

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
        if given is None and name == "hessian_change" and self.inverse_change == 0.0:
            return 0.0
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


def changes(here: Linearisation, adjoint: Tensor, length: float, iteration: int) -> tuple[dict[str, float], int, int]:
    """Quotients of differences at w + d, |d| = length: lower bounds of the constants, by name; gradients and products.

    One d is random, a function of the iteration; the other points along the inner gradient, towards w*. The changes of
    the second derivatives are those of their products with the adjoint, which are what the bounds are about.
    """
    weight = norm(adjoint)
    random = Key(0, iteration, "bilevel/maid").generator().standard_normal(len(adjoint))
    images = here.hessian(adjoint), here.mixed(adjoint)
    seen: dict[str, float] = {}
    gradients, products = 0, 2
    for toward in (torch.from_numpy(random).to(adjoint), here.inner_gradient):
        if norm(toward) == 0.0:
            continue
        taken = here.gradients, here.products
        there = here.moved(toward * (length / norm(toward)))
        found = {
            "outer_smoothness": norm(there.outer_gradient - here.outer_gradient) / length,
            "direct_change": norm(there.outer_direct - here.outer_direct) / length,
        }
        if weight > 0.0:
            found["hessian_change"] = norm(there.hessian(adjoint) - images[0]) / (length * weight)
            found["cross_change"] = norm(there.mixed(adjoint) - images[1]) / (length * weight)
        gradients, products = gradients + there.gradients - taken[0], products + there.products - taken[1]
        for name, value in found.items():
            if math.isfinite(value):
                seen[name] = max(seen.get(name, 0.0), value)
    return seen, gradients, products


def cross_size(here: Linearisation) -> float:
    """|J| by power steps, since |J|^2 is the largest eigenvalue of J J^T."""
    square = largest_eigenvalue(lambda v: here.mixed_transposed(here.mixed(v)), here.inner_gradient, POWER_STEPS)
    return MARGIN * math.sqrt(square)


def outer_smoothness(problem: BilevelProblem, vector: Tensor, hyper: Tensors) -> float:
    """The largest |eigenvalue| of f_ww, from below, by power steps on central differences of the outer gradient."""
    length = torch.finfo(vector.dtype).eps ** (1.0 / 3.0) * max(norm(vector), 1.0)

    def product(along: Tensor) -> Tensor:
        ahead, behind = (
            outer_derivatives(problem, vector + sign * length * along, hyper, 0)[1] for sign in (1.0, -1.0)
        )
        quotient: Tensor = (ahead - behind) / (2.0 * length)
        return quotient

    return largest_eigenvalue(product, vector)


def norm(vector: Tensor) -> float:
    """The Euclidean norm."""
    return float(torch.linalg.vector_norm(vector))
