"""`run_digests`: make what is due, deliver what waits, tell what came of it. For a timer such as cron, at any rate."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from trimtab.base.clock import Clock, SystemClock
from trimtab.papers.digest import tables
from trimtab.papers.digest.addresses import parse_sender
from trimtab.papers.digest.compose import Digest, check_base_url, compose
from trimtab.papers.digest.queue import (
    BACKOFF,
    Backoff,
    Claim,
    Delivery,
    claim,
    deliveries_of,
    make_due,
    mark,
    recover,
    release,
    settle,
)
from trimtab.papers.digest.schedule import local_day
from trimtab.papers.digest.smtp import Fate, MailServer, Outcome, Unreachable, connect, disconnect, hand_over
from trimtab.papers.digest.subscriptions import unsubscribe_token

if TYPE_CHECKING:
    from trimtab.papers.catalogue.catalogue import Catalogue

__all__ = ["DigestReport", "run_digests"]

_MOST_LOST = 3  # connections in one run


@final
@dataclass(frozen=True, slots=True)
class DigestReport:
    """What a run did.

    Arguments:
        made: how many digests were due and had papers.
        sent: how many were delivered.
        deliveries: each digest that was made or tried, or that an earlier run left in doubt, as it stands now.
        trouble: why the mail server could not be used; empty where it could. What waits is tried again by a later run.
    """

    made: int
    sent: int
    deliveries: tuple[Delivery, ...]
    trouble: str = ""


def run_digests(
    catalogue: Catalogue,
    server: MailServer,
    *,
    base_url: str | None = None,
    clock: Clock | None = None,
    backoff: Backoff = BACKOFF,
) -> DigestReport:
    """Send the digests that are due, and try again those that wait and whose time has come.

    Any number of processes may do this at the same time: each digest is delivered by one of them. A digest is handed
    to the mail server at most once; see `trimtab.papers.digest.queue` for what a crash leaves.

    Arguments:
        catalogue: whose subscriptions.
        server: takes the mail.
        base_url: where the reader is reached from outside, such as "https://papers.example.org": the link that ends a
            subscription leads there, and the papers' own pages. Without it, subscribers write to the sender.
        clock: tells the time.
        backoff: how long to wait after a refusal.

    Raises:
        InvalidArgument: `base_url` is none.
    """
    base = check_base_url(base_url)
    tables.ensure(catalogue)
    run = _Run(catalogue, server, base, clock or SystemClock(), backoff)
    made = make_due(catalogue, run.clock.now(), run.sender.domain)
    touched = {*made, *recover(catalogue, run.clock.now(), backoff)}
    sent, lost, trouble = 0, 0, ""
    try:
        while not trouble and (held := claim(catalogue, run.clock.now(), run.lease)) is not None:
            touched.add(held.number)
            outcome = run.deliver(held)
            settle(catalogue, held, outcome, run.clock.now(), backoff)
            sent += outcome.fate is Fate.SENT
            # One mail may be at fault for a lost connection, but not several.
            lost += outcome.fate in (Fate.LATER, Fate.UNKNOWN) and not outcome.open
            if outcome.fate is Fate.UNREACHED or lost >= _MOST_LOST:
                trouble = outcome.why
    finally:
        run.hang_up()
    return DigestReport(len(made), sent, deliveries_of(catalogue, touched), trouble)


@final
class _Run:
    """What the deliveries of one run share: one connection, for as long as it holds."""

    def __init__(
        self, catalogue: Catalogue, server: MailServer, base_url: str | None, clock: Clock, backoff: Backoff
    ) -> None:
        self.clock = clock
        self.sender = parse_sender(server.sender)
        # Longer than the dozen answers that a delivery waits for.
        self.lease = 60.0 + 15.0 * server.timeout
        self._catalogue, self._server, self._base_url, self._backoff = catalogue, server, base_url, backoff
        self._client: smtplib.SMTP | None = None

    def deliver(self, held: Claim) -> Outcome:
        """Hand one digest over; whatever else goes wrong, it is given back where that is safe."""
        try:
            mail = self._compose(held)
            if self._client is None:
                self._client = connect(self._server)
            outcome = hand_over(
                self._client,
                self.sender.addr_spec,
                held.subscription.address,
                mail,
                lambda: mark(self._catalogue, held, self.clock.now(), self.lease),
            )
        except Unreachable as error:
            return Outcome(Fate.UNREACHED, str(error), open=False)
        except BaseException as error:
            why = f"the try broke off: {type(error).__name__}"
            release(self._catalogue, held, why, self.clock.now(), self._backoff)
            raise
        if not outcome.open:
            self._client = None
        return outcome

    def _compose(self, held: Claim) -> bytes:
        """The mail of a digest."""
        subscription = held.subscription
        # Two of its papers may have turned out to be one.
        papers = {paper.number: paper for paper in self._catalogue.many(held.papers)}
        digest = Digest(
            to=subscription.address,
            message_id=held.message_id,
            day=local_day(held.made, subscription.zone),
            query=subscription.query,
            every=subscription.every,
            papers=tuple(papers.values()),
            more=held.more,
            token=unsubscribe_token(self._catalogue, subscription.number),
        )
        return compose(digest, self.sender, self._base_url, self.clock.now())

    def hang_up(self) -> None:
        """End the connection."""
        if self._client is not None:
            disconnect(self._client)
            self._client = None
