"""Examples, folds and groups: what is refused and with which words, and how folds are dealt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.penalties import ElasticNetPenalties, KernelSvm, LogisticPenalties, RidgePenalties
from trimtab.tuners.gradients.penalties import SvmPenalties as Svm
from trimtab.tuners.gradients.penalties.folds import k_folds
from trimtab.tuners.gradients.penalties.groups import groups_of

X = np.arange(12.0).reshape(6, 2) ** 2
Y = np.arange(6.0)
LABELS = [0, 1, 0, 1, 0, 1]
HOLE = np.where(X == 9.0, np.nan, X)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: RidgePenalties(), ["which examples", "either train=(X, y)", "from_data(X, y)"]),
        (lambda: RidgePenalties((X, Y)), ["which examples"]),
        (lambda: RidgePenalties((X, Y), (X, Y), folds=[((X, Y), (X, Y))]), ["which examples"]),
        (lambda: RidgePenalties(folds=[]), ["folds must not be empty"]),
        (lambda: RidgePenalties(folds=[X]), ["fold 0 must be a pair"]),
        (lambda: RidgePenalties(X, (X, Y)), ["train must be a pair; got 'ndarray'; allowed: (X, y)"]),
        (lambda: RidgePenalties((HOLE, Y), (X, Y)), ["X of train has 1 rows with nan", "row 1", "drop the rows"]),
        (lambda: RidgePenalties((X, Y), (X, Y + np.inf)), ["y of validation has 6 rows"]),
        (lambda: RidgePenalties((X, Y[:5]), (X, Y)), ["y of train", "got (5,)", "shape (6,): X has 6 rows"]),
        (lambda: RidgePenalties((X[0], Y), (X, Y)), ["X of train must be a matrix; got (2,)"]),
        (lambda: RidgePenalties((X[:0], Y[:0]), (X, Y)), ["X of train must be a matrix; got (0, 2)"]),
        (lambda: RidgePenalties(([["a"]], [1.0]), (X, Y)), ["X of train must be numbers", "encode texts"]),
        (lambda: RidgePenalties((X, ["a"] * 6), (X, Y)), ["y of train must be real numbers"]),
        (lambda: RidgePenalties((X, Y), (X[:, :1], Y)), ["every X must have the same columns; got [1, 2]"]),
        (lambda: RidgePenalties(folds=[((X, Y), (HOLE, Y))]), ["X of validation of fold 0"]),
        (lambda: RidgePenalties((X, Y), (X, Y), groups=[0]), ["group of every feature", "shape (2,): X has 2"]),
        (lambda: RidgePenalties((X, Y), (X, Y), groups=[0, 2]), ["without holes; got [0, 2]", "return_inverse"]),
        (lambda: RidgePenalties((X, Y), (X, Y), groups=[0.5, 1]), ["groups must be whole numbers"]),
        (lambda: RidgePenalties((X, Y), (X, Y), groups="all"), ["unknown groups; got 'all'", "'each'"]),
        (lambda: RidgePenalties((X, Y), (X, Y), names=["a", "b"]), ["name each group once", "1 different"]),
        (lambda: RidgePenalties((X, Y), (X, Y), groups="each", names=["a", "a"]), ["name each group once"]),
        (lambda: RidgePenalties((X, Y), (X, Y), low=2.0, high=1.0), ["low"]),
        (lambda: LogisticPenalties((X, [1] * 6), (X, [1] * 6)), ["y of train has a single class; got [1]"]),
        (
            lambda: LogisticPenalties(folds=[((X, LABELS), (X, LABELS)), ((X, [0, 1, 2] * 2), (X, LABELS))]),
            ["y of train of fold 0 has too few classes; got [0, 1]", "stratify"],
        ),
        (lambda: LogisticPenalties((X, LABELS), (X, [7] * 6)), ["y of validation has classes", "got [7]"]),
        (lambda: LogisticPenalties((X, np.array(["a", 1] * 3, object)), (X, LABELS)), ["labels must all be of one"]),
        (lambda: Svm((X, [0, 1, 2] * 2), (X, LABELS)), ["tells two classes apart; got [0, 1, 2]", "LogisticPenalties"]),
        (lambda: KernelSvm((X, [0, 1, 2] * 2), (X, LABELS)), ["tells two classes apart"]),
        (lambda: ElasticNetPenalties((X, Y * 0.0), (X, Y)), ["no feature goes with y"]),
        (lambda: ElasticNetPenalties((X, Y), (X, Y), names=["l2"]), ["the name 'l2' is the l2 penalty's"]),
        (lambda: RidgePenalties.from_data(X, Y, folds=7), ["more folds than there are examples for; got 7", "2 to 6"]),
        (lambda: RidgePenalties.from_data(X, Y, folds=1), ["folds must be a whole number; got 1"]),
        (lambda: Svm.from_data(X, LABELS, folds=4), ["got 4", "2 to 3: the size of the smallest class"]),
    ],
)
def test_what_cannot_be_is_refused_in_words(make: Any, texts: list[str]) -> None:
    """What went wrong, what was got, what is allowed and what to do."""
    with pytest.raises(ValueError) as caught:
        make()
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize("model", [RidgePenalties, ElasticNetPenalties, LogisticPenalties, Svm])
def test_a_penalty_without_effect_is_refused(model: Any) -> None:
    """A constant column with an intercept, a column of zeros without one; told by name and number."""
    x = np.column_stack([X, np.ones(6)])
    y = LABELS if model.takes_labels else Y
    with pytest.raises(InvalidArgument) as caught:
        model((x, y), (x, y), groups="each")
    assert f"penalty '{model.stem}_2' does not matter: its features are constant" in str(caught.value)
    assert "got [2]" in str(caught.value)
    assert "drop these columns" in str(caught.value)
    model((x, y), (x, y), groups="each", intercept=False)
    model((x, y), (x, y), groups=[0, 1, 1])
    x[:, 2] = 0.0
    with pytest.raises(InvalidArgument, match="features are zero in every"):
        model((x, y), (x, y), groups="each", intercept=False)


def test_a_sparse_matrix_is_told_apart() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(InvalidArgument, match=r"\.toarray\(\)"):
        RidgePenalties((sparse.csr_matrix(X), Y), (X, Y))


@given(seed=st.integers(0, 1000), folds=st.integers(2, 6), counts=st.lists(st.integers(6, 15), min_size=2, max_size=4))
def test_folds_hold_each_example_out_once_and_spread_the_classes(seed: int, folds: int, counts: list[int]) -> None:
    """Sizes differ by one at most, of the folds and of each class in them; the same seed deals the same."""
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.arange(len(y), dtype=float)[:, None]
    dealt = k_folds(x, y, folds, seed, stratified=True)
    held = np.concatenate([np.asarray(validation[0])[:, 0] for _, validation in dealt])
    assert sorted(held) == list(range(len(y)))
    sizes = np.array([np.bincount(np.asarray(validation[1]), minlength=len(counts)) for _, validation in dealt])
    assert (np.ptp(sizes, axis=0) <= 1).all()
    assert np.ptp(sizes.sum(axis=1)) <= 1
    for train, validation in dealt:
        assert not np.isin(np.asarray(train[0]), np.asarray(validation[0])).any()
    again = k_folds(x, y, folds, seed, stratified=True)
    np.testing.assert_array_equal(again[0][1][0], dealt[0][1][0])


def test_groups_spread_and_gather() -> None:
    """Each is the other's transpose, so a derivative by penalties is the sum over their features."""
    groups = groups_of([1, 0, 1], 3, None, "penalty")
    assert groups.names == ("penalty_0", "penalty_1")
    assert groups.features(1) == [0, 2]
    np.testing.assert_array_equal(groups.spread(np.array([5.0, 7.0])), [7.0, 5.0, 7.0])
    np.testing.assert_array_equal(groups.gather(np.array([1.0, 2.0, 4.0])), [2.0, 5.0])


def test_arrays_inside_are_read_only() -> None:
    split = RidgePenalties((X, Y), (X, Y)).splits[0]
    for array in (split.features, split.targets, split.held_features, split.held_targets):
        assert not array.flags.writeable
