"""What the pages say, by the application itself; how they look is the browser's test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from starlette.testclient import TestClient

from trimtab.papers.records import Listing

Reader = Callable[..., Any]

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> $\\text{<script>alert(3)</script>}$"


def test_the_feed_goes_day_by_day_and_page_by_page(reader: Reader) -> None:
    client = TestClient(reader(120))
    first = client.get("/").text
    assert first.index("31 January 2026") < first.index("30 January 2026")
    assert first.count('class="entry"') == 50
    seen: list[str] = []
    for page in (1, 2, 3):
        text = client.get(f"/?page={page}").text
        seen += [part.split('"')[0] for part in text.split('data-paper="')[1:]]
    assert sorted(map(int, seen)) == list(range(1, 121))
    assert 'rel="next"' not in client.get("/?page=3").text


def test_an_empty_catalogue_says_what_to_do(reader: Reader) -> None:
    client = TestClient(reader(0))
    for path in ("/", "/trending", "/sources"):
        assert "trimtab papers import" in client.get(path).text
    assert client.get("/search?q=anything").status_code == 200
    assert client.get("/themes").status_code == 200


def test_a_filter_keeps_what_passes(reader: Reader) -> None:
    client = TestClient(reader(40))
    one_day = client.get("/?since=2026-01-30&until=2026-01-30").text
    assert one_day.count('class="entry"') == 4
    assert "(4 of 40)" in one_day
    assert client.get("/?runs=1").text.count('class="entry"') == 1
    assert "No paper passes" in client.get("/?tag=none").text
    for bad, word in (
        ("since=yesterday", "not a day"),
        ("runs=perhaps", "allowed"),
        ("page=0", "page"),
        ("page=x", "1 to"),
    ):
        answer = client.get(f"/?{bad}")
        assert answer.status_code == 400
        assert word in answer.text


def test_a_paper_says_what_runs_here_and_how(reader: Reader) -> None:
    client = TestClient(reader(5))
    page = client.get("/paper/1").text
    assert "trimtab run train.py --tuner gp" in page
    assert "tuners/values" in page
    assert "<math" in page
    assert "made-up.txt" in page
    unknown = client.get("/paper/77")
    assert unknown.status_code == 404
    assert "no such paper" in unknown.text


def test_marks_are_kept_and_shown(reader: Reader) -> None:
    app = reader(5)
    client = TestClient(app)
    form = client.get("/paper/2").text.split('name="form" value="', 1)[1].split('"', 1)[0]
    told = client.post(
        "/paper/2/vote", data={"form": form, "value": "1"}, headers={"accept": "application/json"}
    ).json()
    assert told == {"vote": 1, "votes": app.state.catalogue.paper(2).votes, "reading": False}
    client.post("/paper/2/tags", data={"form": form, "value": "b,  a ,,b"})
    client.post("/paper/2/note", data={"form": form, "value": "look <again>"})
    page = client.get("/paper/2").text
    assert 'value="a, b"' in page
    assert "look &lt;again&gt;" in page
    assert client.get("/?tag=a").text.count('class="entry"') == 1


@pytest.mark.parametrize("title", [HOSTILE, "x" * 10_000, "\u202eright to left", "😀" * 50])
def test_any_title_is_text(reader: Reader, title: str) -> None:
    listing = Listing(title, f"About {title}", authors=(title[:200],), published=date(2026, 2, 1))
    client = TestClient(reader(3, listing))
    for path in ("/", "/paper/4", "/search?q=about", "/search/live?q=about", "/themes", "/trending"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text


def test_live_results_are_the_results_of_the_page(reader: Reader) -> None:
    client = TestClient(reader(30))
    whole, part = client.get("/search?q=privacy+noise").text, client.get("/search/live?q=privacy+noise").text
    assert part.count('class="entry"') == whole.count('class="entry"') > 0
    assert "<html" not in part
    assert "<mark>" in part


def test_a_search_is_filtered_by_the_same_form(reader: Reader) -> None:
    client = TestClient(reader(40))
    page = client.get("/search?q=noise&since=2026-01-30&until=2026-01-30")
    assert page.status_code == 200
    assert 'type="hidden" name="q" value="noise"' in page.text
    assert 'name="since" value="2026-01-30"' in page.text
    wider = client.get("/search?q=noise")
    assert 0 < page.text.count('class="entry"') < wider.text.count('class="entry"')
    assert client.get("/search?q=noise&since=soon").status_code == 400
