"""Raw rows as constraints read them, and the check that constraints and parameters fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace, message, shorten
from trimtab.base.records import ParamValue
from trimtab.space.checks import unknown_name
from trimtab.space.columns import Column, Entry, Fixed
from trimtab.space.constraints import Constraint, Forbidden, Linear, Ordered, Predicate
from trimtab.space.encoding import Encoding
from trimtab.space.values import token

__all__ = ["RawRows", "check_constraint"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class RawRows:
    """Raw rows (n, d) by the names of their columns; see `constraints.Rows`."""

    __slots__ = ("_encoding", "_params", "_raw")

    def __init__(self, encoding: Encoding, raw: Floats) -> None:
        self._encoding, self._raw = encoding, raw
        self._params: list[dict[str, ParamValue]] | None = None

    @property
    def names(self) -> frozenset[str]:
        """Every name of the space."""
        return self._encoding.names

    def numbers(self, name: str) -> Floats:
        """Values of a number, shape (n,); nan where inactive."""
        entry, place = self._encoding.find[name]
        if isinstance(entry, Column):
            return self._raw[:, place]
        stands = self._encoding.stands(entry, self._raw)
        return np.where(stands, float(entry.value), np.nan)  # type: ignore[arg-type]  # checked to be a number

    def equal(self, name: str, value: ParamValue) -> Mask:
        """Where a parameter is active and has this value, shape (n,)."""
        entry, place = self._encoding.find[name]
        if isinstance(entry, Fixed):
            return self._encoding.stands(entry, self._raw) & (token(entry.value) == token(value))
        same: Mask = self._raw[:, place] == entry.coordinate(value)
        return same

    def params(self) -> list[dict[str, ParamValue]]:
        """The configurations, decoded once."""
        if self._params is None:
            self._params = list(map(self._encoding.decode, self._raw.tolist()))
        return self._params


def check_constraint(constraint: Constraint, find: Mapping[str, tuple[Entry, int]]) -> None:
    """Refuse a constraint that does not fit the parameters it mentions.

    Raises:
        InvalidSpace: an unknown name, a sum or order of what is no number, or a value that cannot occur.
    """
    if not isinstance(constraint, Constraint):
        raise InvalidSpace(
            message("this is no constraint", got=constraint, allowed=_kinds((Linear, Ordered, Forbidden, Predicate)))
        )
    for name in constraint.names:
        if name not in find:
            raise InvalidSpace(f"constraint {constraint.text!r}: {unknown_name(name, find)}")
        entry, _ = find[name]
        if isinstance(constraint, Forbidden):
            value = constraint.combination[name]
            if entry.parameter.problem(value):
                raise InvalidSpace(
                    message(
                        f"constraint {constraint.text!r}: {shorten(name)} never has that value",
                        got=value,
                        allowed=entry.parameter.allowed,
                    )
                )
        elif not _is_number(entry):
            raise InvalidSpace(
                message(f"constraint {constraint.text!r}: {shorten(name)} is no number", got=entry.parameter)
            )


def _is_number(entry: Entry) -> bool:
    """Whether an entry's values are numbers."""
    if isinstance(entry, Fixed):
        return type(entry.value) in (int, float)
    return entry.kind in ("float", "int")


def _kinds(kinds: Iterable[type]) -> str:
    """Names of classes for a message."""
    return ", ".join(kind.__name__ for kind in kinds)
