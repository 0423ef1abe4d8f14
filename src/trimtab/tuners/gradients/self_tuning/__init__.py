"""Self-tuning networks: one training that tunes its dropout, augmentation and weight decay as it goes.

| you have | use |
|---|---|
| a network and its regularisers | `SelfTuningLinear`, `SelfTuningConv2d`, and a `SelfTuningProblem` of two losses |
| one training to tune | `tune(problem, SelfTuning(warm_up=...), rounds, key)`, which gives a `Schedule` |
| images to augment at strengths that are tuned | `move`, `cut_out`, `add_noise`, and `drop` for single pixels |
| a schedule to train along, or fixed values to compare with | `follow`, or `schedule.at(step)` in any training loop |
| a study over starts, or a training that is to outlive a kill | `SelfTuningTask`, with `checkpoints` |

The learning rate and other settings that no loss contains are for the hypergradients of `bilevel`, or for a study.
Needs the extra `torch`.
"""

from trimtab.base.lazy import need

need("torch", "torch", "self-tuning networks")

# ruff: noqa: E402 - the imports below would fail without torch, and say less about it.
from trimtab.tuners.gradients.self_tuning.augmentation import cut_out, move
from trimtab.tuners.gradients.self_tuning.coding import EDGE, Code, Coding, HalfLine, Line, Range, Whole
from trimtab.tuners.gradients.self_tuning.layers import (
    SelfTuningConv2d,
    SelfTuningLayer,
    SelfTuningLinear,
    add_noise,
    drop,
    square_norm,
)
from trimtab.tuners.gradients.self_tuning.problem import (
    Batch,
    Network,
    Sampler,
    SelfTuningProblem,
    TrainingLoss,
    ValidationLoss,
    response_names,
)
from trimtab.tuners.gradients.self_tuning.rules import Adam, Momentum, RmsProp, Rule
from trimtab.tuners.gradients.self_tuning.schedule import Row, Schedule
from trimtab.tuners.gradients.self_tuning.self_tuning import (
    SELF_TUNING_REFS,
    SelfTuning,
    entropy,
    perturbed,
    start,
    step,
)
from trimtab.tuners.gradients.self_tuning.self_tuning_task import SelfTuningTask
from trimtab.tuners.gradients.self_tuning.state import NotFinite, State
from trimtab.tuners.gradients.self_tuning.training import OnRow, Tuned, evaluate, follow, go_on, tune

__all__ = [
    "EDGE",
    "SELF_TUNING_REFS",
    "Adam",
    "Batch",
    "Code",
    "Coding",
    "HalfLine",
    "Line",
    "Momentum",
    "Network",
    "NotFinite",
    "OnRow",
    "Range",
    "RmsProp",
    "Row",
    "Rule",
    "Sampler",
    "Schedule",
    "SelfTuning",
    "SelfTuningConv2d",
    "SelfTuningLayer",
    "SelfTuningLinear",
    "SelfTuningProblem",
    "SelfTuningTask",
    "State",
    "TrainingLoss",
    "Tuned",
    "ValidationLoss",
    "Whole",
    "add_noise",
    "cut_out",
    "drop",
    "entropy",
    "evaluate",
    "follow",
    "go_on",
    "move",
    "perturbed",
    "response_names",
    "square_norm",
    "start",
    "step",
    "tune",
]
