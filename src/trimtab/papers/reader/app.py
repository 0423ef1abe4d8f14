"""`make_app`: the reader as an application that a server runs, or another application mounts.

All links are made from the mount's own path. Pages are made on the server and work without a script. What a reader
marks (votes, notes, tags, the reading list) is kept in the catalogue and told to nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.catalogue.words import words_of
from trimtab.papers.digest.web import unsubscribe_routes
from trimtab.papers.reader.assets import asset_name, assets
from trimtab.papers.reader.feeds import feed_atom, feed_json
from trimtab.papers.reader.guard import CSRF_COOKIE, Guard, form_token, same_origin
from trimtab.papers.reader.kept import Kept, Later
from trimtab.papers.reader.tex import html_of
from trimtab.papers.reader.views import Asked, day_name, feed_groups, themes_view
from trimtab.papers.records import Filter
from trimtab.papers.search import related, search

__all__ = ["make_app"]

_MOST_BODY = 200_000
_MOST_QUERY = 500
_RESULTS = 30
_PATIENCE = 2.0  # seconds that the page of themes waits before it says that it will come
_NEXT = "Go back to the newest papers by the name of the page at the top left."


def make_app(catalogue: str | os.PathLike[str] | None = None, *, token: str | None = None) -> Starlette:
    """The reader of a catalogue.

    Arguments:
        catalogue: path of the catalogue; by default that of the user's data folder. It is made where it is missing.
        token: what a request must know, where others than the user of this machine can reach it; None on the
            loopback address.

    Raises:
        StorageError: the catalogue cannot be opened.
        MissingExtra: a library of the extra `papers` is missing.
    """
    pages = _Pages(Catalogue(catalogue))
    routes = [
        Route("/", pages.feed, name="feed"),
        Route("/trending", pages.feed, name="trending"),
        Route("/reading", pages.feed, name="reading"),
        Route("/search", pages.search, name="search"),
        Route("/search/live", pages.search, name="live"),
        Route("/paper/{number:int}", pages.paper, name="paper"),
        Route("/paper/{number:int}/{kind}", pages.mark, methods=["POST"], name="mark"),
        Route("/themes", pages.themes, name="themes"),
        Route("/sources", pages.sources, name="sources"),
        Route("/feed.atom", pages.atom, name="atom"),
        Route("/feed.json", pages.json, name="json"),
        Route("/static/{name}", _asset, name="static"),
        *unsubscribe_routes(pages.catalogue),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={
            HTTPException: pages.refused,
            InvalidArgument: pages.misunderstood,
            UnknownName: pages.unknown,
        },
    )
    app.state.catalogue = pages.catalogue
    return app


def _asset(request: Request) -> Response:
    """A style sheet, a script or an icon; its name changes with its content."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404)
    keep = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset.content, media_type=asset.media_type, headers=keep)


