"""Certificates: right against grids and enumeration, fast against the plain bound, honest when cut short."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.space import Bool, Categorical, Choice, Float, Forbidden, Int, Linear, Ordinal, Space
from trimtab.surrogates.certificates import (
    MATERN52,
    PALM_MEAN_REFS,
    SQUARED_EXPONENTIAL,
    Profile,
    certified_minimum,
    minimum_in_box,
)
from trimtab.surrogates.certificates.bounds import analytic_bound
from trimtab.surrogates.certificates.branch_and_bound import Budget, Minimum, Problem, branch_and_bound
from trimtab.surrogates.certificates.configurations import Configurations
from trimtab.surrogates.certificates.domains import Boxes, Domain
from trimtab.surrogates.certificates.mean import PosteriorMean, Stationary
from trimtab.surrogates.gp import Model

FINITE = Space(
    n=Int(1, 30, log=True),
    o=Ordinal([1, 2, 4, 8]),
    s=Float(0.0, 1.0, step=0.25),
    b=Bool(),
    opt=Choice({"p": Space(k=Int(1, 5), q=Categorical(["x", "y"])), "r": Space(m=Int(0, 6)), "none": None}),
)
MIXED = Space(
    lr=Float(1e-5, 1e-1, log=True),
    layers=Int(1, 8),
    act=Categorical(["relu", "gelu", "tanh"]),
    opt=Choice({"adam": Space(beta=Float(0.9, 0.999)), "sgd": Space(momentum=Float(0.0, 0.99)), "none": None}),
)


def analytic(mean: PosteriorMean, boxes: Boxes) -> Stationary:
    """The slow obvious twin of the bound: every term at its own worst."""
    return Stationary(analytic_bound(mean, mean.distances(boxes)), 0.5 * (boxes.low + boxes.high))


def search(problem: Problem, epsilon: float, nodes: int = 200_000) -> Minimum:
    return branch_and_bound(problem, np.full((1, len(problem.domain.columns)), 0.5), epsilon, Budget(nodes))


def listed(space: Space) -> np.ndarray:
    """Every configuration of a finite space that keeps its constraints, in raw coordinates."""
    domain, found = Domain(space.columns), []
    boxes = domain.root()
    while len(boxes):
        single = domain.single(boxes)
        found.append(boxes.low[single])
        rest = Boxes(*(part[~single] for part in (boxes.low, boxes.high, boxes.state)))
        if not len(rest):
            break
        boxes, _ = domain.split(rest, domain.widths(rest, np.ones(len(space))).argmax(axis=1))
    raw = Configurations(space).raw(np.concatenate(found))
    return raw[space.feasible_many(raw)]


@pytest.mark.parametrize(("n", "wanted"), [(30, -1.7756), (60, -1.8285)])
def test_the_paper_s_kernel_on_its_kind_of_example(example: Callable[..., Problem], n: int, wanted: float) -> None:
    problem = example(n, SQUARED_EXPONENTIAL)
    found = search(problem, 0.01)
    grid = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 201)] * 2), axis=-1).reshape(-1, 2)
    least = problem.mean.value(grid).min()
    assert found.value == pytest.approx(wanted, abs=1e-4)
    assert found.lower_bound <= least
    assert found.value <= least + 1e-12
    assert found.gap <= 0.01
    assert found.stopped == "the gap is closed"


@pytest.mark.parametrize("profile", [MATERN52, SQUARED_EXPONENTIAL], ids=lambda profile: profile.name)
def test_the_bound_needs_a_tenth_of_the_boxes_of_its_obvious_twin(
    example: Callable[..., Problem], profile: Profile
) -> None:
    problem = example(30, profile)
    fast, slow = search(problem, 0.1), search(replace(problem, bound=analytic), 0.1)
    assert slow.nodes > 10 * fast.nodes
    assert slow.gap <= 0.1
    assert fast.value == pytest.approx(slow.value, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), d=st.integers(1, 3), n=st.integers(1, 40))
def test_nothing_lies_below_the_certified_bound(seed: int, d: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = -1.0 - rng.random(d), 10.0 ** rng.uniform(0, 3, d)
    centres, scales = rng.uniform(low - 0.1, high, (n, d)), 0.5 * (high - low)
    weights = rng.normal(size=n)
    found = minimum_in_box(centres, weights, low, high, scales, constant=-3.0, epsilon=0.05)
    points = rng.uniform(low, high, (3000, d))
    s = (((points[:, None] - centres) / scales) ** 2).sum(axis=2)
    values = MATERN52.value_and_slope(s)[0] @ weights - 3.0
    assert found.gap <= 0.05
    assert found.lower_bound <= values.min()
    assert found.point is not None
    assert ((found.point >= low - 1e-9) & (found.point <= high + 1e-9)).all()
    at = MATERN52.value_and_slope((((found.point - centres) / scales) ** 2).sum(axis=1))[0] @ weights - 3.0
    assert found.value == pytest.approx(at, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_a_finite_space_gives_exactly_what_enumeration_gives(fitted: Callable[..., Model], seed: int) -> None:
    model = fitted(FINITE, 25, seed, scale=0.4)
    raw = listed(FINITE)
    assert len(raw) == FINITE.size
    means, _ = model.predict(FINITE.to_unit(raw))
    found = certified_minimum(model, FINITE, epsilon=0.0)
    assert found.params == FINITE.decode(raw[means.argmin()])
    assert (found.certified, found.gap, found.epsilon) == (True, 0.0, 0.0)
    assert found.value == pytest.approx(float(model.warp.inverse(means).min()), abs=1e-9)
    assert found.nodes < len(raw)


@pytest.mark.parametrize("seed", range(4))
def test_constraints_bind_what_is_proposed(fitted: Callable[..., Model], seed: int) -> None:
    free = certified_minimum(fitted(FINITE, 25, seed, scale=0.4), FINITE, epsilon=0.0).params
    assert free is not None
    tight = FINITE.require(Forbidden({"o": free["o"]}), Linear({"n": 1.0, "s": 10.0}, upper=25.0))
    model = fitted(tight, 25, seed, scale=0.4)
    raw = listed(tight)
    means, _ = model.predict(tight.to_unit(raw))
    found = certified_minimum(model, tight, epsilon=0.0)
    assert found.params == tight.decode(raw[means.argmin()])
    assert found.certified


def test_a_constraint_on_continuous_numbers_leaves_an_honest_gap(fitted: Callable[..., Model]) -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    optimum = certified_minimum(fitted(space, 30), space).params
    assert optimum is not None
    away = space.require(Linear({"x": 1.0, "y": 1.0}, lower=0.05 + float(optimum["x"]) + float(optimum["y"])))  # type: ignore[arg-type]
    found = certified_minimum(fitted(space, 30), away, nodes=2000)
    assert found.params is not None
    assert away.contains(found.params)
    assert not found.certified
    assert found.bound < found.value


@pytest.mark.parametrize("seed", range(3))
def test_a_mixed_space_is_certified_against_a_search(fitted: Callable[..., Model], seed: int) -> None:
    model = fitted(MIXED, 40, seed)
    found = certified_minimum(model, MIXED)
    unit = MIXED.to_unit(MIXED.sample_raw(np.random.default_rng(seed), 20_000))
    assert found.certified
    assert found.params is not None
    assert MIXED.contains(found.params)
    at = model.predict(MIXED.to_unit(MIXED.encode(found.params)[None, :]))[0]
    assert found.value == pytest.approx(float(model.warp.inverse(at)[0]), abs=1e-9)
    assert found.bound <= float(model.warp.inverse(model.predict(unit)[0]).min())
    assert found.bound <= found.value
    assert found.gap <= 0.01


def test_the_same_question_has_the_same_answer(fitted: Callable[..., Model]) -> None:
    first, second = (replace(certified_minimum(fitted(MIXED, 40), MIXED), seconds=0.0) for _ in range(2))
    assert first == second


def test_a_define_by_run_space_is_certified(fitted: Callable[..., Model]) -> None:
    space = Space.traced({"x": Float(0.0, 1.0), "c": Categorical(["a", "b"])})
    found = certified_minimum(fitted(space, 20), space)
    assert found.certified
    assert set(found.params or {}) == {"x", "c"}


@pytest.mark.parametrize("columns", [8, 40])
def test_many_numbers_end_within_the_budget_with_their_gap(fitted: Callable[..., Model], columns: int) -> None:
    space = Space({f"x{index}": Float(0.0, 1.0) for index in range(columns)})
    model = fitted(space, 30)
    found = certified_minimum(model, space, nodes=3000)
    unit = space.to_unit(space.sample_raw(np.random.default_rng(0), 2000))
    assert not found.certified
    assert found.gap > 0.01
    assert found.epsilon == pytest.approx(found.value - found.bound)
    assert found.stopped == "the budget of 3000 boxes is spent"
    assert found.bound <= float(model.warp.inverse(model.predict(unit)[0]).min())


def test_a_budget_of_time_is_kept_and_named(example: Callable[..., Problem]) -> None:
    problem = example(60, MATERN52, d=6)
    found = branch_and_bound(problem, np.full((1, 6), 0.5), 1e-6, Budget(seconds=0.05))
    assert found.stopped == "the budget of 0.05 seconds is spent"
    assert found.gap > 1e-6


def test_more_boxes_never_worsen_the_bound_or_the_value(example: Callable[..., Problem]) -> None:
    found = [search(example(40, MATERN52, d=4), 1e-3, nodes) for nodes in (10, 1000, 4000, 16_000)]
    assert all(a.lower_bound <= b.lower_bound and a.value >= b.value for a, b in itertools.pairwise(found))


def test_nothing_allowed_is_said_to_be_nothing(fitted: Callable[..., Model]) -> None:
    space = Space(b=Bool(), n=Int(0, 3))
    model = fitted(space, 6)
    found = certified_minimum(model, space.require(Linear({"n": 1.0}, lower=9.0)))
    assert (found.params, found.certified, found.value) == (None, False, math.inf)
    assert math.isnan(found.epsilon)
    assert found.stopped == "no box can be split further"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"epsilon": -1.0}, r"epsilon cannot be reached; got -1.0; allowed: 0 <= epsilon < inf"),
        ({"epsilon": math.nan}, "epsilon cannot be reached"),
        ({"nodes": 0}, "nodes must be a whole number; got 0; allowed: 1 or more"),
        ({"seconds": 0.0}, "seconds must be positive"),
        ({"weights": [1.0]}, "do not fit; got .*shapes"),
        ({"weights": [1.0, math.nan]}, "do not fit"),
        ({"centres": np.empty((0, 1)), "weights": []}, "do not fit"),
        ({"low": [1.0]}, "the box is empty"),
        ({"length_scales": [0.0]}, "length-scale is not positive"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict, text: str) -> None:
    given = {"centres": [[0.1], [0.7]], "weights": [1.0, -1.0], "low": [0.0], "high": [1.0], "length_scales": [0.3]}
    with pytest.raises(InvalidArgument, match=text):
        minimum_in_box(**{**given, **changed})


def test_another_space_is_refused(fitted: Callable[..., Model]) -> None:
    model = fitted(MIXED, 10)
    with pytest.raises(InvalidArgument, match=r"the model was fitted over another space; got .*allowed: .*'lr'"):
        certified_minimum(model, FINITE)
    with pytest.raises(InvalidArgument, match="epsilon cannot be reached"):
        certified_minimum(model, MIXED, epsilon=-0.1)


def test_the_source_is_named() -> None:
    assert "2605.00855" in PALM_MEAN_REFS[0].text
