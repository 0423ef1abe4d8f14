"""Which papers a filter lets through, as conditions on the table of papers."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Select, exists, func, or_, select

from trimtab.papers.catalogue.schema import keys, listings, marks, methods, papers, sources, tags
from trimtab.papers.records import Filter

__all__ = ["conditions", "linked_papers"]


_LONG = 5000  # listings of a page


def conditions(connection: Connection, where: Filter) -> list[ColumnElement[bool]]:
    """The conditions of a filter; none where it lets all through."""
    found: list[ColumnElement[bool]] = []
    if where.since is not None:
        found.append(papers.c.published >= where.since.isoformat())
    if where.until is not None:
        found.append(papers.c.published <= where.until.isoformat())
    if where.source is not None:
        found.append(_listed_by(connection, where.source))
    if where.runs is not None:
        running = linked_papers().where(methods.c.call != "")
        found.append(papers.c.id.in_(running) if where.runs else papers.c.id.not_in(running))
    if where.tag is not None:
        found.append(papers.c.id.in_(select(tags.c.paper).where(tags.c.tag == where.tag)))
    if where.reading is not None:
        reading = select(marks.c.paper).where(marks.c.reading != 0)
        found.append(papers.c.id.in_(reading) if where.reading else papers.c.id.not_in(reading))
    return found


def _listed_by(connection: Connection, source: str) -> ColumnElement[bool]:
    """The condition that a page lists a paper."""
    page = connection.execute(select(sources.c.id).where(sources.c.name == source)).scalar()
    rows = select(listings.c.paper).where(listings.c.source == page)
    # A short page is gone through at once; of a long one, which has many of the papers, each paper is asked for.
    if connection.execute(select(func.count()).select_from(rows.limit(_LONG).subquery())).scalar_one() < _LONG:
        return papers.c.id.in_(rows)
    return exists().where(listings.c.paper == papers.c.id, listings.c.source == page)


def linked_papers() -> Select[tuple[int]]:
    """The numbers of papers to which a method is linked: by a key, where arXiv ids do not speak against it."""
    linked = papers.alias()
    return (
        select(linked.c.id)
        .join(keys, keys.c.paper == linked.c.id)
        .join(methods, methods.c.key == keys.c.key)
        .where(or_(methods.c.arxiv == "", linked.c.arxiv == "", methods.c.arxiv == linked.c.arxiv))
    )
