"""Linear algebra of small matrices without what is made for large ones.

A surrogate of a few hundred observations does thousands of products and factorisations that take microseconds each.
Two things that help with large matrices cost more than all of these:

- **Threads.** Handing a small product to a pool of threads takes longer than the product, many times longer where the
  cores are busy training what is being tuned. So there is one.
- **Pages of their own.** glibc gives an array of more than 128 kB pages of its own and returns them to the system when
  it is freed, so that every temporary of a fit is faulted in anew, page by page: a third of the time that a fit to 300
  values took. Once an array that had its own pages was freed, glibc takes arrays of up to its size from pages that it
  keeps, up to twice that size (mallopt(3), M_MMAP_THRESHOLD). So one is, which is never written to and takes no memory.
  Other allocators know no such rule and are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = ["small_matrices"]

LARGEST = 2**24
"""Bytes of the largest array that is to come from kept pages: the covariance of a thousand observations has half."""


@cache
def _controller() -> ThreadpoolController:
    """What knows the linear-algebra libraries of this process; finding them takes milliseconds, so once."""
    import scipy.linalg  # noqa: F401  # loads the library that is to be found

    return ThreadpoolController()


@cache
def _keep_pages() -> None:
    """Have arrays of up to `LARGEST` bytes come from pages that are kept; it holds for the process, so once."""
    np.empty(LARGEST, dtype=np.uint8)


@contextmanager
def small_matrices() -> Iterator[None]:
    """Run linear algebra in the calling thread alone, and in memory that is kept from one array to the next.

    The number of threads is set back afterwards; the memory stays at hand.
    """
    _keep_pages()
    with _controller().limit(limits=1, user_api="blas"):
        yield
