"""Thresholdout: a holdout that speaks only where the training part misleads.

Needs the losses of every trial on two disjoint sets of examples: a training part, of which anything may be known, and
a holdout. A query is answered with the mean on the training part unless the two means differ by more than a noisy
threshold; only then the holdout speaks, with noise, and a budget shrinks by one. With the budget at zero every query
is refused.

`Thresholdout` is the published algorithm, with losses scaled to [0, 1], E_t and E_h the means of a query's losses:

    gamma ~ Lap(2 sigma), drawn anew each time the holdout speaks;    eta ~ Lap(4 sigma), for each query;
    |E_h - E_t| > T + gamma + eta:  answer E_h + Lap(sigma), and B falls by 1;    otherwise:  answer E_t.

`Thresholdout.for_tolerance` is the theorem's setting (`trimtab.trust.holdout.accounting`); it is refused where the
holdout is too small for the theorem. `PracticalThresholdout` is the setting of the authors' experiments:

    |E_h - E_t| > T + N(0, sigma^2):  answer E_h + N(0, sigma^2);    T = 4/sqrt(n), sigma = 1/sqrt(n),

to which two things are added. It has a budget, by default 100: somebody who makes the holdout speak at will, and
combines what it says, gets about 0.18 sqrt(B/n) away from the truth for losses of 0 and 1, which for B = 100 is a
quarter of the error T + 3 sigma that is stated. And its noise is a function of the losses: a model asked twice gets
the same answer, from which noise cannot be averaged away. Equal answers then tell that two models are equal on all
examples, which differential privacy would not allow; the published algorithm therefore draws fresh noise, and its
budget limits the averaging.

Use a second validation split as the training part, not the examples that models were fitted to: a model that fits
these perfectly makes the holdout speak at every query. A trial that was trained on the holdout voids everything.
The noise comes from the study's seed: it guards against overuse, not against somebody who computes the noise.

Sources: C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold and A. Roth, "Generalization in Adaptive Data Analysis
and Holdout Reuse", NeurIPS 2015, arXiv 1506.02629, and "The reusable holdout: Preserving validity in adaptive data
analysis", Science 349 (2015), 636-638.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import message
from trimtab.base.holdout import HoldoutAnswer, HoldoutState, HoldoutUsedUp
from trimtab.base.records import Json
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.holdout.accounting import (
    least_rows,
    practical_error,
    practical_noise,
    practical_threshold,
    privacy,
    theorem_noise,
)
from trimtab.trust.holdout.answers import check_setting, digest

__all__ = ["PracticalThresholdout", "Thresholdout"]

_AUTHORS = (
    "Dwork, Cynthia and Feldman, Vitaly and Hardt, Moritz and Pitassi, Toniann and Reingold, Omer and Roth, Aaron"
)
THRESHOLDOUT_REFS = (
    Reference(
        authors=_AUTHORS,
        title="Generalization in Adaptive Data Analysis and Holdout Reuse",
        year=2015,
        venue="Advances in Neural Information Processing Systems 28",
        arxiv="1506.02629",
    ),
    Reference(
        authors=_AUTHORS,
        title="The reusable holdout: Preserving validity in adaptive data analysis",
        year=2015,
        venue="Science 349, 636-638",
        doi="10.1126/science.aaa9375",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class Thresholdout:
    """The published algorithm.

    Arguments:
        threshold: T, for losses in [0, 1].
        noise: sigma, likewise.
        budget: B, how often the holdout may speak.
        tolerance: tau of the theorem; None outside its setting, where nothing is stated. Set by `for_tolerance`.
        queries: m, how many queries the theorem covers; None for no limit. Set by `for_tolerance`.
        holdout_size: n, examples of the holdout for which it was set; None for any. Set by `for_tolerance`.
        bound: the largest loss; losses are divided by it.
        beta: probability of failure in the theorem's setting. Set by `for_tolerance`.

    Raises:
        InvalidArgument: a number out of its range, such as a budget of zero.
    """

    refs: ClassVar[tuple[Reference, ...]] = THRESHOLDOUT_REFS
    best_so_far: ClassVar[bool] = False

    threshold: float
    noise: float
    budget: int
    tolerance: float | None = None
    queries: int | None = None
    holdout_size: int | None = None
    bound: float = 1.0
    beta: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what is no setting."""
        _check_budget(self.budget)
        check_setting(
            self.threshold > 0.0 and self.noise > 0.0 and self.bound > 0.0,
            "Thresholdout: a setting is out of range",
            (self.threshold, self.noise, self.bound),
            "threshold, noise and bound above 0",
        )

    @classmethod
    def for_tolerance(
        cls,
        size: int,
        tolerance: float,
        *,
        queries: int,
        budget: int,
        beta: float = 0.05,
        bound: float = 1.0,
    ) -> Thresholdout:
        """The setting of the theorem.

        Arguments:
            size: examples of the holdout.
            tolerance: how far from the truth an answer may be, for losses in [0, 1].
            queries: how many there will be at most.
            budget: how often the holdout may speak.
            beta: probability with which an answer may be further off after all.
            bound: the largest loss.

        Raises:
            InvalidArgument: the holdout is too small for the theorem, or a number out of its range.
        """
        _check_budget(budget)
        check_setting(
            0.0 < tolerance < 1.0 and 0.0 < beta < 1.0 and queries >= 1,
            "Thresholdout: a setting of the theorem is out of range",
            (tolerance, beta, queries),
            "0 < tolerance < 1, 0 < beta < 1, queries >= 1",
        )
        rows = least_rows(tolerance, queries, budget, beta)
        check_setting(
            size >= rows,
            f"a holdout of {size} examples is too small for the theorem: {queries} adaptive queries to within "
            f"{tolerance:g} ask for {rows:,}",
            size,
            f"{rows} examples or more",
            "use PracticalThresholdout, whose error is measured but not proven, or the Ladder",
        )
        noise = theorem_noise(tolerance, queries, beta)
        return cls(0.75 * tolerance, noise, budget, float(tolerance), queries, size, float(bound), beta)

    @property
    def proven(self) -> bool:
        """Whether this is the theorem's setting."""
        return self.tolerance is not None

    @property
    def level(self) -> float:
        """The probability with which the theorem's error holds for all answers."""
        return 1.0 - self.beta

    def answer(
        self, state: HoldoutState, training: NDArray[np.float64], holdout: NDArray[np.float64], key: Key
    ) -> HoldoutAnswer:
        """Answer one query. Pure; the noise is named by the key, the query's place and the spends before it.

        Arguments:
            state: the fold of all answers so far.
            training: losses on the training part, shape (t,), in [0, bound].
            holdout: losses on the holdout, shape (n,), likewise.
            key: of the holdout's noise; the same for all queries.

        Raises:
            HoldoutUsedUp: the budget, or the number of queries that the theorem covers, is used up.
        """
        _check_left(state, self.budget)
        if self.queries is not None and state.queries >= self.queries:
            raise HoldoutUsedUp(
                message(f"the holdout was set up for {self.queries} queries and has answered them all", do=_FRESH)
            )
        bar = (
            self.threshold
            + key.child(f"threshold {state.spent}").generator().laplace(scale=2.0 * self.noise)
            + key.child(f"query {state.queries}").generator().laplace(scale=4.0 * self.noise)
        )
        low, high = float(training.mean()) / self.bound, float(holdout.mean()) / self.bound
        if abs(high - low) <= bar:
            return HoldoutAnswer(state.queries, self.bound * low, spent=False)
        noise = float(key.child(f"answer {state.spent}").generator().laplace(scale=self.noise))
        return HoldoutAnswer(state.queries, self.bound * (high + noise), spent=True)

    def stated_error(self, state: HoldoutState) -> float | None:
        """The theorem's tolerance, in units of the loss; None outside its setting."""
        return None if self.tolerance is None else self.bound * self.tolerance

    def left(self, state: HoldoutState) -> int:
        """How often the holdout may still speak."""
        return max(self.budget - state.spent, 0)

    def used_up(self, state: HoldoutState) -> bool:
        """Whether the budget, or the number of queries that the theorem covers, is used up."""
        return state.spent >= self.budget or (self.queries is not None and state.queries >= self.queries)

    def privacy(self, size: int, delta: float = 0.0) -> float:
        """The epsilon of the whole budget's differential privacy; see `accounting.privacy`."""
        return privacy(self.budget, self.noise, size, delta)

    def words(self, state: HoldoutState) -> str:
        """What was used, what is left, what is claimed."""
        error = self.stated_error(state)
        claim = (
            "Outside the theorem's setting no error is stated."
            if error is None
            else f"Every answer is within {error:g} of the truth, proven."
        )
        return f"{_used(state, self.budget)} {claim}"

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {"kind": "thresholdout", **asdict(self)}


