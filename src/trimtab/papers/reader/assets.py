"""The style sheet and the script, under names that change with their content, so that browsers may keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Asset", "asset_name", "assets"]

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Arguments:
        content: its bytes.
        media_type: as told to browsers.
    """

    content: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """Hashed name -> file: all that can be asked for, so no path is ever made of a request."""
    found = {}
    for path in files("trimtab.papers.reader").joinpath("static").iterdir():
        stem, _, ending = path.name.rpartition(".")
        if ending in _KINDS:
            content = path.read_bytes()
            found[f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"] = Asset(content, _KINDS[ending])
    return found


@cache
def asset_name(name: str) -> str:
    """The hashed name of a file, such as "reader.css"."""
    stem, _, ending = name.rpartition(".")
    return next(hashed for hashed in assets() if hashed.startswith(f"{stem}-") and hashed.endswith(f".{ending}"))
