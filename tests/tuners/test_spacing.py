"""Global trials and local steps keep out of each other's way."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.space import Categorical, Choice, Float, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.tuners.values.spacing import BESIDE, spaced, thinned
from trimtab.tuners.values.trust_region import NAME

LINE = Space(x=Float(0.0, 1.0))
MIXED = Space(kind=Categorical(["a", "b"]), opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}))


def told(raw: list[list[float]], losses: list[float], local: str) -> Evidence:
    """Trials, of which those with an "l" were local steps."""
    names = tuple(NAME if mark == "l" else "gp" for mark in local)
    return Evidence(np.array(raw), np.array(losses), np.zeros(len(losses)), proposers=names)


def test_local_steps_beside_a_better_trial_are_left_out() -> None:
    near = 0.5 * BESIDE
    evidence = told([[0.5], [0.5 + near], [0.5 - near], [0.9], [0.5 + 3 * near]], [1.0, 2.0, 0.5, 3.0, 4.0], "gllll")
    assert thinned(evidence, LINE).losses.tolist() == [1.0, 0.5, 3.0, 4.0]


def test_of_local_steps_that_are_as_good_the_first_is_kept() -> None:
    assert thinned(told([[0.5], [0.5], [0.501]], [1.0, 1.0, 1.0], "lll"), LINE).raw.tolist() == [[0.5]]


def test_the_best_and_all_global_trials_are_kept() -> None:
    rng = np.random.default_rng(0)
    raw, losses = 0.5 + 0.01 * rng.random((30, 1)), rng.random(30)
    evidence = told(raw.tolist(), losses.tolist(), "gl" * 15)
    kept = thinned(evidence, LINE)
    assert kept.losses.min() == losses.min()
    assert np.isin(losses[::2], kept.losses).all()
    assert len(kept.losses) < 30


def test_another_category_or_branch_is_never_beside() -> None:
    evidence = told([[0, 0, 0.5], [1, 0, 0.5], [0, 1, np.nan]], [1.0, 2.0, 3.0], "lll")
    assert thinned(evidence, MIXED).losses.tolist() == [1.0, 2.0, 3.0]
    assert spaced(evidence, MIXED, np.array([[1.0, 1.0, np.nan], [0.0, 0.0, 0.5]])).tolist() == [True, False]


def test_the_distance_grows_while_nothing_gets_better() -> None:
    at = np.array([[0.5 + 1.5 * BESIDE]])
    fresh = told([[0.9], [0.5]], [2.0, 1.0], "gg")
    stale = told([[0.5], *([[0.9]] * 20)], [1.0, *([2.0] * 20)], "g" * 21)
    assert spaced(fresh, LINE, at).all()
    assert not spaced(stale, LINE, at).any()


@pytest.mark.parametrize(("ties", "free"), [(1, True), (3, False)])
def test_trials_that_share_the_best_value_are_given_a_wide_berth(ties: int, free: bool) -> None:
    evidence = told([[0.5]] * ties, [1.0] * ties, "g" * ties)
    assert spaced(evidence, LINE, np.array([[0.5 + 3 * BESIDE]])).all() == free


def test_without_any_loss_everything_is_free() -> None:
    assert spaced(told([[0.5]], [np.nan], "g"), LINE, np.array([[0.5]])).all()
