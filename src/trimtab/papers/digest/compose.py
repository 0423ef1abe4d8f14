"""A digest as a mail: the same content as text and as HTML, with what lets a reader end it in one click.

Headers beyond the usual: `List-Unsubscribe` (RFC 2369) and, where the link is https, `List-Unsubscribe-Post`
(RFC 8058), which asks the mail server to sign both with DKIM; `Auto-Submitted` (RFC 3834) and `Precedence` keep
answering machines quiet. Both parts are written from one list of entries, so neither says what the other does
not. All text is data: one line without controls, escaped in HTML, and a link only where it is http or https.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr
from typing import final
from urllib.parse import quote, urlsplit

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.digest.plain import one_line, shortened
from trimtab.papers.records import Paper

__all__ = ["Digest", "check_base_url", "compose"]

_TITLE, _ABSTRACT, _NAME, _QUERY = 300, 700, 100, 60  # characters
_AUTHORS, _METHODS = 6, 5
_LONGEST_URL, _LONGEST_BASE = 1000, 500


@final
@dataclass(frozen=True, slots=True)
class Digest:
    """What one mail says.

    Arguments:
        to: the subscriber's address.
        message_id: with its angle brackets; the same at every try.
        day: whose digest it is, where the subscriber lives.
        query: of the subscription; empty for all papers.
        every: "daily" or "weekly".
        papers: in order.
        more: how many others match, which come in later digests.
        token: that ends the subscription.
    """

    to: str
    message_id: str
    day: date
    query: str
    every: str
    papers: Sequence[Paper]
    more: int
    token: str


@final
@dataclass(frozen=True, slots=True)
class _Entry:
    """One paper as both parts show it; an empty part is left out."""

    title: str
    link: str
    byline: str
    abstract: str
    runs: tuple[str, ...]
    page: str


def check_base_url(base_url: str | None) -> str | None:
    """Where the reader of the catalogue is reached from outside, without a slash at its end.

    Raises:
        InvalidArgument: not an http or https URL, or one with a query, a fragment or a password.
    """
    if base_url is None:
        return None
    plain = base_url.isascii() and len(base_url) <= _LONGEST_BASE and not set(base_url) & set("?#@<>,;\"'\\")
    if not plain or not _linkable(base_url):
        raise InvalidArgument(
            message(
                "the address of the reader is not one that a mail can link to",
                got=base_url,
                allowed="http://HOST or https://HOST in ASCII, perhaps with a port and a path",
                do="give one such as https://papers.example.org, or leave it out",
            )
        )
    return base_url.rstrip("/")


def compose(digest: Digest, sender: Address, base_url: str | None, now: float) -> bytes:
    """The mail of a digest, with CRLF line ends.

    Arguments:
        digest: what it says.
        sender: who it is from.
        base_url: of the reader, see `check_base_url`; without one, a subscription is ended by writing to the sender.
        now: seconds since the Unix epoch, for its date.
    """
    entries = [_entry(paper, base_url) for paper in digest.papers]
    end = _end_url(sender, base_url, digest.token)
    mail = EmailMessage(policy=SMTP)
    mail["To"] = Address(addr_spec=digest.to)
    mail["Date"] = datetime.fromtimestamp(now, UTC)
    mail["Message-ID"] = digest.message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["Precedence"] = "bulk"
    mail.set_content(_text(digest, entries, end), cte="quoted-printable")
    mail.add_alternative(_html(digest, entries, end), subtype="html", cte="quoted-printable")
    return _headers(sender, _subject(digest), end) + mail.as_bytes()


def _end_url(sender: Address, base_url: str | None, token: str) -> str:
    """What ends the subscription: a page of the reader, or a mail to the sender, who then does it by hand."""
    if base_url is None:
        return f"mailto:{quote(sender.addr_spec, safe='@')}?subject={quote(f'unsubscribe {token}')}"
    return f"{base_url}/unsubscribe/{token}"


def _headers(sender: Address, subject: str, end: str) -> bytes:
    """The headers that `email` would break in two ways, so that they are written by hand.

    It encodes a URL that is longer than a line, which then is no URL any more, and it loses blanks between words that
    need encoding (Python 3.11).
    """
    name, address = sender.display_name, sender.addr_spec
    shown = formataddr((name, address)) if _is_plain(name) else f"{_encoded(name)} <{address}>"
    lines = [f"From: {shown}", f"Subject: {subject if _is_plain(subject) else _encoded(subject)}"]
    lines.append(f"List-Unsubscribe: <{end}>")
    if end.startswith("https://"):
        lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _is_plain(text: str) -> bool:
    """Whether a header can hold a text as it is; "=?" would begin an encoded word (RFC 2047)."""
    return text.isascii() and "=?" not in text


def _encoded(text: str) -> str:
    """A text as encoded words, folded (RFC 2047)."""
    return Header(text, "utf-8", maxlinelen=70).encode(linesep="\r\n")


def _subject(digest: Digest) -> str:
    """Such as "3 new papers, 2026-11-26: bilevel optimisation"."""
    query = shortened(one_line(digest.query), _QUERY)
    return f"{_papers(len(digest.papers))}, {digest.day.isoformat()}" + (f": {query}" if query else "")


def _papers(count: int) -> str:
    """Such as "1 new paper"."""
    return f"{count} new paper" if count == 1 else f"{count} new papers"


def _heading(digest: Digest) -> str:
    """The first line of both parts."""
    query = one_line(digest.query)
    about = f" for {query}" if query else ""
    return f"{_papers(len(digest.papers))}{about}, {digest.day.isoformat()}"


def _foot(digest: Digest) -> list[str]:
    """The last lines of both parts, before the link that ends it."""
    lines = [f"{digest.more} more match and come in later digests."] if digest.more else []
    return [*lines, f"You get this {digest.every} digest because this address subscribed to it. To end it:"]


def _entry(paper: Paper, base_url: str | None) -> _Entry:
    """A paper as both parts show it."""
    names = [shortened(one_line(name), _NAME) for name in paper.authors[:_AUTHORS]]
    count = max(paper.author_count or 0, len(paper.authors))
    if names:
        who = ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")
    else:
        who = f"{count} author{'s' * (count != 1)}" if count else ""
    when = paper.published.isoformat() if paper.published else ""
    return _Entry(
        title=shortened(one_line(paper.title), _TITLE) or "(no title)",
        link=_link(paper),
        byline=" · ".join(part for part in (who, when) if part),
        abstract=shortened(one_line(paper.abstract), _ABSTRACT),
        runs=tuple(shortened(one_line(method.call), _TITLE) for method in paper.methods if method.runs)[:_METHODS],
        page="" if base_url is None else f"{base_url}/paper/{paper.number}",
    )


def _link(paper: Paper) -> str:
    """Where to read a paper; empty where that is unknown, or not on the web."""
    candidates = [paper.url]
    if paper.arxiv:
        candidates.append(f"https://arxiv.org/abs/{quote(paper.arxiv, safe='/')}")
    if paper.doi:
        candidates.append(f"https://doi.org/{quote(paper.doi, safe='/')}")
    return next((url for url in candidates if _linkable(url)), "")


def _linkable(url: str) -> bool:
    """Whether a URL is one of the web, on one line, and leads to the host that it shows."""
    if url != one_line(url) or " " in url or len(url) > _LONGEST_URL:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port raises where it is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc and "\\" not in url


def _text(digest: Digest, entries: Sequence[_Entry], end: str) -> str:
    """The part in plain text."""
    blocks = [_heading(digest)]
    for place, entry in enumerate(entries, 1):
        runs = [f"Runs here: {call}" for call in entry.runs]
        lines = [f"{place}. {entry.title}", entry.byline, entry.abstract, *runs, entry.link, entry.page]
        blocks.append("\n".join(filter(None, lines)))
    blocks.append("\n".join([*_foot(digest), end]))
    return "\n\n".join(blocks) + "\n"


# Mail readers drop style sheets, so that each element carries its own; colours that hold on light and on dark.
_BODY = (
    "margin:0 auto;padding:16px;max-width:40em;overflow-wrap:anywhere;word-break:break-word;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif"
)
_SMALL = "margin:0;font-size:14px;opacity:0.75"
_RUNS = "margin:4px 0 0;font:13px/1.4 ui-monospace,Menlo,Consolas,monospace"


def _html(digest: Digest, entries: Sequence[_Entry], end: str) -> str:
    """The part in HTML: no image, no script, nothing that is fetched."""
    heading = html.escape(_heading(digest))
    lines = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f'<meta name="color-scheme" content="light dark"><title>{heading}</title></head>',
        f'<body style="{_BODY}"><h1 style="font-size:20px">{heading}</h1>',
    ]
    for place, entry in enumerate(entries, 1):
        lines += _html_entry(place, entry)
    lines.append('<hr style="border:0;border-top:1px solid;opacity:0.3;margin:24px 0 12px">')
    lines += [f'<p style="{_SMALL}">{html.escape(line)}</p>' for line in _foot(digest)]
    lines.append(f'<p style="{_SMALL}"><a href="{html.escape(end)}">{html.escape(end)}</a></p></body></html>')
    return "\n".join(lines) + "\n"


def _html_entry(place: int, entry: _Entry) -> Iterator[str]:
    """One paper in HTML."""
    urls = [html.escape(url) for url in (entry.link, entry.page) if url]
    title = html.escape(entry.title)
    shown = f'<a href="{urls[0]}">{title}</a>' if urls else title
    yield f'<h2 style="font-size:17px;margin:24px 0 2px">{place}. {shown}</h2>'
    if entry.byline:
        yield f'<p style="{_SMALL}">{html.escape(entry.byline)}</p>'
    if entry.abstract:
        yield f'<p style="margin:6px 0 0">{html.escape(entry.abstract)}</p>'
    for call in entry.runs:
        yield f'<p style="{_RUNS}">Runs here: {html.escape(call)}</p>'
    for url in urls:
        yield f'<p style="{_SMALL}"><a href="{url}">{url}</a></p>'
