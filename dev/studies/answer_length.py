"""Stop rules from answer lengths: how often they fire where length says nothing, and where a threshold was planted.

    .venv/bin/python dev/studies/answer_length.py

Takes two or three minutes on one core. Lengths are log-normal with median 3,000; beyond 6,000 (one in eight) lie the
planted errors. "difficulty" makes hard questions longer and more often wrong, while length says nothing among questions
of one difficulty: told the categories, a rule that fires is an error; not told them, it fires rightly but for
difficulty. "peeking" is what fitting thresholds to all of the data and testing the best of them by Fisher's test at the
same level would have done. Two numbers after the name are the seeds to run.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import hypergeom

from trimtab.base.seeds import Key
from trimtab.trust.answer_length import AnswerLog, accuracy_by_length, fit_stop_rule, length_association

KINDS = ("null, 7% wrong", "null, 30% wrong", "planted", "difficulty, told", "difficulty, not told")


def log(kind: str, count: int, seed: int) -> AnswerLog:
    """A log of answers."""
    rng = np.random.default_rng([seed, count, KINDS.index(kind)])
    lengths = np.round(3000 * np.exp(0.6 * rng.standard_normal(count)))
    if kind.startswith("difficulty"):
        hard = rng.random(count) < 0.4
        lengths = np.round(lengths * np.where(hard, 2.0, 0.8))
        correct = rng.random(count) > np.where(hard, 0.3, 0.03)
        names = [("hard" if each else "easy") for each in hard]
        return AnswerLog.of(lengths, correct, names if kind == "difficulty, told" else None)
    if kind == "planted":
        return AnswerLog.of(lengths, rng.random(count) > np.where(lengths > 6000, 0.3, 0.02))
    return AnswerLog.of(lengths, rng.random(count) > (0.07 if "7%" in kind else 0.3))


def peeking(found: AnswerLog, alpha: float) -> bool:
    """Whether the best of all thresholds, five answers on either side, is significant by Fisher's test."""
    wrong = ~found.correct[np.argsort(found.lengths)]
    sizes = np.arange(5, len(wrong) - 4)
    beyond = np.array([wrong[-size:].sum() for size in sizes])
    return bool((hypergeom.sf(beyond - 1, len(wrong), wrong.sum(), sizes) <= alpha).any())


def main(seeds: range) -> None:
    """Print the tables."""
    print("| log | answers | fires | and confirmed on B | area interval holds 1/2 | threshold within 20% | peeking |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        for count in (100, 300):
            fires, confirmed, holds, near, peeks = [], [], [], [], []
            for seed in seeds:
                found = log(kind, count, seed)
                rule = fit_stop_rule(found, key=Key(seed, purpose="study"))
                fires.append(rule.fires)
                confirmed.append(rule.fires and rule.confirmation <= 0.025)
                near.append(abs(rule.threshold / 6000 - 1) <= 0.2)
                peeks.append(peeking(found, 0.025))
                if count == 100 and 0 < found.correct.sum() < count:
                    seen = length_association(found, key=Key(seed, purpose="study"))
                    holds.append(0.5 in seen.interval)
            cells = [f"{np.mean(fires):.3f}"]
            cells += [f"{np.mean(each):.3f}" if each else "" for each in (confirmed, holds)]
            cells += [f"{np.mean(near):.3f}" if kind == "planted" else "", f"{np.mean(peeks):.3f}"]
            print(f"| {kind} | {count} | {' | '.join(cells)} |", flush=True)
    print("\n| answers | looks | kind of interval | all five hold, at all looks |\n| --- | --- | --- | --- |")
    edges = [1500.0, 2500.0, 3500.0, 6000.0]
    for anytime in (False, True):
        for looks in ((300,), tuple(range(20, 301, 8))):
            held = []
            for seed in seeds:
                found = log("planted", 300, seed)
                held.append(
                    all(
                        (0.7 if place == 4 else 0.98) in row.interval
                        for look in looks
                        for place, row in enumerate(
                            accuracy_by_length(found.take(np.arange(look)), edges=edges, anytime=anytime)
                        )
                    )
                )
            kind = "anytime" if anytime else "one look"
            print(f"| 300 | {len(looks)} | {kind} | {np.mean(held):.3f} |", flush=True)


if __name__ == "__main__":
    main(range(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else range(1000))
