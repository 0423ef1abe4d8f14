"""Races: the tests against closed forms, enumeration and slow twins; the error that they state; misuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from trimtab.base.errors import Conflict, InvalidArgument
from trimtab.base.seeds import Key
from trimtab.trust.racing import (
    Betting,
    EmpiricalBernstein,
    Friedman,
    Hoeffding,
    NormalMixture,
    Predictive,
    Race,
    RacingTest,
    Told,
    race,
)
from trimtab.trust.racing.betting import log_capitals
from trimtab.trust.racing.normal_mixture import log_evidence

KEY = Key(0, purpose="test")
TESTS: list[RacingTest] = [
    Predictive(),
    NormalMixture(),
    Friedman(),
    Betting(reach=20.0),
    EmpiricalBernstein(reach=20.0),
    Hoeffding(reach=20.0),
]


def run(losses: NDArray[np.float64], test: RacingTest, alpha: float = 0.05, key: Key = KEY) -> Race:
    return race(lambda k, b: losses[b, k], losses.shape[1], losses.shape[0], test=test, alpha=alpha, key=key)


def told(losses: NDArray[np.float64], blocks: int = 1000) -> Told:
    return Told(losses, losses, blocks, losses.shape[1])


@pytest.mark.parametrize(("t", "seen", "effect"), [(0.3, 2, 1.0), (2.5, 7, 3.0), (-6.0, 12, 0.5)])
def test_the_evidence_is_the_ratio_of_the_t_densities_mixed_over_effects(t: float, seen: int, effect: float) -> None:
    mean, squares = np.array([t / np.sqrt(seen)]), np.array([seen - 1.0])
    mixed = integrate.quad(
        lambda delta: stats.nct.pdf(t, seen - 1, delta * np.sqrt(seen)) * stats.norm.pdf(delta, scale=effect),
        -8 * effect,
        8 * effect,
        limit=200,
    )[0]
    assert log_evidence(mean, squares, seen, effect)[0] == pytest.approx(
        np.log(mixed / stats.t.pdf(t, seen - 1)), rel=1e-5
    )


def test_evidence_against_equal_normal_configurations_stays_below_its_bound_at_every_look() -> None:
    paths, seen = np.random.default_rng(1).standard_normal((3_000, 80)), np.arange(1, 81)
    means = np.cumsum(paths, axis=1) / seen
    squares = np.maximum(np.cumsum(paths**2, axis=1) - seen * means**2, 0.0)
    ever = np.zeros(len(paths), dtype=bool)
    for place in range(1, 80):
        ever |= log_evidence(means[:, place], squares[:, place], place + 1, 3.0) >= np.log(1 / 0.1)
    assert stats.binomtest(int(ever.sum()), len(paths), 0.1, alternative="greater").pvalue > 0.001
    # It does react: a single t-test after every block would reject far more often, this one sometimes.
    assert ever.any()


def test_the_gambler_against_a_fair_coin_grows_rich_as_rarely_as_ville_says() -> None:
    # Configuration 0 loses 1 against 0 or 0 against 1, with every sequence equally likely.
    rich = [
        float(log_capitals(np.array([(x, 1 - x) for x in sides], dtype=np.float64))[0, 1])
        for sides in itertools.product((0, 1), repeat=10)
    ]
    for alpha in (0.5, 0.2, 0.1):
        assert 0.0 < np.mean(np.array(rich) >= np.log(1 / alpha)) <= alpha


def test_capitals_match_a_slow_twin() -> None:
    losses = np.random.default_rng(2).random((25, 3))
    found = log_capitals(losses)
    for k, other in itertools.permutations(range(3), 2):
        capital, highest, seen = 1.0, 1.0, [0.0]
        square = 0.25
        for difference in losses[:, k] - losses[:, other]:
            mean = sum(seen) / len(seen)
            stake = min(0.5, mean / (square / len(seen))) if mean > 0.0 else 0.0
            capital *= 1.0 + stake * difference
            highest = max(highest, capital)
            seen.append(difference)
            square += difference**2
        assert found[k, other] == pytest.approx(np.log(highest))


def test_predictive_probabilities_are_calibrated_where_effects_are_spread_widely() -> None:
    rng = np.random.default_rng(3)
    chances, happened = [], []
    for _ in range(2_000):
        losses = np.column_stack([np.zeros(12), 2.0 * rng.standard_normal() + rng.standard_normal(12)])
        leader = int(np.argmin(losses[:4].mean(axis=0)))
        found = Predictive(prior=1e-9).chances(told(losses[:4], 12))
        chances.append(found[1 - leader])
        happened.append(np.argmin(losses.mean(axis=0)) != leader)
    expected, seen = np.array(chances), np.array(happened)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.51)):
        inside = (expected >= low) & (expected < high)
        error = np.sqrt((expected[inside] * (1 - expected[inside])).sum()) / inside.sum()
        assert abs(seen[inside].mean() - expected[inside].mean()) < 4 * error + 0.01, (low, high)


def test_a_predictive_race_chooses_as_full_evaluation_does_for_half_of_it() -> None:
    agree, share, runs = 0, [], 80
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        losses = 2.0 * rng.standard_normal(15) + rng.standard_normal((10, 15)) + rng.standard_normal((10, 1))
        done = run(losses, Predictive(), key=Key(seed))
        agree += done.chosen == int(np.argmin(losses.mean(axis=0)))
        share.append(done.evaluations / done.full)
        assert done.spent <= 0.05
    assert stats.binomtest(agree, runs, 0.95, alternative="less").pvalue > 0.001
    assert np.mean(share) < 0.5


def test_what_a_race_spends_bounds_its_disagreement_where_all_are_alike() -> None:
    runs = 80
    wrong = 0
    for seed in range(runs):
        losses = np.random.default_rng([7, seed]).standard_normal((20, 10))
        wrong += run(losses, Predictive(), 0.2, Key(seed)).chosen != int(np.argmin(losses.mean(axis=0)))
    assert stats.binomtest(wrong, runs, 0.2, alternative="greater").pvalue > 0.001
    assert wrong


def test_examples_of_a_block_that_are_alike_count_for_less() -> None:
    rng = np.random.default_rng(12)
    shared = rng.standard_normal((6, 1, 5))
    apart, alike = rng.standard_normal((6, 40, 5)), 0.05 * rng.standard_normal((6, 40, 5)) + shared

    def chances(losses: NDArray[np.float64]) -> NDArray[np.float64]:
        return Predictive().chances(Told(losses.mean(axis=1), losses.reshape(-1, 5), 60, 5))

    def blockwise(losses: NDArray[np.float64]) -> NDArray[np.float64]:
        return Predictive(prior=1e-9).chances(Told(losses.mean(axis=1), losses.mean(axis=1), 60, 5))

    # Unrelated examples: about as sure as the normal approximation of their mean.
    worse = apart.reshape(-1, 5) - apart.reshape(-1, 5)[:, [int(np.argmin(apart.mean(axis=(0, 1))))]]
    others = worse.any(axis=0)
    z = worse[:, others].mean(axis=0) / (worse[:, others].std(axis=0) * np.sqrt(1 / 240 - 1 / 2400))
    assert chances(apart)[others] == pytest.approx(stats.norm.sf(z), abs=0.06)
    # Alike: about as sure as six blocks make it, and far less than 240 examples would.
    far = blockwise(alike) < 0.3
    naive = Predictive().chances(Told(alike.reshape(-1, 5), alike.reshape(-1, 5), 2400, 5))
    assert far.any()
    assert chances(alike)[far] == pytest.approx(blockwise(alike)[far], abs=0.15)
    assert (chances(alike) > 10 * naive)[far].all()


def test_a_race_by_examples_agrees_and_needs_fewer_evaluations_than_one_by_blocks() -> None:
    agree, fine, coarse, runs = 0, 0, 0, 40
    for seed in range(runs):
        rng = np.random.default_rng([13, seed])
        hard = rng.beta(0.5, 2.0, size=(10, 50, 1))
        losses = (rng.random((10, 50, 12)) < np.clip(hard * rng.uniform(0.2, 2.0, 12), 0, 1)).astype(np.float64)
        one = race(lambda k, b, x=losses: x[b, :, k], 12, 10, test=Predictive(), key=Key(seed))
        full = losses.mean(axis=(0, 1))
        agree += full[one.chosen] <= full.min() + 1e-12
        fine += one.evaluations
        coarse += run(losses.mean(axis=1), Predictive(), key=Key(seed)).evaluations
    assert stats.binomtest(int(agree), runs, 0.95, alternative="less").pvalue > 0.001
    assert fine < 0.8 * coarse


def test_friedmans_test_is_that_of_scipy() -> None:
    losses = np.random.default_rng(4).integers(0, 4, size=(9, 5)) + np.array([0.0, 0.0, 0.0, 0.0, 2.0])
    p = stats.friedmanchisquare(*losses.T).pvalue
    assert 1e-6 < p < 0.05
    assert not Friedman().drop(told(losses), 0.99 * p)[0].any()
    assert Friedman().drop(told(losses), 0.05)[0].tolist() == [False, False, False, False, True]


def test_union_bounds_match_slow_twins() -> None:
    rng = np.random.default_rng(5)
    losses = (rng.random((400, 4)) < [0.1, 0.15, 0.5, 0.8]).astype(np.float64)
    log = np.log(3 * 400 * 401 / 0.05)
    hoeffding, bernstein = [], []
    for k in range(4):
        gaps = [losses[:, k] - losses[:, other] for other in range(4)]
        hoeffding.append(any(gap.mean() > 2 * np.sqrt(log / 800) for gap in gaps))
        log3 = log + np.log(3)
        bernstein.append(any(g.mean() > g.std() * np.sqrt(2 * log3 / 400) + 6 * log3 / 400 for g in gaps))
    assert Hoeffding().drop(told(losses), 0.05)[0].tolist() == hoeffding
    assert EmpiricalBernstein().drop(told(losses), 0.05)[0].tolist() == bernstein
    assert any(hoeffding)
    assert any(bernstein)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: type(test).__name__)
def test_clear_losers_leave_and_equal_winners_stay(test: RacingTest) -> None:
    rng = np.random.default_rng(6)
    good = rng.random((140, 1))
    losses = np.hstack([good + 17.0 + rng.random((140, 1)), good, good, good + 18.0 + rng.random((140, 1))])
    done = run(losses, test)
    assert done.alive == (1, 2)
    assert done.chosen == 1
    assert done.evaluations == done.finished.sum() < done.full
    assert done.finished[1] == done.finished[2] == 140
    assert "configuration 1" in str(done)


def test_differences_that_are_the_same_in_every_block_are_sure() -> None:
    losses = np.arange(6.0)[:, None] + np.array([0.0, 0.5])
    assert run(losses, Predictive()).alive == (0,)
    assert run(losses, NormalMixture()).alive == (0,)


def test_one_configuration_needs_no_race_and_a_full_one_takes_the_lowest_mean() -> None:
    assert run(np.ones((5, 1)), Predictive()).evaluations == 0
    losses = np.random.default_rng(8).standard_normal((4, 6))
    done = run(losses, Hoeffding(reach=10.0))
    assert done.chosen == int(np.argmin(losses.mean(axis=0)))
    assert done.evaluations == done.full == 24


def test_losses_of_examples_are_used_one_by_one() -> None:
    rng = np.random.default_rng(9)
    losses = (rng.random((10, 50, 2)) < [0.1, 0.5]).astype(np.float64)
    by_example = race(lambda k, b: losses[b, :, k], 2, 10, test=Betting(), key=KEY)
    by_block = race(lambda k, b: losses[b, :, k].mean(), 2, 10, test=Betting(), key=KEY)
    assert by_example.alive == (0,)
    assert by_block.alive == (0, 1)
    assert by_example.means[: len(by_block.means)] == pytest.approx(by_block.means[: len(by_example.means)])


def test_a_race_is_replayed_by_its_key() -> None:
    losses = np.random.default_rng(10).standard_normal((20, 5))
    first, second, other = run(losses, Predictive()), run(losses, Predictive()), run(losses, Predictive(), key=Key(1))
    assert first.order.tolist() == second.order.tolist() != other.order.tolist()
    assert sorted(first.order.tolist()) == list(range(20))
    assert first.finished.tolist() == second.finished.tolist()


def test_telling_leaves_the_race_before_as_it_was() -> None:
    start = Race.begin(2, 3, Predictive(), 0.05, KEY)
    start.tell({0: 1.0, 1: 2.0})
    assert start.evaluations == 0
    assert start.chosen == 0
    assert len(start.means) == 0


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        ({0: 1.0}, "must be told for the configurations that are in the race"),
        ({0: 1.0, 1: 1.0, 2: 1.0}, "must be told for the configurations that are in the race"),
        ({0: 1.0, 1: np.nan}, r"not finite for configurations \[1\]"),
        ({0: [1.0, 2.0], 1: [1.0]}, "one for each of its examples"),
        ({0: [], 1: []}, "one for each of its examples"),
        ({0: 0.0, 1: 3.0}, "span more than the range"),
    ],
)
def test_misuse_is_refused(losses: dict[int, object], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        Race.begin(2, 3, Betting(), 0.05, KEY).tell(losses)  # type: ignore[arg-type]


def test_impossible_races_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="number of blocks"):
        Race.begin(2, 0, Predictive(), 0.05, KEY)
    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        Race.begin(2, 3, Predictive(), 0.0, KEY)
    with pytest.raises(InvalidArgument, match="two losses"):
        Predictive(least=1)
    with pytest.raises(InvalidArgument, match="charge"):
        Predictive(charge=0.5)
    with pytest.raises(InvalidArgument, match="prior"):
        Predictive(prior=0.0)
    with pytest.raises(InvalidArgument, match="effect"):
        NormalMixture(effect=0.0)
    with pytest.raises(InvalidArgument, match="two blocks"):
        Friedman(least=1)
    with pytest.raises(Conflict, match="race is over"):
        run(np.ones((3, 2)), Predictive()).tell({0: 1.0, 1: 1.0})
