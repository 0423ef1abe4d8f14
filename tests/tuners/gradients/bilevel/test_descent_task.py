"""Descents as trials: starts from params, whole curves, ends told, and nothing lost when a worker is killed."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import Tensor

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned
from trimtab.space import Space
from trimtab.testing.contexts import RecordingContext
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.bilevel import (
    MAID,
    BilevelProblem,
    Constants,
    DescentTask,
    Minibatches,
    State,
    descend,
    go_on,
)


def ridge(n: int = 4, shift: float = 0.0) -> BilevelProblem:
    """A common log penalty "l" and one factor "s" per feature."""
    rng = np.random.default_rng(3)
    x, xv = (torch.tensor(rng.normal(size=(15, n))) for _ in range(2))
    y, yv = (torch.tensor(rng.normal(size=15)) for _ in range(2))

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        return ((x @ (h["s"] * w["w"]) - y) ** 2).mean() / 2 + (h["l"].exp() * w["w"] ** 2).sum() / 2

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return ((xv @ (h["s"] * w["w"]) - yv - shift) ** 2).mean() / 2

    start = {"l": torch.tensor(-1.0, dtype=torch.float64), "s": torch.ones(n, dtype=torch.float64)}
    return BilevelProblem(inner, outer, {"w": torch.zeros(n, dtype=torch.float64)}, start)


SPACE = Space(l=tt.Float(-3.0, 1.0), s_scale=tt.Float(0.5, 2.0))
PARAMS = {"l": 0.25, "s_scale": 1.5}
MU = Constants(strong_convexity=lambda h: float(h["l"].exp()))


def maid() -> MAID:
    return MAID(step_size=1.0, constants=MU)


@dataclass(frozen=True)
class Heavy:
    """Alternating heavy-ball steps: cheap, and carries momentum along."""

    rate: float = 0.1
    fails_after: int = -1

    def start(self, problem: BilevelProblem, hyperparameters: Any) -> State:
        return self._state(problem, dict(problem.parameters), dict(hyperparameters), {}, 0)

    def _state(self, problem: BilevelProblem, w: Any, h: Any, velocity: Any, iteration: int) -> State:
        value = float(problem.loss("outer", w, h, 0))
        return State(dict(w), dict(h), value, iteration, iteration, extra=velocity, numbers={"rate": self.rate})

    def step(self, problem: BilevelProblem, state: State) -> State:
        leaf = {name: tensor.clone().requires_grad_() for name, tensor in state.parameters.items()}
        hyper = {name: tensor.clone().requires_grad_() for name, tensor in state.hyperparameters.items()}
        slopes = torch.autograd.grad(problem.loss("inner", leaf, state.hyperparameters, 0), list(leaf.values()))
        w = {name: leaf[name].detach() - self.rate * slope for name, slope in zip(leaf, slopes, strict=True)}
        found = torch.autograd.grad(problem.loss("outer", w, hyper, 0), list(hyper.values()), allow_unused=True)
        velocity, h = {}, {}
        for (name, tensor), slope in zip(hyper.items(), found, strict=True):
            before = state.extra.get(name, torch.zeros_like(tensor))
            velocity[name] = 0.9 * before + (torch.zeros_like(before) if slope is None else slope)
            h[name] = tensor.detach() - self.rate * velocity[name]
        if state.iteration == self.fails_after:
            velocity["s"] = velocity["s"] * math.nan
        return self._state(problem, w, h, velocity, state.iteration + 1)


def same(first: State, second: State) -> bool:
    here, there = first.to_arrays(), second.to_arrays()
    return here.keys() == there.keys() and all(here[name].tobytes() == there[name].tobytes() for name in here)


class TestMaidTask(TaskKit):
    def make_task(self) -> DescentTask:
        return DescentTask(ridge(), maid(), SPACE, iterations=4)


class TestCheckpointed(TaskKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "made" / "when needed"

    def make_task(self) -> DescentTask:
        return DescentTask(ridge(), Heavy(), SPACE, iterations=6, checkpoints=self.folder, every=2)


def test_a_trial_is_the_descent_from_its_params() -> None:
    problem, context = ridge(), RecordingContext()
    told = DescentTask(problem, maid(), SPACE, iterations=5).run(PARAMS, context)
    states: list[State] = []
    start = {"l": torch.tensor(0.25, dtype=torch.float64), "s": torch.full((4,), 1.5, dtype=torch.float64)}
    end = descend(problem, maid(), start, 5, states.append)
    assert told.values["value"] == end.value
    assert told.cost is not None
    assert told.cost > 0.0
    assert [step for step, _ in context.reports] == [1, 2, 3, 4, 5]
    for (_, metrics), state in zip(context.reports, states, strict=True):
        assert metrics == {
            "value": state.value,
            "l": float(state.hyperparameters["l"]),
            "s": float(state.hyperparameters["s"].norm()),
        }
    assert context.notes["descent"]["inner_iterations"] == end.inner_iterations
    assert context.notes["hyperparameters"]["s"] == end.hyperparameters["s"].tolist()


@pytest.mark.parametrize(
    ("space", "params", "expected"),
    [
        ({"l": tt.Float(-3, 1)}, {"l": -2.0}, (-2.0, 1.0)),
        ({"s": tt.Float(0, 4)}, {"s": 3.0}, (-1.0, 3.0)),
        ({"s_scale": tt.Float(0, 4), "s_offset": tt.Int(0, 4)}, {"s_scale": 0.5, "s_offset": 2}, (-1.0, 2.5)),
        ({}, {}, (-1.0, 1.0)),
    ],
)
def test_what_params_mean(space: dict[str, Any], params: dict[str, Any], expected: tuple[float, float]) -> None:
    start = DescentTask(ridge(), Heavy(), Space(space), iterations=1).start(params)
    assert float(start["l"]) == expected[0]
    assert start["s"].tolist() == [expected[1]] * 4


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ({"lr": tt.Float(0, 1)}, r"'lr' of the space sets no hyperparameter.*'s_scale'"),
        ({"l": tt.Categorical(["a", "b"])}, "'l' of the space sets no hyperparameter"),
        ({"s": tt.Float(0, 1), "s_offset": tt.Float(0, 1)}, "'s' is both set and changed"),
    ],
)
def test_a_space_without_meaning_is_refused(space: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        DescentTask(ridge(), Heavy(), Space(space), iterations=1)


def test_a_trial_that_is_given_up_ends_at_once() -> None:
    context = RecordingContext(patience=3)
    with pytest.raises(TrialPruned, match="after 3 of 50"):
        DescentTask(ridge(), Heavy(), SPACE, iterations=50).run(PARAMS, context)
    assert len(context.reports) == 3


@pytest.mark.parametrize("method", [maid(), Heavy()], ids=["maid", "momentum"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_run_cut_off_anywhere_ends_the_same_bit_for_bit(tmp_path: Path, method: Any, every: int) -> None:
    task = DescentTask(ridge(), method, SPACE, iterations=6, checkpoints=tmp_path / "whole")
    context = RecordingContext()
    whole = task.run(PARAMS, context)
    for stop in (1, 4, 5):
        cut = replace(task, checkpoints=tmp_path / f"cut {stop}", every=every)

        def interrupt(first: RecordingContext, stop: int = stop) -> None:
            if len(first.reports) == stop:
                raise KeyboardInterrupt

        first = RecordingContext()
        first.each = lambda told=first: interrupt(told)
        with pytest.raises(KeyboardInterrupt):
            cut.run(PARAMS, first)
        # A lost trial is run again under another number.
        second = RecordingContext(number=7)
        assert cut.run(PARAMS, second).values == whole.values
        assert second.reports == context.reports
        assert same(cut.final(PARAMS), task.final(PARAMS))
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
task.run(params, Context())
"""


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    problem = ridge()
    method = MAID(step_size=1.0)
    task = DescentTask(problem, method, SPACE, iterations=5, checkpoints=tmp_path / "kept")
    with open(tmp_path / "task", "wb") as file:
        cloudpickle.dump((task, PARAMS), file)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "task")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    context = RecordingContext(number=1)
    resumed = task.run(PARAMS, context)
    assert context.notes["resumed"] == {"iteration": 3, "trial": 0}
    assert [step for step, _ in context.reports] == [1, 2, 3, 4, 5]
    whole = replace(task, checkpoints=tmp_path / "whole")
    assert resumed.values == whole.run(PARAMS, RecordingContext()).values
    assert same(task.final(PARAMS), whole.final(PARAMS))


