"""What a log carries of a holdout: answers and states through text, and the order of answers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.arrays import dumps, loads
from trimtab.base.holdout import HoldoutAnswer, HoldoutState, StaleAnswer, fold_answers
from trimtab.testing.strategies import holdout_answers


@given(holdout_answers())
def test_answers_come_back_through_text(answer):
    again = HoldoutAnswer.from_json(loads(dumps(answer.to_json())))
    assert again == answer
    assert (again.leader is None) == (answer.leader is None)


@given(st.lists(holdout_answers(0), max_size=5), st.integers(0, 9))
def test_states_come_back_through_text_and_remember_for_whom_the_holdout_spoke(answers, first):
    state = HoldoutState()
    for place, answer in enumerate(answers):
        answer = HoldoutAnswer(place, answer.value, answer.spent, answer.leader)
        state = state.advanced(answer, first + place)
    assert HoldoutState.from_json(loads(dumps(state.to_json()))) == state
    spoke = [first + place for place, answer in enumerate(answers) if answer.spent]
    assert (state.queries, state.spent) == (len(answers), len(spoke))
    assert state.spoke_for == (spoke[-1] if spoke else None)
    leaders = [answer.leader for answer in answers if answer.leader is not None]
    assert state.leader is None if not leaders else state.leader.tolist() == leaders[-1].tolist()


def test_states_differ_in_any_part():
    state = HoldoutState(1, 1, 0.5, None, 3)
    assert state == HoldoutState(1, 1, 0.5, None, 3)
    others = [HoldoutState(2, 1, 0.5, None, 3), HoldoutState(1, 0, 0.5, None, 3), HoldoutState(1, 1, 0.5, None, 4)]
    assert all(state != other for other in [*others, HoldoutState(1, 1, math.nextafter(0.5, 1.0), None, 3)])


@pytest.mark.parametrize("places", [[1], [0, 0], [0, 2]])
def test_an_answer_out_of_its_place_is_stale(places):
    with pytest.raises(StaleAnswer, match="other answers since this one was computed"):
        fold_answers(HoldoutAnswer(place, 0.5, spent=False) for place in places)
