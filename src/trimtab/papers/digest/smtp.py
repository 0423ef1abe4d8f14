"""One mail server: how it is reached, and how a mail is handed over so that it is known what came of it.

SMTP (RFC 5321) has one moment at which nobody can tell: after the final dot has left and before the answer to it
has come, the server may or may not have taken the mail (C. Partridge, "Duplicate messages and SMTP", RFC 1047,
1988). Until the dot a server must forget what it got when the connection ends; after its answer all is certain.
So a mail is sent up to the dot; then the caller marks it, on disk, as being handed over; then the dot goes out.
A mail that is not marked may be sent again, and one that is marked and has no answer may not.
"""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Literal, TypeAlias, final
from urllib.parse import unquote, urlsplit

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.digest.addresses import parse_sender
from trimtab.papers.digest.plain import one_line, shortened

__all__ = [
    "PASSWORD",
    "Fate",
    "MailServer",
    "Outcome",
    "Security",
    "Unreachable",
    "connect",
    "disconnect",
    "hand_over",
    "mail_server",
]

Security: TypeAlias = Literal["starttls", "tls", "none"]

PASSWORD = "TRIMTAB_SMTP_PASSWORD"
"""The environment variable with the password of the mail server."""

_SCHEMES: Mapping[str, tuple[Security, int]] = MappingProxyType(
    {"smtp": ("starttls", 587), "smtps": ("tls", 465), "smtp+plain": ("none", 25)}
)
_ALLOWED = "smtp://USER@HOST (STARTTLS), smtps://USER@HOST (TLS) or smtp+plain://HOST (nothing is encrypted)"
_WIDTH = 200


@final
@dataclass(frozen=True, slots=True)
class MailServer:
    """A server that takes mail for anybody, such as that of a provider.

    Arguments:
        host: its name or address.
        port: 587 is usual for STARTTLS, 465 for TLS, 25 for neither.
        security: "starttls" (the connection is encrypted before anything is said, or given up), "tls" (it begins
            encrypted) or "none".
        user: to log in as; empty for no login.
        password: of the user. It is not shown, and never written anywhere.
        sender: who the mail is from, `ADDRESS` or `NAME <ADDRESS>`.
        timeout: seconds to wait for each answer.
        authority: file with the certificates (PEM) that are trusted besides the system's; None for the system's.

    Raises:
        InvalidArgument: a part is not what it should be, or a password would be sent in the clear to another machine.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    timeout: float = 30.0
    authority: str | None = None

    def __post_init__(self) -> None:
        if not self.host or self.host != one_line(self.host) or " " in self.host or not self.host.isascii():
            raise InvalidArgument(message("the mail server has no proper host name", got=self.host))
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 1 <= self.port <= 65535:
            raise InvalidArgument(message("the port of the mail server is none", got=self.port, allowed="1 to 65535"))
        if self.security not in ("starttls", "tls", "none"):
            raise InvalidArgument(
                message("the mail server's security is unknown", got=self.security, allowed="starttls, tls, none")
            )
        if not 0.0 < self.timeout < 3600.0:
            raise InvalidArgument(
                message("the mail server's timeout is out of range", got=self.timeout, allowed="0 to 3600 seconds")
            )
        parse_sender(self.sender)
        self._check_login()

    def _check_login(self) -> None:
        """Refuse a login that cannot work, or that would give the password away. Never shows the password."""
        if bool(self.user) != bool(self.password):
            given, lacks = ("user", "password") if self.user else ("password", "user")
            raise InvalidArgument(
                message(
                    f"the mail server is given a {given} and no {lacks}",
                    allowed="both, or neither for a server without login",
                    do=f"give the user in the URL and the password in the environment as {PASSWORD}",
                )
            )
        for name, text in (("user", self.user), ("password", self.password)):
            if not text.isascii() or "\x00" in text or "\r" in text or "\n" in text:
                raise InvalidArgument(
                    message(f"the {name} of the mail server must be ASCII and one line", do=f"set another {name} there")
                )
        if self.user and self.security == "none" and not _is_loopback(self.host):
            raise InvalidArgument(
                message(
                    "the password would cross the network in the clear",
                    got=f"login at {self.host} without TLS",
                    allowed="a login with STARTTLS or TLS, or without either on the loopback address",
                    do="use smtp:// or smtps://",
                )
            )


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine, as far as its name alone tells."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def mail_server(url: str, sender: str, environ: Mapping[str, str], *, timeout: float = 30.0) -> MailServer:
    """The mail server of a URL, with its password from the environment.

    Arguments:
        url: smtp://USER@HOST:PORT for STARTTLS, smtps:// for TLS, smtp+plain:// for neither. Special characters of
            the user are percent-encoded (an @ is %40).
        sender: who the mail is from.
        environ: such as `os.environ`; the password is TRIMTAB_SMTP_PASSWORD.
        timeout: seconds to wait for each answer.

    Raises:
        InvalidArgument: the URL is none of these, or holds a password.

    >>> server = mail_server("smtp://ada@mail.example.org", "papers@example.org", {"TRIMTAB_SMTP_PASSWORD": "secret"})
    >>> server.port, server.security, "secret" in repr(server)
    (587, 'starttls', False)
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url("the URL of the mail server cannot be read") from error
    if parts.password is not None:
        # The URL is not shown, as it holds the password.
        raise InvalidArgument(
            message(
                "the URL of the mail server holds a password, which other users of the machine can see",
                allowed=_ALLOWED,
                do=f"leave it out and set the environment variable {PASSWORD}",
            )
        )
    if scheme not in _SCHEMES or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise _bad_url("the URL of the mail server is not one")
    security, usual = _SCHEMES[scheme]
    user = unquote(parts.username or "")
    password = environ.get(PASSWORD, "") if user else ""
    return MailServer(host, usual if port is None else port, security, user, password, sender, timeout)


