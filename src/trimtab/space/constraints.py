"""Constraints between parameters: which combinations of values are configurations at all.

They are known before anything runs, unlike `Observation.constraints`, which a trial measures.
A constraint that mentions a parameter which is inactive in a configuration does not apply to it.
Three kinds are data and are stored with the space; a `Predicate` is code, of which only the text is
stored, so a space read back from storage cannot draw until it is given the code again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace, message, shorten
from trimtab.base.records import Params, ParamValue
from trimtab.space.values import category, plain

__all__ = ["Constraint", "Forbidden", "Linear", "Ordered", "Predicate", "Rows"]

Mask: TypeAlias = NDArray[np.bool_]


class Rows(Protocol):
    """Configurations as a constraint reads them, n at once."""

    @property
    def names(self) -> frozenset[str]:
        """Every name of the space, active or not."""
        ...

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Values of a number, shape (n,); nan where inactive."""
        ...

    def equal(self, name: str, value: ParamValue) -> Mask:
        """Where a parameter is active and has this value, shape (n,)."""
        ...

    def params(self) -> list[dict[str, ParamValue]]:
        """The configurations themselves."""
        ...


class Constraint(ABC):
    """A rule that a configuration keeps or breaks. Implementations are frozen dataclasses."""

    __slots__ = ()

    @property
    @abstractmethod
    def text(self) -> str:
        """The rule in words, for messages."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Parameters that it is known to mention."""

    @abstractmethod
    def under(self, prefix: str) -> Constraint:
        """The same rule seen from outside a nested space whose names all begin with `prefix`."""

    @abstractmethod
    def holds(self, rows: Rows) -> Mask:
        """Where the rule is kept or does not apply, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Linear(Constraint):
    """lower <= sum of coefficient * value <= upper.

    Arguments:
        coefficients: parameter name -> its finite coefficient; numbers only.
        upper, lower: finite bounds; at least one of them.

    Raises:
        InvalidSpace: no coefficients, no bound, or one that is not finite.

    >>> Linear({"a": 1, "b": 2.5}, upper=10).text
    'a + 2.5*b <= 10'
    """

    coefficients: Mapping[str, float] = field(hash=False)
    upper: float | None = None
    lower: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers and keep a copy of the coefficients."""
        if not isinstance(self.coefficients, Mapping) or not self.coefficients:
            raise InvalidSpace(
                message("Linear: no coefficients", got=self.coefficients, allowed="a dict of name: number")
            )
        numbers = [*self.coefficients.values(), *(b for b in (self.upper, self.lower) if b is not None)]
        for number in map(plain, numbers):
            if isinstance(number, bool) or not isinstance(number, int | float) or not np.isfinite(number):
                raise InvalidSpace(message("Linear: coefficients and bounds must be finite numbers", got=number))
        if len(numbers) == len(self.coefficients):
            raise InvalidSpace(message("Linear: no bound", do="give upper=, lower= or both"))
        object.__setattr__(self, "coefficients", {name: float(c) for name, c in self.coefficients.items()})
        for name in ("upper", "lower"):
            bound = getattr(self, name)
            object.__setattr__(self, name, None if bound is None else float(bound))

    @property
    def text(self) -> str:
        """The inequality."""
        terms = " + ".join(name if c == 1 else f"{_short(c)}*{name}" for name, c in self.coefficients.items())
        below = "" if self.lower is None else f"{_short(self.lower)} <= "
        above = "" if self.upper is None else f" <= {_short(self.upper)}"
        return f"{below}{terms}{above}"

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters with a coefficient."""
        return tuple(self.coefficients)

    def under(self, prefix: str) -> Linear:
        """The same rule seen from outside a nested space."""
        return replace(self, coefficients={prefix + name: c for name, c in self.coefficients.items()})

    def holds(self, rows: Rows) -> Mask:
        """Where the sum lies between the bounds, or has an inactive part."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.sum([c * rows.numbers(name) for name, c in self.coefficients.items()], axis=0)
        kept: Mask = np.ones(total.shape, dtype=np.bool_)
        if self.upper is not None:
            kept &= ~(total > self.upper)
        if self.lower is not None:
            kept &= ~(total < self.lower)
        return kept


def _short(number: float) -> str:
    """A number in as few digits as tell it from every other."""
    return repr(number).removesuffix(".0")


