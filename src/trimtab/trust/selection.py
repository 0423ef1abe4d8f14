"""`select`: which trial to take, what to expect of it, and what cannot be told from it.

The best of K noisy values is too good: its naive 95% interval covers its true value in 10% of cases for
50 equal trials scored on 200 examples. What can be said instead depends on what the observations carry, in
this order of preference:

1. losses: per-example losses on shared examples (`trimtab.trust.losses`);
2. stderr: a standard error for each value (`trimtab.trust.standard_errors`);
3. replicates: configurations that were evaluated several times (`trimtab.trust.replicates`);
4. values: nothing of the kind; the observed best, without an interval (`trimtab.trust.bare_values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.trust.bare_values import BareValues, read_values
from trimtab.trust.candidates import Absent, Candidates, Evidence, Reader
from trimtab.trust.certify import certificate_note
from trimtab.trust.default_guard import DefaultOrTuned, default_or_tuned, smoothed_or_default
from trimtab.trust.losses import PairedLosses, read_losses
from trimtab.trust.observed import objective_index
from trimtab.trust.replicates import Replicates, read_replicates
from trimtab.trust.standard_errors import StandardErrors, read_standard_errors

__all__ = ["SELECTION_METHODS", "compare_with_default", "select", "selection_references"]

S = TypeVar("S")

_READERS: Mapping[str, Reader] = {
    "losses": read_losses,
    "stderr": read_standard_errors,
    "replicates": read_replicates,
    "values": read_values,
}

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
) -> Selection:
    """The honest best of a study.

    Candidates are the complete, feasible trials with a finite value.

    Arguments:
        history: the study.
        objective: name or index; may be left out where there is only one.
        method: "losses", "stderr", "replicates" or "values"; "auto" takes the first of these that half of the
            candidates carry.
        level: of the interval, and probability with which the true best is in the tie set.
        key: of the random numbers; by default made of the study's seed, so that repeated calls agree.
        default: number of the trial that ran the default configuration; a caveat then says whether the
            selected one can be told from it.
        certify: whether a last caveat compares the selected trial with the certified optimum of a surrogate;
            see `trimtab.trust.certify`. It may take ten seconds.

    Returns:
        The selection. Estimate and interval are in the objective's own units and sign.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective or method, a level outside (0, 1), a default that is no
            trial, or a method that the observations carry nothing for.
    """
    _check(history, method, level, default)
    candidates = Candidates.of(history, objective_index(history, objective))
    evidence, notes = _evidence(candidates, method)
    found = evidence.select(level, key or Key(history.study.seed, purpose="select"))
    caveats = [
        *found.caveats,
        *_ties(found),
        *_against(found, evidence.candidates, default),
        *notes,
        *_mixed(candidates),
        *([certificate_note(cast(History[Space], history), objective, found.trial)] if certify else []),
    ]
    return replace(found, caveats=tuple(caveats))


def compare_with_default(
    history: History[S],
    default: int = 0,
    *,
    objective: str | int | None = None,
    level: float | None = None,
    smoothed: bool = False,
    key: Key | None = None,
) -> DefaultOrTuned:
    """Whether tuning helped: the selected trial or the default, whichever the data speak for.

    Arguments:
        history: the study.
        default: number of the trial that ran the default configuration.
        objective: name or index; may be left out where there is only one.
        level: how sure the gain has to be; by default 0.95, smoothed 0.8.
        smoothed: let neighbouring trials vote, for random and other space-filling searches; the selected trial is then
            the best of the smoothed ones. Measured, not proved; otherwise 1 - level bounds how often a default that
            no trial truly beats is replaced. See `trimtab.trust.default_guard`.
        key: as for `select`.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, a level outside (0, 1), or a default that is no trial.
    """
    sure = (0.8 if smoothed else 0.95) if level is None else level
    _check(history, "auto", sure, default)
    evidence, _ = _evidence(Candidates.of(history, objective_index(history, objective)), "auto")
    if smoothed:
        return smoothed_or_default(evidence, default, sure)
    tuned = select(history, objective=objective, key=key).trial
    return default_or_tuned(evidence, tuned, default, sure, key or Key(history.study.seed, purpose="default"))


def selection_references(selection: Selection) -> tuple[Reference, ...]:
    """The sources of the method that made a selection; empty for one that was made elsewhere."""
    kinds: tuple[type[Evidence], ...] = (PairedLosses, StandardErrors, Replicates, BareValues)
    return next((kind.refs for kind in kinds if kind.method == selection.method), ())


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


def _evidence(candidates: Candidates, method: str) -> tuple[Evidence, list[str]]:
    """What to select by, and notes on better evidence that was told but cannot be used."""
    if method != "auto":
        found = _READERS[method](candidates, True)
        if isinstance(found, Absent):
            study = candidates.history.study.name
            raise InvalidArgument(message(f"study {study!r} cannot be selected by {method}: {found.why}"))
        return found, []
    notes: list[str] = []
    for reader in _READERS.values():
        found = reader(candidates, False)
        if not isinstance(found, Absent):
            return found, notes
        if found.told:
            notes.append(f"{found.why[0].upper()}{found.why[1:]}.")
    return read_values(candidates, True), notes


def _ties(found: Selection) -> list[str]:
    """What a tie set of several trials means."""
    others = len(found.tie_set) - 1
    if not others or found.interval is None:
        return []
    them = "another trial" if others == 1 else f"{others} other trials"
    return [f"The data cannot tell it from {them}; among those of the tie set, choose by cost or simplicity."]


def _against(found: Selection, compared: Candidates, default: int | None) -> list[str]:
    """Whether the data tell the selected trial from the default configuration."""
    if default is None or found.interval is None:
        return []
    if default not in compared.numbers:
        # Replicates stand under the number of their first trial.
        params = compared.history.trial(default).params
        same = (int(number) for number in compared.numbers if compared.history.trial(int(number)).params == params)
        number = next(same, None)
    else:
        number = default
    named = f"the default configuration (trial {default})"
    if number is None:
        return [f"It was not compared with {named}, which has no usable result."]
    if number == found.trial:
        return [f"The selected trial is {named} itself."]
    if number in found.tie_set:
        return [f"The data cannot tell it from {named}."]
    return [f"At the level of the interval, {named} is surely not the best."]


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
