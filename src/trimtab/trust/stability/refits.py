"""Whether a gain is kept when the surrogate is fitted anew, or by trainings that were run anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimtab.base.errors import InvalidArgument, TrimtabError, message
from trimtab.base.history import History
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence
from trimtab.trust.fitted import fitted
from trimtab.trust.stability.question import Question

__all__ = ["kept_by_refit", "survived_results"]

SHARE = 0.8
"""Of the trials, in each refit."""


def kept_by_refit(asked: Question, evidence: Evidence, history: History[Space], rng: np.random.Generator) -> bool:
    """Whether a surrogate of a random part of the trials predicts that the gain is kept."""
    count = len(evidence.losses)
    rows = np.sort(rng.choice(count, size=max(1, round(SHARE * count)), replace=False))
    part = evidence[rows]
    if not part.good.any():
        return False
    try:
        model = fitted(part, history.space, history.study.name)
    except TrimtabError:
        return False
    means = model.predict(np.vstack([asked.here, asked.there]))[0]
    return _keeps(asked, *asked.model.warp.forward(model.warp.inverse(means)).tolist())


def survived_results(asked: Question, results: Sequence[tuple[float, float]], history: History[Space]) -> int:
    """How many of the given pairs of values keep the gain."""
    values = np.asarray(results, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not np.isfinite(values).all():
        raise InvalidArgument(
            message(
                "results must be pairs of values", got=values.shape, allowed="(of the params, of the reference), finite"
            )
        )
    warped = asked.model.warp.forward(history.objectives[0].sign * values)
    return sum(_keeps(asked, *pair) for pair in warped.tolist())


def _keeps(asked: Question, ours: float, theirs: float) -> bool:
    """Whether two warped losses keep the gain that the surrogate predicts."""
    return theirs - ours > 0.0 and theirs - ours >= asked.keep * asked.gain
