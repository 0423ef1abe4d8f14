"""From a history to the posterior of its optimum, and from that to regions at any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, TrimtabError, check_count, message
from trimtab.base.history import History
from trimtab.base.records import Interval, Objective, Params, ParamValue
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.acquisition.candidates import spread
from trimtab.surrogates.certificates import Certificate, certified_minimum
from trimtab.surrogates.gp import Model, NotPositiveDefinite
from trimtab.trust.fitted import MOST, evidence_of, fitted
from trimtab.trust.observed import one_objective
from trimtab.trust.optimum_posterior.annealed import annealed
from trimtab.trust.optimum_posterior.draws import allowed
from trimtab.trust.optimum_posterior.inflation import Inflation
from trimtab.trust.optimum_posterior.mixture import Member, drawn_mixture, mixture_scores, plausible
from trimtab.trust.optimum_posterior.regions import OptimumRegion, ParameterRegion
from trimtab.trust.quantiles import normal_quantile

__all__ = ["BAL_REFS", "METHODS", "OptimumPosterior", "optimum_note", "optimum_posterior", "posterior_of"]

Array = NDArray[np.float64]
Method = Literal["draws", "annealed"]

BAL_REFS = (
    Reference(
        authors="Cao, Yue and Shen, Yang",
        title="Bayesian Active Learning for Optimization and Uncertainty Quantification in Protein Docking",
        year=2020,
        venue="Journal of Chemical Theory and Computation 16(8)",
        arxiv="1902.00067",
    ),
)

METHODS: dict[str, str] = {
    "draws": "minimisers of joint draws of a Gaussian process",
    "annealed": "annealed posterior over the optimum's place (Cao and Shen 2020); the value by draws of the process",
}
"""What `optimum_posterior` takes as its method, and what it is in words."""

EPSILON = 0.01
"""Gap of the certificate that is asked for, in standard deviations of the losses."""

SETTINGS = 12
"""How many settings of the surrogate draws are shared out among."""

VOLUME = 4096
"""Points by which the share of the joint region is measured."""


@dataclass(frozen=True, slots=True)
class OptimumPosterior:
    """Draws of where an optimum lies and of how low it is.

    Arguments:
        model: the surrogate.
        space: that it is about.
        objective: of the study.
        method: a key of `METHODS`.
        unit: unit coordinates of the drawn places, nan where inactive, shape (s, d).
        values: drawn values, in the model's warped units, shape (s,).
        scores: of the drawn places; the joint region is made of the lowest ones; shape (s,).
        optimum: unit coordinates of the predicted optimum, shape (d,).
        certificate: of the predicted optimum, in units of losses.
        inflation: factor of the surrogate's standard deviations; the median where it was estimated.
        members: the settings of the surrogate that values, and the places of draws, were drawn under.
        rho: the inverse temperature of the annealed posterior; None for draws.
    """

    model: Model
    space: Space
    objective: Objective
    method: Method
    unit: Array
    values: Array
    scores: Array
    optimum: Array
    certificate: Certificate
    inflation: float
    members: tuple[Member, ...]
    rho: float | None = None

    def contains(self, params: Sequence[Params], level: float = 0.95) -> NDArray[np.bool_]:
        """Which configurations lie in the joint region.

        Arguments:
            params: configurations of the space.
            level: the probability of the region.

        Raises:
            InvalidParams: one lies outside the space.
            InvalidArgument: a level outside (0, 1).
        """
        _check_level(level)
        unit = self.space.to_unit(self.space.encode_many(params))
        return np.asarray(self._scores(unit) <= self._threshold(level))

    def region(self, level: float = 0.95) -> OptimumRegion:
        """Regions of a level, as a record.

        Raises:
            InvalidArgument: a level outside (0, 1).
        """
        _check_level(level)
        sign, predicted = self.objective.sign, float(self.certificate.value)
        value = self._value(level)
        best = self.space.decode(self.space.from_unit(self.optimum[None, :])[0])
        parameters = tuple(self._parameter(index, level) for index in range(len(self.space.columns)))
        return OptimumRegion(
            objective=self.objective.name,
            level=level,
            method=METHODS[self.method],
            best=best,
            predicted=sign * predicted,
            certified=self.certificate.certified,
            agrees=all(self._holds(index, level, region, best) for index, region in enumerate(parameters)),
            value=value,
            parameters=parameters,
            share=self._share(level),
            trials=self.model.trials,
            inflation=self.inflation,
            caveats=self._caveats(),
        )

    def _scores(self, unit: Array) -> Array:
        """What the joint region is made by, shape (m,)."""
        if self.method == "draws":
            return mixture_scores(self.members, unit)
        return self.model.predict(unit)[0]

    def _threshold(self, level: float) -> float:
        """The largest score of the joint region."""
        return float(np.quantile(self.scores, level, method="higher"))

    def _value(self, level: float) -> Interval:
        """Range of the value, in the objective's own units and sign; see `OptimumRegion` for how far to trust it."""
        tail = 0.5 * (1.0 - level)
        mean, variance = self.model.predict(self.optimum[None, :])
        # No optimum is worse than the predicted one, whose value has no bias for having been the least of many.
        above = mean[0] + self.inflation * normal_quantile(tail) * np.sqrt(variance[0])
        below = min(float(np.quantile(self.values, tail)), float(mean[0]))
        ends = self.objective.sign * self.model.warp.inverse(np.array([below, above]))
        return Interval(float(ends.min()), float(ends.max()), level)

    def _share(self, level: float) -> float:
        """Share of the space that the joint region takes."""
        points = allowed(self.space, spread(np.random.default_rng(0), VOLUME, len(self.space)))
        return float(np.mean(self._scores(points) <= self._threshold(level))) if len(points) else 0.0

    def _parameter(self, index: int, level: float) -> ParameterRegion:
        """The region of one parameter."""
        column, places = self.space.columns[index], self.unit[:, index]
        places = places[~np.isnan(places)]
        active = len(places) / len(self.unit)
        if not len(places):
            return ParameterRegion(column.name, None, None, (), 0.0)
        if column.kind != "categorical":
            low, high = _ends(places, level)
            return ParameterRegion(column.name, self._decoded(index, low), self._decoded(index, high), (), active)
        cells = np.minimum(np.floor(places * (column.size or 1)), (column.size or 1) - 1)
        found, counts = np.unique(cells, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        needed = int(np.searchsorted(np.cumsum(counts[order]), level * len(places))) + 1
        choices = tuple(column.choices[int(found[each])] for each in order[:needed])
        return ParameterRegion(column.name, None, None, choices, active)

    def _holds(self, index: int, level: float, region: ParameterRegion, best: Params) -> bool:
        """Whether the predicted optimum lies in the region of one parameter."""
        place = self.optimum[index]
        if np.isnan(place):
            return region.active < 1.0
        if self.space.columns[index].kind == "categorical":
            return best[region.name] in region.choices
        places = self.unit[:, index]
        places = places[~np.isnan(places)]
        if not len(places):
            return False
        low, high = _ends(places, level)
        return bool(low <= place <= high)

    def _decoded(self, index: int, place: float) -> ParamValue:
        """The parameter's value at a unit coordinate."""
        rows = np.flatnonzero(~np.isnan(self.unit[:, index]))
        # A row in which the parameter is active, so that it still is when decoded.
        unit = np.nan_to_num(self.unit[rows[:1]], nan=0.5)
        unit[0, index] = place
        return self.space.decode(self.space.from_unit(unit)[0])[self.space.columns[index].name]

    def _caveats(self) -> tuple[str, ...]:
        """What the regions do not cover."""
        notes = [
            "These are probabilities of the surrogate's posterior; a function that it models badly is covered less"
            " often than they say.",
            "The range of the value covers less than its level: a bottom narrower than the gaps between trials is not"
            " foreseen.",
        ]
        if self.method == "annealed":
            notes.append(
                "The temperature follows a published rule that knows nothing of how well losses are predicted."
            )
        if self.model.sides:
            notes.append("Failures and constraints that trials told are not looked at.")
        return tuple(notes)


def optimum_posterior(
    history: History[Space],
    *,
    objective: str | int | None = None,
    method: Method = "draws",
    draws: int = 1000,
    inflation: Inflation = "auto",
    settings: int = SETTINGS,
    most: int = MOST,
    seconds: float = 2.0,
    key: Key | None = None,
) -> OptimumPosterior:
    """The posterior of the place and the value of a study's optimum.

    Arguments:
        history: the study.
        objective: name or index; may be left out where there is only one.
        method: "draws" or "annealed", see `trimtab.trust.optimum_posterior`.
        draws: how many, at least 1.
        inflation: factor of the surrogate's standard deviations, > 0; 1 for the plain posterior; "auto" for one that
            the best trials tell, with what is not known of it: see `trimtab.trust.optimum_posterior.inflation`.
            The places of "annealed" are then by the published rule.
        settings: of the surrogate that draws are shared out among, at least 1: see
            `trimtab.trust.optimum_posterior.mixture`; 1 for those that fit best alone, in a fraction of the time.
        most: observations that the surrogate is fitted to.
        seconds: wall time at most of the certificate of the predicted optimum.
        key: of the random numbers; by default made of the study's seed, so that repeated calls agree.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective or method, a space without parameters, or trials that no
            surrogate can be fitted to.
    """
    if method not in METHODS:
        raise InvalidArgument(
            message("unknown posterior of the optimum", got=method, allowed=", ".join(METHODS), do="use 'draws'")
        )
    check_count(draws, "draws", do="1000 are enough for 95%")
    check_count(settings, "settings", do="use 1 for the settings that fit best")
    if inflation != "auto" and (isinstance(inflation, str) or not 0.0 < inflation < np.inf):
        raise InvalidArgument(
            message("inflation must be positive", got=inflation, allowed="0 < inflation < inf, or 'auto'")
        )
    seen = one_objective(history, objective)
    space, study = seen.space, seen.study
    model = fitted(evidence_of(seen, most), space, study.name)
    certificate = certified_minimum(model, space, epsilon=EPSILON, seconds=seconds)
    if certificate.params is None:
        raise InvalidArgument(
            message(f"study {study.name!r} has no configuration within its constraints", do="widen the constraints")
        )
    rng = (key or Key(study.seed, purpose="optimum")).generator()
    try:
        return posterior_of(model, space, seen.objectives[0], certificate, rng, method, draws, inflation, settings)
    except NotPositiveDefinite as error:
        raise InvalidArgument(
            message(f"the surrogate of study {study.name!r} cannot be drawn from: {error}")
        ) from error


def posterior_of(
    model: Model,
    space: Space,
    objective: Objective,
    certificate: Certificate,
    rng: np.random.Generator,
    method: Method = "draws",
    draws: int = 1000,
    inflation: Inflation = "auto",
    settings: int = SETTINGS,
) -> OptimumPosterior:
    """What `optimum_posterior` makes of a fitted surrogate.

    Arguments:
        model: the surrogate.
        space: that it is about.
        objective: of the study.
        certificate: of the predicted optimum, in units of losses, with a configuration.
        rng: of the draws.
        method, draws, inflation, settings: as there.

    Raises:
        NotPositiveDefinite: the process cannot be drawn from.
    """
    optimum = space.to_unit(space.encode_many([certificate.params or {}]))[0]
    mixture = drawn_mixture(plausible(model, settings, rng), space, optimum, draws, inflation, rng)
    if method == "draws":
        unit, scores, rho = mixture.unit, mixture_scores(mixture.members, mixture.unit), None
    else:
        # Its temperature does not come from deviations, so that an estimate of theirs has no say in it.
        found = annealed(model, space, draws, 1.0 if inflation == "auto" else inflation, rng)
        unit, scores, rho = found.unit, found.means, found.rho
    return OptimumPosterior(
        model=model,
        space=space,
        objective=objective,
        method=method,
        unit=unit,
        values=mixture.values,
        scores=scores,
        optimum=optimum,
        certificate=certificate,
        inflation=mixture.inflation,
        members=mixture.members,
        rho=rho,
    )


def optimum_note(history: History[Space], objective: str | int | None, trial: int, level: float = 0.95) -> str:
    """One plain sentence or two: where the optimum lies, and whether a trial may be it.

    A surrogate that cannot be fitted makes a sentence that says so, never an error.
    """
    try:
        posterior = optimum_posterior(history, objective=objective)
    except TrimtabError as error:
        return f"Where the optimum lies cannot be said: {error}"
    region = posterior.region(level)
    places = "; ".join(str(each) for each in region.parameters if each.active)
    params = history.trial(trial).params
    if params is None or not history.space.contains(params):
        verdict = "lies outside the space"
    else:
        inside = bool(posterior.contains([params], level)[0])
        verdict = "lies in their joint region" if inside else "lies outside their joint region"
    return (
        f"By a Gaussian process fitted to {region.trials} trials, with probability {level:.0%} each, the optimum has"
        f" {places}; trial {trial} {verdict}."
    )


def _ends(places: Array, level: float) -> tuple[float, float]:
    """The interval between places that leaves out the same share at either end."""
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(places, tail, method="lower"), np.quantile(places, 1.0 - tail, method="higher")
    return float(low), float(high)


def _check_level(level: float) -> None:
    """Refuse a level that cannot be."""
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.95 for 95%")
        )
