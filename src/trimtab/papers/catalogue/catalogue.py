"""A reader's own catalogue of papers, in one SQLite file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import date
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, func, insert, select, text, update

from trimtab.base.errors import InvalidArgument, UnknownName, check_count, message
from trimtab.base.refs import Reference
from trimtab.papers import identity
from trimtab.papers.catalogue.codec import clean
from trimtab.papers.catalogue.counting import Part, count_of, grow
from trimtab.papers.catalogue.database import Database
from trimtab.papers.catalogue.filtering import conditions, linked_papers
from trimtab.papers.catalogue.importing import Importing
from trimtab.papers.catalogue.schema import (
    keys,
    listings,
    marks,
    methods,
    moved,
    papers,
    sources,
    systems,
    tags,
    vectors,
)
from trimtab.papers.catalogue.systems_table import System
from trimtab.papers.catalogue.trending import heat
from trimtab.papers.catalogue.words import expression
from trimtab.papers.records import EVERYTHING, Filter, ImportReport, Listing, Method, Page, Paper

__all__ = ["Catalogue", "Order", "default_path"]

Order: TypeAlias = Literal["date", "trending", "title"]
Numbers: TypeAlias = NDArray[np.int64]

BATCH = 1000
"""Listings of a stream that are taken in together."""

_ORDERS: Mapping[str, tuple[Any, ...]] = {
    "date": (papers.c.published.desc(), papers.c.id),
    "trending": (papers.c.heat.desc(), papers.c.id),
    "title": (papers.c.title.collate("NOCASE"), papers.c.id),
}
# A word in the title counts as four in the abstract, and one in an author's name as two.
_WORDS = (
    "SELECT rowid, rank FROM papers_fts WHERE papers_fts MATCH :query AND rank MATCH 'bm25(4.0, 1.0, 2.0)'{}"
    " ORDER BY rank LIMIT :most"
)
_FIRST = 1000  # papers that a search looks at before it asks the filter for all that pass
_STORE_VECTOR = text(
    "INSERT INTO vectors (model, paper, data) SELECT :model, :paper, :data"
    " WHERE EXISTS (SELECT 1 FROM papers WHERE id = :paper)"
    " ON CONFLICT (model, paper) DO UPDATE SET data = excluded.data"
)
_SOURCES_OF = text(
    "SELECT DISTINCT listings.paper, sources.name, sources.id"
    " FROM listings JOIN sources ON sources.id = listings.source"
    " WHERE listings.paper IN (SELECT value FROM json_each(:papers)) ORDER BY listings.paper, sources.id"
)
_TAGS_OF = text("SELECT paper, tag FROM tags WHERE paper IN (SELECT value FROM json_each(:papers)) ORDER BY paper, tag")
_MARKS_OF = text("SELECT * FROM marks WHERE paper IN (SELECT value FROM json_each(:papers))")
_METHODS_OF = text(
    "SELECT papers.id AS paper, methods.* FROM papers JOIN keys ON keys.paper = papers.id"
    " JOIN methods ON methods.key = keys.key AND (methods.arxiv IN ('', papers.arxiv) OR papers.arxiv = '')"
    " WHERE papers.id IN (SELECT value FROM json_each(:papers)) ORDER BY methods.id"
)
_PAPERS = text("SELECT * FROM papers WHERE id IN (SELECT value FROM json_each(:papers))")


def default_path() -> Path:
    """Where a catalogue is kept that no path is given for: the user's data folder.

    That is $XDG_DATA_HOME/trimtab, by default ~/.local/share/trimtab; on macOS ~/Library/Application Support/trimtab.
    """
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        named = os.environ.get("XDG_DATA_HOME", "")
        base = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "share"
    return base / "trimtab" / "papers.db"


@final
class Catalogue:
    """Papers, where they were listed, what the reader made of them, and what of them runs here.

    For any number of threads and of processes of one machine; a process that was forked opens it anew.

    Arguments:
        path: of the SQLite file, made where it is missing; ":memory:" for one that is gone at the end; by default
            `default_path()`, whose folder is made too.

    Raises:
        StorageError: the file is not a catalogue, is damaged, was written by a later version, or cannot be read and
            written. It is left as it was. Every method raises it where the file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is None:
            path = default_path()
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = Database(path)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The file, or ":memory:"."""
        return self._database.path

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self._database.close()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction that may write; the methods of the catalogue join it where they are called within.

        Others that want to write wait until it ends. All of it lasts, or nothing where the block raises.
        """
        return self._database.write()

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one moment; the methods of the catalogue that only read join it."""
        return self._database.read()

    def version(self, *parts: Part) -> int:
        """A number that grows with every write.

        Arguments:
            parts: "papers", "marks" (votes, notes, tags and the reading list), "methods", "vectors"; writes to these
                count, or all where none is named.
        """
        with self.read() as connection:
            return count_of(connection, parts)

    # Import

    def add(self, page: Page) -> ImportReport:
        """Take in a page, in one transaction. A page that is taken in again changes nothing."""
        importing = Importing(page.source, page.kind)
        with self.transaction() as connection:
            importing.add(connection, page.listings)
        return importing.report(page.misread)

    def add_listings(self, source: str, kind: str, listings: Iterable[Listing]) -> ImportReport:
        """Take in a stream of listings, batch by batch: what was taken in lasts, also where the stream breaks off.

        Arguments:
            source: of the page.
            kind: of the page, see `Page`.
            listings: any number; `BATCH` of them are held at a time.
        """
        importing = Importing(source, kind)
        rest = iter(listings)
        while True:
            batch = list(islice(rest, BATCH))
            with self.transaction() as connection:
                importing.add(connection, batch)
            if len(batch) < BATCH:
                return importing.report()

    # Papers

    def paper(self, number: int) -> Paper:
        """A paper by its number, or by one that it had before it turned out to be another paper.

        Raises:
            UnknownName: no paper has this number.
        """
        with self.read() as connection:
            return _papers(connection, [_resolve(connection, number)])[0]

    def papers(
        self, where: Filter = EVERYTHING, *, order: Order = "date", limit: int = 50, offset: int = 0
    ) -> list[Paper]:
        """The papers that a filter lets through.

        Arguments:
            where: the filter.
            order: "date" (newest first), "trending" (see `trending`) or "title".
            limit: so many at most.
            offset: so many are passed over.
        """
        if order not in _ORDERS:
            raise InvalidArgument(message("unknown order of papers", got=order, allowed=", ".join(_ORDERS)))
        check_count(limit, "the limit of papers", 0)
        check_count(offset, "the offset of papers", 0)
        with self.read() as connection:
            asked = _filtered(connection, select(papers.c.id), where).order_by(*_ORDERS[order])
            return _papers(connection, connection.execute(asked.limit(limit).offset(offset)).scalars().all())

    def many(self, numbers: Sequence[int]) -> list[Paper]:
        """Papers by their numbers, in the order given.

        Raises:
            UnknownName: no paper has one of the numbers.
        """
        with self.read() as connection:
            return _papers(connection, [int(number) for number in numbers])

    def count(self, where: Filter = EVERYTHING) -> int:
        """How many papers a filter lets through."""
        asked = select(func.count()).select_from(papers)
        with self.read() as connection:
            if where == Filter(source=where.source) != EVERYTHING:
                # The page's listings alone tell it.
                asked = select(func.count(listings.c.paper.distinct())).join(sources, sources.c.id == listings.c.source)
                return int(connection.execute(asked.where(sources.c.name == where.source)).scalar_one())
            return int(connection.execute(_filtered(connection, asked, where)).scalar_one())

    def numbers(self, where: Filter = EVERYTHING) -> Numbers:
        """The numbers of the papers that a filter lets through, ascending; (n,)."""
        with self.read() as connection:
            found = connection.execute(_filtered(connection, select(papers.c.id), where)).scalars().all()
        # Asked for an order, SQLite would walk the whole table in place of an index.
        return np.sort(np.array(found, dtype=np.int64))

    def words(self, query: str, where: Filter = EVERYTHING, limit: int = 100) -> list[tuple[int, float]]:
        """The papers that words find best, see `words`: numbers and scores, higher is better, best first.

        Arguments:
            query: any text.
            where: the filter.
            limit: so many at most.
        """
        check_count(limit, "the limit of papers", 0)
        with self.read() as connection:
            found = expression(connection, query)
            if not found:
                return []
            conditions_ = conditions(connection, where)
            if not conditions_:
                return _ranked(connection, found, limit)
            # Most filters let much through: then the best of all are enough to find the best that pass.
            first = max(_FIRST, 2 * limit)
            best = _ranked(connection, found, first)
            given = func.json_each(json.dumps([number for number, _ in best])).table_valued("value")
            passes = exists(select(papers.c.id).where(papers.c.id == given.c.value, *conditions_))
            passing = set(connection.execute(select(given.c.value).where(passes)).scalars())
            passed = [one for one in best if one[0] in passing][:limit]
            if len(passed) == limit or len(best) < first:
                return passed
            return _ranked(connection, found, limit, conditions_)

    def texts(self, numbers: Sequence[int] | Numbers) -> list[str]:
        """Titles and abstracts of papers, in the order given, as an embedding wants them: "Title. Abstract".

        Raises:
            UnknownName: no paper has one of the numbers.
        """
        wanted = [int(number) for number in numbers]
        with self.read() as connection:
            rows = {row.id: row for row in connection.execute(_PAPERS, {"papers": json.dumps(wanted)})}
            missing = [number for number in wanted if number not in rows]
            found = {number: rows.get(number) or _row(connection, number) for number in dict.fromkeys(missing)}
        rows |= found
        return [f"{row.title}. {row.abstract}" if row.abstract else row.title for row in map(rows.__getitem__, wanted)]

    def sources(self) -> list[tuple[str, str, int]]:
        """The pages in the order of their first import: name, kind, number of papers."""
        count = func.count(listings.c.paper.distinct())
        asked = (
            select(sources.c.name, sources.c.kind, count)
            .outerjoin(listings, listings.c.source == sources.c.id)
            .group_by(sources.c.id)
            .order_by(sources.c.id)
        )
        with self.read() as connection:
            return [(name, kind, int(papers)) for name, kind, papers in connection.execute(asked)]

    def tags(self) -> list[tuple[str, int]]:
        """The reader's tags by name, and how many papers carry each."""
        asked = select(tags.c.tag, func.count()).group_by(tags.c.tag).order_by(tags.c.tag)
        with self.read() as connection:
            return [(tag, int(papers)) for tag, papers in connection.execute(asked)]

    # The reader's own marks

    def set_vote(self, number: int, vote: int) -> None:
        """Vote for a paper.

        Arguments:
            number: of the paper.
            vote: 1, 0 or -1.

        Raises:
            UnknownName: no paper has this number.
            InvalidArgument: any other vote.
        """
        if vote not in (-1, 0, 1):
            raise InvalidArgument(message("no such vote", got=vote, allowed="1, 0 or -1"))
        with self.transaction() as connection:
            found = self._mark(connection, number, vote=int(vote))
            row = _row(connection, found)
            published = None if row.published is None else date.fromisoformat(row.published)
            connection.execute(
                update(papers).where(papers.c.id == found).values(heat=heat(row.votes + int(vote), published))
            )

    def set_note(self, number: int, text: str) -> None:
        """Write the note on a paper anew; an empty one takes it away.

        Raises:
            UnknownName: no paper has this number.
        """
        with self.transaction() as connection:
            self._mark(connection, number, note=clean(text))

    def set_reading(self, number: int, reading: bool) -> None:
        """Put a paper on the reading list, or take it off.

        Raises:
            UnknownName: no paper has this number.
        """
        with self.transaction() as connection:
            self._mark(connection, number, reading=int(reading))

    def set_tags(self, number: int, tags: Iterable[str]) -> None:
        """Give a paper these tags and no others; blanks around them, empty ones and repetitions do not count.

        Raises:
            UnknownName: no paper has this number.
        """
        wanted = sorted({" ".join(clean(tag).split()) for tag in tags} - {""})
        with self.transaction() as connection:
            found = _resolve(connection, number)
            connection.execute(delete(_TAGS).where(_TAGS.c.paper == found))
            if wanted:
                connection.execute(insert(_TAGS), [{"paper": found, "tag": tag} for tag in wanted])
            grow(connection, "marks")

    def _mark(self, connection: Connection, number: int, **values: object) -> int:
        """Set some of the marks of a paper, and tell its present number."""
        found = _resolve(connection, number)
        if connection.execute(update(marks).where(marks.c.paper == found).values(**values)).rowcount == 0:
            connection.execute(insert(marks).values(paper=found, **values))
        grow(connection, "marks")
        return found

    # Methods

    def methods(self, number: int) -> tuple[Method, ...]:
        """What of a paper runs here, or is to run.

        Raises:
            UnknownName: no paper has this number.
        """
        return self.paper(number).methods

    def numbers_of(self, source: Reference | str | int) -> list[int]:
        """The numbers of the papers that a reference, a title or a number means, ascending."""
        with self.read() as connection:
            found = dict(_keys_of(connection, source))
            asked = select(papers.c.id, papers.c.arxiv, keys.c.key).join(keys, keys.c.paper == papers.c.id)
            rows = connection.execute(asked.where(keys.c.key.in_(found)).order_by(papers.c.id))
            fitting = (row.id for row in rows if not found[row.key] or row.arxiv in ("", found[row.key]))
            return list(dict.fromkeys(fitting))

    def link_methods(self, linked: Iterable[tuple[Reference | str | int, Method]]) -> int:
        """Say anew what implements which paper; what was said before is forgotten.

        A paper that is imported later is linked too, as links belong to what recognises it.

        Arguments:
            linked: what a method names as its source (an arXiv id, a DOI or the title recognises the paper), or the
                title alone, or the number of a paper; and the method.

        Returns:
            how many papers of the catalogue have a method now.
        """
        names = ("key", "arxiv", "name", "room", "file", "call", "check")
        with self.transaction() as connection:
            rows: dict[tuple[str, ...], None] = {}
            for source, method in linked:
                told = (method.name, method.room, method.file, method.call, method.check)
                rows |= {(*key, *told): None for key in _keys_of(connection, source)}
            new = [dict(zip(names, map(clean, row), strict=True)) for row in rows]
            old = connection.execute(select(*(methods.c[name] for name in names)).order_by(methods.c.id)).mappings()
            if [dict(row) for row in old] != new:
                connection.execute(delete(methods))
                if new:
                    connection.execute(insert(methods), new)
                grow(connection, "methods")
            return int(connection.execute(select(func.count(linked_papers().subquery().c.id.distinct()))).scalar_one())

    def systems(self) -> list[System]:
        """The rows of the table of systems that was given last, by their numbers."""
        with self.read() as connection:
            return [System(*row) for row in connection.execute(select(_SYSTEMS).order_by(_SYSTEMS.c.n))]

    def set_systems(self, systems: Iterable[System]) -> None:
        """Keep a table of systems in place of the one before, see `trimtab.papers.systems`."""
        rows = [asdict(system) for system in systems]
        with self.transaction() as connection:
            connection.execute(delete(_SYSTEMS))
            if rows:
                connection.execute(insert(_SYSTEMS), rows)

    # Embeddings

    def vectors(self, model: str) -> tuple[Numbers, NDArray[np.float16]]:
        """The embeddings that a model made.

        Returns:
            numbers: of the papers that have one, ascending; (n,).
            vectors: (n, d); (0, 0) where there is none.
        """
        mine = vectors.c.model == model
        with self.read() as connection:
            count = int(connection.execute(select(func.count()).select_from(vectors).where(mine)).scalar_one())
            numbers, found = np.empty(count, np.int64), np.empty((count, 0), np.float16)
            asked = select(vectors.c.paper, vectors.c.data).where(mine).order_by(vectors.c.paper)
            for place, (number, data) in enumerate(connection.execution_options(yield_per=1000).execute(asked)):
                if place == 0:
                    found = np.empty((count, len(data) // 2), np.float16)
                numbers[place] = number
                found[place] = np.frombuffer(data, "<f2")
        return numbers, found

    def missing_vectors(self, model: str, limit: int) -> Numbers:
        """The numbers of papers that have no embedding of a model, ascending.

        Arguments:
            model: by its name.
            limit: so many at most.
        """
        check_count(limit, "the limit of papers", 0)
        mine = select(vectors.c.paper).where(vectors.c.model == model)
        asked = select(papers.c.id).where(papers.c.id.not_in(mine)).order_by(papers.c.id).limit(limit)
        with self.read() as connection:
            return np.array(connection.execute(asked).scalars().all(), dtype=np.int64)

    def store_vectors(self, model: str, numbers: Sequence[int] | Numbers, vectors: NDArray[np.floating[Any]]) -> None:
        """Keep the embeddings of papers; a paper that is there no more is passed over.

        Arguments:
            model: by its name.
            numbers: of the papers; (n,).
            vectors: (n, d), with the d of those of this model that are kept already.

        Raises:
            InvalidArgument: the shapes do not fit.
        """
        found = np.ascontiguousarray(vectors, dtype="<f2")
        if found.ndim != 2 or len(found) != len(numbers):
            raise InvalidArgument(
                message("one vector for each paper", got=(len(numbers), found.shape), allowed="(n,) and (n, d)")
            )
        if not len(found):
            return
        rows = [
            {"model": clean(model), "paper": int(number), "data": vector.tobytes()}
            for number, vector in zip(numbers, found, strict=True)
        ]
        with self.transaction() as connection:
            size = select(func.length(_VECTORS.c.data)).where(_VECTORS.c.model == model).limit(1)
            kept = connection.execute(size).scalar()
            if kept is not None and kept != 2 * found.shape[1]:
                raise InvalidArgument(
                    message(
                        f"the vectors of {model!r} that are kept have another dimension",
                        got=found.shape[1],
                        allowed=str(kept // 2),
                        do="give the other model another name",
                    )
                )
            connection.execute(_STORE_VECTOR, rows)
            grow(connection, "vectors")


# Under names that no argument hides.
_SYSTEMS, _TAGS, _VECTORS = systems, tags, vectors


def _filtered(connection: Connection, asked: Select[Any], where: Filter) -> Select[Any]:
    return asked.where(*conditions(connection, where))


def _ranked(
    connection: Connection, query: str, limit: int, where: Sequence[ColumnElement[bool]] = ()
) -> list[tuple[int, float]]:
    """The best papers for a query in the language of FTS5: numbers and scores."""
    values: dict[str, Any] = {"query": query, "most": limit}
    within = ""
    if where:
        inner = select(papers.c.id).where(*where).compile()
        values |= inner.params
        # The sign keeps SQLite from asking the full text for one row at a time.
        within = f" AND +rowid IN ({inner})"
    rows = connection.execute(text(_WORDS.format(within)), values)
    return [(int(number), -float(rank)) for number, rank in rows]


def _resolve(connection: Connection, number: int) -> int:
    """The present number of a paper.

    Raises:
        UnknownName: no paper has this number.
    """
    # SQLite's integers have 64 bits; a larger number is nobody's.
    known = -(2**63) <= int(number) < 2**63
    if known and connection.execute(select(papers.c.id).where(papers.c.id == int(number))).first() is not None:
        return int(number)
    found = connection.execute(select(moved.c.paper).where(moved.c.old == int(number))).scalar() if known else None
    if found is None:
        count = connection.execute(select(func.count()).select_from(papers)).scalar_one()
        raise UnknownName(
            message(
                "no paper of the catalogue has this number",
                got=number,
                allowed=f"the numbers of its {count} papers",
                do="`trimtab papers search WORDS` tells numbers"
                if count
                else "`trimtab papers import FILE` adds papers",
            )
        )
    return int(found)


def _row(connection: Connection, number: int) -> Row[Any]:
    """The row of a paper.

    Raises:
        UnknownName: no paper has this number.
    """
    return connection.execute(select(papers).where(papers.c.id == _resolve(connection, number))).one()


def _papers(connection: Connection, numbers: Sequence[int]) -> list[Paper]:
    """Papers in the order of their numbers, which are resolved where need be."""
    asked = {"papers": json.dumps(list(numbers))}
    rows = {row.id: row for row in connection.execute(_PAPERS, asked)}
    missing = {number: _resolve(connection, number) for number in numbers if number not in rows}
    if missing:
        found = {paper.number: paper for paper in _papers(connection, sorted({*rows, *missing.values()}))}
        return [found[missing.get(number, number)] for number in numbers]
    named, tagged = _grouped(connection, _SOURCES_OF, asked), _grouped(connection, _TAGS_OF, asked)
    linked = _grouped(connection, _METHODS_OF, asked)
    marked = {row.paper: row for row in connection.execute(_MARKS_OF, asked)}
    return [
        _paper(rows[number], named.get(number, ()), tagged.get(number, ()), linked.get(number, ()), marked.get(number))
        for number in numbers
    ]


def _grouped(connection: Connection, asked: Any, values: Mapping[str, str]) -> dict[int, list[Row[Any]]]:
    """Rows by the paper that they belong to."""
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(asked, values):
        found.setdefault(row.paper, []).append(row)
    return found


def _paper(
    row: Row[Any],
    named: Iterable[Row[Any]],
    tagged: Iterable[Row[Any]],
    linked: Iterable[Row[Any]],
    marks: Row[Any] | None,
) -> Paper:
    """A paper from its row and what belongs to it."""
    found = (Method(method.name, method.room, method.file, method.call, method.check) for method in linked)
    return Paper(
        number=row.id,
        title=row.title,
        abstract=row.abstract,
        authors=tuple(row.authors.split("\n")) if row.authors else (),
        author_count=row.author_count,
        published=None if row.published is None else date.fromisoformat(row.published),
        comments=row.comments,
        votes=row.votes + (0 if marks is None else marks.vote),
        arxiv=row.arxiv,
        doi=row.doi,
        url=row.url,
        sources=tuple(source.name for source in named),
        vote=0 if marks is None else marks.vote,
        reading=marks is not None and bool(marks.reading),
        note="" if marks is None else marks.note,
        tags=tuple(tag.tag for tag in tagged),
        methods=tuple(dict.fromkeys(found)),
    )


def _keys_of(connection: Connection, source: Reference | str | int) -> list[tuple[str, str]]:
    """What recognises the paper that a method names: keys, each with the arXiv id where it is known."""
    if isinstance(source, int):
        number = _resolve(connection, source)
        asked = (
            select(keys.c.key, papers.c.arxiv).join(papers, papers.c.id == keys.c.paper).where(papers.c.id == number)
        )
        return [(key, arxiv) for key, arxiv in connection.execute(asked.order_by(keys.c.key).limit(1))]
    if isinstance(source, str):
        return [(key, "") for key in identity.keys(Listing(source))]
    listing = Listing(
        source.title,
        authors=tuple(source.authors.split(" and ")),
        published=date(source.year, 1, 1),
        arxiv=source.arxiv,
        doi=source.doi,
        url=source.url,
    )
    return [(key, identity.arxiv_id(source.arxiv)) for key in identity.keys(listing)]
