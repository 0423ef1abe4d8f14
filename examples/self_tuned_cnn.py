"""One training of a small CNN that tunes its dropout, augmentation and weight decay as it goes.

    python examples/self_tuned_cnn.py

Nine settings start almost off. A self-tuning network learns how its weights answer to them, and moves them down the
validation loss while it trains. The same network is then trained twice more, plainly: with the settings fixed where
they started, and along the schedule that was found. All three are judged by digits that neither training nor tuning
saw. This is one seed, and no proof. Draws `self_tuned_cnn.png`, the schedules and the losses, into the current folder.
Needs the extras `torch` and `sklearn`, and matplotlib.
"""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

import trimtab as tt
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel import Minibatches
from trimtab.tuners.gradients.self_tuning import (
    Coding,
    Momentum,
    RmsProp,
    Schedule,
    SelfTuning,
    SelfTuningConv2d,
    SelfTuningLinear,
    SelfTuningProblem,
    add_noise,
    cut_out,
    drop,
    follow,
    move,
    tune,
)

SPACE = tt.Space(
    pixels=tt.Float(0.0, 0.8),
    first=tt.Float(0.0, 0.8),
    second=tt.Float(0.0, 0.8),
    third=tt.Float(0.0, 0.8),
    noise=tt.Float(0.0, 0.8),
    shift=tt.Float(0.0, 2.0),
    hole=tt.Float(0.0, 4.0),
    turn=tt.Float(0.0, 45.0),
    decay=tt.Float(1e-6, 1e-1, log=True),
)
START = {
    "pixels": 0.05,
    "first": 0.05,
    "second": 0.05,
    "third": 0.05,
    "noise": 0.05,
    "shift": 0.1,
    "hole": 0.2,
    "turn": 2.0,
    "decay": 1e-5,
}
ROUNDS, STEPS = 120, 5
RULE = Momentum(0.03)
PANELS = {
    "share that is dropped: of pixels, after layers": ("pixels", "first", "second", "third"),
    "augmentation, up to so many pixels": ("shift", "hole"),
    "augmentation, up to so many degrees": ("turn",),
    "noise, standard deviation (white is 1)": ("noise",),
    "weight decay": ("decay",),
}


class Cnn(nn.Module):
    """Two convolutions and two linear layers, each of which answers to the settings."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first = SelfTuningConv2d(1, 8, 3, inputs, padding=1)
        self.second = SelfTuningConv2d(8, 16, 3, inputs, stride=2, padding=1)
        self.third = SelfTuningLinear(256, 64, inputs)
        self.last = SelfTuningLinear(64, 10, inputs)

    def forward(self, x, hyper=None, rng=None, z=None):
        """Logits; units are dropped where settings are given."""
        for layer in ("first", "second", "third"):
            x = x.flatten(1) if layer == "third" else x
            x = getattr(self, layer)(x, z).relu()
            if hyper is not None:
                x = drop(x, hyper[layer], rng)
        return self.last(x, z)


def training(network, batch, hyper, rng):
    """Cross-entropy on augmented digits with weight decay; each example has settings of its own."""
    x = move(batch[0], hyper["shift"], hyper["turn"], rng)
    x = add_noise(drop(cut_out(x, hyper["hole"], rng), hyper["pixels"], rng), hyper["noise"], rng)
    decay = (hyper["decay"] * network.square_norm()).mean() / 2
    return cross_entropy(network(x, hyper=hyper, rng=rng), batch[1]) + decay


def validation(network, batch):
    """Cross-entropy."""
    return cross_entropy(network(batch[0]), batch[1])


def digits(seed: int) -> SelfTuningProblem:
    """300 digits to train on, 500 to tune on, and the others to judge by."""
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, valid, unseen = ((x[rows], y[rows]) for rows in (order[:300], order[300:800], order[800:]))
    coding = Coding.of(SPACE)
    torch.manual_seed(seed)
    return SelfTuningProblem(
        module=Cnn(coding.inputs),
        coding=coding,
        start=START,
        training=training,
        validation=validation,
        train_batch=Minibatches(train, 50, seed),
        valid_batch=Minibatches(valid, 100, seed),
        evaluation=valid,
        held_out=unseen,
    )


def draw(schedules: dict[str, Schedule]) -> None:
    """The settings over the training, and the losses of all trainings."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.5), layout="constrained", sharex=True)
    *of_settings, of_losses = axes.flat
    rows = schedules["self-tuned"].rows
    for axis, (title, names) in zip(of_settings, PANELS.items(), strict=True):
        for name in names:
            axis.plot([row.step for row in rows], [row.params[name] for row in rows], label=name)
        axis.set_title(title, fontsize=10)
        axis.legend()
        if names == ("decay",):
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
    for name, schedule in schedules.items():
        of_losses.plot([row.step for row in schedule.rows], [row.held_out for row in schedule.rows], label=name)
    of_losses.set_title("cross-entropy on unseen digits (nats)", fontsize=10)
    of_losses.set_yscale("log")
    of_losses.set_yticks([0.1, 0.2, 0.5, 1, 2], labels=["0.1", "0.2", "0.5", "1", "2"])
    of_losses.minorticks_off()
    of_losses.legend()
    for axis in axes[1]:
        axis.set_xlabel("training steps")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    figure.savefig("self_tuned_cnn.png", dpi=110)


if __name__ == "__main__":
    torch.set_num_threads(1)
    problem, key = digits(seed=0), Key(0)
    # Without the tangent of the network, a step takes 0.7 of the time.
    method = SelfTuning(
        warm_up=30,
        training_steps=STEPS,
        scale=0.5,
        weights=RULE,
        response=RULE,
        hyper=RmsProp(0.03),
        linearised=False,
    )
    tuned = tune(problem, method, ROUNDS, key, every=2)
    schedules = {
        "self-tuned": tuned.schedule,
        "along the schedule": follow(problem, tuned.schedule, ROUNDS * STEPS, key, RULE, every=2 * STEPS).schedule,
        "fixed at the start": follow(
            problem, Schedule.constant(START), ROUNDS * STEPS, key, RULE, every=2 * STEPS
        ).schedule,
    }
    end = tuned.schedule.rows[-1].params
    print("settings at the end:", ", ".join(f"{name} {value:.2g}" for name, value in end.items()))
    for name, schedule in schedules.items():
        best, last = schedule.best(), schedule.rows[-1]
        print(
            f"{name:20} at the end {last.held_out:.3f} on unseen digits (validation {last.value:.3f}), "
            f"stopped at the best validation loss {best.held_out:.3f} ({best.value:.3f})"
        )
    draw(schedules)
    print("the picture is self_tuned_cnn.png")
