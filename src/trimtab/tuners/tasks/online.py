"""Learning a setting online: tasks arrive one by one, and each is run with a setting chosen before it is seen.

Needs the dual function l_t of each task once it is over (full information), with values in a range of width H. The
exponentially weighted forecaster of M.-F. Balcan, T. Dick and E. Vitercik, "Dispersion for data-driven algorithm
design, online learning, and private optimization", FOCS 2018, arXiv 1711.03091 (the abstract was read; the algorithm is
recalled), draws the setting of round t from

    p_t(a) ~ exp(-lambda_t L_t(a)) mu(a),   L_t = sum_{s<t} l_s,

where mu is uniform on the interval, or on its logarithm. It is integrated piece by piece on the merged breakpoints, in
logarithms: in closed form where all losses are constant; where they are quadratic (or the measure is logarithmic) by
Gauss-Legendre rules with 20 nodes on cells across which the exponent changes by 8 at most, which is exact to rounding.

**Rates.** With a horizon T and the radius w = T^-beta, in halves of the interval's length:

    schedule "paper"   lambda = sqrt(ln(1 / w) / T) / H, the paper's sqrt(d ln(R / w) / T) / H for d = 1
    schedule "bound"   lambda = sqrt(8 ln(2 / w) / T) / H, which minimises `dispersed_bound` below

The default is the latter: its regret was half as large where there was something to learn, and the same on pure noise
(speed/tasks_online.py). Without a horizon t + 3 stands in place of T, t rounds being over: the rates fall, as the bound
needs, and the forecaster may stop anywhere.

**Bounds.** With Phi(lambda, L) = -(1/lambda) ln integral exp(-lambda L) dmu, Hoeffding's lemma gives for every round
E l_t <= Phi(lambda_t, L_t + l_t) - Phi(lambda_t, L_t) + lambda_t H^2 / 8. Phi falls with lambda, and the rates fall, so
the sum telescopes:

    expected regret = sum_t E l_t - min L_{T+1} <= Phi(lambda_T, L_{T+1}) - min L_{T+1} + (H^2 / 8) sum_t lambda_t.

`Regret.bound` is the right side, computed exactly from what was seen, for any sequence of losses. Where at most k of
them jump within a distance w (in halves of the length) of the best setting and all are L-Lipschitz otherwise, the total
exceeds its minimum by at most k H + T L w there, on a set of measure w / 2 or more; that is `dispersed_bound`, known
beforehand:

    ln(2 / w) / lambda + k H + T L w + lambda H^2 T / 8.

**Differences.** Losses in place of utilities; the bounds have constants, which follow from these lines and are not the
paper's. Random numbers are named by (seed, round), so a forecaster that was stored goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.arrays import vector_from_json, vector_to_json
from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Json
from trimtab.base.seeds import Key
from trimtab.tuners.tasks.duals.dual import Dual, Minimum, inside
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic

__all__ = ["ExponentialForecaster", "Regret", "Round", "dispersed_bound"]

Array = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
WIDEST = 8.0
"""How much the exponent may change across a cell."""

FAINT = 750.0
"""Pieces whose log density lies this far below the highest do not count in double precision."""


class Round(NamedTuple):
    """What one task brought.

    Arguments:
        number: dense from 0.
        at: the setting that was used.
        loss: its loss.
        expected: the loss under the distribution that the setting was drawn from, exactly.
        rate: lambda of the round.
    """

    number: int
    at: float
    loss: float
    expected: float
    rate: float


@final
@dataclass(frozen=True, slots=True)
class Regret:
    """How much worse than the best fixed setting in hindsight.

    Arguments:
        rounds: how many tasks.
        best: the best fixed setting for all of them, and its total loss.
        expected_loss: total of the expected losses.
        realised_loss: total loss of the settings that were used.
        bound: what the expected regret cannot exceed, for these losses.
    """

    rounds: int
    best: Minimum
    expected_loss: float
    realised_loss: float
    bound: float

    @property
    def expected(self) -> float:
        """Expected regret, exactly."""
        return self.expected_loss - self.best.value

    @property
    def realised(self) -> float:
        """Regret of the settings that were used; below 0 where they were luckier than any fixed one."""
        return self.realised_loss - self.best.value


@final
@dataclass(frozen=True, eq=False)
class ExponentialForecaster:
    """An exponentially weighted forecaster over one hyperparameter; immutable, `learn` gives the next one.

    Arguments:
        low, high: the interval of the hyperparameter.
        log: whether the first distribution is uniform in its logarithm.
        bound: H, the width of the range that each loss stays in.
        horizon: how many tasks will come; None for rates that need not know.
        beta: assumed dispersion, 0 < beta <= 1.
        schedule: of the rates, "bound" or "paper".
        seed: of the draws.

    The other fields are what was learnt, and are not to be given.

    Raises:
        InvalidArgument: an interval, bound, horizon or dispersion that cannot be.

    >>> forecaster = ExponentialForecaster(0.0, 1.0, horizon=100)
    >>> for _ in range(100):
    ...     forecaster, told = forecaster.learn(PiecewiseConstant([0.0, 0.3, 1.0], [0.0, 1.0]))
    >>> told.expected < 0.01, forecaster.regret().expected < forecaster.regret().bound
    (True, True)
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    bound: float = field(default=1.0, kw_only=True)
    horizon: int | None = field(default=None, kw_only=True)
    beta: float = field(default=0.5, kw_only=True)
    schedule: Literal["bound", "paper"] = field(default="bound", kw_only=True)
    seed: int = field(default=0, kw_only=True)
    rounds: int = field(default=0, kw_only=True)
    edges: Array = field(default_factory=lambda: np.empty(0), kw_only=True, repr=False)
    coefficients: Array = field(default_factory=lambda: np.empty((0, 3)), kw_only=True, repr=False)
    expected_loss: float = field(default=0.0, kw_only=True)
    realised_loss: float = field(default=0.0, kw_only=True)
    rates: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        """Check the settings, and begin with the loss zero."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InvalidArgument(message("an interval", got=(self.low, self.high), allowed="low < high, both finite"))
        if self.log and not self.low > 0.0:
            raise InvalidArgument(
                message("a logarithmic interval must lie above 0", got=self.low, do="raise low, or take log=False")
            )
        if not (math.isfinite(self.bound) and self.bound > 0.0):
            raise InvalidArgument(
                message("bound must be the width of the losses' range", got=self.bound, allowed="> 0")
            )
        if not 0.0 < self.beta <= 1.0:
            raise InvalidArgument(message("beta is a dispersion", got=self.beta, allowed="0 < beta <= 1"))
        if self.schedule not in ("bound", "paper"):
            raise InvalidArgument(message("unknown schedule", got=self.schedule, allowed="'bound' or 'paper'"))
        if self.horizon is not None:
            check_count(self.horizon, "horizon")
        if self.rounds == 0:
            object.__setattr__(self, "edges", np.array([self.low, self.high]))
            object.__setattr__(self, "coefficients", np.zeros((1, 3)))

    @property
    def rate(self) -> float:
        """Lambda of the coming round."""
        return self._rate(self.rounds)

    def _rate(self, number: int) -> float:
        """Lambda of a round; from three on the rule falls with the count."""
        count = number + 3 if self.horizon is None else max(self.horizon, 3)
        away = self.beta * math.log(count)
        scale = 8.0 * (math.log(2.0) + away) if self.schedule == "bound" else away
        return math.sqrt(scale / count) / self.bound

    def suggest(self) -> float:
        """The setting for the next task: a draw, the same whenever it is asked for."""
        first, second = Key(self.seed, self.rounds, "forecast").generator().random(2)
        cells = _cells(self.edges, self.coefficients, self.rate, self.log)
        share = np.cumsum(np.exp(cells.mass - cells.mass.max()))
        cell = min(int(np.searchsorted(share, first * share[-1], side="right")), len(share) - 1)
        place = cells.quantile(cell, second)
        return min(max(math.exp(place) if self.log else place, self.low), self.high)

    def density(self, at: ArrayLike) -> Array:
        """Of the next draw, per unit of the hyperparameter, at settings of any shape.

        Raises:
            InvalidArgument: a setting outside the interval.
        """
        points = inside(at, self.low, self.high)
        measure = 1.0 / (points * math.log(self.high / self.low)) if self.log else 1.0 / (self.high - self.low)
        exponent = -self.rate * PiecewiseQuadratic(self.edges, self.coefficients).value(points)
        out: Array = measure * np.exp(exponent - self._log_integral(self.rate))
        return out

    def learn(self, dual: Dual, at: float | None = None) -> tuple[Self, Round]:
        """The forecaster after one more task, and what the task brought.

        Arguments:
            dual: the task's exact loss, piecewise constant or quadratic, on an interval that contains this one.
            at: the setting that the task was run with; by default the one that `suggest` gives.

        Raises:
            InvalidArgument: a dual of another kind, on too short an interval, or of a wider range than `bound`.
        """
        self._check(dual)
        inner = dual.breakpoints[(dual.breakpoints > self.low) & (dual.breakpoints < self.high)]
        places = np.searchsorted(self.edges, inner)
        new = self.edges[places] != inner
        edges = np.insert(self.edges, places[new], inner[new])
        total = _on(edges, self.edges, self.coefficients)
        loss = _on(edges, dual.edges, _coefficients(dual))
        rate = self.rate
        expected = _cells(edges, total, rate, self.log, loss).mean
        used = self.suggest() if at is None else float(inside(at, self.low, self.high))
        told = Round(self.rounds, used, float(dual.value(used)), expected, rate)
        after = replace(
            self,
            rounds=self.rounds + 1,
            edges=edges,
            coefficients=total + loss,
            expected_loss=self.expected_loss + told.expected,
            realised_loss=self.realised_loss + told.loss,
            rates=self.rates + rate,
        )
        return after, told

    def regret(self) -> Regret:
        """So far, against the best fixed setting in hindsight.

        Raises:
            InvalidArgument: no round is over.
        """
        if self.rounds == 0:
            raise InvalidArgument(message("no task was learnt from, so there is no regret", do="call learn first"))
        best = self.total().minimum()
        last = self._rate(self.rounds - 1)
        slack = -self._log_integral(last) / last - best.value
        bound = slack + self.bound**2 / 8.0 * self.rates
        return Regret(self.rounds, best, self.expected_loss, self.realised_loss, bound)

    def total(self) -> PiecewiseConstant | PiecewiseQuadratic:
        """The sum of all losses so far, exactly."""
        if not self.coefficients[:, 1:].any():
            return PiecewiseConstant(self.edges, self.coefficients[:, 0])
        return PiecewiseQuadratic(self.edges, self.coefficients)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON of settings and state, to go on later."""
        return {
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "bound": self.bound,
            "horizon": self.horizon,
            "beta": self.beta,
            "schedule": self.schedule,
            "seed": self.seed,
            "rounds": self.rounds,
            "edges": vector_to_json(self.edges),
            "coefficients": vector_to_json(self.coefficients.ravel()),
            "expected_loss": self.expected_loss,
            "realised_loss": self.realised_loss,
            "rates": self.rates,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Inverse of `to_json`."""
        vectors = {
            "edges": vector_from_json(data["edges"]),
            "coefficients": vector_from_json(data["coefficients"]).reshape(-1, 3),
        }
        return cls(**{**data, **vectors})

    def _log_integral(self, rate: float) -> float:
        """The logarithm of the integral of exp(-rate * total) by the first distribution."""
        mass = _cells(self.edges, self.coefficients, rate, self.log).mass
        length = math.log(self.high / self.low) if self.log else self.high - self.low
        peak = float(mass.max())
        return peak + math.log(float(np.exp(mass - peak).sum())) - math.log(length)

    def _check(self, dual: Dual) -> None:
        """Refuse a loss that cannot be learnt from."""
        if dual.low > self.low or dual.high < self.high:
            raise InvalidArgument(
                message(
                    "the dual function does not cover the forecaster's interval",
                    got=(dual.low, dual.high),
                    allowed=f"from {self.low:g} or less to {self.high:g} or more",
                    do="make both on one interval",
                )
            )
        least = dual.minimum().value
        most = -PiecewiseQuadratic(dual.edges, -_coefficients(dual)).minimum().value
        if most - least > self.bound * (1.0 + 1e-9):
            raise InvalidArgument(
                message(
                    "a loss has a wider range than the forecaster was told",
                    got=(least, most),
                    allowed=f"a width of {self.bound:g}",
                    do="begin anew with a larger bound",
                )
            )


def dispersed_bound(
    rounds: int, radius: float, count: int, *, rate: float, bound: float = 1.0, lipschitz: float = 0.0
) -> float:
    """What the expected regret cannot exceed where losses are dispersed, for one constant rate.

    Arguments:
        rounds: T.
        radius: w, in halves of the interval's length (of its logarithm where that is used), 0 < w <= 1.
        count: how many of the losses jump within w of the best setting at most.
        rate: lambda.
        bound: H.
        lipschitz: how fast losses that do not jump change at most, per half of the length.

    Raises:
        InvalidArgument: a radius, rate or number that cannot be.
    """
    check_count(rounds, "rounds")
    check_count(count, "count", 0)
    if not (0.0 < radius <= 1.0 and rate > 0.0 and bound > 0.0 and lipschitz >= 0.0):
        raise InvalidArgument(
            message(
                "radius, rate, bound and slope of dispersed losses",
                got=(radius, rate, bound, lipschitz),
                allowed="0 < radius <= 1, rate > 0, bound > 0, lipschitz >= 0",
            )
        )
    jumping = count * bound + rounds * lipschitz * radius
    return math.log(2.0 / radius) / rate + jumping + rate * bound**2 * rounds / 8.0


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Pieces of the density, cut where it is steep, in the variable in which the first distribution is uniform.

    Arguments:
        left, right: ends of the cells in that variable, shape (c,).
        mass: logarithms of the integrals of exp(-rate * total) over the cells, shape (c,).
        mean: the mean of a loss under the density; nan where none was given.
        edges, coefficients: of the piece that each cell belongs to, shapes (c, 2) and (c, 3).
        rate, log: as for the forecaster.
    """

    left: Array
    right: Array
    mass: Array
    mean: float
    edges: Array
    coefficients: Array
    rate: float
    log: bool

    def quantile(self, cell: int, share: float) -> float:
        """The place below which a cell has this share of its mass."""
        left, right = float(self.left[cell]), float(self.right[cell])
        if not self.coefficients[cell, 1:].any():
            return left + share * (right - left)
        wanted = self.mass[cell] + math.log(max(share, 1e-300))
        low, high = left, right
        for _ in range(60):
            middle = low + (high - low) / 2.0
            exponents = self._exponents(cell, left, middle)
            peak = float(exponents.max())
            below = peak + math.log(float(np.exp(exponents - peak).sum())) < wanted
            low, high = (middle, high) if below else (low, middle)
        return low + (high - low) / 2.0

    def _exponents(self, cell: int, left: float, right: float) -> Array:
        """Logarithms of the terms of the rule on a part of a cell, shape (nodes,)."""
        half = (right - left) / 2.0
        places = left + half * (1.0 + NODES)
        values = _polynomial(
            self.coefficients[cell], _local(places, self.edges[cell, 0], self.edges[cell, 1], self.log)
        )
        out: Array = -self.rate * values + np.log(half * WEIGHTS) if half > 0.0 else np.full(len(NODES), -1e308)
        return out


def _cells(edges: Array, total: Array, rate: float, log: bool, loss: Array | None = None) -> _Cells:
    """Integrate exp(-rate * total) piece by piece, and the mean of a loss under it.

    Arguments:
        edges: ends of the pieces in natural units, shape (m + 1,).
        total, loss: coefficients on them, shape (m, 3).
    """
    ends = np.log(edges) if log else edges
    simple = ~total[:, 1:].any(axis=1)
    if loss is not None:
        simple &= ~loss[:, 1:].any(axis=1)
    if simple.all():
        mass = -rate * total[:, 0] + np.log(np.diff(ends))
        pairs = np.stack([edges[:-1], edges[1:]], axis=-1)
        mean = math.nan if loss is None else _mean(mass, loss[:, 0])
        return _Cells(ends[:-1], ends[1:], mass, mean, pairs, total, rate, log)
    parts = np.where(simple, 1, _parts(edges, total, rate, log))
    owner = np.repeat(np.arange(len(parts)), parts)
    step = (ends[1:] - ends[:-1]) / parts
    within = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    left = ends[owner] + within * step[owner]
    right = np.where(within + 1 == parts[owner], ends[owner + 1], left + step[owner])
    half = ((right - left) / 2.0)[:, None]
    local = _local(left[:, None] + half * (1.0 + NODES), edges[owner][:, None], edges[owner + 1][:, None], log)
    exponents = -rate * _polynomial(total[owner][:, None, :], local) + np.log(half * WEIGHTS)
    peaks = exponents.max(axis=1)
    terms = np.exp(exponents - peaks[:, None])
    sums = terms.sum(axis=1)
    mass = peaks + np.log(sums)
    mean = math.nan
    if loss is not None:
        mean = _mean(mass, (terms * _polynomial(loss[owner][:, None, :], local)).sum(axis=1) / sums)
    pairs = np.stack([edges[owner], edges[owner + 1]], axis=-1)
    return _Cells(left, right, mass, mean, pairs, total[owner], rate, log)


def _parts(edges: Array, total: Array, rate: float, log: bool) -> NDArray[np.intp]:
    """Into how many cells each piece is cut, shape (m,)."""
    slope = rate * (np.abs(total[:, 1]) + 2.0 * np.abs(total[:, 2]))
    if log:
        lengths = np.log(edges[1:] / edges[:-1])
        # The local variable runs over 2 while its fastest rate of change is right / half of the piece's width.
        fastest = lengths * edges[1:] / (np.diff(edges) / 2.0)
        parts = np.ceil(np.maximum(slope * fastest / WIDEST, lengths))
    else:
        parts = np.ceil(2.0 * slope / WIDEST)
    highest = -rate * (total[:, 0] - np.abs(total[:, 1]) - np.abs(total[:, 2]))
    sure = -rate * total[:, 0].min()
    return np.where(highest < sure - FAINT, 1, np.maximum(parts, 1)).astype(np.intp)


def _mean(mass: Array, values: Array) -> float:
    """The mean of values with these log weights."""
    weights = np.exp(mass - mass.max())
    return float(weights @ values / weights.sum())


def _local(places: Array, left: Array, right: Array, log: bool) -> Array:
    """The pieces' own variable, -1 to 1, of places in the variable of the first distribution."""
    x = np.exp(places) if log else places
    out: Array = ((x - left) - (right - x)) / (right - left)
    return out


def _polynomial(coefficients: Array, local: Array) -> Array:
    """c0 + c1 t + c2 t^2, coefficients on the last axis."""
    out: Array = coefficients[..., 0] + local * (coefficients[..., 1] + local * coefficients[..., 2])
    return out


def _coefficients(dual: Dual) -> Array:
    """Of a dual on its own pieces, shape (pieces, 3).

    Raises:
        InvalidArgument: a kind that is neither piecewise constant nor piecewise quadratic.
    """
    if isinstance(dual, PiecewiseQuadratic):
        return dual.coefficients
    if isinstance(dual, PiecewiseConstant):
        return np.stack([dual.levels, np.zeros(dual.pieces), np.zeros(dual.pieces)], axis=-1)
    raise InvalidArgument(
        message(
            "the forecaster cannot integrate this kind of dual function",
            got=type(dual).__name__,
            allowed="PiecewiseConstant or PiecewiseQuadratic",
        )
    )


def _on(finer: Array, edges: Array, coefficients: Array) -> Array:
    """Coefficients on pieces that lie within the given ones, shape (len(finer) - 1, 3)."""
    owner = np.searchsorted(edges, finer[:-1], side="right") - 1
    left, right, first, last = edges[owner], edges[owner + 1], finer[:-1], finer[1:]
    middle, scale = ((first - left) - (right - last)) / (right - left), (last - first) / (right - left)
    c0, c1, c2 = coefficients[owner].T
    return np.stack([c0 + middle * (c1 + middle * c2), scale * (c1 + 2.0 * middle * c2), scale**2 * c2], axis=-1)
