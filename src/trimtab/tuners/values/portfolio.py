"""A portfolio: several tuners share a study, and the one whose proposals have lately turned out best goes on.

Needs values; only their order counts for the choice. Each trial carries the name of the member that proposed
it, so the choice is a function of the history alone: in the order in which they ended, the trials of a member
are rounds of a game, whose loss is the share of the last `window` outcomes (of whatever trials) that were
better than this one's, ties counted half; a failure costs 1. Trials of anybody else are outcomes but no rounds.
Members learn from every trial, whoever proposed it, so the losses are not those of separate runs, and no regret
bound applies; what follows was chosen because it worked in simulations of drifting losses.

- `feedback="bandit"`: only the loss of the member that played is known. The next one is the lowest index of
  discounted UCB. Pending trials count as played.
- `feedback="surrogate"`: full information. For the last `rounds` rounds each member is asked again what it
  would have proposed, a Gaussian process fitted to all that is known by now predicts the outcome of every such
  proposal, and the losses are the shares of told trials that it predicts to be better. Optimistic mirror
  descent turns these into weights, and the member is drawn by them. It costs `rounds` asks of each member where
  nothing is remembered. It needs the trials as they stood when a round was asked, and is left for bandit
  feedback after `most` trials.

See `trimtab.tuners.values.mirror_descent` for both rules, their sources, and where they differ from these.

The first trials are an initial design under the portfolio's own name. All configurations of one ask come from
one member. A member that fails is replaced by the next one, and the suggestion says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, InvalidSpace, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.outcomes import TrialState
from trimtab.base.ports import Tuner
from trimtab.base.records import FrozenTrial, Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence, encode_valid, gather, subset, told_numbers
from trimtab.surrogates.gp import Embedding, Model, build, fit_settings
from trimtab.tuners.values.cma_es import CMAES
from trimtab.tuners.values.evolution import Evolution
from trimtab.tuners.values.gp import GaussianProcess
from trimtab.tuners.values.mirror_descent import discounted_index, discounted_means, mirror_weights
from trimtab.tuners.values.proposing import Propose, instead, propose_each
from trimtab.tuners.values.tpe import TPE
from trimtab.tuners.values.view import View

__all__ = ["PORTFOLIO_REFS", "Portfolio", "rank_losses"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

PORTFOLIO_REFS = (
    Reference(
        authors="Chen, Sijia and Zhang, Yu-Jie and Tu, Wei-Wei and Zhao, Peng and Zhang, Lijun",
        title="Optimistic Online Mirror Descent for Bridging Stochastic and Adversarial Online Convex Optimization",
        year=2024,
        venue="Journal of Machine Learning Research 25(178)",
        arxiv="2302.04552",
    ),
    Reference(
        authors="Garivier, Aurelien and Moulines, Eric",
        title="On Upper-Confidence Bound Policies for Switching Bandit Problems",
        year=2011,
        venue="Algorithmic Learning Theory, 174-188",
        arxiv="0805.3415",
    ),
    Reference(
        authors="Herbster, Mark and Warmuth, Manfred K.",
        title="Tracking the Best Expert",
        year=1998,
        venue="Machine Learning 32, 151-178",
        doi="10.1023/A:1007424614876",
    ),
)

SIGNED_FOR = {"trust-region": "gp", "quasi-newton": "gp", "multi-start": "gp"}
"""Names that a member gives to some of its proposals -> the member."""

READ = 1000
"""Rounds that the choice looks back on; their weight is then below 1%."""


@dataclass(frozen=True)
class Portfolio:
    """Several tuners that take turns by what their proposals gave.

    Arguments:
        members: the tuners; None for "gp", "tpe" and "cma-es", with "evolution" in place of "cma-es" where
            fewer than half of the parameters are numbers, or fewer than two.
        feedback: "bandit" or "surrogate".
        window: outcomes that a trial's rank is taken among.
        rounds: rounds that the surrogate looks back on.
        most: trials after which surrogate feedback gives way to bandit feedback.

    Raises:
        InvalidArgument: no members, two of the same name, or another kind of feedback.
    """

    members: tuple[Tuner[Space], ...] | None = None
    feedback: Literal["bandit", "surrogate"] = "bandit"
    window: int = 50
    rounds: int = 12
    most: int = 1000
    _made: dict[str, Tuner[Space]] = field(default_factory=dict, init=False, repr=False, compare=False)

    name: ClassVar[str] = "portfolio"
    needs: ClassVar[Info] = Info.VALUES

    def __post_init__(self) -> None:
        """Check the members and the kind of feedback."""
        names = [member.name for member in self.members or ()]
        if self.members is not None and (not names or len(set(names)) < len(names)):
            raise InvalidArgument(
                message("Portfolio: members must be tuners of different names", got=names, allowed="at least one")
            )
        if self.feedback not in ("bandit", "surrogate"):
            raise InvalidArgument(
                message("Portfolio: unknown feedback", got=self.feedback, allowed="'bandit' or 'surrogate'")
            )

    @property
    def refs(self) -> tuple[Reference, ...]:
        """The sources of the choice; members are cited by the trials that they proposed."""
        return PORTFOLIO_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations of one member; fewer where a small space has no more that were not tried."""
        space = history.space
        wanted = min(max(2 * len(space), 4), 20)
        known = len(told_numbers(history)) + len(history.pending)
        reason = ""
        if known < wanted:
            reason = f"initial design of {wanted} trials"
        elif not len(space):
            reason = "there is no parameter to vary"
        elif len(history.objectives) > 1:
            reason = "in place of a portfolio, whose members have one objective"
        elif not np.isfinite(history.values[:, 0]).any():
            reason = "no trial has told a finite value yet"
        if reason:
            return propose_each(self.name, history, count, key, lambda view: _covering(view, reason))
        members = self._members(space)
        order, choice = self._order(history, members, key)
        return _first_that_works([members[k] for k in order], history, count, key, choice)

    def _members(self, space: Space) -> list[Tuner[Space]]:
        """The tuners for a space; the default ones are made once."""
        if self.members is not None:
            return list(self.members)
        if not self._made:
            made = (GaussianProcess(initial_design=0), TPE(initial_design=0), CMAES(), Evolution(initial_design=0))
            self._made.update((member.name, member) for member in made)
        numbers = sum(column.kind != "categorical" for column in space.columns)
        third = "cma-es" if numbers >= max(2, 0.5 * len(space)) else "evolution"
        return [self._made[name] for name in ("gp", "tpe", third)]

    def _order(self, history: History[Space], members: Sequence[Tuner[Space]], key: Key) -> tuple[list[int], str]:
        """Members from the one to ask down, and how that was decided."""
        names = [member.name for member in members]
        if self.feedback == "surrogate" and len(history) <= self.most and len(members) > 1:
            losses = _surrogate_losses(history, members, key, self.rounds)
            weights = mirror_weights(losses)[-1]
            order = key.child("portfolio").generator().choice(len(names), size=len(names), replace=False, p=weights)
            told = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, weights.tolist(), strict=True))
            return order.tolist(), f"drawn from the portfolio by the weights {told}, after {len(losses)} rounds"
        played, outcomes = _rounds(history, names, self.window)
        means, plays = discounted_means(played, outcomes, len(names))
        order = np.argsort(discounted_index(means, plays), kind="stable")
        shown = ", ".join(_standing(*row) for row in zip(names, means.tolist(), plays.tolist(), strict=True))
        return order.tolist(), f"chosen from the portfolio by discounted losses: {shown}"


