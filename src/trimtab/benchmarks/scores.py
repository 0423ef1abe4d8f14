"""Scores: normalised regret, mean ranks with bootstrap intervals, and the test against random search.

**Normalised regret** of a value v is (v - best) / (random - best), both of the instance that was played: `best` is the
least value that any run of it has reached within the reported trials, `random` the median over its runs of what random
search has reached after the largest reported budget. So 0 is the best known and 1 what random search ends at. It is
cut at 10, so that one bad start on a steep function does not decide a mean. Where random search ends at the best known
value, or has no success at all, it is 0 for the best value and 1 for any other.

**Rank** of a peer in a cell is its place among all peers by the best value so far, 1 for the least, ties
sharing the mean of their places. Means are taken over a problem's cells, all its instances and seeds, then over
problems, so that each problem counts the same.

**Intervals** are percentile bootstrap intervals over problems: the problems are drawn with replacement,
each with all of its cells, which says what would change on other problems of this kind. The difference
between two peers is drawn on the same problems for both (a paired bootstrap).

**Worse than random** is van Elteren's one-sided test on each problem of whether the peer's final values tend to be
greater than those of random search: values are compared within an instance, and the instances' evidence is added up
(see `van_elteren`). On a problem of one instance it is the exact Mann-Whitney test; where each instance was played
once, the sign test, of which five instances are the fewest that can say anything at the 95 % level. There is a
second verdict after Holm's correction for the number of problems. The probability of ending lower than random
search is likewise a mean over instances.

Sources: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993. P. van Elteren, Bulletin de l'Institut
International de Statistique 37, 1960. H. Mann and D. Whitney, Annals of Mathematical Statistics 18, 1947. S. Holm,
Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from trimtab.base.records import Interval
from trimtab.base.seeds import Key
from trimtab.benchmarks.results import Results
from trimtab.benchmarks.van_elteren import Stratum, p_greater

__all__ = [
    "Against",
    "Standing",
    "against_random",
    "bootstrap_means",
    "by_problem",
    "interval",
    "lower_share",
    "mean_ranks",
    "normalised_regrets",
    "ranks",
    "standings",
]

Array = NDArray[np.float64]

CUT = 10.0
DRAWS = 10_000
LEVEL = 0.95


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """How one peer did at one budget.

    Arguments:
        peer: its name.
        rank, rank_interval: mean rank.
        behind, behind_interval: mean rank minus that of the first, on the same problems; 0 for the first.
        regret, regret_interval: mean normalised regret.
    """

    peer: str
    rank: float
    rank_interval: Interval
    behind: float
    behind_interval: Interval
    regret: float
    regret_interval: Interval


@final
@dataclass(frozen=True, slots=True)
class Against:
    """One peer against random search on one problem.

    Arguments:
        peer, problem: their names.
        better: probability that a run of the peer ends lower than one of random search on the same instance, ties
            halved: a mean over instances.
        p_worse: p-value of the test that it tends to end higher.
        p_holm: the same after Holm's correction over the problems of this peer.
    """

    peer: str
    problem: str
    better: float
    p_worse: float
    p_holm: float


def normalised_regrets(results: Results) -> Array:
    """Normalised regret after each trial, shape (c, p, n)."""
    final = results.best[:, :, -1]
    regrets = np.empty_like(results.best)
    chosen = _random_columns(results)
    for place in range(len(results.instances)):
        cells = results.instance == place
        best = float(np.min(final[cells]))
        reference = float(np.median(final[cells][:, chosen] if chosen else final[cells]))
        regrets[cells] = _normalised(results.best[cells], best, reference)
    return regrets


def _normalised(values: Array, best: float, reference: float) -> Array:
    """Values on the scale on which `best` is 0 and `reference` is 1, cut at `CUT`."""
    if not best < reference < math.inf:
        return np.where(values <= best, 0.0, 1.0)
    scaled: Array = (values - best) / (reference - best)
    return np.minimum(scaled, CUT)


def _random_columns(results: Results) -> list[int]:
    """Places of the peers that are random search."""
    return [place for place, peer in enumerate(results.peers) if peer.endswith(":random")]


def ranks(values: Array) -> Array:
    """Ranks along the last axis, 1 for the least, ties sharing the mean of their places."""
    ranked: Array = rankdata(values, axis=-1)
    return ranked


def mean_ranks(results: Results, budget: int) -> Array:
    """Mean rank of each peer on each problem after `budget` trials, shape (m, p)."""
    return by_problem(ranks(results.best[:, :, budget - 1]), results.problem, len(results.problems))


def by_problem(values: Array, problem: NDArray[np.intp], count: int) -> Array:
    """Means over the cells of each problem: (c, p) to (m, p)."""
    return np.array([values[problem == place].mean(axis=0) for place in range(count)])


def bootstrap_means(means: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Means over problems drawn with replacement: (m, p) to (draws, p), the same problems for every column."""
    rng = Key(seed, purpose="bootstrap over problems").generator()
    chosen = rng.multinomial(len(means), np.full(len(means), 1.0 / len(means)), size=draws)
    drawn: Array = chosen @ means / len(means)
    return drawn


