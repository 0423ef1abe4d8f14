"""The default-or-tuned guard: exact cases, the error under the null, coverage, and what each sentence says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

import trimtab as tt
from trimtab.base.errors import InvalidArgument
from trimtab.base.history import History
from trimtab.base.records import Observation
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.histories import Told, make_history
from trimtab.trust import compare_with_default, default_guard, select
from trimtab.trust.bare_values import read_values
from trimtab.trust.candidates import Absent, Candidates, Evidence, Reader
from trimtab.trust.default_guard import default_or_tuned, independent_gain, paired_gain, smoothed_or_default
from trimtab.trust.losses import read_losses
from trimtab.trust.replicates import read_replicates
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import read_standard_errors

SPACE = Space(x=Float(0.0, 1.0))
KEY = Key(0, purpose="test")


def history_of(told: Sequence[Told], points: Sequence[float] | None = None, **study: object) -> History[Space]:
    xs = points if points is not None else [i / len(told) for i in range(len(told))]
    return make_history(SPACE, [({"x": x}, end) for x, end in zip(xs, told, strict=True)], **study)  # type: ignore[arg-type]


def read(history: History[Space], reader: Reader) -> Evidence:
    found = reader(Candidates.of(history, 0), True)
    assert not isinstance(found, Absent)
    return found


def of_losses(table: np.ndarray, points: Sequence[float] | None = None) -> Evidence:
    return read(history_of([Observation(row.mean(), losses=row) for row in table], points), read_losses)


def null_losses(rng: np.random.Generator, trials: int, examples: int, shared: float) -> np.ndarray:
    """0/1 losses of trials that are all equally good and stumble over the same examples."""
    noise = np.sqrt(shared) * rng.standard_normal(examples)
    noise = noise + np.sqrt(1.0 - shared) * rng.standard_normal((trials, examples))
    return (stats.norm.cdf(noise) < 0.25).astype(float)


def judged(sample: PairedSample, level: float, seed: int) -> bool:
    best = sample.best
    return best != 0 and paired_gain(sample, 0, best, level, Key(seed, purpose="t").generator()).low > 0.0


def test_one_trial_with_binary_losses_is_mcnemars_exact_test() -> None:
    base, tuned = np.zeros(40), np.zeros(40)
    base[:9], tuned[9:11] = 1.0, 1.0
    gain = paired_gain(PairedSample.of([base, tuned]), 0, 1, 0.9, KEY.generator())
    exact = float(stats.binom.sf(8, 11, 0.5))
    assert gain.p_value - 0.01 == pytest.approx(exact, abs=4 * math.sqrt(exact / 4_000))
    assert gain.observed == pytest.approx(7 / 40)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few that hundreds of studies take seconds; a Monte Carlo test keeps its error with any number."""
    monkeypatch.setattr(default_guard, "DRAWS", 399)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_a_default_that_nothing_beats_is_kept(shared: float) -> None:
    rng, repeats = np.random.default_rng(0), 150
    wrong = naive = 0
    for seed in range(repeats):
        sample = PairedSample.of(list(null_losses(rng, 25, 60, shared)))
        wrong += judged(sample, 0.8, seed)
        gains = sample.losses[0] - sample.losses[sample.best]
        error = gains.std(ddof=1) / math.sqrt(60)
        naive += bool(error > 0.0 and gains.mean() > stats.norm.ppf(0.8) * error)
    assert naive > 0.5 * repeats
    assert wrong <= 0.2 * repeats + 3 * math.sqrt(0.16 * repeats)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("freedom", [math.inf, 6.0])
def test_independent_noise_keeps_the_error(freedom: float) -> None:
    rng, repeats = np.random.default_rng(1), 300
    wrong = 0
    for _ in range(repeats):
        spread = 1.0 if math.isinf(freedom) else math.sqrt(rng.chisquare(freedom) / freedom)
        values = rng.standard_normal(20)
        best = int(values.argmin())
        if best:
            wrong += independent_gain(values, np.full(20, spread), 0, best, 0.9, rng, freedom).low > 0.0
    assert wrong <= 0.1 * repeats + 3 * math.sqrt(0.09 * repeats)
    assert wrong >= 0.03 * repeats


@pytest.mark.usefixtures("few_draws")
def test_the_lower_bound_holds_for_the_selected_trial() -> None:
    rng, repeats, held, found = np.random.default_rng(2), 150, 0, 0
    truths = np.concatenate([[1.0], rng.uniform(0.6, 1.4, 20)])
    for seed in range(repeats):
        table = truths[:, None] * rng.gamma(2.0, 0.5, (21, 80))
        sample = PairedSample.of(list(table))
        gain = paired_gain(sample, 0, sample.best, 0.9, Key(seed, purpose="t").generator())
        held += gain.low <= 1.0 - truths[sample.best]
        found += gain.low > 0.0
    assert held >= 0.9 * repeats - 3 * math.sqrt(0.09 * repeats)
    assert found > 0.2 * repeats


