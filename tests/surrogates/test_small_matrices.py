"""Linear algebra of small matrices: one thread, and no new pages for every temporary."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from trimtab.surrogates.small_matrices import small_matrices

FAULTS = """
import resource
import numpy as np
from trimtab.surrogates.small_matrices import small_matrices

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    before = faults()
    for _ in range(50):  # several at once, so that the freed ones lie at the end of what the process holds
        matrices = [np.ones((300, 300)) for _ in range(6)]
        del matrices
    return faults() - before

if {kept}:
    with small_matrices():
        pass
work()
print(work())
"""


def faults(kept: bool) -> int:
    """Pages that a new process is handed while it makes and frees 300 arrays of 720 kB."""
    ran = subprocess.run([sys.executable, "-c", FAULTS.format(kept=kept)], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def threads() -> list[int]:
    """The threads of each library of linear algebra."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_within_and_as_many_as_before_afterwards() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        assert before
        with small_matrices():
            assert set(threads()) == {1}
            assert scipy.linalg.inv([[2.0]]) == 0.5
        assert threads() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators do not give every array new pages")
def test_freed_arrays_leave_their_pages_to_the_next() -> None:
    assert faults(kept=True) * 20 < faults(kept=False)
