"""The magnitude-invariant code: the size of a response, and of a step on it, is the same wherever l is.

Gonzalez Ortiz, Guttag, Dalca, "Magnitude Invariant Parametrizations Improve Hypernetwork Learning", ICLR 2024.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.tuners.gradients.self_tuning import (
    Coding,
    Momentum,
    Network,
    SelfTuning,
    SelfTuningLinear,
    SelfTuningProblem,
    drop,
    tune,
)

SPACE = Space(a=Float(0.0, 1.0), b=Float(1e-6, 1.0, log=True), c=Float(-2.0, 2.0))
PLACES = ([0.0, 0.0, 0.0], [-1.0, 2.0, 0.5], [-6.0, 6.0, -6.0], [20.0, -20.0, 9.0])


def layer(coding: Coding) -> SelfTuningLinear:
    torch.manual_seed(0)
    return SelfTuningLinear(4, 7, coding.inputs, bias=False, centred=False).double()


@pytest.mark.parametrize("raw", PLACES)
@pytest.mark.parametrize("invariant", [False, True])
def test_gates_that_keep_lengths_give_a_response_of_the_length_of_what_they_read(
    raw: list[float], invariant: bool
) -> None:
    coding = Coding.of(SPACE, invariant)
    made = layer(coding)
    with torch.no_grad():
        made.gate.copy_(torch.linalg.qr(torch.randn(7, coding.inputs, dtype=torch.float64))[0])
        made.response_weight.div_(made.response_weight.norm(dim=1, keepdim=True))
    at = torch.tensor(raw, dtype=torch.float64)
    inputs = torch.eye(4, dtype=torch.float64)
    change = (made(inputs, coding.features(at)) - made(inputs)).detach()
    expected = 1.0 if invariant else math.hypot(*raw)
    assert float(change.norm()) == pytest.approx(expected)


@pytest.mark.parametrize("raw", PLACES)
@pytest.mark.parametrize("invariant", [False, True])
def test_a_step_on_the_gates_moves_the_output_by_the_square_of_that_length(raw: list[float], invariant: bool) -> None:
    coding = Coding.of(SPACE, invariant)
    made, x = layer(coding), torch.randn(1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z = coding.features(torch.tensor(raw, dtype=torch.float64))
    before = made(x, z)
    toward = torch.linspace(-1.0, 1.0, 7, dtype=torch.float64)
    (slope,) = torch.autograd.grad((before * toward).sum(), made.gate)
    after = functional_call(made, {"gate": made.gate - 0.01 * slope}, (x, z))
    unit = -0.01 * toward * (x @ made.response_weight.T).square()
    length = 1.0 if invariant else sum(number**2 for number in raw)
    torch.testing.assert_close(after - before, unit * length)


class Mlp(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.first, self.second = (SelfTuningLinear(n, m, k, centred=False) for n, m in ((20, 32), (32, 1)))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return self.second(self.first(x, z).relu(), z)[:, 0]


def regression(invariant: bool) -> SelfTuningProblem:
    """Eight dropout rates, one for each group of features, that start near zero, where l is about -5."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, 20, generator=rng)
    y = x[:, :10].sin().sum(1) / 3.0 + 0.3 * torch.randn(400, generator=rng)
    names = [f"rate{number}" for number in range(8)]
    coding = Coding.of(Space({name: Float(0.0, 0.9) for name in names}), invariant)
    torch.manual_seed(0)

    def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        rates = torch.stack([hyper[name] for name in names], dim=1).repeat_interleave(3, dim=1)[:, :20]
        dropped = drop(batch[0].reshape(-1, 1), rates.reshape(-1), rng).reshape(batch[0].shape)
        return (network(dropped) - batch[1]).square().mean()

    def validation(network: Network, batch: Any) -> Tensor:
        return (network(batch[0]) - batch[1]).square().mean()

    train, valid = (x[:200], y[:200]), (x[200:], y[200:])
    start = dict.fromkeys(names, 0.006)
    return SelfTuningProblem(
        Mlp(coding.inputs), coding, start, training, validation, lambda n: train, lambda n: valid, valid
    )


def test_a_rate_at_which_the_default_diverges_is_a_good_one() -> None:
    for rate in (0.003, 0.1):
        method = SelfTuning.plain(10, training_steps=5, weights=Momentum(rate))
        first, *_, last = tune(regression(True), method, 30, Key(0), every=10).schedule.rows
        assert last.value < 0.6 * first.value
    default = tune(regression(False), method, 30, Key(0), every=10)
    assert default.diverged or default.schedule.rows[-1].value > 2.0 * last.value
