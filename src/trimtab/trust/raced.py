"""Selection from a race: the best few configurations of a study, evaluated again on fresh blocks (folds, seeds).

Needs the block evaluations that `Study.race` leaves in the log. They are no trials: each is kept with the trial whose
configuration it is of, as an attribute named `race:NAME:BLOCK`, and the race's plan with the study as `race:NAME`. So
tuners, pruners, plots and the observed best see what they saw before, no worker can take one for a trial of its own,
and every storage has them. A race is the fold of these records in the race's own order (`race_of`), whatever the order
in which they were written.

A contender whose evaluation failed leaves the race, and what is said of it is why. Where every contender tells losses
for each block's examples, of which its value is the mean (or one less it, or a multiple), the test sees these;
otherwise the values.

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
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.history import History
from trimtab.base.records import Json, Objective, Observation, Outcome, Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.observed import objective_index
from trimtab.trust.out_of_bag import BBC, out_of_bag_correction
from trimtab.trust.quantiles import student_quantile
from trimtab.trust.racing.catalogue import NamedTest, racing_test_from_json, racing_test_to_json
from trimtab.trust.racing.race import HOEFFDING_RACES, Race
from trimtab.trust.sample import PairedSample

__all__ = [
    "BlockRecord",
    "RacePlan",
    "Raced",
    "StudyRace",
    "contenders_of",
    "own_attributes",
    "plan_of",
    "race_of",
    "raced_blocks",
    "races_of",
    "read_race",
    "winner_correction",
    "winner_ends",
]

S = TypeVar("S")
Array = NDArray[np.float64]

_PREFIX = "race:"
_ROUNDING = 1e-6


@final
@dataclass(frozen=True, slots=True)
class RacePlan:
    """What a race is; fixed before its first evaluation.

    Arguments:
        name: unique in the study.
        contenders: numbers of the trials whose configurations race, two at least.
        blocks: how many blocks there are; they are numbered from 0.
        test: decides who leaves.
        alpha: the error of the race, of what says `test.statement`.
        finish: whether the last one in the race is run on the blocks that are left, for its estimate.
        complete: how many trials of the study were complete when the race was planned.
        seen: place in the log then.
    """

    name: str
    contenders: tuple[int, ...]
    blocks: int
    test: NamedTest
    alpha: float
    finish: bool = True
    complete: int = 0
    seen: int = 0

    @property
    def attribute(self) -> str:
        """The study's attribute that holds the plan."""
        return f"{_PREFIX}{self.name}"

    def block_attribute(self, block: int) -> str:
        """The attribute of a trial that holds its evaluation on a block."""
        return f"{_PREFIX}{self.name}:{block}"

    def begin(self, seed: int) -> Race:
        """The race before its first block, with contenders by their places; the order follows from the study's seed."""
        key = Key(seed, purpose=self.attribute)
        return Race.begin(len(self.contenders), self.blocks, self.test, self.alpha, key)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, without the name."""
        return {
            "contenders": list(self.contenders),
            "blocks": self.blocks,
            "test": racing_test_to_json(self.test),
            "alpha": self.alpha,
            "finish": self.finish,
            "complete": self.complete,
            "seen": self.seen,
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Json]) -> RacePlan:
        """Inverse of `to_json`."""
        parts = dict(data)
        contenders = tuple(int(number) for number in parts.pop("contenders"))
        return cls(name, contenders, test=racing_test_from_json(parts.pop("test")), **parts)


@final
@dataclass(frozen=True, slots=True, eq=False)
class BlockRecord:
    """One evaluation: of a contender, on a block.

    Arguments:
        observation: what it told; None where it failed.
        failure: why it failed, for people; empty where it did not.
        attributes: user attributes that it set.
        seconds: how long it ran.
        blind: whether it looked at neither `trial.block` nor `trial.seed`.
    """

    observation: Observation | None
    failure: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0
    blind: bool = False

    @classmethod
    def of(cls, outcome: Outcome, blind: bool) -> BlockRecord:
        """The record of an outcome; one that is not complete is a failure."""
        seen = outcome.observation if outcome.observation is not None and outcome.observation.finite else None
        # The first line says it; a traceback belongs to the call that ran it.
        failure = "" if seen is not None else (outcome.text.strip().splitlines() or [outcome.reason.text])[-1]
        return cls(seen, failure, outcome.attributes, outcome.seconds, blind)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; what is empty is left out."""
        seen = None if self.observation is None else self.observation.to_json()
        parts = {
            "observation": seen,
            "failure": self.failure,
            "attributes": dict(self.attributes),
            "seconds": round(self.seconds, 6),
            "blind": self.blind,
        }
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> BlockRecord:
        """Inverse of `to_json`."""
        parts = dict(data)
        seen = parts.pop("observation", None)
        return cls(None if seen is None else Observation.from_json(seen), **parts)


