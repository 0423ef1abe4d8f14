"""Hypergradients in PyTorch: d validation loss / d hyperparameter, through training or at its end.

| to differentiate | use | cost |
|---|---|---|
| the end of training, any number of hyperparameters | `implicit_hypergradient` | some dozens of gradients, no path |
| the path, any hyperparameters, rates too | `unrolled_hypergradient` | 3 to 4 trainings, memory T or sqrt(T) |
| the path, few hyperparameters, rates too | `forward_hypergradient` | a training for each of them, no memory |

All of them take a `BilevelProblem` and give a `Hypergradient`; `GradientObjective` brings a training function into a
study. Needs the extra `torch`.
"""

from trimtab.base.lazy import need

need("torch", "torch", "tuning by gradients")

# ruff: noqa: E402 - the imports below would fail without torch, and say less about it.
from trimtab.tuners.gradients.bilevel.bo_rep import BO_REP_REFS, BoRep
from trimtab.tuners.gradients.bilevel.constants import Constants
from trimtab.tuners.gradients.bilevel.cost import Cost, SavedBytes, hypergradient_cost
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, check_problem
from trimtab.tuners.gradients.bilevel.descent import Descent, State, descend, go_on
from trimtab.tuners.gradients.bilevel.descent_task import DescentTask
from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors
from trimtab.tuners.gradients.bilevel.forward import forward_hypergradient
from trimtab.tuners.gradients.bilevel.hypergradient import Hypergradient
from trimtab.tuners.gradients.bilevel.implicit import IMPLICIT_REFS, implicit_hypergradient
from trimtab.tuners.gradients.bilevel.inner_solver import InnerSolution, solve_inner
from trimtab.tuners.gradients.bilevel.linear_systems import (
    LINEAR_SYSTEM_REFS,
    ConjugateGradients,
    FixedPoint,
    LinearSolution,
    LinearSolver,
    NeumannSeries,
)
from trimtab.tuners.gradients.bilevel.maid import MAID, MAID_REFS
from trimtab.tuners.gradients.bilevel.momentum import MOMENTUM_REFS, MomentumDescent
from trimtab.tuners.gradients.bilevel.objective import (
    DIVERGED,
    NO_GRADIENT,
    ZERO_GRADIENT,
    GradientObjective,
    Train,
)
from trimtab.tuners.gradients.bilevel.problem import (
    BILEVEL_REFS,
    BilevelProblem,
    IllPosed,
    Loss,
    Minibatches,
    ModuleLoss,
    Sampler,
)
from trimtab.tuners.gradients.bilevel.unrolled import UNROLLED_REFS, GradientDescent, Rate, unrolled_hypergradient

__all__ = [
    "BILEVEL_REFS",
    "BO_REP_REFS",
    "DIVERGED",
    "IMPLICIT_REFS",
    "LINEAR_SYSTEM_REFS",
    "MAID",
    "MAID_REFS",
    "MOMENTUM_REFS",
    "NO_GRADIENT",
    "UNROLLED_REFS",
    "ZERO_GRADIENT",
    "BilevelProblem",
    "BoRep",
    "ConjugateGradients",
    "Constants",
    "Cost",
    "Descent",
    "DescentTask",
    "FixedPoint",
    "GradientDescent",
    "GradientObjective",
    "Hypergradient",
    "IllPosed",
    "InnerSolution",
    "Layout",
    "LinearSolution",
    "LinearSolver",
    "Linearisation",
    "Loss",
    "Minibatches",
    "ModuleLoss",
    "MomentumDescent",
    "NeumannSeries",
    "Rate",
    "Sampler",
    "SavedBytes",
    "State",
    "Tensors",
    "Train",
    "check_problem",
    "descend",
    "forward_hypergradient",
    "go_on",
    "hypergradient_cost",
    "implicit_hypergradient",
    "solve_inner",
    "unrolled_hypergradient",
]
