"""Ranking-weighted Gaussian process ensembles (RGPE): past tasks' models vote as far as they rank the new trials
right.

Needs values, and past tasks. Each past task has a Gaussian process (`trimtab.tuners.tasks.transfer.task_models`), the
new one has one that grows with it. Of a model i, whose value at the j-th trial is f_j, and losses y_j, the misranking
loss is

    L_i = sum_j sum_k 1[(f_j < f_k) xor (y_j < y_k)]

and its weight is the probability that this is the lowest of all, over `SAMPLES` joint draws of f from its posterior.
The new task's own model would rank the trials that it knows without fault; it is therefore judged by its leave-one-out
predictions: with f_j drawn from the posterior that does not know trial j,

    L = sum_j sum_k 1[(f_j < y_k) xor (y_j < y_k)]

Ties are shared, but go to the new task's model where it is among them. Models that are of no use would win a few draws
by luck, and many of them would dilute the rest: one is left out whose median loss is above the 95th percentile of the
new task's model's. The ensemble

    mean(x) = sum_i w_i m_i(x),   variance(x) = sum_i w_i^2 s_i^2(x)

is asked for its expected improvement over its lowest mean at a told trial. Before there are `FIRST` trials all past
tasks weigh the same.

Source: M. Feurer, B. Letham, F. Hutter and E. Bakshy, "Practical Transfer Learning for Bayesian Optimization", arXiv
1802.02219, whose first version is called "Scalable Meta-Learning for Bayesian Optimization using Ranking-Weighted
Gaussian Process Ensembles". Differences: past losses are normal scores and the new ones are warped
(`trimtab.surrogates.gp.warping`), where the paper standardises both; at most `JUDGED` trials, the best and others
evenly spread, judge; pending trials count as told what the ensemble expects. The percentile is as recalled from the
first version; the later one discards by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.acquisition import LogImprovement, Predictor
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Embedding, Model, Posterior, Settings, Surface, build, fingerprint, fit_settings
from trimtab.surrogates.gp.cholesky import factor, inverse_of, solve_lower
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.tuners.tasks.transfer.awaiting import Awaiting
from trimtab.tuners.tasks.transfer.corpus import Corpus
from trimtab.tuners.tasks.transfer.proposing import Found, View, best_new, propose_each
from trimtab.tuners.tasks.transfer.task_models import TaskModel, representative, task_models

__all__ = ["FEURER_2018", "Ensemble", "RankingWeighted", "ranking_losses", "ranking_weights"]

Array = NDArray[np.float64]

FEURER_2018 = Reference(
    authors="Feurer, Matthias and Letham, Benjamin and Hutter, Frank and Bakshy, Eytan",
    title="Practical Transfer Learning for Bayesian Optimization",
    year=2018,
    arxiv="1802.02219",
)

SAMPLES, JUDGED, FIRST = 256, 40, 3
"""Draws, trials that judge, and how many of these there must be."""

TOO_BAD = 0.95
"""Quantile of the new task's losses above which a past task's median loss leaves it out."""

EXACT = 1e-6
"""Variance that keeps a covariance of draws factorable."""

LEAST = 1e-3
"""Weights below it are as good as none, and cost as much as others."""

REMEMBERED = 4


def ranking_losses(samples: Array, losses: Array, against: Array) -> Array:
    """Misrankings of each draw (S, n) by n losses, shape (S,).

    Arguments:
        samples: draws of the model's values at the trials.
        losses: of the trials, shape (n,).
        against: what each value is compared with: the draws themselves, or the losses repeated, shape (S, n).
    """
    right = losses[:, None] < losses[None, :]
    wrong = (samples[:, :, None] < against[:, None, :]) != right
    found: Array = wrong.sum(axis=(1, 2)).astype(np.float64)
    return found


def ranking_weights(table: Array) -> Array:
    """The weights (m,) of models by their losses in S draws (m, S), the last of them the new task's own.

    Each draw gives 1 / S, to the model of lowest loss; ties share it, or give it to the last model where it is tied.
    """
    keep = np.median(table, axis=1) <= np.quantile(table[-1], TOO_BAD)
    keep[-1] = True
    kept = np.where(keep[:, None], table, np.inf)
    best = kept == kept.min(axis=0)
    best[:-1] &= ~best[-1]
    weights: Array = (best / best.sum(axis=0)).mean(axis=1)
    return weights


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Weighted predictors, as one."""

    parts: Sequence[Predictor]
    weights: Array

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance, (m,) and (m,)."""
        mean, variance = np.zeros(len(unit)), np.zeros(len(unit))
        for part, weight in zip(self.parts, self.weights.tolist(), strict=True):
            one, other = part.predict(unit)
            mean, variance = mean + weight * one, variance + weight**2 * other
        return mean, variance

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        out = [np.zeros(len(unit)), np.zeros(len(unit)), np.zeros(unit.shape), np.zeros(unit.shape)]
        for part, weight in zip(self.parts, self.weights.tolist(), strict=True):
            told = part.predict_with_gradient(unit)
            out = [
                total + factor * one
                for total, factor, one in zip(out, (weight, weight**2, weight, weight**2), told, strict=True)
            ]
        return out[0], out[1], out[2], out[3]


@dataclass(frozen=True)
class RankingWeighted:
    """Bayesian optimisation with a ranking-weighted ensemble of past tasks' Gaussian processes.

    Arguments:
        corpus: past tasks.
    """

    corpus: Corpus
    _fits: dict[tuple[Space, bytes], Settings] = field(default_factory=dict, init=False, repr=False, compare=False)

    name: ClassVar[str] = "ranking-weighted"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = (FEURER_2018,)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        models = task_models(self.corpus.on(history.space))
        return propose_each(self.name, history, count, key, lambda view, own: self._find(view, models, own))

    def _find(self, view: View, models: Sequence[TaskModel], key: Key) -> Found | None:
        """The next configuration; None where there is no model, or nothing new."""
        own = self._own(view)
        if own is None and not models:
            return None
        surfaces, weights, text = self._ensemble(view, models, own, key)
        ensemble = Ensemble(surfaces, weights)
        told = view.space.to_unit(view.evidence.raw[view.evidence.good])
        centres = [view.space.to_unit(model.raw[:1]) for model in models]
        if len(told):
            means, _ = ensemble.predict(told)
            centres.append(told[np.argsort(means, kind="stable")[:3]])
            best = float(means.min())
        else:
            best = float(ensemble.predict(np.concatenate(centres))[0].min())
        if len(view.pending):
            best = min(best, float(ensemble.predict(view.pending)[0].min()))
            ensemble = Ensemble([Awaiting.on(part, view.pending) for part in surfaces], weights)
        found = best_new(view, LogImprovement(ensemble, best), centres, key)
        return None if found is None else (found[0], f"log expected improvement {found[1]:.3g} by {text}")

    def _own(self, view: View) -> Model | None:
        """The new task's model; None where no loss is finite."""
        evidence = view.evidence
        if not np.isfinite(evidence.measured).any():
            return None
        embedding, unit = Embedding(view.space.columns), view.space.to_unit(evidence.raw)
        return build(evidence, unit, embedding, self._settings(view.space, evidence, unit, embedding))

    def _settings(self, space: Space, evidence: Evidence, unit: Array, embedding: Embedding) -> Settings:
        """The settings fitted to the evidence, remembered by it."""
        name = (space, fingerprint(evidence))
        if name not in self._fits:
            self._fits[name] = fit_settings(evidence, unit, embedding)
            for oldest in list(self._fits)[:-REMEMBERED]:
                self._fits.pop(oldest, None)
        return self._fits[name]

    def _ensemble(
        self, view: View, models: Sequence[TaskModel], own: Model | None, key: Key
    ) -> tuple[list[Surface], Array, str]:
        """The models that count, their weights, and these in words."""
        evidence = view.evidence
        if own is None or int(evidence.good.sum()) < FIRST:
            parts = [model.surface for model in models] or ([] if own is None else [_surface(own)])
            return parts, np.full(len(parts), 1.0 / len(parts)), f"{len(parts)} past tasks alike"
        weights = _weights(view, models, own, key.child("ranking-weighted").generator())
        weights = np.where(weights < LEAST, 0.0, weights)
        weights /= weights.sum()
        kept = np.flatnonzero(weights[:-1]).tolist()
        parts = [models[place].surface for place in kept]
        shown = [(models[place].name, weights[place]) for place in kept]
        if weights[-1] > 0.0:
            parts.append(_surface(own))
            kept.append(len(models))
        shown.sort(key=lambda pair: -pair[1])
        named = ", ".join(f"{name} {weight:.2f}" for name, weight in shown[:3])
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
        return parts, weights[kept], f"own trials {weights[-1]:.2f}" + (f", {named}{more}" if named else "")