def test_a_descent_that_is_at_its_end_is_told_again_without_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=5, checkpoints=tmp_path)
    first = task.run(PARAMS, RecordingContext())
    context = RecordingContext(number=3)
    with monkeypatch.context() as patch:
        patch.setattr(Heavy, "step", None)
        assert task.run(PARAMS, context).values == first.values
    assert len(context.reports) == 5
    assert context.notes["resumed"] == {"iteration": 5, "trial": 0}
    longer = replace(task, iterations=8)
    assert (
        longer.run(PARAMS, RecordingContext()).values
        == DescentTask(ridge(), Heavy(), SPACE, iterations=8).run(PARAMS, RecordingContext()).values
    )
    # A shorter task leaves the longer one's file as it is.
    assert task.run(PARAMS, RecordingContext()).values == first.values
    assert task.final(PARAMS).iteration == 8


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: np.savez(path, state=np.zeros(3, dtype=np.uint8)),
        lambda path: np.savez(path, state=np.array([{"a": 1}], dtype=object), run=np.array([None], dtype=object)),
    ],
    ids=["empty", "text", "head only", "cut", "other arrays", "pickles"],
)
def test_a_corrupt_checkpoint_is_told_and_set_aside(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=4, checkpoints=tmp_path)
    first = task.run(PARAMS, RecordingContext())
    path = task.checkpoint(PARAMS)
    assert path is not None
    spoil(path)
    spoilt = path.read_bytes()
    with pytest.raises(InvalidArgument, match="corrupt"):
        task.final(PARAMS)
    context = RecordingContext()
    assert task.run(PARAMS, context).values == first.values
    assert "is corrupt" in context.notes["checkpoint set aside"]
    (aside,) = tmp_path.glob("*.bad")
    assert aside.name in context.notes["checkpoint set aside"]
    assert aside.read_bytes() == spoilt
    assert "resumed" not in context.notes


