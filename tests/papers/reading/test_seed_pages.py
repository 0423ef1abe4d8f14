"""The five listing pages that the methods come from, against a reading that shares no code with the reader."""

from __future__ import annotations

import random
import re
from datetime import date
from pathlib import Path

import pytest

from trimtab.papers import identity
from trimtab.papers.reading import read_page, read_pages
from trimtab.papers.records import Listing, Page

SEEDS = Path(__file__).parents[3].parent / "shared" / "seeds"
PATHS = sorted(SEEDS.glob("*.txt"))
TODAY = date(2026, 11, 26)
MONTHS = {date(2000, n, 1).strftime("%b"): n for n in range(1, 13)}

pytestmark = pytest.mark.skipif(not PATHS, reason="the listing pages are not beside the project")

# What the pages broke, and what stands there: written by hand, longer ones first.
REPAIRS = [
    ("{rdbch.github.io/ClaraVid}", ""),
    (r"{raise.17ex\scriptstyle\sim}", "∼"),
    (r"\url{https", "https"),
    (r"Fr\'echet", "Fréchet"),
    (r"Schr\"odinger", "Schrödinger"),
    (r"\%", "%"),
    (".\\ ", ". "),
    ("mathcal{O}", "O"),
    ("varepsilon", "ε"),
    ("varphi", "φ"),
    ("{times}", "×"),
    ("{=}", "="),
    ("{+}", "+"),
    ("{-}", "-"),
    ("{<}", "<"),
    ("{to}", "→"),
]


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return read_pages(PATHS, today=TODAY)


def by_hand(text: str) -> str:
    text = re.sub(r"\{\\(?:em|it) ([^{}]*)\}", r"\1", text)
    for broken, whole in REPAIRS:
        text = text.replace(broken, whole)
    return text


def entries(path: Path) -> list[dict[str, object]]:
    """The entries of a page, read from the shape of the file: an abstract is a line of 500 characters or more, its
    title the line two before, and the four lines behind it hold its numbers.
    """
    rows = path.read_text(encoding="utf-8").split("\n")
    found: list[dict[str, object]] = []
    for at, row in enumerate(rows):
        if len(row) < 500:
            continue
        about = rows[at + 1 : at + 5]
        count = next((int(row.split()[1]) for row in about if row.startswith("  • ")), None)
        day, comments = None, None
        if count is not None:
            words = about[3].replace(",", "").split()
            year = int(words.pop(2)) if len(words) > 2 and len(words[2]) == 4 else 2026
            day = date(year, MONTHS[words[0]], int(words[1]))
            comments = int(words[2]) if len(words) > 2 else None
        found.append(
            {"line": at - 1, "title": rows[at - 2], "abstract": row, "count": count, "day": day, "comments": comments}
        )
    return found


def test_the_listings_are_as_many_as_a_count_of_the_lines_of_authors_says(pages: list[Page]) -> None:
    bullets = [
        sum(row.strip().startswith("•") for row in path.read_text(encoding="utf-8").split("\n")) for path in PATHS
    ]
    counted = [sum(listing.author_count is not None for listing in page.listings) for page in pages]
    assert counted == bullets == [19, 42, 33, 0, 29]
    # The entries without that line: those of the fourth page, and one of the last.
    assert [len(page.listings) for page in pages] == [len(entries(path)) for path in PATHS] == [19, 42, 33, 57, 30]


def test_the_papers_are_as_many_as_there_are_titles(pages: list[Page]) -> None:
    titles = {re.sub(r"[^a-z0-9]", "", str(entry["title"]).lower()) for path in PATHS for entry in entries(path)}
    found: list[set[str]] = []
    for listing in (listing for page in pages for listing in page.listings):
        keys = set(identity.keys(listing))
        joined = [other for other in found if other & keys]
        found = [other for other in found if not other & keys] + [keys.union(*joined)]
    assert len(found) == len(titles) == 155


def test_a_paper_of_several_pages_is_one(pages: list[Page]) -> None:
    """Every title that occurs on several pages, word for word, is one paper by its keys."""
    groups: dict[str, list[Listing]] = {}
    for listing in (listing for page in pages for listing in page.listings):
        groups.setdefault(listing.title, []).append(listing)
    repeated = [group for group in groups.values() if len(group) > 1]
    assert len(repeated) > 10
    assert all(identity.same(group[0], other) for group in repeated for other in group)


def test_a_sample_of_sixty_entries_is_as_the_text_says(pages: list[Page]) -> None:
    rows = [(path, entry) for path in PATHS for entry in entries(path)]
    read = {(page.source, listing.line): listing for page in pages for listing in page.listings}
    for path, entry in random.Random(7).sample(rows, 60):
        listing = read[path.name, entry["line"]]  # type: ignore[index]
        assert listing.title == by_hand(str(entry["title"]))
        assert listing.abstract == by_hand(str(entry["abstract"]))
        assert (listing.author_count, listing.published, listing.comments) == (
            entry["count"],
            entry["day"],
            entry["comments"],
        )


def test_every_line_is_used_or_told(pages: list[Page]) -> None:
    for path, page in zip(PATHS, pages, strict=True):
        told = {row.line for row in page.misread}
        used = {text for listing in page.listings for text in (listing.title, listing.abstract)}
        for number, row in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            furniture = number <= 11
            about = re.fullmatch(r"  • \d+ authors|·|[A-Z][a-z]{2} \d+(, \d{4})?( \d+)?", row)
            assert not row or furniture or about or number in told or by_hand(row) in used, (path.name, number)


def test_dates_without_a_year_are_all_told(pages: list[Page]) -> None:
    for path, page in zip(PATHS, pages, strict=True):
        rows = path.read_text(encoding="utf-8").split("\n")
        bare = [n for n, row in enumerate(rows, start=1) if n > 11 and re.fullmatch(r"[A-Z][a-z]{2} \d+( \d+)?", row)]
        assert [row.line for row in page.misread if "without a year" in row.why] == bare


def test_the_kind_is_seen_without_the_name(tmp_path: Path) -> None:
    for path in PATHS:
        copy = tmp_path / "page.bib"
        copy.write_bytes(path.read_bytes())
        assert read_page(copy, today=TODAY).kind == "daily papers"
