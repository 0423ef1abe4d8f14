"""Auto: what it picks for what there is, and that it never stops a study."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.errors import InvalidSpace
from trimtab.base.history import History
from trimtab.base.records import Objective, Observation
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Int, Ordered, Space
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONDITIONAL, NUMBERS, loss
from trimtab.tuners.auto import MANY, QUICK, SOME, Auto
from trimtab.tuners.values.gp import GaussianProcess
from trimtab.tuners.values.random_search import RandomSearch
from trimtab.tuners.values.trust_region import TrustRegion

TRACED = Space.traced({"x": Float(0.0, 1.0)})
TWO = [Objective("a"), Objective("b")]
WIDE = Space({f"x{place}": Float(0.0, 1.0) for place in range(1001)})


@pytest.mark.parametrize(
    ("space", "objectives", "name", "reason"),
    [
        (NUMBERS, None, "gp", "one objective over 3 parameters is worth modelling"),
        (TRACED, None, "gp", "one objective over 1 parameter is worth modelling"),
        (Space(), None, "random", "there is no parameter to vary"),
        (Space.traced({}), TWO, "random", "there is no parameter to vary"),
        (NUMBERS, TWO, "sobol", "2 objectives have no single best to look for, so the space is covered evenly"),
        (TRACED, TWO, "random", "2 objectives have no single best to look for, so the space is covered evenly"),
        (WIDE, None, "random", "1001 parameters are more than a model can tell apart"),
        (Space(k=Categorical(list("abcd"))), None, "sobol", "there are 4 configurations, and all of them can be tried"),
        (
            Space.traced({"k": Categorical(list("abcd"))}),
            None,
            "gp",
            "one objective over 1 parameter is worth modelling",
        ),
    ],
)
def test_what_it_picks(space: Space, objectives: list[Objective] | None, name: str, reason: str) -> None:
    history = make_history(space, objectives=objectives)
    assert Auto().pick(history) == (name, reason)
    for suggestion in Auto().ask(history, 2, Key(0, 0, "ask")):
        assert suggestion.tuner == name
        assert suggestion.why.endswith(f"; {name} because {reason}")


def test_many_trials_without_a_value_are_covered_until_there_is_one() -> None:
    rows = NUMBERS.sample(np.random.default_rng(0), 40)
    failed = make_history(NUMBERS, [(row, None) for row in rows])
    assert Auto().pick(failed) == ("sobol", "none of 40 trials has told a finite value")
    assert Auto().pick(make_history(NUMBERS, [(rows[0], 1.0), *((row, None) for row in rows)]))[0] == "gp"
    assert Auto().pick(make_history(NUMBERS, [(row, None) for row in rows[:39]]))[0] == "gp"


def test_it_changes_its_method_with_the_study() -> None:
    auto, space = Auto(), Space.traced({})
    (first,) = auto.ask(make_history(space), 1, Key(0, 0, "ask"))
    grown = make_history(TRACED, [(row, loss(row)) for row in TRACED.sample(np.random.default_rng(0), 10)])
    found = auto.ask(grown, 12, Key(0, 10, "ask"))
    # The Gaussian process takes local steps under their own name.
    assert first.tuner == "random"
    assert {later.tuner for later in found} == {"gp", TrustRegion.name}
    assert all(later.why.endswith(f"; {later.tuner} because {auto.pick(grown)[1]}") for later in found)
    assert auto.pick(grown)[0] == "gp"


@pytest.mark.parametrize(
    ("space", "name"), [(NUMBERS, "cma-es"), (CONDITIONAL, "tpe"), (TRACED, "tpe"), (Space(x=Float(0.0, 1.0)), "tpe")]
)
def test_many_trials_that_are_over_at_once_are_not_worth_a_model(space: Space, name: str) -> None:
    def history(count: int, seconds: float) -> History[Space]:
        made = make_history(space, [(row, loss(row)) for row in space.sample(np.random.default_rng(0), count)])
        trials = [trial.with_(ended=trial.started + seconds) for trial in made]
        return History(made.study, space, trials, made.seq)

    assert Auto().pick(history(MANY, 0.5 * QUICK))[0] == name
    assert Auto().pick(history(MANY, 2.0 * QUICK))[0] == "gp"
    assert Auto().pick(history(MANY - 1, 0.5 * QUICK))[0] == "gp"


def test_gradients_are_reckoned_with() -> None:
    def history(count: int, seconds: float) -> History[Space]:
        rows = NUMBERS.sample(np.random.default_rng(0), count)
        made = make_history(NUMBERS, [(row, Observation(loss(row), gradient={"x": 1.0})) for row in rows])
        trials = [trial.with_(ended=trial.started + seconds) for trial in made]
        return History(made.study, NUMBERS, trials, made.seq)

    slow, quick = history(SOME, 2.0 * QUICK), history(SOME, 0.5 * QUICK)
    assert Auto().pick(slow) == ("gp", "one objective over 3 parameters is worth modelling, with its gradients")
    assert Auto().pick(quick) == ("quasi-newton", "a trial takes 10 ms and tells gradients to descend along")
    assert Auto().pick(history(SOME - 1, 0.5 * QUICK))[0] == "gp"
    assert [found.tuner for found in Auto().ask(quick, 1, Key(0, SOME, "ask"))] != ["gp"]


def test_a_method_that_fails_is_replaced_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GaussianProcess, "ask", lambda *_: {}["no such thing"])
    found = Auto().ask(make_history(NUMBERS), 2, Key(0, 0, "ask"))
    assert [suggestion.tuner for suggestion in found] == ["random", "random"]
    assert found[0].why == "uniform draw; random because gp failed (KeyError: 'no such thing')"
    assert found[0].params == RandomSearch().ask(make_history(NUMBERS), 1, Key(0, 0, "ask"))[0].params


def test_constraints_that_leave_nothing_are_told_to_the_user() -> None:
    space = Space(a=Float(0.5, 1.0), b=Float(0.0, 0.4)).require(Ordered("a", "b"))
    with pytest.raises(InvalidSpace, match="the constraints leave"):
        Auto().ask(make_history(space), 1, Key(0, 0, "ask"))


def test_a_small_space_ends() -> None:
    space = Space(k=Int(1, 3))
    told = [({"k": k}, Observation(float(k))) for k in (1, 2, 3)]
    assert Auto().ask(make_history(space, told), 2, Key(0, 3, "ask")) == []
