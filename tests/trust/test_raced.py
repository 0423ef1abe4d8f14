"""Races of a study as the log tells them: the fold against a slow twin, the interval, what `select` makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import trimtab as tt
from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.base.records import Objective, Observation
from trimtab.base.seeds import Key
from trimtab.trust import select, selection_references
from trimtab.trust.race_records import BlockRecord, RacePlan, plan_of
from trimtab.trust.raced import winner_correction, winner_ends
from trimtab.trust.racing import RACING_TESTS, NormalMixture, Predictive, Race, race, racing_test
from trimtab.trust.racing.catalogue import racing_test_from_json, racing_test_to_json
from trimtab.trust.study_race import StudyRace, contenders_of, fold_race, race_of

Table = NDArray[np.float64]
SPACE = tt.Space(x=tt.Float(0.0, 1.0))


def table(seed: int, blocks: int = 8, contenders: int = 6, spread: float = 1.0) -> Table:
    rng = np.random.default_rng(seed)
    return spread * rng.standard_normal(contenders) + rng.standard_normal((blocks, contenders))


def plan(losses: Table, **changes: object) -> RacePlan:
    blocks, contenders = losses.shape
    parts: dict[str, object] = {"test": Predictive(), "alpha": 0.05, **changes}
    return RacePlan("r", tuple(10 + k for k in range(contenders)), blocks, **parts)  # type: ignore[arg-type]


def finished(
    made: RacePlan, tell: Callable[[int, int], BlockRecord], seed: int = 0, objective: Objective | None = None
) -> tuple[StudyRace, dict[tuple[int, int], BlockRecord], list[tuple[int, int]]]:
    """A race run to its end, its records, and who was asked for in which order."""
    records: dict[tuple[int, int], BlockRecord] = {}
    asked: list[tuple[int, int]] = []
    while True:
        found = fold_race(made, seed, records, objective or Objective())
        if found.block is None or found.void:
            return found, records, asked
        for number in found.waiting:
            asked.append((number, found.block))
            records[number, found.block] = tell(number, found.block)


def plain(losses: Table) -> Callable[[int, int], BlockRecord]:
    return lambda number, block: BlockRecord(Observation(float(losses[block, number - 10])))


# The fold


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("test", [Predictive(), NormalMixture()])
def test_the_fold_is_the_race_on_arrays(seed: int, test: Predictive | NormalMixture) -> None:
    losses = table(seed)
    made = plan(losses, test=test, finish=False)
    twin = race(
        lambda k, b: losses[b, k],
        losses.shape[1],
        losses.shape[0],
        test=test,
        alpha=0.05,
        key=Key(seed, purpose=made.attribute),
    )
    found, _, _ = finished(made, plain(losses), seed)
    assert found.race.alive == twin.alive
    assert found.chosen == 10 + twin.chosen
    assert found.evaluations == twin.evaluations
    np.testing.assert_array_equal(found.race.means, twin.means)


def slow_twin(made: RacePlan, records: dict[tuple[int, int], BlockRecord], seed: int) -> tuple[int | None, set[int]]:
    """What is to be run next, by replaying block after block with nothing but the engine's own steps."""
    now = Race.begin(len(made.contenders), made.blocks, made.test, made.alpha, Key(seed, purpose=made.attribute))
    for block in now.order.tolist():
        if now.block is None:
            break
        mine = {place: records.get((made.contenders[place], block)) for place in now.alive}
        if any(record is None for record in mine.values()):
            return block, {made.contenders[place] for place, record in mine.items() if record is None}
        bad = [place for place, record in mine.items() if record is not None and record.observation is None]
        for place in bad:
            now = now.without([place])
        if now.block is not None:
            told = {p: records[made.contenders[p], block].observation for p in now.alive}
            now = now.tell({p: seen.values["value"] for p, seen in told.items() if seen is not None})
    if len(now.alive) > 1:
        return None, set()
    winner = made.contenders[now.alive[0]]
    left = [block for block in now.order.tolist() if (winner, block) not in records]
    return (left[0], {winner}) if left else (None, set())


