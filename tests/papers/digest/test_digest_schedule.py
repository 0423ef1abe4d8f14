"""When a digest is due, and which papers are new: against slow twins and across changes of the clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.clock import SimulatedClock
from trimtab.base.errors import InvalidArgument, StorageError
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import deliveries, end_subscription, run_digests, subscribe, subscriptions
from trimtab.papers.digest.matching import new_papers
from trimtab.papers.digest.schedule import last_due, local_day
from trimtab.papers.records import Filter, Listing, Page


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("zone", "hour", "now", "due"),
    [
        ("UTC", 7, "2026-11-26T06:59:59+00:00", "2026-11-25T07:00:00+00:00"),
        ("UTC", 7, "2026-11-26T07:00:00+00:00", "2026-11-26T07:00:00+00:00"),
        ("America/New_York", 7, "2026-11-26T11:59:00+00:00", "2026-11-25T07:00:00-05:00"),
        ("Pacific/Auckland", 7, "2026-11-26T18:00:00+00:00", "2026-11-27T07:00:00+13:00"),
        # A day of 23 hours and one of 25: at seven by the clock on the wall.
        ("Europe/Berlin", 7, "2026-03-29T12:00:00+02:00", "2026-03-29T07:00:00+02:00"),
        ("Europe/Berlin", 7, "2026-03-28T12:00:00+01:00", "2026-03-28T07:00:00+01:00"),
        ("Europe/Berlin", 7, "2026-10-25T12:00:00+01:00", "2026-10-25T07:00:00+01:00"),
        # Two o'clock, which is skipped in spring and comes twice in autumn.
        ("Europe/Berlin", 2, "2026-03-29T12:00:00+02:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", 2, "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+02:00"),
        ("Europe/Berlin", 2, "2026-10-25T02:30:00+01:00", "2026-10-25T02:00:00+02:00"),
        # Samoa had no 30 December 2011.
        ("Pacific/Apia", 7, "2011-12-31T08:00:00+14:00", "2011-12-31T07:00:00+14:00"),
    ],
)
def test_due_by_the_clock_on_the_wall(zone: str, hour: int, now: str, due: str) -> None:
    assert last_due("daily", zone, hour, 0, seconds(now)) == seconds(due)


ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
# Shortly after clocks were changed in these zones.
CHANGES = [
    datetime.fromisoformat(text)
    for text in ("2018-03-25T02:00", "2018-10-28T02:00", "2018-11-04T05:00", "2018-02-18T04:00", "2018-10-06T16:00")
]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([zone for zone in ZONES if zone != "Pacific/Apia"]),
    st.sampled_from(["daily", "weekly"]),
    st.integers(0, 23),
    st.integers(0, 6),
    st.datetimes(datetime(2010, 1, 1), datetime(2019, 1, 1)) | st.sampled_from(CHANGES),
)
def test_against_a_walk(zone: str, every: Any, hour: int, weekday: int, when: datetime) -> None:
    """The twin walks to now in quarters of an hour, and notes when each day first reached the hour."""
    now = when.replace(tzinfo=UTC, minute=when.minute // 15 * 15, second=0, microsecond=0)
    here, reached = ZoneInfo(zone), dict[date, datetime]()
    for quarter in range(-9 * 96, 1):
        moment = now + timedelta(minutes=15 * quarter)
        local = moment.astimezone(here)
        if local.hour >= hour and (every == "daily" or local.weekday() == weekday):
            reached.setdefault(local.date(), moment)
    # The walk may begin in the middle of a day; the last days are whole.
    assert last_due(every, zone, hour, weekday, now.timestamp()) == reached[max(reached)].timestamp()


def test_every_day_of_three_years_has_one_digest() -> None:
    for zone in ZONES:
        moments = {
            last_due("daily", zone, 7, 0, seconds("2010-01-01T12:00:00+00:00") + 3600.0 * hour)
            for hour in range(0, 24 * 365 * 3, 5)
        }
        days = {local_day(moment, zone) for moment in moments}
        assert len(days) == len(moments)
        expected = (max(days) - min(days)).days + 1
        assert len(days) == expected - (zone == "Pacific/Apia")  # the day that Samoa skipped
        assert {datetime.fromtimestamp(moment, ZoneInfo(zone)).hour for moment in moments} == {7}


def test_missed_days_are_one_digest(
    catalogue: Catalogue, start: Callable[..., Any], make_page: Callable[..., Page]
) -> None:
    mailbox, server = start()
    clock = SimulatedClock(seconds("2026-11-23T08:00:00+00:00"))  # a Monday
    daily = subscribe(catalogue, "day@example.org")
    weekly = subscribe(catalogue, "week@example.org", every="weekly")
    assert run_digests(catalogue, server, clock=clock).sent == 2
    for day in range(24, 29):
        catalogue.add(make_page(f"Paper of day {day}", source=str(day)))
    for hours, made in ((23, 1), (24, 0), (24 * 5, 0), (24 * 7 - 2, 0), (24 * 7 - 1, 1)):
        clock.advance_to(seconds("2026-11-23T08:00:00+00:00") + 3600.0 * hours)
        assert run_digests(catalogue, server, clock=clock).made == made, hours
    assert [name for name, _ in mailbox.told[6:]] == ["day@example.org"] * 5 + ["week@example.org"] * 5
    assert (daily.every, weekly.every) == ("daily", "weekly")


def test_the_first_digest_waits_for_papers(start: Callable[..., Any], make_page: Callable[..., Page]) -> None:
    _, server = start()
    clock = SimulatedClock(seconds("2026-11-26T08:00:00+00:00"))
    with Catalogue(":memory:") as catalogue:
        subscribe(catalogue, "bob@example.org")
        assert run_digests(catalogue, server, clock=clock).made == 0
        catalogue.add(make_page("A paper"))
        assert run_digests(catalogue, server, clock=clock).sent == 1


def test_what_is_new(catalogue: Catalogue) -> None:
    found: dict[str, list[int]] = {}

    def new(subscription: Any) -> list[int]:
        with catalogue.read() as connection:
            return new_papers(connection, subscription)

    for query in ("", "bilevel", "BILEVEL trees", "bilevel ridge", "trees or", "penalty", "digest: (bilevel*) NOT"):
        found[query] = new(subscribe(catalogue, "bob@example.org", query))
    assert found == {
        "": [1, 2, 3],
        "bilevel": [2, 3],  # the shorter title first: BM25
        "BILEVEL trees": [2],
        "bilevel ridge": [],  # all words, not any
        "trees or": [2],
        "penalty": [1],  # stemmed
        "digest: (bilevel*) NOT": [3],
    }
    assert new(subscribe(catalogue, "bob@example.org", where=Filter(until=date(2025, 1, 1)))) == []
    assert new(subscribe(catalogue, "eve@example.org", backlog=False)) == []
    with pytest.raises(InvalidArgument, match="the query cannot be searched for; got '\\?!'"):
        subscribe(catalogue, "bob@example.org", "?!")


def test_the_most_and_the_rest_later(catalogue: Catalogue, start: Callable[..., Any]) -> None:
    mailbox, server = start()
    clock = SimulatedClock(seconds("2026-11-26T08:00:00+00:00"))
    subscribe(catalogue, "bob@example.org", most=2)
    for _ in range(3):
        run_digests(catalogue, server, clock=clock)
        clock.advance_to(clock.now() + 86_400.0)
    assert [mail["Subject"] for mail in mailbox.mails] == ["2 new papers, 2026-11-26", "1 new paper, 2026-11-27"]
    assert "1 more match" in str(mailbox.mails[0].get_body(("plain",)))
    assert len(set(mailbox.told)) == len(mailbox.told) == 3


def test_a_paper_that_turns_out_to_be_another_is_not_told_again(start: Callable[..., Any]) -> None:
    """Two entries, told as two papers; a third page shows that they are one."""
    mailbox, server = start()
    clock = SimulatedClock(seconds("2026-11-26T08:00:00+00:00"))
    with Catalogue(":memory:") as catalogue:
        catalogue.add(Page("a", "json lines", (Listing("Old name", arxiv="2310.20708"),)))
        subscribe(catalogue, "bob@example.org", "new")
        catalogue.add(Page("b", "json lines", (Listing("New name", doi="10.1000/x"),)))
        assert run_digests(catalogue, server, clock=clock).sent == 1
        catalogue.add(Page("c", "json lines", (Listing("New name", arxiv="2310.20708", doi="10.1000/x"),)))
        assert catalogue.count() == 1
        assert catalogue.paper(2).number == 1
        clock.advance_to(clock.now() + 86_400.0)
        assert run_digests(catalogue, server, clock=clock).made == 0
    assert len(mailbox.told) == 1


def test_a_digest_whose_papers_were_told_before_is_not_sent(start: Callable[..., Any]) -> None:
    """The second paper turns out to be the first one while its digest waits."""
    mailbox, server = start()
    clock = SimulatedClock(seconds("2026-11-26T08:00:00+00:00"))
    with Catalogue(":memory:") as catalogue:
        catalogue.add(Page("a", "json lines", (Listing("Old name", arxiv="2310.20708"),)))
        subscribe(catalogue, "bob@example.org")
        assert run_digests(catalogue, server, clock=clock).sent == 1
        catalogue.add(Page("b", "json lines", (Listing("New name", doi="10.1000/x"),)))
        clock.advance_to(clock.now() + 86_400.0)
        mailbox.before.append("451 later")
        (waiting,) = run_digests(catalogue, server, clock=clock).deliveries
        catalogue.add(Page("c", "json lines", (Listing("New name", arxiv="2310.20708", doi="10.1000/x"),)))
        clock.advance_to(waiting.next)
        assert run_digests(catalogue, server, clock=clock).sent == 0
        assert [delivery.state for delivery in deliveries(catalogue)] == ["cancelled", "sent"]
    assert len(mailbox.told) == 1


def test_subscribing_again_changes_and_keeps(catalogue: Catalogue) -> None:
    first = subscribe(catalogue, "Bob@Example.org", "ridge", Filter(since=date(2020, 1, 1), runs=True))
    again = subscribe(
        catalogue, "Bob@example.org", " ridge ", Filter(since=date(2020, 1, 1), runs=True), "weekly", zone="Asia/Tokyo"
    )
    assert (again.number, again.every, again.zone) == (first.number, "weekly", "Asia/Tokyo")
    assert subscriptions(catalogue) == (again,)
    assert again.where == Filter(since=date(2020, 1, 1), runs=True)
    assert subscribe(catalogue, "bob@example.org", "ridge").number != first.number
    end_subscription(catalogue, first.number)
    assert len(subscriptions(catalogue)) == 1


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ({"every": "hourly"}, "a digest comes daily or weekly; got 'hourly'"),
        ({"zone": "Mars/Base"}, "there is no such time zone; got 'Mars/Base'"),
        ({"zone": "../../etc/passwd"}, "there is no such time zone"),
        ({"zone": ""}, "there is no such time zone"),
        ({"hour": 24}, "the hour is out of range; got 24; allowed: 0 to 23"),
        ({"weekday": 7}, "the weekday is out of range"),
        ({"most": 0}, "the number of papers in a digest"),
        ({"most": 201}, "the number of papers in a digest"),
        ({"query": "x" * 1001}, "the query cannot be searched for"),
    ],
)
def test_refused_subscriptions(catalogue: Catalogue, named: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidArgument, match=what):
        subscribe(catalogue, "bob@example.org", **named)


def test_digests_of_a_later_version_are_left_alone(catalogue: Catalogue) -> None:
    subscribe(catalogue, "bob@example.org")
    with catalogue.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO steps VALUES ('digests 2 something', 0.0)")
    with pytest.raises(StorageError, match="written by a later version of trimtab"):
        subscriptions(catalogue)
