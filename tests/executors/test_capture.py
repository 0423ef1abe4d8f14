from __future__ import annotations

import os
from multiprocessing.connection import Pipe

from hypothesis import given
from hypothesis import strategies as st

from trimtab.executors.capture import OutputTail


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 60))
def test_what_is_kept_is_the_end_of_what_was_written(pieces: list[bytes], limit: int) -> None:
    reader, writer = Pipe(duplex=False)
    tail = OutputTail(reader, limit)
    for piece in pieces:
        os.write(writer.fileno(), piece)
        tail.drain()
    writer.close()
    written = b"".join(pieces)
    kept = written[-limit:].decode("utf-8", errors="replace")
    note = f"... (only the last {limit} bytes were kept) ...\n" if len(written) > limit else ""
    assert tail.text() == note + kept
    assert tail.pipe is None


def test_a_restart_forgets_what_came_before() -> None:
    reader, writer = Pipe(duplex=False)
    with reader, writer:
        tail = OutputTail(reader, 4)
        os.write(writer.fileno(), b"too long")
        tail.drain()
        os.write(writer.fileno(), b"unread")
        tail.restart()
        assert tail.text() == ""
        os.write(writer.fileno(), b"new")
        assert tail.text() == "new"
        assert tail.pipe is reader
