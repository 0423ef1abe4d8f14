"""The log of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message

__all__ = ["AnswerLog"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class AnswerLog:
    """n answers, one for each of n questions. Made by `AnswerLog.of`.

    Arguments:
        lengths: in any one unit, such as tokens, shape (n,).
        correct: whether each answer was right, shape (n,).
        strata: the category of each question as a number from 0, shape (n,); all 0 where none was told.
        names: of the categories.
    """

    lengths: NDArray[np.float64]
    correct: NDArray[np.bool_]
    strata: NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def of(cls, lengths: ArrayLike, correct: ArrayLike, categories: Sequence[str] | None = None) -> AnswerLog:
        """A log from plain lists.

        Arguments:
            lengths: of the answers, shape (n,), n >= 1.
            correct: True or 1 for a right answer, False or 0 for a wrong one, shape (n,).
            categories: of the questions, such as their difficulty or field. Hard questions make for long answers,
                so without them length may only tell of difficulty.

        Raises:
            InvalidArgument: vectors of different length, a negative or infinite length, or a `correct` that is
                neither right nor wrong.
        """
        long, right = np.asarray(lengths, dtype=np.float64), np.asarray(correct, dtype=np.float64)
        told = None if categories is None else [str(name) for name in categories]
        sizes = (long.shape, right.shape, *(() if told is None else ((len(told),),)))
        if long.ndim != 1 or not long.size or len(set(sizes)) > 1:
            raise InvalidArgument(
                message("a log of answers needs vectors of one length", got=sizes, allowed="shape (n,) each, n >= 1")
            )
        if not (np.isfinite(long) & (long >= 0.0)).all():
            bad = int(np.flatnonzero(~(np.isfinite(long) & (long >= 0.0)))[0])
            raise InvalidArgument(message(f"answer {bad} has no length", got=long[bad], allowed="a finite number >= 0"))
        if not np.isin(right, (0.0, 1.0)).all():
            bad = int(np.flatnonzero(~np.isin(right, (0.0, 1.0)))[0])
            raise InvalidArgument(
                message(f"answer {bad} is neither right nor wrong", got=right[bad], allowed="0 or 1, False or True")
            )
        names, strata = np.unique(["" for _ in long] if told is None else told, return_inverse=True)
        return cls(long, right == 1.0, strata.astype(np.intp), tuple(str(name) for name in names))

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, places: NDArray[np.intp]) -> AnswerLog:
        """Only the answers at some places."""
        return AnswerLog(self.lengths[places], self.correct[places], self.strata[places], self.names)
