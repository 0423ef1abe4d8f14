"""The page that ends a subscription, and the address that mail programs post to (RFC 8058).

A GET shows a button and changes nothing, since mail scanners follow links; a POST ends the subscription, whoever
sends it and whatever its body, since the signed token in the path is the whole authority. There is no other
parameter, no redirect, no cookie, no script and no style; nothing is written about subscribers but their own query.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from trimtab.base.errors import StorageError
from trimtab.papers.digest.plain import one_line
from trimtab.papers.digest.subscriptions import check_token, unsubscribe
from trimtab.papers.digest.tokens import InvalidToken

if TYPE_CHECKING:
    from trimtab.papers.catalogue.catalogue import Catalogue

__all__ = ["unsubscribe_routes"]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def unsubscribe_routes(catalogue: Catalogue) -> list[Route]:
    """The routes /unsubscribe/TOKEN, for an application at the address that digests name as `base_url`."""

    def page(request: Request) -> Response:
        """Show the button, or end the subscription."""
        token = request.path_params["token"]
        try:
            if request.method == "POST":
                subscription = unsubscribe(catalogue, token)
            else:
                subscription = check_token(catalogue, token)
        except InvalidToken:
            return _page(403, "This link is not valid", "<p>Use the link of the latest mail, to its last letter.</p>")
        except StorageError:
            return _page(503, "Not now", "<p>The catalogue cannot be used at the moment. Try again in a minute.</p>")
        about = html.escape(one_line(subscription.query)) or "all papers"
        if subscription.ended:
            return _page(200, "The subscription has ended", f"<p>No more mail comes about: {about}</p>")
        button = '<form method="post"><button>End this subscription</button></form>'
        return _page(200, "End this subscription?", f"<p>A {subscription.every} mail about: {about}</p>{button}")

    return [Route("/unsubscribe/{token}", page, methods=["GET", "POST"], name="unsubscribe")]


def _page(status: int, heading: str, body: str) -> Response:
    """A page without anything that must be loaded."""
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{heading}</title></head><body><h1>{heading}</h1>{body}</body></html>"
    )
    return HTMLResponse(text, status_code=status, headers=_HEADERS)
