"""Numbers and arrays in strict JSON: exact, compact, and without `NaN`, which JSON does not have."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dumps", "float_from_json", "float_to_json", "loads", "vector_from_json", "vector_to_json"]

_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def float_to_json(value: float) -> float | str:
    """A float as JSON carries it: itself, or one of the words "nan", "inf", "-inf"."""
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def float_from_json(value: float | str) -> float:
    """Inverse of `float_to_json`.

    Raises:
        ValueError: a text other than the three words.
    """
    if isinstance(value, str):
        if value not in _WORDS:
            raise ValueError(f"not a number: {value!r}")
        return _WORDS[value]
    return float(value)


def vector_to_json(values: NDArray[np.float64]) -> dict[str, Any]:
    """A float64 vector, shape (n,), as compressed base64 of its little-endian bytes: exact for every bit."""
    raw = np.ascontiguousarray(values, dtype="<f8").tobytes()
    return {"n": int(values.size), "zlib": base64.b64encode(zlib.compress(raw, 6)).decode("ascii")}


def vector_from_json(value: Mapping[str, Any]) -> NDArray[np.float64]:
    """Inverse of `vector_to_json`, shape (n,)."""
    raw = zlib.decompress(base64.b64decode(value["zlib"]))
    vector = np.frombuffer(raw, dtype="<f8").astype(np.float64)
    if vector.size != value["n"]:
        raise ValueError(f"a vector of {value['n']} numbers was announced, {vector.size} were found")
    return vector


def dumps(value: object) -> str:
    """Compact strict JSON in ASCII. Lone surrogates survive as escapes.

    Raises:
        ValueError: a float that is not finite (use `float_to_json`).
        TypeError: something JSON has no word for.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """Read JSON."""
    return json.loads(text)