@pytest.mark.parametrize("seed", range(6))
def test_after_any_records_in_any_order_it_asks_for_what_a_replay_asks_for(seed: int) -> None:
    losses = table(seed, spread=2.0)
    made = plan(losses)
    rng = np.random.default_rng(seed)

    def tell(number: int, block: int) -> BlockRecord:
        failed = number != 10 and rng.random() < 0.05
        return BlockRecord(None, "it broke") if failed else plain(losses)(number, block)

    _, records, _ = finished(made, tell, seed)
    for _ in range(12):
        kept = [item for item in records.items() if rng.random() < rng.uniform(0.5, 1.0)]
        some = dict(kept[place] for place in rng.permutation(len(kept)))
        found = fold_race(made, seed, some, Objective())
        assert (found.block, set(found.waiting)) == slow_twin(made, some, seed)


def test_the_last_one_in_the_race_is_run_on_the_blocks_that_are_left() -> None:
    losses = table(0)
    losses[:, 2] -= 20.0
    short, _, _ = finished(plan(losses, finish=False), plain(losses))
    long, records, asked = finished(plan(losses), plain(losses))
    assert (short.chosen, long.chosen, short.alive) == (12, 12, (12,))
    assert len(short.values_of(12)) < 8
    assert sorted(long.values_of(12)) == sorted(losses[:, 2])
    assert long.evaluations - short.evaluations == 8 - len(short.values_of(12))
    assert len(asked) == len(set(asked)) == len(records)


def test_a_contender_that_fails_leaves_and_says_why() -> None:
    losses = table(1)
    best = 10 + int(losses.mean(axis=0).argmin())
    first = int(plan(losses).begin(0).order[1])

    def tell(number: int, block: int) -> BlockRecord:
        return BlockRecord(None, "no memory") if (number, block) == (best, first) else plain(losses)(number, block)

    found, _, _ = finished(plan(losses), tell)
    assert found.failed == {best: f"block {first} failed, no memory"}
    assert best not in found.alive
    assert "no memory" in str(found)


def test_where_everybody_fails_nobody_wins() -> None:
    losses = table(2)
    found, _, _ = finished(plan(losses), lambda *_: BlockRecord(None, "no such file"))
    assert found.void
    assert not found.over
    assert len(found.failed) == 6


def test_a_race_is_left_by_those_in_it_only_and_never_by_all() -> None:
    now = Race.begin(3, 4, Predictive(), 0.05, Key(0))
    assert now.without([1]).alive == (0, 2)
    assert now.without([1]).without([0]).block is None
    for places in ([0, 1, 2], [3]):
        with pytest.raises(InvalidArgument, match=r"some other stays; got .*allowed: 0, 1, 2"):
            now.without(places)


# Losses of single examples


def by_example(losses: NDArray[np.float64], scale: Callable[[float], float], broken: int = -1) -> StudyRace:
    """A race told with losses, shape (blocks, contenders, examples), and values that are a function of their mean."""

    def tell(number: int, block: int) -> BlockRecord:
        row = losses[block, number - 10]
        return BlockRecord(Observation(scale(row.mean()), losses=row[:-1] if block == broken else row))

    rising = scale(1.0) > scale(0.0)
    objective = Objective(direction="minimize" if rising else "maximize")
    return finished(plan(losses.mean(axis=2)), tell, objective=objective)[0]


SCALES: Sequence[Callable[[float], float]] = (
    lambda mean: mean,
    lambda mean: 100.0 * mean,
    lambda mean: 1.0 - mean,
    lambda mean: -mean,
    lambda mean: 100.0 * (1.0 - mean),
)


def test_losses_of_examples_are_used_where_the_value_is_their_mean_in_any_unit() -> None:
    rates = np.linspace(0.1, 0.5, 6)[:, None]
    losses = (np.random.default_rng(0).random((8, 6, 40)) < rates).astype(np.float64)
    found = [by_example(losses, scale) for scale in SCALES]
    assert all(each.by_example for each in found)
    # The units change nothing in what is decided.
    assert len({(each.chosen, each.alive, each.evaluations) for each in found}) == 1
    blocks, _, _ = finished(plan(losses.mean(axis=2)), plain(losses.mean(axis=2)))
    assert found[0].evaluations < blocks.evaluations


