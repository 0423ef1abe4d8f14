"""Listings into papers, a batch in one transaction.

A listing is one of the paper with which it shares a key, unless it contradicts one of that paper's listings (see
`trimtab.papers.identity`). One that fits several papers shows that these are the same, unless they contradict each
other: then it is taken for the one with the lower number. What a page gives as it gave it before stays the paper that
it was. Of two papers that are the same the one with the lower number stays, and the number of the other leads to it.

A page that is imported again replaces, paper by paper and in order, what it gave before: the same page changes nothing,
and what a page no longer lists stays in the catalogue.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, final

from sqlalchemy import Connection, delete, insert, select, text, update

from trimtab.papers import identity
from trimtab.papers.catalogue.codec import clean, decode, encode, storable
from trimtab.papers.catalogue.counting import grow
from trimtab.papers.catalogue.full_text import add_text, remove_text
from trimtab.papers.catalogue.merging import merge
from trimtab.papers.catalogue.schema import marks, moved, papers, sources, vectors
from trimtab.papers.catalogue.trending import heat
from trimtab.papers.records import ImportReport, Listing, Misread

__all__ = ["Importing"]

_SEEN, _NEW, _MERGED = 1, 2, 4

_MOST_TOLD = 64  # of a paper's listings that could be contradicted; no honest paper has as many that differ

_KNOWN = text("SELECT key, paper FROM keys WHERE key IN (SELECT value FROM json_each(:keys))")
_LAST_PAPER = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'papers'")
_LAST_LISTING = text("SELECT coalesce(max(id), 0) FROM listings")
_KEPT = text(
    "SELECT id, paper, source, line, data FROM listings WHERE paper IN (SELECT value FROM json_each(:papers))"
    " ORDER BY id"
)
_CURRENT = text("SELECT * FROM papers WHERE id IN (SELECT value FROM json_each(:papers))")
_VOTES = text("SELECT paper, vote FROM marks WHERE vote <> 0 AND paper IN (SELECT value FROM json_each(:papers))")
_TABLES_OF_PAPERS = text(
    "SELECT tables.name FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns"
    " WHERE tables.type = 'table' AND columns.name = 'paper'"
)
# As the driver takes them, since SQLAlchemy would need as long as SQLite for rows by the thousand.
_ADD_KEY = "INSERT INTO keys (key, paper) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ADD_LISTING = "INSERT INTO listings (id, paper, source, line, data) VALUES (?, ?, ?, ?, ?)"
_UPDATE_LISTING = "UPDATE listings SET paper = ?, source = ?, line = ?, data = ? WHERE id = ?"
_ADD_PAPER = f"INSERT INTO papers ({', '.join(papers.c.keys())}) VALUES ({', '.join('?' for _ in papers.c)})"
_UPDATE_PAPER = f"UPDATE papers SET {', '.join(f'{name} = ?' for name in papers.c.keys()[1:])} WHERE id = ?"
_DROP_VECTORS = "DELETE FROM vectors WHERE paper = ?"


@final
@dataclass(slots=True)
class _Kept:
    """A listing of a paper, as it is in the table or to be put there."""

    id: int
    source: int
    line: int
    data: str
    listing: Listing


@final
@dataclass(slots=True)
class _Batch:
    """What a batch does to the papers.

    Attributes:
        first_new: numbers from here on are not in the tables yet.
        owners: key -> papers that have it.
        told: paper -> what its listings say that another listing could contradict.
        kept: paper -> its listings in the order of import.
        given: what this page gave before, as it is stored -> the paper that it was.
        arrived: paper -> places in the batch.
        absorbed: number of a paper -> the number under which it goes on.
        added: keys that papers got, in order.
    """

    first_new: int
    owners: dict[str, set[int]]
    told: dict[int, dict[Listing, None]]
    kept: dict[int, list[_Kept]]
    given: dict[str, int]
    arrived: dict[int, list[int]] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    added: list[tuple[str, int]] = field(default_factory=list)

    def now(self, number: int) -> int:
        """The number under which a paper goes on."""
        while number in self.absorbed:
            number = self.absorbed[number]
        return number


@final
@dataclass(slots=True)
class _Changes:
    """What a batch writes.

    Attributes:
        new_listings, listings: id -> values of a row that is new, or was there.
        new_papers: rows.
        papers: rows as they were and as they are to be.
    """

    new_listings: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    listings: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    new_papers: list[dict[str, Any]] = field(default_factory=list)
    papers: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new_listings or self.listings or self.new_papers or self.papers)

    def write(self, connection: Connection) -> None:
        """Write it: papers with their words, without embeddings of another text, and listings."""
        texts = self._differing("title", "abstract", "authors")
        remove_text(connection, texts)
        _run(connection, _ADD_PAPER, [tuple(row.values()) for row in self.new_papers])
        _run(connection, _UPDATE_PAPER, [(*list(row.values())[1:], row["id"]) for _, row in self.papers])
        add_text(connection, [row["id"] for row in self.new_papers] + texts)
        _run(connection, _DROP_VECTORS, [(number,) for number in self._differing("title", "abstract")])
        _run(connection, _ADD_LISTING, list(self.new_listings.values()))
        _run(connection, _UPDATE_LISTING, [(*values[1:], row) for row, values in self.listings.items()])

    def _differing(self, *parts: str) -> list[int]:
        """The papers of which some part changes."""
        return [row["id"] for before, row in self.papers if any(before[part] != row[part] for part in parts)]


@final
class Importing:
    """One import of one page, in one batch or several.

    Its memory grows by a byte for each paper of the catalogue and a bit for each listing.

    Arguments:
        source: of the page.
        kind: of the page.
    """

    def __init__(self, source: str, kind: str) -> None:
        self._source = clean(source)
        self._kind = clean(kind)
        self._count = 0
        self._next = 0  # the id of the next listing
        self._flags = bytearray()  # by the number of a paper
        self._fresh = bytearray()  # a bit for each listing in the table: whether this import gave it

    def add(self, connection: Connection, batch: Sequence[Listing]) -> None:
        """Take in a batch; in a transaction that may write."""
        source, changed = self._find_source(connection)
        stored = [storable(listing) for listing in batch]
        encoded = [encode(listing) for listing in stored]
        plan = self._assign(connection, source, stored, encoded)
        changes = self._change(connection, plan, source, stored, encoded)
        changes.write(connection)
        _run(connection, _ADD_KEY, [(key, plan.now(paper)) for key, paper in plan.added])
        self._count += len(batch)
        if changed or changes or plan.absorbed or plan.added:
            grow(connection, "papers")

    def report(self, misread: tuple[Misread, ...] = ()) -> ImportReport:
        """What the import did so far."""
        return ImportReport(
            source=self._source,
            kind=self._kind,
            listings=self._count,
            papers=sum(bool(flags & _SEEN) for flags in self._flags),
            new=sum(bool(flags & _NEW) for flags in self._flags),
            merged=sum(bool(flags & _MERGED) for flags in self._flags),
            misread=misread,
        )

    def _find_source(self, connection: Connection) -> tuple[int, bool]:
        """The page's row, made where it is missing or of another kind; and whether it was."""
        row = connection.execute(select(sources.c.id, sources.c.kind).where(sources.c.name == self._source)).first()
        if row is None:
            added = insert(sources).values(name=self._source, kind=self._kind).returning(sources.c.id)
            return int(connection.execute(added).scalar_one()), True
        if row.kind != self._kind:
            connection.execute(update(sources).where(sources.c.id == row.id).values(kind=self._kind))
        return int(row.id), bool(row.kind != self._kind)

    def _keys(self, listing: Listing, data: str) -> tuple[str, ...]:
        """What recognises a listing; one that says too little is itself only, again in the same page."""
        itself = f"{self._source}\n{data}".encode()
        return identity.keys(listing) or (f"listing:{hashlib.sha256(itself).hexdigest()}",)

    def _assign(self, connection: Connection, source: int, batch: Sequence[Listing], encoded: Sequence[str]) -> _Batch:
        """Which paper each listing of a batch is."""
        found = [self._keys(listing, data) for listing, data in zip(batch, encoded, strict=True)]
        plan = _look_up(connection, source, {key for some in found for key in some})
        number = plan.first_new
        for place, (listing, some) in enumerate(zip(batch, found, strict=True)):
            told = _told(listing)
            owners = {plan.now(owner) for key in some for owner in plan.owners.get(key, ())}
            if encoded[place] in plan.given:
                fitting = [plan.now(plan.given[encoded[place]])]
            else:
                fitting = sorted(owner for owner in owners if _agree(plan.told[owner], {told: None}))
            paper = fitting[0] if fitting else number
            if not fitting:
                number += 1
            for other in fitting[1:]:
                if _agree(plan.told[paper], plan.told[other]):
                    self._absorb(connection, plan, other, paper)
            plan.told.setdefault(paper, {})[told] = None
            plan.kept.setdefault(paper, [])
            plan.arrived.setdefault(paper, []).append(place)
            for key in some:
                here = plan.owners.setdefault(key, set())
                if paper not in {plan.now(owner) for owner in here}:
                    here.add(paper)
                    plan.added.append((key, paper))
        return plan

    def _absorb(self, connection: Connection, plan: _Batch, old: int, into: int) -> None:
        """Let a paper go on as another one."""
        plan.absorbed[old] = into
        plan.told[into] |= plan.told.pop(old)
        plan.kept[into] = sorted(plan.kept[into] + plan.kept.pop(old), key=lambda row: row.id)
        plan.arrived.setdefault(into, []).extend(plan.arrived.pop(old, ()))
        if old < plan.first_new:
            absorb(connection, old, into)
        mine, other = self._flag(into), self._flag(old)
        is_new = _NEW if (mine or other) & other & _NEW else 0
        self._flags[into] = ((mine | other) & ~_NEW) | is_new
        self._flags[old] = 0

    def _change(
        self, connection: Connection, plan: _Batch, source: int, batch: Sequence[Listing], encoded: Sequence[str]
    ) -> _Changes:
        """What is to be written of listings and papers."""
        touched = {"papers": json.dumps(sorted(plan.arrived))}
        current = {row["id"]: dict(row) for row in connection.execute(_CURRENT, touched).mappings()}
        votes = {row.paper: row.vote for row in connection.execute(_VOTES, touched)}
        first = self._next = int(connection.execute(_LAST_LISTING).scalar_one()) + 1
        changes = _Changes()
        for number in sorted(plan.arrived):
            rows = plan.kept[number]
            places = sorted(plan.arrived[number])
            arrived = [_Kept(0, source, batch[place].line, encoded[place], batch[place]) for place in places]
            for row in self._place(number, rows, arrived, number >= plan.first_new):
                values = (row.id, number, row.source, row.line, row.data)
                (changes.new_listings if row.id >= first else changes.listings)[row.id] = values
            paper = row_of(number, [row.listing for row in rows], votes.get(number, 0))
            if number not in current:
                changes.new_papers.append(paper)
            elif paper != current[number]:
                changes.papers.append((current[number], paper))
        return changes

    def _place(self, number: int, rows: list[_Kept], arrived: list[_Kept], is_new: bool) -> list[_Kept]:
        """Put what arrived among a paper's listings, and tell those that are to be written.

        What the page gave before and gives again stays; what it gave before and has not given yet is replaced; what it
        gives twice is kept once.
        """
        if not arrived:
            return []
        own = [row for row in rows if row.source == arrived[0].source]
        flags = self._flag(number)
        if not flags & _SEEN:
            flags |= _SEEN | (_NEW if is_new else 0 if own else _MERGED)
        self._flags[number] = flags
        written = []
        for row in arrived:
            same = next((one for one in own if one.data == row.data), None)
            stale = same or next((one for one in own if not self._is_fresh(one.id)), None)
            if stale is None:
                row.id, self._next = self._next, self._next + 1
                own.append(row)
                rows.append(row)
                written.append(row)
                stale = row
            elif not self._is_fresh(stale.id) and (stale.line, stale.data) != (row.line, row.data):
                stale.line, stale.data, stale.listing = row.line, row.data, row.listing
                written.append(stale)
            self._freshen(stale.id)
        return written

    def _flag(self, number: int) -> int:
        """What is known of a paper in this import."""
        if number >= len(self._flags):
            self._flags.extend(bytes(number + 1 - len(self._flags)))
        return self._flags[number]

    def _is_fresh(self, row: int) -> bool:
        """Whether this import gave a listing of the table."""
        return row // 8 < len(self._fresh) and bool(self._fresh[row // 8] & (1 << row % 8))

    def _freshen(self, row: int) -> None:
        if row // 8 >= len(self._fresh):
            self._fresh.extend(bytes(row // 8 + 1 - len(self._fresh)))
        self._fresh[row // 8] |= 1 << row % 8


def _look_up(connection: Connection, source: int, every: set[str]) -> _Batch:
    """What the tables know of some keys, and what this page gave for their papers."""
    owners: dict[str, set[int]] = {}
    for key, paper in connection.execute(_KNOWN, {"keys": json.dumps(sorted(every))}):
        owners.setdefault(key, set()).add(paper)
    numbers = sorted({paper for some in owners.values() for paper in some})
    told: dict[int, dict[Listing, None]] = {number: {} for number in numbers}
    kept: dict[int, list[_Kept]] = {number: [] for number in numbers}
    given: dict[str, int] = {}
    for row in connection.execute(_KEPT, {"papers": json.dumps(numbers)}):
        listing = decode(row.data, row.line)
        told[row.paper][_told(listing)] = None
        kept[row.paper].append(_Kept(row.id, row.source, row.line, row.data, listing))
        if row.source == source:
            given.setdefault(row.data, row.paper)
    return _Batch(int(connection.execute(_LAST_PAPER).scalar_one()) + 1, owners, told, kept, given)


def _told(listing: Listing) -> Listing:
    """What of a listing another one could contradict."""
    return Listing("", authors=listing.authors, arxiv=listing.arxiv, doi=listing.doi, url=listing.url)


def _agree(some: Mapping[Listing, None], others: Mapping[Listing, None]) -> bool:
    """Whether no listing of one paper contradicts one of another, as far as is looked."""
    return not any(
        identity.contradict(one, other) for one in islice(some, _MOST_TOLD) for other in islice(others, _MOST_TOLD)
    )


def row_of(number: int, found: Sequence[Listing], vote: int) -> dict[str, Any]:
    """The row of a paper, in the order of its columns: the best of its listings, and its place in the trending order.

    Arguments:
        number: of the paper.
        found: its listings in the order of import.
        vote: the reader's own.
    """
    merged = merge(found)
    return {
        "id": number,
        "title": merged.title,
        "abstract": merged.abstract,
        "authors": "\n".join(merged.authors),
        "author_count": merged.author_count,
        "published": None if merged.published is None else merged.published.isoformat(),
        "comments": merged.comments,
        "votes": merged.votes,
        "arxiv": merged.arxiv,
        "doi": merged.doi,
        "url": merged.url,
        "heat": heat(merged.votes + vote, merged.published),
    }


def absorb(connection: Connection, old: int, into: int) -> None:
    """Let everything that belongs to a paper belong to another one, and forget the paper.

    Every table that has a column `paper` is meant, also those that others keep in the same file.
    """
    connection.execute(delete(vectors).where(vectors.c.paper == old))
    _join_marks(connection, old, into)
    for name in connection.execute(_TABLES_OF_PAPERS).scalars().all():
        table = f'"{name}"'
        move = {"old": old, "into": into}
        connection.execute(text(f"UPDATE OR IGNORE {table} SET paper = :into WHERE paper = :old"), move)
        connection.execute(text(f"DELETE FROM {table} WHERE paper = :old"), move)
    remove_text(connection, [old])
    connection.execute(delete(papers).where(papers.c.id == old))
    connection.execute(insert(moved).values(old=old, paper=into))


def _join_marks(connection: Connection, old: int, into: int) -> None:
    """The reader's marks on two papers that are one: the later ones where the earlier are empty, and both notes."""
    rows = {row.paper: row for row in connection.execute(select(marks).where(marks.c.paper.in_((old, into))))}
    if old not in rows or into not in rows:
        return
    first, second = rows[into], rows[old]
    connection.execute(
        update(marks)
        .where(marks.c.paper == into)
        .values(
            vote=first.vote or second.vote,
            reading=first.reading or second.reading,
            note="\n\n".join(dict.fromkeys(note for note in (first.note, second.note) if note)),
        )
    )


def _run(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Run a statement of the driver's once for each row."""
    if rows:
        connection.exec_driver_sql(statement, rows)
