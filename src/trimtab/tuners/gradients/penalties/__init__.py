"""Linear models whose penalties are tuned by exact derivatives of a validation loss; NumPy and SciPy are enough.

    model                           validation loss        penalties                       file
    RidgePenalties                  squared error          one, a group, a feature         ridge
    ElasticNetPenalties             squared error          l1 as above, and one l2         elastic_net
    LogisticPenalties               log loss               one, a group, a feature         logistic
    SvmPenalties                    squared hinge          one, a group, a feature         svm
    KernelSvm                       squared hinge          C and gamma                     kernel_svm

Each is a `Task`, an objective for `study.optimize`, a pure function `value_and_gradient(penalties)`, and a way to the
model: `fit(params)`. `PenaltyDescent` makes one trial of a whole descent over the penalties of any of them.
"""

from trimtab.tuners.gradients.penalties.elastic_net import ElasticNetPenalties
from trimtab.tuners.gradients.penalties.kernel_svm import KernelModel, KernelSvm
from trimtab.tuners.gradients.penalties.logistic import LogisticPenalties
from trimtab.tuners.gradients.penalties.penalty_descent import PenaltyDescent
from trimtab.tuners.gradients.penalties.penalty_task import Evaluation, LinearModel, NotConverged
from trimtab.tuners.gradients.penalties.ridge import RidgePenalties
from trimtab.tuners.gradients.penalties.svm import SvmPenalties

__all__ = [
    "ElasticNetPenalties",
    "Evaluation",
    "KernelModel",
    "KernelSvm",
    "LinearModel",
    "LogisticPenalties",
    "NotConverged",
    "PenaltyDescent",
    "RidgePenalties",
    "SvmPenalties",
]
