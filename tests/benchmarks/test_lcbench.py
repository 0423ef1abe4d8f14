"""The tasks of LCBench: a made-up model shows what is asked of it and told; the real one what it is like."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, MissingExtra, UnknownName
from trimtab.base.seeds import Key
from trimtab.benchmarks import make_problem, problem_names, set_of
from trimtab.benchmarks.problems import lcbench
from trimtab.benchmarks.problems.lcbench import METRICS, Lcbench, lcbench_tasks

KEY = Key(0)
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "yahpo_lcbench"
TASKS = ["3945", "7593", "34539", "126025", "126026"]
PARAMETERS = {
    "batch_size": (16, 512, True),
    "epoch": (1, 52, False),
    "learning_rate": (1e-4, 0.1, True),
    "max_dropout": (0.0, 1.0, False),
    "max_units": (64, 1024, True),
    "momentum": (0.1, 0.99, False),
    "num_layers": (1, 5, False),
    "weight_decay": (1e-5, 0.1, False),
}


class Model:
    """In place of the surrogate: six outputs that show the task and the inputs."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, outputs: object, given: dict[str, Any]) -> list[Any]:
        numbers, task = given["x_cont"], given["x_cat"][:, 0]
        assert (numbers.dtype, given["x_cat"].dtype) == (np.float32, np.int32)
        self.sizes.append(len(numbers))
        epoch, batch, _, momentum, _, layers, _, dropout = numbers.T
        bowl = (np.log(batch / 100)) ** 2 + (momentum - 0.5) ** 2 + (dropout - 0.3) ** 2 + layers
        return [np.stack([epoch, 60 + layers, bowl, 0.6 + dropout / 10, task, batch], axis=1).astype(np.float32)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the surrogate's files, the model an empty one."""
    entries: list[dict[str, Any]] = [{"name": "OpenML_task_id", "type": "categorical", "choices": TASKS}]
    for name, (low, high, log) in PARAMETERS.items():
        kind = "uniform_int" if isinstance(low, int) else "uniform_float"
        entries.append({"name": name, "type": kind, "lower": low, "upper": high, "log": log})
    (tmp_path / "config_space.json").write_text(json.dumps({"hyperparameters": entries}), encoding="utf-8")
    encoding = {"OpenML_task_id": {task: place + 7 for place, task in enumerate(TASKS)}}
    (tmp_path / "encoding.json").write_text(json.dumps(encoding), encoding="utf-8")
    (tmp_path / "model.onnx").touch()
    return tmp_path


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """The made-up model in place of every session."""
    made = Model()
    monkeypatch.setattr(lcbench, "_session", lambda path: made)
    return made


PARAMS = {
    "batch_size": 100,
    "learning_rate": 0.01,
    "max_dropout": 0.3,
    "max_units": 64,
    "momentum": 0.5,
    "num_layers": 3,
    "weight_decay": 0.01,
}


def told(problem: Any, params: Any = PARAMS) -> float:
    (value,) = problem.evaluate(params, KEY).values.values()
    return float(value)


def test_the_space_is_the_folders_without_task_and_epoch(folder: Path) -> None:
    space = Lcbench(folder, "3945").space()
    assert set(space.names) == set(PARAMETERS) - {"epoch"}
    for name in space.names:
        parameter: Any = space[name]
        assert (parameter.low, parameter.high, parameter.log) == PARAMETERS[name]
    assert {column.name for column in space.columns if column.kind == "int"} == {
        "batch_size",
        "max_units",
        "num_layers",
    }


def test_losses_are_told_as_they_are_and_accuracies_as_their_distance_from_one(folder: Path, model: Model) -> None:
    by_metric = {metric: told(Lcbench(folder, "3945", metric)) for metric in METRICS}
    expected = {"val_cross_entropy": 3.0, "val_accuracy": 1 - 0.63, "val_balanced_accuracy": 1 - 0.63}
    assert by_metric == pytest.approx(expected, abs=1e-6)


def test_the_model_is_given_its_number_for_the_task_and_the_last_epoch(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for column, expected in ((4, 11.0), (0, 52.0), (5, 100.0)):
        monkeypatch.setitem(lcbench._OUTPUTS, "val_cross_entropy", (column, None))
        assert told(Lcbench(folder, "126026")) == expected


def test_a_batch_has_the_values_of_its_configurations(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lcbench, "_BATCH", 8)
    problem = Lcbench(folder, "34539")
    space = problem.space()
    raw = space.sample_raw(np.random.default_rng(0), 20)
    values = problem.values(raw)
    assert model.sizes == [8, 8, 4]
    assert values == pytest.approx([told(problem, params) for params in space.decode_many(raw)])


def test_the_search_finds_the_least_value_of_a_bowl(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lcbench, "DRAWS", 2_000)
    found = Lcbench(folder, "3945").best_known
    # Batches of 100 are a level, one layer is an end, momentum and dropout are in the middle of their ranges.
    assert found.value == pytest.approx(1.0, abs=1e-4)
    assert found.params["batch_size"] == 100
    assert found.params["num_layers"] == 1
    assert told(Lcbench(folder, "3945"), found.params) == found.value
    assert found.median > 2.0


def test_every_second_task_is_listed_and_all_can_be_made(folder: Path, model: Model) -> None:
    assert lcbench_tasks(folder) == ["3945", "34539", "126026"]
    assert problem_names("lcbench", lcbench=folder) == ["lcbench-3945", "lcbench-34539", "lcbench-126026"]
    assert problem_names("lcbench") == []
    for name in ("lcbench-3945", "lcbench-7593", "lcbench-34539-val_accuracy"):
        problem = make_problem(name, lcbench=folder)
        assert problem.name == name
        assert set_of(name) == "lcbench"
    assert told(make_problem("lcbench-3945-val_accuracy", lcbench=folder)) == pytest.approx(0.37)
    quiet, noisy = (make_problem(f"lcbench-3945{wrapper}", lcbench=folder) for wrapper in ("", "+noisy:0.1"))
    assert told(quiet) != told(noisy)


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"'1'; allowed: 3945, 7593, "):
        Lcbench(folder, "1")
    with pytest.raises(InvalidArgument, match=r"'loss'; allowed: val_cross_entropy, "):
        Lcbench(folder, "3945", "loss")
    with pytest.raises(InvalidArgument, match="--lcbench PATH"):
        make_problem("lcbench-3945")
    (folder / "encoding.json").unlink()
    with pytest.raises(UnknownName, match=r"add encoding\.json from"):
        lcbench_tasks(folder)


def test_a_missing_runtime_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"'onnxruntime'.*pip install onnxruntime"):
        told(Lcbench(folder, "3945"))


