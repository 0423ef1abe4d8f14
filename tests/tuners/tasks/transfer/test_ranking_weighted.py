"""The weights of a ranking-weighted ensemble, its posterior, and that the right task gets the say."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.surrogates.evidence import gather, told_numbers
from trimtab.surrogates.gp import Data, Embedding, Surface, condition, fit
from trimtab.testing.histories import make_history
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask, RankingWeighted
from trimtab.tuners.tasks.transfer.awaiting import Awaiting
from trimtab.tuners.tasks.transfer.proposing import View
from trimtab.tuners.tasks.transfer.ranking_weighted import (
    Ensemble,
    _leave_one_out,
    _weights,
    ranking_losses,
    ranking_weights,
)
from trimtab.tuners.tasks.transfer.task_models import task_models

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def posterior_of(points: np.ndarray, values: np.ndarray) -> Surface:
    """A fitted surface."""
    embedding = Embedding(SPACE.columns)
    data = Data(embedding.features(points), values, np.zeros(len(values)), embedding.groups, 2)
    return Surface(embedding, condition(data, fit(data)))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 7))
def test_misrankings_are_counted_pair_by_pair(seed: int, count: int) -> None:
    """As two loops do, ties included."""
    rng = np.random.default_rng(seed)
    losses = rng.integers(0, 4, count).astype(float)
    samples = rng.integers(0, 4, (3, count)).astype(float)
    against = rng.integers(0, 4, (3, count)).astype(float)
    for draw in range(3):
        slow = sum(
            (samples[draw, j] < against[draw, k]) != (losses[j] < losses[k])
            for j, k in itertools.product(range(count), repeat=2)
        )
        assert ranking_losses(samples, losses, against)[draw] == slow


def test_weights_are_shares_of_draws() -> None:
    """Ties are shared, the new task's model takes those that it is in, and what ranks badly is left out."""
    np.testing.assert_allclose(ranking_weights(np.array([[1.0, 1.0], [1.0, 3.0], [2.0, 2.0]])), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(ranking_weights(np.array([[1.0, 1.0], [1.0, 1.0]])), [0.0, 1.0])
    table = np.array([[0.0, 9.0, 9.0, 9.0], [1.0, 2.0, 1.0, 2.0]])
    np.testing.assert_allclose(ranking_weights(table), [0.0, 1.0])


def test_leave_one_out_is_that_of_models_fitted_without_each_trial() -> None:
    """The closed form against n posteriors of n - 1 values, under the same constant mean."""
    rng = np.random.default_rng(0)
    points, values = rng.random((9, 2)), rng.standard_normal(9)
    surface = posterior_of(points, values)
    posterior = surface.posterior
    mean, deviation = _leave_one_out(posterior)
    kernel = posterior.lower @ posterior.lower.T
    for left in range(9):
        rest = np.delete(np.arange(9), left)
        half = np.linalg.solve(kernel[np.ix_(rest, rest)], kernel[rest, left])
        expected = posterior.mean + half @ (values[rest] - posterior.mean)
        variance = kernel[left, left] - half @ kernel[rest, left] - posterior.hyperparameters.noise
        assert abs(mean[left] - expected) < 1e-8
        assert abs(deviation[left] ** 2 - max(variance, 1e-6)) < 1e-8


def test_an_ensemble_is_the_weighted_sum_with_its_derivatives() -> None:
    """Mean by the weights, variance by their squares, derivatives by finite differences; pending places too."""
    rng = np.random.default_rng(1)
    parts = [posterior_of(rng.random((8, 2)), rng.standard_normal(8)) for _ in range(2)]
    unit, weights = rng.random((5, 2)), np.array([0.7, 0.3])
    awaiting = [Awaiting.on(part, unit[:2]) for part in parts]
    for members in (parts, awaiting):
        ensemble = Ensemble(members, weights)
        mean, variance, by_mean, by_variance = ensemble.predict_with_gradient(unit[2:])
        told = [part.predict(unit[2:]) for part in members]
        np.testing.assert_allclose(mean, 0.7 * told[0][0] + 0.3 * told[1][0])
        np.testing.assert_allclose(variance, 0.49 * told[0][1] + 0.09 * told[1][1])
        for axis in range(2):
            step = np.zeros(2)
            step[axis] = 1e-6
            above, below = ensemble.predict(unit[2:] + step), ensemble.predict(unit[2:] - step)
            np.testing.assert_allclose(by_mean[:, axis], (above[0] - below[0]) / 2e-6, atol=1e-5)
            np.testing.assert_allclose(by_variance[:, axis], (above[1] - below[1]) / 2e-6, atol=1e-5)


def test_pending_places_leave_no_doubt_and_move_no_mean() -> None:
    """The mean is what it was everywhere, the variance is none there and nowhere larger."""
    rng = np.random.default_rng(2)
    surface = posterior_of(rng.random((8, 2)), rng.standard_normal(8))
    pending, anywhere = rng.random((3, 2)), rng.random((50, 2))
    awaiting = Awaiting.on(surface, pending)
    np.testing.assert_allclose(awaiting.predict(anywhere)[0], surface.predict(anywhere)[0], atol=1e-8)
    assert (awaiting.predict(anywhere)[1] <= surface.predict(anywhere)[1] + 1e-9).all()
    assert (awaiting.predict(pending)[1] < 1e-5).all()


def bowl(row: dict[str, float], at: tuple[float, float]) -> float:
    """A bowl with its minimum somewhere."""
    return (row["x"] - at[0]) ** 2 + (row["y"] - at[1]) ** 2


def tasks(centres: list[tuple[float, float]]) -> Corpus:
    """One task for each centre."""
    made = []
    for number, at in enumerate(centres):
        rows = SPACE.sample(np.random.default_rng(number), 30)
        made.append(CorpusTask(f"t{number}", SPACE, rows, [100.0 * bowl(row, at) for row in rows]))
    return Corpus(made)


def test_the_task_that_is_like_the_new_one_gets_the_say() -> None:
    """Of one like it and seven unlike it, with few trials; and with unlike ones alone the new task's own model."""
    rows = SPACE.sample(np.random.default_rng(50), 6)
    history = make_history(SPACE, [(row, bowl(row, (0.7, 0.3))) for row in rows])
    far = [(0.1, 0.9), (0.0, 0.0), (0.2, 0.8), (0.1, 0.6), (0.0, 1.0), (0.3, 0.9), (0.1, 0.8)]
    for corpus, like in ((tasks([(0.7, 0.3), *far]), True), (tasks(far), False)):
        tuner = RankingWeighted(corpus)
        view = View.of(history)
        own = tuner._own(view)
        assert own is not None
        weights = _weights(view, task_models(corpus.on(SPACE)), own, np.random.default_rng(0))
        assert abs(weights.sum() - 1.0) < 1e-12
        assert weights[0 if like else -1] > 0.6, weights
    (found,) = RankingWeighted(tasks([(0.7, 0.3), *far])).ask(history, 1, Key(0, 6, "ask"))
    assert bowl(found.params, (0.7, 0.3)) < 0.02
    assert "t0" in found.why


def test_without_trials_all_past_tasks_weigh_the_same() -> None:
    """And the first proposal is good for their mean."""
    corpus = tasks([(0.6, 0.4), (0.8, 0.2), (0.7, 0.3)])
    (found,) = RankingWeighted(corpus).ask(make_history(SPACE), 1, Key(0, 0, "ask"))
    assert bowl(found.params, (0.7, 0.3)) < 0.02
    assert "3 past tasks alike" in found.why


def test_models_read_a_bounded_part_of_a_task() -> None:
    """Of 1,000 trials 200, the best among them."""
    rows = SPACE.sample(np.random.default_rng(0), 1000)
    losses = np.array([bowl(row, (0.5, 0.5)) for row in rows])
    (model,) = task_models(Corpus([CorpusTask("t", SPACE, rows, losses)]).on(SPACE))
    assert len(model.raw) == 200
    np.testing.assert_array_equal(model.raw[:100], SPACE.encode_many([rows[k] for k in np.argsort(losses)[:100]]))
    evidence = gather(make_history(SPACE), told_numbers(make_history(SPACE)))
    assert not len(evidence.losses)