def test_trials_far_worse_than_the_default_cost_nothing() -> None:
    rng = np.random.default_rng(3)
    losses = rng.exponential(1.0, (6, 100)) + np.array([0.35, 0.0, 0.1, 0.2, 0.2, 0.3])[:, None]
    few = PairedSample.of(list(losses))
    many = PairedSample.of([*losses, *(rng.exponential(1.0, (200, 100)) + 5.0)])
    p_few, p_many = (paired_gain(s, 0, s.best, 0.9, KEY.generator()).p_value for s in (few, many))
    assert p_many == pytest.approx(p_few, abs=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_bound_and_p_value_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = (rng.random(50) < 0.5).astype(float)
    sample = PairedSample.of([base, *((rng.random((8, 50)) < 0.35).astype(float))])
    for level in (0.5, 0.8, 0.95):
        gain = paired_gain(sample, 0, sample.best, level, KEY.generator())
        if abs(gain.p_value - (1.0 - level)) > 1e-3:
            assert (gain.low > 0.0) == (gain.p_value < 1.0 - level)
        assert gain.estimate <= gain.observed


def test_a_clear_gain_is_recommended_in_plain_words() -> None:
    rng = np.random.default_rng(4)
    table = (rng.random((10, 200)) < np.array([0.5] + [0.3] * 9)[:, None]).astype(float)
    evidence = of_losses(table)
    best = int(table.mean(axis=1).argmin())
    found = default_or_tuned(evidence, best, 0, 0.95, KEY)
    assert found.helped
    assert found.recommended == best
    assert str(found).startswith(f"Tuning helped: trial {best} in place of the default (trial 0) lowers the mean loss")
    assert "probability below 0.001" not in str(found)
    assert found == default_or_tuned(evidence, best, 0, 0.95, KEY)


def test_a_lucky_gain_is_not() -> None:
    evidence = of_losses(null_losses(np.random.default_rng(5), 40, 50, 0.3))
    tuned = int(np.argmin([seen.values["value"] for seen in evidence.candidates.observations]))
    found = default_or_tuned(evidence, tuned, 0, 0.95, KEY)
    assert not found.helped
    assert found.recommended == 0
    assert str(found).startswith("No evidence that tuning helped, so keep the default")
    assert "the best of 39 trials" in str(found)


def test_values_to_maximise_and_replicates_are_compared_too() -> None:
    rising = [Observation(0.5, stderr=0.01), Observation(0.9, stderr=0.01), Observation(0.1, stderr=0.01)]
    found = default_or_tuned(read(history_of(rising, direction="maximize"), read_standard_errors), 1, 0, 0.95, KEY)
    assert found.helped
    assert found.gain is not None
    assert found.gain.observed == pytest.approx(0.4)
    repeated = [Observation(v) for v in (5.0, 1.0, 5.1, 1.2, 4.9, 0.9, 5.2, 1.1)]
    evidence = read(history_of(repeated, [0.0, 0.5] * 4), read_replicates)
    assert default_or_tuned(evidence, 1, 0, 0.95, KEY).helped
    # The default's later runs stand for it as well as the first.
    assert default_or_tuned(evidence, 1, 4, 0.95, KEY).helped


def test_without_noise_told_or_without_a_default_it_says_so() -> None:
    bare = read(history_of([Observation(0.5), Observation(0.1)]), read_values)
    silent = default_or_tuned(bare, 1, 0, 0.9, KEY)
    assert (silent.recommended, silent.gain) == (0, None)
    assert "nothing was told of the noise" in str(silent)
    assert "the default configuration (trial 1) itself" in str(default_or_tuned(bare, 1, 1, 0.9, KEY))
    failed = read(history_of([None, Observation(0.2), Observation(0.1)]), read_values)
    alone = default_or_tuned(failed, 2, 0, 0.9, KEY)
    assert alone.recommended == 2
    assert "no usable result" in str(alone)
    assert not alone.helped


def test_certain_differences_need_no_draws() -> None:
    gain = independent_gain(np.array([1.0, 0.5]), np.zeros(2), 0, 1, 0.9, KEY.generator())
    assert gain.low == pytest.approx(0.5)
    same = PairedSample.of([np.ones(20), np.ones(20)])
    assert paired_gain(same, 0, 1, 0.9, KEY.generator()).low <= 0.0


def test_what_cannot_be_judged_is_refused() -> None:
    bare = read(history_of([Observation(0.5), None, Observation(0.1)]), read_values)
    with pytest.raises(InvalidArgument, match="level must lie between 0 and 1"):
        default_or_tuned(bare, 2, 0, 1.0, KEY)
    with pytest.raises(InvalidArgument, match="the tuned trial was not compared"):
        default_or_tuned(bare, 1, 0, 0.9, KEY)
    with pytest.raises(InvalidArgument, match="the default cannot be compared"):
        smoothed_or_default(bare, 1)


def test_neighbours_vote_a_lone_lucky_trial_down() -> None:
    rng = np.random.default_rng(6)
    points = np.linspace(0.0, 1.0, 41)
    truths = 0.4 + 0.4 * (points - 0.75) ** 2
    table = (rng.random(150) < truths[:, None]).astype(float)
    table[5] = 0.0
    table[5, :50] = 1.0
    evidence = of_losses(table, points.tolist())
    assert int(table.mean(axis=1).argmin()) == 5
    found = smoothed_or_default(evidence, 0)
    assert abs(points[found.tuned] - 0.75) < 0.2
    assert found.smoothed
    assert "measured and not proved" in str(found)


def test_in_a_flat_search_neighbours_halve_the_errors_of_one_comparison() -> None:
    rng, smooth, naive, repeats = np.random.default_rng(7), 0, 0, 60
    for _ in range(repeats):
        table = null_losses(rng, 30, 60, 0.3)
        smooth += smoothed_or_default(of_losses(table, rng.random(30).tolist()), 0, 0.9).helped
        gains = table[0] - table[int(table.mean(axis=1).argmin())]
        naive += bool(gains.any() and gains.mean() > stats.norm.ppf(0.9) * gains.std() / math.sqrt(60))
    assert naive > 0.4 * repeats
    assert smooth < 0.5 * naive


def test_a_good_default_among_bad_neighbours_is_kept() -> None:
    """Its smoothed value is bad, and the crowd elsewhere looks better by a gain that nobody observed."""
    rng = np.random.default_rng(8)
    points = np.concatenate([[0.0], np.linspace(0.02, 0.1, 12), rng.uniform(0.7, 0.8, 30)])
    rates = np.concatenate([[0.2], np.full(12, 0.5), np.full(30, 0.25)])
    shared = rng.random(100)
    table = (shared + 0.1 * rng.standard_normal((43, 100)) < rates[:, None]).astype(float)
    found = smoothed_or_default(of_losses(table, points.tolist()), 0)
    assert found.gain is not None
    assert found.gain.estimate > 0.05
    assert found.gain.observed < 0.05
    assert not found.helped
    assert found.recommended == 0


def test_the_choice_is_that_of_the_posterior_mean() -> None:
    rng = np.random.default_rng(9)
    points = rng.random(25).tolist()
    table = (rng.random((25, 60)) < 0.2 + np.square(np.array(points) - 0.4)[:, None]).astype(float)
    history = history_of([Observation(row.mean(), losses=row) for row in table], points)
    judged_by_guard = compare_with_default(history, 0, smoothed=True)
    assert judged_by_guard.tuned == select(history, method="posterior mean").trial
    assert judged_by_guard.level == 0.9


def test_smoothing_without_noise_or_at_the_default_says_so() -> None:
    bare = smoothed_or_default(read(history_of([Observation(0.5), Observation(0.1)]), read_values), 0)
    assert (bare.recommended, bare.gain) == (0, None)
    steep = [Observation(0.1 + i / 10, stderr=0.01) for i in range(10)]
    first = smoothed_or_default(read(history_of(steep), read_standard_errors), 0)
    assert "itself" in str(first)
    falling = [Observation(1.0 - i / 10, stderr=0.01) for i in range(10)]
    assert smoothed_or_default(read(history_of(falling), read_standard_errors), 0).helped
    flat = [Observation(0.5, stderr=0.01) for _ in range(4)]
    assert smoothed_or_default(read(history_of(flat), read_standard_errors), 0).recommended == 0


def test_a_study_says_whether_tuning_helped() -> None:
    """By the public verb, where the default is the worst configuration and where it is the best."""

    def study(gain: float) -> tt.Study:
        def objective(trial: tt.Trial) -> tt.Observation:
            losses = np.random.default_rng(trial.number).random(400) + gain * float(trial.params["x"]) ** 2  # type: ignore[arg-type]
            return tt.Observation(float(losses.mean()), losses=losses)

        made = tt.create_study(space=tt.Space(x=tt.Float(0.0, 1.0)), tuner="random", seed=0)
        made.enqueue_trial({"x": 1.0})
        made.optimize(objective, n_trials=20)
        return made

    clear, useless = study(0.5).default_or_tuned(), study(-0.5).default_or_tuned()
    assert clear.helped
    assert clear.recommended == clear.tuned != 0
    assert not useless.helped
    assert useless.recommended == 0
    assert study(0.5).default_or_tuned(smoothed=True).helped
    with pytest.raises(InvalidArgument, match="default"):
        study(0.5).default_or_tuned(99)
