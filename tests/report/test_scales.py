from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.report.scales import Band, Linear, Log, spans_decades, tick_labels

floats = st.floats(-1e300, 1e300, allow_nan=False)
positive = st.floats(1e-300, 1e300)


def ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a <= b else (b, a)


@given(floats, floats, st.integers(2, 20))
def test_linear_ticks_lie_on_the_axis_and_are_few(a: float, b: float, most: int) -> None:
    low, high = ordered(a, b)
    ticks = Linear(low, high).ticks(most)
    slack = 1e-6 * (high / 2 - low / 2)
    assert 1 <= len(ticks) <= most or len(ticks) == 1
    assert all(low - slack <= tick.at <= high + slack for tick in ticks)


@given(floats, st.floats(1e-9, 1e9), st.integers(2, 20))
def test_linear_ticks_use_the_room_they_have(low: float, span: float, most: int) -> None:
    high = low + span
    if not high > low + 1e-9 * abs(low):
        return
    # Round steps are 1, 2 and 5: no step is more than 2.5 times the one below, so about 2/5 of the room is used.
    assert len(Linear(low, high).ticks(most)) >= max(1, math.floor(0.4 * (most + 1)) - 1)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_linear_ticks_are_multiples_of_a_round_step_with_distinct_labels(low: float, span: float, most: int) -> None:
    ticks = Linear(low, low + span).ticks(most)
    if len(ticks) < 2:
        return
    step = ticks[1].at - ticks[0].at
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - round_) for round_ in (1, 2, 5, 10)) < 1e-3
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_labels_of_equal_steps_read_back_as_the_ticks() -> None:
    for low, high in [(0.0, 1.0), (-3.0, 17.0), (0.12, 0.19), (0.0, 123456.0)]:
        for tick in Linear(low, high).ticks(8):
            assert float(tick.label.replace(",", "")) == pytest.approx(tick.at, abs=1e-12 * max(abs(low), abs(high)))


def test_whole_axes_have_whole_ticks() -> None:
    assert [tick.label for tick in Linear(0, 3, whole=True).ticks(10)] == ["0", "1", "2", "3"]


def test_elapsed_time_uses_the_steps_of_a_clock_in_one_unit() -> None:
    assert [tick.label for tick in Linear(0, 754, seconds=True).ticks(8)] == [
        "0",
        "2 min",
        "4 min",
        "6 min",
        "8 min",
        "10 min",
        "12 min",
    ]
    assert [tick.label for tick in Linear(0, 10754, seconds=True).ticks(6)] == [
        "0",
        "0.5 h",
        "1 h",
        "1.5 h",
        "2 h",
        "2.5 h",
    ]
    assert [tick.label for tick in Linear(0, 2.4, seconds=True).ticks(6)] == ["0", "0.5 s", "1 s", "1.5 s", "2 s"]


@given(positive, positive, st.integers(2, 20))
def test_log_ticks_lie_on_the_axis_and_are_few(a: float, b: float, most: int) -> None:
    low, high = ordered(a, b)
    ticks = Log(low, high).ticks(most)
    assert len(ticks) <= most or len(ticks) == 1
    assert all(low * (1 - 1e-6) <= tick.at <= high * (1 + 1e-6) for tick in ticks)
    assert len({tick.label for tick in ticks}) == len({tick.at for tick in ticks})


def test_log_ticks_of_other_bases_are_the_powers() -> None:
    assert [tick.label for tick in Log(16, 256, base=2).ticks(6)] == ["16", "32", "64", "128", "256"]
    assert [tick.at for tick in Log(16, 256, base=2).ticks(3)] == [16, 64, 256]


@given(st.lists(st.floats(1e-8, 1e8), min_size=2, max_size=30, unique=True))
def test_scales_keep_order_and_map_their_ends_to_zero_and_one(values: list[float]) -> None:
    points = np.sort(values)
    for scale in (Linear(points[0], points[-1]), Log(points[0], points[-1])):
        places = scale.place(points)
        assert np.all(np.diff(places) >= 0)
        assert places[0] == pytest.approx(0, abs=1e-9)
        assert places[-1] == pytest.approx(1, abs=1e-9)


def test_log_places_ratios() -> None:
    assert Log(1e-4, 1.0).place([1e-4, 1e-3, 1e-2, 0.1, 1.0]) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert np.isnan(Log(1e-4, 1.0).place([0.0, -1.0, np.nan])).all()


def test_a_range_of_one_point_is_placed_in_the_middle() -> None:
    assert Linear(3.0, 3.0).place([3.0]) == pytest.approx([0.5])
    assert np.isnan(Linear(3.0, 3.0).place([np.nan])).all()
    assert [tick.label for tick in Linear(3.0, 3.0).ticks(5)] == ["3"]


def test_bands_are_equal_and_thinned_to_every_kth() -> None:
    band = Band(tuple("abcde"))
    assert band.place(range(5)) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert [tick.label for tick in band.ticks(5)] == list("abcde")
    assert [tick.label for tick in band.ticks(3)] == ["a", "c", "e"]


def test_extreme_ranges_neither_overflow_nor_lose_their_labels() -> None:
    assert Linear(-1.7e308, 1.7e308).place([0.0]) == pytest.approx([0.5])
    assert len(Linear(-1.7e308, 1.7e308).ticks(5)) >= 2
    assert len(Linear(5e-324, 1e-323).ticks(5)) == 1
    labels = [tick.label for tick in Linear(1e9, 1e9 + 3).ticks(5)]
    assert len(set(labels)) == len(labels) == 4


def test_spans_decades_asks_for_positive_values() -> None:
    assert spans_decades(np.array([1.0, 100.0]), 100.0)
    assert not spans_decades(np.array([1.0, 99.0]), 100.0)
    assert not spans_decades(np.array([0.0, 1000.0]), 100.0)
    assert not spans_decades(np.array([]), 100.0)


def test_labels_of_uneven_ticks_are_written_one_by_one() -> None:
    assert tick_labels([1e-5, 0.001, 20.0, 5000.0, 2e7], even=False) == ["1e-5", "0.001", "20", "5,000", "2e7"]
