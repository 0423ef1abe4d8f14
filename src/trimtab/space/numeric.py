"""Numbers: `Float` and `Int`, with their scales, steps and powers.

Bounds are closed and must leave a choice: low < high (one value is a `Constant`). A step must lead
from low to high exactly; a high that lies off the grid is refused, with the two that fit, rather
than quietly lowered: the space that is searched is the space that was written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from trimtab.base.errors import InvalidSpace, message
from trimtab.space.axes import EXACT, Axis, stepped
from trimtab.space.priors import Normal
from trimtab.space.values import plain, whole

__all__ = ["Float", "Int"]


@dataclass(frozen=True, slots=True)
class Float:
    """A real number between two bounds, both included.

    Arguments:
        low, high: finite, low < high; any two such floats, down to 5e-324 and up to 1.7e308.
        log: search on a logarithmic scale; needs low > 0, excludes `step`.
        step: only low, low + step, ..., high; > 0 and a whole number of steps.
        default: where to begin; by default the prior's location, or else the middle of the scale.
        prior: where the optimum is thought to lie.

    Attributes:
        axis: how the number lies on the unit interval.

    Raises:
        InvalidSpace: bounds, scale, step, default or prior that cannot be.

    >>> Float(1e-5, 1e-1, log=True)
    Float(1e-05, 0.1, log=True)
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    default: float | None = field(default=None, kw_only=True)
    prior: Normal | None = field(default=None, kw_only=True)
    axis: Axis = field(init=False, repr=False, compare=False)
    kind: ClassVar[Literal["float"]] = "float"

    def __post_init__(self) -> None:
        """Check everything, and make every number a float."""
        for name in ("low", "high", "step", "default"):
            value = plain(getattr(self, name))
            if value is None and name in ("step", "default"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
                raise InvalidSpace(message(f"Float: {name} must be a finite number", got=value))
            object.__setattr__(self, name, float(value))
        _check_range(self)
        axis = Axis(self.low, self.high, log=self.log)
        if self.step is not None:
            _check_step(self, self.step)
            axis = stepped(self.low, self.high, self.step) or axis
        object.__setattr__(self, "axis", axis)
        _check_default_and_prior(self)

    @property
    def size(self) -> int | None:
        """Number of distinct values; None without a step (then the number is continuous)."""
        return self.axis.size

    @property
    def allowed(self) -> str:
        """The values in words."""
        return f"a number from {self.low!r} to {self.high!r}" + (f" in steps of {self.step!r}" if self.step else "")

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None where it lies in the parameter."""
        number = plain(value)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return "wrong type"
        if isinstance(number, int) and abs(number) > EXACT:
            return "outside the range" if not self.low <= number <= self.high else "an integer that no float64 holds"
        if not self.low <= number <= self.high:
            return "outside the range"
        if self.step is not None and abs(self.axis.nearest(number) - number) > 1e-9 * self.step:
            return "not on the grid"
        return None

    def __repr__(self) -> str:
        """As it was written, defaults left out."""
        return _shown(self)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number between two bounds, both included.

    Arguments:
        low, high: integers of at most 2**53 in size (any exact float64 with `powers_of`), low < high.
        log: search on a logarithmic scale; needs low >= 1, excludes `step` and `powers_of`.
        step: only low, low + step, ..., high.
        powers_of: only the powers of this base, such as 2; low and high must be powers themselves.
        default: where to begin; by default the prior's location, or else the middle of the scale.
        prior: where the optimum is thought to lie.

    Attributes:
        axis: how the number lies on the unit interval.

    Encoding is exact for every value. The way to unit coordinates and back is exact for ranges of up
    to 2**40 values; beyond, it may come back as a neighbour.

    Raises:
        InvalidSpace: bounds, scale, step, default or prior that cannot be.

    >>> Int(16, 256, powers_of=2).size
    5
    """

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)
    powers_of: int | None = field(default=None, kw_only=True)
    default: int | None = field(default=None, kw_only=True)
    prior: Normal | None = field(default=None, kw_only=True)
    axis: Axis = field(init=False, repr=False, compare=False)
    kind: ClassVar[Literal["int"]] = "int"

    def __post_init__(self) -> None:
        """Check everything, and make every number an int."""
        for name in ("low", "high", "step", "powers_of", "default"):
            value = plain(getattr(self, name))
            if value is None and name in ("powers_of", "default"):
                continue
            if whole(value) is None:
                raise InvalidSpace(message(f"Int: {name} must be an integer", got=value, do="use Float for others"))
            object.__setattr__(self, name, whole(value))
        _check_range(self)
        if self.powers_of is not None:
            _check_powers(self, self.powers_of)
        elif max(abs(self.low), abs(self.high)) > EXACT:
            raise InvalidSpace(
                message(
                    "Int: bounds beyond 2**53 are not exact in float64",
                    got=(self.low, self.high),
                    allowed=f"-{EXACT} to {EXACT}",
                    do="tune the exponent instead, or use powers_of=2",
                )
            )
        if self.step != 1:
            _check_step(self, self.step)
        object.__setattr__(self, "axis", _int_axis(self))
        _check_default_and_prior(self)

    @property
    def size(self) -> int:
        """Number of distinct values."""
        size = self.axis.size
        assert size is not None
        return size

    @property
    def allowed(self) -> str:
        """The values in words."""
        kind = "an integer" if self.powers_of is None else f"a power of {self.powers_of}"
        return f"{kind} from {self.low} to {self.high}" + (f" in steps of {self.step}" if self.step != 1 else "")

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None where it lies in the parameter."""
        number = whole(value)
        if number is None:
            return "wrong type"
        if not self.low <= number <= self.high:
            return "outside the range"
        if (number - self.low) % self.step or (self.powers_of and _exponent(number, self.powers_of) is None):
            return "not on the grid"
        return None

    def __repr__(self) -> str:
        """As it was written, defaults left out."""
        return _shown(self)


def _int_axis(parameter: Int) -> Axis:
    """How the integers lie on the unit interval."""
    low, high = float(parameter.low), float(parameter.high)
    if parameter.log:
        return Axis(low, high, log=True, rounded=True)
    base = parameter.powers_of
    if base is None:
        cells = (parameter.high - parameter.low) // parameter.step + 1
        return Axis(low, high, cells=cells, first=low, step=float(parameter.step))
    first, last = _exponent(parameter.low, base), _exponent(parameter.high, base)
    assert first is not None
    assert last is not None
    return Axis(low, high, log=True, cells=last - first + 1, first=float(first), base=base)


def _finite(value: float) -> bool:
    """Whether a number has a finite float64; an int beyond the largest float has none."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(parameter: Float | Int) -> str:
    """The call that makes the parameter."""
    parts = [repr(parameter.low), repr(parameter.high)]
    plainest = {"log": False, "step": 1 if isinstance(parameter, Int) else None}
    for name in ("log", "step", "powers_of", "default", "prior"):
        value = getattr(parameter, name, None)
        if value != plainest.get(name):
            parts.append(f"{name}={value!r}")
    return f"{type(parameter).__name__}({', '.join(parts)})"


