"""Training and validation examples: checked, copied, and dealt into folds.

Arrays are copied and made read-only, so that a task stays what it was when it was made. Labels become their numbers
in the sorted list of classes. In stratified folds each class is spread as evenly as the counts allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message

__all__ = ["Data", "Split", "encoded", "k_folds", "splits_of"]

Array = NDArray[np.float64]

Data: TypeAlias = tuple[ArrayLike, ArrayLike]
"""Features, shape (n, d), and targets or labels, shape (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What a model is fitted to and what it is judged by. Read-only arrays.

    Arguments:
        features: to train on, shape (n, d).
        targets: numbers, or classes by number, shape (n,).
        held_features: to validate on, shape (m, d).
        held_targets: shape (m,).
    """

    features: Array
    targets: Array
    held_features: Array
    held_targets: Array


def splits_of(
    train: Data | None, validation: Data | None, folds: Sequence[tuple[Data, Data]] | None, *, labels: bool
) -> tuple[tuple[Split, ...], NDArray[Any] | None]:
    """The splits of a task, and its classes in order where the targets are labels.

    Raises:
        InvalidArgument: neither or both of (train, validation) and folds; arrays of wrong shapes or with nan;
            labels of a single class, or a fold that lacks one.
    """
    if (train is None) != (validation is None) or (train is None) == (folds is None):
        raise InvalidArgument(
            message(
                "which examples to train on and which to validate on is not clear",
                allowed="either train=(X, y) with validation=(X, y), or folds=[((X, y), (X, y)), ...]",
                do="pass one of the two, or make folds with from_data(X, y)",
            )
        )
    pairs = [(train, validation)] if folds is None else list(folds)
    if not pairs:
        raise InvalidArgument(message("folds must not be empty", got=pairs, allowed="one pair or more"))
    splits, raw = [], []
    for number, pair in enumerate(pairs):
        where = "" if folds is None else f" of fold {number}"
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidArgument(message(f"fold {number} must be a pair", got=pair, allowed="((X, y), (X, y))"))
        (x, y), (held_x, held_y) = (_pair(part, f"{side}{where}") for part, side in zip(pair, _SIDES, strict=True))
        splits.append(Split(x, np.zeros(len(x)), held_x, np.zeros(len(held_x))))
        raw.append((y, held_y, where))
    widths = sorted({x.shape[1] for split in splits for x in (split.features, split.held_features)})
    if len(widths) > 1:
        raise InvalidArgument(
            message("every X must have the same columns", got=widths, allowed="one number of columns throughout")
        )
    if labels:
        return _with_labels(splits, raw)
    made = [
        replace(split, targets=_real(y, f"train{where}"), held_targets=_real(held_y, f"validation{where}"))
        for split, (y, held_y, where) in zip(splits, raw, strict=True)
    ]
    return tuple(made), None


def encoded(y: ArrayLike, classes: NDArray[Any], where: str) -> Array:
    """The number of each label among the classes, read-only, shape (n,).

    Raises:
        InvalidArgument: a label that is no class.
    """
    given = np.asarray(y)
    strange = np.setdiff1d(given, classes)
    if strange.size:
        raise InvalidArgument(
            message(
                f"y of {where} has classes that the training examples lack",
                got=strange.tolist(),
                allowed=f"the classes {classes.tolist()}",
                do="stratify the split, as from_data(X, y) does",
            )
        )
    return _frozen(np.searchsorted(classes, given).astype(np.float64))


def k_folds(x: ArrayLike, y: ArrayLike, folds: int, seed: int, *, stratified: bool) -> list[tuple[Data, Data]]:
    """The examples dealt at random into `folds` parts, each of which is held out once.

    Arguments:
        x, y: all examples, shapes (n, d) and (n,).
        folds: how many, 2 to n; where labels are stratified, at most the size of the smallest class.
        seed: of the shuffle.
        stratified: whether to spread each label evenly.

    Raises:
        InvalidArgument: folds that are too few or too many, or x and y of wrong shapes.
    """
    features, targets = _pair((x, y), "data")
    check_count(folds, "folds", least=2)
    most = min(int((targets == label).sum()) for label in _classes(targets)) if stratified else len(features)
    if folds > most:
        what = "the size of the smallest class" if stratified else "one example each"
        raise InvalidArgument(
            message("more folds than there are examples for", got=folds, allowed=f"2 to {most}: {what}")
        )
    order = np.random.default_rng(seed).permutation(len(features))
    if stratified:
        # Dealing the shuffled examples class by class gives each fold its share of every class.
        order = order[np.argsort(targets[order], kind="stable")]
    fold = np.empty(len(features), dtype=np.intp)
    fold[order] = np.arange(len(features)) % folds
    return [
        ((features[fold != number], targets[fold != number]), (features[fold == number], targets[fold == number]))
        for number in range(folds)
    ]


_SIDES = ("train", "validation")


def _pair(data: object, where: str) -> tuple[Array, NDArray[Any]]:
    """Finite features, shape (n, d), read-only, and raw targets, shape (n,)."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InvalidArgument(message(f"{where} must be a pair", got=type(data).__name__, allowed="(X, y)"))
    features = _matrix(data[0], where)
    targets = np.asarray(data[1])
    if targets.shape != (len(features),):
        raise InvalidArgument(
            message(
                f"y of {where} must have one entry for each row of X",
                got=targets.shape,
                allowed=f"shape ({len(features)},): X has {len(features)} rows",
            )
        )
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise _not_finite("y", where, np.isfinite(targets))
    return features, targets


def _matrix(x: Any, where: str) -> Array:
    """Finite features, shape (n, d), read-only."""
    try:
        features = np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            message(
                f"X of {where} must be numbers ({error})",
                got=type(x).__name__,
                allowed="an array of shape (n, d)",
                do="encode texts as numbers first, and make a sparse matrix dense with .toarray()",
            )
        ) from None
    if features.ndim != 2 or 0 in features.shape:
        raise InvalidArgument(
            message(f"X of {where} must be a matrix", got=features.shape, allowed="shape (n, d), n >= 1, d >= 1")
        )
    fine = np.isfinite(features)
    if not fine.all():
        raise _not_finite("X", where, fine)
    return _frozen(features)


