"""Several settings of a surrogate, and by all of them: where its optimum lies, and what cannot be told from it.

Needs a fitted surrogate. The settings that fit best are too sure of themselves: shorter length-scales may be as
plausible, under which a lower bottom lies between the trials. So draws of the process are shared out among settings
from their posterior (`trimtab.surrogates.gp.hyperposterior`), and every draw takes an inflation besides, as
`trimtab.trust.optimum_posterior.inflation` has it for the settings at hand. The best trials, which tell the inflation,
have no say in the settings, though in all else: settings that were chosen by them would foretell them too well, and
leave no surprise. With s ranging over draws, theta_s the settings, a_s the inflation and z_s the predicted optimum
under these settings, a configuration scores

    score(x) = -mean_s Phi(-r_s(x) / a_s),   r_s(x) = (m(x) - m(z_s)) / sd(f(x) - f(z_s))  under theta_s,

minus the probability that it is at least as good as the predicted optimum. The joint region of a level is made of the
lowest scores, up to the quantile of the scores of the drawn minimisers.

How often joint regions of 80% and 95% held the optimum of six kinds of functions, half of them with noise, after random
trials of 20 seeds (`dev/studies/optimum_regions.py`; all was chosen on other seeds): in 82% and 95% with two numbers
and 30 trials, in 80% and 95% with four numbers and 60 trials. Of Rosenbrock's curved valley that is 57% and 85%, and
52% and 90%; of Griewank's function of four numbers 55% and 85%. With the settings that fit best alone it was 79% and
91% with four numbers, in regions that took 35% of the space at 95%, not 40%, and with two numbers 83% and 97%, in 31%,
not 39%: there several settings only make regions larger.

The output warp and a warp of inputs stay those of the fit: with input warps drawn too, regions held the optimum no more
often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trimtab.space import Space
from trimtab.surrogates.gp import Data, Model, condition
from trimtab.surrogates.gp.hyperposterior import drawn_hyperparameters
from trimtab.trust.optimum_posterior.draws import drawn_minima, tie_scores
from trimtab.trust.optimum_posterior.inflation import Inflation, asked, drawn_inflations

__all__ = ["Member", "Mixture", "drawn_mixture", "mixture_scores", "plausible"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """One setting.

    Arguments:
        model: the surrogate under it.
        optimum: unit coordinates of the predicted optimum, shape (d,).
        inflations: of its draws, or the one of all of them, shape (k,).
    """

    model: Model
    optimum: Array
    inflations: Array


@dataclass(frozen=True, slots=True)
class Mixture:
    """What was drawn, over all settings.

    Arguments:
        members: the settings.
        unit: unit coordinates of the minimisers, nan where inactive, shape (s, d).
        values: the minima, in the model's warped units, shape (s,).
    """

    members: tuple[Member, ...]
    unit: Array
    values: Array

    @property
    def inflation(self) -> float:
        """The median."""
        return float(np.median(np.concatenate([member.inflations for member in self.members])))


def plausible(model: Model, count: int, rng: np.random.Generator) -> list[Model]:
    """The surrogate under settings from their posterior given all but the best trials; as fitted for a count of 1.

    Arguments:
        model: a fitted surrogate, without derivatives.
        count: how many, at least 1.
        rng: of the draws.

    Raises:
        NotPositiveDefinite: the settings have no covariance.
    """
    if count == 1:
        return [model]
    told = model.posterior
    settings = told.hyperparameters
    data = Data(told.features, told.values, told.known, told.groups, len(settings.length_scales), told.derivatives)
    rest = np.setdiff1d(np.arange(len(told.values)), asked(model))
    part = replace(data, features=told.features[rest], values=told.values[rest], known=told.known[rest])
    drawn = [condition(data, each) for each in drawn_hyperparameters(part, settings, count, rng)]
    rows = model.told_rows
    return [replace(model, posterior=each, best=float(each.fitted[rows].min(initial=np.inf))) for each in drawn]


def drawn_mixture(
    models: Sequence[Model], space: Space, optimum: Array, draws: int, inflation: Inflation, rng: np.random.Generator
) -> Mixture:
    """Draws shared out evenly among the settings, as many more as make that come out.

    Arguments:
        models: the surrogate under each.
        space: that they are about.
        optimum: unit coordinates of a predicted optimum, beside which draws are looked at, shape (d,).
        draws: how many at least.
        inflation: see `optimum_posterior`.
        rng: of the draws.

    Raises:
        NotPositiveDefinite: points have no covariance.
    """
    each = -(-draws // len(models))
    members, unit, values = [], [], []
    for model in models:
        factors = drawn_inflations(model, each, rng) if inflation == "auto" else np.array([inflation])
        minima = drawn_minima(model, space, optimum, each, factors, rng)
        members.append(Member(model, minima.optimum, factors))
        unit.append(minima.unit)
        values.append(minima.values)
    return Mixture(tuple(members), np.vstack(unit), np.concatenate(values))


def mixture_scores(members: Sequence[Member], unit: Array) -> Array:
    """Minus the probability that points are as good as the predicted optimum, shape (m,).

    Arguments:
        members: the settings.
        unit: points, shape (m, d), nan where inactive.
    """
    total = np.zeros(len(unit))
    for member in members:
        scores = tie_scores(member.model, member.optimum, unit)
        total -= ndtr(-scores[:, None] / member.inflations).mean(axis=1)
    return np.asarray(total / len(members))
