"""What the papers claim, small: ridge regression, where all is known in closed form, and digits with dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.tuners.gradients.bilevel import Minibatches
from trimtab.tuners.gradients.self_tuning import (
    Coding,
    Line,
    Momentum,
    Network,
    RmsProp,
    Schedule,
    SelfTuning,
    SelfTuningLinear,
    SelfTuningProblem,
    Tuned,
    drop,
    follow,
    tune,
)

datasets = pytest.importorskip("sklearn.datasets")

RATE = Momentum(0.02, 0.0)
HYPER = RmsProp(0.02, 0.9)


class Ridge:
    """Least squares on the diabetes data with 65 quadratic features and one log penalty l, in float64."""

    def __init__(self) -> None:
        x, y = datasets.load_diabetes(return_X_y=True)
        squares = [x[:, [i]] * x[:, i:] for i in range(x.shape[1])]
        wide = np.concatenate([x, *squares], axis=1)
        order = np.random.default_rng(0).permutation(len(x))
        train, valid = order[:100], order[100:300]
        wide = (wide - wide[train].mean(0)) / wide[train].std(0)
        y = (y - y[train].mean()) / y[train].std()
        self.train = torch.tensor(wide[train]), torch.tensor(y[train])
        self.valid = torch.tensor(wide[valid]), torch.tensor(y[valid])
        self.least = min(self.loss(self.exact(penalty)[0]) for penalty in np.linspace(-4.0, 2.0, 601))

    def exact(self, penalty: float) -> tuple[Tensor, Tensor]:
        """w*(l) and dw*/dl."""
        x, y = self.train
        lhs = x.T @ x / len(x) + math.exp(penalty) * torch.eye(x.shape[1], dtype=x.dtype)
        best = torch.linalg.solve(lhs, x.T @ y / len(x))
        return best, -math.exp(penalty) * torch.linalg.solve(lhs, best)

    def loss(self, w: Tensor) -> float:
        x, y = self.valid
        return float((x @ w - y).square().mean() / 2)

    def tuned(self, method: SelfTuning, at: float, rounds: int, seed: int = 0) -> Tuned:
        """With w(z) = u + z v: the gate is held at 1."""
        module = SelfTuningLinear(65, 1, 1, bias=False).double()
        with torch.no_grad():
            module.weight.zero_()
            module.response_weight.zero_()
            module.gate.fill_(1.0).requires_grad_(False)

        def validation(network: Network, batch: Any) -> Tensor:
            return (network(batch[0])[:, 0] - batch[1]).square().mean() / 2

        def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
            return validation(network, batch) + (hyper["l"].exp() * network.square_norm()).mean() / 2

        problem = SelfTuningProblem(
            module,
            Coding({"l": Line()}),
            {"l": at},
            training,
            validation,
            lambda number: self.train,
            lambda number: self.valid,
            self.valid,
        )
        return tune(problem, method, rounds, Key(seed), every=rounds)


@pytest.fixture(scope="module")
def ridge() -> Ridge:
    return Ridge()


@pytest.mark.parametrize(("at", "seed"), [(-4.0, 0), (2.0, 1)])
def test_the_centred_form_finds_the_penalty_and_the_response(ridge: Ridge, at: float, seed: int) -> None:
    # After 50 steps only, the response may still point the wrong way, and the first steps on l are long.
    method = SelfTuning(200, scale=0.5, tune_scales=False, weights=RATE, response=RATE, hyper=HYPER)
    tuned = ridge.tuned(method, at, 400, seed)
    assert abs(tuned.schedule.rows[-1].value / ridge.least - 1.0) < 0.005
    _, slope = ridge.exact(float(tuned.state.raw))
    learned = tuned.state.parameters["response_weight"][0]
    assert float(torch.cosine_similarity(learned, slope, dim=0)) > 0.95


@pytest.mark.parametrize("at", [-4.0, 2.0])
def test_the_uncentred_form_fails_far_from_zero_at_the_same_rate(ridge: Ridge, at: float) -> None:
    tuned = ridge.tuned(SelfTuning.plain(50, training_steps=5, weights=RATE, hyper=HYPER), at, 150)
    assert tuned.diverged or tuned.schedule.rows[-1].value > 1.25 * ridge.least


class Mlp(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.first, self.second = SelfTuningLinear(64, 64, k), SelfTuningLinear(64, 10, k)

    def forward(
        self, x: Tensor, hidden: Tensor | None = None, rng: torch.Generator | None = None, z: Tensor | None = None
    ) -> Tensor:
        inner = self.first(x, z).relu()
        if hidden is not None and rng is not None:
            inner = drop(inner, hidden, rng)
        return self.second(inner, z)


def digits(seed: int, rate: float) -> SelfTuningProblem:
    """200 digits to train on, 600 to tune on, the others held out."""

    def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        return cross_entropy(network(drop(batch[0], hyper["inputs"], rng), hidden=hyper["hidden"], rng=rng), batch[1])

    def validation(network: Network, batch: Any) -> Tensor:
        return cross_entropy(network(batch[0]), batch[1])

    pixels, labels = datasets.load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16.0, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, valid, held = ((x[rows], y[rows]) for rows in (order[:200], order[200:800], order[800:]))
    coding = Coding.of(Space(inputs=Float(0.0, 0.95), hidden=Float(0.0, 0.95)))
    torch.manual_seed(seed)
    return SelfTuningProblem(
        Mlp(coding.inputs),
        coding,
        {"inputs": rate, "hidden": rate},
        training,
        validation,
        Minibatches(train, 50, seed),
        Minibatches(valid, 100, seed),
        valid,
        held,
    )


@pytest.mark.parametrize("seed", range(3))
def test_dropout_that_starts_far_too_high_is_tuned_away(seed: int) -> None:
    problem = digits(seed, 0.7)
    rule = Momentum(0.1)
    method = SelfTuning(10, training_steps=2, weights=rule, response=rule, hyper=RmsProp(0.05))
    tuned = tune(problem, method, 60, Key(seed), every=60)
    fixed = follow(problem, Schedule.constant(problem.start), 120, Key(seed), rule)
    last, other = tuned.schedule.rows[-1], fixed.schedule.rows[-1]
    assert max(last.params.values()) < 0.7
    assert last.value < 0.7 * other.value
    assert last.held_out is not None
    assert other.held_out is not None
    assert last.held_out < 0.7 * other.held_out
