"""Subscriptions: a saved search with an address, and when it is to be told.

What makes a subscription is its address, query and filter: to subscribe to the same again is to change when it
comes, or to take it up again after it was ended, and what was sent once stays sent.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast, final

from sqlalchemy import Connection, delete, func, insert, select, update

from trimtab.base.clock import Clock, SystemClock
from trimtab.base.errors import InvalidArgument, UnknownName, check_count, message
from trimtab.papers.catalogue.schema import papers
from trimtab.papers.catalogue.words import words_of
from trimtab.papers.digest import tables
from trimtab.papers.digest.addresses import check_address
from trimtab.papers.digest.plain import one_line
from trimtab.papers.digest.schedule import Every, open_zone
from trimtab.papers.digest.tokens import make_token, read_token
from trimtab.papers.records import EVERYTHING, Filter

if TYPE_CHECKING:
    from trimtab.papers.catalogue.catalogue import Catalogue

__all__ = ["Subscription", "end_subscription", "subscribe", "subscriptions", "unsubscribe", "unsubscribe_token"]

_PURPOSE = "unsubscribe"
_LONGEST_QUERY = 1000
_MOST = 200


@final
@dataclass(frozen=True, slots=True)
class Subscription:
    """A saved search that somebody is told about.

    Arguments:
        number: of the subscription, from 1; never given twice.
        address: where its digests go.
        query: words to search for; empty for all papers.
        where: which papers count.
        every: "daily" or "weekly".
        zone: the time zone in which the hour and the weekday are meant.
        hour: of the day from which a digest is due, 0 to 23.
        weekday: of the weekly digest; 0 is Monday.
        most: papers in one digest; what has no place comes in the next.
        after: papers up to this number are not new to it.
        ended: whether it was ended.
    """

    number: int
    address: str
    query: str
    where: Filter
    every: Every
    zone: str
    hour: int
    weekday: int
    most: int
    after: int
    ended: bool


def subscribe(
    catalogue: Catalogue,
    address: str,
    query: str = "",
    where: Filter = EVERYTHING,
    every: Every = "daily",
    *,
    zone: str = "UTC",
    hour: int = 7,
    weekday: int = 0,
    most: int = 25,
    backlog: bool = True,
) -> Subscription:
    """Have digests of a search sent to an address. The first is due at once.

    A paper matches that has all words of the query, see `trimtab.papers.digest.matching`.

    Arguments:
        catalogue: whose papers.
        address: where to; see `trimtab.papers.digest.addresses` for which are taken.
        query: words to search for; empty for all papers.
        where: which papers count.
        every: "daily" or "weekly".
        zone: a name of the tz database.
        hour: of the day from which a digest is due, 0 to 23.
        weekday: of the weekly digest; 0 is Monday.
        most: papers in one digest, 1 to 200.
        backlog: whether papers that the catalogue has already are new to it.

    Raises:
        InvalidArgument: one of these is not what it should be.
    """
    to = check_address(address)
    asked = one_line(query)
    if len(asked) > _LONGEST_QUERY or (asked and not words_of(asked)):
        raise InvalidArgument(
            message(
                "the query cannot be searched for",
                got=query,
                allowed=f"words, {_LONGEST_QUERY} characters at most; or nothing for all papers",
            )
        )
    if every not in ("daily", "weekly"):
        raise InvalidArgument(message("a digest comes daily or weekly", got=every, allowed="daily, weekly"))
    open_zone(zone)
    _check_range(hour, "the hour", 0, 23)
    _check_range(weekday, "the weekday", 0, 6)
    _check_range(most, "the number of papers in a digest", 1, _MOST)
    tables.ensure(catalogue)
    filter_text = _filter_text(where)
    key = hashlib.sha256(json.dumps([to, asked, filter_text]).encode()).hexdigest()
    timing = {"every": every, "zone": zone, "hour": hour, "weekday": weekday, "most": most, "ended": None}
    row = tables.subscriptions
    with catalogue.transaction() as connection:
        if connection.execute(update(row).where(row.c.key == key).values(**timing)).rowcount == 0:
            after = 0 if backlog else (connection.execute(select(func.max(papers.c.id))).scalar() or 0)
            named = {"key": key, "address": to, "query": asked, "filter": filter_text, "after": after}
            connection.execute(insert(row).values(**named, **timing))
        found = connection.execute(select(row).where(row.c.key == key)).one()
    return read_row(found)


def _check_range(value: object, what: str, least: int, most: int) -> None:
    """Refuse a number out of range."""
    if check_count(value, what, least) > most:
        raise InvalidArgument(message(f"{what} is out of range", got=value, allowed=f"{least} to {most}"))


def subscriptions(catalogue: Catalogue, *, ended: bool = False) -> tuple[Subscription, ...]:
    """The subscriptions, in the order in which they were made.

    Arguments:
        catalogue: whose.
        ended: whether those count that were ended.
    """
    tables.ensure(catalogue)
    row = tables.subscriptions
    asked = select(row).order_by(row.c.id)
    with catalogue.read() as connection:
        found = connection.execute(asked if ended else asked.where(row.c.ended.is_(None))).all()
    return tuple(map(read_row, found))


def unsubscribe_token(catalogue: Catalogue, number: int) -> str:
    """What ends a subscription for whoever has it.

    Raises:
        UnknownName: there is no such subscription.
    """
    tables.ensure(catalogue)
    with catalogue.read() as connection:
        _one(connection, number)
        return make_token(tables.read_secret(connection), _PURPOSE, number)


def check_token(catalogue: Catalogue, token: str) -> Subscription:
    """The subscription that a token ends. Changes nothing.

    Raises:
        InvalidToken: it was not made here.
    """
    tables.ensure(catalogue)
    with catalogue.read() as connection:
        return _one(connection, read_token(tables.read_secret(connection), _PURPOSE, token))


def unsubscribe(catalogue: Catalogue, token: str, clock: Clock | None = None) -> Subscription:
    """End the subscription that a token is for; nothing happens where it is ended already.

    Raises:
        InvalidToken: it was not made here.
    """
    return end_subscription(catalogue, check_token(catalogue, token).number, clock)


def end_subscription(catalogue: Catalogue, number: int, clock: Clock | None = None) -> Subscription:
    """End a subscription by its number; nothing happens where it is ended already.

    A digest that was not handed over yet is dropped, and its papers count as not sent, should the subscription be
    taken up again.

    Raises:
        UnknownName: there is no such subscription.
    """
    tables.ensure(catalogue)
    now = (clock or SystemClock()).now()
    row, queue, sent = tables.subscriptions, tables.queue, tables.sent
    with catalogue.transaction() as connection:
        if not _one(connection, number).ended:
            connection.execute(update(row).where(row.c.id == number).values(ended=now))
            is_open = (queue.c.subscription == number) & queue.c.state.in_(("waiting", "claimed"))
            dropped = select(queue.c.id).where(is_open)
            connection.execute(delete(sent).where(sent.c.queue.in_(dropped)))
            connection.execute(update(queue).where(is_open).values(state="cancelled", why="it was ended", ended=now))
        return _one(connection, number)


def _one(connection: Connection, number: int) -> Subscription:
    """A subscription by its number."""
    found = connection.execute(select(tables.subscriptions).where(tables.subscriptions.c.id == number)).first()
    if found is None:
        raise UnknownName(
            message("there is no such subscription", got=number, do="`subscriptions(catalogue)` lists those there are")
        )
    return read_row(found)


def read_row(row: Any) -> Subscription:
    """A row of the table as a record."""
    return Subscription(
        number=row.id,
        address=row.address,
        query=row.query,
        where=_read_filter(row.filter),
        every=cast(Every, row.every),
        zone=row.zone,
        hour=row.hour,
        weekday=row.weekday,
        most=row.most,
        after=row.after,
        ended=row.ended is not None,
    )


def _filter_text(where: Filter) -> str:
    """A filter as JSON: the parts that are given, sorted."""
    given = {name: value for name, value in asdict(where).items() if value is not None}
    return json.dumps(given, default=date.isoformat, sort_keys=True)


def _read_filter(text: str) -> Filter:
    """The filter that `_filter_text` wrote."""
    given = json.loads(text)
    for name in ("since", "until"):
        if name in given:
            given[name] = date.fromisoformat(given[name])
    return Filter(**given)
