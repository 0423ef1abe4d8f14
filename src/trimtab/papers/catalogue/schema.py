"""The tables of a catalogue.

papers         one row a paper: the best that its listings gave, and its place in the trending order
keys           what recognises a paper, see `trimtab.papers.identity`; papers that differ may share one
listings       what every page gave, in the order of import: papers are a function of these rows
sources        the pages
moved          numbers of papers that turned out to be another paper -> the number of that one
marks, tags    the reader's own votes, notes, reading list and tags
methods        what implements a paper, by the paper's key, so that a paper that comes later finds it too
systems        the rows of a systems table: which room is to have what
vectors        embeddings, float16 little endian
settings       a key, a value
counters       how often each part was written
steps          names of the schema steps that were applied to this database
papers_fts     the full text of the papers, stemmed (https://www.sqlite.org/fts5.html), see `full_text`
title_words    the words of the titles as they are written: what a word that is being typed may become
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    desc,
    text,
)

__all__ = [
    "APPLICATION_ID",
    "FULL_TEXT",
    "counters",
    "keys",
    "listings",
    "marks",
    "metadata",
    "methods",
    "moved",
    "papers",
    "settings",
    "sources",
    "steps",
    "systems",
    "tags",
    "vectors",
]

APPLICATION_ID = 0x74726D70
"""“trmp” in ASCII, in the place that SQLite keeps for telling whose file it is."""

metadata = MetaData()

papers = Table(
    "papers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("authors", Text, nullable=False),  # a line each
    Column("author_count", Integer),
    Column("published", Text),  # 2026-01-31
    Column("comments", Integer),
    Column("votes", Integer, nullable=False),
    Column("arxiv", Text, nullable=False),
    Column("doi", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("heat", Double),  # see `trending`; NULL without a date
    sqlite_autoincrement=True,  # no number is given twice
)
Index("papers_by_date", desc(papers.c.published), papers.c.id)
Index("papers_by_heat", desc(papers.c.heat), papers.c.id)
Index("papers_by_title", text("title COLLATE NOCASE"), papers.c.id)

keys = Table(
    "keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("paper", Integer, ForeignKey("papers.id"), primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
)

listings = Table(
    "listings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("paper", Integer, ForeignKey("papers.id"), nullable=False),
    Column("source", Integer, ForeignKey("sources.id"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("data", Text, nullable=False),  # JSON, see `codec`
    Index("listings_of_paper", "paper", "source"),
    Index("listings_of_source", "source", "paper"),
)

moved = Table(
    "moved",
    metadata,
    Column("old", Integer, primary_key=True, autoincrement=False),
    Column("paper", Integer, ForeignKey("papers.id"), nullable=False, index=True),
)

marks = Table(
    "marks",
    metadata,
    Column("paper", Integer, ForeignKey("papers.id"), primary_key=True, autoincrement=False),
    Column("vote", Integer, nullable=False, server_default="0"),
    Column("reading", Integer, nullable=False, server_default="0"),
    Column("note", Text, nullable=False, server_default=""),
)

tags = Table(
    "tags",
    metadata,
    Column("paper", Integer, ForeignKey("papers.id"), primary_key=True, autoincrement=False),
    Column("tag", Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

methods = Table(
    "methods",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, index=True),
    Column("arxiv", Text, nullable=False),  # of the paper meant, where known: papers that differ may share a title
    Column("name", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("check", Text, nullable=False),
)

systems = Table(
    "systems",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("system", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("works_when", Text, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("model", Text, primary_key=True),
    Column("paper", Integer, ForeignKey("papers.id"), primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("name", Text, primary_key=True),
    Column("time", Double, nullable=False),
)

FULL_TEXT: Mapping[str, str] = MappingProxyType(
    {
        "papers_fts": (
            "CREATE VIRTUAL TABLE papers_fts USING fts5(title, abstract, authors, content='papers', content_rowid='id',"
            " tokenize='porter unicode61 remove_diacritics 2')"
        ),
        "title_words": (
            "CREATE VIRTUAL TABLE title_words USING fts5(title, content='papers', content_rowid='id', detail=none,"
            " tokenize='unicode61 remove_diacritics 2')"
        ),
        # Words are held until they are so many bytes, and then written in one piece: few pieces need little merging.
        "papers_fts_hashsize": "INSERT INTO papers_fts(papers_fts, rank) VALUES ('hashsize', 8388608)",
        "papers_fts_automerge": "INSERT INTO papers_fts(papers_fts, rank) VALUES ('automerge', 8)",
        "title_vocabulary": "CREATE VIRTUAL TABLE title_vocabulary USING fts5vocab(title_words, row)",
    }
)
"""Name -> statement that makes it: what SQLAlchemy has no words for."""
