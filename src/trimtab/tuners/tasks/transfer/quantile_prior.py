"""A Gaussian copula process with a prior that past tasks taught: what is good in general, and how this task differs.

Needs values, and past tasks. Every task's losses become normal scores (`trimtab.tuners.tasks.transfer.normal_scores`),
in which tasks of any metric and scale can be pooled. From the pooled trials of all past tasks a prior is learnt once,

    z(x) ~ N(mu(x), sigma(x)^2)

and what the new task tells is modelled as the prior plus a Gaussian process of its residuals,

    (z(x) - mu(x)) / sigma(x) = g(x),   g ~ GP(m, a^2 Matern-5/2) + noise

so that before any trial the best of the prior is proposed, and later what the trials say of it. The residuals are
standardised, which gives a; their mean m is that of the generalised least squares. The expected improvement over the
lowest posterior mean at a told trial is maximised.

Source: D. Salinas, H. Shen and V. Perrone, "A Quantile-based Approach for Hyperparameter Transfer Learning", ICML
2020, arXiv 1909.13595 (GCP + prior). Differences: the paper's mu and sigma are the outputs of a multilayer perceptron
fitted by likelihood. Here mu is the mean of a Gaussian process of `POOLED` pooled trials, whose noise is what tasks
disagree about, and sigma^2 the mean of a second one, with the length-scales of the first, of its squared residuals,
kept within `SPREAD`. The new task's own scores are ranks among its own trials, as in the paper, which are good ones
once the prior is: m and a are there to take that up. Pending trials count as told what the model expects.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from trimtab.surrogates.gp import Data, Embedding, Hyperparameters, Surface, condition, fit
from trimtab.surrogates.small_matrices import small_matrices
from trimtab.tuners.tasks.transfer.awaiting import Awaiting
from trimtab.tuners.tasks.transfer.corpus import Corpus, MatchedCorpus
from trimtab.tuners.tasks.transfer.normal_scores import normal_scores
from trimtab.tuners.tasks.transfer.proposing import Found, View, best_new, propose_each
from trimtab.tuners.tasks.transfer.task_models import representative

__all__ = ["SALINAS_2020", "QuantilePrior", "ScorePrior", "score_prior"]

Array = NDArray[np.float64]

SALINAS_2020 = Reference(
    authors="Salinas, David and Shen, Huibin and Perrone, Valerio",
    title="A Quantile-based Approach for Hyperparameter Transfer Learning",
    year=2020,
    venue="International Conference on Machine Learning, PMLR 119",
    arxiv="1909.13595",
)

POOLED, FITTED = 600, 300
"""Trials of all past tasks together that the prior is conditioned on, and that its length-scales are fitted to."""

SPREAD = (0.2, 2.0)
"""The prior's deviation, at least and at most; scores have 1 by themselves."""

EQUAL = 0.05
"""Residuals count as spread at least so much, so that two equal ones make no scale of nothing."""


CENTRES = 5
"""Pooled trials, those that the prior likes best, that a search begins at."""


