"""Writing a text file so that a reader sees the old file or the whole new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from trimtab.base.errors import StorageError, message

__all__ = ["write_text"]


def write_text(path: str | os.PathLike[str], text: str, what: str) -> Path:
    """Write UTF-8 text to a temporary file beside `path`, then rename it into place.

    Arguments:
        path: where to; an existing file is replaced.
        text: the content. Lone surrogates, which UTF-8 cannot carry, become question marks.
        what: what is written, for the error text, such as "the report".

    Returns:
        The absolute path.

    Raises:
        StorageError: the folder does not exist, is not writable or is full; an existing file is left as it was.
    """
    target = Path(path).expanduser().absolute()
    scratch = None
    try:
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=".trimtab-", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
        os.chmod(scratch, 0o644 & ~_umask())
        os.replace(scratch, target)
    except OSError as error:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
        raise StorageError(
            message(
                f"{what} could not be written ({error.strerror or error})",
                got=str(target),
                allowed="a file name in an existing folder that may be written to, on a disk with room",
                do="choose another path, or make the folder first",
            )
        ) from error
    return target


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
