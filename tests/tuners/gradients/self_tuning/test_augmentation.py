"""Augmentation: nothing at strength zero, the geometry on images where it is exact, and holes of the right size."""

from __future__ import annotations

import math

import pytest
import torch

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.self_tuning import cut_out, move

HEIGHT, WIDTH = 12, 20


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_strengths_of_zero_change_nothing() -> None:
    x = torch.rand(4, 2, HEIGHT, WIDTH, generator=rng(1), dtype=torch.float64)
    nothing = torch.zeros(4, dtype=torch.float64)
    torch.testing.assert_close(move(x, nothing, nothing, rng()), x)
    assert torch.equal(cut_out(x, nothing, rng()), x)


def test_an_image_that_is_a_plane_is_moved_exactly() -> None:
    """Bilinear interpolation is exact on planes, so each inner pixel shows the plane where it came from."""
    count = 6
    shift = torch.linspace(0.0, 2.0, count, dtype=torch.float64)
    turn = torch.linspace(20.0, 0.0, count, dtype=torch.float64)
    down = torch.arange(HEIGHT, dtype=torch.float64) - (HEIGHT - 1) / 2
    right = torch.arange(WIDTH, dtype=torch.float64) - (WIDTH - 1) / 2
    plane = (3.0 * down[:, None] - 2.0 * right + 1.0).expand(count, 1, -1, -1)
    found = move(plane, shift, turn, rng(5))
    draws = 2.0 * torch.rand((3, count), generator=rng(5), dtype=torch.float64) - 1.0
    for n in range(count):
        angle = math.radians(float(draws[0, n] * turn[n]))
        for row, column in ((HEIGHT // 2, WIDTH // 2), (4, 7), (7, 12)):
            y, x = float(down[row]), float(right[column])
            from_x = math.cos(angle) * x - math.sin(angle) * y + float(draws[2, n] * shift[n])
            from_y = math.sin(angle) * x + math.cos(angle) * y + float(draws[1, n] * shift[n])
            assert float(found[n, 0, row, column]) == pytest.approx(3.0 * from_y - 2.0 * from_x + 1.0)
    assert float((found - plane).abs().max()) > 1.0


def test_holes_are_squares_of_a_side_per_example() -> None:
    side = torch.tensor([0.0, 2.5, 4.0]).repeat_interleave(400)
    out = cut_out(torch.ones(1200, 2, HEIGHT, WIDTH), side, rng(2))
    for n in (450, 900, 1100):
        empty = out[n, 0] == 0.0
        assert torch.equal(empty, out[n, 1] == 0.0)
        rows, columns = empty.any(1), empty.any(0)
        assert torch.equal(empty, rows[:, None] & columns)
        assert max(int(rows.sum()), int(columns.sum())) <= math.ceil(float(side[n]))
    # A hole that is nowhere cut off by the rim has so many pixels on average.
    for first, length in ((400, 2.5), (800, 4.0)):
        empty = out[first : first + 400, 0, 4:-4, 4:-4] == 0.0
        assert float(empty.float().mean()) == pytest.approx(length**2 / (HEIGHT * WIDTH), rel=0.15)


def test_a_hole_may_be_all_there_is() -> None:
    assert float(cut_out(torch.ones(3, 1, 4, 4), torch.tensor(8.5), rng()).abs().max()) == 0.0


def test_what_is_no_image_and_no_strength_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"no images; got \(3, 4\)"):
        cut_out(torch.ones(3, 4), torch.tensor(1.0), rng())
    with pytest.raises(InvalidArgument, match=r"the shift is out of its range; got -1.0; allowed: >= 0"):
        move(torch.ones(1, 1, 4, 4), torch.tensor(-1.0), torch.tensor(0.0), rng())
