"""The tables of the digests, beside those of the catalogue in the same file.

    subscriptions  one row a subscription; ended ones stay, so that who comes back is sent nothing twice
    queue          one row a digest: to whom, how far its delivery is, and why it failed
    sent           one row for each paper that is in a digest; its key is what makes "never twice" hold

Times are seconds since the Unix epoch. The states of a digest, see `trimtab.papers.digest.queue`:

    waiting -> claimed -> handing -> sent
       ^          |          |-----> waiting   the server refused for now
       |----------|          |-----> failed    the server refused for good, or too often
       |                     `-----> unknown   nobody can tell whether the server took it
    (`requeue`: failed, unknown -> waiting. The subscription ends: waiting, claimed -> cancelled)
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Double, ForeignKey, Index, Integer, MetaData, Table, Text, insert, select

from trimtab.base.errors import StorageError, message
from trimtab.papers.catalogue.schema import settings, steps
from trimtab.papers.digest.tokens import SECRET_BYTES

if TYPE_CHECKING:
    from trimtab.papers.catalogue.catalogue import Catalogue

__all__ = ["ensure", "metadata", "queue", "read_secret", "sent", "subscriptions"]

metadata = MetaData()

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # address, query and filter: what makes it the same one
    Column("address", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("filter", Text, nullable=False),  # JSON
    Column("every", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("weekday", Integer, nullable=False),
    Column("most", Integer, nullable=False),
    Column("after", Integer, nullable=False),  # papers up to this number are not new to it
    Column("slot", Double),  # when the last digest was due that was made, or found to be empty
    Column("ended", Double),
    sqlite_autoincrement=True,  # tokens name the number: it is never given to somebody else
)

queue = Table(
    "queue",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscription", Integer, ForeignKey("subscriptions.id"), nullable=False),
    Column("message_id", Text, nullable=False, unique=True),
    Column("made", Double, nullable=False),
    Column("more", Integer, nullable=False),  # how many papers match that had no place in it
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next", Double, nullable=False),  # not tried before
    Column("claim", Integer, nullable=False),  # counts the claims: who holds an older one has lost the row
    Column("lease", Double, nullable=False),  # until when the claim is honoured
    Column("why", Text, nullable=False),
    Column("ended", Double),
    Index("queue_open", "state", "next"),
    sqlite_autoincrement=True,
)

sent = Table(
    "sent",
    metadata,
    Column("subscription", Integer, ForeignKey("subscriptions.id"), primary_key=True, autoincrement=False),
    # A paper that turns out to be another one is renamed here too, see `catalogue.importing.absorb`.
    Column("paper", Integer, primary_key=True, autoincrement=False),
    Column("queue", Integer, ForeignKey("queue.id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    sqlite_with_rowid=False,
)

_STEP = "digests 1 subscriptions, queue, sent"
_SECRET_KEY = "digest secret"


def ensure(catalogue: Catalogue) -> None:
    """Make the tables and the signing secret where they are missing.

    Raises:
        StorageError: a later version of trimtab made them.
    """
    with catalogue.read() as connection:
        made = _is_made(connection)
    if not made:
        with catalogue.transaction() as connection:
            if not _is_made(connection):
                metadata.create_all(connection)
                connection.execute(insert(settings), {"key": _SECRET_KEY, "value": secrets.token_hex(SECRET_BYTES)})
                connection.execute(insert(steps), {"name": _STEP, "time": time.time()})


def _is_made(connection: Connection) -> bool:
    """Whether the tables are there."""
    found = set(connection.execute(select(steps.c.name).where(steps.c.name.like("digests %"))).scalars())
    if found - {_STEP}:
        raise StorageError(
            message(
                "the digests of the catalogue were written by a later version of trimtab",
                got=sorted(found),
                allowed=f"schema steps up to {_STEP!r}",
                do="upgrade trimtab: pip install --upgrade trimtab",
            )
        )
    return bool(found)


def read_secret(connection: Connection) -> bytes:
    """What tokens are signed with; see `ensure`, which makes it.

    Raises:
        StorageError: somebody removed or changed it.
    """
    kept = connection.execute(select(settings.c.value).where(settings.c.key == _SECRET_KEY)).scalar()
    try:
        secret = bytes.fromhex(str(kept))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise StorageError(
            message(
                "the secret that signs the links of the digests is damaged",
                do="restore a copy of the catalogue; with another secret, the links of mails that were sent are void",
            )
        )
    return secret
