"""Selection from per-example losses: every trial scored on the same examples, in the same order.

Needs `Observation.losses`. Trials that stumble over the same examples have correlated errors, and what
they have in common cancels when they are compared; no other kind of evidence says so much. The trial
with the lowest mean loss is selected; its interval is the hybrid one (`trimtab.trust.hybrid`), or holds for all
trials at once (`trimtab.trust.simultaneous`), its estimate is corrected for the choice (`trimtab.trust.out_of_bag`),
and the tie set compares every trial with it example by example (`trimtab.trust.ties`).

For 0/1 losses the simultaneous interval is that of Clopper and Pearson at the level which the max-z quantile q asks of
each single trial, 2 (1 - Phi(q)): the tail of every trial is exact and only the dependence is normal. In
simulations of 50 trials it covered .98 to 1 for 200 examples and .95 to 1 for 1,000 (nominal .95), where
the arcsine scale fell to .93 at 5% errors and to .83 at 0.5%. At 20% errors it is 4% longer than the latter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Objective, Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.best_probability import paired_best_probability
from trimtab.trust.candidates import Absent, Candidates, carriers, left_out
from trimtab.trust.compound_binomials import shrink_shared
from trimtab.trust.conditional import paired_limits
from trimtab.trust.hybrid import HYBRID, INFERENCE_ON_WINNERS, hybrid_mean, hybrid_rate, spend
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.link import Link, find_link
from trimtab.trust.out_of_bag import BBC, out_of_bag_correction
from trimtab.trust.quantiles import normal_tail
from trimtab.trust.sample import PairedSample
from trimtab.trust.simultaneous import max_t, max_z
from trimtab.trust.ties import paired_ties

__all__ = ["PairedLosses", "read_losses"]

LEAST_EXAMPLES = 10
LEAST_FOR_HYBRID = 100
"""Real losses of fewer examples get the simultaneous interval: the hybrid's correction for skewness needs more."""
MEAN_LOSS = Objective("mean loss", "minimize")
"""What is selected on where losses are asked for by name although the value does not follow from them."""

_SIMULTANEOUS = "simultaneous interval (max-z or max-t over all trials)"


@dataclass(frozen=True, slots=True, eq=False)
class PairedLosses:
    """Per-example losses, with the scale on which they speak of the objective.

    Arguments:
        candidates: k trials.
        sample: their losses.
        link: from the mean loss to the objective; None to select on the mean loss itself.
        caveats: what reading them left out.
        interval: which one, of `candidates.INTERVALS`; "auto" is the hybrid one for 0/1 losses, and for others of
            `LEAST_FOR_HYBRID` examples or more.
    """

    method: ClassVar[str] = (
        "per-example losses: bootstrap bias-corrected estimate (BBC), paired multiple comparisons with the best"
    )
    refs: ClassVar[tuple[Reference, ...]] = (
        INFERENCE_ON_WINNERS,
        BBC,
        Reference(
            authors="Chernozhukov, Victor and Chetverikov, Denis and Kato, Kengo",
            title="Gaussian approximations and multiplier bootstrap for maxima of sums of high-dimensional random "
            "vectors",
            year=2013,
            venue="Annals of Statistics 41, 2786-2819",
            arxiv="1212.6906",
        ),
        Reference(
            authors="Blaker, Helge",
            title="Confidence curves and improved exact confidence intervals for discrete distributions",
            year=2000,
            venue="Canadian Journal of Statistics 28, 783-798",
        ),
        Reference(
            authors="Hsu, Jason C.",
            title="Constrained simultaneous confidence intervals for multiple comparisons with the best",
            year=1984,
            venue="Annals of Statistics 12, 1136-1144",
        ),
    )

    candidates: Candidates
    sample: PairedSample
    link: Link | None
    caveats: tuple[str, ...] = ()
    interval: str = "auto"

    def select(self, level: float, key: Key) -> Selection:
        """The trial with the lowest mean loss, and what to expect of it."""
        sample, best = self.sample, self.sample.best
        mean = float(sample.means[best])
        standard = sample.standardised()
        correction = out_of_bag_correction(sample, standard, key.child("out of bag").generator())
        many = sample.binary or sample.size >= LEAST_FOR_HYBRID
        hybrid = self.interval == "hybrid" or (self.interval == "auto" and many)
        rng = key.child("simultaneous").generator()
        ends = (hybrid_ends if hybrid else simultaneous_ends)(sample, best, standard, level, rng)
        scale = self.link or float
        return self.candidates.selection(
            best,
            scale(mean + correction),
            None if ends is None else (scale(ends[0]), scale(ends[1])),
            level,
            paired_ties(sample, level),
            f"{self.method}, {HYBRID if hybrid else _SIMULTANEOUS}",
            [*self._scope(), *([_NO_SPREAD] if ends is None else []), *self.caveats],
            objective=None if self.link else MEAN_LOSS,
            observed=None if self.link else mean,
            best_probability=paired_best_probability(sample, key.child("best probability").generator()),
            shrunk=self._shrunk(scale),
        )

    def _shrunk(self, scale: Callable[[float], float]) -> float | None:
        """The selected trial's value drawn together with the others, for 0/1 losses of three trials or more."""
        if not self.sample.binary or len(self.sample.losses) < 3:
            return None
        return scale(float(shrink_shared(self.sample.losses).estimates[self.sample.best]))

    def _scope(self) -> list[str]:
        """What the numbers cover, and what they do not."""
        return [
            f"It covers the choice among these {len(self.sample.losses)} trials on these {self.sample.size} examples, "
            "taken as independent; a search that goes on with the same examples fits them a little more with every "
            "trial.",
            "Each trial counts as one trained model: what another random seed or another training set would change "
            "is not covered, and losses from cross-validation share training data, which makes the interval "
            "somewhat too short.",
        ]


