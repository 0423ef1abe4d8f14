"""Times, memory, and the price of running in parallel."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trimtab.benchmarks.costs import latencies, memories, parallel_costs
from trimtab.benchmarks.protocol import RunRecord

MadeUp = Callable[..., RunRecord]


def test_asks_count_at_the_number_of_results_they_saw(made_up: MadeUp) -> None:
    slow = made_up([1.0] * 60, "a:a", ask=0.02)
    fast = made_up([1.0] * 30, "b:b", ask=0.001)
    rows = latencies([slow, fast, slow], (20, 50, 100))
    assert [(row.peer, row.trials, row.asks) for row in rows] == [("a:a", 20, 10), ("a:a", 50, 22), ("b:b", 20, 5)]
    assert (rows[0].median, rows[0].p95, rows[0].cpu, rows[0].tell) == (0.02, 0.02, 0.01, 0.002)
    (preloaded,) = latencies([made_up([1.0] * 3, preload=200)], (200,))
    assert preloaded.asks == 3


def test_memory_is_the_median_and_the_largest(made_up: MadeUp) -> None:
    rows = memories([made_up([1.0], "a:a", peak=peak) for peak in (100.0, 300.0, 120.0)] + [made_up([1.0], "b:b")])
    assert [(row.peer, row.median, row.largest) for row in rows] == [("a:a", 120.0, 300.0), ("b:b", 100.0, 100.0)]


def test_parallel_runs_are_compared_with_sequential_ones_at_their_medians(made_up: MadeUp) -> None:
    falling = [float(8 - k) for k in range(8)]
    late = [9.0, 9.0, *falling[:6]]  # two trials later everywhere
    runs = [made_up(falling, "a:a", "bbob-f5-d3"), made_up(late, "a:a", "bbob-f5-d3+delayed:0.5", workers=4)]
    # Targets after 2, 4 and 6 trials; the parallel run needs 4, 6 and 8.
    (row,) = parallel_costs(runs)
    assert (row.peer, row.workers, row.problems) == ("a:a", 4, 1)
    assert row.ratio == pytest.approx((4 / 2 * 6 / 4 * 8 / 6) ** (1 / 3))
    assert parallel_costs(runs[1:]) == []
    (same,) = parallel_costs([runs[0], made_up(falling, "a:a", "bbob-f5-d3", workers=8)])
    assert same.ratio == 1.0


def test_a_target_that_is_never_reached_counts_the_whole_budget(made_up: MadeUp) -> None:
    runs = [made_up([4.0, 3.0, 2.0, 1.0], "a:a"), made_up([9.0] * 4, "a:a", workers=2)]
    (row,) = parallel_costs(runs)
    assert row.ratio == pytest.approx((4 / 1 * 4 / 2 * 4 / 3) ** (1 / 3))
