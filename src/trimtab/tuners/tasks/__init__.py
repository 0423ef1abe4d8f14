"""Tuning over a distribution of tasks: settings that do well on average over tasks to come.

A `TaskFamily` holds the tasks. Where the structure of a method allows, `duals` are the exact losses of one task as a
function of a hyperparameter, `fit_exact` minimises their mean over tasks, and `ExponentialForecaster` follows tasks
that arrive one by one. `certify_setting` says what to expect of tasks to come, `check_novelty` whether they are of the
same kind, and `bounds` what theory knows. For everything else `transfer` starts a study from past ones,
`representation` shares what concurrent ones learn, and `private` publishes a summary that gives no trial away.
"""

from trimtab.tuners.tasks.certificate import Certificate, Comparison, certify_setting, compare_settings
from trimtab.tuners.tasks.dispersion import Dispersion, measure_dispersion
from trimtab.tuners.tasks.duals.dual import Dual, Minimum
from trimtab.tuners.tasks.duals.mean import mean_dual
from trimtab.tuners.tasks.exact import ExactFit, Gap, LearningCurve, fit_exact, learning_curve, losses_at
from trimtab.tuners.tasks.family import FamilyMember, FamilyObjective, TaskFamily, TaskSource
from trimtab.tuners.tasks.novelty import Novelty, check_novelty, loss_profiles
from trimtab.tuners.tasks.online import ExponentialForecaster, Regret

__all__ = [
    "Certificate",
    "Comparison",
    "Dispersion",
    "Dual",
    "ExactFit",
    "ExponentialForecaster",
    "FamilyMember",
    "FamilyObjective",
    "Gap",
    "LearningCurve",
    "Minimum",
    "Novelty",
    "Regret",
    "TaskFamily",
    "TaskSource",
    "certify_setting",
    "check_novelty",
    "compare_settings",
    "fit_exact",
    "learning_curve",
    "loss_profiles",
    "losses_at",
    "mean_dual",
    "measure_dispersion",
]
