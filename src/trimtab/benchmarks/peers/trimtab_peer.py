"""trimtab itself, through the same door as everybody else: `create_study`, `ask` and `tell` in a fresh process."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from trimtab.api import create_study
from trimtab.base.errors import Exhausted
from trimtab.base.records import Observation
from trimtab.benchmarks.columns import from_peer, to_peer
from trimtab.space import Space
from trimtab.study import Trial

__all__ = ["Peer"]


class Peer:
    """One study in memory. A method such as "gp+values" is told no gradients."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        tuner = method.removesuffix("+values")
        self._values_only = tuner != method
        self.library = f"trimtab {importlib.metadata.version('trimtab')}"
        self._space = Space.from_json(setup["space"])
        self._study = create_study(space=self._space, tuner=tuner, seed=setup["seed"])
        self._running: dict[int, Trial] = {}

    def ask(self, number: int) -> dict[str, float] | None:
        """The next configuration; None where the space has no more."""
        try:
            trial = self._study.ask()
        except Exhausted:
            return None
        self._running[number] = trial
        return to_peer(self._space, trial.params)

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """A value with its derivatives, or a failure."""
        trial = self._running.pop(number)
        if value is None:
            self._study.tell(trial, state="fail")
        else:
            self._study.tell(trial, Observation(value, gradient=None if self._values_only else gradient))

    def best(self) -> dict[str, float]:
        """The configuration of the honest best."""
        return to_peer(self._space, self._study.select().params)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere."""
        self._study.add_trial(from_peer(self._space, coordinates), value)
