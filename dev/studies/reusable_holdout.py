"""How far from the truth a holdout's answers get when it is asked ten thousand times, and by whom.

    .venv/bin/python dev/studies/reusable_holdout.py noise 0 200
    .venv/bin/python dev/studies/reusable_holdout.py signal 0 50
    .venv/bin/python dev/studies/reusable_holdout.py climb 0 50
    .venv/bin/python dev/studies/reusable_holdout.py attack 0 200
    .venv/bin/python dev/studies/reusable_holdout.py boosting 0 20

The numbers are the first seed and the one after the last; a run of `noise` takes two seconds on one core, of `signal`
and `climb` three, of the others less than one. Training part and holdout have 1,000 examples each. Labels are fair
coins, unless said otherwise, so that every classifier errs in half of the cases in truth.

- noise: each of 10,000 features of two values is a trial, a classifier by that feature. Then classifiers are built from
  the features whose loss is on the same side of 1/2 on both parts, as far as the holdout's answers tell, by a vote of
  the 11, 101, 501 and 2,001 most telling ones and of all: the construction of Dwork et al., Science 349 (2015), with
  the signs of its features.
- signal: the same where 20 features are right in 57.5% of the cases, as their shift by 6/sqrt(n) makes the signs of
  features there. The truth of a vote is from 5,000 new examples.
- climb: 10,000 trials, each a random vote added to the best so far, kept where its answer is lower.
- attack: the analyst knows the training labels and makes the holdout speak at every query, until the budget is used
  up; then asks for the vote of all queries weighted by their answers.
- boosting: 500 random submissions to a leaderboard of 4,000 examples, and the majority vote of those that looked good
  (Blum and Hardt, ICML 2015).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.trust.holdout import (
    FreeLadder,
    HoldoutState,
    HoldoutUsedUp,
    Ladder,
    PracticalThresholdout,
    ReusableHoldout,
    Thresholdout,
)

SIZE, TRIALS = 1000, 10_000
VOTES = (11, 101, 501, 2001, TRIALS)
SHIFTED = 0.575
Array = NDArray[np.float64]


class Asker:
    """One holdout of one run, asked through a mechanism or naively; keeps every answer."""

    def __init__(self, holdout: ReusableHoldout | None, seed: int) -> None:
        self.holdout, self.state, self.key = holdout, HoldoutState(), Key(seed, purpose="holdout")
        self.answers: list[float] = []

    def ask(self, losses: Array) -> float:
        """The answer for one model's losses on the training part and on the holdout."""
        if self.holdout is None:
            value = float(losses[SIZE:].mean())
        else:
            answer, self.state = self.holdout.query(self.state, losses, self.key)
            value = answer.value
        self.answers.append(value)
        return value


def practical(budget: int = 100, size: int = SIZE) -> ReusableHoldout:
    """The default."""
    return ReusableHoldout.of(range(size), range(size, 2 * size), budget=budget)


def over(mechanism: Thresholdout | Ladder | FreeLadder) -> ReusableHoldout:
    """Another mechanism over the same parts."""
    return ReusableHoldout.of(range(SIZE), range(SIZE, 2 * SIZE), mechanism=mechanism)


