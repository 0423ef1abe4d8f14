"""Runs as trials: what params set, what is told, and nothing lost when a worker is killed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned
from trimtab.testing.contexts import RecordingContext
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.bilevel import State
from trimtab.tuners.gradients.rewards import (
    GAMMA_LOGIT,
    Barfi,
    BarfiTask,
    ExactBarfi,
    SampledProblem,
    TabularProblem,
    align,
)

TINY = Barfi(warm_up=6, first_steps=3, inner_steps=2, batch=2, outer_batches=2)


def same(first: State, second: State) -> bool:
    here, there = first.to_arrays(), second.to_arrays()
    return here.keys() == there.keys() and all(here[name].tobytes() == there[name].tobytes() for name in here)


class TestOnTables(TaskKit):
    runs = 2

    @pytest.fixture(autouse=True)
    def _problem(self, chain: Callable[..., TabularProblem]) -> None:
        self.problem = chain(0.3, 0.0)

    def make_task(self) -> BarfiTask:
        space = tt.Space(entropy=tt.Float(0.05, 0.2), gamma=tt.Float(0.5, 0.99), phi3=tt.Float(0.0, 1.0))
        return BarfiTask(self.problem, ExactBarfi(), space, iterations=2)


class TestOnSamples(TaskKit):
    runs = 2

    @pytest.fixture(autouse=True)
    def _problem(self, short_walk: SampledProblem, tmp_path: Path) -> None:
        self.problem, self.folder = short_walk, tmp_path

    def make_task(self) -> BarfiTask:
        space = tt.Space(neumann_step=tt.Float(1e-4, 1e-3, log=True), seed=tt.Int(0, 9))
        return BarfiTask(self.problem, TINY, space, iterations=2, checkpoints=self.folder, every=2)


def test_a_trial_is_the_run_that_its_params_say(chain: Callable[..., TabularProblem]) -> None:
    problem, context = chain(0.3, 0.0), RecordingContext()
    space = tt.Space(
        entropy=tt.Float(0.0, 1.0), gamma=tt.Float(0.1, 0.99), phi2_scale=tt.Float(1.0, 2.0), phi3=tt.Float(-1.0, 1.0)
    )
    task = BarfiTask(problem, ExactBarfi(), space, iterations=3)
    told = task.run({"entropy": 0.2, "gamma": 0.9, "phi2_scale": 1.5, "phi3": 0.5}, context)
    start = {
        "phi1": torch.zeros(1),
        "phi2": torch.tensor([1.5]),
        "phi3": torch.tensor([0.5]),
        GAMMA_LOGIT: torch.tensor(math.log(9.0)),
    }
    start = {name: tensor.double() for name, tensor in start.items()}
    start[GAMMA_LOGIT] = torch.tensor(math.log(0.9) - math.log1p(-0.9), dtype=torch.float64)
    states: list[State] = []
    end = align(problem, ExactBarfi(entropy=0.2), 3, start, states.append)
    assert told.values["value"] == end.value
    for (step, metrics), state in zip(context.reports, states, strict=True):
        assert step == state.iteration
        assert metrics == {
            **{name: float(state.hyperparameters[name]) for name in ("phi1", "phi2", "phi3")},
            "gamma": float(torch.sigmoid(state.hyperparameters[GAMMA_LOGIT])),
            "value": state.value,
            "return": -state.value,
        }
    assert context.notes["hyperparameters"]["gamma"] == context.reports[-1][1]["gamma"]
    assert context.notes["descent"]["iterations"] == 3


def test_in_a_study_over_settings_and_seeds(short_walk: SampledProblem) -> None:
    space = tt.Space(seed=tt.Int(0, 99), entropy=tt.Float(0.1, 0.5))
    study = tt.create_study(space=space, storage=None, tuner="random", seed=0)
    study.optimize(BarfiTask(short_walk, TINY, space, iterations=2), n_trials=2)
    first, second = study.trials
    assert first.params is not None
    assert first.params["seed"] != second.params["seed"]
    assert first.value != second.value
    method = replace(TINY, seed=first.params["seed"], entropy=first.params["entropy"])
    assert first.value == align(short_walk, method, 2).value
    assert {"return", "gamma", "phi1", "phi2", "phi3"} <= first.attributes["hyperparameters"].keys() | {"return"}


SCRIPT = """
import cloudpickle, os, signal, sys

class Context:
    number, steps = 0, 0
    def report(self, step, metrics):
        self.steps += 1
        if self.steps == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    def should_prune(self):
        return False
    def attribute(self, name, value):
        pass

with open(sys.argv[1], "rb") as file:
    task, params = cloudpickle.load(file)
