"""CMA-ES: the state is a function of what was told, integers keep moving, and a search that ends begins anew."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from cmaes import CMA

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, Params, StudyRecord
from trimtab.base.seeds import Key
from trimtab.space import Bool, Categorical, Choice, Float, Int, Space
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONSTRAINED, hard_histories
from trimtab.tuners.values import cma_es
from trimtab.tuners.values.cma_es import CMAES

Value = float | None

PLANE = Space({f"x{i}": Float(-5.0, 5.0) for i in range(3)})
MIXED = Space(
    x=Float(-5.0, 5.0), y=Float(-5.0, 5.0), n=Int(0, 20), m=Int(0, 20), c=Categorical(["a", "b", "c"]), b=Bool()
)
NESTED = Space(x=Float(0.0, 1.0), opt=Choice({"p": Space(q=Float(0.0, 1.0)), "r": Space(s=Int(1, 9))}))


def sphere(params: Params) -> float:
    return sum((float(value) - 1.0) ** 2 for value in params.values())


def mixed(params: Params) -> float:
    total = (float(params["x"]) - 2.0) ** 2 + (float(params["y"]) + 1.0) ** 2
    total += (int(params["n"]) - 7) ** 2 + (int(params["m"]) - 15) ** 2
    return total + (0.0 if params["c"] == "b" else 3.0) + (0.0 if params["b"] else 3.0)


class Study:
    """A study that remembers who proposed its trials, as a real one does."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self.space, self.seed = space, seed
        self.trials: list[FrozenTrial] = []

    @property
    def history(self) -> History[Space]:
        record = StudyRecord("made", (Objective(),), self.seed, self.space.to_json())
        return History(record, self.space, self.trials)

    def tell(self, params: Params, value: Value, tuner: str = "cma-es", ended: float | None = None) -> None:
        number = len(self.trials)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        reason = EndReason.ERROR if value is None else EndReason.COMPLETED
        self.trials.append(
            FrozenTrial(
                number=number,
                state=state,
                params=dict(params),
                observation=None if value is None else Observation(value),
                reason=reason,
                token=1,
                started=float(number),
                ended=number + 1.0 if ended is None else ended,
                tuner=tuner,
            )
        )

    def ask(self, tuner: CMAES, count: int = 1) -> list[Params]:
        return [s.params for s in tuner.ask(self.history, count, Key(self.seed, len(self.trials), "ask"))]

    def why(self, tuner: CMAES) -> str:
        return tuner.ask(self.history, 1, Key(self.seed, len(self.trials), "ask"))[0].why

    def run(self, tuner: CMAES, function: Callable[[Params], Value], trials: int) -> float:
        """The best value after so many more trials."""
        for _ in range(trials):
            (params,) = self.ask(tuner)
            self.tell(params, function(params))
        return min((t.value for t in self.trials if t.value is not None), default=math.inf)


def test_it_descends_a_sphere_as_the_library_does() -> None:
    found = [Study(PLANE, seed).run(CMAES(), sphere, 140) for seed in range(3)]
    theirs = []
    for seed in range(3):
        plain = CMA(np.full(3, 0.5), 0.3, bounds=np.tile([0.0, 1.0], (3, 1)), seed=seed)
        best = math.inf
        for _ in range(20):
            points = [plain.ask() for _ in range(plain.population_size)]
            values = [float(((10.0 * x - 6.0) ** 2).sum()) for x in points]
            best = min(best, *values)
            plain.tell(list(zip(points, values, strict=True)))
        theirs.append(best)
    assert max(found) < 0.05
    assert np.mean(np.log10(found)) < np.mean(np.log10(theirs)) + 1.0


def test_it_finds_the_integers_and_the_categories() -> None:
    found = [Study(MIXED, seed).run(CMAES(), mixed, 150) for seed in range(2)]
    assert min(found) < 1.0
    assert max(found) < 5.0


def test_integers_keep_moving_after_the_numbers_have_settled() -> None:
    study = Study(MIXED)
    study.run(CMAES(), mixed, 100)
    last = [t.params for t in study.trials[-30:] if t.params is not None]
    assert len({(p["n"], p["m"]) for p in last}) > 1


def test_a_tuner_that_went_along_answers_like_a_fresh_one() -> None:
    for space, function in ((MIXED, mixed), (PLANE, sphere)):
        study, warm = Study(space), CMAES()
        for number in range(60):
            (params,) = study.ask(warm)
            if number % 9 == 4:
                assert study.ask(CMAES(), 3) == study.ask(warm, 3)
            study.tell(params, None if number % 11 == 7 else function(params))


def test_the_numbers_before_rounding_are_found_again() -> None:
    study = Study(MIXED)
    study.run(CMAES(), mixed, 40)
    space, tuner = study.space, CMAES()
    tuner.ask(study.history, 1, Key(0, 40, "ask"))
    (search,) = tuner._searches
    size = search.optimizer.population_size
    units = space.to_unit(space.encode_many([t.params for t in study.trials if t.params is not None]))
    fresh = cma_es._Search(search.layout, Key(0, -1, "ask"), np.full(4, 0.5), cma_es.COLD_STEP)
    raw = np.array([fresh._unrounded(units[k, search.layout.numbers], k) for k in range(size)])
    rounded = units[:size, search.layout.numbers]
    discrete = search.layout.steps > 0.0
    assert (np.abs(raw - rounded)[:, discrete] > 1e-6).any(axis=1).mean() > 0.8
    np.testing.assert_allclose(raw[:, ~discrete], rounded[:, ~discrete], atol=1e-9)


