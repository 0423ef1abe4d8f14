"""A race of a study as far as the log tells it: the fold of its records.

A race is the fold of its records (`trimtab.trust.race_records`) in the race's own order, whatever the order in which
they were written. A contender whose evaluation failed leaves the race, and what is said of it is why. Where every
contender tells losses for each block's examples, of which its value is the mean (or one less it, or a multiple), the
test sees these; otherwise the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.history import History
from trimtab.base.records import Objective, Observation
from trimtab.trust.candidates import Candidates
from trimtab.trust.observed import objective_index
from trimtab.trust.race_records import BlockRecord, RacePlan, plan_of
from trimtab.trust.racing.race import Race

__all__ = ["StudyRace", "contenders_of", "fold_race", "race_of"]

S = TypeVar("S")
Array = NDArray[np.float64]

_ROUNDING = 1e-6


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
