"""The full text beside the papers: its two tables hold words only, and take the texts from the papers.

They are brought up to date by statements over many papers and not by triggers: FTS5 writes what it has collected at
every statement of a trigger, which makes an import three times as slow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection, text

__all__ = ["add_text", "remove_text"]

_AMONG = "FROM papers WHERE id IN (SELECT value FROM json_each(:papers)) ORDER BY id"
_ADD = (
    text(f"INSERT INTO papers_fts (rowid, title, abstract, authors) SELECT id, title, abstract, authors {_AMONG}"),
    text(f"INSERT INTO title_words (rowid, title) SELECT id, title {_AMONG}"),
)
_REMOVE = (
    text(
        "INSERT INTO papers_fts (papers_fts, rowid, title, abstract, authors)"
        f" SELECT 'delete', id, title, abstract, authors {_AMONG}"
    ),
    text(f"INSERT INTO title_words (title_words, rowid, title) SELECT 'delete', id, title {_AMONG}"),
)


def add_text(connection: Connection, numbers: Iterable[int]) -> None:
    """Take the words of papers in, as their rows are now."""
    asked = {"papers": json.dumps(list(numbers))}
    for statement in _ADD:
        connection.execute(statement, asked)


def remove_text(connection: Connection, numbers: Iterable[int]) -> None:
    """Take the words of papers out; before their rows change, since FTS5 has to be told what they were."""
    asked = {"papers": json.dumps(list(numbers))}
    for statement in _REMOVE:
        connection.execute(statement, asked)
