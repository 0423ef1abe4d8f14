"""A catalogue of 100,000 made-up papers: how fast they are imported, searched and listed, and in how much memory.

    OMP_NUM_THREADS=1 python speed/papers.py                   # about two minutes
    OMP_NUM_THREADS=1 python speed/papers.py --papers 10000
    OMP_NUM_THREADS=1 python speed/papers.py --keep papers.db  # keeps the catalogue, to --open it again

The papers are made of 30,000 words: how often each comes follows Zipf's law with exponent 1, as words of a language do;
the commonest are those of English, the others are invented. Each paper is about one of 200 topics, from whose 150 words
it takes a third of its own. Titles have about 9 words, abstracts about 150; there are authors, dates, votes and arXiv
ids. Queries are 1 to 6 words of a topic with common words among them, some broken off in the middle of the last word.

Prints one row a measurement: the median, the 95th percentile and the worst, in milliseconds of the clock, and then the
median and the 95th percentile of the processor's time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from trimtab.papers import Catalogue, Filter, Listing

WORDS, TOPICS, TOPIC_WORDS = 30_000, 200, 150
FAMILIES, GIVEN = 4_000, 400
SYLLABLES = [a + b for a in (*"bdfgklmnprstvz", "ch", "st", "tr", "pl") for b in (*"aeiou", "an", "er", "in", "or")]
COMMON_TEXT = """
the of and to in a for we is that with on as by are this our which from be can an such have it these their more than not
also or at between both has using while into show its two all each other where when only but been however most was were
through over they one any there may under some how use used up out about
"""
COMMON = COMMON_TEXT.split()


class Writer:
    """Writes papers and queries by a seed.

    Arguments:
        seed: of everything that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        # The commonest words are short, as in any language.
        lengths = np.clip(np.log10(np.arange(1, WORDS + 1)) + self.rng.normal(0.5, 0.5, WORDS), 1, 6).round()
        words: dict[str, None] = dict.fromkeys(COMMON)
        for length in lengths.astype(int)[len(words) :]:
            word = self._invent(length)
            while word in words:
                word = self._invent(length + 1)
            words[word] = None
        self.words = np.array(list(words))
        self.topics = self.rng.integers(50, WORDS, (TOPICS, TOPIC_WORDS))
        self.cumulated = np.cumsum(1.0 / np.arange(1, WORDS + 1))
        self.families = [self._invent(2 + i % 2).title() for i in range(FAMILIES)]
        self.given = [self._invent(1 + i % 2).title() for i in range(GIVEN)]

    def _invent(self, syllables: int) -> str:
        return "".join(self.rng.choice(SYLLABLES, max(int(syllables), 1)))

    def text(self, topic: int, count: int, of_topic: float) -> list[str]:
        """Words about a topic; a share of them from its own, the others from the language."""
        common = np.searchsorted(self.cumulated, self.rng.random(count) * self.cumulated[-1])
        own = self.topics[topic][(TOPIC_WORDS * self.rng.random(count) ** 2).astype(int)]
        return list(self.words[np.where(self.rng.random(count) < of_topic, own, common)])

    def papers(self, count: int) -> Iterator[Listing]:
        """Papers, one by one."""
        rng = self.rng
        for number in range(count):
            topic = int(rng.integers(TOPICS))
            names = rng.integers(0, FAMILIES, int(rng.integers(1, 9)))
            published = date(2026, 11, 1) - timedelta(days=int(rng.exponential(900.0)))
            title = " ".join(self.text(topic, int(rng.integers(6, 13)), 0.6)).capitalize()
            words = self.text(topic, int(rng.integers(100, 200)), 0.33)
            sentences = [" ".join(words[at : at + 20]).capitalize() for at in range(0, len(words), 20)]
            yield Listing(
                title,
                ". ".join(sentences) + ".",
                authors=tuple(f"{self.given[name % GIVEN]} {self.families[name]}" for name in names),
                published=published,
                votes=int(rng.pareto(1.2)),
                comments=int(rng.pareto(2.0)),
                arxiv=f"{published:%y%m}.{number % 100_000:05d}",
                line=number + 1,
            )

    def queries(self, count: int) -> list[str]:
        """What a reader may type."""
        found = []
        for place in range(count):
            words = self.text(int(self.rng.integers(TOPICS)), int(self.rng.integers(1, 7)), 0.7)
            query = " ".join(words)
            found.append(query[: -max(len(words[-1]) // 3, 1)] if place % 4 == 0 and len(words[-1]) > 3 else query)
        return found


def peak() -> float:
    """The process's largest memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def timed(what: str, work: Callable[[int], object], count: int) -> None:
    """Run something many times and print how long it took."""
    taken, used = [], []
    for place in range(count):
        begin, processor = time.perf_counter(), time.process_time()
        work(place)
        taken.append(1e3 * (time.perf_counter() - begin))
        used.append(1e3 * (time.process_time() - processor))
    numbers = (*np.quantile(taken, (0.5, 0.95)), max(taken), *np.quantile(used, (0.5, 0.95)))
    print(f"{what:<44}" + "".join(f" {number:8.1f}" for number in numbers), flush=True)


def fill(path: Path, count: int, seed: int) -> None:
    """Make a catalogue, and print how fast that was."""
    print(f"{count:,} papers; memory before: {peak():.0f} MB")
    written = processor = 0.0

    def stream() -> Iterator[Listing]:
        """The papers, without the time that it takes to invent them."""
        nonlocal written, processor
        papers = Writer(seed).papers(count)
        while True:
            begin, used = time.perf_counter(), time.process_time()
            paper = next(papers, None)
            written += time.perf_counter() - begin
            processor += time.process_time() - used
            if paper is None:
                return
            yield paper

    with Catalogue(path) as catalogue:
        begin, used = time.perf_counter(), time.process_time()
        report = catalogue.add_listings("made up", "json lines", stream())
        seconds, used = time.perf_counter() - begin - written, time.process_time() - used - processor
        rates = f"{report.new / seconds:,.0f} papers a second of the clock, {report.new / used:,.0f} of the processor"
        print(f"import: {rates}; {peak():.0f} MB; file {path.stat().st_size / 1e6:.0f} MB")
        some, before = list(Writer(seed).papers(min(count, 2_000))), catalogue.version()
        begin = time.perf_counter()
        same = catalogue.add_listings("made up", "json lines", iter(some))
        seconds = time.perf_counter() - begin
        writes = catalogue.version() - before
        print(f"the first {len(some):,} again: {len(some) / seconds:,.0f} a second; new {same.new}, writes {writes}")


def measure(path: Path, seed: int) -> None:
    """Time what a reader does with a catalogue."""
    with Catalogue(path) as catalogue:
        count = catalogue.count()
        writer = Writer(seed)
        writer.rng = np.random.default_rng(seed + 1)
        queries = writer.queries(200)
        since = Filter(since=date(2026, 1, 1))
        starts = writer.rng.integers(max(count - 50, 1), size=50).tolist()
        print(f"{count:,} papers; milliseconds of the clock, and of the processor")
        print(f"{'':<44} {'median':>8} {'p95':>8} {'worst':>8} {'median':>8} {'p95':>8}")

        def found(place: int) -> object:
            """Ten results as papers."""
            return catalogue.many([number for number, _ in catalogue.words(queries[place], limit=10)])

        timed("search by words, 100 results", lambda at: catalogue.words(queries[at]), len(queries))
        timed("search by words since a date", lambda at: catalogue.words(queries[at], since), len(queries))
        timed("search by words, 10 results as papers", found, len(queries))
        timed("50 papers by date", lambda at: catalogue.papers(), 50)
        timed("50 papers by trending", lambda at: catalogue.papers(order="trending"), 50)
        timed("50 papers by title", lambda at: catalogue.papers(order="title"), 50)
        timed("50 papers by date, from a random place", lambda at: catalogue.papers(offset=starts[at]), 50)
        timed("count", lambda at: catalogue.count(), 20)
        timed("count since a date", lambda at: catalogue.count(since), 20)
        page = Filter(source="made up")
        timed("count of a page's papers", lambda at: catalogue.count(page), 5)
        timed("50 papers of a page by date", lambda at: catalogue.papers(page), 20)
        timed("sources", lambda at: catalogue.sources(), 5)
        timed("one paper", lambda at: catalogue.paper(1 + at), 200)
    print(f"peak memory {peak():.0f} MB")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, help="where the catalogue goes; gone at the end by default")
    parser.add_argument("--open", type=Path, default=None, help="measure the catalogue that --keep left, anew")
    args = parser.parse_args()
    if args.open is not None:
        measure(args.open, args.seed)
        return
    if args.keep is not None and args.keep.exists():
        sys.exit(f"{args.keep} is there already; name a new file, or measure it with --open")
    with tempfile.TemporaryDirectory() as folder:
        path = args.keep or Path(folder) / "papers.db"
        fill(path, args.papers, args.seed)
        measure(path, args.seed)


if __name__ == "__main__":
    main()
