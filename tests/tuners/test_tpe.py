"""TPE: it learns, orders trials as it says, keeps parallel asks apart, and says which densities it used."""

from __future__ import annotations

import re

import numpy as np
import pytest

from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Normal, Space
from trimtab.surrogates.evidence import gather, told_numbers
from trimtab.testing.histories import Told, make_history
from trimtab.testing.tuner_kit import NUMBERS, SMALL, loss
from trimtab.tuners import make_tuner
from trimtab.tuners.values.tpe import TPE, _ranked

SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
CUBE = Space({f"x{i}": Float(0.0, 1.0) for i in range(5)})
MIXED = Space(
    lr=Float(1e-5, 1.0, log=True),
    depth=Int(1, 8),
    act=Categorical(["relu", "tanh", "gelu"]),
    opt=Choice({"adam": Space(beta=Float(0.8, 0.999)), "sgd": Space(momentum=Float(0.0, 0.99))}),
)


def bowl(params: Params) -> float:
    return (float(params["x"]) - 0.3) ** 2 + (float(params["y"]) - 0.8) ** 2


def slope(params: Params) -> float:
    """Best at the end 1 of each parameter, the first of which counts most."""
    return sum((1.0 - float(value)) / (1.0 + place) for place, value in enumerate(params.values()))


def mixed(params: Params) -> float:
    """Best with adam, beta 0.9, gelu, depth 5 and lr 1e-3."""
    total = (np.log10(float(params["lr"])) + 3.0) ** 2 + 0.3 * abs(int(params["depth"]) - 5)
    total += {"relu": 0.5, "tanh": 1.0, "gelu": 0.0}[str(params["act"])]
    adam = params["opt"] == "adam"
    return float(total + (20.0 * abs(float(params["opt.adam.beta"]) - 0.9) if adam else 2.0))


def drawn(space: Space, count: int, value=loss) -> list[tuple[Params, Told]]:
    return [(params, value(params)) for params in space.sample(np.random.default_rng(0), count)]


def best_of(name: str, function, space: Space, seed: int, trials: int) -> float:
    tuner, told = make_tuner(name), []
    for number in range(trials):
        (suggestion,) = tuner.ask(make_history(space, told, seed=seed), 1, Key(seed, number, "ask"))
        told.append((suggestion.params, function(suggestion.params)))
    return min(value for _, value in told)


@pytest.mark.parametrize(("space", "function"), [(CUBE, slope), (MIXED, mixed)], ids=["numbers", "mixed"])
def test_it_beats_random_search(space: Space, function) -> None:
    # Were it no better, it would win six of seven pairs or more with probability 1/16.
    pairs = [
        (best_of("tpe", function, space, seed, 40), best_of("random", function, space, seed, 40)) for seed in range(7)
    ]
    assert sum(ours < theirs for ours, theirs in pairs) >= 6, pairs


def test_the_first_trials_are_the_initial_design() -> None:
    found = TPE(initial_design=4).ask(make_history(SQUARE), 4, Key(0, 0, "ask"))
    assert found[0].why.endswith("(initial design, 1 of 4)")
    assert found[3].why.endswith("(initial design, 4 of 4)")
    after = make_history(SQUARE, drawn(SQUARE, 3, bowl), pending=[{"x": 0.5, "y": 0.5}])
    assert "log density ratio" in TPE(initial_design=4).ask(after, 1, Key(0, 4, "ask"))[0].why


def test_it_proposes_near_the_good_and_away_from_the_bad() -> None:
    told = drawn(SQUARE, 100, bowl)
    found = TPE().ask(make_history(SQUARE, told), 10, Key(0, 100, "ask"))
    assert np.median([bowl(f.params) for f in found]) < np.quantile([value for _, value in told], 0.2)


def test_trials_are_ranked_by_feasibility_then_violation_then_failure() -> None:
    told: list[tuple[Params, Told]] = [
        ({"x": 0.1, "y": 0.1}, Observation(3.0)),
        ({"x": 0.2, "y": 0.1}, None),
        ({"x": 0.3, "y": 0.1}, Observation(-9.0, constraints={"a": 2.0, "b": -5.0})),
        ({"x": 0.4, "y": 0.1}, Observation(1.0, constraints={"a": -1.0, "b": 0.0})),
        ({"x": 0.5, "y": 0.1}, Observation(-7.0, constraints={"a": 0.5, "b": 0.5})),
        ({"x": 0.6, "y": 0.1}, EndReason.OUT_OF_MEMORY),
    ]
    history = make_history(SQUARE, told)
    order, usable = _ranked(gather(history, told_numbers(history)))
    assert order.tolist()[:4] == [3, 0, 4, 2]
    assert usable == 4


def test_with_nothing_feasible_it_goes_where_the_violation_is_small() -> None:
    told = [(p, Observation(0.0, constraints={"c": 1.0 - float(p["x"])})) for p, _ in drawn(SQUARE, 60, bowl)]
    found = TPE().ask(make_history(SQUARE, told), 8, Key(0, 60, "ask"))
    assert np.mean([float(f.params["x"]) for f in found]) > 0.75


