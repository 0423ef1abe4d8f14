"""Warm start of any tuner from a corpus of past studies, under a guard.

The first warm trials are a portfolio of defaults (`trimtab.tuners.tasks.transfer.default_portfolio`); the later ones
are proposed by a method that learns from past tasks and from all trials of this study. The rest of the trials are the
cold tuner's own; who is asked is decided by `trimtab.tuners.tasks.transfer.guard`, which bounds what a useless corpus
can cost. With a corpus that says nothing about the space, and with several objectives, the cold tuner is asked for
everything.

A warm trial carries the name of the part that proposed it behind "warm-start/", every suggestion says how many warm
trials there may be, and a part that fails gives its turn to the cold tuner, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeAlias

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.ports import Tuner
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import encode_valid
from trimtab.surrogates.untried import is_listable, keys, tried
from trimtab.tuners.tasks.transfer.corpus import Corpus
from trimtab.tuners.tasks.transfer.default_portfolio import PORTFOLIO_REFS, DefaultPortfolio, next_member
from trimtab.tuners.tasks.transfer.guard import (
    WARM,
    cold_history,
    extended,
    is_warm_turn,
    most_warm,
    warm_leads,
    warm_numbers,
)
from trimtab.tuners.tasks.transfer.pruned_space import PrunedSpace
from trimtab.tuners.tasks.transfer.quantile_prior import QuantilePrior
from trimtab.tuners.tasks.transfer.ranking_weighted import RankingWeighted

__all__ = ["WarmStart"]

Method: TypeAlias = Literal["ranking-weighted", "quantile-prior", "pruned-space"]

METHODS = ("ranking-weighted", "quantile-prior", "pruned-space")
"""What may propose the later warm trials."""


@dataclass(frozen=True)
class WarmStart:
    """A tuner that begins with what past studies taught, and is never far behind itself without them.

    After n trials its best value is at most that of `tuner` alone after n - w(n) trials, where w(n), the number of warm
    trials, is at most min(n - floor(n / 6), ceil(4 sqrt(n))), and at most 3 + floor(log2(n)) while no warm trial is
    the best; see `trimtab.tuners.tasks.transfer.guard` for what exactly is proven.

    Arguments:
        tuner: the cold one.
        corpus: past tasks.
        portfolio: how many warm trials the portfolio of defaults has at most; 0 for none.
        methods: what proposes the later ones, in turns; at least one of "ranking-weighted", "quantile-prior" and
            "pruned-space", which is the cold tuner in ranges that past tasks taught, with all trials.

    Raises:
        InvalidArgument: no tuner, no corpus, a negative size or an unknown method.
    """

    tuner: Tuner[Space]
    corpus: Corpus
    portfolio: int = 2
    methods: Sequence[Method] = ("ranking-weighted", "quantile-prior")
    _parts: dict[str, Tuner[Space]] = field(default_factory=dict, init=False, repr=False, compare=False)

    name: ClassVar[str] = "warm-start"

    def __post_init__(self) -> None:
        """Check the arguments, and make the parts."""
        if isinstance(self.tuner, str) or not hasattr(self.tuner, "ask"):
            raise InvalidArgument(
                message(
                    "WarmStart: tuner must be a tuner",
                    got=self.tuner,
                    do="write trimtab.tuners.make_tuner(name), or create_study(tuner=name, corpus=corpus)",
                )
            )
        if not isinstance(self.corpus, Corpus):
            raise InvalidArgument(
                message("WarmStart: corpus must be a Corpus", got=self.corpus, do="make one with Corpus.of(*studies)")
            )
        check_count(self.portfolio, "portfolio", least=0)
        methods = tuple(self.methods)
        if not methods or isinstance(self.methods, str) or not set(methods) <= set(METHODS):
            raise InvalidArgument(
                message("WarmStart: unknown methods", got=self.methods, allowed=f"a list of {', '.join(METHODS)}")
            )
        object.__setattr__(self, "methods", methods)
        self._parts.update((method, _made(method, self.corpus, self.tuner)) for method in methods)

    @property
    def needs(self) -> Info:
        """What the cold tuner needs."""
        return self.tuner.needs

    @property
    def refs(self) -> Sequence[Reference]:
        """The sources of the cold tuner and of the parts."""
        own = [reference for part in self._parts.values() for reference in part.refs]
        return tuple(dict.fromkeys([*PORTFOLIO_REFS, *own, *self.tuner.refs]))

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        if len(history.objectives) > 1 or not self.corpus.on(history.space).tasks:
            return self.tuner.ask(history, count, key)
        out: list[Suggestion] = []
        for place in range(count):
            found = self._propose(extended(history, out), key.for_trial(key.trial + place))
            if found is None:
                break
            out.append(found)
        return out

    def _propose(self, history: History[Space], key: Key) -> Suggestion | None:
        """One configuration; None where there is nothing left."""
        warm = warm_numbers(history)
        known = sum(trial.params is not None for trial in history)
        reason = ""
        if is_warm_turn(known, len(warm), warm_leads(history, warm)):
            try:
                found = self._warm(history, len(warm), key)
            # A method may fail in ways that nobody foresaw; the cold tuner goes on, and says why.
            except Exception as error:  # noqa: BLE001
                found, reason = None, f"; in place of a warm trial, which failed ({type(error).__name__}: {error})"
            if found is not None:
                bound = f"warm trial {len(warm) + 1} of at most {most_warm(known + 1)} among {known + 1}"
                return replace(found, tuner=WARM + found.tuner, why=f"{found.why}; {bound}")
        return self._cold(history, warm, key, reason)

    def _warm(self, history: History[Space], before: int, key: Key) -> Suggestion | None:
        """What past tasks propose after some warm trials; None where they have nothing new."""
        space = history.space
        if self.portfolio:
            first = DefaultPortfolio(self.corpus, self.portfolio)
            member = next_member(first.raw(space), tried(history))
            if member is not None:
                return Suggestion(space.decode(member[0]), first.name, member[1])
        method = self.methods[before % len(self.methods)]
        found = next(iter(self._parts[method].ask(history, 1, key)), None)
        return None if found is None else replace(found, tuner=method)

    def _cold(self, history: History[Space], warm: frozenset[int], key: Key, reason: str) -> Suggestion | None:
        """What the cold tuner proposes in the study that has its own trials alone."""
        alone = cold_history(history, warm)
        number = sum(trial.number < key.trial for trial in history if trial.number not in warm)
        found = self.tuner.ask(alone, 1, key.for_trial(number))
        text = f"cold trial {number + 1}, as without a corpus"
        if warm and is_listable(history.space):
            raw, _ = encode_valid(history.space, [suggestion.params for suggestion in found])
            if not found or keys(raw)[0] in tried(history):
                found = self.tuner.ask(history, 1, key)
                text = "asked with all trials, since a warm one has tried what the cold study would try"
        return replace(found[0], why=f"{found[0].why}; {text}{reason}") if found else None


def _made(method: Method, corpus: Corpus, tuner: Tuner[Space]) -> Tuner[Space]:
    """The tuner of a method."""
    if method == "pruned-space":
        return PrunedSpace(corpus, tuner)
    return QuantilePrior(corpus) if method == "quantile-prior" else RankingWeighted(corpus)
