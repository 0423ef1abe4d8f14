"""A portfolio of defaults: a few configurations of which, on every past task, one is good.

Needs past tasks; of the new one it needs nothing. With l_t(c) in [0, 1] the loss of configuration c on past task t,
the portfolio P grows one configuration at a time by the one that lowers most

    f(P) = 1/T sum_t min(1, min_{c in P} l_t(c))

The benefit 1 - f is monotone and submodular, so a greedy portfolio of k has at least 1 - (1 - 1/k)^k > 1 - 1/e of the
benefit of the best k (G. L. Nemhauser, L. A. Wolsey and M. L. Fisher, "An Analysis of Approximations for Maximizing
Submodular Set Functions I", Mathematical Programming 14, 1978). Members complement one another: a second configuration
for the tasks that the first one serves adds nothing. In hyperparameter tuning: M. Wistuba, N. Schilling and L.
Schmidt-Thieme, "Sequential Model-Free Hyperparameter Tuning", ICDM 2015; M. Feurer, K. Eggensperger, S. Falkner, M.
Lindauer and F. Hutter, "Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning", JMLR 23, 2022, arXiv 2007.04074.

Candidates are the `BEST` best trials of each past task. What a task makes of each of them, its own too, is what its
Gaussian process says (`trimtab.tuners.tasks.transfer.task_models`): with m the mean normal score there,

    l = Phi(m)

the share of the task's trials that are better, in a normal score's sense: 1/2 for a configuration as good as the
median trial, less for a better one. So no metric's scale counts, and no trial is chosen for having been lucky. The
papers evaluate every candidate on every task instead, and take ranks or regrets.

**What a new task has to expect, before any trial of it** (`DefaultPortfolio.zero_shot`), for a new task that is
exchangeable with the past ones, and losses as these say:

- the mean over tasks t of the loss on t of the portfolio that was learnt without t is an unbiased estimate of the
  expected loss of a portfolio learnt on T - 1 tasks;
- a portfolio learnt on one half of the tasks, at random, is worse on a new task than on every one of the h tasks of
  the other half with probability at most 1 / (h + 1) (split conformal prediction: all h + 1 orders are as likely);
- the expected loss of that portfolio is below its mean on the other half plus sqrt(log(1 / delta) / (2 h)) with
  probability 1 - delta, where tasks are independent draws (Hoeffding).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Params, Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.untried import keys, tried
from trimtab.tuners.tasks.transfer.corpus import Corpus, MatchedCorpus
from trimtab.tuners.tasks.transfer.fresh import covering
from trimtab.tuners.tasks.transfer.task_models import task_models

__all__ = ["PORTFOLIO_REFS", "DefaultPortfolio", "ZeroShot", "greedy", "portfolio_loss"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

PORTFOLIO_REFS = (
    Reference(
        authors="Wistuba, Martin and Schilling, Nicolas and Schmidt-Thieme, Lars",
        title="Sequential Model-Free Hyperparameter Tuning",
        year=2015,
        venue="IEEE International Conference on Data Mining",
        doi="10.1109/ICDM.2015.20",
    ),
    Reference(
        authors="Feurer, Matthias and Eggensperger, Katharina and Falkner, Stefan"
        " and Lindauer, Marius and Hutter, Frank",
        title="Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning",
        year=2022,
        venue="Journal of Machine Learning Research 23(261)",
        arxiv="2007.04074",
    ),
    Reference(
        authors="Nemhauser, George L. and Wolsey, Laurence A. and Fisher, Marshall L.",
        title="An Analysis of Approximations for Maximizing Submodular Set Functions I",
        year=1978,
        venue="Mathematical Programming 14, 265-294",
        doi="10.1007/BF01588971",
    ),
)

BEST = 20
"""Trials of each task that may enter, the best ones."""


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """What a portfolio's best member has to expect on a new task, before any trial of it.

    Losses are in [0, 1]: the share of a past task's trials that are better.

    Arguments:
        losses: of each past task, that of the portfolio learnt without it, by the task's name.
        expected: their mean.
        worst: the largest loss on the tasks held out of a portfolio that was learnt on the others; nan without any.
        confidence: the probability, at least, that a new task's loss is no larger.
        bound: of the expected loss of that portfolio on a new task; nan without held-out tasks.
        level: the probability, at least, with which `bound` holds.
    """

    losses: dict[str, float]
    expected: float
    worst: float
    confidence: float
    bound: float
    level: float


def portfolio_loss(table: Array, members: list[int]) -> float:
    """The f of some columns of a table of losses (T, m) in [0, 1]; 1 for none."""
    return float(np.append(np.ones((len(table), 1)), table[:, members], axis=1).min(axis=1).mean())


def greedy(table: Array, size: int) -> list[int]:
    """Columns of a table of losses (T, m) in [0, 1], each the one that lowers f most; fewer where none lowers it more.

    Arguments:
        table: of tasks and configurations.
        size: at most so many.
    """
    best = np.ones(len(table))
    chosen: list[int] = []
    while len(chosen) < size and table.size:
        means = np.minimum(best[:, None], table).mean(axis=0)
        place = int(means.argmin())
        if chosen and not means[place] < best.mean():
            break
        chosen.append(place)
        best = np.minimum(best, table[:, place])
    return chosen


@dataclass(frozen=True)
class DefaultPortfolio:
    """The members of a portfolio, the most useful first; then uniform draws.

    Arguments:
        corpus: past tasks.
        size: members at most.

    Raises:
        InvalidArgument: `size` is below 1.
    """

    corpus: Corpus
    size: int = 10

    name: ClassVar[str] = "default-portfolio"
    needs: ClassVar[Info] = Info(0)
    refs: ClassVar[tuple[Reference, ...]] = PORTFOLIO_REFS

    def __post_init__(self) -> None:
        """Check the size."""
        check_count(self.size, "size", least=1)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        space, taken = history.space, tried(history)
        members = self.raw(space)
        out: list[Suggestion] = []
        for place in range(count):
            found = next_member(members, taken) or covering(space, taken, key.for_trial(key.trial + place))
            if found is None:
                break
            taken.update(keys(found[0][None, :]))
            out.append(Suggestion(space.decode(found[0]), self.name, found[1]))
        return out

    def raw(self, space: Space) -> Array:
        """The members as raw coordinates (k, d), the most useful first."""
        matched = self.corpus.on(space)
        name = ("default portfolio", self.size)
        if name not in matched.remembered:
            table, rows, _ = _table(matched)
            matched.remembered[name] = rows[greedy(table, self.size)]
        members: Array = matched.remembered[name]
        return members

    def params(self, space: Space) -> list[Params]:
        """The members as configurations of a space, the most useful first."""
        return list(space.decode_many(self.raw(space)))

    def zero_shot(self, space: Space, level: float = 0.9, seed: int = 0) -> ZeroShot:
        """What the best of the portfolio has to expect on a new task; see the module.

        Arguments:
            space: of the new task.
            level: 1 - delta of the bound, in (0, 1).
            seed: of the split into halves.

        Raises:
            InvalidArgument: a level outside (0, 1), or fewer than two tasks that say something about the space.
        """
        if not 0.0 < level < 1.0:
            raise InvalidArgument(message("level must be a probability", got=level, allowed="above 0 and below 1"))
        matched = self.corpus.on(space)
        count = len(matched.tasks)
        if count < 2:
            raise InvalidArgument(
                message(
                    "a guarantee needs tasks to leave out",
                    got=f"{count} tasks that say something about the space",
                    allowed="2 at least",
                    do="give a larger corpus",
                )
            )
        table, _, owners = _table(matched)
        alone = {
            task.name: self._held_out(table, owners, np.delete(np.arange(count), t), np.array([t]))[0]
            for t, task in enumerate(matched.tasks)
        }
        order = Key(seed, -1, "default portfolio/halves").generator().permutation(count)
        learnt, others = np.sort(order[: count - count // 2]), np.sort(order[count - count // 2 :])
        losses = self._held_out(table, owners, learnt, others)
        half = len(others)
        margin = math.sqrt(math.log(1.0 / (1.0 - level)) / (2.0 * half))
        return ZeroShot(
            losses=alone,
            expected=float(np.mean(list(alone.values()))),
            worst=max(losses),
            confidence=half / (half + 1.0),
            bound=min(float(np.mean(losses)) + margin, 1.0),
            level=level,
        )

    def _held_out(self, table: Array, owners: Numbers, learnt: Numbers, others: Numbers) -> list[float]:
        """Losses on some tasks of the portfolio that others teach, with candidates of theirs alone."""
        columns = np.flatnonzero(np.isin(owners, learnt))
        members = columns[greedy(table[np.ix_(learnt, columns)], self.size)].tolist()
        return [portfolio_loss(table[[task]], members) for task in others.tolist()]


def next_member(members: Array, taken: set[bytes]) -> tuple[Array, str] | None:
    """The first member (d,) of a portfolio (k, d) that was not tried, and which it is; None where all were."""
    for place, name in enumerate(keys(members)):
        if name not in taken:
            return members[place], f"member {place + 1} of {len(members)} of a portfolio of past tasks' best"
    return None


def _table(matched: MatchedCorpus) -> tuple[Array, Array, Numbers]:
    """Losses (T, m) of candidates on tasks, the candidates' raw coordinates (m, d), and whose they are (m,)."""
    models = task_models(matched)
    parts = [model.raw[: min(BEST, len(model.raw))] for model in models]
    rows = np.concatenate([*parts, np.empty((0, len(matched.space)))])
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    unit = matched.space.to_unit(rows)
    scores = [model.surface.predict(unit)[0] for model in models]
    return ndtr(np.array(scores).reshape(len(models), len(rows))), rows, owners
