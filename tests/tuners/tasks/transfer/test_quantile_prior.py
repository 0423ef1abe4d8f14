"""Normal scores, the prior that pooled tasks teach, and what the new task's trials make of it."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask, QuantilePrior
from trimtab.tuners.tasks.transfer.normal_scores import normal_scores
from trimtab.tuners.tasks.transfer.quantile_prior import SPREAD, _residual, _Updated, score_prior

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.data())
def test_scores_depend_on_the_order_alone(values: list[int], data: st.DataObject) -> None:
    """Any increasing change of the losses leaves them; ties are equal, failures worst, the mean is none."""
    losses = np.array(values, dtype=float)
    scores = normal_scores(losses)
    np.testing.assert_array_equal(scores, normal_scores(np.exp(losses) * 1e5 - 3.0))
    np.testing.assert_allclose(norm.cdf(scores) * len(losses), rankdata(losses) - 0.5, atol=1e-9)
    failed = data.draw(st.integers(0, len(values) - 1))
    losses[failed] = np.nan
    assert normal_scores(losses)[failed] >= normal_scores(losses).max()


@cache
def corpus(trials: int = 60, noise: float = 0.02) -> Corpus:
    """Bowls around (0.7, 0.3), on scales of their own."""
    tasks = []
    for number in range(6):
        rng = np.random.default_rng(number)
        rows = SPACE.sample(rng, trials)
        losses = [(float(r["x"]) - 0.7) ** 2 + (float(r["y"]) - 0.3) ** 2 + noise * rng.standard_normal() for r in rows]
        tasks.append(CorpusTask(f"t{number}", SPACE, rows, (7.0 + np.array(losses)) * 10.0**number))
    return Corpus(tasks)


def test_the_prior_knows_what_is_good_in_general_and_where_tasks_disagree() -> None:
    """All like small y; each likes or dislikes large x in its own way. The deviation stays within its bounds."""
    tasks = []
    for number, tilt in enumerate([-1.0, 1.0, -0.5, 0.5, 1.0, -1.0]):
        rows = SPACE.sample(np.random.default_rng(number), 80)
        losses = [float(r["y"]) + tilt * (float(r["x"]) > 0.6) for r in rows]
        tasks.append(CorpusTask(f"t{number}", SPACE, rows, losses))
    prior = score_prior(Corpus(tasks).on(SPACE))
    assert prior is not None
    assert prior.at(np.array([[0.2, 0.05]]))[0][0] + 0.5 < prior.at(np.array([[0.2, 0.95]]))[0][0]
    anywhere = np.random.default_rng(0).random((200, 2))
    deviation = prior.at(anywhere)[1]
    assert (deviation >= SPREAD[0]).all()
    assert (deviation <= SPREAD[1]).all()
    assert deviation[anywhere[:, 0] > 0.75].mean() > 1.2 * deviation[anywhere[:, 0] < 0.4].mean()
    assert score_prior(Corpus().on(SPACE)) is None


def test_derivatives_are_those_of_finite_differences() -> None:
    """Of the prior, and of the prior with residuals."""
    prior = score_prior(corpus().on(SPACE))
    assert prior is not None
    rng = np.random.default_rng(1)
    told = rng.random((8, 2))
    surface, shift, scale = _residual(SPACE, prior, told, normal_scores(rng.standard_normal(8)))
    unit = rng.random((6, 2)) * 0.98 + 0.01
    for model in (_Updated(prior), _Updated(prior, surface, shift, scale)):
        mean, variance, by_mean, by_variance = model.predict_with_gradient(unit)
        np.testing.assert_allclose((mean, variance), model.predict(unit))
        for axis in range(2):
            step = np.zeros(2)
            step[axis] = 1e-6
            above, below = model.predict(unit + step), model.predict(unit - step)
            np.testing.assert_allclose(by_mean[:, axis], (above[0] - below[0]) / 2e-6, atol=1e-4)
            np.testing.assert_allclose(by_variance[:, axis], (above[1] - below[1]) / 2e-6, atol=1e-4)


def test_residuals_without_a_prior_are_a_plain_process() -> None:
    """Where the scores are the prior's mean, nothing is added to it; its scale is not made of rounding."""
    prior = score_prior(corpus().on(SPACE))
    assert prior is not None
    told = np.random.default_rng(2).random((6, 2))
    mean, _ = prior.at(told)
    surface, shift, scale = _residual(SPACE, prior, told, mean)
    model = _Updated(prior, surface, shift, scale)
    anywhere = np.random.default_rng(3).random((50, 2))
    np.testing.assert_allclose(model.predict(anywhere)[0], prior.at(anywhere)[0], atol=1e-9)


def test_it_begins_at_the_priors_best_and_leaves_it_when_trials_say_so() -> None:
    """The first proposal is near the common optimum; once trials elsewhere are better, later ones are there."""
    tuner = QuantilePrior(corpus())
    (first,) = tuner.ask(make_history(SPACE), 1, Key(0, 0, "ask"))
    assert abs(float(first.params["x"]) - 0.7) < 0.15
    assert abs(float(first.params["y"]) - 0.3) < 0.15
    rows = SPACE.sample(np.random.default_rng(5), 20)
    told = [(row, abs(float(row["x"]) - 0.1) + abs(float(row["y"]) - 0.9)) for row in rows]
    for number in range(20, 26):
        (found,) = tuner.ask(make_history(SPACE, told), 1, Key(0, number, "ask"))
        told.append((found.params, abs(found.params["x"] - 0.1) + abs(found.params["y"] - 0.9)))
    assert min(value for _, value in told[20:]) < 0.1
