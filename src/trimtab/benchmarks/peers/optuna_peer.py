"""Optuna: its TPE, Gaussian process, CMA-ES and random samplers, through ask, suggest and tell.

Conditions are kept the way Optuna's users write them: a nested parameter is asked for only in its branch.
An ordinal is the integer of its place. Settings are the defaults but for two that its documentation
advises: TPE models parameters together (`multivariate`, with `group` where the space has conditions) and
counts running trials (`constant_liar`) in parallel runs. Where the setup has a list `first` of configurations, they are
enqueued, so they are asked for before the sampler is.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One study."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        self._optuna: Any = importlib.import_module("optuna")
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self.library = f"optuna {self._optuna.__version__}"
        self._columns = setup["columns"]
        self._study = self._optuna.create_study(sampler=self._sampler(setup, method))
        for coordinates in setup.get("first", ()):
            self._study.enqueue_trial(
                {column["name"]: _whole(column, coordinates[column["name"]]) for column in self._columns}
            )
        self._running: dict[int, Any] = {}

    def ask(self, number: int) -> dict[str, float]:
        """The next configuration."""
        trial = self._running[number] = self._study.ask()
        chosen: dict[str, float] = {}
        for column in self._columns:
            if column["parent"] is None or chosen.get(column["parent"]) in column["parent_values"]:
                chosen[column["name"]] = self._suggest(trial, column)
        return chosen

    def tell(self, number: int, value: float | None) -> None:
        """A value, or a failure."""
        trial = self._running.pop(number)
        if value is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere."""
        used = [column for column in self._columns if column["name"] in coordinates]
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params={column["name"]: _whole(column, coordinates[column["name"]]) for column in used},
                distributions={column["name"]: self._distribution(column) for column in used},
                value=value,
            )
        )

    def _sampler(self, setup: dict[str, Any], method: str) -> Any:
        samplers, seed = self._optuna.samplers, setup["seed"]
        if method == "tpe":
            conditional = any(column["parent"] is not None for column in self._columns)
            return samplers.TPESampler(
                multivariate=True, group=conditional, constant_liar=setup["workers"] > 1, seed=seed
            )
        kinds = {"gp": samplers.GPSampler, "cmaes": samplers.CmaEsSampler, "random": samplers.RandomSampler}
        return kinds[method](seed=seed)

    def _suggest(self, trial: Any, column: dict[str, Any]) -> float:
        if column["kind"] == "float":
            return float(trial.suggest_float(column["name"], column["low"], column["high"], log=column["log"]))
        if column["kind"] == "int":
            return int(trial.suggest_int(column["name"], column["low"], column["high"], log=column["log"]))
        if column["kind"] == "ordinal":
            return int(trial.suggest_int(column["name"], 0, column["size"] - 1))
        return int(trial.suggest_categorical(column["name"], list(range(column["size"]))))

    def _distribution(self, column: dict[str, Any]) -> Any:
        distributions = self._optuna.distributions
        if column["kind"] == "float":
            return distributions.FloatDistribution(column["low"], column["high"], log=column["log"])
        if column["kind"] == "int":
            return distributions.IntDistribution(column["low"], column["high"], log=column["log"])
        if column["kind"] == "ordinal":
            return distributions.IntDistribution(0, column["size"] - 1)
        return distributions.CategoricalDistribution(list(range(column["size"])))


def _whole(column: dict[str, Any], value: float) -> float:
    """The value as Optuna has it: integers but for real numbers."""
    return value if column["kind"] == "float" else int(value)
