"""The Gaussian-process tuner: it learns, it begins well, it knows what is pending, and it never stops a study."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.ports import Tuner
from trimtab.base.records import Objective, Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Normal, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Embedding, NotPositiveDefinite, Settings, fit_settings
from trimtab.testing.histories import Told, make_history
from trimtab.testing.tuner_kit import CONDITIONAL, NUMBERS, SMALL, loss
from trimtab.tuners import make_tuner
from trimtab.tuners.values import gp
from trimtab.tuners.values.gp import FIRST_TRIALS, MIXED_FIRST_TRIALS, GaussianProcess, scheduled
from trimtab.tuners.values.initial_design import INNER
from trimtab.tuners.values.standing import NAME

Array = NDArray[np.float64]

SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
Row = tuple[Params, Told, str]
"""A trial: its params, how it ended, and who proposed it."""


def history_of(
    space: Space, rows: Sequence[Row], pending: Sequence[tuple[Params, str]] = (), seed: int = 0
) -> History[Space]:
    """A history that remembers the proposers, as a study does; local steps are told apart by them."""
    made = make_history(space, [(p, end) for p, end, _ in rows], [p for p, _ in pending], seed=seed)
    names = [name for *_, name in rows] + [name for _, name in pending]
    trials = [trial.with_(tuner=name) for trial, name in zip(made, names, strict=True)]
    return History(made.study, space, trials, made.seq)


def run(
    tuner: Tuner, function: Callable[[Params], Told], space: Space, seed: int, trials: int, first: Sequence[Params] = ()
) -> list[Row]:
    """A study of so many trials, one after the other, after those that somebody else ran first."""
    rows: list[Row] = [(params, function(params), "") for params in first]
    for number in range(len(rows), trials):
        (found,) = tuner.ask(history_of(space, rows, seed=seed), 1, Key(seed, number, "ask"))
        rows.append((found.params, function(found.params), found.tuner))
    return rows


def middle(space: Space) -> Params:
    """The default configuration of a space in which nobody gave any."""
    return space.default_params()


def sobol(space: Space, number: int) -> Params:
    """The configuration of the trial's own Sobol point."""
    (own,) = make_tuner("sobol").ask(make_history(space), 1, Key(0, number, "ask"))
    return own.params


def inward(space: Space, number: int) -> Params:
    """The configuration half-way, or as far as it is, from the trial's Sobol point to the middle."""
    unit = space.to_unit(space.encode(sobol(space, number))[None, :])
    return space.decode(space.from_unit(0.5 + INNER * (unit - 0.5))[0])


def branin(params: Params) -> float:
    """Branin's function on the unit square; its minimum is 0.397887."""
    x, y = 15.0 * float(params["x"]) - 5.0, 15.0 * float(params["y"])
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def best_of(tuner: Tuner, seed: int, trials: int = 18) -> float:
    """The best value of Branin's function that a tuner finds in so many trials."""
    return min(value for _, value, _ in run(tuner, branin, SQUARE, seed, trials) if isinstance(value, float))


def drawn(space: Space, count: int, value: Callable[[Params], Told] = loss) -> list[tuple[Params, Told]]:
    return [(params, value(params)) for params in space.sample(np.random.default_rng(0), count)]


def test_it_beats_random_search() -> None:
    # Were it no better, it would win all six pairs with probability 1/64.
    pairs = [(best_of(GaussianProcess(finish=False), seed), best_of(make_tuner("random"), seed)) for seed in range(6)]
    assert all(gp_best < random_best for gp_best, random_best in pairs), pairs
    assert np.median([gp_best for gp_best, _ in pairs]) < 0.397887 + 0.1


def test_with_local_steps_it_reaches_the_bottom_of_a_basin() -> None:
    def valley(params: Params) -> float:
        return (float(params["x"]) - 0.31) ** 2 + 30.0 * (float(params["y"]) - 0.64) ** 2

    def lowest(seed: int, finish: bool) -> float:
        return min(valley(params) for params, *_ in run(GaussianProcess(finish=finish), valley, SQUARE, seed, 24))

    found = [lowest(seed, True) for seed in range(2)]
    assert max(found) < 1e-7
    assert found[0] < 0.01 * lowest(0, False)


