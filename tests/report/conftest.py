"""What the tests of the report share: a realistic study and hostile names."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Interval, Objective, Observation, Report, Selection, StudyRecord
from trimtab.space import Bool, Categorical, Choice, Float, Int, Space

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

TRACEBACK = """Traceback (most recent call last):
  File "objective.py", line 41, in objective
    model.fit(x, y)
ValueError: Solver produced non-finite parameter weights at iteration {}.
"""


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def mixed_space() -> Space:
    return Space(
        lr=Float(1e-5, 1e-1, log=True),
        width=Int(16, 1024, log=True),
        batch_size=Int(16, 256, powers_of=2),
        dropout=Float(0.0, 0.6),
        activation=Categorical(["relu", "gelu", "tanh"]),
        early_stopping=Bool(),
        optimizer=Choice(
            {"adam": Space(beta2=Float(0.9, 0.9999)), "sgd": Space(momentum=Float(0.0, 0.99)), "lbfgs": None}
        ),
    )


def _trial(number: int, params: dict[str, Any], rng: np.random.Generator) -> FrozenTrial:
    """A noisy valley in the learning rate; some trials fail, some are pruned."""
    value = 0.1 + 0.05 * (math.log10(params["lr"]) + 2.7) ** 2 + 0.01 * rng.normal()
    state, reason, text = TrialState.COMPLETE, EndReason.COMPLETED, ""
    observation: Observation | None = Observation(value, stderr=0.01)
    if number % 11 == 4:
        state, reason, text, observation = TrialState.FAIL, EndReason.ERROR, TRACEBACK.format(number), None
    elif number % 17 == 6:
        state, reason, observation = TrialState.FAIL, EndReason.DIVERGED, Observation(math.nan)
    elif number % 7 == 3:
        state, reason = TrialState.PRUNED, EndReason.PRUNED
        observation = observation if number % 2 else None
    begun = 1.7e9 + 5.0 * number
    why = f"initial design, point {number}" if number < 10 else "largest expected improvement"
    return FrozenTrial(
        number=number,
        state=state,
        params=params,
        observation=observation,
        reason=reason,
        text=text,
        worker=f"w{number % 2}",
        token=1,
        created=begun,
        started=begun,
        ended=begun + 7.5,
        tuner="sobol" if number < 10 else "gp",
        why=why,
    )


@pytest.fixture(scope="session")
def make_study(mixed_space: Space) -> Callable[..., History[Space]]:
    """make_study(n): a study of n trials over a mixed, conditional space, with failures, prunings and curves."""

    @cache
    def make(n: int, seed: int = 0, name: str = "digits", curves: bool = True) -> History[Space]:
        rng = np.random.default_rng(seed)
        trials = [_trial(number, dict(params), rng) for number, params in enumerate(mixed_space.sample(rng, n))]
        record = StudyRecord(name, (Objective("loss"),), seed=17, space=mixed_space.to_json(), created=1.7e9)
        trials = [
            t.with_(observation=Observation({"loss": t.value}, t.observation.stderr and {"loss": 0.01}))
            if t.observation is not None and t.value is not None
            else t
            for t in trials
        ]
        told = {t.number: tuple(Report(s, {"loss": 1.0 / s + t.number / 100}) for s in range(1, 6)) for t in trials}
        return History(record, mixed_space, trials, seq=4 * n, curves=told if curves else None)

    return make


@pytest.fixture(scope="session")
def study(make_study: Callable[..., History[Space]]) -> History[Space]:
    return make_study(60)


@pytest.fixture(scope="session")
def pick() -> Callable[..., Selection]:
    """pick(history, trial): a selection made by hand."""

    def make(history: History[Space], trial: int, others: tuple[int, ...] = ()) -> Selection:
        value = float(history.values[trial, 0])
        return Selection(
            trial=trial,
            params=history.trial(trial).params or {},
            objective=history.objectives[0],
            estimate=value + 0.01,
            interval=Interval(value - 0.01, value + 0.03, 0.95),
            tie_set=(trial, *others),
            method="shrinkage of the observed means",
            caveats=("The interval covers the noise of one evaluation.",),
            observed=value,
        )

    return make
