"""Digests through real mail servers: how they are reached, what they answer, and what is tried again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trimtab.base.clock import SimulatedClock
from trimtab.base.errors import Conflict, UnknownName
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import (
    Backoff,
    MailServer,
    deliveries,
    end_subscription,
    requeue,
    run_digests,
    subscribe,
    unsubscribe_token,
)
from trimtab.papers.digest.smtp import connect, disconnect, hand_over
from trimtab.papers.records import Page

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.mark.parametrize(
    ("security", "login"), [("none", False), ("none", True), ("starttls", True), ("tls", True), ("starttls", False)]
)
def test_delivered(catalogue: Catalogue, start: Callable[..., Any], security: str, login: bool) -> None:
    mailbox, server = start(security, login=login)
    subscribe(catalogue, "bob@example.org", "bilevel")
    report = run_digests(catalogue, server)
    assert (report.made, report.sent, report.trouble) == (1, 1, "")
    assert sorted(mailbox.told) == [
        ("bob@example.org", "Bilevel tuning of trees"),
        ("bob@example.org", "Digests of bilevel papers"),
    ]
    assert mailbox.encrypted == [security != "none"]
    assert bool(mailbox.logins) == login
    assert (mailbox.arrived[0].mail_from, mailbox.arrived[0].rcpt_tos) == ("papers@example.org", ["bob@example.org"])
    assert [mail["Message-ID"] for mail in mailbox.mails] == [report.deliveries[0].message_id]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_login_by_either_mechanism(catalogue: Catalogue, start: Callable[..., Any], mechanism: str) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    mailbox, server = start("starttls", login=True, auth_exclude_mechanism=[other])
    subscribe(catalogue, "bob@example.org")
    assert run_digests(catalogue, server).sent == 1
    assert mailbox.logins == [mechanism]


def test_one_connection_for_all_and_all_in_order(catalogue: Catalogue, start: Callable[..., Any]) -> None:
    mailbox, server = start("tls", login=True)
    names = [f"reader{number}@example.org" for number in range(5)]
    for name in names:
        subscribe(catalogue, name)
    assert run_digests(catalogue, server).sent == 5
    assert [envelope.rcpt_tos for envelope in mailbox.arrived] == [[name] for name in names]
    assert len(mailbox.logins) == 1


def test_each_paper_once_and_new_ones_the_next_day(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock, make_page: Callable[..., Page]
) -> None:
    mailbox, server = start()
    subscribe(catalogue, "bob@example.org", "bilevel")
    assert run_digests(catalogue, server, clock=clock).sent == 1
    catalogue.add(make_page("A bilevel view of all", "Nothing for Bob", source="other"))
    assert run_digests(catalogue, server, clock=clock).made == 0  # not due
    clock.advance_to(NOW + DAY)
    assert run_digests(catalogue, server, clock=clock).sent == 1
    assert [title for _, title in mailbox.told][2:] == ["A bilevel view of all"]
    clock.advance_to(NOW + 2 * DAY)
    assert run_digests(catalogue, server, clock=clock).made == 0  # nothing new: no empty digest


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize("code", ["421", "451"])
def test_a_refusal_for_now_is_tried_again(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock, stage: str, code: str
) -> None:
    mailbox, server = start()
    getattr(mailbox, stage).append(f"{code} not now")
    subscribe(catalogue, "bob@example.org")
    backoff = Backoff(first=100.0, longest=1000.0)
    report = run_digests(catalogue, server, clock=clock, backoff=backoff)
    (waiting,) = report.deliveries
    assert (report.sent, waiting.state, waiting.tries) == (0, "waiting", 1)
    assert f"{code} not now" in waiting.why
    assert NOW + 50.0 <= waiting.next <= NOW + 100.0
    clock.advance_to(waiting.next - 1.0)
    assert run_digests(catalogue, server, clock=clock, backoff=backoff).deliveries == ()
    clock.advance_to(waiting.next)
    assert run_digests(catalogue, server, clock=clock, backoff=backoff).sent == 1
    assert len(mailbox.told) == 3


@pytest.mark.parametrize(("stage", "code"), [("before", "550"), ("after", "554")])
def test_a_refusal_for_good_is_not_tried_again(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock, stage: str, code: str
) -> None:
    mailbox, server = start()
    getattr(mailbox, stage).append(f"{code} no such user")
    for name in ("bob@example.org", "eve@example.org"):
        subscribe(catalogue, name)
    report = run_digests(catalogue, server, clock=clock)
    assert [delivery.state for delivery in report.deliveries] == ["failed", "sent"]  # the others are not held up
    assert f"{code} no such user" in report.deliveries[0].why
    clock.advance_to(NOW + 30 * DAY)
    assert run_digests(catalogue, server, clock=clock).deliveries == ()
    assert {name for name, _ in mailbox.told} == {"eve@example.org"}
    # By hand it is, with the same papers.
    assert requeue(catalogue, report.deliveries[0].number, clock).state == "waiting"
    assert run_digests(catalogue, server, clock=clock).sent == 1
    assert len(mailbox.told) == 6
    with pytest.raises(Conflict, match="digest 1 cannot be sent anew; got 'sent'"):
        requeue(catalogue, report.deliveries[0].number)
    with pytest.raises(UnknownName, match="no such digest; got 99"):
        requeue(catalogue, 99)


def test_given_up_after_so_many_tries(catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock) -> None:
    mailbox, server = start()
    mailbox.before.extend(["450 still full"] * 5)
    subscribe(catalogue, "bob@example.org")
    backoff = Backoff(first=100.0, longest=250.0, tries=4)
    pauses = []
    for _ in range(4):
        (delivery,) = run_digests(catalogue, server, clock=clock, backoff=backoff).deliveries
        pauses.append(delivery.next - clock.now())
        clock.advance_to(max(delivery.next, clock.now()))
    assert delivery.state == "failed"
    assert delivery.why == "given up after 4 tries: the server answered 450 still full"
    for pause, ceiling in zip(pauses[:3], (100.0, 200.0, 250.0), strict=True):
        assert ceiling / 2 <= pause <= ceiling
    assert len(mailbox.before) == 1


@pytest.mark.parametrize("answer", ["drop", "hang"])
def test_lost_before_the_dot_is_tried_again(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock, answer: str
) -> None:
    mailbox, server = start()
    mailbox.before.append(answer)
    subscribe(catalogue, "bob@example.org")
    (waiting,) = run_digests(catalogue, replace(server, timeout=0.3), clock=clock).deliveries
    assert (waiting.state, waiting.tries) == ("waiting", 1)
    clock.advance_to(waiting.next)
    assert run_digests(catalogue, server, clock=clock).sent == 1
    assert len(mailbox.arrived) == 1


@pytest.mark.parametrize("answer", ["drop", "hang", "garbage", "354 go on"])
def test_lost_after_the_dot_is_never_sent_again_by_itself(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock, answer: str
) -> None:
    mailbox, server = start()
    mailbox.after.append(answer)
    subscribe(catalogue, "bob@example.org")
    (doubtful,) = run_digests(catalogue, replace(server, timeout=0.3), clock=clock).deliveries
    assert doubtful.state == "unknown"
    assert len(mailbox.arrived) == 1  # it did arrive, and nobody could tell
    for day in (1, 2, 30):
        clock.advance_to(NOW + day * DAY)
        assert run_digests(catalogue, server, clock=clock).deliveries == ()
    assert deliveries(catalogue, state="unknown") == (doubtful,)
    assert len(mailbox.told) == 3
    # Whoever prefers twice to never: the same Message-ID, so that mail programs can tell.
    requeue(catalogue, doubtful.number, clock)
    assert run_digests(catalogue, server, clock=clock).sent == 1
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


def test_a_server_that_loses_connections_is_left_alone(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock
) -> None:
    mailbox, server = start()
    mailbox.before.extend(["drop"] * 3)
    for number in range(6):
        subscribe(catalogue, f"reader{number}@example.org")
    report = run_digests(catalogue, server, clock=clock)
    assert (report.made, report.sent, report.trouble != "") == (6, 0, True)
    assert [delivery.tries for delivery in report.deliveries] == [1, 1, 1, 0, 0, 0]
    clock.advance_to(NOW + 600.0)
    assert run_digests(catalogue, server, clock=clock).sent == 6


def test_wrong_password_keeps_the_mail_and_tells(
    tmp_path: Path, start: Callable[..., Any], clock: SimulatedClock, make_page: Callable[..., Page]
) -> None:
    catalogue = Catalogue(tmp_path / "papers.db")
    catalogue.add(make_page("A paper"))
    mailbox, server = start("starttls", login=True)
    for name in ("bob@example.org", "eve@example.org"):
        subscribe(catalogue, name)
    report = run_digests(catalogue, replace(server, password="wrong horse"), clock=clock)
    assert "the login was refused (535" in report.trouble
    assert "TRIMTAB_SMTP_PASSWORD" in report.trouble
    assert "wrong horse" not in repr((report, server))
    assert {delivery.state for delivery in report.deliveries} == {"waiting"}
    assert len(set(mailbox.logins)) == len(mailbox.logins)  # no mechanism twice: the account is not locked out
    clock.advance_to(NOW + 600.0)
    assert run_digests(catalogue, server, clock=clock).sent == 2
    catalogue.close()
    files = list(tmp_path.iterdir())
    assert files
    assert not any(b"horse" in file.read_bytes() for file in files)


def test_untrusted_certificate(catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock) -> None:
    subscribe(catalogue, "bob@example.org")
    for security in ("tls", "starttls"):
        mailbox, server = start(security, login=True)
        for wrong in (replace(server, authority=None), replace(server, host="127.0.0.1")):
            clock.advance_to(clock.now() + DAY)
            assert "its certificate is not trusted" in run_digests(catalogue, wrong, clock=clock).trouble
        assert mailbox.logins == []


def test_starttls_is_never_left_out(catalogue: Catalogue, start: Callable[..., Any]) -> None:
    """A server, or somebody between, that does not offer it gets neither the password nor the mail."""
    mailbox, server = start("none", login=True)
    subscribe(catalogue, "bob@example.org")
    report = run_digests(catalogue, replace(server, security="starttls"))
    assert "STARTTLS extension not supported" in report.trouble
    assert (mailbox.logins, mailbox.arrived) == ([], [])


@contextmanager
def silent_port(say: bytes = b"") -> Iterator[int]:
    """A port where somebody takes connections, says this, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def serve() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    kept.append(connection)
                    connection.sendall(say)
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)
            for connection in kept:
                connection.close()