def test_the_first_trials_are_the_defaults_and_then_sobol_points() -> None:
    space = Space(x=Float(0.0, 1.0, default=0.3), n=Int(1, 19))
    (first,) = GaussianProcess().ask(make_history(space), 1, Key(0, 0, "ask"))
    assert first.params == {"x": 0.3, "n": 10}
    assert first.why == f"the default configuration (initial design, 1 of {FIRST_TRIALS})"
    (second,) = GaussianProcess().ask(make_history(space, [(first.params, 1.0)]), 1, Key(0, 1, "ask"))
    assert second.why == f"Sobol point 1, drawn towards the middle (initial design, 2 of {FIRST_TRIALS})"
    assert second.params == inward(space, 1)


def test_without_defaults_it_begins_with_the_middle() -> None:
    found = GaussianProcess().ask(make_history(NUMBERS), FIRST_TRIALS, Key(0, 0, "ask"))
    assert found[0].params == middle(NUMBERS)
    assert NUMBERS.to_unit(NUMBERS.encode(found[0].params)[None, :]) == pytest.approx(0.5, abs=0.5 / 40)
    assert [f.params for f in found[1:]] == [inward(NUMBERS, number) for number in range(1, FIRST_TRIALS)]
    assert f"{FIRST_TRIALS} of {FIRST_TRIALS}" in found[-1].why


@pytest.mark.parametrize("columns", [1, 2, 7, 40])
def test_the_initial_design_has_few_trials_in_any_dimension(columns: int) -> None:
    space, wanted = Space({f"x{place}": Float(0.0, 1.0) for place in range(columns)}), FIRST_TRIALS
    found = GaussianProcess().ask(make_history(space), wanted + 1, Key(0, 0, "ask"))
    assert [f"(initial design, {n + 1} of {wanted})" in f.why for n, f in enumerate(found)] == [True] * wanted + [False]


def test_of_categories_and_levels_it_sees_more_before_it_models() -> None:
    for space in (CONDITIONAL, Space(x=Float(0.0, 1.0), n=Int(1, 8))):
        (found,) = GaussianProcess().ask(make_history(space), 1, Key(0, 0, "ask"))
        assert found.why.endswith(f"(initial design, 1 of {MIXED_FIRST_TRIALS})")


def test_pending_trials_count_for_the_initial_design() -> None:
    pending = NUMBERS.sample(np.random.default_rng(0), 6)
    history = make_history(NUMBERS, [({"x": 0.0, "y": 0.1, "n": 3}, 1.0)], pending)
    assert "log expected improvement" in GaussianProcess().ask(history, 1, Key(0, 7, "ask"))[0].why
    assert "initial design, 8 of 9" in GaussianProcess(initial_design=9).ask(history, 1, Key(0, 7, "ask"))[0].why


def test_the_schedule_of_fits() -> None:
    assert [scheduled(n) for n in range(41)] == list(range(41))
    sizes = [scheduled(n) for n in range(40, 3000)]
    assert all(size <= n < size * 1.07 + 1 for n, size in zip(range(40, 3000), sizes, strict=True))
    assert len(set(sizes)) < 80


def test_asks_that_learn_nothing_new_do_not_fit_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    monkeypatch.setattr(gp, "fit_settings", lambda *given: fits.append(1) or fit_settings(*given))
    tuner, told = GaussianProcess(finish=False), drawn(NUMBERS, 60)
    for pending in range(4):
        history = make_history(NUMBERS, told, NUMBERS.sample(np.random.default_rng(9), pending))
        tuner.ask(history, 2, Key(0, 60 + pending, "ask"))
    assert len(fits) == 2, "one with the constant given, one with it estimated"
    for count in range(52, 60):
        tuner.ask(make_history(NUMBERS, told[:count]), 1, Key(0, count, "ask"))
    assert len(tuner._fits) <= gp.REMEMBERED


def test_turns_of_the_constant_do_not_fit_twice_beside_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    monkeypatch.setattr(gp, "fit_settings", lambda *given: fits.append(1) or fit_settings(*given))
    told = [
        (p, Observation(float(p["x"]) ** 2, gradient={"x": 2.0 * float(p["x"])}))
        for p in SQUARE.sample(np.random.default_rng(1), 30)
    ]
    GaussianProcess(finish=False).ask(make_history(SQUARE, told), 3, Key(0, 30, "ask"))
    assert len(fits) == 1


