"""The storage in memory."""

from pathlib import Path

from trimtab.base.clock import SimulatedClock
from trimtab.base.events import StudyCreated
from trimtab.base.records import Objective
from trimtab.storage import MemoryStorage
from trimtab.testing.storage_kit import StorageKit


class TestMemoryStorage(StorageKit):
    def open_storage(self, folder: Path) -> MemoryStorage:
        return MemoryStorage()


def test_times_and_leases_follow_the_given_clock():
    clock = SimulatedClock(1000.0)
    storage = MemoryStorage(clock)
    (created,) = storage.append("s", [StudyCreated((Objective(),), seed=0)])
    clock.advance_to(1500.0)
    claim = storage.claim("s", "worker", lease=60.0)
    assert created.time == 1000.0
    assert (claim.trial.created, claim.trial.started, claim.trial.expires) == (1500.0, 1500.0, 1560.0)
