"""BoTorch: (q)LogEI on its default Gaussian processes, started from 2 d Sobol points.

`SingleTaskGP` and `optimize_acqf` where every parameter is a real number; otherwise real numbers,
integers and ordinals on the unit interval, categories as integers in `MixedSingleTaskGP` (only where there
are categories), and the mixed optimiser that alternates between the discrete and the continuous part. There
an ask would take up to half a minute, so two limits keep it at seconds: the fit of a model with categories
ends after 200 iterations, and the mixed optimiser has 4 starts rather than 10.
`logei` is the analytic acquisition (sequential runs); `qlogei` its Monte-Carlo form, which counts pending
trials. BoTorch knows no conditions: the space is laid flat and inactive entries are ignored.
A failed trial counts as the worst value told so far.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One run."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        self._torch: Any = importlib.import_module("torch")
        self._torch.set_num_threads(1)
        self._torch.set_default_dtype(self._torch.float64)
        self._torch.manual_seed(setup["seed"])
        self._unit: Any = importlib.import_module("unit_cube")
        self.library = f"botorch {importlib.import_module('botorch').__version__}"
        self._columns = setup["columns"]
        self._analytic = method == "logei" and setup["workers"] == 1
        self._sobol = self._torch.quasirandom.SobolEngine(len(self._columns), scramble=True, seed=setup["seed"])
        self._start = 2 * len(self._columns)
        self._rows: list[list[float]] = []
        self._values: list[float | None] = []
        self._running: dict[int, list[float]] = {}
        self._levels = {
            place: [self._unit.to_unit(column, value) for value in _values_of(column)]
            for place, column in enumerate(self._columns)
            if column["kind"] != "float"
        }
        self._categories = [place for place, column in enumerate(self._columns) if column["kind"] == "categorical"]

    def ask(self, number: int) -> dict[str, float]:
        """The next configuration."""
        finite = [value for value in self._values if value is not None]
        first = number < self._start and len(self._rows) + len(self._running) < self._start
        row = self._drawn() if first or len(finite) < 2 else self._proposed(finite)
        self._running[number] = row
        return {
            column["name"]: self._unit.from_unit(column, unit) for column, unit in zip(self._columns, row, strict=True)
        }

    def tell(self, number: int, value: float | None) -> None:
        """A value, or a failure."""
        self._rows.append(self._running.pop(number))
        self._values.append(value)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere; inactive entries lie at the beginning of their range."""
        self._rows.append(
            [self._unit.to_unit(column, coordinates.get(column["name"], column["low"])) for column in self._columns]
        )
        self._values.append(value)

    def _drawn(self) -> list[float]:
        """The next Sobol point, discrete entries at the nearest level."""
        point: list[float] = self._sobol.draw(1)[0].tolist()
        for place, levels in self._levels.items():
            point[place] = levels[min(int(point[place] * len(levels)), len(levels) - 1)]
        return point

    def _proposed(self, finite: list[float]) -> list[float]:
        """The maximiser of the acquisition."""
        worst = max(finite)
        inputs = self._torch.tensor(self._rows)
        targets = -self._torch.tensor([[worst if value is None else value] for value in self._values])
        acquisition = self._acquisition(self._model(inputs, targets), float(targets.max()))
        row: list[float] = self._maximiser(acquisition)[0].tolist()
        return row

    def _model(self, inputs: Any, targets: Any) -> Any:
        models: Any = importlib.import_module("botorch.models")
        likelihoods: Any = importlib.import_module("gpytorch.mlls")
        fit: Any = importlib.import_module("botorch.fit")
        if self._categories:
            model = models.MixedSingleTaskGP(inputs, targets, cat_dims=self._categories)
        else:
            model = models.SingleTaskGP(inputs, targets)
        limits = {"options": {"maxiter": 200}} if self._categories else {}
        fit.fit_gpytorch_mll(likelihoods.ExactMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs=limits)
        return model

    def _acquisition(self, model: Any, best: float) -> Any:
        if self._analytic:
            return importlib.import_module("botorch.acquisition.analytic").LogExpectedImprovement(model, best)
        pending = self._torch.tensor(list(self._running.values())) if self._running else None
        logei: Any = importlib.import_module("botorch.acquisition.logei")
        return logei.qLogExpectedImprovement(model, best, X_pending=pending)

    def _maximiser(self, acquisition: Any) -> Any:
        bounds = self._torch.tensor([[0.0] * len(self._columns), [1.0] * len(self._columns)])
        if not self._levels:
            optim: Any = importlib.import_module("botorch.optim")
            return optim.optimize_acqf(acquisition, bounds, q=1, num_restarts=10, raw_samples=512)[0]
        for place in self._categories:
            bounds[1, place] = len(self._levels[place]) - 1
        mixed: Any = importlib.import_module("botorch.optim.optimize_mixed")
        ordered = {place: levels for place, levels in self._levels.items() if place not in self._categories}
        named = {place: self._levels[place] for place in self._categories}
        return mixed.optimize_acqf_mixed_alternating(
            acquisition, bounds, discrete_dims=ordered, cat_dims=named, q=1, num_restarts=4, raw_samples=128
        )[0]


def _values_of(column: dict[str, Any]) -> range:
    """Every value of a discrete column."""
    return range(int(column["low"]), int(column["high"]) + 1)
