"""`Study.race`: nothing is run twice or lost, nothing else of the study changes, failures and misuse are told."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import trimtab as tt
from trimtab.base.errors import Conflict, InvalidArgument, TrialError, TrialPruned, UnknownName
from trimtab.report.terminal import trial_view
from trimtab.trust.racing import Predictive
from trimtab.trust.study_race import StudyRace, race_of

SPACE = tt.Space(x=tt.Float(0.0, 1.0))


def score(trial: tt.Trial) -> float:
    """A noisy value of a configuration, on a block; module level, so that worker processes find it."""
    assert trial.block is not None
    return float(
        trial.suggest_float("x", 0.0, 1.0) + 0.3 * np.random.default_rng([trial.number, trial.block]).standard_normal()
    )


class Counted:
    """An objective that notes whom it was called for, and may do something else on some calls."""

    def __init__(self, instead: Callable[[int, tt.Trial], object] | None = None) -> None:
        self.calls: list[tuple[int, int | None]] = []
        self.instead = instead

    def __call__(self, trial: tt.Trial) -> object:
        self.calls.append((trial.number, trial.block))
        other = None if self.instead is None else self.instead(len(self.calls), trial)
        return score(trial) if other is None else other


def searched(storage: str | None = None, n_trials: int = 12) -> tt.Study:
    study = tt.create_study(space=SPACE, tuner="random", seed=0, storage=storage, study_name="s", load_if_exists=True)
    study.optimize(lambda trial: trial.params["x"], n_trials=n_trials)
    return study


def told(found: StudyRace) -> tuple[int, tuple[int, ...], list[tuple[int, int]]]:
    return found.chosen, found.alive, sorted(found.records)


def test_every_evaluation_is_run_once_on_blocks_of_the_plan() -> None:
    study, objective = searched(), Counted()
    found = study.race(objective, blocks=6, contenders=4)
    assert found.over
    assert len(objective.calls) == len(set(objective.calls)) == found.evaluations <= 24
    assert {block for _, block in objective.calls} <= set(range(6))
    again = study.race(objective, blocks=6, contenders=4)
    assert told(again) == told(found) == told(race_of(study.history))
    assert len(objective.calls) == found.evaluations


def test_the_rest_of_the_study_is_as_it_was() -> None:
    raced, plain = searched(), searched()
    before = raced.history
    raced.race(score, blocks=6, contenders=4)
    after = raced.history
    assert len(after) == len(before)
    assert after.made == before.made
    np.testing.assert_array_equal(after.states, before.states)
    np.testing.assert_array_equal(after.values, before.values)
    assert raced.best_trial.number == plain.best_trial.number
    assert [trial.value for trial in raced.trials] == [trial.value for trial in plain.trials]
    # What a tuner proposes next, and the same computed again from the log.
    assert raced.ask().params == plain.ask().params
    assert raced.replay().same
    raced.optimize(lambda trial: trial.params["x"], n_total=15)
    assert len(raced.trials) == 15


def test_outside_a_race_a_trial_has_no_block() -> None:
    study = tt.create_study(space=SPACE, seed=0)
    study.optimize(lambda trial: 1.0 if trial.block is None else 2.0, n_trials=1)
    assert study.best_value == 1.0
    assert study.ask().block is None


def test_seeds_differ_between_blocks_and_configurations_and_come_back() -> None:
    study = searched()
    seeds: dict[tuple[int, int | None], int] = {}

    def objective(trial: tt.Trial) -> float:
        seeds[trial.number, trial.block] = trial.seed
        return score(trial)

    study.race(objective, blocks=4, contenders=3, name="a", finish=False)
    assert len(set(seeds.values())) == len(seeds)


def test_a_call_that_broke_off_is_gone_on_with(tmp_path: Path) -> None:
    whole = searched().race(score, blocks=6, contenders=5)
    url = f"sqlite:///{tmp_path / 's.db'}"

    def breaks(call: int, _: tt.Trial) -> object:
        if call == 8:
            raise RuntimeError("the disk is full")
        if call == 15:
            raise KeyboardInterrupt
        return None

    objective = Counted(breaks)
    with pytest.raises(RuntimeError, match="the disk is full"):
        searched(url).race(objective, blocks=6, contenders=5)
    with pytest.raises(KeyboardInterrupt):
        tt.load_study(storage=url).race(objective, blocks=6, contenders=5)
    found = tt.load_study(storage=url).race(objective, blocks=6, contenders=5)
    assert told(found) == told(whole)
    assert len(objective.calls) == whole.evaluations + 2
    assert len(set(objective.calls)) == whole.evaluations


def test_what_another_process_was_faster_to_write_stands() -> None:
    study = searched()

    def slow(trial: tt.Trial) -> float:
        if not study.user_attrs.get("done"):
            study.set_user_attr("done", True)
            study.race(score, blocks=4, contenders=3)
        return 100.0 + (trial.block or 0)

    found = study.race(slow, blocks=4, contenders=3)
    assert told(found) == told(searched().race(score, blocks=4, contenders=3))
    assert max(found.values_of(found.chosen)) < 50.0


def test_two_workers_give_what_one_gives() -> None:
    one = searched().race(score, blocks=5, contenders=4)
    two = searched().race(score, blocks=5, contenders=4, n_jobs=2)
    assert told(two) == told(one)
    for pair, record in one.records.items():
        assert two.records[pair].observation == record.observation


def test_define_by_run_objectives_race_with_the_values_of_their_trial() -> None:
    study = tt.create_study(tuner="random", seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=6)
    seen: dict[int, set[float]] = {}

    def objective(trial: tt.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        seen.setdefault(trial.number, set()).add(x)
        return x + (trial.block or 0) % 2

    found = study.race(objective, blocks=4, contenders=3)
    assert seen == {n: {study.trials[n].params["x"]} for n in found.plan.contenders}  # type: ignore[index]


def test_what_an_evaluation_notes_is_kept_with_it() -> None:
    study = searched()

    def objective(trial: tt.Trial) -> float:
        trial.set_user_attr("depth", trial.block)
        trial.report(1.0, 0)
        assert not trial.should_prune()
        return score(trial)

    found = study.race(objective, blocks=3, contenders=2)
    assert all(record.attributes == {"depth": block} for (_, block), record in found.records.items())
    assert all("depth" not in trial.attributes for trial in study.trials)


# Failures


def test_a_caught_exception_only_makes_its_contender_leave() -> None:
    study = searched()
    weak = study.best_trial.number

    def breaks(_: int, trial: tt.Trial) -> object:
        if trial.number == weak:
            raise ValueError("singular matrix")
        return None

    found = study.race(Counted(breaks), blocks=5, contenders=4, catch=ValueError)
    assert weak not in found.alive
    assert "singular matrix" in found.failed[weak]
    assert "1 failed" in " ".join(study.select().caveats)


@pytest.mark.parametrize("end", ["nan", "pruned"])
def test_divergence_and_giving_up_are_findings_about_a_contender(end: str) -> None:
    study = searched()
    weak = study.best_trial.number

    def breaks(_: int, trial: tt.Trial) -> object:
        if trial.number != weak:
            return None
        if end == "pruned":
            raise TrialPruned
        return float("nan")

    found = study.race(Counted(breaks), blocks=5, contenders=4)
    assert list(found.failed) == [weak]


def test_where_all_fail_the_call_says_so_each_time() -> None:
    study = searched()
    for _ in range(2):
        with pytest.raises(TrialError, match=r"no contender left: all failed on block \d.*another name"):
            study.race(lambda trial: float("nan"), blocks=5, contenders=3)
    assert any("all contenders that were left failed" in caveat for caveat in study.select().caveats)


# Misuse


def test_misuse_is_told() -> None:
    study = searched()
    cases: list[tuple[dict[str, object], type[Exception], str]] = [
        ({"trials": [0, 99]}, UnknownName, r"trials that race must be complete.*got \[99\]"),
        ({"trials": [3]}, InvalidArgument, r"needs two different configurations at least; got \[3\]"),
        ({"trials": [3, 3]}, InvalidArgument, r"needs two different configurations at least; got \[3\]"),
        ({"contenders": 1}, InvalidArgument, "contenders must be a whole number; got 1; allowed: 2 or more"),
        ({"blocks": 0}, InvalidArgument, "blocks must be a whole number; got 0; allowed: 1 or more"),
        ({"alpha": 0.0}, InvalidArgument, "error of a race must lie between 0 and 1"),
        ({"test": "anova"}, InvalidArgument, "unknown racing test; got 'anova'"),
        ({"n_jobs": 0}, InvalidArgument, "n_jobs"),
        ({"name": ""}, InvalidArgument, "name of a race"),
    ]
    for arguments, error, text in cases:
        with pytest.raises(error, match=text):
            study.race(score, **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="function of a trial"):
        study.race(3.0)  # type: ignore[arg-type]
    # Nothing of that was written down.
    assert not study.user_attrs


def test_a_study_that_has_nothing_to_race_says_so() -> None:
    study = tt.create_study(space=SPACE, seed=0)
    with pytest.raises(UnknownName, match="none of its trials is complete"):
        study.race(score)
    study.add_trial({"x": 0.5}, 1.0)
    with pytest.raises(InvalidArgument, match="two different configurations"):
        study.race(score)
    many = tt.create_study(space=SPACE, directions={"a": "minimize", "b": "minimize"}, seed=0)
    with pytest.raises(InvalidArgument, match="has no race"):
        many.race(score)


def test_an_objective_that_never_looks_at_its_block_is_caught() -> None:
    study = searched()
    with pytest.raises(InvalidArgument, match=r"told the same on blocks \d and \d.*never looked at trial.block"):
        study.race(lambda trial: trial.params["x"], blocks=5, contenders=3)
    # Equal numbers of one that did look may be true, and fresh noise needs no look.
    assert study.race(lambda trial: 0.0 * (trial.block or 0), blocks=5, contenders=3, name="equal").over
    rng, first = np.random.default_rng(0), study.best_trial.number
    assert study.race(lambda trial: float(rng.random()), blocks=5, contenders=3, name="fresh").over
    some = study.race(lambda t: 0.5 if t.number == first else float(rng.random()), blocks=5, contenders=3, name="some")
    assert first in some.plan.contenders


def test_the_same_name_with_other_arguments_is_refused() -> None:
    study = searched()
    study.race(score, blocks=5, contenders=3)
    for changed in ({"blocks": 6}, {"alpha": 0.1}, {"test": Predictive(least=4)}, {"trials": [0, 1]}):
        with pytest.raises(Conflict, match=r"begun with other .*another name"):
            study.race(score, **{"blocks": 5, "contenders": 3, **changed})  # type: ignore[arg-type]
    study.race(score, blocks=6, contenders=3, name="second")
    assert any("Race 'second'" in caveat for caveat in study.select().caveats)


def test_views_of_trials_tell_a_race_in_a_line() -> None:
    study = tt.create_study(space=tt.Space(x=tt.Float(0.0, 1.0)), tuner="random", seed=0)
    study.optimize(lambda trial: trial.params["x"], n_trials=4)
    study.race(lambda trial: trial.params["x"] + (trial.block or 0), blocks=3, contenders=2, name="finals")
    winner = study.trials[study.select().trial]
    shown = io.StringIO()
    Console(file=shown, width=120).print(trial_view(winner))
    assert "race finals" in shown.getvalue()
    assert "evaluated again on" in shown.getvalue()
    assert "race:finals:0" not in shown.getvalue()
    assert not any("race:" in str(column) for column in study.trials_dataframe().columns)
