"""What the tests of certificates share: fitted surrogates over any space, and the data of the paper's example."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trimtab.space import Space
from trimtab.surrogates.certificates import Profile
from trimtab.surrogates.certificates.branch_and_bound import Problem
from trimtab.surrogates.certificates.domains import ACTIVE, INACTIVE, Boxes, Domain
from trimtab.surrogates.certificates.mean import PosteriorMean
from trimtab.surrogates.certificates.palm_mean import problem_in_box
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Embedding, Hyperparameters, InputWarp, Model, Settings, build


@pytest.fixture
def fitted() -> Callable[..., Model]:
    """A model of n random configurations, of which a rugged loss was told; with inputs warped at random, or not."""

    def make(
        space: Space, n: int, seed: int = 0, scale: float = 0.7, noise: float = 1e-3, warped: float = 0.0
    ) -> Model:
        rng = np.random.default_rng(seed)
        raw = space.sample_raw(rng, n)
        unit = space.to_unit(raw)
        place = np.nan_to_num(unit, nan=0.3)
        losses = ((place - 0.4) ** 2).sum(axis=1) + 0.3 * np.sin(9.0 * place).sum(axis=1) - 5.0
        told = Evidence(raw, losses + 0.05 * rng.normal(size=n), np.zeros(n))
        scales = scale * rng.uniform(0.5, 2.0, len(space))
        warp = InputWarp(np.clip(warped * rng.normal(size=(2, len(space))), -1.6, 1.6)) if warped else None
        chosen = Settings(1.0, Hyperparameters(scales, noise), input_warp=warp)
        return build(told, unit, Embedding(space.columns), chosen)

    return make


@pytest.fixture
def narrowed() -> Callable[..., tuple[Boxes, np.ndarray]]:
    """The box around the first of some points after `depth` splits of the widest side, and which points it holds."""

    def holds(domain: Domain, boxes: Boxes, point: np.ndarray) -> np.ndarray:
        inside = (boxes.low <= point + 1e-12) & (point - 1e-12 <= boxes.high)
        alive = np.where(np.isnan(point), boxes.state != ACTIVE, (boxes.state != INACTIVE) & inside)
        return np.where(domain.numbers, alive, inside).all(axis=1)

    def make(mean: PosteriorMean, domain: Domain, points: np.ndarray, depth: int) -> tuple[Boxes, np.ndarray]:
        boxes = domain.root()
        for _ in range(depth):
            widths = domain.widths(boxes, mean.scales)
            if widths.max() <= 0.0:
                break
            parts, _ = domain.split(boxes, widths.argmax(axis=1))
            kept = np.flatnonzero(holds(domain, parts, points[0]))[0]
            boxes = Boxes(*(part[kept : kept + 1] for part in (parts.low, parts.high, parts.state)))
        return boxes, np.array([holds(domain, boxes, point)[0] for point in points])

    return make


@pytest.fixture
def example() -> Callable[..., Problem]:
    """f(x) = sum_k sin(6 x_k) + (sum_k (x_k - 1/2))^2 at n random points, length-scale 0.2, nugget 1e-4."""

    def make(n: int, profile: Profile, d: int = 2, nugget: float = 1e-4) -> Problem:
        x = np.random.default_rng(1).random((n, d))
        y = np.sin(6.0 * x).sum(axis=1) + ((x - 0.5).sum(axis=1)) ** 2
        gram = profile.value_and_slope(((x[:, None] - x) ** 2).sum(axis=2) / 0.04)[0]
        weights = np.linalg.solve(gram + nugget * np.eye(n), y - y.mean())
        return problem_in_box(x, weights, [0.0] * d, [1.0] * d, [0.2] * d, 0.0, profile)

    return make
