"""Addresses, mail servers, tokens and the page that ends a subscription: what is refused, and that it is."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from trimtab.base.errors import InvalidArgument, StorageError, UnknownName
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import (
    InvalidToken,
    MailServer,
    end_subscription,
    mail_server,
    run_digests,
    subscribe,
    subscriptions,
    unsubscribe,
    unsubscribe_token,
)
from trimtab.papers.digest.addresses import check_address, parse_sender
from trimtab.papers.digest.tokens import make_token, read_token
from trimtab.papers.digest.web import unsubscribe_routes

SECRET = bytes(range(32))


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ada.L+x@Example.ORG", "Ada.L+x@example.org"),
        ("root@localhost", "root@localhost"),
        ("o'neil@x-y.example", "o'neil@x-y.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert check_address(text) == address
    assert check_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada@a@example.org",
        ".ada@example.org",
        "a..b@example.org",
        '"a b"@example.org',
        "ada@[127.0.0.1]",
        "ada@example.org\r\nBcc: all@example.org",
        "ada@example.org\n",
        "ada@example.org\x00",
        " ada@example.org",
        "ada@example.org, eve@example.org",
        "ada@example.org> SIZE=1",
        "<ada@example.org>",
        "ada(comment)@example.org",
        "ada@-x.example",
        "ada@x..example",
        "ada@example.org.",
        "é@example.org",
        "ada@straße.example",
        "a" * 65 + "@example.org",
        "ada@" + "x" * 64 + ".org",
        "ada@" + "x." * 126 + "org",
        "ada@\ud800.org",
        "ada@xn\u2024x.org\u3002\r\n",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument, match="Next: give another address"):
        check_address(text)
    with Catalogue(":memory:") as catalogue:
        with pytest.raises(InvalidArgument):
            subscribe(catalogue, text)
        assert subscriptions(catalogue) == ()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30) | st.text(st.sampled_from("ab.@<>\r\n\x00 ,;:\"'()[]é。"), max_size=20))
@example("a@b\u3002c")
def test_an_address_that_is_taken_is_one_word(text: str) -> None:
    try:
        address = check_address(text)
    except InvalidArgument:
        return
    assert address.isascii()
    assert address.isprintable()
    assert address.count("@") == 1
    assert not set(address) & set(' <>(),;:\\"[]')
    assert check_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Daily",
        "Daily <papers@example.org",
        "Daily\r\nBcc: all@example.org <papers@example.org>",
        "Daily\x00 <papers@example.org>",
        "Da\u202eily <papers@example.org>",
        "x" * 201 + " <papers@example.org>",
        "Daily <papers@example.org\r\nBcc: x>",
        "a@example.org, b@example.org",
    ],
)
def test_what_is_no_sender(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_sender(text)
    with pytest.raises(InvalidArgument):
        MailServer("localhost", 25, "none", sender=text)


# Mail servers


@pytest.mark.parametrize(
    ("url", "port", "security", "user"),
    [
        ("smtp://ada@mail.example.org", 587, "starttls", "ada"),
        ("smtps://ada%40example.org@mail.example.org", 465, "tls", "ada@example.org"),
        ("smtps://mail.example.org:2465/", 2465, "tls", ""),
        ("smtp+plain://mail.example.org", 25, "none", ""),
        ("smtp+plain://ada@[::1]:2525", 2525, "none", "ada"),
        ("smtp+plain://ada@127.0.0.2", 25, "none", "ada"),
    ],
)
def test_urls_of_mail_servers(url: str, port: int, security: str, user: str) -> None:
    server = mail_server(url, "papers@example.org", {"TRIMTAB_SMTP_PASSWORD": "correct horse"})
    assert (server.port, server.security, server.user) == (port, security, user)
    assert server.password == ("correct horse" if user else "")
    assert "horse" not in repr(server)
    assert "horse" not in str(server)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("smtp://ada:hunter2@mail.example.org", "holds a password.*Next: leave it out and set"),
        ("smtp://:hunter2@mail.example.org", "holds a password"),
        ("http://mail.example.org", "allowed: smtp://USER@HOST"),
        ("mail.example.org", "allowed: smtp://USER@HOST"),
        ("smtp://", "is not one"),
        ("smtp://host/path", "is not one"),
        ("smtp://host?x=hunter2", "is not one"),
        ("smtp://host:99999", "cannot be read"),
        ("smtp://host:0", "port of the mail server is none; got 0"),
        ("smtp://[::1", "cannot be read"),
        ("smtp+plain://ada@mail.example.org", "in the clear; got 'login at mail.example.org without TLS'"),
        ("smtp+plain://ada@localhost.example.org", "in the clear"),
        ("smtp://ada%0d%0aRSET@mail.example.org", "user of the mail server must be ASCII and one line"),
        ("smtp://h%20h@a b", "no proper host name"),
    ],
)
def test_refused_mail_servers(url: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=what) as caught:
        mail_server(url, "papers@example.org", {"TRIMTAB_SMTP_PASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_user_needs_a_password_and_it_is_never_shown() -> None:
    with pytest.raises(InvalidArgument, match=r"a user and no password.*environment as TRIMTAB_SMTP_PASSWORD"):
        mail_server("smtp://ada@mail.example.org", "papers@example.org", {})
    for password in ("hünter2", "hunter2\r\n", "hunter2\x00"):
        with pytest.raises(InvalidArgument, match="password of the mail server must be ASCII") as caught:
            mail_server("smtp://ada@mail.example.org", "p@example.org", {"TRIMTAB_SMTP_PASSWORD": password})
        assert "nter2" not in str(caught.value)
    for security, timeout in (("ssl", 30.0), ("tls", 0.0), ("tls", float("nan"))):
        with pytest.raises(InvalidArgument):
            MailServer("h", 25, security, sender="p@example.org", timeout=timeout)  # type: ignore[arg-type]


# Tokens


def test_tokens_are_for_one_purpose_and_one_subscription() -> None:
    token = make_token(SECRET, "unsubscribe", 12)
    assert read_token(SECRET, "unsubscribe", token) == 12
    for secret, purpose in ((SECRET, "confirm"), (SECRET, ""), (bytes(32), "unsubscribe")):
        with pytest.raises(InvalidToken):
            read_token(secret, purpose, token)
    # No two pairs of purpose and number are signed alike.
    signatures = {make_token(SECRET, purpose, n).split(".")[2] for purpose in ("a", "a\n1", "a1") for n in (1, 11, 111)}
    assert len(signatures) == 9


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = make_token(SECRET, "unsubscribe", 12)
    place = data.draw(st.integers(0, len(token) - 1))
    kind = data.draw(st.sampled_from(["replace", "insert", "remove"]))
    sign = data.draw(st.characters() | st.sampled_from("0123456789ABCxyz-_.=\n ١"))
    changed = token[:place] + (sign if kind != "remove" else "") + token[place + (kind != "insert") :]
    assume(changed != token)
    with pytest.raises(InvalidToken, match="the link is not valid"):
        read_token(SECRET, "unsubscribe", changed)


signatures = st.binary(min_size=32, max_size=32).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))


@settings(max_examples=80, deadline=None)
@given(st.text() | st.builds("1.{}.{}".format, st.integers(0, 10**25), signatures))
@example("1.12." + "A" * 43)
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        read_token(SECRET, "unsubscribe", token)


def test_secrets_differ_between_catalogues_and_stay(tmp_path: Any) -> None:
    tokens = []
    for name in ("a.db", "b.db"):
        with Catalogue(tmp_path / name) as catalogue:
            number = subscribe(catalogue, "bob@example.org").number
            tokens.append(unsubscribe_token(catalogue, number))
        with Catalogue(tmp_path / name) as catalogue:
            assert unsubscribe_token(catalogue, number) == tokens[-1]
    assert tokens[0] != tokens[1]
    with Catalogue(tmp_path / "a.db") as catalogue:
        with pytest.raises(InvalidToken):
            unsubscribe(catalogue, tokens[1])
        with pytest.raises(UnknownName, match="no such subscription; got 9"):
            unsubscribe_token(catalogue, 9)
        with catalogue.transaction() as connection:
            connection.exec_driver_sql("UPDATE settings SET value = 'short' WHERE key = 'digest secret'")
        with pytest.raises(StorageError, match="the secret that signs the links of the digests is damaged"):
            unsubscribe_token(catalogue, number)


# The page


@pytest.fixture
def client(catalogue: Catalogue) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=unsubscribe_routes(catalogue)), base_url="https://papers.example.org") as made:
        yield made


def test_from_the_mail_to_the_end(catalogue: Catalogue, start: Callable[..., Any], client: TestClient) -> None:
    """What a mail program does with the headers of a delivered mail, as RFC 8058 says."""
    mailbox, server = start()
    first = subscribe(catalogue, "bob@example.org", "<bilevel>")
    second = subscribe(catalogue, "bob@example.org", "ridge")
    assert run_digests(catalogue, server, base_url="https://papers.example.org").sent == 2
    link = mailbox.mails[0]["List-Unsubscribe"].strip("<>")
    assert "bob" not in link
    # Scanners look at links: nothing happens.
    for method in ("GET", "HEAD"):
        answer = client.request(method, link)
        assert answer.status_code == 200
        assert len(subscriptions(catalogue)) == 2
    assert '<form method="post"><button>' in client.get(link).text
    assert "&lt;bilevel&gt;" in client.get(link).text
    one_click = mailbox.mails[0]["List-Unsubscribe-Post"]
    for _ in range(2):  # idempotent
        answer = client.post(
            link,
            content=one_click,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            follow_redirects=False,
        )
        assert answer.status_code == 200
        assert "The subscription has ended" in answer.text
        assert [subscription.number for subscription in subscriptions(catalogue)] == [second.number]
    assert [sub.ended for sub in subscriptions(catalogue, ended=True)] == [True, False]
    assert first.number == 1
    assert client.get(link).text.count("<button>") == 0


def test_forged_links(catalogue: Catalogue, client: TestClient) -> None:
    subscribe(catalogue, "bob@example.org")
    forged = make_token(bytes(32), "unsubscribe", 1)
    for token in (forged, "1.1.x", "x", "%00", "1.1." + "%2e" * 43, "..", "%2e%2e", "1.1.é", forged + "%0d%0aX: y"):
        for method in ("GET", "POST"):
            answer = client.request(method, f"/unsubscribe/{token}", follow_redirects=False)
            assert answer.status_code in (403, 404)
            assert "Bob" not in answer.text
            assert "location" not in answer.headers
    assert client.post(f"/unsubscribe/{forged}").status_code == 403
    assert len(subscriptions(catalogue)) == 1


def test_no_parameter_leads_anywhere(catalogue: Catalogue, client: TestClient) -> None:
    token = unsubscribe_token(catalogue, subscribe(catalogue, "bob@example.org").number)
    query = "?next=https://evil.example&redirect=//evil.example&url=javascript:alert(1)"
    for method in ("GET", "POST"):
        answer = client.request(method, f"/unsubscribe/{token}{query}", follow_redirects=False)
        assert answer.status_code == 200
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert "evil" not in answer.text
        assert "bob" not in answer.text
        policy = answer.headers["content-security-policy"].split("; ")
        assert policy == ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    for method in ("PUT", "DELETE", "PATCH"):
        assert client.request(method, f"/unsubscribe/{token}").status_code == 405


def test_a_locked_catalogue_says_so(catalogue: Catalogue, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import trimtab.papers.digest.web as web

    def refuse(*_: Any) -> None:
        raise StorageError("locked")

    monkeypatch.setattr(web, "check_token", refuse)
    assert client.get("/unsubscribe/x").status_code == 503


def test_ending_by_number(catalogue: Catalogue) -> None:
    number = subscribe(catalogue, "bob@example.org").number
    assert end_subscription(catalogue, number).ended
    assert end_subscription(catalogue, number).ended
    with pytest.raises(UnknownName):
        end_subscription(catalogue, 77)


def test_the_trust_of_tls_is_strict() -> None:
    from trimtab.papers.digest.smtp import _trust

    context = _trust(MailServer("localhost", 465, "tls", sender="p@example.org"))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