def test_losses_are_not_used_where_the_value_is_something_else() -> None:
    losses = np.random.default_rng(0).exponential(size=(8, 6, 40))
    assert not by_example(losses, lambda mean: mean**0.5).by_example
    assert not by_example(losses, lambda mean: mean, broken=3).by_example


# Estimate and interval


def test_the_ends_are_students_with_the_upper_error_shared_by_all_contenders() -> None:
    values = np.array([1.0, 3.0, 2.0, 6.0])
    error = stats.sem(values)
    low, high = winner_ends(values, 10, 4, 0.9) or (0.0, 0.0)
    assert low == pytest.approx(3.0 + stats.t.ppf(0.05, 3) * error)
    assert high == pytest.approx(3.0 + stats.t.isf(0.005, 3) * error)
    # Of 12 blocks 4 were run: half of the error is shared by the ten earlier numbers at which a race can end.
    low, high = winner_ends(values, 10, 12, 0.9) or (0.0, 0.0)
    assert low == pytest.approx(3.0 + stats.t.ppf(0.05 * 0.5 / 10, 3) * error)
    assert high == pytest.approx(3.0 + stats.t.isf(0.05 * 0.5 / 10 / 10, 3) * error)
    assert winner_ends(values[:1], 10, 1, 0.9) is None
    assert winner_ends(np.ones(4), 10, 4, 0.9) is None


def test_the_interval_covers_where_the_naive_one_does_not() -> None:
    """All contenders alike, where the winner is the luckiest: 60 races."""
    held, naive, off, mended = [], [], [], []
    for seed in range(60):
        losses = table(seed, contenders=8, spread=0.0)
        found, _, _ = finished(plan(losses), plain(losses), seed)
        told = found.values_of(found.chosen)
        low, high = winner_ends(told, 8, 8, 0.95) or (0.0, 0.0)
        held.append(low <= 0.0 <= high)
        naive.append(abs(told.mean()) <= stats.t.isf(0.025, 7) * stats.sem(told))
        off.append(told.mean())
        mended.append(told.mean() + winner_correction(found, Key(seed)))
    assert np.mean(held) >= 0.92
    assert np.mean(naive) <= 0.88
    assert abs(np.mean(mended)) < 0.5 * abs(np.mean(off))


# Within a study


def raced_study(direction: str = "minimize", seed: int = 0, **arguments: object) -> tt.Study:
    sign = 1.0 if direction == "minimize" else -1.0
    study = tt.create_study(space=SPACE, tuner="random", seed=seed, direction=direction)  # type: ignore[arg-type]

    def value(trial: tt.Trial) -> float:
        noise = np.random.default_rng([seed, trial.number, trial.block or 0]).standard_normal()
        return sign * (trial.suggest_float("x", 0.0, 1.0) + 0.2 * float(noise))

    study.optimize(lambda trial: tt.Observation(value(trial), stderr=0.2), n_trials=15)
    study.race(value, blocks=6, contenders=5, **arguments)  # type: ignore[arg-type]
    return study


def test_select_tells_the_race() -> None:
    study = raced_study()
    found, told = study.select(), race_of(study.history)
    assert found.method.startswith("race over blocks")
    assert found.trial == told.chosen
    assert set(found.tie_set) == set(told.alive)
    assert found.observed == pytest.approx(told.values_of(told.chosen).mean())
    assert found.interval is not None
    assert found.estimate in found.interval
    words = " ".join(found.caveats)
    assert told.plan.test.statement in words
    assert f"{told.evaluations} of {told.full} evaluations" in words
    assert "The other 10 complete trials did not race" in words
    assert any(source.title.startswith("Hoeffding races") for source in selection_references(found))
    assert select(study.history, method="stderr").method.startswith("standard errors")


def test_a_race_that_predicts_the_winner_claims_no_lead() -> None:
    predicted, proved = raced_study(test="predictive").select(), raced_study(test="t-test").select()
    assert not predicted.ties_tested
    assert "alone at the top" not in str(predicted)
    assert "not tested" in predicted.standing
    assert proved.ties_tested