def _check_range(parameter: Float | Int) -> None:
    """Refuse an empty or inverted range, and a logarithm of what has none."""
    kind, low, high = type(parameter).__name__, parameter.low, parameter.high
    if low >= high:
        swap = f"use Constant({low!r}) for a single value" if low == high else f"write {kind}({high!r}, {low!r})"
        raise InvalidSpace(message(f"{kind}: low must be below high", got=(low, high), allowed="low < high", do=swap))
    if parameter.log and low <= 0:
        raise InvalidSpace(
            message(
                f"{kind}: a logarithmic scale needs bounds above zero",
                got=(low, high),
                allowed="0 < low < high",
                do="raise low, or leave log out",
            )
        )


def _check_step(parameter: Float | Int, step: float) -> None:
    """Refuse a step that is not positive, that comes with another grid, or that does not lead from low to high."""
    kind, low, high = type(parameter).__name__, parameter.low, parameter.high
    other = "log" if parameter.log else "powers_of" if getattr(parameter, "powers_of", None) else ""
    if other:
        raise InvalidSpace(
            message(f"{kind}: step and {other} exclude each other", got=step, do="leave out one of them")
        )
    if not step > 0:
        raise InvalidSpace(message(f"{kind}: step must be above zero", got=step))
    if isinstance(parameter, Int):
        count, rest = divmod(parameter.high - parameter.low, parameter.step)
        fits = rest == 0
    else:
        count, fits = _floor(low, high, step), stepped(low, high, step) is not None
    if not fits:
        near = [_tidy(low + k * step) for k in (count, count + 1) if k > 0 and _finite(low + k * step)]
        raise InvalidSpace(
            message(
                f"{kind}: no whole number of steps leads from low to high",
                got=f"low={low!r}, high={high!r}, step={step!r}",
                do=f"use high={' or high='.join(map(repr, near))}" if near else "use a larger step",
            )
        )


def _tidy(number: float) -> float:
    """A number without the last digits that rounding left, for people."""
    return number if isinstance(number, int) else float(f"{number:.12g}")


def _floor(low: float, high: float, step: float) -> int:
    """How many steps of a float fit; 0 where that is no exact number."""
    count = (high - low) / step
    return math.floor(count) if count < EXACT else 0


def _exponent(value: int, base: int) -> int | None:
    """The k for which base ** k is the value, else None."""
    k = round(math.log(value, base)) if value > 0 else 0
    return k if base**k == value else None


def _check_powers(parameter: Int, base: int) -> None:
    """Refuse a base below 2, bounds that are no powers of it, and powers that no float64 holds exactly."""
    if base < 2:
        raise InvalidSpace(message("Int: powers_of must be at least 2", got=base))
    if parameter.log:
        raise InvalidSpace(
            message("Int: log and powers_of exclude each other", do="leave out log, powers are evenly spaced in it")
        )
    for name in ("low", "high"):
        value: int = getattr(parameter, name)
        if _exponent(value, base) is None:
            raise InvalidSpace(
                message(f"Int: {name} must be a power of {base}", got=value, do=_near_powers(value, base))
            )
        if not _finite(value) or int(float(value)) != value:
            raise InvalidSpace(message(f"Int: {name} is not exact in float64", got=value, do="lower it"))


def _near_powers(value: int, base: int) -> str:
    """The two powers around a value."""
    power = 1
    while power * base <= value:
        power *= base
    return "use 1" if value < 1 else f"use {power} or {power * base}"


def _check_default_and_prior(parameter: Float | Int) -> None:
    """Refuse a default outside the values, and a prior that is none or lies outside the bounds."""
    kind = type(parameter).__name__
    if parameter.default is not None and (problem := parameter.problem(parameter.default)):
        raise InvalidSpace(message(f"{kind}: default is {problem}", got=parameter.default, allowed=parameter.allowed))
    prior = parameter.prior
    if prior is not None and not isinstance(prior, Normal):
        raise InvalidSpace(message(f"{kind}: a prior on a number is a Normal(location, width)", got=prior))
    if prior is not None and not parameter.low <= prior.location <= parameter.high:
        raise InvalidSpace(
            message(
                f"{kind}: the prior's location is outside the range",
                got=prior.location,
                allowed=f"{parameter.low!r} to {parameter.high!r}",
            )
        )
