"""Everything that happens to a study, as records. A study is the fold of its events.

Events that make a trial (`TrialEnqueued`, `TrialAdded`) carry `number=NEXT` until a storage gives
them the next dense number; `TrialClaimed` is written by a storage alone, inside `claim`. Events of
a running trial carry the fencing `token` of the lease under which they were made: a storage refuses
them once the lease belongs to nobody or to somebody else (`trimtab.base.fold` holds the rules).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, TypeAlias

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.holdout import HoldoutAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Json, Objective, Observation, Params

__all__ = [
    "NEXT",
    "Event",
    "LeaseRenewed",
    "Reported",
    "SpaceChanged",
    "SplitOpened",
    "SplitSealed",
    "Stored",
    "StudyAttribute",
    "StudyCreated",
    "StudyEvent",
    "StudyStopped",
    "TrialAdded",
    "TrialAsked",
    "TrialAttribute",
    "TrialClaimed",
    "TrialEnqueued",
    "TrialEvent",
    "TrialReaped",
    "TrialTold",
    "TrialToldLate",
    "event_from_json",
    "event_to_json",
]

NEXT = -1
"""In place of a trial's number: the next free one, given by the storage."""


@dataclass(frozen=True, slots=True)
class StudyCreated:
    """The first event of every study. `holdout` is the JSON of the reusable holdout that answers for its trials."""

    kind: ClassVar[str] = "study_created"
    objectives: tuple[Objective, ...]
    seed: int
    space: Json | None = None
    tuner: str = "auto"
    holdout: Json | None = None


@dataclass(frozen=True, slots=True)
class SpaceChanged:
    """An explicit migration of the declared space; `why` says what was changed."""

    kind: ClassVar[str] = "space_changed"
    space: Json
    why: str


@dataclass(frozen=True, slots=True)
class StudyAttribute:
    """A user attribute of the study."""

    kind: ClassVar[str] = "study_attribute"
    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class StudyStopped:
    """The study ended for good, such as when its finite space is exhausted; an empty `why` reopens it."""

    kind: ClassVar[str] = "study_stopped"
    why: str


@dataclass(frozen=True, slots=True)
class SplitSealed:
    """A test split is set aside, by the fingerprint of its examples; a study has one at most."""

    kind: ClassVar[str] = "split_sealed"
    examples: Json


@dataclass(frozen=True, slots=True)
class SplitOpened:
    """The sealed split was opened, once and for ever: mean loss of a trial, and the interval of its true mean loss."""

    kind: ClassVar[str] = "split_opened"
    trial: int
    mean: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, slots=True)
class TrialEnqueued:
    """A trial that waits for a worker: asked for by a user, or the retry of a lost one.

    `params` may name only some parameters; the tuner fills in the rest.
    """

    kind: ClassVar[str] = "trial_enqueued"
    number: int
    params: Params
    attributes: Mapping[str, Json] = field(default_factory=dict)
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class TrialAdded:
    """A finished trial that comes from elsewhere. `answer` is that of the study's holdout."""

    kind: ClassVar[str] = "trial_added"
    number: int
    params: Params
    state: TrialState
    reason: EndReason
    observation: Observation | None = None
    text: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    parameters: Mapping[str, Json] = field(default_factory=dict)
    answer: HoldoutAnswer | None = None


@dataclass(frozen=True, slots=True)
class TrialClaimed:
    """A worker holds the trial until `expires` (seconds since the Unix epoch). Written by `Storage.claim`."""

    kind: ClassVar[str] = "trial_claimed"
    number: int
    token: int
    worker: str
    expires: float


@dataclass(frozen=True, slots=True)
class TrialAsked:
    """A tuner proposed the configuration, having seen the study's log up to `seen`."""

    kind: ClassVar[str] = "trial_asked"
    number: int
    token: int
    params: Params
    seen: int
    tuner: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """The worker is alive; the lease now runs until `expires`."""

    kind: ClassVar[str] = "lease_renewed"
    number: int
    token: int
    expires: float


