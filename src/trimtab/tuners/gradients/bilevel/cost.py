"""What a hypergradient costs, in units of one training gradient: by count, by the clock, and in memory.

By count, a product with second derivatives is two gradients (B. A. Pearlmutter, "Fast exact multiplication by the
Hessian", Neural Computation 6, 1994): one pass more, forward and back. By the clock, the least of a few runs of each.
Memory is what autograd saves for its backward passes, the peak of bytes held at once, counted by
`torch.autograd.graph.saved_tensors_hooks`; tensors that share storage count once. It is the part that grows with the
number of steps differentiated through; parameters, states at checkpoints and the losses' own temporaries are not
in it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from trimtab.base.errors import check_count
from trimtab.tuners.gradients.bilevel.derivatives import derivative, leaves
from trimtab.tuners.gradients.bilevel.hypergradient import Hypergradient
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem

__all__ = ["Cost", "SavedBytes", "hypergradient_cost"]

PRODUCT = 2.0
"""Gradients that a product with second derivatives counts for."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one hypergradient.

    Arguments:
        gradients: by count, in training gradients; those of the training steps it runs are in it.
        seconds: by the clock.
        times: the same as a multiple of one training gradient.
        bytes: peak of what autograd saves.
        memory: the same as a multiple of one training gradient.
    """

    gradients: float
    seconds: float
    times: float
    bytes: int
    memory: float


class SavedBytes:
    """A context that counts the bytes which autograd holds for backward passes recorded within it.

    Attributes:
        held: now.
        peak: the most so far.
    """

    def __init__(self) -> None:
        self.held = self.peak = 0
        self._counts: Counter[int] = Counter()
        self._hooks: Any = torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)

    def __enter__(self) -> SavedBytes:
        """Begin to count."""
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._hooks.__exit__(kind, error, trace)

    def _pack(self, tensor: Tensor) -> _Held:
        return _Held(tensor, self)

    def took(self, place: int, size: int) -> None:
        """One more saved tensor lies in the storage at this place."""
        self._counts[place] += 1
        if self._counts[place] == 1:
            self.held += size
            self.peak = max(self.peak, self.held)

    def freed(self, place: int, size: int) -> None:
        """One fewer."""
        self._counts[place] -= 1
        if self._counts[place] == 0:
            del self._counts[place]
            self.held -= size


class _Held:
    """A saved tensor, which tells when it is let go."""

    def __init__(self, tensor: Tensor, counter: SavedBytes) -> None:
        # Detached, since a node that saves its own output would otherwise hold itself for ever.
        self.tensor, self._counter = tensor.detach(), counter
        storage = tensor.untyped_storage()
        try:
            self._place, self._size = storage.data_ptr(), storage.nbytes()
        except RuntimeError:  # the zero tangents of forward mode have no storage at all
            self._place, self._size = 0, 0
        counter.took(self._place, self._size)

    def __del__(self) -> None:
        self._counter.freed(self._place, self._size)


def _unpack(held: _Held) -> Tensor:
    return held.tensor


def hypergradient_cost(problem: BilevelProblem, compute: Callable[[], Hypergradient], repeats: int = 3) -> Cost:
    """Measure a way to a hypergradient against one gradient of the inner loss at the problem's start.

    Arguments:
        problem: the problem.
        compute: gives the hypergradient.
        repeats: of each, of which the quickest counts; the memory is taken in a run of its own.
    """
    check_count(repeats, "the number of repeats")
    parameters = leaves(problem.checked_parameters(None))
    hyperparameters = problem.checked_hyperparameters(None)

    def train() -> None:
        loss = problem.loss("inner", parameters, hyperparameters, 0)
        derivative(loss, list(parameters.values()), "the inner loss")

    with SavedBytes() as ours:
        found = compute()
    with SavedBytes() as one:
        train()
    seconds, unit = _quickest(compute, repeats), _quickest(train, repeats)
    return Cost(
        gradients=found.gradients + PRODUCT * found.hvps,
        seconds=seconds,
        times=seconds / unit,
        bytes=ours.peak,
        memory=ours.peak / max(one.peak, 1),
    )


def _quickest(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of some runs."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)