def interval(drawn: Array, level: float = LEVEL) -> Interval:
    """The percentile interval of bootstrap draws (draws,)."""
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high), level)


def standings(results: Results, budget: int, regrets: Array | None = None) -> list[Standing]:
    """How the peers stand after `budget` trials, best mean rank first.

    Arguments:
        results: the runs.
        budget: after how many trials, at most those of the results.
        regrets: of `normalised_regrets`, where they are there already.
    """
    at = budget - 1
    ranked = mean_ranks(results, budget)
    scored = normalised_regrets(results) if regrets is None else regrets
    regretted = by_problem(scored[:, :, at], results.problem, len(results.problems))
    rank_draws, regret_draws = bootstrap_means(ranked), bootstrap_means(regretted)
    means = ranked.mean(axis=0)
    order = np.argsort(means, kind="stable")
    first = order[0]
    return [
        Standing(
            peer=results.peers[place],
            rank=float(means[place]),
            rank_interval=interval(rank_draws[:, place]),
            behind=float(means[place] - means[first]),
            behind_interval=interval(rank_draws[:, place] - rank_draws[:, first]),
            regret=float(regretted[:, place].mean()),
            regret_interval=interval(regret_draws[:, place]),
        )
        for place in order
    ]


def against_random(results: Results, budget: int) -> list[Against]:
    """Every peer but random search itself against it, on every problem; empty where there is no random search."""
    chosen = _random_columns(results)
    found = []
    for place, peer in enumerate(results.peers):
        if not chosen or place in chosen:
            continue
        rows = [_compared(_strata(results, problem, place, chosen, budget)) for problem in range(len(results.problems))]
        corrected = holm([p for _, p in rows])
        found += [
            Against(peer, name, better, p, p_holm)
            for name, (better, p), p_holm in zip(results.problems, rows, corrected, strict=True)
        ]
    return found


def _strata(results: Results, problem: int, place: int, chosen: Sequence[int], budget: int) -> list[Stratum]:
    """For each instance of a problem the final values of the peer at `place`, and those of random search."""
    final = results.best[:, :, budget - 1]
    instances = np.unique(results.instance[results.problem == problem])
    return [
        (final[cells, place], final[cells][:, chosen].ravel())
        for cells in (results.instance == instance for instance in instances)
    ]


def _compared(strata: Sequence[Stratum]) -> tuple[float, float]:
    """Probability of being lower than random, and the p-value of being greater."""
    return float(np.mean([lower_share(own, random) for own, random in strata])), p_greater(strata)


def lower_share(own: Array, other: Array) -> float:
    """The share of pairs of values, (n,) and (m,), of which the first is the lower, ties half.

    >>> lower_share(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    lower, tied = own[:, None] < other, own[:, None] == other
    return float(np.mean(lower + 0.5 * tied))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for their number.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for step, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        corrected[place] = largest
    return corrected
