"""The strategies find what they are made to find."""

import math

from hypothesis import Phase, given, settings

from trimtab.base import events as ev
from trimtab.space import Bool, Categorical, Choice, Constant, Float, Forbidden, Int, Linear, Ordered, Ordinal
from trimtab.testing.strategies import events, logs, observations, parameters, spaces


def drawn(strategy, count):
    """Values that a strategy gives, without shrinking; the same in every run."""
    found = []

    @settings(max_examples=count, phases=[Phase.generate], database=None, derandomize=True)
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found


def test_spaces_hold_every_kind_of_parameter_nested_two_deep():
    found = drawn(spaces(), 100)
    kinds = {type(entry.parameter) for space in found for entry in space.entries.values()}
    assert kinds == {Float, Int, Categorical, Ordinal, Bool, Constant, Choice}
    parents = [(space, space.columns[c.parent]) for space in found for c in space.columns if c.parent is not None]
    assert any(parent.parent is not None for _, parent in parents)
    assert not any(isinstance(e.parameter, Choice) for s in drawn(spaces(depth=0), 50) for e in s.entries.values())


def test_spaces_hold_every_kind_of_constraint_that_is_data():
    rules = {type(rule) for space in drawn(spaces(constraints=True), 100) for rule in space.constraints}
    assert rules == {Linear, Ordered, Forbidden}


def test_numbers_have_every_part():
    numbers = [p for p in drawn(parameters(), 200) if isinstance(p, Float | Int)]
    for part in ("log", "default", "prior", "powers_of"):
        assert any(getattr(number, part, None) for number in numbers), part
    assert any(number.step not in (None, 1) for number in numbers)
    assert any(abs(number.low) > 1e300 or 0 < number.low < 1e-300 for number in numbers)


def test_observations_may_be_nan_unless_asked_not_to():
    assert any(math.isnan(value) for seen in drawn(observations(), 60) for value in seen.values.values())
    assert all(seen.finite for seen in drawn(observations(finite_only=True), 60))


def test_events_are_of_every_kind():
    kinds = {cls for cls in vars(ev).values() if isinstance(getattr(cls, "kind", None), str)}
    assert {type(event) for event in drawn(events(), 250)} == kinds


def test_logs_hold_late_results_and_lost_trials():
    seen = {type(stored.event) for log in drawn(logs(), 60) for stored in log}
    assert {ev.TrialToldLate, ev.TrialReaped, ev.TrialAsked, ev.Reported, ev.TrialAdded, ev.TrialEnqueued} <= seen
