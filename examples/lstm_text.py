"""Where steps in proportion to the gradient throw a recurrent network off, and steps of one length do not.

    python examples/lstm_text.py

Which library does a docstring come from: NumPy, SciPy, scikit-learn or PyTorch? An LSTM reads its first 24 words, and a
linear layer with an l2 term answers. That layer is the inner problem; the embedding and the LSTM are the
hyperparameters, moved so that the trained layer is right on other docstrings. The recurrent weights start at three
times the usual scale, where gradients are large in some places and small in others. BO-REP and a plain momentum descent
get the same start and batches. At this scale, with steps of the same length, plain momentum ends above the loss of not
reading at all, and BO-REP learns; with shorter steps and a usual start the two are about as good, as the tables of
`dev/studies/bo_rep.py` say. Draws `lstm_text.png` into the current folder. Needs the extras `torch` and `sklearn`, and
matplotlib.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy, embedding

from trimtab.base.errors import InvalidObservation
from trimtab.tuners.gradients.bilevel import BilevelProblem, BoRep, Descent, Minibatches, MomentumDescent, descend

MODULES = {
    "NumPy": ("numpy", "numpy.linalg", "numpy.ma", "numpy.random", "numpy.polynomial.chebyshev"),
    "SciPy": ("scipy.stats", "scipy.special", "scipy.signal"),
    "scikit-learn": ("sklearn.linear_model", "sklearn.ensemble", "sklearn.metrics", "sklearn.preprocessing",
                     "sklearn.decomposition", "sklearn.datasets", "sklearn.cluster", "sklearn.model_selection"),
    "PyTorch": ("torch", "torch.nn", "torch.nn.functional"),
}  # fmt: skip

EACH, WORDS, VOCABULARY = 400, 24, 800
"""Docstrings of each library, words of each, and words that the network knows; all others are one word."""

EMBEDDING, HIDDEN, L2 = 12, 24, 1e-2

RUNS = (("BO-REP", 1.0), ("plain momentum", 1.0), ("plain momentum", 0.3))
ITERATIONS = 90

Parts = list[tuple[torch.Tensor, torch.Tensor]]


def beginnings(modules: tuple[str, ...]) -> list[list[str]]:
    """The first words of the docstrings of all public functions, classes and methods, each once."""
    found: dict[str, None] = {}
    for module in map(importlib.import_module, modules):
        for name, thing in sorted(vars(module).items()):
            methods = sorted(vars(thing).items()) if inspect.isclass(thing) else []
            for inner, part in [(name, thing), *methods]:
                text = getattr(part, "__doc__", None)
                if inner.startswith("_") or name.startswith("_") or not callable(part) or not isinstance(text, str):
                    continue
                words = re.findall("[a-z]+", text.lower())
                if len(words) >= WORDS:
                    found[" ".join(words[:WORDS])] = None
    return [text.split() for text in found]


def docstrings(seed: int) -> Parts:
    """Numbers of words, shape (n, WORDS), and numbers of libraries, (n,): for training, validation and testing."""
    rng = np.random.default_rng(seed)
    texts: list[list[str]] = []
    for modules in MODULES.values():
        every = beginnings(modules)
        texts += [every[place] for place in rng.permutation(len(every))[:EACH]]
    labels = np.repeat(np.arange(len(MODULES)), EACH)
    parts = np.split(rng.permutation(len(texts)), [int(0.4 * len(texts)), int(0.8 * len(texts))])
    counts = Counter(word for place in parts[0] for word in texts[place])
    numbers = {word: 1 + place for place, (word, _) in enumerate(counts.most_common(VOCABULARY - 1))}
    coded = np.array([[numbers.get(word, 0) for word in text] for text in texts])
    return [(torch.tensor(coded[part]), torch.tensor(labels[part])) for part in parts]


def logits(w: dict[str, torch.Tensor], h: dict[str, torch.Tensor], words: torch.Tensor) -> torch.Tensor:
    """The layer w on what the network h makes of the words, shape (n, libraries)."""
    with torch.device("meta"):  # the shape of a network; its numbers are in h
        lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
    weights = {name: h[name] for name, _ in lstm.named_parameters()}
    _, (last, _) = functional_call(lstm, weights, (embedding(words, h["embedding"]),))
    return last[0] @ w["head"].T + w["offset"]


def reading(parts: Parts, seed: int, scale: float = 3.0) -> BilevelProblem:
    """The bilevel problem; `scale` is that of the recurrent weights at the start, 1 the usual one."""
    torch.manual_seed(seed)
    lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
    h = {"embedding": 0.3 * torch.randn(VOCABULARY, EMBEDDING)}
    for name, tensor in lstm.named_parameters():
        h[name] = torch.zeros_like(tensor) if "bias" in name else torch.randn(tensor.shape) / tensor.shape[1] ** 0.5
    h["weight_hh_l0"] *= scale
    # Gates half open at the start, as is usual for the one that forgets.
    h["bias_ih_l0"] += torch.tensor([1.0, 1.0, 0.0, 1.0]).repeat_interleave(HIDDEN)

    def outer(w, h, batch):
        return cross_entropy(logits(w, h, batch[0]), batch[1])

    def inner(w, h, batch):
        return outer(w, h, batch) + L2 / 2 * sum((part**2).sum() for part in w.values())

    w = {"head": torch.zeros(len(MODULES), HIDDEN), "offset": torch.zeros(len(MODULES))}
    return BilevelProblem(inner, outer, w, h, Minibatches(parts[0], 64, seed), Minibatches(parts[1], 64, seed + 1000))


def method(name: str, length: float) -> Descent:
    """BO-REP or plain momentum, alike in everything that both have."""
    if name == "BO-REP":
        return BoRep(length, inner_rate=0.5, inner_steps=3, adjoint=0.5, epochs=2, epoch_steps=20)
    return MomentumDescent(length, inner_rate=0.5, inner_steps=3, adjoint=0.5)


def losses(problem: BilevelProblem, method: Descent, iterations: int) -> np.ndarray:
    """The outer loss of batches after each iteration, a mean over the last 20, as far as the numbers are finite."""
    seen: list[float] = []
    try:
        descend(problem, method, None, iterations, lambda state: seen.append(state.value))
    except InvalidObservation as error:
        print(error)
    return np.array([np.mean(seen[max(0, place - 19) : place + 1]) for place in range(len(seen))])


if __name__ == "__main__":
    torch.set_num_threads(1)
    problem = reading(docstrings(seed=0), seed=0)
    figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
    print(f"validation loss, a mean over 20 batches; without reading it is {np.log(len(MODULES)):.2f}")
    for name, length in RUNS:
        curve = losses(problem, method(name, length), ITERATIONS)
        print(f"{name:15} steps of {length}: worst {curve.max():.2f}, at the end {curve[-1]:.2f}")
        panel.plot(curve, label=f"{name}, length {length}")
    panel.axhline(np.log(len(MODULES)), color="gray", linestyle=":", label="without reading")
    panel.set(xlabel="outer iteration", ylabel="validation loss")
    panel.legend()
    figure.savefig("lstm_text.png", dpi=110)
    print("the curves are drawn in lstm_text.png")
