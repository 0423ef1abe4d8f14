"""One Gaussian process for each past task, fitted once and remembered with the corpus.

Each is conditioned on the normal scores of at most `MOST` of the task's trials, the best half of these and the rest
evenly spread, and its hyperparameters are fitted to at most `MOST_FITTED` of them. The covariance and its priors are
those of `trimtab.surrogates.gp.regression`; the scores need no warp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Space
from trimtab.surrogates.gp import Data, Embedding, Surface, condition, fit
from trimtab.surrogates.small_matrices import small_matrices
from trimtab.tuners.tasks.transfer.corpus import MatchedCorpus, MatchedTask
from trimtab.tuners.tasks.transfer.normal_scores import normal_scores

__all__ = ["TaskModel", "representative", "task_models"]

Array = NDArray[np.float64]

MOST, MOST_FITTED = 200, 100


@dataclass(frozen=True, slots=True)
class TaskModel:
    """What one past task says of any configuration.

    Arguments:
        name: of the task.
        surface: over normal scores, lower is better.
        raw: raw coordinates of the trials that it knows, the best first, shape (n, d).
        scores: their normal scores, shape (n,).
    """

    name: str
    surface: Surface
    raw: Array
    scores: Array


def representative(scores: Array, limit: int) -> NDArray[np.intp]:
    """Rows of at most `limit` scores (n,), from the best up: the best half, and the rest evenly spread."""
    order = np.argsort(scores, kind="stable")
    if len(order) <= limit:
        return order
    best, rest = order[: limit // 2], order[limit // 2 :]
    return np.append(best, rest[np.linspace(0, len(rest) - 1, limit - len(best)).round().astype(np.intp)])


def task_models(corpus: MatchedCorpus) -> tuple[TaskModel, ...]:
    """The models of all tasks of a corpus, remembered there."""
    found: tuple[TaskModel, ...] | None = corpus.remembered.get("task models")
    if found is None:
        with small_matrices():
            found = tuple(_model(corpus.space, task) for task in corpus.tasks)
        corpus.remembered["task models"] = found
    return found


def _model(space: Space, task: MatchedTask) -> TaskModel:
    """The model of one task."""
    scores = normal_scores(task.losses)
    rows = representative(scores, MOST)
    raw, scores = task.raw[rows], scores[rows]
    embedding = Embedding(space.columns)
    data = Data(
        embedding.features(space.to_unit(raw)), scores, np.zeros(len(rows)), embedding.groups, len(embedding.columns)
    )
    some = np.sort(representative(scores, MOST_FITTED))
    chosen = fit(Data(data.features[some], scores[some], data.known[some], data.groups, data.columns))
    return TaskModel(task.name, Surface(embedding, condition(data, chosen)), raw, scores)
