"""From a free slot to a configuration: lease a trial, ask the tuner, write down what it saw and said."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.base.errors import message
from trimtab.base.events import TrialAsked, TrialTold
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Claim, Tuner
from trimtab.base.records import FrozenTrial, Params, Suggestion
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.study.held_out import used_up
from trimtab.study.view import StudyView

__all__ = ["EXHAUSTED", "Nothing", "ask_key", "ask_trial", "propose"]

EXHAUSTED = "every configuration of the finite space was tried"


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no trial to run. `final`: nor will there be one, whatever ends."""

    why: str
    final: bool


def ask_key(history: History[Space], number: int) -> Key:
    """The key under which the tuner is asked for a trial."""
    return Key(history.study.seed, number, "ask")


def propose(tuner: Tuner[Space], history: History[Space], number: int, partial: Params | None) -> Suggestion | None:
    """The configuration for a trial: a function of (space, history, key) and of what was enqueued.

    Arguments:
        tuner: who proposes.
        history: what it may see.
        number: the trial's number.
        partial: values that were enqueued; None for a trial that nobody enqueued.

    Returns:
        None where the space has nothing more to give.
    """
    space = history.space
    if partial and (space.is_traced or space.contains(partial)):
        return Suggestion(partial, "enqueued", "asked for by name")
    if space.is_traced and not space.columns:
        return Suggestion(partial or {}, "define-by-run", "nothing is known of the space yet")
    found = tuner.ask(history, 1, ask_key(history, number))
    if not found:
        return None
    if not partial:
        return found[0]
    params = space.complete(partial, found[0].params)
    return Suggestion(params, found[0].tuner, f"{sorted(partial)} asked for by name, the rest: {found[0].why}")


def ask_trial(
    view: StudyView, tuner: Tuner[Space], worker: str, lease: float, limit: int | None = None
) -> FrozenTrial | Nothing:
    """Lease a trial and write its configuration down.

    The tuner is asked before the lease where that can be known to be for the right number, so that an
    exhausted space leaves no trial without a configuration behind.

    Arguments:
        view: the study.
        tuner: who proposes.
        worker: name of the worker that will run it.
        lease: seconds the lease lasts.
        limit: no new trial is made once the study holds so many.
    """
    history = view.refresh()
    if why := used_up(history):
        return Nothing(why, final=True)
    early: Suggestion | None = None
    number = len(history)
    if not history.numbers(TrialState.WAITING).size:
        if limit is not None and history.made >= limit:
            return Nothing(f"the study holds the {limit} trials asked for", final=False)
        if history.space.size is not None or _is_alone(history, worker):
            early = propose(tuner, history, number, None)
            if early is None:
                return Nothing(EXHAUSTED, final=True)
    claim = view.storage.claim(view.name, worker, lease, limit)
    if claim is None:
        return Nothing(f"the study holds the {limit} trials asked for", final=False)
    if early is None or claim.trial.number != number or claim.trial.params is not None:
        history = view.refresh()
        early = _propose_for(view, tuner, history, claim)
        if early is None:
            return Nothing(EXHAUSTED, final=True)
    trial = claim.trial
    asked = TrialAsked(trial.number, trial.token, dict(early.params), history.seq, early.tuner, early.why)
    view.append([asked])
    return trial.with_(params=asked.params, seen=asked.seen, tuner=asked.tuner, why=asked.why)


def _is_alone(history: History[Space], worker: str) -> bool:
    """Whether no other worker is known to run a trial."""
    return all(history.trial(int(n)).worker == worker for n in history.numbers(TrialState.RUNNING))


def _propose_for(view: StudyView, tuner: Tuner[Space], history: History[Space], claim: Claim) -> Suggestion | None:
    """Ask for a trial that is leased already; if that fails, the trial must not stay open for ever."""
    trial = claim.trial

    def give_up(reason: EndReason, text: str) -> None:
        view.append([TrialTold(trial.number, trial.token, TrialState.FAIL, reason, text=text)])

    try:
        suggestion = propose(tuner, history, trial.number, trial.params)
    except Exception as error:
        give_up(EndReason.ERROR, message(f"the tuner {tuner.name!r} raised {error!r}"))
        raise
    if suggestion is None:
        give_up(EndReason.CANCELLED, EXHAUSTED)
    return suggestion
