"""How trials end, and what may be decided about a running one. Codes whose values are their words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

__all__ = ["Decision", "EndReason", "TrialState", "Verdict"]


class TrialState(IntEnum):
    """Where a trial stands. The numbers are stored; never change them."""

    WAITING = 0
    RUNNING = 1
    COMPLETE = 2
    PRUNED = 3
    FAIL = 4

    @property
    def finished(self) -> bool:
        """Whether nothing more is expected of the trial."""
        return self >= TrialState.COMPLETE


class EndReason(Enum):
    """Why a trial ended. The value is the stored code; `text` is what a person reads."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    ERROR = "error"
    INVALID = "invalid"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    TIMEOUT = "timeout"
    LEASE_LOST = "lease_lost"
    CANCELLED = "cancelled"
    HOLDOUT_USED_UP = "holdout_used_up"

    @property
    def text(self) -> str:
        """The reason in plain words."""
        return _TEXTS[self]

    @property
    def retriable(self) -> bool:
        """Whether the same configuration may well succeed when it is run again.

        An exception, a divergence or a time-out would come back; a worker that vanished need not.
        """
        return self in (EndReason.KILLED, EndReason.LEASE_LOST, EndReason.CANCELLED)


_TEXTS = {
    EndReason.COMPLETED: "ran to its end",
    EndReason.PRUNED: "stopped early by the pruner",
    EndReason.ERROR: "the objective raised an exception",
    EndReason.INVALID: "the objective returned something that is not an observation",
    EndReason.DIVERGED: "the objective returned nan or an infinity",
    EndReason.OUT_OF_MEMORY: "the objective ran out of memory",
    EndReason.KILLED: "the worker process died",
    EndReason.TIMEOUT: "the trial took longer than its time limit",
    EndReason.LEASE_LOST: "the worker stopped renewing its lease",
    EndReason.CANCELLED: "the study was interrupted while the trial ran",
    EndReason.HOLDOUT_USED_UP: "the holdout's budget was used up before it could answer for the trial",
}


class Verdict(Enum):
    """What a pruner may say of a running trial."""

    GO_ON = "go on"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Decision:
    """A pruner's verdict on a running trial. It always carries its reason."""

    verdict: Verdict
    reason: str

    def __post_init__(self) -> None:
        """Refuse a decision without a reason."""
        if not self.reason:
            raise ValueError("a Decision needs a reason; got an empty text")
