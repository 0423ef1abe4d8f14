"""Selection by a holdout's answers: which trial, which interval, who is tied, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

import trimtab as tt
from trimtab.trust import selection_references
from trimtab.trust.holdout import FreeLadder, PracticalThresholdout

SIZE = 2000
SPACE = tt.Space(x=tt.Float(0.0, 1.0))


def study(rates: list[float], mechanism: object, seed: int = 0) -> tt.Study:
    """Trials with so many errors in truth, on two parts of 2,000 examples."""
    rng = np.random.default_rng(seed)
    rules = tt.ReusableHoldout.of(range(SIZE), range(SIZE, 2 * SIZE), mechanism=mechanism)  # type: ignore[arg-type]
    made = tt.create_study(space=SPACE, tuner="random", seed=seed, holdout=rules)
    for rate in rates:
        losses = (rng.random(2 * SIZE) < rate).astype(float)
        made.add_trial({"x": rate}, tt.Observation(0.0, losses=losses))
    return made


def test_the_lowest_answer_is_selected_with_the_stated_error() -> None:
    mechanism = PracticalThresholdout(SIZE, SIZE)
    made = study([0.9, 0.2, 0.25, 0.6], mechanism)
    chosen, error = made.select(), 7.0 / np.sqrt(SIZE)
    assert (chosen.trial, chosen.estimate) == (1, made.trials[1].value)
    assert chosen.interval is not None
    assert chosen.interval.low == pytest.approx(chosen.estimate - error)
    assert chosen.interval.high == pytest.approx(chosen.estimate + error)
    assert chosen.interval.level == 0.95
    # Two answers within the stated error of their truths may differ by twice that.
    assert chosen.tie_set == (1, 2)
    assert made.holdout is not None
    assert chosen.caveats[0] == str(made.holdout)
    assert "measured, not proven" in chosen.caveats[0]
    assert chosen.method == made.select(method="holdout").method
    assert selection_references(chosen) == mechanism.refs


def test_an_interval_ends_where_losses_end() -> None:
    interval = study([0.01, 0.9], PracticalThresholdout(SIZE, SIZE)).select().interval
    assert interval is not None
    assert interval.low == 0.0


def test_the_level_is_that_of_the_mechanism() -> None:
    chosen = study([0.2, 0.3], PracticalThresholdout(SIZE, SIZE)).select(level=0.9)
    assert chosen.interval is not None
    assert chosen.interval.level == 0.95
    assert any("at a level of 95%, not at the 90% asked for" in caveat for caveat in chosen.caveats)
    proven = tt.Thresholdout.for_tolerance(10**10, 0.05, queries=9, budget=5, beta=0.01)
    assert proven.level == pytest.approx(0.99)


def test_without_a_stated_error_there_is_no_interval_and_no_tie() -> None:
    chosen = study([0.3, 0.2], tt.Thresholdout(0.1, 0.01, budget=5)).select()
    assert (chosen.trial, chosen.interval, chosen.tie_set) == (1, None, (1,))
    assert "no error is stated" in chosen.caveats[0]
    assert study([0.3, 0.2], FreeLadder()).select().interval is None


@pytest.mark.parametrize("rates", [[0.9, 0.2, 0.5], [0.3, 0.5, 0.4]])
def test_the_trial_that_leads_a_ladder_is_selected(rates: list[float]) -> None:
    made = study(rates, tt.Ladder.for_queries(SIZE, 10))
    chosen = made.select()
    best = int(np.argmin(rates))
    assert chosen.trial == best
    assert chosen.interval is not None
    assert rates[best] in chosen.interval
    # Of the others, nothing was told.
    assert chosen.tie_set == (0, 1, 2)
    assert "Ladder" in chosen.method
    assert selection_references(chosen)[0].title.startswith("The Ladder")


def test_a_study_without_a_holdout_cannot_be_selected_by_it() -> None:
    plain = tt.create_study(space=SPACE, tuner="random", seed=0)
    plain.add_trial({"x": 0.5}, 0.5)
    with pytest.raises(tt.InvalidArgument, match=r"cannot be selected by holdout: it has no holdout; create it with"):
        plain.select(method="holdout")
    assert plain.select().method != "holdout"
