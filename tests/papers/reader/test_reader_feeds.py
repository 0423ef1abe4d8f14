"""The feeds, read back by parsers that are not ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

from starlette.testclient import TestClient

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.reader import feed_atom, feed_json
from trimtab.papers.records import Filter, Listing

ATOM = "{http://www.w3.org/2005/Atom}"
ODD = Listing(
    "A <b> & \x08 \ud7ff title",
    "What ]]> is $x < y$?",
    authors=("Ana Ruiz", "B & C"),
    published=date(2026, 3, 1),
    arxiv="2601.00001",
    url="https://example.org/?a=1&b=2",
)


def test_atom_has_what_the_standard_asks_for(fill: Callable[..., Path]) -> None:
    with Catalogue(fill(3, ODD)) as catalogue:
        feed = fromstring(feed_atom(catalogue, base_url="https://papers.example/me"))
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated", "author"):
        assert feed.find(ATOM + name) is not None
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 4
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 4
    for entry in entries:
        assert entry.findtext(f"{ATOM}updated", "").endswith("T00:00:00Z")
        assert entry.find(f"{ATOM}link").attrib["href"].startswith("https://papers.example/me/paper/")  # type: ignore[union-attr]
    odd = entries[0]
    assert odd.findtext(f"{ATOM}id") == "urn:arxiv:2601.00001"
    assert odd.findtext(f"{ATOM}summary") == "What ]]> is $x < y$?"
    assert [author.findtext(f"{ATOM}name") for author in odd.findall(f"{ATOM}author")] == ["Ana Ruiz", "B & C"]


def test_the_json_feed_has_what_its_version_asks_for(fill: Callable[..., Path]) -> None:
    with Catalogue(fill(3, ODD)) as catalogue:
        feed = json.loads(feed_json(catalogue, Filter(since=date(2026, 2, 1)), "https://papers.example"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    [item] = feed["items"]
    assert item["external_url"] == "https://example.org/?a=1&b=2"
    assert item["authors"] == [{"name": "Ana Ruiz"}, {"name": "B & C"}]
    assert item["date_published"] == "2026-03-01T00:00:00Z"
    assert item["content_text"]


def test_pages_name_their_feeds_and_the_feeds_follow_the_filter(reader: Callable[..., Any]) -> None:
    client = TestClient(reader(8))
    page = client.get("/").text
    assert 'type="application/atom+xml"' in page
    assert 'type="application/feed+json"' in page
    assert client.get("/feed.atom").headers["content-type"].startswith("application/atom+xml")
    few = client.get("/feed.json?since=2026-01-31").json()
    assert len(few["items"]) == 4
    assert few["home_page_url"] == "http://testserver/"
