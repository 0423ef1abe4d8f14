from __future__ import annotations

from collections.abc import Iterator

import pytest

from trimtab.executors.processes import ProcessExecutor


@pytest.fixture(scope="module")
def shared() -> Iterator[ProcessExecutor]:
    """One slot whose worker lives for many tests, or is replaced as the tests kill it."""
    with ProcessExecutor(1, grace=0.2) as executor:
        yield executor


@pytest.fixture(scope="module")
def pair() -> Iterator[ProcessExecutor]:
    """Two slots."""
    with ProcessExecutor(2) as executor:
        yield executor