@pytest.mark.parametrize("finish", [False, True], ids=["alone", "with local steps"])
def test_a_pending_trial_is_not_joined_by_another_one(finish: bool) -> None:
    told = [(params, value, "random") for params, value in drawn(SQUARE, 20, branin)]
    tuner, pending = GaussianProcess(finish=finish), list[tuple[Params, str]]()
    for number in range(20, 24):
        (found,) = tuner.ask(history_of(SQUARE, told, pending), 1, Key(0, number, "ask"))
        assert "failed" not in found.why
        pending.append((found.params, found.tuner))
    rows = SQUARE.encode_many([params for params, _ in pending])
    gaps = np.abs(rows[:, None] - rows[None]).max(axis=2)[np.triu_indices(4, 1)]
    assert gaps.min() > 0.01


def test_asked_for_several_at_once_it_answers_as_if_asked_one_by_one() -> None:
    told = [(params, value, "random") for params, value in drawn(SQUARE, 20, branin)]
    together = GaussianProcess().ask(history_of(SQUARE, told), 3, Key(0, 20, "ask"))
    pending: list[tuple[Params, str]] = []
    for number in range(20, 23):
        (found,) = GaussianProcess().ask(history_of(SQUARE, told, pending), 1, Key(0, number, "ask"))
        pending.append((found.params, found.tuner))
    assert [(f.params, f.tuner) for f in together] == pending


def test_local_steps_are_taken_under_their_own_name_and_only_where_they_are_wanted() -> None:
    def sphere(params: Params) -> float:
        return (float(params["x"]) - 0.3) ** 2 + (float(params["y"]) - 0.6) ** 2

    assert {name for *_, name in run(GaussianProcess(finish=False), sphere, SQUARE, 0, 12)} == {"gp"}
    rows = run(GaussianProcess(), sphere, SQUARE, 0, 12)
    assert {name for *_, name in rows} == {"gp", NAME}
    best = min(range(12), key=lambda n: float(sphere(rows[n][0])))
    assert rows[best][2] == NAME


@pytest.mark.parametrize("seed", range(3))
def test_local_steps_end_where_values_are_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def noisy(params: Params) -> float:
        return (float(params["x"]) - 0.3) ** 2 + (float(params["y"]) - 0.6) ** 2 + 0.1 * float(rng.normal())

    names = [name for *_, name in run(GaussianProcess(), noisy, SQUARE, seed, 30)]
    assert names[15:].count(NAME) <= 3


@pytest.mark.parametrize("seed", range(2))
def test_with_gradients_it_needs_fewer_trials_and_no_local_steps(seed: int) -> None:
    space = Space({name: Float(0.0, 1.0) for name in "abcdef"})
    weights, centre = 3.0 ** np.arange(6), np.linspace(0.2, 0.8, 6)

    def valley(params: Params, gradient: bool) -> Observation:
        off = np.array(list(params.values()), dtype=np.float64) - centre
        slopes = dict(zip(params, (2.0 * weights * off + np.cos(9.0 * off)).tolist(), strict=True))
        value = float((weights * off**2 + np.sin(9.0 * off) / 9.0).sum())
        return Observation({"value": value}, gradient=slopes if gradient else None)

    def lowest(gradient: bool, trials: int) -> float:
        rows = run(GaussianProcess(), lambda p: valley(p, gradient), space, seed, trials)
        assert (NAME in {name for *_, name in rows}) is not gradient
        return min(valley(params, False).values["value"] for params, *_ in rows)

    assert lowest(True, 12) < lowest(False, 18)


def test_told_errors_end_local_steps_too() -> None:
    def told(stderr: float) -> Callable[[Params], Told]:
        return lambda p: Observation(
            values={"value": (float(p["x"]) - 0.3) ** 2 + float(p["y"])}, stderr={"value": stderr}
        )

    assert NAME in {name for *_, name in run(GaussianProcess(), told(1e-6), SQUARE, 0, 10)}
    assert NAME not in {name for *_, name in run(GaussianProcess(), told(0.3), SQUARE, 0, 10)}


def test_it_stays_away_from_where_trials_failed() -> None:
    def value(params: Params) -> Told:
        return EndReason.OUT_OF_MEMORY if float(params["x"]) > 0.5 else branin(params)

    told = drawn(SQUARE, 30, value)
    found = GaussianProcess(finish=False).ask(make_history(SQUARE, told), 4, Key(0, 30, "ask"))
    assert sum(float(suggestion.params["x"]) > 0.55 for suggestion in found) <= 1


