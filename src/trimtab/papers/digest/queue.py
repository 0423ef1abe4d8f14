"""The queue of digests: each is handed over at most once, and tried again only where it surely was not.

A digest is a row, made in the transaction that marks its papers as sent: so a paper is in one digest of a
subscription, and a crash leaves either both or neither. Who delivers a row claims it first. The claim has a lease,
after which others take the row over, and a number, which every later step checks: who was overtaken finds out
before the final dot of the mail, see `trimtab.papers.digest.smtp`.

What a crash leaves: a row that was claimed was not handed over, and is tried again. A row that was being handed over
may have arrived or not. It is not tried again, as no paper is to come twice; it is told as "unknown", and `requeue`
sends it again, under the same Message-ID, for whoever prefers a mail twice to none.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, final

from sqlalchemy import Connection, Row, Select, Update, exists, func, insert, select, update

from trimtab.base.clock import Clock, SystemClock
from trimtab.base.errors import Conflict, InvalidArgument, UnknownName, message
from trimtab.base.seeds import Key
from trimtab.papers.digest import tables
from trimtab.papers.digest.matching import new_papers
from trimtab.papers.digest.schedule import last_due
from trimtab.papers.digest.smtp import Fate, Outcome
from trimtab.papers.digest.subscriptions import Subscription, read_row

if TYPE_CHECKING:
    from trimtab.papers.catalogue.catalogue import Catalogue

__all__ = [
    "BACKOFF",
    "Backoff",
    "Claim",
    "Delivery",
    "State",
    "claim",
    "deliveries",
    "deliveries_of",
    "make_due",
    "mark",
    "recover",
    "release",
    "requeue",
    "settle",
]

State: TypeAlias = Literal["waiting", "claimed", "handing", "sent", "failed", "unknown", "cancelled"]

_q, _s = tables.queue, tables.subscriptions  # short, as they stand in every line below


@final
@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a digest waits after a refusal before it is tried again.

    The pause doubles with every try up to the longest, and is drawn uniformly from its upper half, so that what
    failed together is not tried again together.

    Arguments:
        first: pause after the first try, seconds.
        longest: no pause is longer, seconds.
        tries: after so many a digest is given up.
    """

    first: float = 300.0
    longest: float = 43_200.0
    tries: int = 10

    def __post_init__(self) -> None:
        if not 0.0 < self.first <= self.longest or self.tries < 1:
            raise InvalidArgument(
                message("the pauses between tries cannot be", got=self, allowed="0 < first <= longest, tries >= 1")
            )

    def pause(self, tries: int, message_id: str) -> float:
        """Seconds to wait after so many tries of one mail; always the same for the same mail and count."""
        ceiling = min(self.longest, self.first * 2.0 ** min(tries - 1, 60))
        seed = int.from_bytes(message_id.encode(), "big")
        return float(Key(seed, tries, "papers/digest").generator().uniform(ceiling / 2.0, ceiling))


BACKOFF = Backoff()
"""Five minutes after the first try, twice as long after each, twelve hours at most, ten tries."""


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """A digest that this process may deliver.

    Arguments:
        number: of the digest.
        claim: which of its claims this is.
        tries: how often it was tried, this time included.
        message_id: of its mail.
        made: when it was made, seconds since the Unix epoch.
        more: how many papers matched that had no place in it.
        papers: the numbers of its papers, in order.
        subscription: whose it is.
    """

    number: int
    claim: int
    tries: int
    message_id: str
    made: float
    more: int
    papers: tuple[int, ...]
    subscription: Subscription


