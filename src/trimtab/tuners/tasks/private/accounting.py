"""What several private releases of the same trials cost together.

Differential privacy of a release is a bound on how much one trial (or one task) can change the chances of any answer:
by a factor exp(epsilon), but for a probability delta. Releases add up. With costs (epsilon_i, delta_i), or rho_i of
zero-concentrated privacy, together they cost, for any delta' that one is ready to add, the least of

- basic composition:        sum epsilon_i,  sum delta_i;
- advanced composition:     sum epsilon_i tanh(epsilon_i / 2) + sqrt(2 log(1/delta') sum epsilon_i^2),
                            delta' + sum delta_i;
- zero-concentrated:        rho + 2 sqrt(rho log(1/delta')) with rho = sum rho_i,  delta',  where a pure epsilon
                            counts as rho = epsilon^2 / 2.

Sources: C. Dwork, G. Rothblum and S. Vadhan, "Boosting and Differential Privacy", FOCS 2010; P. Kairouz, S. Oh and
P. Viswanath, "The Composition Theorem for Differential Privacy", ICML 2015, arXiv 1311.0776, for unequal epsilons;
M. Bun and T. Steinke, "Concentrated Differential Privacy", TCC 2016, arXiv 1605.02065. Recalled; each is tested against
what it must be. Advanced composition is stated for costs chosen before any answer was seen: an accountant that is to be
used after looking at answers should have a delta of 0, where only basic composition counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from trimtab.base.errors import Conflict, InvalidArgument, message
from trimtab.base.records import Json
from trimtab.base.refs import Reference

__all__ = ["ACCOUNTING_REFS", "Accountant", "Cost", "advanced", "basic", "concentrated", "rho_for", "total"]

ACCOUNTING_REFS = (
    Reference(
        authors="Kairouz, Peter and Oh, Sewoong and Viswanath, Pramod",
        title="The Composition Theorem for Differential Privacy",
        year=2015,
        venue="International Conference on Machine Learning",
        arxiv="1311.0776",
    ),
    Reference(
        authors="Bun, Mark and Steinke, Thomas",
        title="Concentrated Differential Privacy: Simplifications, Extensions, and Lower Bounds",
        year=2016,
        venue="Theory of Cryptography, 635-658",
        arxiv="1605.02065",
    ),
)

SCHEMA = 1
SLACK = 1e-9
"""A budget is not exceeded by rounding."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one release costs.

    Arguments:
        epsilon: logarithm of the factor; where `rho` is given, at this `delta`.
        delta: the probability of more.
        rho: of zero-concentrated privacy; None where the release is pure (delta 0) or tells none.

    Raises:
        InvalidArgument: negative or not finite, or a delta of 1 and more.
    """

    epsilon: float
    delta: float = 0.0
    rho: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no cost."""
        numbers = (self.epsilon, self.delta, 0.0 if self.rho is None else self.rho)
        if not all(0.0 <= number < math.inf for number in numbers) or self.delta >= 1.0:
            raise InvalidArgument(
                message("a privacy cost is out of range", got=numbers, allowed="epsilon >= 0, 0 <= delta < 1, rho >= 0")
            )

    @property
    def concentrated(self) -> float | None:
        """Its rho: as told, or that of a pure release; None where there is none."""
        if self.rho is not None:
            return self.rho
        return self.epsilon**2 / 2.0 if self.delta == 0.0 else None


def basic(costs: Sequence[Cost]) -> tuple[float, float]:
    """(epsilon, delta) of releases together by basic composition."""
    return math.fsum(cost.epsilon for cost in costs), math.fsum(cost.delta for cost in costs)


def advanced(costs: Sequence[Cost], slack: float) -> tuple[float, float]:
    """(epsilon, delta) of releases together by advanced composition with delta' = `slack` > 0."""
    drift = math.fsum(cost.epsilon * math.tanh(cost.epsilon / 2.0) for cost in costs)
    spread = math.fsum(cost.epsilon**2 for cost in costs)
    return drift + math.sqrt(2.0 * math.log(1.0 / slack) * spread), slack + math.fsum(cost.delta for cost in costs)


