"""A descent along told slopes in the unit cube: a quadratic that is learnt from them, in a trust region.

Needs losses and their derivatives. It stands at the best place of those it was told, and has a quadratic of the loss
there, q(s) = g.s + s^T B s / 2, whose slope g was told and whose curvature B is learnt by symmetric rank-one updates,

    B <- B + r r^T / r^T s,   r = y - B s,   y the change of the gradient along the step s,

from s^T y / s^T s times the identity at first. On a quadratic B is exact after as many steps as there are coordinates,
whatever the steps were, while updates that keep B positive want a line search for that.

The next place is the minimum, in the cube and at most a radius away in each coordinate, of q with the absolute values
of the eigenvalues of B: along a direction that bends downwards a step goes down as far as along one that bends up. The
radius doubles after a step of full length whose gain was at least three quarters of what q had predicted, and shrinks
to a quarter of the step where it was less than one quarter.

Nothing is evaluated here: a caller asks for the next place (`SecantDescent.target`), evaluates it, and tells it
(`SecantDescent.step_told`). A step costs a Cholesky factor, or an eigen-decomposition where B is not positive, and
where the box cuts it off a few dense solves: 0.03 to 0.1 ms for six coordinates, some 0.1 ms for thirty.

Source: J. Nocedal and S. J. Wright, "Numerical Optimization", second edition, Springer, 2006: algorithm 4.1 (trust
regions), algorithm 6.2 (symmetric rank one). Absolute eigenvalues are Y. N. Dauphin et al., "Identifying and attacking
the saddle point problem in high-dimensional non-convex optimization", NeurIPS 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from trimtab.base.refs import Reference
from trimtab.surrogates.box_quadratic import lowest_in_box

__all__ = ["LARGEST", "SECANT_REFS", "SMALLEST", "SecantDescent"]

Array = NDArray[np.float64]

SECANT_REFS = (
    Reference(
        authors="Nocedal, Jorge and Wright, Stephen J.",
        title="Numerical Optimization",
        year=2006,
        venue="Springer",
        doi="10.1007/978-0-387-40065-5",
    ),
)
"""The source of the model and of the trust region."""

FIRST = 0.4
"""Radius of a descent's first step, in unit coordinates."""

LARGEST = 1.0
"""A radius at most."""

SMALLEST = 1e-8
"""A radius below which nothing is left to resolve."""

LITTLE, MUCH = 0.25, 0.75
"""Shares of the predicted gain below which the radius shrinks, and from which it may grow."""

STABLE = 1e-8
"""An update needs |r^T s| of at least so many times |r| |s|."""

FLATTEST = 1e-6
"""Curvatures are taken to be at least so many times the largest one, and the steepest slope in unit coordinates."""

IDLE, PATIENCE = 3, 8
"""Steps in a row that gain as little at the bottom, as many before it can be hopeless, and failures that end it.

Before its curvature is known along many directions, q takes the flat ones for as steep as the steepest that was seen,
and predicts too little.
"""

HOPE = 3.0
"""It is hopeless where so many times the gain that it predicts would not make it the best."""


