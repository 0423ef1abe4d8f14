"""Past trials shared under differential privacy: noisy sums of similarities, their accounts, audits and use."""

from trimtab.tuners.tasks.private.accounting import Accountant, Cost
from trimtab.tuners.tasks.private.audit import Audit, audit, likelihood_ratio, threshold_attacks
from trimtab.tuners.tasks.private.distance_sums import DistanceDesign, distance_sums
from trimtab.tuners.tasks.private.kernel_sums import KernelDesign, Noise, kernel_sums
from trimtab.tuners.tasks.private.private_quantile import private_quantile
from trimtab.tuners.tasks.private.private_summary import PrivateSummary, TooFewTrials, publish
from trimtab.tuners.tasks.private.warm_start import PrivateWarmStart

__all__ = [
    "Accountant",
    "Audit",
    "Cost",
    "DistanceDesign",
    "KernelDesign",
    "Noise",
    "PrivateSummary",
    "PrivateWarmStart",
    "TooFewTrials",
    "audit",
    "distance_sums",
    "kernel_sums",
    "likelihood_ratio",
    "private_quantile",
    "publish",
    "threshold_attacks",
]
