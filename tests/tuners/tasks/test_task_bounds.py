"""Bounds: the counting argument against brute force, and verdicts that never pretend."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.tuners.tasks.bounds import BOUNDS, bound_for, counted_dimension

SIZES = {
    "ridge": {"features": 10},
    "lasso": {"features": 10},
    "elastic net": {"features": 10},
    "threshold graph": {"points": 100},
    "Gaussian graph": {"points": 100},
    "label propagation": {"points": 100},
    "linkage mix": {"points": 100},
    "tree pruning": {"nodes": 100},
    "tree splitting": {"nodes": 20, "splits": 50},
    "activation interpolation": {
        "layers": 3,
        "weights": 1000,
        "units": 60,
        "examples": 100,
        "breakpoints": 2,
        "degree": 1,
    },
    "graph kernel": {"nodes": 100, "classes": 2, "inputs": 10, "hidden": 16, "degree": 2},
    "several hyperparameters": {"hyperparameters": 2, "weights": 10, "pieces": 4, "boundaries": 4, "degree": 2},
}


def shattered(changes: int, size: int) -> bool:
    """Whether some `size` step functions of so many changes show all patterns: brute force over their orders."""
    total = size * changes
    for owners in set(itertools.permutations(list(range(size)) * changes, total)):
        for start in itertools.product([False, True], repeat=size):
            now, seen = list(start), {start}
            for owner in owners:
                now[owner] = not now[owner]
                seen.add(tuple(now))
            if len(seen) == 2**size:
                return True
    return False


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_counting_is_never_below_brute_force(changes):
    largest = max(size for size in (1, 2, 3) if size * changes <= 8 and shattered(changes, size))
    assert largest <= counted_dimension(changes)
    # One change is enough for one function; two functions need three of the four changes of a walk.
    assert shattered(1, 1)
    assert not shattered(1, 2)


def test_counting_is_the_largest_size_that_the_inequality_allows():
    for changes in (0, 1, 2, 7, 4950, 3**40):
        size = counted_dimension(changes)
        assert 2**size <= size * changes + 1
        assert 2 ** (size + 1) > (size + 1) * changes + 1


def test_a_ridge_loss_crosses_a_level_no_more_often_than_counted():
    rng = np.random.default_rng(0)
    penalties = np.geomspace(1e-6, 1e6, 4001)
    most = 0
    for _ in range(40):
        a, b, c, d = rng.normal(size=(8, 3)), rng.normal(size=8), rng.normal(size=(6, 3)), rng.normal(size=6)
        u, s, v = np.linalg.svd(a, full_matrices=False)
        weights = (s / (s**2 + penalties[:, None]) * (u.T @ b)) @ v
        loss = ((weights @ c.T - d) ** 2).mean(axis=1)
        levels = rng.choice(loss, 20)
        most = max(most, *(np.count_nonzero(np.diff(loss >= level)) for level in levels))
    assert 2 <= most <= bound_for("ridge").changes({"features": 3})


def test_every_kind_has_a_source_and_a_status_and_says_what_it_is():
    assert set(SIZES) == set(BOUNDS)
    for kind, bound in BOUNDS.items():
        assert bound.kind == kind
        assert bound.refs
        assert all(ref.text for ref in bound.refs)
        assert bound.status in ("proven", "recalled, unverified", "disputed")
        assert (bound.changes is None) or bound.status == "proven"
        assert "constant is not known" in bound.sample_complexity
        found = bound.verdict(40, **SIZES[kind])
        assert bound.status in found.sentence
        assert found.sentence.endswith("Use held-out tasks.")
        assert found.vacuous == (found.dimension >= 40)


def test_a_bound_that_says_nothing_says_so():
    graph = bound_for("threshold graph")
    assert graph.verdict(16, points=100).dimension == 16
    assert "the bound says nothing" in graph.verdict(16, points=100).sentence
    assert not graph.verdict(17, points=100).vacuous
    assert "no number to act on" in graph.verdict(17, points=100).sentence
    assert bound_for("activation interpolation").verdict(1000, **SIZES["activation interpolation"]).vacuous
    assert "constant one" in bound_for("Gaussian graph").verdict(40, points=100).sentence


def test_errors_say_what_is_wrong():
    with pytest.raises(UnknownName, match="ridge, lasso"):
        bound_for("forest")
    with pytest.raises(InvalidArgument, match="depends on"):
        bound_for("ridge").verdict(10, points=3)
    with pytest.raises(InvalidArgument, match="features"):
        bound_for("ridge").verdict(10, features=0)
    with pytest.raises(InvalidArgument, match="tasks"):
        bound_for("ridge").verdict(0, features=3)
