"""A greedy portfolio against the best one there is, and what its guarantee says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from trimtab.base.errors import InvalidArgument
from trimtab.space import Float, Space
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask, DefaultPortfolio
from trimtab.tuners.tasks.transfer.default_portfolio import greedy, portfolio_loss
from trimtab.tuners.tasks.transfer.task_models import task_models

SPACE = Space(x=Float(0.0, 1.0))


def tables() -> st.SearchStrategy[np.ndarray]:
    """Losses of up to 4 tasks and 6 configurations, with ties."""
    entry = st.integers(0, 8).map(lambda k: k / 8)
    return st.integers(1, 6).flatmap(
        lambda m: st.lists(st.lists(entry, min_size=m, max_size=m), min_size=1, max_size=4).map(np.array)
    )


@settings(max_examples=60, deadline=None)
@given(table=tables(), size=st.integers(1, 4))
def test_greedy_is_within_its_share_of_the_best_portfolio(table: np.ndarray, size: int) -> None:
    """At least 1 - (1 - 1/k)^k of the benefit of the best k, found by trying all."""
    members = greedy(table, size)
    best = min(
        portfolio_loss(table, list(chosen))
        for chosen in itertools.combinations(range(table.shape[1]), min(size, table.shape[1]))
    )
    share = 1.0 - (1.0 - 1.0 / size) ** size
    assert 1.0 - portfolio_loss(table, members) >= share * (1.0 - best) - 1e-12
    assert len(set(members)) == len(members) <= size


@settings(max_examples=60, deadline=None)
@given(table=tables(), data=st.data())
def test_the_benefit_is_submodular(table: np.ndarray, data: st.DataObject) -> None:
    """What a configuration adds to a portfolio is no less than what it adds to a larger one."""
    columns = list(range(table.shape[1]))
    small = data.draw(st.lists(st.sampled_from(columns), unique=True))
    large = small + data.draw(st.lists(st.sampled_from(columns), unique=True))
    one = data.draw(st.sampled_from(columns))
    gain_small = portfolio_loss(table, small) - portfolio_loss(table, [*small, one])
    gain_large = portfolio_loss(table, large) - portfolio_loss(table, [*large, one])
    assert gain_small >= gain_large - 1e-12


def test_members_complement_one_another() -> None:
    """The first serves most tasks, the second those that the first one fails, not the runner-up."""
    table = np.array([[0.1, 0.12, 0.9], [0.1, 0.12, 0.9], [0.9, 0.88, 0.2]])
    assert greedy(table, 3)[:2] == [0, 2]
    assert greedy(table, 3) == [0, 2]


def clustered(count: int, seed: int) -> Corpus:
    """Tasks whose best lies at 0.2 or at 0.8, on scales of their own."""
    rng = np.random.default_rng(seed)
    tasks = []
    for number in range(count):
        at = 0.2 if rng.random() < 0.6 else 0.8
        x = rng.random(12)
        tasks.append(
            CorpusTask(f"t{number}", SPACE, [{"x": float(v)} for v in x], 10.0 ** rng.uniform(-3, 3) * (x - at) ** 2)
        )
    return Corpus(tasks)


def test_two_kinds_of_tasks_get_a_member_each() -> None:
    """Near either optimum, whatever the scales of the losses."""
    (first, second) = [row["x"] for row in DefaultPortfolio(clustered(8, 1), size=2).params(SPACE)]
    assert sorted(round(float(x), 1) for x in (first, second)) == [0.2, 0.8]


def test_what_is_held_out_teaches_nothing() -> None:
    """A task's loss of the portfolio without it is that of a corpus that never had it."""
    corpus = clustered(5, 3)
    losses = DefaultPortfolio(corpus, size=2).zero_shot(SPACE).losses
    rest = DefaultPortfolio(corpus.without("t2"), size=2).params(SPACE)
    whole = Corpus([task for task in corpus.tasks if task.name == "t2"])
    (model,) = task_models(whole.on(SPACE))
    mean, _ = model.surface.predict(SPACE.to_unit(SPACE.encode_many(rest)))
    assert math.isclose(losses["t2"], float(ndtr(mean).min()), rel_tol=1e-9)


def test_the_statements_hold_on_new_tasks() -> None:
    """Over corpora of exchangeable tasks: a new task's loss is rarely above `worst`, on average the expected one."""
    above, expected, fresh = 0, [], []
    rounds = 8
    for seed in range(rounds):
        corpus = clustered(7, 100 + seed)
        told = DefaultPortfolio(corpus.without("t6"), size=2).zero_shot(SPACE, seed=seed)
        new = DefaultPortfolio(corpus, size=2).zero_shot(SPACE).losses["t6"]
        expected.append(told.expected)
        fresh.append(new)
        above += new > told.worst
        assert told.confidence == 0.75
        assert told.bound <= 1.0
        assert told.bound >= told.expected - 0.2
    # A new task beyond the worst of three: one in four at most, also of a portfolio of all six; three deviations above.
    assert above <= rounds * (0.25 + 3 * math.sqrt(0.25 * 0.75 / rounds))
    # Six tasks teach about as much as the five that the estimate is about.
    deviation = math.hypot(np.std(expected), np.std(fresh)) / math.sqrt(rounds)
    assert abs(np.mean(expected) - np.mean(fresh)) <= 4 * deviation + 0.02


def test_a_guarantee_needs_tasks_to_leave_out() -> None:
    """And a level that is one, and a portfolio a size."""
    with pytest.raises(InvalidArgument, match="2 at least"):
        DefaultPortfolio(clustered(1, 0)).zero_shot(SPACE)
    with pytest.raises(InvalidArgument, match="probability"):
        DefaultPortfolio(clustered(2, 0)).zero_shot(SPACE, level=1.0)
    with pytest.raises(InvalidArgument, match="size"):
        DefaultPortfolio(clustered(2, 0), size=0)
