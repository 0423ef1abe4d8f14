"""What every test shares: linear algebra on one thread per process, and the settings of Hypothesis."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The conformance kits live in the package, where pytest would not explain their asserts unasked.
pytest.register_assert_rewrite("trimtab.testing")

# Before anything loads NumPy: with several test processes, threads would only fight for the cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# No test has a time limit of its own: a loaded machine is no defect. Under CI, Hypothesis's own "ci"
# profile fixes the examples, so that the same commit gives the same verdict twice.
settings.register_profile(
    "house",
    settings.get_profile("ci" if "CI" in os.environ else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")
