"""The race itself: which block is run next and for whom, what was told, who is out, and what it amounts to.

A race is a fold: `Race.begin` fixes the order of the blocks, `tell` takes the losses of one block and returns the
race after it. The order is drawn from a key, so a replay runs the same blocks for the same configurations.

Source of the idea: O. Maron and A. Moore, "Hoeffding races: accelerating model selection search for classification and
function approximation", NIPS 1993. Differences: comparisons are paired over blocks, and the test is a part to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import Conflict, InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key

__all__ = ["HOEFFDING_RACES", "Race", "RacingTest", "Told", "race"]

Array = NDArray[np.float64]

HOEFFDING_RACES = Reference(
    authors="Maron, Oded and Moore, Andrew W.",
    title="Hoeffding races: accelerating model selection search for classification and function approximation",
    year=1993,
    venue="Advances in Neural Information Processing Systems 6",
)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a test sees of a race.

    Arguments:
        means: the mean loss of each configuration in the race in each finished block, shape (t, m), lower is better.
        losses: the losses themselves, one below the other, shape (n, m); the same as `means` where one loss is told for
            each block.
        blocks: how many blocks there are in all.
        started: how many configurations began the race.
    """

    means: Array
    losses: Array
    blocks: int
    started: int


class RacingTest(Protocol):
    """Decides who leaves a race.

    `statement` says what its error is of, and `keeps_best` whether that is dropping the configuration with the best
    true mean: then those that stay are all that the data cannot tell from the best.
    """

    name: ClassVar[str]
    statement: ClassVar[str]
    keeps_best: ClassVar[bool]
    refs: ClassVar[tuple[Reference, ...]]

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Who leaves, after a block.

        Arguments:
            told: what the configurations that are still in the race told.
            alpha: the error that may still be made.

        Returns:
            Who leaves, shape (m,), never all of them; and how much of the error that spends for good, 0 for a test
            that holds at every look.
        """
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Race:
    """A race after some blocks. Made by `Race.begin`, and by `tell` of the race before.

    Arguments:
        test: decides who leaves.
        alpha: the error of the whole race.
        order: the blocks in the order in which they are run, shape (blocks,).
        alive: the configurations that are in the race, ascending.
        finished: for each configuration, how many blocks it was run on, shape (k,).
        means: mean losses by finished block, shape (t, k); nan where a configuration was no longer in the race.
        losses: the losses themselves, one below the other, shape (n, k).
        spent: how much of the error was spent.
    """

    test: RacingTest
    alpha: float
    order: NDArray[np.intp]
    alive: tuple[int, ...]
    finished: NDArray[np.intp]
    means: Array
    losses: Array
    spent: float = 0.0

    @classmethod
    def begin(cls, candidates: int, blocks: int, test: RacingTest, alpha: float, key: Key) -> Race:
        """A race before its first block.

        Arguments:
            candidates: how many configurations, k.
            blocks: how many blocks there are, such as folds times repetitions.
            test: decides who leaves.
            alpha: the error of the whole race; what it is of says `test.statement`.
            key: of the order of the blocks.

        Raises:
            InvalidArgument: counts below 1, or an error outside (0, 1).
        """
        check_count(candidates, "the number of configurations in a race")
        check_count(blocks, "the number of blocks of a race")
        if not 0.0 < alpha < 1.0:
            raise InvalidArgument(
                message(
                    "the error of a race must lie between 0 and 1", got=alpha, allowed="0 < alpha < 1", do="use .05"
                )
            )
        return cls(
            test,
            alpha,
            key.child("blocks").generator().permutation(blocks).astype(np.intp),
            tuple(range(candidates)),
            np.zeros(candidates, dtype=np.intp),
            np.empty((0, candidates)),
            np.empty((0, candidates)),
        )

    @property
    def block(self) -> int | None:
        """The block to run next, for all of `alive`; None where the race is over."""
        done = len(self.means)
        return None if len(self.alive) == 1 or done == len(self.order) else int(self.order[done])

    @property
    def chosen(self) -> int:
        """The configuration with the lowest mean over its blocks among those in the race, the first on ties."""
        if not len(self.means):
            return self.alive[0]
        return self.alive[int(np.argmin(self.means[:, list(self.alive)].mean(axis=0)))]

    @property
    def evaluations(self) -> int:
        """How many (configuration, block) pairs were run."""
        return int(self.finished.sum())

    @property
    def full(self) -> int:
        """How many there are."""
        return len(self.order) * len(self.finished)

    def tell(self, losses: Mapping[int, ArrayLike]) -> Race:
        """The race after its next block.

        Arguments:
            losses: for each configuration in the race its loss on the block, or its losses of the block's examples in
                an order that is the same for all, shape (n,); lower is better.

        Raises:
            Conflict: the race is over.
            InvalidArgument: a configuration is missing or is not in the race, losses of different length, or a loss
                that is not finite.
        """
        if self.block is None:
            raise Conflict(message("the race is over, so no further block can be told", do=f"take {self.chosen}"))
        if set(losses) != set(self.alive):
            raise InvalidArgument(
                message(
                    f"block {self.block} must be told for the configurations that are in the race, and no other",
                    got=sorted(losses),
                    allowed=", ".join(map(str, self.alive)),
                )
            )
        rows = [np.atleast_1d(np.asarray(losses[place], dtype=np.float64)) for place in self.alive]
        if any(row.shape != rows[0].shape or row.ndim != 1 or not row.size for row in rows):
            raise InvalidArgument(
                message(
                    f"block {self.block} needs one loss, or one for each of its examples, from all configurations",
                    got=sorted({row.shape for row in rows}),
                    allowed="the same shape (n,) for all, n >= 1",
                )
            )
        if not all(np.isfinite(row).all() for row in rows):
            bad = [place for place, row in zip(self.alive, rows, strict=True) if not np.isfinite(row).all()]
            raise InvalidArgument(
                message(
                    f"losses of block {self.block} are not finite for configurations {bad}",
                    allowed="finite losses",
                    do="tell a large finite loss for a configuration that failed, or race without it",
                )
            )
        return self._judge(np.column_stack(rows))

    def without(self, places: Collection[int]) -> Race:
        """The race without configurations that can be evaluated no more, such as ones whose training failed.

        That is nobody's decision on losses, so it spends no error.

        Raises:
            InvalidArgument: one is not in the race, or nobody would be left.
        """
        left = tuple(place for place in self.alive if place not in places)
        if not left or len(left) + len(set(places)) != len(self.alive):
            raise InvalidArgument(
                message(
                    "configurations can leave a race only if they are in it and some other stays",
                    got=sorted(places),
                    allowed=", ".join(map(str, self.alive)),
                )
            )
        return replace(self, alive=left)

    def _judge(self, rows: Array) -> Race:
        """The race with one more block's losses, shape (n, m), and without those that leave."""
        here = np.array(self.alive, dtype=np.intp)
        block = np.full((len(rows), len(self.finished)), np.nan)
        block[:, here] = rows
        mean = np.full((1, len(self.finished)), np.nan)
        mean[0, here] = rows.mean(axis=0)
        means, losses = np.concatenate([self.means, mean]), np.concatenate([self.losses, block])
        finished = self.finished.copy()
        finished[here] += 1
        told = Told(means[:, here], losses[:, here], len(self.order), len(finished))
        # After the last block the means are what they are, and nobody needs to leave.
        leaving, spent = (
            self.test.drop(told, self.alpha - self.spent)
            if len(means) < len(self.order)
            else (np.zeros(len(here), dtype=bool), 0.0)
        )
        return replace(
            self,
            alive=tuple(int(place) for place in here[~leaving]),
            finished=finished,
            means=means,
            losses=losses,
            spent=self.spent + spent,
        )

    def __str__(self) -> str:
        """A few plain lines for people."""
        state = "is over" if self.block is None else "goes on"
        share = self.evaluations / self.full
        return (
            f"The race {state}: configuration {self.chosen}, {len(self.alive)} of {len(self.finished)} still in it, "
            f"{self.evaluations} of {self.full} evaluations ({share:.0%}).\n"
            f"  test: {self.test.name}, error {self.alpha:g}\n"
            f"  note: {self.test.statement}"
        )


def race(
    evaluate: Callable[[int, int], ArrayLike],
    candidates: int,
    blocks: int,
    *,
    test: RacingTest,
    alpha: float = 0.05,
    key: Key,
) -> Race:
    """Run a race to its end.

    Arguments:
        evaluate: (configuration, block) -> its loss on the block, or one loss for each of the block's examples, lower
            is better. Both are numbers from 0.
        candidates: how many configurations.
        blocks: how many blocks, such as folds times repetitions.
        test: decides who leaves.
        alpha: the error of the whole race; what it is of says `test.statement`.
        key: of the order of the blocks.

    Raises:
        InvalidArgument: counts, an error or losses that cannot be.
    """
    now = Race.begin(candidates, blocks, test, alpha, key)
    while (block := now.block) is not None:
        now = now.tell({place: evaluate(place, block) for place in now.alive})
    return now
