"""Keys: the stream is a function of its name, and different names are independent."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trimtab.base.seeds import Key, draw_seed

keys = st.builds(Key, st.integers(), st.integers(-1, 2**31), st.text())
LEVEL = 1e-4
"""Each statistical test fails a correct program with this probability; its keys are fixed."""


@given(keys)
def test_a_key_gives_the_same_stream_every_time(key):
    assert key.generator().random(3).tolist() == key.generator().random(3).tolist()
    assert key.integer() == Key(key.seed, key.trial, key.purpose).integer()
    assert 0 <= key.integer() < 2**128


@given(keys, keys)
def test_different_keys_have_different_streams(one, two):
    assert (one == two) == (one.integer() == two.integer())


def test_no_two_of_many_neighbouring_keys_collide():
    found = {
        Key(seed, trial, purpose).integer()
        for seed, trial, purpose in itertools.product(
            range(-5, 25), range(-1, 30), ("", "ask", "a", "ask/gp", "ask/gp/0")
        )
    }
    assert len(found) == 30 * 31 * 5


def test_trials_and_children_are_parts_of_the_name():
    key = Key(7, 3, "ask")
    assert key.for_trial(4) == Key(7, 4, "ask")
    assert key.child("gp") == Key(7, 3, "ask/gp")
    assert key.child("gp").child("starts") == Key(7, 3, "ask/gp/starts")
    numbers = [k.generator().random() for k in (key, key.for_trial(4), key.child("gp"), key.child("tpe"))]
    assert len(set(numbers)) == 4


def test_the_stream_of_a_key_never_changes():
    """Studies on disk are replayed with it: changing it is a change of every stored study's meaning."""
    key = Key(0, 3, "ask")
    assert key.integer() == 104369142417339604957492336478599817052
    assert key.generator().bit_generator.random_raw(2).tolist() == [17612863802980916576, 6205869415432276554]


def test_first_draws_of_neighbouring_keys_are_uniform_and_uncorrelated():
    first = np.array([Key(0, trial, "ask").generator().random(2) for trial in range(3000)])
    other = np.array([Key(1, trial, "ask").generator().random() for trial in range(3000)])
    assert stats.kstest(first[:, 0], "uniform").pvalue > LEVEL
    for pair in ((first[:-1, 0], first[1:, 0]), (first[:, 0], first[:, 1]), (first[:, 0], other)):
        assert stats.pearsonr(*pair).pvalue > LEVEL


def test_drawn_seeds_are_exact_in_json_and_differ():
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**53 for seed in seeds)
