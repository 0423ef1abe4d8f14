"""Learn how to denoise a photograph: the weight of total variation, and a field of experts, by MAID.

    python examples/denoising.py

A denoiser minimises |u - noisy|^2 / 2 plus a penalty on u. Total variation has two settings, its weight and its
smoothing. A field of experts (S. Roth and M. J. Black, "Fields of experts", International Journal of Computer Vision
82, 2009), here a convex one, has eight filters of 3 x 3 points, each a mixture of cosines with a weight of its own: 73
settings, too many to try out. MAID learns both on one half of a photograph, with no step size to choose and a loss that
falls in every step; the other half judges. Needs the extras `torch` and `sklearn`, Pillow and matplotlib; writes
denoising.png into the current folder.
"""

from __future__ import annotations

import matplotlib
import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch.nn.functional import conv2d

from trimtab.tuners.gradients.bilevel import MAID, BilevelProblem, Constants, descend

matplotlib.use("Agg")
from matplotlib import pyplot

NOISE = 0.1


def photograph():
    """Grey values in [0, 1], clean and noisy, of the half to learn on, as four patches, and of the half to judge by."""
    grey = torch.tensor(load_sample_image("china.jpg").mean(2) / 255.0)[100:356:2, 60:572:2]
    noisy = grey + NOISE * torch.tensor(np.random.default_rng(0).normal(size=grey.shape))
    patches = [
        torch.stack([half[top : top + 40, left : left + 40] for top in (16, 72) for left in (16, 72)])[:, None]
        for half in (grey, noisy)
    ]
    return patches, [half[None, None, 16:112, 144:240] for half in (grey, noisy)]


def cosines():
    """The cosine basis of 3 x 3 points without the constant, shape (8, 3, 3)."""
    one = torch.tensor([[3**-0.5] * 3, [2**-0.5, 0.0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]]).double()
    return torch.einsum("ai,bj->abij", one, one).reshape(9, 3, 3)[1:]


def total_variation(u, h):
    """Weight times the sum of smoothed lengths of the gradient."""
    across, down = u[..., :-1, :-1] - u[..., 1:, :-1], u[..., :-1, :-1] - u[..., :-1, 1:]
    smooth = h["log_smoothing"].exp()
    return h["log_weight"].exp() * ((across**2 + down**2 + smooth**2).sqrt() - smooth).sum()


def experts(u, h):
    """The sum over filters of weights times smoothed absolute responses, which is convex in u."""
    filters = torch.einsum("kc,cij->kij", h["mixture"], cosines())[:, None]
    smooth = h["log_smoothing"].exp()
    responses = ((conv2d(u, filters) ** 2 + smooth**2).sqrt() - smooth).sum((0, 2, 3))
    return (h["log_weights"].exp() * responses).sum()


def denoiser(penalty, clean, noisy, hyperparameters):
    """The bilevel problem: an image of least penalty near the noisy one, judged by the clean one."""
    return BilevelProblem(
        inner=lambda w, h, batch: ((w["u"] - noisy) ** 2).sum() / 2 + penalty(w["u"], h),
        outer=lambda w, h, batch: ((w["u"] - clean) ** 2).sum() / 2,
        parameters={"u": noisy},
        hyperparameters=hyperparameters,
    )


def psnr(u, clean):
    """The peak signal-to-noise ratio in decibels."""
    return -10.0 * float(((u - clean) ** 2).mean().log10())


def learned(name, penalty, start, patches, unseen):
    """Learn the settings on the patches; the unseen part, denoised."""
    # Both losses are squares of distances, so two constants are known; the others are estimated.
    method = MAID(convex=True, constants=Constants(strong_convexity=1.0, outer_smoothness=1.0, direct_change=0.0))
    end = descend(denoiser(penalty, *patches, start), method, None, iterations=25)
    there = denoiser(penalty, *unseen, end.hyperparameters)
    denoised = method.start(there, end.hyperparameters).parameters["u"]
    print(
        f"{name}: {sum(h.numel() for h in start.values())} settings, {end.iteration} steps, "
        f"{end.inner_iterations} inner iterations; {psnr(end.parameters['u'], patches[0]):.2f} dB where it learned, "
        f"{psnr(denoised, unseen[0]):.2f} dB on the unseen half"
    )
    return denoised


if __name__ == "__main__":
    torch.set_num_threads(1)
    patches, unseen = photograph()
    print(f"noisy: {psnr(patches[1], patches[0]):.2f} dB where it learns, {psnr(unseen[1], unseen[0]):.2f} dB unseen")
    rough = torch.tensor(-3.0).double()
    images = {
        "clean": unseen[0],
        "noisy": unseen[1],
        "total variation": learned(
            "total variation", total_variation, {"log_weight": rough, "log_smoothing": rough}, patches, unseen
        ),
        "field of experts": learned(
            "field of experts",
            experts,
            {"log_weights": rough.repeat(8) - 1.0, "log_smoothing": rough, "mixture": torch.eye(8).double()},
            patches,
            unseen,
        ),
    }
    figure, axes = pyplot.subplots(1, 4, figsize=(14, 4))
    for axis, (title, image) in zip(axes, images.items(), strict=True):
        axis.imshow(image[0, 0], cmap="gray", vmin=0.0, vmax=1.0)
        axis.set_title(title if title == "clean" else f"{title}, {psnr(image, unseen[0]):.2f} dB")
        axis.axis("off")
    figure.tight_layout()
    figure.savefig("denoising.png", dpi=90)
    print("denoising.png drawn")