def _standing(name: str, mean: float, plays: float) -> str:
    """How one member stands."""
    return f"{name} {mean:.2f} in {plays:.1f} rounds" if np.isfinite(mean) else f"{name} unknown"


def _covering(view: View, reason: str) -> Propose:
    """Points of the initial design."""
    return lambda key: instead(view, key, reason)


def _first_that_works(
    members: Sequence[Tuner[Space]], history: History[Space], count: int, key: Key, choice: str
) -> list[Suggestion]:
    """The answer of the first member that gives one, each with the reasons."""
    for place, member in enumerate(members):
        try:
            found = member.ask(history, count, key)
        except InvalidSpace:
            # No member can draw from constraints that leave nothing; the user must hear of it.
            raise
        # A member may be anybody's tuner and fail in any way; the others go on, and the last one's error is raised.
        except Exception as error:
            if place == len(members) - 1:
                raise
            choice = f"{choice}; {member.name} failed ({type(error).__name__}: {error})"
            continue
        return [replace(suggestion, why=f"{suggestion.why}; {choice}") for suggestion in found]
    return []


def rank_losses(losses: Array, window: int) -> Array:
    """For each outcome in order, the share of the `window` - 1 outcomes before it that were better, shape (n,).

    Ties count half, the first outcome costs 1/2, and a failure costs 1.

    Arguments:
        losses: lower is better, nan for a failure, shape (n,).
        window: outcomes compared, the one in question included.
    """
    out = np.ones(len(losses))
    for place, loss in enumerate(losses.tolist()):
        past = losses[max(0, place - window + 1) : place]
        if np.isfinite(loss):
            better = np.sum(past < loss) + 0.5 * np.sum(past == loss)
            out[place] = better / len(past) if len(past) else 0.5
    return out