def _surface(own: Model) -> Surface:
    """The new task's model as a surface."""
    return Surface(own.embedding, own.posterior)


def _weights(view: View, models: Sequence[TaskModel], own: Model, rng: np.random.Generator) -> Array:
    """Weights (T + 1,) of the past tasks' models and of the new task's."""
    posterior = own.posterior
    rows = np.sort(representative(posterior.values, JUDGED))
    losses = posterior.values[rows]
    unit = view.space.to_unit(view.evidence.raw[rows])
    table = []
    for model in models:
        samples = _joint_draws(model, unit, rng)
        table.append(ranking_losses(samples, losses, samples))
    mean, deviation = _leave_one_out(posterior)
    drawn = mean[rows] + deviation[rows] * rng.standard_normal((SAMPLES, len(rows)))
    table.append(ranking_losses(drawn, losses, np.broadcast_to(losses, drawn.shape)))
    return ranking_weights(np.array(table))


def _joint_draws(model: TaskModel, unit: Array, rng: np.random.Generator) -> Array:
    """Draws (S, n) of a past task's values at unit coordinates (n, d)."""
    posterior = model.surface.posterior
    here = model.surface.embedding.features(unit) / posterior.scales
    cross = posterior.cross(here)
    half = solve_lower(posterior.lower, cross.T)
    covariance = matern52(squared_distances(here)) - half.T @ half
    covariance.flat[:: len(covariance) + 1] += EXACT
    root, _ = factor(covariance)
    mean = posterior.mean + cross @ posterior.alpha
    draws: Array = mean + rng.standard_normal((SAMPLES, len(unit))) @ root.T
    return draws


def _leave_one_out(posterior: Posterior) -> tuple[Array, Array]:
    """Mean and deviation of f at each told trial, given all others, (n,) and (n,).

    With a = K^-1 (y - m): the mean is y_j - a_j / (K^-1)_jj, and the variance of y_j is 1 / (K^-1)_jj; Rasmussen and
    Williams 2006, equation 5.12.
    """
    count = len(posterior.values)
    precision = np.diagonal(inverse_of(posterior.lower))[:count]
    variance = 1.0 / precision - posterior.hyperparameters.noise - posterior.known
    return posterior.values - posterior.alpha[:count] / precision, np.sqrt(np.maximum(variance, EXACT))
