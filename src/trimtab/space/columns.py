"""A tree of parameters laid flat: one `Column` per tunable parameter, parents before children."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from trimtab.base.errors import InvalidSpace, message, shorten
from trimtab.base.records import ParamValue
from trimtab.space.axes import Axis
from trimtab.space.choice import Choice, Nested
from trimtab.space.constraints import Constraint
from trimtab.space.discrete import Bool, Categorical, Constant, Listed, Ordinal
from trimtab.space.numeric import Float, Int
from trimtab.space.values import token

__all__ = ["Column", "Entry", "Fixed", "Parameter", "count", "flatten", "hoisted"]

Parameter: TypeAlias = Float | Int | Categorical | Ordinal | Bool | Constant | Choice


@dataclass(frozen=True, slots=True)
class Column:
    """One tunable parameter as one coordinate.

    Arguments:
        name: its full name in the params.
        kind: what its raw coordinate means: a number ("float", "int") or an index ("ordinal", "categorical").
        size: number of distinct values; None where continuous.
        parameter: its declaration.
        parent: index of the column of the `Choice` it is nested in; None at the top.
        parent_values: indices of the parent's branches under which it is active; empty at the top.
    """

    name: str
    kind: Literal["float", "int", "ordinal", "categorical"]
    size: int | None
    parameter: Float | Int | Categorical | Ordinal | Bool | Choice
    parent: int | None = None
    parent_values: frozenset[int] = frozenset()

    @property
    def branch(self) -> int | None:
        """The one branch of the parent under which it is active."""
        return next(iter(self.parent_values), None)

    @property
    def choices(self) -> tuple[ParamValue, ...]:
        """The values that the indices stand for; empty for numbers."""
        return self.parameter.choices if isinstance(self.parameter, Listed) else ()

    def coordinate(self, value: ParamValue) -> float:
        """The raw coordinate of a value that lies in the parameter."""
        if not self.choices:
            return float(value)  # type: ignore[arg-type]  # values of a Float or Int are numbers
        wanted = token(value)
        return float(next(index for index, choice in enumerate(self.choices) if token(choice) == wanted))

    @property
    def axis(self) -> Axis:
        """How the coordinate lies on the unit interval."""
        return self.parameter.axis


@dataclass(frozen=True, slots=True)
class Fixed:
    """One `Constant`, with the branch it stands in as for a `Column`."""

    name: str
    value: ParamValue
    parameter: Constant
    parent: int | None = None
    branch: int | None = None
    kind: ClassVar[Literal["constant"]] = "constant"


Entry: TypeAlias = Column | Fixed
"""One name that may stand in the params."""


def flatten(parameters: Mapping[str, Parameter]) -> tuple[Entry, ...]:
    """All parameters of a tree in order of declaration, depth first.

    Raises:
        InvalidSpace: two parameters end up with the same full name.
    """
    entries = tuple(_walk(parameters, "", None, None, itertools.count()))
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise InvalidSpace(
                message(
                    f"two parameters have the name {shorten(entry.name)}",
                    do="rename the one whose own name holds dots, or its branch",
                )
            )
        seen.add(entry.name)
    return entries


def _walk(
    parameters: Mapping[str, Parameter], prefix: str, parent: int | None, branch: int | None, places: Iterator[int]
) -> Iterator[Entry]:
    """The entries of one level and of all below it; `places` numbers the columns."""
    under = frozenset() if branch is None else frozenset((branch,))
    for name, parameter in parameters.items():
        full = prefix + name
        if isinstance(parameter, Constant):
            yield Fixed(full, parameter.value, parameter, parent, branch)
            continue
        place = next(places)
        yield Column(full, parameter.kind, parameter.size, parameter, parent, under)
        if isinstance(parameter, Choice):
            for index, (value, space) in enumerate(parameter.branches.items()):
                if space is not None:
                    yield from _walk(space.parameters, f"{full}.{value}.", place, index, places)


def count(parameters: Mapping[str, Parameter]) -> int | None:
    """Number of configurations, constraints aside: a product over parameters, a sum over branches; None if endless."""
    total = 1
    for parameter in parameters.values():
        size = parameter.size
        if isinstance(parameter, Choice):
            below = [1 if space is None else count(space.parameters) for space in parameter.spaces]
            size = None if None in below else sum(filter(None, below))
        if size is None:
            return None
        total *= size
    return total


def hoisted(space: Nested, prefix: str = "") -> Iterator[Constraint]:
    """The constraints of a space and of all spaces nested in it, in full names."""
    for constraint in space.constraints:
        yield constraint.under(prefix) if prefix else constraint
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Choice):
            for value, nested in parameter.branches.items():
                if nested is not None:
                    yield from hoisted(nested, f"{prefix}{name}.{value}.")
