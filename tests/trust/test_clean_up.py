"""Clean-up: who is evaluated again, the exact test of one finalist, its error where nobody is better, and refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.records import Observation
from trimtab.space import Float, Space
from trimtab.testing.histories import Told, make_history
from trimtab.trust import default_guard, select
from trimtab.trust.clean_up import cleaned_up, finalists

SPACE = Space(x=Float(0.0, 1.0))


def history_of(told: Sequence[Told], points: Sequence[float] | None = None) -> History[Space]:
    xs = points if points is not None else [i / len(told) for i in range(len(told))]
    return make_history(SPACE, [({"x": x}, end) for x, end in zip(xs, told, strict=True)])


def test_finalists_are_the_default_and_those_of_least_posterior_mean() -> None:
    rng = np.random.default_rng(0)
    points = [0.0, *rng.random(29).tolist()]
    table = (rng.random((30, 60)) < 0.2 + np.square(np.array(points) - 0.6)[:, None]).astype(float)
    history = history_of([Observation(row.mean(), losses=row) for row in table], points)
    chosen = finalists(history, 0)
    assert chosen[0] == 0
    assert chosen[1] == select(history, method="posterior mean").trial
    assert len(set(chosen)) == 5
    assert all(abs(points[number] - 0.6) < 0.3 for number in chosen[1:])
    assert finalists(history, 7, count=2)[0] == 7


def test_without_noise_or_outside_the_space_the_observed_values_decide() -> None:
    assert finalists(history_of([Observation(v) for v in (0.5, 0.1, 0.3, 0.2)]), count=2) == (0, 1, 3)
    assert finalists(history_of([Observation(v) for v in (0.5, 0.1)]), count=9) == (0, 1)
    outside = history_of([Observation(v, stderr=0.1) for v in (0.5, 0.1, 0.3)], [4.0, 0.2, 0.3])
    assert finalists(outside) == (0, 1, 2)


def test_one_finalist_is_mcnemars_exact_test() -> None:
    base, tuned = np.zeros(40), np.zeros(40)
    base[:9], tuned[9:11] = 1.0, 1.0
    found = cleaned_up({3: base, 5: tuned}, 3, level=0.9)
    assert found.gain is not None
    exact = float(stats.binom.sf(8, 11, 0.5))
    assert found.gain.p_value - 0.01 == pytest.approx(exact, abs=4 * math.sqrt(exact / 4_000))
    assert found.recommended == 5
    assert found.helped
    assert "lowers the mean loss" in str(found)
    assert found == cleaned_up({3: base, 5: tuned}, 3, level=0.9)


def test_evaluations_count_by_their_mean_for_each_example_that_all_were_scored_on() -> None:
    rng = np.random.default_rng(1)
    losses = {number: rng.random((3, 30)) for number in range(3)}
    for table in losses.values():
        table[0, :10] = np.nan
    losses[2][:, 25:] = np.nan
    means = {number: np.nanmean(table[:, :25], axis=0) for number, table in losses.items()}
    assert cleaned_up(losses) == cleaned_up(means)
    found = cleaned_up(losses)
    assert found.gain is not None
    assert found.gain.observed == pytest.approx(means[0].mean() - min(means[1].mean(), means[2].mean()))
    assert found.rivals == 2


def test_a_default_that_no_finalist_beats_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that all of them beat is replaced."""
    monkeypatch.setattr(default_guard, "DRAWS", 399)
    rng, repeats = np.random.default_rng(2), 150
    wrong = right = 0
    for _ in range(repeats):
        noise = math.sqrt(0.5) * rng.standard_normal(80) + math.sqrt(0.5) * rng.standard_normal((5, 80))
        wrong += cleaned_up(dict(enumerate(1.0 * (noise > 0.8)))).helped
        right += cleaned_up(dict(enumerate(1.0 * (noise > np.array([0.4, 0.8, 0.8, 0.8, 0.8])[:, None])))).helped
    assert 0.04 * repeats <= wrong <= 0.2 * repeats + 3.0 * math.sqrt(0.16 * repeats)
    assert right > 0.7 * repeats


def test_what_cannot_be_compared_is_refused() -> None:
    row = np.zeros(20)
    with pytest.raises(InvalidArgument, match="new losses of the default and of one finalist"):
        cleaned_up({1: row, 2: row})
    with pytest.raises(InvalidArgument, match="one finalist at least"):
        cleaned_up({0: row})
    with pytest.raises(InvalidArgument, match="level must lie between 0 and 1"):
        cleaned_up({0: row, 1: row}, level=1.0)
    for bad in (np.zeros(21), np.full(20, np.inf), np.zeros((1, 1, 20))):
        with pytest.raises(InvalidArgument, match="cannot be compared example by example"):
            cleaned_up({0: row, 1: bad})
    with pytest.raises(InvalidArgument, match="only 5 examples were scored for every finalist"):
        cleaned_up({0: row, 1: np.where(np.arange(20) < 5, 0.0, np.nan)})
    with pytest.raises(InvalidArgument, match="the default cannot be compared"):
        finalists(history_of([None, Observation(0.2)]))
    with pytest.raises(InvalidArgument, match="count"):
        finalists(history_of([Observation(0.2)]), count=0)
