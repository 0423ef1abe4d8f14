"""Side-by-side comparison of tuners: problems, how a run is done, peers, scores and the page they end in."""

from __future__ import annotations

from trimtab.benchmarks.problem import Problem
from trimtab.benchmarks.registry import SETS, make_problem, problem_names, set_of
from trimtab.benchmarks.wrappers import CategoricalCopies, Delayed, Noisy, Shifted

__all__ = [
    "SETS",
    "CategoricalCopies",
    "Delayed",
    "Noisy",
    "Problem",
    "Shifted",
    "make_problem",
    "problem_names",
    "set_of",
]