@final
@dataclass(frozen=True, slots=True, eq=False)
class StudyRace:
    """A race of a study, as far as it went. Made by `race_of`.

    Arguments:
        plan: what was planned.
        race: where it stands, with contenders by their places in the plan.
        records: (trial number, block) -> the evaluation, as many as there are.
        failed: trial number -> block and reason, for contenders that left because an evaluation failed.
        block: the block to be run next; None where the race is over.
        waiting: trial numbers that it must be run for.
        by_example: whether the test saw losses of single examples.
        objective: what the race is about.
    """

    plan: RacePlan
    race: Race
    records: Mapping[tuple[int, int], BlockRecord]
    failed: Mapping[int, str]
    block: int | None
    waiting: tuple[int, ...]
    by_example: bool
    objective: Objective

    @property
    def over(self) -> bool:
        """Whether nothing more is to be run."""
        return self.block is None

    @property
    def void(self) -> bool:
        """Whether every contender that was still in it failed on `block`, so that nobody can win."""
        return self.block is not None and not self.waiting

    @property
    def chosen(self) -> int:
        """Number of the trial that leads, or won."""
        return self.plan.contenders[self.race.chosen]

    @property
    def alive(self) -> tuple[int, ...]:
        """Numbers of the trials that are in the race."""
        return tuple(self.plan.contenders[place] for place in self.race.alive)

    @property
    def evaluations(self) -> int:
        """How many evaluations were run, failed ones included."""
        return len(self.records)

    @property
    def full(self) -> int:
        """How many there would be without a race."""
        return self.race.full

    def values_of(self, number: int) -> Array:
        """A contender's values on the blocks that it was run on, in the race's order, in the objective's own sign."""
        found = [self.records.get((number, int(block))) for block in self.race.order]
        seen = [record.observation for record in found if record is not None and record.observation is not None]
        return np.array([observation.values[self.objective.name] for observation in seen])

    def __str__(self) -> str:
        """A few plain lines for people."""
        state = "is over" if self.over else f"goes on with block {self.block}"
        lines = [
            f"race {self.plan.name!r} {state}: trial {self.chosen} "
            f"{'won' if self.over else 'leads'}, {len(self.alive)} of {len(self.plan.contenders)} still in it",
            f"  {self.evaluations} of {self.full} evaluations ({self.evaluations / self.full:.0%}), told "
            f"{'example by example' if self.by_example else 'block by block'}",
            f"  test: {self.plan.test.name}, error {self.plan.alpha:g}",
            *(f"  trial {number} left: {why}" for number, why in self.failed.items()),
            f"  note: {self.plan.test.statement}",
        ]
        return "\n".join(lines)


