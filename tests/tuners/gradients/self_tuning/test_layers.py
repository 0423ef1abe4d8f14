"""The layers: zero response at the centre, the formula, exact linear responses, masks and norms per example."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.self_tuning import Network, SelfTuningConv2d, SelfTuningLinear, add_noise, drop


class Both(nn.Module):
    """A convolution and a linear layer, with a bend between them."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.conv = SelfTuningConv2d(2, 3, 3, k, padding=1, centred=False)
        self.line = SelfTuningLinear(3 * 16, 4, k, centred=False)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return self.line(torch.tanh(self.conv(x, z)).flatten(1), z)


def made(seed: int = 0) -> tuple[Both, dict[str, Tensor], Tensor, Tensor]:
    torch.manual_seed(seed)
    module = Both(2).double()
    tensors = {name: tensor.detach().clone() for name, tensor in module.named_parameters()}
    for name, tensor in tensors.items():
        if name.endswith("gate"):
            tensor.normal_()
    return module, tensors, torch.randn(5, 2, 4, 4).double(), torch.randn(5, 2).double()


def test_each_example_has_the_weights_of_the_formula() -> None:
    module, tensors, x, z = made()
    whole = Network(module, tensors, z)(x)
    for row in range(5):
        plain = {}
        for name in ("conv", "line"):
            outputs = len(tensors[f"{name}.weight"])
            gates = tensors[f"{name}.gate"] @ z[row]
            spread = gates[:outputs].reshape(-1, *[1] * (tensors[f"{name}.weight"].dim() - 1))
            plain[f"{name}.weight"] = tensors[f"{name}.weight"] + spread * tensors[f"{name}.response_weight"]
            plain[f"{name}.bias"] = tensors[f"{name}.bias"] + gates[outputs:] * tensors[f"{name}.response_bias"]
        torch.testing.assert_close(Network(module, {**tensors, **plain})(x[row : row + 1]), whole[row : row + 1])


def test_the_response_is_exactly_zero_at_the_centre() -> None:
    module, tensors, x, z = made()
    assert torch.equal(Network(module, tensors, torch.zeros_like(z))(x), Network(module, tensors)(x))
    fresh = SelfTuningLinear(3, 2, 4)
    inputs = torch.randn(6, 3)
    assert torch.equal(fresh(inputs, torch.randn(6, 4)), fresh(inputs))


# Forward mode loads a part of torch that warns of itself.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_the_linear_response_is_the_forward_product_and_so_are_its_gradients() -> None:
    module, tensors, x, z = made()
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    at = torch.randn(5, 2).double()
    answer = jvp(lambda here: functional_call(module, leaves, (x,), {"z": here}), (at,), (z,))
    expected, found = answer[0] + answer[1], Network(module, leaves, at, z)(x)
    torch.testing.assert_close(found, expected)
    for one, two in zip(
        torch.autograd.grad(found.square().sum(), list(leaves.values())),
        torch.autograd.grad(expected.square().sum(), list(leaves.values())),
        strict=True,
    ):
        torch.testing.assert_close(one, two)


def test_square_norms_are_those_of_the_weights_of_each_example() -> None:
    module, tensors, _, z = made()
    norms = Network(module, tensors, z).square_norm()
    for row in range(5):
        total = 0.0
        for name in ("conv", "line"):
            weight = tensors[f"{name}.weight"]
            gates = (tensors[f"{name}.gate"] @ z[row])[: len(weight)].reshape(-1, *[1] * (weight.dim() - 1))
            total += float((weight + gates * tensors[f"{name}.response_weight"]).square().sum())
        assert float(norms[row]) == pytest.approx(total)
    assert Network(module, tensors).square_norm().shape == (1,)


def test_examples_have_masks_of_their_own_rates() -> None:
    rng = torch.Generator().manual_seed(0)
    rates = torch.tensor([0.0, 0.5, 0.9])
    out = drop(torch.ones(3, 20_000), rates, rng)
    assert torch.equal(out[0], torch.ones(20_000))
    for row, rate in enumerate(rates.tolist()):
        assert float((out[row] == 0).float().mean()) == pytest.approx(rate, abs=0.02)
        assert float(out[row].mean()) == pytest.approx(1.0, abs=0.1)
    with pytest.raises(InvalidArgument, match=r"dropout rate is out of its range.*allowed: 0 <= rate < 1"):
        drop(torch.ones(2, 2), torch.tensor([0.1, 1.0]), rng)


def test_examples_have_noise_of_their_own_strength() -> None:
    out = add_noise(torch.zeros(2, 20_000), torch.tensor([0.0, 2.0]), torch.Generator().manual_seed(0))
    assert float(out[0].abs().max()) == 0.0
    assert float(out[1].std()) == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize("sizes", [(0, 2, 1), (3, 2, 0)])
def test_impossible_sizes_are_refused(sizes: Any) -> None:
    with pytest.raises(InvalidArgument, match="must be a whole number"):
        SelfTuningLinear(*sizes)
