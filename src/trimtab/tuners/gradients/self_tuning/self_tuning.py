"""Self-tuning networks: one training that tunes its regularisers as it goes, by a response of its weights to them.

Needs a network of self-tuning layers (`layers`), a training loss that takes hyperparameters per example, and a
validation loss: `SelfTuningProblem`. Works for dropout, augmentation, weight decay, whole numbers too, since the
training loss is never differentiated in them; not for what no loss contains, such as the learning rate.

With unconstrained hyperparameters l, scales sigma = softplus(s) and e ~ N(0, I) drawn for each example:

    training step     l' = l + sigma e;  w down the gradient of L_T(w(l'), l')
    validation step   l' = l + sigma e;  l, s down that of L_V(w(l')) - tau sum_j log(sigma_j sqrt(2 pi e))

where the gradient reaches l and s through w alone. `SelfTuning.plain` is MacKay, Vicol, Lorraine, Duvenaud, Grosse,
"Self-Tuning Networks: Bilevel Optimization of Hyperparameters using Structured Best-Response Functions", ICLR 2019
(arXiv 1903.03088). `SelfTuning()` is Bae, Grosse, "Delta-STN: Efficient Bilevel Optimization for Neural Networks using
Structured Response Jacobians", NeurIPS 2020 (arXiv 2010.13514), which changes three things, each a switch here:

    centred      the response reads l' - l, so that it is zero at the current l; in the validation step the centre is
                 held, so that its slope is the response's
    split        a training step moves the weights W0, b0 at l first, and then, at fixed weights, the response at l'
    linearised   the network answers to l' with its tangent, f(l) + J_f (l' - l), exactly

Without the centre, a step on the response grows with |l|^2, and training diverges where l is large. The updates and
defaults are those of the authors' programs. The learning rate of the weights is constant here. A `State` and a
`step` are all: a training that was cut off goes on from its state, and random numbers are functions of a key and the
step's number. `training` has the loop over steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.self_tuning.coding import inverse_softplus
from trimtab.tuners.gradients.self_tuning.problem import Batch, Network, SelfTuningProblem
from trimtab.tuners.gradients.self_tuning.rules import Adam, Momentum, RmsProp, Rule
from trimtab.tuners.gradients.self_tuning.state import HYPERPARAMETERS, SCALES, State, check_loss, check_tensors

__all__ = ["SELF_TUNING_REFS", "SelfTuning", "entropy", "perturbed", "plain_step", "start", "step"]

SELF_TUNING_REFS = (
    Reference(
        authors="MacKay, Matthew and Vicol, Paul and Lorraine, Jonathan and Duvenaud, David and Grosse, Roger",
        title="Self-Tuning Networks: Bilevel Optimization of Hyperparameters using Structured Best-Response Functions",
        year=2019,
        venue="International Conference on Learning Representations",
        arxiv="1903.03088",
    ),
    Reference(
        authors="Bae, Juhan and Grosse, Roger",
        title="Delta-STN: Efficient Bilevel Optimization for Neural Networks using Structured Response Jacobians",
        year=2020,
        venue="Advances in Neural Information Processing Systems 33",
        arxiv="2010.13514",
    ),
    Reference(
        authors="Gonzalez Ortiz, Jose Javier and Guttag, John and Dalca, Adrian V.",
        title="Magnitude Invariant Parametrizations Improve Hypernetwork Learning",
        year=2024,
        venue="International Conference on Learning Representations",
        arxiv="2304.07645",
    ),
)


@dataclass(frozen=True, slots=True)
class SelfTuning:
    """How a network tunes itself. The defaults are those of Delta-STN; `plain` has those of STN.

    Arguments:
        warm_up: training steps before the first validation step, those of five epochs in the papers. Too few, and the
            response is not learned yet when the first steps on l, which RMSprop makes ten times as long, follow it.
        training_steps, validation_steps: how many of each make a round.
        scale: sigma at the start, in unconstrained units. Too small, and the response is not learned; too large, and
            it is that of too wide a neighbourhood.
        tune_scales: whether sigma is tuned; otherwise the validation step is not perturbed.
        tau: weight of the entropy of the perturbations, >= 0.
        weights, response, hyper: update rules of W0 and b0, of W1, b1 and V, and of l and s.
        centred, split, linearised: see the module.
    """

    warm_up: int
    training_steps: int = 5
    validation_steps: int = 1
    scale: float = 1.0
    tune_scales: bool = True
    tau: float = 1e-3
    weights: Rule = field(default_factory=lambda: Momentum(0.01))
    response: Rule = field(default_factory=lambda: Momentum(0.01))
    hyper: Rule = field(default_factory=lambda: RmsProp(0.01))
    centred: bool = True
    split: bool = True
    linearised: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count(self.warm_up, "the number of warm-up steps", 0)
        check_count(self.training_steps, "the number of training steps of a round")
        check_count(self.validation_steps, "the number of validation steps of a round")
        if not (0.0 < self.scale < math.inf and 0.0 <= self.tau < math.inf):
            raise InvalidArgument(
                message("no such scale and entropy weight", got=(self.scale, self.tau), allowed="scale > 0, tau >= 0")
            )

    @classmethod
    def plain(
        cls,
        warm_up: int,
        training_steps: int = 2,
        scale: float = 0.5,
        tau: float = 1e-3,
        weights: Rule | None = None,
        hyper: Rule | None = None,
    ) -> SelfTuning:
        """STN of 2019: not centred, all weights in one step, no linearisation."""
        rule = weights or Momentum(0.01)
        return cls(
            warm_up,
            training_steps,
            scale=scale,
            tau=tau,
            weights=rule,
            response=rule,
            hyper=hyper or Adam(3e-3),
            centred=False,
            split=False,
            linearised=False,
        )


def start(problem: SelfTuningProblem, method: SelfTuning) -> State:
    """The state before the first step."""
    parameters = problem.parameters()
    like = next(iter(parameters.values()))
    raw = problem.coding.encode(problem.start, like.dtype).to(like.device)
    return State(parameters, raw, torch.full_like(raw, inverse_softplus(method.scale)))


def step(problem: SelfTuningProblem, method: SelfTuning, state: State, key: Key) -> State:
    """The state after one round: training steps and then, once warmed up, validation steps. Changes nothing.

    Raises:
        NotFinite: a loss or a tensor is nan or infinite.
        InvalidObservation: a loss is no scalar, or does not depend on the network.
    """
    warm = state.training_steps >= method.warm_up
    for _ in range(method.training_steps):
        state = _train(problem, method, state, key)
    for _ in range(method.validation_steps if warm else 0):
        state = _tune(problem, method, state, key)
    check_tensors(state)
    return state


def plain_step(problem: SelfTuningProblem, state: State, params: Mapping[str, float], rule: Rule, key: Key) -> State:
    """The state after one training step at these hyperparameters, without a response. Changes nothing.

    Raises:
        NotFinite: the loss is nan or infinite.
        InvalidObservation: the loss is no scalar, or does not depend on the network.
    """
    batch = problem.train_batch(state.training_steps)
    hyper = {name: state.raw.new_tensor(params[name]).expand(len(batch[0])) for name in problem.coding.names}
    names, _ = problem.trained()
    state = _descend(problem, state, names, "weights", rule, batch, hyper, None, None, _rng(key, "mask", state))
    return replace(state, training_steps=state.training_steps + 1)


def entropy(scale: Tensor) -> Tensor:
    """Entropy of the perturbations N(0, diag(sigma^2)), sigma of shape (h,): sum_j log(sigma_j sqrt(2 pi e))."""
    return (scale.log() + 0.5 * math.log(2.0 * math.pi * math.e)).sum()


def perturbed(problem: SelfTuningProblem, raw: Tensor, scale: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Draw l' = l + sigma e for `count` examples, shape (count, h); shared hyperparameters have one e for all."""
    noise = torch.randn((count, len(raw)), generator=rng, device=raw.device, dtype=raw.dtype)
    for place, name in enumerate(problem.coding.names):
        if name in problem.shared:
            noise[:, place] = noise[0, place].clone()
    return raw + scale * noise


