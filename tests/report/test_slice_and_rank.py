from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.report.plots import draw_rank, draw_slice, rank_of, slice_of
from trimtab.space import Choice, Float, Space
from trimtab.testing.histories import make_history


def decided_by_b(n: int = 40) -> History[Space]:
    """Three parameters of which only b decides the value."""
    rng = np.random.default_rng(0)
    space = Space(a=Float(0, 1), b=Float(0, 1), c=Float(0, 1))
    told = [({"a": a, "b": b, "c": c}, (b - 0.3) ** 2) for a, b, c in rng.random((n, 3)).tolist()]
    return make_history(space, told)


def test_slices_show_the_parameter_that_matters_first() -> None:
    data = slice_of(decided_by_b())
    assert data.variables[0].name == "b"
    assert {variable.name for variable in data.variables} == {"a", "b", "c"}
    assert data.hidden == 0


def test_a_slice_holds_the_raw_values_of_the_trials() -> None:
    history = decided_by_b(10)
    data = slice_of(history)
    raw = {variable.name: variable.raw for variable in data.variables}
    for place, trial in enumerate(history):
        assert trial.params is not None
        assert raw["a"][place] == trial.params["a"]
        assert data.trials.values[place] == trial.value


def test_parameters_without_a_panel_are_counted() -> None:
    data = slice_of(decided_by_b(), most_panels=1)
    assert [variable.name for variable in data.variables] == ["b"]
    assert data.hidden == 2
    assert "2 parameters with less effect on the ranks are left out." in draw_slice(data).caption


def test_the_chosen_trial_is_ringed_in_every_panel_and_kept_when_thinned() -> None:
    data = slice_of(decided_by_b(3000), chosen=1234)
    assert 1234 in data.trials.numbers
    assert draw_slice(data).svg.count('class="chosen"') == 3 + 1  # the panels and the legend


def test_ranks_run_from_worst_to_best() -> None:
    history = decided_by_b(25)
    data = rank_of(history)
    order = np.argsort(history.values[:, 0])
    assert data.shares[order[0]] == 1.0
    assert data.shares[order[-1]] == 0.0
    assert sorted(data.shares) == pytest.approx(np.linspace(0, 1, 25))


def test_pairs_begin_with_the_parameters_that_matter() -> None:
    data = rank_of(decided_by_b(), most_pairs=2)
    assert len(data.pairs) == 2
    assert all("b" in (across.name, up.name) for across, up in data.pairs)


def test_only_parameters_that_vary_together_make_a_pair() -> None:
    space = Space(x=Float(0, 1), opt=Choice({"adam": Space(beta=Float(0, 1)), "sgd": Space(momentum=Float(0, 1))}))
    told = [({"x": x / 9, "opt": "adam", "opt.adam.beta": x / 10}, x) for x in range(9)]
    told += [({"x": x / 9, "opt": "sgd", "opt.sgd.momentum": x / 10}, 10.0 * x) for x in range(9)]
    names = {frozenset((a.name, b.name)) for a, b in rank_of(make_history(space, told), most_pairs=9).pairs}
    assert frozenset(("opt.adam.beta", "opt.sgd.momentum")) not in names
    assert frozenset(("opt", "opt.adam.beta")) not in names
    assert {frozenset(("x", name)) for name in ("opt", "opt.adam.beta", "opt.sgd.momentum")} == names


def test_one_huge_loss_changes_no_colour_but_its_own() -> None:
    space = Space(a=Float(0, 1), b=Float(0, 1))
    points = np.random.default_rng(3).random((20, 2)).tolist()
    tame = rank_of(make_history(space, [({"a": a, "b": b}, a) for a, b in points]))
    worst = max(range(20), key=lambda place: points[place][0])
    wild = rank_of(
        make_history(space, [({"a": a, "b": b}, 1e12 if n == worst else a) for n, (a, b) in enumerate(points)])
    )
    assert tame.shares.tolist() == wild.shares.tolist()
    assert "Where the good trials lie" in draw_rank(wild).svg
