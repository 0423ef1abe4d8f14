"""How often each part of a catalogue was written: by this, whoever keeps a copy knows whether it is still good."""

from __future__ import annotations

from typing import Literal, TypeAlias

from sqlalchemy import Connection, func, select, text

from trimtab.papers.catalogue.schema import counters

__all__ = ["Part", "count_of", "grow"]

Part: TypeAlias = Literal["papers", "marks", "methods", "vectors"]

_GROW = text(
    "INSERT INTO counters (name, value) VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"
)


def grow(connection: Connection, part: Part) -> None:
    """Count a write to a part, in the transaction that writes."""
    connection.execute(_GROW, {"name": part})


def count_of(connection: Connection, parts: tuple[Part, ...]) -> int:
    """How often these parts were written; every part where none is named."""
    asked = select(func.coalesce(func.sum(counters.c.value), 0))
    if parts:
        asked = asked.where(counters.c.name.in_(parts))
    return int(connection.execute(asked).scalar_one())