@dataclass(frozen=True, slots=True)
class ScorePrior:
    """A mean and a deviation of the normal score at any configuration.

    Arguments:
        mean: its surface.
        variance: surface of the squared residuals.
        best: unit coordinates of the pooled trials of lowest mean, the best first, shape (k, d).
    """

    mean: Surface
    variance: Surface
    best: Array

    def at(self, unit: Array) -> tuple[Array, Array]:
        """The prior's mean and deviation at unit coordinates (m, d): (m,), (m,)."""
        return _mean(self.mean, unit), np.sqrt(np.clip(_mean(self.variance, unit), SPREAD[0] ** 2, SPREAD[1] ** 2))

    def with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """The mean, the deviation and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        mean, mean_slope = _mean_and_gradient(self.mean, unit)
        square, square_slope = _mean_and_gradient(self.variance, unit)
        deviation = np.sqrt(np.clip(square, SPREAD[0] ** 2, SPREAD[1] ** 2))
        inside = (square > SPREAD[0] ** 2) & (square < SPREAD[1] ** 2)
        return mean, deviation, mean_slope, np.where(inside, 0.5 / deviation, 0.0)[:, None] * square_slope


def _mean(surface: Surface, unit: Array) -> Array:
    """The posterior mean alone, which needs no factor, shape (m,)."""
    posterior = surface.posterior
    mean: Array = (
        posterior.mean + posterior.cross(surface.embedding.features(unit) / posterior.scales) @ posterior.alpha
    )
    return mean


def _mean_and_gradient(surface: Surface, unit: Array) -> tuple[Array, Array]:
    """The posterior mean and its derivatives by the unit coordinates, (m,) and (m, d)."""
    posterior = surface.posterior
    cross, chained = posterior.cross_and_chain(surface.embedding.features(unit) / posterior.scales)
    slopes = chained(np.broadcast_to(posterior.alpha, cross.shape)) / posterior.scales
    return posterior.mean + cross @ posterior.alpha, surface.embedding.gradient(slopes, unit)


def score_prior(corpus: MatchedCorpus) -> ScorePrior | None:
    """The prior that a corpus teaches, remembered there; None of no tasks."""
    if not corpus.tasks:
        return None
    found: ScorePrior | None = corpus.remembered.get("score prior")
    if found is None:
        with small_matrices():
            found = _learnt(corpus)
        corpus.remembered["score prior"] = found
    return found


def _learnt(corpus: MatchedCorpus) -> ScorePrior:
    """The prior of pooled trials, as many of each task."""
    share = max(POOLED // len(corpus.tasks), 4)
    raws, pooled = [], []
    for task in corpus.tasks:
        scores = normal_scores(task.losses)
        rows = representative(scores, share)
        raws.append(task.raw[rows])
        pooled.append(scores[rows])
    embedding, scores = Embedding(corpus.space.columns), np.concatenate(pooled)
    unit = corpus.space.to_unit(np.concatenate(raws))
    features = embedding.features(unit)
    data = Data(features, scores, np.zeros(len(scores)), embedding.groups, len(embedding.columns))
    some = np.unique(np.linspace(0, len(scores) - 1, min(FITTED, len(scores))).round().astype(np.intp))
    chosen = fit(Data(features[some], scores[some], data.known[some], data.groups, data.columns))
    mean = condition(data, chosen)
    # What is left of a score that itself helped to make the mean is too small by the share that noise has in it.
    squares = (scores - mean.fitted) ** 2
    loud = Hyperparameters(chosen.length_scales, max(chosen.noise, 0.5))
    variance = condition(Data(features, squares, data.known, data.groups, data.columns), loud)
    best = unit[np.argsort(mean.fitted, kind="stable")[:CENTRES]]
    return ScorePrior(Surface(embedding, mean), Surface(embedding, variance), best)


@dataclass(frozen=True, slots=True)
class _Updated:
    """The prior once the new task's residuals are known.

    Arguments:
        prior: of past tasks.
        residual: of the standardised residuals; None before there are any.
        shift, scale: what standardised them.
    """

    prior: ScorePrior
    residual: Predictor | None = None
    shift: float = 0.0
    scale: float = 1.0

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance of the score, (m,) and (m,)."""
        mean, deviation = self.prior.at(unit)
        if self.residual is None:
            return mean, deviation**2
        rest, variance = self.residual.predict(unit)
        return mean + deviation * (self.shift + self.scale * rest), (deviation * self.scale) ** 2 * variance

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        mean, deviation, mean_slope, slope = self.prior.with_gradient(unit)
        if self.residual is None:
            return mean, deviation**2, mean_slope, 2.0 * deviation[:, None] * slope
        rest, variance, rest_slope, variance_slope = self.residual.predict_with_gradient(unit)
        moved, squared = self.shift + self.scale * rest, self.scale**2
        by_mean = mean_slope + moved[:, None] * slope + (self.scale * deviation)[:, None] * rest_slope
        by_variance = squared * (
            2.0 * (deviation * variance)[:, None] * slope + (deviation**2)[:, None] * variance_slope
        )
        return mean + deviation * moved, squared * deviation**2 * variance, by_mean, by_variance


@dataclass(frozen=True)
class QuantilePrior:
    """Bayesian optimisation with a Gaussian copula process whose prior past tasks taught.

    Arguments:
        corpus: past tasks.
    """

    corpus: Corpus

    name: ClassVar[str] = "quantile-prior"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = (SALINAS_2020,)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        prior = score_prior(self.corpus.on(history.space))
        return propose_each(
            self.name, history, count, key, lambda view, own: None if prior is None else self._find(view, prior, own)
        )

    def _find(self, view: View, prior: ScorePrior, key: Key) -> Found | None:
        """The next configuration; None where nothing is new."""
        evidence, space = view.evidence, view.space
        unit = space.to_unit(evidence.raw)
        known = unit[evidence.good]
        surface: Surface | None = None
        shift, scale = 0.0, 1.0
        if len(known):
            surface, shift, scale = _residual(space, prior, unit, normal_scores(evidence.losses))
        model = _Updated(prior, surface, shift, scale)
        best = float(model.predict(known if len(known) else prior.best)[0].min())
        if len(view.pending):
            best = min(best, float(model.predict(view.pending)[0].min()))
            awaiting = _unknown(space, view.pending) if surface is None else Awaiting.on(surface, view.pending)
            model = _Updated(prior, awaiting, shift, scale)
        means, _ = model.predict(known)
        centres = [known[np.argsort(means, kind="stable")[:CENTRES]], prior.best]
        found = best_new(view, LogImprovement(model, best), centres, key)
        if found is None:
            return None
        return found[0], f"log expected improvement {found[1]:.3g} by past tasks' prior and {len(known)} trials"


def _residual(space: Space, prior: ScorePrior, unit: Array, scores: Array) -> tuple[Surface, float, float]:
    """The process of the residuals of normal scores (n,) at unit coordinates (n, d), and what standardised them."""
    mean, deviation = prior.at(unit)
    residuals = (scores - mean) / deviation
    shift, scale = float(residuals.mean()), max(float(residuals.std()), EQUAL)
    embedding = Embedding(space.columns)
    data = Data(
        embedding.features(unit), (residuals - shift) / scale, np.zeros(len(unit)), embedding.groups, len(space)
    )
    return Surface(embedding, condition(data, fit(data))), shift, scale


def _unknown(space: Space, pending: Array) -> Surface:
    """The process of the residuals where pending trials (p, d) are all there is: they are believed to tell none."""
    embedding, count = Embedding(space.columns), len(pending)
    data = Data(embedding.features(pending), np.zeros(count), np.zeros(count), embedding.groups, len(space))
    return Surface(embedding, condition(data, Hyperparameters.start(len(space))))
