"""Bayesian optimisation with a Gaussian process and log expected improvement.

Needs values; uses their standard errors, gradients, named constraints and costs where they are told. Works on spaces
of any kind. An ask

1. takes a step of a descent, where trials tell gradients and it is due (`trimtab.tuners.values.quasi_newton`); that
   needs no surrogate;
2. proposes the default configuration, and then Sobol points near the middle (or draws from the users'
   priors where there are any) until `initial_design` trials are told or pending;
3. fits the surrogate of `trimtab.surrogates.gp` to the history: Matern-5/2 with dimension-scaled priors on
   the length-scales, losses warped, inputs warped and noise that varies where that pays; failures count as the
   worst loss seen, and beside it, like each named constraint, they get a surface of their own. Far from all trials it
   expects their average loss (see `LEVEL`), and later the likeliest one every other time (`IN_TURNS`);
4. takes a local step where these have been paying, or are due (`trimtab.tuners.values.trust_region`), and the
   surrogate does not put differences among the best trials down to noise; where it first does, one trial beside the
   best tells whether that is so (`trimtab.tuners.values.probing`). Not where trials tell gradients, which the
   surrogate learns from and those steps do not;
5. maximises the logarithm of: the expected improvement, times the probability that the trial neither fails
   nor breaks a constraint, times the users' priors, over a power of the cost; over snapped and feasible
   configurations that were not tried. The improvement is over the lowest posterior mean at a told trial; where
   the trials are noisy, or some are pending, it is averaged over joint draws of what they may really be.

The answer depends on the space, the history and the key alone. The length-scales, the noise and the power
of the warp are fitted to the first m of n told trials, m from a fixed schedule (every trial up to 40, then
in steps of a sixteenth), always from the same start: so a fit can be remembered by the evidence that it was
made for, and most asks only condition. Cost: O(n^3) with n bounded by `most`, the fit by `most_fitted`;
beyond, subsets are read (see `trimtab.surrogates.evidence`), so that an ask stays bounded.

Whatever fails in the surrogate, the answer is a Sobol point that says so. With several objectives too,
since this method has one. A small finite space ends when all of it was tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.acquisition import (
    Belief,
    Criterion,
    LogCost,
    LogFeasibility,
    LogImprovement,
    LogNoisyImprovement,
    Search,
    Total,
    filled,
    near,
    spread,
)
from trimtab.surrogates.beside import BESIDE_REFS, agreement, continuous
from trimtab.surrogates.evidence import Evidence, gather, subset
from trimtab.surrogates.gp import COST, Embedding, Model, Settings, build, fingerprint, fit_settings
from trimtab.surrogates.small_matrices import small_matrices
from trimtab.surrogates.untried import is_listable, keys, left
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.probing import is_waiting, probe
from trimtab.tuners.values.quasi_newton import QUASI_NEWTON_REFS
from trimtab.tuners.values.quasi_newton import finish as finish_descents
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.random_search import has_priors
from trimtab.tuners.values.spacing import spaced, thinned
from trimtab.tuners.values.standing import NAME
from trimtab.tuners.values.trust_region import TRUST_REGION_REFS, finish, has_room, is_fine
from trimtab.tuners.values.view import View

__all__ = ["GP_REFS", "GaussianProcess"]

Array = NDArray[np.float64]

GP_REFS = (
    Reference(
        authors="Rasmussen, Carl Edward and Williams, Christopher K. I.",
        title="Gaussian Processes for Machine Learning",
        year=2006,
        venue="MIT Press",
        url="https://gaussianprocess.org/gpml/",
    ),
    Reference(
        authors="Ament, Sebastian and Daulton, Samuel and Eriksson, David and Balandat, Maximilian and Bakshy, Eytan",
        title="Unexpected Improvements to Expected Improvement for Bayesian Optimization",
        year=2023,
        venue="Advances in Neural Information Processing Systems 36",
        arxiv="2310.20708",
    ),
    Reference(
        authors="Hvarfner, Carl and Hellsten, Erik Orm and Nardi, Luigi",
        title="Vanilla Bayesian Optimization Performs Great in High Dimensions",
        year=2024,
        venue="International Conference on Machine Learning, PMLR 235",
        arxiv="2402.02229",
    ),
    Reference(
        authors="Hvarfner, Carl and Stoll, Danny and Souza, Artur"
        " and Lindauer, Marius and Hutter, Frank and Nardi, Luigi",
        title="PiBO: Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization",
        year=2022,
        venue="International Conference on Learning Representations",
        arxiv="2204.11051",
    ),
    Reference(
        authors="Snelson, Edward and Rasmussen, Carl Edward and Ghahramani, Zoubin",
        title="Warped Gaussian Processes",
        year=2003,
        venue="Advances in Neural Information Processing Systems 16, 337-344",
    ),
    Reference(
        authors="Snoek, Jasper and Swersky, Kevin and Zemel, Richard and Adams, Ryan P.",
        title="Input Warping for Bayesian Optimization of Non-Stationary Functions",
        year=2014,
        venue="International Conference on Machine Learning, PMLR 32",
        arxiv="1402.0929",
    ),
    Reference(
        authors="Kersting, Kristian and Plagemann, Christian and Pfaff, Patrick and Burgard, Wolfram",
        title="Most Likely Heteroscedastic Gaussian Process Regression",
        year=2007,
        venue="International Conference on Machine Learning",
        doi="10.1145/1273496.1273546",
    ),
    Reference(
        authors="Letham, Benjamin and Karrer, Brian and Ottoni, Guilherme and Bakshy, Eytan",
        title="Constrained Bayesian Optimization with Noisy Experiments",
        year=2019,
        venue="Bayesian Analysis 14(2), 495-519",
        arxiv="1706.07094",
    ),
    Reference(
        authors="Wu, Jian and Poloczek, Matthias and Wilson, Andrew Gordon and Frazier, Peter I.",
        title="Bayesian Optimization with Gradients",
        year=2017,
        venue="Advances in Neural Information Processing Systems 30",
        arxiv="1703.04389",
    ),
    Reference(
        authors="Gardner, Jacob R. and Kusner, Matt J. and Xu, Zhixiang and Weinberger, Kilian Q."
        " and Cunningham, John P.",
        title="Bayesian Optimization with Inequality Constraints",
        year=2014,
        venue="International Conference on Machine Learning, PMLR 32",
    ),
    Reference(
        authors="Jones, Donald R. and Schonlau, Matthias and Welch, William J.",
        title="Efficient Global Optimization of Expensive Black-Box Functions",
        year=1998,
        venue="Journal of Global Optimization 13, 455-492",
    ),
)

FIRST_TRIALS, MIXED_FIRST_TRIALS = 2, 5
"""How many trials come before the first model, where all parameters are numbers of many values, and elsewhere.

