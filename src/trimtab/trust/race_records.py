"""What a race of a study leaves in the log: its plan, and each evaluation of a contender on a block.

The evaluations are no trials: each is kept with the trial whose configuration it is of, as an attribute named
`race:NAME:BLOCK`, and the race's plan with the study as `race:NAME`. So tuners, pruners, plots and the observed best
see what they saw before, no worker can take one for a trial of its own, and every storage has them.
`trimtab.trust.study_race` folds them into the race.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, final

from trimtab.base.errors import UnknownName, message
from trimtab.base.history import History
from trimtab.base.records import Json, Observation, Outcome
from trimtab.base.seeds import Key
from trimtab.trust.racing.catalogue import NamedTest, racing_test_from_json, racing_test_to_json
from trimtab.trust.racing.race import Race

__all__ = ["BlockRecord", "RacePlan", "own_attributes", "plan_of", "raced_blocks", "races_of"]

S = TypeVar("S")

_PREFIX = "race:"


@final
@dataclass(frozen=True, slots=True)
class RacePlan:
    """What a race is; fixed before its first evaluation.

    Arguments:
        name: unique in the study.
        contenders: numbers of the trials whose configurations race, two at least.
        blocks: how many blocks there are; they are numbered from 0.
        test: decides who leaves.
        alpha: the error of the race, of what says `test.statement`.
        finish: whether the last one in the race is run on the blocks that are left, for its estimate.
        complete: how many trials of the study were complete when the race was planned.
        seen: place in the log then.
    """

    name: str
    contenders: tuple[int, ...]
    blocks: int
    test: NamedTest
    alpha: float
    finish: bool = True
    complete: int = 0
    seen: int = 0

    @property
    def attribute(self) -> str:
        """The study's attribute that holds the plan."""
        return f"{_PREFIX}{self.name}"

    def block_attribute(self, block: int) -> str:
        """The attribute of a trial that holds its evaluation on a block."""
        return f"{_PREFIX}{self.name}:{block}"

    def begin(self, seed: int) -> Race:
        """The race before its first block, with contenders by their places; the order follows from the study's seed."""
        key = Key(seed, purpose=self.attribute)
        return Race.begin(len(self.contenders), self.blocks, self.test, self.alpha, key)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, without the name."""
        return {
            "contenders": list(self.contenders),
            "blocks": self.blocks,
            "test": racing_test_to_json(self.test),
            "alpha": self.alpha,
            "finish": self.finish,
            "complete": self.complete,
            "seen": self.seen,
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Json]) -> RacePlan:
        """Inverse of `to_json`."""
        parts = dict(data)
        contenders = tuple(int(number) for number in parts.pop("contenders"))
        return cls(name, contenders, test=racing_test_from_json(parts.pop("test")), **parts)


@final
@dataclass(frozen=True, slots=True, eq=False)
class BlockRecord:
    """One evaluation: of a contender, on a block.

    Arguments:
        observation: what it told; None where it failed.
        failure: why it failed, for people; empty where it did not.
        attributes: user attributes that it set.
        seconds: how long it ran.
        blind: whether it looked at neither `trial.block` nor `trial.seed`.
    """

    observation: Observation | None
    failure: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0
    blind: bool = False

    @classmethod
    def of(cls, outcome: Outcome, blind: bool) -> BlockRecord:
        """The record of an outcome; one that is not complete is a failure."""
        seen = outcome.observation if outcome.observation is not None and outcome.observation.finite else None
        # The first line says it; a traceback belongs to the call that ran it.
        failure = "" if seen is not None else (outcome.text.strip().splitlines() or [outcome.reason.text])[-1]
        return cls(seen, failure, outcome.attributes, outcome.seconds, blind)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; what is empty is left out."""
        seen = None if self.observation is None else self.observation.to_json()
        parts = {
            "observation": seen,
            "failure": self.failure,
            "attributes": dict(self.attributes),
            "seconds": round(self.seconds, 6),
            "blind": self.blind,
        }
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> BlockRecord:
        """Inverse of `to_json`."""
        parts = dict(data)
        seen = parts.pop("observation", None)
        return cls(None if seen is None else Observation.from_json(seen), **parts)


def own_attributes(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """The attributes of a trial that its user gave it, without what races keep there."""
    return {name: value for name, value in attributes.items() if not name.startswith(_PREFIX)}


def raced_blocks(attributes: Mapping[str, Json]) -> dict[str, int]:
    """Race -> on how many of its blocks a trial was evaluated again.

    >>> raced_blocks({"race:finals:0": {}, "race:finals:7": {}, "note": "mine"})
    {'finals': 2}
    """
    names = [name.removeprefix(_PREFIX).rpartition(":")[0] for name in attributes if name.startswith(_PREFIX)]
    return dict(Counter(names))


def races_of(history: History[S]) -> dict[str, RacePlan]:
    """The races of a study by name, in the order in which they were planned."""
    found = [
        RacePlan.from_json(name.removeprefix(_PREFIX), data)
        for name, data in history.study.attributes.items()
        if name.startswith(_PREFIX) and isinstance(data, Mapping) and "contenders" in data
    ]
    return {plan.name: plan for plan in sorted(found, key=lambda plan: plan.seen)}


def plan_of(history: History[S], name: str) -> RacePlan:
    """The plan of a race.

    Raises:
        UnknownName: the study has no such race.
    """
    plans = races_of(history)
    if name not in plans:
        raise UnknownName(
            message(
                f"study {history.study.name!r} has no race of that name",
                got=name,
                allowed=", ".join(map(repr, plans)) or "none yet",
                do="run one with study.race(objective)",
            )
        )
    return plans[name]