@pytest.mark.parametrize("finish", [False, True], ids=["alone", "with local steps"])
def test_a_half_space_of_failures_is_left_alone_once_it_is_known(finish: bool) -> None:
    # The values fall towards the failures, so that they are what the objective alone would choose.
    def value(params: Params) -> Told:
        x, y = float(params["x"]), float(params["y"])
        return EndReason.OUT_OF_MEMORY if x > 0.5 else (x - 0.7) ** 2 + (y - 0.3) ** 2

    failed, gains = 0, []
    for seed in range(2):
        first = SQUARE.sample(np.random.default_rng(seed), 14)
        rows = run(GaussianProcess(finish=finish), value, SQUARE, seed, 26, first)
        failed += sum(isinstance(end, EndReason) for _, end, _ in rows[14:])
        before, after = (min(end for _, end, _ in part if isinstance(end, float)) for part in (rows[:14], rows))
        gains.append(before - after)
    # Random search would fail in half of the 24; in 6 or fewer with probability 0.011.
    assert failed <= 6
    assert min(gains) > 0.0


def test_it_leaves_a_middle_in_which_every_trial_fails() -> None:
    def value(params: Params) -> Told:
        return None if max(abs(float(params["x"]) - 0.5), abs(float(params["y"]) - 0.5)) < 0.26 else 1.0

    assert any(end is not None for _, end, _ in run(GaussianProcess(), value, SQUARE, 0, 16))


LIMIT = 1.2
"""The constraint x + y <= LIMIT; (0.6, 0.6) is where it lets the objective be lowest, 0.08."""


def beyond(params: Params) -> float:
    """A bowl whose minimum breaks the constraint."""
    return (float(params["x"]) - 0.8) ** 2 + (float(params["y"]) - 0.8) ** 2


def excess(params: Params) -> float:
    """The constraint's value, <= 0 where it is kept."""
    return float(params["x"]) + float(params["y"]) - LIMIT


def best_kept(rows: Sequence[Row]) -> float:
    """The lowest value among the trials that keep the constraint, above what can be had."""
    return min(beyond(params) for params, *_ in rows if excess(params) <= 0.0) - 0.08


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_best_that_a_named_constraint_allows(seed: int) -> None:
    def told(params: Params) -> Observation:
        return Observation(beyond(params), constraints={"sum": excess(params)})

    ignoring = best_kept(run(GaussianProcess(), beyond, SQUARE, seed, 18))
    for finish in (False, True):
        found = best_kept(run(GaussianProcess(finish=finish), told, SQUARE, seed, 18))
        assert 0.0 <= found < 0.02
        assert found < ignoring


def test_where_no_trial_kept_the_constraints_it_looks_for_one_that_does() -> None:
    def told(params: Params) -> Observation:
        away = (float(params["x"]) - 0.9) ** 2 + (float(params["y"]) - 0.1) ** 2
        # The objective pulls the other way.
        return Observation(float(params["x"]) - float(params["y"]), constraints={"near": away - 0.003})

    first = [p for p in SQUARE.sample(np.random.default_rng(0), 40) if not told(p).feasible and float(p["x"]) < 0.7][:8]
    rows = run(GaussianProcess(), told, SQUARE, 0, 20, first)
    violations = [end.constraints["near"] for _, end, _ in rows if isinstance(end, Observation) and end.constraints]
    assert min(violations[:8]) > 0.0
    assert violations[8] < min(violations[:8])
    # The feasible disc is a hundredth of the space.
    assert min(violations[8:]) <= 0.0


@pytest.mark.parametrize("cheap", ["left", "right"])
def test_of_two_equal_optima_the_cheaper_one_is_tried(cheap: str) -> None:
    def told(params: Params) -> Observation:
        x, y = float(params["x"]), float(params["y"])
        side = x if cheap == "left" else 1.0 - x
        return Observation((abs(x - 0.5) - 0.3) ** 2 + (y - 0.5) ** 2, cost=math.exp(4.0 * side))

    half = SQUARE.sample(np.random.default_rng(0), 10)
    whole = half + [{"x": 1.0 - float(p["x"]), "y": p["y"]} for p in half]
    history = make_history(SQUARE, [(params, told(params)) for params in whole])
    found = GaussianProcess(finish=False, cost_exponent=1.0).ask(history, 3, Key(0, 20, "ask"))
    assert all((float(f.params["x"]) < 0.5) == (cheap == "left") for f in found)
    # Without a weight for cost nothing tells the sides apart, and the one is tried as the other.
    blind = GaussianProcess(finish=False).ask(history, 6, Key(0, 20, "ask"))
    assert len({float(f.params["x"]) < 0.5 for f in blind}) == 2


