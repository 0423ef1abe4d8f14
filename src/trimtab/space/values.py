"""Values of parameters: which Python objects they may be, and how 1, 1.0 and True are told apart."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from trimtab.base.errors import InvalidSpace, message
from trimtab.base.records import ParamValue

__all__ = ["Token", "category", "plain", "show", "token", "whole"]

Token = tuple[type, ParamValue]
"""A value with its type: `1`, `1.0` and `True` are equal in Python, their tokens are not."""


def plain(value: object) -> object:
    """A NumPy scalar as the Python object it stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def token(value: ParamValue) -> Token:
    """The key under which a value is looked up.

    >>> token(1) == token(1.0), token(1) == token(True), token("a") == token("a")
    (False, False, True)
    """
    return type(value), value


def whole(value: object) -> int | None:
    """The integer that `value` is, or None: a bool is no number, and 3.0 is no integer."""
    item = plain(value)
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def show(values: tuple[ParamValue, ...], most: int = 8) -> str:
    """A few values for a message."""
    shown = ", ".join(map(repr, values[:most]))
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


def category(value: object, what: str) -> ParamValue:
    """`value` as something that a category may be.

    Raises:
        InvalidSpace: it is not a plain float, int, str, bool or None, or it is nan or infinite.
    """
    item: Any = plain(value)
    if item is None or type(item) in (int, str, bool) or (type(item) is float and math.isfinite(item)):
        return cast(ParamValue, item)
    raise InvalidSpace(
        message(
            f"{what} cannot hold such a value",
            got=value,
            allowed="finite float, int, str, bool, None",
            do="name it by a text and build the object from that name in the objective",
        )
    )