def test_a_foreign_checkpoint_is_told_and_set_aside(tmp_path: Path) -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=4, checkpoints=tmp_path)
    task.run(PARAMS, RecordingContext())
    path, other = task.checkpoint(PARAMS), task.checkpoint({"l": 0.5, "s_scale": 1.0})
    assert path is not None
    assert other is not None
    assert path != other
    assert path != replace(task, method=Heavy(0.2)).checkpoint(PARAMS)
    other.write_bytes(path.read_bytes())
    context = RecordingContext()
    task.run({"l": 0.5, "s_scale": 1.0}, context)
    assert "of another start, method or problem" in context.notes["checkpoint set aside"]
    # The same tensors under other data: the code of a loss has no fingerprint, but its value tells.
    context = RecordingContext()
    elsewhere = replace(task, problem=ridge(shift=1.0))
    assert elsewhere.checkpoint(PARAMS) == path
    found = elsewhere.run(PARAMS, context)
    assert "the outer loss at its tensors is not the one" in context.notes["checkpoint set aside"]
    assert (
        found.values
        == DescentTask(ridge(shift=1.0), Heavy(), SPACE, iterations=4).run(PARAMS, RecordingContext()).values
    )


def test_a_checkpoint_that_cannot_be_written_is_told_and_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=3, checkpoints=tmp_path / "file" / "folder")
    context = RecordingContext()
    assert task.run(PARAMS, context).finite
    assert str(tmp_path / "file") in context.notes["checkpoint failed"]


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=3, checkpoints=tmp_path)
    task.run(PARAMS, RecordingContext())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    context = RecordingContext()
    replace(task, iterations=5).run(PARAMS, context)
    assert "No space left" in context.notes["checkpoint failed"]
    assert task.final(PARAMS).iteration == 3
    assert not list(tmp_path.glob(".*"))


def test_nothing_but_the_checkpoint_is_left(tmp_path: Path) -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=3, checkpoints=tmp_path)
    context = RecordingContext()
    task.run(PARAMS, context)
    assert [str(path) for path in tmp_path.iterdir()] == [context.notes["checkpoint"]]


def test_without_checkpoints_there_is_no_final_state() -> None:
    task = DescentTask(ridge(), Heavy(), SPACE, iterations=1)
    assert task.checkpoint(PARAMS) is None
    with pytest.raises(InvalidArgument, match="no checkpoint for these params"):
        task.final(PARAMS)


