"""Two linear classifiers that no function of training data and model tells apart, one right, one worse than chance.

Needs n examples x_i, Gaussian in d > n dimensions, a target w* uniform on the sphere, labels y_i = sign(w* . x_i). Let
P project onto the span of the x_i, and Q = 2 P - I reflect about it. The twin of a model w is Q w.

- The twin does the same on every training example: x_i . Q w = x_i . w.
- A measure that is unchanged when data and model are rotated together, m(X R', y, R w) = m(X, y, w), as norms, margins,
  flatness and bounds from them are, has the same value for both, since X Q = X:
  m(X, y, Q w) = m(X Q, y, Q w) = m(X, y, w).
- For any measure at all, given X, the pairs (y, w*) and (y, Q w*) have the same distribution, because Q w* is uniform,
  too, and y is the same function of both. So from (X, y, w) nobody can tell better than by a fair coin which of the two
  w is.
- Their true errors differ: 0 for w*, and arccos(w* . Q w*) / pi for the twin, w* . Q w* = 2 |P w*|^2 - 1, which is
  about arccos(2 n / d - 1) / pi: .80 for n = 20 and d = 200. From n = d on the twin is the target.

With the shrunk twin P w - (1 - c)(I - P) w, norms are smaller and normalised margins larger than those of the target:
such measures prefer the bad model.

The construction is this library's, in the manner of Theorem 1 of M. Gastpar, I. Nachum, J. Shafer and T. Weinberger,
"Fantastic generalization measures are nowhere to be found", ICLR 2024, arXiv 2309.13658, whose own are discrete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Twins", "draw_twins"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """One draw.

    Arguments:
        x: training examples, shape (n, d).
        y: labels -1 and 1, shape (n,).
        target: w*, of norm 1, shape (d,).
        twin: as right on the training examples, shape (d,).
    """

    x: Array
    y: Array
    target: Array
    twin: Array

    def error(self, model: Array) -> float:
        """The true error of a model: its angle to the target over pi, since examples to come are Gaussian."""
        cosine = float(model @ self.target) / float(np.linalg.norm(model) * np.linalg.norm(self.target))
        return float(np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi)

    def held_out(self, model: Array, size: int, rng: np.random.Generator) -> int:
        """How many of `size` fresh examples a model gets wrong."""
        x = rng.standard_normal((size, self.x.shape[1]))
        return int(((x @ model) * (x @ self.target) < 0.0).sum())


def draw_twins(examples: int, dimensions: int, rng: np.random.Generator, shrink: float = 0.0) -> Twins:
    """Training data, the target, and its twin.

    Arguments:
        examples: n.
        dimensions: d; from n = d on the twin is the target.
        rng: of the draw.
        shrink: c, how much of the part outside the span the twin lacks, 0 <= c < 1.
    """
    x = rng.standard_normal((examples, dimensions))
    target = rng.standard_normal(dimensions)
    target /= np.linalg.norm(target)
    basis = np.linalg.qr(x.T)[0]
    inside = basis @ (basis.T @ target)
    return Twins(x, np.sign(x @ target), target, inside - (1.0 - shrink) * (target - inside))
