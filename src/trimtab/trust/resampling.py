"""Resamples of examples, drawn in pieces so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["chunks", "resampled_counts"]

_MOST_NUMBERS = 4_000_000


def chunks(draws: int, width: int) -> Iterator[int]:
    """Sizes that add up to `draws`, each so small that `size * width` numbers are a few million at most."""
    size = max(1, min(draws, _MOST_NUMBERS // width))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def resampled_counts(rng: np.random.Generator, draws: int, n: int) -> NDArray[np.float32]:
    """How often each of n examples is in each of `draws` resamples of size n with replacement, shape (draws, n)."""
    picks = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(picks.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float32)
