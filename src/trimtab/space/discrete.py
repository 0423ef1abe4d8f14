"""Choices among given values: `Categorical`, `Ordinal`, `Bool`, and `Constant`, which leaves none.

A value is found by itself and its type, so 1, 1.0 and True may stand beside one another. `default=None`
means that no default was given; where None is a choice and is to be the default, list it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from trimtab.base.errors import InvalidSpace, message
from trimtab.base.records import ParamValue
from trimtab.space.axes import Axis
from trimtab.space.priors import weights
from trimtab.space.values import category, plain, show, token

__all__ = ["Bool", "Categorical", "Constant", "Listed", "Ordinal"]

Weights = Sequence[float] | Mapping[Any, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Listed:
    """What all choices among listed values share. Abstract: use one of its subclasses.

    Attributes:
        choices: the values; a value's raw coordinate is its index here.
        default: where to begin; None where none was given.
        prior: one weight per choice; None where none was given.
    """

    choices: tuple[ParamValue, ...]
    default: ParamValue
    prior: tuple[float, ...] | None
    kind: ClassVar[Literal["categorical", "ordinal"]] = "categorical"

    def _set(self, choices: Iterable[object], default: ParamValue, prior: Weights | None) -> None:
        """Check and fill the three fields."""
        kind = type(self).__name__
        if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
            raise InvalidSpace(message(f"{kind}: choices must be a list", got=choices, do="write [first, second]"))
        values = tuple(category(choice, kind) for choice in choices)
        if not values:
            raise InvalidSpace(message(f"{kind}: no choices", got=[], allowed="at least one"))
        for place, value in enumerate(values):
            if token(value) in map(token, values[:place]):
                raise InvalidSpace(message(f"{kind}: a choice appears twice", got=value, do="leave out one of them"))
        object.__setattr__(self, "choices", values)
        object.__setattr__(self, "prior", weights(prior, values, kind))
        object.__setattr__(self, "default", plain(default))
        if default is not None and self.problem(default):
            raise InvalidSpace(message(f"{kind}: default is not a choice", got=default, allowed=self.allowed))

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.choices)

    @property
    def axis(self) -> Axis:
        """How the index lies on the unit interval."""
        return Axis(0.0, float(len(self.choices) - 1), cells=len(self.choices))

    @property
    def allowed(self) -> str:
        """The values in words."""
        return f"one of {show(self.choices)}"

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None where it is a choice."""
        item: Any = plain(value)
        if token(item) in map(token, self.choices):
            return None
        return "not among the choices" if type(item) in map(type, self.choices) else "wrong type"

    def __eq__(self, other: object) -> bool:
        """Equal where both are written alike, which tells 1, 1.0 and True apart."""
        return type(other) is type(self) and repr(self) == repr(other)

    def __hash__(self) -> int:
        """Hash of what `==` compares."""
        return hash(repr(self))

    def __repr__(self) -> str:
        """As it was written, defaults left out."""
        return self._shown(repr(list(self.choices)))

    def _shown(self, *parts: str) -> str:
        """The call that makes the parameter, given its first arguments."""
        default = () if self.default is None else (f"default={self.default!r}",)
        prior = () if self.prior is None else (f"prior={list(self.prior)!r}",)
        return f"{type(self).__name__}({', '.join((*parts, *default, *prior))})"


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Categorical(Listed):
    """One of several values without an order.

    Arguments:
        choices: at least one, all different; finite floats, ints, texts, bools or None.
        default: where to begin; by default the likeliest under the prior, or else the first.
        prior: one weight per choice, in order or as a dict.

    Raises:
        InvalidSpace: no choices, twice the same, a value that cannot be a category, a default that is
            no choice, or weights that do not fit.

    >>> Categorical(["relu", "gelu", None])
    Categorical(['relu', 'gelu', None])
    """

    def __init__(
        self, choices: Iterable[ParamValue], *, default: ParamValue = None, prior: Weights | None = None
    ) -> None:
        """Check everything; see the class."""
        self._set(choices, default, prior)


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Ordinal(Listed):
    """One of several values in an order, such as "small", "medium", "large".

    Arguments:
        levels: from first to last, all different; finite floats, ints, texts, bools or None.
        default: where to begin; by default the likeliest under the prior, or else the middle one.
        prior: one weight per level, in order or as a dict.

    Raises:
        InvalidSpace: as for `Categorical`.
    """

    kind: ClassVar[Literal["categorical", "ordinal"]] = "ordinal"

    def __init__(
        self, levels: Iterable[ParamValue], *, default: ParamValue = None, prior: Weights | None = None
    ) -> None:
        """Check everything; see the class."""
        self._set(levels, default, prior)


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Bool(Listed):
    """True or False.

    Arguments:
        default: where to begin; by default the likelier under the prior, or else False.
        prior: probability that True is the better one.

    Raises:
        InvalidSpace: a default that is no bool, or a prior outside [0, 1].
    """

    def __init__(self, *, default: bool | None = None, prior: float | None = None) -> None:
        """Check everything; see the class."""
        if prior is not None and not (isinstance(prior, int | float) and 0.0 <= prior <= 1.0):
            raise InvalidSpace(message("Bool: prior is the probability of True", got=prior, allowed="0 to 1"))
        self._set((False, True), default, None if prior is None else (1.0 - prior, float(prior)))

    def __repr__(self) -> str:
        """As it was written, defaults left out."""
        default = () if self.default is None else (f"default={self.default!r}",)
        prior = () if self.prior is None else (f"prior={self.prior[1]!r}",)
        return f"Bool({', '.join((*default, *prior))})"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that is not tuned: it stands in every configuration, and no tuner sees it.

    Arguments:
        value: a finite float, an int, a text, a bool or None.

    Raises:
        InvalidSpace: any other value.
    """

    value: ParamValue = field()
    kind: ClassVar[Literal["constant"]] = "constant"

    def __post_init__(self) -> None:
        """Check the value."""
        object.__setattr__(self, "value", category(self.value, "Constant"))

    @property
    def size(self) -> int:
        """One."""
        return 1

    @property
    def allowed(self) -> str:
        """The value in words."""
        return repr(self.value)

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None where it is the constant."""
        item: Any = plain(value)
        return None if type(item) is type(self.value) and item == self.value else "not the constant's value"

    def __eq__(self, other: object) -> bool:
        """Equal values of equal types."""
        return isinstance(other, Constant) and repr(self) == repr(other)

    def __hash__(self) -> int:
        """Hash of what `==` compares."""
        return hash(repr(self))

    def __repr__(self) -> str:
        """As it was written."""
        return f"Constant({self.value!r})"
