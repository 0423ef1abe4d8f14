"""Whether every value of one parameter is a value of another."""

from __future__ import annotations

from trimtab.base.records import ParamValue
from trimtab.space.columns import Parameter
from trimtab.space.discrete import Constant, Listed
from trimtab.space.numeric import Float, Int

__all__ = ["covers", "lost"]

_FEW = 10_000
"""Up to so many values are compared one by one; longer grids by their ends and their first step."""


def covers(new: Parameter, old: Parameter) -> bool:
    """Whether every value of `old` lies in `new`."""
    return lost(new, old) is None


def lost(new: Parameter, old: Parameter) -> str | None:
    """A value of `old`, as text, that does not lie in `new`; None where there is none."""
    values = _values(old)
    if values is not None:
        return next((repr(value) for value in values if new.problem(value) is not None), None)
    assert isinstance(old, Float | Int)
    for end in (old.low, old.high):
        if new.problem(end) is not None:
            return repr(end)
    if not isinstance(new, Float | Int):
        return f"a number between {old.low!r} and {old.high!r}"
    if new.size is None or (isinstance(new, Int) and new.step == 1 and new.powers_of is None):
        return None
    if old.size is None or (isinstance(new, Int) and new.powers_of is not None):
        return f"a number between {old.low!r} and {old.high!r}"
    second = old.low + (old.step or 1)
    return repr(second) if new.problem(second) is not None else None


def _values(old: Parameter) -> tuple[ParamValue, ...] | None:
    """All values where they are few, else None."""
    if isinstance(old, Listed):
        return old.choices
    if isinstance(old, Constant):
        return (old.value,)
    if old.size is None or old.size > _FEW:
        return None
    numbers = old.axis.values().tolist()
    return tuple(map(int, numbers)) if isinstance(old, Int) else tuple(numbers)
