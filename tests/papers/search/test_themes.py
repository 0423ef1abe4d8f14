"""Themes: planted groups come back, a fixed point of k-means, the slope of t-SNE, names that tell groups apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import Filter
from trimtab.papers.search import refresh, themes
from trimtab.papers.search.class_tfidf import name_groups
from trimtab.papers.search.spherical_k_means import nearest_directions, spherical_k_means
from trimtab.papers.search.tsne import _slope, neighbour_chances, principal_components, tsne

KEY = Key(0, purpose="themes")


def planted(groups: int, each: int, size: int = 12, noise: float = 0.25) -> NDArray[np.float32]:
    """Vectors of length 1 about so many perpendicular directions, a group after the other."""
    rng = np.random.default_rng(groups)
    rows = np.repeat(np.eye(size)[:groups], each, axis=0) + noise * rng.standard_normal((groups * each, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_planted_groups_come_back() -> None:
    vectors = planted(5, 20, noise=0.12)
    group, _ = nearest_directions(vectors, spherical_k_means(vectors, 5, starts=8, key=KEY))
    assert all(len(set(part)) == 1 for part in np.split(group, 5))
    assert len(set(group)) == 5


def test_directions_are_a_fixed_point_and_more_starts_are_no_worse() -> None:
    vectors = planted(4, 15, noise=0.6)
    sums = []
    for starts in (1, 8):
        directions = spherical_k_means(vectors, 4, starts=starts, key=KEY)
        group, product = nearest_directions(vectors, directions)
        sums.append(product.sum())
        for i in range(4):
            total = vectors[group == i].sum(axis=0)
            np.testing.assert_allclose(directions[i], total / np.linalg.norm(total), atol=1e-6)
    assert sums[1] >= sums[0]


def test_no_group_is_empty_even_of_like_vectors() -> None:
    vectors = np.repeat(planted(1, 1), 6, axis=0)
    assert spherical_k_means(vectors, 3, starts=2, key=KEY).shape == (3, 12)
    rare = np.concatenate([vectors, planted(2, 1)])
    assert np.isfinite(spherical_k_means(rare, 4, starts=2, key=KEY)).all()


def test_the_chances_of_neighbours_are_symmetric_and_near_ones_are_likelier() -> None:
    x = planted(3, 10).astype(float)
    chances = neighbour_chances(x, 5.0)
    np.testing.assert_allclose(chances, chances.T)
    assert chances.sum() == pytest.approx(1.0)
    assert np.diag(chances).max() == 0
    same = np.repeat(np.arange(3), 10)
    assert chances[same[:, None] == same].sum() > 0.9


def test_the_slope_is_that_of_the_divergence() -> None:
    rng = np.random.default_rng(0)
    chances = neighbour_chances(rng.standard_normal((8, 5)), 2.0)
    places = rng.standard_normal((8, 2))

    def divergence(at: NDArray[np.float64]) -> float:
        near = 1.0 / (1.0 + ((at[:, None] - at[None]) ** 2).sum(-1))
        np.fill_diagonal(near, 0.0)
        q = near / near.sum()
        apart = ~np.eye(8, dtype=bool)
        return float((chances[apart] * np.log(chances[apart] / q[apart])).sum())

    slope = _slope(places, chances)
    for i, j in np.ndindex(places.shape):
        step = np.zeros_like(places)
        step[i, j] = 1e-6
        assert slope[i, j] == pytest.approx((divergence(places + step) - divergence(places - step)) / 2e-6, abs=1e-6)


def test_groups_are_islands_on_the_map() -> None:
    vectors = planted(6, 12, noise=0.15)
    places = tsne(vectors)
    apart = ((places[:, None] - places[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    group = np.repeat(np.arange(6), 12)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.95
    np.testing.assert_array_equal(places, tsne(vectors))
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_few_vectors_have_places_too(count: int) -> None:
    assert np.isfinite(tsne(planted(1, count))).all()
    assert np.isfinite(tsne(np.ones((count, 3)))).all()
    assert principal_components(np.ones((count, 1))).shape == (count, 2)


def test_names_are_terms_that_only_one_group_has() -> None:
    shared = "we propose a neural network and evaluate models of learning. "
    groups = [
        [shared + "Differential privacy of clients."] * 3,
        [shared + "Click-through rates of adverts."] * 3,
        [shared + "Proteins dock."] * 3,
    ]
    names = name_groups(groups, terms=2)
    assert set(names[0].split(", ")) <= {"differential privacy", "differential", "privacy", "clients"}
    assert set(names[1].split(", ")) <= {"click-through rates", "click-through", "rates", "adverts"}
    assert all(word not in name for name in names for word in ("neural", "propose", "models"))


def test_a_term_of_one_text_names_no_group_and_a_name_is_never_empty() -> None:
    names = name_groups([["Graphs. Nodes."] * 9 + ["Zebra zebra zebra zebra"], [""], ["Of the and. " * 3]])
    assert "zebra" not in names[0]
    assert names[1:] == ["other", "other"]
    assert name_groups([["Zebra stripes."], ["Graphs. Nodes."]], terms=1) == ["zebra stripes", "graphs"]


def test_themes_are_the_subjects(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    found = themes(catalogue, count=3)
    assert sorted(sorted(of.tolist()) for of in found.members) == [list(range(i, 13, 3)) for i in (1, 2, 3)]
    assert sorted(found.places) == list(range(1, 13))
    assert max(abs(c) for place in found.places.values() for c in place) == pytest.approx(1.0)
    for of, name in zip(found.members, found.names, strict=True):
        text = " ".join(catalogue.texts(of)).lower()
        assert all(term in text for term in name.split(", "))
    again = themes(catalogue, count=3, key=KEY)
    assert again.names == found.names
    assert again.places == found.places


def test_the_number_of_themes_follows_the_rule_and_the_filter_holds(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    assert len(themes(catalogue).names) == 2  # the root of 12 / 2
    some = themes(catalogue, Filter(source="first"))
    assert sorted(np.concatenate(some.members).tolist()) == list(range(1, 7)) == sorted(some.places)
    sizes = [len(of) for of in some.members]
    assert sizes == sorted(sizes, reverse=True)


def test_of_many_papers_some_are_laid_out_and_the_others_lie_between(
    catalogue: Catalogue, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(catalogue)
    for name, value in (("_LAID_OUT", 9), ("_LEARNT_FROM", 9), ("_BLOCK", 5)):
        monkeypatch.setitem(themes.__globals__, name, value)
    found = themes(catalogue, count=3)
    assert sorted(np.concatenate(found.members).tolist()) == list(range(1, 13))
    places = np.array([found.places[number] for number in range(1, 13)])
    assert np.isfinite(places).all()
    assert np.abs(places).max() <= 1.0


def test_why_there_are_none_is_told(catalogue: Catalogue, model: Any) -> None:
    assert "refresh(catalogue)" in themes(catalogue).why
    refresh(catalogue)
    assert themes(catalogue, Filter(source="nowhere")).why
    assert themes(catalogue).why == ""
    with Catalogue(":memory:") as empty:
        assert themes(empty).names == ()
        assert themes(empty).why