@dataclass(frozen=True, slots=True)
class Reported:
    """One point of the trial's curve. Stored in typed columns, one row a metric."""

    kind: ClassVar[str] = "reported"
    number: int
    token: int
    step: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TrialTold:
    """The trial's end. `params` and `parameters` are set for define-by-run objectives only.

    `answer` is that of the study's holdout, where it was asked; the observation then holds nothing of the holdout
    but what the answer shows.
    """

    kind: ClassVar[str] = "trial_told"
    number: int
    token: int
    state: TrialState
    reason: EndReason
    observation: Observation | None = None
    text: str = ""
    output: str = ""
    params: Params | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    answer: HoldoutAnswer | None = None


@dataclass(frozen=True, slots=True)
class TrialToldLate:
    """A result under a lost lease: kept as a second attempt, it changes no state."""

    kind: ClassVar[str] = "trial_told_late"
    number: int
    token: int
    observation: Observation | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class TrialReaped:
    """The lease ran out, or its worker is known to be dead: the trial is lost."""

    kind: ClassVar[str] = "trial_reaped"
    number: int
    token: int
    text: str


@dataclass(frozen=True, slots=True)
class TrialAttribute:
    """A user attribute of one trial."""

    kind: ClassVar[str] = "trial_attribute"
    number: int
    name: str
    value: Json


StudyEvent: TypeAlias = StudyCreated | SpaceChanged | StudyAttribute | StudyStopped | SplitSealed | SplitOpened
TrialEvent: TypeAlias = (
    TrialEnqueued
    | TrialAdded
    | TrialClaimed
    | TrialAsked
    | LeaseRenewed
    | Reported
    | TrialTold
    | TrialToldLate
    | TrialReaped
    | TrialAttribute
)
Event: TypeAlias = StudyEvent | TrialEvent

_KINDS: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        StudyCreated,
        SpaceChanged,
        StudyAttribute,
        StudyStopped,
        SplitSealed,
        SplitOpened,
        TrialEnqueued,
        TrialAdded,
        TrialClaimed,
        TrialAsked,
        LeaseRenewed,
        Reported,
        TrialTold,
        TrialToldLate,
        TrialReaped,
        TrialAttribute,
    )
}


class Stored(NamedTuple):
    """An event in a study's log: its place (from 1, growing), its time (seconds since the epoch), itself."""

    seq: int
    time: float
    event: Event


def event_to_json(event: Event) -> dict[str, Json]:
    """The event's fields in strict JSON, empty optional parts left out; its `kind` is stored beside them."""
    out: dict[str, Json] = {}
    for spec in fields(event):
        value = getattr(event, spec.name)
        if (value is None and spec.default is None) or (value == {} and spec.default_factory is dict):
            continue
        if isinstance(value, Observation | HoldoutAnswer):
            value = value.to_json()
        elif isinstance(value, TrialState):
            value = int(value)
        elif isinstance(value, EndReason):
            value = value.value
        elif spec.name == "objectives":
            value = [[o.name, o.direction] for o in value]
        elif spec.name == "metrics":
            value = {name: float_to_json(number) for name, number in value.items()}
        elif isinstance(value, Mapping):
            value = dict(value)
        out[spec.name] = value
    return out


def event_from_json(kind: str, data: Mapping[str, Json]) -> Event:
    """Inverse of `event_to_json`.

    Raises:
        KeyError: a kind that this version does not know.
    """
    parts = dict(data)
    if "observation" in parts:
        parts["observation"] = Observation.from_json(parts["observation"])
    if "answer" in parts:
        parts["answer"] = HoldoutAnswer.from_json(parts["answer"])
    if "state" in parts:
        parts["state"] = TrialState(parts["state"])
    if "reason" in parts:
        parts["reason"] = EndReason(parts["reason"])
    if "objectives" in parts:
        parts["objectives"] = tuple(Objective(name, way) for name, way in parts["objectives"])
    if "metrics" in parts:
        parts["metrics"] = {name: float_from_json(value) for name, value in parts["metrics"].items()}
    event: Event = _KINDS[kind](**parts)
    return event