def _bad_url(what: str) -> InvalidArgument:
    """The error for a URL; it is not shown, since what somebody mistyped may hold a password."""
    return InvalidArgument(message(what, allowed=_ALLOWED, do="give one such as smtp://ada@mail.example.org:587"))


class Unreachable(Exception):
    """The server cannot be used now: no connection, no encryption, no login. Its text says why."""


class Fate(Enum):
    """What came of handing a mail over."""

    SENT = "the server took it"
    LATER = "the server refused it for now, or the connection ended before the final dot"
    NEVER = "the server refused it for good"
    UNREACHED = "the server could not be used"
    UNKNOWN = "the connection ended between the final dot and the answer"
    DROPPED = "the mark was refused: somebody else holds the mail, or its subscription ended"


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of handing a mail over, and why.

    Arguments:
        fate: what came of it.
        why: the server's answer on one line.
        open: whether the connection can be used for another mail.
    """

    fate: Fate
    why: str
    open: bool


def connect(server: MailServer) -> smtplib.SMTP:
    """A connection to a mail server, encrypted and logged in as it should be; for `disconnect` to close.

    Raises:
        Unreachable: it cannot be had.
    """
    client: smtplib.SMTP | None = None
    try:
        context = _trust(server) if server.security != "none" else None
        if server.security == "tls":
            client = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        if server.security == "starttls":
            client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
        if server.user:
            client.login(server.user, server.password)
    except (OSError, smtplib.SMTPException) as error:
        if client is not None:
            client.close()
        # Without the error behind it, whose frames know the password.
        raise Unreachable(f"{server.host}:{server.port}: {_explain(error)}") from None
    return client


def _trust(server: MailServer) -> ssl.SSLContext:
    """Which certificates are believed, and that the host must be named in them."""
    context = ssl.create_default_context()
    if server.authority is not None:
        context.load_verify_locations(server.authority)
    return context


def disconnect(client: smtplib.SMTP) -> None:
    """Say goodbye where somebody listens, and close. Never raises."""
    try:
        client.quit()
    except (OSError, smtplib.SMTPException):
        client.close()


def _explain(error: Exception) -> str:
    """An error of a connection on one line."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the login was refused ({_answer(error.smtp_code, error.smtp_error)}); check the user and {PASSWORD}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answered {_answer(error.smtp_code, error.smtp_error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return shortened(one_line(str(error)), _WIDTH) or type(error).__name__


def _answer(code: int, text: bytes | str) -> str:
    """A server's answer on one line."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return shortened(one_line(f"{code} {said}"), _WIDTH)


def hand_over(client: smtplib.SMTP, sender: str, to: str, mail: bytes, mark: Callable[[], bool]) -> Outcome:
    """Hand one mail to a server.

    Arguments:
        client: the connection.
        sender: the address that answers for it, without a name.
        to: the address that it is for.
        mail: ASCII.
        mark: called when all but the final dot was sent. Writes that the mail is being handed over, and tells
            whether it may be: the dot goes out only after it returned True.
    """
    try:
        outcome = _hand_over(client, sender, to, mail, mark)
    except BaseException:
        client.close()  # without the dot, the server forgets the mail
        raise
    if not outcome.open:
        client.close()
    return outcome


def _hand_over(client: smtplib.SMTP, sender: str, to: str, mail: bytes, mark: Callable[[], bool]) -> Outcome:
    """See `hand_over`, which closes the connection where it cannot be used any more."""
    try:
        refused = _announce(client, sender, to)
        if refused is not None:
            return refused
        # Bare line ends become CRLF and leading dots double, so that no text can end the mail early.
        body = smtplib.quotedata(mail.decode("ascii"))
        client.send(body if body.endswith("\r\n") else f"{body}\r\n")
    except (OSError, smtplib.SMTPException) as error:
        return Outcome(Fate.LATER, _explain(error), open=False)
    if not mark():
        return Outcome(Fate.DROPPED, Fate.DROPPED.value, open=False)
    try:
        client.send(".\r\n")
        code, text = client.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Outcome(Fate.UNKNOWN, f"{Fate.UNKNOWN.value} ({_explain(error)})", open=False)
    return _judge(client, code, text, after_dot=True)


def _announce(client: smtplib.SMTP, sender: str, to: str) -> Outcome | None:
    """Say who writes to whom, up to the leave to send; None where it is given."""
    steps: tuple[tuple[Callable[[], tuple[int, bytes]], tuple[int, ...]], ...] = (
        (lambda: client.mail(sender), (250,)),
        (lambda: client.rcpt(to), (250, 251)),
        (lambda: client.docmd("data"), (354,)),
    )
    for step, wanted in steps:
        code, text = step()
        if code not in wanted:
            return _judge(client, code, text, after_dot=False)
    return None


def _judge(client: smtplib.SMTP, code: int, text: bytes, *, after_dot: bool) -> Outcome:
    """What an answer means (RFC 5321, section 4.2.1: the first digit alone decides)."""
    why = f"the server answered {_answer(code, text)}"
    kind = code // 100
    if after_dot and kind == 2:
        return Outcome(Fate.SENT, _answer(code, text), open=True)
    if after_dot and kind not in (4, 5):
        return Outcome(Fate.UNKNOWN, why, open=False)
    fate = Fate.NEVER if kind == 5 else Fate.LATER
    # 421 says that the server closes the connection.
    return Outcome(fate, why, open=kind in (4, 5) and code != 421 and _reset(client))


def _reset(client: smtplib.SMTP) -> bool:
    """Make the connection ready for another mail; whether that went well."""
    try:
        code, _ = client.rset()
    except (OSError, smtplib.SMTPException):
        return False
    return code == 250
