"""What stands between the network and the pages: headers, hosts, the token, and whose form it was.

Every answer carries a Content Security Policy that allows this origin's own style and script and nothing else, so a
text that escaped its quotes could neither run nor load anything. On the loopback address the Host header must name a
loopback host, because a foreign page can point a name of its own at 127.0.0.1 (DNS rebinding). Changes need a POST
from this origin: the browser's Origin header, where it is sent, and a token that stands both in a cookie and in the
form (double submit; SameSite=Strict).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CSRF_COOKIE", "Guard", "form_token", "same_origin"]

CSRF_COOKIE = "trimtab_papers_form"
_TOKEN_COOKIE = "trimtab_papers_token"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1", "testserver"})
_OPEN = ("/unsubscribe",)

_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers name no origin for forms either
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware.

    Arguments:
        app: the application behind it.
        token: what a request must know; None where anybody who reaches the loopback address may read.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        """Why a request is not served; None where it is."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if path.startswith(_OPEN):
            return None
        if self._token is None:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
            if host not in _LOOPBACK:
                return PlainTextResponse(
                    "This reader answers on the loopback address only.\nNext: open http://127.0.0.1 with its port, or "
                    "serve it elsewhere with --host and a token.\n",
                    status_code=421,
                )
            return None
        return self._without_token(request)

    def _without_token(self, request: Request) -> Response | None:
        """Ask for the token; a request that brings it in its address is sent on without it, with a cookie."""
        wanted = self._token or ""
        given = request.query_params.get("token")
        if given is not None and hmac.compare_digest(given.encode(), wanted.encode()):
            left = urlencode([(key, value) for key, value in request.query_params.multi_items() if key != "token"])
            # A path that begins with two slashes would lead to another host.
            path = "/" + request.scope["path"].lstrip("/")
            answer = RedirectResponse(f"{path}?{left}" if left else path, status_code=303)
            answer.set_cookie(
                _TOKEN_COOKIE, wanted, httponly=True, samesite="strict", secure=request.url.scheme == "https"
            )
            return answer
        if hmac.compare_digest(request.cookies.get(_TOKEN_COOKIE, "").encode(), wanted.encode()):
            return None
        return PlainTextResponse(
            "This reader needs its token.\nNext: open the address that `trimtab papers serve` printed.\n",
            status_code=401,
        )


def form_token(request: Request) -> str:
    """The token of this browser's forms; a new one where it has none."""
    return request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)


def same_origin(request: Request, given: str) -> bool:
    """Whether a form was sent from a page of this reader.

    Arguments:
        request: a POST.
        given: the token that the form brought.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        return False
    known = request.cookies.get(CSRF_COOKIE, "")
    return bool(known) and hmac.compare_digest(known.encode(), given.encode())
