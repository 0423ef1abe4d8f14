"""Shows a run while it goes on: redrawn on a terminal, one line a trial elsewhere, or not at all."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, final

from rich.console import Group, RenderableType
from rich.live import Live

from trimtab.base.errors import TrimtabError
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial
from trimtab.cli.failures import FailureLog
from trimtab.cli.progress import RunStart, draw, plain_line, progress_of
from trimtab.cli.screen import Screen

if TYPE_CHECKING:
    from trimtab.study import Study

__all__ = ["LiveDisplay", "PlainLines", "Silence", "Watcher", "watcher"]


class Watcher(AbstractContextManager["Watcher"], Protocol):
    """Shows a run between `__enter__` and `__exit__`."""

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """A trial of this run has ended; a callback of `Study.optimize`."""
        ...


def watcher(study: Study, start: RunStart, screen: Screen, quiet: bool) -> Watcher:
    """The way to show a run that fits where the output goes."""
    if quiet:
        return Silence()
    return LiveDisplay(study, start, screen) if screen.is_live else PlainLines(start, screen)


@final
class Silence:
    """Shows nothing."""

    def __enter__(self) -> Silence:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """Show nothing."""


@final
class PlainLines:
    """One line for every trial that ends, a few more for one that fails."""

    def __init__(self, start: RunStart, screen: Screen) -> None:
        self._start, self._screen = start, screen
        self._failures = FailureLog()

    def __enter__(self) -> PlainLines:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """Print the line, at once also into a pipe. What an interruption cut off has not ended by itself."""
        if trial.reason is EndReason.CANCELLED:
            return
        line = plain_line(trial, progress_of(study.history, self._start, time.time()))
        lines = [line, *failure_lines(self._failures, study, trial)]
        self._screen.say("\n".join(lines))


@final
class LiveDisplay:
    """A few lines at the bottom of a terminal, redrawn four times a second; failures scroll by above them."""

    def __init__(self, study: Study, start: RunStart, screen: Screen) -> None:
        self._study, self._start, self._screen = study, start, screen
        self._failures = FailureLog()
        self._drawn: RenderableType = Group()
        self._live = Live(console=screen.console, get_renderable=self._draw, vertical_overflow="crop")

    def __enter__(self) -> LiveDisplay:
        """Begin to draw."""
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw for the last time, and give the cursor back."""
        self._live.stop()

    def _draw(self) -> RenderableType:
        now = time.time()
        try:
            self._drawn = draw(progress_of(self._study.history, self._start, now), now, self._screen.console.width)
        except TrimtabError:
            # The storage is busy or gone for a moment. The run itself will say so if it matters.
            return self._drawn
        return self._drawn

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """Print a failure above the display."""
        lines = failure_lines(self._failures, study, trial)
        if lines:
            self._screen.say("\n".join(lines), style="red")


def failure_lines(log: FailureLog, study: Study, trial: FrozenTrial) -> list[str]:
    """What there is to say of a trial that failed by itself; nothing for any other."""
    if trial.state is not TrialState.FAIL or trial.reason is EndReason.CANCELLED:
        return []
    return log.lines(trial, study.output(trial.number))
