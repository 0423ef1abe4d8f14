"""Full configurations from parts of them: defaults, values that a user forces, and the rest of another one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidParams, InvalidSpace, message, shorten
from trimtab.base.records import Params, ParamValue
from trimtab.space.checks import check_value, unknown_name
from trimtab.space.columns import Column
from trimtab.space.constraints import Constraint
from trimtab.space.discrete import Listed, Ordinal
from trimtab.space.encoding import Encoding
from trimtab.space.sampling import kept, nearest_kept
from trimtab.space.values import plain

__all__ = ["completed", "default_raw"]

Floats = NDArray[np.float64]


def default_raw(encoding: Encoding) -> Floats:
    """Each column's default coordinate (d,), active or not: given, or likeliest, or in the middle."""
    middle: Floats = encoding.units.from_unit(np.full((1, len(encoding.columns)), 0.5))[0]
    for place, column in enumerate(encoding.columns):
        parameter = column.parameter
        if isinstance(parameter, Listed):
            middle[place] = _default_index(column, parameter)
        elif parameter.default is not None:
            middle[place] = parameter.default
        elif parameter.prior is not None:
            middle[place] = encoding.units.snapped(parameter.prior.location, place)
    return middle


def _default_index(column: Column, parameter: Listed) -> float:
    """The index of a category's default."""
    if parameter.default is not None:
        return column.coordinate(parameter.default)
    if parameter.prior is not None:
        return float(np.argmax(parameter.prior))
    return float((parameter.size - 1) // 2) if isinstance(parameter, Ordinal) else 0.0


def completed(
    encoding: Encoding, constraints: Sequence[Constraint], defaults: Floats, partial: Params, base: Params
) -> dict[str, ParamValue]:
    """A full configuration that holds `partial`, then what fits of `base`, then `defaults`; see `Space.complete`."""
    forced = _forced(encoding, partial)
    raw = defaults.copy()
    held = np.zeros(raw.size, dtype=np.bool_)
    for place, column in enumerate(encoding.columns):
        if column.name in forced:
            raw[place], held[place] = column.coordinate(forced[column.name]), True
        elif column.name in base and column.parameter.problem(base[column.name]) is None:
            raw[place] = column.coordinate(plain(base[column.name]))  # type: ignore[arg-type]  # likewise
    full = np.where(encoding.active(raw[None, :])[0], raw, np.nan)
    if constraints and not kept(encoding, constraints, full[None, :])[0]:
        found = nearest_kept(encoding, constraints, raw, held)
        if found is None:
            raise _nothing_near(constraints, partial)
        full = found
    return encoding.decode(full.tolist())


def _forced(encoding: Encoding, partial: Params) -> dict[str, ParamValue]:
    """The values asked for, with the branches that nested names imply."""
    forced: dict[str, ParamValue] = {}
    for name, value in partial.items():
        if name not in encoding.find:
            raise InvalidParams(unknown_name(name, encoding.names))
        check_value(encoding.find[name][0], value)
        forced[name] = plain(value)  # type: ignore[assignment]  # checked to be a value of a parameter
    for name in partial:
        entry = encoding.find[name][0]
        while entry.parent is not None and entry.branch is not None:
            owner = encoding.columns[entry.parent]
            branch = owner.choices[entry.branch]
            if forced.setdefault(owner.name, branch) != branch:
                raise InvalidParams(
                    message(
                        f"parameter {shorten(name)} belongs to {shorten(owner.name)}={branch!r}",
                        got=f"{owner.name}={forced[owner.name]!r}",
                        do="give parameters of one branch only",
                    )
                )
            entry = owner
    return forced


def _nothing_near(constraints: Sequence[Constraint], partial: Params) -> Exception:
    """The error for constraints that cannot be kept."""
    rules = " and ".join(repr(constraint.text) for constraint in constraints)
    if not partial:
        return InvalidSpace(
            message("no configuration was found that keeps the constraints", allowed=rules, do="loosen a constraint")
        )
    return InvalidParams(
        message(
            "no configuration with these values was found that keeps the constraints", got=dict(partial), allowed=rules
        )
    )
