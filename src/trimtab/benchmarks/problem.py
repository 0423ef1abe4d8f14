"""What a benchmark's problem is: a space, and a value for each configuration in it.

Two methods are all that a tuner's opponent needs, so that a problem can be a formula, a table of
measured values or a real training. Every problem is minimised; one that is maximised in the literature
tells its negative or one minus it, and says so.
"""

from __future__ import annotations

from typing import Protocol

from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Space

__all__ = ["Problem"]


class Problem(Protocol):
    """Something to minimise whose value anybody can compute again.

    `Observation.cost`, where it is told, is how many seconds the evaluation takes on the simulated
    clock of a run; without it an evaluation takes one second.
    """

    @property
    def name(self) -> str:
        """Unique within the registry, such as "bbob-f5-d3"; wrappers add their own part to it."""
        ...

    def space(self) -> Space:
        """What may be varied; the same one at every call."""
        ...

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value of one configuration, to be minimised.

        Arguments:
            params: a configuration of `space()`.
            key: of the randomness of this evaluation; problems without any ignore it.
        """
        ...
