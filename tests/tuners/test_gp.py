"""The Gaussian-process tuner: it learns, it begins well, it knows what is pending, and it never stops a study."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Normal, Space
from trimtab.surrogates.gp import NotPositiveDefinite, fit_settings
from trimtab.testing.histories import Told, make_history
from trimtab.testing.tuner_kit import CONDITIONAL, NUMBERS, SMALL, loss
from trimtab.tuners import make_tuner
from trimtab.tuners.values import gp
from trimtab.tuners.values.gp import GaussianProcess, scheduled

SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def branin(params: Params) -> float:
    """Branin's function on the unit square; its minimum is 0.397887."""
    x, y = 15.0 * float(params["x"]) - 5.0, 15.0 * float(params["y"])
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def best_of(name: str, function: Callable[[Params], float], space: Space, seed: int, trials: int) -> float:
    """The best value that a tuner finds in so many trials."""
    tuner, told = make_tuner(name), []
    for number in range(trials):
        (suggestion,) = tuner.ask(make_history(space, told, seed=seed), 1, Key(seed, number, "ask"))
        told.append((suggestion.params, function(suggestion.params)))
    return min(value for _, value in told)


def drawn(space: Space, count: int, value: Callable[[Params], Told] = loss) -> list[tuple[Params, Told]]:
    return [(params, value(params)) for params in space.sample(np.random.default_rng(0), count)]


def test_it_beats_random_search() -> None:
    # Were it no better, it would win all six pairs with probability 1/64.
    pairs = [
        (best_of("gp", branin, SQUARE, seed, 18), best_of("random", branin, SQUARE, seed, 18)) for seed in range(6)
    ]
    assert all(gp_best < random_best for gp_best, random_best in pairs), pairs
    assert np.median([gp_best for gp_best, _ in pairs]) < 0.397887 + 0.2


def test_the_first_trials_are_the_defaults_and_then_sobol_points() -> None:
    space = Space(x=Float(0.0, 1.0, default=0.3), n=Int(1, 9))
    (first,) = GaussianProcess().ask(make_history(space), 1, Key(0, 0, "ask"))
    assert first.params == {"x": 0.3, "n": 5}
    assert first.why == "the default configuration (initial design, 1 of 4)"
    (second,) = GaussianProcess().ask(make_history(space, [(first.params, 1.0)]), 1, Key(0, 1, "ask"))
    assert second.why == "Sobol point 1 (initial design, 2 of 4)"
    sobol = make_tuner("sobol").ask(make_history(space), 1, Key(0, 1, "ask"))
    assert second.params == sobol[0].params


def test_without_defaults_it_begins_with_sobol_points() -> None:
    found = GaussianProcess().ask(make_history(NUMBERS), 6, Key(0, 0, "ask"))
    assert [f.params for f in found] == [
        f.params for f in make_tuner("sobol").ask(make_history(NUMBERS), 6, Key(0, 0, "ask"))
    ]
    assert "6 of 6" in found[-1].why


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
    tuner, told = GaussianProcess(), drawn(NUMBERS, 60)
    for pending in range(4):
        history = make_history(NUMBERS, told, NUMBERS.sample(np.random.default_rng(9), pending))
        tuner.ask(history, 2, Key(0, 60 + pending, "ask"))
    assert len(fits) == 1
    for count in range(40, 60):
        tuner.ask(make_history(NUMBERS, told[:count]), 1, Key(0, count, "ask"))
    assert len(tuner._fits) <= gp.REMEMBERED


def test_a_pending_trial_is_not_joined_by_another_one() -> None:
    told = drawn(SQUARE, 20, branin)
    asks = [GaussianProcess().ask(make_history(SQUARE, told), 1, Key(0, 20, "ask"))[0].params]
    for number in range(21, 24):
        history = make_history(SQUARE, told, asks)
        asks.append(GaussianProcess().ask(history, 1, Key(0, number, "ask"))[0].params)
    rows = SQUARE.encode_many(asks)
    gaps = np.abs(rows[:, None] - rows[None]).max(axis=2)[np.triu_indices(4, 1)]
    assert gaps.min() > 0.01


def test_it_stays_away_from_where_trials_failed() -> None:
    def value(params: Params) -> Told:
        return EndReason.OUT_OF_MEMORY if float(params["x"]) > 0.5 else branin(params)

    told = drawn(SQUARE, 30, value)
    found = GaussianProcess().ask(make_history(SQUARE, told), 4, Key(0, 30, "ask"))
    assert sum(float(suggestion.params["x"]) > 0.55 for suggestion in found) <= 1


