"""The portfolio: who proposes follows from the history alone, and every trial says who it was and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, Params, StudyRecord, Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history
from trimtab.tuners import make_tuner, references_of
from trimtab.tuners.values.portfolio import Portfolio, rank_losses

SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


@dataclass(frozen=True)
class Near:
    """A tuner that proposes points around one place."""

    name: str
    place: float
    fails: bool = False

    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = ()

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        if self.fails:
            raise ZeroDivisionError("oh")
        rows = np.clip(self.place + 0.05 * key.child(self.name).generator().standard_normal((count, 2)), 0.0, 1.0)
        return [Suggestion({"x": float(x), "y": float(y)}, self.name, "near its place") for x, y in rows]


GOOD, BAD, WORSE = Near("good", 0.5), Near("bad", 0.1), Near("worse", 0.9)


def bowl(params: Params) -> float:
    return abs(float(params["x"]) - 0.45) + abs(float(params["y"]) - 0.45)


def history_of(rows: Sequence[tuple[Params, float | None, str]], pending: Sequence[str] = ()) -> History[Space]:
    """Trials with the names of who proposed them."""
    trials = [
        FrozenTrial(
            number=number,
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            params=params,
            observation=None if value is None else Observation(value),
            reason=EndReason.ERROR if value is None else EndReason.COMPLETED,
            token=1,
            started=float(number),
            ended=number + 1.0,
            tuner=tuner,
        )
        for number, (params, value, tuner) in enumerate(rows)
    ]
    trials += [
        FrozenTrial(len(rows) + i, TrialState.RUNNING, {"x": 0.01 * i, "y": 0.5}, token=1, started=99.0, tuner=name)
        for i, name in enumerate(pending)
    ]
    return History(StudyRecord("made", (Objective(),), 0, SQUARE.to_json()), SQUARE, trials)


def run(tuner: Portfolio, function: Callable[[Params, int], float | None], trials: int) -> list[str]:
    """Who proposed each trial of a study."""
    rows: list[tuple[Params, float | None, str]] = []
    for number in range(trials):
        (found,) = tuner.ask(history_of(rows), 1, Key(0, number, "ask"))
        rows.append((found.params, function(found.params, number), found.tuner))
    return [name for _, _, name in rows]


def test_it_begins_with_a_design_of_its_own_and_tries_everyone() -> None:
    names = run(Portfolio((BAD, GOOD, WORSE)), lambda p, _: bowl(p), 7)
    assert names[:4] == ["portfolio"] * 4
    assert sorted(names[4:]) == ["bad", "good", "worse"]


def test_the_member_with_the_better_outcomes_goes_on() -> None:
    names = run(Portfolio((BAD, GOOD, WORSE)), lambda p, _: bowl(p), 60)
    assert names[30:].count("good") > 20


def test_it_notices_when_another_member_becomes_better() -> None:
    def moving(params: Params, number: int) -> float:
        place = 0.5 if number < 40 else 0.9
        return abs(float(params["x"]) - place) + (0.0 if number < 40 else -1.0)

    names = run(Portfolio((GOOD, WORSE), window=20), moving, 140)
    assert names[20:40].count("good") > 12
    assert names[-40:].count("worse") > 20


def test_a_member_whose_trials_fail_is_left() -> None:
    names = run(Portfolio((GOOD, BAD)), lambda p, _: None if float(p["x"]) > 0.3 else 1.0, 40)
    assert names[15:].count("bad") > 18


def test_the_choice_is_a_function_of_the_history() -> None:
    rows = [({"x": 0.1 * i % 1, "y": 0.3}, float(i % 4), ("good", "bad", "enqueued")[i % 3]) for i in range(20)]
    key = Key(4, 20, "ask")
    warm = Portfolio((GOOD, BAD))
    run(warm, lambda p, _: bowl(p), 10)
    assert warm.ask(history_of(rows), 2, key) == Portfolio((GOOD, BAD)).ask(history_of(rows), 2, key)


def test_trials_of_others_are_outcomes_but_no_rounds() -> None:
    rows = [({"x": 0.1, "y": 0.1}, 5.0, "sobol")] * 10
    rows += [({"x": 0.1, "y": 0.1}, 1.0, "good"), ({"x": 0.1, "y": 0.1}, 9.0, "bad")]
    (found,) = Portfolio((GOOD, BAD)).ask(history_of(rows), 1, Key(0, 12, "ask"))
    assert found.tuner == "good"
    assert found.why == (
        "near its place; chosen from the portfolio by discounted losses: "
        "good 0.00 in 1.0 rounds, bad 1.00 in 1.0 rounds"
    )


def test_pending_trials_count_as_rounds() -> None:
    rows = [({"x": 0.1, "y": 0.1}, 5.0, "sobol")] * 4 + [({"x": 0.1, "y": 0.1}, 1.0, "good")]
    (found,) = Portfolio((GOOD, BAD)).ask(history_of(rows, ["good"] * 4), 1, Key(0, 9, "ask"))
    assert found.tuner == "bad"
    crowded = history_of([*rows, ({"x": 0.1, "y": 0.1}, 5.0, "bad")], ["good"] * 40)
    assert "good 0.00 in 3" in Portfolio((GOOD, BAD)).ask(crowded, 1, Key(0, 46, "ask"))[0].why


def test_local_steps_of_the_gaussian_process_are_its_rounds() -> None:
    rows = [({"x": 0.1, "y": 0.1}, 5.0, "sobol")] * 4 + [({"x": 0.1, "y": 0.1}, 1.0, "trust-region")] * 2
    gp = Near("gp", 0.5)
    line = Portfolio((gp, BAD)).ask(history_of(rows), 1, Key(0, 6, "ask"))[0].why
    assert "gp 0.05 in 2.0 rounds" in line or "gp 0.1" in line
    assert "bad unknown" in line


def test_a_member_that_fails_is_replaced_and_named() -> None:
    rows = [({"x": 0.1, "y": 0.1}, 5.0, "sobol")] * 5
    (found,) = Portfolio((Near("broken", 0.5, fails=True), BAD)).ask(history_of(rows), 1, Key(0, 5, "ask"))
    assert found.tuner == "bad"
    assert found.why.endswith("; broken failed (ZeroDivisionError: oh)")
    with pytest.raises(ZeroDivisionError):
        Portfolio((Near("broken", 0.5, fails=True),)).ask(history_of(rows), 1, Key(0, 5, "ask"))


def test_ranks_among_the_recent_outcomes() -> None:
    losses = np.array([3.0, 1.0, 2.0, np.nan, 2.0, 0.0])
    np.testing.assert_allclose(rank_losses(losses, 50), [0.5, 0.0, 0.5, 1.0, 0.375, 0.0])
    np.testing.assert_allclose(rank_losses(losses, 2), [0.5, 0.0, 1.0, 1.0, 0.0, 0.0])
    assert rank_losses(np.full(4, 7.0), 50).tolist() == [0.5] * 4


def test_the_surrogate_scores_the_proposals_of_all() -> None:
    rng = np.random.default_rng(0)
    rows: list[tuple[Params, float | None, str]] = [(p, bowl(p), "sobol") for p in SQUARE.sample(rng, 20)]
    rows += [({"x": 0.1 + 0.01 * i, "y": 0.1}, bowl({"x": 0.1, "y": 0.1}), "bad") for i in range(12)]
    tuner = Portfolio((GOOD, BAD, WORSE), feedback="surrogate")
    (found,) = tuner.ask(history_of(rows), 1, Key(0, 32, "ask"))
    pattern = r".*; drawn from the portfolio by the weights good (\S+), bad (\S+), worse (\S+), after 12 rounds"
    told = re.fullmatch(pattern, found.why)
    assert told is not None, found.why
    good, bad, worse = map(float, told.groups())
    # The member that never played is known to be the best, by what the surrogate says of what it would have proposed.
    assert good > 0.7 > 0.3 > max(bad, worse)
    assert tuner.ask(history_of(rows), 1, Key(0, 32, "ask")) == [found]


def test_after_many_trials_the_surrogate_gives_way() -> None:
    rows: list[tuple[Params, float | None, str]] = [
        (p, bowl(p), "good") for p in SQUARE.sample(np.random.default_rng(0), 30)
    ]
    tuner = Portfolio((GOOD, BAD), feedback="surrogate", most=20)
    assert "discounted losses" in tuner.ask(history_of(rows), 1, Key(0, 30, "ask"))[0].why


def test_its_members_by_default_fit_the_space() -> None:
    def names(space: Space) -> set[str]:
        told = [(p, float(i)) for i, p in enumerate(space.sample(np.random.default_rng(0), 20))]
        line = Portfolio().ask(make_history(space, told), 1, Key(0, 20, "ask"))[0].why
        return {name for name in ("gp", "tpe", "cma-es", "evolution") if f"{name} unknown" in line}

    assert names(SQUARE) == {"gp", "tpe", "cma-es"}
    assert names(Space({f"c{i}": Categorical(list("abcde")) for i in range(6)})) == {"gp", "tpe", "evolution"}


def test_suggestions_carry_names_with_references() -> None:
    told = [(p, bowl(p)) for p in SQUARE.sample(np.random.default_rng(0), 20)]
    (found,) = make_tuner("portfolio").ask(make_history(SQUARE, told), 1, Key(0, 20, "ask"))
    assert references_of(found.tuner)
    assert {"2302.04552", "0805.3415"} <= {reference.arxiv for reference in references_of("portfolio")}


@pytest.mark.parametrize("members", [(), (GOOD, GOOD)])
def test_members_must_differ(members: tuple[Near, ...]) -> None:
    with pytest.raises(InvalidArgument, match="members must be tuners of different names; got"):
        Portfolio(members)


def test_an_unknown_kind_of_feedback_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="unknown feedback; got 'full'; allowed: 'bandit' or 'surrogate'"):
        Portfolio(feedback="full")  # type: ignore[arg-type]
