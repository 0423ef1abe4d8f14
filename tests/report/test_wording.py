from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.records import Interval
from trimtab.report.wording import count, duration, moment, number, one_line, param, shorten, with_interval


@given(st.floats(-1e308, 1e308), st.integers(2, 10))
def test_a_number_reads_back_to_the_digits_asked_for(value: float, digits: int) -> None:
    text = number(value, digits)
    assert math.isclose(float(text), value, rel_tol=0.5000001 * 10 ** (1 - digits), abs_tol=5e-324)
    assert len(text) <= digits + 12


def test_numbers_that_are_none() -> None:
    assert [number(value) for value in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]


@given(st.floats(-1e4, 1e4), st.floats(1e-4, 1e3))
def test_an_estimate_shows_no_digit_that_its_interval_does_not_support(estimate: float, half: float) -> None:
    text, span = with_interval(estimate, Interval(estimate - half, estimate + half, 0.95))
    if "e" in text:
        return
    shown = len(text.partition(".")[2])
    unit = 10.0**-shown
    assert abs(float(text) - estimate) <= 0.5 * unit + 1e-9
    assert unit >= 0.0099 * half or shown == 0
    low, high = map(float, span.split(" to "))
    assert low <= float(text) <= high


def test_an_interval_of_no_width_or_of_infinite_width_is_told_plainly() -> None:
    assert with_interval(0.5, Interval(0.5, 0.5, 0.95)) == ("0.5", "0.5 to 0.5")
    assert with_interval(0.5, Interval(-math.inf, math.inf, 0.95)) == ("0.5", "-inf to inf")


@given(st.floats(0, 1e9))
def test_durations_are_short_and_never_empty(seconds: float) -> None:
    text = duration(seconds)
    assert 0 < len(text) <= 14
    assert text[0].isdigit()


@given(st.floats(0, 1e9))
def test_durations_have_no_exponent(seconds: float) -> None:
    assert not re.search(r"e[+]?\d", duration(seconds))


def test_durations_of_clocks_that_went_backwards_are_nought() -> None:
    assert duration(-3.0) == "0 ms"


def test_a_moment_that_no_calendar_has() -> None:
    assert moment(1e300) == "at an unknown time"
    assert moment(1_700_000_000.0) == "14 Nov 2023, 22:13 UTC"


@given(st.text(), st.integers(1, 30))
def test_shortened_texts_fit_and_keep_their_ends(text: str, most: int) -> None:
    short = shorten(text, most)
    assert len(short) <= most
    assert short == text or (len(text) > most and "…" in short and text.startswith(short.split("…")[0]))


def test_texts_on_one_line() -> None:
    assert one_line(" a\n\tb  c\r\n") == "a b c"


def test_counts_and_params() -> None:
    assert count(1, "trial") == "1 trial"
    assert count(0, "trial") == "0 trials"
    assert param(1e-5) == "1e-5"
    assert param(False) == "False"
    assert param(None) == "None"
    assert param(2**60) == str(2**60)
