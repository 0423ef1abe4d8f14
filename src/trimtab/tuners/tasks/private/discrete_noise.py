"""Noise for private releases: whole numbers, drawn exactly, from the operating system's randomness.

Adding Laplace noise in floating-point numbers is not private: which numbers can come out depends on what the noise was
added to, and one release may give a record away (I. Mironov, "On significance of the least significant bits for
differential privacy", CCS 2012). So what is released here are sums of whole numbers, the noise is a whole number, and
its distribution is drawn without any rounding, by integer arithmetic on uniform random integers:

    discrete Laplace:  P(k) = c exp(-|k| / scale),            discrete Gaussian:  P(k) = c exp(-k^2 / (2 variance)).

A coin that falls heads with probability exp(-p/q) needs only fair integers; everything else is made of such coins. With
sums of l1 sensitivity L, the first at a scale of L / epsilon is epsilon-differentially private; with l2 sensitivity S,
the second is rho-zero-concentrated for rho = S^2 / (2 variance), in one coordinate and in many.

Needs nothing of a run. A source of randomness is a function that draws an integer from 0 to n - 1: `secrets.randbelow`,
which nobody can repeat, always but for tests. How long a draw takes depends on the noise, and is not hidden.

Source: C. Canonne, G. Kamath and T. Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020,
arXiv 2004.00010; the algorithms are written down from memory of it, and tested against the distributions.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from trimtab.base.errors import InvalidArgument, message

__all__ = ["OPERATING_SYSTEM", "Source", "as_fraction", "bernoulli_exp", "discrete_gaussian", "discrete_laplace"]

Source: TypeAlias = Callable[[int], int]
"""Draws a uniform integer from 0 to n - 1, given n."""

OPERATING_SYSTEM: Source = secrets.randbelow

DENOMINATOR = 10**6


def as_fraction(value: float, name: str) -> Fraction:
    """A positive number as a fraction, rounded down to millionths, which for an epsilon errs on the private side.

    Raises:
        InvalidArgument: below a millionth, or not finite.

    >>> as_fraction(0.5, "epsilon")
    Fraction(1, 2)
    """
    if not 1.0 / DENOMINATOR <= value < float("inf"):
        raise InvalidArgument(message(f"{name} must be a positive number", got=value, allowed="at least 1e-6, finite"))
    return Fraction(int(Fraction(value) * DENOMINATOR), DENOMINATOR)


def bernoulli_exp(top: int, bottom: int, source: Source) -> bool:
    """True with probability exp(-top / bottom), exactly; `top` is 0 or more and `bottom` 1 or more.

    For a ratio g up to 1 coins of chance g, g/2, g/3 ... are thrown until one falls tails: an even number of heads has
    probability exp(-g). What is above 1 is split into whole ones.
    """
    while top > bottom:
        if not bernoulli_exp(bottom, bottom, source):
            return False
        top -= bottom
    heads = 0
    while source(bottom * (heads + 1)) < top:
        heads += 1
    return heads % 2 == 0


def discrete_laplace(scale: Fraction, source: Source = OPERATING_SYSTEM) -> int:
    """A whole number k with probability proportional to exp(-|k| / scale)."""
    top, bottom = scale.numerator, scale.denominator
    while True:
        # A geometric number with ratio exp(-1 / top): its remainder by rejection, its quotient by counting.
        remainder = source(top)
        if not bernoulli_exp(remainder, top, source):
            continue
        quotient = 0
        while bernoulli_exp(1, 1, source):
            quotient += 1
        size = (remainder + top * quotient) // bottom
        negative = source(2) == 1
        # Zero has one sign only.
        if not (negative and size == 0):
            return -size if negative else size


def discrete_gaussian(variance: Fraction, source: Source = OPERATING_SYSTEM) -> int:
    """A whole number k with probability proportional to exp(-k^2 / (2 variance))."""
    width = int(_root(variance)) + 1
    while True:
        k = discrete_laplace(Fraction(width), source)
        excess = (abs(k) - variance / width) ** 2 / (2 * variance)
        if bernoulli_exp(excess.numerator, excess.denominator, source):
            return k


def _root(variance: Fraction) -> float:
    """A rough square root; the draw is exact for any proposal, and quick for one of about this width."""
    return math.sqrt(variance)