def test_a_prior_draws_the_search_and_its_weight_decays() -> None:
    plain = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    believed = Space(x=Float(0.0, 1.0, prior=Normal(0.8, 0.05)), y=Float(0.0, 1.0))
    told = drawn(plain, 12, lambda p: (float(p["x"]) - 0.2) ** 2)
    history = make_history(believed, told)
    strong = GaussianProcess(beta=1e8, initial_design=0, finish=False).ask(history, 1, Key(0, 12, "ask"))[0].params["x"]
    weak = GaussianProcess(beta=1e-4, initial_design=0, finish=False).ask(history, 1, Key(0, 12, "ask"))[0].params["x"]
    assert abs(float(strong) - 0.8) < 0.1
    assert abs(float(weak) - 0.2) < 0.2


def test_half_of_the_initial_design_comes_from_the_priors() -> None:
    space = Space(x=Float(0.0, 1.0, prior=Normal(0.9, 0.02)))
    found = GaussianProcess(initial_design=41).ask(make_history(space), 41, Key(0, 0, "ask"))
    assert found[0].params == {"x": 0.9}
    near = sum(float(suggestion.params["x"]) > 0.8 for suggestion in found[1:])
    assert 12 <= near <= 34


@pytest.mark.parametrize("error", [NotPositiveDefinite("no factor"), ZeroDivisionError("oh"), KeyError("x")])
@pytest.mark.parametrize("part", ["build", "finish"])
def test_a_surrogate_that_fails_is_replaced_and_says_so(
    monkeypatch: pytest.MonkeyPatch, error: Exception, part: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(gp, part, fail)
    told = [(middle(NUMBERS), 5.0), *drawn(NUMBERS, 19)]
    (found,) = GaussianProcess(finish=part == "finish").ask(make_history(NUMBERS, told), 1, Key(0, 20, "ask"))
    assert found.params == sobol(NUMBERS, 20)
    assert found.tuner == "gp"
    assert found.why == (
        f"Sobol point 20 (in place of the Gaussian process, which failed ({type(error).__name__}: {error}))"
    )


def test_a_search_that_fails_leaves_a_small_space_to_be_exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GaussianProcess, "_maximise", lambda *_: 1 / 0)
    tuner, told = GaussianProcess(), []
    while found := tuner.ask(make_history(SMALL, told), 1, Key(0, len(told), "ask")):
        told.append((found[0].params, 1.0))
    assert len(told) == 36


def test_several_objectives_get_an_even_cover_and_the_reason() -> None:
    objectives = [Objective("a"), Objective("b")]
    rows = [middle(NUMBERS), *NUMBERS.sample(np.random.default_rng(0), 19)]
    told = [(params, Observation({"a": 1.0, "b": 2.0})) for params in rows]
    (found,) = GaussianProcess().ask(make_history(NUMBERS, told, objectives=objectives), 1, Key(0, 20, "ask"))
    assert found.params == sobol(NUMBERS, 20)
    assert found.why == ("Sobol point 20 (in place of the Gaussian process, which has one objective)")


