"""What the user believes about where the optimum lies.

A prior is a density on the unit interval of one parameter, relative to the uniform density, so that
no prior at all is the density 1 everywhere. Numbers take a `Normal` that is cut off at the bounds:
with location m and width s in unit coordinates,

    p(u) = phi((u - m) / s) / (s * (Phi((1 - m) / s) - Phi(-m / s))),   0 <= u <= 1,

and a discrete number has the mean of p over its cell. Categories take weights w: p = w_k n / sum(w).
Tuners that use such densities: Hvarfner, Stoll, Souza, Lindauer, Hutter and Nardi (2022), "piBO:
augmenting acquisition functions with user beliefs for Bayesian optimization", arXiv:2204.11051.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace, message
from trimtab.base.lazy import load
from trimtab.base.records import ParamValue
from trimtab.space.values import Token, plain, token

__all__ = ["Normal", "weights"]


@dataclass(frozen=True, slots=True)
class Normal:
    """The optimum is thought to lie near `location`.

    Arguments:
        location: the likeliest value, in the parameter's own units, within its bounds.
        width: standard deviation as a fraction of the parameter's range on its own scale (of the
            logarithms where the parameter is logarithmic), > 0. 0.1 is a strong belief, 0.5 a weak one.

    Raises:
        InvalidSpace: a location that is not finite, or a width that is not finite and positive.
    """

    location: float
    width: float = 0.2

    def __post_init__(self) -> None:
        """Check both numbers."""
        for name, lowest in (("location", -math.inf), ("width", 0.0)):
            value = plain(getattr(self, name))
            if isinstance(value, bool) or not isinstance(value, int | float) or not lowest < value < math.inf:
                raise InvalidSpace(
                    message(
                        f"Normal: {name} must be a finite number{' above 0' if name == 'width' else ''}",
                        got=value,
                        do="give location in the parameter's units and width as a fraction of its range",
                    )
                )
            object.__setattr__(self, name, float(value))

    def quantile(self, unit: NDArray[np.float64], location: float) -> NDArray[np.float64]:
        """Unit coordinates under which a share `unit` of the prior lies; `location` in unit coordinates."""
        ndtr, ndtri = _special()
        below, above = ndtr(-location / self.width), ndtr((1.0 - location) / self.width)
        raised: NDArray[np.float64] = location + self.width * ndtri(below + unit * (above - below))
        return np.clip(raised, 0.0, 1.0)

    def log_density(self, unit: NDArray[np.float64], location: float) -> NDArray[np.float64]:
        """Log of p at unit coordinates."""
        ndtr, _ = _special()
        mass = ndtr((1.0 - location) / self.width) - ndtr(-location / self.width)
        scaled = (unit - location) / self.width
        density: NDArray[np.float64] = -0.5 * scaled**2 - math.log(self.width * math.sqrt(2.0 * math.pi) * mass)
        return density

    def log_mean(self, start: NDArray[np.float64], end: NDArray[np.float64], location: float) -> NDArray[np.float64]:
        """Log of the mean of p over cells [start, end], by its distribution function."""
        ndtr, _ = _special()
        # Mirroring the upper tail keeps the difference of two numbers near 1 from losing its digits.
        a, b = (start - location) / self.width, (end - location) / self.width
        upper = a > 0.0
        a, b = np.where(upper, -b, a), np.where(upper, -a, b)
        mass = ndtr((1.0 - location) / self.width) - ndtr(-location / self.width)
        with np.errstate(divide="ignore"):
            mean: NDArray[np.float64] = np.log((ndtr(b) - ndtr(a)) / ((end - start) * mass))
        return mean


def _special() -> tuple[Any, Any]:
    """The normal distribution function and its inverse; SciPy is loaded only where a prior is used."""
    return load("scipy.special:ndtr"), load("scipy.special:ndtri")


def weights(
    prior: Sequence[float] | Mapping[Any, float] | None, choices: tuple[ParamValue, ...], what: str
) -> tuple[float, ...] | None:
    """A prior on categories as one weight for each, in their order.

    Arguments:
        prior: one weight per choice in order, or a mapping of choices to weights (0 where absent).
        choices: the categories.
        what: for messages.

    Raises:
        InvalidSpace: a wrong number of weights, an unknown choice, a negative weight, or no positive one.
    """
    if prior is None:
        return None
    unknown: set[Token] = set()
    if isinstance(prior, Mapping):
        given: dict[Token, Any] = {token(plain(key)): value for key, value in prior.items()}  # type: ignore[arg-type]
        unknown = given.keys() - {token(choice) for choice in choices}
        numbers: list[Any] = [plain(given.get(token(choice), 0.0)) for choice in choices]
    else:
        numbers = list(map(plain, prior)) if isinstance(prior, Iterable) else []
    fine = all(isinstance(n, int | float) and not isinstance(n, bool) and n >= 0.0 for n in numbers)
    if unknown or not fine or len(numbers) != len(choices) or not 0.0 < sum(numbers) < math.inf:
        raise InvalidSpace(
            message(
                f"{what}: a prior on categories has one weight per choice",
                got=prior,
                allowed=f"{len(choices)} numbers >= 0, one of them positive, or a dict of choices to weights",
            )
        )
    return tuple(map(float, numbers))