def _train(problem: SelfTuningProblem, method: SelfTuning, state: State, key: Key) -> State:
    """One training step."""
    coding = problem.coding
    batch = problem.train_batch(state.training_steps)
    weights, response = problem.trained()
    count = len(batch[0])
    if method.split:
        hyper = coding.decode(state.raw.expand(count, -1))
        here = None if method.centred else coding.features(state.raw).expand(count, -1)
        rng = _rng(key, "mask", state)
        state = _descend(problem, state, weights, "weights", method.weights, batch, hyper, here, None, rng)
    moved = perturbed(problem, state.raw, state.scale, count, _rng(key, "perturbation", state))
    at, toward = _response_inputs(problem, method, state.raw, moved)
    hyper, rng = coding.decode(moved), _rng(key, "perturbed mask", state)
    if method.split:
        state = _descend(problem, state, response, "response", method.response, batch, hyper, at, toward, rng)
    else:
        loss, leaves = _training_loss(problem, state, [*weights, *response], batch, hyper, at, toward, rng)
        gradients = _gradients(loss, leaves, "training")
        for names, group, rule in ((weights, "weights", method.weights), (response, "response", method.response)):
            state = _moved(state, {name: gradients[name] for name in names}, group, rule)
    return replace(state, training_steps=state.training_steps + 1)


