"""The conformance kit for tuners: a tuner is done when these tests pass.

from trimtab.testing.tuner_kit import TunerKit

class TestMine(TunerKit):
    def make_tuner(self):
        return MyTuner()
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.base.info import Info
from trimtab.base.outcomes import EndReason
from trimtab.base.ports import Tuner
from trimtab.base.records import Objective, Observation, Params, Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Bool, Categorical, Choice, Constant, Float, Int, Ordered, Ordinal, Space
from trimtab.testing.histories import Told, make_history
from trimtab.testing.strategies import spaces

__all__ = ["CONDITIONAL", "CONSTRAINED", "NUMBERS", "SMALL", "TunerKit", "hard_histories"]

NUMBERS = Space(x=Float(-2.0, 3.0), y=Float(1e-4, 1.0, log=True), n=Int(1, 40))

CONDITIONAL = Space(
    lr=Float(1e-5, 1e-1, log=True),
    depth=Ordinal([1, 2, 4, 8]),
    opt=Choice(
        {
            "adam": Space(
                beta=Float(0.8, 0.999), clip=Choice({"on": Space(at=Float(0.1, 10.0, log=True)), "off": None})
            ),
            "sgd": Space(momentum=Float(0.0, 0.99), nesterov=Bool()),
            "lbfgs": None,
        }
    ),
    epochs=Constant(3),
)

CONSTRAINED = Space(low=Float(0.0, 1.0), high=Float(0.0, 1.0), k=Int(1, 10), m=Int(1, 10)).require(
    Ordered("low", "high"), Ordered("k", "m", strict=True)
)

SMALL = Space(
    a=Int(1, 3), b=Int(1, 3), opt=Choice({"p": Space(q=Bool()), "r": None}), c=Categorical(["x", "y"])
).require(Ordered("a", "b"))
"""36 configurations of 54 keep the constraint."""


def loss(params: Params) -> float:
    """A deterministic loss of any params, different for different ones."""
    total = 0.0
    for place, (name, value) in enumerate(sorted(params.items())):
        number = float(value) if isinstance(value, int | float) else len(str(value)) / 3.0
        total += math.tanh(number / (place + 1.0)) ** 2 + 0.1 * len(name)
    return total


def hard_histories(space: Space) -> dict[str, list[tuple[Params, Told]]]:
    """Lists of finished trials that break what is written carelessly, by what they are."""
    drawn = space.sample(np.random.default_rng(1), 30)
    rng = np.random.default_rng(2)
    one = drawn[0]
    mixed: list[Told] = [
        math.nan,
        math.inf,
        -math.inf,
        EndReason.OUT_OF_MEMORY,
        EndReason.PRUNED,
        EndReason.LEASE_LOST,
        None,
    ]
    return {
        "nothing": [],
        "one": [(one, 1.0)],
        "one failure": [(one, None)],
        "failures only": [(params, None) for params in drawn],
        "nearly all failed": [(p, loss(p) if place % 20 == 7 else None) for place, p in enumerate(drawn)],
        "diverged and pruned": [(p, mixed[place % 8] if place % 8 < 7 else loss(p)) for place, p in enumerate(drawn)],
        "constant": [(params, 3.0) for params in drawn],
        "constant and failures": [(p, 3.0 if place % 2 else None) for place, p in enumerate(drawn)],
        "one point again and again": [(one, value) for value in rng.normal(size=30)],
        "two points": [(drawn[place % 2], value) for place, value in enumerate(rng.normal(size=30))],
        "600 decades": [(p, float(10.0**e)) for p, e in zip(drawn, rng.uniform(-300, 300, 30), strict=True)],
        "600 decades, both signs": [
            (p, float(s * 10.0**e))
            for p, e, s in zip(drawn, rng.uniform(-300, 300, 30), rng.choice([-1, 1], 30), strict=True)
        ],
        "one outlier": [(p, 1e300 if place == 5 else loss(p)) for place, p in enumerate(drawn)],
        "zeros": [(p, 0.0 if place % 3 else 1e-300) for place, p in enumerate(drawn)],
        "largest floats": [(p, 1.7e308 * (-1) ** place) for place, p in enumerate(drawn)],
        "no noise and all noise": [
            (p, Observation(loss(p), stderr=0.0 if place % 2 else 1e200)) for place, p in enumerate(drawn)
        ],
        "infeasible": [
            (p, Observation(loss(p), constraints={"memory": float(place % 3) - 1.0})) for place, p in enumerate(drawn)
        ],
    }


class TunerKit(ABC):
    """What every tuner must do. Inherit, name the class Test..., and say how to make one.

    Attributes:
        endless: whether it always has one more proposal for a continuous space; a grid has not.
        seeded: whether its proposals depend on the seed; those of a grid do not.
    """

    endless = True
    seeded = True

    @abstractmethod
    def make_tuner(self) -> Tuner[Space]:
        """A fresh tuner, with nothing remembered."""

    # ------------------------------------------------------------------ what it says of itself

    def test_it_declares_itself(self) -> None:
        """It has a name, says what it needs, and its sources are references."""
        tuner = self.make_tuner()
        assert tuner.name
        assert isinstance(tuner.needs, Info)
        assert all(isinstance(reference, Reference) for reference in tuner.refs)

    def test_tuners_of_equal_settings_are_equal(self) -> None:
        """What a tuner remembers is no part of it."""
        used = self.make_tuner()
        used.ask(make_history(NUMBERS, _told(NUMBERS, 6)), 1, Key(0, 6, "ask"))
        assert used == self.make_tuner()

    # ------------------------------------------------------------------ a function of space, history and key

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Asked twice, or asked anew, it says the same."""
        tuner = self.make_tuner()
        for space in (NUMBERS, CONDITIONAL, SMALL):
            history = make_history(space, _told(space, 14), pending=space.sample(np.random.default_rng(8)))
            key = Key(3, 15, "ask")
            assert tuner.ask(history, 2, key) == tuner.ask(history, 2, key) == self.make_tuner().ask(history, 2, key)

    def test_what_is_remembered_changes_no_answer(self) -> None:
        """A tuner that went along with a study answers like a fresh one."""
        warm = self.make_tuner()
        told: list[tuple[Params, Told]] = []
        for number in range(16):
            key = Key(5, number, "ask")
            (suggestion,) = warm.ask(make_history(CONDITIONAL, told), 1, key)
            told.append((suggestion.params, loss(suggestion.params)))
            if number > 10:
                assert self.make_tuner().ask(make_history(CONDITIONAL, told[:-1]), 1, key) == [suggestion]

    def test_nothing_leaks_from_one_study_into_another(self) -> None:
        """A tuner that served other studies answers like a fresh one."""
        tuner, key = self.make_tuner(), Key(0, 20, "ask")
        one = make_history(NUMBERS, _told(NUMBERS, 20))
        other = make_history(NUMBERS, [(params, -value) for params, value in _told(NUMBERS, 20)])
        wider = make_history(Space(**{**NUMBERS.parameters, "x": Float(-4.0, 3.0)}), _told(NUMBERS, 20))
        for history in (one, other, wider, one):
            assert tuner.ask(history, 1, key) == self.make_tuner().ask(history, 1, key)

    def test_maximising_is_minimising_the_negative(self) -> None:
        """Turning the direction and all values turns nothing."""
        down = make_history(NUMBERS, _told(NUMBERS, 20))
        up = make_history(NUMBERS, [(p, -value) for p, value in _told(NUMBERS, 20)], direction="maximize")
        key = Key(1, 20, "ask")
        assert _params(self.make_tuner().ask(up, 2, key)) == _params(self.make_tuner().ask(down, 2, key))

    # ------------------------------------------------------------------ answers are configurations, and new ones

    @pytest.mark.parametrize(
        "space", [NUMBERS, CONDITIONAL, CONSTRAINED], ids=["numbers", "conditional", "constrained"]
    )
    def test_answers_lie_in_the_space_and_differ(self, space: Space) -> None:
        """Asks in parallel see the pending trials, and keep nesting and constraints."""
        tuner = self.make_tuner()
        told = _told(space, 12)
        pending: list[Params] = []
        for number in range(12, 18):
            (suggestion,) = tuner.ask(make_history(space, told, pending), 1, Key(2, number, "ask"))
            space.validate(suggestion.params)
            _fine(suggestion)
            assert suggestion.params not in pending, "a pending configuration was proposed again"
            assert suggestion.params not in [params for params, _ in told], "a told configuration was proposed again"
            pending.append(suggestion.params)

    def test_several_at_once_differ(self) -> None:
        """One ask for five gives five."""
        found = self.make_tuner().ask(make_history(CONDITIONAL, _told(CONDITIONAL, 20)), 5, Key(0, 20, "ask"))
        assert len(found) == 5
        _check(CONDITIONAL, found)

    def test_the_seed_matters_and_the_trial_too(self) -> None:
        """Another seed or another trial begins elsewhere; a method without randomness says so."""
        history = make_history(NUMBERS)
        here, seed, trial = (
            _params(self.make_tuner().ask(history, 3, key))
            for key in (Key(0, 0, "ask"), Key(1, 0, "ask"), Key(0, 1, "ask"))
        )
        assert here != trial
        assert (here != seed) == self.seeded

    @pytest.mark.parametrize("what", list(hard_histories(SMALL)))
    def test_hard_histories(self, what: str) -> None:
        """Nothing that trials can tell makes a method fail."""
        for space in (NUMBERS, CONDITIONAL):
            history = make_history(
                space, hard_histories(space)[what], pending=space.sample(np.random.default_rng(4), 2)
            )
            found = self.make_tuner().ask(history, 2, Key(0, len(history), "ask"))
            assert len(found) == 2
            _check(space, found)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(space=spaces(constraints=True) | spaces(traced=True), seed=st.integers(0, 5), trials=st.integers(0, 25))
    def test_any_space(self, space: Space, seed: int, trials: int) -> None:
        """Any space at all gets answers that lie in it."""
        drawn = space.sample(np.random.default_rng(seed), trials)
        told: list[tuple[Params, Told]] = [(p, None if place % 5 == 4 else loss(p)) for place, p in enumerate(drawn)]
        history = make_history(space, told)
        found = self.make_tuner().ask(history, 2, Key(seed, trials, "ask"))
        assert len(found) == 2 or space.size is not None or not self.endless
        for suggestion in found:
            space.validate(suggestion.params)
            _fine(suggestion)

    # ------------------------------------------------------------------ ends

    def test_a_small_space_is_tried_once_and_ends(self) -> None:
        """Every configuration is proposed once, failed ones too; then there is nothing more."""
        tuner = self.make_tuner()
        told: list[tuple[Params, Told]] = []
        while True:
            found = tuner.ask(make_history(SMALL, told), 1, Key(0, len(told), "ask"))
            if not found:
                break
            _check(SMALL, found)
            assert found[0].params not in [params for params, _ in told], "a configuration was proposed twice"
            told.append((found[0].params, loss(found[0].params) if len(told) % 4 else None))
        assert len(told) == 36, f"{len(told)} of 36 configurations were tried"
        assert tuner.ask(make_history(SMALL, told), 3, Key(0, len(told), "ask")) == []

    def test_a_small_space_that_is_all_pending_has_nothing_more(self) -> None:
        """Pending configurations count as tried."""
        tuner = self.make_tuner()
        found = tuner.ask(make_history(SMALL), 100, Key(0, 0, "ask"))
        assert len(found) == 36
        _check(SMALL, found)
        assert tuner.ask(make_history(SMALL, pending=_params(found)), 1, Key(0, 36, "ask")) == []

    @pytest.mark.parametrize(
        "space", [Space(), Space(c=Constant("x")), Space.traced({})], ids=["empty", "constant", "traced"]
    )
    def test_a_space_without_parameters_goes_on_for_ever(self, space: Space) -> None:
        """Where there is nothing to vary, the same is proposed again."""
        history = make_history(space, [(space.default_params(), 1.0)] * 30)
        found = self.make_tuner().ask(history, 2, Key(0, 30, "ask"))
        assert _params(found) == [space.default_params()] * 2

    def test_a_traced_space_with_absent_parameters(self) -> None:
        """Trials of a define-by-run study may lack parameters, or all of them."""
        space = Space.traced({"x": Float(0.0, 1.0), "kind": Categorical(["a", "b"]), "n": Int(1, 5)})
        rows = space.sample(np.random.default_rng(0), 25)
        told: list[tuple[Params, Told]] = [
            ({name: value for name, value in row.items() if name != "n" or row["kind"] == "a"}, loss(row))
            for row in rows
        ]
        found = self.make_tuner().ask(make_history(space, [*told, ({}, None), ({"x": 7.0}, 1.0)]), 3, Key(0, 27, "ask"))
        assert len(found) == 3
        for suggestion in found:
            space.validate(suggestion.params)
            _fine(suggestion)

    def test_several_objectives_stop_nobody(self) -> None:
        """A method for one objective still proposes something."""
        objectives = [Objective("error"), Objective("speed", "maximize")]
        rows = NUMBERS.sample(np.random.default_rng(0), 25)
        told: list[tuple[Params, Told]] = [(row, Observation({"error": loss(row), "speed": 1.0})) for row in rows]
        found = self.make_tuner().ask(make_history(NUMBERS, told, objectives=objectives), 2, Key(0, 25, "ask"))
        assert len(found) == 2
        _check(NUMBERS, found)

    def test_trials_outside_the_space_stop_nobody(self) -> None:
        """Trials from before a migration may not fit the space of now."""
        told = [*_told(NUMBERS, 20), ({"x": 99.0, "y": 0.1, "n": 3}, 0.0), ({"other": 1}, 0.0)]
        _check(NUMBERS, self.make_tuner().ask(make_history(NUMBERS, told), 2, Key(0, 22, "ask")))


def _told(space: Space, count: int) -> list[tuple[Params, float]]:
    """Finished trials of uniform draws."""
    return [(params, loss(params)) for params in space.sample(np.random.default_rng(0), count)]


def _params(found: Iterable[Suggestion]) -> list[Params]:
    """The configurations of suggestions."""
    return [suggestion.params for suggestion in found]


def _fine(suggestion: Suggestion) -> None:
    """It says why, and no part of the method failed."""
    assert suggestion.why
    assert "failed" not in suggestion.why, suggestion.why


def _check(space: Space, found: Sequence[Suggestion]) -> None:
    """All lie in the space, say why, and differ."""
    for place, suggestion in enumerate(found):
        space.validate(suggestion.params)
        _fine(suggestion)
        assert suggestion.params not in _params(found[:place]), "the same configuration twice in one answer"
