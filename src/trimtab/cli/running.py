"""Runs a study under a display, and says at the end what came out and how to go on. Shared by `run` and `demo`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.cli.progress import RunStart, count_finished
from trimtab.cli.screen import Screen, again, command
from trimtab.cli.signals import interruptible
from trimtab.cli.watching import watcher
from trimtab.report.terminal import selection_view, trials_table
from trimtab.report.wording import count, number

if TYPE_CHECKING:
    from trimtab.base.records import Selection
    from trimtab.study import Study

__all__ = ["Limits", "RunEnd", "conclude", "finish", "run_study", "say_how_to_go_on"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far and how wide to run.

    Arguments:
        total: trials that the study is to hold in the end; None for no limit.
        timeout: seconds after which no trial is started; None for no limit.
        n_jobs: trials at once; -1 for one per core.
        executor: its name; None for the default.
        trial_timeout: seconds that one trial may take; None for no limit.
        max_failures: failed trials in a row after which the run ends.
    """

    total: int | None = None
    timeout: float | None = None
    n_jobs: int = 1
    executor: str | None = None
    trial_timeout: float | None = None
    max_failures: int = 10


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Arguments:
        why: in plain words.
        signal_status: exit status where a signal ended it; 0 where none did.
        given_up: whether too many trials failed in a row.
    """

    why: str
    signal_status: int = 0
    given_up: bool = False


def run_study(
    study: Study, objective: Callable[[Any], Any], limits: Limits, screen: Screen, quiet: bool = False
) -> RunEnd:
    """Run until a limit is reached or a signal comes; exceptions of trials are recorded and shown.

    Arguments:
        study: to run.
        objective: function of a trial.
        limits: how far and how wide.
        screen: to show the run on.
        quiet: show nothing while it runs.
    """
    now = time.time()
    start = RunStart(
        time=now,
        finished=count_finished(study.history),
        total=limits.total,
        deadline=None if limits.timeout is None else now + limits.timeout,
    )
    with interruptible() as ending:
        try:
            with watcher(study, start, screen, quiet) as shown:
                study.optimize(
                    objective,
                    n_total=limits.total,
                    timeout=limits.timeout,
                    n_jobs=limits.n_jobs,
                    executor=limits.executor,
                    trial_timeout=limits.trial_timeout,
                    max_failures=limits.max_failures,
                    catch=Exception,
                    callbacks=[shown.told],
                )
        except KeyboardInterrupt:
            return RunEnd("interrupted", ending.status)
    return RunEnd(study.ended, given_up=study.ended.endswith("in a row failed"))


def say_how_to_go_on(study: Study, words: str, screen: Screen) -> None:
    """After an interruption: what is kept, and `words`, the command that goes on."""
    done = count(count_finished(study.history), "finished trial")
    screen.say(f"\ninterrupted; stored in study {study.study_name!r}: {done}; nothing told is lost")
    screen.say(f"go on: {words}", whole=True)


def finish(study: Study, end: RunEnd, storage: str, screen: Screen) -> int:
    """Say what came out and what to do next.

    Returns:
        The exit status: 0; 1 where nothing came out, or too many trials failed in a row; that of a signal.
    """
    if end.signal_status:
        say_how_to_go_on(study, again(), screen)
        return end.signal_status
    screen.say(f"\n{end.why}", style="bold")
    if len(study.history.complete):
        conclude(study, screen)
    else:
        screen.say("no trial came to a result", style="red")
    screen.say(f"stored in {storage} as {study.study_name!r}", whole=True)
    screen.say(f"next: {command('report', study.study_name, storage=storage)}", whole=True)
    return int(end.given_up or not len(study.history.complete))


def conclude(study: Study, screen: Screen, objective: str | None = None, selection: Selection | None = None) -> None:
    """The honest best, and the observed one where it is another; or the observed Pareto set of several objectives.

    Arguments:
        study: to tell of.
        screen: to print on.
        objective: on which to select where there are several; None for the Pareto set.
        selection: the honest best, where it was made already.

    Raises:
        UnknownName: no trial came to a result.
    """
    history = study.history
    if objective is None and len(history.objectives) > 1:
        front = [trial.number for trial in study.best_trials]
        screen.say(f"the {count(len(front), 'trial')} that no other trial beats in every objective:")
        screen.show(trials_table(history, front))
        return
    selection = selection or study.select(objective=objective)
    screen.show(selection_view(selection))
    if len(history.objectives) == 1 and study.best_trial.number != selection.trial:
        screen.say(
            f"the best observed value, {number(study.best_value, 6)}, is that of trial {study.best_trial.number}",
            style="dim",
        )