task.run(params, Context())
"""


def test_a_worker_that_is_killed_loses_nothing(short_walk: SampledProblem, tmp_path: Path) -> None:
    space = tt.Space(seed=tt.Int(0, 9), phi3=tt.Float(0.0, 1.0))
    task = BarfiTask(short_walk, TINY, space, iterations=5, checkpoints=tmp_path / "kept", every=2)
    params = {"seed": 4, "phi3": 0.5}
    with open(tmp_path / "task", "wb") as file:
        cloudpickle.register_pickle_by_value(sys.modules[type(short_walk.environment()).__module__])
        try:
            cloudpickle.dump((task, params), file)
        finally:
            cloudpickle.unregister_pickle_by_value(sys.modules[type(short_walk.environment()).__module__])
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "task")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    context, other = RecordingContext(number=1), RecordingContext()
    resumed = task.run(params, context)
    assert context.notes["resumed"] == {"iteration": 2, "trial": 0}
    whole = replace(task, checkpoints=tmp_path / "whole")
    assert resumed.values == whole.run(params, other).values
    assert context.reports == other.reports
    assert [step for step, _ in context.reports] == [1, 2, 3, 4, 5]
    assert same(task.final(params), whole.final(params))


def test_checkpoints_of_other_runs_are_other_files(
    chain: Callable[..., TabularProblem], short_walk: SampledProblem, tmp_path: Path
) -> None:
    space = tt.Space(entropy=tt.Float(0.0, 1.0))
    exact = BarfiTask(chain(0.3, 0.0), ExactBarfi(), space, iterations=1, checkpoints=tmp_path)
    sampled = BarfiTask(short_walk, TINY, space, iterations=1, checkpoints=tmp_path)
    paths = {
        task.checkpoint({"entropy": entropy})
        for task in (
            exact,
            replace(exact, problem=chain(0.2, 0.0)),
            replace(exact, method=ExactBarfi(rate=0.1)),
            sampled,
            replace(sampled, problem=replace_auxiliary(short_walk)),
        )
        for entropy in (0.1, 0.2)
    }
    assert len(paths) == 10
    assert replace(exact, checkpoints=None).checkpoint({"entropy": 0.1}) is None
    with pytest.raises(InvalidArgument, match="no checkpoint for these params"):
        exact.final({"entropy": 0.1})


def pays_right(observation: Any, action: int, after: Any) -> float:
    return 0.1 * action


def replace_auxiliary(problem: SampledProblem) -> SampledProblem:
    return SampledProblem(problem.environment, problem.policy, pays_right, discount=0.95, gamma=0.95)


def test_a_trial_that_is_given_up_ends_at_once(short_walk: SampledProblem) -> None:
    context = RecordingContext(patience=2)
    with pytest.raises(TrialPruned, match="after 2 of 9"):
        BarfiTask(short_walk, TINY, tt.Space(), iterations=9).run({}, context)


def test_nan_ends_a_trial_as_diverged_and_a_broken_environment_as_an_error(short_walk: SampledProblem) -> None:
    context = RecordingContext()
    blown = SampledProblem(short_walk.environment, short_walk.policy, huge, discount=0.95, gamma=0.95)
    told = BarfiTask(blown, TINY, tt.Space(), iterations=2).run({}, context)
    assert math.isnan(told.values["value"])
    assert "nan or inf" in context.notes["diverged"]
    endless = SampledProblem(short_walk.environment, short_walk.policy, huge, longest=1)
    with pytest.raises(InvalidObservation, match="did not end in 1 steps"):
        BarfiTask(endless, TINY, tt.Space(), iterations=2).run({}, RecordingContext())


def huge(observation: Any, action: int, after: Any) -> float:
    return 1e308


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ({"lr": tt.Float(0.0, 1.0)}, r"'lr' of the space sets no hyperparameter.*Next: name.*'neumann_step'"),
        ({"episodes": tt.Float(1.0, 2.0)}, r"'episodes' of the space does not fit.*Barfi.*allowed: Int"),
        ({"gamma": tt.Int(0, 1)}, "'gamma' of the space sets no discount"),
        ({"gamma": tt.Float(0.5, 1.0)}, r"learnt discount is out of range; got 1.0"),
        ({"gamma": tt.Float(0.5, 0.9), "gamma_logit": tt.Float(0.0, 1.0)}, "set twice"),
        ({"phi1": tt.Float(0.0, 1.0), "phi1_offset": tt.Float(0.0, 1.0)}, "'phi1' is both set and changed"),
    ],
)
def test_a_space_without_meaning_is_refused(short_walk: SampledProblem, space: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"(?s){text}"):
        BarfiTask(short_walk, TINY, tt.Space(space), iterations=1)


def test_a_method_on_the_wrong_kind_of_problem_is_refused(short_walk: SampledProblem) -> None:
    with pytest.raises(InvalidArgument, match="ExactBarfi cannot work on a SampledProblem"):
        BarfiTask(short_walk, ExactBarfi(), tt.Space(), iterations=1)
