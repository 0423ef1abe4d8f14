"""The box of past optima, with and without slack, as a space; and when it opens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Normal, Space
from trimtab.testing.histories import make_history
from trimtab.tuners import make_tuner
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask, PrunedSpace
from trimtab.tuners.tasks.transfer.pruned_space import smallest_interval

SPACE = Space(
    lr=Float(1e-4, 1.0, log=True, default=0.9),
    layers=Int(1, 9, prior=Normal(8.0, 1.0)),
    units=Int(16, 1024, powers_of=2),
    step=Float(0.0, 1.0, step=0.1),
    act=Categorical(["relu", "tanh"]),
    opt=Choice({"sgd": Space(momentum=Float(0.0, 1.0)), "adam": None}),
)
BEST: list[dict[str, Any]] = [
    {"lr": 0.001, "layers": 2, "units": 64, "step": 0.2, "act": "relu", "opt": "sgd", "opt.sgd.momentum": 0.9},
    {"lr": 0.01, "layers": 4, "units": 256, "step": 0.6, "act": "tanh", "opt": "adam"},
    {"lr": 0.002, "layers": 3, "units": 128, "step": 0.3, "act": "relu", "opt": "sgd", "opt.sgd.momentum": 0.5},
]


def corpus() -> Corpus:
    """Three tasks, each with its best and worse trials elsewhere."""
    tasks = []
    for number, best in enumerate(BEST):
        rows = SPACE.sample(np.random.default_rng(number), 5)
        tasks.append(CorpusTask(f"t{number}", SPACE, [*rows, best], [1.0, 2.0, 3.0, np.nan, 1.5, 0.1]))
    return Corpus(tasks)


def test_the_box_holds_every_past_best_and_no_more() -> None:
    """Each number's ends are past bests, on its grid; nested ones too; categories keep theirs."""
    found = PrunedSpace(corpus(), make_tuner("random")).space(make_history(SPACE))
    assert found["lr"] == Float(0.001, 0.01, log=True)
    assert found["layers"] == Int(2, 4)
    assert found["units"] == Int(64, 256, powers_of=2)
    assert found["step"] == Float(0.2, 0.6, step=0.1)
    assert found["act"] == SPACE["act"]
    assert found["opt.sgd.momentum"] == Float(0.5, 0.9)
    assert all(found.contains(best) for best in BEST)


def test_any_tuner_searches_within() -> None:
    """Its suggestions are configurations of both spaces, and say what was pruned."""
    for name in ("random", "gp", "sobol"):
        tuner = PrunedSpace(corpus(), make_tuner(name))
        narrow = tuner.space(make_history(SPACE))
        found = tuner.ask(make_history(SPACE), 3, Key(0, 0, "ask"))
        assert len(found) == 3
        for suggestion in found:
            narrow.validate(suggestion.params)
            SPACE.validate(suggestion.params)
            assert "5 of 5 ranges pruned" in suggestion.why


def test_an_end_opens_where_the_best_trial_lies_at_it() -> None:
    """On that side alone; it closes again when a better trial lies inside; outside counts as at the end."""
    tuner = PrunedSpace(corpus(), make_tuner("random"))
    inside = {**BEST[0], "lr": 0.003, "layers": 3, "units": 128, "step": 0.4, "opt.sgd.momentum": 0.7}
    at_end = {**inside, "layers": 4}
    beyond = {**inside, "lr": 0.5}
    history = make_history(SPACE, [(at_end, 1.0)])
    assert tuner.space(history)["layers"] == Int(2, 9, prior=Normal(8.0, 1.0))
    assert tuner.space(history)["lr"] == Float(0.001, 0.01, log=True)
    history = make_history(SPACE, [(at_end, 1.0), (beyond, 0.5)])
    assert tuner.space(history)["lr"] == Float(0.001, 1.0, log=True, default=0.9)
    history = make_history(SPACE, [(at_end, 1.0), (beyond, 0.5), (inside, 0.1)])
    assert tuner.space(history) == tuner.space(make_history(SPACE))


def test_a_small_box_that_was_tried_opens_altogether() -> None:
    """A space of a few integers ends only when the whole of it was tried."""
    small = Space(a=Int(1, 4), b=Int(1, 3))
    rows = [{"a": 2, "b": 1}, {"a": 3, "b": 2}]
    past = Corpus([CorpusTask(f"t{k}", small, [row], [0.0]) for k, row in enumerate(rows)])
    tuner = PrunedSpace(past, make_tuner("random"))
    told: list[tuple[Any, Any]] = []
    while found := tuner.ask(make_history(small, told), 1, Key(0, len(told), "ask")):
        told.append((found[0].params, None))
    assert len({tuple(params.items()) for params, _ in told}) == len(told) == 12
    assert all(params["a"] in (2, 3) and params["b"] in (1, 2) for params, _ in told[:4])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 64).map(lambda k: k / 64), min_size=1, max_size=8), st.floats(0.05, 3.0))
def test_slack_is_the_cheapest_pair_of_points(points: list[float], slack: float) -> None:
    """Against all pairs, by loops; and a dear slack leaves no point outside."""
    x = np.array(points)

    def cost(low: float, high: float) -> float:
        outside = sum(max(low - v, 0.0) + max(v - high, 0.0) for v in points)
        return 0.5 * (high - low) ** 2 + slack * outside / len(points)

    first, last = smallest_interval(x, slack)
    assert x[first] <= x[last]
    assert cost(x[first], x[last]) <= min(cost(a, b) for a in points for b in points if a <= b) + 1e-12
    first, last = smallest_interval(x, 10.0 * len(points))
    assert (x[first], x[last]) == (x.min(), x.max())
    first, last = smallest_interval(x, None)
    assert (x[first], x[last]) == (x.min(), x.max())


def test_slack_leaves_an_outlier_out() -> None:
    """One of ten far away is worth less than the room that holding it takes; the free optimum agrees about that."""
    points = np.append(np.linspace(0.3, 0.4, 9), 0.95)
    first, last = smallest_interval(points, 1.0)
    assert points[last] == 0.4
    free = minimize(
        lambda e: 0.5 * (e[1] - e[0]) ** 2 + np.mean(np.maximum(e[0] - points, 0) + np.maximum(points - e[1], 0)),
        [0.3, 0.95],
        method="Nelder-Mead",
    )
    assert free.x[1] < 0.6
    assert points[first] == 0.3


def test_a_slack_that_is_none_is_refused() -> None:
    """It would leave everything outside."""
    with pytest.raises(InvalidArgument, match="above 0"):
        PrunedSpace(corpus(), make_tuner("random"), slack=0.0)
