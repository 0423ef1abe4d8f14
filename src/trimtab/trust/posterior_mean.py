"""Recommendation by posterior mean: the trial that its neighbours speak for, in place of the best observed one.

Needs a declared space, and losses, standard errors or replicates, which tell of the noise. The best of many noisy
values is often the luckiest; a surrogate that knows of the noise lets trials with similar params vote, and the trial of
least posterior mean is recommended. That is how a search with noise is ended since Frazier, Powell and Dayanik (2009,
The Knowledge-Gradient Policy for Correlated Normal Beliefs, INFORMS Journal on Computing 21:599; recalled).

The surrogate is a Gaussian process of fixed hyperparameters on the values y of k trials, lower being better: with
m and v their mean and variance,

    mu = m + K (K + 2 u I)^-1 (y - m),      K_ij = v exp(-r_ij^2 / (2 * 0.2^2)),

r_ij the root mean square over parameters of their distances in the unit cube (categories and inactive parameters
as `trimtab.surrogates.gp.Embedding` has them), and u the median over trials of the squared standard error of the
difference to a reference, the default or the first trial. It is doubled since another training set would add noise of
its own. Length and factor are those that were fixed on random searches of kernel ridge regressions.

Fitting them was tried and not kept. Length and variance by the evidence, averaged over a grid, chose no
better. The full covariance of the noise, as per-example losses have it, chose much worse: of 60 trials on 20 to 100
examples it is too badly known, and a posterior that believes it trusts differences that only look certain.

What it does not do. A surface that bends within a length of 0.2 is smoothed away, which costs where there is much
validation data. Of three parameters, bowls b + a |x - c|^2 with 0/1 losses, 100 random trials, 150 searches: true
error of the choice, by the best observed and by posterior mean, least error

    a = 0.5, 50 examples     .125   .107   (.099)          a = 2, 50 examples       .152   .131   (.125)
    a = 0.5, 1,000           .103   .100   (.099)          a = 2, 1,000             .128   .130   (.127)

A tuner that crowds its trials where it was lucky crowds the votes too. The default counts as its neighbours do, so a
good one among bad neighbours looks worse than it is; `trimtab.trust.default_guard` therefore compares what was
observed.

The interval is not that of the posterior. It is the simultaneous interval of the selected trial, around its own
observed value, which holds for any rule of selection; the posterior mean is the estimate, moved into it where it lies
outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Params, Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Absent, Candidates, Evidence
from trimtab.trust.losses import MEAN_LOSS, PairedLosses, read_losses, simultaneous_ends
from trimtab.trust.replicates import Replicates, read_replicates
from trimtab.trust.simultaneous import sidak, studentized_maximum_modulus
from trimtab.trust.standard_errors import StandardErrors, read_standard_errors
from trimtab.trust.ties import independent_ties, paired_ties

__all__ = ["POSTERIOR_MEAN", "PosteriorMean", "differences", "posterior_mean", "read_posterior_mean"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

POSTERIOR_MEAN = Reference(
    authors="Frazier, Peter and Powell, Warren and Dayanik, Savas",
    title="The knowledge-gradient policy for correlated normal beliefs",
    year=2009,
    venue="INFORMS Journal on Computing 21, 599-613",
)

LENGTH = 0.2
NOISE = 2.0
MOST = 2_000
"""Trials that are smoothed over, the latest: the cost is cubic."""


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorMean:
    """Posterior means of the trials within the space.

    Arguments:
        evidence: what the trials told of values and noise.
        places: of the m smoothed trials among the candidates, ascending, shape (m,).
        means: their posterior means, lower is better, shape (m,).
    """

    method: ClassVar[str] = (
        "posterior mean: lowest mean of a Gaussian process over the space, with the noise that was told; simultaneous "
        "interval of the selected trial, multiple comparisons with the best"
    )
    refs: ClassVar[tuple[Reference, ...]] = (POSTERIOR_MEAN,)

    evidence: Evidence
    places: Places
    means: Floats

    @property
    def candidates(self) -> Candidates:
        """The trials that are compared."""
        return self.evidence.candidates

    @property
    def place(self) -> int:
        """Of the recommended trial among the candidates; the first on ties."""
        return int(self.places[np.argmin(self.means)])

    def select(self, level: float, key: Key) -> Selection:
        """The trial of least posterior mean; the key is of the draws for its interval."""
        evidence, place = self.evidence, self.place
        ties, ends = _ties_and_ends(evidence, place, level, key)
        sign, objective, observed = self.candidates.objective.sign, None, None
        estimate = sign * float(self.means.min())
        if isinstance(evidence, PairedLosses):
            scale = evidence.link or float
            estimate = scale(float(self.means.min()))
            ends = None if ends is None else (scale(ends[0]), scale(ends[1]))
            if evidence.link is None:
                objective, observed = MEAN_LOSS, float(evidence.sample.means[place])
        elif ends is not None:
            ends = (sign * ends[0], sign * ends[1])
        return self.candidates.selection(
            place,
            estimate,
            ends,
            level,
            np.union1d(ties, [place]),
            self.method,
            [
                *self._scope(ends is None),
                *(evidence.caveats if isinstance(evidence, PairedLosses | StandardErrors) else ()),
            ],
            objective=objective,
            observed=observed,
        )

    def _scope(self, silent: bool) -> list[str]:
        """What the numbers cover, and what they do not."""
        missing = len(self.candidates) - len(self.places)
        return [
            f"The estimate is smoothed over {len(self.places)} trials and has no interval of its own; the interval is "
            f"of the selected trial's own value and covers the choice among {len(self.candidates)} trials.",
            "Smoothing helps where values are noisy and change slowly over the space; where they bend sharply, or with "
            "much validation data, the other methods choose better.",
            *([f"{missing} trials are not smoothed: they are too old or lie outside the space."] if missing else []),
            *(["No interval: the data show no noise of the selected trial."] if silent else []),
        ]


def read_posterior_mean(candidates: Candidates, named: bool) -> PosteriorMean | Absent:
    """The posterior means, where they were asked for by name; the reference for the noise is the first trial."""
    if not named:
        return Absent("the posterior mean is used where it is asked for by name only")
    for reader in (read_losses, read_standard_errors, read_replicates):
        evidence = reader(candidates, False)
        if not isinstance(evidence, Absent):
            found = posterior_mean(evidence, 0)
            return found or Absent("the noise is 0 everywhere, or the first trial lies outside the space")
    return Absent("nothing was told of the noise; return trimtab.Observation(value, losses=...) or (value, stderr=...)")


def posterior_mean(evidence: Evidence, reference: int) -> PosteriorMean | None:
    """The posterior means of the trials within the space, at most `MOST` of them.

    Arguments:
        evidence: what the trials told; its history has a declared space.
        reference: place of the trial that differences are taken to, such as the default; always smoothed.

    Returns:
        The means; None where nothing was told of noise, or the reference lies outside the space.
    """
    from trimtab.surrogates.evidence import encode_valid

    told = differences(evidence, reference)
    candidates = evidence.candidates
    _, valid = encode_valid(candidates.history.space, _params(candidates, range(len(candidates))))
    if told is None or not valid[reference]:
        return None
    places = np.union1d(np.flatnonzero(valid)[-MOST:], [reference])
    values, errors = told
    noise = NOISE * float(np.median(errors[places] ** 2))
    return PosteriorMean(evidence, places, smoothed(_apart(candidates, places), values[places], noise))


def differences(evidence: Evidence, reference: int) -> tuple[Floats, Floats] | None:
    """Values, lower is better, and standard errors of their differences to one of them, shape (k,) each.

    None where nothing was told of noise.
    """
    if isinstance(evidence, PairedLosses):
        base, n = evidence.sample.losses[reference], evidence.sample.size
        spreads = np.array([float((base - row).std()) for row in evidence.sample.losses])
        return evidence.sample.means, spreads / np.sqrt(n)
    if isinstance(evidence, StandardErrors):
        return evidence.candidates.minimized, np.hypot(evidence.errors, evidence.errors[reference])
    if isinstance(evidence, Replicates) and evidence.spread > 0.0:
        return evidence.means, evidence.spread * np.sqrt(1.0 / evidence.counts + 1.0 / evidence.counts[reference])
    return None


def smoothed(apart: Floats, values: Floats, noise: float) -> Floats:
    """Posterior means (m,) at m points, of their squared distances (m, m), values (m,) and variance of the noise."""
    middle, spread = float(values.mean()), float(values.var())
    if spread == 0.0:
        return values
    kernel = spread * np.exp(-apart / (2.0 * LENGTH**2))
    # A noise of zero would leave trials of equal params a singular matrix.
    noisy = kernel + max(noise, 1e-6 * spread) * np.eye(len(values))
    return np.asarray(middle + kernel @ np.linalg.solve(noisy, values - middle))


def _apart(candidates: Candidates, places: Places) -> Floats:
    """Mean squared distances over parameters, shape (m, m); zeros in a space without any."""
    from trimtab.surrogates.gp import Embedding

    space = candidates.history.space
    features = Embedding(space.columns).features(space.to_unit(space.encode_many(_params(candidates, places))))
    squares = (features**2).sum(axis=1)
    apart = squares[:, None] + squares - 2.0 * features @ features.T
    return np.asarray(np.maximum(apart, 0.0) / max(len(space.columns), 1))


def _params(candidates: Candidates, places: Iterable[int]) -> list[Params]:
    """Configurations of some candidates."""
    numbers = candidates.numbers[np.fromiter(places, dtype=np.intp)]
    return [params or {} for params in candidates.history.params(numbers)]


def _ties_and_ends(evidence: Evidence, place: int, level: float, key: Key) -> tuple[Places, tuple[float, float] | None]:
    """The tie set, and an interval of one trial that holds whichever rule chose it; lower is better."""
    if isinstance(evidence, PairedLosses):
        sample, rng = evidence.sample, key.child("simultaneous").generator()
        return paired_ties(sample, level), simultaneous_ends(sample, place, sample.standardised(), level, rng)
    freedom = np.inf
    if isinstance(evidence, Replicates):
        freedom, errors = evidence.freedom, evidence.spread / np.sqrt(evidence.counts)
        values, factor = evidence.means, studentized_maximum_modulus(len(errors), evidence.freedom, level)
    else:
        assert isinstance(evidence, StandardErrors)
        values, errors = evidence.candidates.minimized, evidence.errors
        factor = sidak(len(errors), level)
    reach, value = factor * float(errors[place]), float(values[place])
    return independent_ties(values, errors, level, freedom), (value - reach, value + reach)