def test_a_prior_draws_the_search_and_its_weight_decays() -> None:
    plain = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    believed = Space(x=Float(0.0, 1.0, prior=Normal(0.8, 0.05)), y=Float(0.0, 1.0))
    told = drawn(plain, 12, lambda p: (float(p["x"]) - 0.2) ** 2)
    history = make_history(believed, told)
    strong = GaussianProcess(beta=1e4, initial_design=0).ask(history, 1, Key(0, 12, "ask"))[0].params["x"]
    weak = GaussianProcess(beta=1e-4, initial_design=0).ask(history, 1, Key(0, 12, "ask"))[0].params["x"]
    assert abs(float(strong) - 0.8) < 0.1
    assert abs(float(weak) - 0.2) < 0.2


def test_half_of_the_initial_design_comes_from_the_priors() -> None:
    space = Space(x=Float(0.0, 1.0, prior=Normal(0.9, 0.02)))
    found = GaussianProcess(initial_design=41).ask(make_history(space), 41, Key(0, 0, "ask"))
    assert found[0].params == {"x": 0.9}
    near = sum(float(suggestion.params["x"]) > 0.8 for suggestion in found[1:])
    assert 12 <= near <= 34


@pytest.mark.parametrize("error", [NotPositiveDefinite("no factor"), ZeroDivisionError("oh"), KeyError("x")])
def test_a_surrogate_that_fails_is_replaced_and_says_so(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(gp, "build", fail)
    (found,) = GaussianProcess().ask(make_history(NUMBERS, drawn(NUMBERS, 20)), 1, Key(0, 20, "ask"))
    assert found.params == make_tuner("sobol").ask(make_history(NUMBERS), 1, Key(0, 20, "ask"))[0].params
    assert (
        found.why
        == f"Sobol point 20 (in place of the Gaussian process, which failed ({type(error).__name__}: {error}))"
    )


def test_a_search_that_fails_leaves_a_small_space_to_be_exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GaussianProcess, "_maximise", lambda *_: 1 / 0)
    tuner, told = GaussianProcess(), []
    while found := tuner.ask(make_history(SMALL, told), 1, Key(0, len(told), "ask")):
        told.append((found[0].params, 1.0))
    assert len(told) == 36


def test_several_objectives_get_an_even_cover_and_the_reason() -> None:
    objectives = [Objective("a"), Objective("b")]
    told = [(params, Observation({"a": 1.0, "b": 2.0})) for params in NUMBERS.sample(np.random.default_rng(0), 20)]
    (found,) = GaussianProcess().ask(make_history(NUMBERS, told, objectives=objectives), 1, Key(0, 20, "ask"))
    assert found.why == "Sobol point 20 (in place of the Gaussian process, which has one objective)"


def test_without_any_value_it_covers_the_space() -> None:
    (found,) = GaussianProcess().ask(make_history(NUMBERS, drawn(NUMBERS, 20, lambda _: None)), 1, Key(0, 20, "ask"))
    assert found.why == "Sobol point 20 (no trial has told a finite value yet)"


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_tells_its_prediction_in_the_units_of_the_study(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    told = drawn(SQUARE, 25, lambda p: sign * (100.0 + branin(p)))
    (found,) = GaussianProcess().ask(make_history(SQUARE, told, direction=direction), 1, Key(0, 25, "ask"))
    predicted = float(found.why.split("predicted ")[1].split(",")[0])
    best = float(found.why.split("best ")[1].split(",")[0])
    assert found.why.endswith("from 25 trials")
    assert 95 < sign * predicted < 200
    assert 100 < sign * best < 110


def test_a_long_history_is_read_in_part() -> None:
    told = drawn(NUMBERS, 1500)
    (found,) = GaussianProcess(most=200, most_fitted=50).ask(make_history(NUMBERS, told), 1, Key(0, 1500, "ask"))
    assert found.why.endswith("from 200 trials")


def test_enqueued_trials_that_name_only_a_part_stop_nobody() -> None:
    history = make_history(CONDITIONAL, drawn(CONDITIONAL, 20), pending=[{"lr": 1e-3}, {}])
    (found,) = GaussianProcess().ask(history, 1, Key(0, 22, "ask"))
    CONDITIONAL.validate(found.params)
    assert "failed" not in found.why


def test_its_references_name_what_it_uses() -> None:
    assert {"2310.20708", "2402.02229", "2204.11051"} <= {reference.arxiv for reference in GaussianProcess().refs}
    keys = [reference.key for reference in GaussianProcess().refs]
    assert len(set(keys)) == len(keys)