@final
@dataclass(frozen=True, slots=True)
class PracticalThresholdout:
    """The setting of the authors' experiments, with a budget. What it states is a rule of thumb, not a theorem.

    Arguments:
        training_size: examples of the training part.
        holdout_size: examples of the holdout.
        budget: how often the holdout may speak.
        bound: the largest loss; losses are divided by it.

    Raises:
        InvalidArgument: a number out of its range, such as a budget of zero.

    >>> holdout = PracticalThresholdout(1000, 1000, budget=20)
    >>> state, key = HoldoutState(), Key(0, purpose="holdout")
    >>> fair, lucky = np.zeros(1000), np.zeros(1000)
    >>> fair[:300], lucky[:50] = 1.0, 1.0
    >>> holdout.answer(state, fair, fair, key).value
    0.3
    >>> holdout.answer(state, lucky, fair, key).spent
    True
    """

    refs: ClassVar[tuple[Reference, ...]] = THRESHOLDOUT_REFS
    proven: ClassVar[bool] = False
    best_so_far: ClassVar[bool] = False
    level: ClassVar[float] = 0.95

    training_size: int
    holdout_size: int
    budget: int = 100
    bound: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no setting."""
        _check_budget(self.budget)
        check_setting(
            self.training_size >= 1 and self.holdout_size >= 1 and self.bound > 0.0,
            "PracticalThresholdout: a setting is out of range",
            (self.training_size, self.holdout_size, self.bound),
            "sizes of 1 or more, a bound above 0",
        )

    def answer(
        self, state: HoldoutState, training: NDArray[np.float64], holdout: NDArray[np.float64], key: Key
    ) -> HoldoutAnswer:
        """Answer one query. Pure; the noise is named by key and losses, so it does not depend on the order of queries.

        Arguments and errors as of `Thresholdout.answer`.
        """
        _check_left(state, self.budget)
        sigma = practical_noise(self.holdout_size)
        threshold = practical_threshold(self.training_size, self.holdout_size)
        at_bar, at_answer = key.child(digest(training, holdout)).generator().normal(scale=sigma, size=2)
        low, high = float(training.mean()) / self.bound, float(holdout.mean()) / self.bound
        if abs(high - low) <= threshold + at_bar:
            return HoldoutAnswer(state.queries, self.bound * low, spent=False)
        return HoldoutAnswer(state.queries, self.bound * float(high + at_answer), spent=True)

    def stated_error(self, state: HoldoutState) -> float:
        """T + 3 sigma, in units of the loss."""
        return self.bound * practical_error(self.training_size, self.holdout_size)

    def left(self, state: HoldoutState) -> int:
        """How often the holdout may still speak."""
        return max(self.budget - state.spent, 0)

    def used_up(self, state: HoldoutState) -> bool:
        """Whether the budget is used up."""
        return state.spent >= self.budget

    def words(self, state: HoldoutState) -> str:
        """What was used, what is left, what is claimed."""
        return (
            f"{_used(state, self.budget)} Answers are within {self.stated_error(state):.3g} of the truth by a rule of "
            "thumb that was measured, not proven."
        )

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {"kind": "practical", **asdict(self)}


_FRESH = "judge the best trial on fresh examples, or start again with a fresh holdout"


def _used(state: HoldoutState, budget: int) -> str:
    """How much of the budget is gone."""
    return f"{state.queries} queries answered; the holdout spoke in {state.spent} of them, of {budget} allowed."


def _check_budget(budget: int) -> None:
    """Refuse a budget of nothing."""
    check_setting(
        isinstance(budget, int) and not isinstance(budget, bool) and budget >= 1,
        "a reusable holdout needs a budget: how often it may speak",
        budget,
        "a whole number, 1 or more",
        "use budget=100, or leave it out",
    )


def _check_left(state: HoldoutState, budget: int) -> None:
    """Refuse a query once the budget is used up."""
    if state.spent >= budget:
        raise HoldoutUsedUp(
            message(
                f"the holdout's budget is used up: it spoke {state.spent} times in {state.queries} queries, and more "
                "answers would fit the search to it",
                allowed=f"{budget} times",
                do=_FRESH,
            )
        )
