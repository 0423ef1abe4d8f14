"""The rules: which events a trial's state lets in, what they make of it, and what is said of the rest."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from trimtab.base import events as ev
from trimtab.base.errors import Conflict
from trimtab.base.events import Stored
from trimtab.base.fold import admit, advance_study, advance_trial, changes_study
from trimtab.base.holdout import HoldoutAnswer, HoldoutState, StaleAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation
from trimtab.testing.strategies import logs

WAITING = FrozenTrial(4, TrialState.WAITING, params={"x": 1})
RUNNING = FrozenTrial(4, TrialState.RUNNING, params={"x": 1}, token=7, worker="w", expires=60.0, started=10.0)
COMPLETE = RUNNING.with_(
    state=TrialState.COMPLETE, reason=EndReason.COMPLETED, observation=Observation(0.5), ended=20.0
)
LOST = RUNNING.with_(state=TrialState.FAIL, reason=EndReason.LEASE_LOST, ended=99.0)

TOLD = ev.TrialTold(4, 7, TrialState.COMPLETE, EndReason.COMPLETED, Observation(0.25), text="fine")
LEASED = [
    ev.TrialAsked(4, 7, {"x": 2}, seen=3, tuner="random"),
    ev.LeaseRenewed(4, 7, 120.0),
    ev.Reported(4, 7, 1.0, {"loss": 0.5}),
    TOLD,
    ev.TrialReaped(4, 7, "worker w is gone"),
]


def stale(event, token=6):
    return type(event)(**{**{name: getattr(event, name) for name in event.__slots__}, "token": token})


@pytest.mark.parametrize("event", LEASED, ids=lambda event: event.kind)
def test_a_running_trial_takes_what_comes_under_its_lease(event):
    assert admit(RUNNING, event) is event


@pytest.mark.parametrize("event", [e for e in LEASED if e is not TOLD], ids=lambda event: event.kind)
@pytest.mark.parametrize("trial", [WAITING, COMPLETE, LOST], ids=lambda trial: trial.state.name)
def test_nothing_else_takes_it(event, trial):
    with pytest.raises(Conflict) as told:
        admit(trial, event)
    assert str(told.value) == (
        f"trial 4 is not held under this lease; got"
        f" '{trial.state.name}, lease {trial.token}, event {event.kind} under lease 7'."
        " Next: drop this run: the trial was lost and may be running elsewhere."
    )


@pytest.mark.parametrize("event", [e for e in LEASED if e is not TOLD], ids=lambda event: event.kind)
def test_an_old_lease_is_refused(event):
    with pytest.raises(Conflict, match=f"'RUNNING, lease 7, event {event.kind} under lease 6'"):
        admit(RUNNING, stale(event))


@pytest.mark.parametrize(("trial", "token"), [(LOST, 7), (LOST, 6), (RUNNING, 6), (COMPLETE, 6), (WAITING, 7)])
def test_a_late_result_is_kept_and_changes_no_state(trial, token):
    late = admit(trial, stale(TOLD, token))
    assert late == ev.TrialToldLate(4, token, Observation(0.25), "fine")
    after = advance_trial(trial, Stored(9, 100.0, late))
    assert after == trial.with_(attempts=(Observation(0.25),))
    assert advance_trial(after, Stored(10, 101.0, ev.TrialToldLate(4, token))) == after


def test_telling_twice_is_refused():
    with pytest.raises(Conflict) as told:
        admit(COMPLETE, TOLD)
    assert str(told.value) == (
        "trial 4 was already told: it is COMPLETE; got {'value': 0.5}."
        " Next: ask for a new trial with study.ask(); a result never changes."
    )
    failed = RUNNING.with_(state=TrialState.FAIL, reason=EndReason.ERROR)
    with pytest.raises(Conflict, match=r"trial 4 was already told: it is FAIL\. Next: ask for a new trial"):
        admit(failed, TOLD)


@pytest.mark.parametrize("event", [*LEASED, ev.TrialToldLate(4, 7), ev.TrialAttribute(4, "a", 1)], ids=lambda e: e.kind)
def test_a_trial_that_is_not_there_takes_nothing(event):
    with pytest.raises(Conflict) as told:
        admit(None, event)
    assert str(told.value) == "there is no trial 4 in this study. Next: ask for a trial with study.ask()."


@pytest.mark.parametrize(
    "event", [ev.TrialEnqueued(4, {}), ev.TrialAdded(4, {}, TrialState.FAIL, EndReason.ERROR)], ids=lambda e: e.kind
)
def test_a_trial_is_made_once(event):
    assert admit(None, event) is event
    with pytest.raises(Conflict, match="trial 4 exists already; got 'RUNNING'"):
        admit(RUNNING, event)


def test_claims_take_waiting_and_new_trials_only():
    claim = ev.TrialClaimed(4, 9, "v", 50.0)
    assert admit(None, claim) is claim
    assert admit(WAITING, claim) is claim
    for trial in (RUNNING, COMPLETE, LOST):
        with pytest.raises(Conflict, match=f"trial 4 cannot be claimed: it is {trial.state.name}"):
            admit(trial, claim)


def test_attributes_are_taken_in_any_state():
    event = ev.TrialAttribute(4, "note", "x")
    for trial in (WAITING, RUNNING, COMPLETE, LOST):
        assert admit(trial, event) is event
        assert advance_trial(trial, Stored(9, 1.0, event)).attributes == {"note": "x"}


def test_a_trials_life_from_the_queue_to_its_end():
    trial = advance_trial(None, Stored(2, 5.0, ev.TrialEnqueued(0, {"x": 1}, {"why": "try"}, retry_of=None)))
    assert trial == FrozenTrial(0, TrialState.WAITING, {"x": 1}, created=5.0, attributes={"why": "try"})
    trial = advance_trial(trial, Stored(3, 6.0, ev.TrialClaimed(0, 3, "w", 66.0)))
    assert (trial.state, trial.token, trial.worker, trial.expires, trial.started) == (
        TrialState.RUNNING,
        3,
        "w",
        66.0,
        6.0,
    )
    assert trial.created == 5.0
    trial = advance_trial(trial, Stored(4, 7.0, ev.TrialAsked(0, 3, {"x": 1, "y": 2}, 3, "gp", "near the best")))
    assert (trial.params, trial.seen, trial.tuner, trial.why) == ({"x": 1, "y": 2}, 3, "gp", "near the best")
    trial = advance_trial(trial, Stored(5, 8.0, ev.LeaseRenewed(0, 3, 99.0)))
    assert trial.expires == 99.0
    before = trial
    trial = advance_trial(trial, Stored(6, 9.0, ev.Reported(0, 3, 1.0, {"loss": 2.0})))
    assert trial == before
    end = ev.TrialTold(
        0, 3, TrialState.PRUNED, EndReason.PRUNED, Observation(1.5), "slow", "log", {"z": 1}, attributes={"n": 1}
    )
    trial = advance_trial(trial, Stored(7, 12.0, end))
    assert (trial.state, trial.reason, trial.ended, trial.duration) == (TrialState.PRUNED, EndReason.PRUNED, 12.0, 6.0)
    assert (trial.params, trial.value, trial.text) == ({"z": 1}, 1.5, "slow")
    assert trial.attributes == {"why": "try", "n": 1}


def test_a_reaped_trial_is_lost_with_its_reason():
    trial = advance_trial(RUNNING, Stored(9, 99.0, ev.TrialReaped(4, 7, "worker w is gone")))
    assert (trial.state, trial.reason, trial.text) == (TrialState.FAIL, EndReason.LEASE_LOST, "worker w is gone")


def test_an_added_trial_is_finished_from_the_start():
    added = ev.TrialAdded(0, {"x": 1}, TrialState.COMPLETE, EndReason.COMPLETED, Observation(2.0))
    trial = advance_trial(None, Stored(2, 5.0, added))
    assert (trial.state, trial.value, trial.tuner, trial.created, trial.ended) == (
        TrialState.COMPLETE,
        2.0,
        "added",
        5.0,
        5.0,
    )


def test_an_event_of_a_trial_that_was_never_made_is_a_broken_log():
    with pytest.raises(ValueError, match="event lease_renewed at place 9 belongs to a trial that was never made"):
        advance_trial(None, Stored(9, 1.0, ev.LeaseRenewed(4, 7, 1.0)))


def test_a_studys_record_follows_its_events():
    created = ev.StudyCreated((Objective(),), 3, {"schema": 1}, "gp")
    study = advance_study("s", None, Stored(1, 5.0, created))
    assert (study.name, study.seed, study.space, study.tuner, study.created) == ("s", 3, {"schema": 1}, "gp", 5.0)
    study = advance_study("s", study, Stored(2, 6.0, ev.SpaceChanged({"schema": 2}, "wider")))
    assert (study.space, study.notes) == ({"schema": 2}, ("wider",))
    study = advance_study("s", study, Stored(3, 6.0, ev.StudyAttribute("a", 1)))
    assert study.attributes == {"a": 1}
    study = advance_study("s", study, Stored(4, 6.0, ev.StudyStopped("exhausted")))
    assert study.stopped == "exhausted"
    reopened = advance_study("s", study, Stored(5, 6.0, ev.StudyStopped("")))
    assert reopened.stopped == ""
    wider = advance_study("s", study, Stored(5, 6.0, ev.SpaceChanged({"schema": 3}, "wider still")))
    assert (wider.stopped, wider.notes) == ("", ("wider", "wider still"))
    assert advance_study("s", study, Stored(6, 6.0, ev.LeaseRenewed(0, 1, 1.0))) == study
    with pytest.raises(
        ValueError, match="the log of study 's' does not begin with its creation, but with study_stopped"
    ):
        advance_study("s", None, Stored(1, 6.0, ev.StudyStopped("x")))


def test_the_first_declaration_of_a_name_stands():
    study = advance_study("s", None, Stored(1, 5.0, ev.StudyCreated((Objective(),), 3)))
    first = ev.TrialTold(0, 2, TrialState.FAIL, EndReason.ERROR, parameters={"x": "first"})
    second = ev.TrialTold(1, 3, TrialState.FAIL, EndReason.ERROR, parameters={"x": "second", "y": "new"})
    assert changes_study(first)
    assert not changes_study(TOLD)
    for seq, event in enumerate((first, second), start=2):
        study = advance_study("s", study, Stored(seq, 6.0, event))
    assert study.parameters == {"x": "first", "y": "new"}


def test_answers_are_folded_in_the_order_of_the_log():
    created = ev.StudyCreated((Objective(),), 3, holdout={"size": 9})
    study = advance_study("s", None, Stored(1, 5.0, created))
    assert (study.holdout, study.holdout_state) == ({"size": 9}, HoldoutState())
    parts = {"state": TrialState.COMPLETE, "reason": EndReason.COMPLETED, "observation": Observation(0.5)}
    told = ev.TrialTold(4, 2, **parts, answer=HoldoutAnswer(0, 0.5, spent=True))
    added = ev.TrialAdded(5, {}, **parts, answer=HoldoutAnswer(1, 0.4, spent=False), parameters={"x": "first"})
    assert changes_study(told)
    for seq, event in enumerate((told, added), start=2):
        study = advance_study("s", study, Stored(seq, 6.0, event))
    assert study.holdout_state == HoldoutState(2, 1, 0.4, spoke_for=4)
    assert study.parameters == {"x": "first"}
    with pytest.raises(StaleAnswer, match="other answers since this one was computed; got 'answer 0'"):
        advance_study("s", study, Stored(4, 6.0, told))


def test_a_late_result_shows_nothing_of_a_holdout():
    answer = HoldoutAnswer(0, 0.9, spent=True)
    late = replace(stale(TOLD), observation=Observation({"loss": 0.9}, losses=[0.25, 0.75]), answer=answer)
    event = admit(RUNNING, late)
    assert type(event) is ev.TrialToldLate
    assert event.observation == Observation({"loss": 0.5}, losses=[0.25, 0.75])
    assert admit(RUNNING, replace(late, answer=None)).observation == late.observation


@settings(max_examples=40)
@given(logs(most=15))
def test_folding_a_log_keeps_its_invariants(log):
    trials = {}
    for stored in log[1:]:
        number = getattr(stored.event, "number", None)
        if number is None:
            assert changes_study(stored.event)
            continue
        known = trials.get(number)
        assert admit(known, stored.event) == stored.event
        trial = trials[number] = advance_trial(known, stored)
        assert trial.number == number
        assert (trial.reason is not None) == trial.state.finished
        assert (trial.ended is not None) == trial.state.finished
        assert (trial.state is TrialState.WAITING) <= (trial.token == 0)
        if known is not None and known.state.finished:
            assert trial.with_(attempts=(), attributes={}) == known.with_(attempts=(), attributes={})
    assert sorted(trials) == list(range(len(trials)))


def test_a_late_answer_with_losses_that_have_no_mean_is_taken_out_all_the_same() -> None:
    losses = np.array([math.inf, -math.inf])
    told = ev.TrialTold(
        LOST.number, LOST.token, TrialState.COMPLETE, EndReason.COMPLETED, Observation(0.5, losses=losses)
    )
    late = admit(LOST, replace(told, answer=HoldoutAnswer(0, 0.5, spent=False)))
    assert isinstance(late, ev.TrialToldLate)
    assert late.observation is not None
    assert math.isnan(late.observation.values["value"])