@dataclass(frozen=True, slots=True, init=False)
class Ordered(Constraint):
    """Numbers in ascending order: first <= second <= ..., or < where `strict`.

    Raises:
        InvalidSpace: fewer than two names.

    >>> Ordered("low", "high", strict=True).text
    'low < high'
    """

    order: tuple[str, ...]
    strict: bool = False

    def __init__(self, *names: str, strict: bool = False) -> None:
        """Check the names; see the class."""
        if len(names) < 2:
            raise InvalidSpace(message("Ordered: nothing to compare", got=names, allowed="two names or more"))
        object.__setattr__(self, "order", names)
        object.__setattr__(self, "strict", bool(strict))

    @property
    def text(self) -> str:
        """The chain of inequalities."""
        return (" < " if self.strict else " <= ").join(self.order)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters in order."""
        return self.order

    def under(self, prefix: str) -> Ordered:
        """The same rule seen from outside a nested space."""
        return Ordered(*(prefix + name for name in self.order), strict=self.strict)

    def holds(self, rows: Rows) -> Mask:
        """Where the order is kept, or one of the numbers is inactive."""
        values = np.array([rows.numbers(name) for name in self.order])
        broken = values[:-1] >= values[1:] if self.strict else values[:-1] > values[1:]
        kept: Mask = ~broken.any(axis=0) | np.isnan(values).any(axis=0)
        return kept

    def __repr__(self) -> str:
        """As it was written."""
        names = ", ".join(map(repr, self.order))
        return f"Ordered({names}{', strict=True' if self.strict else ''})"


@dataclass(frozen=True, slots=True, eq=False)
class Forbidden(Constraint):
    """A combination of values that must not occur together.

    Arguments:
        combination: parameter name -> value; at least one.

    Raises:
        InvalidSpace: an empty combination, or something that is no value of a parameter.

    >>> Forbidden({"solver": "lbfgs", "penalty": "l1"}).text
    "not (solver='lbfgs' and penalty='l1')"
    """

    combination: Mapping[str, ParamValue]

    def __post_init__(self) -> None:
        """Check the combination and keep a copy."""
        if not isinstance(self.combination, Mapping) or not self.combination:
            raise InvalidSpace(message("Forbidden: no values", got=self.combination, allowed="a dict of name: value"))
        values = {name: category(value, "Forbidden") for name, value in self.combination.items()}
        object.__setattr__(self, "combination", values)

    @property
    def text(self) -> str:
        """The combination in words."""
        return f"not ({' and '.join(f'{name}={value!r}' for name, value in self.combination.items())})"

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters of the combination."""
        return tuple(self.combination)

    def under(self, prefix: str) -> Forbidden:
        """The same rule seen from outside a nested space."""
        return Forbidden({prefix + name: value for name, value in self.combination.items()})

    def holds(self, rows: Rows) -> Mask:
        """Where at least one of the values differs."""
        met = [rows.equal(name, value) for name, value in self.combination.items()]
        kept: Mask = ~np.logical_and.reduce(met)
        return kept

    def __eq__(self, other: object) -> bool:
        """Equal values of equal types."""
        return isinstance(other, Forbidden) and repr(self) == repr(other)

    def __hash__(self) -> int:
        """Hash of what `==` compares."""
        return hash(repr(self))


@dataclass(frozen=True, slots=True, repr=False)
class Predicate(Constraint):
    """A rule in code.

    Arguments:
        function: takes the active params of its own space as a dict, tells whether they keep the rule.
            It should be pure. If it looks up an inactive name with `[]`, the rule does not apply.
        text: the rule in words; it stands for the function in JSON and in comparisons.
        prefix: which nested space it was written for; set by the space.

    Raises:
        InvalidSpace: no text, or a function that cannot be called.

    >>> Predicate(lambda p: p["heads"] * p["head_width"] <= 512, "heads * head_width <= 512")
    Predicate('heads * head_width <= 512')
    """

    function: Callable[[Params], object] | None = field(compare=False)
    text: str = ""
    prefix: str = ""

    def __post_init__(self) -> None:
        """Check both."""
        if self.function is not None and not callable(self.function):
            raise InvalidSpace(message("Predicate: the first argument must be a function", got=self.function))
        if not isinstance(self.text, str) or not self.text:
            raise InvalidSpace(message("Predicate: a text must say what the function checks", got=self.text))

    @property
    def names(self) -> tuple[str, ...]:
        """None that are known."""
        return ()

    def under(self, prefix: str) -> Predicate:
        """The same rule seen from outside a nested space."""
        return replace(self, prefix=prefix + self.prefix)

    def holds(self, rows: Rows) -> Mask:
        """Where the function says so, or looked up an inactive name.

        Raises:
            InvalidSpace: the function is not here, failed, or reads a name that is in no space.
        """
        if self.function is None:
            raise InvalidSpace(
                message(
                    f"the constraint {self.text!r} is code, and this space was read from storage without it",
                    do="pass the space again from the program that defines it",
                )
            )
        return np.array([self._kept(params, rows.names) for params in rows.params()], dtype=np.bool_)

    def _kept(self, params: Params, names: frozenset[str]) -> bool:
        """The function's verdict on one configuration."""
        cut = len(self.prefix)
        view = _View({name[cut:]: value for name, value in params.items() if name.startswith(self.prefix)})
        view.known = frozenset(name[cut:] for name in names if name.startswith(self.prefix)) if cut else names
        try:
            return bool(self.function(view))  # type: ignore[misc]  # `holds` has made sure that it is there
        except _Inactive:
            return True
        except InvalidSpace:
            raise
        except Exception as error:  # the user's code may raise anything, and it is told as the cause
            raise InvalidSpace(
                message(
                    f"the constraint {self.text!r} raised {type(error).__name__}: {error}",
                    got=dict(view),
                    do="make its function return True or False for every configuration",
                )
            ) from error

    def __repr__(self) -> str:
        """Its text stands for the function."""
        return f"Predicate({self.text!r})"


class _Inactive(Exception):
    """A predicate looked up a parameter that is inactive."""


class _View(dict[str, Any]):
    """Active params of one configuration, which tells an inactive name from an unknown one."""

    known: frozenset[str]

    def __missing__(self, name: str) -> NoReturn:
        """Say why the name is not here."""
        if name in self.known:
            raise _Inactive
        raise InvalidSpace(
            message(f"a constraint reads an unknown parameter {shorten(name)}", allowed=_few(sorted(self.known)))
        )


def _few(names: Sequence[str]) -> str:
    """A few names for a message."""
    return ", ".join(shorten(name, 40) for name in names[:8]) + (" ..." if len(names) > 8 else "")
