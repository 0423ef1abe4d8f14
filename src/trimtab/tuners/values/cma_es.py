"""Covariance matrix adaptation: a Gaussian over the numbers that learns the shape of the basin from ranks alone.

Needs values; only their order within a generation counts. N. Hansen and A. Ostermeier, "Completely
Derandomized Self-Adaptation in Evolution Strategies", Evolutionary Computation 9(2), 2001; in the form of N.
Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, arXiv 1604.00772, by the library `cmaes` (M. Nomura
and M. Shibata, 2024, arXiv 2402.01373):

    x ~ N(m, sigma^2 C),   m <- weighted mean of the best half of a generation,
    C, sigma <- from the steps that the better ones took

An answer is a function of the history and the key: the state is rebuilt by telling this tuner's own finished
trials, in the order in which they ended, a generation of lambda = 4 + 3 log d at a time. A trial draws with
its own key from the state that the finished generations give, so any number of trials may run at once; one
that was drawn from an earlier state is told in the generation that is being filled when it ends.

- A failure, a broken constraint or a value that is not finite takes the worst value of its generation; a
  generation without any finite value is skipped.
- Discrete numbers with at most 64 cells keep a marginal probability of moving (R. Hamano, S. Saito, M. Nomura
  and S. Shirakawa, "CMA-ES with Margin", GECCO 2022, arXiv 2205.13482). That method learns from the number
  before it was rounded, which no trial records: it is drawn again with the trial's key, and where that
  does not lead to the trial's configuration, because its state has passed, the rounded number is taken.
  Finer grids, and integers on a logarithmic scale, are rounded.
- Categories are drawn from the best half of the most recent trials, whoever proposed these, smoothed by half a
  count each. A number that is inactive in a trial is told at the mean, which says nothing of it.
- The first mean is the best of the trials that other tuners had told before; without any, the default.
- When the library says that the search has ended (a flat generation history, a collapsed or ill-conditioned
  covariance), it begins anew from a random mean with twice the population (A. Auger and N. Hansen, "A Restart
  CMA Evolution Strategy With Increasing Population Size", CEC 2005).

Cost: of a long history the last 500 to 1,000 finished trials are read; every 500 trials the search begins
anew at the best of the earlier ones that are read, with the smaller step of a warm start.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from cmaes import CMA, CMAwM, SepCMA
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence, encode_valid, gather
from trimtab.tuners.values.proposing import Proposal, Propose, first_fresh, instead, propose_each
from trimtab.tuners.values.view import View

__all__ = ["CMAES", "CMA_REFS"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

CMA_REFS = (
    Reference(
        authors="Hansen, Nikolaus",
        title="The CMA Evolution Strategy: A Tutorial",
        year=2016,
        venue="arXiv",
        arxiv="1604.00772",
    ),
    Reference(
        authors="Hansen, Nikolaus and Ostermeier, Andreas",
        title="Completely Derandomized Self-Adaptation in Evolution Strategies",
        year=2001,
        venue="Evolutionary Computation 9(2), 159-195",
        doi="10.1162/106365601750190398",
    ),
    Reference(
        authors="Hamano, Ryoki and Saito, Shota and Nomura, Masahiro and Shirakawa, Shinichi",
        title="CMA-ES with Margin: Lower-Bounding Marginal Probability for Mixed-Integer Black-Box Optimization",
        year=2022,
        venue="Genetic and Evolutionary Computation Conference",
        arxiv="2205.13482",
    ),
    Reference(
        authors="Auger, Anne and Hansen, Nikolaus",
        title="A Restart CMA Evolution Strategy With Increasing Population Size",
        year=2005,
        venue="IEEE Congress on Evolutionary Computation",
        doi="10.1109/CEC.2005.1554902",
    ),
    Reference(
        authors="Nomura, Masahiro and Shibata, Masashi",
        title="cmaes: A Simple yet Practical Python Library for CMA-ES",
        year=2024,
        venue="arXiv",
        arxiv="2402.01373",
    ),
)

COLD_STEP, WARM_STEP = 0.3, 0.2
"""First standard deviations, as shares of each range: from the middle, and from a point that is known to be good."""

MOST_CELLS = 64
"""Discrete numbers with more values are rounded without a margin."""

MOST_COLUMNS = 100
"""With more numbers, only the diagonal of the covariance is learned (Ros and Hansen 2008)."""

MOST_DOUBLINGS = 4
"""The population of a restart doubles so often at most."""

BLOCK = 500
"""A history is read from a multiple of so many finished trials on, one or two blocks of it."""

ATTEMPTS = 64
"""Draws in search of a configuration that keeps the constraints and was not tried."""

REMEMBERED = 4
"""Rebuilt states kept: one study needs one, a parallel or replayed one a few."""

RECENT = 40
"""Finished trials that the frequencies of categories are counted in."""

LOOKED_AT = 20
"""Of earlier trials, so many of the lowest values are looked at for the first mean."""

LARGEST = 1e150
"""Values are cut off here, so that the library's differences of two of them are finite."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns are numbers, and the grids of those that have one.

    Arguments:
        numbers: indices of the columns that the Gaussian is over, shape (k,).
        steps: distance of neighbouring values in unit coordinates, 0 where none is kept, shape (k,).
    """

    numbers: Numbers
    steps: Array

    @classmethod
    def of(cls, space: Space) -> _Layout:
        """The layout of a space."""
        chosen = [j for j, column in enumerate(space.columns) if column.kind != "categorical" and column.size != 1]
        cells = [space.columns[j].axis.cells for j in chosen]
        steps = [1.0 / count if 2 <= count <= MOST_CELLS else 0.0 for count in cells]
        return cls(np.array(chosen, dtype=np.intp), np.array(steps))

    @property
    def margin(self) -> bool:
        """Whether some numbers are discrete."""
        return bool((self.steps > 0.0).any()) and len(self.numbers) <= MOST_COLUMNS

    def optimizer(self, mean: Array, step: float, population: int) -> Any:
        """A fresh state of the library's class."""
        bounds = np.column_stack([0.5 * self.steps, 1.0 - 0.5 * self.steps])
        if self.margin:
            return CMAwM(np.clip(mean, *bounds.T), step, bounds, self.steps, population_size=population, seed=1)
        kind = CMA if len(mean) <= MOST_COLUMNS else SepCMA
        return kind(mean, step, bounds=np.tile([0.0, 1.0], (len(mean), 1)), population_size=population, seed=1)