def test_the_model_is_loaded_once_and_on_one_thread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def session(path: str, options: Any, providers: list[str]) -> Model:
        made.append((path, options.intra_op_num_threads, options.inter_op_num_threads))
        return Model()

    runtime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=session)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    for task in TASKS[:3]:
        told(Lcbench(folder, task))
    assert made == [(str(folder / "model.onnx"), 1, 1)]


@pytest.fixture
def real() -> Path:
    """The folder of the real surrogate."""
    pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")
    if not REAL.is_dir():
        pytest.skip("the surrogate of LCBench is not there")
    return REAL


def test_the_real_surrogate_answers_for_its_tasks(real: Path) -> None:
    tasks = lcbench_tasks(real)
    assert len(tasks) == len(set(tasks)) == 17
    problem, other = Lcbench(real, tasks[0]), Lcbench(real, tasks[1])
    raw = problem.space().sample_raw(np.random.default_rng(0), 200)
    values = problem.values(raw)
    assert np.isfinite(values).all()
    assert not np.allclose(values, other.values(raw))
    alone = [told(problem, params) for params in problem.space().decode_many(raw[:5])]
    assert values[:5] == pytest.approx(alone, rel=1e-4)
    for metric in METRICS[1:]:
        errors = Lcbench(real, tasks[0], metric).values(raw)
        assert (errors > -0.01).all()
        assert (errors < 1.01).all()


def test_the_real_search_goes_below_the_best_draws(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lcbench, "DRAWS", 2_000)
    monkeypatch.setattr(lcbench, "ROUNDS", 5)
    problem = Lcbench(real, lcbench_tasks(real)[0])
    drawn = problem.values(problem.space().sample_raw(np.random.default_rng(1), 4_000))
    assert problem.best_known.value < drawn.min()
    assert problem.best_known.median == pytest.approx(float(np.median(drawn)), rel=0.1)
