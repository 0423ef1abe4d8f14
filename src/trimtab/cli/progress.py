"""How a run stands, as a record, and the record as a few lines on a terminal or as plain text. All pure."""

from __future__ import annotations

from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial
from trimtab.report.terminal import plain
from trimtab.report.wording import count, duration, number, one_line, param
from trimtab.space import Space
from trimtab.trust import observed_best, observed_pareto

__all__ = ["Progress", "RunStart", "draw", "plain_line", "progress_of"]

_LAST = 5
_RUNNING = 4
_STYLES = {TrialState.RUNNING: "cyan", TrialState.FAIL: "red", TrialState.PRUNED: "dim"}


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is known when a run begins.

    Arguments:
        time: seconds since the Unix epoch.
        finished: trials that had ended before.
        total: how many trials the study is to hold in the end; None for no limit.
        deadline: when the last trial may start, seconds since the Unix epoch; None for no limit.
    """

    time: float
    finished: int
    total: int | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands.

    Arguments:
        finished: trials that have ended, a lost one and its retry counted once.
        total: as in `RunStart`.
        failed, pruned: how many of those that ended did so.
        best: the best observed value in words; empty before there is one.
        best_trial: its trial; None before there is one, and for several objectives.
        elapsed: seconds since the run began.
        rate: trials per minute in this run; None before the first has ended.
        left: seconds to the end at this rate; None where it cannot be known.
        running: the trials that run now, oldest first.
        last: the trials that ended last, in the order in which they did.
    """

    finished: int
    total: int | None
    failed: int
    pruned: int
    best: str
    best_trial: int | None
    elapsed: float
    rate: float | None
    left: float | None
    running: tuple[FrozenTrial, ...]
    last: tuple[FrozenTrial, ...]


def progress_of(history: History[Space], start: RunStart, now: float) -> Progress:
    """How a run stands at the time `now`, seconds since the Unix epoch."""
    finished = count_finished(history)
    elapsed = max(0.0, now - start.time)
    ended_here = finished - start.finished
    rate = 60.0 * ended_here / elapsed if ended_here > 0 and elapsed > 0 else None
    best_trial, best = _best(history)
    return Progress(
        finished=finished,
        total=start.total,
        failed=len(history.numbers(TrialState.FAIL)) - len(history.superseded),
        pruned=len(history.numbers(TrialState.PRUNED)),
        best=best,
        best_trial=best_trial,
        elapsed=elapsed,
        rate=rate,
        left=_left(start, finished, rate, now),
        running=tuple(history.trial(int(n)) for n in history.numbers(TrialState.RUNNING)),
        last=_last(history),
    )


