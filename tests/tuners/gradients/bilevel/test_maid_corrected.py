"""The bounds of second order that corrected MAID goes by hold for the truth, and are of second order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from trimtab.tuners.gradients.bilevel.maid_corrected import Bounds

THIRD = 1.5 / 1.25**2.5
"""The largest third derivative of sqrt(1 + x^2), at x = 1/2."""


@dataclass(frozen=True)
class Bent:
    """g = w^T A w / 2 - b^T w + sum c sqrt(1 + (w - h)^2), f = |B w - d|^2 / 2 + k h^T w: no constant is zero."""

    a: Tensor
    b: Tensor
    c: Tensor
    outer: Tensor
    d: Tensor
    k: float

    def slope(self, w: Tensor, h: Tensor) -> Tensor:
        x = w - h
        return self.a @ w - self.b + self.c * x / (1 + x * x).sqrt()

    def hessian(self, w: Tensor, h: Tensor) -> Tensor:
        return self.a + torch.diag(self.c * (1 + (w - h) ** 2) ** -1.5)

    def mixed(self, w: Tensor, h: Tensor) -> Tensor:
        return -torch.diag(self.c * (1 + (w - h) ** 2) ** -1.5)

    def value(self, w: Tensor, h: Tensor) -> float:
        return float(((self.outer @ w - self.d) ** 2).sum() / 2 + self.k * (h @ w))

    def outer_slope(self, w: Tensor, h: Tensor) -> Tensor:
        return self.outer.T @ (self.outer @ w - self.d) + self.k * h

    def solution(self, h: Tensor) -> Tensor:
        w = torch.zeros_like(h)
        while float(self.slope(w, h).norm()) > 1e-11:
            step = torch.linalg.solve(self.hessian(w, h), self.slope(w, h))
            size = 1.0
            while size > 1e-3 and self.slope(w - size * step, h).norm() > self.slope(w, h).norm():
                size /= 2
            w = w - size * step
        return w

    def gradient(self, h: Tensor) -> Tensor:
        w = self.solution(h)
        adjoint = torch.linalg.solve(self.hessian(w, h), self.outer_slope(w, h))
        return self.k * w - self.mixed(w, h).T @ adjoint

    def bounds(self) -> Bounds:
        bend = THIRD * float(self.c.max())
        return Bounds(
            mu=float(torch.linalg.eigvalsh(self.a)[0]),
            smooth=float(torch.linalg.eigvalsh(self.outer.T @ self.outer)[-1]),
            bend=bend,
            cross=bend,
            direct=self.k,
        )


def drawn(rng: np.random.Generator, n: int = 4) -> tuple[Bent, Tensor]:
    root, outer = (torch.tensor(rng.normal(size=(n + 2, n))) for _ in range(2))
    b, d, h = torch.tensor(rng.normal(size=n)), torch.tensor(rng.normal(size=n + 2)), torch.tensor(rng.normal(size=n))
    c = torch.tensor(10.0 ** rng.uniform(-2, 1, n))
    a = root.T @ root + 10.0 ** rng.uniform(-2, 0) * torch.eye(n, dtype=torch.float64)
    return Bent(a, b, c, outer, d, float(rng.uniform(0, 1))), h


def vector(rng: np.random.Generator, like: Tensor, size: float) -> Tensor:
    made = torch.tensor(rng.normal(size=len(like)))
    return size * made / made.norm()


def test_the_bounds_hold_for_any_parameters_adjoint_and_response() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(150):
        bent, h = drawn(rng)
        bounds, truth, slope = bent.bounds(), bent.solution(h), bent.gradient(h)
        w = truth + vector(rng, h, 10.0 ** rng.uniform(-4, 1))
        error = float(bent.slope(w, h).norm()) / bounds.mu
        assert float((w - truth).norm()) <= error
        hessian, mixed, right = bent.hessian(w, h), bent.mixed(w, h), bent.outer_slope(w, h)
        q = torch.linalg.solve(hessian, right) + vector(rng, h, 10.0 ** rng.uniform(-6, 0))
        residual, weight = float((right - hessian @ q).norm()), float(q.norm())
        off = bent.value(truth, h) - (bent.value(w, h) - float(q @ bent.slope(w, h)))
        assert abs(off) <= bounds.value(error, weight, residual) + 1e-9
        assert off >= -bounds.value(error, weight, residual, convex=True) - 1e-9
        z = bent.k * w - mixed.T @ q
        v = torch.linalg.solve(hessian, mixed @ z) + vector(rng, h, 10.0 ** rng.uniform(-6, 0))
        left = float((mixed @ z - hessian @ v).norm())
        size = float(z.norm())
        along = bounds.along(error, weight, residual, size, bounds.reach(error, size, float(v.norm()), left))
        assert abs(float(z @ (slope - z))) <= along + 1e-9
        whole = bounds.whole(error, weight, residual, float(torch.linalg.matrix_norm(mixed, 2)))
        assert float((slope - z).norm()) <= whole + 1e-9
        shares.append(abs(off) / bounds.value(error, weight, residual))
    assert max(shares) > 0.05  # they are not so wide that anything would pass


def test_a_constant_that_is_too_small_is_seen_to_break_them() -> None:
    rng, broken = np.random.default_rng(1), 0
    for _ in range(40):
        bent, h = drawn(rng)
        truth, w = bent.solution(h), bent.solution(h) + vector(rng, h, 0.1)
        q = torch.linalg.solve(bent.hessian(w, h), bent.outer_slope(w, h))
        off = bent.value(truth, h) - (bent.value(w, h) - float(q @ bent.slope(w, h)))
        flat = Bounds(bent.bounds().mu, 0.0, 0.0, 0.0, 0.0)
        broken += abs(off) > flat.value(float((w - truth).norm()), float(q.norm()), 0.0) + 1e-12
    assert broken == 40


def test_the_corrected_value_is_of_second_order_and_the_plain_one_of_first() -> None:
    rng = np.random.default_rng(2)
    orders = []
    for _ in range(20):
        bent, h = drawn(rng)
        truth, direction = bent.solution(h), vector(rng, h, 1.0)
        best = bent.value(truth, h)
        plain, corrected = [], []
        for size in (1e-2, 1e-3):
            w = truth + size * direction
            q = torch.linalg.solve(bent.hessian(w, h), bent.outer_slope(w, h))
            plain.append(abs(bent.value(w, h) - best))
            corrected.append(abs(bent.value(w, h) - float(q @ bent.slope(w, h)) - best))
        orders.append([math.log10(plain[0] / plain[1]), math.log10(corrected[0] / corrected[1])])
    # The median, since a first term may vanish by chance at one of the two sizes.
    assert np.median(orders, axis=0) == pytest.approx([1.0, 2.0], abs=0.1)


def test_the_error_asked_for_is_the_one_that_gives_the_bound() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        bounds = Bounds(*(10.0 ** rng.uniform(-3, 3, 5)))
        bound, adjoint, residual = 10.0 ** rng.uniform(-12, 3, 3)
        assert bounds.value(bounds.error_for(bound, adjoint, residual), adjoint, residual) == pytest.approx(bound)
    assert Bounds(1.0, 0.0, 0.0, 0.0, 0.0).error_for(1.0, 1.0, 0.0) == math.inf
