"""The reward that BARFI learns: a blend of the primary and the auxiliary one, and a discount of its own.

    r_phi(s, a) = phi1(s) + phi2(s) r_p(s, a) + phi3(s) r_aux(s, a),        gamma_phi = sigmoid(c)

Here phi_i(s) is linear in features of the state, which is the form of the authors' program, with Fourier features
there. The naive sum of both rewards is phi1 = 0, phi2 = phi3 = 1. Which equations these are, and of which paper, is
told in `barfi`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.tuners.gradients.self_tuning.rules import RmsProp

__all__ = [
    "GAMMA",
    "GAMMA_LOGIT",
    "PHI",
    "Features",
    "Weights",
    "ascended",
    "blended",
    "check_weights",
    "fourier_features",
    "logit",
]

PHI = ("phi1", "phi2", "phi3")
"""Names of the hyperparameters that weigh a constant, the primary and the auxiliary reward."""

GAMMA_LOGIT = "gamma_logit"
"""Name of the hyperparameter c; the learnt discount is its sigmoid."""

GAMMA = "gamma"
"""Name under which the learnt discount itself is told, and may be set by a param."""

MEMORY = "blend."
"""What the names of the outer RMSprop's memory begin with in a state."""

Features: TypeAlias = Callable[[Tensor], Tensor]
"""Observations, shape (n, ...), to features, shape (n, d), of which the first is the constant 1."""


@final
class Weights(nn.Module):
    """phi1, phi2 and phi3 of observations, linear in features; at first those of the naive sum.

    Arguments:
        features: of an observation; None for the constant alone, so that the weights are three numbers.
        width: d, the number of features.
        dtype: of the weights.
    """

    def __init__(self, features: Features | None = None, width: int = 1, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        check_count(width, "the number of features of a blend")
        self.features = features
        for name, first in zip(PHI, (0.0, 1.0, 1.0), strict=True):
            phi = torch.zeros(width, dtype=dtype)
            phi[0] = first
            self.register_parameter(name, nn.Parameter(phi))

    def forward(self, observations: Tensor) -> Tensor:
        """Weights, shape (n, 3), at observations, shape (n, ...)."""
        phi = torch.stack([getattr(self, name) for name in PHI], dim=1)
        if self.features is None:
            return phi.expand(len(observations), -1)
        features = self.features(observations).to(phi.dtype)
        if features.shape != (len(observations), len(phi)):
            raise InvalidArgument(
                message(
                    "the features of a blend are of another shape than was said",
                    got=tuple(features.shape),
                    allowed=f"({len(observations)}, {len(phi)})",
                    do="give Weights the number of features as `width`",
                )
            )
        return features @ phi


def fourier_features(order: int, low: Sequence[float], high: Sequence[float]) -> tuple[Features, int]:
    """The Fourier basis cos(pi k . x), k in {0 ... order}^n, of observations scaled to [0, 1]^n; and how many they are.

    G. Konidaris, S. Osentoski and P. Thomas, "Value function approximation in reinforcement learning using the Fourier
    basis", AAAI 2011. The first feature is the constant 1.

    Arguments:
        order: the highest frequency in each dimension.
        low, high: range of each of the n entries of an observation; what lies outside is moved to the edge.

    Raises:
        InvalidArgument: no ranges, or one that is empty or infinite.

    >>> features, width = fourier_features(2, [0.0], [2.0])
    >>> width, features(torch.tensor([[0.0], [1.0]])).round(decimals=3).abs().tolist()
    (3, [[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    """
    check_count(order, "the order of a Fourier basis", least=0)
    if len(low) != len(high) or not low or any(not 0.0 < b - a < math.inf for a, b in zip(low, high, strict=True)):
        raise InvalidArgument(message("no such ranges of observations", got=(low, high), allowed="low < high, finite"))
    waves = torch.tensor(list(itertools.product(range(order + 1), repeat=len(low))), dtype=torch.float64)
    first = torch.tensor(low, dtype=torch.float64)
    span = torch.tensor(high, dtype=torch.float64) - first

    def features(observations: Tensor) -> Tensor:
        place = ((observations.reshape(len(observations), -1) - first) / span).clamp(0.0, 1.0)
        return torch.cos(math.pi * place.to(waves) @ waves.T).to(observations.dtype)

    return features, len(waves)


def blended(weights: Tensor, primary: Tensor, auxiliary: Tensor) -> Tensor:
    """r_phi, shape (n, ...), of weights of shape (n, ..., 3) and rewards of shape (n, ...).

    Raises:
        InvalidObservation: the weights are of another shape.
    """
    if weights.shape != (*primary.shape, 3):
        raise InvalidObservation(
            message(
                "a reward network must give three weights for each observation",
                got=tuple(weights.shape),
                allowed=f"{(*primary.shape, 3)}",
            )
        )
    return weights[..., 0] + weights[..., 1] * primary + weights[..., 2] * auxiliary


def logit(gamma: float) -> float:
    """C with sigmoid(c) = gamma.

    Raises:
        InvalidArgument: gamma is not in (0, 1).
    """
    if not 0.0 < gamma < 1.0:
        raise InvalidArgument(message("a learnt discount is out of range", got=gamma, allowed="(0, 1)"))
    return math.log(gamma) - math.log1p(-gamma)


def ascended(
    hyperparameters: Mapping[str, Tensor],
    slopes: Mapping[str, Tensor],
    memory: Mapping[str, Tensor],
    rate: float,
    phi_penalty: float,
    gamma_penalty: float,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """One RMSprop step up J_p - phi_penalty |phi|^2 - gamma_penalty gamma_phi.

    Arguments:
        hyperparameters: phi by names of its tensors, and c.
        slopes: gradients of -J_p, by the same names.
        memory: of this function's last answer, among other tensors of a state.
        rate: of RMSprop; 0 leaves everything as it is.
        phi_penalty, gamma_penalty: weights of the two penalties.

    Returns:
        The hyperparameters, and the memory, whose names begin with `MEMORY`.
    """
    kept = {name.removeprefix(MEMORY): tensor for name, tensor in memory.items() if name.startswith(MEMORY)}
    if rate == 0.0:
        return dict(hyperparameters), {MEMORY + name: tensor for name, tensor in kept.items()}
    penalised = {}
    for name, tensor in hyperparameters.items():
        if name == GAMMA_LOGIT:
            gamma = torch.sigmoid(tensor)
            penalised[name] = slopes[name] + gamma_penalty * gamma * (1.0 - gamma)
        else:
            penalised[name] = slopes[name] + 2.0 * phi_penalty * tensor
    made, kept = RmsProp(rate).update(hyperparameters, penalised, kept)
    return made, {MEMORY + name: tensor for name, tensor in kept.items()}


def check_weights(method: object, least_zero: tuple[str, ...], positive: tuple[str, ...]) -> None:
    """Refuse settings of a method that are out of range.

    Raises:
        InvalidArgument: one is; the text names it.
    """
    for names, least, allowed in ((least_zero, 0.0, ">= 0"), (positive, math.ulp(0.0), "> 0")):
        for name in names:
            if not least <= getattr(method, name) < math.inf:
                raise InvalidArgument(
                    message(
                        f"{type(method).__name__}: {name} is out of range",
                        got=getattr(method, name),
                        allowed=f"finite, {allowed}",
                    )
                )
