"""SIGKILL at every stage, again and again, and several senders at once: no paper comes twice, none is forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trimtab.base.clock import SimulatedClock
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import Backoff, deliveries, run_digests, subscribe
from trimtab.papers.digest.queue import claim, make_due, mark, recover, release, settle
from trimtab.papers.digest.smtp import Fate, Outcome
from trimtab.papers.records import Page

SENDERS = Path(__file__).with_name("senders.py")
NOW = 1_800_000_000.0
DAY = 86_400.0

# What the sender after the crash finds: how often the papers arrived in the end, and what the digest is then.
STAGES = {
    "in the transaction that makes it": (1, "sent"),
    "made": (1, "sent"),
    "claimed": (1, "sent"),
    "connected": (1, "sent"),
    "sent up to the dot": (1, "sent"),
    "marked": (0, "unknown"),  # the price of "never twice"; it is told, and can be sent by hand
    "answered": (1, "unknown"),
    "settled": (1, "sent"),
}


RunSenders = Callable[..., None]


@pytest.fixture(scope="module")
def run_senders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunSenders]:
    """Give the senders an order, and wait until it is carried out."""
    errors = tmp_path_factory.mktemp("senders") / "errors.txt"
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, SENDERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
        )
    assert process.stdin is not None
    assert process.stdout is not None
    patience = threading.Timer(120.0, process.kill)
    patience.start()

    def run(what: str, port: int, *paths: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([what, port, *map(str, paths)]) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n", errors.read_text()

    yield run
    process.communicate(timeout=30.0)
    patience.cancel()


def test_killed_at_each_stage(
    tmp_path: Path, start: Callable[..., Any], make_page: Callable[..., Page], run_senders: RunSenders
) -> None:
    mailbox, server = start()
    paths = [tmp_path / f"{place}.db" for place in range(len(STAGES))]
    for place, path in enumerate(paths):
        with Catalogue(path) as catalogue:
            catalogue.add(make_page("First paper", "Second paper"))
            subscribe(catalogue, f"reader{place}@example.org")
    run_senders("kill", server.port, *paths)
    for place, (path, (stage, (times, state))) in enumerate(zip(paths, STAGES.items(), strict=True)):
        with Catalogue(path) as catalogue:
            # Within the lease of the dead, after it, and when another digest would be due.
            for later in (1.0, 600.0, 2 * DAY) if state == "unknown" else (600.0,):
                report = run_digests(catalogue, server, clock=SimulatedClock(NOW + later))
                assert report.trouble == ""
                if later == 1.0 and state == "unknown":
                    assert report.deliveries == (), stage
                if later == 600.0 and state == "unknown":  # it is told once
                    assert [delivery.state for delivery in report.deliveries] == ["unknown"], stage
            (delivery,) = deliveries(catalogue)
            assert delivery.state == state, stage
            told = Counter(title for name, title in mailbox.told if name == f"reader{place}@example.org")
            assert told == dict.fromkeys(("First paper", "Second paper"), times) if times else not told, stage


def test_killed_again_and_again(
    tmp_path: Path, start: Callable[..., Any], make_page: Callable[..., Page], run_senders: RunSenders
) -> None:
    mailbox, server = start()
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(make_page(*(f"Paper {number}" for number in range(4))))
        for number in range(8):
            subscribe(catalogue, f"reader{number}@example.org", most=2)
    run_senders("wild", server.port, path)
    with Catalogue(path) as catalogue:
        for day in range(7, 12):
            run_digests(catalogue, server, clock=SimulatedClock(NOW + day * DAY))
        states = Counter(delivery.state for delivery in deliveries(catalogue, limit=1000))
        doubtful = [delivery.address for delivery in deliveries(catalogue, state="unknown", limit=1000)]
    assert set(states) <= {"sent", "unknown"}
    told = Counter(mailbox.told)
    assert set(told.values()) == {1}
    # Every paper came to everybody, but for those that are told to be in doubt.
    assert 8 * 4 - 2 * len(doubtful) <= len(told) <= 8 * 4
    missed = {f"reader{number}@example.org" for number in range(8)} - {
        name for name, count in Counter(name for name, _ in told).items() if count == 4
    }
    assert missed <= set(doubtful)


def test_three_senders_at_once(
    tmp_path: Path, start: Callable[..., Any], make_page: Callable[..., Page], run_senders: RunSenders
) -> None:
    mailbox, server = start()
    mailbox.pause = 0.02
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(make_page("First paper", "Second paper"))
        for number in range(8):
            subscribe(catalogue, f"reader{number}@example.org")
    run_senders("race", server.port, path)
    assert Counter(mailbox.told) == {
        (f"reader{number}@example.org", title): 1 for number in range(8) for title in ("First paper", "Second paper")
    }
    with Catalogue(path) as catalogue:
        assert {(delivery.state, delivery.tries) for delivery in deliveries(catalogue)} == {("sent", 1)}


def test_only_the_latest_claim_counts(tmp_path: Path, make_page: Callable[..., Page]) -> None:
    """The first sender's lease is over, a second one holds the digest: nothing that the first writes is kept."""
    backoff = Backoff()
    with Catalogue(tmp_path / "papers.db") as catalogue:
        catalogue.add(make_page("First paper"))
        subscribe(catalogue, "bob@example.org")
        (number,) = make_due(catalogue, NOW, "example.org")
        first = claim(catalogue, NOW, 60.0)
        assert first is not None
        assert claim(catalogue, NOW, 60.0) is None
        assert recover(catalogue, NOW + 59.0, backoff) == []
        assert claim(catalogue, NOW + 59.0, 60.0) is None
        recover(catalogue, NOW + 60.0, backoff)
        second = claim(catalogue, NOW + 60.0, 60.0)
        assert second is not None
        assert (first.number, second.number, second.tries) == (number, number, 2)
        assert not mark(catalogue, first, NOW + 61.0, 60.0)
        for fate in Fate:
            settle(catalogue, first, Outcome(fate, "late", open=True), NOW + 61.0, backoff)
        release(catalogue, first, "late", NOW + 61.0, backoff)
        assert deliveries(catalogue)[0].state == "claimed"
        assert mark(catalogue, second, NOW + 61.0, 60.0)
        assert not mark(catalogue, second, NOW + 61.0, 60.0)
        release(catalogue, second, "it is being handed over", NOW + 61.0, backoff)
        assert deliveries(catalogue)[0].state == "handing"
        # In doubt once the lease is over; an answer that comes after that still settles it.
        assert recover(catalogue, NOW + 121.0, backoff) == [number]
        assert claim(catalogue, NOW + 200.0, 60.0) is None
        settle(catalogue, second, Outcome(Fate.LATER, "late", open=True), NOW + 200.0, backoff)
        assert deliveries(catalogue)[0].state == "unknown"
        settle(catalogue, second, Outcome(Fate.SENT, "250", open=True), NOW + 201.0, backoff)
        assert deliveries(catalogue)[0].state == "sent"


def test_a_sender_that_was_overtaken_stops_before_the_dot(
    tmp_path: Path, start: Callable[..., Any], make_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept beyond its lease, another one delivered the digest meanwhile."""
    import trimtab.papers.digest.run as run

    mailbox, server = start()
    with Catalogue(tmp_path / "papers.db") as catalogue, Catalogue(tmp_path / "papers.db") as other:
        catalogue.add(make_page("First paper"))
        subscribe(catalogue, "bob@example.org")
        real = run.mark

        def oversleep(*arguments: Any) -> bool:
            monkeypatch.setattr(run, "mark", real)
            assert run_digests(other, server, clock=SimulatedClock(NOW + 3600.0)).sent == 1
            return real(*arguments)

        monkeypatch.setattr(run, "mark", oversleep)
        report = run_digests(catalogue, server, clock=SimulatedClock(NOW))
    assert (report.sent, report.deliveries[0].state) == (0, "sent")
    assert len(mailbox.arrived) == 1
