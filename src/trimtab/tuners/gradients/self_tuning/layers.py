"""Layers whose weights answer to the hyperparameters, and regularisers of a strength per example.

For each example the layer gets z, shape (k,): what the hyperparameters are, or by how much they differ from a centre.

    out = W0 x + b0 + (V_w z) * (W1 x) + (V_b z) * b1

with * over the outputs, so that W(z) = W0 + diag(V_w z) W1 at about twice the parameters and twice the time; a
convolution has a gate per channel instead. V has no bias: at z = 0 the layer is the plain one, exactly. W0, b0 are
its weights, W1, b1 and V its response. MacKay et al. 2019 (arXiv 1903.03088) start V at N(0, 0.01^2) and feed the
hyperparameters themselves; Bae and Grosse, "Delta-STN", NeurIPS 2020 (arXiv 2010.13514) start it at zero and feed
the difference to the current ones.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from trimtab.base.errors import InvalidArgument, check_count, message

__all__ = ["RESPONSE", "SelfTuningConv2d", "SelfTuningLayer", "SelfTuningLinear", "add_noise", "drop", "square_norm"]

RESPONSE = ("response_weight", "response_bias", "gate")
"""Names of the tensors of a layer's response: W1, b1 and V."""

GATE_DEVIATION = 0.01
"""Standard deviation of V at the start in a network that is not centred."""


class SelfTuningLayer(nn.Module, ABC):
    """What the layers share: two sets of weights, and gates.

    Arguments:
        shape: of the weights, outputs first.
        inputs: k, how many numbers the response reads (`Coding.inputs`).
        bias: whether there are biases.
        centred: whether z is to be a difference, so that V starts at zero.
    """

    def __init__(self, shape: tuple[int, ...], inputs: int, bias: bool, centred: bool) -> None:
        super().__init__()
        check_count(inputs, "the number of inputs of a response", do="give Coding.inputs")
        for size in shape:
            check_count(size, "each size of a layer")
        outputs = shape[0]
        self.weight, self.bias = _fresh(shape, bias)
        self.response_weight, self.response_bias = _fresh(shape, bias)
        gate = torch.zeros(2 * outputs if bias else outputs, inputs)
        self.gate = nn.Parameter(gate if centred else gate.normal_(0.0, GATE_DEVIATION))

    @abstractmethod
    def plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer without a response."""

    @abstractmethod
    def spread(self, gates: Tensor, x: Tensor) -> Tensor:
        """Gates of shape (..., outputs), in the shape that multiplies the outputs for x."""

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The outputs for x, one example per row.

        Arguments:
            x: inputs, as the plain layer takes them.
            z: shape (n, k) with a row per example, or (k,) for all; None for zero, which saves the response's time.
        """
        out = self.plain(x, self.weight, self.bias)
        if z is None:
            return out
        gates = functional.linear(z, self.gate)
        if self.response_bias is None:
            return out + self.spread(gates, x) * self.plain(x, self.response_weight, None)
        of_weights, of_biases = gates.chunk(2, dim=-1)
        answer = self.spread(of_weights, x) * self.plain(x, self.response_weight, None)
        return out + answer + self.spread(of_biases * self.response_bias, x)


class SelfTuningLinear(SelfTuningLayer):
    """A linear layer with a response; x has shape (n, ..., in_features).

    Arguments:
        in_features, out_features: as of `torch.nn.Linear`.
        inputs: k, how many numbers the response reads (`Coding.inputs`).
        bias: whether there are biases.
        centred: whether z is to be a difference, so that V starts at zero.
    """

    def __init__(
        self, in_features: int, out_features: int, inputs: int, bias: bool = True, centred: bool = True
    ) -> None:
        super().__init__((out_features, in_features), inputs, bias, centred)

    def plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer without a response."""
        return functional.linear(x, weight, bias)

    def spread(self, gates: Tensor, x: Tensor) -> Tensor:
        """Gates in the shape that multiplies the outputs for x."""
        return gates if gates.dim() == 1 else gates.reshape(len(gates), *[1] * (x.dim() - 2), -1)


class SelfTuningConv2d(SelfTuningLayer):
    """A 2-D convolution with a response, one gate per channel; x has shape (n, in_channels, height, width).

    Arguments:
        in_channels, out_channels, stride, padding: as of `torch.nn.Conv2d`.
        kernel_size: of a square kernel.
        inputs: k, how many numbers the response reads (`Coding.inputs`).
        bias: whether there are biases.
        centred: whether z is to be a difference, so that V starts at zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        inputs: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        centred: bool = True,
    ) -> None:
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), inputs, bias, centred)
        self.stride, self.padding = stride, padding

    def plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer without a response."""
        return functional.conv2d(x, weight, bias, self.stride, self.padding)

    def spread(self, gates: Tensor, x: Tensor) -> Tensor:
        """Gates in the shape that multiplies the outputs for x."""
        return gates[..., None, None]


def square_norm(weight: Tensor, response_weight: Tensor, gate: Tensor, z: Tensor) -> Tensor:
    """The sum of squares of a layer's weights W(z) for each row of z: shape (n,) for (n, k).

    By |W0_o + g_o W1_o|^2 = |W0_o|^2 + 2 g_o W0_o.W1_o + g_o^2 |W1_o|^2 for each output o, so that weight decay of a
    strength per example costs no weights per example.
    """
    outputs = len(weight)
    first, second = weight.reshape(outputs, -1), response_weight.reshape(outputs, -1)
    gates = functional.linear(z, gate[:outputs])
    return first.square().sum() + gates @ (2.0 * (first * second).sum(1)) + gates.square() @ second.square().sum(1)


def drop(x: Tensor, rate: Tensor, rng: torch.Generator) -> Tensor:
    """Dropout at a rate per example: each entry is zero with that chance, and the others are 1 / (1 - rate) larger.

    Arguments:
        x: shape (n, ...).
        rate: shape (n,) or (), in [0, 1).
        rng: of the masks.
    """
    kept = (1.0 - rate.detach()).reshape(-1, *[1] * (x.dim() - 1))
    if not bool((kept > 0.0).all() and (kept <= 1.0).all()):
        raise InvalidArgument(
            message("a dropout rate is out of its range", got=rate.detach().tolist(), allowed="0 <= rate < 1")
        )
    mask = torch.rand(x.shape, generator=rng, device=x.device, dtype=kept.dtype) < kept
    return x * (mask / kept).to(x.dtype)


def add_noise(x: Tensor, deviation: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian noise of a standard deviation per example, shape (n,) or (), on x, shape (n, ...)."""
    noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    return x + deviation.detach().to(x.dtype).reshape(-1, *[1] * (x.dim() - 1)) * noise


def _fresh(shape: tuple[int, ...], bias: bool) -> tuple[nn.Parameter, nn.Parameter | None]:
    """Weights and biases as `torch.nn.Linear` and `Conv2d` start them: uniform within 1 / sqrt(fan in)."""
    bound = 1.0 / math.sqrt(math.prod(shape[1:]))
    weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
    return weight, nn.Parameter(torch.empty(shape[0]).uniform_(-bound, bound)) if bias else None
