"""Makes the database that `test_upgrade.py` keeps of this version, and what it holds as JSON.

Run it once for every change of the schema, before the change, with the number of the last step:

    python tests/upgrade/make_database.py 1

Databases that are there already are never made anew: they are what earlier versions wrote.
"""

import json
import sys
from pathlib import Path

from trimtab.base.clock import SimulatedClock
from trimtab.base.events import (
    NEXT,
    LeaseRenewed,
    Reported,
    SpaceChanged,
    StudyAttribute,
    StudyCreated,
    StudyStopped,
    TrialAdded,
    TrialAsked,
    TrialAttribute,
    TrialEnqueued,
    TrialReaped,
    TrialTold,
    event_to_json,
)
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Objective, Observation
from trimtab.storage import open_storage

FOLDER = Path(__file__).with_name("databases")


def write(path: Path) -> None:
    """One event of every kind at least, and texts and numbers that are hard to keep."""
    clock = SimulatedClock(1_700_000_000.0)
    storage = open_storage(path, clock=clock)
    objectives = (Objective("loss"), Objective("accuracy", "maximize"))
    storage.append("digits", [StudyCreated(objectives, 2**60, {"version": 1, "parameters": {}}, "sobol")])
    storage.append("digits", [StudyAttribute("owner", "π \ud800 \x00"), TrialEnqueued(NEXT, {"lr": 0.1}, {"a": None})])
    for end in range(4):
        clock.advance_to(clock.now() + 1.5)
        claim = storage.claim("digits", f"worker {end}\x00", 60.0)
        number, token = claim.trial.number, claim.seq
        storage.append(
            "digits",
            [
                TrialAsked(number, token, {"lr": 0.5 / (end + 1), "opt": "adam"}, token, "sobol", "next point"),
                LeaseRenewed(number, token, clock.now() + 90.0),
                Reported(number, token, 1.0, {"loss": float("nan"), "accuracy": 5e-324}),
                Reported(number, token, 2.0, {"loss": float("inf"), "\ud800": -0.5}),
            ],
        )
        value = {"loss": 0.25 * end, "accuracy": 1.0 - end}
        observation = Observation(value, stderr={"loss": 0.01}, losses=[0.5, 0.25], constraints={"c": -1.0}, cost=3.5)
        told = TrialTold(number, token, TrialState.COMPLETE, EndReason.COMPLETED, observation, output="done\n")
        if end == 1:
            told = TrialTold(number, token, TrialState.FAIL, EndReason.ERROR, text="ValueError: \x00\x10")
        if end == 2:
            reaped = TrialReaped(number, token, "the lease ran out")
            storage.append("digits", [reaped, TrialEnqueued(NEXT, {"lr": 0.2}, retry_of=number)])
        storage.append("digits", [told, TrialAttribute(number, "seed", {"value": end})])
    added = TrialAdded(NEXT, {"lr": 1e-3}, TrialState.COMPLETE, EndReason.COMPLETED, Observation({"loss": 1e300}))
    storage.append("digits", [added, SpaceChanged({"version": 1}, "wider lr"), StudyStopped("exhausted")])
    storage.append("n" * 300, [StudyCreated((Objective(),), 0), TrialEnqueued(NEXT, {})])
    storage.close()


def contents(path: Path) -> dict[str, object]:
    """What a database holds: study by study the whole log."""
    storage = open_storage(path)
    names = [record.name for record in storage.studies()]
    logs = {
        name: [
            # A report's step and numbers may be what JSON has no word for: `event_to_json` spells them.
            [stored.seq, stored.time, stored.event.kind, event_to_json(stored.event)]
            for stored in storage.read(name)
        ]
        for name in names
    }
    storage.close()
    return {"names": names, "logs": logs}


def main(version: str) -> None:
    database = FOLDER / f"{version}.db"
    if database.exists():
        raise SystemExit(f"{database} exists already")
    FOLDER.mkdir(exist_ok=True)
    write(database)
    database.with_suffix(".json").write_text(json.dumps(contents(database), indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
