"""What a mail says: both parts the same, and nothing of a title, name or query acts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.papers.digest.addresses import parse_sender
from trimtab.papers.digest.compose import Digest, check_base_url, compose
from trimtab.papers.digest.plain import one_line, shortened
from trimtab.papers.records import Method, Paper

BASE = "https://papers.example.org"
TOKEN = "1.7." + "t" * 43
HEADERS = [
    "From",
    "Subject",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]
HOSTILE = "x\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x00\u2028\u202e"


class Shown(HTMLParser):
    """The text of the blocks of a page's body, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._inside |= tag == "body"
        if tag in ("h1", "h2", "p"):
            self.blocks.append("")
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        if self._inside and self.blocks:
            self.blocks[-1] += data.strip("\r\n")


DIGEST = Digest("bob@example.org", "<digest.1.0@example.org>", date(2026, 11, 26), "", "daily", (), 0, TOKEN)


def mail_of(
    *papers: Paper, query: str = "", more: int = 0, base_url: str | None = BASE, sender: str = "papers@example.org"
) -> EmailMessage:
    digest = replace(DIGEST, query=query, papers=papers, more=more)
    raw = compose(digest, parse_sender(sender), base_url, 1_800_000_000.0)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert max(map(len, re.findall(rb"=\?\S+\?=", raw)), default=0) <= 75  # RFC 2047
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    assert [*mail.keys()] == [name for name in HEADERS if base_url == BASE or name != "List-Unsubscribe-Post"]
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert not any(part.defects for part in mail.walk())
    return mail


def parts(mail: EmailMessage) -> tuple[list[str], Shown]:
    """The lines of the text, and what the HTML shows."""
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert isinstance(text, EmailMessage)
    assert isinstance(page, EmailMessage)
    shown = Shown()
    shown.feed(page.get_content())
    return [line for line in text.get_content().splitlines() if line], shown


PAPER = Paper(
    12,
    "Ridge <penalties> by descent",
    abstract="Of $x^2$ & more.",
    authors=("Ada Löwe", "Bob", "C", "D", "E", "F", "G"),
    author_count=9,
    published=date(2026, 1, 2),
    arxiv="2310.20708",
    methods=(Method("ridge", "tuners/gradients", call="RidgePenalties(x, y)"), Method("later", "tuners/scale")),
)


def test_the_whole_of_it() -> None:
    mail = mail_of(PAPER, Paper(3, "Another", author_count=1), query="ridge penalties", more=4)
    lines, shown = parts(mail)
    assert lines == [
        "2 new papers for ridge penalties, 2026-11-26",
        "1. Ridge <penalties> by descent",
        "Ada Löwe, Bob, C, D, E, F and 3 more · 2026-01-02",
        "Of $x^2$ & more.",
        "Runs here: RidgePenalties(x, y)",
        "https://arxiv.org/abs/2310.20708",
        "https://papers.example.org/paper/12",
        "2. Another",
        "1 author",
        "https://papers.example.org/paper/3",
        "4 more match and come in later digests.",
        "You get this daily digest because this address subscribed to it. To end it:",
        f"{BASE}/unsubscribe/{TOKEN}",
    ]
    assert shown.blocks == lines
    assert mail["Subject"] == "2 new papers, 2026-11-26: ridge penalties"
    assert mail["List-Unsubscribe"] == f"<{BASE}/unsubscribe/{TOKEN}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Date"].datetime == datetime.fromtimestamp(1_800_000_000.0, UTC)
    assert (mail["Auto-Submitted"], mail["Precedence"]) == ("auto-generated", "bulk")


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:8771"])
def test_one_click_needs_https(base_url: str | None) -> None:
    """RFC 8058, section 3.1: the header stands only beside an https link."""
    mail = mail_of(PAPER, base_url=base_url, sender="Daily <papers+x@example.org>")
    end = mail["List-Unsubscribe"].strip("<>")
    if base_url is None:
        assert end == f"mailto:papers%2Bx@example.org?subject=unsubscribe%20{TOKEN}"
    else:
        assert end == f"{base_url}/unsubscribe/{TOKEN}"
    lines, shown = parts(mail)
    assert lines[-1] == shown.blocks[-1] == shown.links[-1] == end


