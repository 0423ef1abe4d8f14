"""Search by words: BM25 over title, abstract and authors, as SQLite's FTS5 computes it.

Robertson, Stephen and Zaragoza, Hugo, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends
in Information Retrieval 3(4), 2009, doi 10.1561/1500000019; FTS5 has k1 = 1.2 and b = 0.75 and weighs the columns
(https://www.sqlite.org/fts5.html#the_bm25_function): here a word in the title counts as four in the abstract. Words are
stemmed (Porter, 1980), and accents do not matter.

Any text is a query: its words are what counts, any of them may be found, and nothing in it is an operator. Words that
nearly every English text has are left out where others remain, and so is what comes after `MOST_WORDS`. A last word
that is still being typed (nothing follows it, and it is the only one, or no title has it) also finds what titles make
of it.

FTS5 looks at every paper that has any of the words. So that this stays quick in a large catalogue, the words are taken
up from the rarest on, as long as they occur in `MOST_PLACES` papers together; the commonest, which tell papers apart
least, are left out beyond that.
"""

from __future__ import annotations

import re
import unicodedata

from sqlalchemy import Connection, text

from trimtab.papers.catalogue.codec import clean

__all__ = ["COMMON", "MOST_PLACES", "MOST_WORDS", "expression", "words_of"]

MOST_WORDS = 24
"""So many different words of a query are looked for."""

MOST_PLACES = 40_000
"""So many papers are looked at for a query, each as often as it has one of the words; more for a single word."""

_SAMPLE = 1000  # papers with a word, after which the number of all is extrapolated
_MOST_ENDINGS = 8  # what a word that is being typed may become
_LEAST_TYPED = 2  # letters; one letter begins too much

# The commonest function words of English, by themselves no reason to find a paper.
_COMMON_ENGLISH = """
a about after all also an and any are as at be been between both but by can could do does for from had has have how i if
in into is it its may more most not of on only or other our out over show shows some such than that the their them then
there these they this those through to under up use used using via was we were what when where which while who will with
within without would you your
"""
COMMON = frozenset(_COMMON_ENGLISH.split())

_WORD = re.compile(r"[^\W_]+")
_EXISTS = text("SELECT 1 FROM title_vocabulary WHERE term = :word")
_ENDINGS = text(
    "SELECT term FROM title_vocabulary WHERE term >= :word AND term < :after ORDER BY doc DESC, term LIMIT :most"
)
_SIZE = text("SELECT coalesce(max(id), 0) FROM papers")
_PLACES = text(
    "SELECT count(*), coalesce(max(number), 0)"
    " FROM (SELECT rowid AS number FROM papers_fts WHERE papers_fts MATCH :word LIMIT :sample)"
)


def words_of(query: str) -> list[str]:
    """The different words of a text that a search looks for, in order, lower case and without accents.

    >>> words_of('The "Fréchet" OR distance, distance')
    ['frechet', 'distance']
    >>> words_of("what is it")
    ['what', 'is', 'it']
    """
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", clean(query)) if not unicodedata.combining(sign))
    words = list(dict.fromkeys(_WORD.findall(plain.lower())))
    return ([word for word in words if word not in COMMON] or words)[:MOST_WORDS]


def expression(connection: Connection, query: str) -> str:
    """A query in the language of FTS5; empty where it has no words."""
    words = words_of(query)
    if not words:
        return ""
    last = words[-1]
    if _is_typed(query, last) and (len(words) == 1 or connection.execute(_EXISTS, {"word": last}).first() is None):
        asked = {"word": last, "after": last + "\U0010ffff", "most": _MOST_ENDINGS}
        words += [term for term in connection.execute(_ENDINGS, asked).scalars() if term != last]
    return " OR ".join(f'"{word}"' for word in _rarest(connection, words))


def _rarest(connection: Connection, words: list[str]) -> list[str]:
    """The words without the commonest, where there are too many papers to look at; at least one."""
    size = int(connection.execute(_SIZE).scalar_one())
    if size * len(words) <= MOST_PLACES or len(words) == 1:
        return words
    places = {word: _places(connection, word, size) for word in words}
    kept: list[str] = []
    sum_ = 0.0
    for word in sorted(words, key=places.__getitem__):
        sum_ += places[word]
        if kept and sum_ > MOST_PLACES:
            break
        kept.append(word)
    return kept


def _places(connection: Connection, word: str, size: int) -> float:
    """How many papers have a word, about: the numbers of the first ones tell how densely it comes."""
    count, last = connection.execute(_PLACES, {"word": f'"{word}"', "sample": _SAMPLE}).one()
    return float(count) if count < _SAMPLE else count * size / last


def _is_typed(query: str, last: str) -> bool:
    """Whether a word may still be being typed: the query ends with it."""
    ending = _WORD.findall(query[-1:])
    return bool(ending) and len(last) >= _LEAST_TYPED and words_of(query[-len(last) - 8 :])[-1:] == [last]
