"""A training function in a study: its gradient is in the parameters' own units, and what has none is told."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidObservation, InvalidParams
from trimtab.tuners.gradients.bilevel import NO_GRADIENT, GradientObjective


class Trial:
    def __init__(self, **params: Any) -> None:
        self.params = params
        self.told: dict[str, Any] = {}

    def set_user_attr(self, key: str, value: Any) -> None:
        self.told[key] = value


SPACE = tt.Space(
    lr=tt.Float(1e-4, 1.0, log=True),
    decay=tt.Float(0.0, 1.0),
    coarse=tt.Float(0.0, 1.0, step=0.25),
    layers=tt.Int(1, 4),
    opt=tt.Choice({"adam": tt.Space(beta=tt.Float(0.5, 0.99)), "sgd": None}),
)
ADAM = {"lr": 0.1, "decay": 0.5, "coarse": 0.25, "layers": 3, "opt": "adam", "opt.adam.beta": 0.9}
SGD = {"lr": 0.1, "decay": 0.5, "coarse": 0.25, "layers": 3, "opt": "sgd"}


def train(h: dict[str, Any]) -> torch.Tensor:
    assert type(h["layers"]) is int
    assert type(h["coarse"]) is float
    loss: torch.Tensor = h["layers"] * h["lr"].log() ** 2 + h["decay"] ** 3
    return loss + h["opt.adam.beta"] if h["opt"] == "adam" else loss


def test_the_gradient_is_in_natural_units_for_the_active_continuous_parameters() -> None:
    trial = Trial(**ADAM)
    told = GradientObjective(SPACE, train)(trial)
    assert dict(told.gradient or {}) == pytest.approx(
        {"lr": 6 * math.log(0.1) / 0.1, "decay": 0.75, "opt.adam.beta": 1.0}
    )
    assert told.values["value"] == pytest.approx(3 * math.log(0.1) ** 2 + 0.125 + 0.9)
    assert set(GradientObjective(SPACE, train)(Trial(**SGD)).gradient or {}) == {"lr", "decay"}
    assert trial.told == {}


def test_a_parameter_that_does_not_enter_has_no_entry_and_a_note() -> None:
    trial = Trial(**SGD)
    told = GradientObjective(SPACE, lambda h: h["lr"] ** 2 + h["decay"].item())(trial)
    assert dict(told.gradient or {}) == pytest.approx({"lr": 0.2})
    assert "the loss does not depend on it" in trial.told[NO_GRADIENT]["decay"]


def test_a_derivative_that_is_not_finite_has_no_entry_and_a_note() -> None:
    trial = Trial(**{**SGD, "decay": 0.0})
    told = GradientObjective(SPACE, lambda h: h["lr"] ** 2 + h["decay"].sqrt())(trial)
    assert set(told.gradient or {}) == {"lr"}
    assert "its derivative is inf" in trial.told[NO_GRADIENT]["decay"]


def test_a_loss_that_is_not_finite_is_a_divergence() -> None:
    told = GradientObjective(SPACE, lambda h: h["lr"] * math.nan)(Trial(**SGD))
    assert not told.finite
    assert told.gradient is None


def test_a_space_without_continuous_parameters_has_no_gradient() -> None:
    told = GradientObjective(tt.Space(n=tt.Int(1, 3)), lambda h: torch.tensor(2.0) * h["n"])(Trial(n=2))
    assert told.values["value"] == 4.0
    assert told.gradient is None


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda h: float(h["lr"].detach()), "train must return a scalar tensor"),
        (lambda h: h["lr"] * torch.ones(3), r"a tensor of shape \(3,\)"),
        (lambda h: (h["lr"] + h["decay"]).detach(), r"cut off from all continuous parameters \['lr', 'decay'\]"),
    ],
)
def test_a_result_that_cannot_be_used_is_told(function: Any, text: str) -> None:
    with pytest.raises(InvalidObservation, match=text):
        GradientObjective(SPACE, function)(Trial(**SGD))


def test_other_faults_are_told() -> None:
    with pytest.raises(InvalidParams, match="lr"):
        GradientObjective(SPACE, train)(Trial(**{**SGD, "lr": 7.0}))
    with pytest.raises(InvalidArgument, match="floating point"):
        GradientObjective(SPACE, train, dtype=torch.int64)


def test_in_a_study() -> None:
    study = tt.create_study(space=SPACE, storage=None, tuner="random", seed=0)
    study.optimize(GradientObjective(SPACE, lambda h: (h["lr"] - 0.1) ** 2), n_trials=3)
    for trial in study.trials:
        assert trial.observation is not None
        assert dict(trial.observation.gradient or {}) == pytest.approx({"lr": 2 * (trial.params["lr"] - 0.1)})
        assert "decay" in trial.attributes[NO_GRADIENT]
