"""Families: studies over them, splits, sources, and errors that name the task."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.info import Info
from trimtab.base.ports import Task
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.tasks.duals import PiecewiseConstant
from trimtab.tuners.tasks.family import FamilyMember, TaskFamily, TaskSource

SPACE = Space(a=Float(-1.0, 1.0))


@dataclass(frozen=True)
class Bowl:
    """(a - best)^2 + level, or whatever `failing` says."""

    best: float
    level: float = 0.0
    space: Space = SPACE
    failing: str = ""
    provides = Info.VALUES

    def run(self, params: Params, context) -> Observation:
        if self.failing == "raise":
            raise ZeroDivisionError("of its own")
        if self.failing == "diverge":
            return Observation(math.nan)
        if self.failing == "two":
            return Observation({"x": 1.0, "y": 2.0})
        if self.failing == "random":
            return Observation(context.key.generator().random())
        context.report(1.0, {"loss": 0.0})
        context.attribute("noise", 1)
        assert not context.should_prune()
        return Observation((params["a"] - self.best) ** 2 + self.level)


def member(name: str, best: float, level: float = 0.0, **options) -> FamilyMember:
    return FamilyMember(name, Bowl(best, level, **options), {"best": best})


FAMILY = TaskFamily([member("left", -0.5, 3.0), member("middle", 0.1, -1.0), member("right", 0.7)])
MIDDLE = 0.1


class TestFamilyAsTask(TaskKit):
    def make_task(self) -> Task[Space]:
        return FAMILY.objective()


class TestSampleAsTask(TaskKit):
    def make_task(self) -> Task[Space]:
        return FAMILY.objective(sample=2)


class TestSourceAsTask(TaskKit):
    def make_task(self) -> Task[Space]:
        return TaskSource(lambda key: member("drawn", key.generator().uniform(-1, 1))).objective(3, Key(0))


def test_a_study_over_a_family_finds_the_best_mean():
    study = tt.create_study(space=FAMILY.space, tuner="gp", seed=0)
    study.optimize(FAMILY.objective(), n_trials=12)
    assert study.best_params["a"] == pytest.approx(MIDDLE, abs=0.02)
    best = study.best_trial
    losses = [(best.params["a"] - task.task.best) ** 2 + task.task.level for task in FAMILY]
    assert best.observation.losses.tolist() == losses
    assert best.value == pytest.approx(np.mean(losses))
    assert best.attributes["stderr over tasks"] == pytest.approx(np.std(losses, ddof=1) / math.sqrt(3))
    assert best.attributes["tasks"] == ["left", "middle", "right"]
    assert best.observation.stderr is None
    assert best.observation.cost > 0.0


def test_a_sample_tells_its_standard_error_and_another_one_for_each_trial():
    study = tt.create_study(space=FAMILY.space, tuner="random", seed=0)
    study.optimize(FAMILY.objective(sample=2), n_trials=12)
    assert len({tuple(trial.attributes["tasks"]) for trial in study.trials}) == 3
    assert all(trial.observation.losses is None for trial in study.trials)
    assert all(trial.observation.stderr["value"] > 0.0 for trial in study.trials)


def test_the_mean_over_samples_is_that_over_the_family():
    study = tt.create_study(space=Space(a=Float(0.0, 1e-9)), tuner="random", seed=1)
    study.optimize(FAMILY.objective(sample=1), n_trials=200)
    values = np.array([trial.value for trial in study.trials])
    whole = np.mean([0.25 + 3.0, 0.01 - 1.0, 0.49])
    assert abs(values.mean() - whole) < 4.0 * values.std(ddof=1) / math.sqrt(200)


def test_each_task_has_random_numbers_of_its_own_that_a_replay_repeats():
    family = TaskFamily([member("one", 0.0, failing="random"), member("two", 0.0, failing="random")])
    found = []
    for _ in range(2):
        study = tt.create_study(space=family.space, tuner="random", seed=3)
        study.optimize(family.objective(), n_trials=3)
        found.append([trial.observation.losses.tolist() for trial in study.trials])
    assert found[0] == found[1]
    assert len({loss for losses in found[0] for loss in losses}) == 6


def test_a_task_that_raises_names_itself():
    family = TaskFamily([member("fine", 0.0), member("broken", 0.0, failing="raise")])
    study = tt.create_study(space=family.space, tuner="random", seed=0)
    with pytest.raises(ZeroDivisionError, match="of its own") as caught:
        study.optimize(family.objective(), n_trials=1)
    assert caught.value.__notes__ == ["in task 'broken' of the family"]
    assert "in task 'broken' of the family" in study.trials[0].text
    study.optimize(family.objective(), n_trials=2, catch=ZeroDivisionError)
    assert len(study.trials) == 3


def test_a_task_that_diverges_names_itself():
    family = TaskFamily([member("fine", 0.0), member("wild", 0.0, failing="diverge")])
    study = tt.create_study(space=family.space, tuner="random", seed=0)
    study.optimize(family.objective(), n_trials=1)
    assert study.trials[0].attributes["diverged"] == "wild"
    assert not study.trials[0].observation.finite


def test_a_task_of_two_values_is_refused():
    study = tt.create_study(space=SPACE, tuner="random", seed=0)
    with pytest.raises(InvalidObservation, match="task 'both' of a family must tell one value"):
        study.optimize(TaskFamily([member("both", 0.0, failing="two")]).objective(), n_trials=1)


def test_a_split_is_a_partition_that_its_key_repeats():
    family = TaskFamily([member(str(place), place / 20) for place in range(20)])
    tuning, judging = family.split(6, Key(5))
    assert sorted([*tuning.names, *judging.names], key=int) == list(family.names)
    assert len(judging) == 6
    assert family.split(6, Key(5))[1].names == judging.names
    assert family.split(6, Key(6))[1].names != judging.names
    assert list(tuning.names) == sorted(tuning.names, key=int)


def test_a_source_makes_the_same_first_tasks_for_every_count():
    source = TaskSource(lambda key: member("drawn", key.generator().uniform(-1, 1)))
    few, many = source.draw(3, Key(1)), source.draw(8, Key(1))
    assert few.names == many.names[:3]
    assert np.array_equal(few.features, many.features[:3])
    assert len(np.unique(many.features)) == 8
    assert not np.array_equal(source.draw(3, Key(2)).features, few.features)


def test_duals_are_made_once_and_when_asked_for():
    made = []

    def make() -> PiecewiseConstant:
        made.append(1)
        return PiecewiseConstant([0, 1], [0.5])

    family = TaskFamily([FamilyMember("a", Bowl(0.0), make_dual=make)])
    assert made == []
    assert family.duals()[0] is family.duals()[0]
    assert made == [1]


def test_a_dual_function_alone_is_a_task():
    dual = PiecewiseConstant([-1, 0.25, 1], [0.5, 0.75])
    family = TaskFamily([FamilyMember.exact("a", lambda: dual, SPACE, {"size": 3.0})])
    study = tt.create_study(space=family.space, tuner="random", seed=0)
    study.optimize(family.objective(), n_trials=5)
    assert [trial.value for trial in study.trials] == [float(dual.value(trial.params["a"])) for trial in study.trials]
    assert family.duals()[0] is dual
    assert family.feature_names == ("size",)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: FamilyMember.exact("a", FAMILY[0].make_dual, Space(a=Float(0, 1), b=Int(0, 1))),
            "one numeric parameter",
        ),
        (lambda: TaskFamily([]), "at least one task"),
        (lambda: TaskFamily([member("a", 0.0), member("a", 0.1)]), "one name"),
        (lambda: TaskFamily([member("a", 0.0), FamilyMember("b", Bowl(0.0), {"other": 1.0})]), "different features"),
        (
            lambda: TaskFamily([member("a", 0.0), member("b", 0.0, space=Space(a=Float(-1.0, 2.0)))]),
            "tasks 'a' and 'b' have different spaces: 'a' is Float.*2",
        ),
        (
            lambda: TaskFamily([member("a", 0.0), member("b", 0.0, space=Space(a=Float(-1.0, 1.0), k=Int(1, 2)))]),
            "only one of them has 'k'",
        ),
        (lambda: FamilyMember("a", Bowl(0.0), {"x": math.nan}), "feature 'x'"),
        (lambda: FAMILY.duals(), "no dual function"),
        (lambda: FAMILY.split(3, Key(0)), "both sides"),
        (lambda: FAMILY.objective(sample=4), "cannot exceed"),
        (lambda: TaskFamily([FamilyMember("a", Bowl(0.0, space=None))]).space, "declares no space"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