def errs(side: NDArray[np.float32], wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the vote of an odd number of classifiers errs; `side` is -1 for those that are asked for the opposite."""
    return side.sum() < 2.0 * (side @ wrong.astype(np.float32))


def selection(seed: int, signal: int) -> dict[str, float]:
    """One run of `noise` or `signal`."""
    rng = np.random.default_rng(seed)
    chance = np.full(TRIALS, 0.5)
    chance[:signal] = SHIFTED

    def wrong(size: int, columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where the classifiers by some features err, shape (features, size)."""
        if not signal:
            return rng.integers(0, 2, (len(columns), size), dtype=np.int8).view(np.bool_)
        return rng.random((len(columns), size), dtype=np.float32) >= chance[columns, None]

    both = wrong(2 * SIZE, np.arange(TRIALS))
    training = both[:, :SIZE].mean(axis=1)
    out: dict[str, float] = {}
    for name in ("naive", "practical"):
        asker = Asker(None if name == "naive" else practical(), seed)
        answers = np.array([asker.ask(row.astype(np.float64)) for row in both])
        out[f"{name}: best of 10,000"] = float(answers.min())
        same = np.flatnonzero((training - 0.5) * (answers - 0.5) > 0)
        ranked = same[np.argsort(-np.abs(training[same] - 0.5))]
        truths = chance[np.arange(TRIALS)]
        worst = float(np.abs(answers - (1.0 - truths)).max())
        for count in VOTES:
            chosen = ranked[: min(count, len(ranked) - 1 + len(ranked) % 2)]
            side = np.sign(0.5 - training[chosen]).astype(np.float32)
            told = asker.ask(errs(side, both[chosen]).astype(np.float64))
            truth = 0.5
            if signal:
                truth = float(errs(side, wrong(5_000, chosen)).mean())
                out[f"{name}: truth of the vote of {count}"] = truth
            out[f"{name}: vote of {count}"] = told
            worst = max(worst, abs(told - truth))
        out[f"{name}: largest error"] = worst
        out[f"{name}: spoke"] = asker.state.spent
    return out


def noise(seed: int) -> dict[str, float]:
    """No feature says anything."""
    return selection(seed, 0)


def signal(seed: int) -> dict[str, float]:
    """Twenty features of ten thousand do."""
    return selection(seed, 20)


def climb(seed: int) -> dict[str, float]:
    """Hill climbing on the answers."""
    out: dict[str, float] = {}
    sides: dict[str, ReusableHoldout | None] = {
        "naive": None,
        "practical": practical(),
        "ladder": over(Ladder.for_queries(SIZE, TRIALS)),
        "free ladder": over(FreeLadder()),
    }
    for name, holdout in sides.items():
        rng = np.random.default_rng(seed)
        labels = rng.choice(np.array([-1.0, 1.0]), 2 * SIZE)
        votes, best = np.zeros(2 * SIZE), np.inf
        asker = Asker(holdout, seed)
        for _ in range(TRIALS):
            tried = votes + rng.standard_normal(2 * SIZE)
            losses = (tried * labels <= 0) * 1.0
            try:
                told = asker.ask(losses)
            except HoldoutUsedUp:
                break
            if told < best:
                votes, best = tried, told
        out[f"{name}: answered"] = len(asker.answers)
        out[f"{name}: best answer"] = min(asker.answers)
        out[f"{name}: largest error"] = float(np.abs(np.array(asker.answers) - 0.5).max())
        out[f"{name}: spoke"] = asker.state.spent
    return out


def attack(seed: int) -> dict[str, float]:
    """Spend the whole budget, then ask once more: with a budget of one more, for the last question."""
    out: dict[str, float] = {}
    for budget in (25, 100, 400, 1600):
        rng = np.random.default_rng(seed)
        asker = Asker(practical(budget + 1), seed)
        known = np.zeros(SIZE)  # the training labels are known, so the training part says: no error
        queries = rng.integers(0, 2, (budget, SIZE)).astype(np.float64)
        weights = 0.5 - np.array([asker.ask(np.concatenate([known, losses])) for losses in queries])
        votes = weights @ (0.5 - queries)
        told = asker.ask(np.concatenate([known, (votes <= 0) * 1.0]))
        out[f"budget {budget}: last answer"] = told
        out[f"budget {budget}: its error"] = abs(told - 0.5)
        out[f"budget {budget}: largest error"] = float(np.abs(np.array(asker.answers) - 0.5).max())
    return out


def boosting(seed: int) -> dict[str, float]:
    """Majority vote of the submissions that the leaderboard liked; its loss on the public examples."""
    rng = np.random.default_rng(seed)
    size, count = 4000, 500
    losses = rng.integers(0, 2, (count, size)).astype(np.float64)
    liked: dict[str, Callable[[], NDArray[np.bool_]]] = {"five digits": lambda: losses.mean(axis=1) <= 0.5}
    for name, ladder in (("free ladder", FreeLadder()), ("ladder, step 0.05", Ladder(size, 0.05))):

        def improved(mechanism: FreeLadder | Ladder = ladder) -> NDArray[np.bool_]:
            state, moved = HoldoutState(), []
            for row in losses:
                answer = mechanism.answer(state, row, row, Key(seed))
                moved.append(answer.spent and answer.value < (0.5 if state.last is None else state.last))
                state = state.advanced(answer)
            return np.array(moved)

        liked[name] = improved
    out: dict[str, float] = {}
    for name, of in liked.items():
        chosen = of()
        wrong = losses[chosen].sum(axis=0) - chosen.sum() / 2.0
        coin = rng.integers(0, 2, size)
        out[f"{name}: public loss"] = float(np.where(wrong == 0.0, coin, wrong > 0).mean())
        out[f"{name}: liked"] = float(chosen.sum())
    return out


RUNS = {"noise": noise, "signal": signal, "climb": climb, "attack": attack, "boosting": boosting}


def table(rows: Sequence[dict[str, float]]) -> None:
    """Over runs: mean, least, 95% quantile, largest, and how many lay within the error that the mechanism states."""
    stated = PracticalThresholdout(SIZE, SIZE).stated_error(HoldoutState())
    ladder = Ladder.for_queries(SIZE, TRIALS)
    proven = ladder.stated_error(HoldoutState(queries=TRIALS))
    print(f"stated error: practical {stated:.3f}; Ladder with step {ladder.step:.3f} {proven:.3f}, proven")
    print("| quantity | mean | least | 95% | largest | within the stated error |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in rows[0]:
        column = np.array([row[name] for row in rows])
        within = ""
        if "error" in name:
            within = f"{int((column <= (proven if name.startswith('ladder') else stated)).sum())} of {len(rows)}"
        told = " | ".join(f"{x:.4g}" for x in (column.mean(), column.min(), np.quantile(column, 0.95), column.max()))
        print(f"| {name} | {told} | {within} |")


if __name__ == "__main__":
    table([RUNS[sys.argv[1]](seed) for seed in range(int(sys.argv[2]), int(sys.argv[3]))])
