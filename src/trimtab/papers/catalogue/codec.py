"""Listings as JSON, as a catalogue keeps them."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from datetime import date
from typing import Any

from trimtab.papers.records import Listing

__all__ = ["clean", "decode", "encode", "storable"]

# SQLite ends a text at a NUL in many of its functions, and UTF-8 has no lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TEXTS = ("title", "abstract", "arxiv", "doi", "url")
_DEFAULTS = {field.name: field.default for field in fields(Listing) if field.name not in ("title", "published", "line")}
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def clean(text: str) -> str:
    """A text without what a database cannot hold.

    >>> clean("a" + chr(0) + "b") == "a" + chr(0xFFFD) + "b"
    True
    """
    return text if text.isprintable() else _UNSTORABLE.sub("\ufffd", text)


def storable(listing: Listing) -> Listing:
    """A listing without what a database cannot hold: `decode(encode(it))` is the same but for its line."""
    whole = "".join((listing.title, listing.abstract, listing.arxiv, listing.doi, listing.url, *listing.authors))
    if whole.isprintable() and "" not in listing.authors:
        return listing
    changed: dict[str, Any] = {name: clean(getattr(listing, name)) for name in _TEXTS}
    # A line each in the column of the papers.
    names = (" ".join(clean(name).split()) for name in listing.authors)
    return replace(listing, **changed, authors=tuple(filter(None, names)))


def encode(listing: Listing) -> str:
    """A listing as JSON: the parts that were given, without the line, which says nothing of the paper."""
    data: dict[str, Any] = {"title": listing.title}
    for name, default in _DEFAULTS.items():
        value = getattr(listing, name)
        if value != default:
            data[name] = value
    if listing.published is not None:
        data["published"] = listing.published.isoformat()
    return _ENCODER.encode(data)


def decode(data: str, line: int = 0) -> Listing:
    """The listing that `encode` wrote."""
    kept = json.loads(data)
    if "published" in kept:
        kept["published"] = date.fromisoformat(kept["published"])
    return Listing(**{**kept, "authors": tuple(kept.get("authors", ())), "line": line})