class _Search:
    """The state of the search, advanced by the trials that it is told."""

    def __init__(self, layout: _Layout, key: Key, mean: Array, step: float) -> None:
        self.layout, self.key, self.restarts = layout, key, 0
        self.begun = (layout.steps.tobytes(), key, mean.tobytes(), step)
        self.past = (np.empty((0, len(mean))), np.empty(0), np.empty(0, dtype=np.intp))
        self.smallest = 4 + math.floor(3 * math.log(len(mean)))
        self.optimizer = layout.optimizer(mean, step, self.smallest)
        self.generation = 0

    def draw(self, key: Key, count: int) -> list[tuple[Array, Array]]:
        """The trial's first draws: unit coordinates to try, and what the method learns from; both (k,)."""
        self.optimizer.reseed_rng(key.child("cma-es").integer() % 2**32)
        drawn: list[tuple[Array, Array]] = []
        for _ in range(count):
            if isinstance(self.optimizer, CMAwM):
                drawn.append(self.optimizer.ask())
            else:
                x = self.optimizer.ask()
                drawn.append((x, x))
        return drawn

    def replay(self, unit: Array, losses: Array, numbers: Numbers) -> None:
        """Tell the finished trials (n, k), from the first one not told yet, as many as fill generations."""
        start = len(self.past[2])
        while start + self.optimizer.population_size <= len(unit):
            rows = slice(start, start + self.optimizer.population_size)
            start = rows.stop
            self._tell(unit[rows], losses[rows], numbers[rows])
        self.past = unit[:start], losses[:start], numbers[:start]

    def leads_to(self, unit: Array, losses: Array, numbers: Numbers) -> bool:
        """Whether what this search was told is how the given trials begin."""
        told = len(self.past[2])
        return told <= len(unit) and all(
            np.array_equal(old, new[:told], equal_nan=True)
            for old, new in zip(self.past, (unit, losses, numbers), strict=True)
        )

    def _tell(self, unit: Array, losses: Array, numbers: Numbers) -> None:
        """One generation."""
        self.generation += 1
        if not np.isfinite(losses).any():
            return
        values = np.clip(np.where(np.isfinite(losses), losses, np.nanmax(losses)), -LARGEST, LARGEST)
        points = [self._unrounded(row, number) for row, number in zip(unit, numbers.tolist(), strict=True)]
        try:
            with np.errstate(all="ignore"):
                self.optimizer.tell(list(zip(points, values.tolist(), strict=True)))
                ended = self.optimizer.should_stop() or not np.isfinite(self.optimizer.mean).all()
        except (AssertionError, ArithmeticError, ValueError, np.linalg.LinAlgError):
            # The library checks its own state this way when numbers have run out of range.
            ended = True
        if ended:
            self._restart()
        # Copying rounds the covariance; done once here, later copies of a remembered state change nothing.
        self.optimizer = copy.deepcopy(self.optimizer)

    def _unrounded(self, row: Array, number: int) -> Array:
        """What the method learns from a trial: the number that was rounded, where it can be drawn again."""
        row = np.where(np.isnan(row), self.optimizer.mean, row)
        if self.layout.margin:
            for shown, raw in self.draw(self.key.for_trial(number), 2):
                if np.allclose(shown, row, rtol=0.0, atol=1e-9):
                    return raw
        return row

    def _restart(self) -> None:
        """Begin anew with twice the population."""
        self.restarts += 1
        mean = self.key.for_trial(-1).child(f"cma-es/{self.restarts}").generator().random(len(self.layout.numbers))
        population = self.smallest * 2 ** min(self.restarts, MOST_DOUBLINGS)
        self.optimizer = self.layout.optimizer(mean, COLD_STEP, population)


