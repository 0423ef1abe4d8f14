"""The context of a trial that the caller runs: `study.ask()` and `study.tell()`."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.base.events import Reported, TrialAttribute
from trimtab.base.outcomes import Verdict
from trimtab.base.ports import Pruner
from trimtab.base.records import FrozenTrial, Json, ParamValue
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.study.view import StudyView

__all__ = ["AskedContext"]


class AskedContext:
    """A `base.ports.Context` that writes straight to the study's log."""

    def __init__(self, view: StudyView, trial: FrozenTrial, key: Key, pruner: Pruner[Space] | None) -> None:
        self._view, self._pruner, self._key = view, pruner, key
        self.trial = trial
        self.params: dict[str, ParamValue] = {}
        self.parameters: dict[str, Json] = {}

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def key(self) -> Key:
        """Key of the trial's random numbers."""
        return self._key

    def report(self, step: float, metrics: Mapping[str, float]) -> None:
        """Write one point of the curve down."""
        self._view.append([Reported(self.number, self.trial.token, step, dict(metrics))])

    def should_prune(self) -> bool:
        """Ask the study's pruner about the curve so far."""
        if self._pruner is None:
            return False
        history = self._view.with_curves()
        trial = history.trial(self.number)
        return bool(trial.reports) and self._pruner.decide(history, trial).verdict is Verdict.STOP

    def suggested(self, name: str, value: ParamValue, parameter: Json) -> None:
        """Keep a traced parameter until the trial is told."""
        self.params[name] = value
        self.parameters[name] = parameter

    def attribute(self, name: str, value: Json) -> None:
        """Write a user attribute down."""
        self._view.append([TrialAttribute(self.number, name, value)])
