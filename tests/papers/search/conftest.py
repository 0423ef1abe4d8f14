"""What the tests of search share: a small sentence model made of chance, one that counts subjects, and a catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import Listing, Page
from trimtab.papers.search.embeddings import Meaning

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "tune",
    "##s",
    "##r",
    "the",
    "rate",
    "learn",
    "##ing",
    "-",
    ".",
    "frechet",
]
DIMENSION, HEADS, WIDE, LAYERS, PLACES = 24, 3, 40, 2, 256

SUBJECTS = {
    "privacy": ("private", "noise", "secret", "budget", "confidential"),
    "graphs": ("graph", "node", "edge", "molecule", "network"),
    "vision": ("image", "camera", "scene", "pixel", "photograph"),
}
"""What `SubjectModel` knows: the last word of each is in no paper."""


def write_safetensors(path: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    """A safetensors file, by its description."""
    head, body = {}, b""
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        head[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps({"__metadata__": {"format": "pt"}, **head}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def weights(rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Weights of a small encoder, under the names that BERT gives them."""

    def linear(name: str, wide: int, narrow: int) -> None:
        made[f"{name}.weight"] = rng.standard_normal((wide, narrow)) / narrow**0.5
        made[f"{name}.bias"] = 0.1 * rng.standard_normal(wide)

    def norm(name: str) -> None:
        made[f"{name}.weight"] = 1.0 + 0.1 * rng.standard_normal(DIMENSION)
        made[f"{name}.bias"] = 0.1 * rng.standard_normal(DIMENSION)

    made: dict[str, NDArray[np.floating]] = {
        "embeddings.word_embeddings.weight": rng.standard_normal((len(PIECES), DIMENSION)),
        "embeddings.position_embeddings.weight": rng.standard_normal((PLACES, DIMENSION)),
        "embeddings.token_type_embeddings.weight": rng.standard_normal((2, DIMENSION)),
    }
    norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", DIMENSION, DIMENSION)
        linear(f"{layer}.attention.output.dense", DIMENSION, DIMENSION)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", WIDE, DIMENSION)
        linear(f"{layer}.output.dense", DIMENSION, WIDE)
        norm(f"{layer}.output.LayerNorm")
    return {name: tensor.astype(np.float32) for name, tensor in made.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a small sentence model."""
    config = {
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "layer_norm_eps": 1e-12,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    write_safetensors(tmp_path / "model.safetensors", weights(np.random.default_rng(0)))
    return tmp_path


class SubjectModel:
    """Stands for the sentence model: a vector counts the words of each subject, with a little of a fourth direction."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        rows = np.array(
            [[sum(text.lower().count(word) for word in words) for words in SUBJECTS.values()] + [0.1] for text in texts]
        )
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> SubjectModel:
    """The model of subjects in place of the installed one."""
    made = SubjectModel()
    monkeypatch.setattr(Meaning, "why_not", staticmethod(lambda: ""))
    monkeypatch.setattr(Meaning, "model", staticmethod(lambda: made))
    return made


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the weights were not installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)


def listing(number: int, subject: str) -> Listing:
    """A made-up paper about a subject."""
    words = SUBJECTS[subject][:-1]
    first, second = words[number % 4], words[(number + 1) % 4]
    return Listing(
        f"Treatise {number} of {first}",
        f"About {first} and {second} with {second}.",
        arxiv=f"2601.{10_000 + number}",
        line=number + 1,
    )


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    """Twelve papers, by turns about each subject; two pages list them."""
    subjects = list(SUBJECTS)
    listings = tuple(listing(i, subjects[i % 3]) for i in range(12))
    with Catalogue(":memory:") as made:
        made.add(Page("first", "json lines", listings[:6]))
        made.add(Page("second", "json lines", listings[6:]))
        yield made
