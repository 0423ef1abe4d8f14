"""Hyperparameters as unconstrained numbers, which a network's response reads and a descent moves.

Needs a space of bounded numbers, or one code per hyperparameter. With the unconstrained l and the logistic sigmoid S,

    Range      low + (high - low) S(l), or the same between the logarithms
    Whole      the floor of such a number, in steps
    HalfLine   low + softplus(l)
    Line       l

as in MacKay, Vicol, Lorraine, Duvenaud, Grosse, "Self-Tuning Networks", ICLR 2019 (arXiv 1903.03088). The logarithmic
scales are this file's own.

The response reads l itself, or, with `magnitude_invariant`, the pair [cos(pi g / 2), sin(pi g / 2)] / sqrt(h) of
g = S(l) for each of the h hyperparameters: a vector of length 1 wherever l is. The pairs are those of Gonzalez Ortiz,
Guttag, Dalca, "Magnitude Invariant Parametrizations Improve Hypernetwork Learning", ICLR 2024 (arXiv 2304.07645); its
other half, a residual output, the layers have anyway. To put the two together is this file's own, and so is the root,
without which a step on the response is h times as long: on digits with eight hyperparameters, trainings without it
diverged at a learning rate of 0.3, and with it did not. A centred response reads differences of these vectors, which
have no common length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from trimtab.base.errors import InvalidArgument, message
from trimtab.space import Float, Int, Space

__all__ = ["EDGE", "Code", "Coding", "HalfLine", "Line", "Range", "Whole", "inverse_softplus"]

EDGE = 1e-3
"""A start nearer to a bound than so much of the range is moved there: at a bound itself, l would be infinite."""


class Code(Protocol):
    """One hyperparameter's way from the real line and back."""

    def decode(self, raw: Tensor) -> Tensor:
        """The values at l, of the same shape."""
        ...

    def encode(self, value: float) -> float:
        """An l whose value this is."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two bounds.

    Arguments:
        low, high: finite, low < high.
        log: between their logarithms; needs low > 0.

    >>> Range(0.0, 0.8).decode(torch.tensor(0.0)), Range(1e-4, 1.0, log=True).decode(torch.tensor(0.0))
    (tensor(0.4000), tensor(0.0100))
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Check the bounds."""
        _check_bounds("Range", self.low, self.high, self.log)

    def decode(self, raw: Tensor) -> Tensor:
        """The values at l, of the same shape."""
        return _between(torch.sigmoid(raw), self.low, self.high, self.log).clamp(self.low, self.high)

    def encode(self, value: float) -> float:
        """An l whose value this is; see `EDGE`."""
        _check_inside("Range", value, self.low, self.high)
        return _logit(_share(value, self.low, self.high, self.log))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two bounds, both included. Each has a cell of the range, of equal width or log width.

    Arguments:
        low, high: whole numbers, low < high.
        step: only low, low + step, ..., high.
        log: cells [n, n + 1) on a logarithmic scale; needs low >= 1 and a step of 1.

    >>> Whole(0, 4).decode(torch.tensor([-9.0, 0.0, 9.0]))
    tensor([0., 2., 4.])
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        """Check the bounds and the step."""
        _check_bounds("Whole", self.low, self.high, self.log)
        if self.step < 1 or (self.high - self.low) % self.step or (self.log and self.step != 1):
            raise InvalidArgument(
                message(
                    "Whole: the step does not lead from low to high",
                    got=self,
                    allowed="a whole number of steps of 1 or more; 1 on a logarithmic scale",
                )
            )

    def decode(self, raw: Tensor) -> Tensor:
        """The values at l, of the same shape and floating point. Their derivative is zero."""
        share = torch.sigmoid(raw)
        if self.log:
            return _between(share, self.low, self.high + 1, True).floor().clamp(self.low, self.high)
        cells = (self.high - self.low) // self.step + 1
        return self.low + self.step * (cells * share).floor().clamp(0, cells - 1)

    def encode(self, value: float) -> float:
        """The l in the middle of the value's cell."""
        _check_inside("Whole", value, self.low, self.high)
        if (value - self.low) % self.step:
            raise InvalidArgument(message("Whole: the value is between two steps", got=value, allowed=repr(self)))
        if self.log:
            return _logit(_share(value + 0.5, self.low, self.high + 1, True), 0.0)
        return _logit(((value - self.low) / self.step + 0.5) / ((self.high - self.low) // self.step + 1), 0.0)


@dataclass(frozen=True, slots=True)
class HalfLine:
    """A number above a bound.

    Arguments:
        low: the bound.
    """

    low: float = 0.0

    def decode(self, raw: Tensor) -> Tensor:
        """The values at l, of the same shape."""
        return self.low + softplus(raw)

    def encode(self, value: float) -> float:
        """The l whose value this is."""
        if not self.low < value < math.inf:
            raise InvalidArgument(message("HalfLine: no such value", got=value, allowed=f"above {self.low}, finite"))
        return inverse_softplus(value - self.low)


@dataclass(frozen=True, slots=True)
class Line:
    """Any number."""

    def decode(self, raw: Tensor) -> Tensor:
        """The values at l, which are l."""
        return raw

    def encode(self, value: float) -> float:
        """The l whose value this is, which is the value."""
        if not math.isfinite(value):
            raise InvalidArgument(message("Line: no such value", got=value, allowed="a finite number"))
        return float(value)


@dataclass(frozen=True, slots=True)
class Coding:
    """All hyperparameters of a self-tuning network, as one vector l of shape (h,).

    Arguments:
        codes: one for each hyperparameter, by name.
        magnitude_invariant: whether the response reads cosines and sines, 2 h numbers of length 1 in all, in place of
            l; needs bounded hyperparameters.

    Raises:
        InvalidArgument: no hyperparameter, or a code without bounds where they are needed.

    >>> coding = Coding.of(Space(dropout=Float(0.0, 0.8), holes=Int(0, 4)))
    >>> {name: float(value) for name, value in coding.decode(torch.zeros(2)).items()}
    {'dropout': 0.4..., 'holes': 2.0}
    """

    codes: Mapping[str, Code]
    magnitude_invariant: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to tune, and that it has the bounds it needs."""
        object.__setattr__(self, "codes", dict(self.codes))
        if not self.codes:
            raise InvalidArgument(message("a self-tuning network needs a hyperparameter", got=dict(self.codes)))
        endless = [name for name, code in self.codes.items() if not isinstance(code, Range | Whole)]
        if self.magnitude_invariant and endless:
            raise InvalidArgument(
                message(
                    f"hyperparameter {endless[0]!r} has no bounds, which the magnitude-invariant code needs",
                    got=self.codes[endless[0]],
                    allowed="Range or Whole",
                    do="give it bounds, or leave out magnitude_invariant",
                )
            )

    @classmethod
    def of(cls, space: Space, magnitude_invariant: bool = False) -> Coding:
        """The coding of a space of bounded numbers.

        Raises:
            InvalidArgument: the space has other parameters, grids of floats, powers or constraints.
        """
        if space.all_constraints:
            raise InvalidArgument(
                message("a self-tuning network cannot keep constraints", got=space.all_constraints, do="drop them")
            )
        return cls({name: _code(name, space[name]) for name in space}, magnitude_invariant)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the hyperparameters, in the order of l."""
        return tuple(self.codes)

    @property
    def size(self) -> int:
        """h, the number of hyperparameters."""
        return len(self.codes)

    @property
    def inputs(self) -> int:
        """k, how many numbers the response reads: h, or 2 h."""
        return 2 * self.size if self.magnitude_invariant else self.size

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """The values at l, shape (..., h): for each name a tensor of shape (...)."""
        return {name: code.decode(raw[..., place]) for place, (name, code) in enumerate(self.codes.items())}

    def encode(self, params: Mapping[str, float], dtype: torch.dtype = torch.float64) -> Tensor:
        """The l of these values, shape (h,).

        Raises:
            InvalidArgument: other names than those of the codes, or a value that a code has not.
        """
        if set(params) != set(self.codes):
            raise InvalidArgument(
                message("each hyperparameter needs a start", got=sorted(params), allowed=f"{sorted(self.codes)}")
            )
        return torch.tensor([code.encode(params[name]) for name, code in self.codes.items()], dtype=dtype)

    def plain(self, raw: Tensor) -> dict[str, float]:
        """The values at l, shape (h,), as Python numbers; whole ones as int."""
        return {
            name: int(value) if isinstance(self.codes[name], Whole) else float(value)
            for name, value in self.decode(raw.detach()).items()
        }

    def features(self, raw: Tensor) -> Tensor:
        """What the response reads at l, shape (..., h): shape (..., k)."""
        if not self.magnitude_invariant:
            return raw
        angle = 0.5 * math.pi * torch.sigmoid(raw)
        return torch.cat([angle.cos(), angle.sin()], dim=-1) / math.sqrt(self.size)

    def features_change(self, raw: Tensor, change: Tensor) -> Tensor:
        """The derivative of `features` at l along a change of l, both of shape (..., h): shape (..., k)."""
        if not self.magnitude_invariant:
            return change
        share = torch.sigmoid(raw)
        angle, turn = 0.5 * math.pi * share, 0.5 * math.pi * share * (1.0 - share) * change
        return torch.cat([-angle.sin() * turn, angle.cos() * turn], dim=-1) / math.sqrt(self.size)


def inverse_softplus(value: float) -> float:
    """The number whose softplus is the value, > 0."""
    return value + math.log(-math.expm1(-value))


def _code(name: str, parameter: object) -> Code:
    """The code of one parameter of a space."""
    if isinstance(parameter, Float) and parameter.step is None:
        return Range(parameter.low, parameter.high, parameter.log)
    if isinstance(parameter, Int) and parameter.powers_of is None:
        return Whole(parameter.low, parameter.high, parameter.step, parameter.log)
    raise InvalidArgument(
        message(
            f"a self-tuning network cannot tune parameter {name!r}",
            got=parameter,
            allowed="Float without a step, Int without powers_of",
            do="leave it to a study around the training",
        )
    )


def _between(share: Tensor, low: float, high: float, log: bool) -> Tensor:
    """The numbers at these shares of a range."""
    if log:
        return (math.log(low) + (math.log(high) - math.log(low)) * share).exp()
    return low + (high - low) * share


def _share(value: float, low: float, high: float, log: bool) -> float:
    """Which share of a range lies below a value."""
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _logit(share: float, edge: float = EDGE) -> float:
    """Inverse of the sigmoid, at a share that is kept so far from 0 and 1."""
    share = min(max(share, edge), 1.0 - edge)
    return math.log(share) - math.log1p(-share)


def _check_bounds(kind: str, low: float, high: float, log: bool) -> None:
    """Refuse an empty range, and a logarithm of what has none."""
    if not (-math.inf < low < high < math.inf and (low > 0 or not log)):
        raise InvalidArgument(
            message(f"{kind}: there is no such range", got=(low, high), allowed=f"{'0 < ' if log else ''}low < high")
        )


def _check_inside(kind: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside its range."""
    if not low <= value <= high:
        raise InvalidArgument(message(f"{kind}: a value outside the range", got=value, allowed=f"{low} to {high}"))
