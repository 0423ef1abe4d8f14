"""What a team may publish of its past trials: how much good and bad experience lies near a configuration.

The trials of a corpus are split by a public threshold into successes and others, and for each of the two a noisy count
and noisy sums of similarities (`trimtab.tuners.tasks.private.kernel_sums`), and if wanted of distances
(`trimtab.tuners.tasks.private.distance_sums`), are released. From then on everything is arithmetic on the release: any
number of questions at any configurations costs no more privacy. The success rate near y is

    (S_good(y) + a r) / (S_good(y) + S_bad(y) + a),   r = n_good / (n_good + n_bad),

with sums below zero taken as zero and a twice the standard deviation of the noise, so that where only noise is near the
answer is the rate over all.

What the guarantee is. Data sets are neighbours if one has one trial more (its configuration and its loss), or, with
`unit="task"`, one task more, of which at most `most` trials count. A trial is a success or not, so it enters one of the
two releases, and both together cost what one costs. What the guarantee rests on, and how it is held:

- Bounds, scales, categories, bandwidth, waves and depth are public: they come from the declared space and from
  arguments, never from trials.
- The threshold is a number that was fixed without looking at the trials, for each task or for all; or it was bought by
  `private_quantile` from the same accountant.
- A trial counts once. Trials are left out one by one: those outside the space, and with `unit="task"` those of a
  task after its first `most`. Failed trials count as not successful.
- The accountant is charged before noise is drawn. Noise is whole numbers from the operating system.

It refuses where it would be useless: where the expected relative error of a success sum at an evenly drawn
configuration exceeds `tolerance`, for as many successes as there are at least, at 95%, by their noisy count. The counts
are private and paid for, so the refusal and the number in it are too; the counts stay spent.

It does not protect the names of files, the fact that a summary was published, or what the owner tells beside it.

Source: A. Backurs, Z. Lin, S. Mahabadi, S. Silwal and J. Tarnawski, "Efficiently Computing Similarities to Private
Datasets", ICLR 2024, arXiv 2403.08917. What is released and how it is accounted is put together here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Json, Params
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import encode_valid
from trimtab.tuners.tasks.private.accounting import Accountant, Cost
from trimtab.tuners.tasks.private.discrete_noise import OPERATING_SYSTEM, Source
from trimtab.tuners.tasks.private.distance_sums import DistanceDesign, distance_sums, relative_error
from trimtab.tuners.tasks.private.kernel_sums import KernelDesign, Noise, kernel_sums
from trimtab.tuners.tasks.transfer.corpus import Corpus

__all__ = ["BACKURS_2024", "PrivateSummary", "TooFewTrials", "expected_error", "publish"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

BACKURS_2024 = Reference(
    authors="Backurs, Arturs and Lin, Zinan and Mahabadi, Sepideh and Silwal, Sandeep and Tarnawski, Jakub",
    title="Efficiently Computing Similarities to Private Datasets",
    year=2024,
    venue="International Conference on Learning Representations",
    arxiv="2403.08917",
)

SCHEMA = 1
COUNT_SHARE = 0.1
"""Of the epsilon, what the two counts cost."""

DOUBT = 0.05
"""A summary is refused unless there are enough successes but for this probability."""


class TooFewTrials(InvalidArgument):
    """So few trials, for this epsilon, that a summary of them would be noise."""


@dataclass(frozen=True)
class PrivateSummary:
    """A published summary: public constants, and sums and counts with noise. Nothing in it is exact.

    Arguments:
        kernel: constants of the sums of similarities, the space among them.
        noise: in these.
        good: sums over successes, shape (2 m,), whole numbers.
        bad: sums over the other trials.
        counts: how many successes and how many others there are.
        count_noise: in these.
        distance: constants of the sums of distances; None where there are none.
        distance_noise: in these.
        near_good: their counts over successes.
        near_bad: over the other trials.
        unit: what is protected, "trial" or "task".
        note: a public remark, such as what counts as a success.

    Raises:
        InvalidArgument: sums that do not fit the constants.
    """

    kernel: KernelDesign
    noise: Noise
    good: tuple[int, ...]
    bad: tuple[int, ...]
    counts: tuple[int, int]
    count_noise: Noise
    distance: DistanceDesign | None = None
    distance_noise: Noise | None = None
    near_good: tuple[int, ...] = ()
    near_bad: tuple[int, ...] = ()
    unit: str = "trial"
    note: str = ""

    def __post_init__(self) -> None:
        """Check that all fits."""
        near = 0 if self.distance is None else sum(self.distance.sizes)
        if (self.distance is None) != (self.distance_noise is None) or not (
            len(self.good) == len(self.bad) == self.kernel.size and len(self.near_good) == len(self.near_bad) == near
        ):
            raise InvalidArgument(
                message(
                    "the sums of a PrivateSummary do not fit its constants",
                    got=(len(self.good), len(self.bad), len(self.near_good), len(self.near_bad)),
                    allowed=f"{self.kernel.size} sums of similarities and {near} counts for distances, twice each",
                )
            )

    @property
    def space(self) -> Space:
        """The space of the configurations."""
        return self.kernel.space

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each part of it cost."""
        parts = [self.count_noise, self.noise, *([] if self.distance_noise is None else [self.distance_noise])]
        return tuple(Cost(part.epsilon, part.delta, part.rho) for part in parts)

    @property
    def epsilon(self) -> float:
        """What it cost in all, by basic composition."""
        return math.fsum(cost.epsilon for cost in self.costs)

    @property
    def delta(self) -> float:
        """The probability of more."""
        return math.fsum(cost.delta for cost in self.costs)

    @property
    def base_rate(self) -> float:
        """The share of successes, from the noisy counts; within [0.01, 0.99]."""
        good, bad = (max(float(count), 1.0) for count in self.counts)
        return float(np.clip(good / (good + bad), 0.01, 0.99))

    @property
    def expected_error(self) -> float:
        """The expected error of a success sum at an evenly drawn configuration, over its size."""
        return expected_error(self.kernel, self.noise, float(self.counts[0]))

    def similarity(self, raw: Array) -> Array:
        """Sums of similarities to successes and to others at raw rows (q, d), shape (q, 2); never below 0."""
        sums = [self.kernel.estimate(np.array(part), raw) for part in (self.good, self.bad)]
        return np.maximum(np.column_stack(sums), 0.0)

    def distances(self, raw: Array) -> Array:
        """Sums of l1 distances to successes and to others at raw rows (q, d), shape (q, 2).

        Raises:
            InvalidArgument: the summary was published without them.
        """
        if self.distance is None:
            raise InvalidArgument(
                message("this summary has no distances", do="ask its owner to publish(..., distances=True)")
            )
        sums = [self.distance.estimate(np.array(part), raw) for part in (self.near_good, self.near_bad)]
        return np.column_stack(sums)

    def rates(self, raw: Array) -> Array:
        """The success rate near raw rows (q, d), shape (q,), in (0, 1)."""
        near = self.similarity(raw)
        floor = 2.0 * self.kernel.deviation(self.noise)
        rate: Array = (near[:, 0] + floor * self.base_rate) / (near.sum(axis=1) + floor)
        return rate

    def success_rate(self, params: Params) -> float:
        """The success rate near one configuration.

        Raises:
            InvalidParams: it does not lie in the space.
        """
        return float(self.rates(self.space.encode(params)[None])[0])

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        kernel, distance = self.kernel, self.distance
        return {
            "schema": SCHEMA,
            "kind": "private summary",
            "space": self.space.to_json(),
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "kernel": {
                "bandwidth": kernel.bandwidth,
                "waves": kernel.waves,
                "seed": kernel.seed,
                "projection": kernel.projection,
                "noise": _noise_json(self.noise),
                "good": list(self.good),
                "bad": list(self.bad),
            },
            "counts": {"noise": _noise_json(self.count_noise), "good": self.counts[0], "bad": self.counts[1]},
            "distance": None
            if distance is None or self.distance_noise is None
            else {
                "depth": distance.depth,
                "noise": _noise_json(self.distance_noise),
                "good": list(self.near_good),
                "bad": list(self.near_bad),
            },
            "note": self.note,
        }

    @classmethod
    def from_json(cls, data: Json) -> PrivateSummary:
        """Inverse of `to_json`.

        Raises:
            InvalidArgument: JSON of something else, of another version, or damaged.
        """
        try:
            if data["kind"] != "private summary" or data["schema"] != SCHEMA:
                raise ValueError(f"{data['kind']}, schema {data['schema']}")
            space, kernel, counts, near = (
                Space.from_json(data["space"]),
                data["kernel"],
                data["counts"],
                data["distance"],
            )
            return cls(
                kernel=KernelDesign(space, kernel["bandwidth"], kernel["waves"], kernel["seed"], kernel["projection"]),
                noise=Noise(*kernel["noise"]),
                good=tuple(map(int, kernel["good"])),
                bad=tuple(map(int, kernel["bad"])),
                counts=(int(counts["good"]), int(counts["bad"])),
                count_noise=Noise(*counts["noise"]),
                distance=None if near is None else DistanceDesign(space, near["depth"]),
                distance_noise=None if near is None else Noise(*near["noise"]),
                near_good=() if near is None else tuple(map(int, near["good"])),
                near_bad=() if near is None else tuple(map(int, near["bad"])),
                unit=str(data["unit"]),
                note=str(data["note"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(message(f"this is no PrivateSummary's JSON ({error!r})", got=data)) from None


def _noise_json(noise: Noise) -> list[Json]:
    """The arguments of a noise."""
    return [noise.kind, noise.epsilon, noise.delta, noise.group]


def _check_unit(unit: Literal["trial", "task"], most: int, accountant: Accountant) -> None:
    """Raises InvalidArgument: the accountant protects something else, or several trials of one."""
    if unit != accountant.unit or (unit == "trial" and most != 1):
        raise InvalidArgument(
            message(
                "what is protected must be what the accountant protects, and `most` is for tasks",
                got=(unit, most),
                allowed=f"unit {accountant.unit!r}, and most=1 for trials",
            )
        )


def _check_budget(accountant: Accountant, parts: Sequence[Noise]) -> None:
    """Raises Conflict: the accountant's budget does not allow all of these; it is not charged."""
    copy = Accountant.from_json(accountant.to_json())
    for part in parts:
        copy.spend(Cost(part.epsilon, part.delta, part.rho), "summary")


def publish(
    corpus: Corpus,
    space: Space,
    threshold: float | Mapping[str, float],
    *,
    epsilon: float,
    accountant: Accountant,
    delta: float = 0.0,
    bandwidth: float | None = None,
    waves: int | None = None,
    expected_trials: int = 1000,
    unit: Literal["trial", "task"] = "trial",
    most: int = 1,
    distances: bool = False,
    tolerance: float = 0.3,
    projection: int | None = None,
    seed: int = 0,
    note: str = "",
    source: Source = OPERATING_SYSTEM,
) -> PrivateSummary:
    """Publish a summary of the trials of a corpus.

    Every argument but the corpus becomes public, or is to be thought of as public.

    Arguments:
        corpus: the private trials.
        space: the declared space; trials outside it are left out.
        threshold: trials with a loss at or below it are successes; for all tasks, or by task, a task without one left
            out. Fixed without looking at the trials, or bought by `private_quantile`.
        epsilon: that the summary costs.
        accountant: of the corpus; it is charged.
        delta: 0 for Laplace noise, which is pure; above 0 for Gaussian noise, which is less.
        bandwidth: of the similarity, in units of a column's range; None for 0.35 sqrt(d).
        waves: m, of the similarity; None for a number that fits `expected_trials` and `epsilon`.
        expected_trials: a public guess of how many trials there are.
        unit: what is protected: one "trial", or one "task", of which `most` trials count.
        most: how many trials of a task count with `unit="task"`, the first ones; 1 with `unit="trial"`.
        distances: whether to release sums of distances, too, for half of what the sums cost.
        tolerance: the expected relative error above which nothing is published; see the module.
        projection: coordinates left after a random projection; None for none.
        seed: of the waves.
        note: a public remark.
        source: of randomness; leave it as it is but in tests.

    Raises:
        TooFewTrials: the summary would be noise; the counts that say so stay paid for.
        Conflict: the accountant's budget does not allow it.
        InvalidArgument: an argument out of its range, or a unit that is not the accountant's.
    """
    check_count(expected_trials, "expected_trials")
    check_count(most, "most")
    _check_unit(unit, most, accountant)
    share = (1.0 - COUNT_SHARE) / (2.0 if distances else 1.0)
    kind: Literal["laplace", "gaussian"] = "gaussian" if delta > 0.0 else "laplace"
    sums = Noise(kind, share * epsilon, delta / 2.0 if distances else delta, most)
    count_noise = Noise("laplace", COUNT_SHARE * epsilon, 0.0, most)
    kernel = KernelDesign(
        space,
        0.35 * math.sqrt(max(len(space), 1)) if bandwidth is None else bandwidth,
        _waves(expected_trials, sums) if waves is None else waves,
        seed,
        projection,
    )
    distance = DistanceDesign(space) if distances else None
    good, bad = _split(corpus, space, threshold, most if unit == "task" else None)
    # All of it must fit the budget before the first part is drawn.
    parts = [count_noise, sums, *([sums] if distances else [])]
    _check_budget(accountant, parts)
    accountant.spend(Cost(count_noise.epsilon), "counts of a summary")
    seen = tuple(int(len(rows) + count_noise.draw(1, 1, 1, source)[0]) for rows in (good, bad))
    # Laplace noise exceeds its scale times log(1 / (2 w)) with probability w.
    surely = seen[0] - float(count_noise.width(1, 1)) * math.log(1.0 / (2.0 * DOUBT))
    error = expected_error(kernel, sums, surely)
    if distance is not None:
        rng = Key(seed, purpose="private distance error").generator()
        error = max(error, relative_error(distance, sums, surely, rng))
    if not error <= tolerance:
        raise TooFewTrials(_too_few(seen[0], seen[1], epsilon, most, error, tolerance))
    for part in parts[1:]:
        accountant.spend(Cost(part.epsilon, part.delta, part.rho), "sums of a summary")
    near = [] if distance is None else [distance_sums(distance, rows, sums, source) for rows in (good, bad)]
    return PrivateSummary(
        kernel=kernel,
        noise=sums,
        good=tuple(kernel_sums(kernel, good, sums, source).tolist()),
        bad=tuple(kernel_sums(kernel, bad, sums, source).tolist()),
        counts=(seen[0], seen[1]),
        count_noise=count_noise,
        distance=distance,
        distance_noise=None if distance is None else sums,
        near_good=tuple(near[0].tolist()) if near else (),
        near_bad=tuple(near[1].tolist()) if near else (),
        unit=unit,
        note=note,
    )


def _waves(trials: int, noise: Noise) -> int:
    """How many waves fit a public guess of the trials: the error of few against the noise of many."""
    if noise.kind == "gaussian":
        return 64
    return int(np.clip(round(trials * noise.epsilon / (50.0 * noise.group)), 4, 64))


def _split(
    corpus: Corpus, space: Space, threshold: float | Mapping[str, float], most: int | None
) -> tuple[Array, Array]:
    """Raw rows of the successes and of the others.

    Whether a trial is among them depends on itself and, where `most` of a task count, on its task alone.
    """
    good, bad = [np.empty((0, len(space)))], [np.empty((0, len(space)))]
    for task in corpus.tasks:
        limit = threshold.get(task.name) if isinstance(threshold, Mapping) else threshold
        if limit is None:
            continue
        if not math.isfinite(limit):
            raise InvalidArgument(message(f"the threshold of task {task.name!r} must be finite", got=limit))
        raw, valid = encode_valid(space, list(task.params))
        success = task.values[np.asarray(valid, dtype=bool)] <= limit
        good.append(raw[:most][success[:most]])
        bad.append(raw[:most][~success[:most]])
    return np.concatenate(good), np.concatenate(bad)


def expected_error(kernel: KernelDesign, noise: Noise, trials: float) -> float:
    """The expected absolute error of S over its size, for trials and queries spread evenly over the space.

    It is made of the noise and of the error of finitely many waves, and looks at nothing private but `trials`.
    """
    if not trials > 0.0:
        return math.inf
    rng = Key(kernel.seed, purpose="private kernel error").generator()
    spread, queries = kernel.space.sample_raw(rng, 256), kernel.space.sample_raw(rng, 128)
    exact = kernel.similarity(spread, queries).mean(axis=0)
    waves = kernel.features(queries) @ kernel.features(spread).mean(axis=0) / kernel.waves
    deviation = np.sqrt((waves - exact) ** 2 + (kernel.deviation(noise) / trials) ** 2)
    return float(math.sqrt(2.0 / math.pi) * deviation.mean() / exact.mean())


def _too_few(good: int, bad: int, epsilon: float, most: int, error: float, tolerance: float) -> str:
    """The text of a refusal, of noisy numbers only."""
    told = "more than 1000%" if error > 10.0 else f"up to {error:.0%}"
    group = f", {most} trials of each task" if most > 1 else ""
    return message(
        f"a private summary of about {max(good, 0) + max(bad, 0)} trials, about {max(good, 0)} of them successes, at "
        f"epsilon {epsilon:g}{group}, would be wrong by {told} of what it tells",
        allowed=f"an expected error of {tolerance:.0%}",
        do="collect more trials, protect less (a larger epsilon), or loosen the threshold; nothing was published",
    )
