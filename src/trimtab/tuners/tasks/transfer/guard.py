"""The guard of a warm start: never behind the study without a corpus by more than a stated number of trials.

A study that is warm-started has trials of two kinds. *Warm* ones are proposed by what learnt from past tasks, and
carry a name that begins with `WARM`. All others are *cold*: the cold tuner is asked for them with the cold trials
alone, renumbered from 0, and with the key of that number. It so answers, bit for bit, what it would answer in a study
without a corpus, whatever the warm ones tell and whatever the corpus holds. Hence:

**Theorem.** Let w(n) be the number of warm ones among the first n trials of a study whose objective is a function of
the params and which runs one trial at a time. Then its best value after n trials is no worse than that of the cold
study after n - w(n) trials. For the other n - w(n) trials are those of the cold study, and the best is over more.

Here `is_warm_turn` keeps, for every corpus and objective,

    w(n) <= most_warm(n) = min(n - floor(n / 6), ceil(4 sqrt(n)))

so the study without a corpus is ahead by no more than that many trials: 8 of 9, 17 of 20, 29 of 50, 40 of 100, 127 of
1,000; a vanishing share. And a corpus that does not pay costs less. A warm trial is granted while a warm trial holds
the best value told, or else up to w(n) <= patience(n) = 3 + floor(log2(n)): if from trial m on the best is a cold one,
then

    w(n) <= max(w(m), patience(n)):   6 of 9, 7 of 20, 8 of 50, 9 of 100, 12 of 1,000

Warm proposals learn from all trials, cold ones from the cold alone: that is what the theorem costs. Trials that users
enqueued or added count as cold ones, since the cold study would have them too. Where several run at a time, the cold
study is the one in which the same cold trials are pending, and turns granted at the same moment, like lost warm trials
that are run again, may exceed the bound by their number. An ask reads every trial once: 20 ms at 2,000 trials.

**Exception.** In a space so small that it is listed, a cold proposal that a warm trial has already tried is not run
again: what it would tell is known. The cold tuner is then asked with all trials, and from there on its sequence is
another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Suggestion
from trimtab.space import Space

__all__ = ["WARM", "cold_history", "extended", "is_warm_turn", "most_warm", "patience", "warm_leads", "warm_numbers"]

WARM = "warm-start/"
"""How the tuner's name of every warm trial begins."""

STEADY, EACH, FREE = 4.0, 6, 3
"""Warm trials by the root of all, which trial is a cold one at first, and warm trials before any proves anything."""


def most_warm(trials: int) -> int:
    """How many of the first so many trials are warm ones, at most.

    >>> [most_warm(n) for n in (1, 4, 9, 20, 50, 100, 1000)]
    [1, 4, 8, 17, 29, 40, 127]
    """
    return min(trials - trials // EACH, math.ceil(STEADY * math.sqrt(trials)))


def patience(trials: int) -> int:
    """How many of the first so many trials are warm ones, at most, while none of them is the best.

    >>> [patience(n) for n in (1, 4, 9, 20, 50, 100, 1000)]
    [3, 5, 6, 7, 8, 9, 12]
    """
    return FREE + int(math.log2(max(trials, 1)))


def is_warm_turn(trials: int, warm: int, leads: bool) -> bool:
    """Whether the next trial is a warm one.

    Arguments:
        trials: how many there are, pending ones too.
        warm: how many of them are warm.
        leads: whether a warm trial holds the best value.
    """
    after = trials + 1
    return warm < most_warm(after) and (leads or warm < patience(after))


def warm_numbers(history: History[Space]) -> frozenset[int]:
    """Numbers of the warm trials; one that runs a lost warm trial again is warm too."""
    found: set[int] = set()
    for trial in history:
        if trial.tuner.startswith(WARM) or (trial.retry_of is not None and trial.retry_of in found):
            found.add(trial.number)
    return frozenset(found)


def warm_leads(history: History[Space], warm: frozenset[int]) -> bool:
    """Whether the best value of a complete, feasible trial was told by a warm one, and by no cold one."""
    best, cold = math.inf, math.inf
    losses = history.minimized[:, 0]
    for number in history.numbers(TrialState.COMPLETE).tolist():
        loss = float(losses[number])
        if not np.isfinite(loss) or loss >= (best if number in warm else cold):
            continue
        observation = history.trial(number).observation
        if observation is None or not observation.feasible:
            continue
        if number in warm:
            best = loss
        else:
            cold = loss
    return best < cold


def cold_history(history: History[Space], warm: frozenset[int]) -> History[Space]:
    """The history of the study that has the cold trials alone, renumbered from 0."""
    places: dict[int, int] = {}
    trials: list[FrozenTrial] = []
    for trial in history:
        if trial.number in warm:
            continue
        places[trial.number] = len(trials)
        earlier = None if trial.retry_of is None else places.get(trial.retry_of)
        trials.append(trial.with_(number=len(trials), retry_of=earlier, reports=()))
    curves = {places[number]: curve for number, curve in history.curves.items() if number in places}
    return History(history.study, history.space, trials, history.seq, curves)


def extended(history: History[Space], proposed: Sequence[Suggestion]) -> History[Space]:
    """The history once suggestions are pending trials."""
    if not proposed:
        return history
    trials = [history.trial(number) for number in range(len(history))]
    for suggestion in proposed:
        trials.append(
            FrozenTrial(len(trials), TrialState.RUNNING, suggestion.params, tuner=suggestion.tuner, why=suggestion.why)
        )
    return History(history.study, history.space, trials, history.seq, history.curves)
