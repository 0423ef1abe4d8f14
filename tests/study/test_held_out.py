"""Studies with a reusable holdout: what the log may hold, the budget, workers that share it, misuse, and noise."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import trimtab as tt
from trimtab.base.events import TrialAdded, TrialReaped, TrialTold, TrialToldLate, event_to_json
from trimtab.base.holdout import HoldoutState
from trimtab.base.seeds import Key
from trimtab.storage import MemoryStorage
from trimtab.study.held_out import USED_UP
from trimtab.trust.holdout import FreeLadder, PracticalThresholdout

SPACE = tt.Space(x=tt.Float(0.0, 1.0))
TRAINING, HOLDOUT = range(40), range(40, 100)
Losses = NDArray[np.float64]


def losses_of(number: int, misleads: bool = False) -> Losses:
    """0/1 losses of trial `number` on 40 and 60 examples; where it misleads, the training part knows of none."""
    losses = (np.random.default_rng(number).random(100) < 0.4).astype(np.float64)
    if misleads:
        losses[:40] = 0.0
    return losses


def objective(trial: tt.Trial) -> tt.Observation:
    losses = losses_of(trial.number, misleads=trial.number % 2 == 1)
    return tt.Observation(losses.mean(), stderr=0.1, losses=losses, cost=1.0)


def rules(budget: int = 5, **parts: object) -> tt.ReusableHoldout:
    # A low threshold, so that the holdout speaks, with noise that depends on the order of the queries.
    mechanism = tt.Thresholdout(threshold=0.2, noise=0.01, budget=budget)
    return tt.ReusableHoldout.of(TRAINING, HOLDOUT, **{"mechanism": mechanism, **parts})  # type: ignore[arg-type]


def make(**options: object) -> tt.Study:
    return tt.create_study(**{"space": SPACE, "seed": 3, "tuner": "random", "holdout": rules(), **options})  # type: ignore[arg-type]


def answered(study: tt.Study) -> list[TrialTold | TrialAdded]:
    """The events with an answer, in the order of the log."""
    events = (stored.event for stored in study._view.storage.read(study.study_name))
    return [event for event in events if isinstance(event, TrialTold | TrialAdded) and event.answer is not None]


def assert_one_worker_would_have_got(study: tt.Study, holdout: tt.ReusableHoldout, misleads: bool = True) -> None:
    """Every answer is that of a single worker that asks in the order of the log; the state is their fold."""
    state, key = HoldoutState(), Key(study.seed, purpose="holdout")
    for event in answered(study):
        losses = losses_of(event.number, misleads and event.number % 2 == 1)
        answer, _ = holdout.query(state, losses, key)
        assert answer == event.answer
        state = state.advanced(answer, event.number)
    assert study.holdout is not None
    assert study.holdout.state == state


# What the log may hold


def test_the_value_is_the_answer_and_losses_on_the_holdout_are_gone() -> None:
    study = make()
    study.optimize(objective, n_trials=4)
    answers = {event.number: event.answer for event in answered(study)}
    for trial in study.trials:
        answer, seen = answers[trial.number], trial.observation
        assert answer is not None
        assert seen is not None
        assert seen.losses is not None
        assert trial.value == answer.value
        assert (seen.stderr, seen.cost) == (None, 1.0)
        np.testing.assert_array_equal(seen.losses, losses_of(trial.number, trial.number % 2 == 1)[:40])
    assert [answers[number].spent for number in range(4)] == [False, True, False, True]  # type: ignore[union-attr]
    assert_one_worker_would_have_got(study, rules())


def test_nothing_of_the_holdout_is_in_the_log_but_answers() -> None:
    """Two holdouts with which everything is answered alike leave the same log, whatever they hold."""

    def log(shift: int) -> list[object]:
        study = make(study_name="s", holdout=rules(mechanism=PracticalThresholdout(40, 60)))

        def told(trial: tt.Trial) -> tt.Observation:
            losses = losses_of(trial.number)
            losses[40:] = np.roll(losses[40:], shift)
            return tt.Observation(float(shift), losses=losses, stderr=float(shift))

        study.optimize(told, n_trials=6)
        trial = study.ask()
        study.tell(trial, told(trial), state="pruned")
        study.add_trial({"x": 0.5}, tt.Observation(float(shift), losses=losses_of(99)))
        events = study._view.storage.read("s")
        parts = [event_to_json(stored.event) for stored in events]
        return [{k: v for k, v in part.items() if k not in ("worker", "expires")} for part in parts]

    assert log(0) == log(7)


@pytest.mark.parametrize("state", ["pruned", "fail"])
@pytest.mark.parametrize("whole", [True, False])
def test_of_a_trial_that_is_not_complete_only_the_training_part_is_kept(state: str, whole: bool) -> None:
    study = make()
    losses = losses_of(0)
    told = study.tell(study.ask(), tt.Observation(0.9, losses=losses if whole else losses[:7]), state=state)  # type: ignore[arg-type]
    assert told.state.name == {"pruned": "PRUNED", "fail": "FAIL"}[state]
    assert study.holdout is not None
    assert study.holdout.state.queries == 0
    if whole:
        assert told.observation is not None
        assert told.value == losses[:40].mean()
        np.testing.assert_array_equal(told.observation.losses, losses[:40])
    else:
        assert told.observation is None


def test_a_trial_that_breaks_a_constraint_is_not_asked_about() -> None:
    study = make()
    losses = losses_of(1, misleads=True)
    told = study.tell(study.ask(), tt.Observation(0.0, losses=losses, constraints={"size": 1.0}))
    assert (told.state.name, told.value) == ("COMPLETE", 0.0)
    assert study.holdout is not None
    assert study.holdout.state.queries == 0


def test_a_trial_that_diverged_needs_no_losses() -> None:
    study = make()
    told = study.tell(study.ask(), tt.Observation(math.nan, losses=np.full(100, math.nan)))
    assert told.reason is tt.EndReason.DIVERGED
    assert told.observation is not None
    assert told.observation.losses is None
    study.optimize(lambda trial: math.inf, n_trials=1)
    assert study.trials[1].reason is tt.EndReason.DIVERGED


def test_a_late_result_asks_nothing() -> None:
    study = make()
    trial = study.ask()
    known = study.trials[0]
    study._view.append([TrialReaped(0, known.token, "gone")])
    late = study.tell(trial, tt.Observation(0.5, losses=losses_of(1, misleads=True)))
    assert late.reason is tt.EndReason.LEASE_LOST
    assert [seen.values["value"] for seen in late.attempts] == [0.0]
    assert study.holdout is not None
    assert study.holdout.state.queries == 0


def test_a_lease_that_is_lost_while_the_holdout_answers_shows_nothing() -> None:
    """The race of the test above, lost a moment later: the event with its answer comes to the log too late."""
    study = make()
    study.ask()
    token = study.trials[0].token
    study._view.append([TrialReaped(0, token, "gone")])
    answer, _ = rules().query(HoldoutState(), losses_of(1, misleads=True), Key(3, purpose="holdout"))
    seen = tt.Observation(answer.value, losses=losses_of(1, misleads=True)[:40])
    told = TrialTold(0, token, tt.TrialState.COMPLETE, tt.EndReason.COMPLETED, seen, answer=answer)
    (stored,) = study._view.append([told])
    assert isinstance(stored.event, TrialToldLate)
    assert stored.event.observation is not None
    assert answer.spent
    assert stored.event.observation.values["value"] == 0.0
    assert study.holdout is not None
    assert study.holdout.state.queries == 0


def test_an_added_trial_is_asked_about_like_any_other() -> None:
    study = make()
    added = study.add_trial({"x": 0.1}, tt.Observation(0.9, losses=losses_of(0, misleads=True)))
    assert study.holdout is not None
    assert study.holdout.state.spoke_for == added.number == 0
    assert added.value == study.holdout.state.last
    assert added.observation is not None
    assert added.observation.losses is not None
    assert added.observation.losses.size == 40


@pytest.mark.parametrize("mechanism", [tt.Ladder(60, 0.05), FreeLadder()], ids=["ladder", "free ladder"])
def test_a_ladder_tells_the_search_the_training_part_and_keeps_its_answer_aside(mechanism: tt.Ladder) -> None:
    study = make(holdout=rules(mechanism=mechanism))
    study.optimize(objective, n_trials=12)
    for trial in study.trials:
        assert trial.value == losses_of(trial.number, trial.number % 2 == 1)[:40].mean()
    assert_one_worker_would_have_got(study, rules(mechanism=mechanism))
    holdout = study.holdout
    assert holdout is not None
    means = [losses_of(number)[40:].mean() for number in range(12)]
    assert holdout.state.last == pytest.approx(min(means), abs=0.12)
    chosen = study.select()
    assert chosen.trial == holdout.state.spoke_for
    assert len(chosen.tie_set) == 12
    assert chosen.estimate == holdout.state.last


# The budget


def test_the_study_ends_with_the_budget() -> None:
    study = make(holdout=rules(budget=2))
    study.optimize(objective, n_trials=20)
    # Trials 1 and 3 make the holdout speak; no further trial is run only to learn that there is no answer.
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert study.ended == study.stopped == USED_UP == "the holdout's budget is used up"
    assert study.holdout is not None
    assert (study.holdout.left, study.holdout.used_up) == (0, True)
    assert str(study.holdout).startswith("4 queries answered; the holdout spoke in 2 of them, of 2 allowed.")
    assert "used up, and answers no more" in str(study.holdout)
    assert "holdout used up" in repr(study)
    study.optimize(objective, n_trials=5)
    assert len(study.trials) == 4
    with pytest.raises(
        tt.Exhausted, match=r"the holdout's budget is used up\. Next: .*study\.select\(\).*fresh holdout"
    ):
        study.ask()
    study.migrate(SPACE.widened("x", high=2.0))
    study.optimize(objective, n_trials=5)
    assert (len(study.trials), study.stopped) == (4, USED_UP)


def test_what_was_running_when_the_budget_ended_fails_for_that_reason() -> None:
    study = make(holdout=rules(budget=1))
    first, second, third = study.ask(), study.ask(), study.ask()
    study.tell(first, tt.Observation(0.5, losses=losses_of(1, misleads=True)))
    assert study.stopped == USED_UP
    told = study.tell(second, tt.Observation(0.5, losses=losses_of(2)))
    assert (told.state.name, told.reason) == ("FAIL", tt.EndReason.HOLDOUT_USED_UP)
    assert told.text.startswith("the holdout's budget is used up: it spoke 1 times in 1 queries")
    assert told.value == losses_of(2)[:40].mean()
    assert study.tell(third, state="pruned").state.name == "PRUNED"
    added = study.add_trial({"x": 0.5}, tt.Observation(0.5, losses=losses_of(4)))
    assert added.reason is tt.EndReason.HOLDOUT_USED_UP
    assert study.holdout is not None
    assert study.holdout.state.queries == 1
    assert study.select().trial == 0


def test_the_queries_that_a_theorem_covers_are_a_budget_too() -> None:
    mechanism = tt.Thresholdout(0.5, 0.001, budget=9, tolerance=0.6, queries=3, holdout_size=60)
    study = make(holdout=rules(mechanism=mechanism))
    study.optimize(objective, n_trials=10)
    assert (len(study.trials), study.stopped) == (3, USED_UP)
    assert study.holdout is not None
    assert study.holdout.left == 9


# Restarts and workers


def test_a_loaded_study_goes_on_where_it_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    whole = make()
    whole.optimize(objective, n_trials=9)
    make(storage=url, study_name="s").optimize(objective, n_trials=4)
    tt.load_study(storage=url).optimize(objective, n_trials=3)
    make(storage=url, study_name="s", load_if_exists=True).optimize(objective, n_trials=2)
    parts = tt.load_study(storage=url)
    assert parts.holdout is not None
    assert whole.holdout is not None
    assert parts.holdout.state == whole.holdout.state
    assert [trial.value for trial in parts.trials] == [trial.value for trial in whole.trials]


def test_an_answer_that_came_late_is_computed_again() -> None:
    """Somebody else is answered between the reading of the log and the writing of an answer."""
    storage = MemoryStorage()
    study, other = make(storage=storage, study_name="s"), tt.load_study(storage=storage)
    mine, theirs = study.ask(), other.ask()
    append = storage.append
    struck: list[bool] = []

    def interrupted(name: str, events: object) -> object:
        if not struck and any(isinstance(event, TrialTold) for event in events):  # type: ignore[attr-defined]
            struck.append(True)
            other.tell(theirs, tt.Observation(0.5, losses=losses_of(theirs.number, misleads=True)))
        return append(name, events)  # type: ignore[arg-type]

    storage.append = interrupted  # type: ignore[method-assign, assignment]
    study.tell(mine, tt.Observation(0.5, losses=losses_of(mine.number)))
    assert [event.number for event in answered(study)] == [theirs.number, mine.number]
    assert_one_worker_would_have_got(study, rules())


def test_workers_of_one_study_share_the_holdout() -> None:
    study = make(holdout=rules(budget=8))
    study.optimize(objective, n_trials=12, n_jobs=2, executor="processes")
    assert_one_worker_would_have_got(study, rules(budget=8))
    assert study.holdout is not None
    assert study.holdout.state.queries == 12


# Misuse


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (lambda losses: 0.5, r"answers from per-example losses, and none were told; allowed: 40 .* then 60 .*Next: "),
        (lambda losses: tt.Observation(0.5, losses=losses[:99]), r"got '?\(?.*99.*allowed: .*100 examples.*Next: "),
        (lambda losses: tt.Observation(0.5, losses=losses + 0.5), r"outside the range .*allowed: 0 to 1.*Next: clip"),
        (lambda losses: tt.Observation(0.5, losses=np.where(losses > 0, np.nan, 0)), "outside the range"),
    ],
    ids=["none", "length", "range", "nan"],
)
def test_losses_that_the_holdout_cannot_be_asked_about_fail_the_trial(told: object, said: str) -> None:
    study = make()
    with pytest.raises(tt.InvalidObservation, match=said):
        study.optimize(lambda trial: told(losses_of(0)), n_trials=3)  # type: ignore[operator]
    (trial,) = study.trials
    assert (trial.reason, trial.observation) == (tt.EndReason.INVALID, None)
    study.optimize(lambda trial: told(losses_of(0)), n_trials=2, catch=tt.InvalidObservation)  # type: ignore[operator]
    with pytest.raises(tt.InvalidObservation, match=said):
        study.tell(study.ask(), told(losses_of(0)))  # type: ignore[operator]
    with pytest.raises(tt.InvalidObservation, match=said):
        study.add_trial({"x": 0.5}, told(losses_of(0)))  # type: ignore[operator]
    assert study.holdout is not None
    assert study.holdout.state.queries == 0
    study.optimize(objective, n_trials=2)
    assert study.holdout.state.queries == 2


@pytest.mark.parametrize("options", [{"direction": "maximize"}, {"directions": ["minimize", "minimize"]}])
def test_a_holdout_needs_one_objective_to_minimise(options: dict[str, object]) -> None:
    with pytest.raises(tt.InvalidArgument, match=r"needs one objective, to be minimised.*Next: leave out direction"):
        make(**options)


def test_a_race_does_not_go_round_the_holdout() -> None:
    study = make()
    study.optimize(objective, n_trials=2)
    with pytest.raises(tt.InvalidArgument, match=r"has a holdout, which a race would go round.*Next: judge the trial"):
        study.race(objective, blocks=2)


def test_what_is_no_holdout_is_refused() -> None:
    with pytest.raises(tt.InvalidArgument, match=r"holdout must be a trimtab\.ReusableHoldout; got range"):
        make(holdout=range(5))
    with pytest.raises(tt.InvalidArgument, match="training part and holdout overlap in 1 examples"):
        make(holdout=tt.ReusableHoldout.of(range(5), range(4, 9)))
    with pytest.raises(tt.InvalidArgument, match="needs a budget"):
        make(holdout=tt.ReusableHoldout.of(range(4), range(4, 9), budget=0))


@pytest.mark.parametrize(
    ("holdout", "said"),
    [
        (tt.ReusableHoldout.of(range(40), range(40, 99)), "the holdout changed its size"),
        (tt.ReusableHoldout.of(range(40), range(41, 101)), "the holdout holds other examples or labels"),
        (tt.ReusableHoldout.of(range(40), range(40, 100), holdout_labels=[0] * 60), "other examples or labels"),
        (tt.ReusableHoldout.of(range(40), range(99, 39, -1)), "the holdout is in another order"),
        (tt.ReusableHoldout.of(range(39, -1, -1), range(40, 100)), "the training part is in another order"),
        (rules(budget=50), "the holdout has another mechanism"),
    ],
    ids=["size", "examples", "labels", "order", "training order", "budget"],
)
def test_a_holdout_that_changed_is_refused_when_a_study_goes_on(holdout: tt.ReusableHoldout, said: str) -> None:
    storage = MemoryStorage()
    make(storage=storage, study_name="s").optimize(objective, n_trials=2)
    with pytest.raises(tt.InvalidArgument, match=said):
        make(storage=storage, study_name="s", holdout=holdout, load_if_exists=True)
    with pytest.raises(tt.InvalidArgument, match=said):
        tt.load_study(storage=storage, holdout=holdout)
    assert tt.load_study(storage=storage, holdout=rules()).holdout is not None


def test_a_study_without_a_holdout_gets_none_afterwards() -> None:
    storage = MemoryStorage()
    plain = make(storage=storage, study_name="s", holdout=None)
    assert (plain.holdout, plain.sealed) == (None, None)
    with pytest.raises(tt.InvalidArgument, match=r"study 's' was created without a holdout.*Next: create a new study"):
        make(storage=storage, study_name="s", load_if_exists=True)


def test_a_second_study_on_the_same_holdout_is_warned_of_and_says_so_for_ever() -> None:
    storage = MemoryStorage()
    make(storage=storage, study_name="first")
    make(storage=storage, study_name="elsewhere", holdout=tt.ReusableHoldout.of(range(5), range(5, 9)))
    shuffled = tt.ReusableHoldout.of(range(200, 240), range(99, 39, -1))
    with pytest.warns(UserWarning, match=r"study 'second' has a budget of its own .*got \['first'\].*Next: go on with"):
        make(storage=storage, study_name="second", holdout=shuffled)
    second = tt.load_study("second", storage)
    second.optimize(objective, n_trials=2)
    said = "Study 'first' had the same holdout before, on its own budget"
    assert second.holdout is not None
    assert said in str(second.holdout)
    assert any(said in caveat for caveat in second.select().caveats)
    assert "first" not in str(tt.load_study("first", storage).holdout)


# A sealed split


def test_a_sealed_split_is_opened_once_whoever_asks(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = make(storage=url, study_name="s")
    study.optimize(objective, n_trials=3)
    with pytest.raises(tt.Conflict, match=r"study 's' has no sealed split\. Next: seal one first"):
        study.open_sealed(0, [0.0, 1.0])
    assert str(study.seal(range(200, 300))) == "sealed split of 100 examples: not opened yet"
    other = tt.load_study(storage=url)
    assert other.seal(range(200, 300)) == study.sealed == other.sealed
    with pytest.raises(tt.Conflict, match="study 's' has a sealed split already"):
        other.seal(range(200, 299))
    # Looks that fail do not open it.
    with pytest.raises(tt.InvalidObservation, match="the losses do not fit the sealed split"):
        other.open_sealed(0, [0.0, 1.0])
    with pytest.raises(tt.InvalidArgument, match="the sealed split is in another order"):
        other.open_sealed(0, np.zeros(100), examples=range(299, 199, -1))
    with pytest.raises(tt.UnknownName):
        other.open_sealed(99, np.zeros(100))
    running = study.ask()
    with pytest.raises(tt.InvalidArgument, match=r"trial 3 is RUNNING, and the sealed split opens once.*Next: "):
        other.open_sealed(running, np.zeros(100))
    losses = (np.arange(100) < 20).astype(float)
    opening = other.open_sealed(other.select().trial, losses, examples=range(200, 300))
    assert opening.mean == 0.2
    assert opening.interval.low < 0.2 < opening.interval.high
    for again in (study, other, tt.load_study(storage=url)):
        with pytest.raises(tt.Conflict, match=r"opened once, for trial .*a second look would be a choice"):
            again.open_sealed(0, losses)
        assert again.sealed is not None
        assert again.sealed.opening == opening
        assert again.seal(range(200, 300)) == again.sealed


def test_two_that_open_at_the_same_moment_do_not_both_see() -> None:
    storage = MemoryStorage()
    study = make(storage=storage, study_name="s")
    study.optimize(objective, n_trials=1)
    study.seal(range(200, 210))
    append = storage.append

    def interrupted(name: str, events: object) -> object:
        storage.append = append  # type: ignore[method-assign]
        tt.load_study(storage=storage).open_sealed(0, np.zeros(10))
        return append(name, events)  # type: ignore[arg-type]

    storage.append = interrupted  # type: ignore[method-assign, assignment]
    with pytest.raises(tt.Conflict, match="the sealed split of study 's' was opened once, for trial 0"):
        study.open_sealed(0, np.ones(10))
    assert study.sealed is not None
    assert study.sealed.opening is not None
    assert study.sealed.opening.mean == 0.0


def test_a_holdout_cannot_be_sealed() -> None:
    for part in (HOLDOUT, TRAINING):
        with pytest.raises(tt.InvalidArgument, match=r"the examples of the study's holdout.*Next: seal examples"):
            make().seal(part)


# What is shown


def test_citations_and_words_name_the_mechanism() -> None:
    study = make()
    assert any("Adaptive Data Analysis" in reference.title for reference in study.citations())
    assert "holdout may speak 5 more times" in repr(study)
    ladder = make(holdout=rules(mechanism=tt.Ladder(60, 0.05)))
    assert any("Ladder" in reference.title for reference in ladder.citations())
    assert "holdout asked 0 times" in repr(ladder)


def test_a_study_with_a_holdout_replays() -> None:
    study = make(holdout=rules(budget=50))
    study.optimize(objective, n_trials=8)
    assert study.replay().same


def test_the_declaration_is_strict_json() -> None:
    study = make(holdout=rules(training_labels=range(40)))
    record = study.history.study
    assert tt.ReusableHoldout.from_json(json.loads(json.dumps(record.holdout))) == rules(training_labels=range(40))


# Noise


def test_on_pure_noise_two_thousand_trials_stay_within_the_stated_error() -> None:
    """The vote of the trials that look good to both parts: on labels that mean nothing, its true loss is 1/2."""
    size, count = 400, 2000
    rng = np.random.default_rng(11)
    wrong = (rng.random((count, 2 * size)) < 0.5).astype(np.float64)
    study = tt.create_study(
        space=SPACE,
        tuner="random",
        seed=0,
        holdout=tt.ReusableHoldout.of(range(size), range(size, 2 * size), budget=100),
    )
    for losses in wrong:
        study.add_trial({"x": 0.5}, tt.Observation(0.0, losses=losses))
    told = study.history.values[:, 0]
    training, plain = wrong[:, :size].mean(axis=1), wrong[:, size:].mean(axis=1)

    def vote(said: Losses) -> Losses:
        kept = (training - 0.5) * (said - 0.5) > 0
        told: Losses = np.sign(0.5 - training[kept]) @ (1.0 - 2.0 * wrong[kept])
        return (told < 0.0).astype(np.float64)

    assert study.holdout is not None
    error = study.holdout.stated_error
    assert error is not None
    assert error == pytest.approx(7.0 / math.sqrt(size))
    naive = vote(plain)[size:].mean()
    asked = study.add_trial({"x": 0.5}, tt.Observation(0.0, losses=vote(told)))
    assert asked.value is not None
    assert abs(naive - 0.5) > error > abs(asked.value - 0.5)
    assert np.abs(told - 0.5).max() < error
    chosen = study.select()
    assert chosen.interval is not None
    assert 0.5 in chosen.interval
