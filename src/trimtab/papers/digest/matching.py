"""Which papers are new to a subscription: it has their words, passes its filter, and was never told of them.

A paper matches a query that has all of the words which a search looks for (stemmed, in title, abstract or authors).
A search, which ranks, is content with any of them; a mail that nobody asked for should be about what was.
"""

from __future__ import annotations

from sqlalchemy import Connection, Float, Integer, column, select, text

from trimtab.papers.catalogue.filtering import conditions
from trimtab.papers.catalogue.schema import papers
from trimtab.papers.catalogue.words import words_of
from trimtab.papers.digest.subscriptions import Subscription
from trimtab.papers.digest.tables import sent

__all__ = ["new_papers"]

# The weights are those of `Catalogue.words`.
_FOUND = (
    text("SELECT rowid, rank FROM papers_fts WHERE papers_fts MATCH :query AND rank MATCH 'bm25(4.0, 1.0, 2.0)'")
    .columns(column("rowid", Integer), column("rank", Float))
    .subquery("found")
)


def new_papers(connection: Connection, subscription: Subscription) -> list[int]:
    """The numbers of all papers that are new to a subscription, best first; newest first where it has no query.

    A paper that was told and turned out to be another one counts as told: `sent` moves with it, see
    `trimtab.papers.catalogue.importing.absorb`.
    """
    told = select(sent.c.paper).where(sent.c.subscription == subscription.number)
    asked = (
        select(papers.c.id)
        .where(*conditions(connection, subscription.where), papers.c.id > subscription.after)
        .where(papers.c.id.not_in(told))
    )
    if not subscription.query:
        ordered = asked.order_by(papers.c.published.desc(), papers.c.id)
        return list(connection.execute(ordered).scalars())
    words = " AND ".join(f'"{word}"' for word in words_of(subscription.query))
    ranked = asked.join(_FOUND, _FOUND.c.rowid == papers.c.id).order_by(_FOUND.c.rank, papers.c.id)
    return list(connection.execute(ranked, {"query": words}).scalars())
