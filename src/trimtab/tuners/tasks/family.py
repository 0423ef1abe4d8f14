"""Families of tasks: settings are tuned for the mean loss over tasks, not for one of them.

Needs tasks that share a space and tell one loss each. Empirical risk minimisation over a distribution of tasks: with
tasks x_1 ... x_T drawn from it, the objective is mean_i l_a(x_i), whose minimiser in a does well on tasks to come if T
is large enough; R. Gupta and T. Roughgarden, "A PAC approach to application-specific algorithm selection", SIAM Journal
on Computing 46, 2017, arXiv 1511.07147 (recalled, not read again).

A family is itself an objective: `study.optimize(family.objective(), ...)` in a study of `family.space`.

- All tasks, each trial the same ones: `losses` are one loss a task, so that comparisons are paired task by task. The
  mean has no noise then: how much tasks differ from each other is no doubt about it. The standard error over tasks,
  which is one about tasks to come, goes into the trial's attribute "stderr over tasks", since a surrogate would take it
  for noise between trials.
- A sample of tasks, drawn anew for each trial by its key: cheaper, and the mean is noisy. The standard error is told as
  such, and `losses` are not, since those of two trials are of different tasks.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context, Task
from trimtab.base.records import Json, Observation, Params, ParamValue, check_name
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space, parameter_to_json
from trimtab.tuners.tasks.duals.dual import Dual

__all__ = ["FamilyMember", "FamilyObjective", "RunningTrial", "TaskFamily", "TaskSource"]

Array = NDArray[np.float64]


class RunningTrial(Protocol):
    """What is asked of a trial where a family is used as an objective."""

    @property
    def number(self) -> int:
        """The trial's number."""
        ...

    @property
    def params(self) -> Mapping[str, ParamValue]:
        """The configuration."""
        ...

    @property
    def seed(self) -> int:
        """A seed that is a function of the study's and the trial's number."""
        ...

    def should_prune(self) -> bool:
        """Whether the trial was given up."""
        ...

    def set_user_attr(self, key: str, value: Json) -> None:
        """Note a user attribute of the trial."""
        ...


@final
@dataclass(frozen=True, eq=False)
class FamilyMember:
    """One task of a family.

    Arguments:
        name: unique within the family.
        task: what is run; it tells one value, a loss, lower is better.
        features: numbers that describe the task, by name; the same names for every member.
        make_dual: makes the task's exact loss as a function of one hyperparameter, where it has one.

    Raises:
        InvalidArgument: a name that is no text, or a feature that is no finite number.
    """

    name: str
    task: Task[Space]
    features: Mapping[str, float] = field(default_factory=dict)
    make_dual: Callable[[], Dual] | None = None

    def __post_init__(self) -> None:
        """Check the name and the features."""
        check_name(self.name, "a task's name")
        for feature, value in self.features.items():
            if not math.isfinite(value):
                raise InvalidArgument(
                    message(f"task {self.name!r}: feature {feature!r} must be a finite number", got=value)
                )

    @classmethod
    def exact(
        cls, name: str, make_dual: Callable[[], Dual], space: Space, features: Mapping[str, float] | None = None
    ) -> FamilyMember:
        """A task that is its dual function: running it is looking up the loss.

        Arguments:
            name, make_dual, features: as above.
            space: of one numeric parameter, all of whose values the dual covers.

        Raises:
            InvalidArgument: a space of other than one numeric parameter, or as above.
        """
        if len(space) != 1 or not isinstance(next(iter(space.parameters.values())), Float | Int):
            raise InvalidArgument(
                message(
                    f"task {name!r}: a dual function is of one numeric parameter",
                    got=dict(space.parameters),
                    allowed="one Float or Int",
                )
            )
        task = _DualTask(space, make_dual)
        return cls(name, task, features or {}, lambda: task.dual)  # made once, for the task and for the member

    @cached_property
    def dual(self) -> Dual:
        """The exact loss, made when it is first asked for.

        Raises:
            InvalidArgument: the member came without one.
        """
        if self.make_dual is None:
            raise InvalidArgument(
                message(f"task {self.name!r} has no dual function", do="give its FamilyMember a make_dual")
            )
        return self.make_dual()

    @property
    def space(self) -> Space:
        """The task's space.

        Raises:
            InvalidArgument: the task declares none.
        """
        if self.task.space is None:
            raise InvalidArgument(
                message(f"task {self.name!r} declares no space", do="give it one: a family needs one for all tasks")
            )
        return self.task.space


@final
@dataclass(frozen=True, eq=False)
class _DualTask:
    """A dual function as a task."""

    space: Space
    make_dual: Callable[[], Dual]

    @property
    def provides(self) -> Info:
        return Info.VALUES

    @cached_property
    def dual(self) -> Dual:
        return self.make_dual()

    def run(self, params: Params, context: Context) -> Observation:
        (at,) = (params[name] for name in self.space)
        return Observation(float(self.dual.value(np.asarray(at, dtype=np.float64))))


