"""Digests: saved searches that come as a mail, daily or weekly, each paper once."""

from trimtab.papers.digest.queue import Backoff, Delivery, deliveries, requeue
from trimtab.papers.digest.run import DigestReport, run_digests
from trimtab.papers.digest.smtp import PASSWORD, MailServer, mail_server
from trimtab.papers.digest.subscriptions import (
    Subscription,
    end_subscription,
    subscribe,
    subscriptions,
    unsubscribe,
    unsubscribe_token,
)
from trimtab.papers.digest.tokens import InvalidToken

__all__ = [
    "PASSWORD",
    "Backoff",
    "Delivery",
    "DigestReport",
    "InvalidToken",
    "MailServer",
    "Subscription",
    "deliveries",
    "end_subscription",
    "mail_server",
    "requeue",
    "run_digests",
    "subscribe",
    "subscriptions",
    "unsubscribe",
    "unsubscribe_token",
]
