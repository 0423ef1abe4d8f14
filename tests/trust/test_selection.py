"""`select`: which evidence it takes, in which units it answers, what it says of itself, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation, Selection
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.histories import Told, make_history
from trimtab.trust import SELECTION_METHODS, compare_with_default, observed_best, select, selection_references
from trimtab.trust.compound_binomials import shrink_shared
from trimtab.trust.selection import default_trial

SPACE = Space(x=Float(0.0, 1.0))
EVIDENCE = ["losses", "real losses", "stderr", "replicates", "values"]


def history_of(told: Sequence[Told], configurations: int | None = None, **study: object) -> History[Space]:
    """Trial i runs configuration i modulo `configurations`."""
    count = configurations or max(len(told), 1)
    return make_history(SPACE, [({"x": (i % count) / count}, end) for i, end in enumerate(told)], **study)  # type: ignore[arg-type]


def binary_losses(seed: int = 0, trials: int = 12, examples: int = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((trials, examples)) < rng.uniform(0.1, 0.4, (trials, 1))).astype(float)


def real_losses(seed: int = 0, trials: int = 12, examples: int = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.exponential(1.0, (trials, examples)) + rng.uniform(0.0, 1.0, (trials, 1))


def study_with(evidence: str, direction: str = "minimize", seed: int = 0) -> History[Space]:
    """A study whose values are losses, or the same turned to be maximised."""
    sign = 1.0 if direction == "minimize" else -1.0
    values = np.random.default_rng(seed).normal(size=24)
    if evidence == "losses":
        told = [Observation(sign * row.mean(), losses=row) for row in binary_losses(seed)]
    elif evidence == "real losses":
        told = [Observation(sign * row.mean(), losses=row) for row in real_losses(seed)]
    elif evidence == "stderr":
        told = [Observation(sign * v, stderr=0.2 + abs(v) / 4) for v in values]
    else:
        told = [Observation(sign * v) for v in values]
    return history_of(told, configurations=6 if evidence == "replicates" else None, direction=direction)


def kind(selection: Selection) -> str:
    """The first words of the method."""
    return selection.method.partition(":")[0]


def notes(selection: Selection) -> str:
    return " ".join(selection.caveats)


# Which evidence


def test_the_best_evidence_that_was_told_is_taken() -> None:
    rows, names = binary_losses(), ["per-example losses", "standard errors", "replicates", "values"]
    both = [Observation(row.mean(), stderr=0.04, losses=row) for row in rows]
    told = [
        both,
        [Observation(row.mean(), stderr=0.04) for row in rows],
        list(rows.mean(axis=1)),
        list(rows.mean(axis=1)),
    ]
    found = [
        select(history_of(ends, 4 if name == "replicates" else None)) for name, ends in zip(names, told, strict=True)
    ]
    assert [kind(each) for each in found] == names


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_a_named_method_is_the_one_that_auto_takes(evidence: str) -> None:
    history = study_with(evidence)
    assert select(history, method=evidence.split()[-1]) == select(history)


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_every_selection_cites_its_sources_and_bounds_its_claims(evidence: str) -> None:
    found = select(study_with(evidence))
    assert bool(selection_references(found)) == (evidence != "values")
    assert all(reference.bibtex for reference in selection_references(found))
    assert len(found.caveats) >= 2
    assert all(caveat.endswith(".") for caveat in found.caveats)
    assert str(found).count("note: ") == len(found.caveats)


def test_bare_values_give_no_interval_and_say_how_to_get_one() -> None:
    history = history_of([0.3, 0.1, 0.2, 0.1])
    found = select(history)
    assert (found.trial, found.estimate, found.interval, found.tie_set) == (observed_best(history), 0.1, None, (1, 3))
    assert "may be the luckiest" in notes(found)
    assert "stderr=..." in notes(found)
    assert "run the best configurations again" in notes(found)


def test_too_few_repeats_are_said_to_be_too_few() -> None:
    found = select(history_of([0.3, 0.1, 0.2, 0.1], configurations=3))
    assert kind(found) == "values"
    assert "1 repeated evaluations of a configuration are too few" in notes(found).lower()


def test_evidence_of_a_few_trials_is_not_taken_unless_named() -> None:
    told: list[Told] = [Observation(0.5, stderr=0.1), 0.4, 0.6, 0.7]
    found = select(history_of(told))
    assert (kind(found), found.trial) == ("values", 1)
    assert "Standard errors were not used, because only 1 of 4 trials told them." in found.caveats
    named = select(history_of(told), method="stderr")
    assert named.trial == 0
    assert (
        "3 of 4 trials are left out because they told no usable standard error, among them trial 1, the best"
        in notes(named)
    )


def test_an_infinite_standard_error_is_none() -> None:
    told = [Observation(0.1, stderr=float("inf")), Observation(0.5, stderr=0.1), Observation(0.6, stderr=0.1)]
    found = select(history_of(told))
    assert (found.trial, kind(found)) == (1, "standard errors")
    assert "1 of 3 trials are left out" in notes(found)


def test_losses_that_cannot_be_compared_are_left_out() -> None:
    rows = list(binary_losses(trials=6))
    odd: list[Told] = [
        Observation(0.01, losses=np.full(99, 0.01)),
        Observation(0.02, losses=np.where(np.arange(100) == 3, np.nan, 0.02)),
        0.03,
    ]
    found = select(history_of([*odd, *(Observation(row.mean(), losses=row) for row in rows)]))
    assert found.trial == 3 + int(np.argmin([row.mean() for row in rows]))
    assert (
        "3 of 9 trials are left out because they told no usable losses (100 finite ones), among them trial 0"
        in notes(found)
    )


def test_losses_that_are_never_finite_are_not_used() -> None:
    found = select(history_of([Observation(float(i), losses=[np.nan] * 20) for i in range(3)]))
    assert kind(found) == "values"
    assert "Losses were not used, because every trial told some that are not finite." in found.caveats


def test_a_handful_of_examples_is_not_enough() -> None:
    told = [Observation(row.mean(), losses=row) for row in binary_losses(examples=9)]
    assert "Losses were not used, because 9 examples are too few; 10 are needed." in select(history_of(told)).caveats


def test_a_noisy_lucky_trial_is_not_selected() -> None:
    told = [Observation(0.10, stderr=0.10), Observation(0.12, stderr=0.01), Observation(0.30, stderr=0.01)]
    found = select(history_of(told))
    assert (found.trial, found.tie_set) == (1, (0, 1))


# Units and signs


def test_an_accuracy_is_answered_as_an_accuracy() -> None:
    rows = binary_losses()
    losses = select(history_of([Observation(row.mean(), losses=row) for row in rows]))
    found = select(history_of([Observation(1 - row.mean(), losses=row) for row in rows], direction="maximize"))
    assert losses.interval is not None
    assert found.interval is not None
    assert found.trial == losses.trial
    assert found.observed == 1 - losses.observed
    assert found.estimate == pytest.approx(1 - losses.estimate, abs=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (1 - losses.interval.high, 1 - losses.interval.low)
    )
    assert found.estimate < found.observed


def test_a_root_mean_squared_error_is_answered_as_one() -> None:
    rows = real_losses()
    mean = select(history_of([Observation(row.mean(), losses=row) for row in rows]))
    root = select(history_of([Observation(np.sqrt(row.mean()), losses=row) for row in rows]))
    assert root.estimate == pytest.approx(np.sqrt(mean.estimate))
    assert root.interval is not None
    assert mean.interval is not None
    assert root.interval.high == pytest.approx(np.sqrt(mean.interval.high))


def test_losses_that_do_not_make_the_value_say_nothing_of_it() -> None:
    rows = real_losses()
    areas = np.random.default_rng(5).random(len(rows))
    history = history_of([Observation(v, losses=row) for v, row in zip(areas, rows, strict=True)], direction="maximize")
    found = select(history)
    assert (kind(found), found.trial) == ("values", int(areas.argmax()))
    assert "the value is not a known function of their mean" in notes(found)
    named = select(history, method="losses")
    assert named.objective == Objective("mean loss", "minimize")
    assert named.trial == int(rows.mean(axis=1).argmin())
    assert named.observed == rows.mean(axis=1).min()
    assert "objective 'value' is no known function of it" in notes(named)


def test_values_that_nearly_are_the_mean_loss_are_said_to_be() -> None:
    rows = real_losses()
    found = select(history_of([Observation(row.mean() + 1e-3, losses=row) for row in rows]))
    assert kind(found) == "per-example losses"
    assert "The values differ a little from mean loss" in notes(found)


@pytest.mark.parametrize("evidence", EVIDENCE)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_maximising_is_minimising_mirrored(evidence: str, seed: int) -> None:
    down, up = select(study_with(evidence, seed=seed)), select(study_with(evidence, "maximize", seed=seed))
    assert (up.trial, up.tie_set) == (down.trial, down.tie_set)
    assert (up.estimate, up.observed) == (-down.estimate, -down.observed)
    if down.interval is not None:
        assert up.interval is not None
        assert (up.interval.low, up.interval.high) == (-down.interval.high, -down.interval.low)


# Soundness


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_the_same_call_gives_the_same_answer_and_other_seeds_nearly_the_same(evidence: str) -> None:
    history = study_with(evidence)
    found = select(history)
    assert select(history) == found
    assert select(history, key=Key(history.study.seed, purpose="select")) == found
    other = select(history, key=Key(99, purpose="select"))
    assert (other.trial, other.tie_set) == (found.trial, found.tie_set)
    if found.interval is not None:
        width = found.interval.high - found.interval.low
        assert other.estimate == pytest.approx(found.estimate, abs=0.1 * width)


@pytest.mark.parametrize("evidence", ["real losses", "stderr", "values"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_the_order_of_the_trials_does_not_matter(evidence: str, seed: int, data: st.DataObject) -> None:
    told = [trial.observation for trial in study_with(evidence, seed=seed)]
    order = data.draw(st.permutations(range(len(told))))
    found, mixed = select(history_of(told)), select(history_of([told[place] for place in order]))
    assert order[mixed.trial] == found.trial
    assert sorted(order[tie] for tie in mixed.tie_set) == list(found.tie_set)
    if found.interval is not None:
        assert mixed.interval is not None
        width = found.interval.high - found.interval.low
        assert mixed.interval.low == pytest.approx(found.interval.low, abs=0.15 * width)
        assert mixed.estimate == pytest.approx(found.estimate, abs=0.15 * width)


@pytest.mark.parametrize("evidence", EVIDENCE)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), level=st.sampled_from([0.3, 0.8, 0.95, 0.999]))
def test_the_trial_is_in_its_tie_set_and_the_estimate_in_its_interval(evidence: str, seed: int, level: float) -> None:
    found = select(study_with(evidence, seed=seed), level=level)
    assert found.trial in found.tie_set
    assert (found.interval is None) == (evidence == "values")
    if found.interval is not None:
        assert found.estimate in found.interval
        assert found.interval.level == level


@pytest.mark.parametrize("evidence", EVIDENCE[:-1])
def test_more_level_is_a_longer_interval_and_a_larger_tie_set(evidence: str) -> None:
    low, high = select(study_with(evidence), level=0.5), select(study_with(evidence), level=0.99)
    assert low.interval is not None
    assert high.interval is not None
    assert high.interval.low <= low.interval.low <= low.interval.high <= high.interval.high
    assert set(low.tie_set) <= set(high.tie_set)


def test_infeasible_failed_and_pruned_trials_are_no_candidates() -> None:
    bad = Observation(-9.0, stderr=0.1, constraints={"memory": 1.0})
    told: list[Told] = [
        bad,
        None,
        EndReason.PRUNED,
        float("nan"),
        Observation(1.0, stderr=0.1),
        Observation(2.0, stderr=0.1),
    ]
    found = select(history_of(told))
    assert (found.trial, found.tie_set) == (4, (4,))
    assert "1 of 3 complete trials broke a constraint and do not count." in found.caveats


def test_trials_at_different_fidelities_are_pointed_out() -> None:
    told = [Observation(float(i), stderr=0.1, fidelity={"epochs": 1.0 + i}, task=f"t{i}") for i in range(3)]
    found = select(history_of(told))
    assert "The trials were run at 3 different fidelities, so their values are of different things." in found.caveats
    assert "The trials were run at 3 different tasks, so their values are of different things." in found.caveats


# One trial, no noise, ties


@pytest.mark.parametrize(
    "told",
    [Observation(0.25, losses=[0.0, 0.0, 0.0, 1.0] * 5), Observation(0.25, stderr=0.1), 0.25],
    ids=["losses", "stderr", "values"],
)
def test_one_trial_is_taken_as_it_is(told: Told) -> None:
    found = select(history_of([told]))
    assert (found.trial, found.tie_set, found.estimate) == (0, (0,), 0.25)


def test_identical_losses_are_tied_and_not_corrected() -> None:
    row = binary_losses()[0]
    found = select(history_of([Observation(row.mean(), losses=row)] * 5))
    assert (found.trial, found.tie_set) == (0, (0, 1, 2, 3, 4))
    assert found.estimate == pytest.approx(row.mean())
    assert "cannot tell it from 4 other trials" in notes(found)


def test_a_trial_without_a_single_error_still_has_an_interval() -> None:
    rows = binary_losses()
    rows[3] = 0.0
    found = select(history_of([Observation(row.mean(), losses=row) for row in rows]))
    assert found.trial == 3
    assert found.interval is not None
    assert found.interval.low == 0.0
    assert 0.03 < found.interval.high < 0.15


def test_equal_real_losses_give_no_interval() -> None:
    rows = real_losses()
    rows[2] = 0.1
    found = select(history_of([Observation(row.mean(), losses=row) for row in rows]))
    assert (found.trial, found.interval) == (2, None)
    assert "all losses of the selected trial are equal" in notes(found)


def test_an_interval_of_losses_that_are_never_negative_is_not_negative() -> None:
    rows = np.random.default_rng(1).random((100, 10))
    found, shifted = (
        select(history_of([Observation(row.mean() - down, losses=row - down) for row in rows]), level=0.999)
        for down in (0.0, 1.0)
    )
    assert found.interval is not None
    assert shifted.interval is not None
    assert found.interval.low == 0.0
    assert shifted.interval.low < -1.0


def test_a_standard_error_of_nothing_is_taken_at_its_word() -> None:
    found = select(history_of([Observation(v, stderr=0.0) for v in (2.0, 1.0, 1.0)]))
    assert found.interval is not None
    assert (found.trial, found.tie_set, found.estimate, found.interval.low) == (1, (1, 2), 1.0, 1.0)
    assert "told a standard error of 0" in notes(found)


def test_repeats_that_agree_exactly_give_no_interval() -> None:
    found = select(history_of([3.0, 1.0, 2.0] * 3, configurations=3))
    assert (found.trial, found.tie_set, found.interval, found.estimate) == (1, (1,), None, 1.0)
    assert "all repeats agree exactly" in notes(found)


def test_replicates_are_pooled_under_their_first_trial() -> None:
    values = [1.0, 0.2, 1.2, 0.9, 0.8, 1.1, 1.1, 0.8, 1.0]
    found = select(history_of(values, configurations=3), default=7, interval="simultaneous")
    means = np.mean(np.reshape(values, (3, 3)), axis=0)
    assert found.trial == int(means.argmin()) == 1
    assert found.observed == 0.2
    assert found.interval is not None
    assert (found.interval.low + found.interval.high) / 2 == pytest.approx(means.min())
    assert "The selected trial is the default configuration (trial 7) itself." in found.caveats


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (0, "The selected trial is the default configuration (trial 0) itself."),
        (1, "No evidence that tuning helped, so keep the default: trial 0 in place of the default (trial 1)"),
        (2, "Tuning helped: trial 0 in place of the default (trial 2)"),
        (3, "The default (trial 3) has no usable result, so trial 0 stands without a comparison."),
    ],
)
def test_the_default_configuration_is_compared(default: int, text: str) -> None:
    told: list[Told] = [*(Observation(v, stderr=0.1) for v in (1.0, 1.1, 5.0)), None]
    assert any(caveat.startswith(text) for caveat in select(history_of(told), default=default).caveats)


def test_the_default_is_the_first_trial_that_ran_the_spaces() -> None:
    def history(places: list[float]) -> History[Space]:
        return make_history(SPACE, [({"x": x}, Observation(float(i), stderr=0.1)) for i, x in enumerate(places)])

    ran = history([0.1, 0.2, 0.5, 0.3, 0.5])
    assert default_trial(ran) == 2
    assert any("the default (trial 2)" in caveat for caveat in select(ran).caveats)
    assert compare_with_default(ran).default == 2
    never = history([0.1, 0.2])
    assert default_trial(never) is None
    assert not any("default" in caveat for caveat in select(never).caveats)
    assert compare_with_default(never).default == 0


# Which interval


@pytest.mark.parametrize("evidence", EVIDENCE[:-1])
def test_an_interval_can_be_asked_for_and_is_named(evidence: str) -> None:
    history = study_with(evidence)
    plain, hybrid, wide = (select(history, interval=each) for each in ("auto", "hybrid", "simultaneous"))
    assert (plain == hybrid) == ("losses" in evidence)
    assert hybrid.method.endswith("hybrid interval (conditional on the choice, within the simultaneous one)")
    assert ("half shared" in plain.method) == ("losses" not in evidence)
    assert ", simultaneous interval (" in wide.method
    assert hybrid.interval is not None
    assert wide.interval is not None
    assert plain.interval is not None
    assert plain.interval.low <= hybrid.interval.low < hybrid.interval.high == plain.interval.high
    # Where two trials are close it is a little longer, by the price of the simultaneous part.
    assert hybrid.interval.high - hybrid.interval.low < 1.4 * (wide.interval.high - wide.interval.low)
    assert (hybrid.trial, hybrid.observed, hybrid.tie_set) == (wide.trial, wide.observed, wide.tie_set)
    assert selection_references(hybrid) == selection_references(wide) != ()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), level=st.sampled_from([0.5, 0.95]))
def test_a_hybrid_interval_lies_within_the_simultaneous_one_of_a_tenth_of_the_error(seed: int, level: float) -> None:
    for evidence in ("stderr", "replicates"):
        history = study_with(evidence, seed=seed)
        hybrid = select(history, level=level, interval="hybrid").interval
        wide = select(history, level=1.0 - 0.1 * (1.0 - level), interval="simultaneous")
        if wide.trial == select(history, level=level).trial:
            assert hybrid is not None
            assert wide.interval is not None
            assert wide.interval.low - 1e-9 <= hybrid.low <= hybrid.high <= wide.interval.high + 1e-9


def test_the_simultaneous_interval_is_taken_where_the_hybrid_one_is_not_known_to_hold() -> None:
    some_again = history_of([1.0, 0.2, 1.2, 0.9, 0.8, 1.1, 1.1, 0.8], configurations=3)
    few = history_of([Observation(row.mean(), losses=row) for row in real_losses(examples=99)])
    for history in (some_again, few):
        assert ", simultaneous interval (" in select(history).method
        assert select(history) == select(history, interval="simultaneous")
        assert ", hybrid interval (" in select(history, interval="hybrid").method


def test_an_interval_makes_no_difference_where_there_is_none() -> None:
    found = select(history_of([0.3, 0.1]), interval="hybrid")
    assert found.interval is None
    assert "interval='hybrid' makes no difference here" in notes(found)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 2, 40])
def test_extreme_losses_give_finite_intervals(trials: int, level: float) -> None:
    rng = np.random.default_rng(3)
    none, all_, equal = np.zeros((trials, 30)), np.ones((trials, 30)), np.tile(rng.random(30) < 0.3, (trials, 1))
    heavy = np.exp(6.0 * rng.normal(size=(trials, 120)))
    lone = np.zeros((trials, 120))
    lone[:, 0] = 1e9
    for losses in (none, all_, equal.astype(float), heavy, lone):
        found = select(history_of([Observation(row.mean(), losses=row) for row in losses]), level=level)
        assert found.interval is not None
        assert np.isfinite([found.interval.low, found.interval.high, found.estimate]).all()
        assert found.best_probability is not None
        assert 0.0 <= found.best_probability <= 1.0


# Probability of being the best, and shrinkage


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_the_probability_of_being_the_best_is_told_where_noise_is(evidence: str) -> None:
    found, up = select(study_with(evidence)), select(study_with(evidence, "maximize"))
    assert up.best_probability == found.best_probability
    if evidence == "values":
        assert found.best_probability is None
    else:
        assert found.best_probability is not None
        assert 0.0 < found.best_probability < 1.0
        assert f"with probability {found.best_probability:.0%}" in str(found)


def test_accuracies_are_shrunk_in_their_own_units() -> None:
    rows = binary_losses()
    found = select(history_of([Observation(1 - row.mean(), losses=row) for row in rows], direction="maximize"))
    assert found.shrunk == pytest.approx(1.0 - shrink_shared(rows).estimates[found.trial])
    assert found.shrunk is not None
    assert found.shrunk < found.observed
    assert select(study_with("real losses")).shrunk is None
    assert select(history_of([Observation(row.mean(), losses=row) for row in rows[:2]])).shrunk is None


def test_a_tie_says_what_would_end_it() -> None:
    assert "more evaluations, such as a race (study.race)" in notes(select(study_with("real losses")))


# Refusals


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ([], r"study 'made' has nothing to select: none of its trials is complete and feasible \(no trials\)"),
        (
            [None, float("nan"), EndReason.PRUNED],
            r"\(1 PRUNED, 2 FAIL\)\. Next: run more trials, or look at study.trials",
        ),
        ([Observation(1.0, constraints={"memory": 1.0})], r"\(1 COMPLETE\)"),
    ],
)
def test_nothing_to_select_is_said(told: list[Told], text: str) -> None:
    with pytest.raises(UnknownName, match=text):
        select(history_of(told))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"method": "bayes"},
            "unknown method of selection; got 'bayes'; allowed: auto, .*losses, stderr, replicates, .*values",
        ),
        ({"interval": "wide"}, "unknown interval; got 'wide'; allowed: auto, hybrid, simultaneous"),
        ({"level": 95}, r"level must lie between 0 and 1; got 95; .*Next: use 0.95 for 95%"),
        ({"objective": "speed"}, "no such objective; got 'speed'; allowed: objective among"),
        ({"default": 2}, "no trial that could be the default; got 2; allowed: a trial's number, 0 to 1"),
        (
            {"method": "losses"},
            r"cannot be selected by losses: no complete, feasible trial told losses .* losses=\.\.\.",
        ),
        ({"method": "stderr"}, r"cannot be selected by stderr: .* for objective 'value'; return trimtab.Observation"),
        ({"method": "replicates"}, "cannot be selected by replicates: 0 repeated evaluations .* 4 are needed"),
    ],
)
def test_refusals_say_what_is_allowed(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        select(history_of([1.0, 2.0]), **arguments)  # type: ignore[arg-type]


def test_every_method_is_offered_by_name() -> None:
    offered = [name for name in SELECTION_METHODS if name in ("auto", "losses", "stderr", "replicates", "values")]
    assert offered == ["auto", "losses", "stderr", "replicates", "values"]
