"""Recommendation by the fitted surrogate: the best trial where values are noisy and nothing else tells of the noise.

Needs a space and bare values. The Gaussian process of `trimtab.surrogates.gp` is fitted to the trials, and its noise
with it; the trial of least posterior mean is recommended instead of the best observed one, which is often the luckiest.
That is how Bayesian optimisation of noisy functions is ended (Frazier, Powell and Dayanik 2009, The Knowledge-Gradient
Policy for Correlated Normal Beliefs, INFORMS Journal on Computing 21:599; recalled). `trimtab.trust.posterior_mean` is
the plainer way where the noise was told.

Interval, tie set and the probability to be the best come from joint draws of the process at all the trials,

    f = m + a chol(C) e,   e ~ N(0, 1),

with the factor a that the best trials ask for (`trimtab.trust.optimum_posterior.inflation`): the interval is between
quantiles of f at the recommended trial, and the tie set is the smallest set of trials of which one is the best with the
probability asked for. Given the surrogate, a posterior needs no correction for the choice; what it needs is a surrogate
that is not too sure of itself.

"auto" takes this only where trials prove that there is noise: two beside each other, or at one place, told different
values (`trimtab.surrogates.beside`); the tuner `gp` has such a trial made as soon as it suspects noise. Of a function
that is rough without noise the best observed trial is the best, and a smooth surrogate would miss it.

Measured on the 72 noisy BBOB runs of the benchmarks (`dev/studies/noisy_selection.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.beside import BESIDE_REFS, shows_noise
from trimtab.surrogates.evidence import encode_valid, gather, subset, told_numbers
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.certify import MOST
from trimtab.trust.observed import one_objective
from trimtab.trust.posterior_mean import POSTERIOR_MEAN

__all__ = ["FittedMean", "read_fitted_mean"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

DRAWS = 4_000
"""Joint draws of the process."""

_LEFT_OUT = f"a surrogate is fitted to the best and latest {MOST}, within the space"

LEAST, ENOUGH = 3, 10
"""Trials that a surrogate takes where it is asked for by name, and where it is not."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedMean:
    """The trials that a surrogate is asked about.

    Arguments:
        candidates: the trials.
        history: of the one objective.
        places: of the m trials that the surrogate is fitted to among the candidates, ascending, shape (m,).
        unit: their unit coordinates, nan where inactive, shape (m, d).
    """

    method: ClassVar[str] = (
        "surrogate: lowest mean of a Gaussian process that was fitted to the values and to their noise; interval and "
        "tie set of its joint draws"
    )
    refs: ClassVar[tuple[Reference, ...]] = (POSTERIOR_MEAN, *BESIDE_REFS)

    candidates: Candidates
    history: History[Space]
    places: Places
    unit: Floats

    def select(self, level: float, key: Key) -> Selection:
        """The trial of least posterior mean; the key is of the draws.

        Raises:
            InvalidArgument: no surrogate has a covariance for these trials.
        """
        # The surrogate needs SciPy, which no other selection does.
        from trimtab.surrogates.small_matrices import small_matrices
        from trimtab.trust.fitted import evidence_of, fitted
        from trimtab.trust.optimum_posterior.draws import joint
        from trimtab.trust.optimum_posterior.inflation import drawn_inflations

        with small_matrices():
            model = fitted(evidence_of(self.history), self.history.space, self.history.study.name)
            mean, root = joint(model, self.unit)
            rng = key.child("surrogate").generator()
            drawn = rng.standard_normal((DRAWS, len(mean))) * drawn_inflations(model, DRAWS, rng)[:, None] @ root.T
        at = int(mean.argmin())
        best = np.bincount((mean + drawn).argmin(axis=1), minlength=len(mean)) / DRAWS
        tails = np.quantile(mean[at] + drawn[:, at], [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
        sign = self.candidates.objective.sign
        predicted = sign * model.warp.inverse(mean)
        low, high = (sign * model.warp.inverse(tails)).tolist()
        return self.candidates.selection(
            int(self.places[at]),
            float(predicted[at]),
            (low, high),
            level,
            self.places[np.union1d(smallest_set(best, level), [at])],
            self.method,
            self._scope(predicted, at),
            best_probability=float(best[at]),
        )

    def _scope(self, predicted: Floats, at: int) -> list[str]:
        """What the numbers cover, and what became of the best observed trial."""
        values, numbers = self.candidates.minimized[self.places], self.candidates.numbers[self.places]
        lucky, missing = int(values.argmin()), len(self.candidates) - len(self.places)
        told = self.candidates.objective.sign * float(values[lucky])
        luck = f"The best observed, trial {numbers[lucky]} with {told:.6g}, is predicted {predicted[lucky]:.6g}."
        return [
            *([luck] if lucky != at else []),
            f"Estimate and interval are those of a Gaussian process fitted to {len(self.places)} trials, by which it "
            "knows of the noise; deviations are widened by what the best trials ask for. They hold as far as the "
            "process does.",
            "To be surer, return trimtab.Observation(value, losses=...) with per-example validation losses or "
            "(value, stderr=...), or run the best configurations again a few times.",
            *([f"{missing} of {len(self.candidates)} trials are left out: {_LEFT_OUT}."] if missing else []),
        ]


def smallest_set(probabilities: Floats, level: float) -> Places:
    """The fewest places, ascending, whose probabilities add up to the level, those of the highest.

    Arguments:
        probabilities: that add up to 1, shape (m,).
        level: up to 1.

    >>> smallest_set(np.array([0.1, 0.6, 0.3]), 0.8)
    array([1, 2])
    """
    order = np.argsort(-probabilities, kind="stable")
    needed = int(np.searchsorted(np.cumsum(probabilities[order]), level - 1e-12)) + 1
    return np.sort(order[:needed])


def read_fitted_mean(candidates: Candidates, named: bool) -> FittedMean | Absent:
    """The trials that a surrogate is asked about, where they prove that there is noise, or it was asked for by name."""
    space = candidates.history.space
    if not isinstance(space, Space) or not len(space):
        return Absent("a surrogate needs a space with parameters")
    history = one_objective(candidates.history, candidates.index)
    numbers = subset(history, told_numbers(history), MOST)
    if not named:
        if _is_mixed(candidates):
            return Absent("values of several fidelities or tasks are no evidence of noise")
        if not shows_noise(gather(history, numbers), space):
            return Absent("no trials beside each other told different values, which would prove noise")
    shown = np.flatnonzero(np.isin(candidates.numbers, numbers))
    params = candidates.history.params(candidates.numbers[shown])
    raw, valid = encode_valid(space, [each or {} for each in params])
    places = shown[valid]
    least = LEAST if named else ENOUGH
    if len(places) < least:
        return Absent(f"{len(places)} trials within the space are too few for a surrogate; it takes {least}")
    return FittedMean(candidates, history, places, space.to_unit(raw))


def _is_mixed(candidates: Candidates) -> bool:
    """Whether trials were run at several fidelities or tasks."""
    kinds = {(tuple(sorted((seen.fidelity or {}).items())), seen.task) for seen in candidates.observations}
    return len(kinds) > 1
