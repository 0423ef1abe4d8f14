"""Solves as trials: what params mean, whole curves, ends told, and nothing lost when a worker is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidParams, TrialPruned
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.space import Space
from trimtab.testing.contexts import RecordingContext
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.games import (
    Extragradient,
    FiniteSum,
    ForwardBackward,
    GameTask,
    Inclusion,
    VarianceReducedHalpern,
    VarianceReducedProximalPoint,
    affine,
    affine_constants,
    bilinear,
    box,
    simplices,
    solve,
    to_arrays,
)


def game(strong: float = 0.0, shift: float = 0.0, n: int = 30) -> Inclusion:
    """A bilinear game of two players with two coordinates each; strongly monotone where `strong` is above 0."""
    rng = np.random.default_rng(3)
    payoffs = np.eye(2) + 0.3 * rng.normal(size=(n, 2, 2))
    matrices = bilinear(payoffs) + strong * np.eye(4)
    return Inclusion(affine(matrices, rng.normal(size=(n, 4)) + shift))


PROBLEM, STRONG = game(), game(1.0)
LIPSCHITZ = affine_constants(
    bilinear(np.eye(2)[None] + 0.3 * np.random.default_rng(3).normal(size=(30, 2, 2)))
).lipschitz
SPACE = Space(start_scale=tt.Float(0.5, 2.0), start_offset=tt.Float(-1.0, 1.0))
PARAMS = {"start_scale": 1.5, "start_offset": -0.25}
BEGIN = [1.0, 2.0, 3.0, 4.0]

METHODS = {
    "extragradient": (Extragradient(2.0), PROBLEM, 20.0),
    "forward-backward": (ForwardBackward(4.0), STRONG, 20.0),
    "halpern": (VarianceReducedHalpern(8.0, batch=2), STRONG, 12.0),
    "proximal points": (VarianceReducedProximalPoint(LIPSCHITZ, batch=3), PROBLEM, 40.0),
}


def task(name: str = "extragradient", space: Space = SPACE, **more: Any) -> GameTask:
    method, problem, epochs = METHODS[name]
    return GameTask(problem, method, space, **({"start": BEGIN, "tolerance": 1e-3, "epochs": epochs} | more))


def same(first: object, second: object) -> bool:
    here, there = to_arrays(first), to_arrays(second)
    return here.keys() == there.keys() and all(here[name].tobytes() == there[name].tobytes() for name in here)


class TestProximalPointTask(TaskKit):
    def make_task(self) -> GameTask:
        return task("proximal points")


class TestCheckpointed(TaskKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "made" / "when needed"

    def make_task(self) -> GameTask:
        return task("halpern", checkpoints=self.folder, every=2)


@pytest.mark.parametrize("name", METHODS)
def test_a_trial_is_the_solve_from_its_params(name: str) -> None:
    method, problem, epochs = METHODS[name]
    context, states = RecordingContext(), list[Any]()
    told = task(name).run(PARAMS, context)
    end = solve(problem, method, 1.5 * np.array(BEGIN) - 0.25, 1e-3, epochs, states.append)
    assert told.values["value"] == end.residual
    assert told.cost is not None
    assert told.cost > 0.0
    assert [step for step, _ in context.reports] == list(range(1, len(states) + 1))
    for (_, metrics), state in zip(context.reports, states, strict=True):
        assert metrics == {
            "value": state.residual,
            "residual": state.residual,
            "epochs": state.evaluations / problem.operator.count,
        }
    assert context.notes["point"] == end.point.tolist()
    assert context.notes["game"] == {
        "converged": end.converged,
        "residual": end.residual,
        "epochs": end.epochs,
        "iterations": len(states),
        "told": list(end.told),
    }


@pytest.mark.parametrize(
    ("space", "params", "begin"),
    [
        ({"start": tt.Float(0, 4)}, {"start": 3.0}, [3.0] * 4),
        ({"start_scale": tt.Int(0, 4), "start_offset": tt.Float(0, 4)}, {"start_scale": 2, "start_offset": 1.0},
         [3.0, 5.0, 7.0, 9.0]),
        ({}, {}, BEGIN),
    ],
)  # fmt: skip
def test_what_params_of_the_start_mean(space: Any, params: Any, begin: list[float]) -> None:
    assert task(space=Space(space)).begin(params).tolist() == begin
    assert task(space=Space(space), start=None).begin(params).tolist() == (
        begin if "start" in params else [params.get("start_offset", 0.0)] * 4
    )


def test_params_may_set_the_method() -> None:
    space = Space(
        eta=tt.Float(0.1, 10.0, log=True),
        batch=tt.Int(1, 4),
        anchored=tt.Categorical([False, True]),
        start=tt.Int(0, 2),
    )
    params = {"eta": 0.5, "batch": 2, "anchored": True, "start": 1}
    made, expected = task("proximal points", space), VarianceReducedProximalPoint(LIPSCHITZ, 0, True, 0.5, 2)
    assert made.solver(params) == expected
    end = solve(PROBLEM, expected, np.ones(4), 1e-3, 40.0)
    assert made.run(params, RecordingContext()).values["value"] == end.residual


def test_the_value_may_be_any_function_of_the_point() -> None:
    context = RecordingContext()
    told = task(value=lambda point: float(point[0] ** 2)).run(PARAMS, context)
    assert told.values["value"] == context.notes["point"][0] ** 2
    assert all(metrics["value"] != metrics["residual"] for _, metrics in context.reports)


@pytest.mark.parametrize(
    ("space", "more", "text"),
    [
        ({"rate": tt.Float(0, 1)}, {}, r"'rate' of the space sets nothing.*'lipschitz'.*'start_scale'"),
        ({"start": tt.Categorical(["a", "b"])}, {}, "'start' of the space sets nothing"),
        ({"start": tt.Float(0, 1), "start_offset": tt.Float(0, 1)}, {}, "both set and changed"),
        ({}, {"start": [1.0]}, r"one finite number for each coordinate.*shape \(4,\)"),
        ({}, {"tolerance": 0.0}, "the tolerance must be a number"),
        ({}, {"epochs": -1.0}, "the budget in epochs must be a number"),
        ({}, {"every": 0}, "steps between checkpoints"),
    ],
)
def test_what_cannot_be_is_refused(space: Any, more: Any, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        task(space=Space(space), **more)
    with pytest.raises(InvalidParams):
        task().run({"start_scale": 9.0, "start_offset": 0.0}, RecordingContext())


def test_a_trial_that_is_given_up_ends_at_once() -> None:
    context = RecordingContext(patience=3)
    with pytest.raises(TrialPruned, match="after 3 steps and 7 of 20 epochs"):
        task(tolerance=1e-12).run(PARAMS, context)
    assert len(context.reports) == 3


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("every", [1, 3])
def test_a_run_cut_off_anywhere_ends_the_same_bit_for_bit(tmp_path: Path, name: str, every: int) -> None:
    whole_task, context = task(name, checkpoints=tmp_path / "whole"), RecordingContext()
    whole = whole_task.run(PARAMS, context)
    length = len(context.reports)
    assert length >= 2
    for stop in sorted({1, length // 2, length - 1}):
        cut, first = replace(whole_task, checkpoints=tmp_path / f"cut {stop}", every=every), RecordingContext()

        def interrupt(told: RecordingContext = first, stop: int = stop) -> None:
            if len(told.reports) == stop:
                raise KeyboardInterrupt

        first.each = interrupt
        with pytest.raises(KeyboardInterrupt):
            cut.run(PARAMS, first)
        # A lost trial is run again under another number.
        second = RecordingContext(number=7)
        assert cut.run(PARAMS, second).values == whole.values
        assert second.reports == context.reports
        assert second.notes["game"] == context.notes["game"]
        assert same(cut.final(PARAMS), whole_task.final(PARAMS))
        assert second.notes.get("resumed", {"iteration": 0})["iteration"] == stop // every * every


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
assert "torch" not in sys.modules
task.run(params, Context())
"""


