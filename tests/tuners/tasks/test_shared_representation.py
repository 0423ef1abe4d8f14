"""The shared representation: its fit, its bandit, and the tuner of concurrent tasks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import TunerKit
from trimtab.tuners.tasks.representation import GFUCB, ConcurrentTasks
from trimtab.tuners.tasks.representation.concurrent import Waves
from trimtab.tuners.tasks.representation.shared_linear import Moments, Shared, fit_heads, fit_shared, orthonormal

Array = NDArray[np.float64]


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    """Random directions along the last axis."""
    drawn = rng.normal(size=shape)
    unit: Array = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
    return unit


def observed(seed: int, tasks: int = 4, each: int = 30, d: int = 6, k: int = 2) -> tuple[Array, Array, Array, Array]:
    """Tasks, features and rewards of noisy observations, and the tasks' weights (tasks, d), of rank k."""
    rng = np.random.default_rng(seed)
    weights = sphere(rng, tasks, k) @ orthonormal(rng.normal(size=(d, k))).T
    task, x = np.repeat(np.arange(tasks), each), sphere(rng, tasks * each, d)
    return task, x, (x * weights[task]).sum(axis=1) + 0.05 * rng.normal(size=len(x)), weights


def moments(task: Array, x: Array, y: Array) -> Moments:
    made = Moments.empty(int(task.max()) + 1, x.shape[1])
    for one in zip(task, x, y, strict=True):
        made.add(int(one[0]), one[1], float(one[2]))
    return made


def loss(task: Array, x: Array, y: Array, basis: Array, heads: Array, ridge: float) -> float:
    """What the alternation lowers, by its definition."""
    errors = y - np.einsum("nf,fk,nk->n", x, basis, heads[task.astype(int)])
    return float((errors**2).sum() + ridge * (heads**2).sum())


def test_the_heads_are_least_squares_on_the_reduced_features() -> None:
    task, x, y, _ = observed(0)
    basis = orthonormal(np.random.default_rng(1).normal(size=(6, 2)))
    heads = fit_heads(moments(task, x, y), basis, 0.3)
    for one in range(4):
        rows = x[task == one] @ basis
        padded = np.vstack([rows, np.sqrt(0.3) * np.eye(2)])
        np.testing.assert_allclose(
            heads[one], np.linalg.lstsq(padded, np.append(y[task == one], [0, 0]), rcond=None)[0], atol=1e-10
        )


def test_alternating_lowers_the_loss_and_finds_the_span() -> None:
    task, x, y, weights = observed(2)
    seen = moments(task, x, y)
    basis = orthonormal(np.random.default_rng(3).normal(size=(6, 2)))
    losses = []
    for _ in range(8):
        heads = fit_heads(seen, basis, 0.01)
        losses.append(loss(task, x, y, basis, heads, 0.01))
        fitted = fit_shared(seen, basis, 0.01, 1)
        basis = fitted.basis
        np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    # The ridge on the basis is not part of this loss, so it may rise by a hair near the end.
    assert all(later <= before * (1 + 1e-3) for before, later in itertools.pairwise(losses))
    left_over = weights.T - basis @ (basis.T @ weights.T)
    assert np.abs(left_over).max() < 0.1
    assert isinstance(fitted, Shared)


def test_the_joint_bonus_is_the_delta_method_on_the_fit() -> None:
    """Derivatives and information by finite differences of the model, all parameters in one long vector."""
    task, x, y, _ = observed(4, tasks=3, each=10, d=4)
    bandit = GFUCB(3, 4, 2, bonus="joint", fall_back="never", width=1.0, ridge=0.7)
    for one in zip(task, x, y, strict=True):
        bandit.tell(int(one[0]), one[1], float(one[2]))
    bandit.fit()
    fitted = bandit._shared
    vector = np.concatenate([fitted.basis.T.ravel(), fitted.heads.ravel()])

    def model(parameters: Array, which: int, at: Array) -> float:
        basis, heads = parameters[:8].reshape(2, 4).T, parameters[8:].reshape(3, 2)
        return float(at @ basis @ heads[which])

    def slope(which: int, at: Array) -> Array:
        steps = np.eye(len(vector)) * 1e-6
        return np.array([(model(vector + s, which, at) - model(vector - s, which, at)) / 2e-6 for s in steps])

    rows = np.array([slope(int(t), at) for t, at in zip(task, x, strict=True)])
    information = 0.7 * np.eye(len(vector)) + rows.T @ rows
    arms = sphere(np.random.default_rng(5), 5, 4)
    for which in range(3):
        wanted = [
            model(vector, which, a) + np.sqrt(slope(which, a) @ np.linalg.solve(information, slope(which, a)))
            for a in arms
        ]
        np.testing.assert_allclose(bandit.scores(which, arms), wanted, rtol=1e-6)


def play(seed: int, tasks: int, related: bool, rounds: int = 100, **more: object) -> float:
    """Cumulative regret for each task of noisy linear bandits: d 20, rank 2, 15 fresh arms a round, noise 0.3."""
    rng = np.random.default_rng([seed, tasks, related])
    weights = sphere(rng, tasks, 2) @ orthonormal(rng.normal(size=(20, 2))).T if related else sphere(rng, tasks, 20)
    bandit = GFUCB(tasks, 20, 2, **more)  # type: ignore[arg-type]
    regret = 0.0
    for _ in range(rounds):
        arms, noise = sphere(rng, tasks, 15, 20), 0.3 * rng.normal(size=tasks)
        for task, chosen in enumerate(bandit.ask(list(arms))):
            rewards = arms[task] @ weights[task]
            regret += float(rewards.max() - rewards[chosen])
            bandit.tell(task, arms[task, chosen], float(rewards[chosen] + noise[task]))
    return regret / tasks


