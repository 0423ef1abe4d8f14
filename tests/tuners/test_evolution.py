"""Regularised evolution: parents are the best of a few young trials, children differ in one parameter."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import loss
from trimtab.tuners import make_tuner
from trimtab.tuners.values.evolution import Evolution, mutated

OPS = Space({f"op{i}": Categorical(["none", "skip", "conv1", "conv3", "pool"]) for i in range(6)})
NESTED = Space(
    lr=Float(0.0, 1.0),
    opt=Choice({"adam": Space(beta=Float(0.0, 1.0)), "sgd": Space(momentum=Float(0.0, 1.0))}),
)


def mismatches(params: Params) -> float:
    return sum(0.0 if value == "conv3" else 1.0 + 0.1 * place for place, value in enumerate(params.values()))


def differing(one: Params, other: Params) -> list[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def test_it_beats_random_search_on_an_architecture() -> None:
    def best(name: str, seed: int) -> float:
        tuner, told = make_tuner(name), []
        for number in range(80):
            (found,) = tuner.ask(make_history(OPS, told, seed=seed), 1, Key(seed, number, "ask"))
            told.append((found.params, mismatches(found.params)))
        return min(value for _, value in told)

    # Were it no better, it would win all five pairs with probability 1/32.
    pairs = [(best("evolution", seed), best("random", seed)) for seed in range(5)]
    assert all(ours < theirs for ours, theirs in pairs), pairs


def test_a_child_differs_from_its_parent_in_one_parameter() -> None:
    told = [(params, mismatches(params)) for params in OPS.sample(np.random.default_rng(0), 20)]
    best = min(told, key=lambda row: row[1])[0]
    tuner = Evolution(population=20, tournament=20)
    for number in range(20, 40):
        (found,) = tuner.ask(make_history(OPS, told), 1, Key(0, number, "ask"))
        (changed,) = differing(found.params, best)
        assert found.why == f"the best of 20 among the last 20 trials with another value of {changed!r}"


def test_the_old_die_however_good_they_were() -> None:
    young = [(params, 10.0 + mismatches(params)) for params in OPS.sample(np.random.default_rng(0), 10)]
    old = [(dict.fromkeys(OPS.names, "pool"), -5.0)]
    history = make_history(OPS, [*old, *young])
    parents = [params for params, _ in young]
    for number in range(11, 30):
        (found,) = Evolution(population=10, tournament=10).ask(history, 1, Key(0, number, "ask"))
        assert len(differing(found.params, old[0][0])) > 1 or any(len(differing(found.params, p)) == 1 for p in parents)
        assert min(len(differing(found.params, parent)) for parent in parents) == 1


def test_age_is_by_the_end_of_a_trial() -> None:
    history = make_history(OPS, [(params, mismatches(params)) for params in OPS.sample(np.random.default_rng(0), 12)])
    trials = list(history)
    trials[0] = trials[0].with_(ended=99.0, observation=trials[0].observation.replace(values=-1.0))
    late = type(history)(history.study, OPS, trials, history.seq)
    (found,) = Evolution(population=4, tournament=4, initial_design=0).ask(late, 1, Key(0, 12, "ask"))
    assert len(differing(found.params, trials[0].params)) == 1


def test_failures_lose_every_tournament() -> None:
    rows = OPS.sample(np.random.default_rng(0), 20)
    told = [(params, 3.0 if place == 11 else None) for place, params in enumerate(rows)]
    for number in range(20, 30):
        (found,) = Evolution(tournament=20).ask(make_history(OPS, told), 1, Key(0, number, "ask"))
        assert len(differing(found.params, rows[11])) == 1


def test_a_new_branch_comes_with_the_values_of_its_youngest_member() -> None:
    told = [
        ({"lr": 0.2, "opt": "sgd", "opt.sgd.momentum": 0.1}, 5.0),
        ({"lr": 0.3, "opt": "sgd", "opt.sgd.momentum": 0.7}, 5.0),
        ({"lr": 0.4, "opt": "adam", "opt.adam.beta": 0.5}, 1.0),
    ]
    seen = set()
    for number in range(3, 60):
        history = make_history(NESTED, told)
        (found,) = Evolution(population=3, tournament=3, initial_design=0).ask(history, 1, Key(0, number, "ask"))
        if found.params["opt"] == "sgd":
            seen.add(found.params["opt.sgd.momentum"])
    assert seen == {0.7}


@pytest.mark.parametrize(
    ("parameter", "distinct"), [(Categorical(list("abcd")), 3), (Int(1, 9), 4), (Ordinal([1, 2, 4, 8]), 3)]
)
def test_discrete_mutations_move_and_reach_other_values(parameter, distinct: int) -> None:
    space = Space(p=parameter)
    start = space.to_unit(np.array([[1.0 if space.columns[0].kind != "int" else 2.0]]))[0]
    rng = np.random.default_rng(0)
    raw = space.from_unit(np.array([mutated(start, space.columns[0], 0, rng) for _ in range(200)]))[:, 0]
    moved = raw != space.from_unit(start[None, :])[0, 0]
    assert moved.mean() > 0.9
    assert len(set(raw[moved].tolist())) >= distinct


def test_steps_of_numbers_stay_inside_and_have_all_sizes() -> None:
    space, rng = Space(x=Float(0.0, 1.0)), np.random.default_rng(0)
    steps = np.array([mutated(np.array([0.02]), space.columns[0], 0, rng)[0] for _ in range(2000)])
    assert ((steps >= 0.0) & (steps <= 1.0)).all()
    away = np.abs(steps - 0.02)
    assert (away < 0.02).mean() > 0.1
    assert (away > 0.2).mean() > 0.05
    assert (steps == 0.0).mean() < 0.01


def test_the_first_trials_are_the_initial_design() -> None:
    found = Evolution(population=3).ask(make_history(NESTED), 3, Key(0, 0, "ask"))
    assert found[-1].why.endswith("(initial design, 3 of 3)")
    told = [(f.params, loss(f.params)) for f in found]
    assert "another value" in Evolution(population=3).ask(make_history(NESTED, told), 1, Key(0, 3, "ask"))[0].why
