"""The records that cross rooms: frozen, self-checking, JSON in and out.

`Observation` is the heart: all that one trial told, with optional parts. A tuner declares which
parts it needs, and the study matches them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.arrays import (
    dumps,
    float_from_json,
    float_to_json,
    loads,
    vector_from_json,
    vector_to_json,
)
from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.base.holdout import HoldoutState
from trimtab.base.outcomes import EndReason, TrialState

__all__ = [
    "Direction",
    "FrozenTrial",
    "Interval",
    "Json",
    "Objective",
    "Observation",
    "Outcome",
    "ParamValue",
    "Params",
    "Report",
    "Selection",
    "StudyRecord",
    "Suggestion",
    "TrialRow",
    "check_name",
]

ParamValue: TypeAlias = float | int | str | bool | None
Params: TypeAlias = Mapping[str, ParamValue]
Json: TypeAlias = Any
Direction: TypeAlias = Literal["minimize", "maximize"]

DEFAULT_OBJECTIVE = "value"


def check_name(name: object, what: str, longest: int = 100_000) -> str:
    """A name of a study, objective, metric or attribute: any non-empty text that is not too long.

    Raises:
        InvalidArgument: not a text, empty, or longer than `longest` characters.
    """
    if not isinstance(name, str) or not name or len(name) > longest:
        raise InvalidArgument(
            message(f"{what} must be a text", got=name, allowed=f"1 to {longest} characters of any kind")
        )
    return name


def _numbers(value: object, what: str) -> dict[str, float]:
    """A mapping of names to floats from a mapping or from one bare number."""
    if isinstance(value, Mapping):
        return {check_name(k, f"the name of a {what}"): _number(v, f"{what} {k!r}") for k, v in value.items()}
    return {DEFAULT_OBJECTIVE: _number(value, what)}


def _number(value: object, what: str) -> float:
    """A float from anything that is one real number, such as a NumPy scalar or a 0-d tensor."""
    if isinstance(value, str | bytes) or value is None:
        raise InvalidObservation(
            message(
                f"{what} must be a number",
                got=value,
                allowed="a real number (nan and infinities count as diverged)",
                do="return a float, a dict of floats or a trimtab.Observation from the objective",
            )
        )
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidObservation(
            message(
                f"{what} must be one real number ({error})",
                got=value,
                allowed="a float, or an array with a single element",
                do="reduce it to one number, for instance with .mean()",
            )
        ) from None


@dataclass(frozen=True, slots=True)
class Objective:
    """One quantity to optimise. Its direction is told here once; no room flips signs of its own.

    Arguments:
        name: as it appears in `Observation.values`.
        direction: "minimize" or "maximize".
    """

    name: str = DEFAULT_OBJECTIVE
    direction: Direction = "minimize"

    def __post_init__(self) -> None:
        """Check the name and the direction."""
        check_name(self.name, "an objective's name")
        if self.direction not in ("minimize", "maximize"):
            raise InvalidArgument(
                message(
                    f"objective {self.name!r}: unknown direction",
                    got=self.direction,
                    allowed="'minimize' or 'maximize'",
                )
            )

    @property
    def sign(self) -> float:
        """+1.0 to minimise, -1.0 to maximise: `sign * value` is better when lower."""
        return 1.0 if self.direction == "minimize" else -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that one trial told.

    Arguments:
        values: one number per objective; a bare number stands for the study's only objective.
        stderr: standard error of each value, same units as the value, >= 0; a bare number likewise.
        gradient: d value / d parameter for continuous parameters, by parameter name (small; wide
            hypergradients stay in the worker).
        losses: per-example validation losses, shape (n,), the same examples in the same order in
            every trial; lower is better. Pays for paired tests and honest intervals. In a study with a reusable
            holdout, those on its training part and then those on the holdout, which never reach the log.
        constraints: named; a value <= 0 is feasible.
        cost: what the trial cost, seconds unless the study says otherwise, >= 0.
        fidelity: at which width, number of epochs, fraction of data ... it was run.
        task: which task of a family it was run on.

    Raises:
        InvalidObservation: a part is not made of real numbers, or has an impossible sign or shape.

    >>> Observation(0.25, stderr=0.01).values
    mappingproxy({'value': 0.25})
    """

    values: Mapping[str, float]
    stderr: Mapping[str, float] | None = None
    gradient: Mapping[str, float] | None = None
    losses: NDArray[np.float64] | None = None
    constraints: Mapping[str, float] | None = None
    cost: float | None = None
    fidelity: Mapping[str, float] | None = None
    task: str | None = None

    def __init__(
        self,
        values: float | Mapping[str, float],
        stderr: float | Mapping[str, float] | None = None,
        gradient: Mapping[str, float] | None = None,
        losses: ArrayLike | None = None,
        constraints: Mapping[str, float] | None = None,
        cost: float | None = None,
        fidelity: Mapping[str, float] | None = None,
        task: str | None = None,
    ) -> None:
        """Check and normalise every part; see the class."""

        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        named = _numbers(values, "value")
        if not named:
            raise InvalidObservation(message("an observation needs at least one value", got=values))
        put("values", MappingProxyType(named))
        errors = None
        if stderr is not None:
            errors = _numbers(stderr, "stderr")
            if not isinstance(stderr, Mapping) and len(named) == 1:
                errors = dict(zip(named, errors.values(), strict=True))
            for name, error in errors.items():
                if name not in named or not error >= 0.0:
                    raise InvalidObservation(
                        message(
                            f"stderr {name!r} must be a number >= 0 that belongs to a value",
                            got=error,
                            allowed=f"keys among {sorted(named)}",
                        )
                    )
        put("stderr", None if errors is None else MappingProxyType(errors))
        for part, given in (("gradient", gradient), ("constraints", constraints), ("fidelity", fidelity)):
            if given is not None and not isinstance(given, Mapping):
                raise InvalidObservation(message(f"{part} must be a dict of names to numbers", got=given))
            put(part, None if given is None else MappingProxyType(_numbers(given, part)))
        put("losses", None if losses is None else _losses(losses))
        price = None if cost is None else _number(cost, "cost")
        if price is not None and not price >= 0.0:
            raise InvalidObservation(message("cost must be a number >= 0", got=price))
        put("cost", price)
        put("task", None if task is None else check_name(task, "a task's name"))

    @property
    def finite(self) -> bool:
        """Whether every value is a finite number; otherwise the trial counts as diverged."""
        return all(math.isfinite(value) for value in self.values.values())

    @property
    def feasible(self) -> bool:
        """Whether every constraint that was told is <= 0."""
        return all(value <= 0.0 for value in (self.constraints or {}).values())

    def replace(self, **changes: Any) -> Observation:
        """A copy with some parts changed."""
        parts = {name: getattr(self, name) for name in self.__slots__}
        return Observation(**{**parts, **changes})

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; parts that are absent are left out."""
        out: dict[str, Json] = {}
        for part in ("values", "stderr", "gradient", "constraints", "fidelity"):
            given = getattr(self, part)
            if given is not None:
                out[part] = {name: float_to_json(value) for name, value in given.items()}
        if self.losses is not None:
            out["losses"] = vector_to_json(self.losses)
        if self.cost is not None:
            out["cost"] = float_to_json(self.cost)
        if self.task is not None:
            out["task"] = self.task
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Observation:
        """Inverse of `to_json`."""

        def named(part: str) -> dict[str, float] | None:
            given = data.get(part)
            return None if given is None else {name: float_from_json(value) for name, value in given.items()}

        losses, cost = data.get("losses"), data.get("cost")
        return cls(
            values=named("values") or {},
            stderr=named("stderr"),
            gradient=named("gradient"),
            losses=None if losses is None else vector_from_json(losses),
            constraints=named("constraints"),
            cost=None if cost is None else float_from_json(cost),
            fidelity=named("fidelity"),
            task=data.get("task"),
        )

    def __eq__(self, other: object) -> bool:
        """Equal in every part; nan equals nan, so that a record read back equals the one written."""
        return isinstance(other, Observation) and dumps(self.to_json()) == dumps(other.to_json())

    def __hash__(self) -> int:
        """Hash of the objectives' names: nan is no key."""
        return hash(tuple(sorted(self.values)))

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and travels between processes by its JSON."""
        return (Observation.from_json, (self.to_json(),))


def _losses(losses: ArrayLike) -> NDArray[np.float64]:
    """Per-example losses as a read-only float64 vector, shape (n,)."""
    try:
        vector = np.array(losses, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidObservation(message(f"losses must be numbers ({error})", got=losses)) from None
    if vector.ndim != 1 or vector.size == 0:
        raise InvalidObservation(
            message(
                "losses must be a vector with one loss per example",
                got=vector.shape,
                allowed="shape (n,), n >= 1",
            )
        )
    vector.flags.writeable = False
    return vector


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tuner's answer to one ask.

    Arguments:
        params: the configuration; every active parameter, no inactive one.
        tuner: short name of the tuner that made it, as in the catalogue ("gp", "sobol").
        why: one plain line: what made the tuner propose this.
    """

    params: Params
    tuner: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One point of a curve.

    Arguments:
        step: where on the curve (epoch, batch, boosting round ...).
        metrics: metric name -> value.
        time: when, seconds since the Unix epoch.
    """

    step: float
    metrics: Mapping[str, float]
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended, as its executor tells the loop.

    Arguments:
        state: COMPLETE, PRUNED or FAIL.
        reason: why it ended.
        observation: what it told, where it told something.
        text: for people: the exception with its traceback, the signal, the time limit.
        output: the last part of what the trial printed, where the executor keeps it.
        params: for a define-by-run objective, the parameters that it asked for.
        parameters: their declarations, name -> the parameter's JSON.
        attributes: user attributes set while it ran.
        seconds: how long it ran.
        error: the exception itself, where there is one and it could be handed on; never stored.
    """

    state: TrialState
    reason: EndReason
    observation: Observation | None = None
    text: str = ""
    output: str = ""
    params: Params | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0
    error: BaseException | None = None

    @classmethod
    def observed(cls, observation: Observation) -> Outcome:
        """The outcome of a trial that came to its end: complete, or diverged where a value is not finite."""
        if observation.finite:
            return cls(TrialState.COMPLETE, EndReason.COMPLETED, observation)
        text = message("the objective diverged", got=dict(observation.values))
        return cls(TrialState.FAIL, EndReason.DIVERGED, observation, text)


