"""Augmentation of images at a strength per example: shifts, turns and holes, as self-tuning networks tune them.

Each function draws what it does to an example uniformly up to the strength, so that a strength is a hyperparameter
with zero for none. MacKay, Vicol, Lorraine, Duvenaud, Grosse, "Self-Tuning Networks", ICLR 2019 (arXiv 1903.03088) tune
the sides and number of holes and the jitter of colours; holes are those of DeVries, Taylor, "Improved Regularization of
Convolutional Neural Networks with Cutout", 2017 (arXiv 1708.04552), here with sides that need not be whole. Noise and
dropout are in `layers`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trimtab.base.errors import InvalidArgument, message

__all__ = ["cut_out", "move"]


def move(x: Tensor, shift: Tensor, turn: Tensor, rng: torch.Generator) -> Tensor:
    """Images shifted and turned about their centres, with bilinear interpolation and zeros from outside.

    Arguments:
        x: shape (n, channels, height, width).
        shift: shape (n,) or (), in pixels: the longest shift, along either axis.
        turn: shape (n,) or (), in degrees: the widest angle.
        rng: of the shifts and angles, which are uniform up to these, both ways.
    """
    shift, turn = _strength(x, shift, "shift"), _strength(x, turn, "turn")
    count, _, height, width = x.shape
    draws = 2.0 * torch.rand((3, count), generator=rng, device=x.device, dtype=x.dtype) - 1.0
    angle = draws[0] * turn * (math.pi / 180.0)
    # The grid runs from -1 to 1 along both axes, so that a pixel is 2 / width wide and 2 / height high.
    down, right = 2.0 / height * draws[1] * shift, 2.0 / width * draws[2] * shift
    ratio = height / width
    rows = [
        torch.stack([angle.cos(), -ratio * angle.sin(), right], dim=-1),
        torch.stack([angle.sin() / ratio, angle.cos(), down], dim=-1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def cut_out(x: Tensor, side: Tensor, rng: torch.Generator) -> Tensor:
    """Images with a square hole of zeros, centred anywhere in them: the pixels whose centres lie in the square.

    Arguments:
        x: shape (n, channels, height, width).
        side: shape (n,) or (), in pixels.
        rng: of the places.
    """
    half = _strength(x, side, "side of a hole") / 2.0
    count, _, height, width = x.shape
    draws = torch.rand((2, count), generator=rng, device=x.device, dtype=x.dtype)

    def inside(place: Tensor, size: int) -> Tensor:
        centres = torch.arange(size, device=x.device, dtype=x.dtype) + 0.5
        return (centres - size * place[:, None]).abs() < half.expand(count)[:, None]

    hole = inside(draws[0], height)[:, :, None] & inside(draws[1], width)[:, None, :]
    return x.masked_fill(hole[:, None], 0.0)


def _strength(x: Tensor, strength: Tensor, what: str) -> Tensor:
    """A strength without a gradient and in the type of the images, checked."""
    if x.dim() != 4:
        raise InvalidArgument(
            message("these are no images", got=tuple(x.shape), allowed="shape (n, channels, height, width)")
        )
    if not bool((strength >= 0.0).all()):
        raise InvalidArgument(message(f"the {what} is out of its range", got=strength.tolist(), allowed=">= 0"))
    return strength.detach().to(x.dtype)