def concentrated(costs: Sequence[Cost], slack: float) -> tuple[float, float] | None:
    """(epsilon, delta) of releases together by zero-concentrated privacy; None where one of them has no rho."""
    rhos = [cost.concentrated for cost in costs]
    if any(rho is None for rho in rhos):
        return None
    rho = math.fsum(rho for rho in rhos if rho is not None)
    return rho + 2.0 * math.sqrt(rho * math.log(1.0 / slack)), slack


def rho_for(epsilon: float, delta: float) -> float:
    """The rho of zero-concentrated privacy that gives (epsilon, delta), for delta > 0."""
    slack = math.log(1.0 / delta)
    return (math.sqrt(slack + epsilon) - math.sqrt(slack)) ** 2


def total(costs: Sequence[Cost], delta: float) -> float:
    """The least epsilon that the three compositions prove for releases together, at a delta in all.

    `inf` where the releases' own deltas are above `delta`.
    """
    found = [math.inf]
    epsilon, spent = basic(costs)
    if spent <= delta:
        found.append(epsilon)
    if delta > spent:
        found.append(advanced(costs, delta - spent)[0])
    if delta > 0.0:
        together = concentrated(costs, delta)
        found += [] if together is None else [together[0]]
    return min(found)


@final
class Accountant:
    """The budget of one corpus: every release of it is paid here before any noise is drawn.

    Arguments:
        epsilon: that all releases together may cost.
        delta: the probability of more; 0 for pure privacy.
        unit: what is protected: one "trial", or one "task" with all its trials that count.

    Raises:
        InvalidArgument: an epsilon that is not positive, a delta outside [0, 1), or an unknown unit.

    >>> accountant = Accountant(epsilon=1.0)
    >>> accountant.spend(Cost(0.4), "spring"), accountant.left
    (None, 0.6)
    """

    def __init__(self, epsilon: float, delta: float = 0.0, unit: str = "trial") -> None:
        if not (0.0 < epsilon < math.inf and 0.0 <= delta < 1.0) or unit not in ("trial", "task"):
            raise InvalidArgument(
                message(
                    "Accountant: the budget is out of range",
                    got=(epsilon, delta, unit),
                    allowed="epsilon > 0, 0 <= delta < 1, unit 'trial' or 'task'",
                )
            )
        self.epsilon, self.delta, self.unit = float(epsilon), float(delta), unit
        self._releases: list[tuple[str, Cost]] = []

    @property
    def releases(self) -> tuple[tuple[str, Cost], ...]:
        """What was released, and what each cost, oldest first."""
        return tuple(self._releases)

    @property
    def spent(self) -> float:
        """The epsilon of all releases together, at the budget's delta."""
        return total([cost for _, cost in self._releases], self.delta)

    @property
    def left(self) -> float:
        """The budget's epsilon less what was spent."""
        return self.epsilon - self.spent

    def spend(self, cost: Cost, what: str) -> None:
        """Pay for a release, before it is made.

        Raises:
            Conflict: all releases together would exceed the budget; nothing is paid.
        """
        after = total([*(known for _, known in self._releases), cost], self.delta)
        if after > self.epsilon + SLACK:
            raise Conflict(
                message(
                    f"release {what!r} would exceed the privacy budget of these trials: epsilon {after:.4g} at delta "
                    f"{self.delta:g} after {len(self._releases)} earlier releases",
                    got=f"epsilon {cost.epsilon:g}, delta {cost.delta:g}",
                    allowed=f"{max(self.left, 0.0):.4g} of {self.epsilon:g} left",
                    do="release less, or nothing more: a budget that grows with demand protects nobody",
                )
            )
        self._releases.append((what, cost))

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, to be kept with the trials for as long as these exist."""
        return {
            "schema": SCHEMA,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "unit": self.unit,
            "releases": [[what, cost.epsilon, cost.delta, cost.rho] for what, cost in self._releases],
        }

    @classmethod
    def from_json(cls, data: Json) -> Accountant:
        """Inverse of `to_json`.

        Raises:
            InvalidArgument: JSON of something else.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(data["schema"])
            made = cls(data["epsilon"], data["delta"], data["unit"])
            made._releases = [(str(what), Cost(*numbers)) for what, *numbers in data["releases"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(message(f"this is no Accountant's JSON ({error!r})", got=data)) from None
        return made
