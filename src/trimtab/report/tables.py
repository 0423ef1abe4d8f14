"""Studies, trials and selections as rows of plain data: what JSON, CSV and terminal output share.

Rows are strict JSON: a float that is not finite is one of the words "nan", "inf", "-inf", and a time
is in seconds since the Unix epoch. Nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trimtab.base.arrays import float_to_json
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Json, Observation, Params, Selection
from trimtab.space import Space
from trimtab.trust import observed_best
from trimtab.trust.holdout import HoldoutInUse, SealedSplit

__all__ = ["Row", "selection_row", "state_counts", "study_row", "trial_row", "trial_rows"]

Row = dict[str, Json]


def trial_row(trial: FrozenTrial) -> Row:
    """One trial. Per-example losses are left out of the observation (the storage keeps them)."""
    row: Row = {
        "number": trial.number,
        "state": trial.state.name,
        "reason": None if trial.reason is None else trial.reason.value,
        "values": numbers_json(trial.values),
        "params": None if trial.params is None else params_json(trial.params),
        "started": trial.started,
        "ended": trial.ended,
        "duration": trial.duration,
        "tuner": trial.tuner,
        "why": trial.why,
        "worker": trial.worker,
        "text": trial.text,
        "retry_of": trial.retry_of,
        "user_attrs": dict(trial.attributes),
    }
    if trial.observation is not None:
        row.update(_more(trial.observation))
    return row


def _more(observation: Observation) -> Row:
    """The optional parts that were told, losses left out."""
    parts = observation.to_json()
    return {name: part for name, part in parts.items() if name not in ("values", "losses")}


def params_json(params: Params) -> Row:
    """A configuration in strict JSON."""
    return {name: float_to_json(value) if isinstance(value, float) else value for name, value in params.items()}


def numbers_json(values: Mapping[str, float]) -> Row:
    """Named floats in strict JSON."""
    return {name: float_to_json(value) for name, value in values.items()}


def trial_rows(history: History[Any], numbers: Iterable[int] | None = None) -> list[Row]:
    """Trials in order, or those of the given numbers in the given order."""
    chosen = range(len(history)) if numbers is None else numbers
    return [trial_row(history.trial(int(number))) for number in chosen]


def state_counts(history: History[Any]) -> dict[str, int]:
    """Number of trials in each state, all states named."""
    return {state.name: int((history.states == state).sum()) for state in TrialState}


def study_row(history: History[Space]) -> Row:
    """A study as a whole. `best_observed` is the plain best; the honest one is a selection."""
    study = history.study
    best = observed_best(history) if len(study.objectives) == 1 else None
    return {
        "study_name": study.name,
        "objectives": [{"name": objective.name, "direction": objective.direction} for objective in study.objectives],
        "tuner": study.tuner,
        "seed": study.seed,
        "created": study.created,
        "n_trials": len(history),
        "states": state_counts(history),
        "best_observed": None if best is None else float(history.values[best, 0]),
        "best_trial": None if best is None else int(best),
        "stopped": study.stopped,
        "holdout": None if (holdout := HoldoutInUse.of(study)) is None else holdout.row(),
        "sealed": None if study.sealed is None else _sealed_row(SealedSplit.from_json(study.sealed)),
    }


def _sealed_row(split: SealedSplit) -> Row:
    """A sealed test split, and what it said if it was opened."""
    row: Row = {"size": split.examples.size, "opened": None, "words": str(split)}
    if split.opening is not None:
        interval = split.opening.interval
        row["opened"] = {
            "trial": split.opening.trial,
            "mean": split.opening.mean,
            "interval": {"low": interval.low, "high": interval.high, "level": interval.level},
        }
    return row


def selection_row(selection: Selection) -> Row:
    """An honest best."""
    interval = selection.interval
    return {
        "trial": selection.trial,
        "params": params_json(selection.params),
        "objective": selection.objective.name,
        "direction": selection.objective.direction,
        "estimate": float_to_json(selection.estimate),
        "interval": None
        if interval is None
        else {
            "low": float_to_json(interval.low),
            "high": float_to_json(interval.high),
            "level": interval.level,
        },
        "observed": float_to_json(selection.observed),
        "tie_set": list(selection.tie_set),
        "ties_tested": selection.ties_tested,
        "best_probability": selection.best_probability,
        "shrunk": None if selection.shrunk is None else float_to_json(selection.shrunk),
        "method": selection.method,
        "caveats": list(selection.caveats),
    }
