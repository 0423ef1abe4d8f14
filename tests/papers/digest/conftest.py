"""Real mail servers on the loopback address, and catalogues to send from."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import MailServer
from trimtab.papers.records import Listing, Page

USER, PASSWORD = "ada@example.org", "correct horse"
SENDER = "Daily papers <papers@example.org>"


@dataclass
class Mailbox:
    """A mail server as its handler sees it: what arrived, and what it is to answer.

    `before` and `after` hold answers to RCPT and to the final dot: a text, "drop" or "hang"; when they are used up
    every mail is taken. A mail that is taken is kept even where the answer is lost.
    """

    arrived: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    pause: float = 0.0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = await self.answer(server, self.before)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.after[0] if self.after else "250"
        if answer[:1] not in "45":
            self.arrived.append(envelope)
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        await asyncio.sleep(self.pause)
        return await self.answer(server, self.after)

    async def answer(self, server: SMTP, answers: list[str]) -> str:
        answer = answers.pop(0) if answers else "250 OK"
        if answer == "drop":
            server.transport.abort()
        if answer == "hang":
            await asyncio.sleep(5.0)
        return answer

    def log_in(self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    @property
    def mails(self) -> list[EmailMessage]:
        found = []
        for envelope in self.arrived:
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            found.append(mail)
        return found

    @property
    def told(self) -> list[tuple[str, str]]:
        """Who was told of which title, once for each time."""
        return [
            (mail["To"].addresses[0].addr_spec, line.partition(". ")[2])
            for mail in self.mails
            for line in text_of(mail).splitlines()
            if line.partition(". ")[0].isdigit()
        ]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody trusts, with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    key, made = folder / "key.pem", folder / "made.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=30)
    both = folder / "both.pem"
    both.write_text(key.read_text() + made.read_text())
    return both


Start = Callable[..., tuple[Mailbox, MailServer]]


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a mail server: its handler, and how it is reached. `security` is "none", "starttls" or "tls"."""
    with ExitStack() as stack:

        def begin(security: str = "none", *, login: bool = False, **settings: Any) -> tuple[Mailbox, MailServer]:
            mailbox, port = Mailbox(), free_port()
            options: dict[str, Any] = {}
            authority = None
            if security != "none":
                authority = str(request.getfixturevalue("certificate"))
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(authority)
                if security == "tls":
                    options |= {"ssl_context": context}
                else:
                    options |= {"tls_context": context, "require_starttls": True}
            if login:
                options |= {"authenticator": mailbox.log_in, "auth_required": security == "starttls"}
                options |= {"auth_require_tls": security == "starttls"}
            host = "localhost" if authority else "127.0.0.1"
            controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options, **settings)
            controller.start()
            stack.callback(controller.stop)
            named = {"user": USER, "password": PASSWORD} if login else {}
            return mailbox, MailServer(
                host,
                port,
                security,
                sender=SENDER,
                timeout=2.0,
                authority=authority,
                **named,  # type: ignore[arg-type]
            )

        yield begin


MakePage = Callable[..., Page]


@pytest.fixture
def make_page() -> MakePage:
    """A page of papers with these titles."""

    def make(*titles: str, source: str = "page") -> Page:
        listings = (Listing(title, abstract=f"About {title}.", published=date(2026, 1, 1)) for title in titles)
        return Page(source, "json lines", tuple(listings))

    return make


@pytest.fixture
def catalogue(make_page: MakePage) -> Iterator[Catalogue]:
    """A catalogue of three papers, in memory."""
    with Catalogue(":memory:") as made:
        made.add(make_page("Ridge penalties by descent", "Bilevel tuning of trees", "Digests of bilevel papers"))
        yield made
