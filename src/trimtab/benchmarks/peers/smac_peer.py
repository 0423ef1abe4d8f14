"""SMAC3: its facade for hyperparameter optimisation (random forest, logEI), through ask and tell.

Conditions are declared to ConfigSpace. The objective is declared deterministic, so that a configuration is
run once. A failed trial is told as crashed with the worst value told so far: the infinite cost that is
SMAC's default for a crash breaks its model.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
import warnings
from pathlib import Path
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One run."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        self._smac: Any = importlib.import_module("smac")
        self._history: Any = importlib.import_module("smac.runhistory.dataclasses")
        self._enum: Any = importlib.import_module("smac.runhistory.enumerations")
        self.library = f"smac {importlib.metadata.version('smac')}"
        self._columns = {column["name"]: column for column in setup["columns"]}
        self._folder = tempfile.TemporaryDirectory()
        self._configspace: Any = importlib.import_module("ConfigSpace")
        self._space = self._declared(setup["seed"])
        scenario = self._smac.Scenario(
            self._space,
            name="benchmark",
            output_directory=Path(self._folder.name),
            deterministic=True,
            n_trials=setup["budget"],
            n_workers=1,
            seed=setup["seed"],
        )
        facade = self._smac.HyperparameterOptimizationFacade
        self._optimizer = facade(
            scenario,
            _never_called,
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            overwrite=True,
            logging_level=False,
        )
        self._running: dict[int, Any] = {}
        self._worst = 0.0

    def ask(self, number: int) -> dict[str, float]:
        """The next configuration."""
        info = self._running[number] = self._optimizer.ask()
        return {name: _number(self._columns[name], value) for name, value in dict(info.config).items()}

    def tell(self, number: int, value: float | None) -> None:
        """A value, or a failure."""
        info = self._running.pop(number)
        status = self._enum.StatusType.CRASHED if value is None else self._enum.StatusType.SUCCESS
        cost = self._worst if value is None else value
        self._worst = max(self._worst, cost)
        self._optimizer.tell(info, self._history.TrialValue(cost=cost, time=0.0, status=status), save=False)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere."""
        values = {name: _value(self._columns[name], number) for name, number in coordinates.items()}
        config = self._configspace.Configuration(self._space, values=values)
        info = self._history.TrialInfo(config=config, seed=0)
        self._optimizer.tell(info, self._history.TrialValue(cost=value, time=0.0), save=False)

    def _declared(self, seed: int) -> Any:
        """The space with its conditions."""
        space = self._configspace.ConfigurationSpace(seed=seed)
        made = {name: self._parameter(column) for name, column in self._columns.items()}
        space.add(list(made.values()))
        for name, column in self._columns.items():
            if column["parent"] is not None:
                parent = self._columns[column["parent"]]
                values = [_value(parent, index) for index in column["parent_values"]]
                space.add(self._configspace.InCondition(made[name], made[column["parent"]], values))
        return space

    def _parameter(self, column: dict[str, Any]) -> Any:
        """A column as ConfigSpace declares it."""
        name, kind = column["name"], column["kind"]
        if kind == "float":
            bounds = (column["low"], column["high"])
            return self._configspace.UniformFloatHyperparameter(name, *bounds, log=column["log"])
        if kind == "int":
            bounds = (column["low"], column["high"])
            return self._configspace.UniformIntegerHyperparameter(name, *bounds, log=column["log"])
        if kind == "ordinal":
            return self._configspace.OrdinalHyperparameter(name, list(range(column["size"])))
        return self._configspace.CategoricalHyperparameter(name, [f"c{k}" for k in range(column["size"])])


def _never_called(config: Any, seed: int = 0) -> float:
    """Stands for the objective, which is evaluated on the other side."""
    raise AssertionError("SMAC ran the objective by itself")


def _number(column: dict[str, Any], value: Any) -> float:
    """A value of ConfigSpace's as a coordinate."""
    return float(str(value)[1:]) if column["kind"] == "categorical" else float(value)


def _value(column: dict[str, Any], number: float) -> Any:
    """The inverse of `_number`."""
    if column["kind"] == "categorical":
        return f"c{int(number)}"
    return float(number) if column["kind"] == "float" else int(number)
