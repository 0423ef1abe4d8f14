"""The guard: the cold trials are those of a study without a corpus, bit for bit, and the warm ones are few."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trimtab as tt
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Observation
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space
from trimtab.testing.histories import make_history
from trimtab.tuners import make_tuner
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask, WarmStart
from trimtab.tuners.tasks.transfer.guard import (
    WARM,
    cold_history,
    is_warm_turn,
    most_warm,
    patience,
    warm_leads,
    warm_numbers,
)

SPACE = Space(x=Float(1e-3, 1.0, log=True), y=Float(-1.0, 1.0), n=Int(1, 9))


def bowl(params: Mapping[str, Any]) -> float:
    """An objective with its minimum at x = 0.1, y = 0.5, n = 3."""
    return float((math.log10(params["x"]) + 1) ** 2 + (params["y"] - 0.5) ** 2 + 0.05 * (params["n"] - 3) ** 2)


@cache
def corpus(kind: str) -> Corpus:
    """Three tasks of 25 trials: as they are, shuffled, negated, failed in part, or of another space."""
    tasks = []
    for number in range(3):
        rng = np.random.default_rng(number)
        rows = SPACE.sample(rng, 25)
        losses = np.array([bowl(row) for row in rows])
        if kind == "shuffled":
            losses = rng.permutation(losses)
        if kind == "negated":
            losses = -losses
        if kind == "failing":
            losses[::2] = np.nan
        if kind == "other space":
            other = Space(y=Float(-1.0, 1.0), z=Float(0.0, 1.0))
            tasks.append(CorpusTask(f"t{number}", other, other.sample(rng, 25), losses))
            continue
        tasks.append(CorpusTask(f"t{number}", SPACE, rows, losses))
    return Corpus(tasks)


def study(tuner: Any, trials: int, objective: Callable[[Any], float] = bowl, past: Corpus | None = None) -> tt.Study:
    """A finished study."""
    made = tt.create_study(space=SPACE, tuner=tuner, seed=5, corpus=past)
    made.optimize(lambda trial: objective(trial.params), n_trials=trials, catch=ValueError)
    return made


def failing(params: Mapping[str, Any]) -> float:
    """A bowl that a quarter of the space fails in."""
    if params["y"] < -0.5:
        raise ValueError("no")
    return bowl(params)


@pytest.mark.parametrize(
    ("tuner", "kind", "objective"),
    [
        ("tpe", "good", bowl),
        ("tpe", "shuffled", bowl),
        ("random", "negated", bowl),
        ("random", "negated", lambda params: -bowl(params)),
        ("random", "failing", failing),
        ("random", "other space", failing),
        ("tpe", "other space", lambda _: 1.0),
    ],
)
def test_the_cold_trials_are_those_of_the_cold_study(tuner: str, kind: str, objective: Callable[[Any], float]) -> None:
    """Params, losses and names agree exactly; so the best is no worse than the cold study's n - w(n) trials before."""
    warm = study(tuner, 12, objective, corpus(kind))
    cold = study(tuner, 12, objective)
    kept = [trial for trial in warm.trials if not trial.tuner.startswith(WARM)]
    assert 0 < len(kept) < 12
    for ours, theirs in zip(kept, cold.trials, strict=False):
        assert (ours.params, ours.tuner, ours.state) == (theirs.params, theirs.tuner, theirs.state)
    warm_values, cold_values = (np.fmin.accumulate(s.history.minimized[:, 0]) for s in (warm, cold))
    for trials in range(1, 13):
        count = sum(trial.tuner.startswith(WARM) for trial in warm.trials[:trials])
        assert count <= most_warm(trials)
        if trials > count and np.isfinite(cold_values[trials - count - 1]):
            assert warm_values[trials - 1] <= cold_values[trials - count - 1]


def test_the_gaussian_process_goes_on_as_it_would_alone() -> None:
    """The tuner that learns most from its own trials, in all its parts."""
    warm, cold = study("gp", 14, past=corpus("shuffled")), study("gp", 8)
    kept = [trial.params for trial in warm.trials if not trial.tuner.startswith(WARM)]
    assert kept == [trial.params for trial in cold.trials[: len(kept)]]
    assert 14 - most_warm(14) <= len(kept) <= 8


@given(st.lists(st.booleans(), min_size=1, max_size=400))
def test_whatever_leads_the_bounds_hold(leads: list[bool]) -> None:
    """Both bounds, for any sequence of who leads; and the second needs it to stay a cold one."""
    warm = 0
    last_lead = 0
    for trials, lead in enumerate(leads):
        last_lead = warm if lead else last_lead
        if is_warm_turn(trials, warm, lead):
            warm += 1
            last_lead = warm if lead else last_lead
        assert warm <= most_warm(trials + 1)
        assert warm <= max(last_lead, patience(trials + 1))


