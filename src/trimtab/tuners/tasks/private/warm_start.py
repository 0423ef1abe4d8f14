"""The first trials of a study from a private summary of somebody else's, then any tuner.

Needs a `PrivateSummary` of the same space. Of `candidates` random draws the one is proposed near which successes are
most frequent, less for each trial of this study that is near:

    score(y) = rate(y) / (1 + sum over trials x of k(x, y)),

k being the similarity of the summary, so that the first trials are spread over what was good. After `trials` of them
the given tuner is asked, which sees them in the history like any other trial. A useless summary costs at most `trials`
trials; a useful one puts the beginning where others succeeded.

Source: the similarity is of A. Backurs, Z. Lin, S. Mahabadi, S. Silwal and J. Tarnawski, ICLR 2024, arXiv 2403.08917;
that it ranks the first trials of a study is added here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, SpaceMismatch, check_count, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.ports import Tuner
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import encode_valid
from trimtab.surrogates.untried import is_listable, keys, left, tried
from trimtab.tuners.tasks.private.private_summary import BACKURS_2024, PrivateSummary

__all__ = ["PrivateWarmStart"]

Array = NDArray[np.float64]

RECENT = 256
"""Trials of the study that a proposal is kept away from."""


@dataclass(frozen=True)
class PrivateWarmStart:
    """Begins where a private summary saw successes, and goes on with another tuner.

    Arguments:
        tuner: the cold one, asked after `trials` trials.
        summary: what was published.
        trials: how many come from the summary.
        candidates: draws that each of these is the best of.

    Raises:
        InvalidArgument: no tuner, no summary, or a number out of its range.
    """

    tuner: Tuner[Space]
    summary: PrivateSummary
    trials: int = 8
    candidates: int = 1000

    name: ClassVar[str] = "private-warm-start"

    def __post_init__(self) -> None:
        """Check the arguments."""
        if (
            not isinstance(self.summary, PrivateSummary)
            or isinstance(self.tuner, str)
            or not hasattr(self.tuner, "ask")
        ):
            raise InvalidArgument(
                message(
                    "PrivateWarmStart needs a tuner and a PrivateSummary",
                    got=(self.tuner, type(self.summary).__name__),
                    do="write trimtab.tuners.make_tuner(name), and read a summary with PrivateSummary.from_json",
                )
            )
        check_count(self.trials, "trials", 0)
        check_count(self.candidates, "candidates")

    @property
    def needs(self) -> Info:
        """What the cold tuner needs."""
        return self.tuner.needs

    @property
    def refs(self) -> Sequence[Reference]:
        """The sources of the cold tuner and of the summary."""
        return (*self.tuner.refs, BACKURS_2024)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried.

        Raises:
            SpaceMismatch: the study's space is not that of the summary.
        """
        known = sum(trial.params is not None for trial in history) if len(history) < self.trials else len(history)
        early = min(count, max(self.trials - known, 0))
        if not early:
            return self.tuner.ask(history, count, key)
        if history.space != self.summary.space:
            raise SpaceMismatch(
                message(
                    f"study {history.study.name!r} has another space than the private summary",
                    got=history.space.names,
                    allowed=f"{self.summary.space.names}, with the same ranges and categories",
                    do="declare the summary's space, or start without it",
                )
            )
        taken = tried(history)
        rows = [params for params in history.params(np.arange(len(history))) if params is not None]
        near = encode_valid(history.space, rows)[0]
        found: list[Suggestion] = []
        for place in range(early):
            raw = self._best(history.space, near, taken, key.for_trial(key.trial + place))
            if raw is None:
                break
            rate = float(self.summary.rates(raw[None])[0])
            why = f"success rate about {rate:.0%} near it in a private summary, {self.summary.base_rate:.0%} over all"
            found.append(Suggestion(history.space.decode(raw), self.name, why))
            near = np.concatenate([near, raw[None]])
            taken.update(keys(raw[None]))
        # A batch that goes past the warm trials is cut short; the cold tuner gets the next ask.
        return found or self.tuner.ask(history, count, key)

    def _best(self, space: Space, near: Array, taken: set[bytes], key: Key) -> Array | None:
        """Raw coordinates (d,) of the best candidate; None where every configuration was tried."""
        raw = space.sample_raw(key.child("private").generator(), self.candidates)
        raw = raw[np.array([name not in taken for name in keys(raw)], dtype=np.bool_)]
        if not len(raw) and is_listable(space):
            raw = left(space, taken)
        if not len(raw):
            return None
        crowd = self.summary.kernel.similarity(near[-RECENT:], raw).sum(axis=0) if len(near) else np.zeros(len(raw))
        best: Array = raw[int(np.argmax(self.summary.rates(raw) / (1.0 + crowd)))]
        return best