With long length-scales as its prior it needs no more than two, and in many dimensions none of a few scattered points is
as good as a step from the better one of these; but of categories and levels it knows only what it has seen.
"""

NOISY = 1e-3
"""Variance of the noise, in units of the warped losses', from which the best told value may be a lucky one."""

ROUGH = 0.02
"""Variance of the noise at the best trial, in the same units, from which no local steps are taken.

They believe what each trial told, and would shrink around one that was lucky. On BBOB without noise most smooth
functions came to less than this within twenty trials, and most that are rough on a small scale did not.
"""

SHOWN = 2.0
"""Nats by which the losses have to be likelier under that noise than under almost none: a few may fall either way."""

LEVEL = 0.0
"""The surrogate's constant mean, in standardised losses: their average.

For the likeliest constant a cluster of trials around the best is all but one observation, and the others, which are
worse, say that so is everything far away: the search stays where it is. The average counts every trial, so the more of
them gather around the best, the more is expected elsewhere. What is to say how good a place is, and not where to look,
has the constant estimated.
"""

IN_TURNS = 20
"""Told trials from which every other trial of the model's is sought with the constant estimated after all.

By then there is a best to stay with, and each of the two misses what the other finds: a little better after fifty
trials than the average alone.
"""

DRAWS, RIVALS = 16, 32
"""Draws of the objective by which that is reckoned with, and told trials that may be the best in one of them."""

CANDIDATE_OPERATIONS = 2**27
"""Multiplications that the first scoring of candidates may take: a tenth of a second on a slow core."""

