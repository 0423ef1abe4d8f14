"""Runs a race of a study: evaluates who is in it, block by block, and writes each evaluation down as it ends.

The log is the only state. What is to be run next follows from it (`trimtab.trust.study_race.race_of`), so a call that
was killed, interrupted or ended by an exception is gone on with by the next one, and nothing is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.base.errors import Conflict, InvalidArgument, TrialError, check_count, message
from trimtab.base.events import StudyAttribute, TrialAttribute
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.outcomes import Decision, EndReason, Verdict
from trimtab.base.ports import Context, Executor, Job
from trimtab.base.records import Json, Objective, Observation, Outcome, Params, check_name
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.study.interrupts import InterruptGate
from trimtab.study.observe import observe
from trimtab.study.task import ObjectiveFunction
from trimtab.study.trial import Trial
from trimtab.study.view import StudyView
from trimtab.trust.race_records import BlockRecord, RacePlan, races_of
from trimtab.trust.racing.catalogue import NamedTest, racing_test
from trimtab.trust.study_race import StudyRace, contenders_of, race_of

__all__ = ["BlockTask", "Racer", "plan_race"]

_FIXED = ("contenders", "blocks", "test", "alpha", "finish")
_BLIND = "race:blind"
_GO_ON = Decision(Verdict.GO_ON, "a race has no pruner")
_MOMENT = 1.0  # seconds to wait at a time for something to end
_PARTING = 5.0  # the same for what was cancelled


@dataclass(frozen=True, slots=True)
class BlockTask:
    """Runs `objective(trial)` with `trial.block` set, and checks what it returns.

    Arguments:
        objective: the user's function.
        objectives: the study's.
        space: the declared space; None for define-by-run.
        block: which block to score on.
    """

    objective: ObjectiveFunction
    objectives: tuple[Objective, ...]
    space: Space | None
    block: int

    @property
    def provides(self) -> Info:
        """Values for certain."""
        return Info.VALUES

    def run(self, params: Params, context: Context) -> Observation:
        """Call the objective once; see `base.ports.Task.run`."""
        trial = Trial(context, params, self.space, self.objectives[0].name, self.block)
        found = observe(self.objective(trial), self.objectives, self.space)
        if not trial.looked_at_block:
            context.attribute(_BLIND, True)
        return found


def plan_race(
    view: StudyView,
    name: str,
    trials: Sequence[int] | None,
    contenders: int,
    *,
    blocks: int,
    test: str | NamedTest,
    alpha: float,
    finish: bool,
) -> RacePlan:
    """The plan of a race: written down where it is new, or the one that stands where it asks for the same.

    Arguments:
        view: the study.
        name: of the race.
        trials: numbers of the contenders; None for a choice, and for those that were chosen at first.
        contenders: how many to choose.
        blocks, test, alpha, finish: see `RacePlan`.

    Raises:
        Conflict: a race of that name was planned with something else.
        UnknownName: no such trial, or none that is complete and feasible.
        InvalidArgument: numbers or a test that cannot be.
    """
    history = view.refresh()
    known = races_of(history).get(check_name(name, "the name of a race"))
    check_count(contenders, "contenders", 2, "race two configurations at least")
    asked = RacePlan(
        name,
        known.contenders if known is not None and trials is None else contenders_of(history, trials, contenders),
        check_count(blocks, "blocks"),
        racing_test(test),
        float(alpha),
        finish,
        len(history.complete),
        history.seq,
    )
    asked.begin(history.study.seed)
    if known is None:
        view.append([StudyAttribute(asked.attribute, asked.to_json())])
        return asked
    other = [part for part in _FIXED if getattr(known, part) != getattr(asked, part)]
    if other:
        raise Conflict(
            message(
                f"race {name!r} of study {view.name!r} was begun with other {' and '.join(other)}",
                got={part: getattr(asked, part) for part in other},
                allowed=", ".join(f"{part}={getattr(known, part)!r}" for part in other),
                do="go on with the same arguments, or give a new race another name",
            )
        )
    return known


class Racer:
    """Runs a race to its end.

    Arguments:
        view: the study.
        plan: of the race.
        objective: function of a trial.
        executor: runs it.
        catch: exceptions that only make their contender leave.
        trial_timeout: seconds that one evaluation may take.
        retries: how often an evaluation is run again after its worker died.
    """

    def __init__(
        self,
        view: StudyView,
        plan: RacePlan,
        objective: ObjectiveFunction,
        executor: Executor,
        *,
        catch: tuple[type[BaseException], ...] = (),
        trial_timeout: float | None = None,
        retries: int = 2,
    ) -> None:
        self._view, self._plan, self._objective, self._executor = view, plan, objective, executor
        self._catch, self._timeout, self._retries = catch, trial_timeout, retries

    def run(self) -> StudyRace:
        """Evaluate until the race is over.

        Raises:
            KeyboardInterrupt: Ctrl-C; what had ended is in the log.
            TrialError: everybody failed on one block, or an exception that could not be sent back.
            InvalidArgument: the objective gives the same for every block and does not look at it.
            Exception: whatever the objective raised and `catch` does not name.
        """
        with InterruptGate() as gate:
            while True:
                found = race_of(self._view.refresh(), self._plan.name)
                self._check(found)
                if found.block is None:
                    return found
                self._evaluate(found.block, found.waiting, gate)

    def _check(self, found: StudyRace) -> None:
        """Refuse to go on where it cannot lead anywhere."""
        if found.void:
            why = "; ".join(f"trial {number}: {text}" for number, text in found.failed.items())
            raise TrialError(
                message(
                    f"race {found.plan.name!r} has no contender left: all failed on block {found.block} ({why})",
                    do="correct the objective and run the race under another name",
                )
            )
        order = [int(block) for block in found.race.order[:2]]
        pairs = [tuple(found.records.get((number, block)) for block in order) for number in found.plan.contenders]
        both = [(a, b) for a, b in (pair for pair in pairs if len(pair) == 2) if a is not None and b is not None]
        if len(both) > 1 and all(a.blind and b.blind and a.observation == b.observation for a, b in both):
            raise InvalidArgument(
                message(
                    f"the objective told the same on blocks {order[0]} and {order[1]} for every contender, and never "
                    "looked at trial.block",
                    do="score the configuration on the fold or seed number trial.block, then run the race under "
                    "another name",
                )
            )

    def _evaluate(self, block: int, numbers: tuple[int, ...], gate: InterruptGate) -> None:
        """Run some contenders on a block, as many at once as there are slots."""
        history = self._view.refresh()
        task = BlockTask(self._objective, history.objectives, None if history.space.is_traced else history.space, block)
        losses = dict.fromkeys(numbers, 0)
        running = set(numbers)
        for number in numbers:
            self._executor.submit(self._job(history, task, number))
        error: BaseException | None = None
        while running:
            try:
                with gate.opened():
                    ended = self._executor.events(_MOMENT if error is None else _PARTING)
            except BaseException as struck:
                if error is not None:
                    raise
                error, ended = struck, []
                self._cancel(running)
                continue
            if error is not None and not ended:
                break  # whatever does not end when it is cancelled ends with its executor
            quiet = error is None
            for event in ended:
                losses[event.number] += 1
                if event.outcome.reason is EndReason.CANCELLED:
                    error = error or KeyboardInterrupt()
                elif event.outcome.reason.retriable and error is None and losses[event.number] <= self._retries:
                    self._executor.submit(self._job(history, task, event.number))
                    continue
                else:
                    failure = self._keep(block, event.number, event.outcome)
                    error = error or failure
                running.discard(event.number)
            if quiet and error is not None:
                self._cancel(running)
        if error is not None:
            raise error

    def _cancel(self, running: set[int]) -> None:
        """End what runs; `events` tells each as cancelled, or as complete where it just made it."""
        for number in running:
            self._executor.cancel(number)

    def _job(self, history: History[Space], task: BlockTask, number: int) -> Job:
        return Job(
            number=number,
            token=0,
            task=task,
            params=history.trial(number).params or {},
            key=Key(history.study.seed, number, f"run/{self._plan.block_attribute(task.block)}"),
            timeout=self._timeout,
            report=lambda _: _GO_ON,
        )

    def _keep(self, block: int, number: int, outcome: Outcome) -> BaseException | None:
        """Write an evaluation down; gives what nobody asked to catch, since a bug is to be mended and run again."""
        if outcome.reason in (EndReason.ERROR, EndReason.INVALID) and not self._caught(outcome):
            text = message(
                f"trial {number} of study {self._view.name!r} failed on block {block}: {outcome.text}",
                do="correct the objective, or pass catch=Exception to race on without contenders that fail",
            )
            return outcome.error or TrialError(text)
        name = self._plan.block_attribute(block)
        # Where another process races, too, and was faster, what is in the log stands.
        if name not in self._view.refresh().trial(number).attributes:
            blind = bool(outcome.attributes.get(_BLIND, False))
            record = BlockRecord.of(replace(outcome, attributes=_without(outcome.attributes, _BLIND)), blind)
            self._view.append([TrialAttribute(number, name, record.to_json())])
        return None

    def _caught(self, outcome: Outcome) -> bool:
        """Whether the caller asked to go on after such an exception."""
        if outcome.error is None:
            return any(issubclass(Exception, caught) for caught in self._catch)
        return isinstance(outcome.error, self._catch)


def _without(attributes: Mapping[str, Json], name: str) -> dict[str, Json]:
    """The attributes but for one."""
    return {other: value for other, value in attributes.items() if other != name}
