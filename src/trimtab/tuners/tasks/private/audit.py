"""An audit of a private mechanism: how much privacy it can be seen to lose.

If a mechanism is (epsilon, delta)-differentially private, then for neighbouring data sets a and b and any event E

    P(M(a) in E) <= exp(epsilon) P(M(b) in E) + delta,

so an event with probabilities p and q proves epsilon >= log((p - delta) / q). The two probabilities are unknown, but
from n releases each of M(a) and M(b) Clopper and Pearson's exact limits bound p from below and q from above, and give a
lower limit of epsilon that is wrong with probability at most `1 - confidence`, whatever the mechanism is.

Events are "an attack's score is at least c" and "at most c". Which attack, which side, which of a and b comes first and
which c is best is chosen on the first half of the releases, and the limit is computed on the second half, so choosing
costs no confidence. An attack is a function from a release to a number; `threshold_attacks` looks at single released
numbers, and `likelihood_ratio` at all of them together, which no other attack beats where it is the true ratio.

A limit above the stated epsilon shows that the statement is false. A limit below it shows no privacy: it is what these
attacks found with so many releases, on these neighbours.

Sources: Z. Ding, Y. Wang, G. Wang, D. Zhang and D. Kifer, "Detecting Violations of Differential Privacy", CCS
2018, arXiv 1805.10559; M. Jagielski, J. Ullman and A. Oprea, "Auditing Differentially Private Machine Learning: How
Private is Private SGD?", NeurIPS 2020, arXiv 2006.07709; C. Clopper and E. Pearson, Biometrika 26, 1934.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from trimtab.base.errors import InvalidArgument, check_count, message

__all__ = ["Attack", "Audit", "audit", "likelihood_ratio", "lower_epsilon", "threshold_attacks"]

Array = NDArray[np.float64]
Attack: TypeAlias = Callable[[Array], Array]
"""Scores (n,) of releases (n, k)."""

CUTS = 64
"""Cuts that are looked at for each attack."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Arguments:
        epsilon: the lower limit of the mechanism's epsilon; 0 where nothing was found.
        delta: at which delta.
        confidence: with which the limit holds.
        attack: the name of the attack that was chosen.
        hits: how often its event happened in the second half, for the likelier data set and the other.
        releases: how many releases the second half has for each.
    """

    epsilon: float
    delta: float
    confidence: float
    attack: str
    hits: tuple[int, int]
    releases: int

    def refutes(self, epsilon: float) -> bool:
        """Whether it shows that the mechanism does not have this epsilon."""
        return self.epsilon > epsilon


def lower_epsilon(hits: int, others: int, releases: int, delta: float, confidence: float) -> float:
    """A lower limit of epsilon from how often an event happened; 0 where it shows none.

    Arguments:
        hits: releases of the likelier data set with the event.
        others: releases of the other one with it.
        releases: of each.
        delta: of the mechanism.
        confidence: of the limit; each probability gets half of what may be wrong.
    """
    wrong = (1.0 - confidence) / 2.0
    low = float(beta.ppf(wrong, hits, releases - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1.0 - wrong, others + 1, releases - others)) if others < releases else 1.0
    return math.log((low - delta) / high) if low - delta > high else 0.0


def audit(
    first: Callable[[], ArrayLike],
    second: Callable[[], ArrayLike],
    attacks: Mapping[str, Attack],
    *,
    releases: int = 2000,
    delta: float = 0.0,
    confidence: float = 0.99,
) -> Audit:
    """Attack a mechanism.

    Arguments:
        first: makes a release (k,) from one data set, with fresh noise at every call.
        second: makes one from a neighbouring data set.
        attacks: by name.
        releases: of each data set, half of them to choose by.
        delta: of the mechanism.
        confidence: of the limit.

    Raises:
        InvalidArgument: no attack, fewer than 20 releases, or a confidence outside (0, 1).
    """
    check_count(releases, "releases", 20)
    if not attacks or not 0.0 < confidence < 1.0 or not 0.0 <= delta < 1.0:
        raise InvalidArgument(
            message(
                "an audit needs attacks, a confidence and a delta",
                got=(sorted(attacks), confidence, delta),
                allowed="one attack or more, 0 < confidence < 1, 0 <= delta < 1",
            )
        )
    drawn = [np.array([np.asarray(make(), dtype=float).ravel() for _ in range(releases)]) for make in (first, second)]
    half = releases // 2
    best: tuple[float, str, int, float, float] | None = None
    for name, attack in attacks.items():
        scores = [np.asarray(attack(part[:half]), dtype=float) for part in drawn]
        for sign in (1.0, -1.0):
            for cut in np.unique(np.quantile(sign * np.concatenate(scores), np.linspace(0.0, 1.0, CUTS))):
                counts = [int((sign * part >= cut).sum()) for part in scores]
                for likelier in (0, 1):
                    found = lower_epsilon(counts[likelier], counts[1 - likelier], half, delta, confidence)
                    if best is None or found > best[0]:
                        best = (found, name, likelier, sign, float(cut))
    assert best is not None
    _, name, likelier, sign, cut = best
    hits = [int((sign * attacks[name](part[half:]) >= cut).sum()) for part in drawn]
    rest = releases - half
    limit = lower_epsilon(hits[likelier], hits[1 - likelier], rest, delta, confidence)
    return Audit(limit, delta, confidence, name, (hits[likelier], hits[1 - likelier]), rest)


def threshold_attacks(places: Sequence[int]) -> dict[str, Attack]:
    """Attacks that look at one released number each.

    Arguments:
        places: which numbers of a release.
    """

    def at(place: int) -> Attack:
        return lambda released: released[:, place]

    return {f"number {place}": at(place) for place in places}


def likelihood_ratio(first: ArrayLike, second: ArrayLike, width: float, kind: str = "laplace") -> Attack:
    """The logarithm of how much likelier a release is from the first data set than from the second.

    Arguments:
        first: what the first data set would release without noise, shape (k,).
        second: what the second would.
        width: the scale of the noise, or its variance if it is Gaussian.
        kind: "laplace" or "gaussian".
    """
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if kind == "gaussian":
        return lambda released: (((released - two) ** 2 - (released - one) ** 2) / (2.0 * width)).sum(axis=1)
    return lambda released: ((np.abs(released - two) - np.abs(released - one)) / width).sum(axis=1)
