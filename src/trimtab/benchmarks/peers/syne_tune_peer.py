"""Syne Tune: its transfer baselines that need no heavy extra, told the past trials of other tasks in the setup.

`setup["past"]` holds them: task -> a list of (coordinates, value). One method each:

| method | class | settings |
|---|---|---|
| zero-shot | ZeroShotTransfer | the candidates imputed here, see below |
| quantile | QuantileBasedSurrogateSearcher | defaults |
| bounding-box | BoundingBox | random search in the box of each task's best, as in its documentation |

ZeroShotTransfer wants every configuration evaluated on every task. Its option for other corpora, `use_surrogates`,
reads a generator that is only made later, and fails; `suggest` asks a random searcher, and never its own choice. So
2,000 candidates are drawn here (the option would draw 10,000, which makes each choice take a second and more); each
task's values of them are predicted by the model that the option would fit (boosted trees), and `get_config` is asked,
which holds the choice. RUSH, for several fidelities, is no longer part of the library. The package `huggingface_hub`
is there because the library's tables import it; nothing is read from it.

Numbers only, no conditions; an ordinal is the integer of its place. Failed trials are not told. The quantile method and
zero-shot do not read the values that they are told.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import warnings
from typing import Any

__all__ = ["Peer"]

METRIC = "value"
CANDIDATES = 2_000


class Peer:
    """One run."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        if any(column["kind"] == "categorical" or column["parent"] is not None for column in setup["columns"]):
            raise ValueError("this peer is for numbers without conditions")
        self._numpy: Any = importlib.import_module("numpy")
        self._pandas: Any = importlib.import_module("pandas")
        spaces: Any = importlib.import_module("syne_tune.config_space")
        self.library = f"syne-tune {importlib.metadata.version('syne-tune')}"
        self._columns, self._seed = setup["columns"], setup["seed"]
        self._space = {column["name"]: _domain(spaces, column) for column in self._columns}
        made: Any = getattr(self, "_" + method.replace("-", "_"))(setup["past"])
        trials: Any = importlib.import_module("syne_tune.optimizer.schedulers.ask_tell_scheduler")
        self._choice = made if method == "zero-shot" else None
        self._loop = None if method == "zero-shot" else trials.AskTellScheduler(made)
        self._running: dict[int, Any] = {}

    def ask(self, number: int) -> dict[str, float] | None:
        """The next configuration; None where zero-shot has used up its candidates."""
        if self._choice is not None:
            chosen = self._choice.get_config()
            return None if chosen is None else self._coordinates(chosen)
        assert self._loop is not None
        trial = self._running[number] = self._loop.ask()
        return self._coordinates(trial.config)

    def tell(self, number: int, value: float | None) -> None:
        """A value; a failure is left out."""
        trial = self._running.pop(number, None)
        if trial is not None and self._loop is not None and value is not None:
            self._loop.tell(trial, {METRIC: value})

    def _zero_shot(self, past: dict[str, Any]) -> Any:
        """Portfolio by average rank."""
        module: Any = importlib.import_module("syne_tune.optimizer.schedulers.transfer_learning.zero_shot")
        surrogates: Any = importlib.import_module("syne_tune.blackbox_repository.blackbox_surrogate")
        trees: Any = importlib.import_module("xgboost")
        rng = self._numpy.random.RandomState(self._seed)
        drawn = [
            {name: domain.sample(random_state=rng) for name, domain in self._space.items()} for _ in range(CANDIDATES)
        ]
        candidates = self._pandas.DataFrame(drawn)
        imputed = {}
        for task, rows in past.items():
            model = surrogates.BlackboxSurrogate.make_model_pipeline(
                configuration_space=self._space, fidelity_space={}, model=trees.XGBRegressor(n_jobs=1)
            )
            model.fit(self._frame(rows), self._numpy.array([value for _, value in rows]))
            imputed[task] = self._evaluations(candidates.copy(), model.predict(candidates))
        return module.ZeroShotTransfer(
            self._space,
            METRIC,
            imputed,
            do_minimize=True,
            sort_transfer_learning_evaluations=False,
            random_seed=self._seed,
        )

    def _quantile(self, past: dict[str, Any]) -> Any:
        """Copula Thompson sampling."""
        module: Any = importlib.import_module(
            "syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher"
        )
        searcher = module.QuantileBasedSurrogateSearcher(self._space, self._told(past), random_seed=self._seed)
        schedulers: Any = importlib.import_module("syne_tune.optimizer.schedulers.single_objective_scheduler")
        return schedulers.SingleObjectiveScheduler(self._space, METRIC, searcher=searcher, random_seed=self._seed)

    def _bounding_box(self, past: dict[str, Any]) -> Any:
        """Random search in the box of the best configurations."""
        module: Any = importlib.import_module("syne_tune.optimizer.schedulers.transfer_learning.bounding_box")
        search: Any = importlib.import_module("syne_tune.optimizer.baselines").RandomSearch

        def make(space: Any, metric: str, minimise: bool, seed: int) -> Any:
            return search(space, metrics=[metric], do_minimize=minimise, random_seed=seed)

        return module.BoundingBox(make, self._space, METRIC, self._told(past), random_seed=self._seed)

    def _told(self, past: dict[str, Any]) -> dict[str, Any]:
        """The past trials as the library has them."""
        return {
            task: self._evaluations(self._frame(rows), self._numpy.array([value for _, value in rows]))
            for task, rows in past.items()
        }

    def _frame(self, rows: Any) -> Any:
        """Configurations of past trials, a row each."""
        return self._pandas.DataFrame(
            [{column["name"]: _whole(column, row[column["name"]]) for column in self._columns} for row, _ in rows]
        )

    def _evaluations(self, frame: Any, values: Any) -> Any:
        """One task's trials: one seed, one fidelity, one objective."""
        module: Any = importlib.import_module(
            "syne_tune.optimizer.schedulers.transfer_learning.transfer_learning_task_evaluation"
        )
        return module.TransferLearningTaskEvaluations(self._space, frame, [METRIC], values.reshape(-1, 1, 1, 1))

    def _coordinates(self, chosen: Any) -> dict[str, float]:
        return {column["name"]: _whole(column, chosen[column["name"]]) for column in self._columns}


def _domain(spaces: Any, column: dict[str, Any]) -> Any:
    """A column as the library declares it."""
    if column["kind"] == "float":
        return (spaces.loguniform if column["log"] else spaces.uniform)(column["low"], column["high"])
    return (spaces.lograndint if column["log"] else spaces.randint)(int(column["low"]), int(column["high"]))


def _whole(column: dict[str, Any], value: Any) -> float:
    """A number: an integer but for real ones."""
    return float(value) if column["kind"] == "float" else int(value)