@dataclass(frozen=True, slots=True)
class _Frequencies:
    """How often each category is to be drawn.

    Arguments:
        columns: indices of the categorical columns.
        shares: of each, cumulative probabilities of its categories.
    """

    columns: tuple[int, ...]
    shares: tuple[Array, ...]

    @classmethod
    def of(cls, space: Space, evidence: Evidence) -> _Frequencies:
        """From the better half of trials, half a count added to each category."""
        order = np.argsort(np.where(evidence.good, evidence.losses, np.inf), kind="stable")
        better = evidence.raw[order[: int(evidence.good.sum() + 1) // 2]]
        columns = tuple(j for j, column in enumerate(space.columns) if column.kind == "categorical")
        shares = []
        for j in columns:
            chosen = better[~np.isnan(better[:, j]), j].astype(np.intp)
            counts = 0.5 + np.bincount(chosen, minlength=space.columns[j].size or 1)
            shares.append(np.cumsum(counts) / counts.sum())
        return cls(columns, tuple(shares))

    def fill(self, latent: Array, rng: np.random.Generator) -> None:
        """Draw the categories of unit coordinates (d,) in place."""
        for j, shares in zip(self.columns, self.shares, strict=True):
            latent[j] = (np.searchsorted(shares[:-1], rng.random(), side="right") + 0.5) / len(shares)


@dataclass(frozen=True)
class CMAES:
    """CMA-ES over the numbers of a space, categories by the frequencies of the better trials."""

    _searches: list[_Search] = field(default_factory=list, init=False, repr=False, compare=False)

    name: ClassVar[str] = "cma-es"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = CMA_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        return propose_each(self.name, history, count, key, lambda view: self._begin(view, key))

    def _begin(self, view: View, key: Key) -> Propose:
        """The state that the history gives, ready to draw from."""
        if len(view.history.objectives) > 1:
            return lambda asked: instead(view, asked, "in place of CMA-ES, which has one objective")
        layout = _Layout.of(view.space)
        search = self._rebuilt(view, layout, key) if len(layout.numbers) else None
        frequencies = _Frequencies.of(view.space, gather(view.history, view.told[-RECENT:]))
        return lambda asked: _draw(view, layout, search, frequencies, asked)

    def _rebuilt(self, view: View, layout: _Layout, key: Key) -> _Search:
        """The search after all that was told, from the longest remembered part of it."""
        own, before = _read(view, self.name)
        mean, step = _start(view, layout, before)
        numbers, evidence = _told(view, own)
        trials = (view.space.to_unit(evidence.raw)[:, layout.numbers], evidence.losses, numbers)
        fresh = _Search(layout, key.for_trial(-1), mean, step)
        known = [s for s in self._searches if s.begun == fresh.begun and s.leads_to(*trials)]
        search = copy.deepcopy(max(known, key=lambda s: len(s.past[2]), default=fresh))
        search.replay(*trials)
        self._searches.append(search)
        del self._searches[:-REMEMBERED]
        # The one that is remembered is not drawn from: two threads may ask.
        return copy.deepcopy(search)


def _read(view: View, name: str) -> tuple[list[int], Numbers]:
    """Numbers of this tuner's trials that are replayed, in order of ending, and of those that it begins from."""
    first = max(0, len(view.told) // BLOCK - 1) * BLOCK
    read = [view.history.trial(int(number)) for number in view.told[first:]]
    own = sorted((t for t in read if t.tuner == name), key=lambda t: (t.ended or 0.0, t.number))
    before = view.told[:first]
    if not first:
        began = min((t.started or 0.0 for t in own), default=math.inf)
        before = np.array([t.number for t in read if t.tuner != name and (t.ended or 0.0) <= began], dtype=np.intp)
    return [t.number for t in own], before


def _told(view: View, numbers: list[int]) -> tuple[Numbers, Evidence]:
    """Those of the trials that tell something, and what they tell, in the given order."""
    trials = [view.history.trial(number) for number in numbers]
    usable = [t for t in trials if t.params is not None and not (t.reason is not None and t.reason.retriable)]
    kept = np.array([t.number for t in usable], dtype=np.intp)
    evidence = gather(view.history, kept)
    if len(evidence.raw) < len(kept):
        _, valid = encode_valid(view.space, [t.params for t in usable if t.params is not None])
        kept = kept[valid]
    return kept, evidence


def _start(view: View, layout: _Layout, before: Numbers) -> tuple[Array, float]:
    """The first mean (k,) and step: the best of some trials, or the default configuration."""
    losses = view.history.minimized[before, 0]
    best = before[np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")[:LOOKED_AT]]
    evidence = gather(view.history, best)
    if evidence.good.any():
        raw, step = evidence.raw[int(np.where(evidence.good, evidence.losses, np.inf).argmin())], WARM_STEP
    else:
        raw, step = _default(view.space), COLD_STEP
    unit = view.space.to_unit(raw[None, :])[0, layout.numbers]
    return np.where(np.isnan(unit), 0.5, unit), step


def _default(space: Space) -> Array:
    """Raw coordinates (d,) of the default configuration; nan where the constraints leave none near it."""
    try:
        return space.encode(space.default_params())
    except InvalidSpace:
        return np.full(len(space), np.nan)


def _draw(view: View, layout: _Layout, search: _Search | None, frequencies: _Frequencies, key: Key) -> Proposal | None:
    """The trial's first draw that keeps the constraints and was not tried."""
    space, rng = view.space, key.child("cma-es/categories").generator()
    for attempts in (4, ATTEMPTS):
        latent = rng.random((attempts, len(space)))
        if search is not None:
            latent[:, layout.numbers] = [shown for shown, _ in search.draw(key, attempts)]
        for row in latent:
            frequencies.fill(row, rng)
        raw = space.from_unit(latent)
        raw = raw[space.feasible_many(raw)]
        place = first_fresh(view, raw)
        if place >= 0:
            return raw[place], _reason(search)
    return instead(view, key, "all that CMA-ES drew was tried or broke a constraint")


def _reason(search: _Search | None) -> str:
    """One line for people."""
    if search is None:
        return "categories as frequent as in the better half of the recent trials"
    begun = f" after restart {search.restarts}" if search.restarts else ""
    return (
        f"draw from the normal distribution of CMA-ES, {search.generation} generations told{begun}, "
        f"population {search.optimizer.population_size}"
    )
