"""Where trials run: in the calling thread, in worker processes, or in simulated time.

`trimtab.executors.processes.ProcessExecutor` is loaded when `make_executor("processes")` asks for it.
"""

from __future__ import annotations

from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.ports import Executor
from trimtab.executors.inline import InlineExecutor
from trimtab.executors.outcome import run_job
from trimtab.executors.simulated import SimulatedExecutor

__all__ = ["InlineExecutor", "SimulatedExecutor", "executor_names", "make_executor", "run_job"]

_PORT = ("slots", "submit", "events", "cancel", "close")


def executor_names() -> tuple[str, ...]:
    """The names that `make_executor` knows."""
    return ("inline", "processes")


def make_executor(executor: str | Executor, slots: int = 1) -> Executor:
    """An executor by name; an object that fits the port is given back as it is.

    Arguments:
        executor: "inline", "processes", or an object with the methods of `trimtab.base.ports.Executor`.
        slots: how many trials run at once, for an executor made here.

    Raises:
        UnknownName: no executor of that name.
        InvalidArgument: an impossible number of slots, or an object that does not fit the port.

    >>> make_executor("inline").slots
    1
    """
    if not isinstance(executor, str):
        return _checked(executor)
    if executor not in executor_names():
        raise UnknownName(
            message(
                "there is no executor of this name",
                got=executor,
                allowed=" or ".join(map(repr, executor_names()))
                + ", or an object that fits trimtab.base.ports.Executor",
                do='use executor="processes" to run several trials at once on this machine',
            )
        )
    if not isinstance(slots, int) or slots < 1:
        raise InvalidArgument(
            message("n_jobs must be a whole number of trials to run at once", got=slots, allowed=">= 1")
        )
    if executor == "processes":
        from trimtab.executors.processes import ProcessExecutor

        return ProcessExecutor(slots)
    if slots > 1:
        raise InvalidArgument(
            message(
                "the executor 'inline' runs one trial at a time, in the calling thread",
                got=f"n_jobs={slots}",
                allowed="n_jobs=1",
                do='use executor="processes"',
            )
        )
    return InlineExecutor()


def _checked(executor: Executor) -> Executor:
    """The object itself where it has every method of the port."""
    missing = [name for name in _PORT if not hasattr(executor, name)]
    if missing:
        raise InvalidArgument(
            message(
                f"an executor needs {', '.join(missing)}",
                got=executor,
                allowed=" or ".join(map(repr, executor_names()))
                + ", or an object that fits trimtab.base.ports.Executor",
            )
        )
    return executor
