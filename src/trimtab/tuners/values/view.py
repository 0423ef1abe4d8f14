"""A history as one ask of a model-based tuner sees it, with what the ask itself has proposed so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence, encode_valid, gather, subset, told_numbers
from trimtab.surrogates.untried import keys, tried

__all__ = ["View"]

Array = NDArray[np.float64]


class View:
    """What was told, what is pending, and what is taken.

    Arguments:
        history: the study so far.

    Attributes:
        space: the space in force.
        told: numbers of the trials that ended, ascending.
        taken: keys of all configurations told, pending or proposed.
        pending: raw coordinates of those that have not told anything yet, shape (p, d).
        proposers: the tuner of each pending one.
    """

    def __init__(self, history: History[Space]) -> None:
        self.history, self.space = history, history.space
        self.told = told_numbers(history)
        self.taken = tried(history)
        open_ = history.pending.tolist()
        rows = [params for params in history.params(open_) if params is not None]
        self.pending, valid = encode_valid(self.space, rows)
        self.proposers = [history.trial(number).tuner for number, kept in zip(open_, valid, strict=True) if kept]
        self._evidence: dict[int, Evidence] = {}

    @property
    def known(self) -> int:
        """How many trials were told or are on their way."""
        return len(self.told) + len(self.pending)

    def evidence(self, limit: int) -> Evidence:
        """What at most `limit` of the told trials say; see `trimtab.surrogates.evidence`."""
        read = min(limit, len(self.told))
        if read not in self._evidence:
            self._evidence[read] = gather(self.history, subset(self.history, self.told, limit))
        return self._evidence[read]

    def propose(self, raw: Array, tuner: str) -> None:
        """Count a proposal (d,) as pending."""
        self.taken.update(keys(raw[None, :]))
        self.pending = np.concatenate([self.pending, raw[None, :]])
        self.proposers.append(tuner)
