"""One worker process as the study's process sees it: started, spoken to, ended, buried."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait

from trimtab.base.ports import Job
from trimtab.executors.capture import OutputTail
from trimtab.executors.context import Notes
from trimtab.executors.protocol import FromWorker, Load, Setup, Start, ToWorker, receive, send

__all__ = ["Parcel", "Run", "WorkerProcess", "worker_environment"]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def worker_environment(environ: Mapping[str, str], slots: int, cores: int) -> dict[str, str]:
    """The environment of a worker: native libraries get a fair share of the cores, not all of them.

    Variables that the user set are left alone; a set OMP_NUM_THREADS also stands for those that are not.

    Arguments:
        environ: the environment of the study's process.
        slots: how many workers run at once.
        cores: how many cores they share.
    """
    share = environ.get("OMP_NUM_THREADS", str(max(1, cores // slots)))
    path = os.pathsep.join(entry for entry in sys.path if isinstance(entry, str))
    return {**dict.fromkeys(_THREADS, share), **environ, "PYTHONPATH": path}


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A pickled task; workers that have it need not be sent it again."""

    data: bytes = field(repr=False)


@dataclass(slots=True)
class Run:
    """A job in a worker.

    Arguments:
        job: what runs.
        began: when, on the monotonic clock, seconds.
        deadline: when it is to be killed; None for never.
        loaded: whether its task is loaded, so that its time counts.
        cancelled: whether it was given up.
        notes: what it has noted so far.
    """

    job: Job
    began: float
    deadline: float | None = None
    loaded: bool = False
    cancelled: bool = False
    notes: Notes = field(default_factory=Notes)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began


class WorkerProcess:
    """Starts a worker in a session and process group of its own, so that Ctrl-C does not reach it.

    Arguments:
        environment: of the new process, see `worker_environment`.

    Attributes:
        output: the last part of what it printed.
        ready: whether it has said that it started.
        run: the job in it, if any.
        torn: whether an exception struck between the beginning and the end of a message, so that
            nothing that comes after it can be trusted.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection, theirs = Pipe(duplex=True)
        lifeline_end, self._lifeline = Pipe(duplex=False)
        output, output_end = Pipe(duplex=False)
        ends = (theirs, lifeline_end)
        self.output = OutputTail(output)
        with theirs, lifeline_end, output_end:
            self._process = subprocess.Popen(
                [*_interpreter(), "-m", "trimtab.executors.worker", *(str(e.fileno()) for e in ends), str(os.getpid())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output_end.fileno(),
                stderr=output_end.fileno(),
                pass_fds=[end.fileno() for end in ends],
                start_new_session=True,
            )
        self._death = _death_handle(self._process.pid)
        self._parcel: Parcel | None = None
        self.ready = False
        self.torn = False
        self.run: Run | None = None
        with contextlib.suppress(OSError):  # it died already; the executor will notice
            self.send(Setup(list(sys.path), list(sys.argv), os.environ.get("PYTHONPATH")))

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def signs(self) -> list[Connection]:
        """What to wait for: a message, output, its death."""
        return [sign for sign in (self._connection, self.output.pipe, self._death) if sign is not None]

    def send(self, message: ToWorker) -> None:
        """Send a message.

        Raises:
            OSError: the worker is gone.
        """
        with self._whole_message():
            send(self._connection, message)

    def begin(self, job: Job, parcel: Parcel) -> None:
        """Hand over the job that is noted in `run`, with its task where the worker does not have it yet.

        Raises:
            OSError: the worker is gone.
        """
        self.output.restart()
        if parcel is not self._parcel:
            self.send(Load())
            with self._whole_message():
                self._connection.send_bytes(parcel.data)
            self._parcel = parcel
        self.send(Start(job.number, dict(job.params), job.key))

    @contextlib.contextmanager
    def _whole_message(self) -> Iterator[None]:
        """Stays torn when an exception other than the worker's death strikes inside."""
        self.torn = True
        try:
            yield
        except OSError:
            self.torn = False
            raise
        self.torn = False

    def has_message(self) -> bool:
        """Whether `receive` would not wait; true also at the end of the connection."""
        return self._connection.poll()

    def is_dead(self) -> bool:
        """Whether it has ended."""
        return self._ends_within(0.0)

    def receive(self) -> FromWorker:
        """The next message. The caller sets `torn` to False when it has taken note of it.

        Raises:
            EOFError, OSError: the worker is gone.
        """
        self.torn = True
        message: FromWorker = receive(self._connection)
        return message

    def dismiss(self) -> None:
        """Ask an idle worker to end by itself; `bury` does the rest."""
        self._connection.close()

    def bury(self, patience: float = 0.0) -> int | None:
        """End the worker and its whole process group, and free everything that belongs to it.

        Arguments:
            patience: seconds to wait for it to end by itself.

        Returns:
            Its exit code, or minus the signal that ended it; None where it had to be killed here.
        """
        ended = self._ends_within(patience)
        # Before it is reaped its number cannot belong to another group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self.output.drain()
        self.output.close()
        for end in (self._connection, self._lifeline, self._death):
            if end is not None:
                end.close()
        return code if ended else None

    def _ends_within(self, seconds: float) -> bool:
        if self._death is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode is not None
        return self._death.closed or bool(wait([self._death], seconds))


def _interpreter() -> list[str]:
    """This interpreter, unbuffered, without the working directory slipping into `sys.path`."""
    return [sys.executable, "-u", "-P", *(f"-W{option}" for option in sys.warnoptions)]


def _death_handle(pid: int) -> Connection | None:
    """Becomes readable when the child ends (Linux 5.3); None elsewhere. Wrapped so that it closes itself."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Connection(os.pidfd_open(pid), writable=False)
    return None