@pytest.mark.parametrize(
    ("task", "params", "text"),
    [
        (
            DescentTask(ridge(), maid(), Space(l=tt.Float(-1e3, 1e3)), iterations=3),
            {"l": 800.0},
            r"constant strong_convexity is out of range; got inf",
        ),
        (
            DescentTask(ridge(), MAID(), Space(l=tt.Float(-1e3, 1e3)), iterations=3),
            {"l": 800.0},
            r"the inner loss is not finite.*hyperparameter 'l'",
        ),
        (
            DescentTask(ridge(), Heavy(fails_after=2), SPACE, iterations=9),
            PARAMS,
            r"after 2 outer iterations: carried tensor 's' holds nan or inf after outer iteration 3",
        ),
        (
            DescentTask(ridge(), Heavy(rate=1e3), SPACE, iterations=999),
            PARAMS,
            r"after \d+ outer iterations: .*'(w|s|l)'",
        ),
    ],
    ids=["constant", "overflow at the start", "nan later", "divergence"],
)
def test_nan_ends_a_trial_as_diverged_and_names_the_tensor(task: DescentTask, params: Any, text: str) -> None:
    context = RecordingContext()
    told = task.run(params, context)
    assert math.isnan(told.values["value"])
    assert re.search(text, context.notes["diverged"])


def test_a_loss_that_is_no_loss_is_an_error_and_no_divergence() -> None:
    base = ridge()
    wrong = BilevelProblem(base.inner, lambda w, h, b: w["w"], base.parameters, base.hyperparameters)
    with pytest.raises(InvalidObservation, match="the outer loss must be a floating-point scalar"):
        DescentTask(wrong, Heavy(), SPACE, iterations=2).run(PARAMS, RecordingContext())


def test_in_a_study(tmp_path: Path) -> None:
    task = DescentTask(ridge(), maid(), SPACE, iterations=3, checkpoints=tmp_path)
    study = tt.create_study(space=SPACE, storage=None, tuner="random", seed=0)
    study.optimize(task, n_trials=3)
    for trial in study.trials:
        assert trial.params is not None
        assert trial.value == task.final(trial.params).value
        assert trial.attributes["descent"]["iterations"] == 3


def test_batches_are_resumed_without_a_look_at_the_value(tmp_path: Path) -> None:
    data = torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    problem = BilevelProblem(
        lambda w, h, b: ((b[0] @ w["w"] - 1.0) ** 2).mean() + (h["l"].exp() * w["w"] ** 2).sum(),
        lambda w, h, b: ((b[0] @ w["w"] - 1.0) ** 2).mean() + h["l"] ** 2,
        {"w": torch.zeros(3, dtype=torch.float64)},
        {"l": torch.zeros((), dtype=torch.float64)},
        Minibatches((data,), 4, 0),
        Minibatches((data,), 4, 1),
    )
    task = DescentTask(problem, Heavy(), Space(l=tt.Float(-1, 1)), iterations=3, checkpoints=tmp_path)
    task.run({"l": 0.5}, RecordingContext())
    context = RecordingContext()
    replace(task, iterations=5).run({"l": 0.5}, context)
    assert context.notes["resumed"]["iteration"] == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_state_survives_its_arrays(dtype: torch.dtype, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    odd = {"../up/and\0away": torch.randn(2, 3, generator=generator).to(dtype), "ü": torch.tensor(0.1).to(dtype)}
    state = State(odd, {"h": torch.randn(4, generator=generator).to(dtype)}, 0.1, 3, 17, True, "why", odd, {"a": 0.3})
    np.savez(tmp_path / "state.npz", **state.to_arrays())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        back = State.from_arrays({name: file[name] for name in file.files})
    assert same(state, back)
    for name, tensor in odd.items():
        assert back.parameters[name].dtype is dtype
        assert torch.equal(back.parameters[name], tensor)
    assert (back.value, back.iteration, back.inner_iterations, back.finished, back.why) == (0.1, 3, 17, True, "why")
    assert back.numbers == {"a": 0.3}


def test_other_arrays_are_no_state() -> None:
    state = Heavy().start(ridge(), ridge().hyperparameters)
    arrays = state.to_arrays()
    for bad in ({}, {"state": np.zeros(2, dtype=np.uint8)}, {"state": arrays["state"]}):
        with pytest.raises(InvalidArgument, match="no state of a descent"):
            State.from_arrays(bad)


def test_a_descent_ends_where_its_method_says_so() -> None:
    @dataclass(frozen=True)
    class Brief(Heavy):
        def step(self, problem: BilevelProblem, state: State) -> State:
            after = super().step(problem, state)
            return replace(after, finished=after.iteration == 2, why="enough")

    problem, seen = ridge(), []
    end = descend(problem, Brief(), None, 10, seen.append)
    assert (end.iteration, end.why, len(seen)) == (2, "enough", 2)
    assert go_on(problem, Brief(), end, 10) is end
    with pytest.raises(InvalidArgument, match="number of outer iterations"):
        descend(problem, Brief(), None, 0)
