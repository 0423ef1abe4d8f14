"""Boxes: splitting loses nothing, doubles nothing that is discrete, and ends in single configurations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.space import Bool, Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.surrogates.certificates.configurations import Configurations
from trimtab.surrogates.certificates.domains import ACTIVE, INACTIVE, UNKNOWN, Boxes, Domain
from trimtab.testing.strategies import spaces

FINITE = Space(
    n=Int(1, 6, log=True),
    o=Ordinal([1, 2, 4]),
    b=Bool(),
    opt=Choice({"p": Space(k=Int(1, 3), q=Choice({"u": Space(v=Categorical(["x", "y"])), "w": None})), "r": None}),
)


def contains(domain: Domain, boxes: Boxes, point: np.ndarray) -> np.ndarray:
    """Which boxes hold a point."""
    inside = (boxes.low <= point + 1e-12) & (point - 1e-12 <= boxes.high)
    alive = np.where(np.isnan(point), boxes.state != ACTIVE, (boxes.state != INACTIVE) & inside)
    return np.where(domain.numbers, alive, inside).all(axis=1)


def leaves(domain: Domain) -> np.ndarray:
    """All single configurations that splitting ends in, as points."""
    boxes, found = domain.root(), []
    while len(boxes):
        single = domain.single(boxes)
        found.append(np.where(domain.numbers & (boxes.state != ACTIVE), np.nan, boxes.low)[single])
        rest = Boxes(*(part[~single] for part in (boxes.low, boxes.high, boxes.state)))
        if not len(rest):
            break
        widths = domain.widths(rest, np.ones(len(domain.columns)))
        assert (widths.max(axis=1) > 0.0).all()
        boxes, _ = domain.split(rest, widths.argmax(axis=1))
    return np.concatenate(found)


def test_splitting_a_finite_domain_lists_every_configuration_once() -> None:
    known = Configurations(FINITE)
    points = leaves(Domain(FINITE.columns))
    found = FINITE.decode_many(known.raw(points))
    assert len(found) == FINITE.size
    assert len({tuple(sorted(params.items())) for params in found}) == FINITE.size
    np.testing.assert_allclose(known.snap(points)[0], points, atol=1e-14)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(space=spaces(most=2).filter(len), seed=st.integers(0, 2**32))
def test_the_parts_of_a_box_hold_what_it_held(space: Space, seed: int) -> None:
    rng, domain, known = np.random.default_rng(seed), Domain(space.columns), Configurations(space)
    points = known.points(space.to_unit(space.sample_raw(rng, 10)))
    boxes = domain.root()
    for _ in range(8):
        widths = domain.widths(boxes, rng.uniform(0.1, 2.0, len(space)))
        if widths.max() <= 0.0:
            break
        before = [contains(domain, boxes, point).any() for point in points]
        boxes, _ = domain.split(boxes, widths.argmax(axis=1))
        assert (boxes.low <= boxes.high).all()
        for point, held in zip(points, before, strict=True):
            parts = contains(domain, boxes, point)
            assert parts.any() == held
            assert parts.sum() <= 1 or domain.continuous.any()
        kept = rng.integers(len(boxes))
        boxes = Boxes(*(part[kept : kept + 1] for part in (boxes.low, boxes.high, boxes.state)))


def test_what_is_nested_waits_for_its_parent() -> None:
    domain = Domain(FINITE.columns)
    root = domain.root()
    named = dict(zip(FINITE.names, root.state[0].tolist(), strict=True))
    assert [named[name] for name in ("opt", "opt.p.k", "opt.p.q.u.v")] == [ACTIVE, UNKNOWN, UNKNOWN]
    assert domain.widths(root, np.ones(len(FINITE)))[0, FINITE.names.index("opt.p.k")] == 0.0
    parts, _ = domain.split(root, np.array([FINITE.names.index("opt")]))
    assert parts.state[:, FINITE.names.index("opt.p.k")].tolist() == [ACTIVE, INACTIVE]


@pytest.mark.parametrize("parameter", [Int(3, 10**6, log=True), Int(1, 64, powers_of=2), Float(0.0, 1.0, step=0.1)])
def test_a_box_ends_on_the_grid(parameter: Int | Float) -> None:
    space = Space(x=parameter)
    domain = Domain(space.columns)
    boxes = domain.root()
    while not domain.single(boxes)[0]:
        parts, _ = domain.split(boxes, np.array([0]))
        ends = np.concatenate([parts.low, parts.high])
        np.testing.assert_allclose(space.to_unit(space.from_unit(ends)), ends, rtol=0, atol=1e-12)
        boxes = Boxes(parts.low[:1], parts.high[:1], parts.state[:1])
    assert space.decode(space.from_unit(boxes.low)[0])["x"] == parameter.low
