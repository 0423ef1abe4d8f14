"""The schema's steps: named, applied once, in order, each in the transaction that records it.

A new catalogue gets the tables of `schema` at once, and every step's name. A catalogue of an earlier version runs the
steps that it lacks; one that names a step unknown here was written by a later version and is refused. To change the
schema, change `schema` and add to `STEPS` the function that brings the tables of the version before to the same form.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from sqlalchemy import Connection, insert, select

from trimtab.base.errors import StorageError, message
from trimtab.papers.catalogue.schema import FULL_TEXT, metadata, steps

__all__ = ["FIRST", "STEPS", "create", "missing", "upgrade"]

Step: TypeAlias = Callable[[Connection], None]

FIRST = "1 papers, listings, marks, methods, vectors"
STEPS: Mapping[str, Step] = MappingProxyType({})


def create(connection: Connection) -> None:
    """Make the tables in an empty database."""
    metadata.create_all(connection, checkfirst=False)
    for statement in FULL_TEXT.values():
        connection.exec_driver_sql(statement)
    connection.execute(insert(steps), [{"name": name, "time": time.time()} for name in (FIRST, *STEPS)])


def missing(connection: Connection, known: Mapping[str, Step] = STEPS) -> list[str]:
    """Names of the steps that a catalogue lacks, in order.

    Raises:
        StorageError: a later version of trimtab wrote it.
    """
    applied = set(connection.execute(select(steps.c.name)).scalars())
    unknown = {name for name in applied - {FIRST, *known} if _is_ours(name)}
    if unknown:
        raise StorageError(
            message(
                "the catalogue was written by a later version of trimtab",
                got=sorted(unknown),
                allowed=f"schema steps up to {[FIRST, *known][-1]!r}",
                do="upgrade trimtab: pip install --upgrade trimtab",
            )
        )
    return [name for name in known if name not in applied]


def upgrade(connection: Connection, known: Mapping[str, Step] = STEPS) -> list[str]:
    """Apply the steps that a catalogue lacks, and tell their names."""
    todo = missing(connection, known)
    for name in todo:
        known[name](connection)
        connection.execute(insert(steps), {"name": name, "time": time.time()})
    return todo


def _is_ours(name: str) -> bool:
    """Whether a step is the catalogue's: those begin with a digit; others keep tables of their own in the file."""
    return name[:1].isdigit()
