"""`select`: which trial to take, what to expect of it, and what cannot be told from it.

The best of K noisy values is too good: its naive 95% interval covers its true value in 10% of cases for
50 equal trials scored on 200 examples. What can be said instead depends on what the observations carry, in
this order of preference:

0. holdout: the answers of the study's reusable holdout, where it has one (`trimtab.trust.held_out`); or else
   race: the latest race of the study, where it is over and no trial came after it (`trimtab.trust.raced`);
1. losses: per-example losses on shared examples (`trimtab.trust.losses`);
2. stderr: a standard error for each value (`trimtab.trust.standard_errors`);
3. replicates: configurations that were evaluated several times (`trimtab.trust.replicates`);
4. surrogate: values alone, where trials beside each other prove that there is noise (`trimtab.trust.fitted_mean`);
5. values: nothing of the kind; the observed best, without an interval (`trimtab.trust.bare_values`).

By name only: "posterior mean", the trial that its neighbours in the space speak for (`trimtab.trust.posterior_mean`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.trust.bare_values import BareValues, read_values
from trimtab.trust.candidates import INTERVALS, Absent, Candidates, Evidence, Reader
from trimtab.trust.certify import certificate_note
from trimtab.trust.default_guard import DefaultOrTuned, default_or_tuned, smoothed_or_default
from trimtab.trust.fitted_mean import FittedMean, read_fitted_mean
from trimtab.trust.held_out import HoldoutAnswers, LadderLead, read_holdout
from trimtab.trust.losses import PairedLosses, read_losses
from trimtab.trust.observed import objective_index
from trimtab.trust.posterior_mean import PosteriorMean, read_posterior_mean
from trimtab.trust.raced import Raced, read_race
from trimtab.trust.replicates import Replicates, read_replicates
from trimtab.trust.standard_errors import StandardErrors, read_standard_errors
from trimtab.trust.stopping import Outlook, outlook

__all__ = [
    "SELECTION_METHODS",
    "compare_with_default",
    "default_trial",
    "select",
    "selection_references",
    "study_outlook",
]

S = TypeVar("S")

_READERS: Mapping[str, Reader] = {
    "holdout": read_holdout,
    "race": read_race,
    "losses": read_losses,
    "stderr": read_standard_errors,
    "replicates": read_replicates,
    "surrogate": read_fitted_mean,
    "posterior mean": read_posterior_mean,
    "values": read_values,
}

_EARLY = 1_000
"""Trials among which the default configuration is looked for: whoever runs it, runs it early."""

SELECTION_METHODS = ("auto", *_READERS)
"""What `select` takes as its method."""


def select(
    history: History[S],
    *,
    objective: str | int | None = None,
    method: str = "auto",
    level: float = 0.95,
    key: Key | None = None,
    default: int | None = None,
    certify: bool = False,
    interval: str = "auto",
    region: bool = False,
) -> Selection:
    """The honest best of a study.

    Candidates are the complete, feasible trials with a finite value.

    Arguments:
        history: the study.
        objective: name or index; may be left out where there is only one.
        method: "holdout", "race", "losses", "stderr", "replicates", "surrogate" or "values"; "auto" takes the first of
            these that half of the candidates carry, a surrogate where trials prove that there is noise. Or "posterior
            mean".
        level: of the interval, and probability with which the true best is in the tie set.
        key: of the random numbers; by default made of the study's seed, so that repeated calls agree.
        default: number of the trial that ran the default configuration; by default the first that ran the one of the
            space. A caveat says whether tuning helped, by the guard of `compare_with_default`, where anything was
            told of noise.
        certify: whether a last caveat compares the selected trial with the certified optimum of a surrogate;
            see `trimtab.trust.certify`. It may take ten seconds.
        interval: of losses, standard errors and replicates. "simultaneous" holds for all trials at once, so for
            any choice, and is the longer one; "hybrid" is conditional on the choice (`trimtab.trust.hybrid`).
            "auto" takes the hybrid one, except for fewer than 100 real losses, and for configurations that were
            not all evaluated equally often; of standard errors and replicates it lets the good end allow for noise
            that trials share, which "hybrid" takes as independent.
        region: whether a last caveat says where the optimum lies by a surrogate; see
            `trimtab.trust.optimum_posterior`. It may take seconds.

    Returns:
        The selection. Estimate and interval are in the objective's own units and sign.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, method or interval, a level outside (0, 1), a default that is no
            trial, or a method that the observations carry nothing for.
    """
    _check(history, method, level, default)
    _check_interval(interval)
    candidates = Candidates.of(history, objective_index(history, objective))
    evidence, notes = _evidence(candidates, method)
    if isinstance(evidence, PairedLosses | StandardErrors | Replicates):
        evidence = replace(evidence, interval=interval)
    elif interval != "auto":
        notes = [*notes, f"interval={interval!r} makes no difference here: this kind of evidence has its own."]
    key = key or Key(history.study.seed, purpose="select")
    found = evidence.select(level, key)
    base = default_trial(history) if default is None else default
    caveats = [
        *found.caveats,
        *_ties(found, history.study.holdout is None),
        *_against(found, evidence, base, level, key),
        *notes,
        *_mixed(candidates),
        *([certificate_note(cast(History[Space], history), objective, found.trial)] if certify else []),
        *([_region_note(cast(History[Space], history), objective, found.trial)] if region else []),
    ]
    return replace(found, caveats=tuple(caveats))


def default_trial(history: History[S]) -> int | None:
    """The first trial that ran the space's default configuration, among the first thousand; None where none did.

    A space that was not declared has no default configuration.
    """
    space = history.space
    if not isinstance(space, Space) or space.is_traced or not space.columns:
        return None
    wanted = space.default_params()
    params = history.params(range(min(len(history), _EARLY)))
    return next((number for number, each in enumerate(params) if each == wanted), None)


def compare_with_default(
    history: History[S],
    default: int | None = None,
    *,
    objective: str | int | None = None,
    level: float | None = None,
    smoothed: bool = False,
    key: Key | None = None,
) -> DefaultOrTuned:
    """Whether tuning helped: the selected trial or the default, whichever the data speak for.

    Arguments:
        history: the study.
        default: number of the trial that ran the default configuration; by default the first that ran the one of the
            space, or else trial 0.
        objective: name or index; may be left out where there is only one.
        level: how sure the gain has to be; by default 0.95, smoothed 0.9.
        smoothed: let neighbouring trials vote; the selected trial is then the one of least posterior mean, and
            compared with the default once, without correction. Measured, not proved; otherwise 1 - level bounds how
            often a default that no trial truly beats is replaced. See `trimtab.trust.default_guard`.
        key: as for `select`.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, a level outside (0, 1), or a default that is no trial.
    """
    sure = (0.9 if smoothed else 0.95) if level is None else level
    if default is None:
        default = default_trial(history) or 0
    _check(history, "auto", sure, default)
    evidence = _all_trials(Candidates.of(history, objective_index(history, objective)))
    if smoothed:
        return smoothed_or_default(evidence, default, sure)
    tuned = select(history, objective=objective, key=key).trial
    if tuned not in evidence.candidates.numbers:
        tuned = evidence.select(0.95, key or Key(history.study.seed, purpose="select")).trial
    return default_or_tuned(evidence, tuned, default, sure, key or Key(history.study.seed, purpose="default"))


def study_outlook(history: History[S], tolerance: float, *, objective: str | int | None = None) -> Outlook | None:
    """Whether further trials of a study would gain enough; see `trimtab.trust.stopping.outlook`.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, or a tolerance that cannot be.
    """
    evidence = _all_trials(Candidates.of(history, objective_index(history, objective)))
    return outlook(evidence, Key(history.study.seed, purpose="outlook"), tolerance)


def _all_trials(candidates: Candidates) -> Evidence:
    """What tells of the noise of all trials, and so of the luck of the best of them.

    A race knows the few that raced, and a holdout answers one by one: what trials told on its training part is left.
    """
    if candidates.history.study.holdout is not None:
        shown = read_losses(candidates, True)
        return read_values(candidates, True) if isinstance(shown, Absent) else shown
    return _evidence(candidates, "auto", without=("race", "surrogate"))[0]


def selection_references(selection: Selection) -> tuple[Reference, ...]:
    """The sources of the method that made a selection; empty for one that was made elsewhere."""
    asked: tuple[type[Evidence], ...] = (HoldoutAnswers, LadderLead, Raced)
    told: tuple[type[Evidence], ...] = (PairedLosses, StandardErrors, Replicates)
    others: tuple[type[Evidence], ...] = (FittedMean, PosteriorMean, BareValues)
    return next((kind.refs for kind in (*asked, *told, *others) if selection.method.startswith(kind.method)), ())


def _check(history: History[S], method: str, level: float, default: int | None) -> None:
    """Refuse what no study could be selected by."""
    if method not in SELECTION_METHODS:
        raise InvalidArgument(message("unknown method of selection", got=method, allowed=", ".join(SELECTION_METHODS)))
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.95 for 95%")
        )
    if default is not None and not 0 <= default < len(history):
        raise InvalidArgument(
            message(
                f"study {history.study.name!r} has no trial that could be the default",
                got=default,
                allowed=f"a trial's number, 0 to {len(history) - 1}",
            )
        )


def _check_interval(interval: str) -> None:
    """Refuse an interval that there is none of."""
    if interval not in INTERVALS:
        raise InvalidArgument(message("unknown interval", got=interval, allowed=", ".join(INTERVALS)))


def _evidence(candidates: Candidates, method: str, without: Collection[str] = ()) -> tuple[Evidence, list[str]]:
    """What to select by, and notes on better evidence that was told but cannot be used."""
    if method != "auto":
        found = _READERS[method](candidates, True)
        if isinstance(found, Absent):
            study = candidates.history.study.name
            raise InvalidArgument(message(f"study {study!r} cannot be selected by {method}: {found.why}"))
        return found, []
    notes: list[str] = []
    for name, reader in _READERS.items():
        if name in without:
            continue
        found = reader(candidates, False)
        if not isinstance(found, Absent):
            return found, notes
        if found.told:
            notes.append(f"{found.why[0].upper()}{found.why[1:]}.")
    return read_values(candidates, True), notes


def _ties(found: Selection, can_race: bool) -> list[str]:
    """What a tie set of several trials means."""
    others = len(found.tie_set) - 1
    if not others or found.interval is None:
        return []
    them = "another trial" if others == 1 else f"{others} other trials"
    race = ", or tell them apart by more evaluations, such as a race (study.race)" if can_race else ""
    return [f"The data cannot tell it from {them}; among those of the tie set, choose by cost or simplicity{race}."]


def _against(found: Selection, evidence: Evidence, default: int | None, level: float, key: Key) -> list[str]:
    """Whether tuning helped: the selected trial beside the one that ran the default configuration."""
    if default is None or found.interval is None:
        return []
    if isinstance(evidence, Raced):
        return evidence.against(default)
    if isinstance(evidence, PairedLosses | StandardErrors | Replicates):
        return [str(default_or_tuned(evidence, found.trial, default, level, key))]
    named = f"the default configuration (trial {default})"
    if default not in evidence.candidates.numbers:
        return [f"It was not compared with {named}, which has no usable result."]
    if default == found.trial:
        return [f"The selected trial is {named} itself."]
    tied = default in found.tie_set
    return [f"The data cannot tell it from {named}." if tied else f"It was told apart from {named}."]


def _region_note(history: History[Space], objective: str | int | None, trial: int) -> str:
    """Where the optimum lies."""
    from trimtab.trust.optimum_posterior import optimum_note

    return optimum_note(history, objective, trial)


def _mixed(candidates: Candidates) -> list[str]:
    """What else sets the candidates apart."""
    complete = len(candidates.history.complete)
    notes = []
    if complete > len(candidates):
        notes.append(f"{complete - len(candidates)} of {complete} complete trials broke a constraint and do not count.")
    fidelities = {tuple(sorted((seen.fidelity or {}).items())) for seen in candidates.observations}
    tasks = {seen.task for seen in candidates.observations}
    for what, kinds in (("fidelities", fidelities), ("tasks", tasks)):
        if len(kinds) > 1:
            notes.append(
                f"The trials were run at {len(kinds)} different {what}, so their values are of different things."
            )
    return notes