def test_a_corpus_that_pays_leads_most_of_the_time_at_first() -> None:
    """While a warm trial is the best, the bound is reached."""
    warm = 0
    for trials in range(200):
        warm += is_warm_turn(trials, warm, True)
        assert warm == most_warm(trials + 1)


def test_bounds_grow_and_their_share_vanishes() -> None:
    """Neither ever falls, so that a bound that held goes on holding."""
    counts = range(1, 5000)
    for bound in (most_warm, patience):
        values = [bound(n) for n in counts]
        assert values == sorted(values)
    assert most_warm(10_000) <= 0.041 * 10_000


def test_who_leads_counts_feasible_complete_trials() -> None:
    """Ties are no lead; nor is a value of a trial that broke a constraint or was pruned."""
    row = {"x": 0.1, "y": 0.0, "n": 1}
    broken = Observation(-5.0, constraints={"memory": 1.0})
    history = make_history(SPACE, [(row, 1.0), (row, 1.0), (row, broken), (row, None), (row, math.nan)])
    assert not warm_leads(history, frozenset({1, 2, 3, 4}))
    assert warm_leads(make_history(SPACE, [(row, 1.0), (row, 0.5)]), frozenset({1}))
    assert not warm_leads(make_history(SPACE, [(row, -1.0), (row, -0.5)], direction="maximize"), frozenset({0}))


def test_the_cold_history_is_renumbered_and_retries_stay_with_what_they_retry() -> None:
    """A lost warm trial's retry is warm, a lost cold one's refers to the cold one's new number."""
    made = make_history(SPACE)
    names = ["random", WARM + "a", WARM + "a", "", "", "random"]
    retries = [None, None, None, 1, 0, None]
    row = {"x": 0.1, "y": 0.0, "n": 1}
    trials = [
        FrozenTrial(k, TrialState.COMPLETE, row, Observation(float(k)), retry_of=retry, tuner=name)
        for k, (name, retry) in enumerate(zip(names, retries, strict=True))
    ]
    history = type(made)(made.study, SPACE, trials)
    warm = warm_numbers(history)
    assert warm == {1, 2, 3}
    cold = cold_history(history, warm)
    assert [(t.number, t.value, t.retry_of) for t in cold] == [(0, 0.0, None), (1, 4.0, 0), (2, 5.0, None)]


def test_trials_from_elsewhere_belong_to_both() -> None:
    """An enqueued configuration stands in the cold history, where the cold study would have it."""
    made = tt.create_study(space=SPACE, tuner="random", seed=5, corpus=corpus("good"))
    made.enqueue_trial({"x": 0.5, "y": 0.5, "n": 5})
    made.optimize(lambda trial: bowl(trial.params), n_trials=12)
    alone = tt.create_study(space=SPACE, tuner="random", seed=5)
    alone.enqueue_trial({"x": 0.5, "y": 0.5, "n": 5})
    alone.optimize(lambda trial: bowl(trial.params), n_trials=5)
    kept = [trial.params for trial in made.trials if not trial.tuner.startswith(WARM)]
    assert kept == [trial.params for trial in alone.trials[: len(kept)]]
    assert len(kept) >= 2


def test_several_at_once_keep_the_bound_and_differ() -> None:
    """One ask for twelve proposes like twelve asks with all pending."""
    found = WarmStart(make_tuner("random"), corpus("good")).ask(make_history(SPACE), 12, Key(0, 0, "ask"))
    assert sum(suggestion.tuner.startswith(WARM) for suggestion in found) <= patience(12)
    assert len({tuple(suggestion.params.items()) for suggestion in found}) == 12


def test_in_a_listed_space_nothing_is_run_twice() -> None:
    """Where a warm trial has tried what the cold one wants, that one goes on with all trials; the space ends once."""
    small = Space(a=Int(1, 4), b=Int(1, 4))
    rows = small.sample(np.random.default_rng(0), 12)
    past = Corpus([CorpusTask("one", small, rows, [float(row["a"] + row["b"]) for row in rows])])
    made = tt.create_study(space=small, tuner="random", seed=1, corpus=past)
    made.optimize(lambda trial: trial.params["a"] * trial.params["b"], n_trials=30)
    assert len(made.trials) == 16
    assert len({tuple(trial.params.items()) for trial in made.trials}) == 16
    assert made.stopped
