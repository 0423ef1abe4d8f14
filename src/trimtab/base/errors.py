"""Every error trimtab raises on purpose.

    TrimtabError
    ├── InvalidSpace          (ValueError)  a search space, parameter or constraint that cannot be
    ├── InvalidParams         (ValueError)  a configuration that does not lie in its space
    ├── InvalidObservation    (ValueError)  what an objective returned or what was told
    ├── InvalidArgument       (ValueError)  an argument of a public function
    ├── UnknownName           (LookupError) a tuner, storage, executor, study or trial that is not there
    ├── StudyExists                         creating a study whose name is taken
    ├── SpaceMismatch         (ValueError)  the space given differs from the space stored
    ├── Conflict                            an event that the trial's present state refuses
    ├── Exhausted                           a finite space has no configuration left to ask for
    ├── StorageError                        a database that cannot be opened, read or written
    ├── ExecutorError                       worker processes that cannot be started
    ├── TrialError                          an objective raised, and nobody asked to catch it
    └── MissingExtra          (ImportError) an optional dependency that is not installed

`TrialPruned` is no error: raising it is how an objective ends a trial that `should_prune` gave up.

A message says what went wrong, what was got, what is allowed and what to do next; `message` writes
it in that order, so that all of them read alike.
"""

from __future__ import annotations

__all__ = [
    "Conflict",
    "ExecutorError",
    "Exhausted",
    "InvalidArgument",
    "InvalidObservation",
    "InvalidParams",
    "InvalidSpace",
    "MissingExtra",
    "SpaceMismatch",
    "StorageError",
    "StudyExists",
    "TrialError",
    "TrialPruned",
    "TrimtabError",
    "UnknownName",
    "check_count",
    "message",
    "shorten",
]


class TrimtabError(Exception):
    """Root of every error that trimtab raises on purpose."""


class InvalidSpace(TrimtabError, ValueError):
    """A search space, parameter, prior or constraint that cannot be."""


class InvalidParams(TrimtabError, ValueError):
    """A configuration that does not lie in its space."""


class InvalidObservation(TrimtabError, ValueError):
    """An objective returned, or a caller told, something that is not an observation of this study."""


class InvalidArgument(TrimtabError, ValueError):
    """An argument of a public function is out of its range."""


class UnknownName(TrimtabError, LookupError):
    """A tuner, storage scheme, executor, study or trial of that name does not exist."""


class StudyExists(TrimtabError):
    """A study of that name is already in the storage."""


class SpaceMismatch(TrimtabError, ValueError):
    """The space given differs from the space that the study was created with."""


class Conflict(TrimtabError):
    """An event that the trial's present state refuses, such as a second result for one trial."""


class Exhausted(TrimtabError):
    """Every configuration of a finite space was tried, so there is none left to ask for."""


class StorageError(TrimtabError):
    """A database cannot be opened, read or written. What was in it is left as it was."""


class ExecutorError(TrimtabError):
    """Trials cannot be run: worker processes do not start, or cannot be spoken with."""


class TrialError(TrimtabError):
    """An objective raised in a worker process, and the exception was not among those to catch."""


class MissingExtra(TrimtabError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class TrialPruned(Exception):
    """Raise this in an objective to end a trial that `trial.should_prune()` gave up. Not an error."""


def shorten(value: object, width: int = 80) -> str:
    """`repr(value)`, cut in the middle so that an error text stays readable.

    >>> shorten("x" * 100, 20)
    "'xxxxxxx ... xxxxxx'"
    """
    text = repr(value)
    if len(text) <= width:
        return text
    keep = width - 5
    return f"{text[: keep - keep // 2]} ... {text[len(text) - keep // 2 :]}"


def message(what: str, *, got: object = None, allowed: str = "", do: str = "") -> str:
    """One error text in the house's order: what, got, allowed, next step.

    `got` is shown by its `repr`, shortened; leave it out (None) where the text already shows it.

    >>> message("parameter 'lr': low must be below high", got=(1, 0), allowed="low < high", do="swap them")
    "parameter 'lr': low must be below high; got (1, 0); allowed: low < high. Next: swap them."
    """
    parts = [what]
    if got is not None:
        parts.append(f"got {shorten(got)}")
    if allowed:
        parts.append(f"allowed: {allowed}")
    text = "; ".join(parts)
    return f"{text}. Next: {do}." if do else f"{text}."


def check_count(value: object, what: str, least: int = 1, do: str = "") -> int:
    """A whole number that is at least `least`.

    Raises:
        InvalidArgument: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgument(message(f"{what} must be a whole number", got=value, allowed=f"{least} or more", do=do))
    return value