def _rounds(history: History[Space], names: Sequence[str], window: int) -> tuple[Numbers, Array]:
    """Who played, in order of ending and then those still pending, and their losses, nan for these; (T,) and (T,)."""
    told = [history.trial(int(number)) for number in told_numbers(history)[-READ:]]
    told.sort(key=lambda trial: (trial.ended or 0.0, trial.number))
    told = [t for t in told if t.params is not None and not (t.reason is not None and t.reason.retriable)]
    minimized = history.minimized[:, 0]
    losses = np.array([_outcome(trial, float(minimized[trial.number])) for trial in told])
    ranked = rank_losses(losses, window)
    played = [(names.index(name), loss) for t, loss in zip(told, ranked, strict=True) if (name := _member(t)) in names]
    open_ = [_member(history.trial(number)) for number in history.pending.tolist()]
    played += [(names.index(name), np.nan) for name in open_ if name in names]
    return np.array([k for k, _ in played], dtype=np.intp), np.array([loss for _, loss in played])


def _member(trial: FrozenTrial) -> str:
    """The name of the member that proposed a trial."""
    return SIGNED_FOR.get(trial.tuner, trial.tuner)


def _outcome(trial: FrozenTrial, loss: float) -> float:
    """The loss of a trial that counts; nan for a failure or a broken constraint."""
    fine = trial.observation is not None and trial.observation.feasible and trial.state is not TrialState.FAIL
    return loss if fine and np.isfinite(loss) else np.nan


def _surrogate_losses(history: History[Space], members: Sequence[Tuner[Space]], key: Key, rounds: int) -> Array:
    """What a common surrogate says of all members' proposals in the last rounds, shape (T, K), oldest first."""
    names = [member.name for member in members]
    told = [history.trial(int(number)) for number in told_numbers(history)]
    own = [trial for trial in told if _member(trial) in names][-rounds:]
    evidence = gather(history, subset(history, told_numbers(history), 200))
    model = _model(history.space, evidence) if own else None
    if model is None:
        return np.empty((0, len(members)))
    reference, _ = model.predict(history.space.to_unit(evidence.raw[evidence.good]))
    out = np.full((len(own), len(members)), 0.5)
    for place, trial in enumerate(own):
        before = _as_it_stood(history, trial)
        for k, member in enumerate(members):
            found = member.ask(before, 1, key.for_trial(trial.number))
            raw, _ = encode_valid(history.space, [suggestion.params for suggestion in found])
            if len(raw):
                mean, _ = model.predict(history.space.to_unit(raw))
                out[place, k] = float(np.mean(reference < mean[0]))
    return out


def _model(space: Space, evidence: Evidence) -> Model | None:
    """A Gaussian process of the evidence; None where no loss is finite."""
    if not evidence.good.any():
        return None
    embedding, unit = Embedding(space.columns), space.to_unit(evidence.raw)
    return build(evidence, unit, embedding, fit_settings(evidence, unit, embedding))


def _as_it_stood(history: History[Space], trial: FrozenTrial) -> History[Space]:
    """The history when a trial was asked for: earlier trials, those pending that had not ended by then."""
    began = trial.started or 0.0
    earlier = [history.trial(number) for number in range(trial.number)]
    stood = [
        t
        if t.ended is not None and t.ended <= began
        else t.with_(state=TrialState.RUNNING, observation=None, reason=None, ended=None)
        for t in earlier
    ]
    return History(history.study, history.space, stood)
