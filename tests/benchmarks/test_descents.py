"""Minimisers that call for values, asked and told from outside: where they look, what they hear, how they end."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trimtab.benchmarks.peer import requirements
from trimtab.benchmarks.peers.descents import PENALTY, Descents, Point, Value
from trimtab.benchmarks.peers.trimtab_descent_peer import Peer as Penalties

COLUMNS = [
    {"name": "a", "kind": "float", "low": 1e-2, "high": 1e2, "log": True, "size": None},
    {"name": "b", "kind": "float", "low": -3.0, "high": 5.0, "log": False, "size": None},
]
SETUP = {"columns": COLUMNS, "seed": 3, "budget": 50, "workers": 1}


@pytest.fixture(autouse=True)
def neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts load their neighbours by name, as where they run."""
    monkeypatch.syspath_prepend(str(requirements("optuna").parent))


class Heard:
    """A minimiser that calls for given points, and keeps what it was told."""

    def __init__(self, *points: Point) -> None:
        self.points, self.starts = points, list[Point]()
        self.answers: list[tuple[float, Point]] = []

    def __call__(self, value: Value, start: Point) -> None:
        self.starts.append(start)
        for point in self.points or (start,):
            self.answers.append(value(point))


def begun(descend: Callable[[Value, Point], object], columns: list[dict[str, Any]] = COLUMNS) -> Descents:
    rng = np.random.default_rng(3)
    return Descents({**SETUP, "columns": columns}, descend, lambda count: rng.random(count).tolist())


def smooth(a: float, b: float) -> float:
    return math.sin(b) + math.log(a) ** 2 / 3.0 + 0.1 * a


def slopes(a: float, b: float) -> dict[str, float]:
    return {"a": 2.0 * math.log(a) / (3.0 * a) + 0.1, "b": math.cos(b)}


def natural(u: float, v: float) -> tuple[float, float]:
    return 1e-2 * 1e4**u, -3.0 + 8.0 * v


@pytest.mark.parametrize(("u", "v"), [(0.5, 0.5), (0.03, 0.9), (0.97, 0.2)])
def test_a_minimiser_hears_the_derivative_by_its_own_coordinates(u: float, v: float) -> None:
    minimiser = Heard((u, v), (0.0, 0.0))
    descents = begun(minimiser)
    asked = descents.ask()
    assert (asked["a"], asked["b"]) == pytest.approx(natural(u, v))
    descents.tell(smooth(**asked), slopes(**asked))
    descents.ask()
    (value, gradient), step = minimiser.answers[0], 1e-5
    assert value == smooth(**asked)
    by_u = (smooth(*natural(u + step, v)) - smooth(*natural(u - step, v))) / (2 * step)
    by_v = (smooth(*natural(u, v + step)) - smooth(*natural(u, v - step))) / (2 * step)
    assert gradient == pytest.approx((by_u, by_v), rel=1e-5, abs=1e-6)
    descents.end()


def test_the_first_start_is_the_middle_and_the_next_is_drawn() -> None:
    minimiser = Heard()
    descents = begun(minimiser)
    for _ in range(3):
        descents.tell(1.0, slopes(**descents.ask()))
    descents.ask()
    drawn = np.random.default_rng(3).random((3, 2))
    assert minimiser.starts[0] == (0.5, 0.5)
    np.testing.assert_array_equal(minimiser.starts[1:], drawn)
    descents.end()


def test_a_point_outside_is_the_nearest_one_inside_and_no_second_trial() -> None:
    minimiser = Heard((2.0, -0.5), (1.0, 0.0), (7.0, -1.0), (0.25, 0.5))
    descents = begun(minimiser)
    first = descents.ask()
    assert first == pytest.approx({"a": 1e2, "b": -3.0})
    descents.tell(4.0, slopes(**first))
    assert descents.ask() == pytest.approx({"a": 0.1, "b": 1.0})
    assert len(minimiser.answers) == 3
    assert len(set(minimiser.answers)) == 1
    descents.end()


def test_failures_and_points_that_are_none_count_as_flat_and_high() -> None:
    minimiser = Heard((0.5, 0.5), (math.nan, 0.5), (0.1, 0.1))
    descents = begun(minimiser)
    descents.ask()
    descents.tell(None, None)
    descents.ask()
    assert minimiser.answers == [(PENALTY, (0.0, 0.0))] * 2
    descents.end()


def test_what_a_minimiser_raises_is_raised_by_the_ask() -> None:
    def broken(value: Value, start: Point) -> None:
        raise ArithmeticError("no way down")

    descents = begun(broken)
    with pytest.raises(ArithmeticError, match="no way down"):
        descents.ask()
    descents.end()


def test_a_minimiser_that_waits_for_a_value_is_let_go_at_the_end() -> None:
    left: list[str] = []

    def waiting(value: Value, start: Point) -> None:
        try:
            value(start)
        finally:
            left.append("left")

    descents = begun(waiting)
    descents.ask()
    assert left == []
    descents.end()
    assert left == ["left"]


def test_descents_are_for_real_numbers_only() -> None:
    with pytest.raises(ValueError, match="real numbers"):
        begun(Heard(), [{**COLUMNS[0], "kind": "int"}])


