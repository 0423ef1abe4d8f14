"""Search in a catalogue of papers: by words and meaning, related papers, and themes.

Meaning needs the weights of a sentence model (`Meaning.why_not` tells how to get them) and vectors of the papers, which
`refresh` makes; without them words alone count.
"""

from trimtab.papers.search.embeddings import Meaning
from trimtab.papers.search.fused import search, words_alone
from trimtab.papers.search.related import related
from trimtab.papers.search.themes import Themes, themes
from trimtab.papers.search.vectors import refresh

__all__ = ["Meaning", "Themes", "refresh", "related", "search", "themes", "words_alone"]
