"""Summaries of trials: what they promise, refuse and hold, and the tuner that begins with one."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.base.errors import Conflict, InvalidArgument, SpaceMismatch
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Bool, Categorical, Float, Int, Space
from trimtab.testing.histories import make_history
from trimtab.tuners.tasks.private import (
    Accountant,
    KernelDesign,
    Noise,
    PrivateSummary,
    PrivateWarmStart,
    TooFewTrials,
    publish,
)
from trimtab.tuners.tasks.private.private_summary import expected_error
from trimtab.tuners.tasks.transfer.corpus import Corpus, CorpusTask
from trimtab.tuners.values.random_search import RandomSearch

Array = NDArray[np.float64]

SPACE = Space({f"x{place}": Float(0.0, 1.0) for place in range(4)}, kind=Categorical(["a", "b"]))
GOOD = 0.7


def distance(params: Params) -> float:
    """How far from what is good in every task: 0.7 in each number, and kind b."""
    gaps = [float(params[f"x{place}"]) - GOOD for place in range(4)]  # type: ignore[arg-type]
    return float(np.linalg.norm(gaps)) + (0.3 if params["kind"] == "a" else 0.0)


def corpus(trials: int, tasks: int = 5, seed: int = 0) -> Corpus:
    """Random trials of tasks with nearly the same optimum."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(tasks):
        rows = SPACE.sample(rng, trials // tasks)
        losses = [distance(row) + 0.05 * rng.normal() for row in rows]
        made.append(CorpusTask(f"task {place}", SPACE, rows, losses))
    return Corpus(made)


def published(trials: int = 1000, seed: int = 0, **more: Any) -> PrivateSummary:
    budget = Accountant(2.0, more.get("delta", 0.0), more.get("unit", "trial"))
    told = {"epsilon": 1.0, "accountant": budget, "source": random.Random(seed).randrange, **more}
    return publish(corpus(trials), SPACE, 0.6, **told)


def test_the_success_rate_ranks_configurations_as_the_tasks_do() -> None:
    rng = np.random.default_rng(1)
    rows = SPACE.sample(rng, 300)
    rates = published().rates(SPACE.encode_many(rows))
    assert np.all((rates > 0.0) & (rates < 1.0))
    ranks = [np.argsort(np.argsort(values)) for values in (rates, [-distance(row) for row in rows])]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.5


def test_a_summary_survives_json_and_holds_no_exact_number() -> None:
    summary = published(distances=True, tolerance=1.0)
    text = json.dumps(summary.to_json())
    assert PrivateSummary.from_json(json.loads(text)) == summary
    raw = SPACE.encode_many([row for task in corpus(1000).tasks for row in task.params])
    losses = np.concatenate([task.values for task in corpus(1000).tasks])
    exact = summary.kernel.contributions(raw[losses <= 0.6]).sum(axis=0)
    assert not (np.array(summary.good) == exact).any()
    rng = np.random.default_rng(0)
    queries = SPACE.sample_raw(rng, 50)
    units, asked = SPACE.to_unit(raw[losses <= 0.6]), SPACE.to_unit(queries)
    gaps = np.abs(units[:, None] - asked[None])
    gaps[:, :, -1] = gaps[:, :, -1] > 0.0
    wanted = gaps.sum(axis=(0, 2))
    assert np.abs(summary.distances(queries)[:, 0] / wanted - 1.0).mean() < 0.3
    with pytest.raises(InvalidArgument, match="has no distances"):
        published().distances(queries)
    with pytest.raises(InvalidArgument, match="no PrivateSummary's JSON"):
        PrivateSummary.from_json({"kind": "private summary", "schema": 99})


@pytest.mark.parametrize(
    ("more", "epsilon"), [({}, 1.0), ({"distances": True, "tolerance": 1.0}, 1.0), ({"delta": 1e-6}, 1.0)]
)
def test_the_costs_add_up_to_the_epsilon_and_are_charged(more: dict[str, Any], epsilon: float) -> None:
    budget = Accountant(1.0, more.get("delta", 0.0))
    summary = published(accountant=budget, **more)
    assert summary.epsilon == pytest.approx(epsilon)
    assert summary.delta == pytest.approx(more.get("delta", 0.0))
    assert [cost for _, cost in budget.releases] == list(summary.costs)
    with pytest.raises(Conflict, match="would exceed the privacy budget"):
        published(accountant=budget, **more)
    assert len(budget.releases) == len(summary.costs)


def test_one_trial_more_changes_the_exact_release_by_its_sensitivity_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two releases together, for a trial of any kind: inside the space or not, failed, good or bad."""
    whole = corpus(200)
    first = whole.tasks[0]
    monkeypatch.setattr(Noise, "draw", lambda noise, count, *rest: np.zeros(count, dtype=np.int64))

    def exact(task: CorpusTask) -> Array:
        made = publish(
            Corpus([task, *whole.tasks[1:]]), SPACE, 0.6, epsilon=1.0, accountant=Accountant(9.0), tolerance=1e9
        )
        return np.array([*made.good, *made.bad, *made.counts])

    base = exact(first)
    inside, outside = SPACE.sample(np.random.default_rng(5), 1)[0], {"x0": 7.0}
    for params, loss in ((inside, 0.1), (inside, 5.0), (inside, np.nan), (outside, 0.1)):
        more = CorpusTask(first.name, SPACE, [params, *first.params], [loss, *first.values])
        change = np.abs(exact(more) - base)
        assert change[:-2].sum() <= KernelDesign(SPACE, 0.35 * 5**0.5, waves=18).l1
        assert change[-2:].sum() == (params is inside)


def test_with_tasks_protected_at_most_so_many_of_their_trials_count() -> None:
    budget = Accountant(100.0, unit="task")
    summary = published(unit="task", most=10, accountant=budget, epsilon=60.0, tolerance=9.0, expected_trials=50)
    assert summary.noise.group == 10
    assert abs(sum(summary.counts) - 50) < 40
    with pytest.raises(InvalidArgument, match="what the accountant protects"):
        published(unit="task", most=10, accountant=Accountant(1.0))
    with pytest.raises(InvalidArgument, match="what the accountant protects"):
        published(most=10)


def test_too_few_trials_are_refused_with_the_error_to_expect() -> None:
    budget = Accountant(1.0)
    with pytest.raises(
        TooFewTrials, match=r"epsilon 1, would be wrong by (up to|more than) .*%.*expected error of 30%"
    ) as refused:
        published(trials=100, accountant=budget)
    assert "nothing was published" in str(refused.value)
    # The counts that said so were released, and are paid for.
    assert budget.spent == pytest.approx(0.1)
    assert published(trials=1000).expected_error < 0.3
    assert published(trials=100, epsilon=20.0, accountant=Accountant(20.0)).expected_error < 0.3


def test_the_expected_error_is_the_error() -> None:
    """On trials that are spread evenly, for the success sums."""
    rng = np.random.default_rng(0)
    raw, queries = SPACE.sample_raw(rng, 300), SPACE.sample_raw(rng, 200)
    noise = Noise("laplace", 1.0)
    found = []
    told = []
    for seed in range(25):
        design = KernelDesign(SPACE, 0.8, 12, seed=seed)
        noisy = design.contributions(raw).sum(axis=0) + noise.draw(
            design.size, design.l1, design.l2_squared, random.Random(seed).randrange
        )
        exact = design.similarity(raw, queries).sum(axis=0)
        found.append(np.abs(design.estimate(noisy, queries) - exact).mean() / exact.mean())
        told.append(expected_error(design, noise, 300.0))
    assert np.mean(found) == pytest.approx(np.mean(told), rel=0.25)


# ---------------------------------------------------------------- the tuner


def test_warm_trials_are_better_than_draws_and_spread_and_then_the_cold_tuner_goes_on() -> None:
    tuner = PrivateWarmStart(RandomSearch(), published(), trials=6)
    told: list[tuple[Params, float]] = []
    for number in range(8):
        (found,) = tuner.ask(make_history(SPACE, told), 1, Key(0, number, "ask"))
        assert found.tuner == ("private-warm-start" if number < 6 else "random")
        told.append((found.params, distance(found.params)))
    assert "in a private summary" in tuner.ask(make_history(SPACE), 1, Key(0, 0, "ask"))[0].why
    warm = [value for _, value in told[:6]]
    drawn = [distance(row) for row in SPACE.sample(np.random.default_rng(0), 500)]
    assert warm[0] < np.quantile(drawn, 0.1)
    assert np.mean(warm) < 0.9 * np.mean(drawn)
    points = np.array([[float(row[f"x{place}"]) for place in range(4)] for row, _ in told[:6]])  # type: ignore[arg-type]
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(6, 1)]
    assert gaps.min() > 0.05


def test_the_same_question_has_the_same_answer_and_pending_trials_are_known() -> None:
    tuner = PrivateWarmStart(RandomSearch(), published(), trials=6)
    rows = SPACE.sample(np.random.default_rng(3), 2)
    history = make_history(SPACE, [(rows[0], 1.0)], [rows[1]])
    first, again = (tuner.ask(history, 9, Key(4, 2, "ask")) for _ in range(2))
    assert first == again
    # Two trials are known, pending ones among them, so four of the six are left.
    assert [found.tuner for found in first] == ["private-warm-start"] * 4
    assert len({str(found.params) for found in first}) == 4
    assert tuner.ask(history, 9, Key(5, 2, "ask")) != first


def test_a_small_space_is_not_tried_twice() -> None:
    small = Space(a=Int(1, 2), b=Bool())
    rows = small.sample(np.random.default_rng(0), 1000)
    made = Corpus([CorpusTask("one", small, rows, [float(row["a"]) for row in rows])])  # type: ignore[arg-type]
    summary = publish(made, small, 1.0, epsilon=1.0, accountant=Accountant(1.0))
    found = PrivateWarmStart(RandomSearch(), summary, trials=8, candidates=10).ask(
        make_history(small), 8, Key(0, 0, "ask")
    )
    assert sorted((params.params["a"], params.params["b"]) for params in found) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_another_space_is_refused() -> None:
    tuner = PrivateWarmStart(RandomSearch(), published())
    other = Space(x0=Float(0.0, 1.0))
    with pytest.raises(SpaceMismatch, match="another space than the private summary"):
        tuner.ask(make_history(other), 1, Key(0, 0, "ask"))
    with pytest.raises(InvalidArgument, match="needs a tuner and a PrivateSummary"):
        PrivateWarmStart("random", published())  # type: ignore[arg-type]