@dataclass(slots=True)
class SecantDescent:
    """One descent, as far as it was told. Of f coordinates.

    Losses and slopes should be of a size whose squares are floats.

    Arguments:
        place: the best place so far, in the unit cube, shape (f,).
        loss, slope: the loss there, finite, and its derivatives, shape (f,).
        radius: how far a step may go.
        curvature: B, shape (f, f); None before the first pair.
        gains: of its steps, -inf for those that told no loss.
    """

    place: Array
    loss: float
    slope: Array
    radius: float = FIRST
    curvature: Array | None = None
    gains: list[float] = field(default_factory=list)

    def target(self, reach: float | None = None) -> tuple[Array, float]:
        """The step to the minimum of q in the cube and within reach, shape (f,), and the gain that q predicts.

        Arguments:
            reach: how far, in each coordinate; by default the radius.
        """
        reach = self.radius if reach is None else reach
        low, high = np.maximum(-self.place, -reach), np.minimum(1.0 - self.place, reach)
        if self.curvature is None:
            # What makes the first step about as long as the radius.
            scale = float(np.linalg.norm(self.slope)) / self.radius
            step = np.minimum(np.maximum(-self.slope / (scale or 1.0), low), high)
            return step, -float(self.slope @ step + 0.5 * scale * (step @ step))
        step, bent = _newton(self.slope, self.curvature)
        inside = np.minimum(np.maximum(step, low), high)
        if (inside != step).any():
            step = lowest_in_box(self.slope, bent, low, high, inside)
        return step, -float(self.slope.dot(step)) - 0.5 * float(step.dot(bent.dot(step)))

    def step_told(self, place: Array, loss: float, slope: Array) -> None:
        """Take in a step of this descent: its place (f,), its loss, nan where it failed, and its slope (f,)."""
        step = place - self.place
        gain, predicted = self.loss - loss if math.isfinite(loss) else -math.inf, self._predicted(step)
        length = float(np.abs(step).max())
        if not gain >= LITTLE * predicted:
            self.radius = LITTLE * min(length, self.radius)
        elif gain >= MUCH * predicted and length >= 0.9 * self.radius:
            self.radius = min(2.0 * self.radius, LARGEST)
        self.gains.append(gain)
        self.told(place, loss, slope)

    def told(self, place: Array, loss: float, slope: Array) -> None:
        """Take in what is known of a place nearby, whoever chose it."""
        if not (math.isfinite(loss) and np.isfinite(slope).all()):
            return
        self._learn(place - self.place, slope - self.slope)
        if loss < self.loss:
            self.place, self.loss, self.slope = place, loss, slope

    def why_over(self, least: float, worth: float, early: int = IDLE) -> str | None:
        """Why no more steps should be taken; None where some should.

        Arguments:
            least: the least loss of all that is known, this descent's or another's.
            worth: a gain worth mentioning.
            early: the steps before which nothing that q predicts makes it hopeless.

        Returns:
            "bottom" where the last steps gained nothing worth mentioning and q predicts no more; "stuck" where it
            predicts more, but step after step failed; "hopeless" where its bottom, as predicted, will not come below
            the least.
        """
        if not self.slope.any():
            return "bottom"
        failed = len(self.gains) >= PATIENCE and max(self.gains[-PATIENCE:]) <= 0.0
        recent = max(self.gains[-IDLE:], default=0.0)
        is_early = len(self.gains) < IDLE or (recent > worth and self.loss <= least)
        if is_early and not failed and self.radius >= SMALLEST:
            return None  # whatever q predicts
        _, gain = self.target(LARGEST)
        if failed or self.radius < SMALLEST:
            return "bottom" if gain <= worth else "stuck"
        if len(self.gains) >= early and self.loss > least and self.loss - HOPE * gain > least:
            return "hopeless"
        return "bottom" if max(gain, recent) <= worth else None

    def _predicted(self, step: Array) -> float:
        """The gain that q predicts for a step (f,)."""
        if self.curvature is None:
            bend = math.sqrt(float(self.slope.dot(self.slope))) / self.radius * float(step.dot(step))
        else:
            bend = float(step.dot(self.curvature.dot(step)))
        return -float(self.slope.dot(step)) - 0.5 * bend

    def _learn(self, step: Array, change: Array) -> None:
        """The curvature after the slope changed so along a step, both (f,)."""
        along, square = float(step.dot(change)), float(step.dot(step))
        if self.curvature is None:
            if not along > 0.0:
                return
            self.curvature = np.eye(len(step)) * (along / square)
        rest = change - self.curvature.dot(step)
        share = float(rest.dot(step))
        if abs(share) > STABLE * math.sqrt(square * float(rest.dot(rest))):
            self.curvature = self.curvature + rest[:, None] * (rest / share)


def _newton(slope: Array, curvature: Array) -> tuple[Array, Array]:
    """The step -|B|^-1 g, shape (f,), and |B|, shape (f, f): B with absolute eigenvalues, none of them tiny."""
    steepest = float(np.abs(slope).max())
    factor, failed = dpotrf(curvature, lower=1)
    if not failed:
        # The largest entry of a positive matrix is on its diagonal.
        floor = FLATTEST * max(float(curvature.diagonal().max()), steepest)
        if float(factor.diagonal().min()) ** 2 >= floor:
            return -dpotrs(factor, slope, lower=1)[0], curvature
    eigenvalues, vectors = np.linalg.eigh(curvature)
    sizes = np.abs(eigenvalues)
    # Of a straight line B is zero; the slope, which is not, says then what is tiny.
    sizes = np.maximum(sizes, FLATTEST * max(float(sizes.max()), steepest))
    return -vectors.dot(slope.dot(vectors) / sizes), (vectors * sizes).dot(vectors.T)
