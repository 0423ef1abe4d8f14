"""Events and rows as columns: every text and every part comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.arrays import loads
from trimtab.base.errors import InvalidArgument
from trimtab.base.events import StudyAttribute, StudyCreated, TrialAttribute, TrialEnqueued, TrialTold
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective
from trimtab.storage.codec import decode_event, decode_rows, encode_event, encode_row, escape, unescape

any_text = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\x10\ud800\udfff0123456789abcdef"))


@given(any_text)
def test_escaped_texts_are_what_every_database_can_hold(text):
    escaped = escape(text)
    escaped.encode("utf-8")
    assert "\x00" not in escaped
    assert unescape(escaped) == text


@given(any_text, any_text)
def test_different_texts_stay_different(one, other):
    assert (escape(one) == escape(other)) == (one == other)


@given(any_text, any_text, any_text, any_text)
def test_rows_come_back(text, worker, tuner, why):
    row = FrozenTrial(3, TrialState.FAIL, text=text, worker=worker, tuner=tuner, why=why).to_row()
    plain = FrozenTrial(4, TrialState.WAITING).to_row()
    columns = [tuple(encode_row(each).values()) for each in (row, plain)]
    assert decode_rows(columns) == [row, plain]


@pytest.mark.parametrize(
    "event",
    [
        StudyCreated((Objective("a", "maximize"),), 2**80, space={}),
        StudyCreated((Objective(),), 1),
        StudyAttribute("x", None),
        StudyAttribute("x", {}),
        TrialAttribute(3, "x", {}),
        TrialEnqueued(3, {}),
        TrialTold(3, 4, TrialState.FAIL, EndReason.ERROR, params={}),
        TrialTold(3, 4, TrialState.FAIL, EndReason.ERROR),
    ],
)
def test_parts_that_are_empty_come_back(event):
    body = loads(encode_event(event))
    assert "number" not in body, "it has a column of its own"
    assert decode_event(event.kind, getattr(event, "number", None), body) == event


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (TrialEnqueued(3, {"lr": 1j}), r"'lr' in 'params' of trial 3 \(trial_enqueued\)"),
        (TrialEnqueued(3, {("a",): 1}), r"\('a',\) in 'params' of trial 3 \(trial_enqueued\)"),
        (StudyAttribute("deep", nested(100_000)), r"'value' of the study \(study_attribute\)"),
        (StudyAttribute(object(), 1), r"'name' of the study \(study_attribute\)"),
    ],
)
def test_the_part_that_json_refuses_is_named(event, said):
    with pytest.raises(InvalidArgument, match=rf"{said} cannot be written as JSON: .*allowed: texts, .*Next: turn it"):
        encode_event(event)
