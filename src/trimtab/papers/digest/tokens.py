"""Signed tokens: whoever holds one may do one thing to one subscription, and nobody can make one.

A token is `1.SUBSCRIPTION.SIGNATURE`: its version, the subscription's number, and HMAC-SHA256 (RFC 2104) over
version, purpose and number under a secret of 32 bytes that the catalogue keeps, as URL-safe base64. It holds no
address, so it may stand in a URL. It does not expire: a link in an old mail must still end a subscription.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from trimtab.base.errors import InvalidArgument, message

__all__ = ["SECRET_BYTES", "InvalidToken", "make_token", "read_token"]

SECRET_BYTES = 32

_VERSION = "1"
_TOKEN = re.compile(r"1\.([1-9][0-9]{0,17})\.[A-Za-z0-9_-]{43}")


class InvalidToken(InvalidArgument):
    """A token that was not made here, or for another purpose."""


def make_token(secret: bytes, purpose: str, subscription: int) -> str:
    """The token for one purpose, such as "unsubscribe", and one subscription.

    >>> make_token(bytes(32), "unsubscribe", 7).split(".")[:2]
    ['1', '7']
    """
    if len(secret) != SECRET_BYTES:
        raise InvalidArgument(message("the signing secret is damaged", allowed=f"{SECRET_BYTES} bytes"))
    signed = f"trimtab papers\n{_VERSION}\n{purpose}\n{subscription}".encode()
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"{_VERSION}.{subscription}.{base64.urlsafe_b64encode(digest).decode('ascii').rstrip('=')}"


def read_token(secret: bytes, purpose: str, token: str) -> int:
    """The subscription that a token is for.

    Raises:
        InvalidToken: it was not made with this secret for this purpose. The message does not tell which part
            is wrong, and the comparison takes the same time wherever two signatures differ.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is not None:
        subscription = int(parts[1])
        # The whole token is compared, so that each subscription has exactly one that is valid.
        if hmac.compare_digest(make_token(secret, purpose, subscription).encode(), token.encode()):
            return subscription
    raise InvalidToken(
        message("the link is not valid", do="use the link of the latest mail; it must be complete, to its last letter")
    )
