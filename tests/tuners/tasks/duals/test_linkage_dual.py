"""The lower envelope of lines, the runs of a mix of linkages, and their losses, each beside a slow obvious twin."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.envelope import lower_envelope, lowest
from trimtab.tuners.tasks.duals.linkage import linkage_clusters, linkage_dual, linkage_merges, linkage_runs

MIXES = [("single", "complete"), ("single", "average"), ("average", "complete"), ("complete", "single")]


# --- lower envelope ---


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=12))
def test_each_piece_of_an_envelope_is_the_first_of_the_lowest_lines(lines: list[tuple[int, int]]) -> None:
    zero, one = np.array(lines, dtype=float).T
    pieces = lower_envelope(zero, one, 0.0, 1.0)
    assert pieces[0].low == 0.0
    assert pieces[-1].high == 1.0
    for left, right in itertools.pairwise(pieces):
        assert left.high == right.low
        assert left.line != right.line
    for piece in pieces:
        at = (Fraction(piece.low) + Fraction(piece.high)) / 2
        values = [(1 - at) * z + at * o for z, o in lines]
        assert piece.line == values.index(min(values)) == lowest(zero, one, float(at))


def test_an_envelope_of_many_lines_has_all_its_corners() -> None:
    """Tangents of a concave parabola are each lowest near where they touch; corners are midway between the places."""
    touch = np.linspace(0, 1, 100)
    height, slope = 2 + touch * (1 - touch), 1 - 2 * touch
    pieces = lower_envelope(height - touch * slope, height + (1 - touch) * slope, 0.0, 1.0)
    assert [piece.line for piece in pieces] == list(range(100))
    np.testing.assert_allclose([piece.high for piece in pieces[:-1]], (touch[:-1] + touch[1:]) / 2, atol=1e-12)


# --- runs ---


def matrix(entries: list[int], n: int) -> np.ndarray:
    return squareform(np.array(entries[: n * (n - 1) // 2], dtype=float))


def naive_distance(kind: str, d: np.ndarray, a: tuple[int, ...], b: tuple[int, ...]) -> Fraction:
    pairs = [Fraction(d[p, q]) for p in a for q in b]
    return {"single": min(pairs), "complete": max(pairs), "average": sum(pairs, Fraction(0)) / len(pairs)}[kind]


def naive_merges(d: np.ndarray, mix: tuple[str, str], at: float) -> tuple[tuple[int, int], ...]:
    """By the definition, in exact arithmetic."""
    clusters, share, out = [(p,) for p in range(len(d))], Fraction(at), []
    while len(clusters) > 1:
        _, a, b = min(
            (
                (1 - share) * naive_distance(mix[0], d, a, b) + share * naive_distance(mix[1], d, a, b),
                a,
                b,
            )
            for a, b in itertools.combinations(sorted(clusters), 2)
        )
        clusters = [c for c in clusters if c not in (a, b)] + [tuple(sorted(a + b))]
        out.append((min(a[0], b[0]), max(a[0], b[0])))
    return tuple(out)


sizes = st.integers(2, 7)
integer_distances = st.lists(st.integers(0, 9), min_size=21, max_size=21)


@settings(max_examples=60, deadline=None)
@given(sizes, integer_distances, st.sampled_from(MIXES), st.floats(0, 1))
def test_runs_are_those_of_the_definition(n: int, entries: list[int], mix: Any, at: float) -> None:
    """Whole distances, with many ties: at the middle of each piece, and at a place that the pieces do not know."""
    d = matrix(entries, n)
    runs = list(linkage_runs(d, mix=mix))
    assert runs[0].low == 0.0
    assert runs[-1].high == 1.0
    assert all(left.high == right.low for left, right in itertools.pairwise(runs))
    for run in runs:
        middle = (run.low + run.high) / 2
        assert run.merges == naive_merges(d, mix, middle) == linkage_merges(d, middle, mix=mix)
    assume(all(abs(at - run.high) > 1e-9 and abs(at - run.low) > 1e-9 for run in runs))
    (run,) = [run for run in runs if run.low <= at < run.high]
    assert run.merges == naive_merges(d, mix, at) == linkage_merges(d, at, mix=mix)


@pytest.mark.parametrize("mix", MIXES)
def test_there_is_no_run_between_the_runs(mix: Any) -> None:
    d = squareform(pdist(np.random.default_rng(0).normal(size=(24, 2))))
    runs = list(linkage_runs(d, mix=mix))
    assert len(runs) > 5
    assert all(left.merges != right.merges for left, right in itertools.pairwise(runs))
    for at in np.random.default_rng(1).random(100):
        (run,) = [run for run in runs if run.low <= at < run.high]
        assert linkage_merges(d, float(at), mix=mix) == run.merges


@pytest.mark.parametrize("kind", ["single", "average", "complete"])
@pytest.mark.parametrize("k", [2, 5])
def test_pure_linkages_are_those_of_scipy(kind: Any, k: int) -> None:
    d = pdist(np.random.default_rng(2).normal(size=(40, 3)))
    theirs = fcluster(linkage(d, kind), k, "maxclust")
    for at, mix in ((0.0, (kind, "single")), (1.0, ("complete", kind)), (0.37, (kind, kind))):
        ours = linkage_clusters(squareform(d), k, at, mix=mix)
        assert ((ours[:, None] == ours) == (theirs[:, None] == theirs)).all()


def test_a_breakpoint_worked_out_by_hand() -> None:
    """Points 0, 2, 5 and 9.2 on a line: {0, 2} comes first, then 5 joins it while 3 + 2a < 4.2."""
    points = np.array([0.0, 2.0, 5.0, 9.2])
    runs = list(linkage_runs(abs(points[:, None] - points)))
    assert [run.merges for run in runs] == [((0, 1), (0, 2), (0, 3)), ((0, 1), (2, 3), (0, 2))]
    assert runs[0].high == pytest.approx(0.6, abs=1e-8)


def test_renaming_points_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 2)), rng.integers(0, 3, 30)
    order = rng.permutation(30)
    one = linkage_dual(squareform(pdist(x)), y)
    other = linkage_dual(squareform(pdist(x[order])), y[order])
    assert one.pieces > 1
    np.testing.assert_allclose(one.edges, other.edges, atol=1e-6)
    np.testing.assert_array_equal(one.levels, other.levels)


# --- losses ---


def naive_hamming(parts: list[list[int]], labels: list[int], kinds: int) -> int:
    """The least number of wrong points over all ways to give clusters labels of their own, some left over."""
    names = list(range(kinds)) + [-1] * len(parts)
    best = min(
        sum(label != given for part, given in zip(parts, way, strict=False) for label in (labels[p] for p in part))
        for way in set(itertools.permutations(names, len(parts)))
    )
    return int(best)


def naive_majority(parts: list[list[int]], labels: list[int], kinds: int) -> int:
    return sum(len(part) - max(sum(labels[p] == kind for p in part) for kind in range(kinds)) for part in parts)


def prunings(tree: Any, k: int) -> list[list[list[int]]]:
    """All ways to cut a nested pair of points into k clusters."""
    if k == 1:
        return [[points_of(tree)]]
    if isinstance(tree, int):
        return []
    return [
        left + right
        for more in range(1, k)
        for left in prunings(tree[0], more)
        for right in prunings(tree[1], k - more)
    ]


def points_of(tree: Any) -> list[int]:
    return [tree] if isinstance(tree, int) else points_of(tree[0]) + points_of(tree[1])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(3, 6),
    integer_distances,
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
    st.sampled_from(MIXES),
    st.sampled_from(["hamming", "majority"]),
    st.sampled_from(["cut", "pruning"]),
)
def test_losses_are_those_of_the_definition(
    n: int, entries: list[int], labels: list[int], mix: Any, loss: Any, choice: Any
) -> None:
    d = matrix(entries, n)
    kept = np.unique(labels[:n], return_inverse=True)[1].tolist()
    k = max(kept) + 1
    dual = linkage_dual(d, kept, mix=mix, loss=loss, choice=choice)
    judge = naive_hamming if loss == "hamming" else naive_majority
    for run in linkage_runs(d, mix=mix):
        parts: dict[int, Any] = {p: p for p in range(n)}
        for i, j in run.merges[: n - k] if choice == "cut" else run.merges:
            parts[i] = (parts[i], parts.pop(j))
        if choice == "cut":
            expected = judge([points_of(part) for part in parts.values()], kept, k)
        else:
            expected = min(judge(way, kept, k) for way in prunings(parts[0], k))
        assert dual.value((run.low + run.high) / 2) == pytest.approx(expected / n)


def test_a_cut_into_fewer_or_more_clusters_than_labels() -> None:
    points = np.array([0.0, 1.0, 10.0, 11.0, 30.0])
    d, labels = abs(points[:, None] - points), [0, 1, 2, 2, 2]
    assert linkage_dual(d, labels, clusters=2).value(0.5) == pytest.approx(3 / 5)  # {0 1 10 11}, {30}
    assert linkage_dual(d, labels, clusters=4).value(0.5) == pytest.approx(3 / 5)  # {0 1}, {10}, {11}, {30}
    assert linkage_dual(d, labels, clusters=4, loss="majority").value(0.5) == pytest.approx(1 / 5)
    assert linkage_dual(d, labels, clusters=4, loss="majority", choice="pruning").value(0.5) == 0.0


@pytest.mark.parametrize("choice", ["cut", "pruning"])
def test_the_minimum_is_never_above_a_grid(choice: Any) -> None:
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1, 2], 10)
    d = squareform(pdist(rng.normal(size=(30, 2)) + 1.5 * np.eye(3, 2)[y]))
    dual = linkage_dual(d, y, choice=choice)
    least = dual.minimum()
    grid = dual.value(np.linspace(0, 1, 2001))
    assert dual.pieces > 2
    assert least.value <= grid.min()
    assert dual.value(least.at) == least.value
    if choice == "cut":
        for at in np.linspace(0.003, 0.997, 25):
            parts = linkage_clusters(d, 3, float(at))
            members = [np.flatnonzero(parts == part).tolist() for part in range(3)]
            assert dual.value(at) == pytest.approx(naive_hamming(members, y.tolist(), 3) / 30)


def test_alike_points_and_single_points() -> None:
    assert linkage_dual(np.zeros((5, 5)), [0, 0, 1, 1, 1]).levels.tolist() == [2 / 5]  # {0 1 2 3}, {4}
    assert linkage_dual([[0.0]], ["a"]).levels.tolist() == [0.0]
    assert linkage_merges([[0.0]], 0.5) == ()


SQUARE = 1.0 - np.eye(4)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: linkage_dual(SQUARE[:3], [0] * 3), ["square matrix", "got (3, 4)", "squareform"]),
        (lambda: linkage_dual(SQUARE - 1, [0] * 4), ["symmetric, finite and not negative"]),
        (lambda: linkage_dual(np.triu(SQUARE), [0] * 4), ["symmetric"]),
        (lambda: linkage_dual(SQUARE, [0] * 3), ["one for each point", "got (3,)", "shape (4,)"]),
        (lambda: linkage_dual(SQUARE, [0] * 4, mix=("single", "ward")), ["two linkages", "single, average, complete"]),
        (lambda: linkage_dual(SQUARE, [0] * 4, clusters=5), ["more clusters than points", "1 to 4"]),
        (lambda: linkage_dual(SQUARE, [0] * 4, choice="best"), ["choice of clusters", "pruning or cut"]),
        (lambda: linkage_dual(SQUARE, [0] * 4, loss="rand"), ["clustering loss", "hamming or majority"]),
        (lambda: linkage_dual(SQUARE, [0, 0, 1, 1], clusters=3, choice="pruning"), ["got (3, 2)", "loss='majority'"]),
        (lambda: linkage_merges(SQUARE, 1.5), ["outside the interval", "got 1.5"]),
        (lambda: linkage_merges(SQUARE, 0.5, clusters=0), ["clusters must be a whole number"]),
    ],
)
def test_what_is_refused(make: Any, texts: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert all(text in str(caught.value) for text in texts), str(caught.value)


def test_too_many_runs_are_refused_where_they_become_too_many() -> None:
    d = squareform(pdist(np.random.default_rng(0).normal(size=(24, 2))))
    count = len(list(linkage_runs(d)))
    assert len(list(linkage_runs(d, max_runs=count))) == count
    with pytest.raises(InvalidArgument, match=f"more than {count - 1} by a = 0"):
        list(linkage_runs(d, max_runs=count - 1))
