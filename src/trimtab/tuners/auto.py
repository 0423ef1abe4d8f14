"""The default tuner: picks the method by what there is to work with, and says why.

Looks at the space, the number of trials and what they told, anew for each ask, so a study changes its
method as it goes. Each suggestion carries the name of the method that made it. If a method fails, the
answer is a random draw with the reason; only a space with nothing left ends a study.

| there is | it picks |
|---|---|
| nothing to vary yet | random |
| several objectives | sobol, random for define-by-run |
| more parameters than a model can tell apart | random |
| hardly more configurations than a model would need to begin | sobol, until all are tried |
| many trials, and none of them told a finite value | sobol, random for define-by-run |
| many trials, each over sooner than a model would answer | cma-es for numbers, else tpe |
| some hundred such trials, which tell gradients | quasi-newton |
| anything else | gp, which hands over to trust-region for local steps, to quasi-newton where trials tell gradients |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from trimtab.base.errors import InvalidSpace
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.ports import Tuner
from trimtab.base.records import FrozenTrial, Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.tuners.catalogue import make_tuner

__all__ = ["Auto"]

MOST_COLUMNS = 1000
"""Beyond so many parameters a Gaussian process learns nothing in the trials that it can hold."""

FEW = 8
"""A space of so few configurations is tried completely."""

MANY, SOME, QUICK, TIMED = 300, 100, 0.02, 20
"""From so many trials on, or from so many that tell gradients, trials that take less than so many seconds (the median
of the last few) are not worth the time that a Gaussian process needs to place one. Along gradients descents alone are
nearly as good."""

HOPELESS = 40
"""After so many trials without a finite value the space is covered until one is found."""


@dataclass(frozen=True)
class Auto:
    """The default tuner."""

    _made: dict[str, Tuner[Space]] = field(default_factory=dict, init=False, repr=False, compare=False)

    name: ClassVar[str] = "auto"
    needs: ClassVar[Info] = Info(0)
    refs: ClassVar[tuple[Reference, ...]] = ()

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations by the method that fits; fewer where a small space has no more."""
        name, reason = self.pick(history)
        try:
            found = self._tuner(name).ask(history, count, key)
        except InvalidSpace:
            # No method can draw from constraints that leave nothing; the user must hear of it.
            raise
        # Whatever goes wrong in a method, the study goes on with a simpler one and records why.
        except Exception as error:  # noqa: BLE001
            reason = f"{name} failed ({type(error).__name__}: {error})"
            found = self._tuner("random").ask(history, count, key)
        return [
            replace(suggestion, why=f"{suggestion.why}; {suggestion.tuner} because {reason}") for suggestion in found
        ]

    def pick(self, history: History[Space]) -> tuple[str, str]:
        """The name of the method for a history, and the reason in plain words."""
        space, objectives = history.space, len(history.objectives)
        even = "random" if space.is_traced else "sobol"
        if not len(space):
            return "random", "there is no parameter to vary"
        if objectives > 1:
            return even, f"{objectives} objectives have no single best to look for, so the space is covered evenly"
        if len(space) > MOST_COLUMNS:
            return "random", f"{len(space)} parameters are more than a model can tell apart"
        if space.size is not None and space.size <= FEW and not space.is_traced:
            return "sobol", f"there are {space.size} configurations, and all of them can be tried"
        finite = int(np.isfinite(history.values[:, 0]).sum())
        if len(history) >= HOPELESS and not finite:
            return even, f"none of {len(history)} trials has told a finite value"
        last = [history.trial(number) for number in history.complete[-TIMED:].tolist()]
        sloped = any(trial.observation is not None and trial.observation.gradient for trial in last)
        seconds = _seconds(last)
        if seconds < QUICK and sloped and len(history) >= SOME:
            return "quasi-newton", f"a trial takes {1e3 * seconds:.2g} ms and tells gradients to descend along"
        if seconds < QUICK and len(history) >= MANY:
            numbers = sum(column.kind != "categorical" for column in space.columns)
            name = "cma-es" if numbers == len(space) > 1 and not space.is_traced else "tpe"
            return name, f"a trial takes {1e3 * seconds:.2g} ms, less than a model would need to place it"
        reason = f"one objective over {len(space)} parameter{'s' * (len(space) != 1)} is worth modelling"
        return "gp", f"{reason}, with its gradients" if sloped else reason

    def _tuner(self, name: str) -> Tuner[Space]:
        """The method of a name, made once."""
        if name not in self._made:
            self._made[name] = make_tuner(name)
        return self._made[name]


def _seconds(last: Sequence[FrozenTrial]) -> float:
    """The median duration of trials, in seconds; inf where none is known."""
    known = [trial.duration for trial in last if trial.duration is not None]
    return float(np.median(known)) if known else np.inf