_NO_SPREAD = "No interval: all losses of the selected trial are equal, so they tell nothing of its noise."


def simultaneous_ends(
    sample: PairedSample, chosen: int, standard: NDArray[np.float32], level: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    """The interval of the chosen trial's true mean loss, valid whichever trial is chosen.

    Arguments:
        sample: the losses.
        chosen: place of the trial; for `hybrid_ends` that of the lowest mean loss.
        standard: `sample.standardised()`.
        level: such as 0.95.
        rng: of the draws.

    Returns:
        Low and high end; None where the chosen trial's losses are all equal and not 0/1.
    """
    mean, error = float(sample.means[chosen]), float(sample.errors[chosen])
    if sample.binary:
        tail = normal_tail(max_z(standard, level, rng))
        exact = binomial_interval(round(float(sample.losses[chosen].sum())), sample.size, level=1.0 - 2.0 * tail)
        return exact.low, exact.high
    if error == 0.0:
        return None
    low, high = max_t(standard, level, rng)
    return max(mean - high * error, 0.0 if sample.nonnegative else -math.inf), mean - low * error


def hybrid_ends(
    sample: PairedSample, chosen: int, standard: NDArray[np.float32], level: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    """The hybrid interval of the chosen trial's true mean loss; arguments and result as for `simultaneous_ends`."""
    mean, error = float(sample.means[chosen]), float(sample.errors[chosen])
    n, outer = sample.size, spend(level)[0]
    if sample.binary:
        tail = normal_tail(max_z(standard, outer, rng))
        return hybrid_rate(round(float(sample.losses[chosen].sum())), n, paired_limits(sample), tail, level)
    if error == 0.0:
        return None
    reach = max_t(standard, outer, rng)
    # The chosen trial is one of few large losses, so its own skewness is too small: that of all counts.
    skewness = float(np.mean([float(np.mean(row * row * row)) for row in standard]))
    low, high = hybrid_mean(mean, error, paired_limits(sample), reach, skewness / math.sqrt(n), n - 1, level)
    return max(low, 0.0 if sample.nonnegative else -math.inf), high


def read_losses(candidates: Candidates, named: bool) -> PairedLosses | Absent:
    """The losses of the candidates that can be compared example by example.

    Arguments:
        candidates: the trials.
        named: whether losses were asked for by name: then a few trials with losses are enough, and where the
            value does not follow from the mean loss, the mean loss itself is what is selected on.
    """
    told = [seen.losses for seen in candidates.observations]
    sizes = [row.size if row is not None and bool(np.isfinite(row).all()) else 0 for row in told]
    # The most common number of examples counts, the larger on ties.
    common = Counter(each for each in sizes if each)
    size = max(common, key=lambda each: (common[each], each), default=0)
    places = [place for place, each in enumerate(sizes) if each == size > 0]
    if not places and any(row is not None for row in told):
        return Absent("losses were not used, because every trial told some that are not finite", told=True)
    do = "return trimtab.Observation(value, losses=...) with one loss per validation example"
    usable = carriers(candidates, places, "losses", named, do)
    if isinstance(usable, Absent):
        return usable
    if size < LEAST_EXAMPLES:
        return Absent(
            f"losses were not used, because {size} examples are too few; {LEAST_EXAMPLES} are needed", told=True
        )
    sample = PairedSample.of([seen.losses for seen in usable.observations if seen.losses is not None])
    link = find_link(usable.minimized * usable.objective.sign, sample, usable.objective)
    if link is None and not named:
        return Absent(
            "losses were told, but the value is not a known function of their mean that is better when the mean "
            "loss is lower, so they say nothing of its noise; method='losses' selects on the mean loss instead",
            told=True,
        )
    caveats = left_out(candidates, usable, f"losses ({size} finite ones)")
    return PairedLosses(usable, sample, link, (*caveats, *_on_scale(link, usable.objective)))


def _on_scale(link: Link | None, objective: Objective) -> list[str]:
    """The caveat for a value that is not quite, or not at all, what the losses average to."""
    if link is None:
        return [
            f"Selected on the mean loss: objective {objective.name!r} is no known function of it, so estimate and "
            "interval are of the mean loss."
        ]
    if link.exact:
        return []
    return [f"The values differ a little from {link.words}; estimate and interval are of the latter."]
