"""The catalogue as feeds for readers of feeds: Atom (RFC 4287) and JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1).

An entry's identifier is an URN made of the paper's own (arXiv, DOI) where it has one, and of its number otherwise, so
that it stays the same when the reader moves to another address.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import EVERYTHING, Filter, Paper

__all__ = ["feed_atom", "feed_json"]

_ATOM = "http://www.w3.org/2005/Atom"
_MOST = 100
_BEGINNING = date(1970, 1, 1)
_TITLE = "Papers – trimtab"


def feed_atom(catalogue: Catalogue, where: Filter = EVERYTHING, base_url: str = "http://127.0.0.1:8771") -> str:
    """The newest papers as an Atom feed.

    Arguments:
        catalogue: to tell of.
        where: which papers.
        base_url: of the reader, without a slash at its end.
    """
    papers = catalogue.papers(where, limit=_MOST)
    feed = Element("feed", {"xmlns": _ATOM})
    _text(feed, "title", _TITLE)
    _text(feed, "id", f"{base_url}/feed.atom")
    _text(feed, "updated", _moment(max((paper.published or _BEGINNING for paper in papers), default=_BEGINNING)))
    SubElement(feed, "link", {"rel": "self", "href": f"{base_url}/feed.atom"})
    SubElement(feed, "link", {"rel": "alternate", "href": f"{base_url}/"})
    _author(feed, ["trimtab"])
    for paper in papers:
        entry = SubElement(feed, "entry")
        _text(entry, "title", paper.title)
        _text(entry, "id", _identifier(paper))
        moment = _moment(paper.published or _BEGINNING)
        _text(entry, "published", moment)
        _text(entry, "updated", moment)
        SubElement(entry, "link", {"rel": "alternate", "href": f"{base_url}/paper/{paper.number}"})
        if paper.url:
            SubElement(entry, "link", {"rel": "related", "href": paper.url})
        _author(entry, paper.authors)
        _text(entry, "summary", paper.abstract)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(feed, encoding="unicode") + "\n"


def feed_json(catalogue: Catalogue, where: Filter = EVERYTHING, base_url: str = "http://127.0.0.1:8771") -> str:
    """The newest papers as a JSON Feed; arguments as for `feed_atom`."""
    items = []
    for paper in catalogue.papers(where, limit=_MOST):
        item: dict[str, object] = {
            "id": _identifier(paper),
            "url": f"{base_url}/paper/{paper.number}",
            "title": paper.title,
            "content_text": paper.abstract,
        }
        if paper.url:
            item["external_url"] = paper.url
        if paper.published:
            item["date_published"] = _moment(paper.published)
        if paper.authors:
            item["authors"] = [{"name": name} for name in paper.authors]
        if paper.tags:
            item["tags"] = list(paper.tags)
        items.append(item)
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _TITLE,
        "home_page_url": f"{base_url}/",
        "feed_url": f"{base_url}/feed.json",
        "items": items,
    }
    return json.dumps(feed, ensure_ascii=False, indent=1) + "\n"


def _identifier(paper: Paper) -> str:
    """A name for the paper that lasts."""
    if paper.arxiv:
        return f"urn:arxiv:{quote(paper.arxiv)}"
    return f"urn:doi:{quote(paper.doi)}" if paper.doi else f"urn:trimtab:paper:{paper.number}"


def _moment(day: date) -> str:
    """A day as the moment that feeds ask for."""
    return f"{day.isoformat()}T00:00:00Z"


def _text(parent: Element, name: str, text: str) -> None:
    """A child with a text, without the characters that XML 1.0 cannot carry."""
    SubElement(parent, name).text = "".join(sign if _fits(ord(sign)) else "\ufffd" for sign in text)


def _fits(code: int) -> bool:
    """Whether XML 1.0 has the character."""
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def _author(parent: Element, names: Sequence[str]) -> None:
    """The authors by name; an entry without any takes the feed's."""
    for name in names:
        _text(SubElement(parent, "author"), "name", name)
