"""One configuration read carefully: its raw coordinates, or the reason why it does not lie in the space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from trimtab.base.errors import InvalidParams, message, shorten
from trimtab.base.records import ParamValue
from trimtab.space.columns import Column, Entry
from trimtab.space.values import plain

__all__ = ["Layout", "check_value", "read_row", "unknown_name"]


class Layout(Protocol):
    """What is needed of a compiled space."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Columns and constants in order."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns alone."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Every name."""
        ...

    @property
    def fills(self) -> Mapping[str, ParamValue]:
        """Values of parameters that older configurations lack."""
        ...

    @property
    def traced(self) -> bool:
        """Whether any parameter may be absent."""
        ...


def read_row(layout: Layout, params: object) -> list[float]:
    """Raw coordinates of one configuration, nan where inactive.

    Raises:
        InvalidParams: it does not lie in the space; the text names the parameter.
    """
    if not isinstance(params, Mapping):
        raise InvalidParams(message("params must be a dict of parameter names to values", got=params))
    row: list[float] = []
    read = _read_traced if layout.traced else _read
    used = 0
    for entry in layout.entries:
        held = _held(entry, row)
        if held and entry.name in params:
            used += 1
            value = params[entry.name]
        elif held and entry.name in layout.fills:
            value = layout.fills[entry.name]
        elif held and not layout.traced:
            _refuse_missing(entry)
        else:
            if isinstance(entry, Column):
                row.append(math.nan)
            continue
        number = read(entry, value)
        if isinstance(entry, Column):
            row.append(number)
    if used != len(params) and not layout.traced:
        _refuse_surplus(layout, params, row)
    return row


def _held(entry: Entry, row: Sequence[float]) -> bool:
    """Whether an entry is active, given the coordinates before it."""
    return entry.parent is None or row[entry.parent] == entry.branch


def check_value(entry: Entry, value: object) -> None:
    """Refuse a value that does not lie in its parameter.

    Raises:
        InvalidParams: it does not; the text names the parameter and says what is allowed.
    """
    problem = entry.parameter.problem(value)
    if problem is not None:
        given = "; got None" if value is None else ""
        raise InvalidParams(
            message(f"parameter {shorten(entry.name)}: {problem}{given}", got=value, allowed=entry.parameter.allowed)
        )


def _read(entry: Entry, value: object) -> float:
    """The coordinate of a value that must lie in its parameter."""
    check_value(entry, value)
    return _coordinate(entry, plain(value))


def _read_traced(entry: Entry, value: object) -> float:
    """The coordinate of a value that a define-by-run objective may have drawn from another declaration."""
    if entry.parameter.problem(value) is None:
        return _coordinate(entry, plain(value))
    number: Any = plain(value)
    if entry.parameter.kind not in ("float", "int") or type(number) not in (int, float):
        return math.nan
    try:
        return float(number) if math.isfinite(number) else math.nan
    except OverflowError:
        return math.nan


def _coordinate(entry: Entry, value: Any) -> float:
    """The number itself, or the index of the category; a constant has none."""
    return entry.coordinate(value) if isinstance(entry, Column) else 0.0


def _refuse_missing(entry: Entry) -> NoReturn:
    """An active parameter has no value."""
    raise InvalidParams(
        message(
            f"parameter {shorten(entry.name)} is missing",
            allowed=entry.parameter.allowed,
            do="give it, or fill in the rest with space.complete(partial, space.default_params())",
        )
    )


def _refuse_surplus(layout: Layout, params: Mapping[Any, object], row: Sequence[float]) -> NoReturn:
    """A name is unknown, or its parameter is inactive."""
    for name in params:
        if name not in layout.names:
            raise InvalidParams(unknown_name(name, layout.names))
    entry = next(entry for entry in layout.entries if entry.name in params and not _held(entry, row))
    raise InvalidParams(_inactive(layout, entry, row))


def _inactive(layout: Layout, entry: Entry, row: Sequence[float]) -> str:
    """Why a parameter has no place in a configuration: the first of its ancestors that chose another branch."""
    child, parent = entry, entry.parent
    while parent is not None and math.isnan(row[parent]):
        child, parent = layout.columns[parent], layout.columns[parent].parent
    assert parent is not None
    owner = layout.columns[parent]
    assert child.branch is not None
    branch = owner.choices[child.branch]
    return message(
        f"parameter {shorten(entry.name)} is inactive: it belongs to {shorten(owner.name)}={branch!r}",
        got=f"{owner.name}={owner.choices[int(row[parent])]!r}",
        do="leave it out, or choose that branch",
    )


def unknown_name(name: object, names: Iterable[str]) -> str:
    """The text for a name that no parameter has, with the nearest that exist."""
    known = sorted(names)
    near: list[str] = []
    if isinstance(name, str) and len(name) < 200:
        import difflib

        near = difflib.get_close_matches(name, [n for n in known if len(n) < 200], n=3, cutoff=0.6)
    shown = ", ".join(shorten(n, 40) for n in known[:8]) + (" ..." if len(known) > 8 else "")
    return message(
        f"there is no parameter {shorten(name)}",
        allowed=shown or "none",
        do=f"did you mean {' or '.join(map(repr, near))}?" if near else "",
    )
