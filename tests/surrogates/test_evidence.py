"""What a history tells a surrogate: failures, pruned and lost trials, and which trials of a long history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Observation
from trimtab.space import Float, Space
from trimtab.surrogates.evidence import Evidence, encode_valid, gather, subset, told_numbers
from trimtab.testing.histories import make_history

SPACE = Space(x=Float(0.0, 1.0))


def told(*ends: object) -> list:
    return [({"x": place / 100}, end) for place, end in enumerate(ends)]


def losses(*ends: object, direction: str = "minimize") -> list[float]:
    history = make_history(SPACE, told(*ends), direction=direction)
    return gather(history, told_numbers(history)).losses.tolist()


def test_values_are_losses_in_the_direction_of_the_study() -> None:
    assert losses(1.0, 2.0) == [1.0, 2.0]
    assert losses(1.0, 2.0, direction="maximize") == [-1.0, -2.0]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        float("nan"),
        float("inf"),
        EndReason.OUT_OF_MEMORY,
        EndReason.TIMEOUT,
        Observation(0.0, constraints={"c": 1.0}),
    ],
)
def test_failures_divergence_and_broken_constraints_are_bad(bad: object) -> None:
    found = losses(1.0, bad)
    assert found[0] == 1.0
    assert np.isnan(found[1])


def test_a_kept_constraint_is_fine() -> None:
    assert losses(Observation(3.0, constraints={"c": 0.0, "d": -1.0})) == [3.0]


@pytest.mark.parametrize("lost", [EndReason.LEASE_LOST, EndReason.KILLED, EndReason.CANCELLED])
def test_a_vanished_worker_tells_nothing_of_the_configuration(lost: EndReason) -> None:
    history = make_history(SPACE, told(1.0, lost, 2.0))
    found = gather(history, told_numbers(history))
    assert found.losses.tolist() == [1.0, 2.0]
    assert found.raw[:, 0].tolist() == [0.0, 0.02]


def test_a_pruned_trial_is_never_better_than_the_median() -> None:
    history = make_history(SPACE, told(1.0, 2.0, 3.0, EndReason.PRUNED, EndReason.PRUNED, EndReason.PRUNED))
    trials = list(history)
    trials[3] = trials[3].with_(observation=Observation(0.5))
    trials[4] = trials[4].with_(observation=Observation(2.5))
    pruned = type(history)(history.study, SPACE, trials, history.seq)
    assert gather(pruned, told_numbers(pruned)).losses.tolist() == [1.0, 2.0, 3.0, 2.0, 2.5, 2.0]


def test_standard_errors_are_read_and_impossible_ones_ignored() -> None:
    history = make_history(SPACE, told(1.0, Observation(2.0, stderr=0.3), Observation(3.0, stderr=float("inf"))))
    assert gather(history, told_numbers(history)).stderr.tolist() == [0.0, 0.3, 0.0]


def evidence(*ends: object, direction: str = "minimize") -> Evidence:
    history = make_history(SPACE, told(*ends), direction=direction)
    return gather(history, told_numbers(history))


def test_a_trial_that_broke_a_constraint_still_measured_something() -> None:
    broken = Observation(5.0, constraints={"c": 1.0})
    found = evidence(1.0, broken, None, direction="maximize")
    np.testing.assert_array_equal(found.losses, [-1.0, np.nan, np.nan])
    np.testing.assert_array_equal(found.measured, [-1.0, -5.0, np.nan])
    assert found.good.tolist() == [True, False, False]


def test_constraints_are_columns_in_the_order_of_their_first_telling() -> None:
    found = evidence(
        1.0,
        Observation(2.0, constraints={"b": 0.5, "a": -1.0}),
        None,
        Observation(3.0, constraints={"c": -2.0, "b": 0.0}),
    )
    assert found.names == ("b", "a", "c")
    nan = np.nan
    np.testing.assert_array_equal(
        found.constraints, [[nan, nan, nan], [0.5, -1.0, nan], [nan, nan, nan], [0.0, nan, -2.0]]
    )


def test_where_nobody_told_constraints_there_are_no_columns() -> None:
    found = evidence(1.0, 2.0)
    assert found.names == ()
    assert found.constraints.shape == (2, 0)
    assert evidence().constraints.shape == (0, 0)


def test_costs_are_read_and_missing_ones_are_not_known() -> None:
    found = evidence(1.0, Observation(2.0, cost=30.0), None, Observation(3.0, cost=0.0))
    np.testing.assert_array_equal(found.cost, [np.nan, 30.0, np.nan, 0.0])


def test_the_proposer_of_each_trial_is_known() -> None:
    made = make_history(SPACE, told(1.0, 2.0, EndReason.KILLED, 3.0))
    names = ["gp", "sobol", "gp", "gp"]
    trials = [trial.with_(tuner=name) for trial, name in zip(made, names, strict=True)]
    history = type(made)(made.study, SPACE, trials, made.seq)
    found = gather(history, told_numbers(history))
    # The trial whose worker was killed tells nothing, so it is not among them.
    assert found.proposers == ("gp", "sobol", "gp")
    assert found.proposed_by("gp").tolist() == [True, False, True]
    assert found.proposed_by("tpe").tolist() == [False, False, False]


def test_rows_may_be_picked_in_any_order() -> None:
    whole = evidence(
        1.0, Observation(2.0, stderr=0.1, constraints={"c": 0.5}, cost=3.0), Observation(4.0, constraints={"d": -1.0})
    )
    picked = whole[np.array([2, 0])]
    assert picked.names == whole.names == ("c", "d")
    for name in ("raw", "losses", "stderr", "measured", "constraints", "cost"):
        np.testing.assert_array_equal(getattr(picked, name), getattr(whole, name)[[2, 0]], err_msg=name)
    named = replace(whole, proposers=("gp", "sobol", "tpe"))
    assert named[np.array([2, 0])].proposers == ("tpe", "gp")
    assert whole[np.array([], dtype=np.intp)].raw.shape == (0, 1)


def test_what_is_left_out_is_filled_in() -> None:
    found = Evidence(np.zeros((2, 1)), np.array([1.0, np.nan]), np.zeros(2))
    np.testing.assert_array_equal(found.measured, [1.0, np.nan])
    assert np.isnan(found.cost).all()
    assert (found.names, found.constraints.shape, found.proposers) == ((), (2, 0), ("", ""))


def test_trials_outside_the_space_are_left_out() -> None:
    rows = [{"x": 0.1}, {"x": 7.0}, {"y": 1}, {"x": 0.2}, {"x": "a"}]
    raw, valid = encode_valid(SPACE, rows)
    assert raw[:, 0].tolist() == [0.1, 0.2]
    assert valid.tolist() == [True, False, False, True, False]
    history = make_history(SPACE, [(row, float(place)) for place, row in enumerate(rows)])
    assert gather(history, told_numbers(history)).losses.tolist() == [0.0, 3.0]


def test_nothing_is_evidence_too() -> None:
    history = make_history(SPACE)
    assert gather(history, told_numbers(history)).raw.shape == (0, 1)
    assert encode_valid(SPACE, [])[0].shape == (0, 1)


def test_pending_trials_have_not_told() -> None:
    history = make_history(SPACE, told(1.0, None), pending=[{"x": 0.5}])
    assert told_numbers(history).tolist() == [0, 1]


def test_a_subset_has_the_best_the_recent_and_the_spread() -> None:
    rng = np.random.default_rng(0)
    ends = [None if place % 7 == 0 else float(value) for place, value in enumerate(rng.permutation(1000))]
    history = make_history(SPACE, [({"x": 0.5}, end) for end in ends])
    numbers = told_numbers(history)
    chosen = subset(history, numbers, 100)
    assert len(chosen) == 100
    assert (np.diff(chosen) > 0).all()
    assert set(range(975, 1000)) <= set(chosen.tolist())
    finite = np.nan_to_num(history.values[:, 0], nan=np.inf)
    assert set(np.argsort(finite, kind="stable")[:50].tolist()) <= set(chosen.tolist())
    assert (history.states[chosen] == TrialState.FAIL).any()
    assert np.histogram(chosen, bins=4, range=(0, 1000))[0].min() >= 10


def test_a_short_history_is_its_own_subset() -> None:
    history = make_history(SPACE, told(*range(30)))
    assert subset(history, told_numbers(history), 30).tolist() == list(range(30))
