"""Worker processes of the tests: they take trials of a study from one SQLite file until there are no more.

A process prints a trial's number once its result was told, so that whoever kills it knows what must
be there. All but one are forked from one that has imported everything, before it opens the file.
"""

import os
import sys

from trimtab.base.errors import StudyExists
from trimtab.base.events import StudyCreated, TrialAsked, TrialTold
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Objective, Observation
from trimtab.storage.sqlite import open_sqlite


def say(what: object) -> None:
    """One line in one write: processes share the output."""
    os.write(sys.stdout.fileno(), f"{what}\n".encode())


def work(path: str, limit: int) -> None:
    storage = open_sqlite(path)
    try:
        storage.append("study", [StudyCreated((Objective(),), seed=0)])
        say("created")
    except StudyExists:
        pass
    worker = f"process {os.getpid()}"
    while (claim := storage.claim("study", worker, lease=60.0, limit=limit)) is not None:
        number, token = claim.trial.number, claim.seq
        storage.append("study", [TrialAsked(number, token, {"x": number / 7}, seen=token, tuner="test")])
        told = TrialTold(number, token, TrialState.COMPLETE, EndReason.COMPLETED, Observation(float(number)))
        storage.append("study", [told])
        say(number)
    storage.close()


def main(path: str, limit: int, processes: int) -> None:
    if processes == 1:
        work(path, limit)
        return
    children = []
    go, begin = os.pipe()
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            os.close(begin)
            os.read(go, 1)  # ends when the parent closes its end: all begin together
            work(path, limit)
            os._exit(0)
        children.append(child)
    os.close(begin)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    sys.exit(len(failed))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
