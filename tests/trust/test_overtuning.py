"""Overtuning as a diagnosis: a search made by hand, the definitions in loops, and what cannot be measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.trust.overtuning import LEAST_PROGRESS, overtuning

ERRORS = st.lists(
    st.tuples(*[st.one_of(st.integers(0, 40).map(lambda n: n / 40), st.just(math.nan), st.just(math.inf))] * 2),
    min_size=1,
    max_size=12,
)


def test_six_trials_made_by_hand() -> None:
    validation = [0.30, 0.28, 0.29, 0.25, 0.25, 0.22]
    test = [0.30, 0.27, 0.20, 0.24, 0.10, 0.28]
    found = overtuning(validation, test)
    # Trial 2 was never the best, and trial 4 only tied with it: their test errors count for the oracle alone.
    assert found.incumbents == (0, 1, 3, 5)
    assert found.chosen == 5
    assert found.overtuning == pytest.approx(0.04)
    assert found.relative == pytest.approx(0.04 / 0.06)
    assert found.optimism == pytest.approx(0.06)
    assert found.regret == pytest.approx(0.18)
    assert not found.severe
    assert "gave back 67% of the gain" in str(found)
    assert "0.06 worse on the test set than it was validated" in str(found)


def test_the_search_of_five_trials_before_it_gave_nothing_back() -> None:
    found = overtuning([0.30, 0.28, 0.29, 0.25, 0.25], [0.30, 0.27, 0.20, 0.24, 0.10])
    assert (found.overtuning, found.relative, found.chosen) == (0.0, 0.0, 3)
    assert found.optimism == pytest.approx(-0.01)
    assert "0.01 better on the test set" in str(found)


def test_a_search_that_ends_where_it_began_is_severe() -> None:
    found = overtuning([0.3, 0.2, 0.1], [0.3, 0.2, 0.35])
    assert found.severe
    assert found.relative == pytest.approx(1.5)


def test_without_progress_there_is_no_share() -> None:
    found = overtuning([0.3, 0.2], [0.3, 0.4])
    assert found.relative is None
    assert not found.severe
    assert found.overtuning == pytest.approx(0.1)
    assert str(found).startswith("No progress on the test set")
    assert overtuning([0.3, 0.2], [0.3, 0.3 - 0.9 * LEAST_PROGRESS]).relative is None
    assert overtuning([0.3], [0.4]).relative == 0.0


@given(ERRORS)
def test_it_is_what_the_definitions_say(errors: list[tuple[float, float]]) -> None:
    validation, test = zip(*errors, strict=True)
    whole = [i for i, pair in enumerate(errors) if all(map(math.isfinite, pair))]
    if not whole:
        with pytest.raises(InvalidArgument, match="no trial has a finite"):
            overtuning(validation, test)
        return
    found = overtuning(validation, test)
    incumbent = [min(whole[: t + 1], key=lambda i: (validation[i], i)) for t in range(len(whole))]
    assert list(found.incumbents) == sorted(set(incumbent))
    reached = min(test[i] for i in incumbent)
    assert found.overtuning == pytest.approx(test[incumbent[-1]] - reached)
    assert found.overtuning >= 0.0
    assert found.regret == pytest.approx(test[incumbent[-1]] - min(test[i] for i in whole))
    assert found.regret >= found.overtuning
    if found.relative is not None and len(whole) > 1:
        assert found.relative * (test[incumbent[0]] - reached) == pytest.approx(found.overtuning)


def test_errors_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="every trial needs a validation and a test error"):
        overtuning([0.1, 0.2], [0.1])
    with pytest.raises(InvalidArgument, match="every trial needs"):
        overtuning(np.zeros((2, 2)), np.zeros((2, 2)))
