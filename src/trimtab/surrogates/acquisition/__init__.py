"""Questions to a posterior, and where in a space the answer is best."""

from trimtab.surrogates.acquisition.belief import Belief
from trimtab.surrogates.acquisition.candidates import distinct, filled, near, spread
from trimtab.surrogates.acquisition.cost import LogCost
from trimtab.surrogates.acquisition.criterion import Criterion, Predictor, Total
from trimtab.surrogates.acquisition.feasibility import LogFeasibility
from trimtab.surrogates.acquisition.improvement import LogImprovement, LogNoisyImprovement
from trimtab.surrogates.acquisition.logei import log_ei, log_ei_gradient, log_h
from trimtab.surrogates.acquisition.search import Scored, Search

__all__ = [
    "Belief",
    "Criterion",
    "LogCost",
    "LogFeasibility",
    "LogImprovement",
    "LogNoisyImprovement",
    "Predictor",
    "Scored",
    "Search",
    "Total",
    "distinct",
    "filled",
    "log_ei",
    "log_ei_gradient",
    "log_h",
    "near",
    "spread",
]
