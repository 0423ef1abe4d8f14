"""Questions to a posterior, and where in a space the answer is best."""

from trimtab.surrogates.acquisition.candidates import distinct, filled, near, spread
from trimtab.surrogates.acquisition.criterion import Belief, Criterion, LogImprovement, Predictor
from trimtab.surrogates.acquisition.logei import log_ei, log_ei_gradient, log_h
from trimtab.surrogates.acquisition.search import Scored, Search

__all__ = [
    "Belief",
    "Criterion",
    "LogImprovement",
    "Predictor",
    "Scored",
    "Search",
    "distinct",
    "filled",
    "log_ei",
    "log_ei_gradient",
    "log_h",
    "near",
    "spread",
]
