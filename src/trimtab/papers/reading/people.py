"""Names of authors as reference managers write them."""

from __future__ import annotations

__all__ = ["given_first"]


def given_first(name: str) -> str:
    """A name with the given name first, from "Family, Given" or "Family, Jr, Given"; one without a comma as it is.

    >>> given_first("von Neumann, John"), given_first("King, Jr, Martin"), given_first("Ada Lovelace")
    ('John von Neumann', 'Martin King Jr', 'Ada Lovelace')
    """
    parts = [part.strip() for part in name.split(",", 2)]
    if len(parts) == 1:
        return parts[0]
    family, given = parts[0], parts[-1]
    suffix = parts[1] if len(parts) == 3 else ""
    return " ".join(part for part in (given, family, suffix) if part)
