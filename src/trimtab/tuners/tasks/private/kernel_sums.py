"""Sums of Gaussian similarities to private configurations, released once and asked for ever.

    S(y) = sum_x k(x, y),  k(x, y) = exp(-|x - y|^2 / s^2),

over configurations x in the public geometry of their space (`Embedding`: unit coordinates, categories at distance 1).
By Bochner's theorem k(x, y) is the mean over waves w ~ N(0, 2 / s^2) of cos(w'(x - y)), so with m waves drawn once

    S(y) is about (1/m) sum_j [cos(w_j'y) C_j + sin(w_j'y) Z_j],  C_j = sum_x cos(w_j'x),  Z_j = sum_x sin(w_j'x),

and the 2 m numbers C, Z are all that has to be released. Each x adds whole multiples of 1/GRID to them, rounded before
they are added, so that the sums are whole numbers of known sensitivity: |cos| + |sin| <= sqrt 2 for every wave, hence
l1 <= sqrt 2 m; cos^2 + sin^2 = 1, hence l2 <= sqrt m (in units of 1/GRID, plus what rounding can add). Noise:

- "laplace": discrete Laplace of scale l1 / epsilon in each sum: pure epsilon. Its part of S(y) has a standard deviation
  of about 2 sqrt(m) / epsilon, whatever y and however many configurations.
- "gaussian": discrete Gaussian of variance l2^2 / (2 rho), with the rho that (epsilon, delta) buys; about
  1 / sqrt(2 rho), whatever m.

So with Laplace noise few waves (the noise grows with sqrt m) and many waves (the error of the approximation falls with
sqrt m) have to be weighed by n epsilon, n being a public guess; with Gaussian noise more waves cost nothing but time.

The space, s, m, the seed of the waves and the projection are public constants, fixed before the trials are looked at.
With `projection`, coordinates are first mapped to fewer by a random matrix of N(0, 1/p), also public: for many columns.

Differs from cosines with a random phase (A. Rahimi and B. Recht, NeurIPS 2007), whose l1 sensitivity is sqrt 2 times as
large at the same number of sums.

Source: A. Backurs, Z. Lin, S. Mahabadi, S. Silwal and J. Tarnawski, "Efficiently Computing Similarities to Private
Datasets", ICLR 2024, arXiv 2403.08917, whose structure for this kernel reduces dimensions and then uses any private
density; the density here is the standard one by random features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.gp import Embedding
from trimtab.tuners.tasks.private.accounting import rho_for
from trimtab.tuners.tasks.private.discrete_noise import (
    OPERATING_SYSTEM,
    Source,
    as_fraction,
    discrete_gaussian,
    discrete_laplace,
)

__all__ = ["GRID", "KernelDesign", "Noise", "kernel_sums"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

GRID = 1024
"""Sums are whole multiples of one over this."""

MAIN = math.isqrt(2 * GRID * GRID) + 2
"""The most that one configuration can add to the two sums of a wave, in absolute values and units of 1/GRID."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Which noise, and how much.

    Arguments:
        kind: "laplace" or "gaussian".
        epsilon: of the release.
        delta: of the release; 0 with Laplace noise, above 0 with Gaussian.
        group: how many configurations one protected unit may have among those that are summed.

    Raises:
        InvalidArgument: an unknown kind, or a number out of its range.
    """

    kind: Literal["laplace", "gaussian"]
    epsilon: float
    delta: float = 0.0
    group: int = 1

    def __post_init__(self) -> None:
        """Refuse what gives no privacy."""
        as_fraction(self.epsilon, "epsilon")
        check_count(self.group, "group")
        if self.kind not in ("laplace", "gaussian"):
            raise InvalidArgument(message("there is no such noise", got=self.kind, allowed="'laplace' or 'gaussian'"))
        if (self.kind == "laplace") != (self.delta == 0.0) or not 0.0 <= self.delta < 1.0:
            raise InvalidArgument(
                message(
                    "delta does not fit the noise",
                    got=(self.kind, self.delta),
                    allowed="0 with 'laplace', above 0 and far below one over the number of trials with 'gaussian'",
                )
            )

    @property
    def rho(self) -> float | None:
        """Of zero-concentrated privacy; None with Laplace noise."""
        return rho_for(self.epsilon, self.delta) if self.kind == "gaussian" else None

    def width(self, l1: int, l2_squared: int) -> Fraction:
        """The scale of discrete Laplace noise, or the variance of the discrete Gaussian, for one unit's sensitivities.

        Arguments:
            l1: the most that one configuration adds to all sums, in absolute values.
            l2_squared: the most that the squares of what it adds come to.
        """
        if self.rho is None:
            return self.group * l1 / as_fraction(self.epsilon, "epsilon")
        return self.group**2 * l2_squared / (2 * as_fraction(self.rho, "rho"))

    def deviation(self, l1: int, l2_squared: int) -> float:
        """The standard deviation of the noise in one sum."""
        width = float(self.width(l1, l2_squared))
        return math.sqrt(width if self.kind == "gaussian" else 2.0 * width**2)

    def draw(self, count: int, l1: int, l2_squared: int, source: Source = OPERATING_SYSTEM) -> Whole:
        """Noise for `count` sums."""
        width = self.width(l1, l2_squared)
        one = discrete_laplace if self.kind == "laplace" else discrete_gaussian
        return np.array([one(width, source) for _ in range(count)], dtype=np.int64)


@dataclass(frozen=True)
class KernelDesign:
    """The public constants of kernel sums.

    Arguments:
        space: the declared space, whose bounds and scales make the geometry.
        bandwidth: s, in units of a column's range.
        waves: m; 2 m sums are released.
        seed: of the waves, public.
        projection: how many coordinates are left after a random projection; None for none.

    Raises:
        InvalidArgument: a space without parameters or traced from runs, or a number out of its range.
    """

    space: Space
    bandwidth: float
    waves: int = 10
    seed: int = 0
    projection: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is not public, and what cannot be."""
        check_count(self.waves, "waves")
        if self.projection is not None:
            check_count(self.projection, "projection")
        if self.space.is_traced or not len(self.space):
            raise InvalidArgument(
                message(
                    "a private summary needs a declared space with parameters: bounds that were traced from runs are "
                    "no public constants",
                    do="declare a Space",
                )
            )
        if not 0.0 < self.bandwidth < math.inf:
            raise InvalidArgument(message("bandwidth must be a positive number", got=self.bandwidth))

    @property
    def size(self) -> int:
        """How many sums there are."""
        return 2 * self.waves

    @property
    def l1(self) -> int:
        """The most that one configuration adds to all sums, in absolute values and units of 1/GRID."""
        return self.waves * MAIN

    @property
    def l2_squared(self) -> int:
        """The most that the squares of what it adds come to."""
        return self.waves * (GRID * GRID + MAIN)

    @cached_property
    def _embedding(self) -> Embedding:
        """The geometry."""
        return Embedding(self.space.columns)

    @cached_property
    def _slopes(self) -> Array:
        """The waves on embedded coordinates, shape (embedded, waves)."""
        key = Key(self.seed, purpose="private kernel")
        embedded = len(self._embedding.groups)
        kept = embedded if self.projection is None else self.projection
        slopes = key.child("waves").generator().normal(size=(kept, self.waves)) * math.sqrt(2.0) / self.bandwidth
        if self.projection is None:
            return slopes
        flat = key.child("projection").generator().normal(size=(embedded, kept)) / math.sqrt(kept)
        return np.asarray(flat @ slopes)

    def embedded(self, raw: Array) -> Array:
        """Points (n, f) of raw rows (n, d)."""
        return self._embedding.features(self.space.to_unit(raw))

    def features(self, raw: Array) -> Array:
        """Cosines, then sines, of raw rows: shape (n, 2 m)."""
        turned = self.embedded(raw) @ self._slopes
        return np.hstack([np.cos(turned), np.sin(turned)])

    def contributions(self, raw: Array) -> Whole:
        """What each raw row adds to the sums, in units of 1/GRID, shape (n, 2 m); within `l1` and `l2_squared`."""
        whole = np.rint(self.features(raw) * GRID).astype(np.int64)
        cosines = np.clip(whole[:, : self.waves], -GRID, GRID)
        # Rounding cannot reach these limits; that privacy holds does not rest on how a library computes a sine.
        room = np.minimum(MAIN - np.abs(cosines), np.sqrt(GRID * GRID + MAIN - cosines**2).astype(np.int64))
        return np.hstack([cosines, np.clip(whole[:, self.waves :], -room, room)])

    def similarity(self, raw: Array, others: Array) -> Array:
        """The kernel itself between raw rows (n, d) and others (q, d), shape (n, q)."""
        gaps = self.embedded(raw)[:, None, :] - self.embedded(others)[None, :, :]
        return np.asarray(np.exp(-(gaps**2).sum(axis=2) / self.bandwidth**2))

    def estimate(self, sums: Whole, raw: Array) -> Array:
        """S at raw rows (q, d) from released sums (2 m,), shape (q,); noise may make it negative."""
        return np.asarray(self.features(raw) @ sums / (GRID * self.waves))

    def deviation(self, noise: Noise) -> float:
        """The standard deviation of the noise in an estimate, at any y."""
        return noise.deviation(self.l1, self.l2_squared) / (GRID * math.sqrt(self.waves))


def kernel_sums(design: KernelDesign, raw: Array, noise: Noise, source: Source = OPERATING_SYSTEM) -> Whole:
    """The sums of raw rows (n, d) with noise, shape (2 m,): private for those rows."""
    exact = design.contributions(raw).sum(axis=0) if len(raw) else np.zeros(design.size, dtype=np.int64)
    return exact + noise.draw(design.size, design.l1, design.l2_squared, source)