def test_generations_are_told_in_the_order_of_ending() -> None:
    study = Study(PLANE)
    for ended in (10.0, 3.0, 5.0, 4.0, 6.0, 8.0, 7.0, 9.0):
        study.tell(PLANE.sample(np.random.default_rng(int(ended)))[0], ended, ended=ended)
    assert "1 generations told" in study.why(CMAES())
    other = Study(PLANE)
    for ended in (3.0, 5.0, 4.0, 6.0, 8.0, 7.0, 9.0):
        other.tell(PLANE.sample(np.random.default_rng(int(ended)))[0], ended, ended=ended)
    key = Key(0, 99, "ask")
    # The eighth one to end begins the second generation, so the first one is the same.
    assert CMAES().ask(study.history, 2, key) == CMAES().ask(other.history, 2, key)


def test_failures_are_the_worst_of_their_generation() -> None:
    rows = PLANE.sample(np.random.default_rng(0), 7)
    failed, worst = Study(PLANE), Study(PLANE)
    for place, row in enumerate(rows):
        failed.tell(row, None if place == 3 else float(place))
        worst.tell(row, 6.0 if place == 3 else float(place))
    assert failed.ask(CMAES(), 2) == worst.ask(CMAES(), 2)


def test_a_generation_of_failures_moves_nothing() -> None:
    study = Study(PLANE)
    study.run(CMAES(), lambda _: None, 7)
    (after,) = study.ask(CMAES())
    assert study.why(CMAES()).startswith("draw from the normal distribution of CMA-ES, 1 generations told")
    PLANE.validate(after)


def test_the_first_mean_is_the_best_of_what_others_had_told() -> None:
    study = Study(PLANE)
    for place, row in enumerate(PLANE.sample(np.random.default_rng(1), 10)):
        study.tell(row, 5.0 + place, tuner="sobol")
    best = {"x0": 4.0, "x1": -4.0, "x2": 4.0}
    study.tell(best, 0.0, tuner="sobol")
    rows = PLANE.encode_many(study.ask(CMAES(), 60))
    assert np.abs(np.median(rows, axis=0) - [4.0, -4.0, 4.0]).max() < 1.5
    # What others tell once the search has begun does not move its beginning.
    (own,) = study.ask(CMAES())
    study.tell(own, 1.0)
    before = study.ask(CMAES(), 3)
    study.tell({"x0": -5.0, "x1": 5.0, "x2": -5.0}, -100.0, tuner="gp")
    assert CMAES().ask(study.history, 3, Key(0, 12, "ask"))[0].params == before[0]


def test_without_anything_told_it_begins_at_the_default() -> None:
    space = Space(x=Float(0.0, 1.0, default=0.9), y=Float(0.0, 1.0))
    rows = space.encode_many([s.params for s in CMAES().ask(make_history(space), 80, Key(0, 0, "ask"))])
    assert np.median(rows[:, 0]) > 0.65
    assert abs(np.median(rows[:, 1]) - 0.5) < 0.15


def test_a_flat_objective_makes_it_begin_anew_with_a_larger_population() -> None:
    study, tuner = Study(Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))), CMAES()
    for number in range(400):
        (params,) = study.ask(tuner)
        study.tell(params, 1.0)
        if number % 20 == 19 and "after restart" in study.why(tuner):
            break
    line = study.why(tuner)
    assert "after restart 1, population 12" in line


def test_a_number_that_is_inactive_says_nothing_of_it() -> None:
    study = Study(NESTED)
    best = study.run(CMAES(), lambda p: (float(p["x"]) - 0.2) ** 2 + (0.5 if p["opt"] == "r" else 0.0), 120)
    assert best < 1e-3
    assert sum(t.params["opt"] == "p" for t in study.trials[-30:]) > 20


def test_categories_alone_follow_the_better_half() -> None:
    space = Space({f"c{i}": Categorical(list("abcd")) for i in range(8)})

    def count(params: Params) -> float:
        return float(sum(value != "c" for value in params.values()))

    study = Study(space)
    assert study.run(CMAES(), count, 150) <= 1.0
    assert study.why(CMAES()) == "categories as frequent as in the better half of the recent trials"


@pytest.mark.parametrize("exponent", [-300, 150, 308])
def test_values_of_any_size(exponent: int) -> None:
    study = Study(MIXED)
    study.run(CMAES(), lambda p: (-1.0) ** int(p["n"]) * min(mixed(p) / 300.0, 1.0) * 10.0**exponent, 40)
    assert "failed" not in study.why(CMAES())


def test_a_long_history_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cma_es, "BLOCK", 20)
    study, tuner = Study(PLANE), CMAES()
    study.run(tuner, sphere, 70)
    # Of 70 trials the first 40 are not replayed; the other 30 are 4 generations and 2 more.
    assert "4 generations told" in study.why(CMAES())
    assert study.ask(CMAES(), 2) == study.ask(tuner, 2)


def test_many_numbers_learn_a_diagonal() -> None:
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(cma_es.MOST_COLUMNS + 1)})
    study = Study(space)
    study.run(CMAES(), lambda p: sum(float(v) for v in p.values()), 36)
    assert "2 generations told" in study.why(CMAES())


def test_parallel_asks_draw_from_one_state_and_differ() -> None:
    study = Study(PLANE)
    study.run(CMAES(), sphere, 14)
    found = study.ask(CMAES(), 6)
    assert len({tuple(p.values()) for p in found}) == 6


@pytest.mark.parametrize("what", list(hard_histories(PLANE)))
def test_hard_histories_of_its_own_making(what: str) -> None:
    for space in (MIXED, NESTED, CONSTRAINED):
        made = make_history(space, hard_histories(space)[what])
        history = History(made.study, space, [trial.with_(tuner="cma-es") for trial in made], made.seq)
        for suggestion in CMAES().ask(history, 2, Key(0, len(history), "ask")):
            space.validate(suggestion.params)
            assert "failed" not in suggestion.why
