"""Checkpoints of trainings inside one trial: tensors as plain arrays, files that are whole, and whose they are.

Needs tensors by name and some JSON. A checkpoint is one `.npz` file without pickle: an array for each tensor, exact in
every bit, and arrays of UTF-8 JSON for the rest. It is written beside its place and then moved there, so that a worker
which is killed while it writes leaves the checkpoint before. Its name and content carry a fingerprint of all tensors
and settings that the training depends on; the code of loss functions has none. NumPy is enough, but for tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "Arrays",
    "Note",
    "fingerprint",
    "from_json_array",
    "read",
    "set_aside",
    "settings_text",
    "tensors_from_arrays",
    "tensors_to_arrays",
    "to_json_array",
    "write",
]

Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Plain arrays by name, fit for `numpy.savez` and `numpy.load(..., allow_pickle=False)`."""

Note: TypeAlias = Callable[[str, Json], None]
"""Notes a user attribute of the trial."""

Kinds: TypeAlias = "Mapping[str, Mapping[str, Tensor]]"
"""Tensors by kind and name, such as {"parameters": {"weight": ...}}."""


def to_json_array(value: Json) -> NDArray[np.uint8]:
    """JSON as an array of its UTF-8 bytes."""
    return np.frombuffer(dumps(value).encode(), dtype=np.uint8)


def from_json_array(array: NDArray[Any]) -> Any:
    """Inverse of `to_json_array`."""
    return json.loads(array.tobytes())


def tensors_to_arrays(kinds: Kinds) -> tuple[Arrays, dict[str, Json]]:
    """An array for each tensor, and the table of their names and types, which `tensors_from_arrays` needs.

    bfloat16, which NumPy lacks, is stored as float32, which holds all of its numbers.
    """
    arrays: Arrays = {}
    table: dict[str, Json] = {}
    for kind, tensors in kinds.items():
        names: list[Json] = []
        for place, (name, tensor) in enumerate(tensors.items()):
            plain = tensor.detach().cpu()
            dtype = str(plain.dtype).removeprefix("torch.")
            names.append([name, dtype])
            # Numbered, since a tensor's name may be any text and an array's is a file name.
            arrays[f"{kind}.{place}"] = (plain.float() if dtype == "bfloat16" else plain).numpy().copy()
        table[kind] = names
    return arrays, table


def tensors_from_arrays(
    arrays: Mapping[str, NDArray[Any]], table: Mapping[str, Any], device: torch.device | str = "cpu"
) -> dict[str, dict[str, Tensor]]:
    """Inverse of `tensors_to_arrays`; other arrays are passed over.

    Raises:
        KeyError, ValueError, TypeError, AttributeError: they are not what it gave.
    """
    import torch  # only here, since solves without tensors keep checkpoints too

    return {
        kind: {
            name: torch.from_numpy(np.array(arrays[f"{kind}.{place}"])).to(device, getattr(torch, dtype))
            for place, (name, dtype) in enumerate(names)
        }
        for kind, names in table.items()
    }


def write(path: Path, arrays: Arrays, note: Note) -> None:
    """Put a checkpoint in its place as a whole: it is there with all of its bytes, or the one before still is.

    A file that cannot be written is noted as "checkpoint failed": the training is worth more than its checkpoint.
    """
    scratch = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
        note("checkpoint failed", f"{path}: {error.strerror or error}")


@contextmanager
def read(path: Path) -> Iterator[Arrays]:
    """The arrays of a checkpoint; what goes wrong while they are taken apart in the block is told as corruption.

    Raises:
        InvalidArgument: it is corrupt.
    """
    try:
        # Opened here, since np.load would leave a cut file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
        yield arrays
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InvalidArgument(
            message(f"the checkpoint {path.name} is corrupt ({type(error).__name__}: {error})")
        ) from error


def set_aside(path: Path, why: Exception, note: Note) -> None:
    """Move a checkpoint that cannot be used out of the way, and note it as "checkpoint set aside"."""
    aside = path.with_name(f"{path.name}.{time.time_ns()}.bad")
    text = f"{why} It was set aside as {aside.name}, and the trial began anew."
    try:
        os.replace(path, aside)
    except OSError as failure:
        text = f"{why} It could not be set aside ({failure.strerror}), and is to be replaced."
    note("checkpoint set aside", text)


def fingerprint(settings: str, *tensors: Mapping[str, Tensor]) -> str:
    """A hash of settings and of named tensors with all of their bits, as 64 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=32)
    digest.update(settings.encode())
    for group in tensors:
        import torch

        for name, tensor in group.items():
            plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(plain.numpy().tobytes())
    return digest.hexdigest()


def settings_text(settings: object) -> str:
    """Dataclasses as text, field by field; functions by their names, since their addresses change from run to run."""

    def plain(value: Any) -> Any:
        if callable(value) and hasattr(value, "__qualname__"):
            return f"function {value.__module__}.{value.__qualname__}"
        if isinstance(value, Mapping):
            return {str(name): plain(each) for name, each in value.items()}
        fields = getattr(value, "__dataclass_fields__", None)
        if fields is not None:
            return [type(value).__qualname__, {name: plain(getattr(value, name)) for name in fields}]
        return repr(value)

    return dumps(plain(settings))