def count_finished(history: History[Space]) -> int:
    """Trials that have ended, those that another trial runs again left out."""
    ended = history.numbers(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return len(ended) - len(history.superseded)


def _best(history: History[Space]) -> tuple[int | None, str]:
    """The trial with the best observed value, and that value in words."""
    if len(history.objectives) > 1:
        front = len(observed_pareto(history))
        return None, f"{count(front, 'trial')} on the Pareto front" if front else ""
    best = observed_best(history)
    return best, "" if best is None else number(float(history.values[best, 0]))


def _left(start: RunStart, finished: int, rate: float | None, now: float) -> float | None:
    """Seconds until the count is full or the time is over, whichever comes first."""
    ends = []
    if start.total is not None and rate is not None:
        ends.append(60.0 * max(0, start.total - finished) / rate)
    if start.deadline is not None:
        ends.append(max(0.0, start.deadline - now))
    return min(ends, default=None)


def _last(history: History[Space]) -> tuple[FrozenTrial, ...]:
    """The trials that ended last. Numbers grow with time, so only the highest are looked at."""
    ended = history.numbers(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)[-64:]
    trials = sorted((history.trial(int(n)) for n in ended), key=lambda trial: trial.ended or 0.0)
    return tuple(trials[-_LAST:])


def draw(progress: Progress, now: float, width: int) -> RenderableType:
    """A few lines for a terminal: a bar, the figures, and a small table of trials.

    Arguments:
        progress: what to draw.
        now: the time, seconds since the Unix epoch.
        width: of the terminal, characters.
    """
    parts: list[RenderableType] = [Text()]
    if progress.total:
        bar = ProgressBar(progress.total, min(progress.finished, progress.total), width=min(width, 60))
        parts.append(Columns([bar]))  # which ends the bar's line
    parts.extend(Text(line, no_wrap=True, overflow="ellipsis") for line in figures(progress))
    if progress.last or progress.running:
        parts.append(_table(progress, now))
    return Group(*parts)


def figures(progress: Progress) -> list[str]:
    """Two lines: how many and how good, how fast and how long."""
    of = f"{progress.finished} of " if progress.total else ""
    parts = [of + count(progress.total or progress.finished, "trial")]
    parts.extend(
        f"{how_many} {what}"
        for how_many, what in (
            (len(progress.running), "running"),
            (progress.pruned, "pruned"),
            (progress.failed, "failed"),
        )
        if how_many
    )
    best = f"best so far {progress.best}" if progress.best else "no result yet"
    if progress.best_trial is not None:
        best += f" (trial {progress.best_trial})"
    pace = [f"{duration(progress.elapsed)} gone"]
    if progress.rate is not None:
        pace.insert(0, f"{number(progress.rate, 3)} trials a minute")
    if progress.left:
        pace.append(f"about {duration(progress.left)} left")
    return [" · ".join([*parts, best]), " · ".join(pace)]


def _table(progress: Progress, now: float) -> Table:
    """The last trials and those that run."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for name, justify in (("trial", "right"), ("state", "left"), ("value", "right"), ("time", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # a literal type
    table.add_column("params", no_wrap=True, overflow="ellipsis", ratio=1)
    for trial in progress.last:
        style = "bold" if trial.number == progress.best_trial else _STYLES.get(trial.state, "")
        table.add_row(*_cells(trial, now), style=style)
    for trial in progress.running[:_RUNNING]:
        table.add_row(*_cells(trial, now), style=_STYLES[TrialState.RUNNING])
    return table


def _cells(trial: FrozenTrial, now: float) -> list[Text]:
    """One trial's row."""
    seconds = trial.duration if trial.duration is not None else now - (trial.started or now)
    return [
        Text(str(trial.number)),
        Text(state_text(trial)),
        Text(value_text(trial)),
        Text(duration(seconds)),
        Text(params_text(trial)),
    ]


def state_text(trial: FrozenTrial) -> str:
    """A trial's state; of a failed one, why it failed."""
    if trial.state is TrialState.FAIL and trial.reason is not None:
        return trial.reason.value
    return trial.state.name.lower()


def value_text(trial: FrozenTrial) -> str:
    """What was observed; of a running trial, the last report."""
    if trial.values:
        return " ".join(number(value) for value in trial.values.values())
    if trial.reports:
        last = trial.reports[-1]
        return f"{number(next(iter(last.metrics.values())))} at {number(last.step)}"
    return ""


def params_text(trial: FrozenTrial) -> str:
    """The configuration on one line."""
    return plain(one_line(", ".join(f"{name} {param(value, 4)}" for name, value in (trial.params or {}).items())))


def plain_line(trial: FrozenTrial, progress: Progress) -> str:
    """One line about a trial that ended, for a log file."""
    of = f" of {progress.total}" if progress.total else ""
    parts = [f"{progress.finished}{of}: trial {trial.number} {trial.state.name.lower()}"]
    if trial.state is TrialState.FAIL and trial.reason is not None:
        parts[0] += f" ({trial.reason.text})"
    if trial.values:
        parts[0] += f" {value_text(trial)}"
    if progress.best:
        best = f"best {progress.best}" + (f" (trial {progress.best_trial})" if progress.best_trial is not None else "")
        parts.append(best)
    if trial.duration is not None:
        parts.append(duration(trial.duration))
    parts.append(params_text(trial))
    return " · ".join(part for part in parts if part)
