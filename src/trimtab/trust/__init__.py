"""What can be trusted: honest bests, intervals, and the only place in the house that computes a best."""

from trimtab.trust.certify import certify
from trimtab.trust.intervals import binomial_interval, paired_difference
from trimtab.trust.observed import observed_best, observed_incumbents, observed_pareto
from trimtab.trust.selection import SELECTION_METHODS, compare_with_default, select, selection_references

__all__ = [
    "SELECTION_METHODS",
    "binomial_interval",
    "certify",
    "compare_with_default",
    "observed_best",
    "observed_incumbents",
    "observed_pareto",
    "paired_difference",
    "select",
    "selection_references",
]