class _Pages:
    """The handlers, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._jinja = Environment(
            loader=PackageLoader("trimtab.papers.reader"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._kept = Kept(catalogue)
        self._themes = Later(catalogue, ("papers", "vectors"), lambda: themes_view(catalogue))

    # Pages

    def feed(self, request: Request) -> Response:
        """The newest papers by day, the trending ones, or the reading list."""
        here = _path(request)
        asked, page = Asked.of(request.query_params), _page(request)
        where = asked.filter()
        if here == "/reading":
            where = Filter(where.since, where.until, where.source, where.runs, where.tag, reading=True)
        order: Literal["date", "trending"] = "trending" if here == "/trending" else "date"
        groups, more = feed_groups(self.catalogue, where, order, page)
        filtered = bool(asked.query())
        headings = {"/": "Newest papers", "/trending": "Trending papers", "/reading": "Reading list"}
        empty = "Your reading list is empty: the star of a paper puts it here."
        return self._page(
            request,
            "feed.html",
            heading=headings[here],
            groups=groups,
            more=more,
            page=page,
            page_link=lambda number: "?" + urlencode({**asked.query(), "page": number}),
            counted=self._kept.get((asked, here), (), lambda: self.catalogue.count(where)) if filtered else 0,
            **self._choices(asked),
            nothing=empty if here == "/reading" and not filtered else "No paper passes this filter.",
        )

    def search(self, request: Request) -> Response:
        """Results, as a page or as the part of one that changes while one types."""
        query = request.query_params.get("q", "")[:_MOST_QUERY].strip()
        asked = Asked.of(request.query_params)
        results = search(self.catalogue, query, asked.filter(), _RESULTS) if query else []
        said = f"{len(results)} papers, best first." if results else "No paper was found. Try fewer or other words."
        template = "results.html" if _path(request) == "/search/live" else "search.html"
        words = tuple(word for word in words_of(query) if len(word) > 2)
        said = said if query else "Type words, or what a paper is about."
        found: dict[str, Any] = {"query": query, "results": results, "said": said, "words": words}
        return self._page(request, template, **found, **self._choices(asked))

    def paper(self, request: Request) -> Response:
        """One paper."""
        paper = self.catalogue.paper(request.path_params["number"])
        return self._page(request, "paper.html", paper=paper, related=related(self.catalogue, paper.number, 6))

    def themes(self, request: Request) -> Response:
        """The map. Of many papers it takes a while, and the page asks again until it is there."""
        view = self._themes.get(wait=_PATIENCE)
        if view is None:
            return self._page(request, "waiting.html")
        root = request.scope.get("root_path", "")
        drawn = None if view.map is None else view.map.draw(lambda number: f"{root}/paper/{number}")
        return self._page(request, "themes.html", map=drawn, groups=view.groups, why=view.why)

    def sources(self, request: Request) -> Response:
        """The pages that were imported."""
        return self._page(
            request, "sources.html", sources=self._kept.get("sources", ("papers",), self.catalogue.sources)
        )

    def atom(self, request: Request) -> Response:
        """The newest papers as an Atom feed."""
        text = feed_atom(self.catalogue, Asked.of(request.query_params).filter(), _base(request))
        return Response(text, media_type="application/atom+xml")

    def json(self, request: Request) -> Response:
        """The newest papers as a JSON feed."""
        text = feed_json(self.catalogue, Asked.of(request.query_params).filter(), _base(request))
        return Response(text, media_type="application/feed+json")

    async def mark(self, request: Request) -> Response:
        """Keep a vote, a note, tags, or a place on the reading list."""
        number, kind = request.path_params["number"], request.path_params["kind"]
        form = await _form(request)
        if not same_origin(request, form.get("form", "")):
            raise HTTPException(403, "This form was not sent from a page of this reader, or is too old.")
        value = form.get("value", "")
        changes: Mapping[str, Callable[[], None]] = {
            "vote": lambda: self.catalogue.set_vote(number, _whole(value, (-1, 0, 1))),
            "reading": lambda: self.catalogue.set_reading(number, bool(_whole(value, (0, 1)))),
            "note": lambda: self.catalogue.set_note(number, value),
            "tags": lambda: self.catalogue.set_tags(number, [tag.strip() for tag in value.split(",") if tag.strip()]),
        }
        if kind not in changes:
            raise HTTPException(404)
        await run_in_threadpool(changes[kind])
        if "application/json" in request.headers.get("accept", ""):
            paper = await run_in_threadpool(self.catalogue.paper, number)
            return JSONResponse({"vote": paper.vote, "votes": paper.votes, "reading": paper.reading})
        return RedirectResponse(f"{request.scope.get('root_path', '')}/paper/{number}", status_code=303)

    # Problems

    def refused(self, request: Request, error: Exception) -> Response:
        """A page for what is not there or not allowed."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        what = {403: "Not from here", 404: "There is no such page", 405: "Not in this way", 413: "Too much"}
        detail = error.detail if isinstance(error, HTTPException) and status in (403, 413) else ""
        return self._problem(request, status, what.get(status, "This did not work"), f"{detail} {_NEXT}".strip())

    def misunderstood(self, request: Request, error: Exception) -> Response:
        """A page for parameters that cannot be."""
        return self._problem(request, 400, "This was not understood", str(error))

    def unknown(self, request: Request, error: Exception) -> Response:
        """A page for a paper that is not there."""
        return self._problem(request, 404, "There is no such paper", f"{error} {_NEXT}")

    def _problem(self, request: Request, status: int, what: str, then: str) -> Response:
        return self._page(request, "problem.html", status=status, what=what, next=then)

    # Parts

    def _choices(self, asked: Asked) -> dict[str, Any]:
        """What the form of the filter shows."""
        return {
            "asked": asked,
            "filtered": bool(asked.query()),
            "sources": self._kept.get("sources", ("papers",), self.catalogue.sources),
            "tags": self.catalogue.tags(),
        }

    def _page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """A template with what all pages know."""
        root, form = request.scope.get("root_path", ""), form_token(request)
        text = self._jinja.get_template(template).render(
            {
                "query": "",
                **context,
                "here": _path(request),
                "total": self._kept.get("total", ("papers",), self.catalogue.count),
                "form": form,
                "link": lambda path: f"{root}{path}",
                "asset": lambda name: f"{root}/static/{asset_name(name)}",
                "tex": html_of,
                "day": day_name,
            }
        )
        answer = HTMLResponse(text, status_code=status)
        if request.cookies.get(CSRF_COOKIE) != form:
            secure = request.url.scheme == "https"
            answer.set_cookie(CSRF_COOKIE, form, httponly=True, samesite="strict", secure=secure, path=root or "/")
        return answer


def _path(request: Request) -> str:
    """The path within the mount."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")) or "/"


def _base(request: Request) -> str:
    """The address of the mount, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def _page(request: Request) -> int:
    """Which page of the feed, from 1.

    Raises:
        InvalidArgument: not a number, or out of reach.
    """
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 100_000):
        raise InvalidArgument(message("page: not a page of the feed", got=text, allowed="1 to 100000"))
    return int(text)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, of bounded size.

    Raises:
        HTTPException: it is too long.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            raise HTTPException(413, f"A form may have {_MOST_BODY:,} bytes.")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _whole(text: str, allowed: tuple[int, ...]) -> int:
    """A number of those allowed.

    Raises:
        InvalidArgument: another one.
    """
    if text not in map(str, allowed):
        raise InvalidArgument(
            message("value: not one of those allowed", got=text, allowed=", ".join(map(str, allowed)))
        )
    return int(text)
