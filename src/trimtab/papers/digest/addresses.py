"""Mail addresses: which are taken, and what they become in a header and on the wire.

An address is `local@domain` as RFC 5321 has it, without its rarities: a local part of plain characters and
dots (no quotes), a domain of names (no `[192.0.2.1]`). A domain in other scripts is written in its ASCII form;
one whose form differs between IDNA 2003, which Python has, and IDNA 2008, which the world uses, is refused, as
its mail would go to somebody else. A local part in other scripts needs SMTPUTF8 (RFC 6531) at every server on
the way, and is refused.
"""

from __future__ import annotations

import re
from email.headerregistry import Address

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.digest.plain import one_line

__all__ = ["check_address", "parse_sender"]

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_LONGEST_LOCAL, _LONGEST, _LONGEST_NAME = 64, 254, 200
# Sharp s, final sigma and the joiners: IDNA 2003 maps them away, IDNA 2008 keeps them (RFC 5894, section 7.2).
_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")


def check_address(text: str) -> str:
    """The address as it goes into a header and to a mail server: its domain in ASCII and lower case.

    Raises:
        InvalidArgument: it is no address, or one that cannot be written to from here.

    >>> check_address("ada@B\u00fccher.example")
    'ada@xn--bcher-kva.example'
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise _refused("an e-mail address has a name, an @ and a domain", text)
    if not local.isascii():
        raise _refused("the part of an e-mail address before the @ must be ASCII", text)
    if not _LOCAL.fullmatch(local) or len(local) > _LONGEST_LOCAL:
        raise _refused("the part of the e-mail address before the @ is not one", text)
    domain = _ascii_domain(domain, text)
    if not _DOMAIN.fullmatch(domain) or len(local) + 1 + len(domain) > _LONGEST:
        raise _refused("the part of the e-mail address after the @ is not a domain", text)
    return f"{local}@{domain}"


def _ascii_domain(domain: str, address: str) -> str:
    """A domain in ASCII and lower case."""
    if domain.isascii():
        return domain.lower()
    if _DEVIATIONS & set(domain):
        raise _refused("the domain of the e-mail address has two readings", address)
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _refused("the part of the e-mail address after the @ is not a domain", address) from error


def _refused(what: str, text: str) -> InvalidArgument:
    """The error for an address."""
    return InvalidArgument(
        message(
            what,
            got=text,
            allowed="such as ada@example.org: letters, digits and dots, without quotes, spaces or brackets",
            do="give another address; a domain in other scripts can be given in its form that begins with xn--",
        )
    )


def parse_sender(text: str) -> Address:
    """Who the mail is from: `papers@example.org`, or `Daily papers <papers@example.org>`.

    Raises:
        InvalidArgument: the address is none, or the name holds what no header may hold.
    """
    name, bracket, rest = text.strip().rpartition("<")
    if not bracket:
        return Address(addr_spec=check_address(rest))
    if not rest.endswith(">"):
        raise _refused("the sender's address does not end with >", text)
    shown = name.strip().removeprefix('"').removesuffix('"')
    if shown != one_line(shown) or len(shown) > _LONGEST_NAME:
        raise InvalidArgument(
            message(
                "the sender's name is not one line of plain text",
                got=shown,
                allowed=f"at most {_LONGEST_NAME} characters, without line ends and controls",
                do="give a sender such as 'Daily papers <papers@example.org>'",
            )
        )
    return Address(display_name=shown, addr_spec=check_address(rest[:-1]))
