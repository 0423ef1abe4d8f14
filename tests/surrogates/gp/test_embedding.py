"""The embedding: distances mean what the module says, and the kernel is positive semidefinite on any space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.space import Categorical, Choice, Float, Space
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.testing.strategies import spaces

NESTED = Space(
    x=Float(0.0, 1.0),
    opt=Choice({"p": Space(z=Float(0.0, 1.0), kind=Categorical(["a", "b", "c"])), "q": None, "r": None}),
)


def distances(space: Space, rows: list[dict], column: str) -> np.ndarray:
    """Squared distances of configurations along one column."""
    embedding = Embedding(space.columns)
    features = embedding.features(space.to_unit(space.encode_many(rows)))
    return squared_distances(features[:, embedding.groups == space.names.index(column)])


P = {"x": 0.2, "opt": "p", "opt.p.z": 0.0, "opt.p.kind": "a"}
ROWS = [P, {**P, "x": 0.7, "opt.p.z": 1.0, "opt.p.kind": "c"}, {"x": 0.2, "opt": "q"}, {"x": 0.2, "opt": "r"}]


def test_numbers_keep_their_distance() -> None:
    np.testing.assert_allclose(distances(NESTED, ROWS, "x")[0], [0, 0.25, 0, 0], atol=1e-15)


def test_categories_differ_or_not() -> None:
    np.testing.assert_allclose(distances(NESTED, ROWS, "opt")[2], [1, 1, 0, 1], atol=1e-15)
    np.testing.assert_allclose(distances(NESTED, ROWS, "opt.p.kind")[0], [0, 1, 1, 1], atol=1e-15)


def test_inactive_is_one_point_as_far_from_the_ends_as_they_are_apart() -> None:
    np.testing.assert_allclose(
        distances(NESTED, ROWS, "opt.p.z"), [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]], atol=1e-15
    )


def test_absent_in_a_traced_space_is_the_centre() -> None:
    space = Space.traced({"x": Float(0.0, 1.0), "kind": Categorical(["a", "b", "c", "d"])})
    rows = [{"x": 0.0, "kind": "a"}, {"x": 0.5, "kind": "b"}, {}]
    np.testing.assert_allclose(distances(space, rows, "x")[2], [0.25, 0, 0], atol=1e-15)
    near = distances(space, rows, "kind")[2]
    assert near[0] == pytest.approx(near[1])
    assert near[0] < distances(space, rows, "kind")[0, 1]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(space=spaces() | spaces(traced=True), seed=st.integers(0, 9))
def test_the_kernel_is_positive_semidefinite_on_any_space(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit = space.to_unit(space.sample_raw(rng, 25))
    if space.is_traced:
        unit[rng.random(unit.shape) < 0.3] = np.nan
    embedding = Embedding(space.columns)
    scales = np.exp(rng.normal(size=len(space)))[embedding.groups]
    eigenvalues = np.linalg.eigvalsh(matern52(squared_distances(embedding.features(unit) / scales)))
    assert eigenvalues.min() > -1e-10


def test_equal_configurations_have_equal_features_and_others_do_not() -> None:
    unit = NESTED.to_unit(NESTED.sample_raw(np.random.default_rng(0), 40))
    gaps = squared_distances(Embedding(NESTED.columns).features(unit))
    same = [[np.array_equal(a, b, equal_nan=True) for b in unit] for a in unit]
    np.testing.assert_array_equal(gaps < 1e-14, same)


def test_derivatives_go_back_to_the_numbers_alone() -> None:
    embedding = Embedding(NESTED.columns)
    back = embedding.by_unit(np.arange(1.0, len(embedding.groups) + 1)[None, :])[0]
    assert back.tolist() == [1.0, 0.0, embedding.place[2] + 1.0, 0.0]
