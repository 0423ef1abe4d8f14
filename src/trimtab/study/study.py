"""`Study`: one tuning effort, as its user holds it.

What only some uses need (the trust room, replay) is imported where it is used, so that
`import trimtab` stays light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from trimtab.base.clock import Clock, SystemClock
from trimtab.base.errors import (
    Conflict,
    Exhausted,
    InvalidArgument,
    UnknownName,
    message,
)
from trimtab.base.events import (
    NEXT,
    Event,
    SpaceChanged,
    SplitOpened,
    SplitSealed,
    StudyAttribute,
    StudyStopped,
    TrialAdded,
    TrialAttribute,
    TrialEnqueued,
    TrialTold,
)
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.ports import Executor, Pruner, Storage, Tuner
from trimtab.base.records import (
    Direction,
    FrozenTrial,
    Json,
    Objective,
    Observation,
    Params,
    ParamValue,
    Selection,
    check_name,
)
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Parameter, Space, check_migration, parameter_to_json
from trimtab.study.asking import EXHAUSTED, Nothing, ask_trial
from trimtab.study.asktell import AskedContext
from trimtab.study.driver import Driver
from trimtab.study.held_out import USED_UP, Shown, append_shown, holdout_of, rules_of, used_up
from trimtab.study.leases import LeaseKeeper, reap
from trimtab.study.limits import raise_for, slots_of
from trimtab.study.loop import LoopState
from trimtab.study.task import FunctionTask, ObjectiveFunction
from trimtab.study.telling import Told, check_declarations, outcome_told, tell_outcome
from trimtab.study.trial import Trial
from trimtab.study.view import StudyView
from trimtab.study.workers import worker_name

if TYPE_CHECKING:
    from trimtab.study.replay import Replay
    from trimtab.trust.default_guard import DefaultOrTuned
    from trimtab.trust.holdout import HoldoutInUse, Opening, SealedSplit
    from trimtab.trust.racing.catalogue import NamedTest
    from trimtab.trust.stopping import Outlook
    from trimtab.trust.study_race import StudyRace

__all__ = ["Study", "Wiring"]

Callback = Callable[["Study", FrozenTrial], object]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the front desk hands a study of the rooms that it must not know.

    Arguments:
        tuner: a fresh tuner by name, or the tuner itself.
        executor: an executor by name and number of slots, or the executor itself.
        references: the sources of a tuner by the name that suggestions carry.
        frame: a history as a pandas DataFrame.
        report: a history, its selection and its sources as a page of HTML, written to a file where one is named.
    """

    tuner: Callable[[str | Tuner[Space]], Tuner[Space]]
    executor: Callable[[str | Executor, int], Executor]
    references: Callable[[str], Sequence[Reference]]
    frame: Callable[[History[Space]], Any]
    report: Callable[[History[Space], Selection | None, Sequence[Reference], str | os.PathLike[str] | None], str]