@final
@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a digest has come.

    Arguments:
        number: of the digest, from 1; never given twice.
        subscription: whose it is.
        address: where it goes.
        papers: how many it has.
        state: "waiting", "claimed" (somebody delivers it), "handing" (the mail server has it and has not answered),
            "sent", "failed" (given up), "unknown" (it may have arrived) or "cancelled" (its subscription ended).
        tries: how often it was tried.
        next: not tried before, seconds since the Unix epoch.
        why: what the mail server answered, or what else happened.
        message_id: of its mail.
    """

    number: int
    subscription: int
    address: str
    papers: int
    state: State
    tries: int
    next: float
    why: str
    message_id: str


def make_due(catalogue: Catalogue, now: float, domain: str) -> list[int]:
    """Make the digests that are due, and tell their numbers. One that would be empty is not made.

    Arguments:
        catalogue: whose subscriptions.
        now: seconds since the Unix epoch.
        domain: of the sender, in which a Message-ID is unique.
    """
    with catalogue.read() as connection:
        rows = connection.execute(select(_s).where(_s.c.ended.is_(None)).order_by(_s.c.id)).all()
    made = []
    for row in rows:
        if _due(row, now) is None:
            continue
        with catalogue.transaction() as connection:
            digest = _make_one(connection, row.id, now, domain)
        if digest is not None:
            made.append(digest)
    return made


def _due(row: Row[Any], now: float) -> float | None:
    """When the digest of a subscription was due that was not made yet; None where there is none."""
    slot = last_due(row.every, row.zone, row.hour, row.weekday, now)
    return None if row.ended is not None or row.slot == slot else slot


def _make_one(connection: Connection, subscription: int, now: float, domain: str) -> int | None:
    """Make the digest of a subscription where it is due; None where it is not, or has no papers."""
    row = connection.execute(select(_s).where(_s.c.id == subscription)).one()
    slot = _due(row, now)
    if slot is None:
        return None
    found = new_papers(connection, read_row(row))
    # The first digest stays due until there is something to tell; the others come at their hour or not.
    if found or row.slot is not None:
        connection.execute(update(_s).where(_s.c.id == subscription).values(slot=slot))
    if not found:
        return None
    chosen = found[: row.most]
    digest = insert(_q).values(
        subscription=subscription,
        message_id=f"<digest.{subscription}.{secrets.token_hex(16)}@{domain}>",
        made=now,
        more=len(found) - len(chosen),
        state="waiting",
        tries=0,
        next=now,
        claim=0,
        lease=0.0,
        why="",
    )
    number = int(connection.execute(digest.returning(_q.c.id)).scalar_one())
    connection.execute(
        insert(tables.sent),
        [
            {"subscription": subscription, "paper": paper, "queue": number, "place": place}
            for place, paper in enumerate(chosen)
        ],
    )
    return number


def recover(catalogue: Catalogue, now: float, backoff: Backoff) -> list[int]:
    """Settle what processes left that ended in the middle, and tell the digests that may or may not have arrived.

    Arguments:
        catalogue: whose queue.
        now: seconds since the Unix epoch.
        backoff: how many tries a digest has.
    """
    over = _q.c.lease <= now
    with catalogue.transaction() as connection:
        died = update(_q).where(_q.c.state == "claimed", over)
        connection.execute(
            died.where(_q.c.tries >= backoff.tries).values(
                state="failed", why="given up: each try ended in the middle", ended=now
            )
        )
        connection.execute(died.values(state="waiting", next=now, why="the last try ended in the middle"))
        in_doubt = update(_q).where(_q.c.state == "handing", over)
        why = "the process ended while the mail server took the mail: it may have arrived"
        marked = in_doubt.values(state="unknown", why=why, ended=now).returning(_q.c.id)
        return sorted(connection.execute(marked).scalars())


def claim(catalogue: Catalogue, now: float, lease: float) -> Claim | None:
    """Claim the digest that has waited longest; None where none is due.

    One that has no papers any more, since they turned out to be papers that were told before, is cancelled.

    Arguments:
        catalogue: whose queue.
        now: seconds since the Unix epoch.
        lease: seconds after which others may take it over.
    """
    ready = select(_q.c.id).where(_q.c.state == "waiting", _q.c.next <= now).order_by(_q.c.next, _q.c.id).limit(1)
    with catalogue.transaction() as connection:
        untold = ~exists().where(tables.sent.c.queue == _q.c.id)
        connection.execute(
            update(_q)
            .where(_q.c.state == "waiting", untold)
            .values(state="cancelled", why="its papers were told before", ended=now)
        )
        taken = connection.execute(
            update(_q)
            .where(_q.c.id == ready.scalar_subquery())
            .values(state="claimed", claim=_q.c.claim + 1, tries=_q.c.tries + 1, lease=now + lease)
            .returning(_q)
        ).first()
        if taken is None:
            return None
        mine = select(tables.sent.c.paper).where(tables.sent.c.queue == taken.id).order_by(tables.sent.c.place)
        return Claim(
            number=taken.id,
            claim=taken.claim,
            tries=taken.tries,
            message_id=taken.message_id,
            made=taken.made,
            more=taken.more,
            papers=tuple(connection.execute(mine).scalars()),
            subscription=read_row(connection.execute(select(_s).where(_s.c.id == taken.subscription)).one()),
        )


def mark(catalogue: Catalogue, held: Claim, now: float, lease: float) -> bool:
    """Write that a digest is being handed over, on disk when it returns; False where it is not ours any more."""
    with catalogue.transaction() as connection:
        done = connection.execute(_held(held, "claimed").values(state="handing", lease=now + lease))
        return done.rowcount == 1


def settle(catalogue: Catalogue, held: Claim, outcome: Outcome, now: float, backoff: Backoff) -> None:
    """Write what came of a try. Nothing is written where somebody else took the digest over."""
    why = outcome.why
    if outcome.fate is Fate.DROPPED:
        return
    if outcome.fate is Fate.SENT:
        # "unknown" too: the answer came after the lease was over.
        change = _held(held, "handing", "unknown").values(state="sent", why=why, ended=now)
    elif outcome.fate is Fate.UNKNOWN:
        change = _held(held, "handing").values(state="unknown", why=why, ended=now)
    elif outcome.fate is not Fate.NEVER and held.tries < backoff.tries:
        pause = backoff.pause(held.tries, held.message_id)
        change = _held(held, "claimed", "handing").values(state="waiting", why=why, next=now + pause)
    else:
        given_up = why if outcome.fate is Fate.NEVER else f"given up after {held.tries} tries: {why}"
        change = _held(held, "claimed", "handing").values(state="failed", why=given_up, ended=now)
    with catalogue.transaction() as connection:
        connection.execute(change)


def release(catalogue: Catalogue, held: Claim, why: str, now: float, backoff: Backoff) -> None:
    """Give a digest back whose try broke off; only where it was not being handed over yet."""
    next_try = now + backoff.pause(held.tries, held.message_id)
    with catalogue.transaction() as connection:
        connection.execute(_held(held, "claimed").values(state="waiting", why=why, next=next_try))


def _held(held: Claim, *states: State) -> Update:
    """A change of a digest that holds only while the claim does."""
    return update(_q).where(_q.c.id == held.number, _q.c.claim == held.claim, _q.c.state.in_(states))


def deliveries(catalogue: Catalogue, *, state: State | None = None, limit: int = 100) -> tuple[Delivery, ...]:
    """The latest digests, newest first.

    Arguments:
        catalogue: whose queue.
        state: only those in this state.
        limit: so many at most.
    """
    tables.ensure(catalogue)
    asked = _DELIVERIES.order_by(_q.c.id.desc()).limit(limit)
    return _read(catalogue, asked if state is None else asked.where(_q.c.state == state))


def deliveries_of(catalogue: Catalogue, numbers: Iterable[int]) -> tuple[Delivery, ...]:
    """Some digests, in the order of their numbers."""
    return _read(catalogue, _DELIVERIES.where(_q.c.id.in_(sorted(numbers))).order_by(_q.c.id))


def requeue(catalogue: Catalogue, number: int, clock: Clock | None = None) -> Delivery:
    """Have a digest tried anew that was given up, or that may not have arrived.

    One that is "unknown" may then arrive twice, under one Message-ID, by which many mail programs show it once.

    Raises:
        UnknownName: there is no such digest.
        Conflict: it is in another state, or its subscription was ended.
    """
    tables.ensure(catalogue)
    now = (clock or SystemClock()).now()
    with catalogue.transaction() as connection:
        found = connection.execute(
            select(_q.c.state, _s.c.ended).join(_s, _s.c.id == _q.c.subscription).where(_q.c.id == number)
        ).first()
        if found is None:
            raise UnknownName(message("there is no such digest", got=number, do="`deliveries(catalogue)` lists them"))
        if found.state not in ("failed", "unknown") or found.ended is not None:
            state = found.state if found.ended is None else "of a subscription that was ended"
            raise Conflict(
                message(
                    f"digest {number} cannot be sent anew",
                    got=state,
                    allowed="a digest that is failed or unknown, of a subscription that goes on",
                )
            )
        # A new claim number: whoever still holds the old claim can change nothing any more.
        again = {"state": "waiting", "tries": 0, "next": now, "claim": _q.c.claim + 1, "why": "", "ended": None}
        connection.execute(update(_q).where(_q.c.id == number).values(**again))
        return deliveries_of(catalogue, [number])[0]


_DELIVERIES = select(
    _q,
    _s.c.address,
    select(func.count()).where(tables.sent.c.queue == _q.c.id).scalar_subquery().label("papers"),
).join(_s, _s.c.id == _q.c.subscription)


def _read(catalogue: Catalogue, asked: Select[Any]) -> tuple[Delivery, ...]:
    """Rows of the queue as records."""
    with catalogue.read() as connection:
        rows = connection.execute(asked).all()
    return tuple(
        Delivery(
            number=row.id,
            subscription=row.subscription,
            address=row.address,
            papers=row.papers,
            state=cast(State, row.state),
            tries=row.tries,
            next=row.next,
            why=row.why,
            message_id=row.message_id,
        )
        for row in rows
    )
