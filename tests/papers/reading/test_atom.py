"""Atom feeds as the arXiv gives them, and feeds that attack."""

from __future__ import annotations

import io
from datetime import date

import pytest

from trimtab.papers.reading.atom import read_atom
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
  <title>ArXiv Query</title><id>http://arxiv.org/api/x</id><author><name>Nobody</name></author>
  <entry>
    <id>http://arxiv.org/abs/2310.20708v3</id><updated>2024-01-05T00:00:00Z</updated>
    <published>2023-10-31T17:59:58Z</published>
    <title>Rudders and
      Tabs of $L^2$ in Schr\\"odinger &amp; Co.</title>
    <summary>  We propose a gauge,
  and show &lt;it&gt; works.
    </summary>
    <author><name>Ada Vane</name>
      <arxiv:affiliation xmlns:arxiv="http://arxiv.org/schemas/atom">Sea</arxiv:affiliation></author>
    <author><name>Jos\u00e9 Mast</name></author>
    <arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.1000/ABC.1</arxiv:doi>
    <link href="http://arxiv.org/abs/2310.20708v3" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/2310.20708v3" rel="related"/>
  </entry>
  <entry><id>tag:a,2024:1</id><title type="html">A &lt;b&gt;bold&lt;/b&gt; title</title>
  <updated>2024-02-01T00:00:00Z</updated>
  <link title="doi" href="http://dx.doi.org/10.1000/xyz" rel="related"/></entry>
  <entry><id>http://arxiv.org/api/errors#bad</id><title>Error</title><summary>incorrect id format</summary></entry>
</feed>"""


def read(feed: str | bytes) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    raw = feed if isinstance(feed, bytes) else feed.encode()
    return list(read_atom(io.BytesIO(raw), told)), told.misread()


def test_a_feed_of_the_arxiv() -> None:
    (first, second), misread = read(FEED)
    assert first == Listing(
        "Rudders and Tabs of $L^2$ in Schrödinger & Co.",
        "We propose a gauge, and show <it> works.",
        ("Ada Vane", "José Mast"),
        2,
        date(2023, 10, 31),
        arxiv="2310.20708",
        doi="10.1000/abc.1",
        url="http://arxiv.org/abs/2310.20708v3",
        line=4,
    )
    assert (second.title, second.doi, second.published, second.url) == (
        "A bold title",
        "10.1000/xyz",
        date(2024, 2, 1),
        "",
    )
    assert [row.why for row in misread] == [
        "no date of publication; that of the last change was taken",
        "an error of the arXiv, not a paper",
    ]


def test_other_encodings_and_prefixes() -> None:
    feed = FEED.replace("<feed xmlns=", "<a:feed xmlns:a=").replace("</feed>", "</a:feed>")
    for name in ("entry", "id", "title", "summary", "author", "name", "published", "updated", "link"):
        feed = (
            feed.replace(f"<{name}>", f"<a:{name}>")
            .replace(f"</{name}>", f"</a:{name}>")
            .replace(f"<{name} ", f"<a:{name} ")
        )
    assert [x.title for x in read(feed)[0]] == [x.title for x in read(FEED)[0]]
    latin = FEED.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    wide = FEED.replace("UTF-8", "UTF-16").encode("utf-16")
    assert read(latin)[0] == read(wide)[0] == read(FEED)[0]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 20))


@pytest.mark.parametrize(
    "prolog",
    [
        f'<!DOCTYPE feed [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE feed [<!ENTITY l19 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE feed SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE feed [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
    ],
)
def test_document_types_and_their_entities_are_refused(prolog: str) -> None:
    entry = "<entry><title>&l19;</title></entry>"
    feed = f'<?xml version="1.0"?>{prolog}<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'
    listings, (told,) = read(feed)
    assert listings == []
    assert "document type" in told.why


def test_what_came_before_the_break_is_kept() -> None:
    whole, _ = read(FEED)
    broken = FEED.replace("<entry><id>tag", "<entry><id>&nothing;tag")
    listings, misread = read(broken)
    assert listings == whole[:1]
    assert misread[-1].line == 19
    assert "undefined entity" in misread[-1].why


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("<a>" * 5_000, "nested deeper"),
        ("<a " + "b" * 3_000_000, "a tag of more than"),
        ("<a b='" + "c" * 3_000_000, "a tag of more than"),
        ("<entry><title>" + "d" * 3_000_000, "a text of more than"),
    ],
)
def test_depth_and_size_are_bounded(part: str, why: str) -> None:
    listings, misread = read(FEED.replace("</feed>", part))
    assert len(listings) == 2
    assert any(why in row.why for row in misread)


def test_another_document_is_no_feed() -> None:
    listings, (told,) = read("<rss><channel><item><title>No</title></item></channel></rss>")
    assert listings == []
    assert "'rss'" in told.why