LONG = 500
"""Beyond so many observations half of the starts are refined, and each in fewer iterations."""

REMEMBERED = 8
"""Fits kept: one study needs two, a parallel or replayed one a few."""

MOST_PENDING = 100
"""Pending trials that the model reckons with, the most recent; duplicates are avoided among all of them."""

REFIT_EACH = 40
"""Up to so many trials the hyperparameters are fitted anew for each; then in steps of a sixteenth."""


def scheduled(told: int) -> int:
    """Of `told` trials, how many the hyperparameters are fitted to.

    >>> [scheduled(n) for n in (7, 40, 41, 42, 200, 1000)]
    [7, 40, 40, 42, 194, 967]
    """
    size = min(told, REFIT_EACH)
    while size + size // 16 <= told and size >= REFIT_EACH:
        size += size // 16
    return size


@dataclass(frozen=True)
class GaussianProcess:
    """Bayesian optimisation with a Gaussian process.

    Arguments:
        initial_design: trials before the model is used; None for 2, or for 5 where not all parameters are
            numbers of many values.
        candidates: points spread over the space in each search; a power of two.
        starts: points that are refined.
        beta: how many observations' weight a user's prior has; its exponent is beta / n.
        most: observations that the model is conditioned on.
        most_fitted: observations that its hyperparameters are fitted to; half as many in studies of more than
            `most`, where one ask in thousands fits and would be the one that is waited for.
        cost_exponent: how much the cost of a trial counts, where trials tell it: 0 not at all, 1 for
            improvement per cost.
        finish: whether local steps of `trimtab.tuners.values.trust_region` are taken once they pay, and descents of
            `trimtab.tuners.values.quasi_newton` where trials tell gradients; such suggestions carry the names of these.
    """

    initial_design: int | None = None
    candidates: int = 1024
    starts: int = 8
    beta: float = 10.0
    most: int = 1000
    most_fitted: int = 300
    cost_exponent: float = 0.0
    finish: bool = True
    _fits: dict[tuple[Space, bytes, float | None], Settings] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    name: ClassVar[str] = "gp"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = GP_REFS + TRUST_REGION_REFS + BESIDE_REFS + QUASI_NEWTON_REFS + SOBOL_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        view = View(history)
        out: list[Suggestion] = []
        with small_matrices():
            for place in range(count):
                found = self._propose(view, key.for_trial(key.trial + place))
                if found is None:
                    break
                raw, tuner, why = found
                view.propose(raw, tuner)
                out.append(Suggestion(history.space.decode(raw), tuner, why))
        return out

    def _propose(self, view: View, key: Key) -> tuple[Array, str, str] | None:
        """One raw configuration, who proposes it, and why; None where a small space has nothing left."""
        space, wanted = view.space, self._wanted(view.space)
        if len(view.history.objectives) > 1:
            reason = "in place of the Gaussian process, which has one objective"
        else:
            try:
                descent = self._descent(view, key)
                if descent is not None:
                    return descent
                if view.known < wanted:
                    reason = f"initial design, {view.known + 1} of {wanted}"
                else:
                    model = self._model(view)
                    step = self._local(view, model, key) if self._may_finish(view) else None
                    if step is not None:
                        return step
                    if model is not None:
                        found = self._maximise(view, model, key)
                        return None if found is None else (found[0], self.name, found[1])
                    reason = "no trial has told a finite value yet"
            # A surrogate may fail in ways that nobody foresaw; the study goes on, and says why.
            except Exception as error:  # noqa: BLE001
                reason = f"in place of the Gaussian process, which failed ({type(error).__name__}: {error})"
        drawn = design_point(space, view.taken, key, inwards=view.known < wanted)
        return None if drawn is None else (drawn[0], self.name, f"{drawn[1]} ({reason})")

    def _descent(self, view: View, key: Key) -> tuple[Array, str, str] | None:
        """A step or start of a descent, if it is due. It can do with one trial, so only a design asked for precedes."""
        designed = self.initial_design is None or view.known >= self.initial_design
        return finish_descents(view, key) if designed and self._may_finish(view) else None

    def _local(self, view: View, model: Model | None, key: Key) -> tuple[Array, str, str] | None:
        """A local step, if it is due and may know more than the model does: no gradients, and not much noise.

        Where the model suspects noise and nothing has told it from roughness yet, a probe in place of the first.
        """
        if model is not None and model.posterior.derivatives is not None:
            return None
        exact, evidence = True, view.evidence(self.most)
        if model is not None and _suspects_noise(model, view.space):
            if self._is_noisy(view, model) or is_waiting(view, evidence):
                return None
            exact = agreement(evidence, view.space) is True
        step = finish(view, key)
        if step is None or exact:
            return None if step is None else (step[0], NAME, step[1])
        raw = probe(view, evidence, key)
        return None if raw is None else (raw, self.name, "beside the best trial, to tell noise from roughness")

    def _is_noisy(self, view: View, model: Model) -> bool:
        """Whether the model puts differences among the best trials down to noise, and trials prove that there is."""
        if not _suspects_noise(model, view.space):
            return False
        return model.known_noise_at_best > ROUGH or agreement(view.evidence(self.most), view.space) is False

    def _wanted(self, space: Space) -> int:
        """How many trials the initial design has."""
        if self.initial_design is not None:
            return self.initial_design
        numbers = all(column.kind in ("float", "int") and is_fine(column) for column in space.columns)
        return FIRST_TRIALS if numbers else MIXED_FIRST_TRIALS

    def _may_finish(self, view: View) -> bool:
        """Whether local steps, which know neither costs nor the users' priors, may be taken."""
        believes = has_priors(view.space) and len(view.told) < 2.0 * self.beta
        return self.finish and not self.cost_exponent and not believes

    def _model(self, view: View) -> Model | None:
        """The model of what was told; None where no loss is finite."""
        history, space, told = view.history, view.space, view.told
        evidence = thinned(view.evidence(self.most), space)
        if not np.isfinite(evidence.measured).any():
            return None
        embedding = Embedding(space.columns)
        size = scheduled(len(told))
        limit = self.most_fitted if len(told) <= self.most else max(self.most_fitted // 2, 1)
        if size == len(told) <= min(self.most, limit):
            first = evidence
        else:
            first = thinned(gather(history, subset(history, told[:size], limit)), space)
        fitted = first if np.isfinite(first.measured).any() else evidence
        settings = self._settings(space, fitted, embedding, self._mean(view))
        return build(evidence, space.to_unit(evidence.raw), embedding, settings)

    def _mean(self, view: View) -> float | None:
        """The constant mean of this ask's model; None to estimate it.

        Own trials are counted, not all: local steps often have every other turn, and would leave one of the two out.
        """
        evidence = view.evidence(self.most)
        # Beside gradients it is always estimated, and turns would make every fit twice.
        if len(view.told) < IN_TURNS or np.isfinite(evidence.gradients).any():
            return LEVEL
        own = int(evidence.proposed_by(self.name).sum()) + view.proposers.count(self.name)
        return None if own % 2 else LEVEL

    def _settings(self, space: Space, evidence: Evidence, embedding: Embedding, mean: float | None) -> Settings:
        """The settings fitted to the evidence, remembered by it."""
        name = (space, fingerprint(evidence), mean)
        settings = self._fits.get(name)
        if settings is None:
            settings = fit_settings(evidence, space.to_unit(evidence.raw), embedding, mean)
            self._fits[name] = settings
            for oldest in list(self._fits)[:-REMEMBERED]:
                self._fits.pop(oldest, None)
        return settings

    def _maximise(self, view: View, model: Model, key: Key) -> tuple[Array, str] | None:
        """The untried configuration of the highest criterion that was found."""
        space = view.space
        criterion = self._criterion(view, model, key)
        if is_listable(space):
            raw = left(space, view.taken)
            if not len(raw):
                return None
            values = criterion.value(space.to_unit(raw))
            place = int(values.argmax())
        else:
            rng = key.child("gp").generator()
            long = len(model.posterior.alpha) > LONG
            effort = {"starts": max(self.starts // 2, 1), "iterations": 15} if long else {"starts": self.starts}
            scored = Search(space, criterion, **effort).run(self._candidates(space, model, rng))
            raw, values = scored.raw, scored.values
            fresh = np.array([name not in view.taken for name in keys(raw)], dtype=np.bool_)
            wanted = fresh & self._spaced(view, model, raw)
            wanted = wanted if wanted.any() else fresh
            place = int(wanted.argmax()) if wanted.any() else -1
            if place < 0:
                found = design_point(space, view.taken, key, inwards=False)
                return None if found is None else (found[0], f"{found[1]} (all that looked better was tried)")
        return raw[place], self._reason(view, model, raw[place], float(values[place]))

    def _spaced(self, view: View, model: Model, raw: Array) -> NDArray[np.bool_]:
        """Which rows (m, d) keep their distance, where small steps are left to the trust region.

        With noise it takes none, and trials beside each other are what tells the best from the lucky.
        """
        if self._may_finish(view) and has_room(view.space) and not self._is_noisy(view, model):
            return spaced(view.evidence(self.most), view.space, raw)
        return np.ones(len(raw), dtype=np.bool_)

    def _criterion(self, view: View, model: Model, key: Key) -> Total:
        """What is maximised: improvement, feasibility, the users' priors and the cost, as far as there are any."""
        space, parts = view.space, list[Criterion]()
        pending = space.to_unit(view.pending[-MOST_PENDING:])
        noisy = model.posterior.hyperparameters.noise > NOISY or bool(model.posterior.known.any())
        if not np.isfinite(model.best):
            # No feasible trial yet: what counts is to find one, or to go on where nothing tells how.
            if set(model.sides) <= {COST}:
                parts.append(LogImprovement(model, float(model.posterior.fitted.min())))
        elif noisy or len(pending):
            normals = key.child("gp/draws").generator().standard_normal((DRAWS, RIVALS + len(pending)))
            parts.append(LogNoisyImprovement(model.imagining(pending, normals, RIVALS)))
        else:
            parts.append(LogImprovement(model, model.best))
        parts += [LogFeasibility(side) for name, side in model.sides.items() if name != COST]
        if self.cost_exponent and COST in model.sides:
            parts.append(LogCost(model.sides[COST], model.cost_scale, self.cost_exponent))
        if has_priors(space):
            parts.append(Belief(space, self.beta / max(len(view.told), 1)))
        return Total(parts)

    def _candidates(self, space: Space, model: Model, rng: np.random.Generator) -> Array:
        """Latent points (m, d) over the space, around the best trials, and from the users' priors."""
        count = self._affordable(model)
        parts = [spread(rng, count, len(space))]
        if len(model.incumbents):
            parts.append(near(rng, filled(rng, model.incumbents), max(count // 16, 16)))
        if has_priors(space):
            drawn = space.to_unit(space.sample_raw(rng, count // 4, prior=True))
            parts.append(filled(rng, drawn))
        return np.concatenate(parts)

    def _affordable(self, model: Model) -> int:
        """How many candidates are scored, a power of two: n^2 operations each, so fewer for long histories."""
        most = max(CANDIDATE_OPERATIONS // max(len(model.posterior.alpha), 1) ** 2, 128)
        return int(min(self.candidates, 2 ** (most.bit_length() - 1)))

    def _reason(self, view: View, model: Model, raw: Array, value: float) -> str:
        """One line for people, in the objective's own units and sign."""
        sign, pending = view.history.objectives[0].sign, len(view.pending[-MOST_PENDING:])
        mean, _ = model.predict(view.space.to_unit(raw[None, :]))
        predicted, best = (sign * model.warp.inverse(np.array([float(mean[0]), model.best]))).tolist()
        if not np.isfinite(model.best):
            return f"log probability {value:.3g} to keep the constraints, which none of {model.trials} trials did"
        return (
            f"log expected improvement {value:.3g}: predicted {predicted:.6g}, best {best:.6g}, "
            f"from {model.trials} trials{f' and {pending} pending' if pending else ''}"
        )


def _suspects_noise(model: Model, space: Space) -> bool:
    """Whether the model puts differences among the best trials down to noise."""
    # Where no probe can settle it, the fitted noise is taken at its word.
    return model.noise_at_best(SHOWN if continuous(space).any() else -1.0) > ROUGH
