"""How well papers are found: by words, by meaning, by both, on queries that use other words than the papers.

    .venv/bin/python dev/studies/papers_search.py PAGES... [--queries tests/papers/search/queries.jsonl]

The pages are listings that hold the papers which the queries mean (`trimtab papers import` reads the same). Each line
of the queries has a query and its relevant titles: 2 is what was meant, 1 is closely related. The measure is nDCG at 10
(Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002) with gains of 3 and 1. The table has
the mean over the queries with a bootstrap interval, and of each ranking the mean of the paired differences from the
fused one with theirs. Takes a minute on one core, for the vectors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.papers import Catalogue
from trimtab.papers.reading import read_pages
from trimtab.papers.search import Meaning, refresh, search
from trimtab.papers.search.vectors import best, vectors_of

Ranking = Callable[[str], list[int]]
_QUERIES = Path(__file__).parents[2] / "tests" / "papers" / "search" / "queries.jsonl"
_DEEP, _DRAWS, _RRF = 200, 10_000, 60


def ndcg(found: Sequence[str], relevant: Mapping[str, int], deep: int = 10) -> float:
    """Discounted cumulative gain of what was found by that of the best order."""
    discount = 1.0 / np.log2(np.arange(2, deep + 2))
    gains = np.array([2.0 ** relevant.get(title, 0) - 1.0 for title in found[:deep]])
    ideal = np.array(sorted((2.0**grade - 1.0 for grade in relevant.values()), reverse=True)[:deep])
    return float(gains @ discount[: len(gains)]) / float(ideal @ discount[: len(ideal)])


def rankings(catalogue: Catalogue) -> dict[str, Ranking]:
    """The rankings that are compared: a query to numbers of papers."""
    vectors, model = vectors_of(catalogue), Meaning.model()

    def words(query: str) -> list[int]:
        return [number for number, _ in catalogue.words(query, limit=_DEEP)]

    def meaning(query: str) -> list[int]:
        return vectors.numbers[best(vectors.likeness(model.embed([query])[0]), _DEEP)].tolist()

    def reciprocal(query: str) -> list[int]:
        scores: dict[int, float] = {}
        for ranked in (words(query), meaning(query)):
            for place, number in enumerate(ranked, 1):
                scores[number] = scores.get(number, 0.0) + 1.0 / (_RRF + place)
        return sorted(scores, key=lambda number: (-scores[number], number))

    def fused(query: str) -> list[int]:
        return [found.paper.number for found in search(catalogue, query, limit=10)]

    return {"words": words, "meaning": meaning, "reciprocal ranks of both": reciprocal, "fused": fused}


def interval(values: NDArray[np.float64], key: Key) -> tuple[float, float]:
    """95 % of the means of resampled queries."""
    rows = key.generator().integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.quantile(values[rows].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+")
    parser.add_argument("--queries", type=Path, default=_QUERIES)
    parser.add_argument("--each", action="store_true", help="print the nDCG of each query")
    asked = parser.parse_args()
    queries = [json.loads(line) for line in asked.queries.read_text("utf-8").splitlines()]
    with Catalogue(":memory:") as catalogue:
        for page in read_pages(asked.pages):
            catalogue.add(page)
        refresh(catalogue)
        numbers = catalogue.numbers()
        titles = {paper.number: paper.title for paper in catalogue.many(numbers.tolist())}
        missing = {title for query in queries for title in query["relevant"]} - set(titles.values())
        if missing:
            raise SystemExit(f"the pages lack papers that the queries mean: {sorted(missing)}")
        scores = {
            name: np.array([ndcg([titles[i] for i in rank(query["query"])], query["relevant"]) for query in queries])
            for name, rank in rankings(catalogue).items()
        }
    key = Key(0, purpose="papers search")
    print(f"{len(queries)} queries, {len(titles)} papers\n")
    print("| ranking | nDCG@10 | 95 % | fused is better by | 95 % | better, equal, worse |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, values in scores.items():
        low, high = interval(values, key)
        gain = scores["fused"] - values
        below, above = interval(gain, key)
        counts = ", ".join(str(int(n)) for n in ((gain > 0).sum(), (gain == 0).sum(), (gain < 0).sum()))
        rest = "" if name == "fused" else f"{gain.mean():+.3f} | {below:+.3f} to {above:+.3f} | {counts}"
        print(f"| {name} | {values.mean():.3f} | {low:.3f} to {high:.3f} | {rest or ' | |'} |")
    if asked.each:
        for i, query in enumerate(queries):
            print("  ".join(f"{values[i]:.2f}" for values in scores.values()), query["query"])


if __name__ == "__main__":
    main()
