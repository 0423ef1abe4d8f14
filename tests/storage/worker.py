"""A worker process of the tests: takes trials of a study from an SQLite file until there are no more.

It prints a trial's number once its result was told, so that whoever kills it knows what must be there.
"""

import os
import sys

from trimtab.base.events import TrialAsked, TrialTold
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Observation
from trimtab.storage import open_storage


def main(path: str, limit: int) -> None:
    storage = open_storage(path)
    worker = f"process {os.getpid()}"
    while (claim := storage.claim("study", worker, lease=60.0, limit=limit)) is not None:
        number, token = claim.trial.number, claim.seq
        storage.append("study", [TrialAsked(number, token, {"x": number / 7}, seen=token, tuner="test")])
        told = TrialTold(number, token, TrialState.COMPLETE, EndReason.COMPLETED, Observation(float(number)))
        storage.append("study", [told])
        print(number, flush=True)
    storage.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