def test_a_worker_that_is_killed_loses_nothing_and_needs_no_torch(tmp_path: Path) -> None:
    made = task("halpern", checkpoints=tmp_path / "kept")
    with open(tmp_path / "task", "wb") as file:
        cloudpickle.dump((made, PARAMS), file)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "task")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    context = RecordingContext(number=1)
    resumed = made.run(PARAMS, context)
    assert context.notes["resumed"] == {"iteration": 3, "trial": 0}
    whole, unbroken = replace(made, checkpoints=tmp_path / "whole"), RecordingContext()
    assert resumed.values == whole.run(PARAMS, unbroken).values
    assert context.reports == unbroken.reports
    assert same(made.final(PARAMS), whole.final(PARAMS))


def test_a_solve_that_is_at_its_end_is_told_again_and_a_longer_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = task(checkpoints=tmp_path, tolerance=1e-9, epochs=11.0)
    first = made.run(PARAMS, RecordingContext())
    context = RecordingContext(number=3)
    with monkeypatch.context() as patch:
        patch.setattr(Extragradient, "step", None)
        assert made.run(PARAMS, context).values == first.values
    assert context.notes["resumed"] == {"iteration": 5, "trial": 0}
    longer, alone = replace(made, epochs=21.0), RecordingContext()
    assert longer.run(PARAMS, alone).values == replace(longer, checkpoints=None).run(PARAMS, RecordingContext()).values
    assert alone.notes["resumed"]["iteration"] == 5
    # A shorter task leaves the longer one's file as it is.
    assert made.run(PARAMS, RecordingContext()).values == first.values
    assert made.final(PARAMS).iteration == 10


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: np.savez(path, run=np.zeros(3, dtype=np.uint8)),
        lambda path: np.savez(path, run=np.array([{"a": 1}], dtype=object)),
    ],
    ids=["text", "cut", "other arrays", "pickles"],
)
def test_a_corrupt_checkpoint_is_told_and_set_aside(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    made = task(checkpoints=tmp_path)
    first, path = made.run(PARAMS, RecordingContext()), made.checkpoint(PARAMS)
    assert path is not None
    spoil(path)
    with pytest.raises(InvalidArgument, match="corrupt"):
        made.final(PARAMS)
    context = RecordingContext()
    assert made.run(PARAMS, context).values == first.values
    assert "is corrupt" in context.notes["checkpoint set aside"]
    assert "resumed" not in context.notes
    assert len(list(tmp_path.glob("*.bad"))) == 1


def test_a_foreign_checkpoint_is_told_and_set_aside(tmp_path: Path) -> None:
    made = task(checkpoints=tmp_path)
    made.run(PARAMS, RecordingContext())
    other_params = {"start_scale": 1.0, "start_offset": 0.5}
    path, other = made.checkpoint(PARAMS), made.checkpoint(other_params)
    assert path is not None
    assert other is not None
    names = {path, other, replace(made, method=Extragradient(3.0)).checkpoint(PARAMS)}
    assert len(names | {replace(made, tolerance=1e-2).checkpoint(PARAMS)}) == 4
    other.write_bytes(path.read_bytes())
    context = RecordingContext()
    made.run(other_params, context)
    assert "of another start, method or problem" in context.notes["checkpoint set aside"]
    # The same start of another operator: code has no fingerprint, but the first residual tells.
    elsewhere, context = replace(made, problem=game(shift=1.0)), RecordingContext()
    assert elsewhere.checkpoint(PARAMS) == path
    found = elsewhere.run(PARAMS, context)
    assert "the residual at its start is not that of this operator" in context.notes["checkpoint set aside"]
    assert found.values == replace(elsewhere, checkpoints=None).run(PARAMS, RecordingContext()).values


def test_without_checkpoints_there_is_no_final_state(tmp_path: Path) -> None:
    assert task().checkpoint(PARAMS) is None
    for made in (task(), task(checkpoints=tmp_path)):
        with pytest.raises(InvalidArgument, match="no checkpoint for these params"):
            made.final(PARAMS)


def test_a_checkpoint_that_cannot_be_written_is_told_and_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    context = RecordingContext()
    assert task(checkpoints=tmp_path / "file" / "folder").run(PARAMS, context).finite
    assert str(tmp_path / "file") in context.notes["checkpoint failed"]


def test_in_a_study_divergence_is_a_finding_and_the_study_goes_on(tmp_path: Path) -> None:
    """Plain descent-ascent on a bilinear game leads away, the faster the longer its steps are."""
    space = Space(lipschitz=tt.Float(1e-3, 1.0, log=True))
    made = GameTask(
        PROBLEM, ForwardBackward(1.0), space, start=BEGIN, tolerance=1e-3, epochs=200.0, checkpoints=tmp_path, every=50
    )
    study = tt.create_study(space=space, storage=None, tuner="random", seed=0)
    study.enqueue_trial({"lipschitz": 1e-3})
    study.enqueue_trial({"lipschitz": 1.0})
    study.optimize(made, n_trials=3)
    first, second, _ = study.trials
    assert first.reason is EndReason.DIVERGED
    assert re.search(
        r"after \d+ steps: the operator gave nan or inf in coordinate \d.*Next: .*box, ball",
        first.attributes["diverged"],
    )
    assert second.state is TrialState.COMPLETE
    assert second.value > 1e3
    assert "plain descent may diverge" in second.attributes["game"]["told"][0]


def test_faults_of_the_operator_are_errors() -> None:
    wrong = Inclusion(FiniteSum(3, 4, lambda point, rows: point[:2]))
    with pytest.raises(InvalidArgument, match=r"one number for each coordinate.*\(2,\).*shape \(4,\)"):
        GameTask(wrong, Extragradient(1.0), Space(), tolerance=1e-3, epochs=9.0).run({}, RecordingContext())


def test_a_study_over_starts_finds_the_best_of_many_equilibria() -> None:
    """With payoffs of zero every pair of strategies is an equilibrium; which one is reached is the start's affair."""
    still = Inclusion(affine(np.zeros((3, 4, 4))), simplices([2, 2]))
    space = Space(start_scale=tt.Float(0.0, 1.0))
    made = GameTask(
        still, Extragradient(1.0), space, start=[1, 0, 0, 1], tolerance=1e-6, epochs=9.0, value=lambda u: float(u[0])
    )
    study = tt.create_study(space=space, storage=None, tuner="random", seed=0)
    study.optimize(made, n_trials=8)
    scales = [trial.params["start_scale"] for trial in study.trials]
    assert study.best_value == pytest.approx(min((1.0 + scale) / 2.0 for scale in scales))
    inside = GameTask(game(), Extragradient(2.0), Space(start=tt.Float(0, 9)), tolerance=1e-3, epochs=9.0)
    boxed = replace(inside, problem=Inclusion(PROBLEM.operator, box(-1.0, 1.0)))
    assert boxed.begin({"start": 5.0}).tolist() == [1.0] * 4
