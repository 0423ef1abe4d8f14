"""Clean-up after a search: its best few and the default are evaluated again, and only what these say counts.

Needs the means to evaluate a configuration again on the same examples: other random splits, repeated cross-validation,
other seeds. The trials of a search are a screening: whichever looks best was chosen for its luck too. Evaluations that
had no part in the choice of the finalists are free of that, and few finalists leave little to be lucky with. Boesel,
Nelson and Kim (2003, Using Ranking and Selection to "Clean Up" after Simulation Optimization, Operations Research
51:814; recalled) end a search so. `finalists` names the default and the trials of least posterior mean
(`trimtab.trust.posterior_mean`); `cleaned_up` takes their new losses, averages them for each example, and replaces the
default by the best of the others where the test of `trimtab.trust.default_guard` says so, for these few.

The paper bounds the probability of a wrong choice by sampling in two stages. The test here bounds the probability that
a default is replaced which none of the finalists beats, for the noise of the examples, as if the finalists had been
chosen on others. They are chosen on the same ones and share a part of their luck; what is left of it was measured
(`dev/studies/overtuning.py`). Of 200 studies with 60 to 100 examples and 60 trials, 38 with TPE and 40 with the tuner
`auto` ended worse than the default by the best observed trial. Four finalists and the default on three more splits
each, after 45 trials, left 3 and 5 of these at level 0.8, and 95 % and 93 % of the mean gain.

An example that some finalist was not scored on does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.history import History
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.default_guard import DefaultOrTuned, paired_gain
from trimtab.trust.losses import LEAST_EXAMPLES, read_losses
from trimtab.trust.observed import objective_index
from trimtab.trust.posterior_mean import posterior_mean
from trimtab.trust.replicates import read_replicates
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import read_standard_errors

__all__ = ["CLEAN_UP", "cleaned_up", "finalists"]

S = TypeVar("S")

CLEAN_UP = Reference(
    authors="Boesel, Justin and Nelson, Barry L. and Kim, Seong-Hee",
    title='Using ranking and selection to "clean up" after simulation optimization',
    year=2003,
    venue="Operations Research 51, 814-825",
)


def finalists(
    history: History[S], default: int = 0, *, objective: str | int | None = None, count: int = 4
) -> tuple[int, ...]:
    """Numbers of the trials that are worth another evaluation: the default, then the best by posterior mean.

    Where nothing was told of the noise, or the default lies outside the space, the best observed ones.

    Arguments:
        history: the study.
        default: number of the trial that ran the default configuration, complete and feasible.
        objective: name or index; may be left out where there is only one.
        count: how many besides the default, fewer where there are no more.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, a count below 1, or a default without a usable result.
    """
    check_count(count, "count", do="ask for four")
    candidates = Candidates.of(history, objective_index(history, objective))
    if default not in candidates.numbers:
        raise InvalidArgument(
            message("the default cannot be compared", got=default, allowed="a complete, feasible trial of the study")
        )
    numbers, values = candidates.numbers, candidates.minimized
    for reader in (read_losses, read_standard_errors, read_replicates):
        evidence = reader(candidates, False)
        if isinstance(evidence, Absent) or default not in evidence.candidates.numbers:
            continue
        found = posterior_mean(evidence, int(np.flatnonzero(evidence.candidates.numbers == default)[0]))
        if found is not None:
            numbers, values = evidence.candidates.numbers[found.places], found.means
            break
    order = [int(number) for number in numbers[np.argsort(values, kind="stable")] if number != default]
    return (default, *order[:count])


def cleaned_up(
    losses: Mapping[int, ArrayLike], default: int = 0, *, level: float = 0.8, key: Key | None = None
) -> DefaultOrTuned:
    """The best of the finalists or the default, by evaluations that had no part in choosing the finalists.

    Arguments:
        losses: by number, of the default and of one finalist at least: losses of the same examples in the same order,
            shape (n,) or (r, n) for r evaluations; nan where an evaluation did not score an example.
        default: the number among them that ran the default configuration.
        level: how sure the gain has to be, 0 < level < 1; corrected for the number of finalists. 0.8 is the level that
            was measured on little data.
        key: of the test's draws; by default a fixed one, so that repeated calls agree.

    Raises:
        InvalidArgument: a level that cannot be, no default or nothing to compare it with, losses of different
            examples or that are infinite, or fewer than ten examples that all were scored on.

    >>> import numpy as np
    >>> hard = np.arange(60) % 10 < 4
    >>> print(cleaned_up({0: 1.0 * hard, 7: 1.0 * (np.arange(60) % 10 < 2)}).recommended)
    7
    """
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.8")
        )
    if default not in losses or len(losses) < 2:
        text = "a clean-up needs new losses of the default and of one finalist at least"
        raise InvalidArgument(message(text, got=sorted(losses), allowed=f"trial {default} and others"))
    numbers = [default, *sorted(number for number in losses if number != default)]
    table = _by_example([np.atleast_2d(np.asarray(losses[number], dtype=np.float64)) for number in numbers])
    sample = PairedSample.of(list(table))
    place = 1 + int(np.argmin(sample.means[1:]))
    rng = (key or Key(0, purpose="clean up")).generator()
    gain = paired_gain(sample, 0, place, level, rng)
    recommended = numbers[place] if gain.low > 0.0 else default
    return DefaultOrTuned(numbers[place], default, recommended, level, len(numbers) - 1, gain, "mean loss")


def _by_example(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean losses (k, m) on the m of n examples that every one of k trials was scored on, from k tables (r, n)."""
    sizes = {row.shape[-1] for row in rows}
    if len(sizes) > 1 or any(row.ndim > 2 or np.isinf(row).any() for row in rows):
        raise InvalidArgument(
            message(
                "the new losses cannot be compared example by example",
                got=[row.shape for row in rows],
                allowed="finite numbers or nan, shape (n,) or (r, n), the same n examples for every trial",
            )
        )
    counts = np.stack([np.isfinite(row).sum(axis=0) for row in rows])
    whole = (counts > 0).all(axis=0)
    if whole.sum() < LEAST_EXAMPLES:
        raise InvalidArgument(
            message(
                f"only {whole.sum()} examples were scored for every finalist",
                allowed=f"{LEAST_EXAMPLES} at least",
                do="use the same splits for every finalist, and more of them",
            )
        )
    sums = np.stack([np.nansum(row, axis=0) for row in rows])
    means: NDArray[np.float64] = sums[:, whole] / counts[:, whole]
    return means
