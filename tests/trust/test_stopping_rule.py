"""When to stop: subsets by enumeration, the stated error of patience, and outlooks whose truth is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Observation
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history
from trimtab.trust.bare_values import read_values
from trimtab.trust.candidates import Absent, Candidates, Evidence, Reader
from trimtab.trust.losses import read_losses
from trimtab.trust.replicates import read_replicates
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import read_standard_errors
from trimtab.trust.stopping import _coupled, _out_of_bag, outlook, patience, run_length, subset_weights

SPACE = Space(x=Float(0.0, 1.0))
KEY = Key(0, purpose="test")


def evidence_of(told: list[Observation], reader: Reader, configurations: int | None = None) -> Evidence:
    count = configurations or len(told)
    history = make_history(SPACE, [({"x": (i % count) / count}, seen) for i, seen in enumerate(told)])
    found = reader(Candidates.of(history, 0), True)
    assert not isinstance(found, Absent)
    return found


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_subset_weights_are_those_of_all_subsets(count: int) -> None:
    size = count - count // 2
    firsts = [min(subset) for subset in combinations(range(count), size)]
    half, whole = subset_weights(count)
    assert half == pytest.approx([firsts.count(rank) / len(firsts) for rank in range(count)])
    assert whole.tolist() == [1.0] + [0.0] * (count - 1)


def test_honest_means_match_slow_twins_over_all_subsets() -> None:
    rng = np.random.default_rng(0)
    losses = rng.exponential(1.0, (6, 40)) + np.linspace(0.0, 0.5, 6)[:, None]
    twin = [[], []]
    for _ in range(400):
        bag = rng.integers(40, size=40)
        left = np.setdiff1d(np.arange(40), bag)
        inside, outside = losses[:, bag].mean(axis=1), losses[:, left].mean(axis=1)
        twin[0].append(np.mean([outside[min(s, key=lambda k: inside[k])] for s in combinations(range(6), 3)]))
        twin[1].append(outside[inside.argmin()])
    spread = np.std(twin[1]) / np.sqrt(400) * 1.5
    assert _out_of_bag(PairedSample.of(list(losses)), rng) == pytest.approx(np.mean(twin, axis=1), abs=4 * spread)


def test_coupled_means_are_those_of_the_choice_under_twice_the_variance() -> None:
    rng = np.random.default_rng(1)
    truths, errors = np.linspace(0.0, 2.0, 12), np.linspace(0.5, 1.5, 12)
    found = np.array([_coupled(truths + errors * rng.standard_normal(12), errors, rng) for _ in range(400)])
    wide = truths + np.sqrt(2.0) * errors * rng.standard_normal((20_000, 12))
    order = np.argsort(wide, axis=1)
    promised = (truths[order] @ subset_weights(12).T).mean(axis=0)
    assert found.mean(axis=0) == pytest.approx(promised, abs=4 * found.std(axis=0).max() / 20)


def test_the_last_half_gained_more_than_the_next_will() -> None:
    rng = np.random.default_rng(2)
    truths = rng.standard_normal((4_000, 90))
    observed = truths + rng.standard_normal((4_000, 90))
    worth = [truths[np.arange(4_000), observed[:, :s].argmin(axis=1)].mean() for s in (30, 60, 90)]
    assert worth[0] - worth[1] > worth[1] - worth[2] > 0.0


@pytest.mark.parametrize("chance", [0.2, 0.5])
def test_patience_keeps_its_stated_error_however_often_one_looks(chance: float) -> None:
    # The worst case: every trial is better than the best with exactly the probability asked for.
    rng, wrong, repeats = np.random.default_rng(3), 0, 400
    for _ in range(repeats):
        steps = np.cumsum(rng.random(150) < chance)
        values = np.where(np.diff(steps, prepend=0) > 0, -steps.astype(float), 1.0)
        run, bests, best = 0, 1, values[0]
        stopped = False
        for value in values[1:]:
            run, bests, best = (0, bests + 1, value) if value < best else (run + 1, bests, best)
            stopped = stopped or run >= run_length(bests, chance, 0.8)
        wrong += stopped
    assert wrong <= 0.2 * repeats
    assert wrong > 0


def test_the_errors_of_all_runs_add_up_to_the_stated_one() -> None:
    for share, level in ((0.05, 0.95), (0.3, 0.8)):
        assert sum((1.0 - share) ** run_length(r, share, level) for r in range(1, 5_000)) <= 1.0 - level
        # The logarithm is rounded up to a whole trial, no more.
        assert (1.0 - share) ** (run_length(1, share, level) - 1) > 6.0 * (1.0 - level) / np.pi**2


def test_patience_counts_from_the_last_best() -> None:
    values = [0.5, np.nan, 0.3, 0.29, *[0.4] * 100]
    found = patience(values, tolerance=0.05)
    assert (found.run, found.bests, found.stop) == (101, 2, True)
    assert str(found).startswith("Stop: 101 trials in a row found nothing better by more than 0.05")
    exact = patience(values)
    assert (exact.run, exact.bests) == (100, 3)
    assert str(patience([np.inf, 1.0])).startswith("Go on: 0 trials")


def test_equal_trials_promise_nothing_and_a_clear_search_goes_on() -> None:
    rng = np.random.default_rng(4)
    told = [Observation(v, stderr=1.0) for v in rng.normal(size=60)]
    flat = outlook(evidence_of(told, read_standard_errors), KEY, 0.1)
    assert flat is not None
    assert flat.stop
    assert flat.ahead == 30
    assert flat.growth == pytest.approx(flat.apparent - flat.gain)
    assert flat.growth > flat.gain
    assert str(flat).startswith("Stop: 30 further trials would gain about")
    clear = evidence_of([Observation(v, stderr=0.01) for v in rng.normal(size=60)], read_standard_errors)
    found = outlook(clear, KEY, 0.0)
    assert found is not None
    assert not found.stop
    assert found.growth < 0.1 * found.gain
    assert str(found).startswith("Go on: 30 further trials")
    assert found == outlook(clear, KEY, 0.0)
    patient = outlook(clear, KEY, found.gain * 1.01)
    assert patient is not None
    assert patient.stop


def test_losses_and_replicates_have_an_outlook_and_bare_values_none() -> None:
    rng = np.random.default_rng(5)
    equal = (rng.random((40, 80)) < 0.3).astype(float)
    found = outlook(evidence_of([Observation(row.mean(), losses=row) for row in equal], read_losses), KEY, 0.03)
    assert found is not None
    assert found.stop
    assert found.optimism > 0.05
    apart = rng.uniform(0.0, 1.0, 20)
    told = [Observation(v + 0.001 * rng.standard_normal()) for v in [*apart, *apart]]
    repeated = outlook(evidence_of(told, read_replicates, 20), KEY, 0.001)
    assert repeated is not None
    assert not repeated.stop
    assert outlook(evidence_of([Observation(float(v)) for v in apart], read_values), KEY, 0.0) is None
    few = [Observation(float(v), stderr=1.0) for v in apart[:5]]
    assert outlook(evidence_of(few, read_standard_errors), KEY, 0.0) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="tolerance must be a finite number"):
        patience([1.0], tolerance=-1.0)
    with pytest.raises(InvalidArgument, match="share must lie between 0 and 1"):
        patience([1.0], share=0.0)
    with pytest.raises(InvalidArgument, match="level must lie between 0 and 1"):
        patience([1.0], level=1.0)
    with pytest.raises(InvalidArgument, match="patience needs the values of trials"):
        patience([])
