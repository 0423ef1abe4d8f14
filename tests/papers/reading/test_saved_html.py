"""Saved HTML: elements are known by their roles, whatever the classes are called."""

from __future__ import annotations

from datetime import date

import pytest

from trimtab.papers.reading.html_text import Start, Text, text_of_html, tokens
from trimtab.papers.reading.saved_html import read_saved_html
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread

TODAY = date(2026, 11, 26)
ABSTRACT = "We propose a gauge of how far a rudder turns before the ship does &amp; show that it is the tab which does."
TEXT = ABSTRACT.replace("&amp;", "&")

PAGE = f"""<!DOCTYPE html>
<!-- saved from url=(0031)https://papers.example.org/list -->
<html><head><meta charset="utf-8"><title>Daily Papers</title><script>var x = "<article><h3>No</h3>";</script>
<style>article {{ }}</style></head><body><nav>Subscribe</nav><p>Somewhere else</p>
<article class="zz1"><div><label><input type="checkbox"><svg><title>up</title></svg><div>1,204</div></label></div>
  <h3 class="q"><a href="/papers/2310.20708#top">Rudders <b>and</b>
     Tabs</a></h3>
  <p class="c">{ABSTRACT}</p>
  <ul><li>• 6 authors</li><li>·</li></ul><time datetime="2023-10-31T09:00:00Z">Oct 31</time>
  <a href="/papers/2310.20708#community"><svg></svg> 12</a><button>Share</button>
</article>
<div role="article"><h2>Second One</h2><div>{ABSTRACT}</div><div>• 2 authors</div><div>·</div><div>Jan 29 3</div>
<a href="https://arxiv.org/abs/2401.00001v2">arXiv page</a>
<span aria-label="7 upvotes"></span></div>
<article><h3><a href="javascript:alert(1)">&lt;script&gt;alert(1)&lt;/script&gt;</a></h3>
<ul><li title="Ada Vane"></li><li title="B. Mast"></li></ul><time>Feb 16, 2021</time></article>
</body></html>"""


def read(page: str) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    return list(read_saved_html(page, told, TODAY)), told.misread()


def test_a_saved_page() -> None:
    listings, misread = read(PAGE)
    first, second, third = listings
    assert first == Listing(
        "Rudders and Tabs",
        TEXT,
        (),
        6,
        date(2023, 10, 31),
        comments=12,
        votes=1204,
        arxiv="2310.20708",
        url="https://papers.example.org/papers/2310.20708#top",
        line=5,
    )
    assert (second.title, second.abstract, second.author_count, second.published) == (
        "Second One",
        TEXT,
        2,
        date(2026, 1, 29),
    )
    assert (second.comments, second.votes, second.arxiv) == (3, 7, "2401.00001")
    assert second.url == "https://arxiv.org/abs/2401.00001v2"
    # A script in a title is text; an address that would run one is none.
    assert (third.title, third.url, third.authors) == ("<script>alert(1)</script>", "", ("Ada Vane", "B. Mast"))
    assert third.published == date(2021, 2, 16)
    told = {row.text: row.why for row in misread}
    assert "without a year; 2026-01-29" in told["Jan 29 3"]
    assert "outside of the entries" in told["Somewhere else"]
    assert "none of its known parts" in told["Share"]
    assert "without an abstract" in told["<script>alert(1)</script>"]


def test_headings_with_links_stand_for_articles() -> None:
    page = "".join(
        f'<div><h3 class=a><a href="https://arxiv.org/abs/2310.2070{n}">Title {n}</a></h3>'
        f"<p>{ABSTRACT}</p><p>{n} authors</p></div>"
        for n in (1, 2, 3)
    )
    listings, _ = read(f"<html><body><h1>Daily Papers</h1>{page}</body></html>")
    assert [(x.title, x.arxiv, x.author_count, x.abstract) for x in listings] == [
        (f"Title {n}", f"2310.2070{n}", n, TEXT) for n in (1, 2, 3)
    ]


def test_a_page_without_either_is_read_as_text() -> None:
    page = (
        f"<div>Daily Papers</div><div>Jun 9</div><b>Rudders and Tabs</b><div>{ABSTRACT}</div>"
        "<p>• 6 authors</p><p>·</p><p>Nov 8, 2023</p>"
    )
    (listing,), misread = read(page)
    assert (listing.title, listing.abstract, listing.author_count) == ("Rudders and Tabs", TEXT, 6)
    assert listing.published == date(2023, 11, 8)
    assert "read as text" in misread[0].why


@pytest.mark.parametrize("closing", ["", "</article>"])
def test_articles_that_do_not_close_end_at_the_next(closing: str) -> None:
    page = "".join(f"<article><h3>Title {n}</h3><p>{ABSTRACT}{closing}" for n in range(5))
    listings, _ = read(page)
    assert [(x.title, x.abstract) for x in listings] == [(f"Title {n}", TEXT) for n in range(5)]


def test_numbers_count_what_they_are_marked_as() -> None:
    page = (
        f"<article><h3><a href='/papers/2310.20708'>T</a></h3><p>{ABSTRACT}</p><span>Published on Oct 31, 2023</span>"
        "<div><a href='https://github.com/a/b'><svg></svg><div>356</div></a></div><div>Upvote <b>41</b></div>"
        "<div>1,002 comments</div></article>"
    )
    (listing,), misread = read(page)
    assert (listing.published, listing.votes, listing.comments) == (date(2023, 10, 31), 41, 1002)
    assert [row.text for row in misread] == ["356"]


def test_some_names_of_many_authors_are_not_all() -> None:
    (listing,), misread = read(
        f"<article><h3>T</h3><li title='Ada Vane'></li><p>{ABSTRACT}</p><p>9 authors</p></article>"
    )
    assert (listing.authors, listing.author_count) == ((), 9)
    assert ["only some of the authors" in row.why for row in misread] == [True]


def test_tokens_are_those_of_the_standard() -> None:
    page = "<a HREF='x&amp;y' b c=d/e>t &lt; <br/><!-- <p> --></a ><script>if (a < b) '</p>'</script><svg><p>q<3"
    found = list(tokens(page))
    assert found[0] == Start(1, "a", {"href": "x&y", "b": "", "c": "d/e"})
    assert [token.tag for token in found if isinstance(token, Start)] == ["a", "br", "script", "svg", "p"]
    assert "".join(token.text for token in found if isinstance(token, Text)) == "t < q<3"
    assert text_of_html("a<br>b&nbsp;c&#" + "9" * 5_000).startswith("a b&nbsp;c&#99")


def test_broken_tags_are_read_in_linear_time() -> None:
    """The standard library's parser of some versions takes minutes for each of these."""
    for part in (
        "<",
        "<a ",
        "<a b=",
        '<a b="',
        "<!--",
        "<![CDATA[",
        "</a ",
        "<?",
        "<div>",
        "<a = ",
        "<a /",
        "&#",
        "<article>",
    ):
        page = "<article><h3>Title</h3>" + part * (40_000 // len(part))
        listings, _ = read(page)
        assert listings[0].title == "Title"
