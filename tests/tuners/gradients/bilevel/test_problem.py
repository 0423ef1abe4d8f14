"""What is wrong with a bilevel problem is said where it is seen, with the name of the tensor."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.bilevel import BilevelProblem, Layout, Minibatches, check_problem, implicit_hypergradient

D = torch.float64
W = {"weight": torch.ones(2, dtype=D), "bias": torch.ones((), dtype=D)}
H = {"decay": torch.tensor(0.5, dtype=D), "shift": torch.zeros(3, dtype=D)}


def inner(w: Any, h: Any, batch: Any) -> Tensor:
    loss: Tensor = h["decay"] * (w["weight"] ** 2).sum() + (w["bias"] - h["shift"].sum()) ** 2
    return loss


def outer(w: Any, h: Any, batch: Any) -> Tensor:
    loss: Tensor = ((w["weight"] - 1.0) ** 2).sum() + w["bias"]
    return loss


def test_a_sound_problem_passes() -> None:
    check_problem(BilevelProblem(inner, outer, W, H))


def broken(inner: Any = inner, outer: Any = outer, parameters: Any = W, hyper: Any = H) -> None:
    check_problem(BilevelProblem(inner, outer, parameters, hyper))


CASES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"parameters": {}}, InvalidArgument, "needs parameters"),
    ({"hyper": {}}, InvalidArgument, "needs hyperparameters"),
    ({"hyper": {"decay": 0.5}}, InvalidArgument, "hyperparameter 'decay' must be a tensor"),
    (
        {"parameters": {**W, "weight": torch.ones(2, dtype=torch.int64)}},
        InvalidArgument,
        "parameter 'weight' has no der",
    ),
    ({"hyper": {**H, "decay": torch.tensor(1)}}, InvalidArgument, "hyperparameter 'decay' has no derivatives"),
    (
        {"hyper": {**H, "shift": torch.zeros(3)}},
        InvalidArgument,
        "hyperparameter 'shift' and parameter 'weight' are of",
    ),
    ({"parameters": {**W, "bias": torch.tensor(torch.nan, dtype=D)}}, InvalidArgument, "parameter 'bias' holds nan"),
    ({"inner": lambda w, h, b: inner(w, h, b).item()}, InvalidObservation, "inner loss must be a tensor"),
    ({"outer": lambda w, h, b: w["weight"]}, InvalidObservation, "outer loss must be a floating-point scalar"),
    ({"inner": lambda w, h, b: inner(w, h, b).detach()}, InvalidArgument, "inner loss depends on none of .*'weight'"),
    ({"outer": lambda w, h, b: outer(w, h, b).detach()}, InvalidArgument, "outer loss depends on none of .*'weight'"),
    (
        {"inner": lambda w, h, b: h["decay"] * (w["weight"] ** 2).sum() + h["shift"].sum()},
        InvalidArgument,
        "parameter 'bias' does not enter the inner loss",
    ),
    (
        {"inner": lambda w, h, b: inner(w, {**h, "decay": h["decay"].detach()}, b)},
        InvalidArgument,
        "hyperparameter 'decay' enters neither the outer loss nor the gradient of the inner loss",
    ),
    (
        {"inner": lambda w, h, b: inner(w, {**h, "shift": torch.zeros(3, dtype=D)}, b) + h["shift"].sum()},
        InvalidArgument,
        "hyperparameter 'shift' enters neither",
    ),
    (
        {"inner": lambda w, h, b: inner(w, h, b) + (w["bias"] - 1.0).sqrt()},
        InvalidObservation,
        "the gradient of the inner loss with respect to 'bias' holds nan or inf",
    ),
    (
        {"inner": lambda w, h, b: inner(w, h, b) / (h["shift"].sum())},
        InvalidObservation,
        "inner loss is not finite at step 0.* largest entry is 1 in parameter 'weight'",
    ),
    (
        {"outer": lambda w, h, b: outer(w, h, b) + h["shift"].sum().sqrt()},
        InvalidObservation,
        "the gradient of the outer loss with respect to 'shift' holds nan or inf",
    ),
    ({"inner": lambda w, h, b: inner(w, h, b) + torch.rand(())}, InvalidArgument, "inner loss gives two values"),
]


@pytest.mark.parametrize(("change", "error", "text"), CASES, ids=[text for _, _, text in CASES])
def test_each_diagnosis_names_what_is_wrong(change: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as told:
        broken(**change)
    assert re.search(r"Next: |allowed: ", str(told.value))


def test_an_operation_without_second_derivatives_is_named() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, slope: Tensor) -> Tensor:
            return 2 * ctx.saved_tensors[0] * slope

    # torch itself takes these derivatives for zero, without a word.
    with pytest.raises(InvalidArgument, match=r"changes with parameter 'weight' otherwise than .*once_differentiable"):
        broken(inner=lambda w, h, b: inner(w, h, b) + Once.apply(w["weight"]).square().sum())


def test_a_mixed_derivative_that_is_missing_is_named() -> None:
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
            ctx.save_for_backward(x, factor)
            return x * factor

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
            x, factor = ctx.saved_tensors
            return slope * factor, slope * x

    with pytest.raises(InvalidArgument, match=r"changes with hyperparameter 'decay' otherwise than"):
        broken(inner=lambda w, h, b: inner(w, h, b) + Scaled.apply(w["bias"], h["decay"]))


def test_kinks_of_the_gradient_are_no_fault() -> None:
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 40), nn.ReLU(), nn.Linear(40, 1))
    x, y = torch.randn(200, 5, generator=generator), torch.randn(200, 1, generator=generator)

    def loss(model: Any, w: Any, h: Any, batch: Any) -> Tensor:
        return (model(x) - y).abs().mean() + h["l"].exp() * sum((part**2).sum() for part in w.values())

    check_problem(BilevelProblem.from_module(module, loss, loss, {"l": torch.tensor(-3.0)}))


def test_an_operation_that_torch_cannot_differentiate_is_named() -> None:
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, slope: Tensor) -> Tensor:
            raise RuntimeError("derivative for my_op is not implemented")

    with pytest.raises(InvalidArgument, match=r"the inner loss cannot be differentiated \(derivative for my_op"):
        broken(inner=lambda w, h, b: inner(w, h, b) + Refuses.apply(w["weight"]).sum())


def test_a_derivative_of_zero_is_a_remark() -> None:
    problem = BilevelProblem(lambda w, h, b: inner(w, {**h, "shift": h["shift"].round()}, b), outer, W, H)
    elsewhere = {**W, "weight": torch.tensor([2.0, 3.0], dtype=D)}
    assert "the gradient in 'shift' is exactly zero" in implicit_hypergradient(problem, elsewhere).diagnosis


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({"weight": W["weight"]}, "parameter 'bias' is missing"),
        ({**W, "other": W["bias"]}, "parameter 'other' is not declared"),
        ({**W, "weight": torch.ones(3, dtype=D)}, "parameter 'weight' does not have the declared shape"),
        ({**W, "weight": torch.ones(2)}, "parameter 'weight' does not have the declared shape, dtype"),
        ({**W, "weight": torch.full((2,), torch.inf, dtype=D)}, "parameter 'weight' holds nan or inf"),
    ],
)
def test_tensors_that_do_not_fit_are_named(given_: dict[str, Tensor], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        implicit_hypergradient(BilevelProblem(inner, outer, W, H), given_)


def test_the_callers_tensors_stay_apart() -> None:
    mine = W["weight"].clone()
    problem = BilevelProblem(inner, outer, {**W, "weight": mine}, H)
    mine.fill_(7.0)
    assert torch.equal(problem.parameters["weight"], W["weight"])


def test_a_module_keeps_its_buffers_frozen_parts_and_gradients() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).to(D)
    module[0].bias.requires_grad_(False)
    before = {name: part.clone() for name, part in module.state_dict().items()}
    x = torch.randn(8, 2, dtype=D)

    def loss(model: Any, w: Any, h: Any, batch: Any) -> Tensor:
        return model(x).square().mean() + h["l"] * sum((part**2).sum() for part in w.values())

    problem = BilevelProblem.from_module(module, loss, loss, {"l": torch.tensor(1.0, dtype=D)})
    check_problem(problem)
    assert set(problem.parameters) == {name for name, part in module.named_parameters() if part.requires_grad}
    assert all(torch.equal(part, before[name]) for name, part in module.state_dict().items())


def test_dropout_in_training_is_named() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with pytest.raises(InvalidArgument, match="module '1' draws a new dropout mask"):
        BilevelProblem.from_module(module, lambda *a: a[0], lambda *a: a[0], {"l": torch.tensor(1.0)})
    BilevelProblem.from_module(module.eval(), lambda *a: a[0], lambda *a: a[0], {"l": torch.tensor(1.0)})


@given(shapes=st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_flat_and_back_is_nothing(shapes: list[list[int]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = {str(place): torch.randn(shape, generator=generator) for place, shape in enumerate(shapes)}
    layout = Layout.of(tensors)
    back = layout.named(layout.flat(tensors))
    assert layout.size == sum(tensor.numel() for tensor in tensors.values())
    assert all(torch.equal(back[name], tensor) and back[name].shape == tensor.shape for name, tensor in tensors.items())


def test_minibatches_are_a_function_of_seed_and_step() -> None:
    rows = torch.arange(50)
    batches = Minibatches((rows, rows), 10, seed=1)
    assert torch.equal(batches(4)[0], batches(4)[1])
    assert torch.equal(batches(4)[0], Minibatches((rows, rows), 10, seed=1)(4)[0])
    assert not torch.equal(batches(4)[0], batches(5)[0])
    assert not torch.equal(batches(4)[0], Minibatches((rows, rows), 10, seed=2)(4)[0])
    assert len(set(batches(4)[0].tolist())) == 10
    for bad in (((rows, rows[:3]), 2), ((rows,), 51), ((rows,), 0), ((), 1)):
        with pytest.raises(InvalidArgument):
            Minibatches(*bad)


def test_without_torch_the_extra_is_named() -> None:
    code = "import sys; sys.modules['torch'] = None\nimport trimtab.tuners.gradients.bilevel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "tuning by gradients needs the package 'torch'" in done.stderr
    assert "pip install 'trimtab[torch]'" in done.stderr