def test_related_tasks_gain_and_unrelated_ones_lose_little() -> None:
    """The rule: at most 0.8 of learning alone for ten related tasks, at most 1.1 for three and for unrelated ones."""

    def regret(tasks: int, related: bool, mode: str) -> float:
        return float(np.mean([play(seed, tasks, related, fall_back=mode) for seed in range(4)]))

    assert regret(10, True, "errors") <= 0.8 * regret(10, True, "always")
    assert regret(3, True, "errors") <= 1.1 * regret(3, True, "always")
    alone = regret(10, False, "always")
    assert regret(10, False, "errors") <= 1.1 * alone
    # The fall-back is what keeps it: without it the rule breaks.
    assert regret(10, False, "never") > 1.3 * alone


def test_a_bandit_told_the_same_asks_the_same() -> None:
    task, x, y, _ = observed(6)
    first, second = GFUCB(4, 6, 2, key=Key(3)), GFUCB(4, 6, 2, key=Key(3))
    arms = [sphere(np.random.default_rng(n), 9, 6) for n in range(4)]
    for place, one in enumerate(zip(task, x, y, strict=True)):
        first.tell(int(one[0]), one[1], float(one[2]))
        second.tell(int(one[0]), one[1], float(one[2]))
        if place % 10 == 0:
            assert first.ask(arms) == second.ask(arms)
            assert first.errors == second.errors


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: GFUCB(2, 3, 4), "rank must not exceed"),
        (lambda: GFUCB(2, 3, 2, bonus="both"), "no such bonus"),  # type: ignore[arg-type]
        (lambda: GFUCB(2, 3, 2, fall_back="maybe"), "no such fall-back"),  # type: ignore[arg-type]
        (lambda: GFUCB(2, 3, 2, ridge=0.0), "out of range"),
        (lambda: GFUCB(2, 3, 2).ask([np.ones((1, 3))]), "one list of arms"),
        (lambda: GFUCB(1, 3, 2).ask([np.ones((2, 4))]), "rows of finite features"),
        (lambda: GFUCB(1, 3, 2).tell(1, np.ones(3), 0.0), "needs a task and a finite value"),
        (lambda: GFUCB(1, 3, 2).tell(0, np.ones(3), np.nan), "needs a task and a finite value"),
        (lambda: ConcurrentTasks(features=3, rank=3), "features"),
        (lambda: ConcurrentTasks(ridge=0.0), "out of range"),
    ],
)
def test_what_cannot_be_is_refused(make: object, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        make()  # type: ignore[operator]


# ---------------------------------------------------------------- the tuner


class TestKit(TunerKit):
    """A space that names no task is one task."""

    def make_tuner(self) -> ConcurrentTasks:
        return ConcurrentTasks(features=12, candidates=20)


TASKS = Space(
    task=Categorical(["a", "b", "c"]),
    x=Float(0.0, 1.0),
    n=Int(1, 9),
    how=Choice({"p": Space(q=Float(0.0, 1.0)), "r": None}),
)


def test_tasks_take_turns_and_pending_ones_count() -> None:
    told: list[tuple[Params, float]] = []
    tuner = ConcurrentTasks(start=2)
    for number in range(12):
        (found,) = tuner.ask(make_history(TASKS, told), 1, Key(0, number, "ask"))
        TASKS.validate(found.params)
        told.append((found.params, float(number)))
    names = [str(params["task"]) for params, _ in told]
    assert all(sorted(names[start : start + 3]) == ["a", "b", "c"] for start in range(0, 12, 3))
    batch = tuner.ask(make_history(TASKS, told[:10], [told[10][0]]), 4, Key(0, 11, "ask"))
    assert [found.params["task"] for found in batch].count(told[10][0]["task"]) == 1
    assert len({str(found.params) for found in batch}) == 4


def test_losses_are_compared_within_a_task_only() -> None:
    """Another unit of one task's losses changes no proposal."""
    rows = TASKS.sample(np.random.default_rng(0), 30)
    plain = [(row, float(row["x"]) ** 2) for row in rows]
    other = [(row, 1000.0 + 50.0 * value if row["task"] == "b" else value) for row, value in plain]
    asked = [ConcurrentTasks().ask(make_history(TASKS, told), 3, Key(1, 30, "ask")) for told in (plain, other)]
    assert [found.params for found in asked[0]] == [found.params for found in asked[1]]


def test_features_do_not_see_the_task_and_reach_the_kernel() -> None:
    """Inner products of many waves are a mean of Gaussian kernels of their lengths, and a constant."""
    raw = TASKS.sample_raw(np.random.default_rng(0), 20)
    waves = Waves.drawn(TASKS, 0, 6001, Key(0))
    moved = raw.copy()
    moved[:, 0] = (raw[:, 0] + 1) % 3
    np.testing.assert_array_equal(waves(raw), waves(moved))
    points = waves.embedding.features(TASKS.to_unit(raw)[:, 1:])
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    wanted = np.mean([np.exp(-squares / (2.0 * 4 * length**2)) for length in (0.3, 0.6, 1.2)], axis=0)
    np.testing.assert_allclose(waves(raw) @ waves(raw).T, 0.5 + wanted / 2.0, atol=0.05)


def test_a_parameter_that_cannot_name_the_task_is_refused() -> None:
    space = Space(task=Float(0.0, 1.0))
    with pytest.raises(InvalidArgument, match="'task' must be a categorical"):
        ConcurrentTasks().ask(make_history(space), 1, Key(0, 0, "ask"))
