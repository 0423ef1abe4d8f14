"""The trending order."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trimtab.papers.catalogue.trending import DECADE_DAYS, heat

DAYS = st.dates(date(2000, 1, 1), date(2030, 1, 1))


@given(st.integers(1, 10**6), DAYS)
def test_ten_times_the_votes_are_worth_a_week(votes, day):
    assert abs(heat(votes * 10, day) - heat(votes, day + timedelta(days=DECADE_DAYS))) < 1e-6


@given(st.integers(-1000, 1000), st.integers(1, 1000), DAYS, st.integers(1, 1000))
def test_more_votes_and_later_days_are_never_worse(votes, more, day, later):
    assert heat(votes + more, day) >= heat(votes, day)
    assert heat(votes, day + timedelta(days=later)) > heat(votes, day)


@given(st.lists(st.tuples(st.integers(-50, 50), DAYS), max_size=8), st.integers(1, 400))
def test_the_order_is_the_same_on_every_day(papers, days):
    """Shifting all days alike, as looking later does, changes no order."""
    shifted = [heat(votes, day + timedelta(days=days)) for votes, day in papers]
    now = [heat(votes, day) for votes, day in papers]
    for i in range(len(papers)):
        for j in range(len(papers)):
            assert abs((now[i] - now[j]) - (shifted[i] - shifted[j])) < 1e-6


def test_no_votes_and_no_date():
    assert heat(0, date(2026, 1, 1)) == heat(1, date(2026, 1, 1)) == heat(-1, date(2026, 1, 1))
    assert heat(5, None) is None
