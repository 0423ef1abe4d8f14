"""Kinds of information a run can give. A tuner says which it needs, a task which it provides."""

from __future__ import annotations

from enum import Flag, auto

__all__ = ["Info"]


class Info(Flag):
    """What observations carry beside the bare value; combine with `|`.

    >>> Info.GRADIENTS in (Info.VALUES | Info.GRADIENTS)
    True
    """

    VALUES = auto()
    STDERR = auto()
    GRADIENTS = auto()
    LOSSES = auto()
    CONSTRAINTS = auto()
    COST = auto()
    CURVES = auto()
    FIDELITY = auto()
    TASKS = auto()
    OBJECTIVES = auto()
    STRUCTURE = auto()
