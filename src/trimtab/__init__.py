"""Tunes the settings of anything one can train: uses everything a run can tell, and says what can be trusted.

>>> import trimtab as tt
>>> space = tt.Space(lr=tt.Float(1e-5, 1e-1, log=True), layers=tt.Int(1, 8))
>>> study = tt.create_study(space=space, direction="minimize", seed=0)
>>> study.optimize(lambda trial: (trial.params["layers"] - 3) ** 2 + trial.params["lr"], n_trials=12)
>>> study.best_params["layers"]
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.api import create_study, load_study, tune
    from trimtab.base.errors import (
        Conflict,
        ExecutorError,
        Exhausted,
        InvalidArgument,
        InvalidObservation,
        InvalidParams,
        InvalidSpace,
        MissingExtra,
        SpaceMismatch,
        StorageError,
        StudyExists,
        TrialError,
        TrialPruned,
        TrimtabError,
        UnknownName,
    )
    from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
    from trimtab.base.records import FrozenTrial, Interval, Objective, Observation, Selection
    from trimtab.space import Bool, Categorical, Choice, Constant, Float, Int, Ordinal, Space
    from trimtab.study import Study, Trial
    from trimtab.trust.holdout import Ladder, ReusableHoldout, Thresholdout

__version__ = "0.1.0"

__all__ = [
    "Bool",
    "Categorical",
    "Choice",
    "Conflict",
    "Constant",
    "Decision",
    "EndReason",
    "ExecutorError",
    "Exhausted",
    "Float",
    "FrozenTrial",
    "Int",
    "Interval",
    "InvalidArgument",
    "InvalidObservation",
    "InvalidParams",
    "InvalidSpace",
    "Ladder",
    "MissingExtra",
    "Objective",
    "Observation",
    "Ordinal",
    "ReusableHoldout",
    "Selection",
    "Space",
    "SpaceMismatch",
    "StorageError",
    "Study",
    "StudyExists",
    "Thresholdout",
    "Trial",
    "TrialError",
    "TrialPruned",
    "TrialState",
    "TrimtabError",
    "UnknownName",
    "Verdict",
    "__version__",
    "create_study",
    "load_study",
    "tune",
]

# Where each public name lives. A room is loaded when one of its names is first used, so that
# `import trimtab` costs next to nothing; `TYPE_CHECKING` above shows the same names to type checkers.
_HOMES = {
    "trimtab.api": ("create_study", "load_study", "tune"),
    "trimtab.base.errors": (
        "Conflict",
        "ExecutorError",
        "Exhausted",
        "InvalidArgument",
        "InvalidObservation",
        "InvalidParams",
        "InvalidSpace",
        "MissingExtra",
        "SpaceMismatch",
        "StorageError",
        "StudyExists",
        "TrialError",
        "TrialPruned",
        "TrimtabError",
        "UnknownName",
    ),
    "trimtab.base.outcomes": ("Decision", "EndReason", "TrialState", "Verdict"),
    "trimtab.base.records": ("FrozenTrial", "Interval", "Objective", "Observation", "Selection"),
    "trimtab.space": ("Bool", "Categorical", "Choice", "Constant", "Float", "Int", "Ordinal", "Space"),
    "trimtab.study": ("Study", "Trial"),
    "trimtab.trust.holdout": ("Ladder", "ReusableHoldout", "Thresholdout"),
}


def __getattr__(name: str) -> object:
    """Load a public name where it is first used."""
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
