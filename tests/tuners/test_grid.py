"""Grid search covers its grid once, with any number of workers, and ends."""

from __future__ import annotations

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Int, Ordered, Space
from trimtab.testing.histories import make_history
from trimtab.tuners.values.grid import Grid

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 100), k=Categorical(["a", "b"]))


def frozen(rows: list[Params]) -> set[tuple]:
    return {tuple(row.items()) for row in rows}


def test_trials_one_by_one_cover_the_grid_in_order() -> None:
    rows: list[Params] = []
    while found := Grid(3).ask(make_history(SPACE, [(row, 1.0) for row in rows]), 1, Key(0, len(rows), "ask")):
        rows.append(found[0].params)
        assert found[0].why == f"point {len(rows)} of a grid of 18"
    assert len(rows) == len(frozen(rows)) == 18
    assert rows[0] == {"x": 0.0, "n": 1, "k": "a"}
    assert rows[-1] == {"x": 1.0, "n": 100, "k": "b"}
    assert {row["n"] for row in rows} == {1, 51, 100} or len({row["n"] for row in rows}) == 3


@pytest.mark.parametrize("workers", [2, 5, 30])
def test_workers_that_ask_at_once_cover_it_once(workers: int) -> None:
    # Every worker of a round sees what was told before the round, and the trials of earlier workers as pending.
    told: list[Params] = []
    number = 0
    while True:
        pending: list[Params] = []
        for _ in range(workers):
            history = make_history(SPACE, [(row, 1.0) for row in told], pending)
            found = Grid(3).ask(history, 1, Key(0, number, "ask"))
            number += 1
            pending += [suggestion.params for suggestion in found]
        if not pending:
            break
        told += pending
    assert len(told) == len(frozen(told)) == 18


def test_workers_that_see_nothing_of_each_other_begin_apart() -> None:
    rows = [Grid(3).ask(make_history(SPACE), 1, Key(0, number, "ask"))[0].params for number in range(18)]
    assert len(frozen(rows)) == 18


def test_a_late_start_wraps_around() -> None:
    rows = [suggestion.params for suggestion in Grid(3).ask(make_history(SPACE), 50, Key(0, 1000, "ask"))]
    assert len(rows) == len(frozen(rows)) == 18


def test_configurations_beside_the_grid_do_not_count() -> None:
    history = make_history(SPACE, [({"x": 0.123, "n": 7, "k": "a"}, 1.0)])
    assert len(Grid(3).ask(history, 50, Key(0, 1, "ask"))) == 18


def test_points_that_break_a_constraint_are_left_out() -> None:
    space = Space(a=Int(1, 5), b=Int(1, 5)).require(Ordered("a", "b", strict=True))
    rows = [suggestion.params for suggestion in Grid().ask(make_history(space), 50, Key(0, 0, "ask"))]
    assert len(rows) == 10
    assert all(row["a"] < row["b"] for row in rows)


def test_an_astronomical_grid_is_walked_from_the_trial_on() -> None:
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(50)})
    (found,) = Grid(10).ask(make_history(space), 1, Key(0, 7, "ask"))
    assert found.params["x49"] == pytest.approx(7 / 9)
    assert found.params["x0"] == 0.0


def test_a_grid_without_levels_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="grid: levels must be at least 1; got 0"):
        Grid(0)
