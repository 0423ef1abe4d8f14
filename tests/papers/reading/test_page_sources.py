"""Pages as files and from the web: their kind, their bytes, and what may not be asked for."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.papers.reading import fetching, open_page, read_page, read_pages
from trimtab.papers.reading.detect import KINDS, detect
from trimtab.papers.reading.lines import LONGEST, lines_of
from trimtab.papers.reading.told import Told

ABSTRACT = (
    "We propose a gauge of how far a rudder turns before the ship does and show that it is the tab which decides. " * 4
)
TEXT = f"new\n\nSubscribe\n\nDaily Papers\n\nJun 9\n\nRudders and Tabs\n\n{ABSTRACT}\n\n  • 6 authors\n·\nNov 8, 2023\n"
PAGES = {
    "daily papers": TEXT,
    "saved html": f"<!DOCTYPE html>\n<html><article><h3>Rudders and Tabs</h3><p>{ABSTRACT}</p></article></html>",
    "atom": '<?xml version="1.0"?>\n<!-- a feed --><feed xmlns="http://www.w3.org/2005/Atom"><entry>'
    "<title>Rudders and Tabs</title><id>x</id></entry></feed>",
    "bibtex": "% comment\n\n@article{a, title = {Rudders and Tabs}, year = 2020}",
    "ris": "TY  - JOUR\nTI  - Rudders and Tabs\nER  - \n",
    "json lines": '{"title": "Rudders and Tabs"}\n',
}


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        (kind, encoding)
        for kind in KINDS
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le")
        if kind != "atom" or encoding not in ("utf-32", "utf-16-le")  # XML knows fewer
    ],
)
def test_the_kind_is_told_by_the_content_in_any_encoding(kind: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "page.dat"
    path.write_bytes(PAGES[kind].replace('<?xml version="1.0"?>\n', "").encode(encoding))
    page = read_page(path)
    assert page.kind == kind
    assert [listing.title for listing in page.listings] == ["Rudders and Tabs"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8,
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\n",
        b'[{"title": "A list"}]',
        b"<rss version='2.0'><channel></channel></rss>",
        b"title,authors\nRudders,6\nTabs,2\n",
        b"# A readme\n\nwith `code` and two\nshort lines.\n",
    ],
)
def test_an_unknown_kind_says_what_is_known(content: bytes) -> None:
    with pytest.raises(
        InvalidArgument, match=r"'page' is of a kind that is not known.*allowed: .*Atom.*BibTeX.*RIS.*JSON"
    ):
        detect(content, "page")


def test_a_page_without_head_and_authors_is_known_by_its_form() -> None:
    assert (
        detect(f"Rudders and Tabs\n\n{ABSTRACT}\n\nA Second Title\n\n{ABSTRACT}\n".encode(), "page") == "daily papers"
    )


def test_latin_letters_of_another_encoding_are_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(TEXT.replace("Tabs", "Fréchet “Tabs”").replace("•", "*").replace("·", "").encode("cp1252"))
    page = read_page(path)
    assert page.listings[0].title == "Rudders and Fréchet “Tabs”"
    assert ["Windows-1252" in row.why for row in page.misread] == [True]


def test_zeros_and_hidden_signs_are_taken_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text(TEXT.replace("Rudders and", "Rud\x00ders\u202e \x1b[31mand"))
    page = read_page(path)
    assert page.listings[0].title == "Rudders [31mand Tabs"


def test_a_line_of_any_length_is_read_up_to_its_bound() -> None:
    class Endless(io.RawIOBase):
        """A page whose first line has 128 MiB, which are never held."""

        def __init__(self) -> None:
            self.left = 1 << 27

        def read(self, size: int = -1) -> bytes:
            assert 0 < size <= LONGEST
            if self.left > 0:
                self.left -= size
                return b"x" * size
            rest, self.left = (b"" if self.left == -(1 << 40) else b"\nsecond\n"), -(1 << 40)
            return rest

    told = Told()
    first, second = lines_of(Endless(), told)  # type: ignore[arg-type]
    assert (first[0], len(first[1]), set(first[1])) == (1, LONGEST, {"x"})
    assert second == (2, "second")
    assert ["longer than" in row.why for row in told.misread()] == [True]


@pytest.mark.parametrize("text", ["a\nb\n\nc", "a\r\nb\r\n\r\nc\r\n", "a\rb\r\rc", "é\n" * 3, "", "\n\n"])
def test_lines_are_those_of_the_text(text: str) -> None:
    expected = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []
    assert list(lines_of(io.BytesIO(text.encode()), Told())) == list(enumerate(expected, start=1))
    assert [line for _, line in lines_of(io.BytesIO(text.encode("utf-16")), Told())] == expected


def test_what_is_told_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "page.jsonl"
    path.write_text('{"title": "A"}\n' + "{broken\n" * 20_000)
    page = read_page(path)
    assert len(page.misread) == 2_001
    assert any("17,999 more lines" in row.why for row in page.misread)


@pytest.mark.parametrize("name", ["missing.txt", "", "a\0b"])
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"(cannot be read|is not a file).*allowed"):
        read_page(f"{tmp_path}/{name}")


def test_devices_are_not_files() -> None:
    with pytest.raises(InvalidArgument, match="is not a file"):
        read_page("/dev/zero")


def test_a_kind_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text(f"Rudders\n\n{ABSTRACT[:100]}")
    assert [x.title for x in read_page(path, kind="daily papers").listings] == ["Rudders"]
    with (
        pytest.raises(InvalidArgument, match=r"no such kind of page.*allowed: daily papers, "),
        open_page(path, kind="rss"),
    ):
        pass


class _Server(BaseHTTPRequestHandler):
    """Answers by the path that is asked for."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers["Host"] + self.path)
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.end_headers()
            return
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.path == "/large":
            self.wfile.write(TEXT.encode() + b"\n" + b"z" * 4_000 + b"\n")
        elif self.path == "/slow":
            threading.Event().wait(0.7)
        else:
            self.wfile.write(TEXT.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[str]:
    server = ThreadingHTTPServer((host, 0), _Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


def test_a_page_from_an_address(server: str) -> None:
    (page,) = read_pages([f"{server}/list?d=é#top"])
    assert page.source == f"{server}/list?d=é"
    assert page.kind == "daily papers"
    assert page.listings[0].title == "Rudders and Tabs"
    assert _Server.seen[-1] == f"{server[7:]}/list?d=%C3%A9"


def test_redirects_are_followed_to_the_web_alone(server: str) -> None:
    assert read_page(f"{server}/to?/list").listings
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:text/plain,x"):
        with pytest.raises(InvalidArgument, match="not an address"):
            read_page(f"{server}/to?{target}")
    with pytest.raises(InvalidArgument, match="redirects once more; allowed: 5"):
        read_page(f"{server}/to?/to?/to?/to?/to?/to?/to?/list")


def test_redirects_from_the_open_net_do_not_lead_home(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fetching._is_public
    monkeypatch.setattr(fetching, "_is_public", lambda address: address == "127.0.0.1" or real(address))
    port = server.rpartition(":")[2]
    before = len(_Server.seen)
    for host in ("127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.3]", "10.0.0.1", "169.254.169.254", "2130706434"):
        with pytest.raises(InvalidArgument, match="an address of this machine or of a private network"):
            read_page(f"{server}/to?http://{host}:{port}/list")
    assert all("/to?" in path for path in _Server.seen[before:])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_of_the_open_net(address: str, public: bool) -> None:
    assert fetching._is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "http://user:secret@127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a\r\nX: y",
        "http://127.0.0.1/a b",
        "http://[::1/",
    ],
)
def test_addresses_that_are_not_asked(url: str) -> None:
    with pytest.raises(InvalidArgument, match="not an address"):
        read_page(url)


def test_answers_that_are_no_page(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="answers 404 Not Found"):
        read_page(f"{server}/gone")
    with pytest.raises(InvalidArgument, match="in a packed form; got 'gzip'"):
        read_page(f"{server}/packed")
    with pytest.raises(InvalidArgument, match="cannot be read: ConnectionRefusedError"):
        read_page("http://127.0.0.1:9/")
    monkeypatch.setattr(fetching, "_ALL", 0.2)
    with pytest.raises(InvalidArgument, match="took longer than"):
        read_page(f"{server}/slow")


def test_a_large_page_is_cut_and_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST", len(TEXT.encode()) + 100)
    page = read_page(f"{server}/large")
    assert [listing.title for listing in page.listings][:1] == ["Rudders and Tabs"]
    assert any("the rest of it was not read" in row.why for row in page.misread)