def own_attributes(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """The attributes of a trial that its user gave it, without what races keep there."""
    return {name: value for name, value in attributes.items() if not name.startswith(_PREFIX)}


def raced_blocks(attributes: Mapping[str, Json]) -> dict[str, int]:
    """Race -> on how many of its blocks a trial was evaluated again.

    >>> raced_blocks({"race:finals:0": {}, "race:finals:7": {}, "note": "mine"})
    {'finals': 2}
    """
    names = [name.removeprefix(_PREFIX).rpartition(":")[0] for name in attributes if name.startswith(_PREFIX)]
    return dict(Counter(names))


def races_of(history: History[S]) -> dict[str, RacePlan]:
    """The races of a study by name, in the order in which they were planned."""
    found = [
        RacePlan.from_json(name.removeprefix(_PREFIX), data)
        for name, data in history.study.attributes.items()
        if name.startswith(_PREFIX) and isinstance(data, Mapping) and "contenders" in data
    ]
    return {plan.name: plan for plan in sorted(found, key=lambda plan: plan.seen)}


def plan_of(history: History[S], name: str) -> RacePlan:
    """The plan of a race.

    Raises:
        UnknownName: the study has no such race.
    """
    plans = races_of(history)
    if name not in plans:
        raise UnknownName(
            message(
                f"study {history.study.name!r} has no race of that name",
                got=name,
                allowed=", ".join(map(repr, plans)) or "none yet",
                do="run one with study.race(objective)",
            )
        )
    return plans[name]


def contenders_of(history: History[S], trials: Sequence[int] | None, most: int, index: int = 0) -> tuple[int, ...]:
    """Who is to race: the given trials, or the tie set of the selection and then the best observed.

    Of trials with the same configuration the first counts.

    Arguments:
        history: the study.
        trials: numbers; None for a choice.
        most: how many to choose.
        index: of the objective.

    Raises:
        UnknownName: no trial is complete and feasible, or one that is given is not.
        InvalidArgument: fewer than two configurations.
    """
    from trimtab.trust.selection import select

    candidates = Candidates.of(history, index)
    usable = {int(number) for number in candidates.numbers}
    if trials is None:
        ranked = [int(candidates.numbers[place]) for place in np.argsort(candidates.minimized, kind="stable")]
        found = select(history, objective=index)
        ties = set(found.tie_set)
        # Trials with the same configuration count once, so the rank of each is that of its best.
        order = [found.trial, *(n for n in ranked if n in ties), *ranked]
    else:
        unknown = [number for number in trials if number not in usable]
        if unknown:
            raise UnknownName(
                message(
                    f"trials that race must be complete and feasible trials of study {history.study.name!r}",
                    got=unknown,
                    allowed=f"{len(usable)} trials, among them {sorted(usable)[:10]}",
                )
            )
        order = [int(number) for number in trials]
    distinct: dict[str, int] = {}
    for number in order:
        params = history.trial(number).params or {}
        distinct.setdefault(dumps(sorted(params.items())), int(number))
    chosen = tuple(distinct.values()) if trials is not None else tuple(distinct.values())[:most]
    if len(chosen) < 2:
        raise InvalidArgument(
            message(
                "a race needs two different configurations at least",
                got=list(chosen),
                do="name more trials, raise contenders=, or run more trials first",
            )
        )
    return chosen


def race_of(history: History[S], name: str = "race", objective: str | int | None = None) -> StudyRace:
    """A race as far as the log tells it.

    Arguments:
        history: the study.
        name: of the race.
        objective: name or index; may be left out where there is only one.

    Raises:
        UnknownName: the study has no such race.
        InvalidArgument: losses that the race's test cannot take.
    """
    plan, about = plan_of(history, name), history.objectives[objective_index(history, objective)]
    records = _records(history, plan)
    return fold_race(plan, history.study.seed, records, about)


def fold_race(
    plan: RacePlan, seed: int, records: Mapping[tuple[int, int], BlockRecord], objective: Objective
) -> StudyRace:
    """The race that some records amount to; see `race_of`.

    Arguments:
        plan: what was planned.
        seed: the study's.
        records: (trial number, block) -> the evaluation, in any order.
        objective: what the race is about.
    """
    by_example = _told_by_example(records, objective)
    race = plan.begin(seed)
    failed: dict[int, str] = {}
    waiting: tuple[int, ...] = ()
    while (block := race.block) is not None:
        here = {place: records.get((plan.contenders[place], block)) for place in race.alive}
        waiting = tuple(plan.contenders[place] for place, record in here.items() if record is None)
        if waiting:
            break
        told = {place: record for place, record in here.items() if record is not None}
        seen = {place: record.observation for place, record in told.items() if record.observation is not None}
        for place in told.keys() - seen.keys():
            failed[plan.contenders[place]] = f"block {block} failed, {told[place].failure}"
        if not seen:
            # Nobody is left to be chosen, which is the block's fault more than theirs: `Study.race` says so.
            break
        race = race.without(told.keys() - seen.keys())
        if race.block is None:
            break
        race = race.tell({place: _losses(seen[place], objective, by_example) for place in race.alive})
    if race.block is None and plan.finish and len(race.alive) == 1:
        winner = plan.contenders[race.alive[0]]
        block = next((int(each) for each in race.order if (winner, int(each)) not in records), None)
        waiting = () if block is None else (winner,)
    else:
        block = race.block
    return StudyRace(plan, race, records, failed, block, waiting, by_example, objective)


def _records(history: History[S], plan: RacePlan) -> dict[tuple[int, int], BlockRecord]:
    """What was evaluated."""
    found = {}
    for number in plan.contenders:
        attributes = history.trial(number).attributes
        for block in range(plan.blocks):
            data = attributes.get(plan.block_attribute(block))
            if data is not None:
                found[number, block] = BlockRecord.from_json(data)
    return found


def _losses(observation: Observation, objective: Objective, by_example: bool) -> Array:
    """What a race is told of one evaluation, lower is better."""
    if by_example and observation.losses is not None:
        return observation.losses
    return np.array([objective.sign * observation.values[objective.name]])


def _told_by_example(records: Mapping[tuple[int, int], BlockRecord], objective: Objective) -> bool:
    """Whether every evaluation told losses that its value is a mean of, those of one block as many.

    The mean over blocks of values has to rank as the mean loss does, so of the links of `trimtab.trust.link` those with
    known constants count that are linear, and one of them must hold everywhere.
    """
    seen = [(block, record.observation) for (_, block), record in records.items() if record.observation is not None]
    sizes: dict[int, int] = {}
    values, means, counts = [], [], []
    for block, told in seen:
        if told.losses is None or not np.isfinite(told.losses).all():
            return False
        if sizes.setdefault(block, told.losses.size) != told.losses.size:
            return False
        values.append(told.values[objective.name])
        means.append(float(told.losses.mean()))
        counts.append(float(told.losses.size))
    value, mean = np.array(values), np.array(means)
    up = (mean, 100.0 * mean, np.array(counts) * mean)
    down = (1.0 - mean, -mean, 100.0 * (1.0 - mean))
    scales = up if objective.sign > 0.0 else down
    return any(bool((np.abs(value - expected) <= _ROUNDING * np.abs(expected)).all()) for expected in scales)


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
