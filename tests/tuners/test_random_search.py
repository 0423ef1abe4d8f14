"""Random search draws as it says: uniformly, from the priors, and without replacement from a small space."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, kstest

from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Int, Normal, Space
from trimtab.testing.histories import make_history
from trimtab.tuners.values.random_search import RandomSearch, has_priors, weighted_order

LOG = Space(x=Float(1e-4, 1.0, log=True), n=Int(1, 10_000))


def test_draws_are_uniform_on_the_scale() -> None:
    found = RandomSearch().ask(make_history(LOG), 500, Key(0, 0, "ask"))
    x = np.array([suggestion.params["x"] for suggestion in found])
    assert kstest((np.log10(x) + 4) / 4, "uniform").pvalue > 0.001
    assert found[0].why == "uniform draw"


def test_a_trial_has_the_same_draw_alone_and_in_a_batch() -> None:
    batch = RandomSearch().ask(make_history(LOG), 3, Key(0, 4, "ask"))
    assert batch[2] == RandomSearch().ask(make_history(LOG), 1, Key(0, 6, "ask"))[0]


def test_the_history_does_not_matter_in_a_large_space() -> None:
    full = make_history(LOG, [({"x": 0.1, "n": 3}, 1.0)] * 5)
    assert RandomSearch().ask(full, 1, Key(0, 5, "ask")) == RandomSearch().ask(make_history(LOG), 1, Key(0, 5, "ask"))


def test_a_share_of_the_draws_comes_from_the_prior() -> None:
    space = Space(x=Float(0.0, 1.0, prior=Normal(0.9, 0.01)))
    assert has_priors(space)
    found = RandomSearch().ask(make_history(space), 400, Key(0, 0, "ask"))
    near = sum(0.85 < float(suggestion.params["x"]) < 0.95 for suggestion in found)
    low, high = binom.interval(0.999, 400, 0.5 + 0.5 * 0.1)
    assert low <= near <= high
    none = RandomSearch(prior_share=0.0).ask(make_history(space), 200, Key(0, 0, "ask"))
    assert sum(0.85 < float(suggestion.params["x"]) < 0.95 for suggestion in none) < 50


def test_a_small_space_is_drawn_without_replacement_by_the_prior() -> None:
    space = Space(k=Categorical(list("abcdefgh"), prior=[93.0, 1, 1, 1, 1, 1, 1, 1]))
    firsts = [RandomSearch().ask(make_history(space), 1, Key(seed, 0, "ask"))[0].params["k"] for seed in range(300)]
    low, high = binom.interval(0.999, 300, 0.5 * 0.93 + 0.5 / 8)
    assert low <= firsts.count("a") <= high
    found = RandomSearch().ask(make_history(space), 20, Key(0, 0, "ask"))
    assert sorted(str(suggestion.params["k"]) for suggestion in found) == list("abcdefgh")


def test_priors_that_leave_no_weight_on_what_is_left_are_no_obstacle() -> None:
    space = Space(k=Categorical(["a", "b"], prior=[1.0, 0.0]))
    found = RandomSearch(prior_share=1.0).ask(make_history(space, [({"k": "a"}, 1.0)]), 2, Key(0, 1, "ask"))
    assert [suggestion.params for suggestion in found] == [{"k": "b"}]


def test_heavier_items_come_first_in_proportion() -> None:
    weights = np.array([0.6, 0.3, 0.1, 0.0])
    orders = np.array([weighted_order(np.random.default_rng(seed), weights) for seed in range(2000)])
    share = np.bincount(orders[:, 0], minlength=4) / 2000
    np.testing.assert_allclose(share, weights, atol=4 * np.sqrt(0.25 / 2000))
    assert (orders[:, 3] == 3).all()
