"""A small neural network that reads handwritten digits: the workload of `trimtab demo`.

What: scikit-learn's `MLPClassifier`, trained for a fixed number of epochs by mini-batches.
Data: the 1,797 images of 8 x 8 pixels that scikit-learn bundles (`sklearn.datasets.load_digits`), the
    test part of the "Optical Recognition of Handwritten Digits" data of E. Alpaydin and C. Kaynak (UCI
    Machine Learning Repository, 1998, doi:10.24432/C50P49). No download.
Licence: of the data CC BY 4.0.
Split: 797 images to train on, 500 to validate, 500 to test, stratified by digit, with a fixed seed. Tuning
    sees the first two; `held_out_losses` alone looks at the test images.
Metric: error, the share of validation images that are read wrongly; with the 0/1 loss of each image.
Cost: seconds of training.
Curve: the validation error after every epoch.
Known values: mean validation error over five seeds (standard deviation between seeds in brackets): the
    defaults 0.062 (0.004); the same with a width of 256, a learning rate of 0.002 and batches of 32,
    0.022 (0.002); two and three such layers at a rate of 0.001, 0.023 (0.005) and 0.021 (0.005).
Space: eight settings that always count (network, batches, penalty, scaling, solver), and those of the
    solver in use. The defaults are scikit-learn's, so but for the number of epochs
    `SPACE.default_params()` is `MLPClassifier()` as it comes; its batch size "auto" stands for 200 here.
"""

from __future__ import annotations

import functools
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import TrialPruned
from trimtab.base.lazy import need
from trimtab.base.records import Direction, Observation, Params, ParamValue
from trimtab.space import Bool, Categorical, Choice, Float, Int, Space

__all__ = ["EPOCHS", "OBJECTIVES", "SPACE", "Digits", "RunningTrial", "held_out_losses", "load_digits", "objective"]

EPOCHS = 40
"""Passes over the training images; the same for every configuration."""

OBJECTIVES: dict[str, Direction] = {"error": "minimize"}

SPACE = Space(
    learning_rate=Float(2e-4, 5e-2, log=True, default=1e-3),
    alpha=Float(1e-6, 1e-1, log=True, default=1e-4),
    layers=Int(1, 3, default=1),
    width=Int(32, 256, log=True, default=100),
    activation=Categorical(["relu", "tanh", "logistic"]),
    batch_size=Int(32, 256, log=True, default=200),
    scaling=Categorical(["none", "unit", "standard"]),
    solver=Choice(
        {
            "adam": Space(beta_1=Float(0.8, 0.98, default=0.9), beta_2=Float(0.98, 0.9999, default=0.999)),
            "sgd": Space(momentum=Float(0.5, 0.98, default=0.9), nesterov=Bool(default=True)),
        }
    ),
)

_SEED = 20_240_601
_HELD_OUT = 500


class RunningTrial(Protocol):
    """What the objective asks of a trial."""

    @property
    def params(self) -> Mapping[str, ParamValue]:
        """The configuration."""
        ...

    @property
    def seed(self) -> int:
        """A seed for the training."""
        ...

    def report(self, value: float, step: float) -> None:
        """Tell one point of the curve."""
        ...

    def should_prune(self) -> bool:
        """Whether to give up."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """The images, split.

    Arguments:
        train, valid, test: images, shape (n, 64), float64, 0 (white) to 16 (black).
        train_labels, valid_labels, test_labels: digits, shape (n,).
    """

    train: NDArray[np.float64]
    valid: NDArray[np.float64]
    test: NDArray[np.float64]
    train_labels: NDArray[np.int64]
    valid_labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]


@functools.cache
def load_digits() -> Digits:
    """The images in their fixed split.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    datasets = need("sklearn.datasets", "sklearn", "the digits workload")
    split = need("sklearn.model_selection", "sklearn", "the digits workload").train_test_split
    images, labels = datasets.load_digits(return_X_y=True)
    known, test, known_labels, test_labels = split(
        images, labels, test_size=_HELD_OUT, stratify=labels, random_state=_SEED
    )
    train, valid, train_labels, valid_labels = split(
        known, known_labels, test_size=_HELD_OUT, stratify=known_labels, random_state=_SEED
    )
    return Digits(train, valid, test, train_labels, valid_labels, test_labels)


def objective(trial: RunningTrial) -> Observation:
    """Train once; the validation error, the loss of each validation image, and the seconds it took.

    Raises:
        TrialPruned: the trial was given up.
        MissingExtra: scikit-learn is not installed.
    """
    data = load_digits()
    training = _Training(trial.params, trial.seed, data)
    start = time.perf_counter()
    losses = np.ones(len(data.valid))
    for epoch in range(1, EPOCHS + 1):
        if not training.run_epoch():
            return Observation({"error": math.nan}, cost=time.perf_counter() - start)
        losses = training.losses(data.valid, data.valid_labels)
        trial.report(float(losses.mean()), step=epoch)
        if trial.should_prune():
            raise TrialPruned
    return Observation({"error": float(losses.mean())}, losses=losses, cost=time.perf_counter() - start)


def held_out_losses(params: Params, seed: int = 0) -> NDArray[np.float64]:
    """Train once and read the test images: 1.0 for each that is read wrongly, shape (500,).

    Not for tuning: whoever chooses by these numbers has no test images left. A training that
    diverges reads nothing rightly.
    """
    data = load_digits()
    training = _Training(params, seed, data)
    if not all(training.run_epoch() for _ in range(EPOCHS)):
        return np.ones(len(data.test))
    return training.losses(data.test, data.test_labels)


class _Training:
    """One network on its way through the epochs."""

    def __init__(self, params: Params, seed: int, data: Digits) -> None:
        self._network = _network(params, seed)
        self._scale = _scaler(params["scaling"], data.train)
        self._images, self._labels = self._scale(data.train), data.train_labels
        self._digits = np.unique(data.train_labels)

    def run_epoch(self) -> bool:
        """Go through the training images once; False where the weights diverged."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # of overflow, on the way to divergence
            try:
                self._network.partial_fit(self._images, self._labels, classes=self._digits)
            except ValueError as error:
                if "non-finite" not in str(error):
                    raise
                return False
        return True

    def losses(self, images: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """1.0 for each image, shape (n, 64), that is read wrongly, else 0.0; shape (n,)."""
        wrong: NDArray[np.bool_] = self._network.predict(self._scale(images)) != labels
        return wrong.astype(np.float64)


def _scaler(name: ParamValue, train: NDArray[np.float64]) -> Any:
    """A function of images, shape (n, 64): none; to [0, 1]; or to mean 0 and standard deviation 1 a pixel."""
    if name == "none":
        return lambda images: images
    if name == "unit":
        return lambda images: images / 16.0
    mean, spread = train.mean(axis=0), train.std(axis=0)
    return lambda images: (images - mean) / np.where(spread > 0.0, spread, 1.0)


def _network(params: Params, seed: int) -> Any:
    """The untrained classifier of a configuration."""
    classifier = need("sklearn.neural_network", "sklearn", "the digits workload").MLPClassifier
    solver = str(params["solver"])
    nested = {name.rpartition(".")[2]: value for name, value in params.items() if name.startswith(f"solver.{solver}.")}
    if solver == "sgd":
        nested = {"momentum": nested["momentum"], "nesterovs_momentum": nested["nesterov"]}
    return classifier(
        hidden_layer_sizes=(params["width"],) * int(params["layers"] or 1),
        activation=params["activation"],
        solver=solver,
        alpha=params["alpha"],
        batch_size=params["batch_size"],
        learning_rate_init=params["learning_rate"],
        random_state=seed,
        **nested,
    )