def _real(y: NDArray[Any], where: str) -> Array:
    """Targets as read-only numbers, shape (n,)."""
    if y.dtype.kind not in "fiub":
        raise InvalidArgument(message(f"y of {where} must be real numbers", got=y.dtype, allowed="shape (n,)"))
    return _frozen(y.astype(np.float64))


def _not_finite(what: str, where: str, fine: NDArray[np.bool_]) -> InvalidArgument:
    """The error for nan and infinities, which says where they are."""
    rows = np.unique(np.nonzero(~fine)[0])
    return InvalidArgument(
        message(
            f"{what} of {where} has {len(rows)} rows with nan or infinities, the first at row {rows[0]}",
            allowed="finite numbers",
            do="fill the gaps or drop the rows",
        )
    )


def _with_labels(
    splits: list[Split], raw: list[tuple[NDArray[Any], NDArray[Any], str]]
) -> tuple[tuple[Split, ...], NDArray[Any]]:
    """Splits whose targets are classes by number, and the classes."""
    classes = _classes(np.concatenate([y for y, _, _ in raw]))
    made = []
    for split, (y, held_y, where) in zip(splits, raw, strict=True):
        present = np.unique(y)
        if len(present) < 2 or len(present) < len(classes):
            raise InvalidArgument(
                message(
                    f"y of train{where} has {'a single class' if len(present) < 2 else 'too few classes'}",
                    got=present.tolist(),
                    allowed="two classes or more, and all of them in every fold",
                    do="stratify the split, as from_data(X, y) does",
                )
            )
        targets = encoded(y, classes, f"train{where}")
        made.append(replace(split, targets=targets, held_targets=encoded(held_y, classes, f"validation{where}")))
    return tuple(made), classes


def _classes(labels: NDArray[Any]) -> NDArray[Any]:
    """The different labels in order."""
    try:
        return np.unique(labels)
    except TypeError as error:
        raise InvalidArgument(
            message(f"labels must all be of one kind ({error})", allowed="all numbers, or all texts")
        ) from None


def _frozen(array: Array) -> Array:
    """The array, read-only."""
    array.flags.writeable = False
    return array
