"""A page's bytes, from a file or from the web.

From the web: http and https alone, at most five redirects, none of them from https to http or to any other scheme, 20
seconds for each wait and 60 in all, and 64 MiB. A redirect may not lead from the open net to an address of this machine
or of a private network; such an address has to be named by the reader. The name is resolved once and that address is
connected to, so that a second answer of the name's server changes nothing. Proxies, cookies, names and passwords are
not used.

From a file: a regular one, read as a stream, of any size.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.reading.cleaning import clean, hides
from trimtab.papers.reading.told import Told

__all__ = ["MOST", "is_url", "opened", "source_name"]

MOST = 64 << 20  # bytes of a page from the web
_WAIT, _ALL = 20.0, 60.0  # seconds
_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_AGENT = "trimtab"
_ACCEPT = "application/atom+xml, text/html, application/x-bibtex, application/x-research-info-systems, */*;q=0.5"


def is_url(source: str) -> bool:
    """Whether a source is an address and not a file's name."""
    scheme, colon, rest = source.partition(":")
    return bool(colon) and rest.startswith("//") and scheme.isascii() and scheme.replace("+", "").isalnum()


def source_name(source: str | os.PathLike[str]) -> str:
    """By what a page is known: the name of its file without the folder, or its address without the part behind "#"."""
    text = os.fspath(source)
    return clean(text.partition("#")[0]) if is_url(text) else clean(Path(text).name)


@contextmanager
def opened(source: str | os.PathLike[str], told: Told) -> Iterator[BinaryIO]:
    """The bytes of a page, as a stream that is closed afterwards.

    Arguments:
        source: a file, or an http or https address.
        told: gets what of the page was not read.

    Raises:
        InvalidArgument: there is no such page, it may not be read, or the address is not one that is allowed.
    """
    text = os.fspath(source)
    if is_url(text):
        yield io.BytesIO(_fetched(text, told))
        return
    try:
        # Without waiting for who writes into a pipe.
        handle = os.open(text, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            message(f"the page {text!r} cannot be read: {error}", allowed="a file, or an http or https address")
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InvalidArgument(
            message(f"the page {text!r} is not a file", allowed="a regular file", do="name a file, not a folder")
        )
    with open(handle, "rb") as stream:
        yield stream


def _fetched(url: str, told: Told) -> bytes:
    """The page at an address."""
    local: bool | None = None  # whether the reader named an address of this machine or a private network
    for _ in range(_REDIRECTS + 1):
        parts = _parts(url)
        address = _resolved(parts, url)
        if local is None:
            local = not _is_public(address)
        elif not local and not _is_public(address):
            raise InvalidArgument(
                message(
                    f"a redirect leads to {url!r}, an address of this machine or of a private network",
                    got=address,
                    allowed="redirects to addresses of the open net",
                    do="name that address itself if you mean it",
                )
            )
        answer = _asked(parts, address, url, told)
        if isinstance(answer, bytes):
            return answer
        following = urljoin(url, answer)
        if parts.scheme == "https" and urlsplit(following).scheme == "http":
            raise InvalidArgument(
                message(f"{url!r} redirects from https to http", got=following, allowed="redirects to https")
            )
        url = following
    raise InvalidArgument(message(f"{url!r} redirects once more", allowed=f"{_REDIRECTS} redirects"))


def _parts(url: str) -> SplitResult:
    """An address in its parts.

    Raises:
        InvalidArgument: it is not an address of a page of the web, or has a name and password.
    """
    allowed = "http://HOST/... or https://HOST/..., without a name and password"
    try:
        parts = urlsplit(url)
        good = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError as error:
        raise InvalidArgument(message(f"not an address: {error}", got=url, allowed=allowed)) from error
    if not good or "@" in parts.netloc or hides(url) or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidArgument(message("not an address that can be read", got=url, allowed=allowed))
    return parts


def _resolved(parts: SplitResult, url: str) -> str:
    """The number of an address's host, the first that its name has."""
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
        return str(found[0][4][0])
    except (OSError, UnicodeError, IndexError) as error:
        raise InvalidArgument(
            message(f"the host of {url!r} is not found: {error}", do="check the address and the connection")
        ) from error


def _is_public(address: str) -> bool:
    """Whether a number is one of the open net; those that carry another number in them are what that is."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo[1] if number.teredo else None)
        if inner is None and int(number) >> 32 == 0x64FF9B << 64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
    return number.is_global and not number.is_multicast


def _asked(parts: SplitResult, address: str, url: str, told: Told) -> bytes | str:
    """What an address answers: the page, or where it redirects to."""
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT)
    late = threading.Event()
    try:
        plain = socket.create_connection((address, port), timeout=_WAIT)
        connection.sock = plain
        ending = threading.Timer(_ALL, _end, (plain, late))
        ending.daemon = True
        ending.start()
        try:
            if parts.scheme == "https":
                connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            name = f"[{host}]" if ":" in host else host.encode("idna").decode()
            headers = {
                "Host": name if port == _PORTS[parts.scheme] else f"{name}:{port}",
                "User-Agent": _AGENT,
                "Accept": _ACCEPT,
                "Accept-Encoding": "identity",
                "Connection": "close",
            }
            connection.request("GET", _quoted(path), headers=headers)
            answer = _answer(connection.getresponse(), url, told)
            if late.is_set():  # a page that was cut off can look like a whole one
                raise TimeoutError
            return answer
        finally:
            ending.cancel()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        why = f"it took longer than {_ALL:.0f} seconds" if late.is_set() else f"{type(error).__name__}: {error}"
        raise InvalidArgument(
            message(f"{url!r} cannot be read: {why}", do="try again later, or save the page as a file")
        ) from error
    finally:
        connection.close()


def _end(sock: socket.socket, late: threading.Event) -> None:
    """End a conversation that takes too long."""
    late.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _quoted(path: str) -> str:
    """A path as it is asked for: what is not ASCII in percent signs."""
    return "".join(sign if sign.isascii() else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in path)


def _answer(response: http.client.HTTPResponse, url: str, told: Told) -> bytes | str:
    """The page, or where it is.

    Raises:
        InvalidArgument: neither of them came.
    """
    if response.status in (301, 302, 303, 307, 308):
        return response.getheader("Location") or ""
    if response.status != 200:
        raise InvalidArgument(
            message(f"{url!r} answers {response.status} {clean(response.reason)[:80]}", do="check the address")
        )
    encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise InvalidArgument(
            message(f"{url!r} answers in a packed form", got=encoding, do="save the page as a file and import that")
        )
    page = response.read(MOST + 1)
    if len(page) > MOST:
        told.line(1, "", f"the page has more than {MOST:,} bytes; the rest of it was not read")
        page = page[:MOST]
    return page