def test_without_any_value_it_covers_the_space() -> None:
    told = [(middle(NUMBERS), None), *drawn(NUMBERS, 19, lambda _: None)]
    (found,) = GaussianProcess().ask(make_history(NUMBERS, told), 1, Key(0, 20, "ask"))
    assert found.params == sobol(NUMBERS, 20)
    assert found.why == "Sobol point 20 (no trial has told a finite value yet)"


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_tells_its_prediction_in_the_units_of_the_study(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    told = drawn(SQUARE, 25, lambda p: sign * (100.0 + branin(p)))
    tuner = GaussianProcess(finish=False)
    (found,) = tuner.ask(make_history(SQUARE, told, direction=direction), 1, Key(0, 25, "ask"))
    predicted = float(found.why.split("predicted ")[1].split(",")[0])
    best = float(found.why.split("best ")[1].split(",")[0])
    assert found.why.endswith("from 25 trials")
    assert 95 < sign * predicted < 200
    assert 100 < sign * best < 110


def test_a_long_history_is_read_in_part() -> None:
    told = drawn(NUMBERS, 1500)
    tuner = GaussianProcess(most=200, most_fitted=50, finish=False)
    (found,) = tuner.ask(make_history(NUMBERS, told), 1, Key(0, 1500, "ask"))
    assert found.why.endswith("from 200 trials")


@pytest.mark.parametrize(("count", "fitted"), [(200, 50), (201, 25)])
def test_a_long_history_is_fitted_by_fewer(monkeypatch: pytest.MonkeyPatch, count: int, fitted: int) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(gp, "fit_settings", lambda *given: sizes.append(len(given[0].losses)) or fit_settings(*given))
    tuner = GaussianProcess(most=200, most_fitted=50, finish=False)
    tuner.ask(make_history(NUMBERS, drawn(NUMBERS, count)), 1, Key(0, count, "ask"))
    assert sizes == [fitted]


def test_enqueued_trials_that_name_only_a_part_stop_nobody() -> None:
    history = make_history(CONDITIONAL, drawn(CONDITIONAL, 20), pending=[{"lr": 1e-3}, {}])
    (found,) = GaussianProcess().ask(history, 1, Key(0, 22, "ask"))
    CONDITIONAL.validate(found.params)
    assert "failed" not in found.why


def test_its_references_name_what_it_uses() -> None:
    assert {"2310.20708", "2402.02229", "2204.11051", "1706.07094"} <= {
        reference.arxiv for reference in GaussianProcess().refs
    }
    keys = [reference.key for reference in GaussianProcess().refs]
    assert len(set(keys)) == len(keys)


def test_it_leaves_a_plateau() -> None:
    # A quarter of the space at a level that is good, but not the best: nothing told there lowers what is expected.
    def terrace(params: Params) -> float:
        x, y = float(params["x"]), float(params["y"])
        return 0.0 if math.hypot(x - 0.9, y - 0.9) < 0.15 else (1.0 if x < 0.5 and y < 0.5 else 3.0 - x - y)

    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    for seed in range(3):
        rows = run(GaussianProcess(), terrace, space, seed, 60)
        assert any(value == 0.0 for _, value, _ in rows), f"seed {seed} stayed on the terrace"


def test_trials_around_the_best_do_not_hold_it_on_flat_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(4)})
    rng = np.random.default_rng(3)
    centres = rng.random((200, 4))
    levels = ((centres - 0.3) ** 2).sum(axis=1) + 0.2 * rng.random(200)

    def cell(params: Params) -> float:
        """The level of the nearest of two hundred centres."""
        gaps = np.linalg.norm(centres - np.array(list(params.values()), dtype=np.float64), axis=1)
        return float(levels[int(gaps.argmin())])

    def seen(level: float | None) -> float:
        """How many cells forty trials saw, on average."""
        monkeypatch.setattr(gp, "LEVEL", level)
        runs = [run(GaussianProcess(finish=False), cell, space, seed, 40) for seed in range(3)]
        return float(np.mean([len({value for _, value, _ in rows}) for rows in runs]))

    monkeypatch.setattr(gp, "IN_TURNS", 40)
    assert seen(gp.LEVEL) > 1.2 * seen(None)


@pytest.mark.parametrize("finish", [False, True])
def test_later_its_own_trials_have_the_constant_given_and_estimated_in_turns(
    monkeypatch: pytest.MonkeyPatch, finish: bool
) -> None:
    means: list[float | None] = []

    def noted(evidence: Evidence, unit: Array, embedding: Embedding, mean: float | None) -> Settings:
        means.append(mean)
        return fit_settings(evidence, unit, embedding, mean)

    monkeypatch.setattr(gp, "fit_settings", noted)
    used: list[tuple[str, float | None]] = []
    rows: list[Row] = []
    for number in range(gp.IN_TURNS + 20):
        # A tuner that remembers nothing, so that each ask fits its model.
        (found,) = GaussianProcess(finish=finish).ask(history_of(SQUARE, rows), 1, Key(0, number, "ask"))
        rows.append((found.params, branin(found.params), found.tuner))
        used += [(found.tuner, means[-1])] if number >= FIRST_TRIALS else []
    early, late = used[: gp.IN_TURNS - FIRST_TRIALS], used[gp.IN_TURNS - FIRST_TRIALS :]
    assert {mean for _, mean in early} == {gp.LEVEL}
    own = [mean for name, mean in late if name == "gp"]
    assert len(own) >= 4, "the test needs a few trials of the model's own"
    assert all((here is None) != (after is None) for here, after in itertools.pairwise(own))


def test_where_constraints_teach_nothing_it_goes_on_by_the_values() -> None:
    # Broken by the same amount everywhere: there is no surface to find a boundary on.
    space = Space(x=Float(0.0, 1.0))
    rows = run(
        GaussianProcess(finish=False),
        lambda p: Observation((float(p["x"]) - 0.3) ** 2, constraints={"memory": 1.0}),
        space,
        seed=0,
        trials=15,
    )
    assert min(abs(float(params["x"]) - 0.3) for params, *_ in rows) < 0.02