def _response_inputs(
    problem: SelfTuningProblem, method: SelfTuning, raw: Tensor, moved: Tensor
) -> tuple[Tensor, Tensor | None]:
    """What the response reads at l', shape (n, k), or at l with the change toward l'."""
    features = problem.coding.features
    here = features(raw)
    centre = here if method.centred else torch.zeros_like(here)
    if not method.linearised:
        return features(moved) - centre, None
    return (here - centre).expand(len(moved), -1), problem.coding.features_change(raw, moved - raw)


def _descend(
    problem: SelfTuningProblem,
    state: State,
    names: list[str],
    group: str,
    rule: Rule,
    batch: Batch,
    hyper: dict[str, Tensor],
    at: Tensor | None,
    toward: Tensor | None,
    rng: torch.Generator,
) -> State:
    """The state with some of the parameters moved down the training loss."""
    loss, leaves = _training_loss(problem, state, names, batch, hyper, at, toward, rng)
    return _moved(state, _gradients(loss, leaves, "training"), group, rule)


def _training_loss(
    problem: SelfTuningProblem,
    state: State,
    names: list[str],
    batch: Batch,
    hyper: dict[str, Tensor],
    at: Tensor | None,
    toward: Tensor | None,
    rng: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The training loss, and the parameters that it is to be differentiated in."""
    leaves = {name: state.parameters[name].detach().requires_grad_() for name in names}
    network = Network(problem.module, {**state.parameters, **leaves}, at, toward)
    loss = problem.loss("training", problem.training(network, batch, hyper, rng))
    check_loss(loss, "training", state.training_steps, problem, state)
    return loss, leaves


def _moved(state: State, gradients: Mapping[str, Tensor], group: str, rule: Rule) -> State:
    """The state with the parameters that have gradients moved."""
    old = {name: state.parameters[name] for name in gradients}
    new, memory = rule.update(old, gradients, state.memories[group])
    return replace(state, parameters={**state.parameters, **new}, memories={**state.memories, group: memory})


def _tune(problem: SelfTuningProblem, method: SelfTuning, state: State, key: Key) -> State:
    """One validation step."""
    batch = problem.valid_batch(state.validation_steps)
    count = len(batch[0])
    old = {HYPERPARAMETERS: state.raw} | ({SCALES: state.raw_scale} if method.tune_scales else {})
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in old.items()}
    raw = leaves[HYPERPARAMETERS]
    if method.tune_scales:
        scale = softplus(leaves[SCALES])
        moved = perturbed(problem, raw, scale, count, _rng(key, "validation", state))
    else:
        scale, moved = None, raw.expand(count, -1)
    z = problem.coding.features(moved)
    if method.centred:
        z = z - problem.coding.features(state.raw)
    loss = problem.loss("validation", problem.validation(Network(problem.module, state.parameters, z), batch))
    check_loss(loss, "validation", state.validation_steps, problem, state)
    if not loss.requires_grad:
        raise _cut_off("validation", "the hyperparameters", "hand `z` to the self-tuning layers in forward")
    if scale is not None:
        loss = loss - method.tau * entropy(scale)
    gradients = _gradients(loss, leaves, "validation")
    new, memory = method.hyper.update(old, gradients, state.memories["hyper"])
    return replace(
        state,
        raw=new[HYPERPARAMETERS],
        raw_scale=new.get(SCALES, state.raw_scale),
        memories={**state.memories, "hyper": memory},
        validation_steps=state.validation_steps + 1,
    )


def _gradients(loss: Tensor, leaves: Mapping[str, Tensor], role: str) -> dict[str, Tensor]:
    """Gradients by name; zero where the loss does not depend on a tensor."""
    if not loss.requires_grad:
        raise _cut_off(role, f"{next(iter(leaves))!r} and the like", "call the network that the loss is given")
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }


def _cut_off(role: str, what: str, do: str) -> InvalidObservation:
    return InvalidObservation(message(f"the {role} loss does not depend on {what}", do=f"{do}, without detach or item"))


def _rng(key: Key, purpose: str, state: State) -> torch.Generator:
    """Random numbers of one purpose in one step."""
    seed = key.child(f"self-tuning/{purpose}/{state.training_steps}/{state.validation_steps}").integer()
    return torch.Generator(device=state.raw.device).manual_seed(seed & (2**63 - 1))
