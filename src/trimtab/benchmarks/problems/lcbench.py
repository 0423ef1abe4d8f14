"""Neural networks on 34 tables of data, answered by the surrogate of LCBench that YAHPO Gym publishes, from a folder.

LCBench trained 2,000 configurations of a multilayer perceptron on each of its tasks for 52 epochs. The surrogate is a
network that was fitted to these curves, in the file `model.onnx`; beside it lie `config_space.json` (the parameters and
the list of tasks) and `encoding.json` (each task's number). A task has seven hyperparameters: batch size, learning
rate, momentum, weight decay, layers, units and dropout. The epoch is fixed at its last, 52.

| metric | value told |
|---|---|
| val_cross_entropy (the default) | the validation cross-entropy, as the model gives it |
| val_accuracy | 1 - validation accuracy |
| val_balanced_accuracy | 1 - balanced validation accuracy |

The values are a model's, not measurements: smooth, free of noise, and in corners of the space that were seldom trained
better than any network was. They say how tuners compare on tasks that resemble each other as real ones do, not how low
a loss can be had. The least value is not known; `best_known` tells the least that a long search in batches found.

Of the tasks, in the order of `config_space.json`, those in even positions (the first, the third ...) are listed for
developing on. The others can be made by name; who has chosen nothing on them can judge by them.

Needs the package `onnxruntime`, which no extra brings.

Sources: L. Zimmer, M. Lindauer and F. Hutter, "Auto-PyTorch Tabular: Multi-Fidelity MetaLearning for Efficient and
Robust AutoDL", IEEE TPAMI 43 (9), 2021 (arXiv:2006.13799), for LCBench. F. Pfisterer, L. Schneider, J. Moosbauer, M.
Binder and B. Bischl, "YAHPO Gym - An Efficient Multi-Objective Multi-Fidelity Benchmark for Hyperparameter
Optimization", AutoML 2022 (arXiv:2109.03670), for the surrogate. The order of the model's inputs and outputs is that
of its configuration of LCBench.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, MissingExtra, UnknownName, message
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space

__all__ = ["METRICS", "BestKnown", "Lcbench", "lcbench_tasks"]

Floats = NDArray[np.float64]

METRICS = ("val_cross_entropy", "val_accuracy", "val_balanced_accuracy")
"""What can be minimised; accuracies as their distance from one."""

_TASK, _EPOCH = "OpenML_task_id", "epoch"
_INPUTS = (
    "epoch",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "num_layers",
    "max_units",
    "max_dropout",
)
_OUTPUTS = {"val_accuracy": (1, 100.0), "val_cross_entropy": (2, None), "val_balanced_accuracy": (3, 1.0)}
"""Metric -> the model's column, and what an accuracy of one is there; None for a loss."""

_BATCH = 20_000
"""Configurations that the model is given at once; bounds its memory to about 100 MB."""

DRAWS, ELITES, CHILDREN, ROUNDS = 100_000, 50, 40, 40
"""Of the search for the best known value; see `Lcbench.best_known`."""


def lcbench_tasks(folder: Path) -> list[str]:
    """The tasks for developing on: those in even positions, counted from 0, of the list in `config_space.json`.

    Raises:
        UnknownName: the folder does not hold the surrogate.
    """
    return _described(folder)[_TASK]["choices"][::2]  # type: ignore[no-any-return]  # of JSON


@final
@dataclass(frozen=True, slots=True)
class BestKnown:
    """What a search in batches found.

    Arguments:
        value: the least value.
        params: a configuration that has it.
        median: the median value of uniform draws: with `value` it makes regrets of tasks comparable.
    """

    value: float
    params: Params
    median: float


