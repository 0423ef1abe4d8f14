"""The training: what a step does, that it is a function of its state, schedules, diagnoses, and the task."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.ports import Task
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.self_tuning import (
    Adam,
    Coding,
    Momentum,
    Network,
    NotFinite,
    RmsProp,
    Row,
    Rule,
    Schedule,
    SelfTuning,
    SelfTuningLinear,
    SelfTuningProblem,
    SelfTuningTask,
    State,
    drop,
    entropy,
    evaluate,
    follow,
    perturbed,
    start,
    step,
    tune,
)

KEY = Key(3)
QUICK = SelfTuning(warm_up=2, training_steps=2)
SPACE = Space(rate=Float(0.0, 0.9), decay=Float(1e-4, 1.0, log=True))


class Small(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.line = SelfTuningLinear(3, 1, k)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return self.line(x, z)[:, 0]


def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
    x, y = batch
    return (network(drop(x, hyper["rate"], rng)) - y).square().mean() + (hyper["decay"] * network.square_norm()).mean()


def validation(network: Network, batch: Any) -> Tensor:
    x, y = batch
    return (network(x) - y).square().mean()


def small(**changes: Any) -> SelfTuningProblem:
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(1)
    x, y = torch.randn(40, 3, generator=rng), torch.randn(40, generator=rng)
    coding = Coding.of(SPACE, changes.pop("magnitude_invariant", False))
    given: dict[str, Any] = {
        "module": Small(coding.inputs),
        "coding": coding,
        "start": {"rate": 0.1, "decay": 0.01},
        "training": training,
        "validation": validation,
        "train_batch": lambda number: (x[:20], y[:20]),
        "valid_batch": lambda number: (x[20:30], y[20:30]),
        "evaluation": (x[20:30], y[20:30]),
        "held_out": (x[30:], y[30:]),
    }
    return SelfTuningProblem(**(given | changes))


def equal(one: State, two: State) -> bool:
    same = all(torch.equal(one.parameters[name], two.parameters[name]) for name in one.parameters)
    return same and torch.equal(one.raw, two.raw) and torch.equal(one.raw_scale, two.raw_scale)


@pytest.mark.parametrize(
    "method", [QUICK, SelfTuning.plain(2), replace(QUICK, linearised=False), replace(QUICK, tune_scales=False)]
)
@pytest.mark.parametrize("invariant", [False, True])
def test_a_step_is_a_function_of_its_state(method: SelfTuning, invariant: bool) -> None:
    problem = small(magnitude_invariant=invariant)
    state = first = start(problem, method)
    for _ in range(3):
        before = {name: tensor.clone() for name, tensor in state.parameters.items()}
        after = step(problem, method, state, KEY)
        assert equal(after, step(problem, method, state, KEY))
        assert all(torch.equal(before[name], state.parameters[name]) for name in before)
        state = after
    assert not torch.equal(state.raw, first.raw)
    assert torch.equal(state.raw_scale, first.raw_scale) is not method.tune_scales
    assert math.isfinite(evaluate(problem, method, state).value)


def test_nothing_is_tuned_before_the_network_is_warm() -> None:
    problem = small()
    state = step(problem, SelfTuning(warm_up=6, training_steps=3), start(problem, QUICK), KEY)
    assert (state.training_steps, state.validation_steps) == (3, 0)
    assert torch.equal(state.raw, start(problem, QUICK).raw)


def test_the_split_moves_the_weights_as_a_plain_training_does() -> None:
    problem = small()
    method = SelfTuning(warm_up=100, training_steps=4)
    tuned = step(problem, method, start(problem, method), KEY)
    plain = follow(problem, Schedule.constant(problem.coding.plain(tuned.raw)), 4, KEY).state
    for name in ("line.weight", "line.bias"):
        torch.testing.assert_close(tuned.parameters[name], plain.parameters[name])
    assert float(tuned.parameters["line.gate"].abs().max()) > 0.0
    assert float(plain.parameters["line.gate"].abs().max()) == 0.0


def test_the_entropy_has_the_gradient_of_its_formula() -> None:
    raw = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    sigma = nn.functional.softplus(raw)
    (slope,) = torch.autograd.grad(entropy(sigma), raw)
    torch.testing.assert_close(slope, torch.sigmoid(raw.detach()) / sigma.detach())
    assert float(entropy(torch.ones(1, dtype=torch.float64))) == pytest.approx(
        float(torch.distributions.Normal(0.0, 1.0).entropy())
    )


def test_where_nothing_answers_the_entropy_alone_moves_the_scales() -> None:
    problem = small()
    method = SelfTuning(warm_up=0, training_steps=1, tau=0.25, response=Momentum(1e-30), hyper=Momentum(1.0, 0.0))
    before = start(problem, method)
    after = step(problem, method, before, KEY)
    slope = torch.sigmoid(before.raw_scale) / before.scale
    torch.testing.assert_close(after.raw_scale, before.raw_scale + 0.25 * slope)
    torch.testing.assert_close(after.raw, before.raw)


def test_a_shared_hyperparameter_has_one_perturbation_for_a_batch() -> None:
    problem = small(shared=("decay",))
    state = start(problem, QUICK)
    moved = perturbed(problem, state.raw, state.scale, 50, torch.Generator().manual_seed(0))
    assert len(moved[:, 0].unique()) == 50
    assert len(moved[:, 1].unique()) == 1


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        (Momentum(0.1, 0.9), lambda x: torch.optim.SGD([x], 0.1, 0.9)),
        (RmsProp(0.1), lambda x: torch.optim.RMSprop([x], 0.1)),
        (Adam(0.1), lambda x: torch.optim.Adam([x], 0.1)),
    ],
)
def test_rules_are_those_of_torch(rule: Rule, peer: Any) -> None:
    x = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    tensors, memory = {"x": x.detach().clone()}, {}
    other = peer(x)
    for _ in range(5):
        tensors, memory = rule.update(tensors, {"x": tensors["x"] ** 3}, memory)
        x.grad = x.detach() ** 3
        other.step()
    torch.testing.assert_close(tensors["x"], x.detach())


def test_a_schedule_goes_through_json_and_can_be_followed() -> None:
    problem = small()
    tuned = tune(problem, QUICK, 6, KEY, every=2)
    assert [row.step for row in tuned.schedule.rows] == [0, 4, 8, 12]
    assert not tuned.diverged
    assert tuned.schedule.rows[-1].held_out is not None
    back = Schedule.from_json(json.loads(json.dumps(tuned.schedule.to_json())))
    assert back == tuned.schedule
    assert back.at(7) == back.rows[1].params
    replayed = follow(problem, back, 12, KEY, every=4)
    assert [dict(row.params) for row in replayed.schedule.rows[1:]] == [back.at(step) for step in (3, 7, 11)]
    assert math.isfinite(replayed.schedule.best().value)


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="these rows are no schedule"):
        Schedule((Row(1, {"a": 1.0}, 0.0), Row(1, {"a": 1.0}, 0.0)))
    with pytest.raises(InvalidArgument, match=r"this is no schedule .*KeyError: 'params'"):
        Schedule.from_json([{"step": 1}])
    with pytest.raises(InvalidArgument, match="no row of the schedule has a value"):
        Schedule.constant({"a": 1.0}).best()


def test_patience_ends_a_training_that_gets_no_better() -> None:
    tuned = tune(small(), SelfTuning(warm_up=0, weights=Momentum(1e-30), hyper=Momentum(1e-30)), 50, KEY, patience=3)
    assert tuned.why == "no lower validation loss in 3 rows"
    assert len(tuned.schedule.rows) < 50


def test_nan_ends_the_training_and_the_tensor_is_named() -> None:
    tuned = tune(small(), SelfTuning(warm_up=0, weights=Momentum(1e4)), 200, KEY)
    assert tuned.diverged
    assert "the largest entry is" in tuned.why
    assert "in parameter 'line." in tuned.why
    assert "Next: lower the learning rates" in tuned.why
    assert all(math.isfinite(row.value) for row in tuned.schedule.rows)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tuned.state.parameters.values())

    def hollow(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        return training(network, batch, hyper, rng) + (network(batch[0]) * 0).sum().sqrt()

    bent = tune(small(training=hollow), QUICK, 3, KEY)
    assert bent.diverged
    assert "parameter 'line.weight' holds nan or inf" in bent.why
    with pytest.raises(
        NotFinite, match=r"the validation loss is not finite at step 0: all tensors are finite, the larg"
    ):
        tune(small(validation=lambda network, batch: validation(network, batch) * math.inf), QUICK, 3, KEY)


def test_losses_that_are_none_are_told() -> None:
    with pytest.raises(InvalidObservation, match="the validation loss must be a floating-point scalar tensor; got 3"):
        tune(small(validation=lambda network, batch: 3), QUICK, 1, KEY)
    with pytest.raises(InvalidObservation, match=r"the training loss does not depend on 'line.weight'"):
        tune(small(training=lambda *_: torch.tensor(1.0)), QUICK, 1, KEY)
    cut = small(validation=lambda network, batch: validation(network, batch).detach())
    with pytest.raises(InvalidObservation, match="the validation loss does not depend on the hyperparameters"):
        tune(cut, SelfTuning(warm_up=0), 1, KEY)


def test_modules_that_cannot_be_tuned_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="has no self-tuning layer"):
        small(module=nn.Linear(3, 1))
    with pytest.raises(InvalidArgument, match=r"layer 'line' reads another number of inputs.*got 1; allowed: 2"):
        small(module=Small(1))
    with pytest.raises(InvalidArgument, match="module '1' drops units at a rate of its own"):
        small(module=nn.Sequential(Small(2), nn.Dropout(0.5)))
    with pytest.raises(InvalidArgument, match="module '1' would mix statistics of perturbed examples"):
        small(module=nn.Sequential(Small(2), nn.BatchNorm1d(3)))
    with pytest.raises(InvalidArgument, match="shared hyperparameter 'x' is not tuned"):
        small(shared=("x",))
    with pytest.raises(InvalidArgument, match="no such scale and entropy weight"):
        SelfTuning(0, scale=0.0)


class TestTask(TaskKit):
    def make_task(self) -> Task[Space]:
        return SelfTuningTask(small(), QUICK, SPACE, rounds=3)


def test_a_task_sets_hyperparameters_only() -> None:
    with pytest.raises(InvalidArgument, match="parameter 'depth' of the space sets no hyperparameter to start from"):
        SelfTuningTask(small(), QUICK, Space(depth=Int(1, 3)), rounds=3)


def test_a_task_tells_the_trajectory_and_a_divergence() -> None:
    reports: list[tuple[float, dict[str, float]]] = []
    notes: dict[str, Any] = {}

    class Listening:
        number = 0
        key = KEY

        def report(self, step: float, metrics: Any) -> None:
            reports.append((step, dict(metrics)))

        def should_prune(self) -> bool:
            return False

        def suggested(self, name: str, value: Any, parameter: Any) -> None: ...

        def attribute(self, name: str, value: Any) -> None:
            notes[name] = value

    task = SelfTuningTask(small(), QUICK, Space(rate=Float(0.0, 0.9)), rounds=3)
    observation = task.run({"rate": 0.3}, Listening())
    assert reports[0][1]["rate"] == pytest.approx(0.3)
    assert set(reports[0][1]) == {"rate", "decay", "value", "held_out"}
    assert observation.values["value"] == reports[-1][1]["value"]
    assert Schedule.from_json(notes["schedule"]).rows[-1].step == 6
    wild = replace(task, method=SelfTuning(warm_up=0, weights=Momentum(1e4)), rounds=200)
    assert math.isnan(wild.run({"rate": 0.3}, Listening()).values["value"])
    assert notes["self_tuning"]["diverged"] is True
