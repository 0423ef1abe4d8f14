"""Doors: who may read, what a page may load, whose forms count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from trimtab.papers.reader.assets import assets
from trimtab.papers.reader.guard import CSRF_COOKIE

Reader = Callable[..., Any]


def field(text: str, name: str) -> str:
    return text.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]


def test_every_answer_forbids_what_is_not_its_own(reader: Reader) -> None:
    client = TestClient(reader(3))
    for path in ("/", "/search?q=x", "/paper/1", "/paper/99", "/nothing", "/feed.atom", "/?since=never"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_a_foreign_name_for_the_loopback_address_is_refused(reader: Reader) -> None:
    client = TestClient(reader(3))
    for host in ("evil.example", "127.0.0.1.evil.example", "", "evil.example:80"):
        answer = client.get("/", headers={"host": host})
        assert answer.status_code == 421
        assert "Next:" in answer.text
        assert "part 1" not in answer.text
    for host in ("localhost:8771", "127.0.0.1", "[::1]:8771"):
        assert client.get("/", headers={"host": host}).status_code == 200


def test_a_token_is_asked_for_once_and_does_not_stay_in_the_address(reader: Reader) -> None:
    client = TestClient(reader(3, token="right"), follow_redirects=False)
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    sent_on = client.get("/paper/1?token=right&x=1", headers={"host": "papers.example"})
    assert sent_on.status_code == 303
    assert sent_on.headers["location"] == "/paper/1?x=1"
    cookie = sent_on.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/paper/1").status_code == 200
    assert client.get("/static/anything").status_code == 404
    assert TestClient(client.app).get("/static/anything").status_code == 401


def test_a_path_of_two_slashes_leads_nowhere_else(reader: Reader) -> None:
    client = TestClient(reader(0, token="right"), follow_redirects=False)
    answer = client.get("http://testserver//evil.example/?token=right")
    assert answer.headers.get("location", "/").startswith("/evil.example")


@pytest.mark.parametrize(("kind", "value"), [("vote", "1"), ("reading", "1"), ("note", "mine"), ("tags", "a, b")])
def test_a_form_counts_from_the_readers_own_pages_only(reader: Reader, kind: str, value: str) -> None:
    app = reader(3)
    client = TestClient(app, follow_redirects=False)
    before = app.state.catalogue.paper(1)
    stranger = client.post(f"/paper/1/{kind}", data={"value": value})
    assert stranger.status_code == 403
    assert "not sent from a page" in stranger.text
    form = field(client.get("/paper/1").text, "form")
    foreign = client.post(
        f"/paper/1/{kind}", data={"form": form, "value": value}, headers={"origin": "https://evil.example"}
    )
    forged = client.post(f"/paper/1/{kind}", data={"form": form + "x", "value": value})
    assert foreign.status_code == forged.status_code == 403
    assert app.state.catalogue.paper(1) == before
    own = client.post(f"/paper/1/{kind}", data={"form": form, "value": value}, headers={"origin": "http://testserver"})
    assert own.status_code == 303
    assert own.headers["location"] == "/paper/1"
    assert app.state.catalogue.paper(1) != before


def test_marks_are_checked(reader: Reader) -> None:
    client = TestClient(reader(3), follow_redirects=False)
    form = field(client.get("/paper/1").text, "form")

    def post(path: str, value: str) -> int:
        return client.post(path, data={"form": form, "value": value}).status_code

    assert post("/paper/1/vote", "7") == 400
    assert post("/paper/1/reading", "") == 400
    assert post("/paper/1/nothing", "1") == 404
    assert post("/paper/99/vote", "1") == 404
    assert post("/paper/1/note", "x" * 300_000) == 413
    assert client.get("/paper/1/vote").status_code in (404, 405)


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/%2e%2e/etc/passwd", "reader.css", ""])
def test_only_the_readers_own_files_are_served(reader: Reader, name: str) -> None:
    assert TestClient(reader(0)).get(f"/static/{name}").status_code == 404


def test_files_may_be_kept_for_ever(reader: Reader) -> None:
    client = TestClient(reader(0))
    for name, asset in assets().items():
        answer = client.get(f"/static/{name}")
        assert answer.content == asset.content
        assert "immutable" in answer.headers["cache-control"]


def test_the_reader_can_be_mounted(reader: Reader) -> None:
    client = TestClient(Starlette(routes=[Mount("/papers", reader(60))]), follow_redirects=False)
    page = client.get("/papers/").text
    for address in [part.split('"')[0] for part in page.split('href="')[1:]]:
        assert address.startswith(("/papers/", "#", "?")), address
    form = field(client.get("/papers/paper/1").text, "form")
    assert client.cookies.get(CSRF_COOKIE) == form
    answer = client.post("/papers/paper/1/reading", data={"form": form, "value": "1"})
    assert answer.headers["location"] == "/papers/paper/1"
    assert "part 1<" in client.get("/papers/reading").text
    assert client.get("/papers/search?q=privacy").status_code == 200
