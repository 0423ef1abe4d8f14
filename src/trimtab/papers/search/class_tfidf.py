"""Class-based TF-IDF: the terms that tell one group of texts from the others.

Needs groups of texts. Paper: Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", 2022,
arXiv:2203.05794: the weight of a term t in a group c is how often c has it, times the logarithm of how rare it is.
Here, with N texts in all,

    weight(t, c) = share of the texts of c that have t  x  log(N / number of all texts that have t)

Differs from the paper, which counts occurrences and takes log(1 + A / f(t)) with the mean number A of terms in a group
and the number f(t) of occurrences: with that, most groups of machine learning papers were named "models" or "neural
networks", and a single text that repeats a term could name its group. The log-odds of Monroe, Colaresi and Quinn
(2008), which were tried too, prefer frequent terms likewise. Terms are words and pairs of neighbouring words, and a
pair weighs 1.6 times as much; a term of the first sentence, the title of a paper, counts double; singular and plural
are one term, written as it mostly is; a term must be in two texts of its group and in a tenth of them, where any is;
and of the best terms one is passed over that shares a word with a better one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import log

from trimtab.base.refs import Reference

__all__ = ["name_groups", "refs"]

refs = (
    Reference(
        authors="Grootendorst, Maarten",
        title="BERTopic: Neural topic modeling with a class-based TF-IDF procedure",
        year=2022,
        arxiv="2203.05794",
    ),
)

_LEAST_TEXTS, _LEAST_SHARE = 2, 0.1
_PAIR = 1.6

# Words of English that tell nothing of a subject, and those with which abstracts speak of themselves.
_NOT_TERMS = """
able about above achieve achieved across additional after against all allow allowing almost along already also
although always among analysis analyze and another any applicable application applied apply approach approaches
are art associated available based because been before being best better between beyond both but called can
cannot capable capture case certain challenge challenging code common compare compared comparison consider
considering consistently corresponding could current currently demonstrate demonstrated depend despite develop
developed difference different difficult directly does due during each easily effect effective effectively
effectiveness efficiency efficient efficiently either empirical empirically enable enabling especially establish
evaluate evaluated evaluation even evidence example existing experiment experimental explicit extend extensive
fact few find finding first five focus for form former found four framework from fully further furthermore
future general generally get github give given good great hard has have having hence here high higher highly how
however https idea impact important improve improved improvement improving include including increase increasing
inherent insight instead interest into introduce introduced investigate issue its itself key known large larger
lead leading less leverage leveraging like limit limitation limited low lower made main make making many may
mean method methodology might more moreover most much multiple must namely need new next not notable novel
number obtain obtained often once one only open other our out outperform outperforming over overall own paper
particular particularly per perform performance performed phenomenon poor possible practical practice present
presented previous previously prior problem process promising propose proposed provably prove provide provided
providing quite range rather real real-world recent recently reduce reduced reducing related relevant rely
remain require required requiring research result resulting same scenario second see set setting seven several
short show showed showing shown significant significantly similar simple simply since single six small solution
solve some specific specifically standard state state-of-the-art still strong studied study such suffer suggest
superior support surprisingly system systematic task technique term than that the their them then theoretical
theoretically theory there therefore these they third this those though three through throughout thus time
together too toward towards two type typically under understand understanding unified unlike until upon use used
useful using usually validate variety various versus very via was way well were what when where whether which
while who whose why wide widely will with within without work would year yet yield you zero
"""
_COMMON = frozenset(_NOT_TERMS.split())

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_PART = re.compile(r"[.,;:!?()\[\]{}$]")


def name_groups(groups: Sequence[Sequence[str]], terms: int = 3) -> list[str]:
    """A name for each group of texts: its best terms, the best first, with commas; "other" where it has none.

    >>> name_groups([["Neural fields of scenes"] * 3, ["Click rates of adverts"] * 3], terms=2)
    ['neural fields, scenes', 'click rates, adverts']
    """
    written: Counter[tuple[str, str]] = Counter()
    spread = [Counter[str]() for _ in groups]
    titled = [Counter[str]() for _ in groups]
    for group, texts, titles in zip(groups, spread, titled, strict=True):
        for text in group:
            found = set(_terms(text))
            written.update(found)
            texts.update({term for term, _ in found})
            titles.update({term for term, _ in _terms(text.split(". ", 1)[0])})
    everywhere: Counter[str] = sum(spread, Counter[str]())
    count = sum(map(len, groups))
    chosen = []
    for group, texts, titles in zip(groups, spread, titled, strict=True):
        least = min(max(_LEAST_TEXTS, _LEAST_SHARE * len(group)), len(group))
        weights = {
            term: (_PAIR if " " in term else 1.0) * (have + titles[term]) / len(group) * log(count / everywhere[term])
            for term, have in texts.items()
        }
        frequent = {term: weight for term, weight in weights.items() if texts[term] >= least}
        chosen.append(_apart(frequent or weights, terms))
    forms = _mostly_written(written, {term for some in chosen for term in some})
    return [", ".join(forms[term] for term in some) or "other" for some in chosen]


def _mostly_written(written: Mapping[tuple[str, str], int], terms: set[str]) -> dict[str, str]:
    """The form in which most texts have each of these terms; of like ones the first by the alphabet."""
    forms: dict[str, str] = {}
    known = ((count, term, form) for (term, form), count in written.items() if term in terms)
    for _, term, form in sorted(known, key=lambda each: (-each[0], each[2])):
        forms.setdefault(term, form)
    return forms


def _apart(weights: Mapping[str, float], count: int) -> list[str]:
    """The best terms, of which no two share a word."""
    chosen: list[str] = []
    seen: set[str] = set()
    for term in sorted(weights, key=lambda term: (-weights[term], -len(term), term)):
        if len(chosen) == count or weights[term] <= 0:
            break
        if not seen & set(term.split()):
            chosen.append(term)
            seen |= set(term.split())
    return chosen


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """The words and pairs of words of a text: as they are counted, and as they are written."""
    for part in _PART.split(text.lower()):
        before = before_as_written = ""
        for word in _WORD.findall(part):
            term = _term(word)
            if term:
                yield term, word
                if before:
                    yield f"{before} {term}", f"{before_as_written} {word}"
            before, before_as_written = term, word


@lru_cache(maxsize=50_000)
def _term(word: str) -> str:
    """The singular of a word that tells something; empty for others."""
    if len(word) > 4 and word.endswith("ies"):
        single = word[:-3] + "y"
    else:
        single = word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "siu" else word
    return "" if len(word) < 3 or word in _COMMON or single in _COMMON else single
