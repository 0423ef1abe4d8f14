"""Search by words and meaning in a catalogue of 100,000 made-up papers: how fast, and in how much memory.

    OMP_NUM_THREADS=1 python speed/papers_search.py                   # about three minutes, the most for the import
    OMP_NUM_THREADS=1 python speed/papers_search.py --papers 10000
    OMP_NUM_THREADS=1 python speed/papers_search.py --keep search.db  # keeps the catalogue, and takes it the next time

The papers and the queries are those of `speed/papers.py`; their vectors are drawn by chance, of length 1, about 200
directions, because embedding so many texts takes hours. The query itself is embedded. Prints one row a measurement: the
median, the 95th percentile and the worst, in milliseconds of the clock, and the median and 95th percentile of the
processor's time; and how many abstracts are embedded in a second. Needs the sentence model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from papers import Writer, peak, timed
from trimtab.papers import Catalogue, Filter
from trimtab.papers.search import Meaning, related, search, themes
from trimtab.papers.search.embeddings import DIMENSION, MODEL
from trimtab.papers.search.vectors import vectors_of

BATCH, TOPICS, TEXTS = 5_000, 200, 24


def fill(catalogue: Catalogue, writer: Writer, count: int) -> None:
    """Papers and vectors."""
    catalogue.add_listings("made up", "json lines", writer.papers(count))
    topics = writer.rng.standard_normal((TOPICS, DIMENSION))
    numbers = catalogue.numbers()
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH]
        rows = topics[writer.rng.integers(TOPICS, size=len(some))] + writer.rng.standard_normal((len(some), DIMENSION))
        catalogue.store_vectors(MODEL, some, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def measure(path: Path, count: int, seed: int, queries: int) -> None:
    """Fill a catalogue where it is empty, and time what a reader does with it."""
    writer = Writer(seed)
    with Catalogue(path) as catalogue:
        if not catalogue.count():
            fill(catalogue, writer, count)
        print(f"{catalogue.count():,} papers; memory before: {peak():.0f} MB")
        begin = time.perf_counter()
        vectors = vectors_of(catalogue)
        print(f"vectors read in {time.perf_counter() - begin:.1f} s; memory: {peak():.0f} MB")
        begin = time.process_time()
        model = Meaning.model()
        model.embed(["a query"])
        print(f"model read in {time.process_time() - begin:.2f} s; memory: {peak():.0f} MB\n")
        asked = writer.queries(queries)
        some = Filter(since=catalogue.papers(limit=1, offset=count // 10)[0].published)
        print(f"{'':<44}" + "".join(f" {name:>8}" for name in ("median", "95 %", "worst", "cpu", "cpu 95")))
        search(catalogue, asked[0])
        timed("search by words and meaning", lambda i: search(catalogue, asked[i]), queries)
        timed("  of it words", lambda i: catalogue.words(asked[i], limit=200), queries)
        timed("  of it the query's vector", lambda i: model.embed([asked[i]]), queries)
        query = model.embed(asked[:1])[0]
        timed("  of it the likeness to all papers", lambda i: vectors.likeness(query), queries)
        timed("the same among the newest tenth", lambda i: search(catalogue, asked[i], some), queries)
        timed("related papers", lambda i: related(catalogue, 1 + i), queries)
        timed("themes and their map", lambda i: themes(catalogue), 1)
        texts = catalogue.texts(catalogue.numbers()[:TEXTS])
        pieces = np.mean([len(model.encode(text)) for text in texts])
        begin = time.process_time()
        model.embed(texts)
        print(f"\nabstracts embedded: {TEXTS / (time.process_time() - begin):.1f} a second of one core, ", end="")
        print(f"{pieces:.0f} pieces each; memory at most: {peak():.0f} MB")


def main() -> None:
    """Measure, in a temporary file or in one that is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="the catalogue; made where it is missing")
    asked = parser.parse_args()
    if asked.keep:
        measure(asked.keep, asked.papers, asked.seed, asked.queries)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "papers.db", asked.papers, asked.seed, asked.queries)


if __name__ == "__main__":
    main()
