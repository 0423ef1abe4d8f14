"""Past studies as an input: tasks with their spaces, configurations and losses, and what they say about another space.

A `Corpus` is made of studies, of a storage, or of plain arrays. It keeps what was told and nothing else: for each task
its space, the configurations and their losses (turned so that lower is better; nan for what failed or broke a
constraint). It is immutable, and goes through JSON.

`Corpus.on` reads it for the space of a new study. A parameter counts as the same where it has the same full name:

- a trial whose value of a shared parameter is no value of the new one (outside its range, of another type, no such
  category) says nothing about any configuration of the new space, and is left out;
- a parameter that the task did not have gets its default, with which the task's trials may be thought to have run;
- a task that shares no parameter, or of which no trial with a finite loss is left, is left out, with the reason.

So the answer is made of configurations of the new space, its constraints kept. It is remembered, for a few spaces,
with the models that methods fit to it, so that several studies share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.arrays import dumps, float_from_json, float_to_json
from trimtab.base.errors import InvalidArgument, InvalidParams, TrimtabError, message, shorten
from trimtab.base.history import History
from trimtab.base.ports import Storage
from trimtab.base.records import Json, Params, ParamValue
from trimtab.space import Int, Parameter, Space, parameter_from_json
from trimtab.surrogates.evidence import gather, told_numbers

__all__ = ["Corpus", "CorpusTask", "MatchedCorpus", "MatchedTask"]

Array = NDArray[np.float64]

SCHEMA = 1

REMEMBERED = 4
"""Spaces for which what the corpus says is kept."""


@dataclass(frozen=True, eq=False)
class CorpusTask:
    """One past task.

    Arguments:
        name: unique within a corpus.
        space: in which it was tuned.
        params: configurations that were tried, n of them.
        losses: lower is better, nan for a failure, shape (n,).
        features: numbers that describe the task, such as how many rows it has; kept for its owner, no method here
            reads them.

    Raises:
        InvalidArgument: not one loss for each configuration.
    """

    name: str
    space: Space
    params: Sequence[Params]
    losses: ArrayLike
    features: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the lengths, and make everything immutable."""
        params = tuple(dict(row) for row in self.params)
        losses = np.array(self.losses, dtype=np.float64)
        if losses.shape != (len(params),):
            raise InvalidArgument(
                message(
                    f"task {shorten(self.name)}: losses must be one number for each configuration",
                    got=losses.shape,
                    allowed=f"shape ({len(params)},), nan for a failure",
                )
            )
        losses.flags.writeable = False
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "losses", losses)
        object.__setattr__(self, "features", MappingProxyType({k: float(v) for k, v in self.features.items()}))

    @property
    def values(self) -> Array:
        """The losses as an array, shape (n,)."""
        return np.asarray(self.losses)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "name": self.name,
            "space": self.space.to_json(),
            "params": [dict(row) for row in self.params],
            "losses": [float_to_json(loss) for loss in self.values.tolist()],
            "features": {name: float_to_json(value) for name, value in self.features.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> CorpusTask:
        """Inverse of `to_json`."""
        return cls(
            name=data["name"],
            space=Space.from_json(data["space"]),
            params=data["params"],
            losses=[float_from_json(loss) for loss in data["losses"]],
            features={name: float_from_json(value) for name, value in data["features"].items()},
        )

    def __eq__(self, other: object) -> bool:
        """Equal in every part; nan equals nan."""
        return isinstance(other, CorpusTask) and dumps(self.to_json()) == dumps(other.to_json())

    def __hash__(self) -> int:
        """Hash of the name and the size."""
        return hash((self.name, len(self.params)))


@dataclass(frozen=True, slots=True)
class MatchedTask:
    """What one past task says about a space.

    Arguments:
        name: of the task.
        raw: raw coordinates, shape (n, d).
        losses: lower is better, nan for a failure, shape (n,); at least one is finite.
    """

    name: str
    raw: Array
    losses: Array


@dataclass(frozen=True, slots=True)
class MatchedCorpus:
    """What a corpus says about one space.

    Arguments:
        space: the space.
        tasks: those that say something.
        reasons: name of each other task -> why it says nothing.
        remembered: what methods made of it, by their own keys.
    """

    space: Space
    tasks: tuple[MatchedTask, ...]
    reasons: Mapping[str, str]
    remembered: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


class Corpus:
    """Past tasks.

    Arguments:
        tasks: the tasks, of different names; may be none.
        reasons: name of each study that was left out -> why.

    Raises:
        InvalidArgument: two tasks of one name, or something that is no `CorpusTask`.

    >>> from trimtab.space import Float
    >>> space = Space(x=Float(0.0, 1.0))
    >>> corpus = Corpus([CorpusTask("first", space, [{"x": 0.1}, {"x": 0.9}], [1.0, 0.5])])
    >>> len(corpus), corpus.names, corpus.on(space).tasks[0].raw.ravel().tolist()
    (1, ('first',), [0.1, 0.9])
    """

    def __init__(self, tasks: Sequence[CorpusTask] = (), reasons: Mapping[str, str] = MappingProxyType({})) -> None:
        for task in tasks:
            if not isinstance(task, CorpusTask):
                raise InvalidArgument(
                    message(
                        "a Corpus is made of CorpusTask",
                        got=task,
                        do="make one from studies with Corpus.of(first, second, ...)",
                    )
                )
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise InvalidArgument(
                message("two tasks of a corpus have one name", got=sorted(names), do="give them different names")
            )
        self.tasks: tuple[CorpusTask, ...] = tuple(tasks)
        self.reasons: Mapping[str, str] = MappingProxyType(dict(reasons))
        self._matched: dict[Space, MatchedCorpus] = {}

    @classmethod
    def of(cls, *studies: Any) -> Corpus:
        """The corpus of studies, or of histories; those that cannot serve are left out with a reason.

        Arguments:
            studies: anything with a `history`, or histories themselves; of the same name, they are numbered.

        Raises:
            InvalidArgument: something that is neither.
        """
        tasks: list[CorpusTask] = []
        reasons: dict[str, str] = {}
        for study in studies:
            history = study if isinstance(study, History) else getattr(study, "history", None)
            if not isinstance(history, History):
                raise InvalidArgument(
                    message("a corpus is made of studies", got=study, allowed="studies, or their histories")
                )
            name = _free_name(history.study.name, {*reasons, *(task.name for task in tasks)})
            task, reason = _task_of(name, history)
            if task is None:
                reasons[name] = reason
            else:
                tasks.append(task)
        return cls(tasks, reasons)

    @classmethod
    def from_storage(cls, storage: Storage, names: Iterable[str] | None = None) -> Corpus:
        """The corpus of the studies in an opened storage, oldest first.

        Arguments:
            storage: opened, as `trimtab.storage.open_storage` gives it.
            names: which studies; None for all of them.

        Raises:
            InvalidArgument: a name of no study.
        """
        known = {record.name: record for record in storage.studies()}
        wanted = list(known) if names is None else list(names)
        missing = [name for name in wanted if name not in known]
        if missing:
            raise InvalidArgument(
                message("the storage has no such study", got=missing, allowed=f"among {sorted(known)}")
            )
        histories = []
        for name in wanted:
            snapshot = storage.snapshot(name)
            histories.append(
                History.from_snapshot(snapshot, _space_of(snapshot.study.space, snapshot.study.parameters))
            )
        return cls.of(*histories)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(task.name for task in self.tasks)

    def without(self, *names: str) -> Corpus:
        """This corpus without some tasks: for leaving one out at a time."""
        return Corpus([task for task in self.tasks if task.name not in names], self.reasons)

    def on(self, space: Space) -> MatchedCorpus:
        """What the corpus says about a space; remembered."""
        found = self._matched.get(space)
        if found is None:
            found = self._match(space)
            self._matched[space] = found
            for oldest in list(self._matched)[:-REMEMBERED]:
                self._matched.pop(oldest, None)
        return found

    def _match(self, space: Space) -> MatchedCorpus:
        """What each task says about a space."""
        tasks: list[MatchedTask] = []
        reasons: dict[str, str] = {}
        for task in self.tasks:
            raw, kept, reason = _mapped(task, space)
            losses = task.values[kept]
            if reason or not np.isfinite(losses).any():
                reasons[task.name] = reason or "no trial with a finite loss lies in the space"
            else:
                tasks.append(MatchedTask(task.name, raw, np.where(np.isfinite(losses), losses, np.nan)))
        return MatchedCorpus(space, tuple(tasks), MappingProxyType(reasons))

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, with the version of its schema."""
        tasks = [task.to_json() for task in self.tasks]
        return {"schema": SCHEMA, "kind": "corpus", "tasks": tasks, "reasons": dict(self.reasons)}

    @classmethod
    def from_json(cls, data: Json) -> Corpus:
        """Inverse of `to_json`.

        Raises:
            InvalidArgument: JSON of something else, of a newer version, or damaged.
        """
        if not isinstance(data, Mapping) or data.get("kind") != "corpus" or data.get("schema") != SCHEMA:
            raise InvalidArgument(
                message(
                    "this is no corpus that can be read", got=data, allowed=f"the JSON of a Corpus, schema {SCHEMA}"
                )
            )
        try:
            return cls([CorpusTask.from_json(task) for task in data["tasks"]], data["reasons"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidArgument(message(f"the JSON of a corpus is damaged ({error!r})", got=data)) from None

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self.tasks)

    def __eq__(self, other: object) -> bool:
        """Equal tasks in the same order, and equal reasons."""
        return isinstance(other, Corpus) and (self.tasks, self.reasons) == (other.tasks, other.reasons)

    def __hash__(self) -> int:
        """Hash of the names."""
        return hash(self.names)

    def __repr__(self) -> str:
        """How much there is."""
        return f"Corpus of {len(self)} tasks, {sum(len(task.params) for task in self.tasks)} trials"


def _free_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    place, free = 1, name
    while free in taken:
        place += 1
        free = f"{name} ({place})"
    return free


def _space_of(declared: Json | None, traced: Mapping[str, Json]) -> Space:
    """The space of a stored study."""
    if declared is not None:
        return Space.from_json(declared)
    return Space.traced({name: parameter_from_json(data) for name, data in traced.items()})


def _task_of(name: str, history: History[Space]) -> tuple[CorpusTask | None, str]:
    """The task of a history; None and the reason where it cannot serve."""
    if len(history.objectives) > 1:
        return None, f"it has {len(history.objectives)} objectives, and a corpus compares trials by one"
    evidence = gather(history, told_numbers(history))
    if not np.isfinite(evidence.losses).any():
        return None, "none of its trials told a finite value and kept the constraints"
    space = history.space
    params = [_decoded(space, row) for row in evidence.raw]
    return CorpusTask(name, space, params, evidence.losses), ""


def _decoded(space: Space, row: Array) -> dict[str, ParamValue]:
    """The configuration of raw coordinates (d,); a define-by-run trial may lack some."""
    if not space.is_traced:
        return space.decode(row)
    present = [place for place, value in enumerate(row.tolist()) if not np.isnan(value)]
    columns = [space.columns[place] for place in present]
    shown = Space.traced({column.name: space.parameters[column.name] for column in columns})
    return shown.decode(row[present])


def _mapped(task: CorpusTask, space: Space) -> tuple[Array, NDArray[np.intp], str]:
    """Raw coordinates (m, d) of what fits of a task, which of its n trials these are (m,), and why there is nothing."""
    count = len(task.params)
    if task.space == space and not space.is_traced:
        try:
            return space.encode_many(task.params), np.arange(count), ""
        except InvalidParams:
            pass  # some do not lie in the space that was declared; they are looked at one by one
    shared = [name for name in space.names if any(name in row for row in task.params)]
    if not shared:
        return np.empty((0, len(space))), np.empty(0, dtype=np.intp), "it shares no parameter with the space"
    base = space.default_params()
    rows: list[Array] = []
    kept: list[int] = []
    for place, params in enumerate(task.params):
        raw = _mapped_row(space, shared, params, base)
        if raw is not None:
            rows.append(raw)
            kept.append(place)
    reason = "" if rows else "none of its trials lies within the ranges of the space"
    return np.array(rows).reshape(len(rows), len(space)), np.array(kept, dtype=np.intp), reason


def _fitting(parameter: Parameter, value: ParamValue) -> ParamValue:
    """A value as the parameter has it: a whole float is an integer."""
    return int(value) if isinstance(parameter, Int) and isinstance(value, float) and value.is_integer() else value


def _mapped_row(space: Space, shared: Sequence[str], params: Params, base: Params) -> Array | None:
    """Raw coordinates (d,) of one trial's configuration in another space; None where it has no place there."""
    partial = {name: _fitting(space[name], params[name]) for name in shared if name in params}
    if not partial or any(space[name].problem(value) is not None for name, value in partial.items()):
        return None
    try:
        return space.encode(space.complete(partial, base))
    except TrimtabError:
        # Its values belong to different branches here, or break a constraint however the rest is chosen.
        return None
