"""What a running trial holds in its hand: it collects what the trial notes and passes its reports on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.base.records import Json, ParamValue, Report, check_name
from trimtab.base.seeds import Key

__all__ = ["Channel", "Notes", "RunContext"]


@dataclass(slots=True)
class Notes:
    """What a trial tells of itself while it runs, beside its reports.

    Arguments:
        params: the parameters that a define-by-run objective asked for.
        parameters: their declarations, name -> the parameter's JSON.
        attributes: user attributes.
    """

    params: dict[str, ParamValue] = field(default_factory=dict)
    parameters: dict[str, Json] = field(default_factory=dict)
    attributes: dict[str, Json] = field(default_factory=dict)

    def add(self, more: Notes) -> None:
        """Take over newer notes; a name that is noted again has its last value."""
        self.params.update(more.params)
        self.parameters.update(more.parameters)
        self.attributes.update(more.attributes)


class Channel(Protocol):
    """The way from a running trial to the loop: a direct call, or a pipe between processes."""

    def report(self, report: Report) -> None:
        """Pass one point of the curve on."""
        ...

    def should_prune(self) -> bool:
        """The decision on what was reported so far."""
        ...

    def note(self, notes: Notes) -> None:
        """Pass notes on at once, so that they outlive a process that dies."""
        ...


class RunContext:
    """The `Context` of one trial.

    Arguments:
        number: the trial's number.
        key: key of its random numbers.
        channel: where its reports go and where decisions come from.

    Attributes:
        notes: everything noted so far.
    """

    def __init__(self, number: int, key: Key, channel: Channel) -> None:
        self._number, self._key, self._channel = number, key, channel
        self.notes = Notes()

    @property
    def number(self) -> int:
        """The trial's number."""
        return self._number

    @property
    def key(self) -> Key:
        """Key of every random number the trial needs."""
        return self._key

    def report(self, step: float, metrics: Mapping[str, float]) -> None:
        """Tell one point of the curve; nan and infinities are allowed.

        Raises:
            InvalidObservation: the step or a metric is not one real number, or there is no metric.
        """
        self._channel.report(_checked_report(step, metrics))

    def should_prune(self) -> bool:
        """Whether the loop decided, on what was reported so far, that the trial should end.

        A decision to pause counts, too: the trial gives its slot back. False before the first report.
        """
        return self._channel.should_prune()

    def suggested(self, name: str, value: ParamValue, parameter: Json) -> None:
        """Note that a define-by-run objective asked for a parameter, with its declaration's JSON."""
        self._note(Notes(params={name: value}, parameters={name: parameter}))

    def attribute(self, name: str, value: Json) -> None:
        """Note a user attribute of the trial.

        Raises:
            InvalidArgument: the name is not a text, or the value is not strict JSON.
        """
        check_name(name, "a trial attribute's name")
        try:
            dumps(value)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(
                message(
                    f"trial {self._number}: attribute {name!r} is not JSON ({error})",
                    got=value,
                    allowed="None, bool, int, finite float, str, and lists and dicts of them",
                    do="convert it, for instance with float(...) or .tolist()",
                )
            ) from None
        self._note(Notes(attributes={name: value}))

    def _note(self, notes: Notes) -> None:
        self.notes.add(notes)
        self._channel.note(notes)


def _checked_report(step: float, metrics: Mapping[str, float]) -> Report:
    """A report made of plain floats, stamped with the machine's time."""
    try:
        report = Report(float(step), {str(name): float(value) for name, value in metrics.items()}, time.time())
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidObservation(
            message(
                f"a report must be a number for the step and a dict of numbers ({error})",
                got=(step, metrics),
                do='report for instance (3, {"loss": 0.25})',
            )
        ) from None
    if not report.metrics:
        raise InvalidObservation(message("a report needs at least one metric", got=dict(metrics)))
    return report