@pytest.mark.parametrize(
    ("security", "say"),
    [
        ("none", b""),
        ("tls", b""),
        ("tls", b"220 hello\r\n"),
        ("starttls", b"220 hello\r\n"),
        ("none", b"554 go away\r\n"),
        ("none", b"\xff" * 10_000),
        ("starttls", b"220-more\r\n" * 9),
    ],
)
def test_what_is_no_mail_server(catalogue: Catalogue, security: Any, say: bytes) -> None:
    subscribe(catalogue, "bob@example.org")
    with silent_port(say) as port:
        server = MailServer("127.0.0.1", port, security, sender="papers@example.org", timeout=0.1)
        report = run_digests(catalogue, server)
    assert report.trouble.startswith(f"127.0.0.1:{port}: ")
    assert [delivery.state for delivery in report.deliveries] == ["waiting"]


def test_nobody_listens(catalogue: Catalogue) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    subscribe(catalogue, "bob@example.org")
    report = run_digests(catalogue, MailServer("127.0.0.1", port, "none", sender="papers@example.org"))
    assert "refused" in report.trouble


def test_ended_while_it_is_handed_over(
    catalogue: Catalogue, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends the subscription before the final dot gets nothing more."""
    import trimtab.papers.digest.run as run

    mailbox, server = start()
    subscription = subscribe(catalogue, "bob@example.org")
    real = run.mark

    def end_first(*arguments: Any) -> bool:
        end_subscription(catalogue, subscription.number)
        return real(*arguments)

    monkeypatch.setattr(run, "mark", end_first)
    (delivery,) = run_digests(catalogue, server).deliveries
    assert (delivery.state, mailbox.arrived) == ("cancelled", [])


def test_text_cannot_end_the_mail_early(start: Callable[..., Any]) -> None:
    """Bare line ends around a dot: what some servers take for the end of a mail ("SMTP smuggling")."""
    mailbox, server = start()
    smuggled = [b"\n.\nMAIL FROM:<x@example.org>", b"\r.\r", b"\r\n.\r\n", b"\n.\r\n", b"\r\n.\n", b"\n..", b"."]
    for part in smuggled:
        client = connect(server)
        hand_over(
            client, "papers@example.org", "bob@example.org", b"Subject: x\r\n\r\nbefore" + part + b"after", lambda: True
        )
        disconnect(client)
    assert len(mailbox.arrived) == len(smuggled)
    for part, mail in zip(smuggled, mailbox.mails, strict=True):
        lines = (b"before" + part + b"after").decode().replace("\r\n", "\n").replace("\r", "\n")
        assert mail.get_content().splitlines() == lines.splitlines()


def test_unsubscribing_cancels_what_waits_and_who_comes_back_misses_nothing(
    catalogue: Catalogue, start: Callable[..., Any], clock: SimulatedClock
) -> None:
    mailbox, server = start()
    mailbox.before.append("450 later")
    subscription = subscribe(catalogue, "bob@example.org", "ridge")
    run_digests(catalogue, server, clock=clock)
    end_subscription(catalogue, subscription.number, clock)
    clock.advance_to(NOW + DAY)
    assert run_digests(catalogue, server, clock=clock).deliveries == ()
    assert subscribe(catalogue, "bob@example.org", "ridge").number == subscription.number
    assert run_digests(catalogue, server, clock=clock).sent == 1
    assert mailbox.told == [("bob@example.org", "Ridge penalties by descent")]
    # And what was sent stays sent.
    end_subscription(catalogue, subscription.number, clock)
    subscribe(catalogue, "bob@example.org", "ridge")
    clock.advance_to(NOW + 2 * DAY)
    assert run_digests(catalogue, server, clock=clock).made == 0
    assert unsubscribe_token(catalogue, subscription.number)