class Study:
    """One tuning effort. Made by `create_study` or `load_study`; not to be made by hand.

    A study is a log of events in a storage. Any number of processes may work on one study at the
    same time; each holds a `Study` of its own. What is read is fresh at every call.
    """

    def __init__(
        self,
        name: str,
        storage: Storage,
        wiring: Wiring,
        *,
        space: Space | None = None,
        tuner: str | Tuner[Space] | None = None,
        pruner: Pruner[Space] | None = None,
        lease: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._view = StudyView(storage, name, space)
        self._wiring, self._pruner, self._lease = wiring, pruner, lease
        self._clock = clock or SystemClock()
        self._tuner = wiring.tuner(self._view.refresh().study.tuner if tuner is None else tuner)
        self._keeper = LeaseKeeper(storage, name, lease, self._clock)
        self._asked: dict[int, AskedContext] = {}
        self._stop = ""
        self._reaped_at = float("-inf")
        self.ended = ""
        """Why the last `optimize` of this object came to its end; empty before the first."""

    # What is known

    @property
    def study_name(self) -> str:
        """The study's name, unique in its storage."""
        return self._view.name

    @property
    def history(self) -> History[Space]:
        """Everything so far, curves included, as the immutable record that tuners and reports read."""
        return self._view.with_curves()

    @property
    def space(self) -> Space:
        """The space in force; for define-by-run, the parameters traced so far."""
        return self._view.refresh().space

    @property
    def directions(self) -> dict[str, Direction]:
        """Objective name -> "minimize" or "maximize"."""
        return {objective.name: objective.direction for objective in self._view.refresh().objectives}

    @property
    def direction(self) -> Direction:
        """The direction of the only objective.

        Raises:
            InvalidArgument: the study has several objectives.
        """
        return self._only_objective("direction").direction

    @property
    def seed(self) -> int:
        """The seed of every random number in the study."""
        return self._view.refresh().study.seed

    @property
    def user_attrs(self) -> dict[str, Json]:
        """User attributes of the study."""
        return dict(self._view.refresh().study.attributes)

    @property
    def stopped(self) -> str:
        """Why the study ended for good, such as an exhausted space; empty while it may go on."""
        return self._view.refresh().study.stopped

    @property
    def holdout(self) -> HoldoutInUse | None:
        """The reusable holdout: what was used of it, what is left, what is claimed; None where the study has none."""
        return holdout_of(self._view.refresh().study)

    @property
    def sealed(self) -> SealedSplit | None:
        """The sealed test split, and what it said if it was opened; None where the study has none."""
        from trimtab.trust.holdout import SealedSplit

        data = self._view.refresh().study.sealed
        return None if data is None else SealedSplit.from_json(data)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial in order of its number, with its curve."""
        return list(self.history)

    @property
    def best_trial(self) -> FrozenTrial:
        """The complete, feasible trial with the best observed value: the luckiest one. See `select`.

        Raises:
            UnknownName: no trial is complete and feasible yet.
            InvalidArgument: the study has several objectives.
        """
        from trimtab.trust import observed_best

        self._only_objective("best_trial")
        history = self._view.refresh()
        number = observed_best(history)
        if number is None:
            raise UnknownName(
                message(
                    f"study {self.study_name!r} has no best trial: none of its {len(history)} trials is complete "
                    "and feasible",
                    do="run more trials, or look at study.trials for why they failed",
                )
            )
        return history.trial(number)

    @property
    def best_params(self) -> dict[str, ParamValue]:
        """The params of `best_trial`."""
        return dict(self.best_trial.params or {})

    @property
    def best_value(self) -> float:
        """The observed value of `best_trial`. Of many noisy values the best is too good: see `select`."""
        return next(iter(self.best_trial.values.values()))

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The trials that no other trial beats in every objective (the observed Pareto set)."""
        from trimtab.trust import observed_pareto

        history = self._view.refresh()
        return [history.trial(int(number)) for number in observed_pareto(history)]

    def select(
        self,
        *,
        objective: str | None = None,
        method: str = "auto",
        level: float = 0.95,
        default: int | None = None,
        certify: bool = False,
        interval: str = "auto",
        region: bool = False,
    ) -> Selection:
        """The honest best: which trial to take, what to expect of it, and what cannot be told from it.

        Arguments:
            objective: which one, where there are several.
            method: "auto" chooses by what the observations carry; see `trimtab.trust.select`.
            level: of the interval and the tie set, such as 0.95.
            default: number of the trial that ran the default configuration; by default the first that ran the one of
                the space. A caveat says whether tuning helped.
            certify: whether a last caveat says where a surrogate's certified optimum lies, and how the
                selected trial compares with it; see `trimtab.trust.certify`. It may take ten seconds.
            interval: "hybrid", "simultaneous", or "auto" for the first where it is known to hold; see
                `trimtab.trust.select`.
            region: whether a last caveat says where the optimum lies by a surrogate; see
                `trimtab.trust.optimum_posterior`. It may take seconds.

        Raises:
            UnknownName: no trial is complete and feasible.
            InvalidArgument: an unknown objective, method or interval, a level outside (0, 1), or a method that the
                observations carry nothing for.
        """
        from trimtab.trust import select

        history = self._view.refresh()
        return select(
            history,
            objective=objective,
            method=method,
            level=level,
            default=default,
            certify=certify,
            interval=interval,
            region=region,
        )

    def default_or_tuned(
        self,
        default: int | None = None,
        *,
        objective: str | None = None,
        level: float | None = None,
        smoothed: bool = False,
    ) -> DefaultOrTuned:
        """Whether tuning helped: the selected trial or the default, whichever the data speak for.

        Arguments:
            default: number of the trial that ran the default configuration; by default the first that ran the one of
                the space, or else trial 0.
            objective: which one, where there are several.
            level: how sure the gain has to be; by default 0.95, smoothed 0.9.
            smoothed: let neighbouring trials vote, for little data; measured, not proved. See
                `trimtab.trust.compare_with_default`.

        Raises:
            UnknownName: no trial is complete and feasible.
            InvalidArgument: an unknown objective, a level outside (0, 1), or a default that is no trial.
        """
        from trimtab.trust import compare_with_default

        history = self._view.refresh()
        return compare_with_default(history, default, objective=objective, level=level, smoothed=smoothed)

    def outlook(self, tolerance: float, *, objective: str | None = None) -> Outlook | None:
        """Whether further trials would gain enough, or only seem to: expected gain against growing optimism.

        An estimate without a proven error: ask it seldom, such as whenever the trials have doubled. A callback that
        stops with a stated error is `trimtab.trust.stopping.StopWhenIdle`.

        Arguments:
            tolerance: a gain that is not worth half as many trials again, >= 0, in units of the mean loss for losses,
                of the value otherwise.
            objective: which one, where there are several.

        Returns:
            The outlook; None where there are fewer than ten trials, or nothing was told of noise.

        Raises:
            UnknownName: no trial is complete and feasible.
            InvalidArgument: an unknown objective, or a tolerance that cannot be.
        """
        from trimtab.trust.selection import study_outlook

        return study_outlook(self._view.refresh(), tolerance, objective=objective)

    def output(self, number: int) -> str:
        """The last part of what a trial printed, where its executor kept it."""
        told = (stored.event for stored in self._view.storage.read(self.study_name, trial=number))
        return next((event.output for event in told if isinstance(event, TrialTold)), "")

    def trials_dataframe(self) -> Any:
        """The trials as a pandas DataFrame (extra `pandas`)."""
        return self._wiring.frame(self.history)

    def citations(self) -> list[Reference]:
        """The sources of exactly the methods that this study used."""
        names = dict.fromkeys(trial.tuner for trial in self._view.refresh() if trial.tuner)
        found = [reference for name in names for reference in self._wiring.references(name)]
        if self._pruner is not None:
            found.extend(self._pruner.refs)
        if (holdout := self.holdout) is not None:
            found.extend(holdout.refs)
        return list(dict.fromkeys(found))

    def report(self, path: str | os.PathLike[str] | None = None) -> str:
        """The study as one self-contained page of HTML; written to `path` where one is given.

        Raises:
            StorageError: the file cannot be written.
        """
        from trimtab.trust import observed_best

        history = self.history
        one = len(history.objectives) == 1 and observed_best(history) is not None
        return self._wiring.report(history, self.select() if one else None, self.citations(), path)

    # Running

    def optimize(
        self,
        objective: ObjectiveFunction,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[BaseException]] | type[BaseException] = (),
        callbacks: Iterable[Callback] | None = None,
        *,
        n_total: int | None = None,
        executor: str | Executor | None = None,
        trial_timeout: float | None = None,
        retries: int = 2,
        max_failures: int | None = None,
    ) -> None:
        """Run trials until a limit is reached, the space is exhausted, the holdout used up, or `stop` is called.

        Arguments:
            objective: function of a trial; gives a number, a dict, or an `Observation`.
            n_trials: how many trials this call runs; None for no limit.
            timeout: seconds after which no trial is started; those that run are waited for.
            n_jobs: trials at once; -1 for one per core.
            catch: exceptions that only fail their trial; others are raised once the trial is recorded.
            callbacks: each called with (study, trial) after every trial of this call.
            n_total: start no trial once the study holds so many, whoever ran them; for going on
                after an interruption. A lost trial and its retry count once.
            executor: "inline", "processes" or an executor; by default inline for one job.
            trial_timeout: seconds that one trial may take (not for inline).
            retries: how often a configuration is run again after its worker died.
            max_failures: stop after so many failed trials in a row; None for never.

        Raises:
            KeyboardInterrupt: Ctrl-C; running trials are recorded as cancelled and wait to be run again.
            TrialError: an objective raised in a worker process something that could not be sent back.
            Exception: whatever the objective raised and `catch` does not name.
        """
        slots = slots_of(n_jobs, n_trials=n_trials, n_total=n_total, max_failures=max_failures)
        name = executor if executor is not None else "inline" if slots == 1 else "processes"
        runner = self._wiring.executor(name, slots)
        self._stop = ""
        driver = Driver(
            view=self._view,
            tuner=self._tuner,
            pruner=self._pruner,
            executor=runner,
            task=self._task(objective),
            keeper=self._keeper,
            clock=self._clock,
            lease=self._lease,
            limit=n_total,
            trial_timeout=trial_timeout,
            told=self._tell_callbacks(list(callbacks or ())),
            stop_asked=lambda: self._stop,
        )
        state = LoopState(
            slots=runner.slots,
            quota=n_trials,
            deadline=None if timeout is None else self._clock.now() + timeout,
            retries=retries,
            most_failures=max_failures,
            catch=(catch,) if isinstance(catch, type) else tuple(catch),
        )
        try:
            finish = driver.run(state)
        finally:
            if runner is not executor:
                runner.close()
        why = used_up(self._view.refresh())
        self.ended = why or finish.why
        self._note_stopped(why or (EXHAUSTED if finish.why == EXHAUSTED else ""))
        raise_for(finish, self.study_name)

    def race(
        self,
        objective: ObjectiveFunction,
        blocks: int = 10,
        trials: Sequence[int] | None = None,
        contenders: int = 10,
        test: str | NamedTest = "predictive",
        alpha: float = 0.05,
        n_jobs: int = 1,
        catch: Iterable[type[BaseException]] | type[BaseException] = (),
        *,
        name: str = "race",
        finish: bool = True,
        executor: str | Executor | None = None,
        trial_timeout: float | None = None,
        retries: int = 2,
    ) -> StudyRace:
        """Evaluate the best few configurations again on fresh blocks, and drop each once it cannot win.

        A block is a fold, a seed, or whatever else `objective` makes of `trial.block`. `select` then tells what the
        race found. Every evaluation is in the log when it ends: after a kill, the same call goes on where it stood.
        They are no trials, so `trials`, `best_trial` and what tuners see stay as they are.

        Arguments:
            objective: function of a trial; scores `trial.params` on block `trial.block` and returns what an objective
                returns, best an `Observation` with the losses of that block's examples. `trial.number` is the number of
                the trial that the configuration is of; what it reports is not kept, and nothing prunes it.
            blocks: how many there are; they are run in random order.
            trials: numbers of complete, feasible trials that race; by default the tie set of `select` and then the best
                observed, different configurations each.
            contenders: how many, where `trials` are not given.
            test: who leaves: "predictive" keeps the choice that all blocks would make; "t-test", "betting",
                "bernstein" and "hoeffding" keep the truly best one; "f-race" keeps no promise. Or one with settings.
            alpha: the error of the whole race, of which `trimtab.trust.racing` says what it is for each test.
            n_jobs: contenders evaluated at once; -1 for one per core.
            catch: exceptions that only make their contender leave the race; others are raised and leave no trace,
                so that the evaluation is run again. What diverges, overruns its time or loses its worker too often
                leaves, too.
            name: of the race; a study may have several, and `select` uses the latest.
            finish: run the last one in the race on the blocks that are left, for an estimate over all of them.
            executor, trial_timeout, retries: as for `optimize`.

        Raises:
            UnknownName: no complete, feasible trial, or no such one.
            InvalidArgument: fewer than two different configurations, other numbers that cannot be, several objectives,
                a study with a holdout, or an objective that gives the same for two blocks and does not look at
                `trial.block`.
            Conflict: a race of that name was begun with other arguments.
            TrialError: everybody who was left failed on one block.
            KeyboardInterrupt: Ctrl-C; what had ended is kept.
            Exception: whatever the objective raised and `catch` does not name.
        """
        from trimtab.study.racing import Racer, plan_race

        self._only_objective("race")
        _check_callable(objective)
        if self.holdout is not None:
            raise InvalidArgument(
                message(
                    f"study {self.study_name!r} has a holdout, which a race would go round: it evaluates trials again, "
                    "on examples that nobody guards",
                    do="judge the trial that study.select() names by a sealed split: study.open_sealed()",
                )
            )
        slots = slots_of(n_jobs)
        plan = plan_race(self._view, name, trials, contenders, blocks=blocks, test=test, alpha=alpha, finish=finish)
        how = executor if executor is not None else "inline" if slots == 1 else "processes"
        runner = self._wiring.executor(how, slots)
        racer = Racer(
            self._view,
            plan,
            objective,
            runner,
            catch=(catch,) if isinstance(catch, type) else tuple(catch),
            trial_timeout=trial_timeout,
            retries=retries,
        )
        try:
            return racer.run()
        finally:
            if runner is not executor:
                runner.close()

    def _task(self, objective: ObjectiveFunction) -> FunctionTask:
        history = self._view.refresh()
        _check_callable(objective)
        space = None if history.space.is_traced else history.space
        return FunctionTask(objective, history.objectives, space, rules_of(history.study))

    def _tell_callbacks(self, callbacks: Sequence[Callback]) -> Callable[[FrozenTrial], None]:
        def told(trial: FrozenTrial) -> None:
            for callback in callbacks:
                callback(self, trial)

        return told

    def _note_stopped(self, why: str) -> None:
        if self._view.refresh().study.stopped != why:
            self._view.append([StudyStopped(why)])

    def stop(self, why: str = "study.stop() was called") -> None:
        """Let the running `optimize` start nothing more; from a callback or an inline objective.

        Arguments:
            why: what `ended` then says.
        """
        self._stop = why

    # Ask and tell

    def ask(self) -> Trial:
        """Lease one trial to the caller, who runs it and tells the result.

        Raises:
            Exhausted: every configuration of a finite space was tried, or the holdout is used up.
        """
        now = self._clock.now()
        if now - self._reaped_at > self._lease / 4:
            self._reaped_at = now
            reap(self._view.storage, self._view.refresh(), now, retries=2)
        found = ask_trial(self._view, self._tuner, worker_name(), self._lease)
        if isinstance(found, Nothing):
            self._note_stopped(found.why)
            do = _AFTER_HOLDOUT if found.why == USED_UP else "widen the space with study.migrate(), or stop here"
            raise Exhausted(message(found.why, do=do))
        self._keeper.hold(found.number, found.token, found.expires)
        context = AskedContext(self._view, found, Key(self.seed, found.number, "run"), self._pruner)
        self._asked[found.number] = context
        history = self._view.refresh()
        space = None if history.space.is_traced else history.space
        return Trial(context, found.params or {}, space, history.objectives[0].name)

    def tell(
        self,
        trial: Trial | int,
        values: float | Sequence[float] | Mapping[str, float] | Observation | None = None,
        *,
        state: Told | None = None,
    ) -> FrozenTrial:
        """Record a trial's end.

        Arguments:
            trial: from `ask`, or its number.
            values: a number, a dict, a sequence or an `Observation`, as an objective may return.
            state: "pruned" or "fail" for a trial that told nothing.

        Returns:
            The trial as recorded. nan and infinities make a failed trial with the reason "diverged". In a study with a
            holdout its value is what the holdout answered, and the losses are those on the training part; where the
            holdout is used up, it failed for that reason.

        Raises:
            UnknownName: no such trial.
            Conflict: it was told before, or waits to be asked for.
            InvalidObservation: the values do not fit the study, or the losses its holdout.
            InvalidSpace: a define-by-run trial declared a known name as something else; it is recorded as failed.
        """
        number = trial if isinstance(trial, int) else trial.number
        context = self._asked.get(number)
        known = self._known(number) if context is None else context.trial
        if known.state is TrialState.WAITING:
            raise Conflict(
                message(f"trial {number} waits to be run and cannot be told yet", do="take it with study.ask() first")
            )
        outcome = outcome_told(self._view.refresh(), values, state)
        if context is not None:
            outcome = replace(outcome, params=context.params, parameters=context.parameters)
            outcome = check_declarations(self._view.refresh(), number, outcome)
        told = tell_outcome(self._view, known, outcome)
        self._keeper.release(number)
        self._asked.pop(number, None)
        if outcome.error is not None:
            raise outcome.error
        return told

    def enqueue_trial(self, params: Params, user_attrs: Mapping[str, Json] | None = None) -> int:
        """Ask for a configuration by name; the next free worker runs it. Missing values come from the tuner.

        Returns:
            The waiting trial's number.

        Raises:
            InvalidParams: a value lies outside the space.
        """
        space = self.space
        if not space.is_traced:
            space.complete(params, space.default_params())
        (stored,) = self._view.append([TrialEnqueued(NEXT, dict(params), dict(user_attrs or {}))])
        assert isinstance(stored.event, TrialEnqueued)
        return stored.event.number

    def add_trial(
        self,
        params: Params,
        value: float | Sequence[float] | Mapping[str, float] | Observation | None = None,
        *,
        state: Told | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        user_attrs: Mapping[str, Json] | None = None,
    ) -> FrozenTrial:
        """Record a result from elsewhere. In a study with a holdout, the holdout is asked about it as in `tell`.

        Arguments:
            params: the whole configuration.
            value: as an objective may return it.
            state: "pruned" or "fail" for one that told nothing.
            parameters: for a define-by-run study, the declarations of names that it does not know yet.
            user_attrs: user attributes of the trial.

        Raises:
            InvalidParams: the params do not lie in the space.
            InvalidObservation: the value does not fit the study.
        """
        space = self.space
        if space.is_traced and parameters:
            space = Space.traced({**dict(parameters), **{name: space[name] for name in space}})
        space.validate(params)
        outcome = outcome_told(self._view.refresh(), value, state)
        declared = {name: parameter_to_json(item) for name, item in (parameters or {}).items()}

        def events(history: History[Space], shown: Shown) -> list[Event]:
            return [
                TrialAdded(
                    number=NEXT,
                    params=dict(params),
                    state=shown.outcome.state,
                    reason=shown.outcome.reason,
                    observation=shown.outcome.observation,
                    text=shown.outcome.text,
                    attributes=dict(user_attrs or {}),
                    parameters=declared,
                    answer=shown.answer,
                )
            ]

        (stored,), history = append_shown(self._view, outcome, lambda _: False, events)
        assert isinstance(stored.event, TrialAdded)
        return history.trial(stored.event.number)

    # A test split that is opened once

    def seal(self, examples: ArrayLike, labels: ArrayLike | None = None) -> SealedSplit:
        """Set a test split aside, which can be opened once, for one trial, and says so for ever.

        Only the fingerprint of its examples is kept. Sealing the same split again changes nothing.

        Arguments:
            examples: an identifier of each example, shape (n,), or the examples themselves, shape (n, ...).
            labels: what belongs to each, so that a corrected label counts as a change.

        Raises:
            Conflict: another split is sealed already.
            InvalidArgument: no examples, or those of the study's holdout.
        """
        from trimtab.trust.holdout import Fingerprint, SealedSplit

        split = SealedSplit(Fingerprint.of(examples, labels))
        holdout = self.holdout
        if holdout is not None and split.examples.members in (
            holdout.rules.training.members,
            holdout.rules.holdout.members,
        ):
            raise InvalidArgument(
                message(
                    "the sealed split holds the examples of the study's holdout, which the search has asked",
                    do="seal examples that nothing was chosen on",
                )
            )
        known = self.sealed
        if known is not None and known.examples == split.examples:
            return known
        self._view.append([SplitSealed(split.examples.to_json())])
        return split

    def open_sealed(
        self,
        trial: Trial | FrozenTrial | int,
        losses: ArrayLike,
        *,
        examples: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        level: float = 0.95,
    ) -> Opening:
        """Open the sealed test split for one trial: once, whoever asks, and from wherever.

        Arguments:
            trial: a complete trial, or its number; best the one that `select` names.
            losses: of that trial on the split, shape (n,), in the order of its examples.
            examples, labels: the split as it is now, to be compared with the one that was sealed.
            level: of the interval.

        Returns:
            The mean loss and the interval of the true one. No correction is needed: nothing was chosen on this split.

        Raises:
            Conflict: it was opened before, or no split is sealed.
            UnknownName: no such trial.
            InvalidArgument: the trial is not complete, or the examples changed.
            InvalidObservation: losses of another length, or not finite.
        """
        from trimtab.trust.holdout import Fingerprint

        known = self._known(trial if isinstance(trial, int) else trial.number)
        split = self.sealed
        if split is None:
            raise Conflict(
                message(f"study {self.study_name!r} has no sealed split", do="seal one first: study.seal(examples)")
            )
        if known.state is not TrialState.COMPLETE:
            raise InvalidArgument(
                message(
                    f"trial {known.number} is {known.state.name}, and the sealed split opens once",
                    allowed="a trial that is COMPLETE",
                    do="open it for the trial that study.select() names",
                )
            )
        now = None if examples is None else Fingerprint.of(examples, labels)
        opening, _ = split.open(known.number, losses, examples=now, level=level)
        interval = opening.interval
        self._view.append([SplitOpened(known.number, opening.mean, interval.low, interval.high, interval.level)])
        return opening

    # Changing

    def set_user_attr(self, key: str, value: Json) -> None:
        """Keep something with the study: any JSON value under a name."""
        self._view.append([StudyAttribute(check_name(key, "a user attribute"), value)])

    def set_trial_user_attr(self, number: int, key: str, value: Json) -> None:
        """Keep something with a trial, finished or not."""
        self._view.append([TrialAttribute(self._known(number).number, check_name(key, "a user attribute"), value)])

    def migrate(self, space: Space) -> tuple[str, ...]:
        """Change the declared space, keeping every trial: a wider range, another choice.

        Returns:
            What changed, in plain words; also recorded with the study.

        Raises:
            SpaceMismatch: old trials would not lie in the new space, or nothing is declared.
        """
        history = self._view.refresh()
        if history.space.is_traced:
            raise InvalidArgument(
                message(
                    f"study {self.study_name!r} has no declared space to migrate", do="create a new study with space="
                )
            )
        changes = check_migration(history.space, space)
        if changes:
            self._view.append([SpaceChanged(space.to_json(), "; ".join(changes))])
        self._view.declare(space)
        return changes

    def replay(self) -> Replay:
        """Compute every suggestion again from the log, and compare; see `trimtab.study.replay`."""
        from trimtab.study.replay import replay

        events = self._view.storage.read(self.study_name)
        return replay(self.study_name, events, self._tuner, self._view.given)

    # Within

    def _known(self, number: int) -> FrozenTrial:
        history = self._view.refresh()
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(history):
            have = f"0 to {len(history) - 1}" if len(history) else "none yet"
            raise UnknownName(message(f"there is no such trial in study {self.study_name!r}", got=number, allowed=have))
        return history.trial(number)

    def _only_objective(self, what: str) -> Objective:
        objectives = self._view.refresh().objectives
        if len(objectives) > 1:
            raise InvalidArgument(
                message(
                    f"study {self.study_name!r} has {len(objectives)} objectives, so it has no {what}",
                    do="use study.best_trials for the Pareto set, or study.select(objective=...)",
                )
            )
        return objectives[0]

    def __repr__(self) -> str:
        """Name, trials, and what is left of a holdout."""
        history = self._view.refresh()
        parts = [repr(self.study_name), f"{len(history)} trials", f"{len(history.complete)} complete"]
        holdout = holdout_of(history.study)
        if holdout is not None:
            parts.append(holdout.brief)
        return f"Study({', '.join(parts)})"


_AFTER_HOLDOUT = (
    "judge the trial that study.select() names on examples that nothing was chosen on, or create a study with a fresh "
    "holdout"
)


def _check_callable(objective: object) -> None:
    """Refuse an objective that is no function."""
    if not callable(objective):
        raise InvalidArgument(
            message("the objective must be a function of a trial", got=objective, do="pass objective, not its result")
        )
