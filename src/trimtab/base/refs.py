"""References as data, so that a study can print citations of exactly the methods it used."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One published source.

    Arguments:
        authors: as "Family, Given and Family, Given", BibTeX's own form.
        title: the title.
        year: of publication.
        venue: journal, conference or publisher.
        arxiv: arXiv identifier such as "2310.20708".
        doi: digital object identifier.
        url: where else to find it.
    """

    authors: str
    title: str
    year: int
    venue: str = ""
    arxiv: str = ""
    doi: str = ""
    url: str = ""

    @property
    def key(self) -> str:
        """A BibTeX key: first author's family name, year, first long word of the title."""
        family = re.sub(r"\W", "", self.authors.split(",")[0])
        word = next((w for w in re.findall(r"\w+", self.title) if len(w) > 3), "work")
        return f"{family}{self.year}{word}".lower()

    @property
    def text(self) -> str:
        """One line for people."""
        where = ", ".join(
            part
            for part in (
                self.venue,
                f"arXiv:{self.arxiv}" if self.arxiv else "",
                f"doi:{self.doi}" if self.doi else "",
                self.url,
            )
            if part
        )
        return f"{self.authors} ({self.year}). {self.title}. {where}".rstrip(". ") + "."

    @property
    def bibtex(self) -> str:
        """A BibTeX entry."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "year": str(self.year),
            "howpublished": self.venue,
            "eprint": self.arxiv,
            "doi": self.doi,
            "url": self.url,
        }
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        return f"@misc{{{self.key},\n{body}\n}}"
