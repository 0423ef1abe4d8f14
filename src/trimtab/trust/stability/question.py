"""What a gain is, and when it is kept: the question that all parts of the room answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.records import Params
from trimtab.space import Space
from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.cholesky import solve_lower
from trimtab.surrogates.gp.kernels import matern52, squared_distances

__all__ = ["Question", "decoded", "question_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Question:
    """What a gain is, and when it is kept.

    Arguments:
        model: the surrogate.
        space: that it is about.
        here, there: unit coordinates of the configuration and of the reference, shape (d,).
        keep: share of the gain that has to be kept.
    """

    model: Model
    space: Space
    here: Array
    there: Array
    keep: float

    @property
    def gain(self) -> float:
        """The predicted one."""
        ours, theirs = self.model.predict(np.vstack([self.here, self.there]))[0]
        return float(theirs - ours)

    @property
    def limit(self) -> float:
        """The predicted loss up to which the gain is kept."""
        theirs = float(self.model.predict(self.there[None, :])[0][0])
        return theirs - self.keep * self.gain

    def confidence(self, unit: Array, gain: float) -> Array:
        """Probability, by the joint posterior, that points (m, d) gain so much over the reference, shape (m,)."""
        posterior = self.model.posterior
        features = self.model.embedding.features(np.vstack([self.there, unit])) / posterior.scales
        cross = posterior.cross(features)
        half = solve_lower(posterior.lower, cross.T)
        mean = cross @ posterior.alpha
        prior = 2.0 - 2.0 * matern52(squared_distances(features[1:], features[:1]))[:, 0]
        variance = np.maximum(prior - ((half[:, 1:] - half[:, :1]) ** 2).sum(axis=0), 1e-18)
        return np.asarray(ndtr((mean[0] - mean[1:] - gain) / np.sqrt(variance)))


def question_of(
    history: History[Space], model: Model, params: Params, reference: Params | None, keep: float
) -> Question:
    """The question, after a look at its arguments."""
    if not 0.0 <= keep < 1.0:
        raise InvalidArgument(message("keep is a share of the gain", got=keep, allowed="0 <= keep < 1"))
    space = history.space
    other = space.default_params() if reference is None else reference
    here, there = space.to_unit(space.encode_many([params, other]))
    return Question(model, space, here, there, keep)


def decoded(asked: Question, unit: Array) -> Params:
    """The configuration nearest to a point."""
    return asked.space.decode(asked.space.from_unit(np.nan_to_num(unit[None, :], nan=0.5))[0])
