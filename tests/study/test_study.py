"""Studies as their users hold them: running, asking, telling, and what is said when something is wrong."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import trimtab as tt
from trimtab.base.outcomes import EndReason, TrialState

SPACE = tt.Space(x=tt.Float(-1.0, 1.0), k=tt.Int(1, 4))


def bowl(trial: tt.Trial) -> float:
    return float(trial.params["x"]) ** 2 + int(trial.params["k"])  # type: ignore[arg-type]


def make(**options: object) -> tt.Study:
    return tt.create_study(**{"space": SPACE, "seed": 0, **options})  # type: ignore[arg-type]


# Running


def test_optimize_runs_the_trials_asked_for_and_numbers_them_from_zero() -> None:
    study = make()
    study.optimize(bowl, n_trials=12)
    assert [trial.number for trial in study.trials] == list(range(12))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.best_value == min(trial.value for trial in study.trials if trial.value is not None)
    assert study.best_params == study.best_trial.params
    assert study.ended == "the trials asked for are done"


def test_n_total_counts_what_is_there() -> None:
    study = make()
    study.optimize(bowl, n_trials=3)
    study.optimize(bowl, n_total=5)
    study.optimize(bowl, n_total=5)
    assert len(study.trials) == 5


def test_maximize_takes_the_largest() -> None:
    study = make(direction="maximize")
    study.optimize(bowl, n_trials=10)
    assert study.best_value == max(trial.value for trial in study.trials if trial.value is not None)


def test_the_same_seed_gives_the_same_trials() -> None:
    first, second = make(), make()
    first.optimize(bowl, n_trials=8)
    second.optimize(bowl, n_trials=8)
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]


def test_the_time_limit_ends_the_run() -> None:
    study = make()
    study.optimize(lambda trial: time.sleep(0.05) or 0.0, timeout=0.2)
    assert study.ended == "the time limit is reached"
    assert 1 <= len(study.trials) <= 5


def test_stop_from_a_callback() -> None:
    study = make()

    def callback(which: tt.Study, trial: tt.FrozenTrial) -> None:
        if trial.number == 3:
            which.stop()

    study.optimize(bowl, n_trials=50, callbacks=[callback])
    assert len(study.trials) == 4
    assert study.ended == "study.stop() was called"


def test_a_finite_space_ends_the_study_with_that_reason_and_no_trial_too_many() -> None:
    study = tt.create_study(space=tt.Space(k=tt.Int(1, 3), act=tt.Categorical(["a", "b"])), tuner="grid", seed=0)
    study.optimize(lambda trial: float(trial.params["k"]), n_trials=50)
    assert len(study.trials) == 6
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == 6
    assert "every configuration" in study.stopped
    with pytest.raises(tt.Exhausted, match="every configuration of the finite space was tried"):
        study.ask()
    study.migrate(study.space.widened("k", high=4))
    assert study.stopped == ""
    study.optimize(lambda trial: float(trial.params["k"]), n_trials=50)
    assert len(study.trials) == 8


def test_two_processes_worth_of_jobs() -> None:
    study = make()
    study.optimize(bowl, n_trials=10, n_jobs=2)
    assert len(study.history.complete) == 10
    assert study.replay().same


def test_failures_are_kept_with_their_reason() -> None:
    def sometimes(trial: tt.Trial) -> float:
        if trial.number == 1:
            raise ValueError("no luck")
        return math.nan if trial.number == 2 else math.inf if trial.number == 3 else 0.0

    study = make()
    study.optimize(sometimes, n_trials=5, catch=ValueError)
    reasons = [trial.reason for trial in study.trials]
    diverged = EndReason.DIVERGED
    assert reasons == [EndReason.COMPLETED, EndReason.ERROR, diverged, diverged, EndReason.COMPLETED]
    assert "no luck" in study.trials[1].text
    assert "the objective diverged; got {'value': nan}" in study.trials[2].text


def test_an_exception_that_is_not_caught_is_raised_once_the_trial_is_recorded() -> None:
    def broken(trial: tt.Trial) -> float:
        raise KeyError("bug")

    study = make()
    with pytest.raises(KeyError, match="bug"):
        study.optimize(broken, n_trials=5)
    assert [trial.reason for trial in study.trials] == [EndReason.ERROR]


def test_an_exception_in_a_worker_process_is_raised_here() -> None:
    def broken(trial: tt.Trial) -> float:
        raise ZeroDivisionError("over there")

    study = make()
    with pytest.raises(ZeroDivisionError, match="over there"):
        study.optimize(broken, n_trials=5, n_jobs=2)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "the objective returned None; allowed: a number for 'value'"),
        ("0.3", "the objective returned a text; got '0.3'"),
        ({"loss": 1.0}, r"told other objectives than the study has; got \['loss'\]; allowed: exactly \['value'\]"),
        ((1.0, 2.0), "the objective returned 2 numbers"),
        (np.zeros(3), "value must be one real number"),
        (tt.Observation(0.1, gradient={"k": 1.0}), "gradient: parameter 'k' is int, so it has no derivative"),
        (tt.Observation(0.1, gradient={"z": 1.0}), "gradient: parameter 'z' is not in the space"),
    ],
)
def test_what_an_objective_must_not_return(result: object, text: str) -> None:
    study = make()
    with pytest.raises(tt.InvalidObservation, match=text):
        study.optimize(lambda trial: result, n_trials=2)
    assert [trial.reason for trial in study.trials] == [EndReason.INVALID]


def test_a_gradient_for_a_categorical_is_refused() -> None:
    study = tt.create_study(space=tt.Space(act=tt.Categorical(["a", "b"])), seed=0)
    trial = study.ask()
    with pytest.raises(tt.InvalidObservation, match="parameter 'act' is categorical, so it has no derivative"):
        study.tell(trial, tt.Observation(0.1, gradient={"act": 1.0}))


def test_several_objectives() -> None:
    study = make(directions={"error": "minimize", "speed": "maximize"})
    study.optimize(lambda trial: (float(trial.params["x"]) ** 2, float(trial.params["k"])), n_trials=10)
    for trial in study.best_trials:
        beaten = [
            t
            for t in study.trials
            if t.values["error"] < trial.values["error"] and t.values["speed"] > trial.values["speed"]
        ]
        assert not beaten
    with pytest.raises(tt.InvalidArgument, match="has 2 objectives, so it has no best_trial"):
        _ = study.best_trial


def test_no_best_trial_yet() -> None:
    with pytest.raises(tt.UnknownName, match="has no best trial: none of its 0 trials is complete"):
        _ = make().best_trial


# Ask and tell


def test_ask_and_tell() -> None:
    study = make()
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, bowl(trial))
    asked = study.ask()
    told = study.tell(asked.number, tt.Observation(0.5, stderr=0.1))
    assert told.observation == tt.Observation(0.5, stderr=0.1)
    assert len(study.history.complete) == 6


def test_tell_nan_is_a_diverged_trial_and_states_can_be_told() -> None:
    study = make()
    assert study.tell(study.ask(), float("nan")).reason is EndReason.DIVERGED
    assert study.tell(study.ask(), state="pruned").state is TrialState.PRUNED
    assert study.tell(study.ask(), state="fail").state is TrialState.FAIL
    with pytest.raises(tt.InvalidArgument, match="unknown state; got 'done'"):
        study.tell(study.ask(), state="done")  # type: ignore[arg-type]


def test_telling_twice() -> None:
    study = make()
    trial = study.ask()
    study.tell(trial, 0.25)
    with pytest.raises(tt.Conflict, match="trial 0 was already told: it is COMPLETE"):
        study.tell(trial, 0.26)
    assert study.trials[0].value == 0.25


@pytest.mark.parametrize("number", [7, -1])
def test_telling_an_unknown_trial(number: int) -> None:
    study = make()
    study.ask()
    with pytest.raises(tt.UnknownName, match=f"there is no such trial .*; got {number}; allowed: 0 to 0"):
        study.tell(number, 0.3)


def test_telling_a_trial_that_waits() -> None:
    study = make()
    number = study.enqueue_trial({"x": 0.0, "k": 1})
    with pytest.raises(tt.Conflict, match="trial 0 waits to be run and cannot be told yet"):
        study.tell(number, 0.3)


def test_enqueued_trials_come_first_and_missing_values_are_filled_in() -> None:
    study = make()
    study.enqueue_trial({"x": 0.5, "k": 2})
    study.enqueue_trial({"k": 3}, user_attrs={"from": "a hunch"})
    study.optimize(bowl, n_trials=3)
    assert study.trials[0].params == {"x": 0.5, "k": 2}
    assert study.trials[1].params is not None
    assert study.trials[1].params["k"] == 3
    assert "x" in study.trials[1].params
    assert study.trials[1].attributes == {"from": "a hunch"}
    with pytest.raises(tt.InvalidParams):
        study.enqueue_trial({"x": 5.0})


def test_add_trial_takes_results_from_elsewhere() -> None:
    study = make()
    added = study.add_trial({"x": 0.1, "k": 1}, 0.7)
    assert added.number == 0
    assert study.best_value == 0.7
    with pytest.raises(tt.InvalidParams):
        study.add_trial({"x": 0.1}, 0.7)


def test_user_attributes() -> None:
    study = make()
    study.set_user_attr("data", {"rows": 5})

    def objective(trial: tt.Trial) -> float:
        trial.set_user_attr("epoch", trial.number)
        return 0.0

    study.optimize(objective, n_trials=2)
    study.set_trial_user_attr(0, "note", "again")
    assert study.user_attrs == {"data": {"rows": 5}}
    assert study.trials[0].attributes == {"epoch": 0, "note": "again"}


class StopsAtTwo:
    """A pruner that gives every trial up at its third report."""

    refs = ()

    def decide(self, history: object, trial: tt.FrozenTrial) -> tt.Decision:
        steps = [report.step for report in trial.reports]
        verdict = tt.Verdict.STOP if max(steps) >= 2 else tt.Verdict.GO_ON
        return tt.Decision(verdict, f"at step {max(steps)}")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_pruner_stops_a_trial_by_its_reports(n_jobs: int) -> None:
    def objective(trial: tt.Trial) -> float:
        for step in range(10):
            trial.report(1.0 / (step + 1), step)
            if trial.should_prune():
                raise tt.TrialPruned
        return 0.0

    study = make(pruner=StopsAtTwo())
    study.optimize(objective, n_trials=3, n_jobs=n_jobs)
    assert {trial.state for trial in study.trials} == {TrialState.PRUNED}
    assert [[report.step for report in trial.reports] for trial in study.trials] == [[0.0, 1.0, 2.0]] * 3


def test_a_pruner_with_ask_and_tell() -> None:
    study = make(pruner=StopsAtTwo())
    trial = study.ask()
    assert not trial.should_prune()
    for step in range(3):
        trial.report({"loss": 0.5, "accuracy": 0.9}, step)
    assert trial.should_prune()
    assert study.tell(trial, state="pruned").reports[2].metrics == {"loss": 0.5, "accuracy": 0.9}


# Define by run


def by_run(trial: tt.Trial) -> float:
    x = trial.suggest_float("x", 0.01, 1.0, log=True)
    if trial.suggest_categorical("kind", ["a", "b"]) == "b":
        x += trial.suggest_int("extra", 1, 5)
    return x


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_define_by_run_is_traced_into_a_space(n_jobs: int) -> None:
    study = tt.create_study(seed=3)
    study.optimize(by_run, n_trials=20, n_jobs=n_jobs)
    assert set(study.space) == {"x", "kind", "extra"}
    assert all(("extra" in trial.params) == (trial.params["kind"] == "b") for trial in study.trials)
    assert all(study.space.contains(trial.params) for trial in study.trials)
    assert study.replay().same


def test_define_by_run_with_ask_and_tell_and_changed_declarations() -> None:
    study = tt.create_study(seed=3)
    trial = study.ask()
    assert trial.suggest_float("x", 0.0, 1.0) == trial.suggest_float("x", 0.0, 1.0)
    with pytest.raises(tt.InvalidSpace, match="asked for 'x' twice"):
        trial.suggest_float("x", 0.0, 2.0)
    assert study.tell(trial, 0.5).params == trial.params
    with pytest.raises(tt.InvalidSpace, match=r"declared parameter 'x' as .*, but in earlier trials it was"):
        study.optimize(lambda other: other.suggest_float("x", 0.0, 9.0), n_trials=1)


def test_suggest_on_a_declared_space_gives_the_declared_values_and_refuses_others() -> None:
    study = make()
    trial = study.ask()
    assert trial.suggest_float("x", -1.0, 1.0) == trial.params["x"]
    with pytest.raises(tt.InvalidParams, match="trial 0 has no parameter 'z'"):
        trial.suggest_float("z", 0.0, 1.0)


def test_params_cannot_be_changed_through_the_trial() -> None:
    trial = make().ask()
    trial.params["x"] = 99.0
    assert trial.params["x"] != 99.0


# Making and opening


def test_names_are_data(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    names = ["naïve 研究 🧭", "x" * 10_000, "a'; DROP TABLE studies; --", "line\nbreak", " "]
    for name in names:
        make(study_name=name, storage=url).optimize(bowl, n_trials=1)
    for name in names:
        study = tt.load_study(study_name=name, storage=url)
        assert study.study_name == name
        assert len(study.trials) == 1


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    make(study_name="s", storage=url).optimize(bowl, n_trials=3)
    again = make(study_name="s", storage=url, load_if_exists=True)
    again.optimize(bowl, n_total=5)
    assert len(tt.load_study(storage=url).trials) == 5
    whole = make()
    whole.optimize(bowl, n_trials=5)
    assert [trial.params for trial in again.trials] == [trial.params for trial in whole.trials]


def test_a_taken_name_and_other_descriptions(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    make(study_name="s", storage=url)
    with pytest.raises(tt.StudyExists, match="load_if_exists"):
        make(study_name="s", storage=url)
    other = tt.Space(x=tt.Float(-1.0, 2.0), k=tt.Int(1, 4))
    with pytest.raises(tt.SpaceMismatch, match="'x'"):
        make(study_name="s", storage=url, space=other, load_if_exists=True)
    with pytest.raises(tt.SpaceMismatch, match="'x'"):
        tt.load_study(study_name="s", storage=url, space=other)
    with pytest.raises(tt.InvalidArgument, match="has other objectives"):
        make(study_name="s", storage=url, direction="maximize", load_if_exists=True)
    with pytest.raises(tt.UnknownName, match="nope"):
        tt.load_study(study_name="nope", storage=url)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"tuner": "magic"}, tt.UnknownName, "'magic'"),
        ({"storage": "mongodb://here"}, tt.UnknownName, "mongodb"),
        ({"direction": "up"}, tt.InvalidArgument, "unknown direction; got 'up'; allowed: 'minimize' or 'maximize'"),
        ({"directions": {}}, tt.InvalidArgument, "directions must name at least one objective"),
        ({"direction": "minimize", "directions": ["minimize"]}, tt.InvalidArgument, "give direction or directions"),
        ({"seed": -1}, tt.InvalidArgument, "seed must be a whole number; got -1"),
        ({"study_name": ""}, tt.InvalidArgument, "study_name must be a text"),
        ({"space": {"x": 1}}, tt.InvalidArgument, "space must be a trimtab.Space"),
        ({"lease": 0}, tt.InvalidArgument, "lease must be a time in seconds"),
    ],
)
def test_bad_arguments_of_create_study(options: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(**options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_trials": 0}, "n_trials must be a whole number; got 0; allowed: 1 or more"),
        ({"n_trials": 2.0}, "n_trials must be a whole number"),
        ({"n_jobs": 0}, "n_jobs must be a whole number; got 0"),
        ({"n_trials": 1, "executor": "cloud"}, "'cloud'"),
    ],
)
def test_bad_arguments_of_optimize(options: dict[str, object], text: str) -> None:
    with pytest.raises(tt.TrimtabError, match=text):
        make().optimize(bowl, **options)  # type: ignore[arg-type]


def test_the_objective_must_be_a_function() -> None:
    with pytest.raises(tt.InvalidArgument, match=r"the objective must be a function of a trial; got 0.3"):
        make().optimize(0.3, n_trials=1)  # type: ignore[arg-type]


def test_threads_may_share_a_study() -> None:
    study = make(tuner="random")

    def work() -> None:
        for _ in range(10):
            trial = study.ask()
            study.tell(trial, bowl(trial))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.number for trial in study.trials] == list(range(40))
    assert len(study.history.complete) == 40


def test_citations_name_what_was_used() -> None:
    study = make(tuner="sobol")
    study.optimize(bowl, n_trials=2)
    assert any("obol" in reference.text for reference in study.citations())


def test_the_shortest_way() -> None:
    study = tt.tune(bowl, SPACE, n_trials=6, seed=0)
    assert len(study.trials) == 6