@final
class Lcbench:
    """One task.

    Arguments:
        folder: holds `model.onnx`, `config_space.json` and `encoding.json`.
        task: its number in OpenML as a text, such as "3945".
        metric: one of `METRICS`.

    Raises:
        UnknownName: the folder does not hold the surrogate, or there is no such task.
        InvalidArgument: there is no such metric.
    """

    def __init__(self, folder: Path, task: str, metric: str = METRICS[0]) -> None:
        described = _described(folder)
        if task not in described[_TASK]["choices"]:
            allowed = ", ".join(described[_TASK]["choices"])
            raise UnknownName(message("there is no LCBench task of this name", got=task, allowed=allowed))
        if metric not in METRICS:
            raise InvalidArgument(message("there is no such metric", got=metric, allowed=", ".join(METRICS)))
        self.task, self.metric = task, metric
        self.name = f"lcbench-{task}" + ("" if metric == METRICS[0] else f"-{metric}")
        self._model = folder / "model.onnx"
        self._number: int = json.loads((folder / "encoding.json").read_text(encoding="utf-8"))[_TASK][task]
        self._epoch: int = described[_EPOCH]["upper"]
        self._space = Space(
            {name: _parameter(entry) for name, entry in described.items() if name not in (_TASK, _EPOCH)}
        )

    def space(self) -> Space:
        """The seven hyperparameters; the same for every task."""
        return self._space

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The metric at the last epoch, free of noise."""
        return Observation(float(self.values(self._space.encode(params)[None, :])[0]))

    def values(self, raw: Floats) -> Floats:
        """The values (n,) of raw coordinates (n, 7) of the space.

        Raises:
            MissingExtra: `onnxruntime` is not installed.
        """
        names = list(self._space.names)
        columns = [
            np.full(len(raw), float(self._epoch)) if name == _EPOCH else raw[:, names.index(name)] for name in _INPUTS
        ]
        numbers = np.stack(columns, axis=1).astype(np.float32)
        column, one = _OUTPUTS[self.metric]
        parts = [
            _session(self._model).run(
                None, {"x_cat": np.full((len(part), 1), self._number, dtype=np.int32), "x_cont": part}
            )[0][:, column]
            for part in np.split(numbers, range(_BATCH, len(numbers), _BATCH))
        ]
        found: Floats = np.concatenate(parts).astype(np.float64)
        return found if one is None else 1.0 - found / one

    @cached_property
    def best_known(self) -> BestKnown:
        """The least value of 100,000 uniform draws and a local search from their best, some 180,000 values in all.

        The best 50 so far have 40 children each, in 40 rounds: about half of a child's unit coordinates are moved by
        normal steps, whose deviation falls from 0.2 to 0.002 in equal ratios. Takes some seconds; the seed is fixed.
        """
        rng = Key(0, purpose="lcbench/best-known").generator()
        raw = self._space.sample_raw(rng, DRAWS)
        values = self.values(raw)
        median = float(np.median(values))
        for scale in np.geomspace(0.2, 0.002, ROUNDS):
            kept = np.argsort(values, kind="stable")[:ELITES]
            raw, values = raw[kept], values[kept]
            parents = np.repeat(self._space.to_unit(raw), CHILDREN, axis=0)
            steps = scale * rng.standard_normal(parents.shape) * (rng.random(parents.shape) < 0.5)
            children = self._space.from_unit(np.clip(parents + steps, 0.0, 1.0))
            raw, values = np.concatenate([raw, children]), np.concatenate([values, self.values(children)])
        best = int(np.argmin(values))
        return BestKnown(float(values[best]), self._space.decode(raw[best]), median)


def _described(folder: Path) -> dict[str, dict[str, Any]]:
    """Hyperparameter -> its entry, tasks and epoch among them."""
    path = folder / "config_space.json"
    missing = [name for name in (path.name, "encoding.json", "model.onnx") if not (folder / name).is_file()]
    if missing:
        raise UnknownName(
            message(
                "the folder does not hold the surrogate of LCBench",
                got=str(folder),
                allowed="a folder with config_space.json, encoding.json and model.onnx",
                do=f"add {', '.join(missing)} from the folder lcbench of YAHPO Gym's data",
            )
        )
    return {entry["name"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))["hyperparameters"]}


def _parameter(entry: dict[str, Any]) -> Float | Int:
    """A hyperparameter with its range and scale. Its default there is the middle, which tells a tuner nothing."""
    kind = Int if entry["type"] == "uniform_int" else Float
    return kind(entry["lower"], entry["upper"], log=entry["log"])


@cache
def _session(model: Path) -> Any:
    """The model, loaded once in a process, on one thread so that answers and times do not depend on the machine."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra(
            message(
                f"LCBench needs the package 'onnxruntime', which could not be imported ({error})",
                do="pip install onnxruntime",
            )
        ) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
