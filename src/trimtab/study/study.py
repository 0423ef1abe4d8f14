"""`Study`: one tuning effort, as its user holds it.

What only some uses need (the trust room, replay) is imported where it is used, so that
`import trimtab` stays light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

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
    SpaceChanged,
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
    ) -> Selection:
        """The honest best: which trial to take, what to expect of it, and what cannot be told from it.

        Arguments:
            objective: which one, where there are several.
            method: "auto" chooses by what the observations carry; see `trimtab.trust.select`.
            level: of the interval and the tie set, such as 0.95.
            default: number of the trial that ran the default configuration; a caveat then compares with it.
            certify: whether a last caveat says where a surrogate's certified optimum lies, and how the
                selected trial compares with it; see `trimtab.trust.certify`. It may take ten seconds.

        Raises:
            UnknownName: no trial is complete and feasible.
            InvalidArgument: an unknown objective or method, a level outside (0, 1), or a method that the
                observations carry nothing for.
        """
        from trimtab.trust import select

        history = self._view.refresh()
        return select(history, objective=objective, method=method, level=level, default=default, certify=certify)

    def default_or_tuned(
        self, default: int = 0, *, objective: str | None = None, level: float | None = None, smoothed: bool = False
    ) -> DefaultOrTuned:
        """Whether tuning helped: the selected trial or the default, whichever the data speak for.

        Arguments:
            default: number of the trial that ran the default configuration.
            objective: which one, where there are several.
            level: how sure the gain has to be; by default 0.95, smoothed 0.8.
            smoothed: let neighbouring trials vote, for random and other space-filling searches; measured, not
                proved. See `trimtab.trust.compare_with_default`.

        Raises:
            UnknownName: no trial is complete and feasible.
            InvalidArgument: an unknown objective, a level outside (0, 1), or a default that is no trial.
        """
        from trimtab.trust import compare_with_default

        history = self._view.refresh()
        return compare_with_default(history, default, objective=objective, level=level, smoothed=smoothed)

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
        """Run trials until one of the limits is reached, the space is exhausted, or `stop` is called.

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
        self.ended = finish.why
        self._note_stopped(EXHAUSTED if finish.why == EXHAUSTED else "")
        raise_for(finish, self.study_name)

    def _task(self, objective: ObjectiveFunction) -> FunctionTask:
        history = self._view.refresh()
        if not callable(objective):
            raise InvalidArgument(
                message(
                    "the objective must be a function of a trial", got=objective, do="pass objective, not its result"
                )
            )
        return FunctionTask(objective, history.objectives, None if history.space.is_traced else history.space)

    def _tell_callbacks(self, callbacks: Sequence[Callback]) -> Callable[[FrozenTrial], None]:
        def told(trial: FrozenTrial) -> None:
            for callback in callbacks:
                callback(self, trial)

        return told

    def _note_stopped(self, why: str) -> None:
        if self._view.refresh().study.stopped != why:
            self._view.append([StudyStopped(why)])

    def stop(self) -> None:
        """Let the running `optimize` start nothing more; from a callback or an inline objective."""
        self._stop = "study.stop() was called"

    # Ask and tell

    def ask(self) -> Trial:
        """Lease one trial to the caller, who runs it and tells the result.

        Raises:
            Exhausted: every configuration of a finite space was tried.
        """
        now = self._clock.now()
        if now - self._reaped_at > self._lease / 4:
            self._reaped_at = now
            reap(self._view.storage, self._view.refresh(), now, retries=2)
        found = ask_trial(self._view, self._tuner, worker_name(), self._lease)
        if isinstance(found, Nothing):
            self._note_stopped(found.why)
            raise Exhausted(message(found.why, do="widen the space with study.migrate(), or stop here"))
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
            The trial as recorded. nan and infinities make a failed trial with the reason "diverged".

        Raises:
            UnknownName: no such trial.
            Conflict: it was told before, or waits to be asked for.
            InvalidObservation: the values do not fit the study.
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
        return self._new_trial(TrialEnqueued(NEXT, dict(params), dict(user_attrs or {})))

    def add_trial(
        self,
        params: Params,
        value: float | Sequence[float] | Mapping[str, float] | Observation | None = None,
        *,
        state: Told | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        user_attrs: Mapping[str, Json] | None = None,
    ) -> FrozenTrial:
        """Record a result from elsewhere.

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
        event = TrialAdded(
            number=NEXT,
            params=dict(params),
            state=outcome.state,
            reason=outcome.reason,
            observation=outcome.observation,
            text=outcome.text,
            attributes=dict(user_attrs or {}),
            parameters={name: parameter_to_json(item) for name, item in (parameters or {}).items()},
        )
        number = self._new_trial(event)
        return self._view.refresh().trial(number)

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

    def _new_trial(self, event: TrialEnqueued | TrialAdded) -> int:
        """Write a trial that no worker asked for; gives its number."""
        (stored,) = self._view.append([event])
        assert isinstance(stored.event, TrialEnqueued | TrialAdded)
        return stored.event.number

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
        """Name, trials, best observed value."""
        history = self._view.refresh()
        return f"Study({self.study_name!r}, {len(history)} trials, {len(history.complete)} complete)"