def test_it_stays_away_from_where_trials_failed() -> None:
    told = drawn(SQUARE, 60, lambda p: None if float(p["x"]) < 0.5 else bowl(p))
    found = TPE().ask(make_history(SQUARE, told), 10, Key(0, 60, "ask"))
    assert sum(float(f.params["x"]) < 0.45 for f in found) <= 2


def test_pending_trials_push_proposals_away() -> None:
    told = drawn(SQUARE, 40, bowl)
    alone = [TPE().ask(make_history(SQUARE, told), 1, Key(seed, 40, "ask"))[0].params for seed in range(20)]
    crowd = [{"x": 0.3 + 0.002 * i, "y": 0.8} for i in range(30)]
    pushed = [TPE().ask(make_history(SQUARE, told, crowd), 1, Key(seed, 70, "ask"))[0].params for seed in range(20)]

    def near(rows: list[Params]) -> int:
        return sum(bowl(row) < 0.01 for row in rows)

    assert near(pushed) < near(alone)


def test_a_users_prior_draws_proposals_until_trials_contradict_it() -> None:
    space = Space(x=Float(0.0, 1.0, prior=Normal(0.9, 0.03)), y=Float(0.0, 1.0))

    def close(where: Space, count: int, best: float) -> int:
        told = drawn(SQUARE, count, lambda p: abs(float(p["x"]) - best))
        found = [TPE().ask(make_history(where, told), 1, Key(seed, count, "ask"))[0].params for seed in range(20)]
        return sum(abs(float(row["x"]) - 0.9) < 0.07 for row in found)

    assert close(space, 12, best=0.7) > close(SQUARE, 12, best=0.7) + 5
    assert close(space, 200, best=0.3) == 0


def test_it_says_which_densities_it_used_and_how_many_trials_are_behind_them() -> None:
    lines = {}
    for columns in (1, 8, 30):
        space = Space({f"x{i}": Float(0.0, 1.0) for i in range(columns)})
        told = drawn(space, 200, lambda p: sum((float(v) - 0.5) ** 2 for v in p.values()))
        lines[columns] = TPE().ask(make_history(space, told), 1, Key(0, 200, "ask"))[0].why
    pattern = r"log density ratio \S+ of 20 good to 180 other trials, by (.*) \((\S+) of 20 good trials behind (.*)\)"
    found = {columns: re.fullmatch(pattern, line) for columns, line in lines.items()}
    told_of = {columns: line.groups() for columns, line in found.items() if line is not None}
    assert len(told_of) == 3, lines
    assert float(told_of[1][1]) > 5.0 > float(told_of[8][1]) >= float(told_of[30][1]) >= 1.0
    joint, product = "densities over all parameters at once", "a product of one density per parameter"
    assert [told_of[columns][0] for columns in (1, 8, 30)] == [joint, joint, product]
    assert [told_of[c][2].endswith("a nearest-neighbour rule") for c in (1, 8, 30)] == [False, True, True]


def test_where_the_neighbour_rule_is_given_up_can_be_chosen() -> None:
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(8)})
    history = make_history(space, drawn(space, 100))
    always, never = (TPE(large=large).ask(history, 1, Key(0, 100, "ask"))[0].why for large in (1, 1000))
    assert "a product of one density per parameter" in always
    assert "densities over all parameters at once" in never


def test_only_the_order_of_the_losses_counts() -> None:
    told = drawn(NUMBERS, 30)
    stretched = [(params, float(np.exp(40.0 * float(value)))) for params, value in told if isinstance(value, float)]
    one, other = (TPE().ask(make_history(NUMBERS, rows), 2, Key(0, 30, "ask")) for rows in (told, stretched))
    assert one == other


def test_candidates_that_were_all_tried_leave_the_rest_of_a_small_space() -> None:
    told = [(params, loss(params)) for params in SMALL.sample(np.random.default_rng(0), 40)]
    (found,) = TPE(candidates=1).ask(make_history(SMALL, told), 1, Key(3, 40, "ask"))
    assert found.params not in [params for params, _ in told]


def test_a_long_history_is_read_in_part() -> None:
    told = drawn(NUMBERS, 700)
    (found,) = TPE(most=100).ask(make_history(NUMBERS, told), 1, Key(0, 700, "ask"))
    assert "of 25 good to 75 other trials" in found.why


def test_many_pending_trials_are_read_in_part() -> None:
    history = make_history(NUMBERS, drawn(NUMBERS, 50), NUMBERS.sample(np.random.default_rng(5), 300))
    (found,) = TPE(most=100).ask(history, 1, Key(0, 350, "ask"))
    assert "of 5 good to 145 other trials" in found.why


def test_several_objectives_get_an_even_cover() -> None:
    objectives = [Objective("a"), Objective("b")]
    told = [(params, Observation({"a": 1.0, "b": 2.0})) for params in NUMBERS.sample(np.random.default_rng(0), 20)]
    (found,) = TPE().ask(make_history(NUMBERS, told, objectives=objectives), 1, Key(0, 20, "ask"))
    assert found.why.endswith("(in place of TPE, which has one objective)")
