"""`trimtab papers`: what its commands print, keep and refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from trimtab.papers import Catalogue, Filter

DENSITY = {
    "title": "Kernel density estimators in large dimensions",
    "abstract": "Density in many dimensions.",
    "published": "2024-08-11",
    "arxiv": "2408.05807",
    "authors": ["Giulio Biroli", "Marc Mezard"],
}
LAMPS = {
    "title": "Slow lamps for long winter nights",
    "abstract": "Lamps are tuned by their light.",
    "published": "2026-01-05",
    "author_count": 3,
}
PAGE = f"{json.dumps(DENSITY)}\n{json.dumps(LAMPS)}\nnot json\n"
OTHER = """\
@article{lamps, title = {Slow Lamps for Long Winter Nights}, author = {Watt, Bo and Moss, Al}, year = {2026}}
@article{ropes, title = {Counting knots in ropes of sand}, author = {Moss, Al}, year = {2025}}
"""
SYSTEMS = """\
n\tsystem\troom\trole\tworks when
1\tWinter lamps\tworkloads/fields\ttune lamps by light\tit shines
2\tQuasars\texplain\tfar\tnever
"""


@pytest.fixture
def kept(here, monkeypatch):
    """The path of a catalogue that every command finds."""
    path = here / "papers.db"
    monkeypatch.setenv("TRIMTAB_CATALOGUE", str(path))
    (here / "page.jsonl").write_text(PAGE)
    (here / "other.bib").write_text(OTHER)
    (here / "systems.tsv").write_text(SYSTEMS)
    return path


@pytest.fixture
def filled(kept, trimtab):
    ran = trimtab("papers", "import", "page.jsonl", "other.bib", "--systems", "systems.tsv", "--no-meaning")
    assert ran.status == 0, ran.err
    return kept


def test_import_tells_what_it_did(kept, trimtab):
    ran = trimtab(
        "papers", "import", "page.jsonl", "other.bib", "--systems", "systems.tsv", "--no-meaning", "-f", "json"
    )
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    assert {name: told[name] for name in ("listings", "papers", "new", "merged", "in_catalogue")} == {
        "listings": 4,
        "papers": 3,
        "new": 3,
        "merged": 1,
        "in_catalogue": 3,
    }
    assert [page["source"] for page in told["pages"]] == ["page.jsonl", "other.bib"]
    assert [(page["listings"], page["new"], page["merged"]) for page in told["pages"]] == [(2, 2, 0), (2, 1, 1)]
    [warning] = [warning for warning in told["warnings"] if warning["source"] == "page.jsonl"]
    assert warning["line"] == 3
    assert "not json" in warning["text"]
    assert [one["text"] for one in told["pages"][0]["warnings"]] == [warning["text"]]
    assert told["systems"] == {"matched": 1, "unmatched": [{"n": 2, "system": "Quasars", "room": "explain"}]}
    again = json.loads(trimtab("papers", "import", "page.jsonl", "--no-meaning", "-f", "json").out)
    assert (again["listings"], again["papers"], again["new"], again["merged"]) == (2, 2, 0, 0)
    assert again["systems"] == told["systems"]  # the table is kept


def test_import_on_a_screen_and_as_csv(kept, trimtab):
    ran = trimtab("papers", "import", "page.jsonl", "--no-meaning")
    assert "page.jsonl (json lines): 2 listings of 2 papers, 2 new, 0 known from elsewhere" in ran.out
    assert "line 3" in ran.out
    assert f"{kept} has 2 papers; 1 of them run here" in ran.out
    rows = list(csv.DictReader(io.StringIO(trimtab("papers", "import", "other.bib", "--no-meaning", "-f", "csv").out)))
    assert [(row["source"], row["new"], row["merged"]) for row in rows] == [("other.bib", "1", "1")]


def test_a_page_that_cannot_be_read_does_not_stop_the_others(kept, trimtab):
    ran = trimtab("papers", "import", "none.txt", "page.jsonl", "--no-meaning", "-f", "json")
    assert ran.status == 1
    assert "none.txt" in ran.err
    assert (json.loads(ran.out)["new"], len(json.loads(ran.out)["failed"])) == (2, 1)
    assert trimtab("papers", "import", "none.txt", "--no-meaning").status == 2
    ran = trimtab("papers", "import")
    assert (ran.status, ran.out) == (2, "")
    assert "nothing to import" in ran.err


def test_looking_makes_no_catalogue(kept, trimtab):
    for words in (["search", "lamps"], ["show", "1"], ["related", "1"], ["subscribe"], ["feed"]):
        ran = trimtab("papers", *words)
        assert ran.status == 2
        assert "there is no catalogue of papers yet" in ran.err
        assert "trimtab papers import FILE" in ran.err
    assert not kept.exists()


def test_search(filled, trimtab):
    ran = trimtab("papers", "search", "winter", "lamps")
    assert ran.status == 0
    assert "Slow lamps for long winter nights" in ran.out
    [first, *_] = json.loads(trimtab("papers", "search", "density", "estimators", "-f", "json").out)
    assert (first["number"], first["published"], first["runs"]) == (1, "2024-08-11", ["tpe"])
    assert first["why"]["words"] == 1
    assert "no paper has these words" in trimtab("papers", "search", "xylophone").out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--runs"], [1]),
        (["--runs-not"], [2, 3]),
        (["--since", "2025-01-01"], [2, 3]),
        (["--until", "2024-12-31"], [1]),
        (["--source", "other.bib"], [2, 3]),
        (["--tag", "glow"], [2]),
        (["--limit", "1", "--source", "page.jsonl"], None),
    ],
)
def test_search_filters(filled, trimtab, options, expected):
    with Catalogue(filled) as catalogue:
        catalogue.set_tags(2, ["glow"])
    found = json.loads(trimtab("papers", "search", "density lamps knots ", *options, "-f", "json").out)
    assert sorted(one["number"] for one in found) == expected or (expected is None and len(found) == 1)


def test_filters_that_cannot_be_are_told(filled, trimtab):
    assert (
        "no page of this name; got 'x'; allowed: page.jsonl, other.bib"
        in trimtab("papers", "search", "a", "--source", "x").err
    )
    assert "no paper has this tag; got 'x'" in trimtab("papers", "search", "a", "--tag", "x").err
    assert trimtab("papers", "search", "a", "--since", "yesterday").status == 2


def test_show(filled, trimtab):
    out = trimtab("papers", "show", "1").out
    for text in (
        "Kernel density estimators in large dimensions",
        "Giulio Biroli, Marc Mezard",
        "2024-08-11  arXiv:2408.05807",
        "runs here: tpe",
        "trimtab run FILE.py --tuner tpe",
        "tuners/values/tpe.py",
    ):
        assert text in out
    assert "does not run here yet: Winter lamps, in the room workloads/fields" in trimtab("papers", "show", "2").out
    row = json.loads(trimtab("papers", "show", "1", "-f", "json").out)
    assert row["authors"] == ["Giulio Biroli", "Marc Mezard"]
    assert row["methods"][0]["call"] == "trimtab run FILE.py --tuner tpe"
    [line] = csv.DictReader(io.StringIO(trimtab("papers", "show", "2", "-f", "csv").out))
    assert line["title"] == "Slow lamps for long winter nights"
    ran = trimtab("papers", "show", "77")
    assert ran.status == 2
    assert "no paper of the catalogue has this number" in ran.err


def test_hostile_titles_are_shown_plainly(kept, here, trimtab):
    (here / "bad.jsonl").write_text(
        json.dumps({"title": "[red]\x1b[31mRed =SUM(A1) alarm of the ovens", "abstract": "[bold]x"})
    )
    trimtab("papers", "import", "bad.jsonl", "--no-meaning")
    for words in (["show", "1"], ["search", "alarm"]):
        out = trimtab("papers", *words).out
        assert "\x1b" not in out
        assert "[red]" in out


def test_related(filled, trimtab):
    found = json.loads(trimtab("papers", "related", "2", "-f", "json").out)
    assert 2 not in [one["number"] for one in found]
    assert trimtab("papers", "related", "77").status == 2


def test_feed(filled, here, trimtab):
    pytest.importorskip("jinja2")
    pytest.importorskip("starlette")
    atom = trimtab("papers", "feed", "--base-url", "https://example.org/r/", "--runs").out
    assert atom.count("<entry>") == 1
    assert "https://example.org/r/paper/1" in atom
    assert len(json.loads(trimtab("papers", "feed", "-f", "json").out)["items"]) == 3
    assert "written" in trimtab("papers", "feed", "-o", "feed.xml").out
    assert (here / "feed.xml").read_text().count("<entry>") == 3


def test_subscriptions_are_made_listed_and_ended(filled, trimtab):
    assert "no subscription yet" in trimtab("papers", "subscribe").out
    out = trimtab("papers", "subscribe", "ada@example.org", "winter", "lamps", "--every", "weekly").out
    assert "1  ada@example.org: papers with 'winter lamps', weekly" in out
    [row] = json.loads(trimtab("papers", "subscribe", "-f", "json").out)
    assert (row["address"], row["query"], row["every"], row["ended"]) == (
        "ada@example.org",
        "winter lamps",
        "weekly",
        False,
    )
    assert "ended" in trimtab("papers", "subscribe", "--end", "1").out
    assert json.loads(trimtab("papers", "subscribe", "-f", "json").out) == []
    assert trimtab("papers", "subscribe", "not an address").status == 2
    assert trimtab("papers", "subscribe", "ada@example.org", "--end", "1").status == 2


def test_digest_tells_of_a_server_that_is_not_there(filled, trimtab, monkeypatch):
    monkeypatch.setenv("TRIMTAB_SMTP_PASSWORD", "secret")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens here
        url = f"smtp+plain://127.0.0.1:{taken.getsockname()[1]}"
        trimtab("papers", "subscribe", "ada@example.org")
        ran = trimtab("papers", "digest", "--smtp", url, "--sender", "papers@example.org")
        assert ran.status == 1
        assert "1 made, 0 sent" in ran.out
        assert ran.err.strip()
        assert "secret" not in ran.out + ran.err
    assert trimtab("papers", "digest", "--smtp", "http://x", "--sender", "papers@example.org").status == 2


def test_serve_needs_a_token_where_others_can_reach_it(kept, trimtab):
    ran = trimtab("papers", "serve", "--host", "0.0.0.0")
    assert ran.status == 2
    assert "needs a token" in ran.err
    assert "TRIMTAB_PAPERS_TOKEN=" in ran.err
    assert not kept.exists()


def test_serve_says_where_it_is_and_answers(filled):
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    words = [sys.executable, "-m", "trimtab", "papers", "serve", "--port", "0"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("3 papers, at http://127.0.0.1:")
            assert "Slow lamps for long winter nights" in _get(line.split()[-1])
        finally:
            server.terminate()
    assert server.returncode in (0, -15, 143)


def _get(address):
    """A page of a server that may still be starting."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_the_python_side_sees_what_the_commands_did(filled):
    with Catalogue(filled) as catalogue:
        assert catalogue.numbers(Filter(runs=True)).tolist() == [1]
