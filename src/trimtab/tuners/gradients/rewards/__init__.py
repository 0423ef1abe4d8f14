"""Behaviour alignment: a reward and a discount, learnt so that the policy which they train does what counts.

| you have | use |
|---|---|
| tables of transitions and of both rewards | `TabularProblem` and `ExactBarfi` |
| an environment with Gymnasium's interface, and a policy | `SampledProblem` and `Barfi` |
| one run | `align(problem, method, iterations)` |
| a study over settings, starts or seeds | `BarfiTask` |

Needs the extra `torch`.
"""

from trimtab.base.lazy import need

need("torch", "torch", "learning a reward")

# ruff: noqa: E402 - the imports below would fail without torch, and say less about it.
from trimtab.tuners.gradients.rewards.alignment import Bound, Method, Problem, align, discount_of
from trimtab.tuners.gradients.rewards.barfi import BARFI_REFS, Barfi, buffer_of, neumann
from trimtab.tuners.gradients.rewards.barfi_task import RETURN, BarfiTask
from trimtab.tuners.gradients.rewards.blend import GAMMA, GAMMA_LOGIT, PHI, Weights, blended, fourier_features
from trimtab.tuners.gradients.rewards.episodes import Auxiliary, Environment, Episodes, PolicyOutput, collect
from trimtab.tuners.gradients.rewards.exact_barfi import ExactBarfi
from trimtab.tuners.gradients.rewards.sampled import PolicyFunction, SampledProblem
from trimtab.tuners.gradients.rewards.tabular import LOGITS, TabularProblem, best_response

__all__ = [
    "BARFI_REFS",
    "GAMMA",
    "GAMMA_LOGIT",
    "LOGITS",
    "PHI",
    "RETURN",
    "Auxiliary",
    "Barfi",
    "BarfiTask",
    "Bound",
    "Environment",
    "Episodes",
    "ExactBarfi",
    "Method",
    "PolicyFunction",
    "PolicyOutput",
    "Problem",
    "SampledProblem",
    "TabularProblem",
    "Weights",
    "align",
    "best_response",
    "blended",
    "buffer_of",
    "collect",
    "discount_of",
    "fourier_features",
    "neumann",
]
