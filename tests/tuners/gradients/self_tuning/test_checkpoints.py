"""Self-tuned trainings as trials that outlive a kill: the same end bit for bit, and files that are not believed."""

from __future__ import annotations

import os
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
import torch
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.contexts import RecordingContext
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.bilevel import Minibatches
from trimtab.tuners.gradients.self_tuning import (
    Adam,
    Coding,
    Network,
    SelfTuning,
    SelfTuningLinear,
    SelfTuningProblem,
    SelfTuningTask,
    State,
    Tuned,
    drop,
    go_on,
    tune,
)

METHOD = SelfTuning(warm_up=4, training_steps=2)
WITH_ADAM = SelfTuning.plain(4, weights=Adam(0.01), hyper=Adam(0.05))
SPACE = Space(rate=Float(0.0, 0.9))
PARAMS = {"rate": 0.3}


class Small(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.line = SelfTuningLinear(3, 1, k)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return self.line(x, z)[:, 0]


def small(shift: float = 0.0) -> SelfTuningProblem:
    rng = torch.Generator().manual_seed(1)
    x, y = torch.randn(60, 3, generator=rng), torch.randn(60, generator=rng)
    coding = Coding.of(Space(rate=Float(0.0, 0.9), decay=Float(1e-4, 1.0, log=True)))
    torch.manual_seed(0)

    def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        fit = (network(drop(batch[0], hyper["rate"], rng)) - batch[1]).square().mean()
        return fit + (hyper["decay"] * network.square_norm()).mean()

    def validation(network: Network, batch: Any) -> Tensor:
        return (network(batch[0]) - batch[1] - shift).square().mean()

    train, valid = (x[:30], y[:30]), (x[30:50], y[30:50])
    return SelfTuningProblem(
        Small(coding.inputs),
        coding,
        {"rate": 0.1, "decay": 0.01},
        training,
        validation,
        Minibatches(train, 10, 0),
        Minibatches(valid, 10, 1),
        valid,
        (x[50:], y[50:]),
    )


def task(folder: Path | None, rounds: int = 9, **changes: Any) -> SelfTuningTask:
    return replace(SelfTuningTask(small(), METHOD, SPACE, rounds=rounds, checkpoints=folder), **changes)


def same(one: Tuned, two: Tuned) -> bool:
    here, there = one.state.to_arrays(), two.state.to_arrays()
    equal = here.keys() == there.keys() and all(here[name].tobytes() == there[name].tobytes() for name in here)
    return equal and one.schedule == two.schedule


class TestCheckpointed(TaskKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "made" / "when needed"

    def make_task(self) -> SelfTuningTask:
        return task(self.folder, 4)


@pytest.mark.parametrize("method", [METHOD, WITH_ADAM, replace(METHOD, linearised=False)])
def test_a_training_goes_on_from_any_row_and_ends_the_same(method: SelfTuning) -> None:
    problem, seen = small(), []
    whole = tune(problem, method, 9, Key(4), every=2, on_row=lambda row, state: seen.append((row, state)))
    assert [row for row, _ in seen] == list(whole.schedule.rows)
    for place, (row, state) in enumerate(seen):
        back = State.from_arrays(state.to_arrays())
        rows = replace(whole.schedule, rows=whole.schedule.rows[: place + 1])
        assert rows.rows[-1] == row
        assert same(go_on(problem, method, back, rows, 9, Key(4), every=2), whole)


def test_patience_is_remembered() -> None:
    problem, seen = small(), []
    whole = tune(problem, METHOD, 200, Key(0), patience=4, on_row=lambda row, state: seen.append(state))
    assert whole.why == "no lower validation loss in 4 rows"
    for place in (2, len(seen) - 3, len(seen) - 1):
        rows = replace(whole.schedule, rows=whole.schedule.rows[: place + 1])
        again = go_on(problem, METHOD, seen[place], rows, 200, Key(0), patience=4)
        assert (again.why, same(again, whole)) == (whole.why, True)


@pytest.mark.parametrize("every", [1, 2])
def test_a_run_cut_off_anywhere_ends_the_same_bit_for_bit(tmp_path: Path, every: int) -> None:
    context = RecordingContext()
    first = task(tmp_path / "whole", every=every)
    whole = first.run(PARAMS, context)
    for stop in (1, 3, 5):
        cut, begun = replace(first, checkpoints=tmp_path / f"cut {stop}"), RecordingContext()

        def interrupt(told: RecordingContext = begun, stop: int = stop) -> None:
            if len(told.reports) == stop:
                raise KeyboardInterrupt

        begun.each = interrupt
        with pytest.raises(KeyboardInterrupt):
            cut.run(PARAMS, begun)
        second = RecordingContext(number=7)
        assert cut.run(PARAMS, second).values == whole.values
        assert second.reports == context.reports
        assert second.notes["resumed"] == {"step": 2 * every * (stop - 1), "trial": 0}
        assert second.notes["schedule"] == context.notes["schedule"]
        assert same(cut.final(PARAMS), first.final(PARAMS))


SCRIPT = """
import cloudpickle, os, signal, sys

class Context:
    number, steps, key = 0, 0, None
    def report(self, step, metrics):
        self.steps += 1
        if self.steps == 6:
            os.kill(os.getpid(), signal.SIGKILL)
    def should_prune(self):
        return False
    def attribute(self, name, value):
        pass

with open(sys.argv[1], "rb") as file:
    task, params, Context.key = cloudpickle.load(file)
task.run(params, Context())
"""


def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        (tmp_path / "task").write_bytes(cloudpickle.dumps((task(tmp_path / "kept"), PARAMS, RecordingContext().key)))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "task")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    context, other = RecordingContext(number=1), RecordingContext()
    resumed = task(tmp_path / "kept").run(PARAMS, context)
    assert context.notes["resumed"] == {"step": 10, "trial": 0}
    assert resumed.values == task(tmp_path / "whole").run(PARAMS, other).values
    assert context.reports == other.reports
    assert same(task(tmp_path / "kept").final(PARAMS), task(tmp_path / "whole").final(PARAMS))


def test_an_end_is_told_again_to_its_own_trial_only(tmp_path: Path) -> None:
    first = task(tmp_path).run(PARAMS, RecordingContext())
    again = RecordingContext()
    assert task(tmp_path).run(PARAMS, again).values == first.values
    assert again.notes["resumed"]["step"] == 18
    other = RecordingContext(number=1)
    assert task(tmp_path).run(PARAMS, other).values != first.values
    assert "resumed" not in other.notes
    longer = task(tmp_path, 12)
    assert (
        longer.run(PARAMS, RecordingContext(number=2)).values
        == task(None, 12).run(PARAMS, RecordingContext(number=1)).values
    )
    # A shorter task leaves the longer one's file as it is.
    assert task(tmp_path).run(PARAMS, RecordingContext()).values == first.values
    assert longer.final(PARAMS).state.training_steps == 24


def test_the_last_row_of_a_shorter_task_is_not_in_the_schedule_of_a_longer(tmp_path: Path) -> None:
    task(tmp_path, 5, every=2).run(PARAMS, RecordingContext())
    context = RecordingContext()
    task(tmp_path, 6, every=2).run(PARAMS, context)
    assert [step for step, _ in context.reports] == [0, 4, 8, 12]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: np.savez(path, state=np.zeros(3, dtype=np.uint8)),
        lambda path: np.savez(path, state=np.array([{"a": 1}], dtype=object), run=np.array([None], dtype=object)),
    ],
    ids=["empty", "cut", "other arrays", "pickles"],
)
def test_a_corrupt_checkpoint_is_told_and_set_aside(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    first = task(tmp_path).run(PARAMS, RecordingContext())
    path = task(tmp_path).checkpoint(PARAMS)
    assert path is not None
    spoil(path)
    with pytest.raises(InvalidArgument, match="corrupt"):
        task(tmp_path).final(PARAMS)
    context = RecordingContext()
    assert task(tmp_path).run(PARAMS, context).values == first.values
    assert "is corrupt" in context.notes["checkpoint set aside"]
    assert "resumed" not in context.notes
    assert len(list(tmp_path.glob("*.bad"))) == 1


def test_a_foreign_checkpoint_is_told_and_set_aside(tmp_path: Path) -> None:
    here = task(tmp_path)
    here.run(PARAMS, RecordingContext())
    path, other = here.checkpoint(PARAMS), here.checkpoint({"rate": 0.5})
    assert path is not None
    assert other is not None
    assert len({path, other, replace(here, method=replace(METHOD, tau=0.5)).checkpoint(PARAMS)}) == 3
    other.write_bytes(path.read_bytes())
    context = RecordingContext()
    here.run({"rate": 0.5}, context)
    assert "of another start, method or problem" in context.notes["checkpoint set aside"]
    # The code of a loss has no fingerprint, but its value tells.
    context = RecordingContext()
    shifted = task(tmp_path, problem=small(shift=1.0))
    assert shifted.checkpoint(PARAMS) == path
    assert (
        shifted.run(PARAMS, context).values
        == task(None, problem=small(shift=1.0)).run(PARAMS, RecordingContext()).values
    )
    assert "the validation loss at its tensors is not the one" in context.notes["checkpoint set aside"]


def test_without_checkpoints_there_is_no_final_state() -> None:
    assert task(None).checkpoint(PARAMS) is None
    with pytest.raises(InvalidArgument, match="no checkpoint for these params"):
        task(None).final(PARAMS)


def test_other_arrays_are_no_state() -> None:
    arrays = tune(small(), METHOD, 1, Key(0)).state.to_arrays()
    for bad in ({}, {"state": np.zeros(2, dtype=np.uint8)}, {"state": arrays["state"]}):
        with pytest.raises(InvalidArgument, match="no state of a self-tuned training"):
            State.from_arrays(bad)