def test_maximising_is_minimising_the_negative() -> None:
    low, high = raced_study("minimize").select(), raced_study("maximize").select()
    assert low.interval is not None
    assert high.interval is not None
    assert (low.trial, low.tie_set) == (high.trial, high.tie_set)
    assert (low.estimate, low.interval.low) == pytest.approx((-high.estimate, -high.interval.high))


def test_the_default_is_compared_as_the_race_saw_it() -> None:
    study = raced_study()
    told = race_of(study.history)
    outside = next(n for n in range(15) if n not in told.plan.contenders)
    out = next(n for n in told.plan.contenders if n not in told.alive)

    def words(default: int) -> str:
        return " ".join(study.select(default=default).caveats)

    assert "which did not race" in words(outside)
    assert "The race dropped the default" in words(out)
    assert "is the default configuration" in words(told.chosen)


def test_the_guard_still_counts_the_luck_of_all_trials() -> None:
    study = raced_study()
    judged = study.default_or_tuned(default=1)
    assert judged.rivals == 14
    assert judged.gain is not None


def test_a_race_is_not_used_once_the_study_went_on_unless_asked_for() -> None:
    study = raced_study()
    winner = study.select().trial
    study.add_trial({"x": 0.5}, tt.Observation(0.4, stderr=0.2))
    later = study.select()
    assert later.method.startswith("standard errors")
    assert any("because a trial was completed after it began" in caveat for caveat in later.caveats)
    assert study.select(method="race").trial == winner


def test_a_study_without_a_race_says_so() -> None:
    study = tt.create_study(space=SPACE, seed=0)
    study.add_trial({"x": 0.5}, 1.0)
    with pytest.raises(InvalidArgument, match=r"there was no race; run one with study\.race"):
        study.select(method="race")
    with pytest.raises(UnknownName, match=r"no race of that name; got 'r'; allowed: none yet.*study\.race"):
        race_of(study.history, "r")


# Who races


def test_contenders_are_the_tie_set_then_the_best_and_all_different() -> None:
    study = tt.create_study(space=SPACE, seed=0)
    values = [5.0, 1.0, 1.1, 9.0, 1.0, 3.0]
    for number, value in enumerate(values):
        study.add_trial({"x": 0.1 if number in (1, 4) else 0.2 + number / 10}, tt.Observation(value, stderr=0.05))
    ties = study.select().tie_set
    assert set(ties) >= {1, 2, 4}
    assert contenders_of(study.history, None, 4) == (1, 2, 5, 0)
    assert contenders_of(study.history, [3, 1, 4], 2) == (3, 1)


# In and out


@pytest.mark.parametrize("name", RACING_TESTS)
def test_tests_plans_and_records_come_back_from_json(name: str) -> None:
    test = racing_test(name)
    assert racing_test(test) is test
    assert racing_test_from_json(json.loads(json.dumps(racing_test_to_json(test)))) == test
    made = RacePlan("a:b", (3, 1), 7, test, 0.1, finish=False, complete=9, seen=12)
    assert RacePlan.from_json("a:b", json.loads(json.dumps(made.to_json()))) == made
    told = BlockRecord(Observation(0.5, losses=[0.0, 1.0]), "", {"mood": ["fine"]}, 0.25, True)
    back = BlockRecord.from_json(json.loads(json.dumps(told.to_json())))
    assert (back.observation, back.attributes, back.seconds, back.blind) == (
        told.observation,
        told.attributes,
        0.25,
        True,
    )


def test_an_unknown_test_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="unknown racing test; got 'anova'; allowed: predictive, t-test"):
        racing_test("anova")


def test_an_attribute_of_the_users_own_is_no_race() -> None:
    study = raced_study(name="mine")
    study.set_user_attr("race:other", {"miles": 26})
    assert plan_of(study.history, "mine").blocks == 6
    with pytest.raises(UnknownName, match="got 'other'; allowed: 'mine'"):
        plan_of(study.history, "other")