@pytest.mark.parametrize(
    ("library", "method"),
    [
        ("scipy", "bfgs"),
        ("jaxopt", "hoag"),
        ("sparho", "l-bfgs-b"),
        ("sparse_ho", "adam"),
        ("trimtab_descent", "sqp"),
    ],
)
def test_a_method_that_a_peer_has_not(library: str, method: str) -> None:
    with pytest.raises(ValueError, match="only"):
        importlib.import_module(f"trimtab.benchmarks.peers.{library}_peer").Peer(SETUP, method)


LOGARITHMIC = [{**COLUMNS[0], "name": name} for name in ("a", "b")]
CALLED = [(1.0, 1.0), (3.0, 0.2), (1e5, 1.0)]
"""Penalties that a search calls for: the start, one in the box, one out of it."""


def test_our_own_descents_begin_in_the_middle_and_again_where_one_ends() -> None:
    peer = Penalties({"columns": LOGARITHMIC, "seed": 0}, "penalties")
    middle = peer.ask(0)
    assert middle == peer.ask(0)
    asked = []
    for number in range(60):
        asked.append(peer.ask(number))
        value, gradient = 1.0, {}
        for name, at, bottom in zip(("a", "b"), asked[-1].values(), middle.values(), strict=True):
            away = math.log(at / bottom) - 0.5
            value, gradient[name] = value + away * away, 2.0 * away / at
        peer.tell(number, value, gradient)
    places = [[math.log(at[name] / middle[name]) for name in ("a", "b")] for at in asked]
    assert places[0] == [0.0, 0.0]
    ends = [number for number, place in enumerate(places) if max(abs(each - 0.5) for each in place) < 1e-3]
    # One bottom, which more than one descent has come to.
    assert any(later - earlier > 2 for earlier, later in pairwise(ends))
    peer.tell(60, None)
    assert peer.ask(61).keys() == {"a", "b"}


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **parts: Any) -> None:
    """A module with the parts of a library that its peer calls."""
    module = ModuleType(name)
    vars(module).update(parts, __version__="0")
    monkeypatch.setitem(sys.modules, name, module)


def hears_slopes_by_logarithms(peer: Any, heard: list[tuple[float, Any]]) -> None:
    """Tell a peer the value log(a)^2 + 5 log(b), whose derivatives by the logarithms are 2 log(a) and 5."""
    for number in range(3):
        asked = peer.ask(number)
        assert tuple(asked.values()) == pytest.approx(np.clip(CALLED[number], 1e-2, 1e2))
        value = math.log(asked["a"]) ** 2 + 5.0 * math.log(asked["b"])
        peer.tell(number, value, {"a": 2.0 * math.log(asked["a"]) / asked["a"], "b": 5.0 / asked["b"]})
    peer.ask(3)
    assert len(heard) == 3
    for (value, slopes_), called in zip(heard, CALLED, strict=True):
        a, b = np.clip(called, 1e-2, 1e2)
        assert value == pytest.approx(math.log(a) ** 2 + 5.0 * math.log(b))
        np.testing.assert_allclose(slopes_, [2.0 * math.log(a), 5.0], atol=1e-9)


def test_sparho_hears_derivatives_by_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop multiplies them by the penalties, out of the box too."""
    heard: list[tuple[float, Any]] = []

    def search(problem: None, start: Any, *, solver: Any, criterion: Any) -> None:
        for penalties in (start, *np.array(CALLED[1:]), np.array([0.5, 0.5])):
            found = criterion.value_and_hypergrad(problem, penalties, solver, None, tol=1e-5)
            heard.append((found.value, found.hypergrad * penalties))

    def result(value: float, hypergrad: Any, coef: Any, active_set: Any) -> SimpleNamespace:
        return SimpleNamespace(value=value, hypergrad=hypergrad)

    stand_in(monkeypatch, "sparho", hoag_search=search, CriterionResult=result)
    module = importlib.import_module("trimtab.benchmarks.peers.sparho_peer")
    hears_slopes_by_logarithms(module.Peer({**SETUP, "columns": LOGARITHMIC}, "hoag"), heard)


def test_sparse_ho_hears_derivatives_by_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[float, Any]] = []
    monitored: list[float] = []

    def search(algo: Any, criterion: Any, model: None, optimizer: Any, x: None, y: None, start: Any, seen: Any) -> None:
        for penalties in (start, *np.array(CALLED[1:]), np.array([0.5, 0.5])):
            found = criterion.get_val_grad(
                model, x, y, np.log(penalties), algo.compute_beta_grad, tol=1e-5, monitor=seen
            )
            heard.append(found)

    stand_in(monkeypatch, "sparse_ho", grad_search=search)
    stand_in(monkeypatch, "sparse_ho.optimizers", LineSearch=object, GradientDescent=object)
    stand_in(monkeypatch, "sparse_ho.utils", Monitor=lambda: lambda value, slopes_: monitored.append(value))
    module = importlib.import_module("trimtab.benchmarks.peers.sparse_ho_peer")
    peer = module.Peer({**SETUP, "columns": LOGARITHMIC}, "linesearch")
    hears_slopes_by_logarithms(peer, heard)
    assert monitored == [value for value, _ in heard]
    outside = np.log([1e5, 1.0])
    np.testing.assert_allclose(peer.proj_hyperparam(None, None, None, outside), np.log([1e2, 1.0]))
