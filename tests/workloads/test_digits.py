"""The digits workload: its defaults, its split, its curve, and what it does where training goes wrong."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from trimtab.base.errors import MissingExtra, TrialPruned
from trimtab.base.records import Params
from trimtab.workloads.images import digits

pytest.importorskip("sklearn")


@dataclass
class Trial:
    """What the objective asks of a trial, without a study."""

    params: Params
    seed: int = 0
    stop_after: int = 1000
    curve: list[tuple[float, float]] = field(default_factory=list)

    def report(self, value: float, step: float) -> None:
        self.curve.append((step, value))

    def should_prune(self) -> bool:
        return len(self.curve) >= self.stop_after


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Trainings of a few epochs."""
    monkeypatch.setattr(digits, "EPOCHS", 3)
    return 3


def params(**changes: object) -> Params:
    return digits.SPACE.complete(changes, digits.SPACE.default_params())  # type: ignore[arg-type]


def test_the_defaults_are_those_of_the_library() -> None:
    from sklearn.neural_network import MLPClassifier

    ours = digits._network(digits.SPACE.default_params(), 0).get_params()
    theirs = MLPClassifier(random_state=0).get_params()
    assert min(200, len(digits.load_digits().train)) == ours.pop("batch_size"), "what 'auto' stands for"
    assert theirs.pop("batch_size") == "auto"
    assert ours == theirs
    sgd = digits._network(params(solver="sgd"), 0).get_params()
    assert {k: v for k, v in sgd.items() if theirs.get(k, v) != v} == {"solver": "sgd"}


def test_the_split_gives_every_image_to_one_part() -> None:
    from sklearn.datasets import load_digits

    data = digits.load_digits()
    assert (len(data.train), len(data.valid), len(data.test)) == (797, 500, 500)
    images, labels = load_digits(return_X_y=True)
    whole = np.column_stack([images, labels])
    ours = np.column_stack(
        [
            np.concatenate([data.train, data.valid, data.test]),
            np.concatenate([data.train_labels, data.valid_labels, data.test_labels]),
        ]
    )
    assert np.array_equal(whole[np.lexsort(whole.T)], ours[np.lexsort(ours.T)])
    for part in (data.train_labels, data.valid_labels, data.test_labels):
        assert np.abs(np.bincount(part) / len(part) - np.bincount(labels) / len(labels)).max() < 0.002


def test_an_observation_and_its_curve(short: int) -> None:
    trial = Trial(digits.SPACE.default_params())
    seen = digits.objective(trial)
    assert [step for step, _ in trial.curve] == [1, 2, 3]
    assert seen.losses is not None
    assert set(np.unique(seen.losses)) <= {0.0, 1.0}
    assert len(seen.losses) == 500
    assert seen.values == {"error": seen.losses.mean()}
    assert trial.curve[-1][1] == seen.values["error"]
    assert seen.cost is not None
    assert seen.cost > 0
    assert set(seen.values) == set(digits.OBJECTIVES)


def test_the_seed_decides(short: int) -> None:
    first, same, other = (digits.objective(Trial(digits.SPACE.default_params(), seed)) for seed in (1, 1, 2))
    assert first.replace(cost=None) == same.replace(cost=None)
    assert not np.array_equal(first.losses, other.losses)


def test_tuning_never_sees_the_test_images(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digits.objective(Trial(digits.SPACE.default_params()))
    data = digits.load_digits()
    garbage = replace(data, test=np.full_like(data.test, np.nan), test_labels=data.test_labels[::-1])
    monkeypatch.setattr(digits, "load_digits", lambda: garbage)
    assert digits.objective(Trial(digits.SPACE.default_params())).replace(cost=None) == before.replace(cost=None)


def test_a_trial_that_is_given_up_stops_at_once(short: int) -> None:
    trial = Trial(digits.SPACE.default_params(), stop_after=2)
    with pytest.raises(TrialPruned):
        digits.objective(trial)
    assert len(trial.curve) == 2


def test_a_training_that_diverges_is_told_as_such(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hopeless = params(solver="sgd", learning_rate=0.05, layers=3, activation="relu", scaling="none")
    monkeypatch.setattr(digits, "_scaler", lambda name, train: lambda images: images * 1e80)
    trial = Trial(hopeless)
    assert math.isnan(digits.objective(trial).values["error"])
    assert digits.held_out_losses(hopeless).tolist() == [1.0] * 500


def test_every_branch_of_the_space_trains(short: int) -> None:
    rng = np.random.default_rng(0)
    for solver in ("adam", "sgd"):
        for scaling in ("none", "unit", "standard"):
            drawn = digits.SPACE.complete({"solver": solver, "scaling": scaling}, digits.SPACE.sample(rng)[0])
            assert 0.0 <= digits.objective(Trial(drawn)).values["error"] <= 1.0


def test_held_out_losses_are_one_an_image(short: int) -> None:
    losses = digits.held_out_losses(digits.SPACE.default_params())
    assert losses.shape == (500,)
    assert set(np.unique(losses)) == {0.0, 1.0}


def test_scaling_is_learnt_from_the_training_images_alone() -> None:
    data = digits.load_digits()
    scale = digits._scaler("standard", data.train)
    seen = scale(data.train)
    used = data.train.std(axis=0) > 0
    assert np.allclose(seen[:, used].mean(axis=0), 0.0)
    assert np.allclose(seen[:, used].std(axis=0), 1.0)
    assert np.isfinite(scale(data.valid)).all()


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    digits.load_digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'trimtab\[sklearn\]'"):
        digits.load_digits()