class TrialRow(NamedTuple):
    """One trial as a storage keeps it: plain columns, JSON still as text. Read in bulk, decoded on demand."""

    number: int
    state: int
    params: str | None
    values: str | None
    observation: str | None
    reason: str | None
    text: str
    worker: str
    token: int
    expires: float
    retry_of: int | None
    created: float
    started: float | None
    ended: float | None
    seen: int
    tuner: str
    why: str
    attributes: str
    attempts: str


@dataclass(frozen=True, slots=True)
class FrozenTrial:
    """One trial, as far as the events tell.

    Arguments:
        number: dense from 0 within the study.
        state: WAITING, RUNNING, COMPLETE, PRUNED or FAIL.
        params: its configuration; None until it is known.
        observation: what it told; None until then, and for most failures.
        reason: why it ended; None while it has not.
        text: error text for people, where it failed.
        worker: who runs or ran it.
        token: fencing token of the present lease; 0 before the first claim.
        expires: when the lease runs out, seconds since the Unix epoch.
        retry_of: number of the lost trial that this one runs again.
        created, started, ended: seconds since the Unix epoch.
        seen: how much of the study's log the tuner had seen when it proposed the params.
        tuner, why: who proposed the params, and what for.
        attributes: user attributes.
        attempts: observations that came too late, after the lease was lost.
        reports: its curve so far; empty unless the history was read with reports.
    """

    number: int
    state: TrialState
    params: Params | None = None
    observation: Observation | None = None
    reason: EndReason | None = None
    text: str = ""
    worker: str = ""
    token: int = 0
    expires: float = 0.0
    retry_of: int | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    seen: int = 0
    tuner: str = ""
    why: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    attempts: tuple[Observation, ...] = ()
    reports: tuple[Report, ...] = ()

    @property
    def values(self) -> Mapping[str, float]:
        """The observed value of each objective; empty where nothing was observed."""
        return self.observation.values if self.observation is not None else {}

    @property
    def value(self) -> float | None:
        """The value of the only objective; None where nothing was observed.

        Raises:
            InvalidArgument: the trial has several objectives.
        """
        if len(self.values) > 1:
            raise InvalidArgument(
                message(
                    f"trial {self.number} has several objectives",
                    got=sorted(self.values),
                    do="use trial.values['name']",
                )
            )
        return next(iter(self.values.values()), None)

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it has not ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    def with_(self, **changes: Any) -> FrozenTrial:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to_row(self) -> TrialRow:
        """The plain columns; `reports` are rows of their own."""
        seen = self.observation
        return TrialRow(
            number=self.number,
            state=int(self.state),
            params=None if self.params is None else dumps(dict(self.params)),
            values=None if seen is None else dumps([[k, float_to_json(v)] for k, v in seen.values.items()]),
            observation=None if seen is None else dumps(seen.to_json()),
            reason=None if self.reason is None else self.reason.value,
            text=self.text,
            worker=self.worker,
            token=self.token,
            expires=self.expires,
            retry_of=self.retry_of,
            created=self.created,
            started=self.started,
            ended=self.ended,
            seen=self.seen,
            tuner=self.tuner,
            why=self.why,
            attributes=dumps(dict(self.attributes)),
            attempts=dumps([attempt.to_json() for attempt in self.attempts]),
        )

    @classmethod
    def from_row(cls, row: TrialRow) -> FrozenTrial:
        """Inverse of `to_row`."""
        return cls(
            number=row.number,
            state=TrialState(row.state),
            params=None if row.params is None else loads(row.params),
            observation=None if row.observation is None else Observation.from_json(loads(row.observation)),
            reason=None if row.reason is None else EndReason(row.reason),
            text=row.text,
            worker=row.worker,
            token=row.token,
            expires=row.expires,
            retry_of=row.retry_of,
            created=row.created,
            started=row.started,
            ended=row.ended,
            seen=row.seen,
            tuner=row.tuner,
            why=row.why,
            attributes=loads(row.attributes),
            attempts=tuple(Observation.from_json(item) for item in loads(row.attempts)),
        )


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What is known of a study as a whole: the fold of its study events.

    Arguments:
        name: unique within a storage.
        objectives: at least one.
        seed: of every random number in the study.
        space: JSON of the declared space; None for define-by-run.
        tuner: name of the tuner it was created with.
        parameters: define-by-run declarations traced so far, name -> JSON.
        attributes: user attributes.
        created: seconds since the Unix epoch.
        stopped: why it ended for good (such as an exhausted space); empty while it may go on.
        notes: what the study says of itself, such as a migration of its space, oldest first.
        holdout: JSON of the reusable holdout that answers for its trials; None where there is none.
        holdout_state: the fold of that holdout's answers.
        sealed: JSON of its sealed test split, with what it said when it was opened; None where there is none.
    """

    name: str
    objectives: tuple[Objective, ...]
    seed: int
    space: Json | None = None
    tuner: str = "auto"
    parameters: Mapping[str, Json] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    created: float = 0.0
    stopped: str = ""
    notes: tuple[str, ...] = ()
    holdout: Json | None = None
    holdout_state: HoldoutState = field(default_factory=HoldoutState)
    sealed: Json | None = None

    def with_(self, **changes: Any) -> StudyRecord:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; what belongs to a holdout or a sealed split is left out where there is none."""
        out: dict[str, Json] = {
            "name": self.name,
            "objectives": [[o.name, o.direction] for o in self.objectives],
            "seed": self.seed,
            "space": self.space,
            "tuner": self.tuner,
            "parameters": dict(self.parameters),
            "attributes": dict(self.attributes),
            "created": self.created,
            "stopped": self.stopped,
            "notes": list(self.notes),
        }
        if self.holdout is not None:
            out["holdout"] = self.holdout
            out["holdout_state"] = self.holdout_state.to_json()
        if self.sealed is not None:
            out["sealed"] = self.sealed
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> StudyRecord:
        """Inverse of `to_json`."""
        state = data.get("holdout_state")
        return cls(
            name=data["name"],
            objectives=tuple(Objective(name, cast(Direction, way)) for name, way in data["objectives"]),
            seed=data["seed"],
            space=data["space"],
            tuner=data["tuner"],
            parameters=data["parameters"],
            attributes=data["attributes"],
            created=data["created"],
            stopped=data["stopped"],
            notes=tuple(data["notes"]),
            holdout=data.get("holdout"),
            holdout_state=HoldoutState() if state is None else HoldoutState.from_json(state),
            sealed=data.get("sealed"),
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval with the level that it claims, such as 0.95."""

    low: float
    high: float
    level: float

    def __post_init__(self) -> None:
        """Refuse an interval that is upside down, or a level outside (0, 1)."""
        if not self.low <= self.high or not 0.0 < self.level < 1.0:
            raise ValueError(f"an Interval needs low <= high and 0 < level < 1; got {self}")

    def __contains__(self, value: float) -> bool:
        """Whether the value lies inside, ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Selection:
    """An honest best: which trial, what to expect of it, and what that can be trusted for.

    Arguments:
        trial: number of the recommended trial.
        params: its configuration.
        objective: which objective was selected on.
        estimate: of the selected trial's true value, in the objective's own units and sign,
            corrected for having been selected where the method can.
        interval: for the same quantity; None where the data carry no information on noise.
        tie_set: numbers of the trials that the data cannot tell from the best, the trial included.
        method: how it was found, in the literature's words.
        caveats: what the numbers do not cover, in plain words; never empty.
        observed: the plain value that the trial was observed at.
        best_probability: the probability that the trial is the best of the candidates, given the evidence's noise;
            None where nothing was told of it.
        shrunk: the trial's value drawn together with those of the other candidates by an unbiased estimate of risk
            (SURE), in the objective's own units and sign; None where this was not done.
        ties_tested: whether the data can tell the trial from all candidates that are not in the tie set; False where
            some of them were left out for another reason, as by a race that only predicts who would win.
    """

    trial: int
    params: Params
    objective: Objective
    estimate: float
    interval: Interval | None
    tie_set: tuple[int, ...]
    method: str
    caveats: tuple[str, ...]
    observed: float
    best_probability: float | None = None
    shrunk: float | None = None
    ties_tested: bool = True

    def __post_init__(self) -> None:
        """A selection names its method and caveats, and its trial is in its tie set."""
        if not self.method or not self.caveats or self.trial not in self.tie_set:
            raise ValueError(f"a Selection needs a method, caveats and its trial in the tie set; got {self}")

    @property
    def luck(self) -> str:
        """In a few words: how probably it is the best, and its value drawn together with the others; or nothing."""
        told = []
        if self.best_probability is not None:
            told.append(f"the best of the candidates with probability {self.best_probability:.0%}")
        if self.shrunk is not None:
            told.append(f"shrunk together with the others {self.shrunk:.4g}")
        return "; ".join(told)

    @property
    def standing(self) -> str:
        """In a few words: whether the data can tell it from the other trials."""
        if self.interval is None:
            return "nothing was told about noise, so nothing about ties"
        others = len(self.tie_set) - 1
        tied = f"not told apart from {others} other trial{'s' * (others != 1)}"
        if self.ties_tested:
            return tied if others else "alone at the top"
        return f"{tied}; ties with the rest were not tested" if others else "ties were not tested"

    def __str__(self) -> str:
        """A few plain lines for people."""
        span = "no interval"
        if self.interval is not None:
            low, high, level = self.interval.low, self.interval.high, self.interval.level
            span = f"{level:.0%} interval {low:.6g} to {high:.6g}"
        lines = [
            f"trial {self.trial}: {self.objective.name} {self.estimate:.6g}, {span}",
            f"  observed {self.observed:.6g}; {self.standing}",
            *([f"  {self.luck}"] if self.luck else []),
            f"  method: {self.method}",
            *(f"  note: {caveat}" for caveat in self.caveats),
        ]
        return "\n".join(lines)
