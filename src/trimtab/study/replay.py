"""Replay: ask the tuner again, with what it had seen then, and compare.

Random numbers are keyed by (seed, trial, purpose), and each `TrialAsked` records how much of the log
its tuner had seen. So the suggestions of a finished study, a parallel one too, can be computed again
from its events alone; where they differ, code, space or tuner has changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.events import Stored, StudyCreated, TrialAsked, TrialEnqueued
from trimtab.base.fold import advance_study
from trimtab.base.history import History
from trimtab.base.ports import Tuner
from trimtab.base.records import Params
from trimtab.space import Space
from trimtab.study.asking import propose
from trimtab.study.view import space_of

__all__ = ["Replay", "Replayed", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One trial's configuration, then and now."""

    number: int
    recorded: Params
    again: Params | None

    @property
    def same(self) -> bool:
        """Whether both are the same, to the last bit."""
        return self.again is not None and dict(self.recorded) == dict(self.again)


@dataclass(frozen=True, slots=True)
class Replay:
    """A whole study replayed."""

    trials: tuple[Replayed, ...]

    @property
    def same(self) -> bool:
        """Whether every configuration came out the same."""
        return all(trial.same for trial in self.trials)

    @property
    def differing(self) -> tuple[int, ...]:
        """Numbers of the trials that came out otherwise."""
        return tuple(trial.number for trial in self.trials if not trial.same)


def replay(name: str, events: Sequence[Stored], tuner: Tuner[Space], given: Space | None = None) -> Replay:
    """Ask the tuner again for every trial that was asked for.

    Arguments:
        name: the study's name.
        events: its whole log.
        tuner: who proposed; must not carry a cache from another study.
        given: the space as code declares it, needed where it has predicates.

    Raises:
        InvalidArgument: the log is not whole.
    """
    if not events or not isinstance(events[0].event, StudyCreated):
        raise InvalidArgument(message(f"the log of study {name!r} does not begin with its creation"))

    partials = {e.event.number: e.event.params for e in events if isinstance(e.event, TrialEnqueued)}
    asked = [e.event for e in events if isinstance(e.event, TrialAsked)]
    first = advance_study(name, None, events[0])
    history = History(first, space_of(first, given), seq=events[0].seq)
    rest = iter(events[1:])
    ahead = next(rest, None)
    found: dict[int, Replayed] = {}
    # In the order of what was seen, so that one pass over the log serves every trial.
    for event in sorted(asked, key=lambda item: item.seen):
        batch: list[Stored] = []
        while ahead is not None and ahead.seq <= event.seen:
            batch.append(ahead)
            ahead = next(rest, None)
        history = history.extended(batch, lambda record: space_of(record, given))
        again = propose(tuner, history, event.number, partials.get(event.number))
        found[event.number] = Replayed(event.number, event.params, None if again is None else again.params)
    return Replay(tuple(found[number] for number in sorted(found)))
