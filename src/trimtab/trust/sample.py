"""The losses of several trials on the same examples, with their moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairedSample", "is_binary"]


def is_binary(losses: NDArray[np.float64]) -> bool:
    """Whether every loss is 0 or 1."""
    return bool(((losses == 0.0) | (losses == 1.0)).all())


@dataclass(frozen=True, slots=True, eq=False)
class PairedSample:
    """Losses of k trials on the same n examples, in the same order. Made by `of`.

    Arguments:
        losses: k vectors of shape (n,), finite, lower is better.
        means: shape (k,).
        scales: standard deviations with divisor n, shape (k,); exactly 0 where all losses of a trial are equal.
    """

    losses: tuple[NDArray[np.float64], ...]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, losses: Sequence[NDArray[np.float64]]) -> PairedSample:
        """The sample with its moments."""
        means = np.array([row.mean() for row in losses])
        # The mean of equal numbers is rounded, which would leave them a small deviation.
        scales = np.array([0.0 if row.min() == row.max() else row.std() for row in losses])
        return cls(tuple(losses), means, scales)

    @property
    def size(self) -> int:
        """n, the number of examples."""
        return self.losses[0].size

    @property
    def best(self) -> int:
        """Place of the trial with the lowest mean loss, the first on ties."""
        return int(np.argmin(self.means))

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors of the means, shape (k,)."""
        errors: NDArray[np.float64] = self.scales / np.sqrt(self.size - 1)
        return errors

    @property
    def binary(self) -> bool:
        """Whether every loss is 0 or 1."""
        return all(is_binary(row) for row in self.losses)

    @property
    def nonnegative(self) -> bool:
        """Whether no loss is negative."""
        return all(float(row.min()) >= 0.0 for row in self.losses)

    def standardised(self) -> NDArray[np.float32]:
        """The losses with mean 0 and variance 1 (divisor n), shape (k, n); zeros where a trial's are all equal.

        In single precision: only draws are made from it, and it is as large as all losses together.
        """
        out = np.zeros((len(self.losses), self.size), dtype=np.float32)
        for place in np.flatnonzero(self.scales):
            out[place] = (self.losses[place] - self.means[place]) / self.scales[place]
        return out