def test_hostile_texts_are_data() -> None:
    paper = Paper(1, HOSTILE, abstract=HOSTILE * 20, authors=(HOSTILE,), methods=(Method("m", "r", call=HOSTILE),))
    mail = mail_of(paper, query=HOSTILE)
    lines, shown = parts(mail)
    assert shown.blocks == lines
    assert shown.tags == {"html", "head", "meta", "title", "body", "h1", "h2", "p", "hr", "a"}
    assert "Bcc: all@example.org <script>" in mail["Subject"]
    assert {link for link in shown.links if not link.startswith("https://papers.example.org/")} == set()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org/x",
        "//example.org",
        "https://",
        "https:///x",
        "http://example.org:port/",
        "https://bank.example@evil.example/",
        "https://a\\@b/",
        "https://example.org/\r\nBcc: x",
        "https://example.org/a b",
        "https://example.org/" + "x" * 2000,
        "https://[bad/",
    ],
)
def test_links_of_the_web_only(url: str) -> None:
    lines, shown = parts(mail_of(Paper(1, "T", url=url, doi="10.1/a b<c>"), base_url=None))
    assert "https://doi.org/10.1/a%20b%3Cc%3E" in lines
    assert set(shown.links) == {"https://doi.org/10.1/a%20b%3Cc%3E", lines[-1]}
    with pytest.raises(InvalidArgument, match="the address of the reader is not one that a mail can link to"):
        check_base_url(url)


def test_base_urls() -> None:
    assert check_base_url(None) is None
    assert check_base_url("https://example.org/papers/") == "https://example.org/papers"
    for url in ("https://ex.org/?next=x", "https://ex.org/#x", "https://u:p@ex.org", "https://exämple.org", "", "x>y"):
        with pytest.raises(InvalidArgument, match="allowed: http://HOST or https://HOST"):
            check_base_url(url)


texts = st.text(max_size=40) | st.text(
    st.sampled_from("ab é漢\r\n\x00=?_<>&\"',;:.@()\\\u2028\u202e\ud800"), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(texts, texts, texts, texts)
@example("", "", "", "0000𐀀000000¡¡¡¡ å")
@example("", "", "", "=?utf-8?q?=0D=0ABcc=3A?=")
def test_any_text_comes_through_both_parts(title: str, abstract: str, author: str, query: str) -> None:
    mail = mail_of(Paper(5, title, abstract=abstract, authors=(author,) if author else ()), query=query)
    lines, shown = parts(mail)
    assert shown.blocks == lines
    assert lines[1] == f"1. {one_line(title) or '(no title)'}"
    asked = shortened(one_line(query), 60)
    assert mail["Subject"] == "1 new paper, 2026-11-26" + (f": {asked}" if asked else "")
    if one_line(abstract):
        assert one_line(abstract) in lines


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.integers(1, 60))
def test_one_line_and_shortened(text: str, width: int) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert line.splitlines() in ([], [line])
    assert not re.search("[\x00-\x1f\x7f\ud800-\udfff]", line)
    short = shortened(line, width)
    assert short == line if len(line) <= width else len(short) <= max(width, 5)
    if short != line:
        assert line.startswith(short.removesuffix(" ..."))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.text(st.sampled_from("ab é漢=?_<>\"',;:.@()\\"), max_size=60))
@example("0000𐀀000000¡¡¡¡ å")
@example("=?utf-8?q?=0D=0ABcc=3A?=")
def test_any_name_of_the_sender(name: str) -> None:
    raw = compose(DIGEST, Address(one_line(name), addr_spec="papers@example.org"), BASE, 0.0)
    (found,) = message_from_bytes(raw, policy=default)["From"].addresses
    assert found.addr_spec == "papers@example.org"
    # The older parser: the newer one puts blanks between encoded words.
    ((shown, address),) = getaddresses([message_from_bytes(raw)["From"]])
    assert address == "papers@example.org"
    assert str(make_header(decode_header(shown))) == one_line(name)


def test_sender_is_one_address() -> None:
    assert parse_sender(' "Daily papers" <papers@Example.org> ') == Address(
        "Daily papers", addr_spec="papers@example.org"
    )
    mail = mail_of(PAPER, sender="Tägliche, Arbeiten <papers@example.org>")
    (found,) = mail["From"].addresses
    assert (found.display_name, found.addr_spec) == ("Tägliche, Arbeiten", "papers@example.org")
