"""The Ladder: a best-so-far that moves only when it is clearly beaten.

Needs the losses of every trial on a holdout of n examples. A submission that does not beat the best-so-far by a step
is answered with the best-so-far, so all that it learns is that it did not. Only the running best is protected, and
only it is told: the answers say nothing of how good a trial is that is not the best, so a tuner should learn from the
training part's means, which may be told freely.

`Ladder` has a step eta: L < best - eta sets best to L rounded to a multiple of eta. Its error is proven at any size
(`accounting.ladder_error`). `FreeLadder` has no step to choose: with l_i the losses of the submission and
l'_i those of the leader (0 before the first),

    L < best - s / sqrt(n),    s = the standard deviation of l_i - l'_i (divisor n - 1),

sets best to L rounded to a multiple of 1/n, and makes the submission the leader: a one-sided paired test at one
standard error. No error is proven for it, and many near-ties let it creep. The rounding is the paper's; the authors'
code does without.

Source: A. Blum and M. Hardt, "The Ladder: A Reliable Leaderboard for Machine Learning Competitions", ICML 2015,
arXiv 1502.04585.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.holdout import HoldoutAnswer, HoldoutState
from trimtab.base.records import Json
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.holdout.accounting import ladder_error, ladder_step
from trimtab.trust.holdout.answers import check_setting

__all__ = ["FreeLadder", "Ladder"]

LADDER = Reference(
    authors="Blum, Avrim and Hardt, Moritz",
    title="The Ladder: A Reliable Leaderboard for Machine Learning Competitions",
    year=2015,
    venue="International Conference on Machine Learning, PMLR 37, 1006-1014",
    arxiv="1502.04585",
)


@final
@dataclass(frozen=True, slots=True)
class Ladder:
    """The Ladder with a fixed step.

    Arguments:
        holdout_size: n, examples of the holdout.
        step: eta, for losses in [0, 1].
        beta: probability with which the stated error may be exceeded after any number of submissions.
        bound: the largest loss; losses are divided by it.

    Raises:
        InvalidArgument: a number out of its range.

    >>> ladder, state, none = Ladder(100, step=0.1), HoldoutState(), np.zeros(0)
    >>> for wrong in (42, 38, 29, 35):
    ...     answer = ladder.answer(state, none, (np.arange(100) < wrong).astype(float), Key(0))
    ...     state = state.advanced(answer)
    ...     print(round(answer.value, 3), answer.spent)
    0.4 True
    0.4 False
    0.3 True
    0.3 False
    """

    refs: ClassVar[tuple[Reference, ...]] = (LADDER,)
    proven: ClassVar[bool] = True
    best_so_far: ClassVar[bool] = True

    holdout_size: int
    step: float
    beta: float = 0.05
    bound: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no setting."""
        check_setting(
            self.holdout_size >= 1 and 0.0 < self.step <= 1.0 and 0.0 < self.beta < 1.0 and self.bound > 0.0,
            "Ladder: a setting is out of range",
            (self.holdout_size, self.step, self.beta, self.bound),
            "a size of 1 or more, 0 < step <= 1, 0 < beta < 1, a bound above 0",
        )

    @classmethod
    def for_queries(cls, holdout_size: int, queries: int, *, beta: float = 0.05, bound: float = 1.0) -> Ladder:
        """With the step for which the error that is proven after so many submissions is least."""
        return cls(holdout_size, ladder_step(holdout_size, queries), beta, bound)

    def answer(
        self, state: HoldoutState, training: NDArray[np.float64], holdout: NDArray[np.float64], key: Key
    ) -> HoldoutAnswer:
        """The best-so-far after one more submission. Pure; neither the training part nor the key is looked at.

        Arguments:
            state: the fold of all answers so far.
            training: losses on the training part.
            holdout: losses on the holdout, shape (n,), in [0, bound].
            key: of noise; there is none.
        """
        step = self.bound * self.step
        loss = float(holdout.mean())
        if state.last is None or loss < state.last - step:
            return HoldoutAnswer(state.queries, round(loss / step) * step, spent=True)
        return HoldoutAnswer(state.queries, state.last, spent=False)

    def stated_error(self, state: HoldoutState) -> float:
        """How far the best-so-far may be from the least true loss so far, in units of the loss."""
        return self.bound * ladder_error(self.holdout_size, max(state.queries, 1), self.step, self.beta)

    @property
    def level(self) -> float:
        """The probability with which the stated error holds."""
        return 1.0 - self.beta

    def left(self, state: HoldoutState) -> None:
        """There is no budget: the stated error grows, slowly, with the number of submissions."""

    def used_up(self, state: HoldoutState) -> bool:
        """Never."""
        return False

    def words(self, state: HoldoutState) -> str:
        """What was used and what is claimed."""
        return (
            f"{state.queries} submissions moved the best-so-far {state.spent} times. It is within "
            f"{self.stated_error(state):.3g} of the least true loss among them, proven at {1.0 - self.beta:.0%}."
        )

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {"kind": "ladder", **asdict(self)}


@final
@dataclass(frozen=True, slots=True)
class FreeLadder:
    """The Ladder without a step to choose. No error is proven for it.

    Arguments:
        bound: the largest loss.

    Raises:
        InvalidArgument: a bound that is not positive.
    """

    refs: ClassVar[tuple[Reference, ...]] = (LADDER,)
    proven: ClassVar[bool] = False
    best_so_far: ClassVar[bool] = True
    level: ClassVar[float] = 0.95

    bound: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no setting."""
        check_setting(self.bound > 0.0, "FreeLadder: a setting is out of range", self.bound, "a bound above 0")

    def answer(
        self, state: HoldoutState, training: NDArray[np.float64], holdout: NDArray[np.float64], key: Key
    ) -> HoldoutAnswer:
        """The best-so-far after one more submission. Pure; neither the training part nor the key is looked at.

        Arguments:
            state: the fold of all answers so far.
            training: losses on the training part.
            holdout: losses on the holdout, shape (n,), n >= 2.
            key: of noise; there is none.
        """
        loss, size = float(holdout.mean()), holdout.size
        if state.last is not None and state.leader is not None:
            margin = float((holdout - state.leader).std(ddof=1)) / math.sqrt(size)
            if not loss < state.last - margin:
                return HoldoutAnswer(state.queries, state.last, spent=False)
        return HoldoutAnswer(
            state.queries, self.bound * round(loss / self.bound * size) / size, spent=True, leader=holdout
        )

    def stated_error(self, state: HoldoutState) -> None:
        """Nothing is proven, so nothing is stated."""

    def left(self, state: HoldoutState) -> None:
        """There is no budget."""

    def used_up(self, state: HoldoutState) -> bool:
        """Never."""
        return False

    def words(self, state: HoldoutState) -> str:
        """What was used, and that nothing is claimed."""
        return f"{state.queries} submissions moved the best-so-far {state.spent} times. No error is proven for it."

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {"kind": "free ladder", **asdict(self)}
