"""The observed best, its staircase and the observed Pareto set, against slow obvious twins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation
from trimtab.space import Float, Space
from trimtab.testing.histories import Told, make_history
from trimtab.trust import observed_best, observed_incumbents, observed_pareto

SPACE = Space(x=Float(0.0, 1.0))
PAIR = (Objective("loss"), Objective("accuracy", "maximize"))


def history_of(told: Sequence[Told], **study: object) -> History[Space]:
    return make_history(SPACE, [({"x": 0.5}, end) for end in told], **study)  # type: ignore[arg-type]


def broken(value: float) -> Observation:
    return Observation(value, constraints={"memory": 1.0})


ends = st.one_of(
    st.integers(0, 5).map(float),
    st.integers(0, 5).map(float).map(broken),
    st.sampled_from([None, EndReason.PRUNED, float("nan"), float("inf")]),
)


def test_failed_pruned_diverged_and_infeasible_trials_are_never_the_best() -> None:
    told = [None, EndReason.PRUNED, float("-inf"), broken(-9.0), 3.0, 1.0, 1.0, 2.0]
    assert observed_best(history_of(told)) == 5  # the first on ties
    assert observed_incumbents(history_of(told)).tolist() == [4, 5]


def test_a_maximised_objective_is_turned() -> None:
    history = history_of([1.0, 3.0, 2.0, 3.0], direction="maximize")
    assert observed_best(history) == 1
    assert observed_incumbents(history).tolist() == [0, 1]


@pytest.mark.parametrize("told", [[], [None, float("nan")], [broken(1.0)]])
def test_nothing_to_choose_from_is_none_and_empty(told: list[Told]) -> None:
    history = history_of(told)
    assert observed_best(history) is None
    assert observed_incumbents(history).size == 0
    assert observed_pareto(history).size == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(ends, max_size=12))
def test_the_steps_are_the_bests_of_every_beginning(told: list[Told]) -> None:
    history = history_of(told)
    bests = [observed_best(history_of(told[: count + 1])) for count in range(len(told))]
    assert observed_incumbents(history).tolist() == sorted({best for best in bests if best is not None})
    usable = [(end.values["value"] if isinstance(end, Observation) else end, number) for number, end in feasible(told)]
    assert observed_best(history) == (min(usable)[1] if usable else None)


def feasible(told: Sequence[Told]) -> list[tuple[int, Told]]:
    """The ends that count, with their numbers: an independent reading of the same list."""
    kept = []
    for number, end in enumerate(told):
        if isinstance(end, float) and np.isfinite(end):
            kept.append((number, end))
        if isinstance(end, Observation) and not end.constraints:
            kept.append((number, end))
    return kept


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=14))
def test_the_front_is_what_no_other_trial_beats(points: list[tuple[int, int, bool]]) -> None:
    told = [
        Observation({"loss": float(a), "accuracy": float(b)}, constraints=None if ok else {"memory": 1.0})
        for a, b, ok in points
    ]
    counted = [(number, a, -b) for number, (a, b, ok) in enumerate(points) if ok]
    front = [
        number for number, a, b in counted if not any(c <= a and d <= b and (c < a or d < b) for _, c, d in counted)
    ]
    assert observed_pareto(history_of(told, objectives=PAIR)).tolist() == front


def test_objectives_are_named_or_numbered() -> None:
    told = [Observation({"loss": 1.0, "accuracy": 0.5}), Observation({"loss": 2.0, "accuracy": 0.9})]
    history = history_of(told, objectives=PAIR)
    assert observed_best(history, "loss") == observed_best(history, 0) == 0
    assert observed_best(history, "accuracy") == observed_best(history, 1) == 1
    with pytest.raises(InvalidArgument, match=r"study .made. has several objectives; .*loss.*accuracy.*Next"):
        observed_best(history)
    with pytest.raises(InvalidArgument, match="no such objective; got 'speed'"):
        observed_incumbents(history, "speed")
