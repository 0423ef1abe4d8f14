"""Recommendation by the fitted surrogate: the best trial where values are noisy and nothing else tells of the noise.

Needs a space and bare values. The Gaussian process of `trimtab.surrogates.gp` is fitted to the trials, and with it the
variance of what it does not follow. The best observed trial is often the luckiest; recommended is the trial of least
posterior mean, which is how Bayesian optimisation of noisy functions is ended (Frazier, Powell and Dayanik 2009, The
Knowledge-Gradient Policy for Correlated Normal Beliefs, INFORMS Journal on Computing 21:599; recalled). What the
process does not follow is noise in part, and in part structure that it is too smooth for, of which the best observed
trial is the best. How much is what trials beside each other tell: see `trimtab.surrogates.gp.roughness`, where the
means and joint draws of the trials' true values come from. `trimtab.trust.posterior_mean` is the plainer way where the
noise was told.

The interval is between quantiles of the draws at the recommended trial. The tie set is the smallest set of trials of
which one is the best with the probability asked for. Deviations are widened by what the best trials ask for
(`trimtab.trust.optimum_posterior.inflation`): given the surrogate, a posterior needs no correction for the choice; what
it needs is a surrogate that is not too sure of itself.

"auto" takes this only where trials prove that there is noise: two beside each other, or at one place, told different
values (`trimtab.surrogates.beside`). The tuner `gp` has such a trial made as soon as it suspects noise.
What that gains and how often the intervals hold was measured on noisy BBOB functions and on random splits of real data
(`dev/studies/noisy_selection.py`); the figures are in docs/trust.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.beside import BESIDE_REFS, repeats, shows_noise
from trimtab.surrogates.evidence import Evidence as SurrogateEvidence
from trimtab.surrogates.evidence import gather, subset, told_numbers
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.certify import MOST
from trimtab.trust.observed import one_objective
from trimtab.trust.posterior_mean import POSTERIOR_MEAN

if TYPE_CHECKING:
    from trimtab.surrogates.gp import Model

__all__ = ["FittedMean", "read_fitted_mean"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

DRAWS = 4_000
"""Joint draws of the process."""

_LEFT_OUT = f"a surrogate is fitted to the best and latest {MOST}, within the space"

NOTHING = 1e-12
"""An end of an interval that is smaller than so much of the smallest loss is 0."""

LEAST, ENOUGH = 3, 10
"""Trials that a surrogate takes where it is asked for by name, and where it is not."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedMean:
    """What a surrogate says of the trials.

    Arguments:
        candidates: the trials.
        evidence: what those that the surrogate is fitted to told.
        space: of their coordinates.
        model: the surrogate.
    """

    method: ClassVar[str] = (
        "surrogate: lowest mean of a Gaussian process that was fitted to the values and to their noise; interval and "
        "tie set of its joint draws"
    )
    refs: ClassVar[tuple[Reference, ...]] = (POSTERIOR_MEAN, *BESIDE_REFS)

    candidates: Candidates
    evidence: SurrogateEvidence
    space: Space
    model: Model

    def select(self, level: float, key: Key) -> Selection:
        """The trial of least posterior mean; the key is of the draws."""
        from trimtab.surrogates.gp.roughness import noise_share, told_draws, told_means
        from trimtab.surrogates.small_matrices import small_matrices
        from trimtab.trust.optimum_posterior.inflation import drawn_inflations

        rng, model, evidence = key.child("surrogate").generator(), self.model, self.evidence
        rows = np.flatnonzero(evidence.good & np.isin(evidence.numbers, self.candidates.numbers))
        with small_matrices():
            share = noise_share(model.posterior, repeats(evidence, self.space))
            mean = told_means(model.posterior, share.mean)[rows]
            widths = drawn_inflations(model, DRAWS, rng)
            drawn = told_draws(model.posterior, share.drawn(DRAWS, rng), widths, rng)[:, rows]
        at = int(mean.argmin())
        best = np.bincount(drawn.argmin(axis=1), minlength=len(rows)) / DRAWS
        sign, places = self.candidates.objective.sign, np.searchsorted(self.candidates.numbers, evidence.numbers[rows])
        ends = np.quantile(drawn[:, at], [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
        low, high = (sign * _unwarped(model, ends, evidence.losses[rows])).tolist()
        predicted = sign * model.warp.inverse(mean)
        return self.candidates.selection(
            int(places[at]),
            float(predicted[at]),
            (low, high),
            level,
            places[np.union1d(smallest_set(best, level), [at])],
            self.method,
            self._scope(places, predicted, at),
            best_probability=float(best[at]),
        )

    def _scope(self, places: Places, predicted: Floats, at: int) -> list[str]:
        """What the numbers cover, and what became of the best observed trial."""
        values, numbers = self.candidates.minimized[places], self.candidates.numbers[places]
        lucky, missing = int(values.argmin()), len(self.candidates) - len(places)
        told = self.candidates.objective.sign * float(values[lucky])
        luck = f"The best observed, trial {numbers[lucky]} with {told:.6g}, is predicted {predicted[lucky]:.6g}."
        return [
            *([luck] if lucky != at else []),
            f"Estimate and interval are those of a Gaussian process fitted to {len(places)} trials, by which it "
            "knows of the noise; deviations are widened by what the best trials ask for. They hold as far as the "
            "process does.",
            "To be surer, return trimtab.Observation(value, losses=...) with per-example validation losses or "
            "(value, stderr=...), or run the best configurations again a few times.",
            *([f"{missing} of {len(self.candidates)} trials are left out: {_LEFT_OUT}."] if missing else []),
        ]


def _unwarped(model: Model, ends: Floats, losses: Floats) -> Floats:
    """Ends of an interval as losses: 0 where they lie so far below the least of positive losses that the warp ends."""
    found = model.warp.inverse(ends)
    return np.where(np.abs(found) < NOTHING * np.abs(losses).min(), 0.0, found)


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
    """A surrogate of the trials, where they prove that there is noise, or where it was asked for by name."""
    space = candidates.history.space
    if not isinstance(space, Space) or not len(space):
        return Absent("a surrogate needs a space with parameters")
    history = one_objective(candidates.history, candidates.index)
    evidence = gather(history, subset(history, told_numbers(history), MOST))
    told = int(np.isin(evidence.numbers[evidence.good], candidates.numbers).sum())
    least = LEAST if named else ENOUGH
    if told < least:
        return Absent(f"{told} trials within the space are too few for a surrogate; it takes {least}")
    if not named and _is_mixed(candidates):
        return Absent("values of several fidelities or tasks are no evidence of noise")
    if not named and not shows_noise(evidence, space):
        return Absent("no trials beside each other told different values, which would prove noise")
    # The surrogate needs SciPy, which no other selection does.
    from trimtab.surrogates.small_matrices import small_matrices
    from trimtab.trust.fitted import fitted

    evidence = replace(evidence, gradients=np.full(evidence.raw.shape, np.nan))
    try:
        with small_matrices():
            return FittedMean(candidates, evidence, space, fitted(evidence, space, history.study.name))
    except InvalidArgument as error:
        return Absent(str(error), told=True)


def _is_mixed(candidates: Candidates) -> bool:
    """Whether trials were run at several fidelities or tasks."""
    kinds = {(tuple(sorted((seen.fidelity or {}).items())), seen.task) for seen in candidates.observations}
    return len(kinds) > 1
