"""Times and memory."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.benchmarks.costs import latencies, memories
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
