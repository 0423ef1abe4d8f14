"""Events: JSON round trips for every kind."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings

from trimtab.base import events as ev
from trimtab.base.arrays import dumps, loads
from trimtab.base.events import Stored, event_from_json, event_to_json
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Objective, Observation
from trimtab.testing.strategies import events

KINDS = {cls.kind: cls for cls in vars(ev).values() if isinstance(getattr(cls, "kind", None), str)}


@settings(max_examples=200)
@given(events())
def test_events_come_back_through_text(event):
    again = event_from_json(event.kind, loads(dumps(event_to_json(event))))
    assert type(again) is type(event)
    for spec in fields(event):
        one, two = getattr(event, spec.name), getattr(again, spec.name)
        if spec.name != "metrics":
            assert two == one
        else:
            assert dumps({k: repr(v) for k, v in one.items()}) == dumps({k: repr(v) for k, v in two.items()})
    assert event_to_json(again) == event_to_json(event)


def test_there_are_sixteen_kinds_each_known_to_the_codec():
    assert len(KINDS) == 16
    assert all(f"_{part}" not in kind for kind in KINDS for part in ("event",))
    assert set(KINDS) == set(ev._KINDS)


def test_what_is_absent_is_left_out_but_empty_params_are_kept():
    told = ev.TrialTold(3, 9, TrialState.FAIL, EndReason.ERROR, text="boom")
    assert event_to_json(told) == {
        "number": 3,
        "token": 9,
        "state": 4,
        "reason": "error",
        "text": "boom",
        "output": "",
    }
    asked = ev.TrialAsked(0, 1, {}, seen=2, tuner="random")
    assert event_to_json(asked)["params"] == {}
    created = ev.StudyCreated((Objective("a", "maximize"),), seed=3)
    assert event_to_json(created) == {"objectives": [["a", "maximize"]], "seed": 3, "tuner": "auto"}
    late = ev.TrialToldLate(1, 2, Observation(float("nan")))
    assert event_to_json(late)["observation"] == {"values": {"value": "nan"}}


@pytest.mark.parametrize("value", [None, {}])
@pytest.mark.parametrize("event", [ev.StudyAttribute("note", 1), ev.TrialAttribute(3, "note", 1)])
def test_attributes_may_be_empty(event, value):
    event = replace(event, value=value)
    assert event_from_json(event.kind, event_to_json(event)) == event


def test_an_unknown_kind_is_refused():
    with pytest.raises(KeyError):
        event_from_json("trial_smiled", {"number": 1})


def test_a_stored_event_is_a_triple():
    event = ev.StudyStopped("done")
    assert Stored(1, 2.0, event) == (1, 2.0, event)
