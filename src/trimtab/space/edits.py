"""New spaces from old ones: one parameter replaced or added somewhere in the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from trimtab.base.errors import InvalidSpace, message, shorten
from trimtab.base.records import ParamValue
from trimtab.space.checks import unknown_name
from trimtab.space.choice import Choice
from trimtab.space.columns import Parameter, flatten
from trimtab.space.constraints import Constraint
from trimtab.space.containment import covers
from trimtab.space.discrete import Bool, Constant
from trimtab.space.numeric import Float, Int

__all__ = ["edited", "fills_of", "grown", "widened_parameter", "with_branch"]


class Tree(Protocol):
    """What is needed of a space."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Its own parameters."""
        ...

    @property
    def fills(self) -> Mapping[str, ParamValue]:
        """Values of its own parameters that older configurations lack."""
        ...

    def replaced(
        self,
        parameters: Mapping[str, Parameter] | None = None,
        constraints: Sequence[Constraint] | None = None,
        fills: Mapping[str, ParamValue] | None = None,
    ) -> Self:
        """A copy with parts replaced."""
        ...


T = TypeVar("T", bound=Tree)


def fills_of(space: Any, prefix: str = "") -> dict[str, ParamValue]:
    """The fills of a space and of all spaces nested in it, by full name."""
    found = {prefix + name: value for name, value in space.fills.items()}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Choice):
            for branch, nested in parameter.branches.items():
                if nested is not None:
                    found.update(fills_of(nested, f"{prefix}{name}.{branch}."))
    return found


def edited(space: T, name: str, edit: Callable[[Parameter], Parameter]) -> T:
    """A space with one parameter, at any depth, replaced by `edit` of it.

    Raises:
        InvalidSpace: no parameter has this full name.
    """
    found = _edited(space, name, edit)
    if found is None:
        raise InvalidSpace(unknown_name(name, (item.name for item in flatten(space.parameters))))
    return found


def _edited(space: T, name: str, edit: Callable[[Parameter], Parameter]) -> T | None:
    """`edited`, or None where the name is not there."""
    if name in space.parameters:
        return space.replaced({**space.parameters, name: edit(space.parameters[name])})
    for own, parameter in space.parameters.items():
        if not isinstance(parameter, Choice):
            continue
        for branch, nested in parameter.branches.items():
            prefix = f"{own}.{branch}."
            changed = (
                _edited(nested, name[len(prefix) :], edit) if nested is not None and name.startswith(prefix) else None
            )
            if changed is not None:
                choice = parameter.with_spaces({**parameter.branches, branch: changed}.values())
                return space.replaced({**space.parameters, own: choice})
    return None


def grown(space: T, name: str, parameter: Parameter, older: ParamValue, full: str) -> T:
    """A space with one more parameter, in the branch that its full name begins with, or else at the top."""
    for own, choice in space.parameters.items():
        if not isinstance(choice, Choice):
            continue
        for branch, nested in choice.branches.items():
            prefix = f"{own}.{branch}."
            if name.startswith(prefix) and len(name) > len(prefix):
                below = nested if nested is not None else space.replaced({}, constraints=(), fills={})
                inner = grown(below, name[len(prefix) :], parameter, older, full)
                changed = choice.with_spaces({**choice.branches, branch: inner}.values())
                return space.replaced({**space.parameters, own: changed})
    if name in space.parameters:
        raise InvalidSpace(message(f"two parameters have the name {shorten(full)}", do="rename one of them"))
    if isinstance(parameter, Choice):
        raise InvalidSpace(
            message(
                f"parameter {shorten(full)}: a Choice cannot be added to a space that has trials",
                do="add a Categorical, or create a study under another name",
            )
        )
    problem = parameter.problem(older)
    if problem is not None:
        raise InvalidSpace(
            message(f"parameter {shorten(full)}: older is {problem}", got=older, allowed=parameter.allowed)
        )
    return space.replaced({**space.parameters, name: parameter}, fills={**space.fills, name: older})


def with_branch(parameter: Parameter, name: str, value: ParamValue, subspace: Any) -> Parameter:
    """A parameter with one more value at its end; a prior gives it the mean of the other weights."""
    if isinstance(parameter, Bool | Constant | Float | Int):
        raise InvalidSpace(
            message(
                f"parameter {shorten(name)} cannot take another choice",
                got=parameter,
                allowed="Categorical, Ordinal, Choice",
            )
        )
    if parameter.problem(value) is None:
        raise InvalidSpace(message(f"parameter {shorten(name)}: a choice appears twice", got=value))
    prior = None
    if parameter.prior is not None:
        prior = (*parameter.prior, sum(parameter.prior) / len(parameter.prior))
    if isinstance(parameter, Choice):
        if not isinstance(value, str):
            raise InvalidSpace(message(f"parameter {shorten(name)}: a branch's name must be a text", got=value))
        default = parameter.default if isinstance(parameter.default, str) else None
        return Choice({**parameter.branches, value: subspace}, default=default, prior=prior)
    if subspace is not None:
        raise InvalidSpace(message(f"parameter {shorten(name)} is no Choice, its values have no spaces", got=parameter))
    return type(parameter)((*parameter.choices, value), default=parameter.default, prior=prior)


def widened_parameter(parameter: Parameter, name: str, low: float | None, high: float | None) -> Parameter:
    """A number with a lower low, a higher high, or both."""
    if not isinstance(parameter, Float | Int):
        raise InvalidSpace(message(f"parameter {shorten(name)} is no number", got=parameter, do="use with_choice"))
    options = {"log": parameter.log, "step": parameter.step, "default": parameter.default, "prior": parameter.prior}
    if isinstance(parameter, Int):
        options["powers_of"] = parameter.powers_of
    ends = (parameter.low if low is None else low, parameter.high if high is None else high)
    wider: Float | Int = type(parameter)(*ends, **options)  # type: ignore[arg-type]
    if not covers(wider, parameter):
        raise InvalidSpace(
            message(
                f"parameter {shorten(name)}: the new range must hold every value of the old one",
                got=wider,
                allowed=f"low <= {parameter.low!r}, high >= {parameter.high!r}, on the same grid",
            )
        )
    return wider
