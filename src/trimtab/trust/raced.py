"""Selection from a race: the best few configurations of a study, evaluated again on fresh blocks (folds, seeds).

Needs the block evaluations that `Study.race` leaves in the log (`trimtab.trust.race_records`), which
`trimtab.trust.study_race` folds into the race.

With m and s the winner's mean and standard deviation over n blocks, lower being better, and k contenders, the interval
is

    [ m - t_{n-1}(a/2) s / sqrt(n),   m + t_{n-1}(a/(2k)) s / sqrt(n) ],       a = 1 - level,

with t_d(p) what Student's t with d degrees of freedom exceeds with probability p. Upper end: which contender wins, a
race decides by looking; but the k upper ends over all blocks hold together (Bonferroni), among them those of contenders
that left early, which nobody computed, so that of whichever won holds. For this the last one in the race is run on all
blocks (`finish`). Lower end: for the same true means a contender wins the rather the lower its own losses are, so that
winning makes a mean that is too high rarer, not more frequent (Chebyshev's inequality for monotone functions); that a
race's drops are so monotone is nearly true, and was measured. Where the winner was not run on all blocks, when to stop
was decided by looking, too: the error is then spread over the numbers of blocks at which the race could stop.

The estimate is m, corrected for the choice among those that were in the race to its end, block by block as
`trimtab.trust.out_of_bag` does it example by example. In 500 races for each row (`dev/studies/study_races.py`), ten
contenders and ten blocks where nothing else is said, the predictive test, noise of 1, intervals of 95 %, the naive one
Student's t on the winner's blocks; bias in standard errors, of the estimate and of m:

    true means, what a block's values share         covered  naive   width  naive    bias      m
    all equal, nothing shared                          .982   .812    1.80   1.37    -.11  -1.64
    all equal, shared like the noise                   .980   .872    2.61   1.98    -.10  -1.17
    spread like the noise, shared                      .978   .934    2.58   1.96    +.04   -.40
    the same, 5 blocks                                 .990   .944    4.95   3.28    +.06   -.60
    the same, 30 contenders                            .990   .926    2.93   1.98    +.17   -.47
    the same, 30 blocks, anytime t-test                .984   .958    1.30   1.04    +.09   -.19
    three times the noise, shared                      .976   .942    2.58   1.96    -.01   -.16
    the same, finish=False                             .996   .954   14.75   3.08    -.09   -.25
    spread like exponential noise, nothing shared      .944   .838    1.48   1.13    -.26   -.97
    errors in folds of 50 examples                     .958   .908     .06    .04    +.08   -.68

Blocks count as independent and normal. Folds share training data, which makes the interval somewhat too short
(S. Bates, T. Hastie and R. Tibshirani, "Cross-validation: what does it estimate and how well does it do it?", arXiv
2104.00673, recalled).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.out_of_bag import BBC, out_of_bag_correction
from trimtab.trust.quantiles import student_quantile
from trimtab.trust.race_records import races_of
from trimtab.trust.racing.race import HOEFFDING_RACES
from trimtab.trust.sample import PairedSample
from trimtab.trust.study_race import StudyRace, race_of

__all__ = ["Raced", "read_race", "winner_correction", "winner_ends"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Raced:
    """A race that is over, to select by.

    Arguments:
        candidates: the contenders.
        race: the race.
    """

    method: ClassVar[str] = (
        "race over blocks: Student's t interval over blocks, Bonferroni over all contenders, out-of-bag estimate"
    )
    refs: ClassVar[tuple[Reference, ...]] = (
        HOEFFDING_RACES,
        BBC,
    )

    candidates: Candidates
    race: StudyRace

    def select(self, level: float, key: Key) -> Selection:
        """The winner, and what to expect of it."""
        race, sign = self.race, self.race.objective.sign
        numbers = self.candidates.numbers.tolist()
        values = sign * race.values_of(race.chosen)
        ends = winner_ends(values, len(race.plan.contenders), race.plan.blocks, level)
        return self.candidates.selection(
            numbers.index(race.chosen),
            sign * (float(values.mean()) + winner_correction(race, key)),
            None if ends is None else (sign * ends[0], sign * ends[1]),
            level,
            np.array([numbers.index(number) for number in race.alive], dtype=np.intp),
            self.method,
            self._scope(len(values), ends is None),
            observed=sign * float(values.mean()),
            ties_tested=race.plan.test.keeps_best and not race.failed,
        )

    def against(self, default: int | None) -> list[str]:
        """The caveat that compares the winner with the trial that ran the default configuration."""
        race = self.race
        named = f"the default configuration (trial {default})"
        if default is None:
            return []
        if default == race.chosen:
            return [f"The selected trial is {named} itself."]
        if default in race.failed:
            return [f"It could not be compared with {named}, which failed in the race."]
        if default not in race.plan.contenders:
            return [f"It was not compared with {named}, which did not race."]
        if default in race.alive:
            return [f"The data cannot tell it from {named}: both were in the race to its end."]
        return [f"The race dropped {named} on the way; what that means is said above."]

    def _scope(self, blocks: int, silent: bool) -> list[str]:
        """What the numbers cover, and what they do not."""
        race, plan = self.race, self.race.plan
        left = len(plan.contenders) - len(race.alive) - len(race.failed)
        scope = [
            f"Race {plan.name!r}: {len(plan.contenders)} contenders, {race.evaluations} of {race.full} evaluations "
            f"({race.evaluations / race.full:.0%}), told {'example by example' if race.by_example else 'by block'}; "
            f"{left} were dropped by the test and {len(race.failed)} failed. Estimate and interval are of the mean "
            f"over blocks, from {blocks} of them.",
            f"Dropping: {plan.test.name}, error {plan.alpha:g}. {plan.test.statement}",
            "Blocks count as independent, normal and fresh: folds share training data, which makes the interval "
            "somewhat too short, and blocks by which the contenders were found in the first place flatter them.",
        ]
        if silent:
            scope.append("No interval: the winner has a single block, or the same value on all of them.")
        rest = len(self.candidates.history.complete) - len(plan.contenders)
        if rest > 0:
            scope.append(f"The other {rest} complete trials did not race; they were left out by what they told before.")
        return scope


def winner_correction(race: StudyRace, key: Key) -> float:
    """What to add to the winner's mean, lower being better, for having won against those still in the race at its end.

    Arguments:
        race: over.
        key: of the resamples of blocks.
    """
    sample = PairedSample.of([race.objective.sign * race.values_of(number) for number in race.alive])
    if len(race.alive) == 1 or sample.size == 1:
        return 0.0
    return out_of_bag_correction(sample, sample.standardised(), key.child("out of bag").generator())


def winner_ends(values: Array, contenders: int, blocks: int, level: float) -> tuple[float, float] | None:
    """The interval of a race's winner.

    Arguments:
        values: of the winner by block, lower is better, shape (n,).
        contenders: how many began the race.
        blocks: how many blocks there are, n at least.
        level: such as 0.95.

    Returns:
        Low and high end; None where n < 2 or all values are equal.
    """
    seen = len(values)
    if seen < 2 or float(np.ptp(values)) == 0.0:
        return None
    # Half of the error for the race that ends with its last block, half for all earlier ends together.
    share = 1.0 if seen == blocks else 0.5 / (blocks - 2)
    tail = share * (1.0 - level) / 2.0
    error = float(values.std(ddof=1)) / math.sqrt(seen)
    mean = float(values.mean())
    return (
        mean - student_quantile(tail, seen - 1) * error,
        mean + student_quantile(tail / contenders, seen - 1) * error,
    )


def read_race(candidates: Candidates, named: bool) -> Raced | Absent:
    """The latest race of the study.

    Arguments:
        candidates: the trials.
        named: whether a race was asked for by name; otherwise no trial may have come after it.
    """
    history = candidates.history
    plan = next(reversed(races_of(history).values()), None)
    if plan is None:
        return Absent("there was no race; run one with study.race(objective)")
    try:
        found = race_of(history, plan.name, candidates.index)
    except InvalidArgument as error:
        return Absent(f"race {plan.name!r} was not used, because {error}".rstrip("."), told=True)
    why = _unusable(found, candidates, named)
    if why:
        return Absent(f"race {plan.name!r} was not used, because {why}", told=True)
    places = [candidates.numbers.tolist().index(number) for number in plan.contenders]
    return Raced(candidates.take(places), found)


def _unusable(found: StudyRace, candidates: Candidates, named: bool) -> str:
    """Why a race does not say which trial to take; empty where it does."""
    later = len(candidates.history.complete) - found.plan.complete
    if found.void:
        return f"all contenders that were left failed on block {found.block}"
    if not found.over:
        return (
            f"it is not over ({found.evaluations} of {found.full} evaluations at most); call study.race again to go on"
        )
    if _missing(candidates.numbers.tolist(), found.plan.contenders):
        return "a contender is no longer a feasible, complete trial"
    if later and not named:
        them = "a trial was" if later == 1 else f"{later} trials were"
        return f"{them} completed after it began; race again under another name, or ask for method='race'"
    return ""


def _missing(numbers: Collection[int], contenders: Collection[int]) -> bool:
    """Whether a contender is not among the candidates."""
    return not set(contenders) <= set(numbers)
