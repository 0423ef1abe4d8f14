"""The schema's steps: named, applied once, in order, each in the transaction that records it.

A new database gets the tables of `trimtab.storage.schema` at once and every step's name. A database
of an earlier version runs the steps that it lacks; one that names a step unknown here was written by
a later version and is refused. To change the schema, change `schema` and add to `STEPS` the function
that brings the tables of the version before to the same form; `tests/upgrade` holds a database of
every version and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from sqlalchemy import insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from trimtab.base.errors import StorageError, message
from trimtab.storage.schema import metadata
from trimtab.storage.schema import steps as table
from trimtab.storage.transaction import Transaction

__all__ = ["FIRST", "STEPS", "create", "missing", "upgrade"]

Step: TypeAlias = Callable[[Transaction], None]

FIRST = "1 studies, counters, events, reports, trials"
STEPS: Mapping[str, Step] = MappingProxyType({})

_STEP_NAMES = select(table.c.name)
_ADD_STEP = insert(table)


def create(transaction: Transaction, time: float) -> None:
    """Make the tables in an empty database."""
    for made in metadata.sorted_tables:
        transaction.run(CreateTable(made))
        for index in sorted(made.indexes, key=lambda index: str(index.name)):
            transaction.run(CreateIndex(index))
    transaction.run_many(_ADD_STEP, ({"name": name, "time": time} for name in (FIRST, *STEPS)))


def missing(transaction: Transaction, steps: Mapping[str, Step] = STEPS) -> list[str]:
    """Names of the steps that a database lacks, in order.

    Raises:
        StorageError: a later version of trimtab wrote it.
    """
    applied = {name for (name,) in transaction.rows(_STEP_NAMES)}
    unknown = applied - {FIRST, *steps}
    if unknown:
        raise StorageError(
            message(
                "the database was written by a later version of trimtab",
                got=sorted(unknown),
                allowed=f"schema steps up to {[FIRST, *steps][-1]!r}",
                do="upgrade trimtab: pip install --upgrade trimtab",
            )
        )
    return [name for name in steps if name not in applied]


def upgrade(transaction: Transaction, time: float, steps: Mapping[str, Step] = STEPS) -> list[str]:
    """Apply the steps that a database lacks, and tell their names."""
    todo = missing(transaction, steps)
    for name in todo:
        steps[name](transaction)
        transaction.run(_ADD_STEP, {"name": name, "time": time})
    return todo
