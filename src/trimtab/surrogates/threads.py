"""One thread for small matrices.

A surrogate of a few hundred observations does thousands of products and factorisations that take microseconds each.
Handing them to a pool of threads costs more than they do, many times more where the cores are busy training what is
being tuned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["single_thread"]


@cache
def _controller() -> ThreadpoolController:
    """What knows the linear-algebra libraries of this process; finding them takes milliseconds, so once."""
    import scipy.linalg  # noqa: F401  # loads the library that is to be found

    return ThreadpoolController()


@contextmanager
def single_thread() -> Iterator[None]:
    """Run linear algebra in the calling thread alone, and set the number of threads back afterwards."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