@final
@dataclass(frozen=True, eq=False)
class TaskFamily:
    """Tasks that share a space, in order.

    Arguments:
        members: one or more.

    Raises:
        InvalidArgument: none, two of one name, spaces that differ, or features of different names.
    """

    members: tuple[FamilyMember, ...]

    def __init__(self, members: Sequence[FamilyMember]) -> None:
        """Check that the members fit together."""
        object.__setattr__(self, "members", tuple(members))
        if not self.members:
            raise InvalidArgument(message("a family needs at least one task", got=0))
        seen: set[str] = set()
        first = self.members[0]
        for member in self.members:
            if member.name in seen:
                raise InvalidArgument(message("two tasks of a family have one name", got=member.name))
            seen.add(member.name)
            difference = _difference(first.space, member.space)
            if difference:
                raise InvalidArgument(
                    message(
                        f"tasks {first.name!r} and {member.name!r} have different spaces: {difference}",
                        do="give every task of the family the same space",
                    )
                )
            if list(member.features) != list(first.features):
                raise InvalidArgument(
                    message(
                        f"tasks {first.name!r} and {member.name!r} have different features",
                        got=list(member.features),
                        allowed=str(list(first.features)),
                    )
                )

    @property
    def space(self) -> Space:
        """The space of every task."""
        return self.members[0].space

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks' names, in order."""
        return tuple(member.name for member in self.members)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names, in the order of the columns of `features`."""
        return tuple(self.members[0].features)

    @property
    def features(self) -> Array:
        """One row a task, shape (tasks, features)."""
        rows = [[float(value) for value in member.features.values()] for member in self.members]
        return np.array(rows, dtype=np.float64).reshape(len(self), len(self.feature_names))

    def duals(self) -> list[Dual]:
        """The exact loss of each task, made when first asked for.

        Raises:
            InvalidArgument: a task came without one.
        """
        return [member.dual for member in self.members]

    def split(self, held_out: int, key: Key) -> tuple[TaskFamily, TaskFamily]:
        """Two families, each in the present order: tasks to tune on, and `held_out` tasks to judge by.

        Arguments:
            held_out: how many tasks, drawn at random, 1 or more and fewer than there are.
            key: of the draw.

        Raises:
            InvalidArgument: a number that leaves one of the two without tasks.
        """
        if not 1 <= check_count(held_out, "held_out") < len(self):
            raise InvalidArgument(message("a split leaves tasks on both sides", got=held_out, allowed=f"< {len(self)}"))
        chosen = set(key.generator().choice(len(self), size=held_out, replace=False).tolist())
        tuning = [member for place, member in enumerate(self.members) if place not in chosen]
        judging = [member for place, member in enumerate(self.members) if place in chosen]
        return TaskFamily(tuning), TaskFamily(judging)

    def objective(self, sample: int | None = None) -> FamilyObjective:
        """What a study of `space` optimises: the mean loss over the tasks.

        Arguments:
            sample: so many tasks for each trial, drawn by its key without replacement; None for all of them.

        Raises:
            InvalidArgument: more than there are, or fewer than one.
        """
        if sample is None:
            return FamilyObjective(self.space, _All(self))
        if check_count(sample, "sample") > len(self):
            raise InvalidArgument(message("a sample cannot exceed the family", got=sample, allowed=f"1 to {len(self)}"))
        return FamilyObjective(self.space, _Sampled(self, sample))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[FamilyMember]:
        return iter(self.members)

    def __getitem__(self, place: int) -> FamilyMember:
        return self.members[place]


@final
@dataclass(frozen=True, eq=False)
class TaskSource:
    """A distribution of tasks: a function that makes a task of a key.

    Arguments:
        make: the same key makes the same task. Names need not differ: tasks are numbered.
    """

    make: Callable[[Key], FamilyMember]

    def draw(self, count: int, key: Key) -> TaskFamily:
        """So many tasks; the first ones are the same for every count.

        Arguments:
            count: 1 or more.
            key: of all of them.

        Raises:
            InvalidArgument: a count below one, or as for `TaskFamily`.
        """
        check_count(count, "count")
        made = [self.make(key.child("task").for_trial(place)) for place in range(count)]
        numbered = [
            FamilyMember(f"{place} {member.name}", member.task, member.features, member.make_dual)
            for place, member in enumerate(made)
        ]
        return TaskFamily(numbered)

    def objective(self, sample: int, key: Key) -> FamilyObjective:
        """What a study optimises: the mean loss over `sample` tasks that are made anew for each trial.

        Arguments:
            sample: 1 or more.
            key: of one task that is made to know the space.
        """
        check_count(sample, "sample")
        return FamilyObjective(self.draw(1, key).space, _Fresh(self, sample))


class _Choice(ABC):
    """Which tasks a trial runs."""

    fixed: bool

    @abstractmethod
    def tasks(self, key: Key) -> Sequence[FamilyMember]:
        """The tasks of the trial with this key."""


@final
@dataclass(frozen=True, eq=False)
class _All(_Choice):
    family: TaskFamily
    fixed: bool = True

    def tasks(self, key: Key) -> Sequence[FamilyMember]:
        return self.family.members


@final
@dataclass(frozen=True, eq=False)
class _Sampled(_Choice):
    family: TaskFamily
    size: int
    fixed: bool = False

    def tasks(self, key: Key) -> Sequence[FamilyMember]:
        drawn = key.child("sample").generator().choice(len(self.family), size=self.size, replace=False)
        return [self.family[place] for place in sorted(drawn.tolist())]


@final
@dataclass(frozen=True, eq=False)
class _Fresh(_Choice):
    source: TaskSource
    size: int
    fixed: bool = False

    def tasks(self, key: Key) -> Sequence[FamilyMember]:
        return self.source.draw(self.size, key.child("fresh")).members


@final
@dataclass(frozen=True, eq=False)
class FamilyObjective:
    """The mean loss over tasks of a family: a `Task`, and a callable that `study.optimize` takes as an objective.

    Made by `TaskFamily.objective` and `TaskSource.objective`.
    """

    space: Space
    choice: _Choice = field(repr=False)

    @property
    def provides(self) -> Info:
        """Losses of each task where every trial runs the same ones, else a standard error; costs in seconds."""
        return Info.VALUES | Info.COST | (Info.LOSSES if self.choice.fixed else Info.STDERR)

    def run(self, params: Params, context: Context) -> Observation:
        """Run a configuration on every chosen task.

        The value is the mean of their losses, nan where a task diverged. The trial's attribute "tasks" names them,
        and "diverged" the first that did.

        Raises:
            InvalidObservation: a task told other than one value.
            Exception: whatever a task raised, with a note that names the task.
        """
        seed = context.key.child("seed").integer() % 2**32
        return self._observe(params, seed, context.number, context.should_prune, context.attribute)

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective: `study.optimize(family.objective(), n_trials=...)`."""
        return self._observe(trial.params, trial.seed, trial.number, trial.should_prune, trial.set_user_attr)

    def _observe(
        self,
        params: Params,
        seed: int,
        number: int,
        should_prune: Callable[[], bool],
        note: Callable[[str, Json], None],
    ) -> Observation:
        start = time.perf_counter()
        key = Key(seed, number, "family")
        members = self.choice.tasks(key)
        losses = np.array(
            [_loss(each, params, _MemberContext(number, key, each.name, should_prune)) for each in members]
        )
        cost = time.perf_counter() - start
        note("tasks", [member.name for member in members])
        if not np.isfinite(losses).all():
            note("diverged", members[int(np.flatnonzero(~np.isfinite(losses))[0])].name)
            return Observation(math.nan, cost=cost)
        spread = _standard_error(losses)
        if self.choice.fixed:
            note("stderr over tasks", spread)
            return Observation(float(losses.mean()), losses=losses, cost=cost)
        return Observation(float(losses.mean()), stderr=spread, cost=cost)


