"""The surrogate that trust asks: the Gaussian process of the tuner `gp`, fitted to the values of one objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trimtab.base.errors import InvalidArgument, UnknownName, check_count, message
from trimtab.base.history import History
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence, gather, subset, told_numbers
from trimtab.surrogates.gp import Embedding, Model, NotPositiveDefinite, build, fit_settings
from trimtab.trust.certify import MOST

__all__ = ["MOST", "evidence_of", "fitted"]


def evidence_of(history: History[Space], most: int = MOST) -> Evidence:
    """What at most so many trials of a history of one objective tell a surrogate, gradients left out.

    Raises:
        InvalidArgument: a space without parameters, or `most` below 1.
        UnknownName: no trial is complete and feasible.
    """
    check_count(most, "most", do="fit to at least one observation")
    study = history.study.name
    if not len(history.space):
        raise InvalidArgument(message(f"study {study!r} has a space without parameters, so no optimum to look for"))
    evidence = gather(history, subset(history, told_numbers(history), most))
    if not evidence.good.any():
        text = f"study {study!r} has no trial that is complete and feasible, so there is nothing to fit a surrogate to"
        raise UnknownName(message(text, do="run more trials"))
    return replace(evidence, gradients=np.full(evidence.raw.shape, np.nan))


def fitted(evidence: Evidence, space: Space, study: str) -> Model:
    """The surrogate of some evidence.

    Arguments:
        evidence: with one finite loss at least.
        space: that it is about.
        study: name, for the error.

    Raises:
        InvalidArgument: no surrogate has a covariance for these trials.
    """
    embedding, unit = Embedding(space.columns), space.to_unit(evidence.raw)
    try:
        return build(evidence, unit, embedding, fit_settings(evidence, unit, embedding))
    except NotPositiveDefinite as error:
        text = f"no surrogate can be fitted to the {len(unit)} trials of study {study!r}: {error}"
        raise InvalidArgument(message(text)) from error