@final
@dataclass(frozen=True, eq=False)
class _MemberContext:
    """The context of one task within a trial: random numbers of its own, and no say in the trial's record."""

    number: int
    family: Key
    name: str
    given_up: Callable[[], bool]

    @property
    def key(self) -> Key:
        return self.family.child(self.name)

    def report(self, step: float, metrics: Mapping[str, float]) -> None:
        """Not passed on: curves of several tasks are no curve of their mean."""

    def should_prune(self) -> bool:
        return self.given_up()

    def suggested(self, name: str, value: ParamValue, parameter: Json) -> None:
        """Not passed on: the space is declared."""

    def attribute(self, name: str, value: Json) -> None:
        """Not passed on: every task would overwrite the one before."""


def _loss(member: FamilyMember, params: Params, context: Context) -> float:
    """The one value that a task tells; an exception of its own gets a note that names it."""
    try:
        told = member.task.run(params, context).values
    except TrialPruned:
        raise
    except Exception as error:
        error.add_note(f"in task {member.name!r} of the family")
        raise
    if len(told) != 1:
        raise InvalidObservation(
            message(f"task {member.name!r} of a family must tell one value", got=sorted(told), allowed="one loss")
        )
    return next(iter(told.values()))


def _standard_error(losses: Array) -> float | None:
    """Of the mean of losses of tasks drawn at random; None for a single one."""
    return None if len(losses) < 2 else float(losses.std(ddof=1) / math.sqrt(len(losses)))


def _difference(one: Space, other: Space) -> str:
    """The first difference of two spaces in words; empty where there is none."""
    if one == other:
        return ""
    for name in [*one.parameters, *(name for name in other.parameters if name not in one.parameters)]:
        if name not in one.parameters or name not in other.parameters:
            return f"only one of them has {name!r}"
        mine, theirs = one.parameters[name], other.parameters[name]
        if parameter_to_json(mine) != parameter_to_json(theirs):
            return f"{name!r} is {mine} and {theirs}"
    if list(one.parameters) != list(other.parameters):
        return f"the order of the parameters, {list(one.parameters)} and {list(other.parameters)}"
    return "their constraints"
